/* pg: lanes, groups and merged inserts against a real PostgreSQL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "base/time.h"
#include "harness/pgbed.h"
#include "store/pg_int.h"

#define INSERT                                                                                     \
	"INSERT INTO things (id, name, xact) SELECT i, n, txid_current() FROM unnest($1::text[], " \
	"$2::text[]) AS v(i, n)"                                                                   \
	" ON CONFLICT (id) DO NOTHING RETURNING id, xact"
#define TOUCH "UPDATE things SET name = $2, xact = txid_current() WHERE id = $1 RETURNING xact"

static void
insert(struct got *g, const char *id, const char *name)
{
	*g = (struct got){ 0 };
	pg_insert(pgbed.pool, NULL, id, INSERT, 2, (const char *[]){ id, name }, got_done, g);
}

static void
touch(struct got *g, const char *id, const char *name)
{
	*g = (struct got){ 0 };
	pg_write(pgbed.pool, NULL, id, 1,
	    &(const struct pg_statement){ TOUCH, 2, (const char *[]){ id, name } }, got_done, g);
}

static int
start(void **state)
{
	pgbed_start(state);
	pgbed_script(
	    "BEGIN READ WRITE; CREATE TABLE things (id text PRIMARY KEY, name text UNIQUE, "
	    "xact bigint); COMMIT");
	return 0;
}

static void
reads_of_one_turn_answer_though_one_of_them_fails(void **unused)
{
	static const char *const texts[] = { "SELECT 1", "SELECT 1/0", "SELECT 3", "SELECT nothing",
		"SELECT 5" };
	struct got g[5] = { 0 };

	(void)unused;
	for (int i = 0; i < 5; i++)
		pg_read(pgbed.pool, NULL, texts[i], 0, NULL, got_done, &g[i]);
	got_wait(g, 5);
	assert_true(g[0].ok && g[2].ok && g[4].ok);
	assert_string_equal(g[4].value, "5");
	assert_int_equal(g[1].status, ST_INVALID_ARGUMENT);
	assert_string_equal(g[1].sqlstate, "22012");
	assert_int_equal(g[3].status, ST_INTERNAL);
	for (int i = 0; i < 5; i++)
		assert_int_equal(g[i].times, 1);
}

static void
no_callback_comes_from_inside(void **unused)
{
	struct got g = { 0 };

	(void)unused;
	pg_read(pgbed.pool, NULL, "SELECT 1", 0, NULL, got_done, &g);
	assert_int_equal(g.times, 0);
	got_wait(&g, 1);
}

static void
writes_that_come_together_commit_together(void **unused)
{
	struct got g[40];
	char id[16];

	(void)unused;
	for (int i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "t%02d", i);
		insert(&g[i], id, id);
	}
	got_wait(g, 20);
	for (int i = 20; i < 40; i++) {
		snprintf(id, sizeof(id), i % 2 == 0 ? "t%02d" : "u%02d", i - 20);
		if (i % 2 == 0)
			touch(&g[i], id, id);
		else
			insert(&g[i], id, id);
	}
	got_wait(&g[20], 20);
	for (int i = 0; i < 40; i++) {
		assert_true(g[i].ok);
		assert_int_equal(g[i].rows, 1);
		assert_string_equal(
		    g[i].value, g[i < 20 ? 0 : 20].value); /* the same transaction */
	}
	assert_string_not_equal(g[0].value, g[20].value);
}

static void
a_row_that_was_there_answers_without_a_row_and_harms_nobody(void **unused)
{
	struct got g[3];

	(void)unused;
	insert(&g[0], "r1", "r1");
	got_wait(g, 1);
	insert(&g[0], "r0", "r0");
	insert(&g[1], "r1", "r1");
	insert(&g[2], "r2", "r2");
	got_wait(g, 3);
	assert_int_equal(g[0].rows, 1);
	assert_int_equal(g[1].rows, 0);
	assert_true(g[1].ok);
	assert_int_equal(g[2].rows, 1);
}

