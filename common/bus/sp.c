/* sp: who connects to whom, and when. See sp.h; the bytes are sp_conn.c's. Called by lane.c and
 * visitor.c.
 *
 * Invariant: a dialler has one connection, or its timer runs, or a name is being looked up. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "bus/sp_impl.h"

#define AGAIN_FIRST_US (10 * MS)
#define AGAIN_MOST_US  (200 * MS)
#define LEAVE_US       (100 * MS)
#define BACKLOG        256
#define ACCEPTS_MOST   32   /* before others on the loop have their turn */
#define CONNS_MOST     1200 /* of a listener: more than WIRE_VISITORS, so that those are told why */
#define DOOR_REST_US   (100 * MS)

/* A look-up of a name: ends on the loop, whether its dialler is still there or not. */
struct sp_lookup {
	uv_getaddrinfo_t req;
	struct sp *sp; /* NULL: closed meanwhile */
};

static struct sp *sp_new(const struct sp_opts *o, char *err, size_t err_size);
static void sp_free(struct sp *s);
static void close_within(struct sp **sp, int64_t us);
static bool read_url(struct sp *s, const char *url);
static int listen_ipc(struct sp *s);
static int listen_tcp(struct sp *s);
static void on_door(uv_poll_t *h, int status, int events);
static void door_rest(struct sp *s);
static bool make_room(struct sp *s);
static bool peer_ok(const struct sp *s, int fd);
static void on_again(struct timer *t);
static void try_again(struct sp *s);
static void dial_ipc(struct sp *s);
static void look_up(struct sp *s);
static void on_found(uv_getaddrinfo_t *req, int status, struct addrinfo *found);
static const struct addrinfo *choose(const struct sp *s, const struct addrinfo *found);
static void dial_address(struct sp *s, int family, const struct sockaddr *to, socklen_t n);
static void on_door_closed(uv_handle_t *h);

struct sp *
sp_listen(const struct sp_opts *o, char *err, size_t err_size)
{
	struct sp *s = sp_new(o, err, err_size);

	if (s == NULL)
		return NULL;
	s->door = s->ipc ? listen_ipc(s) : listen_tcp(s);
	if (s->door < 0) {
		snprintf(err, err_size, "%s: %s", o->url, strerror(errno));
		sp_free(s);
		return NULL;
	}
	s->door_poll = mem_zalloc(sizeof(*s->door_poll));
	s->door_poll->data = s;
	must(uv_poll_init(loop_uv(s->loop), s->door_poll, s->door) == 0);
	must(uv_poll_start(s->door_poll, UV_READABLE, on_door) == 0);
	return s;
}

struct sp *
sp_dial(const struct sp_opts *o, char *err, size_t err_size)
{
	struct sp *s = sp_new(o, err, err_size);

	if (s == NULL)
		return NULL;
	s->dialler = true;
	timer_in(&s->again, 0); /* not from inside */
	return s;
}

void
sp_close(struct sp **sp)
{
	close_within(sp, LEAVE_US);
}

void
sp_drop(struct sp **sp)
{
	close_within(sp, 0);
}

static void
close_within(struct sp **sp, int64_t us)
{
	struct sp *s = *sp;
	int64_t until = time_now_us() + us;
	struct link *k;

	*sp = NULL;
	if (s == NULL)
		return;
	while ((k = list_pop(&s->conns)) != NULL) {
		struct sp_conn *c = container_of(k, struct sp_conn, link);

		sp_conn_flush(c, until);
		c->sp = NULL;
		sp_conn_close(c, NULL);
	}
	if (s->door_poll != NULL) {
		uv_close((uv_handle_t *)s->door_poll, on_door_closed);
		close(s->door);
	}
	if (s->lookup != NULL) {
		s->lookup->sp = NULL;
		(void)uv_cancel((uv_req_t *)&s->lookup->req);
	}
	timer_stop(&s->again);
	sp_free(s);
}

void
sp_conn_is_up(struct sp_conn *c)
{
	struct sp *s = c->sp;

	s->delay_us = AGAIN_FIRST_US;
	s->ops->up(s->owner, c);
}

void
sp_conn_is_gone(struct sp_conn *c)
{
	struct sp *s = c->sp;

	s->which += !c->was_up;
	if (s->dialler)
		try_again(s);
	if (c->why != NULL)
		s->ops->refused(s->owner, c->why);
	if (c->was_up)
		s->ops->down(s->owner, c);
}

static struct sp *
sp_new(const struct sp_opts *o, char *err, size_t err_size)
{
	struct sp *s = mem_zalloc(sizeof(*s));

	s->ops = o->ops;
	s->owner = o->owner;
	s->loop = o->loop;
	s->role = o->role;
	s->body_max = o->body_max;
	s->stranger_us = o->stranger_us;
	s->door = -1;
	s->delay_us = AGAIN_FIRST_US;
	s->scratch = mem_zalloc(SP_READ);
	list_init(&s->conns);
	timer_init(&s->again, o->loop, on_again);
	if (read_url(s, o->url))
		return s;
	snprintf(err, err_size, "%s: is neither ipc://PATH (107 bytes at most) nor tcp://HOST:PORT",
	    o->url);
	sp_free(s);
	return NULL;
}

static void
sp_free(struct sp *s)
{
	free(s->scratch);
	free(s);
}

