/* sp: connections and their bytes, against a plain socket that says what it likes. What real nng
 * peers say is in wire_peers.c. */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/time.h"
#include "bus/sp.h"
#include "harness/test.h"

#define BODY_MAX  (2u << 20)
#define HANDSHAKE "\0SP\0\0\x30\0\0"

static struct bed {
	struct loop *loop;
	struct sp *sp;
	char url[PATH_MAX];
	unsigned ups, downs, messages, refused;
	struct sp_conn *conn;
	uint8_t header[SP_HEADER_MAX];
	size_t header_n, body_n;
	uint8_t *body;
	bool hang_up, know;
} bed;

static void
on_up(void *owner, struct sp_conn *c)
{
	assert_ptr_equal(owner, &bed);
	bed.ups++;
	bed.conn = c;
}

static void
on_message(void *owner, struct sp_conn *c, const struct sp_message *m)
{
	(void)owner;
	bed.messages++;
	memcpy(bed.header, m->header, m->header_n);
	bed.header_n = m->header_n;
	free(bed.body);
	bed.body = malloc(m->n + 1);
	assert_non_null(bed.body);
	memcpy(bed.body, m->body, m->n);
	bed.body_n = m->n;
	if (bed.know)
		sp_know(c);
	if (bed.hang_up)
		sp_hang_up(c);
}

static void
on_down(void *owner, struct sp_conn *c)
{
	(void)owner;
	bed.downs++;
	if (c == bed.conn)
		bed.conn = NULL;
}

static void
on_refused(void *owner, const char *why)
{
	(void)owner;
	assert_true(why[0] != '\0');
	bed.refused++;
}

static const struct sp_ops ops = { on_up, on_message, on_down, on_refused };

static struct sp_opts
opts(enum sp_role role)
{
	return (struct sp_opts){ .loop = bed.loop,
		.role = role,
		.url = bed.url,
		.ops = &ops,
		.owner = &bed,
		.body_max = BODY_MAX };
}

static int
setup(void **state)
{
	struct sp_opts o;
	char err[160];

	memset(&bed, 0, sizeof(bed));
	bed.loop = loop_new();
	snprintf(bed.url, sizeof(bed.url), "ipc://%s/sp.sock", test_dir());
	(void)unlink(bed.url + strlen("ipc://"));
	o = opts(SP_REP);
	bed.sp = sp_listen(&o, err, sizeof(err));
	assert_non_null(bed.sp);
	return test_log_mark(state);
}

static int
teardown(void **state)
{
	sp_close(&bed.sp);
	loop_free(&bed.loop);
	free(bed.body);
	return test_log_check(state);
}

#define S(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static bool
has_come(void *ctx)
{
	const unsigned *counter = ctx;

	return *counter > 0;
}

static void
wait_for(unsigned *counter)
{
	loop_run_until(bed.loop, has_come, counter, 5 * SEC);
	assert_true(*counter > 0);
}

static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}

static int
dial(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%.100s", bed.url + strlen("ipc://"));
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void
say(int fd, const void *p, size_t n)
{
	assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), n);
}

/* The prefix of a message of n bytes. */
static void
prefix(uint8_t out[9], uint64_t n)
{
	out[0] = 1;
	for (int i = 0; i < 8; i++)
		out[1 + i] = (uint8_t)(n >> (56 - 8 * i));
}

/* An accepted connection whose handshake is done. */
static int
connected(void)
{
	uint8_t theirs[8];
	int fd = dial();

	say(fd, HANDSHAKE, 8);
	wait_for(&bed.ups);
	assert_int_equal(recv(fd, theirs, 8, MSG_WAITALL), 8);
	assert_memory_equal(theirs, "\0SP\0\0\x31\0\0", 8);
	return fd;
}

static void
bytes_that_come_one_by_one_make_the_same_messages(void **unused)
{
	uint8_t m[9 + 8 + 3];
	int fd = dial();

	(void)unused;
	prefix(m, 11);
	memcpy(m + 9, "\0\0\0\7\x80\0\0\1abc", 11); /* by way of a device */
	for (int i = 0; i < 8; i++) {
		say(fd, &HANDSHAKE[i], 1);
		loop_run_until(bed.loop, never, NULL, 0);
	}
	wait_for(&bed.ups);
	for (size_t i = 0; i < sizeof(m); i++) {
		assert_int_equal(bed.messages, 0);
		say(fd, m + i, 1);
		loop_run_until(bed.loop, never, NULL, 0);
	}
	wait_for(&bed.messages);
	assert_int_equal(bed.header_n, 8);
	assert_memory_equal(bed.header, m + 9, 8);
	assert_int_equal(bed.body_n, 3);
	assert_memory_equal(bed.body, "abc", 3);
	close(fd);
}

