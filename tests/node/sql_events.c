/* sql_events: the log of what happened to tasks, on a real PostgreSQL. */
#include <stdio.h>
#include <string.h>
#include "base/time.h"
#include "database/sql/store.h"
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
	/* the next transaction's: nor has it one, which would have to be committed */
	static const char number[] = "SELECT pg_snapshot_xmax(pg_current_snapshot())";
	const char *a = new_id(), *op = new_id();
	uint64_t before;
	struct log g;
	struct done d;

	(void)unused;
	bed_create(a, "{\"title\":\"a\"}");
	ok(OP(UPDATE, .id = S(a), .operation_id = S(op), .data = DATA("{\"title\":\"b\"}")));
	log_begin(&g);
	before = bed_count(number);
	ok(OP(CREATE, .id = S(a), .data = DATA("{\"title\":\"a\"}")));
	ok(OP(UPDATE, .id = S(a), .operation_id = S(op), .data = DATA("{\"title\":\"b\"}")));
	d = op_run(OP(UPDATE, .id = S(a), .if_version = 9, .data = DATA("{\"title\":\"c\"}")));
	assert_int_equal(d.status, ST_ABORTED);
	assert_int_equal(bed_count(number), before);
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
	struct log g;
	FILE *f;

	(void)unused;
	log_begin(&g);
	f = bed_psql("INSERT INTO tasks "
		     "(id,namespace,title,type,priority,state,created_at,updated_at)"
		     " VALUES ('%s','default','slow','manual',3,'QUEUED',now(),now());",
	    slow);
	bed_create(fast, "{\"title\":\"fast\"}");
	read_on(&g, 0);
	assert_int_equal(g.n, 0);
	bed_psql_commit(f);
	read_on(&g, 0);
	assert_int_equal(g.n, 2);
	assert_event(&g, 0, "task.created", slow, 1);
	assert_event(&g, 1, "task.created", fast, 1);
}

/* It wrote something else first, so its number is lower than that of the one whose row it writes then. */
static void
events_of_a_task_come_in_the_order_of_its_versions_whoever_began_first(void **unused)
{
	const char *a = new_id(), *other = new_id();
	struct log g;
	FILE *f;

	(void)unused;
	bed_create(a, "{\"title\":\"one\"}");
	log_begin(&g);
	f = bed_psql("INSERT INTO tasks "
		     "(id,namespace,title,type,priority,state,created_at,updated_at)"
		     " VALUES ('%s','default','other','manual',3,'QUEUED',now(),now());",
	    other);
	ok(OP(UPDATE, .id = S(a), .data = DATA("{\"title\":\"two\"}")));
	fprintf(
	    f, "UPDATE tasks SET version=3 WHERE id='%s';DELETE FROM tasks WHERE id='%s';\n", a, a);
	bed_psql_commit(f);
	read_on(&g, 0);
	assert_int_equal(g.n, 4);
	assert_event(&g, 0, "task.created", other, 1);
	assert_event(&g, 1, "task.updated", a, 2);
	assert_event(&g, 2, "task.updated", a, 3);
	assert_event(&g, 3, "task.deleted", a, 4);
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

static bool
begins_anew(void *ctx)
{
	(void)ctx;
	return bed_count("SELECT count(*) FROM events_gone WHERE log = mf_log()"
			 " AND xid < pg_snapshot_xmax(pg_current_snapshot())"
			 " AND NOT EXISTS (SELECT FROM events WHERE namespace = 'another')") == 1;
}

/* What stands in the tables is made what a restore would have left, or a lower counter. */
static void
restored(const char *log, const char *xid)
{
	char text[600];

	snprintf(text, sizeof(text),
	    "WITH mark AS (UPDATE events_gone SET log=%s,xid='%s' RETURNING 1),"
	    "them AS (INSERT INTO events (xid,kind,namespace,task_id,version,state,type,priority)"
	    " VALUES ('%s','task.created','another',gen_random_uuid(),1,'QUEUED','x',3) RETURNING "
	    "1)"
	    "SELECT count(*) FROM mark,them",
	    log, xid, xid);
	assert_int_equal(bed_count(text), 1);
}

static void
assert_begins_anew(const char *log, const char *xid)
{
	const char *lost = new_id(), *kept = new_id();
	struct log g, end;

	log_begin(&g);
	end = g;
	bed_create(lost, "{\"title\":\"a\"}");
	restored(log, xid);
	for (int i = 0; i < 2; i++) { /* before upkeep was there */
		read_on(&g, 0);
		assert_true(g.gap);
		assert_int_equal(g.n, 0);
	}
	test_expect_log(LOG_WARN, 1);
	upkeep_start(0);
	bed_until(begins_anew, NULL, 10 * SEC);
	bed_pass(50 * MS); /* the answer comes after the commit */
	bed_open_anew();
	bed_create(kept, "{\"title\":\"b\"}");
	for (int i = 0; i < 2; i++) {
		struct log *from = i == 0 ? &g : &end;

		read_on(from, 0);
		assert_true(from->gap);
		if (from->n == 0)
			read_on(from, 0);
		assert_int_equal(from->n, 1);
		assert_event(from, 0, "task.created", kept, 1);
		read_on(from, 0);
		assert_false(from->gap);
		assert_int_equal(from->n, 0);
	}
}

static void
the_log_of_another_server_begins_anew_and_every_reader_is_told(void **unused)
{
	(void)unused;
	assert_begins_anew("'another'", "1");
}

static void
so_does_one_with_numbers_that_nobody_has_got_yet(void **unused)
{
	(void)unused;
	assert_begins_anew("mf_log()", "9000000000000000000");
}

/* A number that another server gave is not one of ours, though it might be. */
static void
a_position_of_another_log_is_told_of_the_gap(void **unused)
{
	const char *a = new_id();
	struct log g, theirs;

	(void)unused;
	log_begin(&g);
	theirs = g;
	snprintf(theirs.position, sizeof(theirs.position), "theirs%s", strchr(g.position, '-'));
	bed_create(a, "{\"title\":\"a\"}");
	read_on(&theirs, 0);
	assert_true(theirs.gap);
	snprintf(theirs.position, sizeof(theirs.position), "%.*s-9000000000000000000-7",
	    (int)strcspn(g.position, "-"), g.position);
	read_on(&theirs, 0);
	assert_true(theirs.gap);
	read_on(&theirs, 0);
	assert_false(theirs.gap);
	assert_true(theirs.n > 0);
	assert_string_equal(theirs.id[theirs.n - 1], a);
}

static void
a_position_of_no_log_is_refused(void **unused)
{
	static const char *const bad[] = { "x", "a-1", "a--", "a-1-", "-1-1", "a-1-x", "1-1",
		"a-99999999999999999999-1", "a-1-9223372036854775808", "a-1-1-1", "a-1;-2",
		"aaaaaaaaaaaaaaaa-1-1", "a b-1-1" };
	struct log g = { 0 };

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(g.position, sizeof(g.position), "%s", bad[i]);
		read_on(&g, 0);
		assert_int_equal(g.status, ST_INVALID_ARGUMENT);
	}
}

