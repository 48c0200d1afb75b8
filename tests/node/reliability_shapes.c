/* reliability_shapes: shapes as real processes: faults of the bus, members that are tried in turn,
 * and nothing left behind. The members are this program again. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/time.h"
#include "cli/reliability/reliability.h"
#include "cli/reliability/shapes.h"
#include "cli/reliability/stats.h"
#include "cli/reliability/theory.h"
#include "harness/test.h"

static size_t left; /* directories of parents that were killed */

static size_t
entries(const char *dir)
{
	DIR *d = opendir(dir);
	size_t n = 0;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static struct shape
run(uint32_t depth, uint32_t breadth, double error, uint32_t calls)
{
	const struct shapes_opts o = { .seed = 42, .error = error, .calls = calls };
	struct result *r = result_new(42);
	struct shape *s = result_shape(r, depth, breadth), copy;

	shapes_run_real(r, s, &o);
	if (s->why_not != NULL)
		fail_msg("%ux%u: %s", depth, breadth, s->why_not);
	copy = *s;
	result_free(&r);
	/* whoever was started has been waited for, and left no socket */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(entries(getenv("TMPDIR")), left);
	return copy;
}

static void
a_shape_without_faults_answers_every_call(void **unused)
{
	struct shape s = run(3, 2, 0, 300);

	(void)unused;
	assert_int_equal(s.real, 300);
	assert_int_equal(s.real_ok, 300);
	assert_true(s.real_p50_ms > 0 && s.real_p99_ms >= s.real_p50_ms);
}

static void
inside(uint32_t depth, uint32_t breadth, double error, uint32_t calls)
{
	struct shape s = run(depth, breadth, error, calls);
	struct interval i = stat_wilson(s.real_ok, s.real, 0.9999);
	double truth = theory_depth_breadth(error, depth, breadth);

	if (truth < i.lo || truth > i.hi)
		fail_msg("%ux%u: %llu of %u, theory %.4f", depth, breadth,
		    (unsigned long long)s.real_ok, calls, truth);
}

/* Draws are seeded; which call meets which depends on the order of arrival, hence the wide
 * interval. */
static void
members_of_a_level_stand_in_for_each_other_as_the_formula_says(void **unused)
{
	(void)unused;
	inside(1, 1, 0.3, 1000);
	inside(1, 3, 0.3, 1000);
	inside(2, 2, 0.3, 1000);
}

static void
a_shape_whose_program_is_not_there_says_so(void **unused)
{
	const struct shapes_opts o = { .exe = "/nonexistent", .calls = 1 };
	struct result *r = result_new(1);
	struct shape *s = result_shape(r, 1, 1);

	(void)unused;
	shapes_run_real(r, s, &o);
	assert_int_equal(s->real, 0);
	assert_non_null(strstr(s->why_not, "executed"));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	result_free(&r);
}

/* A parent of its own, killed: its member is gone soon after. */
static void
a_member_ends_with_its_parent(void **unused)
{
	int alive[2], status;
	pid_t parent;
	char c;

	(void)unused;
	assert_int_equal(pipe(alive), 0);
	parent = fork();
	if (parent == 0) {
		const struct shapes_opts o = { .seed = 1, .calls = 100000000 };
		struct result *r = result_new(1);

		alarm(30);
		close(alive[0]); /* members hold the other end as long as they live */
		shapes_run_real(r, result_shape(r, 1, 2), &o);
		_exit(0);
	}
	close(alive[1]);
	usleep(300000); /* any moment will do: before, while or after they come up */
	kill(parent, SIGKILL);
	assert_int_equal(waitpid(parent, &status, 0), parent);
	alarm(20);
	assert_int_equal(read(alive[0], &c, 1), 0); /* the last end was closed */
	alarm(0);
	close(alive[0]);
	left = entries(getenv("TMPDIR"));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(a_member_ends_with_its_parent), /* first: no nng in this process yet */
		T(a_shape_without_faults_answers_every_call),
		T(members_of_a_level_stand_in_for_each_other_as_the_formula_says),
		T(a_shape_whose_program_is_not_there_says_so),
	};

	if (argc > 2 && strcmp(argv[1], "reliability") == 0)
		return cli_reliability_member(NULL, argc - 2, argv + 2);
	setenv("TMPDIR", test_dir(), 1);
	return TEST_RUN(tests);
}