static void
several_messages_in_one_write_are_several(void **unused)
{
	uint8_t m[2 * (9 + 5)];
	int fd = connected();

	(void)unused;
	prefix(m, 5);
	memcpy(m + 9, "\x80\0\0\1a", 5);
	memcpy(m + 14, m, 14);
	say(fd, m, sizeof(m));
	loop_run_until(bed.loop, never, NULL, 5 * MS);
	assert_int_equal(bed.messages, 2);
	close(fd);
}

/* Larger than any socket's buffer, both ways at once, to a peer that reads only later. */
static void
what_the_socket_does_not_take_at_once_arrives_whole(void **unused)
{
	static const uint8_t header[4] = { 0x80, 0, 0, 9 };
	size_t n = BODY_MAX - 100, got = 0;
	uint8_t *out = malloc(n), *in = malloc(2 * (n + 13)), expected[9];
	struct iovec v = { out, n };
	int fd = connected();
	ssize_t more;

	(void)unused;
	assert_true(out != NULL && in != NULL);
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(i * 31 >> 3);
	sp_send(bed.conn, header, sizeof(header), &v, 1);
	sp_send(bed.conn, header, sizeof(header), &v, 1);
	while (got < 2 * (n + 13)) {
		loop_run_until(bed.loop, never, NULL, 0);
		more = recv(fd, in + got, 2 * (n + 13) - got, MSG_DONTWAIT);
		assert_true(more > 0 || (more < 0 && errno == EAGAIN));
		got += more > 0 ? (size_t)more : 0;
	}
	prefix(expected, n + 4);
	for (int i = 0; i < 2; i++) {
		const uint8_t *m = in + (size_t)i * (n + 13);

		assert_memory_equal(m, expected, 9);
		assert_memory_equal(m + 9, header, 4);
		assert_memory_equal(m + 13, out, n);
	}
	free(out);
	free(in);
	close(fd);
}

static void
a_large_message_in_pieces_arrives_whole(void **unused)
{
	size_t n = BODY_MAX, sent = 0;
	uint8_t *m = calloc(1, n + 9);
	int fd = connected();
	ssize_t more;

	(void)unused;
	assert_non_null(m);
	prefix(m, n);
	m[9] = 0x80;
	m[n + 8] = 42;
	while (sent < n + 9) {
		more = send(fd, m + sent, n + 9 - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += more > 0 ? (size_t)more : 0;
		loop_run_until(bed.loop, never, NULL, 0);
	}
	wait_for(&bed.messages);
	assert_int_equal(bed.body_n, n - 4);
	assert_int_equal(bed.body[bed.body_n - 1], 42);
	free(m);
	close(fd);
}

static void
what_came_before_the_end_counts(void **unused)
{
	uint8_t m[9 + 5];
	int fd = connected();

	(void)unused;
	prefix(m, 5);
	memcpy(m + 9, "\x80\0\0\1z", 5);
	say(fd, m, sizeof(m));
	close(fd);
	wait_for(&bed.downs);
	assert_int_equal(bed.messages, 1);
}

static void
whoever_speaks_another_protocol_is_refused(void **unused)
{
	static const char *const others[] = { "GET / HTTP/1.1\r\n\r\n",
		"\0SP\0\0\x31\0\0 rep to rep", "\0SP\1\0\x30\0\0 version" };

	(void)unused;
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		char byte;
		int fd = dial();

		bed.refused = 0;
		say(fd, others[i], 16);
		wait_for(&bed.refused);
		while (recv(fd, &byte, 1, 0) > 0)
			continue;
		close(fd);
	}
	assert_int_equal(bed.ups, 0);
	assert_int_equal(bed.downs, 0);
}

static void
a_message_that_is_too_long_or_none_ends_the_connection(void **unused)
{
	static const struct {
		uint64_t n;
		uint8_t op;
		const char *rest;
		size_t rest_n;
	} bad[] = { { BODY_MAX + 1, 1, "", 0 }, { UINT64_MAX, 1, "", 0 }, { 8, 2, "", 0 },
		{ 0, 1, "", 0 }, { 3, 1, "\x80\0\0", 3 }, { 4, 1, "\0\0\0\1", 4 },
		{ 40, 1, "0000000000000000000000000000000000000000", 40 } };

	(void)unused;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t p[9];
		int fd = connected();

		bed.ups = bed.downs = bed.refused = 0;
		prefix(p, bad[i].n);
		p[0] = bad[i].op;
		say(fd, p, 9);
		say(fd, bad[i].rest, bad[i].rest_n);
		wait_for(&bed.downs);
		assert_int_equal(bed.refused, 1);
		close(fd);
	}
	assert_int_equal(bed.messages, 0);
}

