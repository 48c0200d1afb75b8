/* stats: see stats.h. Each function names where its formula stands. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/reliability/stats.h"

#define TURNS_MOST  100000 /* of a continued fraction: needs about sqrt(max(a, b)) */
#define HALVES_MOST 200    /* of a bisection: beyond 60 nothing changes any more */
#define TINY        1e-300

typedef double rising_fn(double x, const void *ctx);

static double log_gamma(double);
static double gamma_series(double, double);
static double gamma_fraction(double, double);
static double beta_fraction(double, double, double);
static double where(rising_fn *, const void *, double, double, double);
static double binomial_above(double, const void *);
static double binomial_below(double, const void *);
static double z_of(double);
static uint64_t rank_of(uint64_t, double, double);
static double select_rank(double *, size_t, size_t);
static int by_value(const void *, const void *);

double
stat_normal_tail(double z)
{
	return 0.5 * erfc(z * M_SQRT1_2);
}

/* Abramowitz & Stegun 26.2.23 to begin with (error 4.5e-4), then Halley's steps on the tail. */
double
stat_normal_quantile(double p)
{
	double tail = p < 0.5 ? p : 1 - p, t, z;

	if (!(p > 0 && p < 1))
		return p <= 0 ? -INFINITY : INFINITY;
	t = sqrt(-2 * log(tail));
	z = t - (2.515517 + t * (0.802853 + t * 0.010328)) /
	            (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
	for (int i = 0; i < 3; i++) {
		double density = exp(-z * z / 2) / sqrt(2 * M_PI);
		double step = (stat_normal_tail(z) - tail) / density;

		z += step / (1 - z * step / 2);
	}
	return p < 0.5 ? -z : z;
}

/* Q(df/2, x/2): series and continued fraction, Abramowitz & Stegun 6.5.29 and 6.5.31. */
double
stat_chi2_tail(double x, double df)
{
	double a = df / 2;

	if (!(x > 0))
		return 1;
	if (df == 1)
		return erfc(sqrt(x / 2));
	x /= 2;
	return x < a + 1 ? 1 - gamma_series(a, x) : gamma_fraction(a, x);
}

/* Abramowitz & Stegun 26.5.8, with 26.5.2 where the fraction would converge slowly. */
double
stat_beta(double a, double b, double x)
{
	double front;

	if (!(x > 0))
		return 0;
	if (x >= 1)
		return 1;
	front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
	return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a
	                                 : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* Abramowitz & Stegun 26.5.24. */
double
stat_binomial_cdf(uint64_t k, uint64_t n, double p)
{
	if (k >= n || p <= 0)
		return 1;
	if (p >= 1)
		return 0;
	return stat_beta((double)(n - k), (double)k + 1, 1 - p);
}

struct interval
stat_wilson(uint64_t k, uint64_t n, double confidence)
{
	return wilson_interval(k, n, z_of(confidence));
}

struct count {
	uint64_t k, n;
};

/* Clopper & Pearson 1934. */
struct interval
stat_exact(uint64_t k, uint64_t n, double confidence)
{
	double rest = (1 - confidence) / 2;
	const struct count c = { k, n };
	struct interval out = { 0, 1 };

	if (n == 0)
		return out;
	if (k > 0)
		out.lo = k == n ? pow(rest, 1 / (double)n)
		                : where(binomial_above, &c, rest, 0, (double)k / (double)n);
	if (k < n)
		out.hi = k == 0 ? -expm1(log(rest) / (double)n)
		                : where(binomial_below, &c, 1 - rest, (double)k / (double)n, 1);
	return out;
}

double
stat_none_seen(uint64_t n, double confidence)
{
	return n == 0 ? 1 : -expm1(log1p(-confidence) / (double)n);
}

/* z: pooled, Fleiss, Levin & Paik ch. 3; interval: Newcombe 1998 (two samples), method 10. */
struct two_rates
stat_two_rates(uint64_t ka, uint64_t na, uint64_t kb, uint64_t nb, double confidence)
{
	double n = (double)na, m = (double)nb, a, b, pooled, se, yates;
	struct interval wa = stat_wilson(ka, na, confidence), wb = stat_wilson(kb, nb, confidence);
	struct two_rates out = { .interval = { -1, 1 }, .p = 1, .p_corrected = 1, .sparse = true };

	if (na == 0 || nb == 0)
		return out;
	a = (double)ka / n;
	b = (double)kb / m;
	out.difference = a - b;
	out.interval.lo = a - b - hypot(a - wa.lo, wb.hi - b);
	out.interval.hi = a - b + hypot(wa.hi - a, b - wb.lo);
	pooled = (double)(ka + kb) / (n + m);
	out.sparse = fmin(n, m) * fmin(pooled, 1 - pooled) < 5;
	se = sqrt(pooled * (1 - pooled) * (1 / n + 1 / m));
	if (se == 0) /* all the same, everywhere */
		return out;
	out.z = (a - b) / se;
	out.p = 2 * stat_normal_tail(fabs(out.z));
	yates = fmax(fabs(a - b) - (1 / n + 1 / m) / 2, 0) / se;
	out.p_corrected = 2 * stat_normal_tail(yates);
	return out;
}

/* McNemar 1947; the continuity correction is Edwards's of 1948. */
struct mcnemar
stat_mcnemar(uint64_t b, uint64_t c)
{
	uint64_t n = b + c, less = b < c ? b : c;
	struct mcnemar out = { .exact = n < 25, .p = 1 };
	double apart = fmax((double)(n - 2 * less) - 1, 0);

	if (out.exact) {
		out.p = n == 0 ? 1 : fmin(1, 2 * stat_binomial_cdf(less, n, 0.5));
		return out;
	}
	out.chi2 = apart * apart / (double)n;
	out.p = stat_chi2_tail(out.chi2, 1);
	return out;
}

/* As R's power.prop.test: Fleiss, Levin & Paik (4.14), without continuity correction. */
double
stat_power(double n, double pa, double pb, double alpha)
{
	double mean = (pa + pb) / 2, apart = fabs(pa - pb);
	double spread = sqrt(pa * (1 - pa) + pb * (1 - pb));
	double over = apart * sqrt(n) - z_of(1 - alpha) * sqrt(2 * mean * (1 - mean));

	if (spread == 0)
		return over > 0 ? 1 : 0;
	return stat_normal_tail(-over / spread);
}

double
stat_needed(double pa, double pb, double alpha, double power)
{
	double mean = (pa + pb) / 2, root;

	if (pa == pb)
		return 0;
	root = (z_of(1 - alpha) * sqrt(2 * mean * (1 - mean)) +
		   stat_normal_quantile(power) * sqrt(pa * (1 - pa) + pb * (1 - pb))) /
	       (pa - pb);
	return root * root;
}

struct seen {
	double n, p, alpha;
};

static double
power_below(double difference, const void *ctx)
{
	const struct seen *s = ctx;

	return stat_power(s->n, s->p, s->p - difference, s->alpha);
}

double
stat_visible(double n, double p, double alpha, double power)
{
	const struct seen s = { n, p, alpha };

	return power_below(p, &s) < power ? p : where(power_below, &s, power, 0, p);
}

void
stat_sort(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
}

double
stat_quantile(const double *sorted, size_t n, double q)
{
	double at = q * (double)(n - 1);
	size_t i = (size_t)at;

	return i + 1 >= n ? sorted[n - 1]
	                  : sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

/* David & Nagaraja, Order Statistics, 7.1: the number of samples below the quantile is binomial. */
struct interval
stat_quantile_interval(const double *sorted, size_t n, double q, double confidence)
{
	double rest = (1 - confidence) / 2;
	uint64_t lo = rank_of(n, q, rest), hi = rank_of(n, q, 1 - rest);

	/* lo: one rank lower is surely in the tail; hi: the first one beyond it */
	return (struct interval){ sorted[lo > 0 ? lo - 1 : 0], sorted[hi < n ? hi : n - 1] };
}

/* Efron & Tibshirani ch. 13. */
struct interval
stat_bootstrap_median(const double *v, size_t n, uint32_t rounds, double confidence, uint64_t seed)
{
	double *sample = mem_grow(NULL, n, sizeof(*sample));
	double *medians = mem_grow(NULL, rounds, sizeof(*medians));
	double rest = (1 - confidence) / 2;
	struct interval out;
	struct rng rng;

	must(n > 0 && n <= UINT32_MAX && rounds > 0);
	rng_seed(&rng, seed);
	for (uint32_t i = 0; i < rounds; i++) {
		for (size_t k = 0; k < n; k++)
			sample[k] = v[rng_below(&rng, (uint32_t)n)];
		medians[i] = select_rank(sample, n, n / 2);
		if (n % 2 == 0) /* the lower of the two stands before it */
			medians[i] = (medians[i] + select_rank(sample, n / 2, n / 2 - 1)) / 2;
	}
	stat_sort(medians, rounds);
	out = (struct interval){ stat_quantile(medians, rounds, rest),
		stat_quantile(medians, rounds, 1 - rest) };
	free(sample);
	free(medians);
	return out;
}

static double
log_gamma(double x)
{
	int sign;

	return lgamma_r(x, &sign);
}

static double
gamma_series(double a, double x)
{
	double term = 1 / a, sum = term;

	for (int i = 1; i < TURNS_MOST && term > sum * 1e-17; i++)
		sum += term *= x / (a + i);
	return sum * exp(a * log(x) - x - log_gamma(a));
}

/* Lentz's way of continued fractions (Thompson & Barnett 1986), as below. */
static double
gamma_fraction(double a, double x)
{
	double b = x + 1 - a, c = 1 / TINY, d = 1 / b, value = d, step = 0;

	for (int i = 1; i < TURNS_MOST && fabs(step - 1) > 4e-16; i++) {
		double k = -i * (i - a);

		b += 2;
		d = 1 / (k * d + b);
		c = b + k / c;
		step = c * d;
		value *= step;
	}
	return value * exp(a * log(x) - x - log_gamma(a));
}

static double
beta_fraction(double a, double b, double x)
{
	double c = 1, d = 1 - (a + b) * x / (a + 1), value, step = 0;

	d = 1 / (d == 0 ? TINY : d);
	value = d;
	for (int m = 1; m < TURNS_MOST && fabs(step - 1) > 4e-16; m++) {
		double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));

		d = 1 + even * d;
		c = 1 + even / c;
		d = 1 / (d == 0 ? TINY : d);
		c = c == 0 ? TINY : c;
		value *= c * d;
		d = 1 + odd * d;
		c = 1 + odd / c;
		d = 1 / (d == 0 ? TINY : d);
		c = c == 0 ? TINY : c;
		step = c * d;
		value *= step;
	}
	return value;
}

/* Where a function that rises from lo to hi reaches this value. */
static double
where(rising_fn *fn, const void *ctx, double value, double lo, double hi)
{
	for (int i = 0; i < HALVES_MOST && hi - lo > 1e-17; i++) {
		double middle = lo + (hi - lo) / 2;

		if (middle == lo || middle == hi)
			break;
		if (fn(middle, ctx) < value)
			lo = middle;
		else
			hi = middle;
	}
	return lo + (hi - lo) / 2;
}

/* P(K >= k) */
static double
binomial_above(double p, const void *ctx)
{
	const struct count *c = ctx;

	return stat_beta((double)c->k, (double)(c->n - c->k) + 1, p);
}

/* P(K > k) */
static double
binomial_below(double p, const void *ctx)
{
	const struct count *c = ctx;

	return stat_beta((double)c->k + 1, (double)(c->n - c->k), p);
}

/* Both tails together have what the confidence leaves. */
static double
z_of(double confidence)
{
	return stat_normal_quantile(1 - (1 - confidence) / 2);
}

/* The least k with P(K <= k) > share, of a binomial. */
static uint64_t
rank_of(uint64_t n, double p, double share)
{
	uint64_t lo = 0, hi = n;

	while (lo < hi) {
		uint64_t middle = lo + (hi - lo) / 2;

		if (stat_binomial_cdf(middle, n, p) > share)
			hi = middle;
		else
			lo = middle + 1;
	}
	return lo;
}

/* Hoare's selection: v[rank] as if v was sorted, nothing greater before it. */
static double
select_rank(double *v, size_t n, size_t rank)
{
	size_t lo = 0, hi = n - 1;

	while (lo < hi) {
		double pivot = v[lo + (hi - lo) / 2];
		size_t i = lo, k = hi;

		for (;;) {
			while (v[i] < pivot)
				i++;
			while (v[k] > pivot)
				k--;
			if (i >= k)
				break;
			double t = v[i];

			v[i++] = v[k];
			v[k--] = t;
		}
		if (rank <= k)
			hi = k;
		else
			lo = k + 1;
	}
	return v[rank];
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}