static unsigned rings;

static void
on_bell(void *ctx, const char *node, const Mf__Event *e)
{
	(void)ctx;
	assert_string_equal(node, "sql");
	assert_string_equal(e->topic, "task");
	rings++;
}

static bool
has_rung(void *ctx)
{
	(void)ctx;
	return rings > 0;
}

/* What has happened so far has rung. */
static void
listen_to_the_bell(void)
{
	static bool listening;

	if (!listening)
		bus_subscribe(sqlbed.bus, "sql", "task", on_bell, NULL, NULL);
	listening = true;
	bed_pass(30 * MS);
	rings = 0;
}

static void
many_effects_ring_the_bell_a_few_times(void **unused)
{
	(void)unused;
	listen_to_the_bell();
	for (int i = 0; i < 20; i++)
		bed_create(new_id(), "{\"title\":\"x\"}");
	bed_until(has_rung, NULL, 5 * SEC);
	bed_pass(30 * MS);
	assert_true(rings >= 1 && rings <= 20);
}

/* Its caller does not wait for the end of it: the row is locked for longer. */
static void
a_commit_whose_caller_has_gone_rings_the_bell_too(void **unused)
{
	const char *id = new_id();
	struct done d;
	FILE *f;

	(void)unused;
	bed_create(id, "{\"title\":\"a\"}");
	f = bed_psql("SELECT FROM tasks WHERE id='%s' FOR UPDATE;", id);
	listen_to_the_bell();
	op_start(&d, OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"b\"}")), 200 * MS);
	op_wait(&d);
	assert_int_equal(d.status, ST_DEADLINE_EXCEEDED);
	assert_int_equal(rings, 0);
	bed_psql_commit(f);
	bed_until(has_rung, NULL, 5 * SEC);
	d = op_run(OP(READ_ONE, .id = S(id)));
	done_assert_json(&d, "title", "\"b\"");
	done_free(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_effect_is_one_event_in_its_order),
		T(what_had_no_effect_is_no_event),
		T(pages_of_the_log_leave_nothing_out),
		T(what_comes_after_a_transaction_under_way_waits_for_it),
		T(events_of_a_task_come_in_the_order_of_its_versions_whoever_began_first),
		T(a_position_from_before_what_is_kept_is_told_of_the_gap),
		T(the_end_of_a_log_where_nothing_happens_is_no_gap),
		T(the_log_of_another_server_begins_anew_and_every_reader_is_told),
		T(so_does_one_with_numbers_that_nobody_has_got_yet),
		T(a_position_of_another_log_is_told_of_the_gap),
		T(a_position_of_no_log_is_refused),
		T(many_effects_ring_the_bell_a_few_times),
		T(a_commit_whose_caller_has_gone_rings_the_bell_too),
	};

	return cmocka_run_group_tests(tests, sqlbed_start, sqlbed_stop);
}
