/* config: who wins over whom, and what a wrong value is told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/config.h"
#include "base/time.h"
#include "harness/test.h"

struct both {
	const char *name;
	const char *path;
	int64_t count;
	int64_t wait_us;
	int64_t size_bytes;
	bool on;
	double share;
	const char *password;
	int64_t pool;
};

static const struct config_key keys[] = {
	{ "name", CONFIG_STR, offsetof(struct both, name), "nobody", 0, 0, false, false, "who" },
	{ "path", CONFIG_PATH, offsetof(struct both, path), "", 0, 0, false, false, "where" },
	{ "count", CONFIG_INT, offsetof(struct both, count), "3", 1, 10, false, false, "how many" },
	{ "wait", CONFIG_DURATION, offsetof(struct both, wait_us), "5s", 1000, 60 * SEC, false,
	    true, "how long" },
	{ "size", CONFIG_BYTES, offsetof(struct both, size_bytes), "64k", 0, 0, false, false,
	    "how large" },
	{ "on", CONFIG_BOOL, offsetof(struct both, on), "no", 0, 0, false, false, "whether" },
	{ "share", CONFIG_NUM, offsetof(struct both, share), "0.3", 0, 1, false, false, "of what" },
	{ "pass.word", CONFIG_STR, offsetof(struct both, password), "", 0, 0, true, false,
	    "of the store" },
	{ "cache/pool", CONFIG_INT, offsetof(struct both, pool), "4", 1, 100, false, false,
	    "how many of cache's" },
	{ .name = NULL },
};

static struct arena *arena;
static struct both it;
static char err[512];

static int
start(void **state)
{
	arena = arena_new(1 << 20);
	return test_log_mark(state);
}

static int
stop(void **state)
{
	arena_free(&arena);
	return test_log_check(state);
}

static bool
load(const char *file, char *const *sets, char *const *env)
{
	const struct config_key *const tables[] = { keys };
	void *const outs[] = { &it };
	const struct config_source source = { .file = file == NULL ? NULL
		                                                   : test_file("some.conf", file),
		.node = "sql",
		.sets = sets,
		.env = env };

	memset(&it, 0, sizeof(it));
	return config_load(arena, tables, outs, 1, &source, err, sizeof(err));
}

/* The message without the directory of the file. */
static const char *
said(void)
{
	const char *slash = strstr(err, "/some.conf");

	return slash == NULL ? err : slash + 1;
}

static void
defaults_are_what_the_table_says(void **unused)
{
	(void)unused;
	assert_true(load(NULL, NULL, NULL));
	assert_string_equal(it.name, "nobody");
	assert_string_equal(it.path, "");
	assert_int_equal(it.count, 3);
	assert_int_equal(it.wait_us, 5 * SEC);
	assert_int_equal(it.size_bytes, 65536);
	assert_false(it.on);
	assert_true(it.share == 0.3);
	assert_string_equal(it.password, "");
}

static void
command_line_beats_environment_beats_own_part_beats_common_part(void **unused)
{
	static const char file[] = "[sql]\nname = own\n[cache]\nname = theirs\n";
	char *general[] = { "METAFED_NAME=env", NULL };
	char *special[] = { "METAFED_NAME=env", "METAFED_SQL_NAME=env-sql", "METAFED_PASS_WORD=x",
		NULL };
	char *sets[] = { "name = set", NULL };

	(void)unused;
	assert_true(load("name = common\n", NULL, NULL));
	assert_string_equal(it.name, "common");
	assert_true(load("name = common\n[sql]\nname = own\n", NULL, NULL));
	assert_string_equal(it.name, "own");
	assert_true(load(file, NULL, general));
	assert_string_equal(it.name, "env");
	assert_true(load(file, NULL, special));
	assert_string_equal(it.name, "env-sql");
	assert_string_equal(it.password, "x");
	assert_true(load(file, sets, special));
	assert_string_equal(it.name, "set");
}

