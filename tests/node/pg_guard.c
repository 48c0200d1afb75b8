/* pg_guard: which servers are refused and why, what becomes of connections, and what holds nobody
 * up: locks of others, a server that has no connection left. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/time.h"
#include "harness/pgbed.h"
#include "store/pg_int.h"
#include "store/pg_session.h"

#define TOUCH   "UPDATE rows SET n = n + 1 WHERE id = $1"
#define CLIENTS 80 /* more than the server takes */

static int
start(void **state)
{
	pgbed_start(state);
	pgbed_script("BEGIN READ WRITE; CREATE TABLE rows (id text PRIMARY KEY, n int NOT NULL);"
		     " INSERT INTO rows SELECT 'r' || i, 0 FROM generate_series(0, 99) i; COMMIT");
	return 0;
}

/* Statements that want no transaction around them. */
static void
server_do(const char *statement)
{
	PGconn *pg = PQconnectdb(stores_conninfo(pgbed.stores));
	PGresult *r = PQexec(pg, statement);

	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
		fail_msg("%s", PQerrorMessage(pg));
	PQclear(r);
	PQfinish(pg);
}

static bool
is_down(void *ctx)
{
	return pg_pool_down(ctx);
}

static bool
is_up(void *ctx)
{
	return pg_pool_up(ctx);
}

static void
until(bool (*what)(void *ctx), void *ctx)
{
	loop_run_until(pgbed.loop, what, ctx, 10 * SEC);
	assert_true(what(ctx));
}

/* Each log-in asks anew, so the pool comes up when it has been put right. */
static void
is_refused_while(const char *setting, const char *words)
{
	char set[80];
	struct pg_pool *p;
	struct got g = { 0 };

	snprintf(set, sizeof(set), "ALTER SYSTEM SET %s = off", setting);
	server_do(set);
	server_do("SELECT pg_reload_conf()");
	pgbed_pass(200 * MS);
	p = pg_pool_new(pgbed.loop,
	    &(const struct pg_opts){ .conninfo = stores_conninfo(pgbed.stores), .short_conns = 1 });
	until(is_down, p);
	pg_read(p, NULL, "SELECT 1", 0, NULL, got_done, &g);
	got_wait(&g, 1);
	assert_int_equal(g.status, ST_UNAVAILABLE);
	assert_non_null(strstr(pg_pool_why(p), words));
	assert_non_null(strstr(pg_pool_why(p), "postgresql.conf"));
	snprintf(set, sizeof(set), "ALTER SYSTEM RESET %s", setting);
	server_do(set);
	server_do("SELECT pg_reload_conf()");
	until(is_up, p);
	pg_pool_free(&p);
}

static void
a_server_that_may_lose_what_it_acknowledged_is_refused(void **unused)
{
	(void)unused;
	test_expect_log(LOG_WARN, 2);
	is_refused_while("fsync", "fsync is off");
	is_refused_while("full_page_writes", "full_page_writes is off");
}

static void
shows(const char *statement, const char *value)
{
	struct got g;

	pgbed_own_pool(1, SEC);
	pgbed_ask(statement, &g);
	assert_string_equal(g.value, value);
	pgbed_end_own_pool();
}

static void
a_roles_settings_dont_make_an_acknowledgement_lie(void **unused)
{
	(void)unused;
	server_do("ALTER ROLE metafed SET synchronous_commit = off");
	shows("SHOW synchronous_commit", "on");
	server_do("ALTER ROLE metafed SET synchronous_commit = local");
	shows("SHOW synchronous_commit", "on");
	server_do("ALTER ROLE metafed SET synchronous_commit = remote_apply");
	shows("SHOW synchronous_commit", "remote_apply");
	server_do("ALTER ROLE metafed RESET synchronous_commit");
}

/* A restore is committed by a session of its own. */
static void
a_roles_settings_are_not_those_of_a_session_of_its_own(void **unused)
{
	struct pg_session *s = pg_session_new(pgbed.pool, 5 * SEC);

	(void)unused;
	server_do("ALTER ROLE metafed SET synchronous_commit = off");
	server_do("ALTER ROLE metafed SET statement_timeout = '50ms'");
	assert_true(pg_session_open(s));
	assert_true(pg_session_run(s, "SELECT current_setting('synchronous_commit')"));
	assert_string_equal(pg_session_value(s, 0, 0), "on");
	assert_true(pg_session_run(s, "SELECT pg_sleep(0.2)"));
	pg_session_free(&s);
	server_do("ALTER ROLE metafed RESET ALL");
}

