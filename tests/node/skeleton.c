/* skeleton: one real daemon on node_main, and the test in the supervisor's place: it holds the
 * other ends of the pipes.
 *
 * The daemon is this program again, told by METAFED_TEST_NODE. What it does is in its init, reload
 * and drain below. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/time.h"
#include "bus/bus.h"
#include "harness/test.h"
#include "harness/unserved.h"
#include "node/crash.h"
#include "node/node.h"
#include "proto/meta.pb-c.h"

#define GENERATION 7

/* --- the daemon --- */

struct toy_config {
	const char *greeting;
	int64_t hold_us;
};

static const struct config_key toy_keys[] = {
	{ .name = "greeting",
	    .type = CONFIG_STR,
	    .offset = offsetof(struct toy_config, greeting),
	    .def = "hello" },
	{ .name = "hold",
	    .type = CONFIG_DURATION,
	    .offset = offsetof(struct toy_config, hold_us),
	    .def = "0" },
	{ .name = NULL },
};

static int64_t free_at_us;

static bool
toy_check(const void *config, char *err, size_t err_size)
{
	const struct toy_config *c = config;

	if (strcmp(c->greeting, "rude") != 0)
		return true;
	snprintf(err, err_size, "greeting: must be polite");
	return false;
}

static void
hang(struct timer *t)
{
	(void)t;
	for (;;)
		pause();
}

/* From now on whoever writes into the log waits for ever. */
static void
block_log(void)
{
	int p[2];

	must(pipe2(p, O_NONBLOCK) == 0);
	while (write(p[1], "x", 1) == 1)
		;
	must(fcntl(p[1], F_SETFL, 0) == 0);
	dup2(p[1], STDERR_FILENO);
}

static void
hang_mute(struct timer *t)
{
	block_log();
	hang(t);
}

static bool
toy_init(struct node *n)
{
	const struct toy_config *c = node_config(n);
	static struct timer soon;

	timer_init(&soon, node_loop(n), strcmp(c->greeting, "mute") == 0 ? hang_mute : hang);
	if (strcmp(c->greeting, "hang") == 0 || strcmp(c->greeting, "mute") == 0)
		timer_in(&soon, 300 * MS);

	if (strcmp(c->greeting, "refuse") == 0)
		return false;
	node_ready(n);
	return true;
}

static void
toy_reload(struct node *n, const void *old_config, const void *new_config)
{
	const struct toy_config *was = old_config, *is = new_config;

	must(node_config(n) == new_config);
	log_info("greeting_changed", L_STR("old", was->greeting), L_STR("new", is->greeting));
}

static void
toy_drain(struct node *n)
{
	free_at_us = time_now_us() + ((const struct toy_config *)node_config(n))->hold_us;
}

static bool
toy_drained(struct node *n)
{
	(void)n;
	return time_now_us() >= free_at_us;
}

static void
toy_fini(struct node *n)
{
	(void)n;
	log_info("fini");
}

static int
toy_main(int argc, char **argv)
{
	return node_main(argc, argv,
	    &(const struct service_def){ .name = "cache",
		.keys = toy_keys,
		.config_size = sizeof(struct toy_config),
		.check = toy_check,
		.init = toy_init,
		.reload = toy_reload,
		.drain = toy_drain,
		.drained = toy_drained,
		.fini = toy_fini });
}

/* In meta's place: answers beats, and asks whoever has beaten three times to exit; who is asked says
 * that he drains. */
static void
meta_heartbeat(
    Mf__Meta_Service *service, const Mf__Beat *b, Mf__BeatAnswer_Closure reply, void *ctx)
{
	Mf__BeatAnswer answer = MF__BEAT_ANSWER__INIT;
	static unsigned beats;

	(void)service, (void)reply;
	must(strcmp(b->node, "cache") == 0 && b->pid > 0);
	must(b->state == (beats < 3 ? NODE_READY : NODE_DRAINING));
	answer.exit = ++beats == 3;
	call_reply(ctx, &answer.base);
}

