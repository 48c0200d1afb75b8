/* ws_frame: RFC 6455, sections 5, 7 and 8, frames written by hand. */
#include <stdlib.h>
#include <string.h>
#include "api/ws_frame.h"
#include "harness/test.h"

#define MESSAGE_MAX 70000

static struct {
	struct ws_frames *f;
	unsigned messages, pings, pongs;
	char text[MESSAGE_MAX + 1], ping[WS_CONTROL_MAX + 1];
	size_t text_n, ping_n;
	enum ws_taken taken;
	int code;
} w;

static const size_t message_max = MESSAGE_MAX;

static void
on_message(void *ctx, const char *p, size_t n)
{
	(void)ctx;
	w.messages++;
	memcpy(w.text, p, n);
	w.text[w.text_n = n] = '\0';
}

static void
on_ping(void *ctx, const void *p, size_t n)
{
	(void)ctx;
	w.pings++;
	memcpy(w.ping, p, n);
	w.ping[w.ping_n = n] = '\0';
}

static void
on_pong(void *ctx)
{
	(void)ctx;
	w.pongs++;
}

static void
begin(void)
{
	ws_frames_free(&w.f);
	memset(&w, 0, sizeof(w));
	w.f = ws_frames_new(&(const struct ws_frames_def){
	    .message_max = &message_max, .message = on_message, .ping = on_ping, .pong = on_pong });
}

static int
set_up(void **state)
{
	begin();
	return test_log_mark(state);
}

static int
tear_down(void **state)
{
	ws_frames_free(&w.f);
	return test_log_check(state);
}

static enum ws_taken
take(const void *p, size_t n)
{
	return w.taken = ws_frames_take(w.f, p, n, &w.code);
}

/* A client's frame. first: FIN, reserved bits and opcode; length: 7, 16 or 64 bits of it, 0: the
 * shortest. */
static size_t
frame(uint8_t *out, uint8_t first, const void *body, size_t n, int length)
{
	static const uint8_t key[4] = { 0x5a, 0x00, 0xff, 0x13 };
	size_t at = 0;

	if (length == 0)
		length = n < 126 ? 7 : n < 65536 ? 16 : 64;
	out[at++] = first;
	out[at++] = (uint8_t)(0x80 | (length == 7 ? n : length == 16 ? 126 : 127));
	for (int bits = length == 7 ? 0 : length; bits > 0; bits -= 8)
		out[at++] = (uint8_t)((uint64_t)n >> (bits - 8));
	memcpy(out + at, key, sizeof(key));
	at += sizeof(key);
	for (size_t i = 0; i < n; i++)
		out[at++] = ((const uint8_t *)body)[i] ^ key[i % 4];
	return at;
}

static enum ws_taken
say_n(uint8_t first, const void *body, size_t n)
{
	static uint8_t out[MESSAGE_MAX + 100];

	return take(out, frame(out, first, body, n, 0));
}

static enum ws_taken
say(uint8_t first, const char *body)
{
	return say_n(first, body, strlen(body));
}

static void
assert_fails(int code)
{
	assert_int_equal(w.taken, WS_FAILED);
	assert_int_equal(w.code, code);
	begin();
}

static void
a_text_message_is_unmasked_and_handed_on(void **unused)
{
	(void)unused;
	assert_int_equal(say(0x81, "{\"type\":\"ping\"}"), WS_MORE);
	assert_int_equal(w.messages, 1);
	assert_string_equal(w.text, "{\"type\":\"ping\"}");
	assert_int_equal(say(0x81, ""), WS_MORE);
	assert_int_equal(w.messages, 2);
	assert_int_equal(w.text_n, 0);
	assert_false(ws_frames_amid(w.f));
}

static void
the_example_of_the_rfc_reads_hello(void **unused)
{
	static const uint8_t hello[] = { 0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51,
		0x58 };

	(void)unused;
	assert_int_equal(take(hello, sizeof(hello)), WS_MORE);
	assert_string_equal(w.text, "Hello");
}

