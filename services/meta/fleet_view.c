/* fleet_view: the fleet as people see it. Idle costs nothing: nodes are asked only when somebody
 * asks us. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "meta/fleet_state.h"
#include "meta/fleet_view.h"
#include "meta/limit.h"
#include "meta/isolation.h"
#include "meta/meta.h"
#include "meta/stores.h"

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
	uint64_t journal;  /* entries, by the last poll that asked */
	bool journal_known;
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
static void ask_journal(struct fleet_view *);
static void on_metrics(const Mf__Metrics *, void *);
static void answered(struct fleet_view *);
static void on_poll_end(struct call *, const struct call_end *, void *);
static Mf__FleetNode *node_of(struct meta *, struct arena *, const struct fleet_row *);
static void
take_info(struct arena *, const struct fleet_row *, const Mf__NodeInfo *, Mf__FleetNode *);
static void take_self(struct meta *, struct arena *, Mf__FleetNode *);
static void take_load(Mf__FleetNode *, const Mf__NodeInfo *);
static void add_own_breaker(void *, const char *, const char *, enum breaker_state, uint32_t, bool);
static void add_breaker(struct arena *, Mf__FleetNode *, const char *, const char *, const char *);
static Mf__KeyValue *breaker_of(const Mf__FleetNode *, const char *);
static void take_limits(int32_t, Mf__FleetNode *);
static uint64_t limit_of(int32_t, enum __rlimit_resource, bool);

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

/* What the node itself said, unless it was another process; what we say of ourselves. */
Mf__NodeInfo *
fleet_view_info(struct meta *m, struct arena *a, const struct fleet_row *r)
{
	Mf__NodeInfo *info;

	if (strcmp(r->name, bus_name(m->bus)) == 0) {
		info = arena_alloc(a, sizeof(*info));
		mf__node_info__init(info);
		load_tell(m->bus, a, info);
		return info;
	}
	if (r->info == NULL || (r->generation != 0 && !runs(r)))
		return NULL;
	info = mf__node_info__unpack(arena_allocator(a), r->info_n, r->info);
	return info == NULL || (r->generation != 0 && info->generation != r->generation) ? NULL
	                                                                                 : info;
}

/* Second field of statm: resident pages. */
uint64_t
fleet_view_rss(int32_t pid)
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
answer(void *ctx)
{
	struct asker *k = ctx;
	struct meta *m = k->view->meta;
	struct arena *a = call_arena(k->c);
	Mf__FleetState *s = arena_alloc(a, sizeof(*s));
	struct fleet_row *rows;
	size_t n = fleet_state_rows(m->fleet, &rows);
	char **isolated = ARENA_ARRAY(a, char *, 4);
	Mf__FleetMode mode = MF__FLEET_MODE__INIT;

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
	isolation_look(m->isolation);
	isolation_tell(m->isolation, &mode, isolated);
	s->mode = mode.mode;
	s->n_isolated = mode.n_isolated;
	s->isolated = isolated;
	s->stores = (char *)(uintptr_t)stores_mode(m);
	s->journal_known = !stores_degraded(m) || k->view->journal_known;
	s->journal_entries = stores_degraded(m) ? k->view->journal : 0;
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
		q->node = arena_strdup(call_arena(v->poll), rows[i].name);
		r = rpc_new(v->poll, bus_node_target(v->meta->bus, rows[i].node),
		    &(const struct rpc_opts){ .limit_us = POLL_US - 20 * MS,
			.quiet = true,
			.node = fleet_row_instance(v->poll, &rows[i]) });
		mf__node__info(&r->service, &empty, on_info, q);
		v->unanswered++;
	}
	v->journal_known = false;
	if (stores_degraded(v->meta))
		ask_journal(v);
	if (v->unanswered == 0)
		call_reply(v->poll, &empty.base);
}

/* Normally the journal is empty: nobody is asked then. */
static void
ask_journal(struct fleet_view *v)
{
	Mf__Empty empty = MF__EMPTY__INIT;
	struct rpc *r = rpc_new(v->poll, bus_node_target(v->meta->bus, "database"),
	    &(const struct rpc_opts){ .limit_us = POLL_US - 20 * MS, .quiet = true });

	mf__node__get_metrics(&r->service, &empty, on_metrics, v);
	v->unanswered++;
}

static void
on_metrics(const Mf__Metrics *m, void *ctx)
{
	struct fleet_view *v = ctx;

	for (size_t i = 0; m != NULL && i < m->n_families; i++) {
		const Mf__MetricFamily *f = m->families[i];

		if (strcmp(f->name, "metafed_journal_entries") != 0 || f->n_samples == 0)
			continue;
		v->journal = f->samples[0]->value > 0 ? (uint64_t)f->samples[0]->value : 0;
		v->journal_known = true;
	}
	answered(v);
}

