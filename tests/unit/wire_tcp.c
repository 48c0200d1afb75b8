/* wire_tcp: links over tcp: names that are proved, and what a network may do to bytes. */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/time.h"
#include "bus/secure.h"
#include "harness/relay.h"
#include "harness/wire_end.h"

struct tcp {
	uint16_t port, relay_port;
	char listen[64], peers[128], key_a[PATH_MAX], key_b[PATH_MAX], trust[PATH_MAX];
	struct node_config caller, server;
};

static void
tcp_setup(struct tcp *t, bool relayed)
{
	const char *names[] = { "api", "sql" };
	size_t made;

	t->port = test_port();
	t->relay_port = t->port;
	while (relayed && t->relay_port == t->port)
		t->relay_port = test_port();
	snprintf(t->listen, sizeof(t->listen), "tcp://127.0.0.1:%u", t->port);
	snprintf(t->peers, sizeof(t->peers), "x=tcp://127.0.0.1:1, sql=tcp://127.0.0.1:%u",
	    t->relay_port);
	assert_true(keys_generate(end_dir, names, 2, &made, end_err, sizeof(end_err)));
	snprintf(t->key_a, sizeof(t->key_a), "%s/api.key", end_dir);
	snprintf(t->key_b, sizeof(t->key_b), "%s/sql.key", end_dir);
	snprintf(t->trust, sizeof(t->trust), "%s/trust", end_dir);
	t->caller = t->server = end_config;
	t->caller.bus_peers = t->peers;
	t->caller.bus_key_file = t->key_a;
	t->server.bus_listen = t->listen;
	t->server.bus_key_file = t->key_b;
	t->caller.bus_trust_file = t->server.bus_trust_file = t->trust;
}

static void
tcp_serve(struct tcp *t, struct end *b)
{
	assert_non_null(end_new(b, "sql", &t->server));
	/* the port of one that just closed */
	for (int tries = 0; !wire_listen(b->w, end_err, sizeof(end_err)); tries++) {
		if (tries == 50)
			fail_msg("%s", end_err);
		end_free(b);
		end_pass(20 * MS);
		assert_non_null(end_new(b, "sql", &t->server));
	}
}

static void
over_tcp_calls_travel_sealed_under_authenticated_names(void **unused)
{
	struct relay *r;
	const uint8_t *p;
	struct end a, b;
	struct lane *l;
	struct tcp t;
	size_t n;

	(void)unused;
	tcp_setup(&t, true);
	r = relay_start(t.relay_port, t.port);
	tcp_serve(&t, &b);
	assert_non_null(end_new(&a, "client-1", &t.caller));
	l = end_connect(&a, "sql");
	assert_int_equal(lane_call(l, UINT64_C(0x4d41524b4d41524b), "KRAMKRAM", 8), ST_OK);
	assert_true(end_wait(&a.answers, 1, SEC));
	/* the key's name, not what it calls itself */
	assert_string_equal(b.peer, "api");
	n = relay_recorded(r, &p);
	assert_true(n > 100);
	assert_null(memmem(p, n, "KRAMKRAM", 8));
	for (uint64_t id = 1; id <= 1000; id++)
		assert_int_equal(end_call(l, id), ST_OK);
	assert_true(end_wait(&a.answers, 1001, 5 * SEC));
	end_free(&a);
	end_free(&b);
	relay_stop(&r);
}

static void
a_node_does_not_start_on_tcp_without_its_own_key(void **unused)
{
	struct node_config c;
	struct tcp t;
	struct end e;

	(void)unused;
	tcp_setup(&t, false);
	c = t.server;
	c.bus_key_file = "";
	assert_null(end_new(&e, "sql", &c));
	assert_non_null(strstr(end_err, "metafed keys init"));
	c = t.caller;
	c.bus_trust_file = "";
	assert_null(end_new(&e, "api", &c));
	c = t.server;
	c.bus_key_file = t.key_a;
	assert_null(end_new(&e, "sql", &c));
	assert_non_null(strstr(end_err, "api"));
}

static void
a_caller_with_a_key_that_is_not_trusted_stays_outside(void **unused)
{
	const char *names[] = { "api", "sql" };
	const char *other = test_dir();
	char key[PATH_MAX];
	struct end a, b;
	struct tcp t;
	size_t made;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	tcp_setup(&t, false);
	assert_true(keys_generate(other, names, 1, &made, end_err, sizeof(end_err)));
	snprintf(key, sizeof(key), "%s/api.key", other);
	tcp_serve(&t, &b);
	t.caller.bus_key_file = key; /* contradicts its own trust file */
	assert_null(end_new(&a, "api", &t.caller));
	snprintf(t.trust, sizeof(t.trust), "%s/trust", other);
	{
		char text[1024] = "", ours[PATH_MAX];
		FILE *f;

		snprintf(ours, sizeof(ours), "%s/trust", end_dir);
		f = fopen(ours, "re");
		assert_non_null(f);
		while (fgets(text, sizeof(text), f) != NULL && strncmp(text, "sql ", 4) != 0)
			continue;
		fclose(f);
		f = fopen(t.trust, "ae");
		assert_non_null(f);
		fputs(text, f);
		fclose(f);
	}
	assert_non_null(end_new(&a, "api", &t.caller));
	(void)wire_lane(a.w, "sql");
	assert_false(end_wait(&a.ups, 1, 300 * MS));
	assert_true(wire_stats(b.w)->refused_peers == 1);
	assert_int_equal(b.calls, 0);
	end_free(&a);
	end_free(&b);
}

