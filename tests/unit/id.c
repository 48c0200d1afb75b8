/* id: UUIDs of version 7 and the repeatable generator. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/id.h"
#include "base/time.h"
#include "harness/test.h"

static void
uuids_are_of_version_7_and_carry_the_time(void **unused)
{
	char s[UUID_LEN];
	uint8_t b[16];
	int64_t ms = 0, now = time_wall_us() / 1000;

	(void)unused;
	uuid7(s);
	assert_true(uuid_ok(s));
	assert_int_equal(s[14], '7');
	assert_non_null(strchr("89ab", s[19]));
	uuid_pack(s, b);
	for (int i = 0; i < 6; i++)
		ms = ms << 8 | b[i];
	assert_true(ms >= now && ms < now + 1000);
}

static void
uuids_of_one_process_sort_in_the_order_of_their_making(void **unused)
{
	char last[UUID_LEN] = "", s[UUID_LEN];

	(void)unused;
	for (int i = 0; i < 20000; i++) {
		uuid7(s);
		assert_true(strcmp(last, s) < 0);
		memcpy(last, s, sizeof(s));
	}
}

#define EACH 5000

static void *
make_many(void *out)
{
	char(*s)[UUID_LEN] = out;

	for (int i = 0; i < EACH; i++)
		uuid7(s[i]);
	return NULL;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
no_two_threads_make_the_same_uuid(void **unused)
{
	static char all[4 * EACH][UUID_LEN];
	pthread_t t[4];

	(void)unused;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, make_many, all[i * EACH]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	qsort(all, 4 * EACH, UUID_LEN, by_text);
	for (int i = 1; i < 4 * EACH; i++)
		assert_true(
		    strncmp(all[i - 1], all[i], 18) != 0); /* the stamp alone is different */
}

/* The last 15 digits are random alone. */
static void
a_child_of_fork_makes_other_uuids_than_its_parent(void **unused)
{
	char ours[UUID_LEN], theirs[UUID_LEN];
	int fds[2], status;
	pid_t child;

	(void)unused;
	uuid7(ours);
	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		uuid7(theirs);
		_exit(write(fds[1], theirs, UUID_LEN) == UUID_LEN ? 0 : 1);
	}
	uuid7(ours);
	assert_int_equal(read(fds[0], theirs, UUID_LEN), UUID_LEN);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(fds[0]);
	close(fds[1]);
	assert_string_not_equal(ours + 21, theirs + 21);
}

static void
what_is_no_uuid_is_told(void **unused)
{
	(void)unused;
	assert_true(uuid_ok("0190a0b1-c2d3-7e4f-8a5b-6c7d8e9f0a1b"));
	assert_false(uuid_ok(""));
	assert_false(uuid_ok("0190A0b1-c2d3-7e4f-8a5b-6c7d8e9f0a1b"));
	assert_false(uuid_ok("0190a0b1-c2d3-7e4f-8a5b-6c7d8e9f0a1"));
	assert_false(uuid_ok("0190a0b1-c2d3-7e4f-8a5b-6c7d8e9f0a1bb"));
	assert_false(uuid_ok("0190a0b1c2d3-7e4f-8a5b-6c7d8e9f0a1b-"));
	assert_false(uuid_ok("0190a0b1-c2d3-7e4f-8a5b-6c7d8e9f0a1g"));
}

static void
the_same_seed_repeats_the_same_numbers(void **unused)
{
	struct rng a, b, c;
	bool differs = false;

	(void)unused;
	rng_seed(&a, 7);
	rng_seed(&b, 7);
	rng_seed(&c, 8);
	for (int i = 0; i < 1000; i++) {
		uint64_t v = rng_next(&a);

		assert_true(v == rng_next(&b));
		differs |= v != rng_next(&c);
	}
	assert_true(differs);
}

static void
numbers_below_n_are_even(void **unused)
{
	unsigned seen[7] = { 0 };
	double sum = 0;
	struct rng r;

	(void)unused;
	rng_seed(&r, 1);
	for (int i = 0; i < 70000; i++) {
		uint32_t v = rng_below(&r, 7);
		double u = rng_unit(&r);

		assert_true(v < 7 && u >= 0 && u < 1);
		seen[v]++;
		sum += u;
	}
	for (int i = 0; i < 7; i++)
		assert_in_range(seen[i], 9600, 10400); /* 4 standard deviations */
	assert_true(sum > 34500 && sum < 35500);
	assert_int_equal(rng_below(&r, 1), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(uuids_are_of_version_7_and_carry_the_time),
		T(uuids_of_one_process_sort_in_the_order_of_their_making),
		T(no_two_threads_make_the_same_uuid),
		T(a_child_of_fork_makes_other_uuids_than_its_parent),
		T(what_is_no_uuid_is_told),
		T(the_same_seed_repeats_the_same_numbers),
		T(numbers_below_n_are_even),
	};

	return TEST_RUN(tests);
}
