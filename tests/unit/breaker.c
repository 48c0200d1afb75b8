/* breaker: when a member is opened, probed and closed again. Virtual time, nothing else. */
#include "base/time.h"
#include "bus/breaker.h"
#include "harness/test.h"

static struct breaker b;
static struct breaker_policy p;
static int64_t now;

static int
fresh(void **state)
{
	breaker_reset(&b);
	p = breaker_policy_or_default((struct breaker_policy){ .failures = 3 });
	now = 1000 * SEC;
	return test_log_mark(state);
}

/* n calls, a millisecond apart; true when one of them changed the state. */
static bool
fail_n(unsigned n, bool last)
{
	bool changed = false;

	while (n-- > 0) {
		now += 1 * MS;
		changed |= breaker_failure(&b, &p, now, last, 0.5);
	}
	return changed;
}

static void
succeed_n(unsigned n)
{
	while (n-- > 0)
		(void)breaker_success(&b, &p, now += 1 * MS);
}

static void
a_new_member_is_trusted(void **unused)
{
	(void)unused;
	assert_true(breaker_fit(&b, now));
	assert_false(breaker_suspect(&b, &p));
}

static void
a_run_of_failures_makes_suspect_but_too_few_calls_do_not_open(void **unused)
{
	(void)unused;
	assert_false(fail_n(19, false));
	assert_true(breaker_suspect(&b, &p));
	assert_true(breaker_fit(&b, now));
}

static void
a_suspect_opens_when_more_than_half_of_twenty_calls_failed(void **unused)
{
	(void)unused;
	succeed_n(9);
	assert_false(fail_n(10, false));
	assert_true(fail_n(1, false));
	assert_int_equal(b.state, BREAKER_OPEN);
	assert_false(breaker_fit(&b, now));
}

static void
exactly_half_is_not_more_than_half(void **unused)
{
	(void)unused;
	succeed_n(10);
	assert_false(fail_n(10, false));
	assert_int_equal(b.state, BREAKER_CLOSED);
}

static void
a_steady_error_rate_of_12_percent_opens_nothing(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < 100000; i++) {
		bool bad = i % 100 < 12; /* worse than random: twelve in a row, every time */

		now += 1 * MS;
		if (bad)
			assert_false(breaker_failure(&b, &p, now, false, 0.5));
		else
			assert_false(breaker_success(&b, &p, now));
	}
	assert_int_equal(b.state, BREAKER_CLOSED);
}

static void
failures_of_long_ago_do_not_count(void **unused)
{
	(void)unused;
	assert_false(fail_n(19, false));
	now += 20 * SEC;
	assert_false(fail_n(1, false));
	assert_int_equal(b.state, BREAKER_CLOSED);
}

static void
the_last_member_is_never_opened_by_errors(void **unused)
{
	(void)unused;
	assert_false(fail_n(10000, true));
	assert_true(breaker_fit(&b, now));
}

static void
loss_of_contact_opens_at_once(void **unused)
{
	(void)unused;
	assert_true(breaker_trip(&b, &p, now, 0.5));
	assert_false(breaker_fit(&b, now));
	assert_false(breaker_trip(&b, &p, now, 0.5)); /* it was open already */
}

static void
the_probe_comes_between_half_and_one_and_a_half_of_its_time(void **unused)
{
	(void)unused;
	breaker_trip(&b, &p, now, 0.0);
	assert_int_equal(b.probe_us - now, p.probe_us / 2);
	breaker_trip(&b, &p, now, 0.999999);
	assert_true(
	    b.probe_us - now > p.probe_us * 149 / 100 && b.probe_us - now <= p.probe_us * 3 / 2);
}

static void
half_open_lets_one_call_through_at_a_time(void **unused)
{
	(void)unused;
	breaker_trip(&b, &p, now, 0.5);
	assert_false(breaker_fit(&b, b.probe_us - 1));
	assert_true(breaker_fit(&b, b.probe_us));
	assert_true(breaker_fit(&b, b.probe_us)); /* asking is not calling */
	breaker_begin(&b);
	assert_false(breaker_fit(&b, b.probe_us));
	breaker_abandon(&b);
	assert_true(breaker_fit(&b, b.probe_us));
}