UNSERVED(meta_mode, Meta, Empty, FleetMode)

UNSERVED(meta_execute, Meta, TaskRequest, TaskResponse)
UNSERVED(meta_fleet, Meta, Empty, FleetState)
UNSERVED(meta_take_traces, Meta, TraceBatch, Empty)

static bool
meta_init(struct node *n)
{
	node_ready(n);
	return true;
}

static int
meta_main(int argc, char **argv)
{
	static Mf__Meta_Service service = MF__META__INIT(meta_);
	static const struct serve serves[] = { { &service.base, PRIMARY }, { NULL, PRIMARY } };

	return node_main(argc, argv,
	    &(const struct service_def){ .name = "meta", .serves = serves, .init = meta_init });
}

/* --- the test --- */

static struct {
	pid_t pid;
	int status, life; /* our ends */
	char out[64];     /* its standard output and error */
	const char *var;
	const char *role; /* which of the daemons above the next one is */
} toy;

static int
reset(void **state)
{
	toy.pid = 0;
	toy.status = toy.life = -1;
	toy.var = test_dir();
	toy.role = "cache";
	return test_log_mark(state);
}

static int
cleanup(void **state)
{
	char left[CRASH_PATH];

	if (toy.pid > 0) {
		kill(toy.pid, SIGKILL);
		waitpid(toy.pid, NULL, 0);
	}
	crash_path(toy.var, "cache", GENERATION, left);
	unlink(left);
	close(toy.status);
	close(toy.life);
	return test_log_check(state);
}

