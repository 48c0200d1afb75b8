/* coherence: a read from the cache never shows what was before an acknowledged write. */
#include "base/time.h"
#include "harness/cohbed.h"

static void
an_eventual_read_comes_from_the_cache_the_second_time(void **unused)
{
	const char *id = new_id();

	(void)unused;
	put(id, "one", true);
	assert_int_equal(answer(EVENTUAL(id)).age_us, 0);
	bed_pass(10 * MS);
	assert_true(answer(EVENTUAL(id)).age_us >= 10 * MS);
	assert_int_equal(answer(OP(READ_ONE, .id = S(id))).age_us, 0);
}

static void
an_acknowledged_write_is_seen_by_every_read_after_it(void **unused)
{
	const char *id = new_id();
	char title[20];

	(void)unused;
	put(id, "0", true);
	for (int i = 1; i < 20; i++) {
		answer(EVENTUAL(id));
		snprintf(title, sizeof(title), "%d", i);
		put(id, title, false);
		assert_string_equal(answer(EVENTUAL(id)).title, title);
	}
}

/* The read below has the old object in hand when the write is acknowledged. */
static void
slow_read_over_a_write(const char *id, struct asked *slow)
{
	put(id, "old", true);
	cohbed.hold_reads = true;
	asked_start(slow, EVENTUAL(id));
	bed_until(cohbed_holds, NULL, 5 * SEC);
	put(id, "new", false);
	assert_false(slow->ended);
}

static void
release(struct asked *slow)
{
	cohbed.hold_reads = false;
	asked_wait(slow);
	asked_free(slow);
	assert_int_equal(slow->status, ST_OK);
	assert_string_equal(slow->title, "old"); /* it began before the write */
}

static void
a_slow_read_does_not_put_the_old_object_back(void **unused)
{
	const char *id = new_id();
	struct asked slow;

	(void)unused;
	slow_read_over_a_write(id, &slow);
	release(&slow);
	assert_string_equal(answer(EVENTUAL(id)).title, "new");
}

static void
a_slow_read_does_not_though_the_tombstone_died_with_its_redis(void **unused)
{
	const char *id = new_id();
	struct asked slow;

	(void)unused;
	slow_read_over_a_write(id, &slow);
	stores_kill_redis(sqlbed.stores, "cache");
	stores_start_redis(sqlbed.stores, "cache");
	cohbed_wait_for_cache();
	release(&slow);
	assert_string_equal(answer(EVENTUAL(id)).title, "new");
}

static void
a_drop_that_was_not_confirmed_gives_the_whole_cache_up(void **unused)
{
	const char *id = new_id(), *other = new_id();

	(void)unused;
	put(id, "old", true);
	put(other, "other", true);
	answer(EVENTUAL(id));
	answer(EVENTUAL(other));
	stores_pause_redis(sqlbed.stores, "cache", true);
	put(id, "new", false);
	stores_pause_redis(sqlbed.stores, "cache", false);
	cohbed_wait_for_cache();
	assert_string_equal(answer(EVENTUAL(id)).title, "new");
	assert_int_equal(answer(EVENTUAL(other)).age_us, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_eventual_read_comes_from_the_cache_the_second_time),
		T(an_acknowledged_write_is_seen_by_every_read_after_it),
		cmocka_unit_test_teardown(
		    a_slow_read_does_not_put_the_old_object_back, cohbed_resume),
		cmocka_unit_test_teardown(
		    a_slow_read_does_not_though_the_tombstone_died_with_its_redis, cohbed_resume),
		cmocka_unit_test_teardown(
		    a_drop_that_was_not_confirmed_gives_the_whole_cache_up, cohbed_resume),
	};

	return cmocka_run_group_tests(tests, cohbed_start, cohbed_stop);
}
