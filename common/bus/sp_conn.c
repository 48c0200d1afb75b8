/* sp_conn: the bytes of one connection.
 *
 *	handshake	0 'S' 'P' 0, u16 role, 0 0		each side sends its own
 *	message		ipc: u8 1, then both: u64 n, n bytes	n bytes: request ids, then the body
 *	request ids	u32 each, the top bit set in the last one
 *
 * All numbers big-endian. Invariant: `in` holds the beginning of at most one message, and nothing
 * of it was delivered. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/log.h"
#include "base/mem.h"
#include "bus/sp_impl.h"

#define HANDSHAKE   8u
#define PREFIX_IPC  9u
#define PREFIX_TCP  8u
#define WAITING_MAX (64u << 20) /* of one connection: more than LINE_QUEUE_MAX and the window */
#define READS_MOST  8           /* before others on the loop have their turn */

static void on_ready(uv_poll_t *h, int status, int events);
static void connected(struct sp_conn *c);
static void set_options(int fd);
static void read_some(struct sp_conn *c);
static bool read_once(struct sp_conn *c);
static size_t take(struct sp_conn *c, uint8_t *p, size_t n);
static bool take_handshake(struct sp_conn *c, const uint8_t *p);
static bool take_message(struct sp_conn *c, uint8_t *p, size_t n);
static void keep(struct sp_conn *c, const uint8_t *p, size_t n);
static void put(struct sp_conn *c, const struct iovec *v, unsigned n_v);
static void broken(struct sp_conn *c);
static void wait_for_room(struct sp_conn *c, const struct iovec *v, unsigned n_v, size_t done);
static void write_waiting(struct sp_conn *c);
static void poll_for(struct sp_conn *c);
static void on_too_slow(struct timer *t);
static void on_closed(uv_handle_t *h);
static void put_be64(uint8_t *p, uint64_t v);
static uint64_t get_be64(const uint8_t *p);

struct sp_conn *
sp_conn_new(struct sp *s, int fd, bool connecting)
{
	struct sp_conn *c = mem_zalloc(sizeof(*c));

	c->sp = s;
	c->fd = fd;
	c->body_max = s->body_max;
	timer_init(&c->limit, s->loop, on_too_slow);
	timer_in(&c->limit, SP_HANDSHAKE_US);
	must(uv_poll_init(loop_uv(s->loop), &c->poll, fd) == 0);
	list_add(&s->conns, &c->link);
	if (connecting)
		poll_for(c);
	else
		connected(c);
	return c;
}

void
sp_conn_close(struct sp_conn *c, const char *why)
{
	if (c->state == SP_CLOSING)
		return;
	c->state = SP_CLOSING;
	c->why = why;
	timer_stop(&c->limit);
	uv_close((uv_handle_t *)&c->poll, on_closed);
	close(c->fd);
}

void
sp_send(struct sp_conn *c, const void *header, size_t header_n, const struct iovec *body,
    unsigned n_body)
{
	uint8_t prefix[PREFIX_IPC + SP_HEADER_MAX] = { 1 };
	size_t at, n = header_n;
	struct iovec v[4];

	if (c->state != SP_UP)
		return;
	must(header_n <= SP_HEADER_MAX && n_body < 4);
	at = c->sp->ipc ? PREFIX_IPC : PREFIX_TCP;
	for (unsigned i = 0; i < n_body; i++) {
		v[i + 1] = body[i];
		n += body[i].iov_len;
	}
	put_be64(prefix + at - 8, n);
	memcpy(prefix + at, header, header_n);
	v[0] = (struct iovec){ prefix, at + header_n };
	put(c, v, n_body + 1);
}

void
sp_hang_up(struct sp_conn *c)
{
	sp_conn_close(c, NULL);
}

void
sp_know(struct sp_conn *c)
{
	c->known = true;
	timer_stop(&c->limit);
}

void
sp_set_body_max(struct sp_conn *c, size_t bytes)
{
	c->body_max = bytes;
}

void
sp_set_owner(struct sp_conn *c, void *owner)
{
	c->owner = owner;
}

void *
sp_owner(const struct sp_conn *c)
{
	return c->owner;
}

void
sp_conn_flush(struct sp_conn *c, int64_t until_us)
{
	struct pollfd p = { .fd = c->fd, .events = POLLOUT };
	int64_t left;
	int n;

	while (c->state == SP_UP && c->out_n > 0 && (left = until_us - time_now_us()) > 0) {
		n = poll(&p, 1, (int)((left + MS - 1) / MS));
		if (n < 0 && errno == EINTR)
			continue;
		if (n != 1 || p.revents != POLLOUT)
			return;
		write_waiting(c);
	}
}

