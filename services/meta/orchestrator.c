/* orchestrator: what level 0 serves and with what it is set up. The work is in execute.c
 * (requests), fleet_state.c and fleet_view.c (processes). */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "meta/chaos.h"
#include "meta/fleet_state.h"
#include "meta/fleet_view.h"
#include "meta/figures.h"
#include "meta/gate.h"
#include "meta/gather.h"
#include "meta/gauges.h"
#include "meta/isolation.h"
#include "meta/lead.h"
#include "meta/meta.h"
#include "meta/orchestrator.h"
#include "meta/patterns.h"
#include "meta/recycle.h"
#include "meta/remember.h"
#include "meta/stores.h"
#include "meta/traces.h"
#include "meta/upgrade.h"
#include "meta/strategy.h"
#include "proto/api.pb-c.h"
#include "proto/auth.pb-c.h"
#include "proto/database.pb-c.h"

static bool meta_check(const void *, char *, size_t);
static bool meta_init(struct node *);
static void meta_on_reload(struct node *, const void *, const void *);
static void meta_drain(struct node *);
static void meta_fini(struct node *);
static void
meta_execute(Mf__Meta_Service *, const Mf__TaskRequest *, Mf__TaskResponse_Closure, void *);
static void meta_fleet(Mf__Meta_Service *, const Mf__Empty *, Mf__FleetState_Closure, void *);
static void go_execute(struct call *, const void *);
static void go_fleet(struct call *, const void *);
static void go_heartbeat(struct call *, const void *);
static void go_mode(struct call *, const void *);
static void go_take_traces(struct call *, const void *);
static void on_fleet(void *, const Mf__FleetState *);
static void meta_heartbeat(Mf__Meta_Service *, const Mf__Beat *, Mf__BeatAnswer_Closure, void *);
static void meta_take_traces(Mf__Meta_Service *, const Mf__TraceBatch *, Mf__Empty_Closure, void *);
static void meta_mode(Mf__Meta_Service *, const Mf__Empty *, Mf__FleetMode_Closure, void *);
static struct target *
domain(struct bus *, const ProtobufCServiceDescriptor *, const char *const *, uint32_t, int64_t);
static void make_metrics(struct meta *);
static void on_collect(void *);
static struct slots_policy slots_policy_of(const struct meta_config *);
static struct remember_policy remember_policy_of(const struct meta_config *);

static Mf__Meta_Service service = MF__META__INIT(meta_);
/* of this process; tests open and close one after the other */
static struct meta *self;
static bool collecting; /* on_collect is known to the metrics */

const struct serve meta_serves[] = {
	{ &service.base, PRIMARY },
	{ NULL, PRIMARY },
};

#define KEY(member) offsetof(struct meta_config, member)
const struct config_key meta_keys[] = {
	{ "slots", CONFIG_INT, KEY(slots), "256", 2, 100000, false, false,
	    "requests that run at once" },
	{ "slots_reserve", CONFIG_INT, KEY(reserve), "32", 0, 10000, false, false,
	    "of these only for CRITICAL ones" },
	{ "slots_share", CONFIG_INT, KEY(share), "75", 0, 100, false, false,
	    "percent of the others that may be held by what waits for the stores, or by log-ins; "
	    "0: all" },
	{ "queue", CONFIG_INT, KEY(queue), "1024", 0, 100000, false, false,
	    "requests that wait for a slot" },
	{ "grant_ttl", CONFIG_DURATION, KEY(grant_ttl_us), "5s", 0, 60 * SEC, false, false,
	    "a verified permission serves so long without asking auth again; 0: never" },
	{ "grants_most", CONFIG_INT, KEY(grants_most), "10000", 0, 1000000, false, false,
	    "verified permissions that are kept" },
	{ "memory_most", CONFIG_BYTES, KEY(memory_most), "1g", 0, INT64_C(1) << 40, false, false,
	    "with more memory in use only essential services go on; 0: no limit" },
	{ "remember_most", CONFIG_INT, KEY(remember_most), "10000", 0, 1000000, false, false,
	    "results of raw requests that are kept by task_id" },
	{ "remember_bytes", CONFIG_BYTES, KEY(remember_bytes), "32m", 0, INT64_C(1) << 32, false,
	    false, "memory for these" },
	{ "remember_ttl", CONFIG_DURATION, KEY(remember_ttl_us), "1d", SEC, 30 * 86400 * SEC, false,
	    false, "how long" },
	{ "upgrade_settle", CONFIG_DURATION, KEY(upgrade_settle_us), "1s", 0, 60 * SEC, false,
	    false, "how long each process of an upgrade is watched before the next one" },
	{ "lease", CONFIG_DURATION, KEY(lease_us), "800ms", 200 * MS, 60 * SEC, false, false,
	    "with standbys: who leads and was not heard for so long is replaced" },
	{ .name = NULL },
};