static void
a_frame_may_come_in_pieces_of_any_size(void **unused)
{
	uint8_t out[600];
	char body[301];
	size_t n;

	(void)unused;
	memset(body, 'x', 300);
	memcpy(body, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98", 9);
	body[300] = '\0';
	n = frame(out, 0x81, body, 300, 0);
	for (size_t size = 1; size <= n; size++) {
		for (size_t at = 0; at < n; at += size)
			assert_int_equal(take(out + at, size < n - at ? size : n - at), WS_MORE);
		assert_int_equal(w.messages, size);
		assert_string_equal(w.text, body);
	}
}

static void
many_frames_may_come_in_one_piece(void **unused)
{
	static uint8_t out[64 * 1024];
	size_t n = 0;

	(void)unused;
	for (int i = 0; i < 1000; i++)
		n += frame(out + n, 0x81, "0123456789", 10, 0);
	assert_int_equal(take(out, n), WS_MORE);
	assert_int_equal(w.messages, 1000);
}

static void
each_length_has_its_shortest_form_only(void **unused)
{
	static const struct {
		size_t n;
		int length;
		bool ok;
	} cases[] = {
		{ 125, 7, true },
		{ 126, 16, true },
		{ 65535, 16, true },
		{ 65536, 64, true },
		{ 125, 16, false },
		{ 0, 16, false },
		{ 125, 64, false },
		{ 65535, 64, false },
	};
	static uint8_t out[MESSAGE_MAX + 100], body[MESSAGE_MAX];

	(void)unused;
	memset(body, 'a', sizeof(body));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		take(out, frame(out, 0x81, body, cases[i].n, cases[i].length));
		if (!cases[i].ok) {
			assert_fails(WS_PROTOCOL_ERROR);
			continue;
		}
		assert_int_equal(w.taken, WS_MORE);
		assert_int_equal(w.text_n, cases[i].n);
	}
}

static void
the_top_bit_of_a_length_is_never_set(void **unused)
{
	static const uint8_t out[] = { 0x81, 0xff, 0x80, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4, 5 };

	(void)unused;
	take(out, sizeof(out));
	assert_fails(WS_PROTOCOL_ERROR);
}

static void
a_message_may_have_fragments_and_control_frames_in_between(void **unused)
{
	(void)unused;
	assert_int_equal(say(0x01, "one, "), WS_MORE);
	assert_true(ws_frames_amid(w.f));
	assert_int_equal(say(0x89, "are you there"), WS_MORE);
	assert_int_equal(say(0x00, "two, "), WS_MORE);
	assert_int_equal(say(0x8a, ""), WS_MORE);
	assert_int_equal(say(0x00, ""), WS_MORE);
	assert_int_equal(w.messages, 0);
	assert_int_equal(say(0x80, "three"), WS_MORE);
	assert_int_equal(w.messages, 1);
	assert_string_equal(w.text, "one, two, three");
	assert_int_equal(w.pings, 1);
	assert_string_equal(w.ping, "are you there");
	assert_int_equal(w.pongs, 1);
	assert_int_equal(say(0x01, ""), WS_MORE);
	assert_int_equal(say(0x80, ""), WS_MORE);
	assert_int_equal(w.text_n, 0);
	assert_int_equal(w.messages, 2);
}

static void
fragments_come_in_order_and_belong_to_a_message(void **unused)
{
	(void)unused;
	say(0x80, "continues nothing");
	assert_fails(WS_PROTOCOL_ERROR);
	say(0x00, "nor does this");
	assert_fails(WS_PROTOCOL_ERROR);
	say(0x01, "one");
	say(0x81, "another before the first has ended");
	assert_fails(WS_PROTOCOL_ERROR);
	say(0x01, "one");
	say(0x02, "or a binary one");
	assert_fails(WS_PROTOCOL_ERROR);
	say(0x01, "one");
	say(0x80, "ends it");
	say(0x80, "and this is too much");
	assert_fails(WS_PROTOCOL_ERROR);
}

static void
what_is_not_masked_is_refused(void **unused)
{
	static const uint8_t text[] = { 0x81, 0x02, 'h', 'i' }, empty[] = { 0x81, 0x00 },
			     ping[] = { 0x89, 0x00 };

	(void)unused;
	take(text, sizeof(text));
	assert_fails(WS_PROTOCOL_ERROR);
	take(empty, sizeof(empty));
	assert_fails(WS_PROTOCOL_ERROR);
	take(ping, sizeof(ping));
	assert_fails(WS_PROTOCOL_ERROR);
}

static void
reserved_bits_and_opcodes_are_refused(void **unused)
{
	(void)unused;
	for (unsigned rsv = 1; rsv < 8; rsv++) {
		say((uint8_t)(0x81 | rsv << 4), "x");
		assert_fails(WS_PROTOCOL_ERROR);
		say((uint8_t)(0x89 | rsv << 4), "");
		assert_fails(WS_PROTOCOL_ERROR);
	}
	for (unsigned opcode = 3; opcode < 16; opcode++) {
		if (opcode >= 8 && opcode <= 10)
			continue;
		say((uint8_t)(0x80 | opcode), "x");
		assert_fails(WS_PROTOCOL_ERROR);
		say((uint8_t)(0x80 | opcode), "");
		assert_fails(WS_PROTOCOL_ERROR);
	}
}

static void
a_binary_message_is_no_data_that_we_take(void **unused)
{
	(void)unused;
	say(0x82, "\x01");
	assert_fails(WS_UNSUPPORTED_DATA);
	say(0x02, "");
	assert_fails(WS_UNSUPPORTED_DATA);
}