static char *
output(void)
{
	static char text[65536];
	int fd = open(toy.out, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void
become(const char *const *args, int status, int life, bool supervised)
{
	char set_var[4200],
	    *argv[16] = { (char[]){ "metafed-cache" }, (char[]){ "--set" }, set_var };
	int n = 3, out = open(toy.out, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);

	snprintf(set_var, sizeof(set_var), "var=%s", toy.var);
	for (; args != NULL && *args != NULL && n < 15; args++)
		argv[n++] = strdup(*args);
	dup2(out, 1);
	dup2(out, 2);
	if (supervised) {
		int s = fcntl(status, F_DUPFD, 50), l = fcntl(life, F_DUPFD, 50);

		dup2(s, CONTRACT_STATUS);
		dup2(l, CONTRACT_LIFE);
		close(s);
		close(l);
		setenv("METAFED_SUPERVISED", "1", 1);
		setenv("METAFED_NODE", "cache", 1);
		setenv("METAFED_GENERATION", "7", 1);
	}
	setenv("METAFED_TEST_NODE", toy.role, 1);
	execv("/proc/self/exe", argv);
	_exit(99);
}

static void
spawn(bool supervised, const char *const *args)
{
	int status[2], life[2];

	snprintf(toy.out, sizeof(toy.out), "%.40s/out", toy.var);
	assert_int_equal(pipe2(status, O_CLOEXEC), 0);
	assert_int_equal(pipe2(life, O_CLOEXEC), 0);
	toy.pid = fork();
	if (toy.pid == 0)
		become(args, status[1], life[0], supervised);
	close(status[1]);
	close(life[0]);
	toy.status = status[0];
	toy.life = life[1];
}

/* The next status record; false when none comes in time. */
static bool
next_status(struct contract_status *s, int limit_ms)
{
	struct pollfd p = { .fd = toy.status, .events = POLLIN };

	return poll(&p, 1, limit_ms) > 0 && read(toy.status, s, sizeof(*s)) == sizeof(*s);
}

static bool
reaches(enum contract_state state, int limit_ms)
{
	int64_t end = time_now_us() + limit_ms * MS;
	struct contract_status s;

	while (time_now_us() < end && next_status(&s, (int)((end - time_now_us()) / MS))) {
		assert_int_equal(s.generation, GENERATION);
		if (s.state == state)
			return true;
	}
	return false;
}

static bool
says(const char *text, int limit_ms)
{
	for (int i = 0; i < limit_ms; i += 10) {
		if (strstr(output(), text) != NULL)
			return true;
		usleep(10000);
	}
	return false;
}

/* -1: it did not end in time; else its exit status, 1000 + signal. */
static int
ends(int limit_ms)
{
	int status;

	for (int i = 0; i < limit_ms; i += 5) {
		if (waitpid(toy.pid, &status, WNOHANG) == toy.pid) {
			toy.pid = 0;
			return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
		}
		usleep(5000);
	}
	return -1;
}

static void
a_node_says_starting_then_ready_and_beats_twice_a_second(void **unused)
{
	struct contract_status s;
	int64_t since;

	(void)unused;
	spawn(true, NULL);
	assert_true(next_status(&s, 5000));
	assert_int_equal(s.state, NODE_STARTING);
	assert_int_equal(s.generation, GENERATION);
	assert_true(reaches(NODE_READY, 2000));
	since = time_now_us();
	for (int i = 0; i < 3; i++) {
		assert_true(next_status(&s, 2000));
		assert_int_equal(s.state, NODE_READY);
	}
	assert_in_range(time_now_us() - since, 900 * MS, 2500 * MS);
}

static void
sigterm_drains_and_the_last_word_is_fini(void **unused)
{
	(void)unused;
	spawn(true, (const char *const[]){ "--set", "hold=300ms", NULL });
	assert_true(reaches(NODE_READY, 5000));
	kill(toy.pid, SIGTERM);
	assert_true(reaches(NODE_DRAINING, 1000));
	assert_int_equal(ends(100), -1); /* it still holds something */
	assert_int_equal(ends(2000), 0);
	assert_non_null(strstr(output(), "\"event\":\"fini\""));
}

static void
a_drain_has_a_limit_and_a_second_signal_has_none(void **unused)
{
	(void)unused;
	spawn(true, (const char *const[]){ "--set", "hold=1h", "--set", "drain=200ms", NULL });
	assert_true(reaches(NODE_READY, 5000));
	kill(toy.pid, SIGTERM);
	assert_int_equal(ends(2000), 0);
	assert_non_null(strstr(output(), "drain_cut_short"));

	cleanup(NULL);
	spawn(true, (const char *const[]){ "--set", "hold=1h", NULL });
	assert_true(reaches(NODE_READY, 5000));
	kill(toy.pid, SIGTERM);
	assert_true(reaches(NODE_DRAINING, 1000));
	kill(toy.pid, SIGTERM);
	assert_int_equal(ends(1000), 1);
}

static void
a_full_or_closed_status_pipe_never_holds_the_node_up(void **unused)
{
	(void)unused;
	spawn(true, NULL);
	assert_true(reaches(NODE_READY, 5000));
	close(toy.status);
	toy.status = -1;
	usleep(700000); /* a beat into the closed pipe */
	assert_int_equal(ends(1), -1);
	kill(toy.pid, SIGTERM);
	assert_int_equal(ends(2000), 0);
}

static void
an_orphan_serves_on_for_its_grace_time_then_drains(void **unused)
{
	int64_t since;

	(void)unused;
	spawn(true, (const char *const[]){ "--set", "life_grace=800ms", NULL });
	assert_true(reaches(NODE_READY, 5000));
	since = time_now_us();
	close(toy.life);
	toy.life = -1;
	assert_int_equal(ends(5000), 0);
	assert_true(time_now_us() - since >= 800 * MS);
	assert_non_null(strstr(output(), "supervisor_lost"));
}

/* The supervisor says what that is: it ends what has nobody else. */
static void
an_abandoned_node_becomes_the_sweep_and_one_that_is_asked_to_go_does_not(void **unused)
{
	const char *const args[] = { "--set", "life_grace=300ms", NULL };
	char script[4200];
	FILE *f;

	(void)unused;
	snprintf(script, sizeof(script), "%s/sweep", toy.var);
	f = fopen(script, "we");
	fputs("#!/bin/sh\n"
	      "echo \"swept $* $METAFED_NODE\"\n"
	      "[ ! -e /proc/$$/fd/3 ] && [ ! -e /proc/$$/fd/4 ] && echo closed\n",
	    f);
	fclose(f);
	chmod(script, 0700);
	setenv("METAFED_SWEEP", script, 1);
	spawn(true, args);
	assert_true(reaches(NODE_READY, 5000));
	kill(toy.pid, SIGTERM);
	assert_int_equal(ends(5000), 0);
	assert_null(strstr(output(), "swept"));
	cleanup(NULL);
	spawn(true, args);
	unsetenv("METAFED_SWEEP");
	assert_true(reaches(NODE_READY, 5000));
	close(toy.life);
	toy.life = -1;
	assert_int_equal(ends(5000), 0);
	snprintf(script, sizeof(script), "swept --var %s --sweep \n", toy.var);
	assert_non_null(strstr(output(), script));
	assert_non_null(strstr(output(), "\nclosed\n")); /* so the lock of its run file is free */
}

static void
an_orphan_whose_life_line_is_taken_up_again_stays(void **unused)
{
	char path[64];

	(void)unused;
	spawn(true, (const char *const[]){ "--set", "life_grace=1500ms", NULL });
	assert_true(reaches(NODE_READY, 5000));
	for (int round = 0; round < 2; round++) {
		close(toy.life);
		assert_true(says("supervisor_lost", 1000));
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)toy.pid, CONTRACT_LIFE);
		toy.life = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		assert_true(toy.life >= 0);
		assert_true(says("supervisor_back", 2000));
		assert_int_equal(truncate(toy.out, 0), 0);
	}
	assert_int_equal(ends(2000), -1);
}

