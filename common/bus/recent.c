/* recent: see recent.h. Called by load.c. */
#include "bus/recent.h"

#include <string.h>

#include "base/mem.h"
#include "base/time.h"

#define STEP_BITS 3
#define STEPS     (1u << STEP_BITS)
#define SAMPLES   (RECENT_SECONDS + 1)
#define WINDOW_US ((int64_t)RECENT_SECONDS * SEC)

static unsigned bucket_of(uint64_t us);
static int64_t upper_edge(unsigned bucket);
static int64_t quantile(const uint64_t *bucket, uint64_t n, double q);

void
recent_count(struct recent **r, int64_t now_us, int64_t took_us, bool fault)
{
	int64_t second = now_us / SEC;
	struct recent_second *s;

	if (*r == NULL) {
		*r = mem_zalloc(sizeof(**r));
		(*r)->since_us = now_us;
	}
	s = &(*r)->ring[second % RECENT_SECONDS];
	if (s->second != second) {
		memset(s, 0, sizeof(*s));
		s->second = second;
	}
	s->calls++;
	s->faults += fault;
	s->bucket[bucket_of(took_us < 0 ? 0 : (uint64_t)took_us)]++;
}

void
recent_sum(const struct recent *r, int64_t now_us, struct recent_sum *out)
{
	int64_t second = now_us / SEC, from = (second - RECENT_SECONDS + 1) * SEC;
	uint64_t bucket[RECENT_BUCKETS] = { 0 };

	*out = (struct recent_sum){ .window_us = now_us - from };
	if (r == NULL)
		return;
	for (unsigned i = 0; i < RECENT_SECONDS; i++) {
		const struct recent_second *s = &r->ring[i];

		if (s->second <= second - RECENT_SECONDS || s->second > second)
			continue;
		out->calls += s->calls;
		out->faults += s->faults;
		for (unsigned k = 0; k < RECENT_BUCKETS; k++)
			bucket[k] += s->bucket[k];
	}
	if (r->since_us > from)
		out->window_us = now_us - r->since_us > SEC ? now_us - r->since_us : SEC;
	out->p50_us = quantile(bucket, out->calls, 0.5);
	out->p99_us = quantile(bucket, out->calls, 0.99);
}

bool
recent_cpu_due(const struct recent_cpu *c, int64_t now_us)
{
	return c->n == 0 || c->sample[(c->n - 1) % SAMPLES].at_us / SEC != now_us / SEC;
}

void
recent_cpu_add(struct recent_cpu *c, int64_t now_us, int64_t cpu_us)
{
	unsigned at = c->n++ % SAMPLES;

	c->sample[at].at_us = now_us;
	c->sample[at].cpu_us = cpu_us;
}

/* Since the oldest sample of the window that is a second old; else the newest before the window; else
 * the oldest there is. */
double
recent_cpu_percent(const struct recent_cpu *c, int64_t now_us, int64_t cpu_us)
{
	unsigned kept = c->n < SAMPLES ? c->n : SAMPLES;
	int64_t at = now_us, cpu = cpu_us;

	for (unsigned i = c->n - kept; i < c->n; i++) { /* oldest first */
		bool first = i == c->n - kept;

		if (first || c->sample[i % SAMPLES].at_us <= now_us - SEC) {
			at = c->sample[i % SAMPLES].at_us;
			cpu = c->sample[i % SAMPLES].cpu_us;
		}
		if (at >= now_us - WINDOW_US)
			break;
	}
	return at < now_us && cpu < cpu_us ? 100 * (double)(cpu_us - cpu) / (double)(now_us - at)
	                                   : 0;
}

static unsigned
bucket_of(uint64_t us)
{
	unsigned exponent, i;

	if (us < STEPS)
		return (unsigned)us;
	exponent = 63 - (unsigned)__builtin_clzll(us);
	i = (exponent - STEP_BITS + 1) * STEPS + ((us >> (exponent - STEP_BITS)) & (STEPS - 1));
	return i < RECENT_BUCKETS ? i : RECENT_BUCKETS - 1;
}

/* The largest value that falls into the bucket. */
static int64_t
upper_edge(unsigned bucket)
{
	unsigned shift = bucket / STEPS - 1;

	if (bucket < STEPS)
		return bucket;
	return (int64_t)(((uint64_t)(STEPS + bucket % STEPS + 1) << shift) - 1);
}

static int64_t
quantile(const uint64_t *bucket, uint64_t n, double q)
{
	uint64_t rank = (uint64_t)(q * (double)n), seen = 0;

	rank += (double)rank < q * (double)n;
	for (unsigned i = 0; i < RECENT_BUCKETS && n > 0; i++) {
		seen += bucket[i];
		if (seen >= rank)
			return upper_edge(i);
	}
	return 0;
}
