/* ws: a connection over a socketpair whose other end is the test. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "api/ws.h"
#include "base/time.h"
#include "harness/test.h"

#define LIMIT (10 * SEC) /* of a wait for what comes at once */

static struct {
	struct loop *loop;
	struct ws_limits limits;
	struct ws_hub *hub;
	struct ws *ws;
	int fd;
	unsigned messages, rooms, gone, released;
	size_t bytes;
	int code;
	char text[200];
	bool closes; /* the owner closes at each message */
} t;

static void
on_message(void *owner, const char *p, size_t n)
{
	(void)owner;
	t.messages++;
	t.bytes += n;
	if (n < sizeof(t.text)) {
		memcpy(t.text, p, n);
		t.text[n] = '\0';
	}
	if (t.closes)
		ws_close(t.ws, WS_NORMAL, "enough");
}

static void
on_room(void *owner)
{
	(void)owner;
	t.rooms++;
}

static void
on_gone(void *owner, int code)
{
	(void)owner;
	t.gone++;
	t.code = code;
}

static void
on_release(void *ctx)
{
	(void)ctx;
	t.released++;
}

static const struct ws_ops ops = { on_message, on_room, on_gone };

/* In the place of the one that was there: limits are looked at when they are due. */
static void
connect_anew(void)
{
	int both[2], small = 8192;

	close(t.fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both), 0);
	assert_int_equal(setsockopt(both[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	t.fd = both[1];
	t.ws = ws_new(
	    t.hub, &(const struct ws_opts){
		       .fd = both[0], .ops = &ops, .message_max = 1 << 20, .release = on_release });
}

static int
set_up(void **state)
{
	memset(&t, 0, sizeof(t));
	t.limits = (struct ws_limits){ .queue_max = 64 << 10,
		.ping_us = 60 * SEC,
		.message_us = 60 * SEC,
		.send_us = 60 * SEC,
		.close_us = 60 * SEC };
	t.loop = loop_new();
	t.hub = ws_hub_new(t.loop, &t.limits);
	t.fd = -1;
	connect_anew();
	return test_log_mark(state);
}

static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}

static void
pass(int64_t us)
{
	loop_run_until(t.loop, never, NULL, us);
}

static int
tear_down(void **state)
{
	close(t.fd);
	ws_hub_cut(t.hub);
	pass(1 * MS);
	ws_hub_free(&t.hub);
	loop_free(&t.loop);
	return test_log_check(state);
}

static bool
is_gone(void *ctx)
{
	(void)ctx;
	return t.gone != 0;
}

static bool
is_ended(void *ctx)
{
	(void)ctx;
	return ws_hub_count(t.hub) == 0;
}

static bool
has_come(void *ctx)
{
	struct pollfd p = { .fd = t.fd, .events = POLLIN };

	(void)ctx;
	return poll(&p, 1, 0) == 1;
}

static bool
was_told(void *n)
{
	return t.messages >= *(unsigned *)n;
}

static void
until(bool (*fn)(void *), void *ctx)
{
	loop_run_until(t.loop, fn, ctx, LIMIT);
	assert_true(fn(ctx));
}

/* A masked frame of less than 126 bytes; the mask is zero. */
static void
say(uint8_t first, const char *body, size_t n)
{
	uint8_t out[200] = { first, (uint8_t)(0x80 | n) };

	memcpy(out + 6, body, n);
	assert_int_equal(send(t.fd, out, n + 6, 0), n + 6);
}

static void
say_text(const char *body)
{
	say(0x81, body, strlen(body));
}

static size_t
hear(char *out, size_t size)
{
	ssize_t n;

	until(has_come, NULL);
	n = recv(t.fd, out, size, MSG_DONTWAIT);
	assert_true(n >= 0);
	return (size_t)n;
}

static void
a_message_comes_and_an_answer_goes(void **unused)
{
	char out[100];
	unsigned one = 1;

	(void)unused;
	say_text("{\"type\":\"ping\"}");
	until(was_told, &one);
	assert_string_equal(t.text, "{\"type\":\"ping\"}");
	ws_say(t.ws, "pong", 4);
	assert_int_equal(hear(out, sizeof(out)), 6);
	assert_memory_equal(out, "\x81\x04pong", 6);
	assert_int_equal(ws_stats(t.ws)->messages_in, 1);
	assert_int_equal(ws_stats(t.ws)->bytes_out, 4);
}

static void
what_is_said_in_one_turn_leaves_together(void **unused)
{
	char out[100];

	(void)unused;
	ws_say(t.ws, "a", 1);
	ws_say(t.ws, "b", 1);
	assert_false(has_come(NULL));
	assert_int_equal(hear(out, sizeof(out)), 6);
	assert_memory_equal(out,
	    "\x81\x01"
	    "a\x81\x01"
	    "b",
	    6);
}

static void
what_came_before_the_connection_was_ours_counts(void **unused)
{
	static const uint8_t early[] = { 0x81, 0x82, 0, 0, 0, 0, 'h' };

	(void)unused;
	ws_take(t.ws, early, sizeof(early));
	assert_int_equal(t.messages, 0);
	ws_take(t.ws, "i", 1);
	assert_string_equal(t.text, "hi");
}

static void
a_ping_is_answered_with_its_bytes(void **unused)
{
	char out[100];

	(void)unused;
	say(0x89, "1234", 4);
	assert_int_equal(hear(out, sizeof(out)), 6);
	assert_memory_equal(out,
	    "\x8a\x04"
	    "1234",
	    6);
}

static void
a_close_of_the_client_is_echoed_and_the_connection_ends(void **unused)
{
	char out[100];

	(void)unused;
	say(0x88, "\x0f\xa0so long", 9);
	until(is_gone, NULL);
	assert_int_equal(t.code, 4000);
	assert_int_equal(hear(out, sizeof(out)), 4);
	assert_memory_equal(out, "\x88\x02\x0f\xa0", 4);
	until(is_ended, NULL);
	assert_int_equal(t.released, 1);
	assert_int_equal(hear(out, sizeof(out)), 0);
}

static void
our_close_waits_for_the_clients(void **unused)
{
	char out[100];

	(void)unused;
	ws_say(t.ws, "last", 4);
	ws_close(t.ws, WS_GOING_AWAY, "bye");
	assert_int_equal(hear(out, sizeof(out)), 13);
	assert_memory_equal(out + 6,
	    "\x88\x05\x03\xe9"
	    "bye",
	    7);
	say_text("nobody hears this");
	pass(5 * MS);
	assert_int_equal(ws_hub_count(t.hub), 1);
	say(0x88, "\x03\xe9", 2);
	until(is_ended, NULL);
	assert_int_equal(t.messages, 0);
	assert_int_equal(t.gone, 0);
}

static void
a_client_that_never_closes_its_side_is_cut(void **unused)
{
	(void)unused;
	t.limits.close_us = 20 * MS;
	ws_close(t.ws, WS_NORMAL, "");
	until(is_ended, NULL);
	assert_int_equal(t.gone, 0);
}

static void
after_the_owner_has_closed_nothing_of_the_same_bytes_reaches_it(void **unused)
{
	unsigned one = 1;

	(void)unused;
	t.closes = true;
	for (int i = 0; i < 10; i++)
		say_text("again");
	until(was_told, &one);
	pass(5 * MS);
	assert_int_equal(t.messages, 1);
}

static void
a_broken_rule_ends_the_connection_with_its_code(void **unused)
{
	char out[100];

	(void)unused;
	say_text("\xff");
	until(is_gone, NULL);
	assert_int_equal(t.code, WS_BAD_TEXT);
	assert_int_equal(hear(out, sizeof(out)), 4);
	assert_memory_equal(out, "\x88\x02\x03\xef", 4);
	until(is_ended, NULL);
}

static void
an_end_without_a_close_is_told_as_1006(void **unused)
{
	(void)unused;
	shutdown(t.fd, SHUT_WR);
	until(is_ended, NULL);
	assert_int_equal(t.gone, 1);
	assert_int_equal(t.code, WS_NO_CLOSE);
}

static void
silence_is_asked_and_then_cut(void **unused)
{
	char out[100];

	(void)unused;
	t.limits.ping_us = 200 * MS;
	ws_hub_cut(t.hub);
	connect_anew();
	t.gone = 0;
	assert_int_equal(hear(out, sizeof(out)), 2);
	assert_memory_equal(out, "\x89\x00", 2);
	say(0x8a, "", 0);
	assert_int_equal(hear(out, sizeof(out)), 2);
	assert_memory_equal(out, "\x89\x00", 2);
	assert_int_equal(t.gone, 0);
	until(is_ended, NULL);
	assert_int_equal(t.code, WS_NO_CLOSE);
}

static void
a_message_that_never_gets_whole_ends_the_connection(void **unused)
{
	(void)unused;
	t.limits.message_us = 20 * MS;
	t.limits.ping_us = 200 * MS;
	say(0x01, "and then", 8);
	until(is_gone, NULL);
	assert_int_equal(t.code, WS_POLICY);
}

static void
who_takes_nothing_is_cut(void **unused)
{
	static char much[300 << 10];

	(void)unused;
	t.limits.send_us = 50 * MS;
	memset(much, 'm', sizeof(much));
	ws_say(t.ws, much, sizeof(much));
	until(is_ended, NULL);
	assert_int_equal(t.code, WS_POLICY);
}

static void
with_a_full_queue_nothing_is_read_until_there_is_room(void **unused)
{
	static char much[128 << 10], out[64 << 10];
	unsigned one = 1;

	(void)unused;
	memset(much, 'm', sizeof(much));
	ws_say(t.ws, much, sizeof(much));
	assert_int_equal(ws_room(t.ws), 0);
	pass(2 * MS);
	say_text("not yet");
	pass(20 * MS);
	assert_int_equal(t.messages, 0);
	assert_int_equal(t.rooms, 0);
	for (size_t got = 0; got < sizeof(much) + 10; got += hear(out, sizeof(out)))
		assert_int_equal(t.gone, 0);
	until(was_told, &one);
	assert_int_equal(t.rooms, 1);
	assert_int_equal(ws_room(t.ws), t.limits.queue_max);
}

static void
an_owner_that_does_not_listen_is_told_nothing(void **unused)
{
	unsigned two = 2;

	(void)unused;
	ws_listen(t.ws, false);
	say_text("one");
	say_text("two");
	pass(10 * MS);
	assert_int_equal(t.messages, 0);
	ws_listen(t.ws, true);
	until(was_told, &two);
	assert_string_equal(t.text, "two");
}

int
main(void)
{
#define W(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		W(a_message_comes_and_an_answer_goes),
		W(what_is_said_in_one_turn_leaves_together),
		W(what_came_before_the_connection_was_ours_counts),
		W(a_ping_is_answered_with_its_bytes),
		W(a_close_of_the_client_is_echoed_and_the_connection_ends),
		W(our_close_waits_for_the_clients),
		W(a_client_that_never_closes_its_side_is_cut),
		W(after_the_owner_has_closed_nothing_of_the_same_bytes_reaches_it),
		W(a_broken_rule_ends_the_connection_with_its_code),
		W(an_end_without_a_close_is_told_as_1006),
		W(silence_is_asked_and_then_cut),
		W(a_message_that_never_gets_whole_ends_the_connection),
		W(who_takes_nothing_is_cut),
		W(with_a_full_queue_nothing_is_read_until_there_is_room),
		W(an_owner_that_does_not_listen_is_told_nothing),
	};

	return TEST_RUN(tests);
}
