/* pg_hang: a PostgreSQL that is stopped, as a whole or one back end of it. */
#include <signal.h>
#include <stdlib.h>
#include "base/time.h"
#include "harness/pgbed.h"
#include "node/work.h"

static pid_t
stop_a_back_end(void)
{
	struct got g;

	pgbed_ask("SELECT pg_backend_pid()", &g);
	assert_int_equal(kill(atoi(g.value), SIGSTOP), 0);
	return atoi(g.value);
}

static void
a_stopped_back_end_gets_no_more_work(void **unused)
{
	struct got before[6], after[100];
	size_t stuck = 0;
	pid_t pid;

	(void)unused;
	pgbed_own_pool(3, 5 * SEC);
	pid = stop_a_back_end();
	for (int i = 0; i < 6; i++) {
		pgbed_read(&before[i]);
		pgbed_pass(20 * MS);
	}
	pgbed_pass(SEC);
	for (int i = 0; i < 6; i++)
		stuck += before[i].times == 0;
	assert_in_range(stuck, 1, 6);
	for (int i = 0; i < 100; i++) {
		pgbed_read(&after[i]);
		if (i % 10 == 0)
			pgbed_pass(5 * MS);
	}
	got_wait(after, 100);
	assert_true(pg_pool_up(pgbed.pool));
	kill(pid, SIGCONT);
	got_wait(before, 6);
	for (int i = 0; i < 6; i++)
		assert_true(before[i].ok);
	pgbed_end_own_pool();
}

/* After twice statement_timeout and a second; a read runs again elsewhere. */
static void
a_stopped_back_end_is_dropped_in_the_end(void **unused)
{
	struct got g[6];
	pid_t pid;

	(void)unused;
	pgbed_own_pool(3, 200 * MS);
	pid = stop_a_back_end();
	for (int i = 0; i < 6; i++) {
		pgbed_read(&g[i]);
		pgbed_pass(20 * MS);
	}
	got_wait(g, 6);
	for (int i = 0; i < 6; i++)
		assert_true(g[i].ok);
	assert_true(pg_pool_up(pgbed.pool));
	kill(pid, SIGCONT);
	pgbed_end_own_pool();
}

static bool
is_down(void *ctx)
{
	(void)ctx;
	return pg_pool_down(pgbed.pool);
}

static bool
is_up(void *ctx)
{
	(void)ctx;
	return pg_pool_up(pgbed.pool);
}

static void
a_stopped_server_is_down_until_it_answers_again(void **unused)
{
	struct got lost, refused, found;
	int64_t began;

	(void)unused;
	pgbed_own_pool(3, 5 * SEC);
	for (int round = 0; round < 2; round++) {
		stores_pause_postgres(pgbed.stores, true);
		pgbed_read(&lost);
		loop_run_until(pgbed.loop, is_down, NULL, 8 * SEC);
		assert_true(pg_pool_down(pgbed.pool));
		assert_false(pg_pool_up(pgbed.pool));
		got_wait(&lost, 1);
		assert_int_equal(lost.status, ST_UNAVAILABLE);
		began = time_now_us();
		pgbed_read(&refused);
		got_wait(&refused, 1);
		assert_int_equal(refused.status, ST_UNAVAILABLE);
		assert_true(time_now_us() - began < SEC);
		stores_pause_postgres(pgbed.stores, false);
		loop_run_until(pgbed.loop, is_up, NULL, 8 * SEC);
		pgbed_read(&found);
		got_wait(&found, 1);
		assert_true(found.ok);
		assert_int_equal(lost.times, 1);
		pgbed_all_up(3);
	}
	pgbed_end_own_pool();
}

static void
slow_statements_everywhere_are_no_hanging_server(void **unused)
{
	struct got slow[3] = { 0 }, after;

	(void)unused;
	pgbed_own_pool(3, 10 * SEC);
	for (int i = 0; i < 3; i++) {
		pg_read(pgbed.pool, NULL, "SELECT pg_sleep(2.5)", 0, NULL, got_done, &slow[i]);
		pgbed_pass(20 * MS);
	}
	for (int i = 0; i < 3; i++)
		while (slow[i].times == 0) {
			pgbed_pass(50 * MS);
			assert_false(pg_pool_down(pgbed.pool));
		}
	for (int i = 0; i < 3; i++)
		assert_true(slow[i].ok);
	pgbed_read(&after);
	got_wait(&after, 1);
	assert_true(after.ok);
	pgbed_end_own_pool();
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	(void)c, (void)end;
	*(bool *)ctx = true;
}

static bool
is_true(void *ctx)
{
	return *(bool *)ctx;
}

struct piece {
	struct work work;
	bool done;
};

static void
piece_run(struct work *w)
{
	(void)w;
}

static void
piece_done(struct work *w, bool dropped)
{
	assert_false(dropped);
	container_of(w, struct piece, work)->done = true;
}

/* There is one thread for blocking work in all: whoever held it up would hold up log-ins. */
static void
a_cancel_that_a_stopped_server_does_not_take_holds_nobody_up(void **unused)
{
	struct piece piece = { .work = { .run = piece_run, .done = piece_done } };
	struct got g[2] = { 0 }, after = { 0 };
	bool over = false;
	struct call *c;

	(void)unused;
	c = call_root(pgbed.bus,
	    &(const struct call_opts){ .limit_us = 500 * MS, .done = on_end, .ctx = &over });
	for (int i = 0; i < 2; i++)
		pg_query_long(pgbed.pool, c, "SELECT pg_sleep(60), 'not cancelled'", 0, NULL, NULL,
		    got_done, &g[i]);
	for (struct got n = { 0 }; atoi(n.value) < 2 && !over;)
		pgbed_ask("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query "
			  "LIKE '%not cancelled%' AND pid <> pg_backend_pid()",
		    &n);
	stores_pause_postgres(pgbed.stores, true);
	loop_run_until(pgbed.loop, is_true, &over, 5 * SEC);
	assert_true(over);
	pgbed_pass(100 * MS);
	assert_true(work_start(pgbed.work, &piece.work));
	loop_run_until(pgbed.loop, is_true, &piece.done, 5 * SEC);
	assert_true(piece.done);
	stores_pause_postgres(pgbed.stores, false);
	loop_run_until(pgbed.loop, is_up, NULL, 8 * SEC);
	pg_query_long(pgbed.pool, NULL, "SELECT 7", 0, NULL, NULL, got_done, &after);
	got_wait(&after, 1);
	assert_true(after.ok);
	assert_int_equal(g[0].times + g[1].times, 0);
}

static int
resume(void **state)
{
	(void)state;
	stores_pause_postgres(pgbed.stores, false);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_stopped_back_end_gets_no_more_work),
		cmocka_unit_test_teardown(a_stopped_back_end_is_dropped_in_the_end, resume),
		cmocka_unit_test_teardown(a_stopped_server_is_down_until_it_answers_again, resume),
		T(slow_statements_everywhere_are_no_hanging_server),
		cmocka_unit_test_teardown(
		    a_cancel_that_a_stopped_server_does_not_take_holds_nobody_up, resume),
	};

	return cmocka_run_group_tests(tests, pgbed_start, pgbed_stop);
}
