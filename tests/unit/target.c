/* target: which member gets a call, what happens when one fails, hangs or goes, and that no call is
 * answered twice. */
#include <string.h>
#include "harness/busbed.h"

static struct fake sql, nosql;
static struct target *t;

static int
start(void **state)
{
	static const struct breaker_policy p = {
		.failures = 3, .limit_us = 50 * MS, .probe_us = 20 * MS
	};

	bed_start(state);
	memset(&sql, 0, sizeof sql);
	memset(&nosql, 0, sizeof nosql);
	fake_join(&sql, "sql");
	fake_join(&nosql, "nosql");
	t = bed_target(&p, MEMBERS("sql", "nosql"));
	return 0;
}

static struct target *
only_sql(void)
{
	return bed_target(
	    &(struct breaker_policy){ .failures = 3, .limit_us = 50 * MS }, MEMBERS("sql"));
}

static void
the_primary_comes_first(void **unused)
{
	struct outcome o;

	(void)unused;
	assert_true(target_ready(t));
	ask(t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "sql");
}

static void
a_stand_in_takes_over_when_the_primary_is_gone_and_gives_back_when_it_returns(void **unused)
{
	struct outcome o;

	(void)unused;
	peer_down(bed_peer("sql"));
	ask(t, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.node, "nosql");
	peer_up(bed_peer("sql"));
	ask(t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "sql");
}

static void
a_call_that_was_out_on_a_lost_member_goes_to_the_stand_in_at_once(void **unused)
{
	struct outcome o;

	(void)unused;
	sql.manner = HOLDS;
	ask(t, &o, &(struct ask){ .write = true, .operation_id = "op" });
	pass(5 * MS);
	peer_down(bed_peer("sql"));
	assert_int_equal(sql.cancelled, 1); /* it never runs on behind our back */
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.node, "nosql");
	assert_string_equal(nosql.operation_id, "op");
	assert_int_equal(nosql.attempt, 2);
	assert_true(o.took_us < 30 * MS);
}

/* 200 requests a second, of which each takes a second because the machine is busy. */
static void
a_member_that_dies_with_two_hundred_calls_out_fails_none_of_them(void **unused)
{
	static struct outcome o[200];

	(void)unused;
	sql.manner = HOLDS;
	for (int i = 0; i < 200; i++)
		ask(t, &o[i], NULL);
	pass(5 * MS);
	peer_down(bed_peer("sql"));
	for (int i = 0; i < 200; i++) {
		wait_for(&o[i]);
		assert_int_equal(o[i].status, ST_OK);
		assert_string_equal(o[i].node, "nosql");
	}
}

static void
a_call_that_failed_over_never_calls_back_twice(void **unused)
{
	struct outcome o[64];

	(void)unused;
	t->policy.open_share = 1;
	sql.manner = SLOW;
	sql.delay_us = 10 * MS;
	for (int i = 0; i < 64; i++)
		ask(t, &o[i], &(struct ask){ .opts.try_limit_us = (i % 20 + 1) * MS });
	pass(60 * MS);
	for (int i = 0; i < 64; i++) {
		assert_int_equal(o[i].answers, 1);
		assert_int_equal(o[i].ends, 1);
		assert_int_equal(o[i].status, ST_OK);
	}
	assert_true(sql.calls == 64 && nosql.calls >= 20);
}

static void
an_answer_under_a_used_up_id_goes_nowhere(void **unused)
{
	struct outcome o;
	struct peer *p = bed_peer("sql");
	uint8_t nothing[1];

	(void)unused;
	sql.manner = HOLDS;
	ask(t, &o, NULL);
	pass(2 * MS);
	uint64_t id = container_of(list_first(&p->outs), struct rpc_call, waiting)->id;
	peer_answer(p, id, nothing, 0); /* an empty message: an empty answer */
	assert_int_equal(o.answers, 1);
	peer_answer(p, id, nothing, 0); /* the same again */
	peer_answer(p, id + (1u << 13), nothing, 0);
	peer_answer(p, UINT64_MAX, nothing, 0);
	wait_for(&o);
	assert_int_equal(o.answers, 1);
	server_cancel(p->self, id);
}

