/* limit: how many calls of one method may be out on a target, as arithmetic: no clock, no I/O, no
 * randomness of its own. After Netflix's gradient2 (concurrency-limits), with what it lacks here.
 *
 * Compared are two times of a call: `base`, what it takes when it is not crowded, learned over long,
 * and the mean of the window under way. A window lasts 50 ms, at least as long as a call takes (so
 * that it shows what the one before it has done) and until 16 calls have ended. At its end, when the
 * limit was in use (at least half of it was out at once):
 *
 *	gradient = 1.5 x base / mean, within 0.5 and 1
 *	limit   += 0.5 x (limit x gradient + sqrt(limit) - limit), within 16 and 4096
 *
 * sqrt(limit) is the queue that is allowed. Where it was not in use, the window says nothing of the
 * limit: it teaches base, and a limit above its initial 64 goes slowly back towards twice of what
 * was used. A mean below base teaches always. So base can't run after its own queue: a queue that
 * stands is above half the limit, and is not learned. But work may have become longer: at the least
 * limit, when that is still too much, base is learned anew, for what a call takes then is not
 * crowded by us, and the limit grows from there.
 *
 * The time is that of the whole call, with what its server waited for others (Answer.waited_us).
 * pace.h leaves that out, because it compares members that stand before the same stores; here it is
 * just the queue before those stores that must show: a domain whose agent is slow has hardly any
 * time of its own, and without it thousands of calls would pile up in the domain.
 *
 * Nobody is limited below `floor`, a hundredth of the method's own time limit (20 ms of Auth.Check,
 * 100 ms of Auth.Login): servers group what arrives together, and a commit of 64 takes longer than a
 * lone one while it does far more. Each method has a limit of its own: that log-ins hash for 50 ms
 * and checks take 1 ms is no congestion when their mix shifts, and a flood of the one does not
 * take the room of the other.
 *
 * A drop is a call that was refused for overload, or whose deadline passed after it had taken longer
 * than an uncrowded one may: who gives it 1 ms learns nothing about the server. A share s of drops
 * makes the gradient at most 1 - 4 s.
 *
 * At a capacity of C calls a second the limit settles where limit / C is about 1.5 x max(base,
 * floor) plus the queue; C changes, it follows within some windows. tests/unit/limit.c has the
 * servers for it. */
#ifndef BUS_LIMIT_H
#define BUS_LIMIT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/time.h"

#define LIMIT_LEAST     16.0 /* more than two cores ever have under way */
#define LIMIT_FIRST     64.0
#define LIMIT_MOST      4096.0
#define LIMIT_WINDOW_US (50 * MS)
#define LIMIT_CALLS     16u /* of a window, at least */
#define LIMIT_TOLERANCE 1.5
#define LIMIT_SMOOTHING 0.5
#define LIMIT_DROPS     4.0 /* by so much a share of drops weighs more than one of time */

struct limit {
	double limit;
	double floor_us, base_us; /* base 0: not known yet */
	double took_us;           /* mean of the last window, 0: none yet */
	uint32_t out;             /* calls */
	bool anew;                /* at the least: base is learned anew */
	/* the window */
	uint32_t calls, drops, most; /* most: that were out at once */
	int64_t since_us;            /* 0: nothing has ended in it yet */
	double sum_us;
};

void limit_init(struct limit *l, int64_t call_limit_us);
static inline bool
limit_has_room(const struct limit *l)
{
	return l->out < (uint32_t)l->limit;
}
static inline void
limit_begin(struct limit *l)
{
	if (++l->out > l->most)
		l->most = l->out;
}
static inline void
limit_end(struct limit *l)
{
	l->out--;
}
/* A call was answered after took_us ... */
void limit_took(struct limit *l, int64_t took_us, int64_t now_us);
/* ... was refused for overload, or (refused false) was given up after took_us. */
void limit_dropped(struct limit *l, bool refused, int64_t took_us, int64_t now_us);
/* What a call is to be given from now on to be answered in time, as far as is known. */
int64_t limit_needs_us(const struct limit *l);
/* How long it will take until `ahead` calls more have found room. */
int64_t limit_wait_us(const struct limit *l, uint32_t ahead);

#endif
