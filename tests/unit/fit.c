/* fit: when a node says that it is unfit, and when it is again. Virtual time for the rule; then a bus
 * that serves and judges itself. */
#include <string.h>
#include "bus/fit.h"
#include "harness/busbed.h"

static struct fit f;
static int64_t now;

static int
fresh(void **state)
{
	memset(&f, 0, sizeof f);
	now = 1000 * SEC;
	return test_log_mark(state);
}

/* n calls, 10 ms apart; how often `unfit` changed. */
static unsigned
calls(unsigned n, bool failed)
{
	unsigned changes = 0;

	while (n-- > 0)
		changes += fit_count(&f, failed, now += 10 * MS);
	return changes;
}

static void
five_in_a_row_and_more_than_half_of_twenty_make_unfit(void **unused)
{
	(void)unused;
	assert_int_equal(calls(10, false), 0);
	assert_int_equal(calls(10, true), 0);
	assert_int_equal(calls(1, true), 1);
	assert_true(f.unfit);
}

static void
half_of_the_calls_failing_by_turns_does_not(void **unused)
{
	(void)unused;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(calls(1, true) + calls(1, false), 0);
}

static void
few_calls_or_a_steady_error_rate_do_not(void **unused)
{
	(void)unused;
	assert_int_equal(calls(19, true), 0);
	fresh(unused);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(calls(12, true) + calls(88, false), 0);
}

static void
twenty_in_a_row_make_fit_again_and_between_it_stays_as_it_is(void **unused)
{
	(void)unused;
	calls(100, true);
	for (int i = 0; i < 50; i++)
		assert_int_equal(calls(3, false) + calls(1, true), 0); /* a quarter */
	assert_true(f.unfit);
	assert_int_equal(calls(19, false), 0);
	assert_int_equal(calls(1, false), 1);
	assert_false(f.unfit);
	assert_int_equal(calls(19, true), 0); /* it begins anew */
}

static void
who_is_not_called_any_more_is_fit_after_a_while(void **unused)
{
	(void)unused;
	calls(30, true);
	assert_false(fit_look(&f, now + 5 * SEC));
	assert_true(fit_look(&f, now + 12 * SEC));
	assert_false(f.unfit);
}

/* --- a bus that serves --- */

static struct fake sql;
static struct target *t;

static int
start(void **state)
{
	bed_start(state);
	memset(&sql, 0, sizeof sql);
	fake_join(&sql, "sql");
	t = bed_target(NULL, MEMBERS("sql"));
	return 0;
}

static void
ask_n(unsigned n, const struct ask *q)
{
	struct outcome o;

	for (unsigned i = 0; i < n; i++) {
		ask(t, &o, q);
		wait_for(&o);
	}
}

static void
a_node_whose_calls_fail_says_so_and_takes_it_back(void **unused)
{
	(void)unused;
	test_expect_log(LOG_WARN, 1);
	bus_judge_itself(bed.bus);
	sql.manner = FAILS;
	sql.failure.status = ST_INTERNAL;
	ask_n(19, NULL);
	assert_false(bed.bus->unfit);
	ask_n(1, NULL);
	assert_true(bed.bus->unfit);
	sql.manner = ANSWERS;
	ask_n(20, NULL);
	assert_false(bed.bus->unfit);
}

static void
refusals_and_short_deadlines_are_the_callers_affair(void **unused)
{
	(void)unused;
	bus_judge_itself(bed.bus);
	sql.manner = FAILS;
	sql.failure.status = ST_PERMISSION_DENIED;
	ask_n(30, NULL);
	sql.manner = HOLDS;
	ask_n(30, &(struct ask){ .limit_us = 2 * MS });
	assert_int_equal(bed.bus->fit.failed, 0);
	assert_false(bed.bus->unfit);
}

static void
where_breakers_observe_it_is_only_written_down(void **unused)
{
	(void)unused;
	test_expect_log(LOG_WARN, 1);
	bed.bus->observe = true;
	bus_judge_itself(bed.bus);
	sql.manner = FAILS;
	sql.failure.status = ST_INTERNAL;
	ask_n(20, NULL);
	assert_true(bed.bus->fit.unfit);
	assert_false(bed.bus->unfit);
}

static void
who_was_not_told_to_does_not_judge_itself(void **unused)
{
	(void)unused;
	sql.manner = FAILS;
	sql.failure.status = ST_INTERNAL;
	ask_n(30, NULL);
	assert_false(bed.bus->fit.unfit);
}

#define F(f)  cmocka_unit_test_setup_teardown(f, fresh, test_log_check)
#define FB(f) cmocka_unit_test_setup_teardown(f, start, bed_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		F(five_in_a_row_and_more_than_half_of_twenty_make_unfit),
		F(half_of_the_calls_failing_by_turns_does_not),
		F(few_calls_or_a_steady_error_rate_do_not),
		F(twenty_in_a_row_make_fit_again_and_between_it_stays_as_it_is),
		F(who_is_not_called_any_more_is_fit_after_a_while),
		FB(a_node_whose_calls_fail_says_so_and_takes_it_back),
		FB(refusals_and_short_deadlines_are_the_callers_affair),
		FB(where_breakers_observe_it_is_only_written_down),
		FB(who_was_not_told_to_does_not_judge_itself),
	};

	return TEST_RUN(tests);
}
