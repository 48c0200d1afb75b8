/* target_retry: how often a call is tried: the configuration, the budget, what was tried below. */
#include <string.h>
#include "harness/busbed.h"

static void
as_many_tries_are_made_as_the_configuration_says(void **unused)
{
	struct outcome o;

	(void)unused;
	bed.bus->retry_tries = 2;
	pair.sql.manner = pair.nosql.manner = FAILS;
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_UNAVAILABLE);
	assert_int_equal(pair.sql.calls + pair.nosql.calls, 2);
	bed.bus->retry_tries = 1;
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_int_equal(pair.sql.calls + pair.nosql.calls, 3);
}

static void
a_storm_of_failures_is_stopped_by_the_budget(void **unused)
{
	struct outcome o;
	unsigned n = 2000;
	int64_t began = loop_now(bed.loop), took;

	(void)unused;
	pair.sql.manner = pair.nosql.manner = FAILS;
	pair.t->policy.open_share =
	    1; /* breakers only observe: it is the budget that must stop it */
	for (unsigned i = 0; i < n; i++) {
		ask(pair.t, &o, NULL);
		wait_for(&o);
		assert_int_equal(o.status, ST_UNAVAILABLE);
	}
	took = loop_now(bed.loop) - began;
	assert_true(pair.sql.calls + pair.nosql.calls <=
		    n + n * 3 / 10 + RETRY_QUIET + 1 + RETRY_QUIET_RATE * (double)took / SEC);
	assert_true(pair.sql.calls + pair.nosql.calls >= n + 100);
}

static void
calls_below_a_retried_one_are_known_as_such(void **unused)
{
	struct fake below = { 0 };
	struct outcome o;

	(void)unused;
	fake_join(&below, "below");
	pair.sql.manner = pair.nosql.manner = ASKS;
	pair.sql.below = pair.nosql.below = bed_target(NULL, MEMBERS("below"));
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_false(below.retried);
	pair.sql.manner = FAILS;
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_int_equal(pair.nosql.attempt, 2);
	assert_int_equal(below.attempt, 1);
	assert_true(below.retried);
	/* In a storm below, such a one is not tried again. */
	below.manner = FAILS;
	below.calls = 0;
	pair.nosql.below->budget.calm = 0;
	pair.t->budget.calm = 0;
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_UNAVAILABLE);
	assert_int_equal(below.calls, 1);
}

static void
what_was_tried_below_in_vain_is_tried_again_only_while_it_is_calm(void **unused)
{
	struct fake below = { .manner = FAILS };
	struct target *two;
	struct outcome o;

	(void)unused;
	fake_join(&below, "below");
	two = pair_only_sql();
	pair.sql.manner = ASKS;
	pair.sql.below = bed_target(NULL, MEMBERS("below"));
	ask(two, &o, NULL);
	wait_for(&o);
	assert_int_equal(pair.sql.calls, 5);
	assert_int_equal(below.calls, 25);
	pair.sql.calls = below.calls = 0;
	two->budget.calm = 0;
	ask(two, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_UNAVAILABLE);
	assert_int_equal(pair.sql.calls, 1);
	assert_int_equal(below.calls, 5);
	pair.sql.manner = FAILS; /* a failure of its own is another matter */
	pair.sql.calls = 0;
	ask(two, &o, NULL);
	wait_for(&o);
	assert_int_equal(pair.sql.calls, 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR(as_many_tries_are_made_as_the_configuration_says),
		PAIR(a_storm_of_failures_is_stopped_by_the_budget),
		PAIR(calls_below_a_retried_one_are_known_as_such),
		PAIR(what_was_tried_below_in_vain_is_tried_again_only_while_it_is_calm),
	};

	return TEST_RUN(tests);
}
