/* sql_storm: 64 creates in flight all the time, while PostgreSQL has trouble: nothing acknowledged is
 * lost, no answer takes longer than its deadline, and when the trouble is over the rate is what it
 * was, by the machine's own pace. It runs alone (ALONE in tests.mk): a rate says nothing beside tests
 * that come and go. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/time.h"
#include "harness/sqlbed.h"

#define IN_FLIGHT 64
#define LIMIT_US  (5 * SEC)
#define WINDOW_US (300 * MS)
#define WINDOWS   5
#define RETURN_US (30 * SEC)
#define PACE_US   (20 * MS)

static struct {
	struct done slots[IN_FLIGHT];
	char ids[IN_FLIGHT][UUID_LEN];
	unsigned long ok, unavailable, other;
	int64_t slowest_us;
	FILE *acknowledged;
	char path[300];
} storm;

static void
issue(int i)
{
	uuid7(storm.ids[i]);
	op_start(&storm.slots[i],
	    OP(CREATE, .id = storm.ids[i], .namespace_ = S("storm"),
		.data = DATA("{\"title\":\"s\"}")),
	    LIMIT_US);
}

static void
take(int i)
{
	struct done *d = &storm.slots[i];

	if (d->status == ST_OK) {
		storm.ok++;
		fprintf(storm.acknowledged, "%s\n", storm.ids[i]);
	} else if (d->status == ST_UNAVAILABLE) {
		storm.unavailable++;
	} else {
		storm.other++;
		printf("%s\n", d->message);
	}
	if (d->took_us > storm.slowest_us)
		storm.slowest_us = d->took_us;
	done_free(d);
}

/* Waits for what is in flight. */
static void
calm(void)
{
	for (int i = 0; i < IN_FLIGHT; i++)
		if (storm.slots[i].call != NULL) {
			op_wait(&storm.slots[i]);
			take(i);
		}
}

static int
storm_begin(void **state)
{
	(void)state;
	memset(&storm, 0, sizeof(storm));
	snprintf(storm.path, sizeof(storm.path), "%s/acknowledged", test_dir());
	storm.acknowledged = fopen(storm.path, "w");
	return storm.acknowledged == NULL ? -1 : 0;
}

/* What a test that failed left behind is not the next one's. */
static int
storm_end(void **state)
{
	(void)state;
	calm();
	if (storm.acknowledged != NULL)
		fclose(storm.acknowledged);
	(void)bed_count("DROP TABLE IF EXISTS acknowledged");
	(void)bed_count("TRUNCATE tasks");
	return 0;
}

/* Acknowledged per second meanwhile. */
static double
blow(int64_t us)
{
	int64_t began = time_now_us();
	unsigned long before = storm.ok;

	while (time_now_us() - began < us) {
		for (int i = 0; i < IN_FLIGHT; i++) {
			if (storm.slots[i].ended)
				take(i);
			if (storm.slots[i].call == NULL)
				issue(i);
		}
		bed_pass(MS);
	}
	return (double)(storm.ok - before) * 1e6 / (double)(time_now_us() - began);
}

static int
by_value(const void *x, const void *y)
{
	const double *a = x, *c = y;

	return *a < *c ? -1 : *a > *c;
}

/* What the machine has done of something else in PACE_US: it is not always as fast. */
static double
pace(void)
{
	int64_t end = time_now_us() + PACE_US;
	volatile uint32_t x = 1;
	double n = 0;

	for (; time_now_us() < end; n++)
		for (int i = 0; i < 100; i++)
			x = x * 1664525 + 1013904223;
	return n;
}

/* Acknowledged in a window, by the machine's pace before and after it. */
static double
rate(void)
{
	double before = pace(), acknowledged = blow(WINDOW_US);

	return 2 * acknowledged / (before + pace());
}

static double
usual_rate(void)
{
	double r[WINDOWS];

	(void)blow(WINDOW_US);
	for (int i = 0; i < WINDOWS; i++)
		r[i] = rate();
	qsort(r, WINDOWS, sizeof(r[0]), by_value);
	return r[WINDOWS / 2];
}

static void
assert_returns_to(double usual)
{
	int64_t limit = time_now_us() + RETURN_US;

	while (rate() < 0.95 * usual)
		if (time_now_us() > limit)
			fail_msg(
			    "the rate does not come back to %.3f of the machine's pace", usual);
}

