/* sql_outage: PostgreSQL goes and comes back under the service. */
#include <stdio.h>
#include <string.h>
#include "base/id.h"
#include "base/time.h"
#include "harness/sqlbed.h"

static bool
store_is_down(void *ctx)
{
	(void)ctx;
	return sql_store_down();
}

static bool
store_is_up(void *ctx)
{
	return !store_is_down(ctx);
}

static void
a_dead_server_is_told_at_once_and_found_again(void **unused)
{
	const char *id = new_id();
	struct done d;

	(void)unused;
	bed_create(id, "{\"title\":\"kept\"}");
	stores_kill_postgres(sqlbed.stores);
	bed_until(store_is_down, NULL, 2 * SEC);
	d = op_run(OP(READ_ONE, .id = S(id)));
	assert_int_equal(d.status, ST_UNAVAILABLE);
	assert_string_equal(d.reason, "STORE_DOWN");
	assert_int_equal(d.retry_ms, 1000);
	assert_true(d.took_us < 500 * MS);
	stores_start_postgres(sqlbed.stores);
	bed_until(store_is_up, NULL, 3 * SEC);
	d = op_run(OP(READ_ONE, .id = S(id)));
	assert_int_equal(d.status, ST_OK);
	done_free(&d);
}

static bool
schema_is_known(void *ctx)
{
	(void)ctx;
	return sql_state() == SQL_USABLE;
}

static void
open_anew(void)
{
	sql_close();
	assert_true(sql_open(sqlbed.loop, sqlbed.work, &sqlbed.config, NULL));
}

static void
calls_of_a_fresh_process_wait_for_its_first_log_in(void **unused)
{
	const char *id = new_id();
	struct done d[20];

	(void)unused;
	bed_create(id, "{\"title\":\"kept\"}");
	open_anew();
	for (int i = 0; i < 20; i++)
		op_start(&d[i],
		    i % 2 == 0 ? OP(READ_ONE, .id = S(id))
			       : OP(CREATE, .id = S(new_id()), .data = DATA("{\"title\":\"x\"}")),
		    5 * SEC);
	for (int i = 0; i < 20; i++) {
		op_wait(&d[i]);
		assert_int_equal(d[i].status, ST_OK);
		done_free(&d[i]);
	}
}

static void
a_call_of_a_fresh_process_does_not_wait_for_ever(void **unused)
{
	struct done d, shorter, later;

	(void)unused;
	stores_kill_postgres(sqlbed.stores);
	open_anew();
	op_start(&d, OP(READ_ONE, .id = S(new_id())), 5 * SEC);
	op_start(&shorter, OP(READ_ONE, .id = S(new_id())), 300 * MS);
	op_wait(&shorter);
	assert_false(d.ended);
	assert_string_equal(shorter.reason, "STORE_DOWN"); /* and not that its time has passed */
	op_wait(&d);
	assert_string_equal(d.reason, "STORE_DOWN");
	assert_in_range(d.took_us, 900 * MS, 4 * SEC);
	later = op_run(OP(READ_ONE, .id = S(new_id())));
	assert_string_equal(later.reason, "STORE_DOWN");
	assert_true(later.took_us < 500 * MS);
	stores_start_postgres(sqlbed.stores);
	bed_until(schema_is_known, NULL, 3 * SEC);
}

#define WRITES 40

/* Half updates, half creates; all of them out, none answered. */
static void
start_writes(struct done *d, const char *ns, int64_t limit_us)
{
	static char ids[WRITES][UUID_LEN], ops[WRITES][UUID_LEN];
	struct done r;

	for (int i = 0; i < WRITES; i++) {
		uuid7(ids[i]);
		uuid7(ops[i]);
		if (i % 2 == 0)
			continue;
		r = op_run(OP(
		    CREATE, .id = ids[i], .namespace_ = S(ns), .data = DATA("{\"title\":\"x\"}")));
		assert_int_equal(r.status, ST_OK);
		done_free(&r);
	}
	if (strcmp(ns, "lost") ==
	    0) /* commits, and never says so: waits for a standby that does not exist */
		bed_count("alter system set synchronous_standby_names = 'nobody'"),
		    bed_count("select pg_reload_conf()::int");
	else
		stores_pause_postgres(sqlbed.stores, true);
	bed_pass(100 * MS);
	for (int i = 0; i < WRITES; i++)
		op_start(&d[i],
		    i % 2 == 0
			? OP(CREATE, .id = ids[i], .namespace_ = S(ns),
			      .data = DATA("{\"title\":\"z\"}"))
			: OP(UPDATE, .id = ids[i], .namespace_ = S(ns), .operation_id = ops[i],
			      .if_version = 1, .data = DATA("{\"title\":\"y\"}")),
		    limit_us);
	bed_pass(200 * MS);
	for (int i = 0; i < WRITES; i++)
		assert_false(d[i].ended);
}

static void
assert_writes_done(struct done *d, const char *ns)
{
	char count[200];

	for (int i = 0; i < WRITES; i++) {
		op_wait(&d[i]);
		assert_int_equal(d[i].status, ST_OK);
		assert_int_equal(d[i].result->version, i % 2 == 0 ? 1 : 2);
		assert_false(d[i].result->repeated);
		done_free(&d[i]);
	}
	snprintf(count, sizeof(count),
	    "select count(*) from tasks where namespace='%s' and "
	    "(title='y' and version=2 or title='z' and version=1)",
	    ns);
	assert_int_equal(bed_count(count), WRITES);
}

