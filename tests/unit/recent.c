/* recent: what went over in the last ten seconds, and what it cost. */
#include <stdlib.h>

#include "base/time.h"
#include "bus/recent.h"
#include "harness/test.h"

static struct recent *r;

static int
forget(void **unused)
{
	(void)unused;
	free(r);
	r = NULL;
	return 0;
}

static struct recent_sum
sum_at(int64_t now)
{
	struct recent_sum s;

	recent_sum(r, now, &s);
	assert_true(s.window_us > 0);
	return s;
}

static void
of_nobody_there_is_nothing(void **unused)
{
	struct recent_sum s = sum_at(100 * SEC);

	(void)unused;
	assert_int_equal(s.calls + s.faults, 0);
	assert_int_equal(s.p50_us + s.p99_us, 0);
}

static void
calls_of_nine_seconds_and_the_one_under_way_count_and_no_older_ones(void **unused)
{
	struct recent_sum s;

	(void)unused;
	for (int64_t t = 0; t < 30; t++)
		for (int i = 0; i < 4; i++)
			recent_count(&r, (100 + t) * SEC + i * 250 * MS, 1000, i == 0);
	s = sum_at(129 * SEC + 800 * MS);
	assert_int_equal(s.calls, 40);
	assert_int_equal(s.faults, 10);
	assert_int_equal(s.window_us, 9 * SEC + 800 * MS);
	assert_int_equal(sum_at(135 * SEC).calls, 16); /* 126 to 129 */
	assert_int_equal(sum_at(139 * SEC).calls, 0);
}

static void
who_has_just_begun_is_not_measured_by_time_in_which_he_was_not_there(void **unused)
{
	(void)unused;
	for (int i = 0; i < 300; i++)
		recent_count(&r, 50 * SEC + i * 10 * MS, 1000, false);
	assert_int_equal(sum_at(53 * SEC).window_us, 3 * SEC);
	assert_int_equal(sum_at(50 * SEC + 10).window_us, SEC); /* ... nor by next to none */
}

static void
a_quantile_is_never_too_low_and_at_most_an_eighth_too_high(void **unused)
{
	static const int64_t times[] = { 0, 7, 8, 999, 1000, 1234567, 66 * SEC };

	(void)unused;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct recent_sum s;

		for (int k = 0; k < 50; k++)
			recent_count(&r, 10 * SEC, times[i], false);
		s = sum_at(10 * SEC);
		assert_in_range(s.p50_us, times[i], times[i] + times[i] / 8);
		assert_int_equal(s.p50_us, s.p99_us);
		forget(NULL);
	}
}

static void
one_slow_call_of_a_hundred_is_not_in_the_99th_two_are(void **unused)
{
	(void)unused;
	for (int i = 0; i < 99; i++)
		recent_count(&r, 10 * SEC, 1000, false);
	recent_count(&r, 10 * SEC, 5 * SEC, false);
	assert_true(sum_at(10 * SEC).p99_us < 1200);
	recent_count(&r, 10 * SEC, 5 * SEC, false);
	assert_true(sum_at(10 * SEC).p99_us >= 5 * SEC);
	assert_true(sum_at(10 * SEC).p50_us < 1200);
}

static void
what_took_longer_than_a_minute_still_counts(void **unused)
{
	(void)unused;
	recent_count(&r, 10 * SEC, 3600 * SEC, false);
	recent_count(&r, 10 * SEC, -5, false);
	assert_int_equal(sum_at(10 * SEC).calls, 2);
	assert_true(sum_at(10 * SEC).p99_us >= 60 * SEC);
}

static void
processor_time_is_that_of_the_window(void **unused)
{
	struct recent_cpu c = { 0 };

	(void)unused;
	for (int64_t t = 100; t < 130; t++) { /* half of a processor, then two */
		assert_true(recent_cpu_due(&c, t * SEC));
		recent_cpu_add(
		    &c, t * SEC, t < 110 ? (t - 100) * SEC / 2 : 5 * SEC + (t - 110) * 2 * SEC);
		assert_false(recent_cpu_due(&c, t * SEC + 999 * MS));
	}
	assert_float_equal(recent_cpu_percent(&c, 130 * SEC, 45 * SEC), 200, 0.1);
}

static void
who_was_idle_is_measured_since_he_had_something_to_do(void **unused)
{
	struct recent_cpu c = { 0 };

	(void)unused;
	assert_float_equal(recent_cpu_percent(&c, 5 * SEC, SEC), 0, 0);
	recent_cpu_add(&c, 100 * SEC, 50 * SEC);
	recent_cpu_add(&c, 200 * SEC, 60 * SEC); /* just now: says nothing yet */
	assert_float_equal(recent_cpu_percent(&c, 200 * SEC, 60 * SEC), 10, 0.01);
	assert_float_equal(recent_cpu_percent(&c, 201 * SEC, 60 * SEC + 500 * MS), 50, 0.01);
	assert_float_equal(recent_cpu_percent(&c, 300 * SEC, 70 * SEC), 10, 0.01);
	assert_float_equal(recent_cpu_percent(&c, 300 * SEC, 59 * SEC), 0, 0); /* never below */
}

#undef T
#define T(test) cmocka_unit_test_teardown(test, forget)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(of_nobody_there_is_nothing),
		T(calls_of_nine_seconds_and_the_one_under_way_count_and_no_older_ones),
		T(who_has_just_begun_is_not_measured_by_time_in_which_he_was_not_there),
		T(a_quantile_is_never_too_low_and_at_most_an_eighth_too_high),
		T(one_slow_call_of_a_hundred_is_not_in_the_99th_two_are),
		T(what_took_longer_than_a_minute_still_counts),
		T(processor_time_is_that_of_the_window),
		T(who_was_idle_is_measured_since_he_had_something_to_do),
	};

	return TEST_RUN(tests);
}
