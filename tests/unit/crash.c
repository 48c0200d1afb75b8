/* crash: processes that really crash, and what is found of them. */
#include "harness/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "meta/evidence.h"
#include "node/contract.h"
#include "node/crash.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HANDLED false
#else
#define HANDLED true
#endif

static char var[256];

/* Not static: their names are looked for in backtraces. */
void dies_of_a_null_pointer(void);
void gives_up(void);
int dies_of_its_stack(int depth);

__attribute__((noinline)) void
dies_of_a_null_pointer(void)
{
	volatile int *nowhere = NULL;

	*nowhere = 1;
}

__attribute__((noinline)) void
gives_up(void)
{
	abort();
}

__attribute__((noinline)) int
dies_of_its_stack(int depth)
{
	volatile char much[4096];

	much[depth % 4096] = (char)depth;
	return depth < 0 ? 0 : dies_of_its_stack(depth + 1) + much[(depth + 1) % 4096];
}

static void
overflows(void)
{
	_exit(dies_of_its_stack(1) & 1);
}

static void
is_killed(void)
{
	raise(SIGKILL);
}

#if defined(__x86_64__)
/* The next instruction would be executed, were it not for the signal. */
static void
runs_into_a_trap(void)
{
	__asm__ volatile("int3");
}
#endif

static void
is_sent_one(void)
{
	kill(getpid(), SIGSEGV);
	for (;;)
		pause();
}

static void
ends_well(void)
{
	crash_end();
	_exit(0);
}

