/* heap: what a peak has left behind goes back to the kernel, what is in use does not. */
#include "node/heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "harness/test.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 /* a malloc that is not ours to trim */
#else
#define SANITIZED 0
#endif
#define BLOCKS 8192
#define SIZE   8192
#define MIB    ((size_t)1 << 20)

static void *blocks[BLOCKS];
static void *above; /* keeps the heap from shrinking by itself */

static size_t
resident(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	size_t pages = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*u %zu", &pages), 1);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static int
peak(void **state)
{
	(void)state;
	for (size_t i = 0; i < BLOCKS; i++) {
		blocks[i] = mem_zalloc(SIZE);
		memset(blocks[i], 1, SIZE);
	}
	above = mem_zalloc(64);
	return 0;
}

static int
end_of_peak(void **state)
{
	(void)state;
	for (size_t i = 0; i < BLOCKS; i++)
		free(blocks[i]);
	memset(blocks, 0, sizeof(blocks));
	free(above);
	above = NULL;
	return 0;
}

static void
what_a_peak_has_left_behind_goes_back_once(void **state)
{
	size_t before = resident();

	(void)state;
	if (SANITIZED)
		skip();
	for (size_t i = 0; i < BLOCKS; i++) {
		free(blocks[i]);
		blocks[i] = NULL;
	}
	assert_true(heap_give_back());
	assert_true(resident() + 48 * MIB < before);
	assert_false(heap_give_back());
}

static void
what_is_in_use_is_not_looked_for_again_and_again(void **state)
{
	(void)state;
	assert_false(heap_give_back());
	assert_int_equal(((char *)blocks[BLOCKS - 1])[SIZE - 1], 1);
}

static void
a_little_is_kept_for_the_next_burst(void **state)
{
	(void)state;
	for (size_t i = 0; i < BLOCKS / 8; i++) {
		free(blocks[i]);
		blocks[i] = NULL;
	}
	assert_false(heap_give_back());
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    what_a_peak_has_left_behind_goes_back_once, peak, end_of_peak),
		cmocka_unit_test_setup_teardown(
		    what_is_in_use_is_not_looked_for_again_and_again, peak, end_of_peak),
		cmocka_unit_test_setup_teardown(
		    a_little_is_kept_for_the_next_burst, peak, end_of_peak),
	};

	heap_set_up();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