/* --- limits --- */

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	(void)c, (void)end;
	*(bool *)ctx = true;
}

static void
a_long_statement_has_a_limit_that_outlasts_its_call_a_little(void **unused)
{
	struct got g = { 0 };
	bool over = false;
	struct call *c = call_root(pgbed.bus,
	    &(const struct call_opts){ .limit_us = 2 * SEC, .done = on_end, .ctx = &over });

	(void)unused;
	assert_int_equal(pg_long_limit_ms(0), 1024);
	assert_in_range(pg_long_limit_ms(10 * SEC), 11000, 17000);
	pg_query_long(pgbed.pool, c, "SHOW statement_timeout", 0, NULL, NULL, got_done, &g);
	got_wait(&g, 1);
	assert_string_equal(g.value, "3456ms");
	call_fail(c, ST_CANCELLED, "done");
	g = (struct got){ 0 };
	pg_query_long(pgbed.pool, NULL, "SHOW statement_timeout", 0, NULL, NULL, got_done, &g);
	got_wait(&g, 1);
	assert_string_equal(g.value, "0"); /* of the node's own work: none */
}

static void
touch(struct got *g, const char *id)
{
	*g = (struct got){ 0 };
	pg_write(pgbed.pool, NULL, id, 1,
	    &(const struct pg_statement){ TOUCH, 1, (const char *[]){ id } }, got_done, g);
}

/* Whose row a forgotten session holds waits by himself, and is done when it has ended. */
static void
a_session_idle_in_a_transaction_holds_up_only_who_wants_its_row(void **unused)
{
	PGconn *other = PQconnectdb(stores_conninfo(pgbed.stores));
	struct got held, g[40], n;
	int64_t began_us;
	char id[8];

	(void)unused;
	pgbed_own_pool(3, 2 * SEC);
	PQclear(PQexec(other, "BEGIN; SELECT FROM rows WHERE id = 'r50' FOR UPDATE"));
	touch(&held, "r50");
	pgbed_pass(50 * MS);
	began_us = time_now_us();
	for (int i = 0; i < 40; i++) {
		snprintf(id, sizeof(id), "r%d", i);
		touch(&g[i], id);
	}
	got_wait(g, 40);
	for (int i = 0; i < 40; i++)
		assert_true(g[i].ok);
	assert_true(time_now_us() - began_us < SEC);
	assert_int_equal(held.times, 0);
	pgbed_pass(1500 * MS); /* beyond its lock_timeout: it is tried again */
	PQclear(PQexec(other, "COMMIT"));
	got_wait(&held, 1);
	assert_true(held.ok);
	pgbed_ask("SELECT n::text FROM rows WHERE id = 'r50'", &n);
	assert_string_equal(n.value, "1");
	PQfinish(other);
	pgbed_end_own_pool();
}

static void
the_wait_before_another_try_grows_and_is_bounded(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < 20; i++) {
		assert_in_range(pg_again_wait_us(i, 0), MS / 2, 128 * MS);
		assert_in_range(pg_again_wait_us(i, UINT32_MAX), MS / 2, 256 * MS);
	}
	assert_true(pg_again_wait_us(8, 0) > pg_again_wait_us(2, UINT32_MAX));
}

/* --- connections --- */

static void
a_long_lane_that_is_full_says_so_in_time_and_holds_no_read_up(void **unused)
{
	struct got slow[4] = { 0 }, quick[20];
	int64_t began_us;

	(void)unused;
	pgbed.kept = pgbed.pool;
	pgbed.pool = pg_pool_new(pgbed.loop,
	    &(const struct pg_opts){ .conninfo = stores_conninfo(pgbed.stores), .long_conns = 1 });
	until(is_up, pgbed.pool);
	for (int i = 0; i < 4; i++)
		pg_query_long(pgbed.pool, NULL, "SELECT pg_sleep(3)::text", 0, NULL, NULL, got_done,
		    &slow[i]);
	pgbed_pass(200 * MS);
	began_us = time_now_us();
	for (int i = 0; i < 20; i++)
		pgbed_read(&quick[i]);
	got_wait(quick, 20);
	assert_true(time_now_us() - began_us < SEC);
	got_wait(slow, 4);
	assert_true(slow[0].ok);
	for (int i = 1; i < 4; i++) {
		assert_int_equal(slow[i].status, ST_RESOURCE_EXHAUSTED);
		assert_true(slow[i].at_us - began_us < 4 * SEC);
	}
	pgbed_end_own_pool();
}

