/* sql_migrate: the schema of a real PostgreSQL becomes ours, once, or is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/time.h"
#include "database/sql/migrate.h"
#include "harness/sqlbed.h"

static bool
usable(void *ctx)
{
	(void)ctx;
	return sql_state() == SQL_USABLE;
}

static size_t
migrations(void)
{
	size_t n = 0;

	while (sql_migrations[n].number != 0)
		n++;
	return n;
}

static void
a_migration_is_applied_once(void **unused)
{
	(void)unused;
	assert_int_equal(bed_count("select count(*) from schema_migrations"), migrations());
	sql_close();
	assert_true(sql_open(sqlbed.loop, sqlbed.work, &sqlbed.config, NULL));
	bed_pass(300 * MS);
	assert_int_equal(sql_state(), SQL_USABLE);
	assert_int_equal(bed_count("select count(*) from schema_migrations"), migrations());
}

static void
a_changed_migration_is_refused_and_says_what_to_do(void **unused)
{
	struct done d;

	(void)unused;
	bed_count("update schema_migrations set checksum = 'x' || checksum; select 1");
	sql_close();
	assert_true(sql_open(sqlbed.loop, sqlbed.work, &sqlbed.config, NULL));
	bed_pass(300 * MS);
	assert_int_equal(sql_state(), SQL_REFUSED);
	assert_non_null(
	    strstr(sql_refusal(), "migration 1 (init) is not the one that was applied"));
	d = op_run(OP(READ_ONE, .id = S(new_id())));
	assert_int_equal(d.status, ST_FAILED_PRECONDITION);
	assert_string_equal(d.reason, "SCHEMA_MISMATCH");
	bed_count("update schema_migrations set checksum = substr(checksum, 2); select 1");
	sql_close();
	assert_true(sql_open(sqlbed.loop, sqlbed.work, &sqlbed.config, NULL));
	bed_pass(300 * MS);
	assert_int_equal(sql_state(), SQL_USABLE);
}

static struct done
ask(const char *dry_run)
{
	Mf__KeyValue f = MF__KEY_VALUE__INIT, *filters[] = { &f };

	f.key = S("dry_run");
	f.value = S(dry_run);
	return op_run(OP(QUERY, .model = S("migration"), .n_filters = 1, .filters = filters));
}

static const char *
state_of(const struct done *d, size_t i)
{
	return json_string_value(
	    json_object_get(json_array_get(json_object_get(d->json, "items"), i), "state"));
}

static void
their_states_are_told_also_where_the_schema_is_refused(void **unused)
{
	struct done d = ask("false");

	(void)unused;
	assert_int_equal(json_array_size(json_object_get(d.json, "items")), migrations());
	assert_string_equal(state_of(&d, 0), "applied");
	done_free(&d);
	bed_count(
	    "update schema_migrations set checksum = 'x' || checksum where number = 2;"
	    " insert into schema_migrations (number, name, checksum) values (999, 'new', 'y');"
	    " select 1");
	sql_close();
	assert_true(sql_open(sqlbed.loop, sqlbed.work, &sqlbed.config, NULL));
	bed_pass(300 * MS);
	assert_int_equal(sql_state(), SQL_REFUSED);
	d = ask("false");
	assert_string_equal(state_of(&d, 0), "applied");
	assert_string_equal(state_of(&d, 1), "changed");
	assert_string_equal(state_of(&d, migrations()), "unknown");
	done_free(&d);
	bed_count("update schema_migrations set checksum = substr(checksum, 2) where number = 2;"
		  " delete from schema_migrations where number = 999; select 1");
	bed_open_anew();
	d = ask("perhaps");
	assert_int_equal(d.status, ST_INVALID_ARGUMENT);
}

/* The last one is forgotten, so that it is to come; what it makes is there, so that it fails. */
static void
a_dry_run_says_what_would_fail_and_changes_nothing(void **unused)
{
	unsigned last = (unsigned)migrations();
	struct done d = ask("true");
	json_t *tried = json_object_get(d.json, "dry_run");

	(void)unused;
	assert_true(json_is_true(json_object_get(tried, "ok")));
	assert_int_equal(json_array_size(json_object_get(tried, "tried")), 0);
	done_free(&d);
	bed_count("create table kept as select * from schema_migrations; delete from"
		  " schema_migrations; select 1");
	d = ask("true");
	assert_string_equal(state_of(&d, last - 1), "pending");
	tried = json_object_get(d.json, "dry_run");
	assert_false(json_is_true(json_object_get(tried, "ok")));
	assert_int_equal(json_integer_value(json_object_get(tried, "failed")), 1);
	assert_string_equal(json_string_value(json_object_get(tried, "sqlstate")), "42P07");
	assert_int_equal(json_array_size(json_object_get(tried, "tried")), last);
	done_free(&d);
	assert_int_equal(bed_count("select count(*) from schema_migrations"), 0);
	/* on an empty schema all of them work, and leave nothing */
	bed_count("alter schema public rename to aside; create schema public; select 1");
	d = ask("true");
	assert_true(json_is_true(json_object_get(json_object_get(d.json, "dry_run"), "ok")));
	done_free(&d);
	assert_int_equal(
	    bed_count("select count(*) from pg_tables where schemaname = 'public'"), 0);
	bed_count("drop schema public; alter schema aside rename to public;"
		  " insert into schema_migrations select * from kept; drop table kept; select 1");
	bed_open_anew();
}

