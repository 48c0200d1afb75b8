/* stats: intervals and tests for rates and times, as arithmetic. Checked against R and against
 * 40-digit arithmetic (tests/unit/stats.c); errors are below 1e-9 unless said. */
#ifndef RELIABILITY_STATS_H
#define RELIABILITY_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/stats.h"

/* --- distributions; tails keep their relative precision far out --- */
double stat_normal_tail(double z);     /* P(Z > z) */
double stat_normal_quantile(double p); /* p in (0, 1) */
double stat_chi2_tail(double x, double df);
double stat_beta(double a, double b, double x); /* regularized incomplete beta I_x(a, b) */
double stat_binomial_cdf(uint64_t k, uint64_t n, double p); /* P(K <= k) */

/* --- a rate: k of n --- */
struct interval stat_wilson(uint64_t k, uint64_t n, double confidence);
/* Clopper-Pearson: never covers less than it says; 0 of n and n of n too. */
struct interval stat_exact(uint64_t k, uint64_t n, double confidence);
/* Upper bound of a rate of which nothing was seen in n, one-sided; about 3/n for 0.95. */
double stat_none_seen(uint64_t n, double confidence);

/* --- two rates --- */
struct two_rates {
	double difference;        /* a - b */
	struct interval interval; /* of it: Newcombe's, from two Wilson intervals */
	double z, p;              /* pooled, two-sided */
	double p_corrected;       /* with Yates's continuity correction */
	bool sparse;              /* an expected count is below 5: the test is a rough one */
};
struct two_rates
stat_two_rates(uint64_t ka, uint64_t na, uint64_t kb, uint64_t nb, double confidence);

struct mcnemar {     /* of pairs: b where only the first one succeeded, c where only the second */
	bool exact;  /* binomial, b + c < 25; else chi-square with continuity correction */
	double chi2; /* 0 when exact */
	double p;
};
struct mcnemar stat_mcnemar(uint64_t b, uint64_t c);

/* --- how much a measurement can tell; two-sided, n for each of the two groups --- */
double stat_power(double n, double pa, double pb, double alpha);
/* 0: there is no difference to be seen */
double stat_needed(double pa, double pb, double alpha, double power);
/* least difference from p, downwards, that n per group show with this power */
double stat_visible(double n, double p, double alpha, double power);

/* --- times: sorted ascending, n > 0 --- */
void stat_sort(double *v, size_t n);
double stat_quantile(const double *sorted, size_t n, double q); /* between ranks, R's type 7 */
/* From order statistics; where n is too small for it, the whole range. */
struct interval stat_quantile_interval(const double *sorted, size_t n, double q, double confidence);
/* Percentile bootstrap of the median; v is not sorted and stays as it is. */
struct interval
stat_bootstrap_median(const double *v, size_t n, uint32_t rounds, double confidence, uint64_t seed);

#endif
