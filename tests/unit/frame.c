/* frame: what was written reads back, what is wrong anywhere is refused as a whole. */
#include <stdlib.h>
#include <string.h>
#include "bus/frame.h"
#include "bus/idset.h"
#include "bus/wire.h"
#include "harness/test.h"

static void
a_frame_reads_back_as_it_was_written(void **unused)
{
	struct frame_head h = { .to = 1,
		.from = UINT64_MAX,
		.received = 77,
		.flags = FRAME_HINT | FRAME_DRAINING,
		.hint_epoch = 5,
		.hint_value = 6 },
			  got;
	uint8_t key[FRAME_KEY_BYTES] = { 9 };
	struct frame_out *f = frame_new();
	struct frame_record r;
	struct frame_in in;
	const uint8_t *p;
	size_t n;

	(void)unused;
	frame_add(f,
	    &(struct frame_record){ .kind = RECORD_CALL, .p = (const uint8_t *)"hello", .n = 5 });
	frame_add(f, &(struct frame_record){ .kind = RECORD_ANSWER, .id = 42, .n = 0 });
	frame_add(f, &(struct frame_record){ .kind = RECORD_CANCEL, .id = UINT64_MAX });
	frame_add(f, &(struct frame_record){ .kind = RECORD_BELL_KEY, .p = key, .n = sizeof(key) });
	p = frame_close(f, &h, &n);
	assert_true(frame_open(&in, p, n, &got));
	assert_memory_equal(&got, &h, sizeof(h));
	assert_true(frame_next(&in, &r) && r.kind == RECORD_CALL && r.n == 5 &&
		    memcmp(r.p, "hello", 5) == 0);
	assert_true(frame_next(&in, &r) && r.kind == RECORD_ANSWER && r.id == 42 && r.n == 0);
	assert_true(frame_next(&in, &r) && r.kind == RECORD_CANCEL && r.id == UINT64_MAX);
	assert_true(
	    frame_next(&in, &r) && r.kind == RECORD_BELL_KEY && memcmp(r.p, key, sizeof(key)) == 0);
	assert_false(frame_next(&in, &r));
	frame_free(&f);
}

static void
a_frame_cut_short_anywhere_but_between_records_is_refused(void **unused)
{
	struct frame_head h = { .to = 1, .from = 2, .flags = FRAME_HINT }, got;
	struct frame_out *f = frame_new();
	struct frame_in in;
	const uint8_t *p;
	size_t n, empty, one;

	(void)unused;
	(void)frame_close(f, &h, &empty);
	frame_add(f, &(struct frame_record){
			 .kind = RECORD_ANSWER, .id = 1, .p = (const uint8_t *)"abc", .n = 3 });
	(void)frame_close(f, &h, &one);
	frame_add(
	    f, &(struct frame_record){ .kind = RECORD_CALL, .p = (const uint8_t *)"abc", .n = 3 });
	p = frame_close(f, &h, &n);
	for (size_t cut = 0; cut <= n; cut++) {
		/* its own block: the address sanitizer sees a byte too far */
		uint8_t *copy = malloc(cut + 1);

		memcpy(copy, p, cut);
		assert_int_equal(
		    frame_open(&in, copy, cut, &got), cut == empty || cut == one || cut == n);
		free(copy);
	}
	frame_free(&f);
}

static void
lengths_kinds_flags_and_counts_that_lie_are_refused(void **unused)
{
	struct frame_head h = { .to = 1, .from = 2 }, got;
	struct frame_out *f = frame_new();
	struct frame_in in;
	uint8_t copy[64];
	const uint8_t *p;
	size_t n;

	(void)unused;
	frame_add(
	    f, &(struct frame_record){ .kind = RECORD_CALL, .p = (const uint8_t *)"abc", .n = 3 });
	p = frame_close(f, &h, &n);
	memcpy(copy, p, n);
	copy[n - 4] = 0xff; /* high byte of the length */
	assert_false(frame_open(&in, copy, n, &got));
	memcpy(copy, p, n);
	copy[n - 8] = 0; /* kind */
	assert_false(frame_open(&in, copy, n, &got));
	copy[n - 8] = RECORD_BELL_KEY + 1;
	assert_false(frame_open(&in, copy, n, &got));
	memcpy(copy, p, n);
	copy[21] = 0x80; /* a flag that nobody knows */
	assert_false(frame_open(&in, copy, n, &got));
	frame_clear(f);
	for (unsigned i = 0; i <= WIRE_CALLS_MAX; i++)
		frame_add(f, &(struct frame_record){ .kind = RECORD_CANCEL, .id = i });
	p = frame_close(f, &h, &n);
	assert_false(frame_open(&in, p, n, &got));
	frame_free(&f);
}

