/* ws: sessions of metafed.v1 that ask as fast as they are answered: the load of scripts/bench-http.
 *
 *	ws calls PORT SESSIONS SECONDS SUBMIT    each session has one SUBMIT under way, all the time;
 *	                                         one more is subscribed to the events of tasks
 *	ws fanout PORT SESSIONS SECONDS SUBMIT   one session submits, SESSIONS are subscribed; the next
 *	                                         one goes when all of them have heard of the last
 *
 * BENCH_TOKEN is the credential. Says "ready" when all sessions stand, begins at a line of input,
 * writes one line of JSON, and keeps the sessions until its input ends: so that whoever looks at the
 * CPU time of the other side sees neither handshakes nor farewells. A SUBMIT that writes must be
 * answered with 201: then an event of it must come to each subscriber, which is waited for. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/hist.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"

#define BUFFER    (32u << 10) /* of a session: no message is longer */
#define MESSAGE   4096        /* bytes of what a session says, at most */
#define LATE_US   (60 * SEC)  /* events that did not come by then are lost */
#define SILENT_S  30          /* then nobody is there */
#define LOOKED_AT 80          /* bytes of a message: its type and status stand there */
#define BATCH     256         /* of epoll */

enum opcode { TEXT = 1, CLOSE = 8, PING = 9, PONG = 10 };

struct session {
	int fd;
	bool known; /* whose it is */
	bool live;  /* its subscription: all that was before has been told */
	bool asked; /* its SUBMIT is under way */
	int64_t asked_us;
	size_t n;
	char in[BUFFER];
};

static struct bench {
	bool fanout;
	const char *submit;
	struct session **all; /* callers first, then listeners */
	size_t n_callers, n_listeners;
	int epoll;
	int64_t begun_us, until_us, answered_us; /* that: when the last answer came */
	uint64_t answered, refused, created, events, lagged;
	struct hist latency; /* to the answer; fanout: until the last one has heard of it */
} b;

static void open_sessions(uint16_t, const char *);
static struct session *open_session(uint16_t, const char *, bool);
static int dial(uint16_t);
static void shake_hands(int, const char *);
static void run(void);
static void ask(struct session *);
static void say(struct session *, enum opcode, const char *, size_t);
static void hear(struct session *);
static size_t frame(struct session *, const char *, size_t);
static void on_text(struct session *, const char *, size_t);
static void on_result(struct session *, const char *, size_t);
static void on_event(void);
static bool all_heard(void);
static void go_on(struct session *);
static void report(void);
static bool has(const char *, size_t, const char *);

int
main(int argc, char **argv)
{
	const char *token = getenv("BENCH_TOKEN");
	uint64_t port, n, seconds;
	char line[8];

	if (argc != 6 || token == NULL || !str_u64(str_of(argv[2]), UINT16_MAX, &port) ||
	    !str_u64(str_of(argv[3]), 10000, &n) || n == 0 ||
	    !str_u64(str_of(argv[4]), 3600, &seconds))
		fatal("usage: BENCH_TOKEN=... ws calls|fanout PORT SESSIONS SECONDS SUBMIT");
	b.fanout = strcmp(argv[1], "fanout") == 0;
	b.n_callers = b.fanout ? 1 : n;
	b.n_listeners = b.fanout ? n : 1;
	b.submit = argv[5];
	open_sessions((uint16_t)port, token);
	puts("ready");
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL)
		return 1;
	b.begun_us = time_now_us();
	b.until_us = b.begun_us + (int64_t)seconds * SEC;
	run();
	report();
	while (fgets(line, sizeof(line), stdin) != NULL)
		;
	return 0;
}

static void
open_sessions(uint16_t port, const char *token)
{
	size_t n = b.n_callers + b.n_listeners;

	b.all = mem_zalloc(n * sizeof(struct session *));
	b.epoll = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < n; i++) {
		struct session *s = open_session(port, token, i >= b.n_callers);
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = s };

		if (epoll_ctl(b.epoll, EPOLL_CTL_ADD, s->fd, &e) != 0)
			fatal("epoll_ctl failed");
		b.all[i] = s;
	}
}

static struct session *
open_session(uint16_t port, const char *token, bool listens)
{
	static const char subscribe[] = "{\"type\":\"subscribe\",\"id\":\"s\",\"topic\":\"tasks\"}";
	struct session *s = mem_zalloc(sizeof(*s));

	s->fd = dial(port);
	shake_hands(s->fd, token);
	while (!s->known)
		hear(s);
	if (!listens)
		return s;
	say(s, TEXT, subscribe, sizeof(subscribe) - 1);
	while (!s->live)
		hear(s);
	return s;
}

static int
dial(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { .tv_sec = SILENT_S };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0)
		fatal("can't reach port %u", port);
	return fd;
}

/* Byte by byte to the end of the head: what follows is the session's. */
static void
shake_hands(int fd, const char *token)
{
	static const char ok[] = "HTTP/1.1 101 ";
	char head[2048];
	size_t n = 0;

	if (dprintf(fd,
		"GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		"Sec-WebSocket-Protocol: metafed.v1\r\nAuthorization: Bearer %s\r\n\r\n",
		token) < 0)
		fatal("a handshake can't be said");
	while (n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0)
		if (n == sizeof(head) || recv(fd, head + n++, 1, 0) != 1)
			fatal("no whole answer to a handshake");
	if (memcmp(head, ok, sizeof(ok) - 1) != 0)
		fatal("a handshake was refused: %.*s", (int)n, head);
}

