/* span: which requests are kept, and what of them, over loop-back. Each bed samples nothing unless a test
 * says so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "harness/busbed.h"
#include "proto/trace.pb-c.h"

#define CLIENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-"

static struct {
	unsigned batches;
	size_t bytes; /* of the largest */
	size_t n;
	Mf__Trace *items[256];
} kept;

static void
on_traces(void *ctx, const Mf__TraceBatch *m)
{
	size_t bytes = mf__trace_batch__get_packed_size(m);

	(void)ctx;
	kept.batches++;
	kept.bytes = bytes > kept.bytes ? bytes : kept.bytes;
	for (size_t i = 0; i < m->n_items && kept.n < 256; i++) {
		kept.items[kept.n] = mf__trace__unpack(NULL, m->items[i].len, m->items[i].data);
		assert_non_null(kept.items[kept.n++]);
	}
}

static int
start(void **state)
{
	if (bed_start(state) != 0)
		return -1;
	bus_set_tracing(bed.bus, &(const struct trace_opts){ 100 * MS, 0, 50 });
	bus_hear_traces(bed.bus, on_traces, NULL);
	return 0;
}

static int
stop(void **state)
{
	for (size_t i = 0; i < kept.n; i++)
		mf__trace__free_unpacked(kept.items[i], NULL);
	memset(&kept, 0, sizeof(kept));
	return bed_stop(state);
}
#define SPAN(f) cmocka_unit_test_setup_teardown(f, start, stop)

/* --- a request that enters here --- */

struct request {
	struct call *c;
	struct rpc *rpc;
	struct call_about about;
	bool over;
	char traceparent[TRACEPARENT_LEN];
};

static void
on_answer(const Mf__StoreResult *m, void *ctx)
{
	struct request *q = ctx;

	q->about.http_status = m != NULL ? 200 : (uint32_t)status_http(rpc_failure(q->rpc)->status);
	if (m != NULL)
		call_reply(q->c, &m->base);
	else
		call_fail_with(q->c, rpc_failure(q->rpc));
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct request *q = ctx;

	(void)c, (void)end;
	q->over = true;
}

static const char *
route(struct arena *a, const char *method, const char *path)
{
	(void)a, (void)method;
	return strncmp(path, "/v1/tasks/", 10) == 0 ? "/v1/tasks/{id}" : "";
}

static void
request_with(struct request *q, struct target *t, const struct call_opts *o)
{
	struct call_opts opts = *o;
	Mf__StoreOp op = MF__STORE_OP__INIT;
	int64_t until = time_now_us() + 5 * SEC;

	memset(q, 0, sizeof(*q));
	opts.limit_us = 2 * SEC;
	opts.entry = true;
	opts.done = on_end;
	opts.ctx = q;
	q->c = call_root(bed.bus, &opts);
	snprintf(q->traceparent, sizeof(q->traceparent), "%s", call_traceparent(q->c));
	if (q->about.http_method == NULL)
		q->about = (struct call_about){
			.http_method = "GET", .path = "/v1/tasks/secret-1", .route = route
		};
	call_say_about(q->c, &q->about);
	q->rpc = rpc_new(q->c, t, NULL);
	mf__sql__read(&q->rpc->service, &op, on_answer, q);
	while (!q->over && time_now_us() < until)
		pass(1 * MS);
	assert_true(q->over);
}

static void
request(struct request *q, struct target *t)
{
	request_with(q, t, &(const struct call_opts){ .limit_us = 1 });
}

/* Until a batch has come. */
static const Mf__Trace *
one_is_kept(void)
{
	int64_t until = time_now_us() + 5 * SEC;

	while (kept.n == 0 && time_now_us() < until)
		pass(10 * MS);
	assert_int_equal(kept.n, 1);
	return kept.items[0];
}

static void
nothing_is_kept(void)
{
	pass(700 * MS); /* longer than a batch waits */
	assert_int_equal(kept.n, 0);
}

static const Mf__Hop *
hop_of(const Mf__Trace *m, const char *node, uint32_t attempt)
{
	for (size_t i = 0; i < m->n_hops; i++)
		if (strcmp(m->hops[i]->node, node) == 0 && m->hops[i]->attempt == attempt)
			return m->hops[i];
	fail_msg("no hop of %s, attempt %u", node, attempt);
	return NULL;
}

/* --- the rule --- */

