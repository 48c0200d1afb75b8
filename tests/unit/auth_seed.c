/* auth: the first administrator, made once and by nobody twice. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/time.h"
#include "harness/authbed.h"

static void
the_first_start_leaves_a_password_that_logs_in_as_admin(void **unused)
{
	struct attempt o = try_login("admin", authbed.admin_password);
	char path[300];
	struct stat st;

	(void)unused;
	assert_true(strlen(authbed.admin_password) >= 24);
	(void)snprintf(path, sizeof(path), "%s/admin.json", authbed.var);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.name, "admin");
	assert_int_equal(memdb_count(&authbed.db, "user"), 1); /* jwt and oauth both tried */
	o = try_check(o.access, "user.delete");
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.method, "rbac");
	assert_string_equal(o.name, "admin");
}

static const char *
admin_file(void)
{
	static char path[300];

	(void)snprintf(path, sizeof(path), "%s/admin.json", authbed.var);
	return path;
}

static void
choose_password(const char *password)
{
	FILE *f = fopen(admin_file(), "we");

	assert_non_null(f);
	assert_true(fprintf(f, "{\"username\":\"admin\",\"password\":\"%s\"}", password) > 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(admin_file(), 0600), 0);
}

static void
seeding_waits_for_the_database_and_keeps_the_password_of_the_file(void **unused)
{
	(void)unused;
	authbed_pass(100 * MS);
	assert_int_not_equal(access(admin_file(), F_OK), 0);
	choose_password("chosen before the account was");
	authbed.db.down = false;
	authbed_until_seeded();
	assert_int_equal(try_login("admin", "chosen before the account was").status, ST_OK);
}

/* The log says what is wrong with it, and it is looked at again. */
static void
a_password_in_the_file_that_is_to_be_expected_makes_nobody_until_there_is_another(void **unused)
{
	(void)unused;
	log_set_level(LOG_FATAL);
	choose_password("password123");
	authbed.db.down = false;
	authbed_pass(400 * MS);
	assert_int_equal(memdb_count(&authbed.db, "user"), 0);
	choose_password("chosen with more care");
	authbed_until_seeded();
	log_set_level(LOG_INFO);
	assert_int_equal(try_login("admin", "chosen with more care").status, ST_OK);
}

static void
where_there_is_a_user_no_administrator_is_made(void **unused)
{
	char path[300];

	(void)unused;
	add_user("root", "root's password", "admin");
	authbed.db.down = false;
	authbed_until_seeded();
	authbed_pass(600 * MS);
	(void)snprintf(path, sizeof(path), "%s/admin.json", authbed.var);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(memdb_count(&authbed.db, "user"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BED(the_first_start_leaves_a_password_that_logs_in_as_admin),
		BARE(seeding_waits_for_the_database_and_keeps_the_password_of_the_file),
		BARE(
		    a_password_in_the_file_that_is_to_be_expected_makes_nobody_until_there_is_another),
		BARE(where_there_is_a_user_no_administrator_is_made),
	};

	return TEST_RUN(tests);
}
