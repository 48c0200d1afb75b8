/* conn: see conn.h.
 *
 * Invariant: a connection is suspended while its state is CONN_WAIT (then its request has a call
 * under way), and as its stream likes in CONN_STREAM, else never. The timer is armed whenever some connection has a limit, for no later than the
 * first of them. */
#include "api/conn.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "api/linger.h"
#include "api/tally.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/time.h"

#define SWEEP_GAP_US (10 * MS) /* how late a cut may be */

struct conns {
	struct conns_opts o;
	struct list in[CONN_STATES];
	struct list left; /* whose client has closed its side */
	size_t n;
	struct tally clients;
	struct timer sweep;
	int listener;       /* a descriptor of our own */
	uv_poll_t *waiting; /* of it; polled while somebody could make room; NULL: draining */
	bool polling;
	int64_t drain_us; /* when draining began; 0: it did not */
	bool shut;        /* the idle ones are, since then */
	struct metric *open, *cut, *displaced, *refused;
};

struct conn {
	struct link link; /* of its state's list */
	struct link gone; /* of `left` */
	struct conns *cs;
	struct tally_entry *client;
	int fd;
	uv_poll_t watch; /* the client closing its side */
	int64_t left_us; /* when it did; 0: it has not */
	enum conn_state state;
	int64_t since_us;
	struct exchange *x; /* CONN_WAIT, CONN_STREAM: who waits, or streams */
	bool cut;
	bool unread; /* the client may still be sending what nobody reads */
	struct address peer;
	char address[ADDRESS_TEXT];
};

static const struct api_settings *settings_of(const struct conns *);
static const struct api_config *config_of(const struct conns *);
static void conn_open(struct conns *, struct MHD_Connection *, void **);
static void conn_close(struct conn *);
static void conn_shut(struct conn *);
static void expect(struct conns *, int64_t);
static void on_sweep(struct timer *);
static int64_t first_limit(const struct conns *);
static struct conn *first_in(const struct conns *, enum conn_state);
static void end_slow(struct conn *);
static int64_t drain_limit(const struct conns *);
static int64_t left_limit(const struct conn *);
static struct conn *who_makes_room(const struct conns *);
static void watch_listener(struct conns *);
static void on_waiting(uv_poll_t *, int, int);
static void on_left(uv_poll_t *, int, int);
static void on_closed(uv_handle_t *);
static void on_conn_closed(uv_handle_t *);

struct conns *
conns_new(const struct conns_opts *o)
{
	struct conns *cs = mem_zalloc(sizeof(*cs));

	cs->o = *o;
	for (int s = 0; s < CONN_STATES; s++)
		list_init(&cs->in[s]);
	list_init(&cs->left);
	timer_init(&cs->sweep, o->loop, on_sweep);
	cs->waiting = mem_zalloc(sizeof(*cs->waiting));
	cs->waiting->data = cs;
	must((cs->listener = fcntl(o->listener, F_DUPFD_CLOEXEC, 0)) >= 0);
	must(uv_poll_init(loop_uv(o->loop), cs->waiting, cs->listener) == 0);
	cs->open =
	    metric_simple(METRIC_GAUGE, "metafed_http_connections", "Open client connections.");
	cs->cut = metric_simple(METRIC_COUNTER, "metafed_http_connections_cut_total",
	    "Connections ended because the client took too long.");
	cs->displaced = metric_simple(METRIC_COUNTER, "metafed_http_connections_displaced_total",
	    "Idle connections ended because new ones waited at the limit.");
	cs->refused = metric_simple(METRIC_COUNTER, "metafed_http_connections_refused_total",
	    "Connections refused because their address had too many.");
	return cs;
}

size_t
conns_count(const struct conns *cs)
{
	return cs->n;
}

size_t
conns_in(const struct conns *cs, enum conn_state s)
{
	return cs->in[s].n;
}

void
conns_drain(struct conns *cs)
{
	if (cs->drain_us != 0)
		return;
	cs->drain_us = time_now_us();
	uv_close((uv_handle_t *)cs->waiting, on_closed);
	close(cs->listener);
	cs->waiting = NULL;
	expect(cs, cs->drain_us + config_of(cs)->drain_idle_us);
}

bool
conns_abandon(struct conns *cs)
{
	static const enum conn_state held[] = { CONN_WAIT, CONN_STREAM };
	bool any = false;

	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++)
		LIST_EACH(&cs->in[held[i]], l)
			any |= exchange_abandon(container_of(l, struct conn, link)->x);
	return any;
}

void
conns_free(struct conns **csp)
{
	struct conns *cs = *csp;

	*csp = NULL;
	must(cs->n == 0 && cs->waiting == NULL);
	timer_stop(&cs->sweep);
	free(cs);
}

