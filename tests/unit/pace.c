/* pace: who gives way to whom, and who does not. Virtual time, nothing else. */
#include "bus/pace.h"
#include "harness/test.h"

static struct pace a, b, c; /* in their order */
static struct pace *const order[] = { &a, &b, &c };
static uint32_t turn;
static int64_t now;

static int
fresh(void **state)
{
	a = b = c = (struct pace){ 0 };
	turn = 0;
	now = 1000 * SEC;
	return test_log_mark(state);
}

static double
least(double x, double y)
{
	return x < 0 || (y >= 0 && y < x) ? y : x;
}

/* What target.c does with an answer. */
static bool
took(struct pace *p, int64_t own_us)
{
	double best = -1, one;
	bool all = true;

	for (size_t i = 0; i < 3; i++)
		if (order[i] != p) {
			one = pace_known(order[i], now);
			best = least(best, one);
			all = all && one >= 0;
		}
	return pace_took(p, own_us, now) && pace_judge(p, own_us, best, all, now);
}

static struct pace *
chosen(void)
{
	return pace_fine(&a) ? &a : order[pace_choose(order, 3, now, &turn)];
}

/* Calls every `gap_us` for `for_us`, each answered at once, after as much own time as the member's
 * pace in `own`; how many went to `to`. */
static unsigned
run(int64_t for_us, int64_t gap_us, const int64_t own[3], const struct pace *to)
{
	unsigned n = 0;

	for (int64_t end = now + for_us; now < end; now += gap_us) {
		struct pace *p = chosen();

		n += p == to;
		(void)took(p, own[p == &a ? 0 : p == &b ? 1 : 2]);
	}
	return n;
}

static void
while_nobody_is_slow_all_calls_go_to_the_first(void **unused)
{
	(void)unused;
	assert_int_equal(run(10 * SEC, 1 * MS, (int64_t[]){ 15 * MS, 1 * MS, 1 * MS }, &a), 10000);
	assert_int_equal(b.calls, 0);
}

static void
one_slow_call_changes_nothing(void **unused)
{
	(void)unused;
	run(1 * SEC, 10 * MS, (int64_t[]){ 1 * MS, 1 * MS, 1 * MS }, &a);
	assert_false(took(&a, 2 * SEC));
	assert_true(run(1 * SEC, 10 * MS, (int64_t[]){ 1 * MS, 1 * MS, 1 * MS }, &a) >= 96);
	assert_false(a.gives_way);
	assert_true(pace_fine(&a));
}

static void
a_burst_of_slow_calls_shorter_than_200_ms_changes_nothing(void **unused)
{
	(void)unused;
	run(1 * SEC, 1 * MS, (int64_t[]){ 1 * MS, 1 * MS, 1 * MS }, &a);
	run(190 * MS, 1 * MS, (int64_t[]){ 300 * MS, 1 * MS, 1 * MS }, &a);
	run(1 * SEC, 1 * MS, (int64_t[]){ 1 * MS, 1 * MS, 1 * MS }, &a);
	assert_false(a.gives_way);
	assert_true(pace_fine(&a));
}

static void
who_is_clearly_slower_for_a_while_gives_way_to_the_next(void **unused)
{
	static const int64_t own[] = { 300 * MS, 1 * MS, 1 * MS };

	(void)unused;
	run(700 * MS, 20 * MS, own, &a);
	assert_true(a.gives_way);
	assert_true(run(2 * SEC, 20 * MS, own, &b) >= 93);
	assert_int_equal(c.calls, 0);
}

static void
it_is_so_at_ten_calls_a_second_too(void **unused)
{
	(void)unused;
	run(1 * SEC, 100 * MS, (int64_t[]){ 300 * MS, 1 * MS, 1 * MS }, &a);
	assert_true(a.gives_way);
}

static void
who_gives_way_gets_one_call_of_sixteen_and_never_two_at_once(void **unused)
{
	static const int64_t own[] = { 300 * MS, 1 * MS, 1 * MS };
	unsigned n;

	(void)unused;
	run(1 * SEC, 5 * MS, own, &a);
	assert_true(a.gives_way);
	n = run(1600 * MS, 5 * MS, own, &a);
	assert_in_range(n, 19, 21);
	pace_begin(&a, now);
	assert_int_equal(run(1 * SEC, 5 * MS, own, &a), 0);
}

static void
it_takes_its_place_again_when_it_is_as_fast_as_the_others(void **unused)
{
	static const int64_t own[] = { 1 * MS, 1 * MS, 1 * MS };

	(void)unused;
	run(1 * SEC, 20 * MS, (int64_t[]){ 300 * MS, 1 * MS, 1 * MS }, &a);
	run(2 * SEC, 20 * MS, own, &a);
	assert_false(a.gives_way);
	assert_int_equal(run(1 * SEC, 20 * MS, own, &a), 50);
}

static void
between_the_limits_it_stays_as_it_is(void **unused)
{
	static const int64_t own[] = { 70 * MS, 40 * MS, 40 * MS }; /* 1.75 times */

	(void)unused;
	run(5 * SEC, 5 * MS, own, &a);
	assert_false(a.gives_way);
	fresh(NULL);
	run(1 * SEC, 5 * MS, (int64_t[]){ 300 * MS, 40 * MS, 40 * MS }, &a);
	assert_true(a.gives_way);
	run(5 * SEC, 5 * MS, own, &a);
	assert_true(a.gives_way);
}