static void
unavailable_goes_to_the_stand_in_and_other_failures_stay(void **unused)
{
	struct outcome o;

	(void)unused;
	sql.manner = FAILS;
	ask(t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "nosql");
	sql.failure = (struct failure){ .status = ST_NOT_FOUND, .reason = "", .message = "" };
	ask(t, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_NOT_FOUND);
	assert_string_equal(o.node, "sql");
}

static void
once_means_once(void **unused)
{
	struct outcome o;

	(void)unused;
	sql.manner = FAILS;
	ask(t, &o, &(struct ask){ .opts.once = true });
	wait_for(&o);
	assert_int_equal(o.status, ST_UNAVAILABLE);
	assert_int_equal(sql.calls, 1);
	assert_int_equal(nosql.calls, 0);
}

static void
a_named_member_has_no_stand_in(void **unused)
{
	struct outcome o;

	(void)unused;
	ask(t, &o, &(struct ask){ .opts.node = "nosql" });
	wait_for(&o);
	assert_string_equal(o.node, "nosql");
	sql.manner = FAILS;
	ask(t, &o, &(struct ask){ .opts.node = "sql" });
	wait_for(&o);
	assert_int_equal(o.status, ST_UNAVAILABLE);
	assert_int_equal(nosql.calls, 1);
}

static void
a_try_over_its_limit_is_cancelled_and_made_elsewhere(void **unused)
{
	struct outcome o;

	(void)unused;
	sql.manner = HOLDS;
	ask(t, &o, &(struct ask){ .opts.try_limit_us = 20 * MS, .hops = true });
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.node, "nosql");
	assert_string_equal(o.hops[0].reason, "TRY_LIMIT");
	assert_true(o.took_us >= 19 * MS && o.took_us < 40 * MS);
	pass(2 * MS);
	assert_int_equal(sql.cancelled, 1);
}

static void
a_hung_primary_never_eats_all_the_time(void **unused)
{
	struct outcome o;

	(void)unused;
	sql.manner = HOLDS;
	ask(t, &o, &(struct ask){ .limit_us = 100 * MS });
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.node, "nosql");
	assert_true(o.took_us < 70 * MS);
}

static void
with_nobody_there_a_call_is_held_and_goes_out_when_somebody_comes(void **unused)
{
	struct outcome o;

	(void)unused;
	peer_down(bed_peer("sql"));
	peer_down(bed_peer("nosql"));
	assert_false(target_ready(t));
	ask(t, &o, NULL);
	pass(30 * MS);
	assert_int_equal(o.ends, 0);
	peer_up(bed_peer("sql"));
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_int_equal(sql.attempt, 1);
}

static void
with_nobody_there_for_half_a_second_it_fails_clearly(void **unused)
{
	struct outcome o;

	(void)unused;
	peer_down(bed_peer("sql"));
	peer_down(bed_peer("nosql"));
	ask(t, &o, &(struct ask){ .hops = true });
	wait_for(&o);
	assert_int_equal(o.status, ST_UNAVAILABLE);
	assert_string_equal(o.reason, "NO_MEMBER");
	assert_int_equal(o.retry_ms, 500);
	assert_true(o.took_us >= 499 * MS && o.took_us < 600 * MS);
	assert_int_equal(o.n_hops, 2);
	assert_string_equal(o.hops[0].reason, "NOT_CONNECTED");
}

static void
who_holds_never_holds_beyond_the_deadline(void **unused)
{
	struct outcome o;

	(void)unused;
	peer_down(bed_peer("sql"));
	ask(only_sql(), &o, &(struct ask){ .limit_us = 50 * MS });
	wait_for(&o);
	assert_int_equal(o.status, ST_DEADLINE_EXCEEDED);
	assert_true(o.took_us < 70 * MS);
}

