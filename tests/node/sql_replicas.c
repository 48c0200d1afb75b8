/* sql_replicas: reads that may be older go to a real streaming stand-by, as long as its age is known
 * and below the bound; sessions read their writes; a promoted stand-by is the primary's next life. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/metrics.h"
#include "base/time.h"
#include "harness/sqlbed.h"

static char replicas[400], hosts[400];

static void
reopen(void)
{
	bed_open_anew();
}

static int
start(void **state)
{
	if (sqlbed_start(state) != 0)
		return -1;
	stores_start_standby(sqlbed.stores, 0);
	snprintf(replicas, sizeof(replicas), " %s ;", stores_standby(sqlbed.stores, 0));
	sqlbed.config.pg_replicas = replicas;
	reopen();
	return 0;
}

static double
standby_reads(void)
{
	return metric_get(
	    metric_family(METRIC_COUNTER, "metafed_sql_standby_reads_total", "", NULL),
	    &(const char *){ "1" })
	    ->value;
}

/* "select ..." there; a number. */
static uint64_t
standby_count(const char *statement)
{
	char cmd[700], line[80] = "";
	FILE *f;

	snprintf(cmd, sizeof(cmd), "psql -AtX '%s' -c \"%s\"", stores_standby(sqlbed.stores, 0),
	    statement);
	f = popen(cmd, "r");
	assert_non_null(f);
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	assert_int_equal(pclose(f), 0);
	return strtoull(line, NULL, 10);
}

static struct done
read_with(const char *id, const char *consistency, uint32_t max_age_ms, const char *session)
{
	return op_run(OP(READ_ONE, .id = S(id), .consistency = S(consistency),
	    .max_age_ms = max_age_ms, .session = S(session)));
}

/* Reads by the hundred until the stand-by has answered some; each is right. */
static void
until_the_standby_answers(const char *id, const char *consistency, uint32_t max_age_ms,
    const char *session, const char *title)
{
	double before = standby_reads();
	int64_t limit = time_now_us() + 10 * SEC;

	while (standby_reads() < before + 3) {
		struct done d = read_with(id, consistency, max_age_ms, session);

		assert_int_equal(d.status, ST_OK);
		assert_string_equal(done_str(&d, "title"), title);
		assert_true(d.result->age_us <= (uint64_t)max_age_ms * 1000);
		done_free(&d);
		assert_true(time_now_us() < limit);
		bed_pass(10 * MS);
	}
}

static void
reads_that_may_be_older_go_to_a_standby_and_strong_ones_do_not(void **unused)
{
	const char *id = new_id();
	struct done d;
	double before;

	(void)unused;
	bed_create(id, "{\"title\":\"one\"}");
	bed_pass(300 * MS);
	until_the_standby_answers(id, "bounded", 2000, "", "one");
	until_the_standby_answers(id, "eventual", 60000, "", "one");
	before = standby_reads();
	for (int i = 0; i < 20; i++) {
		d = read_with(id, i % 2 == 0 ? "strong" : "", 0, "");
		assert_int_equal(d.status, ST_OK);
		assert_int_equal(d.result->age_us, 0);
		done_free(&d);
	}
	assert_true(standby_reads() == before);
}

static void
a_session_reads_its_writes_however_far_behind_the_standby_is(void **unused)
{
	const char *id = new_id();
	char session[80];
	struct done d;
	double before;

	(void)unused;
	bed_create(id, "{\"title\":\"old\"}");
	bed_pass(300 * MS);
	until_the_standby_answers(id, "eventual", 60000, "", "old");
	standby_count("select 1 from pg_wal_replay_pause()");
	d = op_run(OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"new\"}")));
	assert_int_equal(d.status, ST_OK);
	snprintf(session, sizeof(session), "%s", d.result->session);
	assert_true(strlen(session) > 2);
	done_free(&d);
	before = standby_reads();
	for (int i = 0; i < 30; i++) {
		d = read_with(id, "eventual", 0, session);
		assert_string_equal(done_str(&d, "title"), "new");
		done_free(&d);
		bed_pass(5 * MS);
	}
	assert_true(standby_reads() == before);
	d = read_with(id, "eventual", 0, ""); /* who has no session may see the past */
	assert_string_equal(done_str(&d, "title"), "old");
	assert_true(d.result->age_us > 0);
	done_free(&d);
	standby_count("select 1 from pg_wal_replay_resume()");
	until_the_standby_answers(id, "eventual", 60000, session, "new");
}

