/* live: see live.h. All sessions, and what they share. */
#include "api/live.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "api/session.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "proto/jwt.pb-c.h"

#define BELL_US     (10 * MS) /* so much of what is published rings once */
#define CLOSE_US    (5 * SEC) /* for the client's side of a closing handshake */
#define SPARE_FILES 256       /* descriptors that are neither sessions nor connections */

static void subscribe(struct live *);
static void on_event(void *, const char *, const Mf__Event *);
static void on_lost(void *, const char *);
static void on_revoked(void *, const char *, const Mf__Event *);
static void on_revoked_lost(void *, const char *);
static void ring(struct live *, size_t);
static void on_bell(struct timer *);
static void on_echo(struct timer *);
static void tell(struct live *, uint32_t);
static size_t make_room(const struct api_config *);
static bool is_bounded(const struct api_settings *, const struct address *);

/* What a long transaction holds back becomes readable when nobody rings any more: so a bell that no
 * other one follows echoes. */
static const int64_t echo_us[] = { 250 * MS, 2 * SEC, 10 * SEC };

/* Whose events ring for which topic. */
static const char *const topics[LIVE_TOPICS] = { "fleet", "task" };
static struct publisher {
	size_t topic;
	const char *node, *prefix; /* node NULL: meta, and who stands by for it */
	struct live *live;
} publishers[] = {
	{ 0, NULL, "fleet.", NULL },
	{ 0, NULL, "error.", NULL },
	{ 1, "sql", "task", NULL },
	{ 1, "nosql", "task", NULL },
};

/* Who says that a credential does not count any more. */
static struct revoker {
	const char *node;
	struct live *live;
} revokers[] = { { "jwt", NULL }, { "oauth", NULL } };

struct live *
live_new(const struct live_opts *o)
{
	static const char *const members[] = { "websocket", "graphql", "rest", NULL };
	static const char *const directions[] = { "direction", NULL };
	struct metric_family *messages, *bytes;
	struct live *l = mem_zalloc(sizeof(*l));

	l->o = *o;
	l->loop = bus_loop(o->bus);
	list_init(&l->all);
	list_init(&l->waiting);
	timer_init(&l->bell, l->loop, on_bell);
	timer_init(&l->echo, l->loop, on_echo);
	/* As for Rest.Handle: a whole request may lie behind Work. */
	l->agents = target_new(o->bus, &(const struct target_def){ &mf__websocket__descriptor,
					   members, { .failures = 3, .limit_us = 5 * SEC } });
	live_reload(l);
	l->most = make_room(o->settings(o->ctx)->c);
	l->hub = ws_hub_new(l->loop, &l->limits);
	subscribe(l);
	l->open = metric_simple(METRIC_GAUGE, "metafed_sessions", "Sessions under way.");
	messages = metric_family(METRIC_COUNTER, "metafed_session_messages_total",
	    "Messages of and to the clients of sessions.", directions);
	bytes = metric_family(METRIC_COUNTER, "metafed_session_bytes_total",
	    "Bytes of messages of and to the clients of sessions.", directions);
	l->messages_in = metric_get(messages, (const char *const[]){ "in" });
	l->messages_out = metric_get(messages, (const char *const[]){ "out" });
	l->bytes_in = metric_get(bytes, (const char *const[]){ "in" });
	l->bytes_out = metric_get(bytes, (const char *const[]){ "out" });
	l->turn_seconds = metric_simple(METRIC_HISTOGRAM, "metafed_session_turn_seconds",
	    "Turns of sessions, as the agents took them.");
	l->turn_failures = metric_simple(
	    METRIC_COUNTER, "metafed_session_turn_failures_total", "Turns that no agent took.");
	return l;
}

void
live_reload(struct live *l)
{
	const struct api_config *c = l->o.settings(l->o.ctx)->c;

	l->limits = (struct ws_limits){
		.queue_max = (size_t)c->session_queue,
		.ping_us = c->ping_time_us,
		.message_us = c->body_time_us,
		.send_us = c->send_time_us,
		.close_us = CLOSE_US,
	};
}

void
live_drain(struct live *l)
{
	if (l->draining)
		return;
	l->draining = true;
	LIST_EACH(&l->all, k)
		session_consider(container_of(k, struct session, link));
}

bool
live_empty(const struct live *l)
{
	return l->all.n == 0 && ws_hub_count(l->hub) == 0;
}

void
live_free(struct live **lp)
{
	struct live *l = *lp;

	*lp = NULL;
	l->draining = true;
	LIST_EACH(&l->all, k)
		session_close(container_of(k, struct session, link), WS_GOING_AWAY, "going away");
	ws_hub_cut(l->hub);
	ws_hub_free(&l->hub);
	timer_stop(&l->bell);
	timer_stop(&l->echo);
	for (size_t i = 0; i < sizeof(publishers) / sizeof(publishers[0]); i++)
		publishers[i].live = NULL;
	for (size_t i = 0; i < sizeof(revokers) / sizeof(revokers[0]); i++)
		revokers[i].live = NULL;
	free(l);
}

const struct http_refusal *
live_refuses(const struct live *l, const struct address *from)
{
	static const struct http_refusal
	    draining = { 503, "DRAINING", "this process takes no new sessions" },
	    full = { 503, "TOO_MANY_SESSIONS", "there are as many sessions as there may be" },
	    too_many = { 503, "TOO_MANY_SESSIONS",
		    "there are as many sessions from your address as there may be" };
	const struct api_settings *s = l->o.settings(l->o.ctx);
	struct address client = address_client(from);

	if (l->draining)
		return &draining;
	if (l->all.n >= l->most)
		return &full;
	if (is_bounded(s, from) && tally_of(&l->clients, &client) >= s->c->address_sessions)
		return &too_many;
	return NULL;
}

