/* sql_traces: traces are bounded in bytes: the oldest days go, then only failed requests are stored,
 * then none, and what is not stored is never said to be. */
#include <stdio.h>
#include <string.h>
#include "base/id.h"
#include "base/metrics.h"
#include "base/time.h"
#include "database/sql/store.h"
#include "harness/sqlbed.h"
#include "proto/trace.pb-c.h"

#define BOUND   (8 << 20)
#define TODAY   "date_trunc('day',now() AT TIME ZONE 'UTC')"
#define RECORDS 64
#define RECORD  (8u << 10)

/* --- what there is --- */

static void
make_day(int day)
{
	char text[700];

	snprintf(text, sizeof(text),
	    "DO \\$\\$ DECLARE d timestamp := " TODAY "+%d*interval '1 day'; BEGIN"
	    " EXECUTE format('CREATE TABLE %%I (LIKE traces INCLUDING ALL)', mf_traces_name(d));"
	    " EXECUTE format('ALTER TABLE traces ATTACH PARTITION %%I FOR VALUES FROM (%%L) TO"
	    " (%%L)', mf_traces_name(d), mf_uuid_at(d AT TIME ZONE 'UTC'),"
	    " mf_uuid_at((d+interval '1 day') AT TIME ZONE 'UTC')); END \\$\\$; SELECT 1",
	    day);
	(void)bed_count(text);
}

/* So many rows of half a MiB each that does not get smaller when it is compressed. */
static void
fill_day(int day, int rows)
{
	char text[700];

	snprintf(text, sizeof(text),
	    "WITH x AS MATERIALIZED (SELECT decode(string_agg(md5(random()::text),''),'hex') AS"
	    " noise FROM generate_series(1,32768)) INSERT INTO traces SELECT"
	    " mf_uuid_at(at AT TIME ZONE 'UTC'),repeat('f',32),at AT TIME ZONE 'UTC',1,false,"
	    "'{api}','GET','/v1/filled',noise FROM x,(SELECT clock_timestamp() AT TIME ZONE 'UTC'"
	    "-(clock_timestamp() AT TIME ZONE 'UTC'-" TODAY ")*random()+%d*interval '1 day' AS at"
	    " FROM generate_series(1,%d)) t; SELECT 1",
	    day, rows);
	(void)bed_count(text);
}

static bool
is_there(int day)
{
	char text[200];

	snprintf(text, sizeof(text),
	    "SELECT count(to_regclass(mf_traces_name(" TODAY "+%d*interval '1 day')))", day);
	return bed_count(text) == 1;
}

static void
drop_all_days(void)
{
	(void)bed_count("DO \\$\\$ DECLARE p text; BEGIN FOR p IN SELECT inhrelid::regclass FROM"
			" pg_inherits WHERE inhparent='traces'::regclass AND"
			" inhrelid::regclass::text ~ '[0-9]\\$' LOOP EXECUTE 'DROP TABLE '||p; END"
			" LOOP; END \\$\\$; TRUNCATE traces; SELECT 1");
}

/* --- what is stored --- */

struct keeping {
	struct call *call;
	struct rpc *rpc;
	bool ended;
	enum status status;
	uint32_t refused;
};

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct keeping *k = ctx;

	(void)c;
	k->status = end->failure != NULL ? end->failure->status : ST_OK;
	k->ended = true;
}

static void
on_kept(const Mf__TraceKept *m, void *ctx)
{
	struct keeping *k = ctx;

	if (m == NULL) {
		call_fail_with(k->call, rpc_failure(k->rpc));
		return;
	}
	k->refused = m->refused;
	call_reply(k->call, &m->base);
}

static bool
has_ended(void *ctx)
{
	return ((struct keeping *)ctx)->ended;
}

static ProtobufCBinaryData
record(unsigned number, bool failed)
{
	static uint8_t bytes[RECORDS][RECORD + 256];
	static char name[RECORD];
	char id[UUID_LEN], trace[33];
	Mf__Trace m = MF__TRACE__INIT;

