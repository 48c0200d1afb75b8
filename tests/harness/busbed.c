/* busbed: see busbed.h. The fakes are services like any other: nothing below knows that they are
 * not real. */
#include <stdio.h>
#include <string.h>
#include "harness/busbed.h"
#include "harness/unserved.h"

struct bed bed;
struct pair pair;

struct held {
	struct call_dep dep;
	struct fake *fake;
};

struct below {
	struct call *c;
	struct fake *fake;
	struct rpc *rpc;
};

static void
fake_answer(struct call *c, struct fake *f)
{
	Mf__StoreResult r = MF__STORE_RESULT__INIT;

	r.rows_affected = f->calls;
	call_reply(c, &r.base);
}

static void
on_cancel(struct call_dep *d)
{
	container_of(d, struct held, dep)->fake->cancelled++;
}

static void
on_slow(struct call *c, void *ctx)
{
	fake_answer(c, ctx);
}

static void
on_below(const Mf__StoreResult *m, void *ctx)
{
	struct below *b = ctx;

	if (m == NULL)
		call_fail_with(b->c, rpc_failure(b->rpc));
	else
		fake_answer(b->c, b->fake);
}

static void
note(struct fake *f, struct call *c)
{
	const Mf__Principal *p = call_principal(c);

	f->calls++;
	f->left_us = call_left(c);
	f->attempt = call_attempt(c);
	f->retried = c->retried;
	snprintf(f->principal, sizeof f->principal, "%s", p != NULL ? p->id : "-");
	snprintf(f->operation_id, sizeof f->operation_id, "%s", call_operation_id(c));
	snprintf(f->trace, sizeof f->trace, "%s", call_traceparent(c));
}

static void
serve_one(struct fake *f, struct call *c)
{
	Mf__StoreOp op = MF__STORE_OP__INIT;
	struct held *h;
	struct below *b;

	note(f, c);
	switch (f->manner) {
	case FAILS:
		call_fail_with(c, &f->failure);
		return;
	case FAILS_EVERY_THIRD:
		if (f->calls % 3 == 0)
			call_fail_with(c, &f->failure);
		else
			fake_answer(c, f);
		return;
	case SLOW:
		call_after(c, f->delay_us, on_slow, f);
		return;
	case HOLDS:
		f->held = c;
		h = ARENA_NEW(call_arena(c), struct held);
		h->fake = f;
		h->dep.cancel = on_cancel;
		call_attach(c, &h->dep);
		return;
	case ASKS:
		b = ARENA_NEW(call_arena(c), struct below);
		*b = (struct below){ .c = c, .fake = f, .rpc = rpc_new(c, f->below, NULL) };
		mf__sql__read(&b->rpc->service, &op, on_below, b);
		return;
	case ANSWERS:
		fake_answer(c, f);
		return;
	}
}

static void
sql_read(Mf__Sql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	(void)q, (void)reply;
	serve_one((struct fake *)s, ctx);
}

static void
sql_write(Mf__Sql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	sql_read(s, q, reply, ctx);
}

UNSERVED(sql_query, Sql, SqlQuery, SqlRows)
UNSERVED(sql_events, Sql, EventsAfter, EventPage)
UNSERVED(sql_keep_traces, Sql, TraceBatch, TraceKept)
UNSERVED(sql_find_traces, Sql, TraceQuery, TraceBatch)
UNSERVED(sql_migration_status, Sql, Empty, Migrations)
UNSERVED(sql_decide, Sql, DecideAsk, Decisions)
UNSERVED(sql_forget, Sql, ForgetAsk, Forgotten)
UNSERVED(sql_replay, Sql, ReplayBatch, ReplayIs)

int
bed_start(void **state)
{
	char err[200];

	bed.loop = loop_new();
	bed.bus = bus_new(bed.loop, &(const struct bus_opts){ .name = "database", .generation = 7 },
	    err, sizeof err);
	assert_non_null(bed.bus);
	return test_log_mark(state);
}

int
bed_stop(void **state)
{
	assert_int_equal(bus_in_flight(bed.bus), 0);
	assert_int_equal(bed.bus->calls.n, 0);
	bus_free(&bed.bus);
	assert_null(bed.bus);
	loop_free(&bed.loop);
	return test_log_check(state);
}

void
fake_join(struct fake *f, const char *name)
{
	fake_serve(f);
	bus_loopback(bed.bus, name, f->serves);
}