static void
a_control_frame_is_short_and_whole(void **unused)
{
	static const uint8_t opcodes[] = { 8, 9, 10 };
	static uint8_t out[300];
	char body[WS_CONTROL_MAX + 2];

	(void)unused;
	memset(body, 'p', sizeof(body));
	assert_int_equal(say_n(0x89, body, WS_CONTROL_MAX), WS_MORE);
	assert_int_equal(w.ping_n, WS_CONTROL_MAX);
	for (size_t i = 0; i < sizeof(opcodes); i++) {
		say_n(0x80 | opcodes[i], body, WS_CONTROL_MAX + 1);
		assert_fails(WS_PROTOCOL_ERROR);
		say_n(opcodes[i], body, 4);
		assert_fails(WS_PROTOCOL_ERROR);
		take(out, frame(out, 0x80 | opcodes[i], body, 3, 16));
		assert_fails(WS_PROTOCOL_ERROR);
	}
}

static void
a_message_of_the_limit_passes_and_one_byte_more_is_too_big(void **unused)
{
	static char body[MESSAGE_MAX];
	uint8_t out[20];

	(void)unused;
	memset(body, 'm', sizeof(body));
	assert_int_equal(say_n(0x81, body, MESSAGE_MAX), WS_MORE);
	assert_int_equal(w.text_n, MESSAGE_MAX);
	say_n(0x01, body, MESSAGE_MAX - 1);
	assert_int_equal(say_n(0x80, body, 1), WS_MORE);
	assert_int_equal(w.text_n, MESSAGE_MAX);
	say_n(0x01, body, MESSAGE_MAX);
	say_n(0x80, body, 1);
	assert_fails(WS_TOO_BIG);
	/* At its first byte, long before its last one. */
	frame(out, 0x81, "", 0, 64);
	memcpy(out + 1, "\xff\x00\x00\x00\x00\x00\x01\x11\x71\x00\x00\x00\x00X", 14);
	take(out, 15);
	assert_fails(WS_TOO_BIG);
	memcpy(out + 1, "\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00X", 14);
	take(out, 15);
	assert_fails(WS_TOO_BIG);
}

static void
text_is_utf8_whatever_its_fragments_are(void **unused)
{
	static const char *const good[] = { "", "ascii only, and more than eight bytes of it",
		"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80"
		"\xf4\x8f\xbf\xbf",
		"12345678\xe2\x82\xac\x39" };
	static const char *const bad[] = { "\x80", "\xbf", "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf",
		"\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
		"\xfe", "\xc3(", "\xe2\x82(", "\xf0\x9f\x90(", "12345678\x80", "\xc3\xc3\xa4" };
	static const char *const cut[] = { "\xc3", "\xe2", "\xe2\x82", "\xf0", "\xf0\x9f",
		"\xf0\x9f\x90" };
	char piece[2] = "";

	(void)unused;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(say(0x81, good[i]), WS_MORE);
		assert_string_equal(w.text, good[i]);
		say(0x01, "");
		for (const char *p = good[i]; *p != '\0'; p++) { /* fragments of one byte */
			piece[0] = *p;
			assert_int_equal(say(0x00, piece), WS_MORE);
		}
		assert_int_equal(say(0x80, ""), WS_MORE);
		assert_string_equal(w.text, good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		say(0x81, bad[i]);
		assert_fails(WS_BAD_TEXT);
		say(0x01, bad[i]); /* the message has not ended: it is known already */
		assert_fails(WS_BAD_TEXT);
	}
	for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
		say(0x81, cut[i]);
		assert_fails(WS_BAD_TEXT);
		assert_int_equal(say(0x01, cut[i]), WS_MORE);
		say(0x80, "");
		assert_fails(WS_BAD_TEXT);
	}
}

static void
a_wrong_byte_is_seen_before_its_frame_is_there(void **unused)
{
	uint8_t out[200];
	char body[100];

	(void)unused;
	memset(body, 'a', sizeof(body));
	body[20] = (char)0xff;
	frame(out, 0x81, body, sizeof(body), 0);
	assert_int_equal(take(out, 26), WS_MORE);
	take(out + 26, 1);
	assert_fails(WS_BAD_TEXT);
}

