/* wire_peers: ends that misbehave, and plain clients: nng sockets driven by hand against the
 * wire. */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/time.h"
#include "bus/frame.h"
#include "bus/line.h"
#include "harness/wire_end.h"
#include "proto/bus.pb-c.h"

static nng_socket
raw_open(bool serve_it, const char *name)
{
	char url[PATH_MAX + 64];
	nng_socket s;

	snprintf(url, sizeof(url), "ipc://%s/%s.sock", end_config.bus_dir, name);
	assert_int_equal(serve_it ? nng_rep0_open_raw(&s) : nng_req0_open_raw(&s), 0);
	assert_int_equal(
	    serve_it ? nng_listen(s, url, NULL, 0) : nng_dial(s, url, NULL, NNG_FLAG_NONBLOCK), 0);
	return s;
}

static nng_msg *
raw_recv(nng_socket s, int64_t limit_us)
{
	int64_t until = time_now_us() + limit_us;
	nng_msg *m;

	while (nng_recvmsg(s, &m, NNG_FLAG_NONBLOCK) != 0) {
		if (time_now_us() > until)
			return NULL;
		end_pass(MS);
	}
	return m;
}

static void
raw_send(nng_socket s, nng_msg *to, const void *p, size_t n)
{
	nng_msg *m;
	int rv;

	assert_int_equal(nng_msg_alloc(&m, 0), 0);
	if (to != NULL)
		nng_msg_header_append(m, nng_msg_header(to), nng_msg_header_len(to));
	else
		nng_msg_header_append_u32(m, 0x80000001u);
	nng_msg_append(m, p, n);
	while ((rv = nng_sendmsg(s, m, NNG_FLAG_NONBLOCK)) == NNG_EAGAIN)
		end_pass(MS); /* the handshake is the loop's */
	assert_int_equal(rv, 0);
}

/* The handshake is the loop's: nothing of nng may wait for it on this thread. */
static void
on_pipe(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
	(void)pipe, (void)ev;
	atomic_store((atomic_bool *)arg, true);
}

static void
req_open(nng_socket *s, const char *url)
{
	atomic_bool up = false;

	assert_int_equal(nng_req0_open(s), 0);
	assert_int_equal(nng_pipe_notify(*s, NNG_PIPE_EV_ADD_POST, on_pipe, &up), 0);
	assert_int_equal(nng_dial(*s, url, NULL, NNG_FLAG_NONBLOCK), 0);
	while (!atomic_load(&up))
		end_pass(MS);
	assert_int_equal(nng_pipe_notify(*s, NNG_PIPE_EV_ADD_POST, NULL, NULL), 0);
}

static size_t
hello_bytes(uint8_t *out, enum frame_kind kind, const char *node, uint64_t to, uint64_t epoch,
    uint32_t version)
{
	Mf__Hello h = MF__HELLO__INIT;

	h.version = version;
	h.node = (char *)node;
	h.epoch = epoch;
	return frame_hello(out, kind, to, &h);
}

/* Takes the HELLO that a lane sends and answers it; the lane's epoch. */
static uint64_t
raw_welcome(nng_socket s, nng_msg **hello, const char *name)
{
	uint8_t out[FRAME_HELLO_MAX];
	Mf__Hello *h;
	uint64_t to, epoch;

	*hello = raw_recv(s, 2 * SEC);
	assert_non_null(*hello);
	h = frame_read_hello(nng_msg_body(*hello), nng_msg_len(*hello), &to);
	assert_non_null(h);
	epoch = h->epoch;
	mf__hello__free_unpacked(h, NULL);
	raw_send(s, *hello, out, hello_bytes(out, FRAME_WELCOME, name, epoch, 4242, 1));
	return epoch;
}

static size_t
data_bytes(uint8_t *out, uint64_t to, uint64_t from, uint32_t received, uint64_t call_id)
{
	struct frame_head h = { .to = to, .from = from, .received = received };
	struct frame_out *f = frame_new();
	const uint8_t *p;
	size_t n;

	if (call_id != 0)
		frame_add(
		    f, &(struct frame_record){
			   .kind = RECORD_CALL, .p = (uint8_t *)&call_id, .n = sizeof(call_id) });
	p = frame_close(f, &h, &n);
	out[0] = 0;
	out[1] = FRAME_DATA;
	memcpy(out + FRAME_PREFIX, p, n);
	frame_free(&f);
	return n + FRAME_PREFIX;
}