/* Until all that was asked is answered and all events of it are there. */
static void
run(void)
{
	struct epoll_event e[BATCH];
	size_t under_way = 1;

	for (size_t i = 0; i < b.n_callers; i++)
		ask(b.all[i]);
	while (under_way != 0 || b.events < b.created * b.n_listeners) {
		int n = epoll_wait(b.epoll, e, BATCH, 100);

		for (int i = 0; i < n; i++)
			hear(e[i].data.ptr);
		if (time_now_us() > b.until_us + LATE_US)
			return;
		under_way = 0;
		for (size_t i = 0; i < b.n_callers; i++)
			under_way += b.all[i]->asked;
	}
}

static void
ask(struct session *s)
{
	s->asked = true;
	s->asked_us = time_now_us();
	say(s, TEXT, b.submit, strlen(b.submit));
}

/* A frame of a client. The mask is always the same; the server's work with it is too. */
static void
say(struct session *s, enum opcode op, const char *p, size_t n)
{
	static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
	uint8_t out[MESSAGE + 8];
	size_t head = 2;

	if (n > MESSAGE)
		fatal("a message is too long: %zu bytes", n);
	out[0] = (uint8_t)(0x80 | op);
	out[1] = (uint8_t)(0x80 | (n < 126 ? n : 126));
	if (n >= 126) {
		out[head++] = (uint8_t)(n >> 8);
		out[head++] = (uint8_t)n;
	}
	memcpy(out + head, mask, sizeof(mask));
	head += sizeof(mask);
	for (size_t i = 0; i < n; i++)
		out[head + i] = (uint8_t)((uint8_t)p[i] ^ mask[i % 4]);
	/* Little is under way: there is always room for it. */
	if (send(s->fd, out, head + n, MSG_NOSIGNAL) != (ssize_t)(head + n))
		fatal("a session can't be written to");
}

static void
hear(struct session *s)
{
	ssize_t got = recv(s->fd, s->in + s->n, BUFFER - s->n, 0);
	size_t at = 0, took;

	if (got <= 0)
		fatal("a session ended, or nothing came for %d s", SILENT_S);
	s->n += (size_t)got;
	while ((took = frame(s, s->in + at, s->n - at)) != 0)
		at += took;
	s->n -= at;
	memmove(s->in, s->in + at, s->n);
}

/* Its bytes; 0: it is not whole yet. */
static size_t
frame(struct session *s, const char *p, size_t n)
{
	const uint8_t *u = (const uint8_t *)p;
	size_t head, len;

	if (n < 4)
		return 0; /* an empty one is as good as none until the next has come */
	head = u[1] == 126 ? 4 : 2;
	len = u[1] == 126 ? (size_t)u[2] << 8 | u[3] : u[1];
	if (u[1] > 126 || head + len > BUFFER)
		fatal("a message is too long");
	if (n < head + len)
		return 0;
	if ((u[0] & 15) == CLOSE)
		fatal("the server ends a session: %d", len < 2 ? 0 : u[head] << 8 | u[head + 1]);
	if ((u[0] & 15) == PING)
		say(s, PONG, p + head, len);
	else if ((u[0] & 15) == TEXT)
		on_text(s, p + head, len);
	return head + len;
}

static void
on_text(struct session *s, const char *p, size_t n)
{
	if (has(p, n, "\"type\":\"event\""))
		on_event();
	else if (has(p, n, "\"type\":\"result\""))
		on_result(s, p, n);
	else if (has(p, n, "\"type\":\"authenticated\""))
		s->known = true;
	else if (has(p, n, "\"type\":\"caught_up\""))
		s->live = true;
	else if (has(p, n, "\"type\":\"lagging\""))
		b.lagged++;
	else if (!has(p, n, "\"type\":\"hello\"") && !has(p, n, "\"type\":\"subscribed\""))
		fatal("not expected: %.*s", (int)(n < MESSAGE ? n : MESSAGE), p);
}

static void
on_result(struct session *s, const char *p, size_t n)
{
	s->asked = false;
	b.answered++;
	if (has(p, n, "\"status\":201"))
		b.created++;
	else if (!has(p, n, "\"status\":200") && b.refused++ == 0)
		fprintf(stderr, "ws: refused: %.*s\n", (int)(n < MESSAGE ? n : MESSAGE), p);
	if (!b.fanout || all_heard())
		go_on(s);
}

static void
on_event(void)
{
	b.events++;
	if (b.fanout && !b.all[0]->asked && all_heard())
		go_on(b.all[0]);
}

/* The answer may come before or after the events. */
static bool
all_heard(void)
{
	return b.events == b.created * b.n_listeners;
}

static void
go_on(struct session *s)
{
	b.answered_us = time_now_us();
	hist_add(&b.latency, b.answered_us - s->asked_us);
	if (b.answered_us < b.until_us)
		ask(s);
}

static void
report(void)
{
	printf("{\"answered\":%llu,\"refused\":%llu,\"created\":%llu,\"events\":%llu,"
	       "\"lagged\":%llu,\"seconds\":%.3f,\"p50_us\":%lld,\"p99_us\":%lld}\n",
	    (unsigned long long)b.answered, (unsigned long long)b.refused,
	    (unsigned long long)b.created, (unsigned long long)b.events,
	    (unsigned long long)b.lagged, (double)(b.answered_us - b.begun_us) / 1e6,
	    (long long)hist_quantile(&b.latency, 0.5), (long long)hist_quantile(&b.latency, 0.99));
	fflush(stdout);
}

/* In its beginning, where our members stand. */
static bool
has(const char *p, size_t n, const char *word)
{
	return memmem(p, n < LOOKED_AT ? n : LOOKED_AT, word, strlen(word)) != NULL;
}