static void
a_standby_that_lags_beyond_the_bound_is_left_alone(void **unused)
{
	const char *id = new_id();
	struct done d;

	(void)unused;
	bed_create(id, "{\"title\":\"old\"}");
	bed_pass(300 * MS);
	until_the_standby_answers(id, "bounded", 500, "", "old");
	standby_count("select 1 from pg_wal_replay_pause()");
	d = op_run(OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"new\"}")));
	assert_int_equal(d.status, ST_OK);
	done_free(&d);
	bed_pass(600 * MS);
	for (int i = 0; i < 50; i++) {
		d = read_with(id, "bounded", 500, "");
		assert_string_equal(done_str(&d, "title"), "new");
		done_free(&d);
		bed_pass(5 * MS);
	}
	standby_count("select 1 from pg_wal_replay_resume()");
	until_the_standby_answers(id, "bounded", 500, "", "new");
}

static void
a_standby_that_is_gone_costs_nobody_an_answer(void **unused)
{
	const char *id = new_id();
	struct done d[40];

	(void)unused;
	bed_create(id, "{\"title\":\"here\"}");
	bed_pass(300 * MS);
	until_the_standby_answers(id, "eventual", 60000, "", "here");
	for (int i = 0; i < 40; i++) {
		op_start(&d[i], OP(READ_ONE, .id = S(id), .consistency = S("eventual")), 5 * SEC);
		if (i == 20)
			stores_stop_standby(sqlbed.stores, 0);
	}
	for (int i = 0; i < 40; i++) {
		op_wait(&d[i]);
		assert_int_equal(d[i].status, ST_OK);
		done_free(&d[i]);
	}
	stores_start_standby(sqlbed.stores, 0);
	until_the_standby_answers(id, "eventual", 60000, "", "here");
}

struct shown {
	const char *name;
	double value;
};

static void
look_for(void *ctx, enum metric_kind kind, const char *name, const char *help, size_t n_labels,
    const char *const *names, const char *const *values, const struct metric *m)
{
	struct shown *s = ctx;

	(void)kind, (void)help, (void)n_labels, (void)names, (void)values;
	if (strcmp(name, s->name) == 0)
		s->value = m->value;
}

/* As a scrape: it says what is known, and has it asked again. */
static double
shown(const char *name)
{
	struct shown s = { .name = name };

	metric_each(look_for, &s);
	return s.value;
}

static void
until_shown(const char *name, double least, double most)
{
	int64_t limit = time_now_us() + 10 * SEC;

	for (double v = shown(name); !(v >= least && v <= most); v = shown(name)) {
		assert_true(time_now_us() < limit);
		bed_pass(20 * MS);
	}
}

static void
who_scrapes_sees_the_lag_of_a_standby_grow_and_end(void **unused)
{
	const char *id = new_id();
	struct done d;

	(void)unused;
	bed_create(id, "{\"title\":\"old\"}");
	until_shown("metafed_sql_standby_lag_bytes", 0, 0);
	until_shown("metafed_sql_standby_up", 1, 1);
	standby_count("select 1 from pg_wal_replay_pause()");
	d = op_run(OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"new\"}")));
	assert_int_equal(d.status, ST_OK);
	done_free(&d);
	until_shown("metafed_sql_standby_lag_seconds", 0.3, 60);
	until_shown("metafed_sql_standby_lag_bytes", 1, 1e9);
	standby_count("select 1 from pg_wal_replay_resume()");
	until_shown("metafed_sql_standby_lag_seconds", 0, 0.2);
	until_shown("metafed_sql_standby_lag_bytes", 0, 0);
	stores_stop_standby(sqlbed.stores, 0);
	until_shown("metafed_sql_standby_up", 0, 0);
	assert_true(isnan(shown("metafed_sql_standby_lag_seconds")));
	stores_start_standby(sqlbed.stores, 0);
	until_shown("metafed_sql_standby_up", 1, 1);
}

static void
standby_files(const char *fmt)
{
	char dir[200], cmd[700];

	snprintf(dir, sizeof(dir), "%s/standby0", stores_dir(sqlbed.stores));
	snprintf(cmd, sizeof(cmd), "cd %s && %s", dir, fmt);
	assert_int_equal(system(cmd), 0);
}

