/* fleet_view: the fleet as people see it. Idle costs nothing: nodes are asked only when somebody
 * asks us. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "meta/fleet_state.h"
#include "meta/fleet_view.h"
#include "meta/meta.h"

#define KEEP_US (500 * MS) /* details of this age are new enough */
/* a node that does not answer in this time is listed without details */
#define POLL_US       (300 * MS)
#define BREAKERS_MOST 64

struct fleet_view {
	struct meta *meta;
	struct waiters waiters;
	struct call *poll; /* NULL: none is under way */
	size_t unanswered;
	int64_t polled_at; /* 0: never */
};

struct question { /* in the arena of the poll */
	struct fleet_view *view;
	const char *node;
};

struct asker {
	struct fleet_view *view;
	struct call *c;
	void (*fn)(void *ctx, const Mf__FleetState *s);
	void *ctx;
};

struct gathering { /* our own breakers */
	struct arena *a;
	Mf__FleetNode *n;
};

static void answer(void *);
static void poll_start(struct fleet_view *);
static bool worth_asking(const struct meta *, const struct fleet_row *);
static bool runs(const struct fleet_row *);
static void on_info(const Mf__NodeInfo *, void *);
static void on_poll_end(struct call *, const struct call_end *, void *);
static Mf__FleetNode *node_of(struct meta *, struct arena *, const struct fleet_row *);
static void take_info(struct arena *, const struct fleet_row *, Mf__FleetNode *);
static void take_self(struct meta *, struct arena *, Mf__FleetNode *);
static void add_own_breaker(void *, const char *, const char *, enum breaker_state, uint32_t, bool);
static void add_breaker(struct arena *, Mf__FleetNode *, const char *, const char *, const char *);
static Mf__KeyValue *breaker_of(const Mf__FleetNode *, const char *);
static uint64_t rss_of(int32_t);
static void write_node(struct jw *, const Mf__FleetNode *);

struct fleet_view *
fleet_view_new(struct meta *m)
{
	struct fleet_view *v = mem_zalloc(sizeof(*v));

	v->meta = m;
	waiters_init(&v->waiters);
	return v;
}

void
fleet_view_free(struct fleet_view **v)
{
	if (*v == NULL)
		return;
	if ((*v)->poll != NULL)
		call_cancel((*v)->poll);
	free(*v);
	*v = NULL;
}

void
fleet_view_ask(
    struct fleet_view *v, struct call *c, void (*fn)(void *ctx, const Mf__FleetState *s), void *ctx)
{
	struct asker *k = ARENA_NEW(call_arena(c), struct asker);

	*k = (struct asker){ v, c, fn, ctx };
	if (v->polled_at != 0 && loop_now(v->meta->loop) - v->polled_at < KEEP_US) {
		answer(k);
		return;
	}
	waiters_add(&v->waiters, c, answer, k);
	if (v->poll == NULL)
		poll_start(v);
}

const char *
fleet_mode(const struct meta *m)
{
	return m->slots.waiting != 0 && m->slots.waiting >= m->slots.policy.queue ? "throttled"
	                                                                          : "normal";
}

ProtobufCBinaryData
fleet_view_json(struct arena *a, const Mf__FleetState *s)
{
	ProtobufCBinaryData out;
	struct jw w;

	jw_start(&w, a, 8192);
	jw_object(&w, NULL);
	jw_array(&w, "nodes");
	for (size_t i = 0; i < s->n_nodes; i++)
		write_node(&w, s->nodes[i]);
	jw_close(&w, ']');
	jw_array(&w, "apart");
	for (size_t i = 0; i < s->n_apart; i++)
		write_node(&w, s->apart[i]);
	jw_close(&w, ']');
	jw_str(&w, "mode", s->mode);
	jw_close(&w, '}');
	out.data = (uint8_t *)jw_text(&w, &out.len);
	return out;
}

