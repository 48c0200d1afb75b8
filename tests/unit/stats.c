/* stats: against published values, and against the same formulas in 40-digit arithmetic (mpmath
 * 1.3), to 1e-9. */
#include <math.h>
#include <stdlib.h>
#include "base/id.h"
#include "cli/reliability/stats.h"
#include "harness/test.h"

#define CLOSE 1e-9

static void
near(double got, double want, double relative)
{
	if (fabs(got - want) > relative * fmax(fabs(want), 1e-300))
		fail_msg("%.17g is not %.17g", got, want);
}

static void
the_normal_distribution_is_right_far_out_too(void **unused)
{
	static const struct {
		double z, tail;
	} tails[] = {
		{ 0, 0.5 },
		{ 0.5, 0.30853753872598689636 },
		{ 3, 0.0013498980316300945267 },
		{ 6, 9.865876450376981407e-10 },
		{ 10, 7.619853024160526066e-24 },
	};
	static const struct {
		double p, z;
	} quantiles[] = {
		{ 0.975, 1.9599639845400542355 },
		{ 0.995, 2.575829303548900761 },
		{ 0.9, 1.281551565544600467 },
		{ 0.84, 0.99445788320975316774 },
		{ 0.55, 0.12566134685507403421 },
		{ 0.001, -3.0902323061678135415 },
		{ 1e-10, -6.3613409024040562047 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++)
		near(stat_normal_tail(tails[i].z), tails[i].tail, CLOSE);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		near(stat_normal_quantile(quantiles[i].p), quantiles[i].z, CLOSE);
	assert_true(fabs(stat_normal_quantile(0.5)) < CLOSE);
	assert_true(isinf(stat_normal_quantile(0)) && isinf(stat_normal_quantile(1)));
}

static void
chi_square_and_beta_are_right(void **unused)
{
	(void)unused;
	near(stat_chi2_tail(3.841458820694124, 1), 0.05, CLOSE);
	near(stat_chi2_tail(34.71, 1), 3.8266089035141347861e-9, CLOSE);
	near(stat_chi2_tail(11.34, 3), 0.010022517616912461764, CLOSE);
	near(stat_chi2_tail(0.5, 2), 0.77880078307140486825, CLOSE);
	near(stat_chi2_tail(40, 10), 0.000016944743930067383904, CLOSE);
	assert_true(stat_chi2_tail(0, 1) == 1);
	near(stat_beta(2, 3, 0.4), 0.5248, CLOSE);
	near(stat_beta(0.5, 0.5, 0.5), 0.5, CLOSE);
	near(stat_beta(5000, 5000, 0.5), 0.5, CLOSE);
	assert_true(stat_beta(2, 3, 0) == 0 && stat_beta(2, 3, 1) == 1);
}

static void
binomial_sums_are_right_for_few_and_for_many(void **unused)
{
	static const struct {
		uint64_t k, n;
		double p, sum;
	} sums[] = {
		{ 3, 10, 0.5, 0.171875 },
		{ 86, 236, 0.5, 0.000018579680697857211711 },
		{ 682, 925, 0.75, 0.19600926705388334616 },
		{ 260, 10000, 0.0266, 0.36952496855810975642 },
		{ 0, 10000, 0.0003, 0.049764664747455015122 },
		{ 9734, 10000, 0.9734, 0.50848411677929803874 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
		near(stat_binomial_cdf(sums[i].k, sums[i].n, sums[i].p), sums[i].sum, CLOSE);
	assert_true(stat_binomial_cdf(10, 10, 0.5) == 1);
}

/* Newcombe, Statistics in Medicine 17 (1998): 81 of 263 gives 0.2553 to 0.3662. R's binom.test of
 * 682 of 925: 0.7076683 to 0.7654066. */
static void
intervals_of_a_rate_are_the_published_ones(void **unused)
{
	struct interval i;

	(void)unused;
	i = stat_wilson(81, 263, 0.95);
	near(i.lo, 0.25528851987827422577, CLOSE);
	near(i.hi, 0.36620957698280007015, CLOSE);
	i = stat_wilson(9734, 10000, 0.99);
	near(i.lo, 0.96893081431784341981, CLOSE);
	near(i.hi, 0.97724141019451680609, CLOSE);
	i = stat_exact(682, 925, 0.95);
	near(i.lo, 0.707668264079039023, CLOSE);
	near(i.hi, 0.765406558241525247, CLOSE);
	i = stat_exact(1, 10000, 0.99);
	near(i.lo, 5.01254056726571531e-7, 1e-8);
	near(i.hi, 0.000742774112396036279, CLOSE);
}

static void
nothing_seen_bounds_a_rate_by_three_in_n(void **unused)
{
	struct interval i = stat_exact(0, 10000, 0.99), all = stat_exact(10000, 10000, 0.99);

	(void)unused;
	assert_true(i.lo == 0 && all.hi == 1);
	near(i.hi, 0.00052969140060614541426, CLOSE);
	near(all.lo, 1 - i.hi, CLOSE);
	near(stat_none_seen(1000, 0.95), 0.0029912495450952962443, CLOSE);
	assert_true(stat_none_seen(1000, 0.95) < 3.0 / 1000);
	i = stat_exact(0, 0, 0.99);
	assert_true(i.lo == 0 && i.hi == 1 && stat_none_seen(0, 0.95) == 1);
}

/* Newcombe, same journal, same year, two samples: 56 of 70 and 48 of 80 give 0.0524 to 0.3339. */
static void
two_rates_are_told_apart(void **unused)
{
	struct two_rates t = stat_two_rates(56, 70, 48, 80, 0.95);

	(void)unused;
	near(t.difference, 0.2, CLOSE);
	near(t.interval.lo, 0.05243147240236488, CLOSE);
	near(t.interval.hi, 0.333872654036906, CLOSE);
	near(t.z, 2.6501719512585326194, CLOSE);
	near(t.p, 0.0080450813681965847314, CLOSE);
	near(t.p_corrected, 0.013409475178668937457, CLOSE);
	assert_false(t.sparse);
	t = stat_two_rates(9734, 10000, 8500, 10000, 0.99);
	near(t.p, 1.0995988521368817253e-207, 1e-8);
	t = stat_two_rates(0, 10000, 1, 10000, 0.99);
	assert_true(t.sparse && t.p > 0.3);
	t = stat_two_rates(10, 10, 20, 20, 0.99);
	assert_true(t.p == 1 && t.difference == 0);
	t = stat_two_rates(0, 0, 20, 20, 0.99);
	assert_true(t.p == 1 && t.interval.lo == -1);
}

static void
few_pairs_are_tested_exactly_and_many_by_chi_square(void **unused)
{
	struct mcnemar m = stat_mcnemar(2, 10);

	(void)unused;
	assert_true(m.exact);
	near(m.p, 0.03857421875, CLOSE);
	near(stat_mcnemar(10, 2).p, 0.03857421875, CLOSE);
	near(stat_mcnemar(0, 7).p, 0.015625, CLOSE);
	near(stat_mcnemar(9, 15).p, 0.30745625495910644531, CLOSE);
	assert_true(stat_mcnemar(5, 5).p == 1 && stat_mcnemar(0, 0).p == 1);
	m = stat_mcnemar(86, 150); /* Agresti's presidential approval, R's example */
	assert_false(m.exact);
	near(m.chi2, 16.817796610169491525, CLOSE);
	near(m.p, 0.000041145622813459450894, CLOSE);
	assert_true(stat_mcnemar(13, 12).p <= 1 && !stat_mcnemar(13, 12).exact);
}

/* R's power.prop.test: power = 0.740, n = 76.7. */
static void
power_is_what_r_says(void **unused)
{
	(void)unused;
	near(stat_power(50, 0.5, 0.75, 0.05), 0.74016590133138782291, CLOSE);
	near(stat_needed(0.5, 0.75, 0.05, 0.9), 76.706928451777446681, CLOSE);
	near(stat_needed(0.95, 0.85, 0.01, 0.9), 265.34562878019534139, CLOSE);
	assert_true(stat_needed(0.5, 0.5, 0.05, 0.9) == 0);
	near(stat_power(10000, 0.97, 0.97 - stat_visible(10000, 0.97, 0.01, 0.9), 0.01), 0.9, 1e-6);
}

static void
quantiles_lie_between_ranks_and_have_intervals(void **unused)
{
	double v[1000];
	struct interval i;

	(void)unused;
	for (int k = 0; k < 1000; k++)
		v[k] = 1000 - k;
	stat_sort(v, 1000);
	assert_true(v[0] == 1 && v[999] == 1000);
	near(stat_quantile(v, 1000, 0.5), 500.5, CLOSE);
	near(stat_quantile(v, 1000, 0.99), 990.01, CLOSE);
	assert_true(stat_quantile(v, 1000, 0) == 1 && stat_quantile(v, 1000, 1) == 1000);
	assert_true(stat_quantile(v, 1, 0.99) == 1);
	/* ranks 40 and 61 of 100: the tables of order statistics */
	i = stat_quantile_interval(v, 100, 0.5, 0.95);
	assert_true(i.lo == 40 && i.hi == 61);
	i = stat_quantile_interval(v, 20, 0.5, 0.95);
	assert_true(i.lo == 6 && i.hi == 15);
	i = stat_quantile_interval(v, 1000, 0.99, 0.99);
	assert_true(i.lo == 981 && i.hi == 998);
	i = stat_quantile_interval(v, 3, 0.99, 0.99);
	assert_true(i.lo >= 1 && i.hi == 3);
}

static void
the_bootstrap_of_a_median_covers_it_as_often_as_it_says(void **unused)
{
	int inside = 0;
	struct rng r;

	(void)unused;
	rng_seed(&r, 11);
	for (int round = 0; round < 200; round++) {
		double v[101];
		struct interval i;

		for (int k = 0; k < 101; k++)
			v[k] = rng_unit(&r);
		i = stat_bootstrap_median(v, 101, 400, 0.9, (uint64_t)round);
		inside += i.lo <= 0.5 && i.hi >= 0.5;
	}
	/* 180 expected, standard deviation 4.2 */
	assert_in_range(inside, 164, 196);
}

static void
the_bootstrap_repeats_with_its_seed_and_leaves_what_it_was_given(void **unused)
{
	double v[] = { 5, 1, 4, 2, 3, 6 };
	struct interval a = stat_bootstrap_median(v, 6, 500, 0.99, 7);
	struct interval b = stat_bootstrap_median(v, 6, 500, 0.99, 7);

	(void)unused;
	assert_true(a.lo == b.lo && a.hi == b.hi);
	assert_true(a.lo >= 1 && a.hi <= 6 && a.lo < a.hi);
	assert_true(v[0] == 5 && v[5] == 6);
	a = stat_bootstrap_median(v, 1, 10, 0.99, 7);
	assert_true(a.lo == 5 && a.hi == 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_normal_distribution_is_right_far_out_too),
		T(chi_square_and_beta_are_right),
		T(binomial_sums_are_right_for_few_and_for_many),
		T(intervals_of_a_rate_are_the_published_ones),
		T(nothing_seen_bounds_a_rate_by_three_in_n),
		T(two_rates_are_told_apart),
		T(few_pairs_are_tested_exactly_and_many_by_chi_square),
		T(power_is_what_r_says),
		T(quantiles_lie_between_ranks_and_have_intervals),
		T(the_bootstrap_of_a_median_covers_it_as_often_as_it_says),
		T(the_bootstrap_repeats_with_its_seed_and_leaves_what_it_was_given),
	};

	return TEST_RUN(tests);
}