/* Somebody's transaction holds a table that a migration changes: it waits, and lets others through
 * between its tries. */
static void
a_migration_waits_for_who_holds_its_table(void **unused)
{
	FILE *f;

	(void)unused;
	bed_count("create table kept as select * from schema_migrations; delete from"
		  " schema_migrations; alter schema public rename to aside; create schema public;"
		  " create table schema_migrations (like aside.schema_migrations including all);"
		  " select 1");
	sql_close();
	f = bed_psql("select pg_current_xact_id(); lock table schema_migrations;");
	assert_true(sql_open(sqlbed.loop, sqlbed.work, &sqlbed.config, NULL));
	bed_pass(6 * SEC);
	assert_int_equal(sql_state(), SQL_WAITING);
	bed_psql_commit(f);
	bed_until(usable, NULL, 10 * SEC);
	assert_int_equal(bed_count("select count(*) from schema_migrations"), migrations());
}

/* A time that is up, a deadlock, then a full disk: none is for ever, and none is asked for all the time. */
static void
a_migration_that_finds_no_room_is_tried_again_with_pauses(void **unused)
{
	(void)unused;
	bed_count(
	    "drop schema aside cascade; alter schema public rename to aside; create schema public;"
	    " create table schema_migrations (like aside.schema_migrations including all);"
	    " create sequence aside.tries; create function aside.fail() returns trigger language"
	    " plpgsql as \\$\\$ declare n bigint = nextval('aside.tries'); begin if n = 1 then "
	    "raise"
	    " 'late' using errcode = '57014'; elsif n = 2 then raise 'ring' using errcode ="
	    " '40P01'; end if; raise 'full' using errcode = '53100'; end \\$\\$; create trigger"
	    " fail before insert on schema_migrations execute function aside.fail(); select 1");
	sql_close();
	assert_true(sql_open(sqlbed.loop, sqlbed.work, &sqlbed.config, NULL));
	bed_pass(5 * SEC);
	assert_int_equal(sql_state(), SQL_WAITING);
	assert_in_range(bed_count("select last_value from aside.tries"), 2, 3);
	bed_count("drop trigger fail on schema_migrations; select 1");
	bed_until(usable, NULL, 10 * SEC);
	assert_int_equal(bed_count("select count(*) from schema_migrations"), migrations());
}

/* By psql, as an older program would have done it; registered as such. */
static void
apply_until(uint32_t number)
{
	char path[300], cmd[700], sum[65];
	FILE *f;

	snprintf(path, sizeof(path), "%s/migrations.sql", test_dir());
	f = fopen(path, "w");
	assert_non_null(f);
	for (const struct migration *m = sql_migrations; m->number <= number; m++) {
		migrate_checksum(m->text, sum);
		fprintf(f,
		    "%s\nINSERT INTO schema_migrations (number, name, checksum) VALUES"
		    " (%u, '%s', '%s');\n",
		    m->text, m->number, m->name, sum);
	}
	fclose(f);
	snprintf(cmd, sizeof(cmd), "psql -qX -v ON_ERROR_STOP=1 '%s' -f %s >/dev/null",
	    stores_conninfo(sqlbed.stores), path);
	assert_int_equal(system(cmd), 0);
}

/* The log of before becomes the first partition: nothing is lost, nobody's position is. */
static void
a_log_with_events_in_it_becomes_partitions(void **unused)
{
	uint64_t before;

	(void)unused;
	sql_close();
	bed_count(
	    "drop schema public cascade; create schema public; create table"
	    " schema_migrations (number integer PRIMARY KEY, name text NOT NULL, checksum text"
	    " NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()); select 1");
	apply_until(10);
	bed_count("insert into tasks (id, namespace, title, type, priority, state, created_at,"
		  " updated_at) select gen_random_uuid(), 'd', 't', 'm', 3, 'QUEUED', now(), now()"
		  " from generate_series(1, 500); select 1");
	before = bed_count("select sum(seq) from events");
	assert_true(sql_open(sqlbed.loop, sqlbed.work, &sqlbed.config, NULL));
	bed_until(usable, NULL, 10 * SEC);
	bed_create(new_id(), "{\"title\":\"after\"}");
	assert_int_equal(bed_count("select count(*) from events"), 501);
	assert_int_equal(bed_count("select sum(seq) from events where namespace = 'd'"), before);
	assert_int_equal(bed_count("select count(*) from events_default"), 0);
	assert_int_equal(
	    bed_count("select count(*) from events where seq > 500 and namespace <> 'd'"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_migration_is_applied_once),
		cmocka_unit_test(a_changed_migration_is_refused_and_says_what_to_do),
		cmocka_unit_test(their_states_are_told_also_where_the_schema_is_refused),
		cmocka_unit_test(a_dry_run_says_what_would_fail_and_changes_nothing),
		cmocka_unit_test(a_migration_waits_for_who_holds_its_table),
		cmocka_unit_test(a_migration_that_finds_no_room_is_tried_again_with_pauses),
		cmocka_unit_test(a_log_with_events_in_it_becomes_partitions),
	};

	return cmocka_run_group_tests(tests, sqlbed_start, sqlbed_stop);
}
