/* hist: log-linear buckets. Values below 16 have a bucket each; from there on each power of two
 * has 16. */
#include "base/hist.h"

#define STEPS_BITS 4
#define STEPS      (1 << STEPS_BITS)

static unsigned bucket_of(uint64_t us);
static uint64_t upper_edge(unsigned bucket);

void
hist_add(struct hist *h, int64_t us)
{
	uint64_t v = us < 0 ? 0 : (uint64_t)us;

	h->count++;
	h->sum_us += v;
	if (v > h->max_us)
		h->max_us = v;
	h->bucket[bucket_of(v)]++;
}

void
hist_merge(struct hist *into, const struct hist *from)
{
	into->count += from->count;
	into->sum_us += from->sum_us;
	if (from->max_us > into->max_us)
		into->max_us = from->max_us;
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		into->bucket[i] += from->bucket[i];
}

int64_t
hist_quantile(const struct hist *h, double q)
{
	uint64_t rank, seen = 0, edge;

	if (h->count == 0)
		return 0;
	rank = q <= 0 ? 1 : q >= 1 ? h->count : (uint64_t)(q * (double)h->count);
	if ((double)rank < q * (double)h->count && rank < h->count)
		rank++;
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen >= rank) {
			edge = upper_edge(i);
			return (
			    int64_t)(edge < h->max_us && i < HIST_BUCKETS - 1 ? edge : h->max_us);
		}
	}
	return (int64_t)h->max_us;
}

uint64_t
hist_count_below(const struct hist *h, int64_t us)
{
	uint64_t n = 0;

	if (us < 0)
		return 0;
	for (unsigned i = 0, last = bucket_of((uint64_t)us); i <= last; i++)
		n += h->bucket[i];
	return n;
}

static unsigned
bucket_of(uint64_t us)
{
	unsigned exponent, i;

	if (us < STEPS)
		return (unsigned)us;
	exponent = 63 - (unsigned)__builtin_clzll(us);
	i = (exponent - STEPS_BITS + 1) * STEPS + ((us >> (exponent - STEPS_BITS)) & (STEPS - 1));
	return i < HIST_BUCKETS ? i : HIST_BUCKETS - 1;
}

/* The largest value that falls into the bucket. */
static uint64_t
upper_edge(unsigned bucket)
{
	unsigned exponent = bucket / STEPS + STEPS_BITS - 1;
	uint64_t step = bucket % STEPS;

	if (bucket < STEPS)
		return bucket;
	return ((STEPS + step + 1) << (exponent - STEPS_BITS)) - 1;
}