	uuid7(id);
	snprintf(trace, sizeof(trace), "%032x", number);
	memset(name, 'n', sizeof(name) - 1);
	m.id = id;
	m.trace_id = trace;
	m.at = (uint64_t)time_wall_us();
	m.entry = S("api");
	m.name = name;
	m.http_method = S("GET");
	m.route = S("/v1/tasks");
	m.failed = failed;
	return (ProtobufCBinaryData){ mf__trace__pack(&m, bytes[number % RECORDS]),
		bytes[number % RECORDS] };
}

/* Stores so many, failed or not; answers how many were refused. */
static uint32_t
keep_blind(unsigned failed, unsigned fine)
{
	static unsigned number;
	ProtobufCBinaryData items[RECORDS];
	Mf__TraceBatch q = MF__TRACE_BATCH__INIT;
	struct keeping k = { 0 };

	q.items = items;
	for (; q.n_items < failed + fine; q.n_items++)
		items[q.n_items] = record(number++, q.n_items < failed);
	k.call = call_root(sqlbed.bus,
	    &(const struct call_opts){ .limit_us = 5 * SEC, .done = on_end, .ctx = &k });
	k.rpc = rpc_new(
	    k.call, sqlbed.target, &(const struct rpc_opts){ .limit_us = 5 * SEC, .once = true });
	mf__sql__keep_traces(&k.rpc->service, &q, on_kept, &k);
	bed_until(has_ended, &k, 10 * SEC);
	assert_int_equal(k.status, ST_OK);
	return k.refused;
}

/* All others are there. */
static uint32_t
keep(unsigned failed, unsigned fine)
{
	uint64_t before = bed_count("SELECT count(*) FROM traces WHERE route='/v1/tasks'");
	uint32_t refused = keep_blind(failed, fine);

	assert_int_equal(bed_count("SELECT count(*) FROM traces WHERE route='/v1/tasks'"),
	    before + failed + fine - refused);
	return refused;
}

static struct metric *
refused_of(const char *status)
{
	static const char *const labels[] = { "status", NULL };

	return metric_get(
	    metric_family(METRIC_COUNTER, "metafed_sql_traces_refused_total",
		"Traces that were not stored for want of room (trace_store_max).", labels),
	    &status);
}

/* --- upkeep's turn --- */

static struct metric *
bytes(void)
{
	return metric_simple(METRIC_GAUGE, "metafed_sql_traces_bytes",
	    "Bytes on disk of the stored traces and their indexes, as last measured.");
}

/* Of what a round looks at last. */
static struct metric *
last_late(void)
{
	static const char *const labels[] = { "table", NULL };
	const char *const events = "events";

	return metric_get(
	    metric_family(METRIC_GAUGE, "metafed_sql_upkeep_backlog_seconds",
		"How long ago the oldest row should have been thrown away; 0: none is left.",
		labels),
	    &events);
}

static bool
is_over(void *ctx)
{
	(void)ctx;
	return last_late()->value == 0;
}

/* A round, to its end: nothing of it is under way afterwards. */
static void
upkeep_turn(void)
{
	metric_set(last_late(), -1);
	upkeep_start(0);
	bed_until(is_over, NULL, 20 * SEC);
	upkeep_stop();
}

static int
begin(void **state)
{
	sqlbed.config.trace_store_max = BOUND;
	sqlbed.config.trace_keep_us = 30 * 86400 * SEC;
	drop_all_days();
	bed_open_anew();
	upkeep_turn();
	return test_log_mark(state);
}

#define B(f) cmocka_unit_test_setup_teardown(f, begin, test_log_check)