/* An error counts only after what came in before it. */
static void
on_ready(uv_poll_t *h, int status, int events)
{
	struct sp_conn *c = (struct sp_conn *)h;

	if (c->state == SP_CONNECTING) {
		connected(c);
		return;
	}
	if ((events & UV_WRITABLE) != 0 && c->out_n > 0)
		write_waiting(c);
	if (c->state != SP_CLOSING && (status != 0 || (events & UV_READABLE) != 0))
		read_some(c);
	if (status != 0)
		sp_conn_close(c, NULL);
}

static void
connected(struct sp_conn *c)
{
	uint8_t hello[HANDSHAKE] = { 0, 'S', 'P', 0, 0, (uint8_t)c->sp->role, 0, 0 };
	struct iovec v = { hello, sizeof(hello) };
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
		sp_conn_close(c, NULL); /* nobody there */
		return;
	}
	if (!c->sp->ipc)
		set_options(c->fd);
	c->state = SP_SHAKING;
	put(c, &v, 1);
	poll_for(c);
}

/* A host that is gone without a word is noticed within a minute, also by a side that waits for
 * nothing. */
static void
set_options(int fd)
{
	static const struct {
		int level, name, value;
	} wanted[] = { { IPPROTO_TCP, TCP_NODELAY, 1 }, { SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 30 }, { IPPROTO_TCP, TCP_KEEPINTVL, 10 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 3 }, { IPPROTO_TCP, TCP_USER_TIMEOUT, 60000 } };

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		(void)setsockopt(
		    fd, wanted[i].level, wanted[i].name, &wanted[i].value, sizeof(int));
}

static void
read_some(struct sp_conn *c)
{
	for (int i = 0; i < READS_MOST && read_once(c); i++)
		continue;
}

/* True: there may be more. A message that is not whole yet is gathered in memory of its own, any
 * other is used where it was read. */
static bool
read_once(struct sp_conn *c)
{
	uint8_t *p = c->in_n > 0 ? c->in : c->sp->scratch;
	size_t room = c->in_n > 0 ? c->in_cap - c->in_n : SP_READ, used;
	ssize_t got = recv(c->fd, p + c->in_n, room, MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got <= 0) {
		sp_conn_close(c, NULL);
		return false;
	}
	used = take(c, p, c->in_n + (size_t)got);
	if (c->state == SP_CLOSING)
		return false;
	keep(c, p + used, c->in_n + (size_t)got - used);
	return (size_t)got == room;
}

/* All that is whole; the bytes used. */
static size_t
take(struct sp_conn *c, uint8_t *p, size_t n)
{
	size_t prefix = c->sp->ipc ? PREFIX_IPC : PREFIX_TCP, at = 0;
	uint64_t len;

	if (c->state == SP_SHAKING && n >= HANDSHAKE) {
		if (!take_handshake(c, p))
			return n;
		at = HANDSHAKE;
	}
	while (c->state == SP_UP && n - at >= prefix) {
		len = get_be64(p + at + prefix - 8);
		if ((c->sp->ipc && p[at] != 1) || len > c->body_max) {
			sp_conn_close(c, "its message is too long, or none");
			return n;
		}
		if (n - at - prefix < len)
			break;
		if (!take_message(c, p + at + prefix, len)) {
			sp_conn_close(c, "its message has no request id");
			return n;
		}
		at += prefix + len;
	}
	return at;
}

static bool
take_handshake(struct sp_conn *c, const uint8_t *p)
{
	uint8_t wanted = c->sp->role == SP_REQ ? SP_REP : SP_REQ;

	if (memcmp(p, "\0SP\0\0", 5) != 0 || p[5] != wanted || p[6] != 0 || p[7] != 0) {
		sp_conn_close(c, "it does not speak the protocol");
		return false;
	}
	c->state = SP_UP;
	c->was_up = true;
	if (c->sp->stranger_us == 0)
		sp_know(c);
	else
		timer_in(&c->limit, c->sp->stranger_us);
	sp_conn_is_up(c);
	return c->state == SP_UP;
}