static void
the_only_member_lost_and_back_answers_the_same_call(void **unused)
{
	struct outcome o;

	(void)unused;
	sql.manner = HOLDS;
	ask(only_sql(), &o, NULL);
	pass(5 * MS);
	peer_down(bed_peer("sql"));
	sql.manner = ANSWERS;
	pass(50 * MS);
	assert_int_equal(o.ends, 0);
	peer_up(bed_peer("sql"));
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_int_equal(o.answers, 1);
	assert_int_equal(sql.attempt, 2);
}

static void
a_member_that_drains_gets_no_new_calls_while_there_is_another(void **unused)
{
	struct outcome o;

	(void)unused;
	bed_peer("sql")->draining = true;
	ask(t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "nosql");
	ask(only_sql(), &o, NULL); /* alone: held, then better here than nowhere */
	pass(20 * MS);
	assert_int_equal(o.ends, 0);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.node, "sql");
}

static void
errors_open_the_primary_and_a_probe_closes_it(void **unused)
{
	struct outcome o;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	sql.manner = FAILS;
	for (int i = 0; i < 25; i++) {
		ask(t, &o, NULL);
		wait_for(&o);
		assert_int_equal(o.status, ST_OK);
	}
	assert_int_equal(t->members[0].breaker.state, BREAKER_OPEN);
	assert_int_equal(sql.calls, 20);
	sql.manner = ANSWERS;
	pass(35 * MS);
	ask(t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "sql");
	assert_int_equal(t->members[0].breaker.state, BREAKER_CLOSED);
}

static void
the_last_member_is_never_opened(void **unused)
{
	struct outcome o;
	struct target *alone = only_sql();

	(void)unused;
	sql.manner = FAILS;
	sql.failure.status = ST_INTERNAL;
	for (int i = 0; i < 100; i++) {
		ask(alone, &o, NULL);
		wait_for(&o);
	}
	assert_int_equal(alone->members[0].breaker.state, BREAKER_CLOSED);
	sql.manner = ANSWERS;
	ask(alone, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
}

static void
refusals_are_no_faults(void **unused)
{
	struct outcome o;

	(void)unused;
	sql.manner = FAILS;
	sql.failure.status = ST_PERMISSION_DENIED;
	for (int i = 0; i < 50; i++) {
		ask(t, &o, NULL);
		wait_for(&o);
	}
	assert_int_equal(t->members[0].breaker.failures, 0);
	assert_int_equal(nosql.calls, 0);
}

static void
a_slow_answer_is_used_but_counts_as_a_failure(void **unused)
{
	struct outcome o;

	(void)unused;
	sql.manner = SLOW;
	sql.delay_us = t->methods[0].slow_us + 20 * MS;
	assert_int_equal(t->methods[0].slow_us,
	    500 * MS); /* a tenth of the method's own limit, above the policy's 50 ms */
	ask(t, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.node, "sql");
	assert_int_equal(t->members[0].breaker.failures, 1);
}

static void
a_member_that_gives_no_sign_of_life_is_left_though_its_connection_stands(void **unused)
{
	struct outcome o;

	(void)unused;
	test_expect_log(LOG_WARN, 2); /* silent, open */
	bed_peer("sql")->mute = true;
	ask(t, &o, &(struct ask){ .hops = true });
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.node, "nosql");
	assert_string_equal(o.hops[0].reason, "PEER_SILENT");
	assert_true(o.took_us < 900 * MS); /* half of 2 s would have been its share */
	ask(t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "nosql");
	assert_true(o.took_us < 10 * MS);
	bed_peer("sql")->mute = false;
	pass(35 * MS);
	ask(t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "sql"); /* the probe brought it back */
}