static void
answered(struct fleet_view *v)
{
	Mf__Empty empty = MF__EMPTY__INIT;

	if (--v->unanswered == 0)
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

	if (r != NULL) {
		free(r->info);
		r->info = NULL;
		r->info_n = 0;
	}
	if (r != NULL && m != NULL) {
		r->info_n = mf__node_info__get_packed_size(m);
		r->info = mem_zalloc(r->info_n + 1);
		mf__node_info__pack(m, r->info);
	}
	answered(v);
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
	const Mf__NodeInfo *info;

	mf__fleet_node__init(n);
	n->name = (char *)r->name;
	n->instance = (char *)r->instance;
	n->level = r->level < 0 ? 0 : (uint32_t)r->level;
	n->domain = (char *)r->domain;
	n->pid = (uint32_t)r->pid;
	n->state = (char *)contract_state_name(r->state);
	n->generation = r->generation;
	n->restarts = r->restarts;
	n->in_flight = r->load;
	n->reason = (char *)r->reason;
	n->leads = m->lead != NULL && strcmp(r->name, bus_name(m->bus)) == 0;
	if (r->since_us != 0 && r->since_us < now && r->pid != 0)
		n->uptime_us = (uint64_t)(now - r->since_us);
	if (fleet_state_local(m->fleet) && r->pid > 0)
		n->rss_bytes = fleet_view_rss(r->pid);
	if (fleet_state_local(m->fleet) && r->pid > 0)
		take_limits(r->pid, n);
	info = fleet_view_info(m, a, r);
	if (info != NULL)
		take_load(n, info);
	if (strcmp(r->name, bus_name(m->bus)) == 0)
		take_self(m, a, n);
	else if (info != NULL)
		take_info(a, r, info, n);
	return n;
}

/* Without reports and heartbeats it is all that is known. */
static void
take_info(struct arena *a, const struct fleet_row *r, const Mf__NodeInfo *info, Mf__FleetNode *n)
{
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
	n->rss_bytes = fleet_view_rss(getpid());
	if (m->node != NULL) {
		n->generation = node_generation(m->node);
		n->state = (char *)contract_state_name(node_state(m->node));
	}
	bus_each_breaker(m->bus, add_own_breaker, &g);
}

static void
take_load(Mf__FleetNode *n, const Mf__NodeInfo *info)
{
	const Mf__CallLoad *l = info->served;

	n->restart_window_s = (uint32_t)(info->restart_window_us / SEC);
	if (l == NULL || l->window_us == 0)
		return; /* of an older version */
	n->answered = true;
	n->calls_per_s = fleet_per_s(l->calls, l->window_us);
	n->errors_per_s = fleet_per_s(l->faults, l->window_us);
	n->p50_ms = (double)l->p50_us / MS;
	n->p99_ms = (double)l->p99_us / MS;
	n->cpu_percent = round(info->cpu_percent * 1e2) / 1e2;
	n->log_level = info->log_level;
}

double
fleet_per_s(uint64_t n, uint64_t window_us)
{
	return window_us == 0 ? 0 : round((double)n * 1e3 * SEC / (double)window_us) / 1e3;
}

static void
add_own_breaker(void *ctx, const char *service, const char *node, enum breaker_state s,
    uint32_t failures, bool connected)
{
	struct gathering *g = ctx;

	(void)failures, (void)connected;
	if (strcmp(service, "mf.Node") != 0) /* for operators, no part of any request */
		add_breaker(g->a, g->n, service, node, breaker_state_name(s));
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

/* What it has been given (limit.h), of the kernel. */
static void
take_limits(int32_t pid, Mf__FleetNode *n)
{
	struct limit_use use;

	if (!limit_look(pid, &use))
		return;
	n->files = (uint32_t)use.files;
	n->files_max = (uint32_t)limit_of(pid, RLIMIT_NOFILE, false);
	n->memory_max_bytes = limit_of(pid, RLIMIT_RSS, true);
	n->recycle_rss_bytes = limit_of(pid, RLIMIT_RSS, false);
	if (n->recycle_rss_bytes == n->memory_max_bytes)
		n->recycle_rss_bytes = 0;
}

/* 0: none. */
static uint64_t
limit_of(int32_t pid, enum __rlimit_resource which, bool hard)
{
	struct rlimit r;
	rlim_t v;

	if (prlimit(pid, which, NULL, &r) < 0)
		return 0;
	v = hard ? r.rlim_max : r.rlim_cur;
	return v == RLIM_INFINITY ? 0 : v;
}
