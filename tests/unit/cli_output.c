/* cli_output: what somebody stored, on somebody else's terminal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cli.h"
#include "harness/test.h"

static FILE *was;
static char *said;
static size_t size;

static void
listen(void)
{
	was = stdout;
	stdout = open_memstream(&said, &size);
	assert_non_null(stdout);
}

static void
expect(const char *want)
{
	fclose(stdout);
	stdout = was;
	assert_string_equal(said, want);
	free(said);
}

#define HOSTILE "a\x1b[2J\x7f\xc2\x9b\xe2\x80\xae\xe2\x81\xa9"
#define REST    "31m\xc3\xa9\xc2\xa0" /* what follows is as it was, in UTF-8 */

static void
a_stored_value_is_no_order_to_the_terminal(void **unused)
{
	static const struct column columns[] = { { "NAME", "name", 0, CELL_PLAIN },
		{ .title = NULL } };
	json_t *v = json_pack("[{s:s}]", "name", HOSTILE REST "\nb"), *back;

	(void)unused;
	assert_non_null(v);
	listen();
	cli_put(stdout, HOSTILE REST "\n");
	expect("a [2J    " REST "\n");
	listen();
	cli_put_json(v, JSON_COMPACT);
	fflush(stdout);
	back = json_loads(said, 0, NULL); /* and says the same */
	assert_true(json_equal(back, v));
	expect("[{\"name\":\"a\\u001B[2J\\u007F\\u009B\\u202E\\u2069" REST "\\nb\"}]");
	listen();
	cli_table(v, columns, false);
	expect("a [2J    " REST " b\n");
	json_decref(back);
	json_decref(v);
}

static void
a_narrow_line_takes_what_columns_do_not_need(void **unused)
{
	static const struct column columns[] = { { "NAME", "name", 20, CELL_PLAIN },
		{ "N", "n", 9, CELL_PLAIN }, { "WHY", "why", 0, CELL_PLAIN }, { .title = NULL } };
	json_t *v = json_pack(
	    "[{s:s,s:i,s:s}]", "name", "sql", "n", 12, "why", "signal 11 (Segmentation fault)");

	(void)unused;
	assert_non_null(v);
	assert_int_equal(setenv("COLUMNS", "60", 1), 0);
	listen();
	cli_table(v, columns, true);
	expect("NAME                N        WHY\n"
	       "sql                 12       signal 11 (Segmentation fault)\n");
	assert_int_equal(setenv("COLUMNS", "40", 1), 0);
	listen();
	cli_table(v, columns, true);
	expect("NAME N        WHY\n"
	       "sql  12       signal 11 (Segmentation f\n");
	assert_int_equal(setenv("COLUMNS", "21", 1), 0);
	listen();
	cli_table(v, columns, true);
	expect("NAME N  WHY\n"
	       "sql  12 signal 11 (S\n");
	assert_int_equal(
	    json_object_set_new(json_array_get(v, 0), "name", json_string("redis-cache")), 0);
	listen();
	cli_table(v, columns, true);
	expect("NAME        N  WHY\n"
	       "redis-cache 12 signal 11 (Segmentation fault)\n");
	assert_int_equal(unsetenv("COLUMNS"), 0);
	json_decref(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_stored_value_is_no_order_to_the_terminal),
		T(a_narrow_line_takes_what_columns_do_not_need),
	};

	return cmocka_run_group_tests_name("cli_output", tests, NULL, NULL);
}