static void
a_share_of_all_ids_is_sampled_by_their_low_56_bits(void **unused)
{
	struct rng r;
	char id[40];
	unsigned n = 0;

	(void)unused;
	assert_false(trace_sampled("ffffffffffffffffffffffffffffffff", 0));
	assert_true(trace_sampled("00000000000000000000000000000001", 1));
	assert_true(trace_sampled("0000000000000000ffffffffffffffff", 0.000001));
	assert_false(trace_sampled("ffffffffffffffffff00000000000001", 0.99)); /* not by others */
	assert_true(trace_sampled("00000000000000000080000000000000", 0.5));
	assert_false(trace_sampled("0000000000000000007fffffffffffff", 0.5));
	rng_seed(&r, 7);
	for (int i = 0; i < 100000; i++) {
		snprintf(id, sizeof(id), "%016llx%016llx", (unsigned long long)rng_next(&r),
		    (unsigned long long)rng_next(&r));
		n += trace_sampled(id, 0.01);
		assert_true(!trace_sampled(id, 0.01) || trace_sampled(id, 0.02)); /* nested */
	}
	assert_in_range(n, 850, 1150);
}

static void
a_sampled_request_is_kept_and_all_hops_hear_of_it(void **unused)
{
	struct fake top = { .manner = ASKS }, sql = { 0 };
	struct request q;
	const Mf__Trace *m;

	(void)unused;
	bus_set_tracing(bed.bus, &(const struct trace_opts){ 100 * MS, 1, 50 });
	fake_join(&sql, "sql");
	fake_join(&top, "meta");
	top.below = bed_target(NULL, MEMBERS("sql"));
	request(&q, bed_target(NULL, MEMBERS("meta")));
	m = one_is_kept();
	assert_int_equal(m->why, MF__TRACE_WHY__TRACE_WHY_SAMPLED);
	assert_memory_equal(sql.trace + 3, q.traceparent + 3, 32);
	assert_string_equal(sql.trace + 52, "-01");
	assert_int_equal(m->n_hops, 2);
	assert_int_equal(hop_of(m, "meta", 1)->parent_id, m->span_id);
	assert_int_equal(hop_of(m, "sql", 1)->parent_id, hop_of(m, "meta", 1)->span_id);
	assert_int_equal(m->parent_id, 0);
	assert_false(m->failed);
	assert_string_equal(m->name, "GET /v1/tasks/{id}"); /* and not what was asked for */
	assert_string_equal(m->route, "/v1/tasks/{id}");
	assert_int_equal(m->http_status, 200);
}

static void
of_what_goes_well_and_fast_nothing_is_told_or_kept(void **unused)
{
	struct fake top = { .manner = ASKS }, sql = { 0 };
	struct request q;

	(void)unused;
	fake_join(&sql, "sql");
	fake_join(&top, "meta");
	top.below = bed_target(NULL, MEMBERS("sql"));
	request(&q, bed_target(NULL, MEMBERS("meta")));
	assert_int_equal(q.about.http_status, 200);
	assert_string_equal(sql.trace + 52, "-00");
	nothing_is_kept();
}

static void
an_error_is_kept_over_three_levels_though_nothing_is_sampled(void **unused)
{
	struct fake top = { .manner = ASKS }, middle = { .manner = ASKS },
		    sql = { .manner = FAILS };
	const struct failure broken = { ST_INTERNAL, "broken", "BROKEN", 0, 0, NULL };
	struct request q;
	const Mf__Trace *m;

	(void)unused;
	sql.failure = broken;
	fake_join(&sql, "sql");
	fake_join(&middle, "database");
	fake_join(&top, "meta");
	middle.below = bed_target(NULL, MEMBERS("sql"));
	top.below = bed_target(NULL, MEMBERS("database"));
	request(&q, bed_target(NULL, MEMBERS("meta")));
	m = one_is_kept();
	assert_int_equal(m->why, MF__TRACE_WHY__TRACE_WHY_ERROR);
	assert_true(m->failed);
	assert_int_equal(m->code, ST_INTERNAL);
	assert_string_equal(m->reason, "BROKEN");
	assert_int_equal(m->http_status, 500);
	assert_int_equal(hop_of(m, "sql", 1)->parent_id, hop_of(m, "database", 1)->span_id);
	assert_int_equal(hop_of(m, "database", 1)->parent_id, hop_of(m, "meta", 1)->span_id);
	assert_int_equal(hop_of(m, "meta", 1)->parent_id, m->span_id);
	assert_string_equal(hop_of(m, "sql", 1)->reason, "BROKEN");
}