static void
nothing_of_a_connection_comes_after_it_was_hung_up(void **unused)
{
	uint8_t m[2 * (9 + 5)];
	int fd = connected();

	(void)unused;
	bed.hang_up = true;
	prefix(m, 5);
	memcpy(m + 9, "\x80\0\0\1a", 5);
	memcpy(m + 14, m, 14);
	say(fd, m, sizeof(m));
	wait_for(&bed.downs);
	assert_int_equal(bed.messages, 1);
	assert_int_equal(bed.refused, 0);
	close(fd);
}

static void
who_never_finishes_the_handshake_is_let_go(void **unused)
{
	char byte;
	int fd = dial();

	(void)unused;
	say(fd, HANDSHAKE, 7);
	wait_for(&bed.refused);
	assert_int_equal(bed.ups, 0);
	while (recv(fd, &byte, 1, 0) > 0)
		continue;
	close(fd);
}

/* The way in is open, so only a write finds out. */
static void
who_does_not_read_any_more_is_let_go(void **unused)
{
	static const uint8_t header[4] = { 0x80, 0, 0, 9 };
	struct iovec v = { (void *)(uintptr_t)header, sizeof(header) };
	int fd = connected();

	(void)unused;
	assert_int_equal(shutdown(fd, SHUT_RD), 0);
	sp_send(bed.conn, header, sizeof(header), &v, 1);
	wait_for(&bed.downs);
	close(fd);
}

struct counting {
	struct loop_turn turn;
	unsigned n;
};

static void
on_turn(struct loop_turn *t)
{
	container_of(t, struct counting, turn)->n++;
}

static void
without_a_free_descriptor_who_waits_at_the_door_is_let_in_later(void **unused)
{
	struct counting turns = { .turn.fn = on_turn };
	struct rlimit was, none;
	int fd = dial(), next = dup(fd);

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	loop_turn_add(bed.loop, &turns.turn);
	loop_run_until(bed.loop, never, NULL, 50 * MS);
	loop_turn_del(bed.loop, &turns.turn);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_true(turns.n < 20); /* it sleeps meanwhile */
	say(fd, HANDSHAKE, 8);
	wait_for(&bed.ups);
	close(fd);
}

/* In place of the bed's listener: one to which everybody is a stranger. */
static void
listen_to_strangers(int64_t stranger_us)
{
	struct sp_opts o = opts(SP_REP);
	char err[160];

	sp_close(&bed.sp);
	(void)unlink(bed.url + strlen("ipc://"));
	o.stranger_us = stranger_us;
	bed.sp = sp_listen(&o, err, sizeof(err));
	assert_non_null(bed.sp);
	bed.know = true; /* by its first message */
}

static int
connected_and_known(void)
{
	uint8_t m[9 + 5];
	int fd = connected();

	prefix(m, 5);
	memcpy(m + 9, "\x80\0\0\1a", 5);
	bed.messages = 0;
	say(fd, m, sizeof(m));
	wait_for(&bed.messages);
	return fd;
}

static void
who_does_not_show_who_he_is_is_let_go(void **unused)
{
	int known, fd;
	char byte;

	(void)unused;
	listen_to_strangers(50 * MS);
	known = connected_and_known();
	bed.ups = 0;
	fd = connected();
	wait_for(&bed.downs);
	assert_int_equal(bed.refused, 1);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	loop_run_until(bed.loop, never, NULL, 60 * MS);
	assert_int_equal(bed.downs, 1);
	assert_int_equal(recv(known, &byte, 1, MSG_DONTWAIT), -1);
	close(fd);
	close(known);
}

static void
strangers_make_room_for_others(void **unused)
{
	enum { MANY = 1200 };
	struct rlimit most;
	int known, fds[MANY];

	(void)unused;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &most), 0);
	if (most.rlim_max < 3 * MANY)
		skip();
	most.rlim_cur = most.rlim_cur < 3 * MANY ? 3 * MANY : most.rlim_cur;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &most), 0);
	listen_to_strangers(60 * SEC);
	known = connected_and_known();
	for (int i = 0; i < MANY; i++) {
		bed.ups = 0;
		fds[i] = connected();
	}
	wait_for(&bed.downs);
	assert_int_equal(bed.downs, 1);
	assert_int_equal(bed.refused, 1);
	bed.ups = bed.downs = bed.refused = 0;
	close(connected_and_known());
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	close(known);
}