static void
a_storm_of_failures_is_stopped_by_the_budget(void **unused)
{
	struct outcome o;
	unsigned n = 2000;
	int64_t began = loop_now(bed.loop), took;

	(void)unused;
	sql.manner = nosql.manner = FAILS;
	t->policy.open_share = 1; /* breakers only observe: it is the budget that must stop it */
	for (unsigned i = 0; i < n; i++) {
		ask(t, &o, NULL);
		wait_for(&o);
		assert_int_equal(o.status, ST_UNAVAILABLE);
	}
	took = loop_now(bed.loop) - began;
	assert_true(sql.calls + nosql.calls <=
		    n + n * 3 / 10 + RETRY_QUIET + 1 + RETRY_QUIET_RATE * (double)took / SEC);
	assert_true(sql.calls + nosql.calls >= n + 100);
}

static void
a_connection_with_too_many_calls_refuses_more_at_once(void **unused)
{
	static struct outcome o[WIRE_OUT_MAX + 1];

	(void)unused;
	t->policy.open_share = 1;
	sql.manner = HOLDS;
	for (unsigned i = 0; i <= WIRE_OUT_MAX; i++)
		ask(t, &o[i], &(struct ask){ .limit_us = 60 * SEC });
	wait_for(&o[WIRE_OUT_MAX]);
	assert_int_equal(o[WIRE_OUT_MAX].status, ST_RESOURCE_EXHAUSTED);
	assert_string_equal(o[WIRE_OUT_MAX].reason, "LINK_FULL");
	for (int i = 0; i < 100 && bus_in_flight(bed.bus) < WIRE_OUT_MAX; i++)
		pass(20 * MS);
	assert_int_equal(bus_in_flight(bed.bus), WIRE_OUT_MAX);
	for (unsigned i = 0; i < WIRE_OUT_MAX; i++)
		call_cancel(o[i].call);
	for (int i = 0; i < 100 && sql.cancelled < WIRE_OUT_MAX; i++)
		pass(20 * MS);
	assert_int_equal(sql.cancelled, WIRE_OUT_MAX);
}

/* Asks one after the other until the first member gives way, or does not any more; at most 10 s. */
static void
ask_until_it_gives_way(bool wanted)
{
	struct outcome o;

	for (int64_t end = time_now_us() + 10 * SEC; t->members[0].pace.gives_way != wanted;) {
		assert_true(time_now_us() < end);
		ask(t, &o, NULL);
		wait_for(&o);
		assert_int_equal(o.status, ST_OK);
	}
}

static void
in_a_paced_target_a_slow_member_gives_way_and_comes_back(void **unused)
{
	struct outcome o;
	unsigned before;

	(void)unused;
	target_set_paced(t);
	sql.manner = SLOW;
	sql.delay_us = 80 * MS;
	ask_until_it_gives_way(true);
	before = sql.calls;
	for (int i = 0; i < 32; i++) {
		ask(t, &o, NULL);
		wait_for(&o);
	}
	assert_int_equal(sql.calls - before, 2); /* probes */
	sql.manner = ANSWERS;
	ask_until_it_gives_way(false);
	ask(t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "sql");
}

static void
in_any_other_target_the_order_stands(void **unused)
{
	struct outcome o;

	(void)unused;
	sql.manner = SLOW;
	sql.delay_us = 40 * MS;
	for (int i = 0; i < 12; i++) {
		ask(t, &o, NULL);
		wait_for(&o);
		assert_string_equal(o.node, "sql");
	}
}

static void
who_waits_for_others_is_not_slow_itself(void **unused)
{
	struct outcome o;

	(void)unused;
	target_set_paced(t);
	sql.manner = ASKS;
	sql.below = bed_target(NULL, MEMBERS("nosql"));
	nosql.manner = SLOW;
	nosql.delay_us = 300 * MS;
	ask(t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "sql");
	assert_true(o.took_us >= 300 * MS);
	assert_true(t->members[0].pace.own_us < 150 * MS);
}

