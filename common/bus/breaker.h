/* breaker: the circuit breaker of one member of a target, as arithmetic: no clock, no I/O, no
 * randomness of its own.
 *
 * CLOSED: calls go. A run of policy.failures final failures makes the member suspect; a suspect
 * opens when more than open_share of at least open_calls calls failed within open_window. OPEN: no
 * call goes until the probe time. HALF_OPEN: one call at a time goes; success closes, failure opens
 * again, with errors from now on: there was contact. open_share >= 1: errors never open it.
 *
 * policy.observe: errors never open it either, but would_open says when they would have, until the
 * first call after the probe time went well. Loss of contact opens it all the same, and the first
 * sign of contact closes it. */
#ifndef BUS_BREAKER_H
#define BUS_BREAKER_H

#include <stdbool.h>
#include <stdint.h>
#include "bus/bus.h"
#include "bus/window.h"

struct breaker {
	enum breaker_state state;
	uint32_t failures; /* final failures in a row */
	bool probing;      /* HALF_OPEN: its one call is out */
	bool lost;         /* not CLOSED: by loss of contact, not by errors */
	bool would_open;   /* CLOSED, observed: errors would have opened it */
	int64_t probe_us;  /* OPEN, would_open: when HALF_OPEN begins */
	struct window window;
};

struct breaker_policy
breaker_policy_or_default(struct breaker_policy p); /* zeroes become the documented defaults */

void breaker_reset(struct breaker *b); /* a new connection: nothing is known against it */
bool breaker_suspect(const struct breaker *b, const struct breaker_policy *p);

/* May a call go at `now`? Turns OPEN to HALF_OPEN when its time has come. */
bool breaker_fit(struct breaker *b, int64_t now_us);
void breaker_begin(struct breaker *b);   /* a call goes; must be fit */
void breaker_abandon(struct breaker *b); /* it was cancelled: says nothing */

/* How a call went. `last`: no other member of the target is fit, errors must not open this one.
 * `unit` in [0, 1) is jitter. True: the state changed. */
bool breaker_success(struct breaker *b, const struct breaker_policy *p, int64_t now_us);
bool breaker_failure(
    struct breaker *b, const struct breaker_policy *p, int64_t now_us, bool last, double unit);
/* Loss of contact: opens at once, whatever the counts. */
bool breaker_trip(struct breaker *b, const struct breaker_policy *p, int64_t now_us, double unit);

/* What is told of it. */
enum breaker_state breaker_shown(const struct breaker *b);

#endif