static void
answer(void *ctx)
{
	struct asker *k = ctx;
	struct meta *m = k->view->meta;
	struct arena *a = call_arena(k->c);
	Mf__FleetState *s = arena_alloc(a, sizeof(*s));
	struct fleet_row *rows;
	size_t n = fleet_state_rows(m->fleet, &rows);

	mf__fleet_state__init(s);
	s->nodes = ARENA_ARRAY(a, Mf__FleetNode *, n);
	s->apart = ARENA_ARRAY(a, Mf__FleetNode *, n);
	for (size_t i = 0; i < n; i++) {
		Mf__FleetNode *one = node_of(m, a, &rows[i]);

		if (rows[i].level >= 0)
			s->nodes[s->n_nodes++] = one;
		else
			s->apart[s->n_apart++] = one;
	}
	s->mode = (char *)fleet_mode(m);
	k->fn(k->ctx, s);
}

static void
poll_start(struct fleet_view *v)
{
	Mf__Empty empty = MF__EMPTY__INIT;
	struct fleet_row *rows;
	size_t n = fleet_state_rows(v->meta->fleet, &rows);

	v->unanswered = 0;
	v->poll = call_root(v->meta->bus,
	    &(const struct call_opts){ .limit_us = POLL_US, .done = on_poll_end, .ctx = v });
	for (size_t i = 0; i < n; i++) {
		struct question *q;
		struct rpc *r;

		if (!worth_asking(v->meta, &rows[i]))
			continue;
		q = ARENA_NEW(call_arena(v->poll), struct question);
		q->view = v;
		q->node = rows[i].name;
		r = rpc_new(v->poll, bus_node_target(v->meta->bus, rows[i].name),
		    &(const struct rpc_opts){ .limit_us = POLL_US - 20 * MS, .quiet = true });
		mf__node__info(&r->service, &empty, on_info, q);
		v->unanswered++;
	}
	if (v->unanswered == 0)
		call_reply(v->poll, &empty.base);
}

/* Who is known not to run is not waited for. Of whom nothing is known, the bus may know more. */
static bool
worth_asking(const struct meta *m, const struct fleet_row *r)
{
	bool known = r->generation != 0;

	return r->level >= 0 && strcmp(r->name, bus_name(m->bus)) != 0 && (!known || runs(r));
}

static bool
runs(const struct fleet_row *r)
{
	return r->state == NODE_READY || r->state == NODE_DRAINING;
}

static void
on_info(const Mf__NodeInfo *m, void *ctx)
{
	struct question *q = ctx;
	struct fleet_view *v = q->view;
	struct fleet_row *r = fleet_state_find(v->meta->fleet, q->node);
	Mf__Empty empty = MF__EMPTY__INIT;

	free(r->info);
	r->info = NULL;
	r->info_n = 0;
	if (m != NULL) {
		r->info_n = mf__node_info__get_packed_size(m);
		r->info = mem_zalloc(r->info_n + 1);
		mf__node_info__pack(m, r->info);
	}
	if (--v->unanswered == 0)
		call_reply(v->poll, &empty.base);
}

static void
on_poll_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct fleet_view *v = ctx;

	(void)c, (void)end;
	v->poll = NULL;
	v->polled_at = loop_now(v->meta->loop);
	waiters_wake(&v->waiters);
}

static Mf__FleetNode *
node_of(struct meta *m, struct arena *a, const struct fleet_row *r)
{
	Mf__FleetNode *n = arena_alloc(a, sizeof(*n));
	int64_t now = loop_now(m->loop);

	mf__fleet_node__init(n);
	n->name = (char *)r->name;
	n->level = r->level < 0 ? 0 : (uint32_t)r->level;
	n->domain = (char *)r->domain;
	n->pid = (uint32_t)r->pid;
	n->state = (char *)contract_state_name(r->state);
	n->generation = r->generation;
	n->restarts = r->restarts;
	n->in_flight = r->load;
	n->reason = (char *)r->reason;
	if (r->since_us != 0 && r->since_us < now && r->pid != 0)
		n->uptime_us = (uint64_t)(now - r->since_us);
	if (fleet_state_local(m->fleet) && r->pid > 0)
		n->rss_bytes = rss_of(r->pid);
	if (strcmp(r->name, bus_name(m->bus)) == 0)
		take_self(m, a, n);
	else if (r->info != NULL && (r->generation == 0 || runs(r)))
		take_info(a, r, n);
	return n;
}

/* What the node itself said, unless it was another process. Without reports and heartbeats it is
 * all that is known. */
