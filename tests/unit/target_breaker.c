/* target_breaker: what opens the breaker towards a member, what closes it, and who is told; and
 * members that say of themselves that they are unfit. */
#include <string.h>
#include "harness/busbed.h"

static void
errors_open_the_primary_and_a_probe_closes_it(void **unused)
{
	struct outcome o;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	pair.sql.manner = FAILS;
	for (int i = 0; i < 25; i++) {
		ask(pair.t, &o, NULL);
		wait_for(&o);
		assert_int_equal(o.status, ST_OK);
	}
	assert_int_equal(pair.t->members[0].breaker.state, BREAKER_OPEN);
	assert_int_equal(pair.sql.calls, 20);
	pair.sql.manner = ANSWERS;
	pass(35 * MS);
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "sql");
	assert_int_equal(pair.t->members[0].breaker.state, BREAKER_CLOSED);
}

static void
the_last_member_is_never_opened(void **unused)
{
	struct outcome o;
	struct target *alone = pair_only_sql();

	(void)unused;
	pair.sql.manner = FAILS;
	pair.sql.failure.status = ST_INTERNAL;
	for (int i = 0; i < 100; i++) {
		ask(alone, &o, NULL);
		wait_for(&o);
	}
	assert_int_equal(alone->members[0].breaker.state, BREAKER_CLOSED);
	pair.sql.manner = ANSWERS;
	ask(alone, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
}

/* sql fails until errors have opened it; the stand-in answers meanwhile. */
static void
open_sql(void)
{
	struct outcome o;

	pair.sql.manner = FAILS;
	while (pair.t->members[0].breaker.state != BREAKER_OPEN) {
		assert_true(pair.sql.calls < 30);
		ask(pair.t, &o, NULL);
		wait_for(&o);
	}
}

static void
who_is_only_probed_is_no_reason_to_open_the_other(void **unused)
{
	struct outcome probe, o;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	open_sql();
	pass(35 * MS);
	pair.sql.manner = HOLDS;
	pair.nosql.manner = FAILS;
	ask(pair.t, &probe, NULL);
	assert_int_equal(pair.t->members[0].breaker.state, BREAKER_HALF_OPEN);
	for (int i = 0; i < 30; i++) {
		ask(pair.t, &o, &(struct ask){ .opts.once = true });
		wait_for(&o);
	}
	assert_true(pair.nosql.calls >= 30);
	assert_int_equal(pair.t->members[1].breaker.state, BREAKER_CLOSED);
	call_cancel(probe.call);
	pass(2 * MS);
}

static void
who_was_opened_by_errors_is_closed_when_it_is_the_last_that_is_left(void **unused)
{
	struct outcome o;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	pair.t->policy.probe_us = 60 * SEC;
	open_sql();
	pair.sql.manner = ANSWERS;
	peer_down(bed_peer("nosql"));
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.node, "sql");
	assert_true(o.took_us < 200 * MS); /* not held */
	assert_int_equal(pair.t->members[0].breaker.state, BREAKER_CLOSED);
}

static void
who_was_opened_by_loss_of_contact_is_not(void **unused)
{
	struct outcome o;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	pair.t->policy.probe_us = 60 * SEC;
	target_trip(bed_peer("sql"));
	peer_down(bed_peer("nosql"));
	ask(pair.t, &o, &(struct ask){ .limit_us = 50 * MS });
	wait_for(&o);
	assert_int_equal(o.status, ST_DEADLINE_EXCEEDED);
	assert_int_equal(pair.sql.calls, 0);
}

/* Three calls, of which one is the probe, which is returned, and the others wait for nobody but it. */
static struct outcome *
hold_three(struct outcome o[3])
{
	test_expect_log(LOG_WARN, 1);
	target_trip(bed_peer("sql"));
	peer_down(bed_peer("nosql"));
	pair.sql.manner = HOLDS;
	for (int i = 0; i < 3; i++)
		ask(pair.t, &o[i], NULL);
	pass(40 * MS);
	assert_int_equal(pair.sql.calls, 1);
	assert_int_equal(pair.t->held.n, 2);
	pair.sql.manner = ANSWERS;
	for (int i = 0; i < 2; i++)
		if (strcmp(rpc_node(o[i].rpc), "sql") == 0)
			return &o[i];
	return &o[2];
}

