/* call: what a call and its rpcs promise, over loop-back. */
#include <stdlib.h>
#include <string.h>
#include "harness/busbed.h"
#include "proto/meta.pb-c.h"

static void
a_typed_call_comes_back_with_its_answer(void **unused)
{
	struct fake sql = { 0 };
	struct outcome o;

	(void)unused;
	fake_join(&sql, "sql");
	ask(bed_target(NULL, MEMBERS("sql")), &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_int_equal(o.rows, 1);
	assert_string_equal(o.node, "sql");
}

static void
a_failure_arrives_with_code_reason_delay_and_violations(void **unused)
{
	static const struct violation v[] = { { "/title", "is empty" } };
	struct fake sql = { .manner = FAILS,
		.failure = { .status = ST_INVALID_ARGUMENT,
		    .reason = "BAD_TASK",
		    .message = "no",
		    .retry_ms = 7,
		    .n_violations = 1,
		    .violations = v } };
	struct outcome o;

	(void)unused;
	fake_join(&sql, "sql");
	ask(bed_target(NULL, MEMBERS("sql")), &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_INVALID_ARGUMENT);
	assert_string_equal(o.reason, "BAD_TASK");
	assert_string_equal(o.field, "/title");
	assert_int_equal(o.retry_ms, 7);
	assert_int_equal(sql.calls, 1); /* nobody tries a bad request again */
}

static void
principal_operation_id_and_trace_go_along(void **unused)
{
	Mf__Principal p = MF__PRINCIPAL__INIT;
	struct fake sql = { 0 };
	struct outcome o;
	static const char parent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

	(void)unused;
	p.id = (char *)(uintptr_t) "u-1";
	fake_join(&sql, "sql");
	ask(bed_target(NULL, MEMBERS("sql")), &o,
	    &(struct ask){ .principal = &p, .operation_id = "op-9", .traceparent = parent });
	wait_for(&o);
	assert_string_equal(sql.principal, "u-1");
	assert_string_equal(sql.operation_id, "op-9");
	assert_memory_equal(sql.trace, parent, 36); /* the same trace ... */
	assert_string_not_equal(sql.trace, parent); /* ... another span */
}

static void
a_bad_traceparent_starts_a_new_trace(void **unused)
{
	struct fake sql = { 0 };
	struct outcome o;

	(void)unused;
	fake_join(&sql, "sql");
	ask(bed_target(NULL, MEMBERS("sql")), &o,
	    &(struct ask){
		.traceparent = "00-00000000000000000000000000000000-00f067aa0ba902b7-01" });
	wait_for(&o);
	assert_int_equal(strlen(sql.trace), 55);
	assert_memory_not_equal(sql.trace, "00-00000000000000000000000000000000", 35);
}

/* Two bytes each on the wire, a hundred in memory. */
static void
a_message_that_unpacks_into_very_much_leaves_room_to_refuse_it(void **unused)
{
	size_t n = 2u << 20;
	char *bytes = malloc(n);
	struct call *c;

	(void)unused;
	assert_non_null(bytes);
	c = call_root(bed.bus, &(const struct call_opts){ .limit_us = 1 * SEC });
	for (size_t i = 0; i < n; i += 2)
		memcpy(bytes + i, "\x1a\0", 2); /* EventBatch.events: an empty one */
	assert_null(call_unpack_input(c, &mf__event_batch__descriptor, (struct str){ bytes, n }));
	assert_true(arena_left(call_arena(c)) >= CALL_ARENA_MAX - INPUT_MEMORY);
	assert_null(call_unpack_answer(c, &mf__event_batch__descriptor, (struct str){ bytes, n }));
	assert_true(arena_left(call_arena(c)) >= ANSWER_RESERVE);
	call_cancel(c);
	free(bytes);
}

static void
a_deadline_of_50_ms_never_holds_longer(void **unused)
{
	struct fake sql = { .manner = HOLDS }, nosql = { .manner = HOLDS };
	struct outcome o;

	(void)unused;
	fake_join(&sql, "sql");
	fake_join(&nosql, "nosql");
	ask(bed_target(NULL, MEMBERS("sql", "nosql")), &o, &(struct ask){ .limit_us = 50 * MS });
	wait_for(&o);
	assert_int_equal(o.status, ST_DEADLINE_EXCEEDED);
	assert_true(o.took_us >= 49 * MS && o.took_us < 70 * MS);
	pass(5 * MS);
	assert_int_equal(bus_in_flight(bed.bus), 0);
}

static void
time_left_counts_down_on_the_way(void **unused)
{
	struct fake sql = { 0 };
	struct outcome o;

	(void)unused;
	fake_join(&sql, "sql");
	ask(bed_target(NULL, MEMBERS("sql")), &o, &(struct ask){ .limit_us = 50 * MS });
	wait_for(&o);
	assert_true(sql.left_us > 20 * MS && sql.left_us <= 50 * MS);
}

static void
a_call_whose_time_is_over_does_no_work(void **unused)
{
	struct fake sql = { 0 };
	struct outcome o;

	(void)unused;
	fake_join(&sql, "sql");
	ask(bed_target(NULL, MEMBERS("sql")), &o, &(struct ask){ .limit_us = -1 });
	wait_for(&o);
	assert_int_equal(o.status, ST_DEADLINE_EXCEEDED);
	assert_int_equal(sql.calls, 0);
}

static void
cancelling_a_root_reaches_the_server(void **unused)
{
	struct fake sql = { .manner = HOLDS };
	struct outcome o;

	(void)unused;
	fake_join(&sql, "sql");
	ask(bed_target(NULL, MEMBERS("sql")), &o, NULL);
	pass(5 * MS);
	assert_int_equal(sql.calls, 1);
	assert_int_equal(bus_in_flight(bed.bus), 1);
	call_cancel(o.call);
	assert_int_equal(o.ends, 1);
	assert_int_equal(o.status, ST_CANCELLED);
	pass(5 * MS);
	assert_int_equal(sql.cancelled, 1);
	assert_int_equal(bus_in_flight(bed.bus), 0);
	assert_int_equal(o.answers, 0);
}

static void
cancelling_one_rpc_leaves_the_call_alone(void **unused)
{
	struct fake sql = { .manner = HOLDS };
	struct outcome o;

	(void)unused;
	fake_join(&sql, "sql");
	ask(bed_target(NULL, MEMBERS("sql")), &o, NULL);
	pass(5 * MS);
	rpc_cancel(o.rpc);
	rpc_cancel(o.rpc);
	pass(5 * MS);
	assert_int_equal(sql.cancelled, 1);
	assert_int_equal(o.ends + o.answers, 0);
	call_cancel(o.call);
}

static unsigned ticks;

static void
tick(struct call *c, void *ctx)
{
	(void)c, (void)ctx;
	ticks++;
}

static void
tick_dep(struct call_dep *d)
{
	(void)d;
	ticks++;
}

static void
what_belongs_to_a_call_ends_with_it(void **unused)
{
	struct call *c = call_root(bed.bus, &(const struct call_opts){ .limit_us = 1 * SEC });
	struct call_dep *d = ARENA_NEW(call_arena(c), struct call_dep);
	json_t *j = json_object();

	(void)unused;
	ticks = 0;
	d->cancel = tick_dep;
	call_attach(c, d);
	json_incref(j);
	call_own_json(c, j);
	call_after(c, 1 * MS, tick, NULL);
	call_timer_stop(call_after(c, 1 * MS, tick, NULL));
	call_fail(c, ST_ABORTED, "over");
	assert_int_equal(ticks, 1);                    /* the dependent was cancelled */
	assert_string_equal(call_operation_id(c), ""); /* still safe until the turn ends */
	assert_int_equal(j->refcount, 2);
	pass(5 * MS);
	assert_int_equal(ticks, 1); /* no timer came */
	assert_int_equal(j->refcount, 1);
	json_decref(j);
}

static void
starting_things_after_the_end_is_harmless(void **unused)
{
	struct fake sql = { 0 };
	struct target *t;
	struct rpc *r;
	Mf__StoreOp op = MF__STORE_OP__INIT;
	struct call *c = call_root(bed.bus, &(const struct call_opts){ .limit_us = 1 * SEC });

	(void)unused;
	fake_join(&sql, "sql");
	t = bed_target(NULL, MEMBERS("sql"));
	call_fail(c, ST_ABORTED, "over");
	call_fail(c, ST_INTERNAL, "twice");
	call_reply(c, &op.base);
	r = rpc_new(c, t, NULL);
	mf__sql__read(&r->service, &op, NULL, NULL);
	call_after(c, 0, tick, NULL);
	ticks = 0;
	pass(5 * MS);
	assert_int_equal(sql.calls, 0);
	assert_int_equal(ticks, 0);
}

static void
a_service_that_nobody_serves_is_unimplemented(void **unused)
{
	struct outcome o;

	(void)unused;
	bus_loopback(bed.bus, "sql", NULL);
	ask(bed_target(NULL, MEMBERS("sql")), &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_UNIMPLEMENTED);
	assert_string_equal(o.reason, "NO_SERVICE");
}

static void
a_member_without_the_service_is_passed_over_for_its_stand_in(void **unused)
{
	struct fake nosql = { 0 };
	struct target *t;
	struct outcome o;

	(void)unused;
	bus_loopback(bed.bus, "sql", NULL);
	fake_join(&nosql, "nosql");
	t = bed_target(NULL, MEMBERS("sql", "nosql"));
	for (int i = 0; i < 2; i++) {
		ask(t, &o, NULL);
		wait_for(&o);
		assert_int_equal(o.status, ST_OK);
		assert_string_equal(o.node, "nosql");
	}
}

static void
hops_tell_node_method_attempt_and_outcome(void **unused)
{
	struct fake sql = { .manner = FAILS }, nosql = { 0 };
	struct outcome o;

	(void)unused;
	fake_join(&sql, "sql");
	fake_join(&nosql, "nosql");
	ask(bed_target(NULL, MEMBERS("sql", "nosql")), &o, &(struct ask){ .hops = true });
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_int_equal(o.n_hops, 2);
	assert_string_equal(o.hops[0].node, "sql");
	assert_string_equal(o.hops[0].method, "Sql.Read");
	assert_int_equal(o.hops[0].attempt, 1);
	assert_int_equal(o.hops[0].code, ST_UNAVAILABLE);
	assert_string_equal(o.hops[0].reason, "TIRED");
	assert_string_equal(o.hops[1].node, "nosql");
	assert_int_equal(o.hops[1].attempt, 2);
	assert_int_equal(o.hops[1].code, ST_OK);
	assert_true(o.hops[1].start_us >= o.hops[0].start_us + o.hops[0].duration_us);
}

static void
a_member_that_was_passed_over_is_in_the_hops_with_the_reason(void **unused)
{
	struct fake sql = { 0 }, nosql = { 0 };
	struct outcome o;

	(void)unused;
	fake_join(&sql, "sql");
	fake_join(&nosql, "nosql");
	peer_down(bed_peer("sql"));
	ask(bed_target(NULL, MEMBERS("sql", "nosql")), &o, &(struct ask){ .hops = true });
	wait_for(&o);
	assert_int_equal(o.n_hops, 2);
	assert_string_equal(o.hops[0].node, "sql");
	assert_int_equal(o.hops[0].attempt, 0);
	assert_string_equal(o.hops[0].reason, "NOT_CONNECTED");
	assert_string_equal(o.hops[1].node, "nosql");
}

static void
a_second_try_is_known_above_and_below(void **unused)
{
	struct fake meta = { .manner = ASKS }, sql = { 0 }, nosql = { 0 };
	struct target *t;
	struct outcome o;

	(void)unused;
	fake_join(&meta, "meta");
	fake_join(&sql, "sql");
	fake_join(&nosql, "nosql");
	meta.below = bed_target(NULL, MEMBERS("sql", "nosql"));
	t = bed_target(NULL, MEMBERS("meta"));
	ask(t, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_false(o.repeated);
	sql.manner = FAILS; /* perhaps after its work */
	ask(t, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_int_equal(meta.attempt, 1);
	assert_true(o.repeated);
	nosql.manner = FAILS; /* of a failure it is known, too */
	ask(t, &o, &(struct ask){ .opts = { .once = true } });
	wait_for(&o);
	assert_int_equal(o.status, ST_UNAVAILABLE);
	assert_true(o.repeated);
	/* What has not left is no try. */
	sql.manner = nosql.manner = ANSWERS;
	peer_down(bed_peer("sql"));
	ask(t, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
	assert_false(o.repeated);
}

static void
a_message_that_nests_too_deep_is_refused(void **unused)
{
	uint8_t op[64] = { 0 };
	size_t n = 0;

	(void)unused;
	for (int i = 0; i < 20; i++) { /* members within members, from the inside out */
		memmove(op + 2, op, n);
		op[0] = 11 << 3 | 2;
		op[1] = (uint8_t)n;
		n += 2;
	}
	assert_true(codec_recursive(&mf__store_op__descriptor));
	assert_false(codec_recursive(&mf__task_request__descriptor));
	assert_false(codec_depth_ok(&mf__store_op__descriptor, op, n, CODEC_DEPTH_MAX));
	assert_true(
	    codec_depth_ok(&mf__store_op__descriptor, op + 2 * 13, n - 2 * 13, CODEC_DEPTH_MAX));
}

static void
the_envelope_reads_as_protobuf_c_writes_it_and_the_other_way_round(void **unused)
{
	Mf__Envelope m = MF__ENVELOPE__INIT, *back;
	struct envelope e;
	struct out o = { 0 };
	uint8_t bytes[512];
	size_t n;

	(void)unused;
	m.version = 1;
	m.service = (char *)(uintptr_t) "mf.Sql";
	m.method = (char *)(uintptr_t) "Read";
	m.call_id = 1ull << 40;
	m.time_left_us = 50000;
	m.attempt = 3;
	m.traceparent = (char *)(uintptr_t) "00-x";
	m.idempotency_key = (char *)(uintptr_t) "op";
	m.payload.data = (uint8_t *)(uintptr_t) "\0\1\2";
	m.payload.len = 3;
	m.want_hops = true;
	n = mf__envelope__pack(&m, bytes);
	assert_true(envelope_read(bytes, n, &e));
	envelope_write(&o, &e);
	assert_int_equal(o.n, n);
	assert_memory_equal(o.p, bytes, n);
	back = mf__envelope__unpack(NULL, o.n, o.p);
	assert_non_null(back);
	assert_int_equal(back->call_id, m.call_id);
	assert_true(back->want_hops);
	mf__envelope__free_unpacked(back, NULL);
	for (size_t i = 1; i < n;
	     i++) /* cut anywhere: refused, or a shorter one that lacks the end */
		assert_true(!envelope_read(bytes, i, &e) || !e.want_hops);
	out_free(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BED(a_typed_call_comes_back_with_its_answer),
		BED(a_failure_arrives_with_code_reason_delay_and_violations),
		BED(principal_operation_id_and_trace_go_along),
		BED(a_bad_traceparent_starts_a_new_trace),
		BED(a_deadline_of_50_ms_never_holds_longer),
		BED(time_left_counts_down_on_the_way),
		BED(a_call_whose_time_is_over_does_no_work),
		BED(cancelling_a_root_reaches_the_server),
		BED(cancelling_one_rpc_leaves_the_call_alone),
		BED(what_belongs_to_a_call_ends_with_it),
		BED(starting_things_after_the_end_is_harmless),
		BED(a_service_that_nobody_serves_is_unimplemented),
		BED(a_member_without_the_service_is_passed_over_for_its_stand_in),
		BED(hops_tell_node_method_attempt_and_outcome),
		BED(a_member_that_was_passed_over_is_in_the_hops_with_the_reason),
		BED(a_second_try_is_known_above_and_below),
		T(a_message_that_nests_too_deep_is_refused),
		BED(a_message_that_unpacks_into_very_much_leaves_room_to_refuse_it),
		T(the_envelope_reads_as_protobuf_c_writes_it_and_the_other_way_round),
	};

	return TEST_RUN(tests);
}
