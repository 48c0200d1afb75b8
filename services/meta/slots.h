/* slots: how many requests run at once, and who is next. Pure: the clock is an argument, waking up
 * is the caller's.
 *
 * - `slots` units run at once; the last `reserve` of them only for CRITICAL.
 * - Who waits has a credit of weight x time waited (8 4 2 1 by priority): the more important
 * overtake, nobody starves: a LOW that waited eight times as long as a CRITICAL goes first.
 * - Who needs more units than are free is overtaken by nobody with less credit, but by a CRITICAL as
 * long as CRITICAL ones have no more than the reserve.
 * - Bulkheads: what waits for one thing (the stores; the hashing of a log-in) holds at most `share`
 * percent of the ordinary slots, and the reserve on top of it for its CRITICAL ones, and as much of
 * the queue: when that thing hangs the rest goes on. All of the above holds within a bulkhead, too.
 * - At most `queue` wait. When it is full the least important, youngest one is refused, which may
 * be the newcomer.
 * - Who can't be expected to have ended before its deadline is refused at once, when it would have
 * to wait.
 *
 * An ask is in exactly one place (nowhere, waiting, running) and changes it only in here: the
 * counts can't drift. */
#ifndef META_SLOTS_H
#define META_SLOTS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/list.h"

#define SLOTS_PRIORITIES 5 /* 1 CRITICAL .. 4 LOW; 0 is none */

enum slot_kind { /* what a request may have to wait for */
	SLOT_OF_NONE,
	SLOT_OF_STORE,
	SLOT_OF_SIGN,
	SLOT_KINDS
};

struct slots_policy {
	uint32_t slots, reserve, queue;
	uint32_t share; /* percent; 0: no bulkheads */
};

struct slot_ask { /* the caller's memory, until slots_leave */
	struct link link;
	uint32_t priority, units;
	enum slot_kind kind;
	int64_t asked_at, began_at, deadline;
	enum { SLOT_NOWHERE, SLOT_WAITING, SLOT_RUNNING } place;
};

struct slots_held { /* units */
	uint32_t used, critical;
};

struct slots {
	struct slots_policy policy;
	struct slots_held all, of[SLOT_KINDS];
	uint32_t waiting, waiting_of[SLOT_KINDS];
	struct list queue[SLOT_KINDS][SLOTS_PRIORITIES];
	double service_us[SLOT_KINDS]; /* moving mean of what a request takes */
	int64_t moved_us[SLOT_KINDS];  /* when one has last ended, or the first of them has begun */
};

enum slot_verdict { SLOT_GO, SLOT_WAIT, SLOT_FULL, SLOT_LATE };

void slots_init(struct slots *s, const struct slots_policy *p);
void slots_set_policy(struct slots *s, const struct slots_policy *p);
/* SLOT_WAIT: *refused is NULL, or one that had waited and has to be refused now (it is nowhere any
 * more). */
enum slot_verdict
slots_ask(struct slots *s, struct slot_ask *a, int64_t now, struct slot_ask **refused);
/* What slots_ask would say to one like this, and how long it would wait (microseconds, 0 unless
 * SLOT_WAIT). */
enum slot_verdict
slots_would(const struct slots *s, const struct slot_ask *like, int64_t now, int64_t *wait_us);
/* One that runs turns out to need more than was known. False: the bulkhead of that kind holds it. */
bool slots_turn(struct slots *s, struct slot_ask *a, enum slot_kind kind, int64_t now);
/* Is it its bulkhead that keeps one like this from running, or from waiting for it? */
bool slots_walled(const struct slots *s, const struct slot_ask *like);
/* Who starts now; NULL: nobody can. Ask after each slots_leave until it is NULL. */
struct slot_ask *slots_next(struct slots *s, int64_t now);
void slots_leave(struct slots *s, struct slot_ask *a, int64_t now); /* from wherever it is */
/* when the queue should have emptied: 50 ms to 5 s */
uint32_t slots_retry_ms(const struct slots *s, enum slot_kind kind, int64_t now);

#endif