static void
where_all_are_slow_the_order_stands_and_nobody_is_chased_around(void **unused)
{
	static const int64_t own[] = { 300 * MS, 290 * MS, 310 * MS };

	(void)unused;
	assert_true(run(20 * SEC, 10 * MS, own, &a) >= 1950);
	assert_false(a.gives_way);
}

static void
the_third_is_asked_when_the_second_is_slow_too(void **unused)
{
	static const int64_t own[] = { 300 * MS, 200 * MS, 1 * MS };

	(void)unused;
	run(3 * SEC, 10 * MS, own, &a);
	assert_true(run(2 * SEC, 10 * MS, own, &c) >= 170);
}

static void
of_two_that_give_way_each_has_its_turn(void **unused)
{
	static const int64_t own[] = { 300 * MS, 200 * MS, 1 * MS };

	(void)unused;
	run(3 * SEC, 10 * MS, own, &a);
	assert_true(a.gives_way && b.gives_way);
	assert_in_range(run(3200 * MS, 10 * MS, own, &a), 9, 11);
	assert_in_range(run(3200 * MS, 10 * MS, own, &b), 9, 11);
}

static void
where_all_give_way_the_fastest_has_it(void **unused)
{
	a = (struct pace){ .own_us = 3 * SEC, .at_us = now, .calls = 4, .gives_way = true };
	b = (struct pace){ .own_us = 1 * SEC, .at_us = now, .calls = 4, .gives_way = true };
	c = (struct pace){ .own_us = 2 * SEC, .at_us = now, .calls = 4, .gives_way = true };

	(void)unused;
	assert_ptr_equal(chosen(), &b);
}

static void
what_was_not_measured_for_long_is_forgotten(void **unused)
{
	(void)unused;
	run(1 * SEC, 20 * MS, (int64_t[]){ 300 * MS, 1 * MS, 1 * MS }, &a);
	assert_true(a.gives_way);
	now += PACE_FORGET_US + 400 * MS;
	assert_ptr_equal(chosen(), &a);
	assert_true(took(&a, 1 * MS)); /* and it is said that it is in its place */
	assert_true(pace_fine(&a));
	assert_true(pace_known(&b, now) < 0);
}

static void
who_answers_nothing_while_calls_pile_up_is_passed_over_until_it_answers(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < PACE_PILE; i++, now += 1 * MS) {
		assert_ptr_equal(chosen(), &a);
		pace_begin(&a, now);
	}
	assert_ptr_equal(chosen(), &a); /* many, but not for long yet */
	now += PACE_SILENT_US;
	assert_ptr_equal(chosen(), &b);
	pace_answered(&a, now);
	pace_end(&a);
	assert_ptr_equal(chosen(), &a);
}

static void
many_calls_that_are_answered_are_no_pile(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < 1000; i++)
		pace_begin(&a, now);
	for (unsigned i = 0; i < 1000; i++, now += 50 * MS) {
		pace_answered(&a, now);
		assert_ptr_equal(chosen(), &a);
	}
}

static void
where_all_pile_up_the_first_has_it(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < 3 * PACE_PILE; i++)
		pace_begin(order[i % 3], now);
	now += 1 * SEC;
	assert_ptr_equal(chosen(), &a);
}

static void
a_new_connection_begins_anew(void **unused)
{
	(void)unused;
	run(1 * SEC, 20 * MS, (int64_t[]){ 300 * MS, 1 * MS, 1 * MS }, &a);
	pace_begin(&a, now);
	pace_reset(&a);
	assert_true(pace_fine(&a));
	pace_end(&a);
	assert_int_equal(a.out, 0);
}

#define P(f) cmocka_unit_test_setup_teardown(f, fresh, test_log_check)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		P(while_nobody_is_slow_all_calls_go_to_the_first),
		P(one_slow_call_changes_nothing),
		P(a_burst_of_slow_calls_shorter_than_200_ms_changes_nothing),
		P(who_is_clearly_slower_for_a_while_gives_way_to_the_next),
		P(it_is_so_at_ten_calls_a_second_too),
		P(who_gives_way_gets_one_call_of_sixteen_and_never_two_at_once),
		P(it_takes_its_place_again_when_it_is_as_fast_as_the_others),
		P(between_the_limits_it_stays_as_it_is),
		P(where_all_are_slow_the_order_stands_and_nobody_is_chased_around),
		P(the_third_is_asked_when_the_second_is_slow_too),
		P(of_two_that_give_way_each_has_its_turn),
		P(where_all_give_way_the_fastest_has_it),
		P(what_was_not_measured_for_long_is_forgotten),
		P(who_answers_nothing_while_calls_pile_up_is_passed_over_until_it_answers),
		P(many_calls_that_are_answered_are_no_pile),
		P(where_all_pile_up_the_first_has_it),
		P(a_new_connection_begins_anew),
	};

	return TEST_RUN(tests);
}