static void
no_more_frames_leave_than_the_window_and_a_silent_peer_is_given_up(void **unused)
{
	nng_msg *hello, *m;
	unsigned frames = 0;
	struct lane *l;
	struct end a;
	nng_socket s;

	(void)unused;
	assert_int_equal(mkdir(end_config.bus_dir, 0700), 0);
	s = raw_open(true, "sql");
	assert_non_null(end_new(&a, "api", &end_config));
	l = wire_lane(a.w, "sql");
	(void)raw_welcome(s, &hello, "sql");
	assert_true(end_wait(&a.ups, 1, SEC));
	/* each in a turn of its own, no receipt ever */
	for (uint64_t id = 1; id <= 50; id++) {
		assert_int_equal(end_call(l, id), ST_OK);
		end_pass(MS);
	}
	for (; (m = raw_recv(s, 500 * MS)) != NULL; frames++)
		nng_msg_free(m);
	assert_int_equal(frames, LINE_WINDOW);
	assert_int_equal(a.downs, 0);
	assert_true(end_wait(&a.downs, 1, LINE_SILENT_US + SEC));
	nng_msg_free(hello);
	end_free(&a);
	nng_close(s);
}

static void
a_receipt_for_what_was_never_sent_ends_the_link(void **unused)
{
	uint8_t out[256];
	nng_msg *hello;
	uint64_t epoch;
	struct end a;
	nng_socket s;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	assert_int_equal(mkdir(end_config.bus_dir, 0700), 0);
	s = raw_open(true, "sql");
	assert_non_null(end_new(&a, "api", &end_config));
	(void)wire_lane(a.w, "sql");
	epoch = raw_welcome(s, &hello, "sql");
	assert_true(end_wait(&a.ups, 1, SEC));
	raw_send(s, hello, out, data_bytes(out, epoch, 4242, 1, 0));
	assert_true(end_wait(&a.downs, 1, SEC));
	nng_msg_free(hello);
	end_free(&a);
	nng_close(s);
}

static void
a_peer_of_another_name_or_version_is_never_up(void **unused)
{
	uint8_t out[FRAME_HELLO_MAX];
	nng_msg *hello;
	struct end a, b;
	nng_socket s;

	(void)unused;
	test_expect_log(LOG_WARN, 2);
	end_serve(&b, "sql");
	s = raw_open(true, "nosql");
	assert_non_null(end_new(&a, "api", &end_config));
	(void)wire_lane(a.w, "nosql");
	(void)raw_welcome(s, &hello, "cache");
	end_pass(50 * MS);
	assert_int_equal(a.ups, 0);
	nng_msg_free(hello);
	nng_close(s);
	s = raw_open(false, "sql");
	raw_send(s, NULL, out, hello_bytes(out, FRAME_HELLO, "api", 0, 7, 2));
	assert_null(raw_recv(s, 50 * MS));
	assert_true(wire_stats(b.w)->refused_peers == 1);
	nng_close(s);
	end_free(&a);
	end_free(&b);
}

static void
frames_of_another_epoch_are_dropped_and_counted(void **unused)
{
	uint8_t out[FRAME_HELLO_MAX];
	Mf__Hello *h;
	uint64_t to, theirs;
	struct end b;
	nng_socket s;
	nng_msg *m;

	(void)unused;
	end_serve(&b, "sql");
	s = raw_open(false, "sql");
	raw_send(s, NULL, out, data_bytes(out, 1, 2, 0, 77)); /* before any hello */
	raw_send(s, NULL, out, hello_bytes(out, FRAME_HELLO, "api", 0, 1000, 1));
	m = raw_recv(s, SEC);
	assert_non_null(m);
	h = frame_read_hello(nng_msg_body(m), nng_msg_len(m), &to);
	assert_true(h != NULL && to == 1000);
	theirs = h->epoch;
	raw_send(s, NULL, out, data_bytes(out, theirs, 999, 0, 77));
	raw_send(s, NULL, out, data_bytes(out, theirs + 1, 1000, 0, 77));
	end_pass(20 * MS);
	assert_int_equal(b.calls, 0);
	assert_true(wire_stats(b.w)->dropped_epoch == 3);
	raw_send(s, NULL, out, data_bytes(out, theirs, 1000, 0, 77));
	assert_true(end_wait(&b.calls, 1, SEC));
	/* a new hello ends the old link */
	raw_send(s, NULL, out, hello_bytes(out, FRAME_HELLO, "api", 0, 2000, 1));
	assert_true(end_wait(&b.gones, 1, SEC));
	raw_send(s, NULL, out, data_bytes(out, theirs, 1000, 0, 78));
	end_pass(20 * MS);
	assert_int_equal(b.calls, 1);
	mf__hello__free_unpacked(h, NULL);
	nng_msg_free(m);
	nng_close(s);
	end_free(&b);
}