static void
a_reload_builds_the_new_before_it_touches_the_old(void **unused)
{
	char path[4200], option[4300];
	FILE *f;

	(void)unused;
	snprintf(path, sizeof(path), "%s/metafed.conf", toy.var);
	snprintf(option, sizeof(option), "--config=%s", path);
	f = fopen(path, "we");
	fputs("log_level = info\n[cache]\ngreeting = first\n", f);
	fclose(f);
	spawn(true, (const char *const[]){ option, NULL });
	assert_true(reaches(NODE_READY, 5000));

	f = fopen(path, "we");
	fputs("log_level = info\n[cache]\ngreeting = rude\n", f);
	fclose(f);
	kill(toy.pid, SIGHUP);
	assert_true(says("greeting: must be polite", 2000));
	f = fopen(path, "we");
	fputs("log_level = info\n[cache]\ngreetings = x\n", f);
	fclose(f);
	kill(toy.pid, SIGHUP);
	assert_true(says("metafed.conf:3: [cache]: greetings: no such key", 2000));
	for (int i = 0; i < 3; i++) {
		f = fopen(path, "we");
		fprintf(f, "retry_budget = 0.%d\n[cache]\ngreeting = third%d\n", i + 1, i);
		fclose(f);
		kill(toy.pid, SIGHUP);
		assert_true(says(i == 0   ? "\"old\":\"first\",\"new\":\"third0\""
				 : i == 1 ? "\"old\":\"third0\",\"new\":\"third1\""
					  : "\"old\":\"third1\",\"new\":\"third2\"",
		    2000));
	}
	assert_non_null(
	    strstr(output(), "\"event\":\"config_needs_restart\",\"key\":\"retry_budget\""));
	assert_null(strstr(output(), "\"level\":\"fatal\""));
	kill(toy.pid, SIGTERM);
	assert_int_equal(ends(2000), 0);
}