static void
a_commit_whose_answer_was_lost_is_found_when_the_server_is_back(void **unused)
{
	static struct done d[WRITES];

	(void)unused;
	start_writes(d, "lost", 12 * SEC);
	stores_crash_postgres(sqlbed.stores);
	bed_pass(100 * MS);
	stores_start_postgres(sqlbed.stores);
	assert_writes_done(d, "lost");
}

static int
without_a_standby(void **unused)
{
	(void)unused;
	bed_count("alter system reset synchronous_standby_names");
	bed_count("select pg_reload_conf()::int");
	return 0;
}

static void
a_write_that_the_server_lost_is_done_when_it_is_back(void **unused)
{
	static struct done d[WRITES];

	(void)unused;
	start_writes(d, "undone", 12 * SEC);
	stores_crash_postgres(sqlbed.stores);
	bed_pass(100 * MS);
	stores_start_postgres(sqlbed.stores);
	assert_writes_done(d, "undone");
}

static void
a_server_that_stays_away_leaves_a_write_with_a_clear_answer_before_its_deadline(void **unused)
{
	static struct done d[WRITES];

	(void)unused;
	start_writes(d, "away", SEC);
	stores_crash_postgres(sqlbed.stores);
	for (int i = 0; i < WRITES; i++) {
		op_wait(&d[i]);
		assert_int_equal(d[i].status, ST_UNAVAILABLE);
		assert_string_equal(d[i].reason, "OUTCOME_UNKNOWN");
		assert_true(d[i].took_us < SEC);
		done_free(&d[i]);
	}
	stores_start_postgres(sqlbed.stores);
	bed_until(store_is_up, NULL, 3 * SEC);
}

static void
on_bell(void *ctx, const char *node, const Mf__Event *e)
{
	(void)node, (void)e;
	(*(unsigned *)ctx)++;
}

static bool
has_rung(void *ctx)
{
	return *(unsigned *)ctx > 0;
}

/* What was out when it went may be in the log, and who asked for it may not wait any more. */
static void
the_bell_of_the_log_rings_when_the_server_is_back(void **unused)
{
	static unsigned rings;

	(void)unused;
	bed_create(new_id(), "{\"title\":\"x\"}");
	bus_subscribe(sqlbed.bus, "sql", "task", on_bell, NULL, &rings);
	stores_kill_postgres(sqlbed.stores);
	bed_until(store_is_down, NULL, 5 * SEC);
	bed_pass(50 * MS);
	rings = 0;
	stores_start_postgres(sqlbed.stores);
	bed_until(has_rung, &rings, 5 * SEC);
	assert_false(sql_store_down());
}

static void
a_server_that_hangs_is_told_quickly_and_its_writes_are_done_once(void **unused)
{
	static struct done d[WRITES];
	struct done refused;

	(void)unused;
	start_writes(d, "hung", 14 * SEC);
	bed_until(store_is_down, NULL, 8 * SEC);
	refused = op_run(OP(READ_ONE, .id = S(new_id())));
	assert_int_equal(refused.status, ST_UNAVAILABLE);
	assert_string_equal(refused.reason, "STORE_DOWN");
	assert_true(refused.took_us < SEC);
	stores_pause_postgres(sqlbed.stores, false);
	assert_writes_done(d, "hung");
}

static void
writes_under_fire_are_each_done_exactly_once(void **unused)
{
	static struct done d[400];
	static char ids[400][UUID_LEN];
	int ok = 0;

	(void)unused;
	for (int i = 0; i < 400; i++) {
		uuid7(ids[i]);
		op_start(&d[i],
		    OP(CREATE, .id = ids[i], .namespace_ = S("fire"),
			.data = DATA("{\"title\":\"z\"}")),
		    12 * SEC);
		bed_pass(50);
		if (i == 200) {
			stores_crash_postgres(sqlbed.stores);
			bed_pass(20 * MS);
			stores_start_postgres(sqlbed.stores);
			bed_until(store_is_up, NULL, 3 * SEC);
		}
	}
	for (int i = 0; i < 400; i++) {
		op_wait(&d[i]);
		assert_true(d[i].status == ST_OK || d[i].status == ST_UNAVAILABLE);
		ok += d[i].status == ST_OK;
		done_free(&d[i]);
	}
	assert_true(ok > 300);
	assert_in_range(bed_count("select count(*) from tasks where namespace='fire'"), ok, 400);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dead_server_is_told_at_once_and_found_again),
		cmocka_unit_test(calls_of_a_fresh_process_wait_for_its_first_log_in),
		cmocka_unit_test(a_call_of_a_fresh_process_does_not_wait_for_ever),
		cmocka_unit_test_teardown(
		    a_commit_whose_answer_was_lost_is_found_when_the_server_is_back,
		    without_a_standby),
		cmocka_unit_test(a_write_that_the_server_lost_is_done_when_it_is_back),
		cmocka_unit_test(
		    a_server_that_stays_away_leaves_a_write_with_a_clear_answer_before_its_deadline),
		cmocka_unit_test(the_bell_of_the_log_rings_when_the_server_is_back),
		cmocka_unit_test(a_server_that_hangs_is_told_quickly_and_its_writes_are_done_once),
		cmocka_unit_test(writes_under_fire_are_each_done_exactly_once),
	};

	return cmocka_run_group_tests(tests, sqlbed_start, sqlbed_stop);
}