static bool
take_message(struct sp_conn *c, uint8_t *p, size_t n)
{
	struct sp_message m = { .header = p };
	bool last = false;

	while (!last && m.header_n + 4 <= n && m.header_n < SP_HEADER_MAX) {
		last = (p[m.header_n] & 0x80) != 0;
		m.header_n += 4;
	}
	if (!last)
		return false;
	m.body = p + m.header_n;
	m.n = n - m.header_n;
	c->sp->ops->message(c->sp->owner, c, &m);
	return true;
}

/* Room grows with what has come, not with what a stranger says will come. */
static void
keep(struct sp_conn *c, const uint8_t *p, size_t n)
{
	if (n == 0) {
		free(c->in);
		c->in = NULL;
		c->in_n = c->in_cap = 0;
		return;
	}
	if (c->in == NULL) {
		c->in_cap = 2 * n > SP_READ ? 2 * n : SP_READ;
		c->in = mem_grow(NULL, c->in_cap, 1);
		memcpy(c->in, p, n);
	} else {
		if (p != c->in)
			memmove(c->in, p, n);
		if (n == c->in_cap)
			c->in = mem_grow(c->in, c->in_cap *= 2, 1);
	}
	c->in_n = n;
}

static void
put(struct sp_conn *c, const struct iovec *v, unsigned n_v)
{
	struct msghdr m = { .msg_iov = (struct iovec *)v, .msg_iovlen = n_v };
	ssize_t sent = 0;

	if (c->out_n == 0)
		sent = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		broken(c);
	else
		wait_for_room(c, v, n_v, sent > 0 ? (size_t)sent : 0);
}

/* For the reading side it ends too, after what is still to be read. */
static void
broken(struct sp_conn *c)
{
	(void)shutdown(c->fd, SHUT_RDWR);
}

/* Keeps what follows the first `done` bytes. */
static void
wait_for_room(struct sp_conn *c, const struct iovec *v, unsigned n_v, size_t done)
{
	bool was_waiting = c->out_n > 0;
	size_t n = 0;

	for (unsigned i = 0; i < n_v; i++)
		n += v[i].iov_len;
	if (n == done)
		return;
	if (c->out_n + n - done > WAITING_MAX) {
		sp_conn_close(c, "too much waits for it");
		return;
	}
	if (c->out_at > 0 && c->out_n > 0)
		memmove(c->out, c->out + c->out_at, c->out_n);
	c->out_at = 0;
	if (c->out_n + n - done > c->out_cap) {
		c->out_cap = 2 * (c->out_n + n - done);
		c->out = mem_grow(c->out, c->out_cap, 1);
	}
	for (unsigned i = 0; i < n_v; i++) {
		size_t skip = done < v[i].iov_len ? done : v[i].iov_len;

		memcpy(c->out + c->out_n, (uint8_t *)v[i].iov_base + skip, v[i].iov_len - skip);
		c->out_n += v[i].iov_len - skip;
		done -= skip;
	}
	if (!was_waiting)
		poll_for(c);
}

static void
write_waiting(struct sp_conn *c)
{
	ssize_t n = send(c->fd, c->out + c->out_at, c->out_n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		broken(c);
		n = (ssize_t)c->out_n;
	}
	if (n <= 0)
		return;
	c->out_at += (size_t)n;
	c->out_n -= (size_t)n;
	if (c->out_n > 0)
		return;
	free(c->out);
	c->out = NULL;
	c->out_at = c->out_cap = 0;
	poll_for(c);
}

static void
poll_for(struct sp_conn *c)
{
	int events = c->state == SP_CONNECTING ? UV_WRITABLE : UV_READABLE;

	if (c->out_n > 0)
		events |= UV_WRITABLE;
	must(uv_poll_start(&c->poll, events, on_ready) == 0);
}

static void
on_too_slow(struct timer *t)
{
	struct sp_conn *c = container_of(t, struct sp_conn, limit);

	/* whom we dial may be stopped: that is found out elsewhere */
	sp_conn_close(c, c->sp->dialler      ? NULL
			 : c->state == SP_UP ? "it does not show who it is"
					     : "its handshake takes too long");
}

static void
on_closed(uv_handle_t *h)
{
	struct sp_conn *c = (struct sp_conn *)h;

	if (c->sp != NULL) {
		list_del(&c->sp->conns, &c->link);
		sp_conn_is_gone(c);
	}
	free(c->in);
	free(c->out);
	free(c);
}

static void
put_be64(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (56 - 8 * i));
}

static uint64_t
get_be64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}
