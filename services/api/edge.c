/* edge: libmicrohttpd on the loop. One uv_poll on its epoll descriptor, one MHD_run per batch of
 * answers, no thread of its own. All time limits are ours (libmicrohttpd knows inactivity only,
 * which a slow sender never shows): a sweep over the connections cuts those that are too long in
 * one state.
 *
 * Invariant: a connection is suspended exactly while its state is CONN_WAIT; then its request has a
 * call under way. */
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/api.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"

struct edge {
	struct node *node;
	struct MHD_Daemon *mhd;
	struct loop *loop;
	uv_poll_t poll; /* of libmicrohttpd's epoll descriptor */
	struct loop_turn turn;
	struct timer sweep; /* armed while there are connections */
	struct list conns;
	struct list ready; /* exchanges that have their answer and are still suspended */
	bool run;          /* MHD_run is due */
	bool draining;
	int64_t drain_us; /* when draining began */
	int fd;
	bool handed_down;
	struct metric *open, *cut;
};

struct conn {
	struct link link;
	struct edge *e;
	int fd;
	uv_poll_t watch; /* the client closing its side */
	int64_t left_us; /* when it did; 0: it has not */
	enum conn_state state;
	int64_t since_us;
	struct exchange *x; /* CONN_WAIT: who waits */
	char address[64];
};

static struct MHD_Daemon *start(struct edge *, const struct edge_opts *);
static void on_readable(uv_poll_t *, int, int);
static void on_turn(struct loop_turn *);
static void on_sweep(struct timer *);
static int64_t sweep_us(const struct api_config *);
static void
on_connection(void *, struct MHD_Connection *, void **, enum MHD_ConnectionNotificationCode);
static void conn_open(struct edge *, struct MHD_Connection *, void **);
static void conn_close(struct conn *);
static void on_left(uv_poll_t *, int, int);
static void on_conn_closed(uv_handle_t *);
static void on_edge_closed(uv_handle_t *);
static size_t keep_escapes(void *, struct MHD_Connection *, char *);

