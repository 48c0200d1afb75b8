/* retry: what is tried again, when, and how a storm is stopped. Virtual time, nothing else. */
#include "base/time.h"
#include "bus/retry.h"
#include "harness/test.h"

static struct retry_budget budget;
static int64_t now, delay;

static int
fresh(void **state)
{
	now = 1000 * SEC;
	delay = -1;
	retry_budget_init(&budget, now);
	return test_log_mark(state);
}

static struct retry_case
failed(enum method_class class, enum status s)
{
	return (struct retry_case){
		.class = class, .status = s, .reason = "", .tries = 1, .left_us = 5 * SEC
	};
}

static bool
again(struct retry_case c)
{
	return retry_next(&c, &budget, now, 0.5, &delay);
}

static void
reads_and_idempotent_calls_are_tried_again_when_unavailable(void **unused)
{
	(void)unused;
	assert_true(again(failed(METHOD_READ, ST_UNAVAILABLE)));
	assert_true(again(failed(METHOD_IDEMPOTENT, ST_UNAVAILABLE)));
}

static void
no_other_answer_is_tried_again(void **unused)
{
	(void)unused;
	for (enum status s = ST_CANCELLED; s <= ST_UNAUTHENTICATED; s++)
		if (s != ST_UNAVAILABLE)
			assert_false(again(failed(METHOD_READ, s)));
}

static void
an_unsafe_call_is_tried_again_only_when_it_provably_never_left(void **unused)
{
	struct retry_case c = failed(METHOD_UNSAFE, ST_UNAVAILABLE);

	(void)unused;
	assert_false(again(c));
	c.lost = true;
	assert_false(again(c));
	c.lost = false;
	c.never_left = true;
	assert_true(again(c));
	assert_int_equal(delay, 0);
}

static void
a_lost_late_or_garbled_answer_of_a_read_is_asked_for_again_at_once(void **unused)
{
	struct retry_case lost = failed(METHOD_READ, ST_UNAVAILABLE),
			  late = failed(METHOD_READ, ST_DEADLINE_EXCEEDED),
			  garbled = failed(METHOD_READ, ST_INTERNAL);

	(void)unused;
	lost.lost = late.late = garbled.garbled = true;
	assert_true(again(lost));
	assert_int_equal(delay, 0);
	assert_true(again(late));
	assert_int_equal(delay, 0);
	assert_true(again(garbled));
}

static void
there_are_five_tries(void **unused)
{
	struct retry_case c = failed(METHOD_READ, ST_UNAVAILABLE);

	(void)unused;
	c.tries = 4;
	assert_true(again(c));
	c.tries = 5;
	assert_false(again(c));
}

static void
how_many_tries_there_are_can_be_said(void **unused)
{
	struct retry_case c = failed(METHOD_READ, ST_UNAVAILABLE);

	(void)unused;
	c.tries_most = 1;
	assert_false(again(c));
	c.tries_most = 2;
	assert_true(again(c));
	c.tries = 2;
	assert_false(again(c));
	c.never_left = true; /* that was none */
	assert_true(again(c));
}

static void
back_off_doubles_under_full_jitter_up_to_its_cap(void **unused)
{
	struct retry_case c = failed(METHOD_READ, ST_UNAVAILABLE);

	(void)unused;
	assert_true(retry_next(&c, &budget, now, 0.0, &delay));
	assert_int_equal(delay, 0);
	for (c.tries = 1; c.tries < 5; c.tries++) {
		assert_true(retry_next(&c, &budget, now, 0.999999, &delay));
		assert_in_range(
		    delay, (RETRY_BASE_US << (c.tries - 1)) - 2, RETRY_BASE_US << (c.tries - 1));
	}
}

static void
another_member_is_tried_without_waiting(void **unused)
{
	struct retry_case c = failed(METHOD_READ, ST_UNAVAILABLE);

	(void)unused;
	c.other = true;
	c.pushback_ms = 300;
	assert_true(again(c));
	assert_int_equal(delay, 0);
}

static void
the_servers_pushback_is_honoured(void **unused)
{
	struct retry_case c = failed(METHOD_READ, ST_UNAVAILABLE);

	(void)unused;
	c.pushback_ms = 200;
	assert_true(again(c));
	assert_in_range(delay, 200 * MS, 250 * MS);
	c.pushback_ms = 2000;
	assert_false(again(c)); /* so long nobody waits down here */
}

static void
what_would_come_after_the_deadline_is_not_tried(void **unused)
{
	struct retry_case c = failed(METHOD_READ, ST_UNAVAILABLE);

	(void)unused;
	c.pushback_ms = 200;
	c.left_us = 100 * MS;
	assert_false(again(c));
	c = failed(METHOD_READ, ST_UNAVAILABLE);
	c.lost = true;
	c.left_us = 0;
	assert_false(again(c));
}

static void
what_failed_below_the_member_is_not_multiplied_by_tries_above(void **unused)
{
	struct retry_case c = failed(METHOD_READ, ST_UNAVAILABLE);

	(void)unused;
	c.other = true;
	c.reason = "NO_MEMBER";
	assert_false(again(c));
	c.reason = "BREAKER_OPEN";
	assert_false(again(c));
}

static void
the_budget_stops_a_storm(void **unused)
{
	unsigned retries = 0;
	struct retry_case c = failed(METHOD_READ, ST_UNAVAILABLE);

	(void)unused;
	/* Ten seconds of nothing but failures, 10 000 a second. */
	for (unsigned i = 0; i < 100000; i++) {
		now += 100;
		retry_budget_first(&budget, 0.3, false);
		for (c.tries = 1; again(c); c.tries++)
			retries++;
	}
	assert_in_range(retries, 30000, 30000 + RETRY_QUIET + 10 * RETRY_QUIET_RATE + 1);
}

static void
a_quiet_target_may_always_try_some_again(void **unused)
{
	struct retry_case c = failed(METHOD_READ, ST_UNAVAILABLE);
	unsigned n = 0;

	(void)unused;
	while (again(c))
		n++;
	assert_int_equal(n, RETRY_QUIET);
	now += 1 * SEC;
	for (n = 0; again(c);)
		n++;
	assert_int_equal(n, RETRY_QUIET_RATE);
}

#define R(f) cmocka_unit_test_setup_teardown(f, fresh, test_log_check)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		R(reads_and_idempotent_calls_are_tried_again_when_unavailable),
		R(no_other_answer_is_tried_again),
		R(an_unsafe_call_is_tried_again_only_when_it_provably_never_left),
		R(a_lost_late_or_garbled_answer_of_a_read_is_asked_for_again_at_once),
		R(there_are_five_tries),
		R(how_many_tries_there_are_can_be_said),
		R(back_off_doubles_under_full_jitter_up_to_its_cap),
		R(another_member_is_tried_without_waiting),
		R(the_servers_pushback_is_honoured),
		R(what_would_come_after_the_deadline_is_not_tried),
		R(what_failed_below_the_member_is_not_multiplied_by_tries_above),
		R(the_budget_stops_a_storm),
		R(a_quiet_target_may_always_try_some_again),
	};

	return TEST_RUN(tests);
}
