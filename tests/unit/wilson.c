/* wilson: the interval against values from the literature. */
#include "base/stats.h"
#include "harness/test.h"

static void
near(double got, double want)
{
	double off = got - want;

	assert_true(off < 0.00005 && off > -0.00005);
}

static void
check(uint64_t k, uint64_t n, double z, double lo, double hi)
{
	struct interval i = wilson_interval(k, n, z);

	near(i.lo, lo);
	near(i.hi, hi);
}

/* Newcombe, Statistics in Medicine 17 (1998), table I, method 3, 95 %. */
static void
it_is_what_newcombe_has(void **unused)
{
	(void)unused;
	check(81, 263, STATS_Z95, 0.2553, 0.3662);
	check(15, 148, STATS_Z95, 0.0624, 0.1605);
	check(0, 20, STATS_Z95, 0, 0.1611);
	check(1, 29, STATS_Z95, 0.0061, 0.1718);
}

static void
nothing_seen_says_nothing(void **unused)
{
	struct interval i = wilson_interval(0, 0, STATS_Z99);

	(void)unused;
	assert_true(i.lo == 0 && i.hi == 1);
}

static void
at_the_ends_it_is_exact_and_within_it_holds_the_rate(void **unused)
{
	struct interval i = wilson_interval(20, 20, STATS_Z99);

	(void)unused;
	assert_true(i.hi == 1 && i.lo > 0.7 && i.lo < 1);
	for (uint64_t n = 1; n < 2000; n = n * 3 + 1)
		for (uint64_t k = 0; k <= n; k += n / 7 + 1) {
			struct interval wide = wilson_interval(k, n, STATS_Z99),
					narrow = wilson_interval(k, n, STATS_Z95);
			double rate = (double)k / (double)n;

			assert_true(wide.lo >= 0 && wide.hi <= 1);
			assert_true(narrow.lo <= rate && rate <= narrow.hi);
			assert_true(wide.lo <= narrow.lo && narrow.hi <= wide.hi);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(it_is_what_newcombe_has),
		T(nothing_seen_says_nothing),
		T(at_the_ends_it_is_exact_and_within_it_holds_the_rate),
	};

	return TEST_RUN(tests);
}