static void
a_file_is_lines_and_comments_and_parts(void **unused)
{
	(void)unused;
	assert_true(load("# comment\r\n\n  name =  a = b # no comment "
			 "\r\n\tcount=7\n[cache]\nnonsense\nunknown = 1\n[ sql ]\n"
			 "on = yes\nshare = 0.25\nsize = 2m\nwait = 250ms",
	    NULL, NULL));
	assert_string_equal(it.name, "a = b # no comment");
	assert_int_equal(it.count, 7);
	assert_true(it.on);
	assert_true(it.share == 0.25);
	assert_int_equal(it.size_bytes, 2 << 20);
	assert_int_equal(it.wait_us, 250 * MS);
}

static void
an_error_says_file_line_and_what_would_be_right(void **unused)
{
	(void)unused;
	assert_false(load("name = x\n\ncount = many\n", NULL, NULL));
	assert_string_equal(
	    said(), "some.conf:3: count: \"many\": must be a whole number, from 1 to 10");
	assert_false(load("count = 11\n", NULL, NULL));
	assert_false(load("wait = 2m\n", NULL, NULL));
	assert_string_equal(said(),
	    "some.conf:1: wait: \"2m\": must be a duration like 250ms, 5s, 2m, from 1ms to 1m");
	assert_false(load("share = 1.5\n", NULL, NULL));
	assert_false(load("on = maybe\n", NULL, NULL));
	assert_false(load("size = 1x\n", NULL, NULL));
	assert_false(load("size = 9999999999g\n", NULL, NULL));
	assert_false(load("nmae = x\n", NULL, NULL));
	assert_string_equal(said(), "some.conf:1: nmae: no such key; is name meant?");
	assert_false(load("[sql]\nnmae = x\n", NULL, NULL));
	assert_string_equal(said(), "some.conf:2: [sql]: nmae: no such key; is name meant?");
	assert_false(load("[sql]\ncolour = x\n", NULL, NULL));
	assert_string_equal(said(), "some.conf:2: [sql]: colour: no such key");
	assert_false(load("name\n", NULL, NULL));
	assert_string_equal(said(), "some.conf:1: expected key = value");
	assert_false(load("[sql\n", NULL, NULL));
	assert_false(load("[]\n", NULL, NULL));
	assert_false(load("[\n", NULL, NULL));
	assert_false(load("count = 1\nname = x\ncount = 2\n", NULL, NULL));
	assert_non_null(strstr(said(), "some.conf:3: count: already set in /"));
	assert_string_equal(err + strlen(err) - strlen("/some.conf:1"), "/some.conf:1");
	assert_false(load("name = \xff\n", NULL, NULL));
	assert_string_equal(said(), "some.conf: not UTF-8 text");
}

static bool
says(const char *text)
{
	return strstr(err, text) != NULL;
}

static void
an_included_file_is_read_in_the_place_and_in_the_part_of_its_line(void **unused)
{
	(void)unused;
	test_file("inner.conf", "name = inner\n[cache]\nname = theirs\n[sql]\ncount = 4\n");
	assert_true(load("include inner.conf\nwait = 1s\n[sql]\nsize = 1k\n", NULL, NULL));
	assert_string_equal(it.name, "inner");
	assert_int_equal(it.count, 4);
	assert_int_equal(it.wait_us, SEC); /* the part that it opened ended with it */
	assert_int_equal(it.size_bytes, 1024);
	assert_true(load("name = common\n[sql]\n\tinclude \tinner.conf \non = yes\n", NULL, NULL));
	assert_string_equal(it.name, "inner");
	assert_true(it.on);
	assert_true(load("[cache]\ninclude inner.conf\n", NULL, NULL)); /* ours stands there too */
	assert_string_equal(it.name, "nobody");
	assert_int_equal(it.count, 4);
}