static void
a_failure_that_a_stand_in_masked_is_kept_of_a_request_that_is_fine(void **unused)
{
	struct fake top = { .manner = ASKS }, sql = { .manner = FAILS }, nosql = { 0 };
	struct request q;
	const Mf__Trace *m;

	(void)unused;
	fake_join(&sql, "sql");
	fake_join(&nosql, "nosql");
	fake_join(&top, "meta");
	top.below = bed_target(NULL, MEMBERS("sql", "nosql"));
	request(&q, bed_target(NULL, MEMBERS("meta")));
	m = one_is_kept();
	assert_int_equal(m->why, MF__TRACE_WHY__TRACE_WHY_ERROR);
	assert_false(m->failed);
	assert_int_equal(m->code, ST_OK);
	assert_int_equal(hop_of(m, "sql", 1)->code, ST_UNAVAILABLE);
	assert_int_equal(hop_of(m, "nosql", 2)->code, ST_OK);
}

static void
what_a_client_gets_wrong_is_not_kept(void **unused)
{
	struct fake sql = { .manner = FAILS };
	const struct failure wrong = { ST_INVALID_ARGUMENT, "no", "VALIDATION", 0, 0, NULL };
	struct request q;

	(void)unused;
	sql.failure = wrong;
	fake_join(&sql, "sql");
	request(&q, bed_target(NULL, MEMBERS("sql")));
	assert_int_equal(q.about.http_status, 400);
	nothing_is_kept();
}

static void
a_slow_request_is_kept_with_what_was_slow_in_it(void **unused)
{
	struct fake top = { .manner = ASKS }, sql = { .manner = SLOW, .delay_us = 150 * MS };
	struct request q;
	const Mf__Trace *m;

	(void)unused;
	fake_join(&sql, "sql");
	fake_join(&top, "meta");
	top.below = bed_target(NULL, MEMBERS("sql"));
	request(&q, bed_target(NULL, MEMBERS("meta")));
	m = one_is_kept();
	assert_int_equal(m->why, MF__TRACE_WHY__TRACE_WHY_SLOW);
	assert_true(m->duration_us >= 150 * MS);
	assert_true(hop_of(m, "sql", 1)->duration_us >= 150 * MS);
	assert_true(hop_of(m, "sql", 1)->start_us >= hop_of(m, "meta", 1)->start_us);
}

/* --- what a client says --- */

