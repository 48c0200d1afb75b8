/* limiter: how many log-ins may fail, on a clock of the test's own. */
#include <string.h>
#include "auth/limiter.h"
#include "base/time.h"
#include "harness/test.h"

#define NOW (INT64_C(1900000000) * SEC)

static const struct limiter_rule ten = { 10, 900 * SEC, 1 * SEC };
static const uint8_t ada[16] = "ada", bob[16] = "bob", eve[16] = "eve";

static void
fail_once(struct limiter *l, const uint8_t key[16], int64_t now_us)
{
	limiter_begin(l, key);
	limiter_end(l, key, &ten, LIMITER_FAILED, now_us);
}

static struct limiter *
after_failures(int n, int64_t now_us)
{
	struct limiter *l = limiter_new(100, 100);

	for (int i = 0; i < n; i++)
		fail_once(l, ada, now_us);
	return l;
}

static void
ten_failures_are_free_then_the_time_to_the_next_try_doubles(void **unused)
{
	struct limiter *l = limiter_new(100, 100);
	int64_t now = NOW, wait;

	(void)unused;
	for (int i = 0; i < 10; i++) {
		assert_true(limiter_wait(l, ada, &ten, now) == 0);
		fail_once(l, ada, now);
	}
	for (wait = 1 * SEC; wait <= 32 * SEC; wait *= 2) {
		assert_true(limiter_wait(l, ada, &ten, now) == wait);
		assert_true(limiter_wait(l, ada, &ten, now + wait - 1) == 1);
		now += wait;
		assert_true(limiter_wait(l, ada, &ten, now) == 0);
		fail_once(l, ada, now);
	}
	assert_true(limiter_wait(l, bob, &ten, now) == 0);
	limiter_free(&l);
}

/* The debt melts by one failure in 90 s: who tries as often as he may gets that and no more. */
static void
who_never_stops_ends_at_one_try_each_window_over_most(void **unused)
{
	struct limiter *l = after_failures(10, NOW);
	int64_t now = NOW, tries = 0;

	(void)unused;
	while (now < NOW + 86400 * SEC) {
		int64_t wait = limiter_wait(l, ada, &ten, now);

		now += wait;
		if (wait > 0)
			continue;
		fail_once(l, ada, now);
		tries++;
	}
	assert_in_range(tries, 86400 / 90 - 20, 86400 / 90 + 20);
	limiter_free(&l);
}

static void
a_window_of_quiet_forgives_everything_and_so_does_the_right_password(void **unused)
{
	struct limiter *l = after_failures(10, NOW);

	(void)unused;
	assert_true(limiter_wait(l, ada, &ten, NOW) > 0);
	for (int i = 0; i < 10; i++) {
		assert_true(limiter_wait(l, ada, &ten, NOW + 900 * SEC) == 0);
		fail_once(l, ada, NOW + 900 * SEC);
	}
	assert_true(limiter_wait(l, ada, &ten, NOW + 900 * SEC) > 0);
	limiter_begin(l, ada);
	limiter_end(l, ada, &ten, LIMITER_RIGHT, NOW + 900 * SEC);
	assert_true(limiter_wait(l, ada, &ten, NOW + 900 * SEC) == 0);
	assert_int_equal(limiter_keys(l), 0);
	limiter_free(&l);
}

static void
tries_under_way_count_like_failures_and_cost_nothing_when_nobody_could_decide(void **unused)
{
	struct limiter *l = after_failures(3, NOW);

	(void)unused;
	for (int i = 0; i < 7; i++) {
		assert_true(limiter_wait(l, ada, &ten, NOW) == 0);
		limiter_begin(l, ada);
	}
	assert_int_equal(limiter_trying(l, ada), 7);
	assert_true(limiter_wait(l, ada, &ten, NOW) == 1 * SEC);
	for (int i = 0; i < 7; i++)
		limiter_end(l, ada, &ten, LIMITER_UNDECIDED, NOW);
	assert_true(limiter_wait(l, ada, &ten, NOW) == 0);
	limiter_free(&l);
}

static void
beyond_the_free_ones_there_is_one_try_at_a_time(void **unused)
{
	struct limiter *l = after_failures(10, NOW);

	(void)unused;
	assert_true(limiter_wait(l, ada, &ten, NOW + 1 * SEC) == 0);
	limiter_begin(l, ada);
	assert_true(limiter_wait(l, ada, &ten, NOW + 1 * SEC) > 0);
	limiter_end(l, ada, &ten, LIMITER_UNDECIDED, NOW + 1 * SEC);
	assert_true(limiter_wait(l, ada, &ten, NOW + 1 * SEC) == 0);
	limiter_free(&l);
}

static void
a_full_table_forgets_of_the_oldest_who_owes_least_and_nobody_who_is_trying(void **unused)
{
	struct limiter *l = limiter_new(3, 1);

	(void)unused;
	for (int i = 0; i < 12; i++)
		fail_once(l, ada, NOW); /* the oldest, and the worst */
	fail_once(l, bob, NOW);
	limiter_begin(l, eve);
	fail_once(l, (const uint8_t *)"fourth fourth...", NOW);
	assert_int_equal(limiter_keys(l), 3);
	assert_true(limiter_wait(l, ada, &ten, NOW) > 0);
	assert_int_equal(limiter_trying(l, eve), 1);
	limiter_end(l, eve, &ten, LIMITER_UNDECIDED, NOW);
	limiter_free(&l);
}

static void
a_flood_of_names_does_not_wash_out_who_is_being_attacked(void **unused)
{
	struct limiter *l = limiter_new(1000, 1);
	uint8_t key[16] = { 0 };

	(void)unused;
	for (int i = 0; i < 15; i++)
		fail_once(l, ada, NOW);
	for (uint32_t i = 0; i < 10000; i++) {
		memcpy(key + 4, &i, sizeof(i));
		fail_once(l, key, NOW + 1);
	}
	assert_int_equal(limiter_keys(l), 1000);
	assert_true(limiter_wait(l, ada, &ten, NOW + 1) > 0);
	limiter_free(&l);
}

static void
who_was_right_longest_ago_is_the_first_that_is_not_known_any_more(void **unused)
{
	struct limiter *l = limiter_new(1, 2);

	(void)unused;
	limiter_know(l, ada);
	limiter_know(l, bob);
	limiter_know(l, ada);
	limiter_know(l, eve);
	assert_true(limiter_knows(l, ada));
	assert_false(limiter_knows(l, bob));
	assert_true(limiter_knows(l, eve));
	limiter_free(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(ten_failures_are_free_then_the_time_to_the_next_try_doubles),
		T(who_never_stops_ends_at_one_try_each_window_over_most),
		T(a_window_of_quiet_forgives_everything_and_so_does_the_right_password),
		T(tries_under_way_count_like_failures_and_cost_nothing_when_nobody_could_decide),
		T(beyond_the_free_ones_there_is_one_try_at_a_time),
		T(a_full_table_forgets_of_the_oldest_who_owes_least_and_nobody_who_is_trying),
		T(a_flood_of_names_does_not_wash_out_who_is_being_attacked),
		T(who_was_right_longest_ago_is_the_first_that_is_not_known_any_more),
	};

	return TEST_RUN(tests);
}
