/* edge: libmicrohttpd on the loop. One uv_poll on its epoll descriptor, one MHD_run per batch of
 * answers, no thread of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "api/live.h"
#include "api/quota.h"
#include "api/tls.h"
#include "base/log.h"
#include "base/mem.h"

#define ABANDON_TURNS 8 /* what ends leaves a place for what was pipelined behind it */

struct edge {
	struct node *node;
	struct MHD_Daemon *mhd;
	struct loop *loop;
	uv_poll_t poll; /* of libmicrohttpd's epoll descriptor */
	struct loop_turn turn;
	struct conns *conns;
	struct quota *quota;
	struct live *live;
	struct list ready; /* exchanges that have their answer and are still suspended */
	bool run;          /* MHD_run is due */
	bool draining, tls;
	int fd;
	bool handed_down;
	struct api_settings settings;
};

static struct MHD_Daemon *start(struct edge *, const struct edge_opts *);
static void on_readable(uv_poll_t *, int, int);
static void on_turn(struct loop_turn *);
static void settings_take(struct edge *, const struct api_config *);
static const struct api_settings *settings_of(void *);
static void run_soon(void *);
static void on_edge_closed(uv_handle_t *);
static size_t keep_escapes(void *, struct MHD_Connection *, char *);

struct edge *
edge_new(const struct edge_opts *o, char *err, size_t err_size)
{
	struct edge *e = mem_zalloc(sizeof(*e));
	const union MHD_DaemonInfo *info;

	*e = (struct edge){ .node = o->node,
		.loop = node_loop(o->node),
		.fd = o->fd,
		.handed_down = o->handed_down,
		.tls = o->tls };
	list_init(&e->ready);
	settings_take(e, node_config(o->node));
	e->quota = quota_new((size_t)e->settings.c->limit_buckets,
	    (size_t)e->settings.c->limit_credentials, e->settings.c->limit_idle_us);
	e->conns = conns_new(&(const struct conns_opts){
	    .loop = e->loop,
	    .settings = settings_of,
	    .run = run_soon,
	    .ctx = e,
	    .listener = o->fd,
	});
	if ((e->mhd = start(e, o)) == NULL) {
		snprintf(err, err_size, "libmicrohttpd did not start");
		conns_drain(e->conns);
		conns_free(&e->conns);
		quota_free(&e->quota);
		free(e);
		return NULL;
	}
	e->live = live_new(&(const struct live_opts){
	    .bus = node_bus(e->node), .settings = settings_of, .ctx = e, .quota = e->quota });
	info = MHD_get_daemon_info(e->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	must(info != NULL && uv_poll_init(loop_uv(e->loop), &e->poll, info->epoll_fd) == 0);
	e->poll.data = e;
	must(uv_poll_start(&e->poll, UV_READABLE, on_readable) == 0);
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
	(void)MHD_quiesce_daemon(e->mhd);
	conns_drain(e->conns);
	live_drain(e->live);
	if (!e->handed_down)
		close(e->fd);
}

bool
edge_empty(const struct edge *e)
{
	return conns_count(e->conns) == 0 && live_empty(e->live);
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
	live_free(&e->live);
	for (int i = 0; i < ABANDON_TURNS && (conns_abandon(e->conns) || i == 0); i++)
		on_turn(&e->turn); /* which may take another request */
	loop_turn_del(e->loop, &e->turn);
	uv_poll_stop(&e->poll);
	MHD_stop_daemon(e->mhd);
	conns_free(&e->conns);
	uv_close((uv_handle_t *)&e->poll, on_edge_closed);
}

struct node *
edge_node(const struct edge *e)
{
	return e->node;
}

void
edge_reload(struct edge *e, const struct api_config *c)
{
	settings_take(e, c);
	quota_reload(e->quota, c->limit_idle_us);
	live_reload(e->live);
}

const struct api_settings *
edge_settings(const struct edge *e)
{
	return &e->settings;
}

const struct api_config *
edge_config(const struct edge *e)
{
	return e->settings.c;
}

struct quota *
edge_quota(const struct edge *e)
{
	return e->quota;
}

struct live *
edge_live(const struct edge *e)
{
	return e->live;
}

void
edge_run(struct edge *e)
{
	run_soon(e);
}

/* Others want an answer too. */
bool
edge_takes_stream(const struct edge *e)
{
	return (int64_t)conns_in(e->conns, CONN_STREAM) < edge_config(e)->connections / 2;
}

bool
edge_draining(const struct edge *e)
{
	return e->draining;
}

bool
edge_tls(const struct edge *e)
{
	return e->tls;
}

void
edge_answered(struct edge *e, struct exchange *x)
{
	list_add(&e->ready, exchange_link(x));
	loop_turn_soon(e->loop);
}

/* They were checked. */
static void
settings_take(struct edge *e, const struct api_config *c)
{
	char err[200];

	must(settings_build(&e->settings, c, err, sizeof(err)));
}

static const struct api_settings *
settings_of(void *e)
{
	return edge_settings(e);
}

static void
run_soon(void *ctx)
{
	struct edge *e = ctx;

	e->run = true;
	loop_turn_soon(e->loop);
}

static struct MHD_Daemon *
start(struct edge *e, const struct edge_opts *o)
{
	const struct api_config *c = edge_config(e);
	unsigned flags =
	    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_NO_THREAD_SAFETY;
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)tls_certificate },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)tls_priorities },
		{ MHD_OPTION_END, 0, NULL },
	};

	if (o->tls)
		flags |= MHD_USE_TLS;
	else
		tls[0].option = MHD_OPTION_END;
	return MHD_start_daemon(flags, 0, conns_admit, e->conns, exchange_step, e,
	    MHD_OPTION_LISTEN_SOCKET, (MHD_socket)o->fd, MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned)c->connections,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)c->connection_memory,
	    MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_NOTIFY_CONNECTION, conns_notify, e->conns,
	    MHD_OPTION_NOTIFY_COMPLETED, exchange_end, e, MHD_OPTION_URI_LOG_CALLBACK,
	    exchange_begin, e, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, (void *)NULL,
	    MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
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
