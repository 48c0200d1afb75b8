/* analysis: what the records of a run say: counts, rates with intervals, times, pairs, theory beside
 * them. Confidence is 99 % everywhere. */
#ifndef RELIABILITY_ANALYSIS_H
#define RELIABILITY_ANALYSIS_H

#include "cli/reliability/result.h"
#include "cli/reliability/stats.h"

#define CONFIDENCE     0.99
#define PARTIAL_WEIGHT 0.7 /* of a partial success in the weighted reliability: the spec */
#define ALL_KINDS      (-1)

/* Latencies in bins of equal width on a logarithmic scale. */
#define BINS            80
#define BINS_PER_DECADE 10
#define BINS_FROM_MS    0.01

struct figures { /* of one system in one run, or of one kind of scenarios in it */
	uint64_t n, outcomes[OUTCOMES];
	uint64_t cascades, shed, late, failovers, degraded, common;
	double reliability, weighted; /* NAN: no requests */
	struct interval ci;           /* of reliability: Wilson */
	struct interval cascade_ci;   /* of cascades / n: exact */
	double mean_ms, p50_ms, p99_ms, max_ms;
	struct interval p50_ci, p99_ci;
	uint64_t bins[BINS];
	uint64_t failed_at[MEMBERS];
	uint64_t faultless; /* requests into which nothing was injected */
};
void figures_of(const struct system *s, int kind, struct figures *out);

/* P over the requests as they were: each with its number of domains. */
double theory_of_requests(const struct run *r, const struct rates *e);
double theory_of_baseline(const struct run *r);

struct measured_rates { /* per level; NAN where no try was counted */
	struct rates rates;
	uint64_t tries[LEVELS], own[LEVELS];
};
struct measured_rates rates_measured(const struct system *s);

struct pairs { /* the same scenarios in both systems; success is full success */
	uint64_t n, both, b, c, neither;
	struct mcnemar test;
	size_t n_differences; /* of latencies, federation minus baseline, ms */
	double median_ms;     /* NAN: no pairs */
	struct interval median_ci;
};
/* Times are compared of pairs that succeeded in both. `rounds` of the bootstrap; 0: no times. */
void pairs_of(const struct run *r, uint32_t rounds, uint64_t seed, struct pairs *out);

/* Full and partial successes a second, over the time that the run took. */
double done_per_s(const struct system *s);
/* Medians over samples of one sort; NAN: none. `back`: until the node was READY again. */
double recovery_median_ms(const struct result *r, enum recovery_of of, bool back);

#endif