/* A node "sql" that serves two calls and comes to its end; how, as of waitpid. */
static int
run(uint64_t generation, void (*end)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	if ((pid = fork()) == 0) {
		const struct rlimit small = { 1 << 20, 1 << 20 };
		uint16_t method;

		if (end == overflows)
			setrlimit(RLIMIT_STACK, &small);
		crash_start(&(const struct crash_opts){
		    .var = var, .node = "sql", .generation = generation });
		method = crash_method("mf.Sql", "Execute");
		crash_call_over(crash_call(method, 7, "database", time_now_us()), 1500);
		(void)crash_call(method, 8, "graphql", time_now_us());
		end();
		_exit(99);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static json_t *
found(uint64_t generation, enum contract_end end, uint8_t code)
{
	struct evidence_end e = { .node = "sql",
		.generation = generation,
		.running = generation + 1,
		.end = (uint8_t)end,
		.end_code = code,
		.seen = true };
	char id[EVIDENCE_ID_MAX], want[32];

	evidence_settle(var, &e, id);
	snprintf(want, sizeof(want), "sql-%d", (int)generation);
	if (id[0] == '\0')
		return NULL;
	assert_string_equal(id, want);
	return evidence_read(var, id);
}

static const char *
text(const json_t *record, const char *key)
{
	return json_string_value(json_object_get(record, key));
}

static bool
says(const json_t *record, const char *list, const char *words)
{
	const json_t *line;
	size_t i;

	json_array_foreach(json_object_get(record, list), i,
	    line) if (strstr(json_string_value(line), words) != NULL) return true;
	return false;
}

static int
start(void **state)
{
	(void)state;
	snprintf(var, sizeof(var), "%s/v%d", test_dir(), rand());
	assert_int_equal(mkdir(var, 0700), 0);
	return test_log_mark(state);
}
#define C(f) cmocka_unit_test_setup_teardown(f, start, test_log_check)

static void
a_process_that_faults_leaves_where_and_what_it_served(void **state)
{
	int status = run(3, dies_of_a_null_pointer);
	json_t *r;

	(void)state;
	if (!HANDLED)
		return;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	r = found(3, END_SIGNAL, SIGSEGV);
	assert_string_equal(text(r, "how"), "signal 11 (Segmentation fault)");
	assert_int_equal(json_integer_value(json_object_get(r, "generation")), 3);
	assert_non_null(
	    strstr(json_string_value(json_array_get(json_object_get(r, "backtrace"), 0)),
		"(dies_of_a_null_pointer+0x"));
	assert_true(says(r, "backtrace", "(main+0x"));
	assert_true(says(r, "calls", "Sql.Execute from database, call 7, "));
	assert_true(says(r, "calls", "took 1.5 ms"));
	assert_true(says(r, "calls", "Sql.Execute from graphql, call 8, "));
	assert_true(says(r, "calls", "running"));
	json_decref(r);
}

#if defined(__x86_64__)
static void
a_process_that_runs_into_a_trap_does_not_run_on(void **state)
{
	int status = run(14, runs_into_a_trap);

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTRAP);
	json_decref(found(14, END_SIGNAL, SIGTRAP));
}
#endif

static void
a_process_that_aborts_says_who_wanted_it(void **state)
{
	int status = run(4, gives_up);
	json_t *r;

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	if (!HANDLED)
		return;
	r = found(4, END_SIGNAL, SIGABRT);
	assert_true(says(r, "backtrace", "(gives_up+0x"));
	assert_null(json_object_get(r, "address"));
	json_decref(r);
}

static void
a_stack_that_is_full_is_told_from_another_one(void **state)
{
	int status;
	json_t *r;

	(void)state;
	if (!HANDLED)
		return;
	status = run(5, overflows);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	r = found(5, END_SIGNAL, SIGSEGV);
	assert_true(says(r, "backtrace", "(dies_of_its_stack+0x"));
	assert_non_null(text(r, "address"));
	json_decref(r);
}

static void
a_signal_that_somebody_sent_names_the_sender(void **state)
{
	int status;
	json_t *r;

	(void)state;
	if (!HANDLED)
		return;
	status = run(6, is_sent_one);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	r = found(6, END_SIGNAL, SIGSEGV);
	assert_int_equal(json_integer_value(json_object_get(r, "sender")),
	    json_integer_value(json_object_get(r, "pid")));
	assert_null(json_object_get(r, "address"));
	json_decref(r);
}

static void
one_that_was_killed_still_tells_what_it_served(void **state)
{
	int status = run(7, is_killed);
	json_t *r;

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	r = found(7, END_HUNG, SIGKILL);
	assert_string_equal(text(r, "how"), "killed: no sign of life for 3 s");
	assert_int_equal(json_array_size(json_object_get(r, "backtrace")), 0);
	assert_true(says(r, "calls", "Sql.Execute from graphql, call 8"));
	json_decref(r);
}

static void
one_that_ends_well_or_was_asked_to_leaves_nothing(void **state)
{
	char path[CRASH_PATH];

	(void)state;
	assert_int_equal(run(8, ends_well), 0);
	assert_null(found(8, END_EXIT, 0));
	(void)run(9, is_killed); /* asked to go, and in a hurry */
	assert_null(found(9, END_NONE, 0));
	crash_path(var, "sql", 9, path);
	assert_int_equal(access(path, F_OK), -1);
}

static void
a_record_is_made_once_and_one_of_before_is_found_later(void **state)
{
	struct evidence_end later = { .node = "sql", .running = 12 };
	char id[EVIDENCE_ID_MAX];
	json_t *list;

	(void)state;
	if (!HANDLED)
		return;
	(void)run(10, gives_up);
	(void)run(11, is_killed);
	evidence_settle(var, &later, id); /* nobody knows how they ended */
	assert_string_equal(id, "");
	list = evidence_list(var, NULL, 10);
	assert_int_equal(json_array_size(json_object_get(list, "items")), 1);
	json_decref(list);
	assert_null(found(11, END_NONE, 0));
	json_decref(evidence_read(var, "sql-10"));
}

static void
a_second_orchestrator_leaves_the_record_of_the_first_as_it_is(void **state)
{
	json_t *r;

	(void)state;
	(void)run(13, is_killed);
	json_decref(found(13, END_SIGNAL, SIGKILL));
	assert_null(found(13, END_SIGNAL, SIGKILL)); /* nothing is left to make one of */
	r = evidence_read(var, "sql-13");
	assert_true(says(r, "calls", "Sql.Execute from graphql, call 8"));
	json_decref(r);
}

static void
a_process_that_never_came_to_a_file_has_its_log(void **state)
{
	char path[300];
	json_t *r;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/log", var);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/log/sql.log", var);
	f = fopen(path, "we");
	fputs("{\"level\":\"info\",\"node\":\"sql\",\"generation\":1,\"event\":\"old\"}\n"
	      "{\"level\":\"info\",\"node\":\"sql\",\"generation\":2,\"event\":\"mine\"}\n"
	      "no JSON, \xff\n"
	      "{\"level\":\"info\",\"node\":\"sql\",\"generation\":3,\"event\":\"next\"}\n",
	    f);
	fclose(f);
	r = found(2, END_EXIT, 127);
	assert_string_equal(text(r, "how"), "exit status 127");
	assert_int_equal(json_array_size(json_object_get(r, "log")), 2);
	assert_true(says(r, "log", "mine"));
	assert_true(says(r, "log", "no JSON, ?"));
	json_decref(r);
}

