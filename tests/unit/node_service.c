/* node_service: what every node says of itself; and hops that come up through several levels. Over
 * loop-back. */
#include <string.h>
#include "harness/busbed.h"
#include "harness/unserved.h"
#include "proto/nosql.pb-c.h"

static struct call *root;
static bool over;
static struct failure failure;
static char text[64];
static uint64_t number;

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	(void)c, (void)ctx;
	over = true;
	failure = end->failure != NULL ? *end->failure : (struct failure){ 0 };
}

static struct rpc *
rpc(struct target *t)
{
	over = false;
	text[0] = '\0';
	root = call_root(bed.bus, &(const struct call_opts){ .limit_us = 1 * SEC, .done = on_end });
	return rpc_new(root, t, NULL);
}

static bool
is_over(void *ctx)
{
	(void)ctx;
	return over;
}

static void
finish(void)
{
	loop_run_until(bed.loop, is_over, NULL, 2 * SEC);
	assert_true(over);
}

static void
on_info(const Mf__NodeInfo *m, void *ctx)
{
	struct rpc *r = ctx;

	assert_null(rpc_failure(r));
	strncpy(text, m->node, sizeof text - 1);
	number = m->rss_bytes;
	assert_int_equal(m->generation, 7);
	assert_int_equal(m->in_flight, 0);
	assert_int_equal(m->n_capabilities, 2);
	assert_string_equal(m->capabilities[1], "transactions");
	assert_int_equal(m->n_breakers, 1);
	assert_string_equal(m->breakers[0]->target, "mf.Sql");
	assert_string_equal(m->breakers[0]->state, "closed");
	call_reply(root, &m->base);
}

static void
info_says_who_and_how(void **unused)
{
	static const char *const capabilities[] = { "queries", "transactions", NULL };
	struct fake sql = { 0 };
	struct rpc *r;

	(void)unused;
	fake_join(&sql, "sql");
	(void)bed_target(NULL, MEMBERS("sql"));
	bus_set_capabilities(bed.bus, capabilities);
	r = rpc(bus_node_target(bed.bus, "sql"));
	mf__node__info(&r->service, &(Mf__Empty)MF__EMPTY__INIT, on_info, r);
	finish();
	assert_string_equal(text, "database");
	assert_true(number > 1 << 20);
}

static void
on_metrics(const Mf__Metrics *m, void *ctx)
{
	(void)ctx;
	number = 0;
	for (size_t i = 0; i < m->n_families; i++) {
		const Mf__MetricFamily *f = m->families[i];

		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(
			    f->name, m->families[j]->name); /* each family once */
		if (strcmp(f->name, "metafed_bus_call_seconds") != 0)
			continue;
		assert_true(f->kind == MF__METRIC_KIND__HISTOGRAM && f->n_bounds > 0);
		for (size_t j = 0; j < f->n_samples; j++) {
			const Mf__MetricSample *s = f->samples[j];

			assert_int_equal(s->n_bucket_counts, f->n_bounds);
			for (size_t k = 1; k < s->n_bucket_counts; k++)
				assert_true(s->bucket_counts[k] >= s->bucket_counts[k - 1]);
			if (strcmp(s->labels[0]->value, "mf.Sql") == 0 &&
			    strcmp(s->labels[1]->value, "Read") == 0)
				number = s->count;
		}
	}
	call_reply(root, &m->base);
}

static void
metrics_count_the_calls(void **unused)
{
	struct fake sql = { 0 };
	struct outcome o;
	struct rpc *r;
	uint64_t before;
	struct target *t;

	(void)unused;
	fake_join(&sql, "sql");
	t = bed_target(NULL, MEMBERS("sql"));
	r = rpc(bus_node_target(bed.bus, "sql"));
	mf__node__get_metrics(&r->service, &(Mf__Empty)MF__EMPTY__INIT, on_metrics, r);
	finish();
	before = number;
	ask(t, &o, NULL);
	wait_for(&o);
	r = rpc(bus_node_target(bed.bus, "sql"));
	mf__node__get_metrics(&r->service, &(Mf__Empty)MF__EMPTY__INIT, on_metrics, r);
	finish();
	assert_int_equal(number, before + 1);
}

