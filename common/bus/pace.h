/* pace: how fast a member of a target answers, and who gives way to whom for it, as arithmetic: no
 * clock, no I/O, no randomness of its own.
 *
 * Own time of a call = time from sending it to its answer, minus what the answer says its sender
 * waited for others (Answer.waited_us). So it holds the way there and back, the queue, the work and
 * any stall of the member, but not the work of those behind it, which would be the same elsewhere.
 * Of the calls a mean is kept that forgets with time, not with calls: each weighs
 * (d + 1 ms) / (d + 1 ms + 100 ms), d after the one before it.
 *
 * The order of the members stands until one is clearly slower than the fastest other that we know:
 * own time over twice the other's and 20 ms beyond, by its mean, and by three calls more than were
 * not, for 200 ms. Then it gives way, and takes its place again when its mean is below 1.5 times,
 * or 10 ms beyond, the other's. Meanwhile one call of 16 goes to it, never two at a time; what was
 * not measured for 5 s is forgotten. The stand-ins are measured only when the one before them looks
 * slow (over 20 ms while they are not known): each gets four calls, then one a second as long as it
 * looks so. Where nobody is slow nothing of this happens.
 *
 * A member piles up when 32 calls are out on it and it has answered none for 100 ms: then the next
 * calls go past it until it answers again, before any of its times are known. */
#ifndef BUS_PACE_H
#define BUS_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/time.h"

#define PACE_MEAN_US   (100 * MS) /* half of the mean's weight is younger */
#define PACE_FLOOR_US  (20 * MS)  /* nobody gives way for less */
#define PACE_BACK_US   (10 * MS)
#define PACE_SLOW      2.0
#define PACE_BACK      1.5
#define PACE_CALLS     3          /* slow ones more than others ... */
#define PACE_FOR_US    (200 * MS) /* ... since so long */
#define PACE_KNOWN     4          /* calls that make a mean worth comparing with */
#define PACE_FRESH_US  (1 * SEC)  /* a stand-in's mean is asked for again after it */
#define PACE_FORGET_US (5 * SEC)
#define PACE_PROBE     16u /* of so many calls one goes to a member that gives way */
#define PACE_PILE      32u
#define PACE_SILENT_US (100 * MS)

struct pace {
	double own_us;       /* the mean */
	int64_t at_us;       /* of the newest call in it; 0: none */
	int64_t answered_us; /* the last answer of any kind, or when the first call went out */
	int64_t slow_us;     /* since when `slow` is not 0 */
	uint32_t out;        /* calls */
	uint32_t calls;      /* in the mean, counted up to PACE_KNOWN */
	uint32_t slow;       /* calls over the limit more than below it, counted up to 8 */
	bool gives_way;
};

void pace_reset(struct pace *p); /* a new connection: what is out on it is not ours any more */
void pace_begin(struct pace *p, int64_t now_us); /* a call goes out ... */
void pace_end(struct pace *p);                   /* ... and is out no longer */
void pace_answered(struct pace *p, int64_t now_us);

/* Its mean, when others may be compared with it; else a negative number. */
double pace_known(const struct pace *p, int64_t now_us);
/* A call took own_us. True: pace_judge wants to know what the others need. */
bool pace_took(struct pace *p, int64_t own_us, int64_t now_us);
/* best_us: the least pace_known of the others, negative: none; all: that of all others is known.
 * True: gives_way has changed. */
bool pace_judge(struct pace *p, int64_t own_us, double best_us, bool all, int64_t now_us);

/* Nothing speaks against giving it the call: the others need not be looked at. */
static inline bool
pace_fine(const struct pace *p)
{
	return p->slow == 0 && p->out < PACE_PILE && !p->gives_way;
}
/* It gives way or piles up: among equals it gets nothing but what pace_choose gives it. */
bool pace_aside(const struct pace *p, int64_t now_us);
/* Who of n fit members, in their order, gets the call; *turn is the target's, 0 at its start. */
size_t pace_choose(struct pace *const *of, size_t n, int64_t now_us, uint32_t *turn);

#endif
