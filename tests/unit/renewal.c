/* renewal: what is too much, and what is due. No process, no clock. */
#include "harness/test.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "meta/limit.h"

#define MIB  (INT64_C(1) << 20)
#define HOUR (3600 * SEC)

static const struct supervise limits = { .memory_max = 100 * MIB,
	.recycle_rss = 50 * MIB,
	.recycle_after_us = 24 * HOUR,
	.files_max = 1000 };

static enum contract_due
due(int64_t age_us, int64_t rss, int64_t files)
{
	const struct limit_use use = { .age_us = age_us, .rss = rss, .files = files };

	return limit_due(&limits, &use, 0);
}

static void
one_within_its_limits_is_left_alone(void **state)
{
	const struct limit_use most = { .rss = 100 * MIB };

	(void)state;
	assert_int_equal(due(HOUR, 50 * MIB, 900), DUE_NOT);
	assert_false(limit_exceeded(&limits, &most));
}

static void
one_that_has_grown_is_renewed_and_far_beyond_that_it_is_killed(void **state)
{
	const struct limit_use beyond = { .rss = 100 * MIB + 1 };

	(void)state;
	assert_int_equal(due(HOUR, 50 * MIB + 1, 10), DUE_MEMORY);
	assert_int_equal(due(HOUR, MIB, 901), DUE_FILES);
	assert_true(limit_exceeded(&limits, &beyond));
}

static void
one_that_takes_much_from_the_start_is_not_renewed_over_and_over(void **state)
{
	(void)state;
	assert_int_equal(due(10 * SEC, 60 * MIB, 999), DUE_NOT);
}

static void
what_has_no_limit_is_never_due(void **state)
{
	const struct supervise none = { .memory_max = 0 };
	const struct limit_use much = {
		.age_us = 900 * 24 * HOUR, .rss = INT64_MAX, .files = 1 << 20
	};

	(void)state;
	assert_int_equal(limit_due(&none, &much, 1), DUE_NOT);
	assert_false(limit_exceeded(&none, &much));
}

static void
the_age_of_renewal_lies_within_a_tenth_and_not_all_are_due_at_once(void **state)
{
	struct limit_use use = { .rss = MIB, .age_us = 24 * HOUR + 24 * HOUR / 20 };
	unsigned n = 0;

	(void)state;
	for (uint64_t id = 0; id < 1000; id++)
		n += limit_due(&limits, &use, id) == DUE_AGE;
	assert_in_range(n, 400, 600);
	use.age_us = 24 * HOUR - 1;
	for (uint64_t id = 0; id < 1000; id++)
		assert_int_equal(limit_due(&limits, &use, id), DUE_NOT);
	use.age_us = 24 * HOUR + 24 * HOUR / 10;
	for (uint64_t id = 0; id < 1000; id++)
		assert_int_equal(limit_due(&limits, &use, id), DUE_AGE);
}

static void
what_a_process_takes_can_be_seen_and_of_one_that_is_gone_nothing(void **state)
{
	struct limit_use before, after;
	pid_t pid = fork();
	int fds[2];

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_true(limit_look(getpid(), &before));
	assert_true(before.rss > MIB / 2);
	assert_int_equal(pipe(fds), 0);
	assert_true(limit_look(getpid(), &after));
	assert_int_equal(after.files, before.files + 2);
	close(fds[0]);
	close(fds[1]);
	waitpid(pid, NULL, 0);
	assert_false(limit_look(pid, &after));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_within_its_limits_is_left_alone),
		T(one_that_has_grown_is_renewed_and_far_beyond_that_it_is_killed),
		T(one_that_takes_much_from_the_start_is_not_renewed_over_and_over),
		T(what_has_no_limit_is_never_due),
		T(the_age_of_renewal_lies_within_a_tenth_and_not_all_are_due_at_once),
		T(what_a_process_takes_can_be_seen_and_of_one_that_is_gone_nothing),
	};

	return TEST_RUN(tests);
}