static const char *const capabilities[] = { "execute", "strategy", "slots", "partial_results",
	"fleet", "supervise", NULL };

const struct service_def meta_service = {
	.name = "meta",
	.keys = meta_keys,
	.config_size = sizeof(struct meta_config),
	.serves = meta_serves,
	.capabilities = capabilities,
	.check = meta_check,
	.init = meta_init,
	.reload = meta_on_reload,
	.drain = meta_drain,
	.fini = meta_fini,
};

struct meta *
meta_open(
    struct bus *b, struct node *n, const struct meta_config *c, int reports_fd, int commands_fd)
{
	static const char *const api[] = { "api", NULL }, *const database[] = { "database", NULL };
	static const char *const auth[] = { "auth", NULL };
	const struct slots_policy sp = slots_policy_of(c);
	const struct remember_policy rp = remember_policy_of(c);
	struct meta *m = mem_zalloc(sizeof(*m));

	must(self == NULL);
	m->bus = b;
	m->loop = bus_loop(b);
	m->node = n;
	m->config = *c;
	m->wake.fn = execute_wake;
	/* Thresholds of spec 1, cascade prevention: what makes a domain suspect. A domain has one
	 * member, which opens only by loss of contact; so work that is longer by nature (a log-in
	 * hashes) counts, but fails nothing. */
	m->api = domain(b, &mf__api__descriptor, api, 5, 200 * MS);
	m->database = domain(b, &mf__database__descriptor, database, 3, 500 * MS);
	m->auth = domain(b, &mf__auth__descriptor, auth, 2, 100 * MS);
	slots_init(&m->slots, &sp);
	m->isolation = isolation_new(m);
	m->gate = gate_new(m);
	m->remember = remember_new(&rp);
	m->patterns = patterns_new();
	m->figures = figures_new();
	m->gather = gather_new(m);
	m->recycle = recycle_new(m);
	m->fleet = fleet_state_new(m, reports_fd, commands_fd);
	m->view = fleet_view_new(m);
	m->chaos = chaos_new(m);
	m->upgrade = upgrader_new(m);
	m->traces = traces_new(m);
	stores_watch(m);
	make_metrics(m);
	if (fleet_standbys() > 0)
		m->lead = lead_new(m, c->lease_us);
	else
		upgrader_take(m->upgrade);
	self = m;
	return m;
}

void
meta_close(struct meta **mp)
{
	struct meta *m = *mp;

	if (m == NULL)
		return;
	traces_free(&m->traces);
	isolation_free(&m->isolation);
	chaos_free(&m->chaos);
	upgrader_free(&m->upgrade);
	lead_free(&m->lead);
	fleet_view_free(&m->view);
	fleet_state_free(&m->fleet);
	recycle_free(&m->recycle);
	gather_free(&m->gather);
	figures_free(&m->figures);
	patterns_free(&m->patterns);
	gate_free(&m->gate);
	remember_free(&m->remember);
	gauges_free(&m->gauges);
	free(m);
	self = *mp = NULL;
}

void
meta_reload(struct meta *m, const struct meta_config *c)
{
	const struct slots_policy sp = slots_policy_of(c);
	const struct remember_policy rp = remember_policy_of(c);

	m->config = *c;
	slots_set_policy(&m->slots, &sp);
	remember_set_policy(m->remember, &rp);
	gate_reload(m->gate);
	lead_reload(m->lead, c->lease_us);
	execute_next(m);
}

static bool
meta_check(const void *config, char *err, size_t err_size)
{
	const struct meta_config *c = config;

	if (c->reserve < c->slots)
		return true;
	snprintf(
	    err, err_size, "slots_reserve: must be less than slots (%lld)", (long long)c->slots);
	return false;
}

static bool
meta_init(struct node *n)
{
	const char *supervised = getenv("METAFED_SUPERVISED");
	bool own = supervised != NULL && strcmp(supervised, "1") == 0;

	(void)meta_open(node_bus(n), n, node_config(n), own ? CONTRACT_REPORTS : -1,
	    own ? CONTRACT_COMMANDS : -1);
	node_ready(n);
	return true;
}

static void
meta_on_reload(struct node *n, const void *before, const void *now)
{
	(void)n, (void)before;
	meta_reload(self, now);
}

static void
meta_drain(struct node *n)
{
	(void)n;
	lead_resign(self->lead);
}

static void
meta_fini(struct node *n)
{
	(void)n;
	meta_close(&self);
}

static void
meta_execute(
    Mf__Meta_Service *s, const Mf__TaskRequest *q, Mf__TaskResponse_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	lead_call(self->lead, ctx, go_execute, q);
}

