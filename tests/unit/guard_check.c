/* guard_check: one look at the whole configuration. The executables of the nodes are scripts here,
 * which know a key or two each. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "harness/test.h"
#include "meta/check.h"
#include "meta/conf.h"
#include "meta/fleet.h"

static char said[8192], exe_dir[300];

/* Knows `width`, and refuses a file that says it is bad; sql and nosql know `pg`, too. */
static int
make_nodes(void **state)
{
	const char *dir = test_dir();
	char path[400];

	(void)state;
	snprintf(exe_dir, sizeof(exe_dir), "exe_dir=%s", dir);
	for (int i = 0; i < FLEET_SLOTS; i++) {
		const char *name = fleet_table[i].name;
		FILE *f;

		snprintf(path, sizeof(path), "%s/metafed-%s", dir, name);
		f = fopen(path, "we");
		fprintf(f,
		    "#!/bin/sh\n"
		    "case $* in\n"
		    "%s--keys) echo %s_width%s ;;\n"
		    "%s--check) ! grep -q '%s_width = bad' \"$METAFED_CONFIG\" || "
		    "{ echo \"%s: bad width in $METAFED_VAR\"; exit 1; } ;;\n"
		    "*) echo \"asked for $*\"; exit 2 ;;\n"
		    "esac\n",
		    i == SLOT_META ? "--role=orchestrator\\ " : "", name,
		    i == SLOT_SQL || i == SLOT_NOSQL ? "; echo pg" : "",
		    i == SLOT_META ? "--role=orchestrator\\ " : "", name, name);
		fclose(f);
		chmod(path, 0755);
	}
	return 0;
}

static int
clean(void **state)
{
	extern char **environ;

	for (char **e = environ; *e != NULL;) {
		char name[128];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(*e, "="), *e);
		if (strncmp(name, "METAFED_", 8) == 0)
			unsetenv(name);
		else
			e++;
	}
	return test_log_mark(state);
}

/* What it writes on standard error is in said. */
static bool
check(const char *text)
{
	static struct conf s;
	char *sets[] = { exe_dir, NULL }, err[512], path[4096];
	struct conf_options o = {
		.config = test_file("m.conf", text), .var = "/tmp", .sets = sets
	};
	int old = dup(STDERR_FILENO), fd;
	ssize_t n;
	bool fine;

	if (!conf_load(&s, &o, err, sizeof(err)))
		fail_msg("%s", err);
	snprintf(path, sizeof(path), "%s", test_file("said", ""));
	fd = open(path, O_RDWR | O_CLOEXEC);
	dup2(fd, STDERR_FILENO);
	fine = check_configuration(&s);
	fflush(stderr);
	dup2(old, STDERR_FILENO);
	close(old);
	n = pread(fd, said, sizeof(said) - 1, 0);
	said[n > 0 ? n : 0] = '\0';
	close(fd);
	conf_free(&s);
	return fine;
}

static bool
says(const char *text)
{
	if (strstr(said, text) != NULL)
		return true;
	print_error("said: %s\n", said);
	return false;
}

static void
a_file_in_which_all_is_right_is_passed_without_a_word(void **unused)
{
	(void)unused;
	assert_true(check("drain = 3s\n[guard]\nkill_after = 3s\n[sql]\nsql_width = 3\n"));
	assert_string_equal(said, "");
}

static void
every_node_says_what_is_wrong_in_its_part(void **unused)
{
	(void)unused;
	assert_false(check("[sql]\nsql_width = bad\n[meta]\nmeta_width = bad\n"));
	assert_true(says("sql: bad width in /tmp\n"));
	assert_true(says("meta: bad width in /tmp\n"));
	assert_null(strstr(said, "rest"));
}

static void
a_key_of_one_node_in_the_common_part_is_told_where_it_belongs(void **unused)
{
	(void)unused;
	assert_false(check("\napi_width = 3\n"));
	assert_true(
	    says("m.conf:2: api_width: not all nodes have this key; it belongs below [api]\n"));
	assert_false(check("pg = x\n"));
	assert_true(says("it belongs below [sql] [nosql]\n"));
	assert_false(check("start_limit = 30s\n"));
	assert_true(says("it belongs below [guard]\n"));
	assert_false(check("api_wdith = 3\n"));
	assert_true(says("api_wdith: no such key; is api_width meant, below [api]?\n"));
	assert_false(check("drian = 3s\n"));
	assert_true(says("drian: no such key; is drain meant?\n"));
	assert_false(check("log_leevl = debug\n")); /* the guard has it too */
	assert_true(says("log_leevl: no such key; is log_level meant?\n"));
}

static void
a_wrong_value_of_all_nodes_is_said_once(void **unused)
{
	(void)unused;
	assert_false(check("drain = soon\n"));
	assert_true(says("m.conf:1: drain: \"soon\": must be"));
	assert_null(strstr(strstr(said, "soon") + 4, "soon"));
}

static void
variables_that_set_nothing_are_told_and_what_was_meant(void **unused)
{
	(void)unused;
	setenv("METAFED_DRAIN", "3s", 1);
	setenv("METAFED_SQL_DRAIN", "3s", 1);
	setenv("METAFED_KILL_AFTER", "3s", 1);
	setenv("METAFED_GUARD_KILL_AFTER", "3s", 1);
	setenv("METAFED_TOKEN_FILE", "x", 1);
	setenv("METAFED_VAR", "/tmp", 1);
	assert_true(check(""));
	assert_string_equal(said, "");
	setenv("METAFED_API_API_WIDTH", "3", 1);
	setenv("METAFED_REST_WIDTH", "3", 1); /* rest_width of all who have it */
	assert_true(check(""));
	assert_string_equal(said, "");
	setenv("METAFED_SQL_SQL_WDITH", "3", 1);
	setenv("METAFED_LOG_LEVLE", "debug", 1);
	setenv("METAFED_FAVOURITE_COLOUR", "blue", 1);
	assert_true(check("")); /* a warning */
	assert_true(says("METAFED_SQL_SQL_WDITH sets nothing; is METAFED_SQL_SQL_WIDTH meant?\n"));
	assert_true(says("METAFED_LOG_LEVLE sets nothing; is METAFED_LOG_LEVEL meant?\n"));
	assert_true(says("METAFED_FAVOURITE_COLOUR sets nothing\n"));
}

#define K(f) cmocka_unit_test_setup_teardown(f, clean, test_log_check)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		K(a_file_in_which_all_is_right_is_passed_without_a_word),
		K(every_node_says_what_is_wrong_in_its_part),
		K(a_key_of_one_node_in_the_common_part_is_told_where_it_belongs),
		K(a_wrong_value_of_all_nodes_is_said_once),
		K(variables_that_set_nothing_are_told_and_what_was_meant),
	};

	return cmocka_run_group_tests_name(test_program_name(), tests, make_nodes, NULL);
}
