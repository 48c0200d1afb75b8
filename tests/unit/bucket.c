/* bucket: token buckets on a virtual clock. */
#include "api/bucket.h"
#include "base/id.h"
#include "base/time.h"
#include "harness/test.h"

#define IDLE  (300 * SEC)
#define START (1000 * SEC) /* of the virtual clock */

static const struct limit spec = { .capacity = 1000, .token_ns = 10 * 1000 * 1000 }; /* 100/s */

static struct taking
take(struct buckets *b, uint64_t key, const struct limit *l, int64_t now)
{
	struct taking t = { .key = key, .limit = l };

	bool all = buckets_take(b, 1, &t, now);

	assert_int_equal(all, t.allowed);
	return t;
}

static unsigned
take_all(struct buckets *b, uint64_t key, const struct limit *l, int64_t now)
{
	unsigned n = 0;

	while (take(b, key, l, now).allowed)
		n++;
	return n;
}

static void
a_new_bucket_is_full_and_gives_exactly_its_capacity_at_once(void **unused)
{
	struct buckets *b = buckets_new(64, IDLE);
	struct taking t = take(b, 1, &spec, START);

	(void)unused;
	assert_true(t.allowed);
	assert_int_equal(t.left, 999);
	assert_int_equal(t.more_us, 10 * MS);
	assert_int_equal(take_all(b, 1, &spec, START), 999);
	t = take(b, 1, &spec, START);
	assert_int_equal(t.left, 0);
	assert_int_equal(t.more_us, 10 * MS);
	buckets_free(&b);
}

static void
tokens_come_back_at_the_rate_and_never_beyond_the_capacity(void **unused)
{
	struct buckets *b = buckets_new(64, IDLE);

	(void)unused;
	assert_int_equal(take_all(b, 1, &spec, START), 1000);
	assert_int_equal(take_all(b, 1, &spec, START + 10 * MS - 1), 0);
	assert_int_equal(take_all(b, 1, &spec, START + 10 * MS), 1);
	assert_int_equal(take_all(b, 1, &spec, START + 1 * SEC), 99);
	assert_int_equal(take_all(b, 1, &spec, START + 11 * SEC), 1000);
	assert_int_equal(take_all(b, 1, &spec, START + 200 * SEC), 1000);
	buckets_free(&b);
}

static void
over_a_long_time_no_more_is_given_than_the_rate_allows(void **unused)
{
	const struct limit odd = { .capacity = 7, .token_ns = 333333333 }; /* three a second */
	struct buckets *b = buckets_new(64, IDLE);
	int64_t now = START;
	unsigned given = 0;
	struct rng r;

	(void)unused;
	rng_seed(&r, 42);
	for (; now < START + 1000 * SEC; now += 1 + rng_below(&r, 200 * MS))
		given += take(b, 1, &odd, now).allowed;
	assert_in_range(given, 2990, 3007);
	buckets_free(&b);
}

static void
what_more_us_promises_is_kept(void **unused)
{
	const struct limit slow = { .capacity = 2, .token_ns = 5 * SEC * 1000 };
	struct buckets *b = buckets_new(64, IDLE);
	struct taking t;

	(void)unused;
	take_all(b, 1, &slow, START);
	t = take(b, 1, &slow, START + 1234567);
	assert_false(t.allowed);
	assert_int_equal(t.more_us, 5 * SEC - 1234567);
	assert_false(take(b, 1, &slow, START + 1234567 + t.more_us - 1).allowed);
	t = take(b, 1, &slow, START + 5 * SEC);
	assert_true(t.allowed);
	buckets_free(&b);
}

static void
buckets_of_different_keys_know_nothing_of_each_other(void **unused)
{
	struct buckets *b = buckets_new(64, IDLE);

	(void)unused;
	assert_int_equal(take_all(b, 2, &spec, START), 1000);
	assert_int_equal(take(b, 3, &spec, START).left, 999);
	assert_int_equal(take(b, 0, &spec, START).left, 999); /* 0 is a key like any other */
	assert_int_equal(take(b, 0, &spec, START).left, 998);
	buckets_free(&b);
}

static void
who_needs_two_tokens_gets_both_or_loses_none(void **unused)
{
	const struct limit small = { .capacity = 2, .token_ns = 1 * SEC * 1000 };
	struct buckets *b = buckets_new(8, IDLE); /* one set: they must not displace each other */
	struct taking both[] = { { .key = 1, .limit = &spec }, { .key = 2, .limit = &small } };

	(void)unused;
	assert_true(buckets_take(b, 2, both, START));
	assert_true(buckets_take(b, 2, both, START));
	assert_false(buckets_take(b, 2, both, START));
	assert_true(both[0].allowed);
	assert_false(both[1].allowed);
	assert_int_equal(take(b, 1, &spec, START).left, 997);
	buckets_free(&b);
}

static void
an_idle_bucket_is_forgotten_but_never_before_it_is_full(void **unused)
{
	const struct limit hours = { .capacity = 10, .token_ns = 3600 * SEC * 1000 };
	struct buckets *b = buckets_new(64, IDLE);

	(void)unused;
	assert_int_equal(take_all(b, 1, &hours, START), 10);
	assert_int_equal(take_all(b, 1, &hours, START + 2 * IDLE), 0);
	assert_int_equal(take_all(b, 1, &hours, START + 3600 * SEC), 1);
	assert_true(take(b, 2, &spec, START + 3600 * SEC).allowed);
	assert_int_equal(buckets_kept(b, START + 3600 * SEC + IDLE - 1), 2);
	assert_int_equal(buckets_kept(b, START + 3600 * SEC + IDLE), 1);
	buckets_set_idle(b, 2 * IDLE);
	assert_int_equal(buckets_kept(b, START + 3600 * SEC + IDLE), 2);
	assert_int_equal(buckets_kept(b, START + 20 * 3600 * SEC), 0);
	buckets_free(&b);
}

static void
a_flood_of_new_keys_does_not_refill_an_empty_bucket(void **unused)
{
	struct buckets *b = buckets_new(1024, IDLE);
	struct rng r;

	(void)unused;
	rng_seed(&r, 7);
	assert_int_equal(take_all(b, 4711, &spec, START), 1000);
	for (int i = 0; i < 1000000; i++)
		assert_true(take(b, rng_next(&r), &spec, START + i / 1000).allowed);
	assert_true(buckets_washed(b) > 900000);
	assert_int_equal(take_all(b, 4711, &spec, START + 1000), 0);
	buckets_free(&b);
}

static void
a_full_bucket_makes_way_without_loss(void **unused)
{
	struct buckets *b = buckets_new(8, IDLE);

	(void)unused;
	for (uint64_t key = 1; key <= 1000; key++) /* each is full again when the next comes */
		assert_int_equal(take(b, key, &spec, START + (int64_t)key * 10 * MS).left, 999);
	assert_int_equal(buckets_washed(b), 0);
	buckets_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_new_bucket_is_full_and_gives_exactly_its_capacity_at_once),
		T(tokens_come_back_at_the_rate_and_never_beyond_the_capacity),
		T(over_a_long_time_no_more_is_given_than_the_rate_allows),
		T(what_more_us_promises_is_kept),
		T(buckets_of_different_keys_know_nothing_of_each_other),
		T(who_needs_two_tokens_gets_both_or_loses_none),
		T(an_idle_bucket_is_forgotten_but_never_before_it_is_full),
		T(a_flood_of_new_keys_does_not_refill_an_empty_bucket),
		T(a_full_bucket_makes_way_without_loss),
	};

	return TEST_RUN(tests);
}
