/* log: each line is one JSON object, whatever goes in. */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "harness/test.h"

static int out[2];
static char text[1 << 20];

/* What was logged since the last call. */
static char *
logged(void)
{
	ssize_t n, at = 0;

	while ((n = read(out[0], text + at, sizeof(text) - 1 - (size_t)at)) > 0)
		at += n;
	text[at] = '\0';
	return text;
}

static json_t *
one_line(void)
{
	char *line = logged(), *end = strchr(line, '\n');
	struct json_error e;
	json_t *v;

	assert_non_null(end);
	assert_string_equal(end, "\n");
	v = json_read(line, (size_t)(end - line), &e);
	if (v == NULL)
		fail_msg("%s in %s", e.what, line);
	return v;
}

static const char *
string_of(json_t *v, const char *key)
{
	return json_string_value(json_object_get(v, key));
}

static int
start(void **unused)
{
	(void)unused;
	if (pipe2(out, O_NONBLOCK | O_CLOEXEC) < 0)
		return -1;
	fcntl(out[1], F_SETPIPE_SZ, 1 << 20);
	log_init("sql", 3, out[1]);
	log_set_level(LOG_INFO);
	return 0;
}

static int
stop(void **unused)
{
	(void)unused;
	log_set_trace(NULL);
	log_set_level(LOG_INFO);
	close(out[0]);
	close(out[1]);
	log_init("test", 0, STDERR_FILENO);
	return 0;
}

static void
a_line_says_who_when_and_what(void **unused)
{
	json_t *v;

	(void)unused;
	log_set_trace("4bf92f3577b34da6a3ce929d0e0e4736");
	log_warn("peer_lost", L_STR("peer", "cache"), L_INT("after_ms", 12), L_NUM("share", 0.5),
	    L_BOOL("held", true), L_STR("none", NULL));
	v = one_line();
	assert_string_equal(string_of(v, "level"), "warn");
	assert_string_equal(string_of(v, "node"), "sql");
	assert_int_equal(json_integer_value(json_object_get(v, "generation")), 3);
	assert_string_equal(string_of(v, "trace"), "4bf92f3577b34da6a3ce929d0e0e4736");
	assert_string_equal(string_of(v, "event"), "peer_lost");
	assert_string_equal(string_of(v, "peer"), "cache");
	assert_int_equal(json_integer_value(json_object_get(v, "after_ms")), 12);
	assert_true(json_real_value(json_object_get(v, "share")) == 0.5);
	assert_true(json_is_true(json_object_get(v, "held")));
	assert_true(json_is_null(json_object_get(v, "none")));
	assert_int_equal(strlen(string_of(v, "time")), 27);
	assert_int_equal(json_integer_value(json_object_get(v, "seq")), 1);
	json_decref(v);
}

static void
a_quiet_level_writes_nothing_and_counts_nothing(void **unused)
{
	uint64_t before = log_count(LOG_DEBUG);

	(void)unused;
	log_debug("unseen");
	assert_string_equal(logged(), "");
	assert_int_equal(log_count(LOG_DEBUG), before);
	log_set_level(LOG_DEBUG);
	log_debug("seen");
	json_decref(one_line());
	assert_int_equal(log_count(LOG_DEBUG), before + 1);
}

static void
hostile_text_stays_inside_its_quotes(void **unused)
{
	json_t *v;

	(void)unused;
	log_info("odd", L_STR("text", "\"}\n{\"level\":\"error\"\\ \x01\x7f \xff\xc3(\xe2\x82"));
	v = one_line();
	assert_string_equal(string_of(v, "level"), "info");
	assert_string_equal(string_of(v, "text"),
	    "\"}\n{\"level\":\"error\"\\ \x01\x7f "
	    "\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd");
	json_decref(v);
}

static void
a_line_never_outgrows_an_atomic_write(void **unused)
{
	static char huge[20000];
	json_t *v;

	(void)unused;
	memset(huge, '"', sizeof(huge) - 1);
	log_info("huge", L_STR("a", huge), L_STR("b", huge), L_STR("c", huge), L_STR("d", huge),
	    L_INT("e", 1));
	assert_true(strlen(logged()) <= PIPE_BUF);
	log_info("huge", L_STR("a", huge), L_STR("b", huge), L_STR("c", huge), L_STR("d", huge),
	    L_INT("e", 1));
	v = one_line();
	assert_true(json_is_true(json_object_get(v, "cut")));
	json_decref(v);
}

