/* slices: what was counted within the last minute, hour and day. Each window is a ring of slices of
 * time, so that what is over leaves by itself; it holds the slice of now and those before it: the
 * minute its last 59 to 60 seconds, the day 23 h 45 min to 24 h. Pure: the clock is an argument and
 * never goes back.
 *
 * The elements belong to the owner: an array of SLICES of whatever it counts, all zero at first. */
#ifndef META_SLICES_H
#define META_SLICES_H

#include <stddef.h>
#include <stdint.h>

enum window { WINDOW_1M, WINDOW_1H, WINDOW_24H, WINDOWS };
#define SLICES (60 + 60 + 96)

struct window_def {
	const char *name; /* "1m" */
	int64_t slice_us;
	unsigned n, first; /* slices, and the index of the first one */
};
extern const struct window_def windows[WINDOWS];

enum window window_find(const char *name); /* WINDOWS: there is none */

struct slices {
	int64_t number[WINDOWS]; /* of the slice of now, counted from the beginning of the clock */
	int64_t until[WINDOWS];  /* then it is over */
	unsigned at[WINDOWS];    /* its index */
};

/* Clears those that are over. */
void slices_turn(struct slices *s, void *elements, size_t size, enum window w, int64_t now);

/* The element of now. */
static inline void *
slices_now(struct slices *s, void *elements, size_t size, enum window w, int64_t now)
{
	if (now >= s->until[w])
		slices_turn(s, elements, size, w, now);
	return (char *)elements + s->at[w] * size;
}

#endif
