/* step: what an armed place does to the process, and that all places of a program are found. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/step.h"
#include "harness/test.h"

static void
pass_first(void)
{
	STEP("test.first");
}

static void
pass_twin(int i)
{
	if (i == 0)
		STEP("test.twin");
	else
		STEP("test.twin");
}

/* Passes the first place `times` times in a child; its wait status. */
static int
child(enum step_action action, uint32_t nth, int times)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (!step_arm("test.first", action, nth))
			_exit(99);
		for (int i = 0; i < times; i++)
			pass_first();
		_exit(7);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	if (WIFSTOPPED(status)) {
		assert_int_equal(kill(pid, SIGCONT), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		return -status; /* stopped, went on, ended so */
	}
	return status;
}

static void
a_place_that_is_not_armed_does_nothing(void **unused)
{
	(void)unused;
	pass_first();
	pass_twin(0);
}

static void
kill_ends_the_process_at_once(void **unused)
{
	int status = child(STEP_KILL, 1, 1);

	(void)unused;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void
it_acts_at_the_nth_time(void **unused)
{
	(void)unused;
	assert_true(WIFEXITED(child(STEP_KILL, 3, 2)));
	assert_true(WIFSIGNALED(child(STEP_KILL, 3, 3)));
}

static void
what_is_continued_after_a_stop_goes_on_and_is_not_stopped_again(void **unused)
{
	int status = child(STEP_STOP, 1, 3);

	(void)unused;
	assert_true(status < 0);
	assert_true(WIFEXITED(-status));
	assert_int_equal(WEXITSTATUS(-status), 7);
}

static void
all_places_are_listed_and_an_unknown_one_is_said(void **unused)
{
	const struct step_place *s;
	size_t n = steps(&s), twins = 0;

	(void)unused;
	for (size_t i = 0; i < n; i++)
		twins += strcmp(s[i].name, "test.twin") == 0;
	assert_int_equal(twins, 2);
	assert_true(step_known("test.first"));
	assert_false(step_known("test.third"));
	assert_false(step_known(""));
	assert_false(step_arm("test.third", STEP_KILL, 1));
	assert_true(step_arm("test.twin", STEP_KILL, 1)); /* both */
	for (size_t i = 0; i < n; i++)
		if (strcmp(s[i].name, "test.twin") == 0)
			assert_int_equal(s[i].action, STEP_KILL);
	step_disarm_all();
	pass_twin(0);
	pass_twin(1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_place_that_is_not_armed_does_nothing),
		T(kill_ends_the_process_at_once),
		T(it_acts_at_the_nth_time),
		T(what_is_continued_after_a_stop_goes_on_and_is_not_stopped_again),
		T(all_places_are_listed_and_an_unknown_one_is_said),
	};

	return TEST_RUN(tests);
}