/* tcp://HOST:PORT, tcp://[ADDRESS]:PORT, ipc://PATH */
static bool
read_url(struct sp *s, const char *url)
{
	struct str rest = str_of(url), host;
	size_t n;

	s->ipc = str_starts(url, "ipc://");
	if (!s->ipc && !str_starts(url, "tcp://"))
		return false;
	rest = (struct str){ rest.p + 6, rest.n - 6 };
	if (rest.n == 0)
		return false;
	if (s->ipc)
		return snprintf(s->address, sizeof(s->address), "%.*s", (int)rest.n, rest.p) <
		       (int)sizeof(((struct sockaddr_un *)0)->sun_path);
	for (n = rest.n; n > 0 && rest.p[n - 1] != ':'; n--)
		continue;
	if (n < 2 || n == rest.n || rest.n - n >= sizeof(s->port))
		return false;
	memcpy(s->port, rest.p + n, rest.n - n);
	host = (struct str){ rest.p, n - 1 };
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = (struct str){ host.p + 1, host.n - 2 };
	return snprintf(s->address, sizeof(s->address), "%.*s", (int)host.n, host.p) <
	       (int)sizeof(s->address);
}

static int
listen_ipc(struct sp *s)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error;

	memcpy(at.sun_path, s->address, strlen(s->address) + 1);
	if (fd < 0 ||
	    (bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, BACKLOG) == 0))
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int
listen_tcp(struct sp *s)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *found;
	const char *host = strcmp(s->address, "*") == 0 ? NULL : s->address;
	int fd = -1, error = 0;

	if (getaddrinfo(host, s->port, &hints, &found) != 0) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (fd >= 0 &&
	    (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)) {
		error = errno;
		close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	if (error != 0)
		errno = error;
	return fd;
}

static void
on_door(uv_poll_t *h, int status, int events)
{
	struct sp *s = h->data;
	int fd;

	(void)status, (void)events;
	for (int i = 0; i < ACCEPTS_MOST; i++) {
		fd = accept4(s->door, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			    errno == ENOMEM)
				door_rest(s);
			return;
		}
		if (s->conns.n >= CONNS_MOST && !make_room(s)) {
			close(fd);
			s->ops->refused(s->owner, "too many connections");
		} else if (!peer_ok(s, fd)) {
			close(fd);
			s->ops->refused(s->owner, "uid");
		} else {
			(void)sp_conn_new(s, fd, false);
		}
	}
}

/* Who waits at the door makes it readable for as long as there is no descriptor for him. */
static void
door_rest(struct sp *s)
{
	log_warn("bus_accept_failed", L_STR("why", strerror(errno)));
	uv_poll_stop(s->door_poll);
	timer_in(&s->again, DOOR_REST_US);
}

/* By the stranger who is there longest: nobody who has shown who he is can be kept out by those who
 * never do. */
static bool
make_room(struct sp *s)
{
	LIST_EACH(&s->conns, k) {
		struct sp_conn *c = container_of(k, struct sp_conn, link);

		if (c->known || c->state == SP_CLOSING)
			continue;
		sp_conn_close(c, "too many connections");
		return true;
	}
	return false;
}

/* Root asks a fleet of another user, e.g. as its operator: then the directory, private to its
 * owner, is what decides. */
static bool
peer_ok(const struct sp *s, int fd)
{
	socklen_t n = sizeof(struct ucred);
	struct ucred u;

	if (!s->ipc)
		return true;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) == 0 &&
	       (u.uid == 0 || u.uid == geteuid() || geteuid() == 0);
}

static void
on_again(struct timer *t)
{
	struct sp *s = container_of(t, struct sp, again);

	if (!s->dialler)
		must(uv_poll_start(s->door_poll, UV_READABLE, on_door) == 0);
	else if (s->ipc)
		dial_ipc(s);
	else
		look_up(s);
}

static void
try_again(struct sp *s)
{
	timer_in(&s->again, s->delay_us);
	s->delay_us = s->delay_us * 2 < AGAIN_MOST_US ? s->delay_us * 2 : AGAIN_MOST_US;
}

static void
dial_ipc(struct sp *s)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	memcpy(to.sun_path, s->address, strlen(s->address) + 1);
	dial_address(s, AF_UNIX, (const struct sockaddr *)&to, sizeof(to));
}

/* Each time anew: a container that was replaced has another address. */
static void
look_up(struct sp *s)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct sp_lookup *l = mem_zalloc(sizeof(*l));

	l->sp = s;
	if (uv_getaddrinfo(loop_uv(s->loop), &l->req, on_found, s->address, s->port, &hints) == 0) {
		s->lookup = l;
		return;
	}
	free(l);
	try_again(s);
}

static void
on_found(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
	struct sp_lookup *l = container_of(req, struct sp_lookup, req);
	const struct addrinfo *to;
	struct sp *s = l->sp;

	free(l);
	if (s != NULL) {
		s->lookup = NULL;
		if (status == 0 && (to = choose(s, found)) != NULL)
			dial_address(s, to->ai_family, to->ai_addr, to->ai_addrlen);
		else
			try_again(s);
	}
	uv_freeaddrinfo(found);
}

/* Each address has its turn: a host may have one (IPv6, say) on which nobody listens. */
static const struct addrinfo *
choose(const struct sp *s, const struct addrinfo *found)
{
	unsigned n = 0;

	for (const struct addrinfo *a = found; a != NULL; a = a->ai_next)
		n++;
	for (unsigned i = n != 0 ? s->which % n : 0; i > 0; i--)
		found = found->ai_next;
	return found;
}

static void
dial_address(struct sp *s, int family, const struct sockaddr *to, socklen_t n)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;

	rc = fd < 0 ? -1 : connect(fd, to, n);
	if (fd < 0 || (rc != 0 && errno != EINPROGRESS)) {
		if (fd >= 0)
			close(fd);
		s->which++;
		try_again(s);
	} else if (rc == 0 && !peer_ok(s, fd)) {
		close(fd);
		try_again(s);
		s->ops->refused(s->owner, "uid");
	} else {
		(void)sp_conn_new(s, fd, rc != 0);
	}
}

static void
on_door_closed(uv_handle_t *h)
{
	free(h);
}