struct edge *
edge_new(const struct edge_opts *o, char *err, size_t err_size)
{
	struct edge *e = calloc(1, sizeof(*e));
	const union MHD_DaemonInfo *info;

	if (e == NULL)
		fatal("out of memory");
	*e = (struct edge){ .node = o->node,
		.loop = node_loop(o->node),
		.fd = o->fd,
		.handed_down = o->handed_down };
	list_init(&e->conns);
	list_init(&e->ready);
	e->open =
	    metric_simple(METRIC_GAUGE, "metafed_http_connections", "Open client connections.");
	e->cut = metric_simple(METRIC_COUNTER, "metafed_http_connections_cut_total",
	    "Connections ended because the client took too long.");
	if ((e->mhd = start(e, o)) == NULL) {
		snprintf(err, err_size, "libmicrohttpd did not start%s",
		    o->tls_cert == NULL ? "" : ": is the certificate right, and the key its own?");
		free(e);
		return NULL;
	}
	info = MHD_get_daemon_info(e->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	must(info != NULL && uv_poll_init(loop_uv(e->loop), &e->poll, info->epoll_fd) == 0);
	e->poll.data = e;
	must(uv_poll_start(&e->poll, UV_READABLE, on_readable) == 0);
	timer_init(&e->sweep, e->loop, on_sweep);
	e->turn.fn = on_turn;
	loop_turn_add(e->loop, &e->turn);
	e->run = true; /* the listener enters the epoll set in the first run */
	loop_turn_soon(e->loop);
	return e;
}

/* The backlog stays in the socket: whoever listens next has it. Never shutdown() what is shared. */
void
edge_drain(struct edge *e)
{
	if (e->draining)
		return;
	e->draining = true;
	e->drain_us = time_now_us();
	(void)MHD_quiesce_daemon(e->mhd);
	if (!e->handed_down)
		close(e->fd);
	if (!edge_empty(e))
		timer_in(&e->sweep, sweep_us(edge_config(e)));
}

bool
edge_empty(const struct edge *e)
{
	return e->conns.n == 0;
}

/* libmicrohttpd aborts when it is stopped with suspended connections. */
void
edge_free(struct edge **ep)
{
	struct edge *e = *ep;

	*ep = NULL;
	if (e == NULL)
		return;
	edge_drain(e);
	LIST_EACH(&e->conns, k) {
		struct conn *c = container_of(k, struct conn, link);

		if (c->state == CONN_WAIT)
			exchange_client_left(c->x, true);
	}
	on_turn(&e->turn);
	timer_stop(&e->sweep);
	loop_turn_del(e->loop, &e->turn);
	uv_poll_stop(&e->poll);
	MHD_stop_daemon(e->mhd);
	uv_close((uv_handle_t *)&e->poll, on_edge_closed);
}

struct node *
edge_node(const struct edge *e)
{
	return e->node;
}

const struct api_config *
edge_config(const struct edge *e)
{
	return node_config(e->node);
}

bool
edge_draining(const struct edge *e)
{
	return e->draining;
}

void
edge_answered(struct edge *e, struct exchange *x)
{
	list_add(&e->ready, exchange_link(x));
	loop_turn_soon(e->loop);
}

struct edge *
conn_edge(const struct conn *k)
{
	return k->e;
}

const char *
conn_address(const struct conn *k)
{
	return k->address;
}

void
conn_enter(struct conn *k, enum conn_state s, struct exchange *x)
{
	k->state = s;
	k->since_us = loop_now(k->e->loop);
	k->x = s == CONN_WAIT ? x : NULL;
}

bool
conn_left(const struct conn *k)
{
	return k->left_us != 0;
}

void
conn_cut(struct conn *k)
{
	shutdown(k->fd, SHUT_RDWR);
	k->e->run = true;
	loop_turn_soon(k->e->loop);
}

int64_t
conn_limit(const struct api_config *c, enum conn_state s, int64_t since_us)
{
	switch (s) {
	case CONN_HEAD:
		return since_us + c->head_time_us;
	case CONN_IDLE:
		return since_us + c->idle_time_us;
	case CONN_BODY:
		return since_us + c->body_time_us;
	case CONN_SEND:
		return since_us + c->send_time_us;
	case CONN_WAIT:
		break; /* the call has its own deadline */
	}
	return 0;
}

static struct MHD_Daemon *
start(struct edge *e, const struct edge_opts *o)
{
	const struct api_config *c = edge_config(e);
	unsigned flags =
	    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_NO_THREAD_SAFETY;
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, o->tls_cert },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, o->tls_key },
		{ MHD_OPTION_END, 0, NULL },
	};

	if (o->tls_cert != NULL)
		flags |= MHD_USE_TLS;
	else
		tls[0].option = MHD_OPTION_END;
	return MHD_start_daemon(flags, 0, NULL, NULL, exchange_step, e, MHD_OPTION_LISTEN_SOCKET,
	    (MHD_socket)o->fd, MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned)c->connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)c->connection_memory, MHD_OPTION_CONNECTION_TIMEOUT, 0u,
	    MHD_OPTION_NOTIFY_CONNECTION, on_connection, e, MHD_OPTION_NOTIFY_COMPLETED,
	    exchange_end, e, MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, e,
	    MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, (void *)NULL, MHD_OPTION_ARRAY, tls,
	    MHD_OPTION_END);
}

/* At once, so that what it made (calls to agents) leaves in this turn. */
static void
on_readable(uv_poll_t *h, int status, int events)
{
	struct edge *e = h->data;

	(void)status, (void)events;
	e->run = false;
	MHD_run(e->mhd);
}

/* All answers of a batch, then one run that sends them and takes what was pipelined behind them. */
static void
on_turn(struct loop_turn *t)
{
	struct edge *e = container_of(t, struct edge, turn);
	struct link *k;
	uint64_t wait;

	while ((k = list_pop(&e->ready)) != NULL) {
		exchange_flush(exchange_of(k));
		e->run = true;
	}
	if (e->run) {
		e->run = false;
		MHD_run(e->mhd);
	}
	if (e->run || (MHD_get_timeout64(e->mhd, &wait) == MHD_YES && wait == 0)) {
		e->run = true;
		loop_turn_soon(e->loop);
	}
}

/* While draining, idle connections get a little longer to bring the request that may be on its way:
 * it is answered with "Connection: close". Then their read side is shut: what has arrived is still
 * served. */
