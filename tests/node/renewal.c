/* renewal: executables are replaced while guard, supervisor and nodes run; against thirteen processes
 * that keep the contract and do nothing else (fakefleet.h). */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "harness/fakefleet.h"
#include "harness/test.h"
#include "meta/image.h"

static const char *
file_of(pid_t pid)
{
	static char file[PATH_MAX];
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	n = readlink(link, file, sizeof(file) - 1);
	file[n > 0 ? n : 0] = '\0';
	return file;
}

static bool
runs_from(pid_t pid, const char *name)
{
	const char *at = strrchr(file_of(pid), '/');

	return at != NULL && strcmp(at + 1, name) == 0;
}

/* bin/NAME becomes the program of all fakes once more, in a file of its own called `file`. */
static void
replace(const struct fleet *f, const char *name, const char *file)
{
	char command[1200];

	snprintf(command, sizeof(command), "cd %s/bin && cp -p test %s && ln -sf %s %s", f->var,
	    file, file, name);
	assert_int_equal(system(command), 0);
}

static void
replace_by_script(const struct fleet *f, const char *name, const char *script)
{
	const char *path = fake_path(f, "bin/", name);
	FILE *out;

	unlink(path);
	out = fopen(path, "we");
	assert_non_null(out);
	fprintf(out, "#!/bin/sh\n%s\n", script);
	fclose(out);
	chmod(path, 0755);
}

static unsigned
in_log(const struct fleet *f, const char *log, const char *what)
{
	FILE *in = fopen(fake_path(f, "log/", log), "re");
	char line[2048];
	unsigned n = 0;

	while (in != NULL && fgets(line, sizeof(line), in) != NULL)
		n += strstr(line, what) != NULL;
	if (in != NULL)
		fclose(in);
	return n;
}

static void
the_guard_becomes_the_new_executable_as_the_same_process_and_nobody_notices(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], after[FLEET_SLOTS], super;
	int waiting;

	fake_up(f, before);
	super = fake_pid(f, "supervisor");
	replace(f, "metafed-meta", "new");
	waiting = fake_dial(fake_port(f));
	fake_put(f, "command", "6 guard"); /* VERB_RENEW */
	UNTIL(fake_replaced(f, "supervisor", super) && fake_all_ready(f));
	assert_int_equal(fake_pid(f, "guard"), f->guard);
	assert_true(runs_from(f->guard, "new"));
	assert_true(runs_from(fake_pid(f, "supervisor"), "new"));
	fake_pids(f, after);
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(fake_answer(waiting), after[SLOT_API]);
	assert_int_equal(fake_answer(fake_dial(fake_port(f))), after[SLOT_API]);
	assert_int_equal(fake_history(f, " start"), 13);
	assert_int_equal(fake_history(f, "orphan"), 0);
}

static void
a_renewed_guard_keeps_the_fleet_like_the_one_before(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], super;

	fake_up(f, before);
	for (int i = 0; i < 3; i++) { /* it can be renewed again */
		super = fake_pid(f, "supervisor");
		fake_put(f, "command", "6 guard");
		UNTIL(fake_replaced(f, "supervisor", super) && fake_all_ready(f));
	}
	kill(fake_pid(f, "sql"), SIGKILL);
	UNTIL(fake_replaced(f, "sql", before[SLOT_SQL]));
	super = fake_pid(f, "supervisor");
	kill(super, SIGKILL);
	UNTIL(fake_replaced(f, "supervisor", super) && fake_all_ready(f));
	kill(fake_pid(f, "api"), SIGKILL); /* it has the socket, and gives it to the next one */
	assert_int_not_equal(fake_answer(fake_dial(fake_port(f))), before[SLOT_API]);
	kill(f->guard, SIGTERM);
	assert_int_equal(fake_ended(f->guard), 0);
}

static void
who_was_given_up_stays_given_up_over_a_renewal(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], super;

	fake_up(f, before);
	fake_put(f, "oauth", "crash");
	kill(fake_pid(f, "oauth"), SIGKILL);
	UNTIL(fake_table(f, "oauth", "FAILED") == 0);
	fake_put(f, "oauth", "");
	super = fake_pid(f, "supervisor");
	fake_put(f, "command", "6 guard");
	UNTIL(fake_replaced(f, "supervisor", super));
	fake_pause(100);
	assert_true(fake_table(f, "oauth", "FAILED") == 0);
	fake_put(f, "command", "3 oauth"); /* VERB_START */
	UNTIL(fake_all_ready(f));
}

static void
an_executable_that_can_not_take_over_is_refused_and_the_guard_goes_on(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], after[FLEET_SLOTS], super;

	fake_up(f, before);
	super = fake_pid(f, "supervisor");
	replace_by_script(f, "metafed-meta", "echo this is no guard; exit 1");
	fake_put(f, "command", "6 guard");
	UNTIL(in_log(f, "guard.log", "this is no guard") == 1);
	assert_int_equal(fake_pid(f, "supervisor"), super);
	assert_true(runs_from(f->guard, "test"));
	kill(fake_pid(f, "sql"), SIGKILL);
	UNTIL(fake_replaced(f, "sql", before[SLOT_SQL]) && fake_all_ready(f));
	fake_pids(f, after);
	after[SLOT_SQL] = before[SLOT_SQL];
	assert_memory_equal(before, after, sizeof(before));
	unlink(fake_path(f, "bin/", "metafed-meta"));
	replace(f, "metafed-meta", "good"); /* --stop needs one */
}