static void
options_check_and_print_without_starting_anything(void **unused)
{
	(void)unused;
	spawn(false, (const char *const[]){ "--check", NULL });
	assert_int_equal(ends(2000), 0);
	spawn(false, (const char *const[]){ "--check", "--set", "greeting=rude", NULL });
	assert_int_equal(ends(2000), 1);
	assert_non_null(strstr(output(), "metafed-cache: greeting: must be polite\n"));
	spawn(false, (const char *const[]){ "--check", "--set", "breakers=off", NULL });
	assert_int_equal(ends(2000), 1);
	assert_non_null(strstr(output(), "breakers: \"off\": must be active or observe\n"));
	spawn(false, (const char *const[]){ "--check", "--set", "retry_tries=0", NULL });
	assert_int_equal(ends(2000), 1);
	spawn(false, (const char *const[]){ "--print-config", "--set", "hold=1500ms", NULL });
	assert_int_equal(ends(2000), 0);
	assert_non_null(strstr(output(), "\nhold = 1500ms\n"));
	assert_non_null(strstr(output(), "/run/bus\n"));
	assert_non_null(strstr(output(), "\nretry_tries = 5\n"));
	assert_non_null(strstr(output(), "\nbreakers = active\n"));
	spawn(false, (const char *const[]){ "--nonsense", NULL });
	assert_int_equal(ends(2000), 2);
	spawn(false, (const char *const[]){ "--version", NULL });
	assert_int_equal(ends(2000), 0);
	assert_non_null(strstr(output(), "metafed-cache "));
	spawn(false, (const char *const[]){ "--keys", NULL });
	assert_int_equal(ends(2000), 0);
	assert_string_equal(output(), "greeting\nhold\n");
}

static void
a_variable_of_its_name_that_sets_nothing_is_a_warning(void **unused)
{
	(void)unused;
	setenv("METAFED_CACHE_GREETING", "hi", 1);
	setenv("METAFED_CACHE_GRETING", "hi", 1);
	setenv("METAFED_REST_GRETING", "hi", 1); /* not of this node */
	spawn(false, NULL);
	unsetenv("METAFED_CACHE_GREETING");
	unsetenv("METAFED_CACHE_GRETING");
	unsetenv("METAFED_REST_GRETING");
	assert_true(says("\"event\":\"ready\"", 5000));
	assert_true(says("\"event\":\"unknown_variable\",\"name\":\"METAFED_CACHE_GRETING\","
			 "\"meant\":\"METAFED_CACHE_GREETING\"",
	    1000));
	kill(toy.pid, SIGTERM);
	assert_int_equal(ends(2000), 0);
	assert_null(strstr(output(), "REST"));
}

static void
a_bus_directory_that_is_open_to_others_is_refused(void **unused)
{
	char dir[4200], option[4300];

	(void)unused;
	snprintf(dir, sizeof(dir), "%s/open", toy.var);
	snprintf(option, sizeof(option), "bus_dir=%s", dir);
	mkdir(dir, 0700);
	chmod(dir, 0755);
	spawn(true, (const char *const[]){ "--set", option, NULL });
	assert_int_equal(ends(2000), 1);
	assert_non_null(strstr(output(), "open to others (mode 755)"));
}

static void
an_init_that_fails_ends_with_1(void **unused)
{
	(void)unused;
	spawn(true, (const char *const[]){ "--set", "greeting=refuse", NULL });
	assert_int_equal(ends(2000), 1);
}

static void
without_a_supervisor_a_node_runs_and_stops_by_itself(void **unused)
{
	(void)unused;
	spawn(false, (const char *const[]){
			 "--set", "heartbeat=true", NULL }); /* nobody answers: harmless */
	assert_true(says("\"event\":\"ready\"", 5000));
	usleep(1200000);
	kill(toy.pid, SIGINT);
	assert_int_equal(ends(2000), 0);
	assert_null(strstr(output(), "\"level\":\"warn\""));
}

