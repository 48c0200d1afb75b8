/* standby: how callers find the member that leads, over loop-back. */
#include <string.h>
#include "harness/busbed.h"

static struct fake one, two; /* where one fails, it says that it stands by */
static struct target *t;

static int
start(void **state)
{
	static const struct failure stands_by = {
		.status = ST_UNAVAILABLE, .reason = "NOT_LEADING", .message = "another one leads"
	};

	bed_start(state);
	one = two = (struct fake){ .failure = stands_by };
	fake_join(&one, "one");
	fake_join(&two, "two");
	t = bed_target(NULL, MEMBERS("one", "two"));
	return 0;
}

static void
a_member_that_stands_by_is_not_asked_again_while_another_one_leads(void **unused)
{
	struct outcome o;

	(void)unused;
	one.manner = FAILS;
	for (int i = 0; i < 5; i++) {
		ask(t, &o, NULL);
		wait_for(&o);
		assert_int_equal(o.status, ST_OK);
		assert_string_equal(o.node, "two");
	}
	assert_int_equal(one.calls, 1);
	assert_int_equal(two.calls, 5);
}

static void
when_the_lead_goes_back_it_is_followed(void **unused)
{
	struct outcome o;

	(void)unused;
	one.manner = FAILS;
	ask(t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "two");
	one.manner = ANSWERS;
	two.manner = FAILS;
	ask(t, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.node, "one");
	ask(t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "one");
	assert_int_equal(two.calls, 2);
}

/* Nothing is wrong with who stands by: no breaker opens, no call turns round for ever. */
static void
where_all_stand_by_a_call_fails_after_a_few_tries(void **unused)
{
	struct outcome o;

	(void)unused;
	one.manner = two.manner = FAILS;
	for (int i = 0; i < 20; i++) {
		ask(t, &o, NULL);
		wait_for(&o);
		assert_int_equal(o.status, ST_UNAVAILABLE);
		assert_string_equal(o.reason, "NOT_LEADING");
	}
	assert_true(one.calls + two.calls <= 20 * 10);
	one.manner = ANSWERS;
	ask(t, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
}

/* What takes long is not slow here; but who does not live at all is noticed. */
static void
a_call_to_a_member_that_hangs_goes_on_to_the_next(void **unused)
{
	struct outcome o;

	(void)unused;
	one.manner = HOLDS;
	test_expect_log(LOG_WARN, 2); /* silent, open */
	target_set_watch(t, 50 * MS);
	ask(t, &o, &(const struct ask){ .limit_us = 5 * SEC });
	bed_peer("one")->mute = true;
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.node, "two");
	assert_true(o.took_us < 2 * SEC);
}

/* Those that said they stand by are the ones to go on to: where who leads is silent, any of them may
 * lead by now. */
static void
a_call_to_a_leader_that_hangs_goes_on_to_one_that_stood_by(void **unused)
{
	struct outcome o;

	(void)unused;
	one.manner = FAILS;
	test_expect_log(LOG_WARN, 2); /* silent, open */
	target_set_watch(t, 50 * MS);
	ask(t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "two");
	one.manner = ANSWERS;
	two.manner = HOLDS;
	ask(t, &o, &(const struct ask){ .limit_us = 5 * SEC });
	bed_peer("two")->mute = true;
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.node, "one");
	assert_int_equal(one.calls, 2);
}

/* The same where the call itself has been told so. */
static void
a_call_that_was_sent_on_goes_back_when_who_leads_hangs(void **unused)
{
	struct outcome o;

	(void)unused;
	one.manner = FAILS;
	two.manner = HOLDS;
	test_expect_log(LOG_WARN, 2); /* silent, open */
	target_set_watch(t, 50 * MS);
	ask(t, &o, &(const struct ask){ .limit_us = 5 * SEC });
	while (two.calls == 0)
		pass(5 * MS);
	bed_peer("two")->mute = true;
	one.manner = ANSWERS;
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.node, "one");
	assert_int_equal(two.calls, 1);
	assert_int_equal(one.calls, 2);
}

/* There is nobody to go on to: the call stays, and is answered when its member goes on. */
static void
a_call_to_the_only_member_that_hangs_stays_with_it(void **unused)
{
	const Mf__StoreResult answer = MF__STORE_RESULT__INIT;
	struct outcome o;

	(void)unused;
	t = bed_target(NULL, MEMBERS("one"));
	one.manner = HOLDS;
	ask(t, &o, &(const struct ask){ .limit_us = 60 * SEC });
	while (one.calls == 0)
		pass(5 * MS);
	rpc_silent(container_of(o.rpc, struct rpc_call, rpc));
	pass(20 * MS);
	assert_int_equal(one.calls, 1);
	call_reply(one.held, &answer.base);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_int_equal(one.calls, 1);
}

/* What was begun for a leader that was replaced goes no further from where that is known. */
static void
what_an_old_leader_wanted_is_not_sent_on(void **unused)
{
	struct outcome o;

	(void)unused;
	t = bed_target(NULL, MEMBERS("one"));
	bus_raise_fence(bed.bus, 8);
	ask(t, &o, &(const struct ask){ .fence = 7 });
	wait_for(&o);
	assert_int_equal(o.status, ST_ABORTED);
	assert_string_equal(o.reason, "FENCED");
	assert_string_equal(o.node, "");
	ask(t, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	ask(t, &o, &(const struct ask){ .fence = 8 });
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
}

#define ST(f) cmocka_unit_test_setup_teardown(f, start, bed_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ST(a_member_that_stands_by_is_not_asked_again_while_another_one_leads),
		ST(when_the_lead_goes_back_it_is_followed),
		ST(where_all_stand_by_a_call_fails_after_a_few_tries),
		ST(a_call_to_a_member_that_hangs_goes_on_to_the_next),
		ST(a_call_to_a_leader_that_hangs_goes_on_to_one_that_stood_by),
		ST(a_call_that_was_sent_on_goes_back_when_who_leads_hangs),
		ST(a_call_to_the_only_member_that_hangs_stays_with_it),
		ST(what_an_old_leader_wanted_is_not_sent_on),
	};

	return TEST_RUN(tests);
}