static void
who_answers_none_of_many_calls_is_passed_over_until_he_answers_one(void **unused)
{
	struct outcome held[PACE_PILE], o;

	(void)unused;
	target_set_paced(t);
	sql.manner = HOLDS;
	for (size_t i = 0; i < PACE_PILE; i++)
		ask(t, &held[i], NULL);
	pass(PACE_SILENT_US + 5 * MS);
	ask(t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "nosql");
	sql.manner = ANSWERS;
	call_reply(sql.held, &(Mf__StoreResult)MF__STORE_RESULT__INIT.base);
	wait_for(&held[PACE_PILE - 1]);
	/* That one was slow: the other is measured first. */
	for (unsigned i = 0; i <= PACE_KNOWN; i++) {
		ask(t, &o, NULL);
		wait_for(&o);
	}
	assert_string_equal(o.node, "sql");
	for (size_t i = 0; i + 1 < PACE_PILE; i++)
		call_cancel(held[i].call);
	pass(2 * MS);
}

static void
what_is_out_on_a_member_is_counted_however_it_ends(void **unused)
{
	struct outcome o[4];

	(void)unused;
	ask(t, &o[0], NULL); /* answered */
	wait_for(&o[0]);
	sql.manner = HOLDS;
	ask(t, &o[1], &(struct ask){ .opts.try_limit_us = 20 * MS }); /* made elsewhere */
	wait_for(&o[1]);
	ask(t, &o[2], NULL);
	ask(t, &o[3], NULL);
	assert_int_equal(t->members[0].pace.out, 2);
	call_cancel(o[2].call);
	assert_int_equal(t->members[0].pace.out, 1);
	pass(2 * MS);
	peer_down(bed_peer("sql"));
	wait_for(&o[3]);
	assert_int_equal(t->members[0].pace.out, 0);
	assert_int_equal(t->members[1].pace.out, 0);
}

#define TG(f) cmocka_unit_test_setup_teardown(f, start, bed_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TG(the_primary_comes_first),
		TG(a_stand_in_takes_over_when_the_primary_is_gone_and_gives_back_when_it_returns),
		TG(a_call_that_was_out_on_a_lost_member_goes_to_the_stand_in_at_once),
		TG(a_member_that_dies_with_two_hundred_calls_out_fails_none_of_them),
		TG(a_call_that_failed_over_never_calls_back_twice),
		TG(an_answer_under_a_used_up_id_goes_nowhere),
		TG(unavailable_goes_to_the_stand_in_and_other_failures_stay),
		TG(once_means_once),
		TG(a_named_member_has_no_stand_in),
		TG(a_try_over_its_limit_is_cancelled_and_made_elsewhere),
		TG(a_hung_primary_never_eats_all_the_time),
		TG(with_nobody_there_a_call_is_held_and_goes_out_when_somebody_comes),
		TG(with_nobody_there_for_half_a_second_it_fails_clearly),
		TG(who_holds_never_holds_beyond_the_deadline),
		TG(the_only_member_lost_and_back_answers_the_same_call),
		TG(a_member_that_drains_gets_no_new_calls_while_there_is_another),
		TG(errors_open_the_primary_and_a_probe_closes_it),
		TG(the_last_member_is_never_opened),
		TG(refusals_are_no_faults),
		TG(a_slow_answer_is_used_but_counts_as_a_failure),
		TG(a_member_that_gives_no_sign_of_life_is_left_though_its_connection_stands),
		TG(a_storm_of_failures_is_stopped_by_the_budget),
		TG(a_connection_with_too_many_calls_refuses_more_at_once),
		TG(in_a_paced_target_a_slow_member_gives_way_and_comes_back),
		TG(in_any_other_target_the_order_stands),
		TG(who_waits_for_others_is_not_slow_itself),
		TG(who_answers_none_of_many_calls_is_passed_over_until_he_answers_one),
		TG(what_is_out_on_a_member_is_counted_however_it_ends),
	};

	return TEST_RUN(tests);
}