static void
on_empty(const Mf__Empty *m, void *ctx)
{
	if (m != NULL)
		call_reply(root, &m->base);
	else
		call_fail_with(root, rpc_failure(ctx));
}

static void
a_bad_fault_spec_is_refused_and_a_good_one_works(void **unused)
{
	Mf__FaultSet q = MF__FAULT_SET__INIT;
	struct fake sql = { 0 };
	struct outcome o;
	struct rpc *r;

	(void)unused;
	fake_join(&sql, "sql");
	q.spec = (char *)(uintptr_t) "nonsense";
	r = rpc(bus_node_target(bed.bus, "sql"));
	mf__node__set_faults(&r->service, &q, on_empty, r);
	finish();
	assert_int_equal(failure.status, ST_INVALID_ARGUMENT);
	q.spec = (char *)(uintptr_t) "*: error=1,status=ABORTED";
	r = rpc(bus_node_target(bed.bus, "sql"));
	mf__node__set_faults(&r->service, &q, on_empty, r);
	finish();
	assert_int_equal(failure.status, ST_OK);
	ask(bed_target(NULL, MEMBERS("sql")), &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_ABORTED);
}

/* --- two levels: "front" serves mf.Nosql by asking sql --- */

static struct target *below;

static void
on_below(const Mf__StoreResult *m, void *ctx)
{
	if (m != NULL)
		call_reply(ctx, &m->base);
	else
		call_fail(ctx, ST_UNAVAILABLE, "below");
}

static void
front_read(Mf__Nosql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	struct rpc *r = rpc_new(ctx, below, NULL);

	(void)s, (void)reply;
	mf__sql__read(&r->service, q, on_below, ctx);
}

static void
front_write(Mf__Nosql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	front_read(s, q, reply, ctx);
}

UNSERVED(front_stage, Nosql, StoreOp, StoreResult)
UNSERVED(front_settle, Nosql, SettleAsk, Settled)
UNSERVED(front_staged, Nosql, Empty, StagedParts)

static Mf__Nosql_Service front = MF__NOSQL__INIT(front_);

static void
on_front(const Mf__StoreResult *m, void *ctx)
{
	const Mf__Hop *const *hops;

	assert_non_null(m);
	assert_int_equal(rpc_hops(ctx, &hops), 3);
	assert_string_equal(hops[0]->node, "front");
	assert_string_equal(hops[0]->method, "Nosql.Read");
	assert_string_equal(hops[1]->node, "sql");
	assert_int_equal(hops[1]->code, ST_UNAVAILABLE);
	assert_string_equal(hops[2]->node, "nosql");
	for (int i = 1; i < 3; i++) {
		assert_true(hops[i]->start_us >= hops[0]->start_us);
		assert_true(hops[i]->start_us + hops[i]->duration_us <=
			    hops[0]->start_us + hops[0]->duration_us);
	}
	call_reply(root, &m->base);
}

static void
hops_of_the_levels_below_come_up_on_one_time_line(void **unused)
{
	static const struct serve serves[] = { { &front.base, PRIMARY }, { NULL, PRIMARY } };
	struct fake sql = { .manner = FAILS }, nosql = { .manner = SLOW, .delay_us = 5 * MS };
	Mf__StoreOp op = MF__STORE_OP__INIT;
	struct rpc *r;

	(void)unused;
	fake_join(&sql, "sql");
	fake_join(&nosql, "nosql");
	bus_loopback(bed.bus, "front", serves);
	below = bed_target(NULL, MEMBERS("sql", "nosql"));
	r = rpc(target_new(bed.bus, &(const struct target_def){ .service = &mf__nosql__descriptor,
					.members = MEMBERS("front") }));
	call_set_want_hops(root);
	mf__nosql__read(&r->service, &op, on_front, r);
	finish();
	assert_int_equal(failure.status, ST_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BED(info_says_who_and_how),
		BED(metrics_count_the_calls),
		BED(a_bad_fault_spec_is_refused_and_a_good_one_works),
		BED(hops_of_the_levels_below_come_up_on_one_time_line),
	};

	return TEST_RUN(tests);
}