void
live_open(struct live *l, const struct live_opening *o)
{
	session_open(l, o);
}

void
live_turn_over(struct live *l)
{
	l->turns--;
	while (l->turns < LIVE_TURNS_MOST && l->waiting.n != 0)
		session_consider(container_of(list_pop(&l->waiting), struct session, waits));
}

uint32_t
live_topics(size_t n, char *const *names)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t t = 0; t < LIVE_TOPICS; t++)
			if (strcmp(names[i], topics[t]) == 0)
				bits |= 1u << t;
	return bits;
}

bool
live_heard(const struct live *l, uint32_t bits, uint64_t since)
{
	for (size_t t = 0; t < LIVE_TOPICS; t++)
		if ((bits & 1u << t) != 0 && l->heard[t] > since)
			return true;
	return false;
}

/* The bus knows no unsubscribing: there is one live in a process at a time. */
static void
subscribe(struct live *l)
{
	for (size_t i = 0; i < sizeof(publishers) / sizeof(publishers[0]); i++) {
		struct publisher *p = &publishers[i];
		const char *const one[] = { p->node, NULL };

		p->live = l;
		for (const char *const *n = p->node != NULL ? one : fleet_meta(); *n != NULL; n++)
			bus_subscribe(l->o.bus, *n, p->prefix, on_event, on_lost, p);
	}
	for (size_t i = 0; i < sizeof(revokers) / sizeof(revokers[0]); i++) {
		revokers[i].live = l;
		bus_subscribe(l->o.bus, revokers[i].node, "auth.revoked", on_revoked,
		    on_revoked_lost, &revokers[i]);
	}
}

/* Only whom it names is asked for: nobody else's turn is taken for somebody's log-out. */
static void
on_revoked(void *ctx, const char *node, const Mf__Event *e)
{
	const struct revoker *r = ctx;
	Mf__Revoked *m =
	    e == NULL ? NULL : mf__revoked__unpack(NULL, e->payload.len, e->payload.data);

	(void)node;
	if (r->live != NULL) {
		r->live->revoked_us = loop_now(r->live->loop);
		LIST_EACH(&r->live->all, k)
			session_revoked(container_of(k, struct session, link),
			    m == NULL || m->id[0] == '\0' ? NULL : m->id);
	}
	if (m != NULL)
		mf__revoked__free_unpacked(m, NULL);
}

static void
on_revoked_lost(void *ctx, const char *node)
{
	on_revoked(ctx, node, NULL);
}

/* What it says is of no matter: it is only the bell. */
static void
on_event(void *ctx, const char *node, const Mf__Event *e)
{
	const struct publisher *p = ctx;

	(void)node, (void)e;
	if (p->live != NULL)
		ring(p->live, p->topic);
}

static void
on_lost(void *ctx, const char *node)
{
	on_event(ctx, node, NULL);
}

static void
ring(struct live *l, size_t topic)
{
	l->heard[topic] = ++l->serial;
	l->ringing |= 1u << topic;
	if (l->bell.at_us == 0)
		timer_in(&l->bell, BELL_US);
}

static void
on_bell(struct timer *t)
{
	struct live *l = container_of(t, struct live, bell);

	l->echoing |= l->ringing;
	l->echoes = 0;
	timer_in(&l->echo, echo_us[0]);
	tell(l, l->ringing);
	l->ringing = 0;
}

static void
on_echo(struct timer *t)
{
	struct live *l = container_of(t, struct live, echo);

	tell(l, l->echoing);
	if (++l->echoes < sizeof(echo_us) / sizeof(echo_us[0]))
		timer_in(t, echo_us[l->echoes]);
	else
		l->echoing = 0;
}

static void
tell(struct live *l, uint32_t bits)
{
	LIST_EACH(&l->all, k) {
		struct session *s = container_of(k, struct session, link);

		if ((s->listens & bits) == 0)
			continue; /* who begins to listen looks what it has missed */
		s->bell = true;   /* of a turn that is under way: it may have looked before */
		if (s->turn.call == NULL)
			session_consider(s);
	}
}

/* Each session has a descriptor, with TLS three. */
static size_t
make_room(const struct api_config *c)
{
	rlim_t each = config_tls(c) ? 3 : 1, rest = (rlim_t)c->connections + SPARE_FILES;
	rlim_t wanted = (rlim_t)c->sessions * each + rest;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur == RLIM_INFINITY ||
	    r.rlim_cur >= wanted)
		return (size_t)c->sessions;
	r.rlim_cur = r.rlim_max == RLIM_INFINITY || r.rlim_max > wanted ? wanted : r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur >= wanted)
		return (size_t)c->sessions;
	getrlimit(RLIMIT_NOFILE, &r);
	log_warn("few_descriptors", L_INT("wanted", wanted), L_INT("may_have", r.rlim_cur));
	return r.rlim_cur > rest ? (r.rlim_cur - rest) / each : 0;
}

/* As for connections: a proxy's carry many clients, and whoever is on this machine has other ways. */
static bool
is_bounded(const struct api_settings *s, const struct address *from)
{
	return s->c->address_sessions != 0 && !settings_is_proxy(s, from) &&
	       (!address_local(from) || s->c->address_connections_local);
}