static void
a_member_that_fails_does_not_fail_the_others(void **unused)
{
	struct got g[10];
	char id[16];

	(void)unused;
	for (int i = 0; i < 10; i++) {
		snprintf(id, sizeof(id), "f%02d", i);
		insert(&g[i], id, i == 4 || i == 7 ? "the same" : id);
	}
	got_wait(g, 10);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(g[i].times, 1);
		assert_true(g[i].ok || i == 4 || i == 7);
	}
	assert_int_equal(g[4].ok + g[7].ok, 1);
	assert_int_equal(g[4].ok ? g[7].status : g[4].status, ST_ALREADY_EXISTS);
	assert_string_equal(g[4].ok ? g[7].constraint : g[4].constraint, "things_name_key");
	pgbed_ask("SELECT count(*) FROM things WHERE id LIKE 'f%'", &g[0]);
	assert_string_equal(g[0].value, "9");
}

static void
two_writes_on_one_key_are_never_in_one_group_and_keep_their_order(void **unused)
{
	struct got g[3], last;

	(void)unused;
	insert(&g[0], "k", "k0");
	touch(&g[1], "k", "k1");
	touch(&g[2], "k", "k2");
	got_wait(g, 3);
	assert_string_not_equal(g[0].value, g[1].value);
	assert_string_not_equal(g[1].value, g[2].value);
	pgbed_ask("SELECT name FROM things WHERE id = 'k'", &last);
	assert_string_equal(last.value, "k2");
}

static void
several_statements_are_one_member(void **unused)
{
	const char *params[] = { "multi", "m" };
	const struct pg_statement good[] = { { "INSERT INTO things (id, name) VALUES ($1, $2)", 2,
						 params },
		{ "SELECT name FROM things WHERE id = $1", 1, params } };
	const struct pg_statement bad[] = { { "DELETE FROM things WHERE id = $1", 1, params },
		{ "SELECT 1/0", 0, NULL } };
	struct got g = { 0 }, left;

	(void)unused;
	pg_write(pgbed.pool, NULL, NULL, 2, good, got_done, &g);
	got_wait(&g, 1);
	assert_true(g.ok);
	assert_string_equal(g.value, "m");
	g = (struct got){ 0 };
	pg_write(pgbed.pool, NULL, NULL, 2, bad, got_done, &g);
	got_wait(&g, 1);
	assert_int_equal(g.status, ST_INVALID_ARGUMENT);
	pgbed_ask("SELECT count(*) FROM things WHERE id = 'multi'", &left);
	assert_string_equal(left.value, "1");
}

static void
nulls_quotes_and_braces_survive_a_merged_insert(void **unused)
{
	struct got g[3], r;

	(void)unused;
	insert(&g[0], "q1", "a'b\"c,{d}\\e");
	insert(&g[1], "q2", NULL);
	insert(&g[2], "q3", "NULL");
	got_wait(g, 3);
	pgbed_ask("SELECT name FROM things WHERE id = 'q1'", &r);
	assert_string_equal(r.value, "a'b\"c,{d}\\e");
	pgbed_ask("SELECT name IS NULL FROM things WHERE id = 'q2'", &r);
	assert_string_equal(r.value, "t");
	pgbed_ask("SELECT name FROM things WHERE id = 'q3'", &r);
	assert_string_equal(r.value, "NULL");
}

#define TEXTS 300

/* Every seventh fails, and takes those along that leave with it. */
static void
texts_without_end_leave_few_prepared_statements(void **unused)
{
	static char texts[TEXTS][40];
	static struct got g[TEXTS];
	struct got count;

	(void)unused;
	pgbed_own_pool(1, 5 * SEC);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < TEXTS; i++) {
			snprintf(texts[i], sizeof(texts[i]),
			    i % 7 == 6 ? "SELECT %d / 0" : "SELECT %d", i);
			g[i] = (struct got){ 0 };
			if (i % 5 == 4)
				pg_query(pgbed.pool, NULL, texts[i], 0, NULL, got_done, &g[i]);
			else
				pg_read(pgbed.pool, NULL, texts[i], 0, NULL, got_done, &g[i]);
		}
		got_wait(g, TEXTS);
		for (int i = 0; i < TEXTS; i++) {
			assert_int_equal(g[i].ok, i % 7 != 6);
			assert_true(!g[i].ok || atoi(g[i].value) == i);
			assert_true(g[i].ok || strcmp(g[i].sqlstate, "22012") == 0);
		}
		pgbed_ask("SELECT count(*) FROM pg_prepared_statements", &count);
		assert_in_range(atoi(count.value), 20, PG_PREPARED_MOST);
	}
	pgbed_end_own_pool();
}

