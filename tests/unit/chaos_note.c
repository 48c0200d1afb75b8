/* chaos_note: what the next orchestrator is told of experiments. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/test.h"
#include "meta/chaos_note.h"

static char dir[] = "/tmp/chaos_note-XXXXXX", path[64];

static const struct chaos_noted noted[] = {
	{ .id = "0190a6e0-0000-7000-8000-000000000001",
	    .by = "admin",
	    .order = { .action = CHAOS_DELAY,
		.target = "auth",
		.for_ms = 600000,
		.probability = 1e-9,
		.delay_ms = 60000,
		.seed = INT64_MAX },
	    .began = 1,
	    .ends = INT64_MAX,
	    .generation = 7 },
	{ .id = "0190a6e0-0000-7000-8000-000000000002",
	    .order = { .action = CHAOS_PARTITION,
		.target = "sql",
		.peer = "database",
		.for_ms = 100,
		.probability = 1,
		.delay_ms = 200,
		.seed = 1 } },
	{ .id = "0190a6e0-0000-7000-8000-000000000003",
	    .order = { .action = CHAOS_CLOCK_STEP,
		.target = "cache",
		.for_ms = 100,
		.probability = 1,
		.delay_ms = 200,
		.step_ms = -86400000,
		.seed = 1 } },
	{ .id = "0190a6e0-0000-7000-8000-000000000004",
	    .order = { .action = CHAOS_STORE_DOWN,
		.target = "redis-cache",
		.for_ms = 100,
		.probability = 1,
		.delay_ms = 200,
		.seed = 1 } },
};
#define N (sizeof(noted) / sizeof(noted[0]))

static void
put(const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void
what_is_written_is_read(void **unused)
{
	struct chaos_noted out[N] = { { .id = "" } };
	size_t n;

	(void)unused;
	assert_true(chaos_note_write(path, noted, N));
	assert_true(chaos_note_read(path, out, N, &n));
	assert_int_equal(n, N);
	for (size_t i = 0; i < N; i++) {
		assert_string_equal(out[i].id, noted[i].id);
		assert_string_equal(out[i].by, noted[i].by);
		assert_int_equal(out[i].ends, noted[i].ends);
		assert_int_equal(out[i].generation, noted[i].generation);
		assert_int_equal(out[i].order.action, noted[i].order.action);
		assert_string_equal(out[i].order.target, noted[i].order.target);
		assert_string_equal(out[i].order.peer, noted[i].order.peer);
		assert_int_equal(out[i].order.for_ms, noted[i].order.for_ms);
		assert_int_equal(out[i].order.delay_ms, noted[i].order.delay_ms);
		assert_int_equal(out[i].order.step_ms, noted[i].order.step_ms);
		assert_int_equal(out[i].order.seed, noted[i].order.seed);
		assert_true(out[i].order.probability == noted[i].order.probability);
	}
}

static void
of_none_there_is_no_file(void **unused)
{
	struct chaos_noted out[N];
	size_t n;

	(void)unused;
	assert_true(chaos_note_write(path, noted, N));
	assert_true(chaos_note_write(path, NULL, 0));
	assert_int_equal(access(path, F_OK), -1);
	assert_true(chaos_note_write(path, NULL, 0));
	assert_true(chaos_note_read(path, out, N, &n));
	assert_int_equal(n, 0);
}

static void
one_that_is_damaged_is_not_taken_for_none(void **unused)
{
	static const char *const texts[] = { "", "[", "{}", "[1]", "[{\"id\":\"x\"}]",
		"[{\"id\":\"x\",\"by\":\"\",\"order\":{\"action\":\"burn\"}}]" };
	struct chaos_noted out[N];
	size_t n;

	(void)unused;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		put(texts[i]);
		assert_false(chaos_note_read(path, out, N, &n));
		assert_int_equal(n, 0);
	}
	assert_true(chaos_note_write(path, noted, N));
	assert_false(chaos_note_read(path, out, N - 1, &n)); /* more than there can be */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/hostname", path), 0);
	assert_false(chaos_note_read(path, out, N, &n));
	assert_int_equal(unlink(path), 0);
}

static int
set_up(void **unused)
{
	(void)unused;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/chaos", dir);
	return 0;
}

static int
tear_down(void **unused)
{
	(void)unused;
	unlink(path);
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(of_none_there_is_no_file),
		cmocka_unit_test(one_that_is_damaged_is_not_taken_for_none),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
