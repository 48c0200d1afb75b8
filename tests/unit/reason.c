/* reason: why a process does not run, in words for an operator. */
#include "harness/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "meta/reason.h"

static char var[] = "/tmp/mf-reason-XXXXXX";
static char log_file[64];
static char out[REASON_MAX];

static int
make_var(void **unused)
{
	char dir[64];

	(void)unused;
	if (mkdtemp(var) == NULL)
		return -1;
	snprintf(dir, sizeof(dir), "%s/log", var);
	snprintf(log_file, sizeof(log_file), "%s/log/sql.log", var);
	return mkdir(dir, 0700);
}

static int
drop_var(void **unused)
{
	char dir[64];

	(void)unused;
	unlink(log_file);
	snprintf(dir, sizeof(dir), "%s/log", var);
	rmdir(dir);
	return rmdir(var);
}

static void
logs(const char *text, size_t n)
{
	FILE *f = fopen(log_file, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static const char *
reason(enum contract_state s, enum contract_end end, uint8_t code)
{
	struct contract_report r = {
		.node = "sql", .state = (uint8_t)s, .end = (uint8_t)end, .end_code = code
	};

	reason_of(out, var, &r);
	return out;
}

#define LOGS(text) logs(text, sizeof(text) - 1)

static void
who_runs_or_was_stopped_by_an_operator_needs_no_reason(void **unused)
{
	(void)unused;
	LOGS("metafed-sql: something\n");
	assert_string_equal(reason(NODE_READY, END_EXIT, 1), "");
	assert_string_equal(reason(NODE_STOPPED, END_NONE, 0), "");
}

static void
an_exit_is_told_with_the_last_words_of_the_log(void **unused)
{
	(void)unused;
	LOGS("metafed-sql: first\nmetafed-sql: x.conf:2: [sql]: pgg: no such key\n");
	assert_string_equal(reason(NODE_FAILED, END_EXIT, 1),
	    "exit status 1: metafed-sql: x.conf:2: [sql]: pgg: no such key");
	LOGS("{\"level\":\"info\",\"event\":\"a\"}\n"
	     "{\"level\":\"fatal\",\"event\":\"fatal\",\"message\":\"no \\\"key\\\"\"}\n");
	assert_string_equal(reason(NODE_BACKOFF, END_EXIT, 2), "exit status 2: no \"key\"");
	LOGS("{\"level\":\"error\",\"event\":\"store\",\"error\":\"refused\"}\n");
	assert_string_equal(reason(NODE_FAILED, END_EXIT, 1), "exit status 1: refused");
}

static void
what_killed_a_process_is_told_without_the_log(void **unused)
{
	(void)unused;
	LOGS("metafed-sql: something\n");
	assert_string_equal(
	    reason(NODE_FAILED, END_SIGNAL, SIGSEGV), "signal 11 (Segmentation fault)");
	assert_string_equal(reason(NODE_FAILED, END_SIGNAL, 0), "signal 0");
	assert_string_equal(reason(NODE_FAILED, END_HUNG, 9), "killed: no sign of life for 3 s");
	assert_non_null(strstr(reason(NODE_FAILED, END_LATE, 9), "too long"));
	assert_non_null(strstr(reason(NODE_FAILED, END_UNKNOWN, 0), "not seen"));
	assert_non_null(strstr(reason(NODE_FAILED, (enum contract_end)77, 0), ""));
}

static void
a_log_that_is_odd_adds_nothing_that_breaks_the_answer(void **unused)
{
	char wide[4096];

	(void)unused;
	unlink(log_file);
	assert_string_equal(reason(NODE_FAILED, END_EXIT, 1), "exit status 1");
	LOGS("");
	assert_string_equal(reason(NODE_FAILED, END_EXIT, 1), "exit status 1");
	LOGS("\n\n\n");
	assert_string_equal(reason(NODE_FAILED, END_EXIT, 1), "exit status 1");
	LOGS("{\"message\":\n");
	assert_string_equal(reason(NODE_FAILED, END_EXIT, 1), "exit status 1");
	LOGS("\xff\xfe\n");
	assert_string_equal(reason(NODE_FAILED, END_EXIT, 1), "exit status 1");
	LOGS("a\tb\x1b[31mc");
	assert_string_equal(reason(NODE_FAILED, END_EXIT, 1), "exit status 1: a b [31mc");
	for (size_t i = 0; i + 1 < sizeof(wide); i += 2)
		memcpy(wide + i, "\xc3\xa4", 2); /* a cut may fall inside a character */
	wide[0] = 'x';
	wide[1] = 'y';
	wide[2] = 'z';
	wide[3] = 'z';
	logs(wide, sizeof(wide) - 1);
	reason(NODE_FAILED, END_EXIT, 1);
	assert_true(str_utf8_ok(out, strlen(out)));
	assert_true(strlen(out) < REASON_MAX && strlen(out) > REASON_MAX / 2);
	unlink(log_file);
	assert_int_equal(mkfifo(log_file, 0600), 0);
	assert_string_equal(reason(NODE_FAILED, END_EXIT, 1), "exit status 1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_runs_or_was_stopped_by_an_operator_needs_no_reason),
		cmocka_unit_test(an_exit_is_told_with_the_last_words_of_the_log),
		cmocka_unit_test(what_killed_a_process_is_told_without_the_log),
		cmocka_unit_test(a_log_that_is_odd_adds_nothing_that_breaks_the_answer),
	};

	return cmocka_run_group_tests(tests, make_var, drop_var);
}