static void
a_close_is_taken_with_its_code(void **unused)
{
	static const struct {
		const char *body;
		size_t n;
		int code;
	} good[] = {
		{ "", 0, WS_NO_CODE },
		{ "\x03\xe8", 2, 1000 },
		{ "\x03\xe8 fine", 7, 1000 },
		{ "\x03\xe9 \xe2\x82\xac", 6, 1001 },
		{ "\x03\xf4", 2, 1012 },
		{ "\x0b\xb8", 2, 3000 },
		{ "\x13\x87", 2, 4999 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(say_n(0x88, good[i].body, good[i].n), WS_CLOSED);
		assert_int_equal(w.code, good[i].code);
		assert_int_equal(say(0x81, "after the close"), WS_MORE);
		assert_int_equal(w.messages, 0);
		begin();
	}
}

static void
a_close_with_a_code_that_nobody_may_send_is_refused(void **unused)
{
	static const int codes[] = { 0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999,
		5000, 65535 };

	(void)unused;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		say_n(0x88, (const uint8_t[]){ (uint8_t)(codes[i] >> 8), (uint8_t)codes[i] }, 2);
		assert_fails(WS_PROTOCOL_ERROR);
	}
	say_n(0x88, "\x03", 1);
	assert_fails(WS_PROTOCOL_ERROR);
	say_n(0x88, "\x03\xe8\xff", 3);
	assert_fails(WS_BAD_TEXT);
	say_n(0x88, "\x03\xe8\xc3", 3);
	assert_fails(WS_BAD_TEXT);
}

static void
a_close_in_pieces_is_the_same_close(void **unused)
{
	uint8_t out[50];
	size_t n = frame(out, 0x88, "\x03\xe8\xc3\xa4 so long", 11, 0);

	(void)unused;
	for (size_t i = 0; i + 1 < n; i++)
		assert_int_equal(take(out + i, 1), WS_MORE);
	assert_int_equal(take(out + n - 1, 1), WS_CLOSED);
	assert_int_equal(w.code, 1000);
}

static void
what_we_send_has_no_mask_and_the_shortest_length(void **unused)
{
	static char body[MESSAGE_MAX];
	struct buf out = { 0 };

	(void)unused;
	memset(body, 'o', sizeof(body));
	ws_put_text(w.f, &out, "hi", 2);
	assert_memory_equal(out.p, "\x81\x02hi", 4);
	out.n = 0;
	ws_put_text(w.f, &out, body, 126);
	assert_memory_equal(out.p, "\x81\x7e\x00\x7eoo", 6);
	assert_int_equal(out.n, 130);
	out.n = 0;
	ws_put_text(w.f, &out, body, 65536);
	assert_memory_equal(out.p, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00oo", 12);
	out.n = 0;
	ws_put_ping(w.f, &out);
	ws_put_pong(w.f, &out, "abc", 3);
	assert_memory_equal(out.p,
	    "\x89\x00\x8a\x03"
	    "abc",
	    7);
	buf_free(&out);
}

static void
a_reason_of_ours_is_cut_between_characters(void **unused)
{
	struct buf out = { 0 };
	char reason[200];

	(void)unused;
	ws_put_close(w.f, &out, WS_NO_CODE, "");
	assert_memory_equal(out.p, "\x88\x00", 2);
	out.n = 0;
	ws_put_close(w.f, &out, WS_GOING_AWAY, "bye");
	assert_memory_equal(out.p,
	    "\x88\x05\x03\xe9"
	    "bye",
	    7);
	out.n = 0;
	memset(reason, 'r', sizeof(reason));
	memcpy(reason + WS_REASON_MAX - 1, "\xc3\xa4", 3);
	ws_put_close(w.f, &out, WS_NORMAL, reason);
	assert_int_equal(out.n, 2 + 2 + WS_REASON_MAX - 1);
	assert_int_equal((uint8_t)out.p[1], 2 + WS_REASON_MAX - 1);
	buf_free(&out);
}

int
main(void)
{
#define F(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		F(a_text_message_is_unmasked_and_handed_on),
		F(the_example_of_the_rfc_reads_hello),
		F(a_frame_may_come_in_pieces_of_any_size),
		F(many_frames_may_come_in_one_piece),
		F(each_length_has_its_shortest_form_only),
		F(the_top_bit_of_a_length_is_never_set),
		F(a_message_may_have_fragments_and_control_frames_in_between),
		F(fragments_come_in_order_and_belong_to_a_message),
		F(what_is_not_masked_is_refused),
		F(reserved_bits_and_opcodes_are_refused),
		F(a_binary_message_is_no_data_that_we_take),
		F(a_control_frame_is_short_and_whole),
		F(a_message_of_the_limit_passes_and_one_byte_more_is_too_big),
		F(text_is_utf8_whatever_its_fragments_are),
		F(a_wrong_byte_is_seen_before_its_frame_is_there),
		F(a_close_is_taken_with_its_code),
		F(a_close_with_a_code_that_nobody_may_send_is_refused),
		F(a_close_in_pieces_is_the_same_close),
		F(what_we_send_has_no_mask_and_the_shortest_length),
		F(a_reason_of_ours_is_cut_between_characters),
	};

	return TEST_RUN(tests);
}