static void
a_call_site_writes_ten_lines_a_second_and_says_what_it_held_back(void **unused)
{
	struct log_site site = { 0 };
	unsigned lines = 0;
	json_t *v;

	(void)unused;
	for (int i = 0; i < 25; i++)
		log_write(LOG_INFO, &site, "again", NULL);
	for (char *p = logged(); (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	assert_int_equal(lines, 10);
	site.window_us -= 1000000;
	log_write(LOG_INFO, &site, "again", NULL);
	v = one_line();
	assert_int_equal(json_integer_value(json_object_get(v, "suppressed")), 15);
	json_decref(v);
}

static void *
log_many(void *ctx)
{
	static struct log_site sites[400];
	struct log_site *s = sites + *(int *)ctx * 100;

	for (int i = 0; i < 100; i++)
		log_write(LOG_INFO, &s[i], "parallel",
		    (const struct log_field[]){ L_STR("who", "a thread"), { .key = NULL } });
	return NULL;
}

static void
lines_of_threads_never_mix_and_stand_in_the_order_of_their_numbers(void **unused)
{
	pthread_t t[4];
	int who[4];
	unsigned lines = 0;

	(void)unused;
	for (int i = 0; i < 4; i++) {
		who[i] = i;
		assert_int_equal(pthread_create(&t[i], NULL, log_many, &who[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (char *p = logged(), *end; (end = strchr(p, '\n')) != NULL; p = end + 1, lines++) {
		struct json_error e;
		json_t *v = json_read(p, (size_t)(end - p), &e);

		assert_non_null(v);
		assert_int_equal(json_integer_value(json_object_get(v, "seq")), lines + 1);
		json_decref(v);
	}
	assert_int_equal(lines, 400);
}

static void
a_reader_that_does_not_read_holds_nobody_up_and_is_told_what_it_missed(void **unused)
{
	char fill[4096], *p;
	struct json_error e;
	uint64_t before;
	json_t *v;

	(void)unused;
	memset(fill, 'x', sizeof(fill));
	while (write(out[1], fill, sizeof(fill)) > 0)
		;
	before = log_lost();
	log_info("lost"); /* returns: that is the test */
	log_info("lost");
	assert_int_equal(log_lost(), before + 2);
	assert_string_equal(logged() + strlen(text) - 1, "x");
	while (logged()[0] != '\0')
		; /* there was more than fits */
	log_info("seen");
	p = strchr(logged(), '\n') + 1;
	v = json_read(text, (size_t)(p - text), &e);
	assert_string_equal(string_of(v, "event"), "seen");
	assert_int_equal(json_integer_value(json_object_get(v, "seq")), 3);
	json_decref(v);
	v = json_read(p, strlen(p), &e);
	assert_string_equal(string_of(v, "event"), "lines_lost");
	assert_int_equal(json_integer_value(json_object_get(v, "lines")), 2);
	assert_int_equal(json_integer_value(json_object_get(v, "seq")), 4);
	json_decref(v);
	log_info("after");
	json_decref(one_line());
}

static void
fatal_exits_with_1_and_panic_aborts(void **unused)
{
	int status;
	pid_t pid;

	(void)unused;
	for (int i = 0; i < 2; i++) {
		pid = fork();
		if (pid == 0) {
			if (i == 0)
				fatal("no %s", "port");
			signal(SIGABRT, SIG_DFL);
			panic("bad %d", 7);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(i == 0 ? WIFEXITED(status) && WEXITSTATUS(status) == 1
				   : WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
		json_t *v = one_line();

		assert_string_equal(string_of(v, "level"), "fatal");
		assert_string_equal(string_of(v, "message"), i == 0 ? "no port" : "bad 7");
		json_decref(v);
	}
}

static void
levels_have_names(void **unused)
{
	enum log_level level;

	(void)unused;
	assert_true(log_level_from_name("warn", &level) && level == LOG_WARN);
	assert_false(log_level_from_name("WARN", &level));
	assert_false(log_level_from_name("fatal", &level)); /* nobody can turn errors off */
}

static void
a_level_for_a_time_ends_by_itself(void **unused)
{
	(void)unused;
	log_set_level_for(LOG_DEBUG, 50 * MS);
	assert_true(log_on(LOG_DEBUG));
	assert_int_equal(log_level(), LOG_DEBUG);
	log_set_level(LOG_WARN); /* the configuration was read again meanwhile */
	assert_true(log_on(LOG_DEBUG));
	usleep(60 * MS);
	assert_false(log_on(LOG_INFO));
	assert_int_equal(log_level(), LOG_WARN);
	log_set_level_for(LOG_DEBUG, 3600 * SEC);
	log_set_level_for(LOG_ERROR, 0);
	assert_false(log_on(LOG_WARN));
	assert_string_equal(log_level_name(log_level()), "error");
	log_set_level(LOG_INFO);
	assert_true(log_on(LOG_INFO));
}

static void
numbers_go_on_in_the_image_that_a_process_becomes(void **unused)
{
	json_t *v;

	(void)unused;
	log_info("before");
	logged();
	log_hand_over();
	log_init("sql", 3, out[1]);
	log_take_over();
	log_info("after");
	v = one_line();
	assert_int_equal(json_integer_value(json_object_get(v, "seq")), 2);
	json_decref(v);
	assert_null(getenv("METAFED_LOG_SEQ"));
	log_init("sql", 4, out[1]);
	log_take_over();
	log_info("another");
	v = one_line();
	assert_int_equal(json_integer_value(json_object_get(v, "seq")), 1);
	json_decref(v);
}

#define L(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		L(a_line_says_who_when_and_what),
		L(a_quiet_level_writes_nothing_and_counts_nothing),
		L(hostile_text_stays_inside_its_quotes),
		L(a_line_never_outgrows_an_atomic_write),
		L(a_call_site_writes_ten_lines_a_second_and_says_what_it_held_back),
		L(lines_of_threads_never_mix_and_stand_in_the_order_of_their_numbers),
		L(a_reader_that_does_not_read_holds_nobody_up_and_is_told_what_it_missed),
		L(fatal_exits_with_1_and_panic_aborts),
		L(levels_have_names),
		L(a_level_for_a_time_ends_by_itself),
		L(numbers_go_on_in_the_image_that_a_process_becomes),
	};

	return TEST_RUN(tests);
}