static void
a_good_probe_closes_and_forgets(void **unused)
{
	(void)unused;
	fail_n(30, false);
	now = b.probe_us;
	assert_true(breaker_fit(&b, now));
	breaker_begin(&b);
	assert_true(breaker_success(&b, &p, now));
	assert_int_equal(b.state, BREAKER_CLOSED);
	assert_false(fail_n(3, false)); /* the thirty of before don't count any more */
}

static void
a_bad_probe_opens_again_for_another_while(void **unused)
{
	(void)unused;
	breaker_trip(&b, &p, now, 0.5);
	now = b.probe_us;
	assert_true(breaker_fit(&b, now));
	breaker_begin(&b);
	assert_true(breaker_failure(&b, &p, now, false, 0.5));
	assert_false(breaker_fit(&b, now));
	assert_int_equal(b.probe_us - now, p.probe_us);
}

static void
a_call_that_was_out_when_it_opened_changes_nothing(void **unused)
{
	(void)unused;
	breaker_trip(&b, &p, now, 0.5);
	assert_false(breaker_failure(&b, &p, now, false, 0.5));
	assert_false(breaker_success(&b, &p, now));
	assert_int_equal(b.state, BREAKER_OPEN);
}

static void
a_share_of_one_only_observes(void **unused)
{
	(void)unused;
	p.open_share = 1;
	assert_false(fail_n(1000, false));
	assert_int_equal(b.failures, 1000);
	assert_true(breaker_fit(&b, now));
}

static void
an_observed_breaker_tells_that_it_would_open_and_does_not(void **unused)
{
	(void)unused;
	p.observe = true;
	assert_false(fail_n(19, false));
	assert_true(fail_n(1, false));
	assert_int_equal(breaker_shown(&b), BREAKER_WOULD_OPEN);
	assert_true(breaker_fit(&b, now));
	assert_false(fail_n(100, false)); /* told once */
	now = b.probe_us - 1;
	assert_false(breaker_success(&b, &p, now)); /* before its probe it would still be open */
	now = b.probe_us;
	assert_false(breaker_failure(&b, &p, now, false, 0.5)); /* a failed probe */
	assert_int_equal(b.probe_us - now, p.probe_us);
	assert_true(breaker_success(&b, &p, b.probe_us));
	assert_int_equal(breaker_shown(&b), BREAKER_CLOSED);
}

static void
an_observed_breaker_opens_by_loss_of_contact_until_the_first_sign_of_it(void **unused)
{
	(void)unused;
	p.observe = true;
	assert_true(breaker_trip(&b, &p, now, 0.5));
	assert_false(breaker_fit(&b, now));
	now = b.probe_us;
	assert_true(breaker_fit(&b, now));
	breaker_begin(&b);
	assert_true(breaker_failure(&b, &p, now, false, 0.5));
	assert_int_equal(breaker_shown(&b), BREAKER_CLOSED);
}

#define B(f) cmocka_unit_test_setup_teardown(f, fresh, test_log_check)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		B(a_new_member_is_trusted),
		B(a_run_of_failures_makes_suspect_but_too_few_calls_do_not_open),
		B(a_suspect_opens_when_more_than_half_of_twenty_calls_failed),
		B(exactly_half_is_not_more_than_half),
		B(a_steady_error_rate_of_12_percent_opens_nothing),
		B(failures_of_long_ago_do_not_count),
		B(the_last_member_is_never_opened_by_errors),
		B(loss_of_contact_opens_at_once),
		B(the_probe_comes_between_half_and_one_and_a_half_of_its_time),
		B(half_open_lets_one_call_through_at_a_time),
		B(a_good_probe_closes_and_forgets),
		B(a_bad_probe_opens_again_for_another_while),
		B(a_call_that_was_out_when_it_opened_changes_nothing),
		B(a_share_of_one_only_observes),
		B(an_observed_breaker_tells_that_it_would_open_and_does_not),
		B(an_observed_breaker_opens_by_loss_of_contact_until_the_first_sign_of_it),
	};

	return TEST_RUN(tests);
}
