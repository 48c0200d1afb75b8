/* limiter: how many log-ins may fail, on a clock of the test's own. */
#include "auth/limiter.h"
#include "base/time.h"
#include "harness/test.h"

#define NOW (INT64_C(1900000000) * SEC)

static const struct limiter_rule ten = { 10, 60 * SEC };
static const uint8_t ada[16] = "ada", bob[16] = "bob", eve[16] = "eve";

static void
ten_failures_are_free_the_next_waits_six_seconds(void **unused)
{
	struct limiter *l = limiter_new(100);

	(void)unused;
	for (int i = 0; i < 10; i++) {
		assert_true(limiter_wait(l, ada, &ten, NOW) == 0);
		limiter_failed(l, ada, &ten, NOW);
	}
	assert_true(limiter_wait(l, ada, &ten, NOW) == 6 * SEC);
	assert_true(limiter_wait(l, ada, &ten, NOW + 6 * SEC - 1) == 1);
	assert_true(limiter_wait(l, ada, &ten, NOW + 6 * SEC) == 0);
	assert_true(limiter_wait(l, bob, &ten, NOW) == 0);
	limiter_free(&l);
}

static void
a_minute_of_quiet_forgives_everything_and_so_does_the_right_password(void **unused)
{
	struct limiter *l = limiter_new(100);

	(void)unused;
	for (int i = 0; i < 10; i++)
		limiter_failed(l, ada, &ten, NOW);
	for (int i = 0; i < 10; i++) {
		assert_true(limiter_wait(l, ada, &ten, NOW + 60 * SEC) == 0);
		limiter_failed(l, ada, &ten, NOW + 60 * SEC);
	}
	assert_true(limiter_wait(l, ada, &ten, NOW + 60 * SEC) > 0);
	limiter_forget(l, ada);
	assert_true(limiter_wait(l, ada, &ten, NOW + 60 * SEC) == 0);
	limiter_free(&l);
}

static void
a_full_table_forgets_who_failed_longest_ago(void **unused)
{
	static const struct limiter_rule one = { 1, 60 * SEC };
	struct limiter *l = limiter_new(2);

	(void)unused;
	limiter_failed(l, ada, &one, NOW);
	limiter_failed(l, bob, &one, NOW);
	limiter_failed(l, ada, &one, NOW);
	limiter_failed(l, eve, &one, NOW);
	assert_int_equal(limiter_keys(l), 2);
	assert_true(limiter_wait(l, bob, &one, NOW) == 0);
	assert_true(limiter_wait(l, ada, &one, NOW) > 0);
	assert_true(limiter_wait(l, eve, &one, NOW) > 0);
	limiter_free(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(ten_failures_are_free_the_next_waits_six_seconds),
		T(a_minute_of_quiet_forgives_everything_and_so_does_the_right_password),
		T(a_full_table_forgets_who_failed_longest_ago),
	};

	return TEST_RUN(tests);
}
