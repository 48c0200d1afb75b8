/* bucket: token buckets in a table of fixed size. Pure arithmetic; the clock is an argument.
 *
 * A bucket is one number: when it will be full again. So it needs no timer, one that is full is as
 * good as none, and its slot is free. Where every slot of a set is taken, the bucket that will be
 * full soonest makes way: the one that says least. Being idle alone frees nobody: a limit whose
 * window is longer than `idle_us` would else be none. An attacker who brings a
 * million addresses therefore costs no more memory, and can't wash out the empty bucket of anybody:
 * his own are fuller. */
#ifndef API_BUCKET_H
#define API_BUCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct limit { /* how large, how fast */
	uint32_t capacity;
	int64_t token_ns; /* how long one token takes to come */
};

struct buckets;
struct buckets *buckets_new(size_t slots, int64_t idle_us); /* slots are rounded up */
void buckets_free(struct buckets **b);
void buckets_set_idle(struct buckets *b, int64_t idle_us);
/* Used within `idle_us`, or not full yet. Looks at every slot. */
size_t buckets_kept(const struct buckets *b, int64_t now_us);
uint64_t buckets_washed(const struct buckets *b); /* that made way though they were not full */

struct taking {
	uint64_t key; /* nobody outside may be able to choose it */
	const struct limit *limit;
	/* out */
	bool allowed;
	uint32_t left;
	int64_t more_us; /* until the next token comes; 0: it is full */
};
/* One token of each, or of none: then the ones that had none are not `allowed`. */
bool buckets_take(struct buckets *b, size_t n, struct taking *t, int64_t now_us);

#endif