static void
connections_are_made_anew_after_their_lifetime_and_nobody_notices(void **unused)
{
	struct pg_pool *p = pg_pool_new(
	    pgbed.loop, &(const struct pg_opts){ .conninfo = stores_conninfo(pgbed.stores),
			    .application = "mortal",
			    .short_conns = 2,
			    .lifetime_us = 300 * MS });
	char pids[6][64];
	size_t n_pids = 0;
	struct got g;

	(void)unused;
	until(is_up, p);
	for (int i = 0; i < 200 && n_pids < 6; i++) {
		bool seen = false;

		g = (struct got){ 0 };
		pg_read(p, NULL, "SELECT pg_backend_pid()::text", 0, NULL, got_done, &g);
		got_wait(&g, 1);
		assert_true(g.ok);
		for (size_t k = 0; k < n_pids; k++)
			seen = seen || strcmp(pids[k], g.value) == 0;
		if (!seen)
			snprintf(pids[n_pids++], sizeof(pids[0]), "%s", g.value);
		pgbed_pass(20 * MS);
	}
	assert_int_equal(n_pids, 6);
	pgbed_ask(
	    "SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'mortal'", &g);
	assert_in_range(atoi(g.value), 1, 2);
	pg_pool_free(&p);
}

static void
a_server_without_a_connection_left_is_used_with_those_there_are(void **unused)
{
	PGconn *others[CLIENTS];
	struct got g, r[20];
	size_t n = 0;

	(void)unused;
	pgbed_own_pool(3, SEC);
	while (n < CLIENTS &&
	       PQstatus(others[n] = PQconnectdb(stores_conninfo(pgbed.stores))) == CONNECTION_OK)
		n++;
	PQfinish(others[n]);
	assert_in_range(n, 1, CLIENTS - 1);
	pgbed_ask("SELECT pg_terminate_backend(max(pid)) FROM pg_stat_activity"
		  " WHERE application_name LIKE 'own-%' AND pid <> pg_backend_pid()",
	    &g);
	others[n] = PQconnectdb(stores_conninfo(pgbed.stores)); /* its place */
	pgbed_pass(100 * MS);
	for (int i = 0; i < 20; i++)
		pgbed_read(&r[i]);
	got_wait(r, 20);
	for (int i = 0; i < 20; i++)
		assert_true(r[i].ok);
	for (size_t i = 0; i <= n; i++)
		PQfinish(others[i]);
	pgbed_all_up(3);
	pgbed_end_own_pool();
}

/* Its effect can't be in doubt: it has none. */
static void
a_long_read_whose_connection_goes_says_that_the_store_is_down(void **unused)
{
	struct got g = { 0 };

	(void)unused;
	pg_query_long(pgbed.pool, NULL, "SELECT pg_sleep(20)", 0, NULL, NULL, got_done, &g);
	for (int64_t limit = time_now_us() + 15 * SEC; g.times == 0; pgbed_pass(50 * MS)) {
		assert_true(time_now_us() < limit);
		server_do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
			  " WHERE query = 'SELECT pg_sleep(20)'");
	}
	assert_false(g.ok);
	assert_false(g.unknown);
	assert_int_equal(g.status, ST_UNAVAILABLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_server_that_may_lose_what_it_acknowledged_is_refused),
		T(a_roles_settings_dont_make_an_acknowledgement_lie),
		T(a_roles_settings_are_not_those_of_a_session_of_its_own),
		T(a_long_statement_has_a_limit_that_outlasts_its_call_a_little),
		T(a_session_idle_in_a_transaction_holds_up_only_who_wants_its_row),
		T(the_wait_before_another_try_grows_and_is_bounded),
		T(a_long_lane_that_is_full_says_so_in_time_and_holds_no_read_up),
		T(connections_are_made_anew_after_their_lifetime_and_nobody_notices),
		cmocka_unit_test(a_server_without_a_connection_left_is_used_with_those_there_are),
		cmocka_unit_test(a_long_read_whose_connection_goes_says_that_the_store_is_down),
	};

	return cmocka_run_group_tests(tests, start, pgbed_stop);
}