static void
an_included_file_and_the_paths_in_it_are_relative_to_who_says_them(void **unused)
{
	char sub[4096], file[4200];
	FILE *f;

	(void)unused;
	snprintf(sub, sizeof(sub), "%s", test_file("some.conf", ""));
	strcpy(strrchr(sub, '/'), "/sub");
	assert_int_equal(mkdir(sub, 0700), 0);
	snprintf(file, sizeof(file), "%s/one.conf", sub);
	f = fopen(file, "we");
	fputs("path = key\ninclude two.conf\n", f);
	fclose(f);
	snprintf(file, sizeof(file), "%s/two.conf", sub);
	f = fopen(file, "we");
	fputs("count = 9\n", f);
	fclose(f);
	assert_true(load("include sub/one.conf\n", NULL, NULL));
	assert_string_equal(it.path + strlen(it.path) - strlen("/sub/key"), "/sub/key");
	assert_int_equal(it.count, 9);
}

static void
an_included_file_may_be_missing_only_where_a_question_mark_says_so(void **unused)
{
	(void)unused;
	assert_true(load("include? nowhere.conf\nname = x\n", NULL, NULL));
	assert_string_equal(it.name, "x");
	assert_false(load("name = x\ninclude nowhere.conf\n", NULL, NULL));
	assert_true(says("/some.conf:2: include /"));
	assert_true(says("/nowhere.conf: No such file or directory"));
	assert_false(load("include? .\n", NULL, NULL));
	assert_true(says("not a regular file"));
	assert_false(load("include\n", NULL, NULL));
	assert_false(load("include? \n", NULL, NULL));
	assert_false(load("include = x\n", NULL, NULL));
	assert_true(says("include: no such key"));
}

static void
an_error_in_an_included_file_names_that_file(void **unused)
{
	(void)unused;
	test_file("inner.conf", "\nnmae = x\n");
	assert_false(load("include inner.conf\n", NULL, NULL));
	assert_true(says("/inner.conf:2: nmae: no such key"));
	test_file("inner.conf", "\ncount = 1\n");
	assert_false(load("count = 2\ninclude inner.conf\n", NULL, NULL));
	assert_true(says("/inner.conf:2: count: already set in /"));
	assert_true(says("/some.conf:1"));
	assert_true(load("count = 2\n[sql]\ninclude inner.conf\n", NULL, NULL));
	assert_int_equal(it.count, 1);
}

static void
a_file_that_includes_itself_is_refused(void **unused)
{
	(void)unused;
	assert_false(load("include some.conf\ninclude some.conf\n", NULL, NULL));
	assert_true(says("/some.conf:1: include: more than 8 files deep"));
}

/* Opening one would wait for somebody who writes into it. */
static void
what_is_no_file_is_refused_at_once(void **unused)
{
	char fifo[4096];

	(void)unused;
	snprintf(fifo, sizeof(fifo), "%s", test_file("fifo", ""));
	unlink(fifo);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_false(load("include fifo\n", NULL, NULL));
	assert_true(says("not a regular file"));
	unlink(fifo);
}

static void
wrong_values_elsewhere_are_named_by_where_they_stood(void **unused)
{
	char *env[] = { "METAFED_COUNT=0", NULL }, *sets[] = { "counts=1", NULL },
	     *no_value[] = { "count", NULL };
	const struct config_key *const tables[] = { keys };
	void *const outs[] = { &it };

	(void)unused;
	assert_false(load(NULL, NULL, env));
	assert_string_equal(
	    err, "METAFED_COUNT: count: \"0\": must be a whole number, from 1 to 10");
	assert_false(load(NULL, sets, NULL));
	assert_string_equal(err, "--set: counts: no such key; is count meant?");
	assert_false(load(NULL, no_value, NULL));
	assert_string_equal(err, "--set: expected key=value");
	assert_false(config_load(arena, tables, outs, 1,
	    &(const struct config_source){ .file = "/nonexistent/x.conf", .node = "sql" }, err,
	    sizeof(err)));
	assert_string_equal(err, "/nonexistent/x.conf: No such file or directory");
}

static const char *
foreign(void *ctx, struct arena *a, const char *key)
{
	(void)a;
	return strcmp(key, "theirs") == 0 ? NULL : ctx;
}

static bool
load_with(const char *text, const struct config_source *with)
{
	const struct config_key *const tables[] = { keys };
	void *const outs[] = { &it };
	struct config_source source = *with;

	source.node = "sql";
	source.file = test_file("other.conf", text);
	return config_load(arena, tables, outs, 1, &source, err, sizeof(err));
}