static void
days_beyond_the_bound_go_whole_the_oldest_first(void **unused)
{
	struct metric *dropped = metric_simple(METRIC_COUNTER,
	    "metafed_sql_partitions_dropped_total",
	    "Partitions of the log and of the traces that were dropped after their time, or for "
	    "want of room (trace_store_max).");
	double before = dropped->value;

	(void)unused;
	for (int day = -3; day < 0; day++)
		make_day(day);
	for (int day = -3; day <= 0; day++)
		fill_day(day, 6); /* 3 MiB each: there is room for two */
	assert_int_equal(bed_count("SELECT count(*) FROM traces"), 24);
	upkeep_turn();
	assert_false(is_there(-3));
	assert_false(is_there(-2));
	assert_true(is_there(-1) && is_there(0) && is_there(1));
	assert_int_equal(bed_count("SELECT count(*) FROM traces"), 12);
	assert_true(dropped->value == before + 2);
	assert_true(bytes()->value == (double)bed_count("SELECT mf_traces_bytes()"));
	assert_true(bytes()->value <= BOUND);
	assert_int_equal(keep(1, 1), 0);
}

static void
without_a_bound_they_go_by_their_age_alone(void **unused)
{
	(void)unused;
	sqlbed.config.trace_store_max = 0;
	bed_open_anew();
	make_day(-1);
	fill_day(-1, 20);
	fill_day(0, 20);
	upkeep_turn();
	assert_true(is_there(-1));
	assert_int_equal(keep(1, 1), 0);
}

static void
a_day_that_fills_all_leaves_room_for_failed_ones_then_for_none_until_it_is_over(void **unused)
{
	double error = refused_of("error")->value, ok = refused_of("ok")->value;

	(void)unused;
	make_day(-1);
	fill_day(0, 17); /* 8.5 MiB */
	test_expect_log(LOG_WARN, 2);
	upkeep_turn();
	assert_false(is_there(-1));
	assert_true(is_there(0) && is_there(1));
	assert_true(bytes()->value > BOUND);
	assert_int_equal(keep(3, 2), 2);
	assert_int_equal(keep(0, 5), 5);
	assert_int_equal(
	    bed_count("SELECT count(*) FROM traces WHERE route='/v1/tasks' AND failed"), 3);
	upkeep_turn(); /* it stays so, and is not said again */
	assert_int_equal(keep(1, 1), 1);
	fill_day(0, 4); /* 10.5 */
	upkeep_turn();
	assert_int_equal(keep(3, 2), 5);
	assert_true(refused_of("error")->value == error + 3);
	assert_true(refused_of("ok")->value == ok + 10);
	/* the day is over: what was today's is yesterday's */
	assert_int_equal(bed_count("SELECT count(*) FROM traces WHERE route='/v1/filled'"), 21);
	(void)bed_count("TRUNCATE traces; SELECT 1");
	make_day(-1);
	fill_day(-1, 21);
	upkeep_turn();
	assert_false(is_there(-1));
	assert_int_equal(keep(3, 2), 0);
	assert_true(refused_of("error")->value + refused_of("ok")->value == error + ok + 13);
}

/* As a stand-in, which has no upkeep; or a minute in which very much comes. */
static void
who_stores_measures_as_well(void **unused)
{
	(void)unused;
	bed_open_anew();
	assert_int_equal(keep(1, 1), 0); /* measured */
	fill_day(0, 17);
	assert_int_equal(keep(1, 1), 0);       /* not again for so little */
	assert_int_equal(keep(0, RECORDS), 0); /* more than a thirty-second part */
	assert_int_equal(keep(1, 1), 0);       /* upkeep may make room yet */
	fill_day(0, 4);
	assert_int_equal(keep(0, RECORDS), 0);
	test_expect_log(LOG_WARN, 1);
	assert_int_equal(keep(1, 1), 2);
	bed_open_anew();
	test_expect_log(LOG_WARN, 1); /* another process begins with measuring */
	assert_int_equal(keep(1, 1), 2);
}