static void
garbage_ends_the_pipe_and_hurts_nobody_else(void **unused)
{
	static const struct {
		const char *p;
		size_t n;
	} garbage[] = { { "", 0 }, { "\0", 1 }, { "\0\1", 2 }, { "\0\2xxxxxxxxx", 11 },
		{ "\0\1xxxxxxxx\xff\xff\xff\xff\xff", 15 }, { "\0\5xx", 4 }, { "\0\x7f", 2 } };
	uint8_t out[FRAME_HELLO_MAX];
	struct end a, b;
	struct lane *l;

	(void)unused;
	test_expect_log(LOG_WARN, sizeof(garbage) / sizeof(garbage[0]) + 1);
	end_serve(&b, "sql");
	assert_non_null(end_new(&a, "api", &end_config));
	l = end_connect(&a, "sql");
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]) + 1; i++) {
		nng_socket s = raw_open(false, "sql");

		if (i < sizeof(garbage) / sizeof(garbage[0])) {
			raw_send(s, NULL, garbage[i].p, garbage[i].n);
		} else {
			raw_send(s, NULL, out, hello_bytes(out, FRAME_HELLO, "bad", 0, 1, 1));
			raw_send(s, NULL, "\0\3garbage", 9);
		}
		end_pass(20 * MS);
		assert_true(wire_stats(b.w)->dropped_bad == i + 1);
		nng_close(s);
	}
	assert_int_equal(end_call(l, 1), ST_OK);
	assert_true(end_wait(&a.answers, 1, SEC));
	assert_int_equal(a.downs, 0);
	end_free(&a);
	end_free(&b);
}

static void
a_plain_req_client_gets_its_answers_each_under_its_own_request(void **unused)
{
	char url[PATH_MAX + 64];
	nng_ctx ctx[8];
	nng_aio *aio[8];
	nng_socket s;
	struct end b;

	(void)unused;
	end_serve(&b, "sql");
	b.auto_answer = true;
	snprintf(url, sizeof(url), "ipc://%s/sql.sock", end_config.bus_dir);
	req_open(&s, url);
	for (uint64_t i = 0; i < 8; i++) {
		uint64_t id = i + 1;
		nng_msg *m;

		assert_int_equal(nng_aio_alloc(&aio[i], NULL, NULL), 0);
		assert_int_equal(nng_ctx_open(&ctx[i], s), 0);
		assert_int_equal(nng_msg_alloc(&m, 0), 0);
		nng_msg_append(m, &id, sizeof(id));
		nng_aio_set_msg(aio[i], m);
		nng_ctx_send(ctx[i], aio[i]);
		nng_aio_wait(aio[i]);
		assert_int_equal(nng_aio_result(aio[i]), 0);
		nng_ctx_recv(ctx[i], aio[i]);
	}
	assert_true(end_wait(&b.gones, 8, 2 * SEC)); /* each was a visitor of its own */
	assert_string_equal(b.peer, "");
	for (uint64_t i = 0; i < 8; i++) {
		uint64_t id;

		nng_aio_wait(aio[i]);
		assert_int_equal(nng_aio_result(aio[i]), 0);
		memcpy(&id, nng_msg_body(nng_aio_get_msg(aio[i])), sizeof(id));
		assert_true(id == i + 1);
		nng_msg_free(nng_aio_get_msg(aio[i]));
		nng_aio_free(aio[i]);
		nng_ctx_close(ctx[i]);
	}
	nng_close(s);
	end_free(&b);
}

static void
the_work_of_a_plain_client_that_leaves_is_gone(void **unused)
{
	uint64_t id = 5;
	nng_socket s;
	struct end b;

	(void)unused;
	end_serve(&b, "sql");
	b.auto_answer = false;
	s = raw_open(false, "sql");
	raw_send(s, NULL, &id, sizeof(id));
	raw_send(s, NULL, &id, sizeof(id));
	assert_true(end_wait(&b.calls, 2, SEC));
	nng_close(s);
	assert_true(end_wait(&b.gones, 2, SEC));
	end_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		W(a_receipt_for_what_was_never_sent_ends_the_link),
		W(a_peer_of_another_name_or_version_is_never_up),
		W(frames_of_another_epoch_are_dropped_and_counted),
		W(garbage_ends_the_pipe_and_hurts_nobody_else),
		W(a_plain_req_client_gets_its_answers_each_under_its_own_request),
		W(the_work_of_a_plain_client_that_leaves_is_gone),
		W(no_more_frames_leave_than_the_window_and_a_silent_peer_is_given_up),
	};

	return TEST_RUN(tests);
}