static void
go_execute(struct call *c, const void *q)
{
	execute_request(self, c, q);
}

static void
meta_fleet(Mf__Meta_Service *s, const Mf__Empty *q, Mf__FleetState_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	lead_call(self->lead, ctx, go_fleet, q);
}

static void
go_fleet(struct call *c, const void *q)
{
	(void)q;
	fleet_view_ask(self->view, c, on_fleet, c);
}

static void
on_fleet(void *ctx, const Mf__FleetState *s)
{
	call_reply(ctx, &s->base);
}

/* A node speaks for itself only. */
static void
meta_heartbeat(Mf__Meta_Service *s, const Mf__Beat *q, Mf__BeatAnswer_Closure reply, void *ctx)
{
	struct call *c = ctx;

	(void)s, (void)reply;
	if (strcmp(call_peer(c), q->node) != 0) {
		call_fail(c, ST_PERMISSION_DENIED, "a heartbeat comes from the node itself");
		return;
	}
	lead_call(self->lead, c, go_heartbeat, q);
}

static void
go_heartbeat(struct call *c, const void *q)
{
	Mf__BeatAnswer out = MF__BEAT_ANSWER__INIT;

	out.exit = fleet_state_beat(self->fleet, q);
	call_reply(c, &out.base);
}

static void
meta_mode(Mf__Meta_Service *s, const Mf__Empty *q, Mf__FleetMode_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	lead_call(self->lead, ctx, go_mode, q);
}

static void
go_mode(struct call *c, const void *q)
{
	Mf__FleetMode out = MF__FLEET_MODE__INIT;
	char *isolated[4];

	(void)q;
	isolation_tell(self->isolation, &out, isolated);
	call_reply(c, &out.base);
}

static void
meta_take_traces(Mf__Meta_Service *s, const Mf__TraceBatch *q, Mf__Empty_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	lead_call(self->lead, ctx, go_take_traces, q);
}

static void
go_take_traces(struct call *c, const void *q)
{
	traces_take(self->traces, q);
	call_reply(c, &(Mf__Empty)MF__EMPTY__INIT.base);
}

static struct target *
domain(struct bus *b, const ProtobufCServiceDescriptor *d, const char *const *members,
    uint32_t failures, int64_t limit_us)
{
	struct target *t =
	    target_new(b, &(const struct target_def){ .service = d,
			      .members = members,
			      .breaker = { .failures = failures, .limit_us = limit_us } });

	target_set_limited(t);
	return t;
}

static void
make_metrics(struct meta *m)
{
	static const char *const by_outcome[] = { "outcome", NULL }, *const by_priority[] = {
		"priority", NULL
	};
	static const char *const outcomes[OUTCOMES] = { [OUTCOME_SUCCESS] = "success",
		[OUTCOME_PARTIAL] = "partial",
		[OUTCOME_REFUSED] = "refused",
		[OUTCOME_FAILED] = "failed",
		[OUTCOME_REJECTED] = "rejected",
		[OUTCOME_CANCELLED] = "cancelled" };
	struct metric_family *f = metric_family(METRIC_COUNTER, "metafed_requests_total",
	    "Task requests by outcome. refused: by auth; rejected: before any work.", by_outcome);

	for (int i = 0; i < OUTCOMES; i++)
		m->requests[i] = metric_get(f, &outcomes[i]);
	f = metric_family(METRIC_HISTOGRAM, "metafed_request_seconds",
	    "From arrival at meta to the answer.", by_priority);
	for (uint32_t i = 1; i < SLOTS_PRIORITIES; i++)
		m->seconds[i] =
		    metric_get(f, (const char *const[]){ strategy_priority_name(i), NULL });
	m->remembered = metric_simple(METRIC_COUNTER, "metafed_meta_remembered_total",
	    "Requests answered with the first result of their task_id.");
	m->gauges = gauges_new(m);
	if (fleet_standbys() == 0)
		metric_set(lead_gauge(), 1);
	if (!collecting)
		metric_on_collect(on_collect, NULL);
	collecting = true;
}

static void
on_collect(void *ctx)
{
	(void)ctx;
	if (self == NULL)
		return;
	gauges_show(self->gauges);
	figures_show(self->figures, loop_now(self->loop));
	gather_show(self->gather);
}

static struct slots_policy
slots_policy_of(const struct meta_config *c)
{
	return (struct slots_policy){ (uint32_t)c->slots, (uint32_t)c->reserve, (uint32_t)c->queue,
		(uint32_t)c->share };
}

static struct remember_policy
remember_policy_of(const struct meta_config *c)
{
	return (struct remember_policy){ (uint32_t)c->remember_most, (size_t)c->remember_bytes,
		c->remember_ttl_us };
}