static void
a_plain_client_over_tcp_is_refused(void **unused)
{
	struct end b;
	struct tcp t;
	nng_socket s;
	nng_msg *m;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	tcp_setup(&t, false);
	tcp_serve(&t, &b);
	assert_int_equal(nng_req0_open_raw(&s), 0);
	assert_int_equal(nng_dial(s, t.listen, NULL, NNG_FLAG_NONBLOCK), 0);
	assert_int_equal(nng_msg_alloc(&m, 0), 0);
	nng_msg_header_append_u32(m, 0x80000001u);
	nng_msg_append(m, "\x08\x01", 2);
	while (nng_sendmsg(s, m, NNG_FLAG_NONBLOCK) == NNG_EAGAIN)
		end_pass(MS); /* the handshake is the loop's */
	end_pass(50 * MS);
	assert_int_equal(b.calls, 0);
	assert_true(wire_stats(b.w)->refused_peers == 1);
	nng_close(s);
	end_free(&b);
}

static void
a_frame_changed_on_the_way_drops_the_link(void **unused)
{
	struct relay *r;
	struct end a, b;
	struct lane *l;
	struct tcp t;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	tcp_setup(&t, true);
	r = relay_start(t.relay_port, t.port);
	tcp_serve(&t, &b);
	assert_non_null(end_new(&a, "api", &t.caller));
	l = end_connect(&a, "sql");
	end_pass(20 * MS);
	relay_spoil(r);
	assert_int_equal(end_call(l, 1), ST_OK);
	assert_true(end_wait(&a.downs, 1, SEC));
	assert_int_equal(b.calls, 0);
	assert_int_equal(b.gones, 1);
	assert_true(end_wait(&a.ups, 2, 2 * SEC)); /* and a new one works */
	assert_int_equal(end_call(l, 2), ST_OK);
	assert_true(end_wait(&a.answers, 1, SEC));
	end_free(&a);
	end_free(&b);
	relay_stop(&r);
}

/* A connection of nobody's, on which these bytes are sent. */
static int
send_to(uint16_t port, const uint8_t *p, size_t n)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(write(fd, p, n), (ssize_t)n);
	return fd;
}

static void
a_recorded_session_sent_again_to_a_new_server_does_nothing(void **unused)
{
	struct relay *r;
	const uint8_t *p;
	struct end a, b;
	struct lane *l;
	struct tcp t;
	size_t n;
	int fd;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	tcp_setup(&t, true);
	r = relay_start(t.relay_port, t.port);
	tcp_serve(&t, &b);
	assert_non_null(end_new(&a, "api", &t.caller));
	l = end_connect(&a, "sql");
	for (uint64_t id = 1; id <= 10; id++)
		assert_int_equal(end_call(l, id), ST_OK);
	assert_true(end_wait(&a.answers, 10, SEC));
	end_pass(20 * MS);
	end_free(&a);
	n = relay_recorded(r, &p);
	end_free(&b);
	tcp_serve(&t, &b);
	fd = send_to(t.port, p, n);
	/* its hello was right, its first frame was not */
	assert_true(end_wait(&b.gones, 1, SEC));
	assert_int_equal(b.calls, 0);
	assert_true(wire_stats(b.w)->dropped_bad == 1);
	close(fd);
	end_free(&b);
	relay_stop(&r);
}

/* Handshake, hello: without the key nobody gets further. */
static size_t
hello_of(const uint8_t *p)
{
	size_t n = 0;

	for (int i = 0; i < 8; i++)
		n = n << 8 | p[8 + i];
	return 16 + n;
}

static void
a_recorded_hello_holds_no_place_but_a_member_that_has_nothing_to_say_does(void **unused)
{
	struct relay *r;
	const uint8_t *p;
	struct end a, b;
	struct lane *l;
	struct tcp t;
	int fd;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	tcp_setup(&t, true);
	r = relay_start(t.relay_port, t.port);
	tcp_serve(&t, &b);
	assert_non_null(end_new(&a, "api", &t.caller));
	l = end_connect(&a, "sql");
	assert_true(relay_recorded(r, &p) > 16);
	fd = send_to(t.port, p, hello_of(p));
	assert_true(end_wait(&b.gones, 1, 20 * SEC));
	assert_int_equal(wire_stats(b.w)->refused_peers, 1);
	assert_int_equal(a.downs, 0);
	assert_int_equal(end_call(l, 1), ST_OK);
	assert_true(end_wait(&a.answers, 1, SEC));
	close(fd);
	end_free(&a);
	end_free(&b);
	relay_stop(&r);
}

static void
over_tcp_the_bell_carries_numbers_only(void **unused)
{
	struct end a, b;
	struct tcp t;

	(void)unused;
	tcp_setup(&t, false);
	tcp_serve(&t, &b);
	assert_non_null(end_new(&a, "api", &t.caller));
	wire_subscribe(a.w, "sql");
	for (uint64_t seq = 1; seq < 200 && a.events == 0; seq++) {
		wire_publish(b.w, "secret things", 13, seq);
		end_pass(10 * MS);
	}
	assert_true(a.events > 0);
	assert_string_equal(a.event_node, "sql");
	assert_int_equal(a.events_in_batch, 0);
	assert_true(a.event_seq > 0);
	end_free(&a);
	end_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		W(over_tcp_calls_travel_sealed_under_authenticated_names),
		W(a_node_does_not_start_on_tcp_without_its_own_key),
		W(a_caller_with_a_key_that_is_not_trusted_stays_outside),
		W(a_plain_client_over_tcp_is_refused),
		W(a_frame_changed_on_the_way_drops_the_link),
		W(a_recorded_session_sent_again_to_a_new_server_does_nothing),
		W(a_recorded_hello_holds_no_place_but_a_member_that_has_nothing_to_say_does),
		W(over_tcp_the_bell_carries_numbers_only),
	};

	return TEST_RUN(tests);
}