static void
on_sweep(struct timer *t)
{
	struct edge *e = container_of(t, struct edge, sweep);
	const struct api_config *c = edge_config(e);
	int64_t now = loop_now(e->loop), limit;

	LIST_EACH(&e->conns, k) {
		struct conn *one = container_of(k, struct conn, link);
		bool idle = one->state == CONN_HEAD || one->state == CONN_IDLE;

		limit = conn_limit(c, one->state, one->since_us);
		if (one->left_us != 0 && (idle || one->state == CONN_BODY))
			limit = one->left_us + c->gone_grace_us; /* what is missing will not come */
		if (limit != 0 && now >= limit) {
			metric_inc(e->cut);
			conn_cut(one);
		} else if (idle && e->draining && now >= e->drain_us + c->drain_idle_us) {
			shutdown(one->fd, SHUT_RD);
			e->run = true;
			loop_turn_soon(e->loop);
		}
	}
	if (!edge_empty(e))
		timer_in(t, sweep_us(c));
}

/* A quarter of the shortest limit, within 50 ms and 1 s: how late a cut may be. */
static int64_t
sweep_us(const struct api_config *c)
{
	const int64_t limits[] = { c->head_time_us, c->body_time_us, c->idle_time_us,
		c->send_time_us };
	int64_t us = 4 * SEC;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		us = limits[i] < us ? limits[i] : us;
	return us / 4 < 50 * MS ? 50 * MS : us / 4;
}

static void
on_connection(
    void *ctx, struct MHD_Connection *m, void **own, enum MHD_ConnectionNotificationCode what)
{
	switch (what) {
	case MHD_CONNECTION_NOTIFY_STARTED:
		conn_open(ctx, m, own);
		break;
	case MHD_CONNECTION_NOTIFY_CLOSED:
		if (*own != NULL)
			conn_close(*own);
		break;
	}
}

static void
conn_open(struct edge *e, struct MHD_Connection *m, void **own)
{
	struct conn *k = calloc(1, sizeof(*k));
	const struct sockaddr *peer;

	if (k == NULL)
		fatal("out of memory");
	k->e = e; /* what an info points to holds until the next one is asked for */
	k->fd = MHD_get_connection_info(m, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	peer = MHD_get_connection_info(m, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
	if (peer->sa_family == AF_INET || peer->sa_family == AF_INET6)
		(void)getnameinfo(peer,
		    peer->sa_family == AF_INET ? sizeof(struct sockaddr_in)
					       : sizeof(struct sockaddr_in6),
		    k->address, sizeof(k->address), NULL, 0, NI_NUMERICHOST);
	must(uv_poll_init(loop_uv(e->loop), &k->watch, k->fd) == 0);
	k->watch.data = k;
	must(uv_poll_start(&k->watch, UV_DISCONNECT, on_left) == 0);
	list_add(&e->conns, &k->link);
	conn_enter(k, CONN_HEAD, NULL);
	metric_set(e->open, (double)e->conns.n);
	if (e->sweep.at_us == 0)
		timer_in(&e->sweep, sweep_us(edge_config(e)));
	*own = k;
}

/* A freed slot lets the next connection in only when libmicrohttpd runs again. */
static void
conn_close(struct conn *k)
{
	struct edge *e = k->e;

	list_del(&e->conns, &k->link);
	metric_set(e->open, (double)e->conns.n);
	uv_poll_stop(&k->watch);
	uv_close((uv_handle_t *)&k->watch, on_conn_closed);
	e->run = true;
	loop_turn_soon(e->loop);
}

/* The client closed: its sending side only (it may still wait for an answer), or all of it.
 * libmicrohttpd misses an end that comes in one piece with data: the sweep sees to that, when there
 * was time to read what is there. */
static void
on_left(uv_poll_t *h, int status, int events)
{
	struct conn *k = h->data;
	struct pollfd p = { .fd = k->fd };

	(void)events;
	uv_poll_stop(h);
	k->left_us = loop_now(k->e->loop);
	if (k->state != CONN_WAIT)
		timer_in(&k->e->sweep, edge_config(k->e)->gone_grace_us);
	else
		exchange_client_left(k->x,
		    status < 0 || (poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP)) != 0));
}

static void
on_conn_closed(uv_handle_t *h)
{
	free(h->data);
}

static void
on_edge_closed(uv_handle_t *h)
{
	free(h->data);
}

/* We want the target as it was sent: http_check.c decodes it, once. */
static size_t
keep_escapes(void *ctx, struct MHD_Connection *m, char *s)
{
	(void)ctx, (void)m;
	return strlen(s);
}