void
fake_serve(struct fake *f)
{
	f->service = (Mf__Sql_Service)MF__SQL__INIT(sql_);
	f->serves[0] = (struct serve){ &f->service.base, PRIMARY };
	if (f->failure.status == ST_OK)
		f->failure = (struct failure){
			.status = ST_UNAVAILABLE, .reason = "TIRED", .message = "no"
		};
}

struct target *
bed_target(const struct breaker_policy *p, const char *const *members)
{
	struct target_def d = { .service = &mf__sql__descriptor, .members = members };

	if (p != NULL)
		d.breaker = *p;
	return target_new(bed.bus, &d);
}

int
pair_start(void **state)
{
	static const struct breaker_policy p = {
		.failures = 3, .limit_us = 50 * MS, .probe_us = 20 * MS
	};

	bed_start(state);
	memset(&pair, 0, sizeof pair);
	fake_join(&pair.sql, "sql");
	fake_join(&pair.nosql, "nosql");
	pair.t = bed_target(&p, MEMBERS("sql", "nosql"));
	return 0;
}

struct target *
pair_only_sql(void)
{
	return bed_target(
	    &(struct breaker_policy){ .failures = 3, .limit_us = 50 * MS }, MEMBERS("sql"));
}

static void
on_result(const Mf__StoreResult *m, void *ctx)
{
	struct outcome *o = ctx;

	o->answers++;
	snprintf(o->node, sizeof o->node, "%s", rpc_node(o->rpc));
	o->repeated = rpc_repeated(o->rpc);
	if (m == NULL) {
		assert_non_null(rpc_failure(o->rpc));
		call_fail_with(o->call, rpc_failure(o->rpc));
		return;
	}
	assert_null(rpc_failure(o->rpc));
	o->rows = m->rows_affected;
	call_reply(o->call, &m->base);
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct outcome *o = ctx;

	assert_ptr_equal(c, o->call);
	assert_true((end->reply == NULL) != (end->failure == NULL));
	o->ends++;
	o->took_us = time_now_us() - o->began_us;
	o->status = end->failure != NULL ? end->failure->status : ST_OK;
	snprintf(
	    o->reason, sizeof o->reason, "%s", end->failure != NULL ? end->failure->reason : "");
	if (end->failure != NULL) {
		o->retry_ms = end->failure->retry_ms;
		if (end->failure->n_violations > 0)
			snprintf(
			    o->field, sizeof o->field, "%s", end->failure->violations[0].field);
	}
	o->n_hops = end->n_hops;
	for (size_t i = 0; i < end->n_hops && i < 16; i++) {
		o->hops[i] = *end->hops[i];
		o->hops[i].node = strncpy(o->text[i][0], end->hops[i]->node, 47);
		o->hops[i].method = strncpy(o->text[i][1], end->hops[i]->method, 47);
		o->hops[i].reason = strncpy(o->text[i][2], end->hops[i]->reason, 47);
	}
}

void
ask(struct target *t, struct outcome *o, const struct ask *q)
{
	static const struct ask nothing;
	Mf__StoreOp op = MF__STORE_OP__INIT;

	if (q == NULL)
		q = &nothing;
	memset(o, 0, sizeof *o);
	o->began_us = time_now_us();
	o->call = call_root(bed.bus,
	    &(const struct call_opts){ .limit_us = q->limit_us != 0 ? q->limit_us : 2 * SEC,
		.want_hops = q->hops,
		.operation_id = q->operation_id,
		.principal = q->principal,
		.traceparent = q->traceparent,
		.done = on_end,
		.ctx = o });
	call_set_fence(o->call, q->fence);
	o->rpc = rpc_new(o->call, t, &q->opts);
	op.model = (char *)(uintptr_t) "task";
	if (q->write)
		mf__sql__write(&o->rpc->service, &op, on_result, o);
	else
		mf__sql__read(&o->rpc->service, &op, on_result, o);
	assert_int_equal(o->answers, 0); /* never from inside the stub */
}

static bool
has_ended(void *ctx)
{
	return ((struct outcome *)ctx)->ends > 0;
}

void
wait_for(struct outcome *o)
{
	loop_run_until(bed.loop, has_ended, o, 10 * SEC);
	assert_int_equal(o->ends, 1);
}

static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}

void
pass(int64_t us)
{
	loop_run_until(bed.loop, never, NULL, us);
}

struct peer *
bed_peer(const char *name)
{
	return peer_get(bed.bus, name);
}