static void
take_info(struct arena *a, const struct fleet_row *r, Mf__FleetNode *n)
{
	Mf__NodeInfo *info = mf__node_info__unpack(arena_allocator(a), r->info_n, r->info);

	if (info == NULL || (r->generation != 0 && info->generation != r->generation))
		return;
	if (r->generation == 0) {
		n->pid = info->pid;
		n->generation = info->generation;
		n->state = (char *)contract_state_name(info->state);
	}
	if (n->uptime_us == 0)
		n->uptime_us = info->uptime_us;
	n->in_flight = info->in_flight;
	if (n->rss_bytes == 0)
		n->rss_bytes = info->rss_bytes;
	for (size_t i = 0; i < info->n_breakers; i++)
		add_breaker(a, n, info->breakers[i]->target, info->breakers[i]->node,
		    info->breakers[i]->state);
}

static void
take_self(struct meta *m, struct arena *a, Mf__FleetNode *n)
{
	struct gathering g = { a, n };

	n->pid = (uint32_t)getpid();
	n->in_flight = bus_in_flight(m->bus);
	n->rss_bytes = rss_of(getpid());
	if (m->node != NULL) {
		n->generation = node_generation(m->node);
		n->state = (char *)contract_state_name(node_state(m->node));
	}
	bus_each_breaker(m->bus, add_own_breaker, &g);
}

static void
add_own_breaker(void *ctx, const char *service, const char *node, enum breaker_state s,
    uint32_t failures, bool connected)
{
	static const char *const names[] = { [BREAKER_CLOSED] = "closed",
		[BREAKER_OPEN] = "open",
		[BREAKER_HALF_OPEN] = "half_open" };
	struct gathering *g = ctx;

	(void)failures, (void)connected;
	if (strcmp(service, "mf.Node") != 0) /* for operators, no part of any request */
		add_breaker(g->a, g->n, service, node, names[s]);
}

/* A node may reach the same member on two ways, each with a breaker of its own (api: whole requests,
 * and forms of a TaskRequest): the worse one is told, under the one name. */
static void
add_breaker(
    struct arena *a, Mf__FleetNode *n, const char *service, const char *member, const char *state)
{
	char *key = arena_printf(a, "%s -> %s", service, member);
	Mf__KeyValue *kv;

	if (n->breakers == NULL)
		n->breakers = ARENA_ARRAY(a, Mf__KeyValue *, BREAKERS_MOST);
	if (strcmp(service, "mf.Node") == 0)
		return;
	kv = breaker_of(n, key);
	if (kv != NULL) {
		if (strcmp(kv->value, "closed") == 0 || strcmp(state, "open") == 0)
			kv->value = (char *)state;
		return;
	}
	if (n->n_breakers == BREAKERS_MOST)
		return;
	kv = arena_alloc(a, sizeof(*kv));
	mf__key_value__init(kv);
	kv->key = key;
	kv->value = (char *)state;
	n->breakers[n->n_breakers++] = kv;
}

/* NULL: none of this name yet. */
static Mf__KeyValue *
breaker_of(const Mf__FleetNode *n, const char *key)
{
	for (size_t i = 0; i < n->n_breakers; i++)
		if (strcmp(n->breakers[i]->key, key) == 0)
			return n->breakers[i];
	return NULL;
}

/* Second field of statm: resident pages. 0: the process is gone, or not ours to see. */
static uint64_t
rss_of(int32_t pid)
{
	unsigned long long resident = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%*s %llu", &resident) != 1)
		resident = 0;
	fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void
write_node(struct jw *w, const Mf__FleetNode *n)
{
	jw_object(w, NULL);
	jw_str(w, "name", n->name);
	jw_int(w, "level", n->level);
	jw_str(w, "domain", n->domain);
	jw_int(w, "pid", n->pid);
	jw_str(w, "state", n->state);
	jw_int(w, "generation", (int64_t)n->generation);
	jw_int(w, "restarts", n->restarts);
	jw_num(w, "uptime", (double)n->uptime_us / 1e6);
	jw_object(w, "breakers");
	for (size_t i = 0; i < n->n_breakers; i++)
		jw_str(w, n->breakers[i]->key, n->breakers[i]->value);
	jw_close(w, '}');
	jw_int(w, "in_flight", n->in_flight);
	jw_int(w, "rss", (int64_t)n->rss_bytes);
	if (n->reason[0] != '\0')
		jw_str(w, "reason", n->reason);
	jw_close(w, '}');
}