static void
only_the_newest_hundred_are_kept(void **state)
{
	json_t *list;

	(void)state;
	for (uint64_t g = 1; g <= EVIDENCE_MOST + 3; g++)
		json_decref(found(g, END_EXIT, 1));
	list = evidence_list(var, "sql", 1000);
	assert_int_equal(json_array_size(json_object_get(list, "items")), EVIDENCE_MOST);
	json_decref(list);
	assert_null(evidence_read(var, "sql-1"));
	list = evidence_list(var, "sql", 2);
	assert_int_equal(json_array_size(json_object_get(list, "items")), 2);
	json_decref(list);
	list = evidence_list(var, "jwt", 2);
	assert_int_equal(json_array_size(json_object_get(list, "items")), 0);
	json_decref(list);
}

static void
what_is_no_id_leads_nowhere(void **state)
{
	static const char *const bad[] = { "", "../log/sql", "/etc/passwd", "sql-1.json", "SQL-1",
		"1-sql", "sql-1/../sql-1" };

	(void)state;
	json_decref(found(1, END_EXIT, 1));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(evidence_read(var, bad[i]));
}

static void
what_is_no_record_is_not_shown(void **state)
{
	static const char *const texts[] = { "\"x\"", "{}", "[1]", "{\"id\":\"sql-2\"}",
		"{\"id\":\"sql-2\",\"node\":5,\"generation\":2,\"pid\":1,\"at\":[1],\"how\":\"\"}",
		"{\"id\":\"sql-1\",\"node\":\"sql\",\"generation\":1,\"pid\":1,\"at\":\"\",\"how\":"
		"\"\"}" };
	char path[400];
	json_t *list;

	(void)state;
	json_decref(found(1, END_EXIT, 1));
	snprintf(path, sizeof(path), "%s/crash/sql-2.json", var);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		FILE *f = fopen(path, "we");

		assert_non_null(f);
		assert_true(fputs(texts[i], f) >= 0);
		fclose(f);
		assert_null(evidence_read(var, "sql-2"));
		list = evidence_list(var, NULL, 10);
		assert_int_equal(json_array_size(json_object_get(list, "items")), 1);
		json_decref(list);
	}
}

static void
no_core_file_is_left_unless_it_is_wanted(void **state)
{
	struct rlimit was, r;

	(void)state;
	getrlimit(RLIMIT_CORE, &was);
	crash_start(&(const struct crash_opts){ .node = "sql" });
	getrlimit(RLIMIT_CORE, &r);
	assert_true(r.rlim_cur <= 1);
	setrlimit(RLIMIT_CORE, &was);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		C(a_process_that_faults_leaves_where_and_what_it_served),
#if defined(__x86_64__)
		C(a_process_that_runs_into_a_trap_does_not_run_on),
#endif
		C(a_process_that_aborts_says_who_wanted_it),
		C(a_stack_that_is_full_is_told_from_another_one),
		C(a_signal_that_somebody_sent_names_the_sender),
		C(one_that_was_killed_still_tells_what_it_served),
		C(one_that_ends_well_or_was_asked_to_leaves_nothing),
		C(a_record_is_made_once_and_one_of_before_is_found_later),
		C(a_second_orchestrator_leaves_the_record_of_the_first_as_it_is),
		C(a_process_that_never_came_to_a_file_has_its_log),
		C(only_the_newest_hundred_are_kept),
		C(what_is_no_record_is_not_shown),
		C(what_is_no_id_leads_nowhere),
		C(no_core_file_is_left_unless_it_is_wanted),
	};

	return TEST_RUN(tests);
}
