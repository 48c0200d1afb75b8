/* target: which member gets a call, what happens when one fails, hangs or goes, and that no call is
 * answered twice. Breakers, pace and how often it is tried: target_*.c. */
#include <string.h>
#include "harness/busbed.h"

static void
the_primary_comes_first(void **unused)
{
	struct outcome o;

	(void)unused;
	assert_true(target_ready(pair.t));
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "sql");
}

static void
a_stand_in_takes_over_when_the_primary_is_gone_and_gives_back_when_it_returns(void **unused)
{
	struct outcome o;

	(void)unused;
	peer_down(bed_peer("sql"));
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.node, "nosql");
	peer_up(bed_peer("sql"));
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "sql");
}

static void
a_call_that_was_out_on_a_lost_member_goes_to_the_stand_in_at_once(void **unused)
{
	struct outcome o;

	(void)unused;
	pair.sql.manner = HOLDS;
	ask(pair.t, &o, &(struct ask){ .write = true, .operation_id = "op" });
	pass(5 * MS);
	peer_down(bed_peer("sql"));
	assert_int_equal(pair.sql.cancelled, 1); /* it never runs on behind our back */
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.node, "nosql");
	assert_string_equal(pair.nosql.operation_id, "op");
	assert_int_equal(pair.nosql.attempt, 2);
	assert_true(o.took_us < 30 * MS);
}

/* 200 requests a second, of which each takes a second because the machine is busy. */
static void
a_member_that_dies_with_two_hundred_calls_out_fails_none_of_them(void **unused)
{
	static struct outcome o[200];

	(void)unused;
	pair.sql.manner = HOLDS;
	for (int i = 0; i < 200; i++)
		ask(pair.t, &o[i], NULL);
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
	pair.t->policy.open_share = 1;
	pair.sql.manner = SLOW;
	pair.sql.delay_us = 10 * MS;
	for (int i = 0; i < 64; i++)
		ask(pair.t, &o[i], &(struct ask){ .opts.try_limit_us = (i % 20 + 1) * MS });
	pass(60 * MS);
	for (int i = 0; i < 64; i++) {
		assert_int_equal(o[i].answers, 1);
		assert_int_equal(o[i].ends, 1);
		assert_int_equal(o[i].status, ST_OK);
	}
	assert_true(pair.sql.calls == 64 && pair.nosql.calls >= 20);
}

static void
an_answer_under_a_used_up_id_goes_nowhere(void **unused)
{
	struct outcome o;
	struct peer *p = bed_peer("sql");
	struct out empty = { 0 };

	(void)unused;
	pair.sql.manner = HOLDS;
	ask(pair.t, &o, NULL);
	pass(2 * MS);
	uint64_t id = container_of(list_first(&p->outs), struct rpc_call, waiting)->id;
	answer_begin(&empty, id);
	peer_answer(p, id, empty.p, empty.n);
	assert_int_equal(o.answers, 1);
	peer_answer(p, id, empty.p, empty.n); /* the same again */
	peer_answer(p, id + (1u << 13), empty.p, empty.n);
	peer_answer(p, UINT64_MAX, empty.p, empty.n);
	wait_for(&o);
	assert_int_equal(o.answers, 1);
	assert_int_equal(o.status, ST_OK);
	server_cancel(p->self, id);
	out_free(&empty);
}

static void
bytes_that_do_not_name_the_call_are_no_answer_to_it(void **unused)
{
	static const uint8_t other[] = { 0xa8, 0x01, 0x01 }; /* a field that nobody knows */
	struct outcome o;
	struct peer *p = bed_peer("sql");

	(void)unused;
	for (size_t n = 0; n <= sizeof other; n += sizeof other) {
		pair.sql.manner = HOLDS;
		ask(pair_only_sql(), &o, &(struct ask){ .opts.once = true });
		pass(2 * MS);
		uint64_t id = container_of(list_first(&p->outs), struct rpc_call, waiting)->id;
		peer_answer(p, id, other, n);
		wait_for(&o);
		assert_int_equal(o.status, ST_INTERNAL);
		assert_string_equal(o.reason, "BAD_ANSWER");
		server_cancel(p->self, id);
	}
}

static void
unavailable_goes_to_the_stand_in_and_other_failures_stay(void **unused)
{
	struct outcome o;

	(void)unused;
	pair.sql.manner = FAILS;
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "nosql");
	pair.sql.failure = (struct failure){ .status = ST_NOT_FOUND, .reason = "", .message = "" };
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_NOT_FOUND);
	assert_string_equal(o.node, "sql");
}

static void
once_means_once(void **unused)
{
	struct outcome o;

	(void)unused;
	pair.sql.manner = FAILS;
	ask(pair.t, &o, &(struct ask){ .opts.once = true });
	wait_for(&o);
	assert_int_equal(o.status, ST_UNAVAILABLE);
	assert_int_equal(pair.sql.calls, 1);
	assert_int_equal(pair.nosql.calls, 0);
}

static void
a_named_member_has_no_stand_in(void **unused)
{
	struct outcome o;

	(void)unused;
	ask(pair.t, &o, &(struct ask){ .opts.node = "nosql" });
	wait_for(&o);
	assert_string_equal(o.node, "nosql");
	pair.sql.manner = FAILS;
	ask(pair.t, &o, &(struct ask){ .opts.node = "sql" });
	wait_for(&o);
	assert_int_equal(o.status, ST_UNAVAILABLE);
	assert_int_equal(pair.nosql.calls, 1);
}

