/* arena: caps, alignment, growth, and what protobuf-c sees of it. */
#include <string.h>
#include "base/arena.h"
#include "harness/test.h"

static void
memory_is_aligned_and_separate(void **unused)
{
	struct arena *a = arena_new(1 << 20);
	char *last = NULL;

	(void)unused;
	for (size_t n = 0; n < 300; n++) {
		char *p = arena_alloc(a, n);

		assert_int_equal((uintptr_t)p % 16, 0);
		assert_ptr_not_equal(p, last);
		memset(p, 0xa5, n);
		last = p;
	}
	arena_free(&a);
	assert_null(a);
}

static void
blocks_grow_and_keep_what_was_written(void **unused)
{
	struct arena *a = arena_new(8 << 20);
	unsigned char *p[400];

	(void)unused;
	for (int i = 0; i < 400; i++)
		p[i] = memset(arena_alloc(a, 4000 + (size_t)i), i & 0xff, 4000 + (size_t)i);
	for (int i = 0; i < 400; i++)
		for (int at = 0; at < 4000; at += 999)
			assert_int_equal(p[i][at], i & 0xff);
	arena_free(&a);
}

static void
one_piece_may_be_larger_than_any_block(void **unused)
{
	struct arena *a = arena_new(4 << 20);
	char *p = arena_zalloc(a, 3 << 20);

	(void)unused;
	assert_int_equal(p[0] | p[(3 << 20) - 1], 0);
	assert_true(arena_used(a) >= 3u << 20);
	arena_free(&a);
}

static void
the_allocator_of_protobuf_answers_null_at_the_cap(void **unused)
{
	struct arena *a = arena_new(1000);
	ProtobufCAllocator *pb = arena_allocator(a);
	void *p = pb->alloc(pb->allocator_data, 900);

	(void)unused;
	assert_non_null(p);
	assert_null(pb->alloc(pb->allocator_data, 200));
	assert_null(pb->alloc(pb->allocator_data, SIZE_MAX));
	assert_null(pb->alloc(pb->allocator_data, SIZE_MAX - 8));
	assert_non_null(pb->alloc(pb->allocator_data, 80));
	pb->free(pb->allocator_data, p);
	arena_free(&a);
}

static void
a_reset_arena_has_its_whole_cap_again(void **unused)
{
	struct arena *a = arena_new(100000);

	(void)unused;
	for (int round = 0; round < 50; round++) {
		assert_int_equal(arena_left(a), 100000);
		memset(arena_alloc(a, 90000), 1, 90000);
		arena_reset(a);
		assert_int_equal(arena_used(a), 0);
	}
	arena_free(&a);
}

static void
texts_are_copied_and_formatted(void **unused)
{
	struct arena *a = arena_new(1 << 16);

	(void)unused;
	assert_string_equal(arena_strdup(a, "abc"), "abc");
	assert_string_equal(arena_strndup(a, "abcdef", 3), "abc");
	assert_string_equal(arena_strndup(a, NULL, 0), "");
	assert_string_equal(arena_printf(a, "%s-%d", "x", 7), "x-7");
	assert_memory_equal(arena_dup(a,
				"12\0"
				"34",
				5),
	    "12\0"
	    "34",
	    5);
	arena_free(&a);
}

static void
freeing_nothing_is_harmless(void **unused)
{
	struct arena *a = NULL;

	(void)unused;
	arena_free(&a);
	assert_null(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(memory_is_aligned_and_separate),
		T(blocks_grow_and_keep_what_was_written),
		T(one_piece_may_be_larger_than_any_block),
		T(the_allocator_of_protobuf_answers_null_at_the_cap),
		T(a_reset_arena_has_its_whole_cap_again),
		T(texts_are_copied_and_formatted),
		T(freeing_nothing_is_harmless),
	};

	return TEST_RUN(tests);
}
