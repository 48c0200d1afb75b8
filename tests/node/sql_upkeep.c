/* sql_upkeep: a day's rows are thrown away under a small statement_timeout while writes go on. */
#include <stdio.h>
#include <string.h>
#include "base/id.h"
#include "base/metrics.h"
#include "base/time.h"
#include "database/sql/store.h"
#include "harness/sqlbed.h"

#define OLD     "now()-interval '25 hours'"
#define BACKLOG 100000

/* By index of `backlog`: as rows of that age would be, none of them analysed. */
static const char *const backlog[] = {
	"INSERT INTO operations (op_id,model,row_id,result,at) SELECT 'old/'||i,'task',i,"
	"'{\\\"title\\\":\\\"x\\\"}'," OLD "+i*interval '10 ms' FROM generate_series(1,60000) i",
	"INSERT INTO deleted (row_id,model,at) SELECT gen_random_uuid(),'task'," OLD
	" FROM generate_series(1,9000)",
	"INSERT INTO sessions (id,user_id,expires_at,created_at,updated_at) SELECT "
	"gen_random_uuid(),gen_random_uuid()," OLD "," OLD "," OLD " FROM generate_series(1,1000)",
	"INSERT INTO idempotency (id,fingerprint,operation_id,claimed_until,created_at,updated_at) "
	"SELECT gen_random_uuid(),'x',gen_random_uuid(),0," OLD "," OLD
	" FROM generate_series(1,9000)",
	"INSERT INTO revocations (id,kind,value,expires_at,created_at,updated_at) SELECT "
	"gen_random_uuid(),'session',i," OLD "," OLD "," OLD " FROM generate_series(1,1000) i",
	"INSERT INTO events (at,kind,namespace,task_id,version,state,type,priority) SELECT " OLD
	",'task.created','old',gen_random_uuid(),1,'QUEUED','x',3 FROM generate_series(1,20000)",
};
#define SESSIONS 2

static uint64_t
left_over(void)
{
	return bed_count(
	    "SELECT (SELECT count(*) FROM operations WHERE at < now()-interval '1 day')"
	    "+(SELECT count(*) FROM deleted WHERE at < now()-interval '1 day')"
	    "+(SELECT count(*) FROM sessions WHERE expires_at < now())"
	    "+(SELECT count(*) FROM revocations)"
	    "+(SELECT count(*) FROM idempotency)"
	    "+(SELECT count(*) FROM events WHERE namespace='old')");
}

struct sums {
	double rows, late;
};

static void
on_metric(void *ctx, enum metric_kind kind, const char *name, const char *help, size_t n,
    const char *const *names, const char *const *values, const struct metric *m)
{
	struct sums *s = ctx;

	(void)kind, (void)help, (void)n, (void)names, (void)values;
	if (strcmp(name, "metafed_sql_upkeep_rows_total") == 0)
		s->rows += m->value;
	if (strcmp(name, "metafed_sql_upkeep_backlog_seconds") == 0)
		s->late += m->value;
}

static struct sums
metrics(void)
{
	struct sums s = { 0 };

	metric_each(on_metric, &s);
	return s;
}

static void
open_with_timeout(int64_t us)
{
	sqlbed.config.pg_statement_timeout_us = us;
	bed_open_anew();
}

static bool
no_row_is_late(void *ctx)
{
	(void)ctx;
	return metrics().late == 0;
}

/* A process that begins its round, and ends when nothing is left. */
static void
upkeep_until_gone(void)
{
	int64_t end = time_now_us() + 20 * SEC;

	upkeep_start(0);
	while (left_over() > 0) {
		assert_true(time_now_us() < end);
		bed_pass(20 * MS);
	}
	bed_open_anew();
}