static void
a_statement_that_takes_too_long_is_stopped_by_the_server(void **unused)
{
	struct got slow = { 0 }, quick = { 0 };

	(void)unused;
	pg_read(pgbed.pool, NULL, "SELECT pg_sleep(20)", 0, NULL, got_done, &slow);
	got_wait(&slow, 1);
	assert_int_equal(slow.status, ST_DEADLINE_EXCEEDED);
	pgbed_ask("SELECT 1", &quick);
	assert_true(quick.ok);
}

static bool
ended(void *ctx)
{
	return *(bool *)ctx;
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	(void)c, (void)end;
	*(bool *)ctx = true;
}

static void
the_long_lane_cancels_the_statement_when_its_call_ends(void **unused)
{
	struct got g = { 0 }, active;
	bool over = false;
	struct call *c;

	(void)unused;
	c = call_root(pgbed.bus,
	    &(const struct call_opts){ .limit_us = 200 * MS, .done = on_end, .ctx = &over });
	pg_query_long(
	    pgbed.pool, c, "SELECT pg_sleep(20), 'long lane'", 0, NULL, NULL, got_done, &g);
	loop_run_until(pgbed.loop, ended, &over, SEC);
	assert_true(over);
	for (int i = 0; i < 100; i++) {
		pgbed_ask(
		    "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE "
		    "'%long lane%' AND pid <> pg_backend_pid()",
		    &active);
		if (strcmp(active.value, "0") == 0)
			break;
		pgbed_pass(50 * MS);
	}
	assert_string_equal(active.value, "0");
	assert_int_equal(g.times, 0);
	pg_query_long(pgbed.pool, NULL, "SELECT 7", 0, NULL, NULL, got_done,
	    &g); /* and the connection is good for more */
	got_wait(&g, 1);
	assert_string_equal(g.value, "7");
}

static void
the_long_lane_only_reads(void **unused)
{
	struct got g = { 0 };

	(void)unused;
	pg_query_long(pgbed.pool, NULL, "DELETE FROM things", 0, NULL, NULL, got_done, &g);
	got_wait(&g, 1);
	assert_false(g.ok);
	assert_string_equal(g.sqlstate, "25006");
}

static void
the_long_lane_refuses_copy_and_goes_on(void **unused)
{
	struct got g = { 0 }, after = { 0 };

	(void)unused;
	pg_query_long(pgbed.pool, NULL, "COPY (SELECT 1) TO STDOUT", 0, NULL, NULL, got_done, &g);
	got_wait(&g, 1);
	assert_int_equal(g.status, ST_UNIMPLEMENTED);
	pg_query_long(pgbed.pool, NULL, "SELECT 'there'", 0, NULL, NULL, got_done, &after);
	got_wait(&after, 1);
	assert_string_equal(after.value, "there");
}