static void
assert_nothing_is_lost(void)
{
	char text[600];

	calm();
	fclose(storm.acknowledged);
	storm.acknowledged = NULL;
	(void)bed_count("CREATE TABLE acknowledged (id uuid)");
	snprintf(text, sizeof(text), "psql -qX '%s' -c \"\\copy acknowledged from '%s'\"",
	    stores_conninfo(sqlbed.stores), storm.path);
	assert_int_equal(system(text), 0);
	assert_int_equal(bed_count("SELECT count(*) FROM acknowledged"), storm.ok);
	assert_int_equal(
	    bed_count("SELECT count(*) FROM acknowledged a LEFT JOIN tasks t USING (id)"
		      " WHERE t.id IS NULL"),
	    0);
	assert_in_range(bed_count("SELECT count(*) FROM tasks WHERE namespace='storm'"), storm.ok,
	    storm.ok + storm.unavailable);
	assert_int_equal(storm.other, 0);
	assert_true(storm.slowest_us < LIMIT_US + SEC);
}

static void
killed_back_ends_lose_nothing(void **unused)
{
	double usual;

	(void)unused;
	usual = usual_rate();
	for (int i = 0; i < 15; i++) {
		(void)bed_count(
		    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE"
		    " application_name='metafed-sql' AND random() < 0.7");
		(void)blow(100 * MS);
	}
	assert_returns_to(usual);
	assert_nothing_is_lost();
}

static void
a_restart_under_load_is_waited_for(void **unused)
{
	double usual;

	(void)unused;
	usual = usual_rate();
	stores_stop_postgres(sqlbed.stores);
	stores_start_postgres(sqlbed.stores);
	assert_returns_to(usual);
	assert_nothing_is_lost();
}

/* One with an old snapshot, one that works hard; neither holds a write up. */
static void
long_readers_hold_no_write_up(void **unused)
{
	FILE *old, *busy;
	char cmd[300];

	(void)unused;
	(void)usual_rate();
	snprintf(
	    cmd, sizeof(cmd), "psql -qAtX '%s' >/dev/null 2>&1", stores_conninfo(sqlbed.stores));
	old = popen(cmd, "w");
	busy = popen(cmd, "w");
	assert_true(old != NULL && busy != NULL);
	fprintf(old, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM tasks;\n");
	fprintf(busy, "SET statement_timeout='3s'; SELECT count(*) FROM generate_series(1,1e9);\n");
	fflush(old);
	fflush(busy);
	(void)blow(2 * SEC);
	assert_int_equal(storm.unavailable, 0);
	assert_true(storm.slowest_us < 3 * SEC);
	pclose(old);
	pclose(busy);
	assert_nothing_is_lost();
}

/* Rows of ours that a forgotten session holds: who wants them is told in time, the others go on. */
static void
a_forgotten_transaction_holds_up_only_who_wants_its_rows(void **unused)
{
	struct done held[8];
	const char *ids[8];
	unsigned long before;
	FILE *f;

	(void)unused;
	for (int i = 0; i < 8; i++) {
		ids[i] = new_id();
		bed_create(ids[i], "{\"title\":\"hot\"}");
	}
	f = bed_psql(
	    "SELECT pg_current_xact_id(); SELECT FROM tasks WHERE title='hot' FOR UPDATE;");
	for (int i = 0; i < 8; i++)
		op_start(&held[i],
		    OP(UPDATE, .id = S(ids[i]), .data = DATA("{\"title\":\"changed\"}"),
			.operation_id = S(new_id())),
		    3 * SEC);
	before = storm.ok;
	(void)blow(4 * SEC);
	assert_true(storm.ok > before + 200);
	for (int i = 0; i < 8; i++) {
		op_wait(&held[i]);
		assert_true(held[i].status == ST_ABORTED || held[i].status == ST_DEADLINE_EXCEEDED);
		assert_true(held[i].took_us < 4 * SEC);
		done_free(&held[i]);
	}
	bed_psql_commit(f);
	held[0] = op_run(OP(UPDATE, .id = S(ids[0]), .data = DATA("{\"title\":\"changed\"}")));
	assert_int_equal(held[0].status, ST_OK);
	assert_string_equal(done_str(&held[0], "title"), "changed");
	done_free(&held[0]);
	assert_nothing_is_lost();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    killed_back_ends_lose_nothing, storm_begin, storm_end),
		cmocka_unit_test_setup_teardown(
		    a_restart_under_load_is_waited_for, storm_begin, storm_end),
		cmocka_unit_test_setup_teardown(
		    long_readers_hold_no_write_up, storm_begin, storm_end),
		cmocka_unit_test_setup_teardown(
		    a_forgotten_transaction_holds_up_only_who_wants_its_rows, storm_begin,
		    storm_end),
	};

	return cmocka_run_group_tests(tests, sqlbed_start, sqlbed_stop);
}
