/* restart: the policy as sentences. Times are microseconds of a clock that only the test moves. */
#include "harness/test.h"

#include "base/time.h"
#include "meta/restart.h"

static const struct restart_policy policy = { .base_us = 100 * MS,
	.cap_us = 5 * SEC,
	.healthy_us = 1 * SEC,
	.window_us = 60 * SEC,
	.max = 10 };

static void
a_node_that_was_healthy_starts_again_at_once(void **state)
{
	struct restart_state s = { 0 };
	int64_t at;

	(void)state;
	assert_int_equal(
	    restart_next(&policy, &s, 7 * SEC, policy.healthy_us, false, 0, &at), RESTART_NOW);
	assert_int_equal(at, 7 * SEC);
}

static void
a_node_that_dies_before_it_is_ready_waits_twice_as_long_each_time(void **state)
{
	static const int64_t waits[] = { 100 * MS, 200 * MS, 400 * MS, 800 * MS, 1600 * MS,
		3200 * MS, 5 * SEC, 5 * SEC };
	struct restart_state s = { 0 };
	int64_t at, now = SEC;

	(void)state;
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		assert_int_equal(restart_next(&policy, &s, now, 0, false, 0, &at), RESTART_LATER);
		assert_int_equal(at - now, waits[i]);
		now = at;
	}
}

static void
one_that_was_ready_only_for_a_moment_waits_too(void **state)
{
	struct restart_state s = { 0 };
	int64_t at;

	(void)state;
	assert_int_equal(
	    restart_next(&policy, &s, SEC, policy.healthy_us - 1, false, 0, &at), RESTART_LATER);
}

static void
jitter_takes_up_to_half_of_a_wait_away_and_never_adds(void **state)
{
	(void)state;
	for (uint64_t jitter = 0; jitter <= UINT32_MAX; jitter += 0x1234567) {
		struct restart_state s = { 0 };
		int64_t at;

		restart_next(&policy, &s, 0, 0, false, (uint32_t)jitter, &at);
		assert_in_range(at, policy.base_us / 2, policy.base_us);
	}
}

static void
a_healthy_time_makes_the_waits_begin_anew(void **state)
{
	struct restart_state s = { 0 };
	int64_t at;

	(void)state;
	for (int i = 0; i < 4; i++)
		restart_next(&policy, &s, i, 0, false, 0, &at);
	assert_int_equal(restart_next(&policy, &s, SEC, 5 * SEC, false, 0, &at), RESTART_NOW);
	assert_int_equal(restart_next(&policy, &s, 2 * SEC, 0, false, 0, &at), RESTART_LATER);
	assert_int_equal(at - 2 * SEC, policy.base_us);
}

static void
more_starts_than_allowed_in_the_window_and_it_is_given_up_healthy_or_not(void **state)
{
	struct restart_state s = { 0 };
	int64_t at;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_not_equal(
		    restart_next(&policy, &s, i * SEC, i % 2 == 0 ? 5 * SEC : 0, false, 0, &at),
		    RESTART_NEVER);
	assert_int_equal(restart_count(&policy, &s, 10 * SEC), 10);
	assert_int_equal(
	    restart_next(&policy, &s, 10 * SEC, 5 * SEC, false, 0, &at), RESTART_NEVER);
	assert_int_equal(restart_next(&policy, &s, 11 * SEC, 0, false, 0, &at), RESTART_NEVER);
}

static void
starts_older_than_the_window_do_not_count(void **state)
{
	struct restart_state s = { 0 };
	int64_t at;

	(void)state;
	for (int i = 0; i < 1000; i++) /* one each 7 s, for ever: never more than 9 within 60 s */
		assert_int_equal(
		    restart_next(&policy, &s, i * 7 * SEC, 5 * SEC, false, 0, &at), RESTART_NOW);
	assert_int_equal(restart_count(&policy, &s, 999 * 7 * SEC), 9);
	assert_int_equal(restart_count(&policy, &s, 999 * 7 * SEC + policy.window_us), 0);
}

static void
a_policy_that_allows_more_than_is_remembered_gives_up_at_what_is_remembered(void **state)
{
	struct restart_policy p = policy;
	struct restart_state s = { 0 };
	int64_t at;

	(void)state;
	p.max = 1000;
	for (int i = 0; i < RESTART_KEPT; i++)
		assert_int_equal(restart_next(&p, &s, i, 5 * SEC, false, 0, &at), RESTART_NOW);
	assert_int_equal(restart_next(&p, &s, RESTART_KEPT, 5 * SEC, false, 0, &at), RESTART_NEVER);
}

static void
a_transient_node_that_ended_well_is_done_and_one_that_did_not_starts_again(void **state)
{
	struct restart_policy p = policy;
	struct restart_state s = { 0 };
	int64_t at;

	(void)state;
	p.kind = RESTART_TRANSIENT;
	assert_int_equal(restart_next(&p, &s, SEC, 5 * SEC, true, 0, &at), RESTART_DONE);
	assert_int_equal(restart_count(&p, &s, SEC), 0);
	assert_int_equal(restart_next(&p, &s, SEC, 5 * SEC, false, 0, &at), RESTART_NOW);
	p.kind = RESTART_PERMANENT;
	assert_int_equal(restart_next(&p, &s, 2 * SEC, 5 * SEC, true, 0, &at), RESTART_NOW);
}

static void
a_temporary_node_never_starts_again_by_itself(void **state)
{
	struct restart_policy p = policy;
	struct restart_state s = { 0 };
	int64_t at;

	(void)state;
	p.kind = RESTART_TEMPORARY;
	assert_int_equal(restart_next(&p, &s, SEC, 5 * SEC, true, 0, &at), RESTART_DONE);
	assert_int_equal(restart_next(&p, &s, SEC, 5 * SEC, false, 0, &at), RESTART_NEVER);
	assert_int_equal(restart_count(&p, &s, SEC), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_transient_node_that_ended_well_is_done_and_one_that_did_not_starts_again),
		T(a_temporary_node_never_starts_again_by_itself),
		T(a_node_that_was_healthy_starts_again_at_once),
		T(a_node_that_dies_before_it_is_ready_waits_twice_as_long_each_time),
		T(one_that_was_ready_only_for_a_moment_waits_too),
		T(jitter_takes_up_to_half_of_a_wait_away_and_never_adds),
		T(a_healthy_time_makes_the_waits_begin_anew),
		T(more_starts_than_allowed_in_the_window_and_it_is_given_up_healthy_or_not),
		T(starts_older_than_the_window_do_not_count),
		T(a_policy_that_allows_more_than_is_remembered_gives_up_at_what_is_remembered),
	};

	return TEST_RUN(tests);
}