/* As one that crashed before its pages were flushed, or was made anew from an older backup, and is slow
 * to catch up. */
static void
a_standby_that_comes_back_with_less_is_not_taken_for_what_it_was(void **unused)
{
	const char *id = new_id();
	int64_t written_us, now;
	char session[80], asked[120];
	struct done d;

	(void)unused;
	bed_create(id, "{\"title\":\"old\"}");
	bed_pass(300 * MS);
	until_the_standby_answers(id, "bounded", 60000, "", "old");
	stores_stop_standby(sqlbed.stores, 0);
	standby_files("cp -a data kept && echo \"recovery_min_apply_delay = '1h'\""
		      " >>kept/postgresql.auto.conf");
	stores_start_standby(sqlbed.stores, 0);
	d = op_run(OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"new\"}")));
	assert_int_equal(d.status, ST_OK);
	snprintf(session, sizeof(session), "%s", d.result->session);
	done_free(&d);
	written_us = time_now_us();
	bed_pass(500 * MS);
	until_the_standby_answers(id, "bounded", 60000, session, "new");
	stores_stop_standby(sqlbed.stores, 0);
	standby_files("mv data now && mv kept data");
	stores_start_standby(sqlbed.stores, 0);
	snprintf(
	    asked, sizeof(asked), "select count(*) from tasks where id='%s' and title='old'", id);
	assert_int_equal(standby_count(asked), 1);
	for (int i = 0; i < 100; i++) {
		now = time_now_us();
		d = read_with(id, "bounded", 60000, i % 2 == 0 ? session : "");
		assert_int_equal(d.status, ST_OK);
		if (i % 2 == 0 || d.result->age_us < (uint64_t)(now - written_us))
			assert_string_equal(done_str(&d, "title"), "new");
		done_free(&d);
		bed_pass(10 * MS);
	}
	stores_stop_standby(sqlbed.stores, 0);
	standby_files("rm -rf data && mv now data");
	stores_start_standby(sqlbed.stores, 0);
	until_the_standby_answers(id, "bounded", 60000, session, "new");
}

static bool
writes_go(const char *id)
{
	struct done d = op_run(OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"after\"}")));
	bool ok = d.status == ST_OK;

	done_free(&d);
	return ok;
}

/* The primary dies, its stand-by is promoted; `pg` names both. */
static void
after_a_promotion_the_other_host_is_the_primary(void **unused)
{
	const char *id = new_id();
	struct done d;

	(void)unused;
	snprintf(hosts, sizeof(hosts), "host=%s/pg,%s/standby0 dbname=metafed user=metafed",
	    stores_dir(sqlbed.stores), stores_dir(sqlbed.stores));
	sqlbed.config.pg = hosts;
	sqlbed.config.pg_replicas = "";
	reopen();
	bed_create(id, "{\"title\":\"before\"}");
	while (standby_count("select count(*) from tasks where title = 'before'") == 0)
		bed_pass(10 * MS);
	stores_crash_postgres(sqlbed.stores);
	d = op_run(OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"lost\"}")));
	assert_int_equal(d.status, ST_UNAVAILABLE);
	done_free(&d);
	stores_promote_standby(sqlbed.stores, 0);
	for (int64_t limit = time_now_us() + 15 * SEC; !writes_go(id); bed_pass(50 * MS))
		assert_true(time_now_us() < limit);
	assert_int_equal(standby_count("select count(*) from tasks where title = 'after'"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_that_may_be_older_go_to_a_standby_and_strong_ones_do_not),
		cmocka_unit_test(a_session_reads_its_writes_however_far_behind_the_standby_is),
		cmocka_unit_test(a_standby_that_lags_beyond_the_bound_is_left_alone),
		cmocka_unit_test(who_scrapes_sees_the_lag_of_a_standby_grow_and_end),
		cmocka_unit_test(a_standby_that_is_gone_costs_nobody_an_answer),
		cmocka_unit_test(a_standby_that_comes_back_with_less_is_not_taken_for_what_it_was),
		cmocka_unit_test(after_a_promotion_the_other_host_is_the_primary),
	};

	return cmocka_run_group_tests(tests, start, sqlbed_stop);
}
