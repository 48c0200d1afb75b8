/* slots: how many requests run at once, and who is next. Pure: the clock is an argument, waking up
 * is the caller's.
 *
 * - `slots` units run at once; the last `reserve` of them only for CRITICAL.
 * - Who waits has a credit of weight x time waited (8 4 2 1 by priority): the more important
 * overtake, nobody starves:
 *    a LOW that waited eight times as long as a CRITICAL goes first.
 * - At most `queue` wait. When it is full the least important, youngest one is refused, which may
 * be the newcomer.
 * - Who can't be expected to start before its deadline is refused at once.
 *
 * An ask is in exactly one place (nowhere, waiting, running) and changes it only in here: the
 * counts can't drift. */
#ifndef META_SLOTS_H
#define META_SLOTS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/list.h"

#define SLOTS_PRIORITIES 5 /* 1 CRITICAL .. 4 LOW; 0 is none */

struct slots_policy {
	uint32_t slots, reserve, queue;
};

struct slot_ask { /* the caller's memory, until slots_leave */
	struct link link;
	uint32_t priority, units;
	int64_t asked_at, began_at, deadline;
	enum { SLOT_NOWHERE, SLOT_WAITING, SLOT_RUNNING } place;
};

struct slots {
	struct slots_policy policy;
	uint32_t used, used_critical; /* units */
	uint32_t waiting;
	struct list queue[SLOTS_PRIORITIES];
	double service_us; /* moving mean of what a request takes */
};

enum slot_verdict { SLOT_GO, SLOT_WAIT, SLOT_FULL, SLOT_LATE };

void slots_init(struct slots *s, const struct slots_policy *p);
void slots_set_policy(struct slots *s, const struct slots_policy *p);
/* SLOT_WAIT: *refused is NULL, or one that had waited and has to be refused now (it is nowhere any
 * more). */
enum slot_verdict
slots_ask(struct slots *s, struct slot_ask *a, int64_t now, struct slot_ask **refused);
/* Who starts now; NULL: nobody can. Ask after each slots_leave until it is NULL. */
struct slot_ask *slots_next(struct slots *s, int64_t now);
void slots_leave(struct slots *s, struct slot_ask *a, int64_t now); /* from wherever it is */
/* when the queue should have emptied: 50 ms to 5 s */
uint32_t slots_retry_ms(const struct slots *s);

#endif