/* Whoever looks up a name in this program: two.test has two addresses, and at the first one nobody
 * listens. */
int
getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
	typedef int look_up_fn(
	    const char *, const char *, const struct addrinfo *, struct addrinfo **);
	look_up_fn *real = (look_up_fn *)(uintptr_t)dlsym(RTLD_NEXT, "getaddrinfo");

	if (node == NULL || strcmp(node, "two.test") != 0)
		return real(node, service, hints, found);
	if (real("127.0.0.2", service, hints, found) != 0)
		return EAI_FAIL;
	return real("127.0.0.1", service, hints, &(*found)->ai_next);
}

static void
each_address_of_a_name_is_tried(void **unused)
{
	struct sp_opts serve = opts(SP_REP), o = opts(SP_REQ);
	char at[64], name[64], err[160];
	uint16_t port = test_port();
	struct sp *dialler;

	(void)unused;
	snprintf(at, sizeof(at), "tcp://127.0.0.1:%u", port);
	snprintf(name, sizeof(name), "tcp://two.test:%u", port);
	serve.url = at;
	o.url = name;
	sp_close(&bed.sp);
	bed.sp = sp_listen(&serve, err, sizeof(err));
	assert_non_null(bed.sp);
	dialler = sp_dial(&o, err, sizeof(err));
	assert_non_null(dialler);
	wait_for(&bed.ups);
	sp_close(&dialler);
}

static void
a_dialler_comes_back_for_ever(void **unused)
{
	struct sp_opts o = opts(SP_REQ), serve = opts(SP_REP);
	struct sp *dialler;
	char err[160];

	(void)unused;
	sp_close(&bed.sp); /* nobody there yet */
	(void)unlink(bed.url + strlen("ipc://"));
	dialler = sp_dial(&o, err, sizeof(err));
	assert_non_null(dialler);
	loop_run_until(bed.loop, never, NULL, 50 * MS);
	assert_int_equal(bed.ups, 0);
	for (int i = 0; i < 3; i++) {
		bed.ups = bed.downs = 0;
		bed.sp = sp_listen(&serve, err, sizeof(err));
		assert_non_null(bed.sp);
		loop_run_until(bed.loop, never, NULL, 400 * MS);
		assert_int_equal(bed.ups, 2); /* both ends */
		sp_close(&bed.sp);
		loop_run_until(bed.loop, never, NULL, 20 * MS);
		(void)unlink(bed.url + strlen("ipc://"));
	}
	sp_close(&dialler);
}

static void
an_address_that_is_none_is_said(void **unused)
{
	static const char *const bad[] = { "sql.sock", "ipc://", "tcp://host", "tcp://:70",
		"tcp://h:", "inproc://x" };
	struct sp_opts o = opts(SP_REQ);
	char err[400], too_long[200];

	(void)unused;
	memset(too_long, 'a', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	memcpy(too_long, "ipc://", 6);
	for (unsigned i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
		o.url = i < sizeof(bad) / sizeof(bad[0]) ? bad[i] : too_long;
		assert_null(sp_dial(&o, err, sizeof(err)));
		assert_non_null(strstr(err, "is neither"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		S(bytes_that_come_one_by_one_make_the_same_messages),
		S(several_messages_in_one_write_are_several),
		S(what_the_socket_does_not_take_at_once_arrives_whole),
		S(a_large_message_in_pieces_arrives_whole),
		S(what_came_before_the_end_counts),
		S(whoever_speaks_another_protocol_is_refused),
		S(a_message_that_is_too_long_or_none_ends_the_connection),
		S(nothing_of_a_connection_comes_after_it_was_hung_up),
		S(who_never_finishes_the_handshake_is_let_go),
		S(who_does_not_read_any_more_is_let_go),
		S(without_a_free_descriptor_who_waits_at_the_door_is_let_in_later),
		S(who_does_not_show_who_he_is_is_let_go),
		S(strangers_make_room_for_others),
		S(each_address_of_a_name_is_tried),
		S(a_dialler_comes_back_for_ever),
		S(an_address_that_is_none_is_said),
	};

	return TEST_RUN(tests);
}