/* A proxy's connections carry many clients, and whoever is on this machine has other ways. */
enum MHD_Result
conns_admit(void *ctx, const struct sockaddr *peer, socklen_t n)
{
	struct conns *cs = ctx;
	const struct api_settings *s = settings_of(cs);
	struct address a = address_of(peer, n), client = address_client(&a);

	if (s->c->address_connections == 0 || settings_is_proxy(s, &a) ||
	    (address_local(&a) && !s->c->address_connections_local))
		return MHD_YES;
	if (tally_of(&cs->clients, &client) < s->c->address_connections)
		return MHD_YES;
	metric_inc(cs->refused);
	return MHD_NO;
}

void
conns_notify(
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

const char *
conn_address(const struct conn *k)
{
	return k->address;
}

const struct address *
conn_peer(const struct conn *k)
{
	return &k->peer;
}

void
conn_enter(struct conn *k, enum conn_state s, struct exchange *x)
{
	struct conns *cs = k->cs;

	list_del(&cs->in[k->state], &k->link);
	list_add(&cs->in[s], &k->link);
	k->state = s;
	k->since_us = loop_now(cs->o.loop);
	k->x = s == CONN_WAIT || s == CONN_STREAM ? x : NULL;
	expect(cs, conn_limit(config_of(cs), s, k->since_us));
	if (k->left_us != 0)
		expect(cs, left_limit(k));
	if (s == CONN_IDLE)
		watch_listener(cs);
}

bool
conn_left(const struct conn *k)
{
	return k->left_us != 0;
}

void
conn_unread(struct conn *k)
{
	k->unread = true;
}

/* Reset: what a client does not take would else stay in the kernel for as long as it likes. */
void
conn_cut(struct conn *k)
{
	static const struct linger reset = { .l_onoff = 1 };

	k->cut = true;
	(void)setsockopt(k->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	shutdown(k->fd, SHUT_RDWR);
	k->cs->o.run(k->cs->o.ctx);
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
	case CONN_WAIT: /* the call has its own deadline */
	case CONN_STREAM:
	case CONN_UPGRADED:
	case CONN_ENDING:
	case CONN_STATES:
		break;
	}
	return 0;
}

int64_t
conn_spared(const struct api_config *c, int64_t since_us)
{
	return since_us + c->head_time_us / 4;
}

static const struct api_settings *
settings_of(const struct conns *cs)
{
	return cs->o.settings(cs->o.ctx);
}

static const struct api_config *
config_of(const struct conns *cs)
{
	return settings_of(cs)->c;
}

static void
conn_open(struct conns *cs, struct MHD_Connection *m, void **own)
{
	struct conn *k = mem_zalloc(sizeof(*k));
	const struct sockaddr *peer;
	struct address client;

	k->cs = cs; /* what an info points to holds until the next one is asked for */
	k->fd = MHD_get_connection_info(m, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	peer = MHD_get_connection_info(m, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
	k->peer = address_of(peer,
	    peer->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
	address_write(&k->peer, k->address);
	client = address_client(&k->peer);
	k->client = tally_add(&cs->clients, &client);
	must(uv_poll_init(loop_uv(cs->o.loop), &k->watch, k->fd) == 0);
	k->watch.data = k;
	must(uv_poll_start(&k->watch, UV_DISCONNECT, on_left) == 0);
	list_add(&cs->in[CONN_HEAD], &k->link);
	metric_set(cs->open, (double)++cs->n);
	conn_enter(k, CONN_HEAD, NULL);
	watch_listener(cs);
	*own = k;
}

/* A freed slot lets the next connection in only when libmicrohttpd runs again. One that ends before
 * its first request was taken has sent something that libmicrohttpd refused. */
static void
conn_close(struct conn *k)
{
	struct conns *cs = k->cs;
	char c;

	if (!k->cut && k->left_us == 0 && k->state != CONN_UPGRADED &&
	    (k->unread || k->state == CONN_HEAD || recv(k->fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) > 0))
		linger(cs->o.loop, k->fd);
	list_del(&cs->in[k->state], &k->link);
	if (link_is_in(&k->gone))
		list_del(&cs->left, &k->gone);
	tally_sub(&cs->clients, k->client);
	metric_set(cs->open, (double)--cs->n);
	uv_poll_stop(&k->watch);
	uv_close((uv_handle_t *)&k->watch, on_conn_closed);
	watch_listener(cs);
	cs->o.run(cs->o.ctx);
}

/* What has arrived is still served. */
static void
conn_shut(struct conn *k)
{
	shutdown(k->fd, SHUT_RD);
	conn_enter(k, CONN_ENDING, NULL);
	k->cs->o.run(k->cs->o.ctx);
}

static void
end_slow(struct conn *k)
{
	metric_inc(k->cs->cut);
	conn_enter(k, CONN_ENDING, NULL);
	conn_cut(k);
}

static void
expect(struct conns *cs, int64_t limit)
{
	if (limit != 0 && (cs->sweep.at_us == 0 || limit < cs->sweep.at_us))
		timer_at(&cs->sweep, limit);
}

/* The lists are in the order of time: only who is too long in his state is looked at. */
static void
on_sweep(struct timer *t)
{
	struct conns *cs = container_of(t, struct conns, sweep);
	int64_t now = loop_now(cs->o.loop), next;

	for (int s = 0; s < CONN_STATES; s++)
		LIST_EACH(&cs->in[s], l) {
			struct conn *k = container_of(l, struct conn, link);
			int64_t limit = conn_limit(config_of(cs), k->state, k->since_us);

			if (limit == 0 || now < limit)
				break;
			end_slow(k);
		}
	LIST_EACH(&cs->left, l) {
		struct conn *k = container_of(l, struct conn, gone);

		if (left_limit(k) != 0 && now >= left_limit(k))
			end_slow(k);
	}
	if (cs->drain_us != 0 && !cs->shut && now >= drain_limit(cs)) {
		cs->shut = true;
		for (int s = CONN_HEAD; s <= CONN_IDLE; s++)
			LIST_EACH(&cs->in[s], l)
				conn_shut(container_of(l, struct conn, link));
	}
	if ((next = first_limit(cs)) != 0)
		timer_at(t, next > now + SWEEP_GAP_US ? next : now + SWEEP_GAP_US);
	watch_listener(cs); /* may want an earlier sweep */
}

/* 0: nobody has a limit. */
static int64_t
first_limit(const struct conns *cs)
{
	int64_t first = cs->drain_us != 0 && !cs->shut ? drain_limit(cs) : 0, limit;

	for (int s = 0; s < CONN_STATES; s++) {
		const struct conn *k = first_in(cs, (enum conn_state)s);

		limit = k == NULL ? 0 : conn_limit(config_of(cs), k->state, k->since_us);
		if (limit != 0 && (first == 0 || limit < first))
			first = limit;
	}
	LIST_EACH(&cs->left, l) {
		limit = left_limit(container_of(l, struct conn, gone));
		if (limit != 0 && (first == 0 || limit < first))
			first = limit;
	}
	return first;
}

static int64_t
drain_limit(const struct conns *cs)
{
	return cs->drain_us + config_of(cs)->drain_idle_us;
}

/* libmicrohttpd misses an end that comes in one piece with data. What is missing will not come; what has come
 * may be more than an upload's agent takes at once. */
static int64_t
left_limit(const struct conn *k)
{
	if (k->state != CONN_HEAD && k->state != CONN_IDLE && k->state != CONN_BODY)
		return 0;
	return (k->left_us > k->since_us ? k->left_us : k->since_us) +
	       config_of(k->cs)->gone_grace_us;
}

static struct conn *
first_in(const struct conns *cs, enum conn_state s)
{
	struct link *l = list_first(&cs->in[s]);

	return l == NULL ? NULL : container_of(l, struct conn, link);
}

/* The longest idle one; if there is none, one that has had its time to bring a head. */
static struct conn *
who_makes_room(const struct conns *cs)
{
	struct conn *k = first_in(cs, CONN_IDLE);

	if (k != NULL)
		return k;
	k = first_in(cs, CONN_HEAD);
	return k == NULL || loop_now(cs->o.loop) < conn_spared(config_of(cs), k->since_us) ? NULL
	                                                                                   : k;
}

/* Only at the limit, and only while somebody could make room: then whoever waits at the listener
 * is worth knowing of. */
static void
watch_listener(struct conns *cs)
{
	bool full = (int64_t)cs->n >= config_of(cs)->connections && cs->waiting != NULL &&
	            cs->in[CONN_ENDING].n == 0;
	bool wanted = full && who_makes_room(cs) != NULL;
	const struct conn *next = full && !wanted ? first_in(cs, CONN_HEAD) : NULL;

	if (next != NULL)
		expect(cs, conn_spared(config_of(cs), next->since_us));
	if (wanted == cs->polling)
		return;
	cs->polling = wanted;
	if (wanted)
		must(uv_poll_start(cs->waiting, UV_READABLE, on_waiting) == 0);
	else
		uv_poll_stop(cs->waiting);
}

static void
on_waiting(uv_poll_t *h, int status, int events)
{
	struct conns *cs = h->data;
	struct conn *k = who_makes_room(cs);

	(void)status, (void)events;
	if (k != NULL) {
		metric_inc(cs->displaced);
		conn_shut(k);
	}
	watch_listener(cs);
}

/* The client closed: its sending side only (it may still wait for an answer), or all of it. */
static void
on_left(uv_poll_t *h, int status, int events)
{
	struct conn *k = h->data;
	struct pollfd p = { .fd = k->fd };

	(void)events;
	uv_poll_stop(h);
	k->left_us = loop_now(k->cs->o.loop);
	list_add(&k->cs->left, &k->gone);
	if (k->x == NULL)
		expect(k->cs, left_limit(k));
	else
		exchange_client_left(k->x,
		    status < 0 || (poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP)) != 0));
}

static void
on_closed(uv_handle_t *h)
{
	free(h);
}

static void
on_conn_closed(uv_handle_t *h)
{
	free(h->data);
}
