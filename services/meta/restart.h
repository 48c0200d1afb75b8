/* restart: when does a process that has exited start again? Pure arithmetic: no clock, no process,
 * no I/O.
 *
 * Died before it was READY, or soon after: exponential back-off with jitter. Died after a healthy
 * time: again at once. More than `max` starts within the window: never again until an operator says
 * so. Which ends count at all says the kind, in the words of OTP. */
#ifndef META_RESTART_H
#define META_RESTART_H

#include <stdbool.h>
#include <stdint.h>
#include "node/supervise.h"

/* most starts that are remembered: upper bound of policy.max */
#define RESTART_KEPT SUPERVISE_RESTARTS_MOST

enum restart_kind {
	RESTART_PERMANENT, /* starts again however it ended */
	RESTART_TRANSIENT, /* ... only when it ended badly */
	RESTART_TEMPORARY, /* ... never */
};

struct restart_policy {
	int64_t base_us;    /* first back-off, doubled each time */
	int64_t cap_us;     /* longest back-off */
	int64_t healthy_us; /* READY for so long: the next start is at once and the back-off begins
	                       anew */
	int64_t window_us;
	uint32_t max; /* starts within the window, at most RESTART_KEPT */
	enum restart_kind kind;
};

struct restart_state {   /* zeroed at first; copied between supervisors as it is */
	uint32_t in_row; /* deaths in a row that were not after a healthy time */
	uint32_t n;      /* starts in at_us, oldest first */
	int64_t at_us[RESTART_KEPT];
};

enum verdict {
	RESTART_NOW,
	RESTART_LATER,
	RESTART_NEVER, /* given up */
	RESTART_DONE,  /* it ended well, and that was it */
};

/* well: it ended by itself with status 0. ready_us: how long it had been READY, 0 when it never was.
 * jitter: any 32 random bits. *at: the time of the start, set for RESTART_NOW and RESTART_LATER. */
enum verdict restart_next(const struct restart_policy *p, struct restart_state *s, int64_t now,
    int64_t ready_us, bool well, uint32_t jitter, int64_t *at);
uint32_t restart_count(
    const struct restart_policy *p, const struct restart_state *s, int64_t now); /* in the window */

#endif
