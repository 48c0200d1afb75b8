/* fit: the breaker of a node over itself, as arithmetic: no clock, no I/O. It opens nothing: the node
 * says in every frame that it is unfit, and who has another one calls that.
 *
 * A call fails that is answered with a fault (status_is_fault), or takes 200 ms longer than a tenth
 * of its method's limit: work that may last long is not slow at a number for all. What failed for its
 * caller's sake is none: a deadline too short for the method, a call that was withdrawn in time.
 *
 * Unfit: 5 failures in a row, and more than half of at least 20 calls in 10 s. Fit again: 20 in a row
 * went well, or no more than a fifth of the last 10 s failed; of none is none, so who is not called
 * any more is fit after 10 s and shows what he can. Between a half and a fifth it stays as it is. */
#ifndef BUS_FIT_H
#define BUS_FIT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/time.h"
#include "bus/window.h"

#define FIT_FAILURES  5u
#define FIT_CALLS     20u
#define FIT_SHARE     0.5
#define FIT_AGAIN     0.2
#define FIT_WINDOW_US (10 * SEC)
#define FIT_SLOW_US   (200 * MS)
#define FIT_LOOK_US   (1 * SEC) /* while unfit, as nobody may call */

struct fit {
	bool unfit;
	uint32_t failed, well; /* in a row */
	struct window window;
};

/* How long a call of a method of this limit may take. */
static inline int64_t
fit_slow_us(int64_t limit_us)
{
	return limit_us / 10 + FIT_SLOW_US;
}

/* True: `unfit` has changed. */
bool fit_count(struct fit *f, bool failed, int64_t now_us);
bool fit_look(struct fit *f, int64_t now_us); /* time has passed */

#endif