static void
a_backlog_is_thrown_away_in_slices_while_writes_go_on(void **unused)
{
	struct sums before = metrics(), now;
	int64_t end = time_now_us() + 60 * SEC;
	unsigned written = 0;
	bool was_late = false;
	struct done d;

	(void)unused;
	for (size_t i = 0; i < sizeof(backlog) / sizeof(backlog[0]); i++)
		(void)bed_count(backlog[i]);
	assert_int_equal(left_over(), BACKLOG);
	open_with_timeout(150 * MS);
	upkeep_start(0);
	do {
		d = op_run(OP(CREATE, .id = S(new_id()), .data = DATA("{\"title\":\"x\"}")));
		if (d.status != ST_DEADLINE_EXCEEDED) /* the timeout is that small */
			assert_int_equal(d.status, ST_OK);
		written += d.status == ST_OK;
		done_free(&d);
		now = metrics();
		was_late = was_late || now.late > 3000;
	} while (now.rows - before.rows < BACKLOG && time_now_us() < end);
	assert_int_equal(left_over(), 0);
	assert_true(was_late);
	bed_until(no_row_is_late, NULL, 10 * SEC);
	assert_true(metrics().rows - before.rows == BACKLOG);
	assert_int_equal(bed_count("SELECT count(*) FROM events"), written);
	open_with_timeout(5 * SEC);
}

static void
one_process_at_a_time_does_it(void **unused)
{
	struct sums before;
	FILE *f;

	(void)unused;
	(void)bed_count(backlog[SESSIONS]);
	f = bed_psql("SELECT pg_current_xact_id(),pg_advisory_xact_lock(7738135562846292);");
	before = metrics();
	upkeep_start(0);
	bed_pass(300 * MS);
	assert_true(metrics().rows == before.rows);
	assert_int_equal(left_over(), 1000);
	bed_psql_commit(f);
	bed_open_anew();
	upkeep_until_gone();
}

static void
a_row_that_is_changed_meanwhile_is_judged_by_what_it_is_then(void **unused)
{
	FILE *f;

	(void)unused;
	(void)bed_count(backlog[2]);
	f = bed_psql("UPDATE sessions SET expires_at=now()+interval '1 day' WHERE id=(SELECT id "
		     "FROM sessions ORDER BY expires_at LIMIT 1);");
	upkeep_start(0);
	while (bed_count("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type='Lock'") == 0)
		bed_pass(MS);
	bed_psql_commit(f);
	bed_open_anew();
	upkeep_until_gone();
	assert_int_equal(bed_count("SELECT count(*) FROM sessions"), 1);
	(void)bed_count("DELETE FROM sessions");
}

/* What a transaction that has not ended yet has to say comes before what others said later. */
static void
the_log_keeps_what_stands_behind_a_transaction_under_way(void **unused)
{
	FILE *f;

	(void)unused;
	(void)bed_count("TRUNCATE events");
	f = bed_psql("SELECT pg_current_xact_id();");
	(void)bed_count("INSERT INTO events (at,kind,namespace,task_id,version,state,type,priority)"
			" SELECT " OLD ",'task.created','old',gen_random_uuid(),1,'QUEUED','x',3 "
			"FROM generate_series(1,10)");
	bed_create(new_id(), "{\"title\":\"kept\"}");
	upkeep_start(0);
	bed_pass(300 * MS);
	assert_int_equal(bed_count("SELECT count(*) FROM events"), 11);
	bed_psql_commit(f);
	bed_open_anew();
	upkeep_until_gone();
	assert_int_equal(bed_count("SELECT count(*) FROM events WHERE namespace='default'"), 1);
	assert_int_equal(
	    bed_count("SELECT count(*) FROM events e, events_gone g WHERE (e.xid,e.seq)"
		      ">(g.xid,g.seq)"),
	    1);
}

static uint64_t
partitions(const char *condition)
{
	char text[300];

	snprintf(text, sizeof(text),
	    "SELECT count(*) FROM pg_class c JOIN pg_inherits i ON c.oid=i.inhrelid"
	    " WHERE i.inhparent='events'::regclass AND c.relname ~ '^events_until_' AND %s",
	    condition);
	return bed_count(text);
}

static bool
is_dropped(void *ctx)
{
	(void)ctx;
	return partitions("c.relname < 'events_until_2021'") == 0;
}