static void
who_holds_another_day_keeps_none_from_being_stored(void **unused)
{
	FILE *f;

	(void)unused;
	make_day(-1);
	bed_open_anew();
	f = bed_psql(
	    "SELECT pg_current_xact_id(); SELECT mf_traces_name(" TODAY
	    "-interval '1 day') AS t \\gset\nLOCK TABLE ONLY :t IN ACCESS EXCLUSIVE MODE;");
	bed_pass(100 * MS);
	assert_int_equal(keep_blind(1, 1), 0);
	bed_psql_commit(f);
	assert_int_equal(bed_count("SELECT count(*) FROM traces WHERE route='/v1/tasks'"), 2);
}

static void
upkeep_gets_its_turn_before_any_is_refused_but_no_more_than_that(void **unused)
{
	static const struct {
		enum traces_stored was;
		int64_t bytes, over_for_us;
		bool trimmed;
		enum traces_stored is;
	} cases[] = {
		{ TRACES_ALL, 100, -1, true, TRACES_ALL },
		{ TRACES_ALL, 101, 0, true, TRACES_FAILED },
		{ TRACES_ALL, 101, 0, false, TRACES_ALL },
		{ TRACES_ALL, 125, 69 * SEC, false, TRACES_ALL },
		{ TRACES_ALL, 125, 70 * SEC, false,
		    TRACES_FAILED }, /* it cannot drop it, or is away */
		{ TRACES_ALL, 126, 0, false, TRACES_NONE },
		{ TRACES_FAILED, 101, 1 * SEC, false, TRACES_FAILED },
		{ TRACES_FAILED, 126, 1 * SEC, false, TRACES_NONE },
		{ TRACES_NONE, 125, 1 * SEC, false, TRACES_FAILED },
		{ TRACES_NONE, 100, -1, false, TRACES_ALL },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(traces_room_decide(cases[i].was, cases[i].bytes, 100,
				     cases[i].over_for_us, cases[i].trimmed),
		    cases[i].is);
}

/* There a day's rows are when no partition was made for it in time. */
static void
the_default_partition_has_its_turn_by_its_newest_row(void **unused)
{
	(void)unused;
	make_day(-3);
	make_day(-1);
	fill_day(-3, 6);
	fill_day(-2, 6); /* to the default one */
	fill_day(-1, 6);
	upkeep_turn();
	assert_false(is_there(-3));
	assert_int_equal(bed_count("SELECT count(*) FROM traces_default"), 6);
	fill_day(-1, 6);
	upkeep_turn();
	assert_int_equal(bed_count("SELECT count(*) FROM traces_default"), 0);
	assert_true(is_there(-1));
	assert_int_equal(bed_count("SELECT count(*) FROM traces"), 12);
}

static void
the_default_partition_is_todays_when_today_is_in_it(void **unused)
{
	(void)unused;
	drop_all_days();
	fill_day(0, 21);
	test_expect_log(LOG_WARN, 1);
	upkeep_turn();
	assert_int_equal(bed_count("SELECT count(*) FROM traces_default"), 21);
	assert_false(is_there(0));
	assert_int_equal(keep(1, 1), 2);
	/* the day is over */
	(void)bed_count("TRUNCATE traces_default; SELECT 1");
	fill_day(-1, 21);
	assert_int_equal(bed_count("SELECT count(*) FROM traces_default"), 21);
	upkeep_turn();
	assert_int_equal(bed_count("SELECT count(*) FROM traces_default"), 0);
	assert_int_equal(keep(1, 1), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		B(days_beyond_the_bound_go_whole_the_oldest_first),
		B(without_a_bound_they_go_by_their_age_alone),
		B(a_day_that_fills_all_leaves_room_for_failed_ones_then_for_none_until_it_is_over),
		B(who_stores_measures_as_well),
		B(who_holds_another_day_keeps_none_from_being_stored),
		B(upkeep_gets_its_turn_before_any_is_refused_but_no_more_than_that),
		B(the_default_partition_has_its_turn_by_its_newest_row),
		B(the_default_partition_is_todays_when_today_is_in_it),
	};

	return cmocka_run_group_tests(tests, sqlbed_start, sqlbed_stop);
}