static void
in_a_container_a_node_beats_over_the_bus_and_goes_when_meta_asks(void **unused)
{
	pid_t meta;

	(void)unused;
	toy.role = "meta";
	spawn(false, NULL);
	assert_true(says("\"event\":\"ready\"", 5000));
	meta = toy.pid;
	close(toy.status);
	close(toy.life);

	toy.role = "cache";
	spawn(false, (const char *const[]){ "--set", "heartbeat=on", NULL });
	assert_int_equal(ends(600), -1);
	assert_int_equal(ends(5000), 0);
	assert_non_null(strstr(output(), "asked_to_exit"));
	kill(meta, SIGTERM);
	toy.pid = meta;
	assert_int_equal(ends(2000), 0);
}

#define CONTAINER "--set", "heartbeat=on", "--set", "watchdog=1s"

static void
in_a_container_a_node_that_hangs_ends_itself_and_says_so(void **unused)
{
	int64_t began = time_now_us();

	(void)unused;
	spawn(false, (const char *const[]){ CONTAINER, "--set", "greeting=hang", NULL });
	assert_true(says("\"event\":\"ready\"", 5000));
	assert_int_equal(ends(10000), 1000 + SIGABRT);
	assert_true(time_now_us() - began >= 1 * SEC); /* it began to hang after that */
	assert_non_null(strstr(output(), "\"event\":\"loop_hung\",\"limit_ms\":1000"));
}

static void
it_ends_even_when_it_is_the_log_that_hangs(void **unused)
{
	(void)unused;
	spawn(false, (const char *const[]){ CONTAINER, "--set", "greeting=mute", NULL });
	assert_int_equal(ends(15000), 1000 + SIGALRM);
}

/* Of its silence nobody but the others may think anything. */
static void
a_node_that_was_frozen_has_not_hung(void **unused)
{
	(void)unused;
	spawn(false, (const char *const[]){ CONTAINER, NULL });
	assert_true(says("\"event\":\"ready\"", 5000));
	for (int i = 0; i < 2; i++) {
		kill(toy.pid, SIGSTOP);
		usleep(1500000);
		kill(toy.pid, SIGCONT);
		assert_int_equal(ends(700), -1);
	}
	kill(toy.pid, SIGTERM);
	assert_int_equal(ends(2000), 0);
}

#define N(f) cmocka_unit_test_setup_teardown(f, reset, cleanup)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		N(a_node_says_starting_then_ready_and_beats_twice_a_second),
		N(sigterm_drains_and_the_last_word_is_fini),
		N(a_drain_has_a_limit_and_a_second_signal_has_none),
		N(a_full_or_closed_status_pipe_never_holds_the_node_up),
		N(an_orphan_serves_on_for_its_grace_time_then_drains),
		N(an_abandoned_node_becomes_the_sweep_and_one_that_is_asked_to_go_does_not),
		N(an_orphan_whose_life_line_is_taken_up_again_stays),
		N(a_reload_builds_the_new_before_it_touches_the_old),
		N(options_check_and_print_without_starting_anything),
		N(a_variable_of_its_name_that_sets_nothing_is_a_warning),
		N(a_bus_directory_that_is_open_to_others_is_refused),
		N(an_init_that_fails_ends_with_1),
		N(without_a_supervisor_a_node_runs_and_stops_by_itself),
		N(in_a_container_a_node_beats_over_the_bus_and_goes_when_meta_asks),
		N(in_a_container_a_node_that_hangs_ends_itself_and_says_so),
		N(it_ends_even_when_it_is_the_log_that_hangs),
		N(a_node_that_was_frozen_has_not_hung),
	};

	const char *role = getenv("METAFED_TEST_NODE");

	if (role != NULL)
		return strcmp(role, "meta") == 0 ? meta_main(argc, argv) : toy_main(argc, argv);
	unsetenv("METAFED_CONFIG");
	return TEST_RUN(tests);
}