static void
a_frame_is_full_at_its_limit_of_calls_or_bytes(void **unused)
{
	static uint8_t big[WIRE_FRAME_MAX];
	struct frame_out *f = frame_new();

	(void)unused;
	assert_true(frame_has_room(f, WIRE_CALL_MAX));
	for (unsigned i = 0; i < WIRE_CALLS_MAX; i++) {
		assert_true(frame_has_room(f, 1));
		frame_add(f, &(struct frame_record){ .kind = RECORD_CALL, .p = big, .n = 1 });
	}
	assert_false(frame_has_room(f, 1));
	frame_clear(f);
	frame_add(f, &(struct frame_record){ .kind = RECORD_CALL, .p = big, .n = sizeof(big) / 2 });
	assert_true(frame_has_room(f, sizeof(big) / 4));
	assert_false(frame_has_room(f, sizeof(big) / 2));
	frame_free(&f);
}

static void
the_first_bytes_say_what_a_message_is(void **unused)
{
	(void)unused;
	assert_int_equal(frame_kind_of("", 0), FRAME_BAD);
	assert_int_equal(frame_kind_of("\0", 1), FRAME_BAD);
	assert_int_equal(frame_kind_of("\0\0", 2), FRAME_BAD);
	assert_int_equal(frame_kind_of("\0\6", 2), FRAME_BAD);
	assert_int_equal(frame_kind_of("\0\1", 2), FRAME_HELLO);
	assert_int_equal(frame_kind_of("\0\5", 2), FRAME_BELL);
	assert_int_equal(frame_kind_of("\x08\x01", 2), FRAME_PLAIN);
}

static void
a_hello_with_a_name_that_is_none_is_no_hello(void **unused)
{
	static const char *const bad[] = { "", "SQL", "a b", "../sql",
		"0123456789012345678901234567890123456789012345678901234567890123" };
	Mf__Hello h = MF__HELLO__INIT, *got;
	uint8_t out[FRAME_HELLO_MAX];
	uint64_t to;
	size_t n;

	(void)unused;
	h.version = 1;
	h.epoch = 99;
	h.node = (char *)"sql-2";
	n = frame_hello(out, FRAME_WELCOME, 7, &h);
	got = frame_read_hello(out, n, &to);
	assert_non_null(got);
	assert_string_equal(got->node, "sql-2");
	assert_true(got->epoch == 99 && to == 7);
	mf__hello__free_unpacked(got, NULL);
	for (size_t cut = 0; cut < 10; cut++)
		assert_null(frame_read_hello(out, cut, &to));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		h.node = (char *)bad[i];
		n = frame_hello(out, FRAME_HELLO, 0, &h);
		assert_null(frame_read_hello(out, n, &to));
	}
}

static void
a_set_of_ids_holds_exactly_what_was_put_in(void **unused)
{
	struct idset s = { 0 };

	(void)unused;
	assert_false(idset_del(&s, 1));
	for (uint64_t id = 0; id < 5000; id++)
		assert_true(idset_add(&s, id * 64));
	assert_false(idset_add(&s, 0));
	assert_false(idset_add(&s, 64));
	for (uint64_t id = 0; id < 5000; id += 2)
		assert_true(idset_del(&s, id * 64));
	assert_true(s.n == 2500);
	for (uint64_t id = 0; id < 5000; id++)
		assert_int_equal(idset_del(&s, id * 64), id % 2 == 1);
	assert_true(s.n == 0);
	assert_true(idset_add(&s, 3));
	idset_clear(&s);
	assert_false(idset_del(&s, 3));
	idset_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_frame_reads_back_as_it_was_written),
		T(a_frame_cut_short_anywhere_but_between_records_is_refused),
		T(lengths_kinds_flags_and_counts_that_lie_are_refused),
		T(a_frame_is_full_at_its_limit_of_calls_or_bytes),
		T(the_first_bytes_say_what_a_message_is),
		T(a_hello_with_a_name_that_is_none_is_no_hello),
		T(a_set_of_ids_holds_exactly_what_was_put_in),
	};

	return TEST_RUN(tests);
}