static void
a_common_key_may_belong_to_another_node_when_the_caller_says_so(void **unused)
{
	const struct config_source with = { .foreign = foreign, .ctx = (char[]){ "is nobody's" } };

	(void)unused;
	assert_true(load_with("theirs = 1\n", &with));
	assert_false(load_with("[sql]\ntheirs = 1\n", &with));
	assert_true(says("other.conf:2: [sql]: theirs: no such key"));
	assert_false(load_with("nobodys = 1\n", &with));
	assert_true(says("other.conf:1: nobodys: is nobody's"));
}

static const char *
part(size_t i)
{
	static const char *const names[] = { "sql", "cache", NULL };

	return names[i];
}

static void
a_part_that_nobody_reads_is_an_error_that_says_which_there_are(void **unused)
{
	const struct config_source with = { .part = part };

	(void)unused;
	assert_true(load_with("[cache]\n[sql]\non = yes\n", &with));
	assert_true(it.on);
	assert_false(load_with("[cache]\nx\n[sqll]\non = yes\n", &with));
	assert_true(says("other.conf:3: [sqll]: no such part; there are sql cache"));
}

static void
the_name_that_was_meant_is_the_nearest_and_none_when_none_is_near(void **unused)
{
	static const char *const offered[] = { "drain", "retry_budget", "log_level", "log_leven" };
	static const struct {
		const char *meant, *best;
	} cases[] = { { "log_lvel", "log_level" }, { "log_levle", "log_level" },
		{ "drian", "drain" }, { "dr", NULL }, { "retrybudget", "retry_budget" },
		{ "colour", NULL }, { "", NULL },
		{ "a_name_that_is_longer_than_any_key_may_be_and_is_therefore_none_at_all_xx",
		    NULL } };

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config_near near = { NULL, 0 };

		for (size_t k = 0; k < sizeof(offered) / sizeof(offered[0]); k++)
			config_near(&near, cases[i].meant, offered[k]);
		if (cases[i].best == NULL)
			assert_null(near.best);
		else
			assert_string_equal(near.best, cases[i].best);
	}
}

static void
a_relative_path_is_relative_to_its_file(void **unused)
{
	char *sets[] = { "path=here", NULL }, *empty[] = { "path=", NULL };
	char cwd[4096], want[8192];

	(void)unused;
	assert_true(load("path = sub/key\n", NULL, NULL));
	assert_int_equal(it.path[0], '/');
	assert_non_null(strstr(it.path, "metafed-test-"));
	assert_string_equal(it.path + strlen(it.path) - 8, "/sub/key");
	assert_true(load("path = /abs\n", NULL, NULL));
	assert_string_equal(it.path, "/abs");
	assert_true(load("path = /abs\n", sets, NULL));
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	snprintf(want, sizeof(want), "%s/here", cwd);
	assert_string_equal(it.path, want);
	assert_true(load("path = /abs\n", empty, NULL));
	assert_string_equal(it.path, "");
}

static void
a_secret_is_never_shown(void **unused)
{
	static const struct config_key secret_number[] = {
		{ "pin", CONFIG_INT, offsetof(struct both, count), "1", 0, 0, true, false, "" },
		{ .name = NULL }
	};
	const struct config_key *const tables[] = { keys }, *const numbers[] = { secret_number };
	void *const outs[] = { &it };
	char *sets[] = { "pass.word=hunter2", NULL }, *pin[] = { "pin=hunter2", NULL };
	char *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	(void)unused;
	assert_true(load(NULL, sets, NULL));
	assert_string_equal(it.password, "hunter2");
	assert_false(load(NULL, (char *[]){ "pass.word=hunter2", "count=x", NULL }, NULL));
	assert_true(
	    load(NULL, (char *[]){ "pass.word=hunter2", "size=1536", "wait=2500ms", NULL }, NULL));
	config_print(f, tables, outs, 1);
	fclose(f);
	assert_null(strstr(text, "hunter2"));
	assert_non_null(strstr(text, "pass.word = ***\n"));
	assert_non_null(strstr(text, "size = 1536\n"));
	assert_non_null(strstr(text, "# how long (a change needs a restart)\nwait = 2500ms\n"));
	free(text);
	assert_false(config_load(arena, numbers, outs, 1,
	    &(const struct config_source){ .node = "sql", .sets = pin }, err, sizeof(err)));
	assert_null(strstr(err, "hunter2"));
}

