/* sql_migrate: the schema of a real PostgreSQL becomes ours, once, or is refused. */
#include <string.h>
#include "base/time.h"
#include "database/sql/migrate.h"
#include "harness/sqlbed.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_migration_is_applied_once),
		cmocka_unit_test(a_changed_migration_is_refused_and_says_what_to_do),
	};

	return cmocka_run_group_tests(tests, sqlbed_start, sqlbed_stop);
}
