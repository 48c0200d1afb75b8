/* sql_events: the log of what happened to tasks, on a real PostgreSQL. */
#include <stdio.h>
#include <string.h>
#include "base/time.h"
#include "harness/sqlbed.h"

struct log {
	char position[64];
	size_t n;
	bool gap, ended;
	enum status status;
	char kind[64][16], id[64][37], state[64][12];
	uint64_t version[64];
};

struct asking { /* in its call's arena */
	struct log *log;
	struct rpc *rpc;
	struct call *call;
};

static void
take(struct log *g, const Mf__EventPage *m)
{
	assert_true(m->n_events <= 64);
	g->gap = m->gap;
	snprintf(g->position, sizeof(g->position), "%s", m->position);
	for (g->n = 0; g->n < m->n_events; g->n++) {
		const Mf__TaskEvent *e = m->events[g->n];

		snprintf(g->kind[g->n], 16, "%s", e->kind);
		snprintf(g->id[g->n], 37, "%s", e->task_id);
		snprintf(g->state[g->n], 12, "%s", e->state);
		g->version[g->n] = e->version;
		assert_true(e->at > 0 && e->priority == MF__PRIORITY__MEDIUM);
		assert_string_equal(e->namespace_, "default");
		assert_string_equal(e->type, "manual");
	}
}

static void
on_page(const Mf__EventPage *m, void *ctx)
{
	struct asking *x = ctx;

	if (m == NULL) {
		call_fail_with(x->call, rpc_failure(x->rpc));
		return;
	}
	take(x->log, m);
	call_reply(x->call, &m->base);
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct log *g = ctx;

	(void)c;
	g->status = end->failure != NULL ? end->failure->status : ST_OK;
	g->ended = true;
}

static bool
has_ended(void *ctx)
{
	return ((struct log *)ctx)->ended;
}

/* What comes after g's position; moves it. */
static void
read_on(struct log *g, unsigned most)
{
	Mf__EventsAfter q = MF__EVENTS_AFTER__INIT;
	struct asking *x;
	char from[64];
	struct call *c;

	snprintf(from, sizeof(from), "%s", g->position);
	g->ended = false;
	g->n = 0;
	c = call_root(
	    sqlbed.bus, &(const struct call_opts){ .limit_us = 5 * SEC, .done = on_end, .ctx = g });
	x = ARENA_NEW(call_arena(c), struct asking);
	*x = (struct asking){ .log = g, .rpc = rpc_new(c, sqlbed.target, NULL), .call = c };
	q.position = from;
	q.most = most;
	mf__sql__events(&x->rpc->service, &q, on_page, x);
	bed_until(has_ended, g, 6 * SEC);
}

/* At the end of the log. */
static void
log_begin(struct log *g)
{
	memset(g, 0, sizeof(*g));
	read_on(g, 0);
	assert_int_equal(g->status, ST_OK);
	assert_int_equal(g->n, 0);
	assert_true(g->position[0] != '\0');
}

static void
assert_event(const struct log *g, size_t i, const char *kind, const char *id, uint64_t version)
{
	assert_true(i < g->n);
	assert_string_equal(g->kind[i], kind);
	assert_string_equal(g->id[i], id);
	assert_true(g->version[i] == version);
}

static void
ok(const Mf__StoreOp *op)
{
	struct done d = op_run(op);

	assert_int_equal(d.status, ST_OK);
	done_free(&d);
}

