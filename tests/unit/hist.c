/* hist: the error it promises, over its whole range. */
#include <stdlib.h>
#include <string.h>
#include "base/hist.h"
#include "base/id.h"
#include "harness/test.h"

static void
a_single_value_is_found_within_its_error(void **unused)
{
	(void)unused;
	for (int64_t v = 1; v < INT64_C(3600000000); v = v * 21 / 20 + 1) {
		struct hist h = { 0 };
		int64_t q;

		hist_add(&h, v);
		hist_add(&h, v * 2); /* so that the maximum does not tell it */
		q = hist_quantile(&h, 0.5);
		assert_true(q >= v);
		assert_true((double)(q - v) <= 0.0625 * (double)v);
	}
}

static int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
quantiles_of_many_are_near_the_true_ones(void **unused)
{
	static int64_t v[20001];
	struct hist h = { 0 };
	struct rng r;

	(void)unused;
	rng_seed(&r, 3);
	for (int i = 0; i < 20001; i++) {
		v[i] = (int64_t)(rng_next(&r) >> (30 + rng_below(&r, 20)));
		if (v[i] > INT64_C(3600000000))
			v[i] = INT64_C(3600000000);
		hist_add(&h, v[i]);
	}
	qsort(v, 20001, sizeof(v[0]), by_value);
	for (int p = 1; p < 100; p++) {
		int64_t truth = v[20000 * p / 100], q = hist_quantile(&h, (double)p / 100);

		assert_true(
		    (double)q >= 0.97 * (double)truth && (double)q <= 1.07 * (double)truth + 1);
	}
	assert_true(hist_quantile(&h, 1) == v[20000]);
}

static void
an_empty_one_answers_zero(void **unused)
{
	struct hist h = { 0 };

	(void)unused;
	assert_int_equal(hist_quantile(&h, 0.99), 0);
	assert_int_equal(hist_count_below(&h, 1000), 0);
}

static void
negative_and_endless_values_are_kept_at_the_edges(void **unused)
{
	struct hist h = { 0 };

	(void)unused;
	hist_add(&h, -5);
	hist_add(&h, INT64_MAX);
	assert_int_equal(h.count, 2);
	assert_int_equal(hist_quantile(&h, 0.5), 0);
	assert_true(hist_quantile(&h, 1) == INT64_MAX);
	assert_int_equal(hist_count_below(&h, 0), 1);
}

static void
counts_below_rise_to_the_count(void **unused)
{
	struct hist h = { 0 };
	uint64_t last = 0;

	(void)unused;
	for (int64_t v = 1; v <= 1000; v++)
		hist_add(&h, v);
	assert_int_equal(hist_count_below(&h, 10), 10);
	for (int64_t v = 0; v <= 2000; v++) {
		uint64_t n = hist_count_below(&h, v);

		assert_true(n >= last);
		assert_true(n >= (uint64_t)(v < 1000 ? v : 1000));
		assert_true((double)n <= (double)v * 1.0625 + 1);
		last = n;
	}
	assert_int_equal(last, 1000);
	assert_int_equal(hist_count_below(&h, -1), 0);
}

static void
two_merged_are_as_one(void **unused)
{
	struct hist a = { 0 }, b = { 0 }, all = { 0 };

	(void)unused;
	for (int i = 0; i < 1000; i++) {
		hist_add(i % 3 == 0 ? &a : &b, i * 17);
		hist_add(&all, i * 17);
	}
	hist_merge(&a, &b);
	assert_memory_equal(&a, &all, sizeof(a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_single_value_is_found_within_its_error),
		T(quantiles_of_many_are_near_the_true_ones),
		T(an_empty_one_answers_zero),
		T(negative_and_endless_values_are_kept_at_the_edges),
		T(counts_below_rise_to_the_count),
		T(two_merged_are_as_one),
	};

	return TEST_RUN(tests);
}