static long
peak_kb(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

static void
long_rows(const char *statement, const struct pg_most *most, struct got *g)
{
	*g = (struct got){ 0 };
	pg_query_long(pgbed.pool, NULL, statement, 0, NULL, most, got_done, g);
	got_wait(g, 1);
}

static void
an_answer_of_the_long_lane_that_is_too_large_is_given_up(void **unused)
{
	const struct pg_most few = { .rows = 5, .bytes = 1000 };
	struct got g;

	(void)unused;
	long_rows("SELECT i, NULL, 'v' || i FROM generate_series(1, 5) i", &few, &g);
	assert_true(g.ok);
	assert_int_equal(g.rows, 5);
	assert_string_equal(g.value, "v1");
	long_rows("SELECT i FROM generate_series(1, 6) i", &few, &g);
	assert_int_equal(g.status, ST_RESOURCE_EXHAUSTED);
	assert_string_equal(g.error, "the answer has more than 5 rows");
	long_rows("SELECT repeat('x', 400) FROM generate_series(1, 3)", &few, &g);
	assert_int_equal(g.status, ST_RESOURCE_EXHAUSTED);
	assert_string_equal(g.error, "the answer has more than 1000 bytes");
	/* which would be hours and terabytes */
	long_rows("SELECT repeat('x', 1000), generate_series(1, 100000000000)", NULL, &g);
	assert_int_equal(g.status, ST_RESOURCE_EXHAUSTED);
	assert_true(peak_kb() < 200000);
	long_rows("SELECT FROM generate_series(1, 5)", &few, &g);
	assert_int_equal(g.rows, 5);
	long_rows("SELECT 1 WHERE false", &few, &g);
	assert_true(g.ok);
	assert_int_equal(g.rows, 0);
	long_rows("SELECT 1 / (3 - i) FROM generate_series(1, 5) i", &few, &g);
	assert_string_equal(g.sqlstate, "22012");
}

static void
a_slow_statement_holds_no_write_up(void **unused)
{
	struct got slow = { 0 }, w;

	(void)unused;
	pg_read(pgbed.pool, NULL, "SELECT pg_sleep(1.5)", 0, NULL, got_done, &slow);
	insert(&w, "quick", "quick");
	got_wait(&w, 1);
	got_wait(&slow, 1);
	assert_true(w.at_us < slow.at_us);
}

static void
becomes_true(const char *statement)
{
	int64_t limit_us = time_now_us() + 10 * SEC;
	struct got g;

	pgbed_ask(statement, &g);
	while (strcmp(g.value, "t") != 0 && time_now_us() < limit_us) {
		pgbed_pass(20 * MS);
		pgbed_ask(statement, &g);
	}
	assert_string_equal(g.value, "t");
}

/* Transactions that lock two rows in opposite order, on several connections. */
static void
the_victim_of_a_deadlock_runs_again(void **unused)
{
	struct got g[6];
	char conninfo[256];
	struct pg_opts opts = { .conninfo = conninfo, .application = "embrace", .short_conns = 4 };

	(void)unused;
	insert(&g[0], "d0", NULL);
	insert(&g[1], "d1", NULL);
	got_wait(g, 2);
	pgbed.kept = pgbed.pool;
	snprintf(conninfo, sizeof(conninfo), "%s options='-c deadlock_timeout=30ms'",
	    stores_conninfo(pgbed.stores));
	pgbed.pool = pg_pool_new(pgbed.loop, &opts);
	becomes_true(
	    "SELECT count(*) = 4 FROM pg_stat_activity WHERE application_name = 'embrace'");
	for (int i = 0; i < 6; i++) {
		const char *ab[] = { "d0", NULL }, *ba[] = { "d1", NULL };
		const struct pg_statement s[] = { { TOUCH, 2, i % 2 == 0 ? ab : ba },
			{ "SELECT pg_sleep(0.02)", 0, NULL }, { TOUCH, 2, i % 2 == 0 ? ba : ab } };

		g[i] = (struct got){ 0 };
		pg_write(pgbed.pool, NULL, NULL, 3, s, got_done, &g[i]);
	}
	got_wait(g, 6);
	for (int i = 0; i < 6; i++)
		assert_true(g[i].ok);
	pgbed_end_own_pool();
	/* a back end's statistics arrive when it has ended */
	becomes_true(
	    "SELECT deadlocks > 0 FROM pg_stat_database WHERE datname = current_database()");
}

/* Each of two sees that there are two, and goes: under a weaker isolation nobody is left. */
static int
left_on_call(enum pg_isolation isolation)
{
	static const char off[] = "UPDATE oncall SET yes = false WHERE name = $1 AND"
				  " (SELECT count(*) FROM oncall WHERE yes) > 1 AND"
				  " pg_sleep(0.2) IS NOT NULL";
	static const char *const names[] = { "a", "b" };
	struct got g[2] = { 0 }, n;

	pgbed_own_pool(3, 2 * SEC);
	pgbed_script("BEGIN READ WRITE; CREATE TABLE IF NOT EXISTS oncall (name text, yes bool);"
		     " TRUNCATE oncall; INSERT INTO oncall VALUES ('a', true), ('b', true);"
		     " COMMIT");
	for (int i = 0; i < 2; i++) {
		pg_write_isolated(pgbed.pool, NULL, isolation, 1,
		    &(const struct pg_statement){ off, 1, &names[i] }, got_done, &g[i]);
		pgbed_pass(20 * MS); /* two groups, on two connections */
	}
	got_wait(g, 2);
	assert_true(g[0].ok && g[1].ok);
	pgbed_ask("SELECT count(*)::text FROM oncall WHERE yes", &n);
	pgbed_end_own_pool();
	return atoi(n.value);
}

static void
serializable_transactions_run_again_until_their_order_is_one(void **unused)
{
	struct metric *again =
	    metric_get(metric_family(METRIC_COUNTER, "metafed_pg_retries_total", "", NULL),
		&(const char *){ "serialization" });
	double before = again->value;

	(void)unused;
	assert_int_equal(left_on_call(PG_REPEATABLE_READ), 0);
	assert_true(again->value == before);
	assert_int_equal(left_on_call(PG_SERIALIZABLE), 1);
	assert_true(again->value > before);
}

static void
what_is_slow_is_logged_short_and_long_lane_and_reads_too(void **unused)
{
	const struct pg_opts opts = {
		.conninfo = stores_conninfo(pgbed.stores), .short_conns = 1, .slow_us = 100 * MS
	};
	struct got g[3] = { 0 };

	(void)unused;
	test_expect_log(LOG_WARN, 3);
	pgbed.kept = pgbed.pool;
	pgbed.pool = pg_pool_new(pgbed.loop, &opts);
	pgbed_ask("SELECT 7", &g[0]);
	pg_read(pgbed.pool, NULL, "SELECT pg_sleep(0.2)", 0, NULL, got_done, &g[0]);
	pgbed_pass(20 * MS);
	pg_read(pgbed.pool, NULL, "SELECT 8", 0, NULL, got_done, &g[1]); /* waits behind it */
	got_wait(g, 2);
	pg_query_long(
	    pgbed.pool, NULL, "SELECT pg_sleep(0.2), 'long'", 0, NULL, NULL, got_done, &g[2]);
	got_wait(&g[2], 1);
	pgbed_end_own_pool();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(reads_of_one_turn_answer_though_one_of_them_fails),
		T(no_callback_comes_from_inside),
		T(writes_that_come_together_commit_together),
		T(a_row_that_was_there_answers_without_a_row_and_harms_nobody),
		T(a_member_that_fails_does_not_fail_the_others),
		T(two_writes_on_one_key_are_never_in_one_group_and_keep_their_order),
		T(several_statements_are_one_member),
		T(nulls_quotes_and_braces_survive_a_merged_insert),
		T(texts_without_end_leave_few_prepared_statements),
		T(a_statement_that_takes_too_long_is_stopped_by_the_server),
		T(the_long_lane_cancels_the_statement_when_its_call_ends),
		T(the_long_lane_only_reads),
		T(the_long_lane_refuses_copy_and_goes_on),
		T(an_answer_of_the_long_lane_that_is_too_large_is_given_up),
		T(a_slow_statement_holds_no_write_up),
		T(the_victim_of_a_deadlock_runs_again),
		T(serializable_transactions_run_again_until_their_order_is_one),
		T(what_is_slow_is_logged_short_and_long_lane_and_reads_too),
	};

	return cmocka_run_group_tests(tests, start, pgbed_stop);
}