static void
every_effect_is_one_event_in_its_order(void **unused)
{
	const char *a = new_id(), *b = new_id(), *c = new_id();
	Mf__StoreOp m1 = *OP(CREATE, .id = S(c), .data = DATA("{\"title\":\"c\"}"));
	Mf__StoreOp m2 = *OP(DELETE, .id = S(b));
	Mf__StoreOp *members[] = { &m1, &m2 };
	char data[200];
	struct log g;

	(void)unused;
	log_begin(&g);
	bed_create(a, "{\"title\":\"a\"}");
	ok(OP(UPDATE, .id = S(a), .data = DATA("{\"state\":\"RUNNING\"}")));
	snprintf(data, sizeof(data), "[{\"id\":\"%s\",\"title\":\"b\"}]", b);
	ok(OP(BULK, .data = DATA(data)));
	ok(OP(TRANSACTION, .n_members = 2, .members = members));
	ok(OP(DELETE, .id = S(a)));
	read_on(&g, 0);
	assert_int_equal(g.n, 6);
	assert_false(g.gap);
	assert_event(&g, 0, "task.created", a, 1);
	assert_string_equal(g.state[0], "QUEUED");
	assert_event(&g, 1, "task.updated", a, 2);
	assert_string_equal(g.state[1], "RUNNING");
	assert_event(&g, 2, "task.created", b, 1);
	assert_event(&g, 3, "task.created", c, 1);
	assert_event(&g, 4, "task.deleted", b, 2);
	assert_event(&g, 5, "task.deleted", a, 3);
	read_on(&g, 0);
	assert_int_equal(g.n, 0);
}

static void
what_had_no_effect_is_no_event(void **unused)
{
	const char *a = new_id(), *op = new_id();
	struct log g;
	struct done d;

	(void)unused;
	bed_create(a, "{\"title\":\"a\"}");
	ok(OP(UPDATE, .id = S(a), .operation_id = S(op), .data = DATA("{\"title\":\"b\"}")));
	log_begin(&g);
	ok(OP(CREATE, .id = S(a), .data = DATA("{\"title\":\"a\"}")));
	ok(OP(UPDATE, .id = S(a), .operation_id = S(op), .data = DATA("{\"title\":\"b\"}")));
	d = op_run(OP(UPDATE, .id = S(a), .if_version = 9, .data = DATA("{\"title\":\"c\"}")));
	assert_int_equal(d.status, ST_ABORTED);
	read_on(&g, 0);
	assert_int_equal(g.n, 0);
}

static void
pages_of_the_log_leave_nothing_out(void **unused)
{
	const char *ids[5];
	struct log g;

	(void)unused;
	log_begin(&g);
	for (size_t i = 0; i < 5; i++)
		bed_create(ids[i] = new_id(), "{\"title\":\"x\"}");
	for (size_t i = 0; i < 5; i++) {
		read_on(&g, 1);
		assert_int_equal(g.n, 1);
		assert_event(&g, 0, "task.created", ids[i], 1);
	}
	read_on(&g, 1);
	assert_int_equal(g.n, 0);
}

/* The number of the one under way is lower than that of what was over before it. */
static void
what_comes_after_a_transaction_under_way_waits_for_it(void **unused)
{
	const char *slow = new_id(), *fast = new_id();
	char cmd[1000];
	struct log g;
	FILE *f;

	(void)unused;
	log_begin(&g);
	snprintf(cmd, sizeof(cmd), "psql -qAtX '%s' >%s/out 2>&1", stores_conninfo(sqlbed.stores),
	    test_dir());
	f = popen(cmd, "w");
	assert_non_null(f);
	fprintf(f,
	    "BEGIN;\nINSERT INTO tasks "
	    "(id,namespace,title,type,priority,state,created_at,updated_at)"
	    " VALUES ('%s','default','slow','manual',3,'QUEUED',now(),now());\n",
	    slow);
	fflush(f);
	while (bed_count("SELECT count(*) FROM pg_stat_activity WHERE state='idle in transaction'"
			 " AND backend_xid IS NOT NULL") == 0)
		bed_pass(MS);
	bed_create(fast, "{\"title\":\"fast\"}");
	read_on(&g, 0);
	assert_int_equal(g.n, 0);
	fprintf(f, "COMMIT;\n");
	assert_int_equal(pclose(f), 0);
	read_on(&g, 0);
	assert_int_equal(g.n, 2);
	assert_event(&g, 0, "task.created", slow, 1);
	assert_event(&g, 1, "task.created", fast, 1);
}