static void
a_clients_trace_goes_on_below_his_span(void **unused)
{
	struct fake sql = { .manner = FAILS };
	struct request q;
	const Mf__Trace *m;

	(void)unused;
	fake_join(&sql, "sql");
	request_with(&q, bed_target(NULL, MEMBERS("sql")),
	    &(const struct call_opts){ .limit_us = 1, .traceparent = CLIENT "00" });
	m = one_is_kept();
	assert_string_equal(m->trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
	assert_int_equal(m->parent_id, UINT64_C(0x00f067aa0ba902b7));
	assert_int_not_equal(m->span_id, m->parent_id);
	assert_int_equal(hop_of(m, "sql", 1)->parent_id, m->span_id);
}

/* A target of `sql` alone, and how much is kept. */
static struct target *
traced(struct fake *sql, double sample, double rate)
{
	bus_set_tracing(bed.bus, &(const struct trace_opts){ 100 * MS, sample, rate });
	fake_join(sql, "sql");
	return bed_target(NULL, MEMBERS("sql"));
}

static void
his_flag_counts_where_he_is_known_and_only_as_often_as_the_rate_says(void **unused)
{
	struct fake sql = { 0 };
	struct target *t;
	struct request q;

	(void)unused;
	t = traced(&sql, 0, 2);
	request_with(&q, t, &(const struct call_opts){ .limit_us = 1, .traceparent = CLIENT "01" });
	assert_string_equal(sql.trace + 52, "-00");
	for (int i = 0; i < 3; i++) {
		request_with(&q, t,
		    &(const struct call_opts){
			.limit_us = 1, .traceparent = CLIENT "01", .heeded = true });
		assert_string_equal(sql.trace + 52, i < 2 ? "-01" : "-00");
	}
	pass(700 * MS);
	assert_int_equal(kept.n, 2);
	assert_int_equal(kept.items[0]->why, MF__TRACE_WHY__TRACE_WHY_ASKED);
}

static void
his_flag_00_takes_his_out_of_the_sample(void **unused)
{
	struct fake sql = { 0 };
	struct request q;

	(void)unused;
	bus_set_tracing(bed.bus, &(const struct trace_opts){ 100 * MS, 1, 50 });
	fake_join(&sql, "sql");
	request_with(&q, bed_target(NULL, MEMBERS("sql")),
	    &(const struct call_opts){ .limit_us = 1, .traceparent = CLIENT "00", .heeded = true });
	assert_string_equal(sql.trace + 52, "-00");
	nothing_is_kept();
}

static void
a_traceparent_that_is_none_begins_a_trace_of_our_own(void **unused)
{
	static const char *const bad[] = { "", "00", CLIENT, CLIENT "0", CLIENT "0g", CLIENT "011",
		"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		"00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01" };
	struct fake sql = { 0 };
	struct target *t;
	struct request q;

	(void)unused;
	fake_join(&sql, "sql");
	t = bed_target(NULL, MEMBERS("sql"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		request_with(&q, t,
		    &(const struct call_opts){
			.limit_us = 1, .traceparent = bad[i], .heeded = true });
		assert_memory_not_equal(sql.trace + 3, CLIENT + 3, 32);
		assert_int_equal(strlen(sql.trace), TRACEPARENT_LEN - 1);
	}
}

/* --- bounds --- */

static void
more_than_the_rate_are_dropped_and_counted(void **unused)
{
	struct fake sql = { 0 };
	struct target *t;
	struct request q;
	struct metric *dropped = metric_simple(METRIC_COUNTER, "metafed_traces_dropped_total",
	    "Traces that were to be kept and were too many (trace_rate).");
	double before = dropped->value;

	(void)unused;
	t = traced(&sql, 1, 5);
	for (int i = 0; i < 20; i++)
		request(&q, t);
	pass(700 * MS);
	assert_in_range(kept.n, 5, 8); /* one more each 200 ms */
	assert_int_equal(dropped->value - before, 20 - kept.n);
}

static size_t
kept_as(Mf__TraceWhy why)
{
	size_t n = 0;

	for (size_t i = 0; i < kept.n; i++)
		n += kept.items[i]->why == why;
	return n;
}

/* One who may ask for his own at the full rate pushes out none of those that failed. */
static void
what_failed_is_kept_however_much_is_asked_for(void **unused)
{
	struct fake sql = { 0 };
	struct target *t;
	struct request q;

	(void)unused;
	t = traced(&sql, 0, 2);
	for (int i = 0; i < 5; i++)
		request_with(&q, t,
		    &(const struct call_opts){
			.limit_us = 1, .traceparent = CLIENT "01", .heeded = true });
	sql.manner = FAILS;
	sql.failure.status = ST_INTERNAL;
	request(&q, t);
	request(&q, t);
	pass(700 * MS);
	assert_int_equal(kept_as(MF__TRACE_WHY__TRACE_WHY_ERROR), 2);
}

static void
a_flood_of_sampled_requests_drops_no_error(void **unused)
{
	struct fake sql = { 0 }, jwt = { .manner = FAILS };
	const struct failure broken = { ST_INTERNAL, "broken", "BROKEN", 0, 0, NULL };
	struct target *fine, *failing;
	struct request q;
	struct metric *dropped = metric_simple(METRIC_COUNTER, "metafed_traces_dropped_total",
	    "Traces that were to be kept and were too many (trace_rate).");
	double before = dropped->value;

	(void)unused;
	bus_set_tracing(bed.bus, &(const struct trace_opts){ 0, 1, 64 });
	jwt.failure = broken;
	fake_join(&sql, "sql");
	fake_join(&jwt, "jwt");
	fine = bed_target(NULL, MEMBERS("sql"));
	failing = bed_target(NULL, MEMBERS("jwt"));
	for (int i = 0; i < 200 && dropped->value == before; i++) /* beyond a batch and the rate */
		request(&q, fine);
	assert_int_equal(dropped->value - before, 1);
	for (int i = 0; i < 3; i++)
		request(&q, failing);
	pass(700 * MS);
	assert_in_range(kept_as(MF__TRACE_WHY__TRACE_WHY_SAMPLED), 64, 200);
	assert_int_equal(kept_as(MF__TRACE_WHY__TRACE_WHY_ERROR), 3);
}

static void
no_batch_is_larger_than_a_message_may_be(void **unused)
{
	struct fake sql = { .manner = FAILS };
	static char reason[60000];
	const struct failure broken = { ST_INTERNAL, "broken", reason, 0, 0, NULL };
	struct request q;

	(void)unused;
	memset(reason, 'R', sizeof(reason) - 1);
	sql.failure = broken;
	fake_join(&sql, "sql");
	for (int i = 0; i < 48; i++)
		request(&q, bed_target(NULL, MEMBERS("sql")));
	pass(700 * MS);
	assert_int_equal(kept.n, 48);
	assert_in_range(kept.bytes, sizeof(reason), WIRE_CALL_MAX);
}

struct flood {
	struct call *c;
	unsigned left;
};

static void
on_flooded(const Mf__StoreResult *m, void *ctx)
{
	struct flood *f = ctx;
	Mf__StoreResult r = MF__STORE_RESULT__INIT;

	(void)m;
	if (--f->left == 0)
		call_reply(f->c, &r.base);
}

static struct target *flooded;

static void
flood_read(Mf__Sql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	Mf__StoreOp op = MF__STORE_OP__INIT;
	struct flood *f = ARENA_NEW(call_arena(ctx), struct flood);

	(void)s, (void)q, (void)reply;
	*f = (struct flood){ ctx, 500 };
	for (int i = 0; i < 500; i++) {
		struct rpc *r = rpc_new(ctx, flooded, NULL);

		mf__sql__read(&r->service, &op, on_flooded, f);
	}
}

static void
a_flood_of_hops_is_cut_where_it_is_told_and_where_it_is_kept(void **unused)
{
	struct fake top = { 0 }, sql = { 0 };
	struct request q;
	const Mf__Trace *m;

	(void)unused;
	bus_set_tracing(bed.bus, &(const struct trace_opts){ 100 * MS, 1, 50 });
	fake_join(&sql, "sql");
	fake_join(&top, "meta");
	top.service.read = flood_read;
	flooded = bed_target(NULL, MEMBERS("sql"));
	request(&q, bed_target(NULL, MEMBERS("meta")));
	m = one_is_kept();
	assert_int_equal(sql.calls, 500);
	assert_int_equal(m->n_hops, HOPS_MOST);
}

static void
a_method_that_is_none_does_not_become_a_name(void **unused)
{
	struct fake sql = { .manner = FAILS };
	struct request q;
	struct target *t;
	const Mf__Trace *m;
	static const struct call_about about = {
		.http_method = "DROP TABLE", .path = "/x", .http_status = 500, .route = route
	};

	(void)unused;
	fake_join(&sql, "sql");
	t = bed_target(NULL, MEMBERS("sql"));
	memset(&q, 0, sizeof(q));
	q.c =
	    call_root(bed.bus, &(const struct call_opts){
				   .limit_us = 1 * SEC, .entry = true, .done = on_end, .ctx = &q });
	call_say_about(q.c, &about);
	(void)rpc_new(q.c, t, NULL);
	call_fail(q.c, ST_INTERNAL, "broken");
	m = one_is_kept();
	assert_string_equal(m->name, "_OTHER");
	assert_string_equal(m->http_method, "_OTHER");
	assert_string_equal(m->route, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_share_of_all_ids_is_sampled_by_their_low_56_bits),
		SPAN(a_sampled_request_is_kept_and_all_hops_hear_of_it),
		SPAN(of_what_goes_well_and_fast_nothing_is_told_or_kept),
		SPAN(an_error_is_kept_over_three_levels_though_nothing_is_sampled),
		SPAN(a_failure_that_a_stand_in_masked_is_kept_of_a_request_that_is_fine),
		SPAN(what_a_client_gets_wrong_is_not_kept),
		SPAN(a_slow_request_is_kept_with_what_was_slow_in_it),
		SPAN(a_clients_trace_goes_on_below_his_span),
		SPAN(his_flag_counts_where_he_is_known_and_only_as_often_as_the_rate_says),
		SPAN(his_flag_00_takes_his_out_of_the_sample),
		SPAN(a_traceparent_that_is_none_begins_a_trace_of_our_own),
		SPAN(more_than_the_rate_are_dropped_and_counted),
		SPAN(what_failed_is_kept_however_much_is_asked_for),
		SPAN(a_flood_of_sampled_requests_drops_no_error),
		SPAN(no_batch_is_larger_than_a_message_may_be),
		SPAN(a_flood_of_hops_is_cut_where_it_is_told_and_where_it_is_kept),
		SPAN(a_method_that_is_none_does_not_become_a_name),
	};

	return TEST_RUN(tests);
}