static void
who_waits_for_a_probe_goes_when_it_was_answered(void **unused)
{
	static const Mf__StoreResult answer = MF__STORE_RESULT__INIT;
	struct outcome o[3], *probe;

	(void)unused;
	probe = hold_three(o);
	call_reply(pair.sql.held, &answer.base);
	wait_for(probe);
	assert_int_equal(pair.t->members[0].breaker.state, BREAKER_CLOSED);
	assert_int_equal(pair.t->held.n, 0);
	for (int i = 0; i < 3; i++) {
		wait_for(&o[i]);
		assert_int_equal(o[i].status, ST_OK);
		assert_in_range(o[i].took_us, 1, 300 * MS); /* not HOLD_US */
	}
}

static void
who_waits_for_a_probe_is_the_next_one_when_it_was_given_up(void **unused)
{
	struct outcome o[3], *probe;

	(void)unused;
	probe = hold_three(o);
	call_cancel(probe->call);
	for (int i = 0; i < 3; i++) {
		wait_for(&o[i]);
		assert_int_equal(o[i].status, &o[i] == probe ? ST_CANCELLED : ST_OK);
		assert_in_range(o[i].took_us, 1, 300 * MS);
	}
}

static void
who_waits_for_a_probe_that_fails_waits_for_the_next_one(void **unused)
{
	struct outcome o[3];

	(void)unused;
	(void)hold_three(o);
	call_fail(pair.sql.held, ST_UNAVAILABLE, "not yet");
	for (int i = 0; i < 3; i++) {
		wait_for(&o[i]);
		assert_int_equal(o[i].status, ST_OK);
		assert_in_range(o[i].took_us, 1, 300 * MS);
	}
}

static void
refusals_are_no_faults(void **unused)
{
	struct outcome o;

	(void)unused;
	pair.sql.manner = FAILS;
	pair.sql.failure.status = ST_PERMISSION_DENIED;
	for (int i = 0; i < 50; i++) {
		ask(pair.t, &o, NULL);
		wait_for(&o);
	}
	assert_int_equal(pair.t->members[0].breaker.failures, 0);
	assert_int_equal(pair.nosql.calls, 0);
}

static void
a_slow_answer_is_used_but_counts_as_a_failure(void **unused)
{
	struct outcome o;

	(void)unused;
	pair.sql.manner = SLOW;
	pair.sql.delay_us = pair.t->methods[0].slow_us + 20 * MS;
	assert_int_equal(pair.t->methods[0].slow_us,
	    500 * MS); /* a tenth of the method's own limit, above the policy's 50 ms */
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.node, "sql");
	assert_int_equal(pair.t->members[0].breaker.failures, 1);
}

static void
a_member_that_gives_no_sign_of_life_is_left_though_its_connection_stands(void **unused)
{
	struct outcome o;

	(void)unused;
	test_expect_log(LOG_WARN, 2); /* silent, open */
	bed_peer("sql")->mute = true;
	ask(pair.t, &o, &(struct ask){ .hops = true });
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.node, "nosql");
	assert_string_equal(o.hops[0].reason, "PEER_SILENT");
	assert_true(o.took_us < 900 * MS); /* half of 2 s would have been its share */
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "nosql");
	assert_true(o.took_us < 10 * MS);
	bed_peer("sql")->mute = false;
	pass(35 * MS);
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "sql"); /* the probe brought it back */
}

static enum breaker_state shown;

static void
look(void *ctx, const char *service, const char *node, enum breaker_state s, uint32_t failures,
    bool connected)
{
	(void)ctx, (void)service, (void)failures, (void)connected;
	if (strcmp(node, "sql") == 0)
		shown = s;
}