static void
a_try_over_its_limit_is_cancelled_and_made_elsewhere(void **unused)
{
	struct outcome o;

	(void)unused;
	pair.sql.manner = HOLDS;
	ask(pair.t, &o, &(struct ask){ .opts.try_limit_us = 20 * MS, .hops = true });
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.node, "nosql");
	assert_string_equal(o.hops[0].reason, "TRY_LIMIT");
	assert_true(o.took_us >= 19 * MS && o.took_us < 40 * MS);
	pass(2 * MS);
	assert_int_equal(pair.sql.cancelled, 1);
}

static void
a_hung_primary_never_eats_all_the_time(void **unused)
{
	struct outcome o;

	(void)unused;
	pair.sql.manner = HOLDS;
	ask(pair.t, &o, &(struct ask){ .limit_us = 100 * MS });
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
	assert_false(target_ready(pair.t));
	ask(pair.t, &o, NULL);
	pass(30 * MS);
	assert_int_equal(o.ends, 0);
	peer_up(bed_peer("sql"));
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_int_equal(pair.sql.attempt, 1);
}

static void
with_nobody_there_for_half_a_second_it_fails_clearly(void **unused)
{
	struct outcome o;

	(void)unused;
	peer_down(bed_peer("sql"));
	peer_down(bed_peer("nosql"));
	ask(pair.t, &o, &(struct ask){ .hops = true });
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
	ask(pair_only_sql(), &o, &(struct ask){ .limit_us = 50 * MS });
	wait_for(&o);
	assert_int_equal(o.status, ST_DEADLINE_EXCEEDED);
	assert_true(o.took_us < 70 * MS);
}

static void
the_only_member_lost_and_back_answers_the_same_call(void **unused)
{
	struct outcome o;

	(void)unused;
	pair.sql.manner = HOLDS;
	ask(pair_only_sql(), &o, NULL);
	pass(5 * MS);
	peer_down(bed_peer("sql"));
	pair.sql.manner = ANSWERS;
	pass(50 * MS);
	assert_int_equal(o.ends, 0);
	peer_up(bed_peer("sql"));
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_int_equal(o.answers, 1);
	assert_int_equal(pair.sql.attempt, 2);
}

static void
a_member_that_drains_gets_no_new_calls_while_there_is_another(void **unused)
{
	struct outcome o;

	(void)unused;
	bed_peer("sql")->draining = true;
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "nosql");
	ask(pair_only_sql(), &o, NULL); /* alone: held, then better here than nowhere */
	pass(20 * MS);
	assert_int_equal(o.ends, 0);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.node, "sql");
}

static void
a_connection_with_too_many_calls_refuses_more_at_once(void **unused)
{
	static struct outcome o[WIRE_OUT_MAX + 1];

	(void)unused;
	pair.t->policy.open_share = 1;
	pair.sql.manner = HOLDS;
	for (unsigned i = 0; i <= WIRE_OUT_MAX; i++)
		ask(pair.t, &o[i], &(struct ask){ .limit_us = 60 * SEC });
	wait_for(&o[WIRE_OUT_MAX]);
	assert_int_equal(o[WIRE_OUT_MAX].status, ST_RESOURCE_EXHAUSTED);
	assert_string_equal(o[WIRE_OUT_MAX].reason, "LINK_FULL");
	for (int i = 0; i < 100 && bus_in_flight(bed.bus) < WIRE_OUT_MAX; i++)
		pass(20 * MS);
	assert_int_equal(bus_in_flight(bed.bus), WIRE_OUT_MAX);
	for (unsigned i = 0; i < WIRE_OUT_MAX; i++)
		call_cancel(o[i].call);
	for (int i = 0; i < 100 && pair.sql.cancelled < WIRE_OUT_MAX; i++)
		pass(20 * MS);
	assert_int_equal(pair.sql.cancelled, WIRE_OUT_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR(the_primary_comes_first),
		PAIR(a_stand_in_takes_over_when_the_primary_is_gone_and_gives_back_when_it_returns),
		PAIR(a_call_that_was_out_on_a_lost_member_goes_to_the_stand_in_at_once),
		PAIR(a_member_that_dies_with_two_hundred_calls_out_fails_none_of_them),
		PAIR(a_call_that_failed_over_never_calls_back_twice),
		PAIR(an_answer_under_a_used_up_id_goes_nowhere),
		PAIR(bytes_that_do_not_name_the_call_are_no_answer_to_it),
		PAIR(unavailable_goes_to_the_stand_in_and_other_failures_stay),
		PAIR(once_means_once),
		PAIR(a_named_member_has_no_stand_in),
		PAIR(a_try_over_its_limit_is_cancelled_and_made_elsewhere),
		PAIR(a_hung_primary_never_eats_all_the_time),
		PAIR(with_nobody_there_a_call_is_held_and_goes_out_when_somebody_comes),
		PAIR(with_nobody_there_for_half_a_second_it_fails_clearly),
		PAIR(who_holds_never_holds_beyond_the_deadline),
		PAIR(the_only_member_lost_and_back_answers_the_same_call),
		PAIR(a_member_that_drains_gets_no_new_calls_while_there_is_another),
		PAIR(a_connection_with_too_many_calls_refuses_more_at_once),
	};

	return TEST_RUN(tests);
}
