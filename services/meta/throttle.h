/* throttle: meta's breaker over the fleet, as arithmetic: no clock, no I/O.
 *
 * A request is slow when it took more than 500 ms. The fleet is over its limit when more than half
 * of at least 20 requests of the last second were slow, at each look for 2 s. Of the share and not of
 * the mean: one hung request in a hundred moves a mean beyond any limit. More than half and not the
 * slowest tenth: one slow agent of three is a matter of who calls it, not of the whole fleet. For
 * 2 s: what waited for one restart ends all at once, and is over in a second.
 *
 * Beyond it a quarter of a priority more is refused every 500 ms, least important first; below a
 * fifth of slow ones a quarter less every second. Between the two nothing moves. Where slots are
 * free, load is not what makes requests slow: then no more than LOW is refused. */
#ifndef META_THROTTLE_H
#define META_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/time.h"

#define THROTTLE_SLOW_US  (500 * MS)
#define THROTTLE_SLICE_US (250 * MS)
#define THROTTLE_SLICES   4
#define THROTTLE_LEAST    20
#define THROTTLE_OVER     0.5
#define THROTTLE_BELOW    0.2
#define THROTTLE_FOR_US   (2 * SEC)
#define THROTTLE_STEP     0.25
#define THROTTLE_RISE_US  (500 * MS)
#define THROTTLE_FALL_US  (1 * SEC)
#define THROTTLE_MOST     3.5 /* of CRITICAL ones half go on, whatever happens */
#define THROTTLE_UNLOADED 1.0

struct throttle {
	int64_t slice; /* number of the newest */
	uint32_t calls[THROTTLE_SLICES], slow[THROTTLE_SLICES];
	double refused;  /* priorities, from LOW: see struct cascade */
	int64_t over_us; /* since when; 0: it is not */
	int64_t step_us; /* when it last moved */
};

void throttle_took(struct throttle *t, int64_t us, int64_t now_us);
void throttle_look(struct throttle *t, bool full, int64_t now_us);

#endif