static void
where_breakers_observe_errors_open_none_but_it_is_told_when_they_would_have(void **unused)
{
	struct outcome o;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	pair.t->policy.observe = true;
	pair.sql.manner = FAILS;
	for (int i = 0; i < 30; i++) {
		ask(pair.t, &o, NULL);
		wait_for(&o);
		assert_int_equal(o.status, ST_OK);
	}
	assert_int_equal(pair.sql.calls, 30);
	bus_each_breaker(bed.bus, look, NULL);
	assert_int_equal(shown, BREAKER_WOULD_OPEN);
	pair.sql.manner = ANSWERS;
	pass(35 * MS);
	ask(pair.t, &o, NULL);
	wait_for(&o);
	bus_each_breaker(bed.bus, look, NULL);
	assert_int_equal(shown, BREAKER_CLOSED);
}

static unsigned told;

static void
on_told(void *ctx, const char *service, const char *node, enum breaker_state s, uint32_t failures,
    bool connected)
{
	told++;
	look(ctx, service, node, s, failures, connected);
}

static void
an_unfit_member_is_the_last_choice_but_it_is_one(void **unused)
{
	struct outcome o;

	(void)unused;
	test_expect_log(LOG_WARN, 2);
	told = 0;
	bus_watch_breakers(bed.bus, on_told, NULL);
	peer_unfit(bed_peer("sql"), true);
	assert_int_equal(told, 1);
	assert_int_equal(shown, BREAKER_UNFIT);
	bus_each_breaker(bed.bus, look, NULL);
	assert_int_equal(shown, BREAKER_UNFIT);
	ask(pair.t, &o, &(struct ask){ .hops = true });
	wait_for(&o);
	assert_string_equal(o.node, "nosql");
	assert_string_equal(o.hops[0].reason, "UNFIT");
	ask(pair_only_sql(), &o, NULL); /* alone: at once, not held */
	wait_for(&o);
	assert_string_equal(o.node, "sql");
	assert_true(o.took_us < 100 * MS);
	peer_unfit(bed_peer("nosql"), true); /* both: in their order */
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "sql");
	peer_unfit(bed_peer("nosql"), false);
	pair.sql.manner = ANSWERS;
	pair.nosql.manner = FAILS; /* better than one that has just failed */
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.node, "sql");
	peer_unfit(bed_peer("sql"), false);
	bus_each_breaker(bed.bus, look, NULL);
	assert_int_equal(shown, BREAKER_CLOSED);
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "sql");
}

static void
who_goes_is_not_unfit_any_more_and_an_open_breaker_is_told_once(void **unused)
{
	(void)unused;
	test_expect_log(LOG_WARN, 2);
	told = 0;
	bus_watch_breakers(bed.bus, on_told, NULL);
	peer_unfit(bed_peer("sql"), true);
	peer_down(bed_peer("sql"));
	assert_int_equal(told, 2);
	assert_int_equal(shown, BREAKER_CLOSED);
	peer_up(bed_peer("sql"));
	assert_int_equal(told, 2);
	target_trip(bed_peer("sql"));
	assert_int_equal(told, 3);
	assert_int_equal(shown, BREAKER_OPEN);
	peer_unfit(bed_peer("sql"), true);
	peer_unfit(bed_peer("sql"), false);
	assert_int_equal(told, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR(errors_open_the_primary_and_a_probe_closes_it),
		PAIR(the_last_member_is_never_opened),
		PAIR(who_is_only_probed_is_no_reason_to_open_the_other),
		PAIR(who_was_opened_by_errors_is_closed_when_it_is_the_last_that_is_left),
		PAIR(who_was_opened_by_loss_of_contact_is_not),
		PAIR(who_waits_for_a_probe_goes_when_it_was_answered),
		PAIR(who_waits_for_a_probe_is_the_next_one_when_it_was_given_up),
		PAIR(who_waits_for_a_probe_that_fails_waits_for_the_next_one),
		PAIR(refusals_are_no_faults),
		PAIR(a_slow_answer_is_used_but_counts_as_a_failure),
		PAIR(a_member_that_gives_no_sign_of_life_is_left_though_its_connection_stands),
		PAIR(where_breakers_observe_errors_open_none_but_it_is_told_when_they_would_have),
		PAIR(an_unfit_member_is_the_last_choice_but_it_is_one),
		PAIR(who_goes_is_not_unfit_any_more_and_an_open_breaker_is_told_once),
	};

	return TEST_RUN(tests);
}