/* Of a day that is long past, with rows of transactions that are over. */
static void
a_partition_goes_whole_a_day_after_its_end(void **unused)
{
	FILE *f;

	(void)unused;
	assert_in_range(partitions("true"), 2, 3);
	(void)bed_count(
	    "CREATE TABLE events_until_2020010106 (LIKE events INCLUDING ALL);"
	    " ALTER TABLE events ATTACH PARTITION events_until_2020010106"
	    " FOR VALUES FROM ('2020-01-01 00:00Z') TO ('2020-01-01 06:00Z');"
	    " INSERT INTO events (at,kind,namespace,task_id,version,state,type,priority)"
	    " SELECT '2020-01-01 03:00Z','task.created','old',gen_random_uuid(),1,"
	    "'QUEUED','x',3 FROM generate_series(1,1000); SELECT 1");
	bed_create(new_id(), "{\"title\":\"after\"}");
	/* a reader holds the log: upkeep waits for it, and writes don't wait for upkeep for long */
	f = bed_psql("SELECT pg_current_xact_id(); LOCK TABLE events_until_2020010106 IN ACCESS"
		     " SHARE MODE; SELECT count(*) FROM events;");
	upkeep_start(0);
	for (int i = 0; i < 20; i++)
		bed_create(new_id(), "{\"title\":\"meanwhile\"}");
	assert_false(is_dropped(NULL));
	bed_psql_commit(f);
	bed_until(is_dropped, NULL, 20 * SEC);
	bed_open_anew();
	assert_int_equal(bed_count("SELECT count(*) FROM events WHERE namespace='old'"), 0);
	/* who has not read that far is told, and reads what came after it */
	assert_int_equal(bed_count("SELECT count(*) FROM events e, events_gone g WHERE"
				   " (e.xid,e.seq)>(g.xid,g.seq)"),
	    21);
}

static bool
nothing_is_left_over(void *ctx)
{
	(void)ctx;
	return left_over() == 0;
}

static void
who_holds_the_log_holds_up_nothing_else(void **unused)
{
	FILE *f;

	(void)unused;
	(void)bed_count("CREATE TABLE events_until_2020010106 (LIKE events INCLUDING ALL);"
			" ALTER TABLE events ATTACH PARTITION events_until_2020010106"
			" FOR VALUES FROM ('2020-01-01 00:00Z') TO ('2020-01-01 06:00Z');"
			" SELECT 1");
	f = bed_psql("SELECT pg_current_xact_id(); SELECT count(*) FROM events;");
	(void)bed_count("INSERT INTO deleted (row_id,model,at) SELECT gen_random_uuid(),'task'," OLD
			" FROM generate_series(1,10); SELECT 1");
	upkeep_start(0);
	bed_until(nothing_is_left_over, NULL, 20 * SEC);
	assert_false(is_dropped(NULL));
	bed_psql_commit(f);
	bed_open_anew();
}

static bool
is_made(void *ctx)
{
	(void)ctx;
	return partitions("c.relname > mf_events_name(now())") == 3;
}

static void
partitions_are_made_ahead_and_the_default_one_takes_what_has_none(void **unused)
{
	(void)unused;
	(void)bed_count(
	    "DO \\$\\$ DECLARE p text; BEGIN FOR p IN SELECT inhrelid::regclass FROM"
	    " pg_inherits WHERE inhparent='events'::regclass AND inhrelid::regclass::text"
	    " ~ 'until' LOOP EXECUTE 'DROP TABLE '||p; END LOOP; END \\$\\$; SELECT 1");
	bed_create(new_id(), "{\"title\":\"to the default one\"}");
	assert_int_equal(
	    bed_count("SELECT count(*) FROM events_default WHERE namespace='default'"), 1);
	upkeep_start(0);
	bed_pass(300 * MS);
	bed_open_anew();
	/* its time is taken by that row; later ones have theirs */
	assert_int_equal(partitions("c.relname > mf_events_name(now())"), 2);
	(void)bed_count("DELETE FROM events_default");
	upkeep_start(0);
	bed_until(is_made, NULL, 10 * SEC);
	bed_open_anew();
	bed_create(new_id(), "{\"title\":\"to its own\"}");
	assert_int_equal(bed_count("SELECT count(*) FROM events_default"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_backlog_is_thrown_away_in_slices_while_writes_go_on),
		T(one_process_at_a_time_does_it),
		T(a_row_that_is_changed_meanwhile_is_judged_by_what_it_is_then),
		T(the_log_keeps_what_stands_behind_a_transaction_under_way),
		cmocka_unit_test(a_partition_goes_whole_a_day_after_its_end),
		cmocka_unit_test(who_holds_the_log_holds_up_nothing_else),
		T(partitions_are_made_ahead_and_the_default_one_takes_what_has_none),
	};

	return cmocka_run_group_tests(tests, sqlbed_start, sqlbed_stop);
}