static void
what_is_printed_loads_again_as_the_same(void **unused)
{
	const struct config_key *const tables[] = { keys };
	void *const outs[] = { &it };
	struct both before;
	char *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	(void)unused;
	assert_true(load(
	    "name = x y\npath = /p\ncount = 4\nwait = 1500us\nsize = 3k\non = 1\nshare = 0.125\n",
	    NULL, NULL));
	before = it;
	config_print(f, tables, outs, 1);
	fclose(f);
	assert_true(load(text, NULL, NULL));
	free(text);
	assert_string_equal(it.name, before.name);
	assert_string_equal(it.path, before.path);
	assert_int_equal(it.count, before.count);
	assert_int_equal(it.wait_us, before.wait_us);
	assert_int_equal(it.size_bytes, before.size_bytes);
	assert_int_equal(it.on, before.on);
	assert_true(it.share == before.share);
}

/* So that a stand-in does as the one that it stands in for was told. */
static void
a_key_of_another_part_is_read_there_and_nowhere_else(void **unused)
{
	const struct config_key *const tables[] = { keys };
	void *const outs[] = { &it };
	char *env[] = { "METAFED_CACHE_POOL=8", NULL };
	char *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	(void)unused;
	assert_true(load("[cache]\npool = 7\nname = theirs\n[sql]\nname = own\n", NULL, NULL));
	assert_int_equal(it.pool, 7);
	assert_string_equal(it.name, "own");
	assert_true(load("[cache]\nother = 1\n", NULL, NULL));
	assert_int_equal(it.pool, 4);
	assert_true(load("[cache]\npool = 7\n", NULL, env));
	assert_int_equal(it.pool, 8);
	assert_false(load("pool = 7\n", NULL, NULL));
	assert_false(load("[sql]\npool = 7\n", NULL, NULL));
	assert_false(load("[cache]\npool = 700\n", NULL, NULL));
	assert_string_equal(said(),
	    "some.conf:2: [cache]: cache/pool: \"700\": must be a whole number, from 1 to 100");
	assert_false(load("[cache]\npool = 7\npool = 8\n", NULL, NULL));
	assert_true(load("[cache]\npool = 9\n", NULL, NULL));
	config_print(f, tables, outs, 1);
	fclose(f);
	assert_non_null(strstr(text, "[cache]\n# how many of cache's\npool = 9\n"));
	assert_true(load(text, NULL, NULL));
	assert_int_equal(it.pool, 9);
	free(text);
}

#define C(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		C(defaults_are_what_the_table_says),
		C(command_line_beats_environment_beats_own_part_beats_common_part),
		C(a_file_is_lines_and_comments_and_parts),
		C(an_error_says_file_line_and_what_would_be_right),
		C(an_included_file_is_read_in_the_place_and_in_the_part_of_its_line),
		C(an_included_file_and_the_paths_in_it_are_relative_to_who_says_them),
		C(an_included_file_may_be_missing_only_where_a_question_mark_says_so),
		C(an_error_in_an_included_file_names_that_file),
		C(a_file_that_includes_itself_is_refused),
		C(what_is_no_file_is_refused_at_once),
		C(wrong_values_elsewhere_are_named_by_where_they_stood),
		C(a_common_key_may_belong_to_another_node_when_the_caller_says_so),
		C(a_part_that_nobody_reads_is_an_error_that_says_which_there_are),
		C(the_name_that_was_meant_is_the_nearest_and_none_when_none_is_near),
		C(a_relative_path_is_relative_to_its_file),
		C(a_secret_is_never_shown),
		C(what_is_printed_loads_again_as_the_same),
		C(a_key_of_another_part_is_read_there_and_nowhere_else),
	};

	return TEST_RUN(tests);
}