static void
a_position_from_before_what_is_kept_is_told_of_the_gap(void **unused)
{
	const char *a = new_id();
	struct log g, late;

	(void)unused;
	log_begin(&g);
	late = g;
	bed_create(new_id(), "{\"title\":\"gone\"}");
	bed_create(a, "{\"title\":\"kept\"}");
	(void)bed_count("WITH gone AS (DELETE FROM events WHERE (xid,seq) = (SELECT xid,seq FROM "
			"events ORDER BY xid DESC, seq DESC OFFSET 1 LIMIT 1) RETURNING xid,seq) "
			"UPDATE events_gone SET xid=gone.xid, seq=gone.seq FROM gone");
	read_on(&late, 0);
	assert_true(late.gap);
	assert_int_equal(late.n, 1);
	assert_event(&late, 0, "task.created", a, 1);
	read_on(&late, 0);
	assert_false(late.gap);
}

/* Its transaction has a number that nobody has got yet. */
static void
the_end_of_a_log_where_nothing_happens_is_no_gap(void **unused)
{
	struct log g, end;

	(void)unused;
	log_begin(&g);
	end = g;
	for (int i = 0; i < 2; i++) {
		read_on(&g, 0);
		assert_int_equal(g.status, ST_OK);
		assert_false(g.gap);
		assert_int_equal(g.n, 0);
		assert_string_equal(g.position, end.position);
	}
}

/* A log that came with a dump from a cluster that was older. */
static void
what_another_cluster_threw_away_is_no_gap_for_ever(void **unused)
{
	const char *a = new_id();
	struct log g, before;

	(void)unused;
	log_begin(&g);
	before = g;
	snprintf(before.position, sizeof(before.position), "9000000000000000000-7");
	(void)bed_count("WITH was AS (UPDATE events_gone SET xid='9000000000000000000',seq=9 "
			"RETURNING 1) SELECT count(*) FROM was");
	bed_create(a, "{\"title\":\"a\"}");
	read_on(&g, 0);
	assert_false(g.gap);
	assert_int_equal(g.n, 1);
	assert_event(&g, 0, "task.created", a, 1);
	read_on(&before, 0);
	assert_true(before.gap);
	read_on(&before, 0);
	assert_false(before.gap);
	assert_true(before.n > 0);
	(void)bed_count("WITH now AS (UPDATE events_gone SET xid='0',seq=0 RETURNING 1) "
			"SELECT count(*) FROM now");
}

static void
a_position_of_no_log_is_refused(void **unused)
{
	static const char *const bad[] = { "x", "1", "-", "1-", "-1", "1-x",
		"99999999999999999999-1", "1-9223372036854775808", "1-1-1", "1;-2" };
	struct log g = { 0 };

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(g.position, sizeof(g.position), "%s", bad[i]);
		read_on(&g, 0);
		assert_int_equal(g.status, ST_INVALID_ARGUMENT);
	}
}

static void
on_bell(void *ctx, const char *node, const Mf__Event *e)
{
	unsigned *rings = ctx;

	assert_string_equal(node, "sql");
	assert_string_equal(e->topic, "task");
	(*rings)++;
}

static bool
has_rung(void *ctx)
{
	return *(unsigned *)ctx > 0;
}

static void
many_effects_ring_the_bell_a_few_times(void **unused)
{
	unsigned rings = 0;

	(void)unused;
	bus_subscribe(sqlbed.bus, "sql", "task", on_bell, NULL, &rings);
	for (int i = 0; i < 20; i++)
		bed_create(new_id(), "{\"title\":\"x\"}");
	bed_until(has_rung, &rings, 5 * SEC);
	bed_pass(30 * MS);
	assert_true(rings >= 1 && rings <= 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_effect_is_one_event_in_its_order),
		T(what_had_no_effect_is_no_event),
		T(pages_of_the_log_leave_nothing_out),
		T(what_comes_after_a_transaction_under_way_waits_for_it),
		T(a_position_from_before_what_is_kept_is_told_of_the_gap),
		T(the_end_of_a_log_where_nothing_happens_is_no_gap),
		T(what_another_cluster_threw_away_is_no_gap_for_ever),
		T(a_position_of_no_log_is_refused),
		T(many_effects_ring_the_bell_a_few_times),
	};

	return cmocka_run_group_tests(tests, sqlbed_start, sqlbed_stop);
}