static void
an_executable_that_is_replaced_while_it_is_checked_is_not_taken_for_the_one_that_was(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], after[FLEET_SLOTS];
	char script[1200];

	fake_up(f, before);
	snprintf(script, sizeof(script),
	    "echo >%s/fake/checked; while [ -e %s/fake/checked ]; do sleep 0.01; done", f->var,
	    f->var);
	replace_by_script(f, "metafed-meta", script);
	fake_put(f, "command", "6 guard");
	UNTIL(access(fake_path(f, "fake/", "checked"), F_OK) == 0);
	replace_by_script(f, "metafed-meta", "exit 1");
	unlink(fake_path(f, "fake/", "checked"));
	UNTIL(in_log(f, "guard.log", "replaced while it was checked") == 1);
	assert_true(runs_from(f->guard, "test"));
	fake_pids(f, after);
	assert_memory_equal(before, after, sizeof(before));
	unlink(fake_path(f, "bin/", "metafed-meta"));
	replace(f, "metafed-meta", "good"); /* --stop needs one */
}

/* Killed at any moment of a renewal, the guard leaves a fleet that the next start adopts whole. */
static void
a_guard_that_is_killed_while_it_is_renewed_costs_nobody_his_process(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], after[FLEET_SLOTS];

	fake_up(f, before);
	for (int ms = 0; ms < 60; ms += 6) {
		fake_put(f, "command", "6 guard");
		fake_pause(ms);
		kill(f->guard, SIGKILL);
		fake_ended(f->guard);
		fake_start(f);
		UNTIL(fake_pid(f, "guard") == f->guard && fake_all_ready(f));
		assert_int_not_equal(fake_answer(fake_dial(fake_port(f))), 0);
	}
	fake_pids(f, after);
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(fake_history(f, " start"), 13);
}

/* Whoever asks may be killed and asked again, at any moment of the renewal that is under way. */
static void
a_guard_that_is_asked_again_while_it_is_renewed_is_renewed_all_the_same(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], after[FLEET_SLOTS];

	fake_up(f, before);
	for (int i = 0; i < 5; i++) {
		pid_t super = fake_pid(f, "supervisor");

		for (int k = 0; k < 100 && !fake_replaced(f, "supervisor", super); k++) {
			fake_put(f, "command", "6 guard");
			fake_pause(2);
		}
		UNTIL(fake_replaced(f, "supervisor", super) && fake_all_ready(f));
	}
	assert_int_equal(fake_pid(f, "guard"), f->guard);
	fake_pids(f, after);
	assert_memory_equal(before, after, sizeof(before));
}

static void
a_renewed_node_runs_from_the_file_that_is_there_by_now(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS];

	fake_up(f, before);
	replace(f, "metafed-sql", "new");
	fake_put(f, "command", "6 sql");
	UNTIL(fake_replaced(f, "sql", before[SLOT_SQL]));
	assert_true(runs_from(fake_pid(f, "sql"), "new"));
	assert_int_equal(fake_history(f, " drain"), 1);
	assert_int_equal(fake_restarts(f, "sql"), 0);
}

static void
a_renewed_node_that_dies_at_once_runs_again_from_its_old_file(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], pid;

	fake_up(f, before);
	replace_by_script(f, "metafed-database", "exit 4");
	fake_put(f, "command", "6 database");
	UNTIL(fake_replaced(f, "database", before[SLOT_DATABASE]));
	pid = fake_pid(f, "database");
	assert_true(runs_from(pid, "test"));
	assert_int_equal(fake_restarts(f, "database"), 0);
	kill(pid, SIGKILL); /* it goes on so until somebody restarts it */
	UNTIL(fake_replaced(f, "database", pid));
	pid = fake_pid(f, "database");
	assert_true(runs_from(pid, "test"));
	unlink(fake_path(f, "bin/", "metafed-database"));
	replace(f, "metafed-database", "good");
	fake_put(f, "command", "1 database"); /* VERB_RESTART */
	UNTIL(fake_replaced(f, "database", pid));
	assert_true(runs_from(fake_pid(f, "database"), "good"));
}

static void
a_renewed_node_that_is_never_ready_gives_way_to_its_old_file(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS];

	fake_up(f, before);
	replace_by_script(f, "metafed-jwt", "sleep 30");
	fake_put(f, "command", "6 jwt");
	UNTIL(fake_replaced(f, "jwt", before[SLOT_JWT]));
	assert_true(runs_from(fake_pid(f, "jwt"), "test"));
}

/* This very program: what the linker wrote is found, in the file and in the process. */
static void
a_process_is_known_by_the_build_id_of_its_file(void **state)
{
	struct fleet *f = *state;
	struct image own, file;

	assert_true(image_of_process(getpid(), &own));
	assert_true(image_of_file(fake_path(f, "bin/", "metafed-sql"), &file));
	assert_true(image_same(&own, &file));
	assert_int_equal(strlen(own.id), 40);
	assert_string_equal(own.version, METAFED_VERSION);
	assert_true(own.says);
}

#define F(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		F(the_guard_becomes_the_new_executable_as_the_same_process_and_nobody_notices),
		F(a_renewed_guard_keeps_the_fleet_like_the_one_before),
		F(who_was_given_up_stays_given_up_over_a_renewal),
		F(an_executable_that_can_not_take_over_is_refused_and_the_guard_goes_on),
		F(an_executable_that_is_replaced_while_it_is_checked_is_not_taken_for_the_one_that_was),
		F(a_guard_that_is_killed_while_it_is_renewed_costs_nobody_his_process),
		F(a_guard_that_is_asked_again_while_it_is_renewed_is_renewed_all_the_same),
		F(a_renewed_node_runs_from_the_file_that_is_there_by_now),
		F(a_renewed_node_that_dies_at_once_runs_again_from_its_old_file),
		F(a_renewed_node_that_is_never_ready_gives_way_to_its_old_file),
		F(a_process_is_known_by_the_build_id_of_its_file),
	};

	fake_main(argc, argv);
	return TEST_RUN(tests);
}
