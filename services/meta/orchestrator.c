/* orchestrator: what level 0 serves and with what it is set up. The work is in execute.c
 * (requests), fleet_state.c and fleet_view.c (processes). */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "meta/fleet_state.h"
#include "meta/fleet_view.h"
#include "meta/gate.h"
#include "meta/meta.h"
#include "meta/orchestrator.h"
#include "meta/remember.h"
#include "proto/api.pb-c.h"
#include "proto/auth.pb-c.h"
#include "proto/database.pb-c.h"

static bool meta_check(const void *, char *, size_t);
static bool meta_init(struct node *);
static void meta_on_reload(struct node *, const void *, const void *);
static void meta_fini(struct node *);
static void
meta_execute(Mf__Meta_Service *, const Mf__TaskRequest *, Mf__TaskResponse_Closure, void *);
static void meta_fleet(Mf__Meta_Service *, const Mf__Empty *, Mf__FleetState_Closure, void *);
static void on_fleet(void *, const Mf__FleetState *);
static void meta_heartbeat(Mf__Meta_Service *, const Mf__Beat *, Mf__BeatAnswer_Closure, void *);
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
	{ "queue", CONFIG_INT, KEY(queue), "1024", 0, 100000, false, false,
	    "requests that wait for a slot" },
	{ "grant_ttl", CONFIG_DURATION, KEY(grant_ttl_us), "5s", 0, 60 * SEC, false, false,
	    "a verified permission serves so long without asking auth again; 0: never" },
	{ "grants_most", CONFIG_INT, KEY(grants_most), "10000", 0, 1000000, false, false,
	    "verified permissions that are kept" },
	{ "remember_most", CONFIG_INT, KEY(remember_most), "10000", 0, 1000000, false, false,
	    "results of raw requests that are kept by task_id" },
	{ "remember_bytes", CONFIG_BYTES, KEY(remember_bytes), "32m", 0, INT64_C(1) << 32, false,
	    false, "memory for these" },
	{ "remember_ttl", CONFIG_DURATION, KEY(remember_ttl_us), "1d", SEC, 30 * 86400 * SEC, false,
	    false, "how long" },
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
	m->gate = gate_new(m);
	m->remember = remember_new(&rp);
	m->fleet = fleet_state_new(m, reports_fd, commands_fd);
	m->view = fleet_view_new(m);
	make_metrics(m);
	self = m;
	return m;
}

void
meta_close(struct meta **mp)
{
	struct meta *m = *mp;

	if (m == NULL)
		return;
	fleet_view_free(&m->view);
	fleet_state_free(&m->fleet);
	gate_free(&m->gate);
	remember_free(&m->remember);
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
	execute_request(self, ctx, q);
}

static void
meta_fleet(Mf__Meta_Service *s, const Mf__Empty *q, Mf__FleetState_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	fleet_view_ask(self->view, ctx, on_fleet, ctx);
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
	Mf__BeatAnswer out = MF__BEAT_ANSWER__INIT;
	struct call *c = ctx;

	(void)s, (void)reply;
	if (strcmp(call_peer(c), q->node) != 0) {
		call_fail(c, ST_PERMISSION_DENIED, "a heartbeat comes from the node itself");
		return;
	}
	out.exit = fleet_state_beat(self->fleet, q);
	call_reply(c, &out.base);
}

static struct target *
domain(struct bus *b, const ProtobufCServiceDescriptor *d, const char *const *members,
    uint32_t failures, int64_t limit_us)
{
	return target_new(b, &(const struct target_def){ .service = d,
				 .members = members,
				 .breaker = { .failures = failures, .limit_us = limit_us } });
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
	static const char *const priorities[SLOTS_PRIORITIES] = { "", "CRITICAL", "HIGH", "MEDIUM",
		"LOW" };
	struct metric_family *f = metric_family(METRIC_COUNTER, "metafed_requests_total",
	    "Task requests by outcome. refused: by auth; rejected: before any work.", by_outcome);

	for (int i = 0; i < OUTCOMES; i++)
		m->requests[i] = metric_get(f, &outcomes[i]);
	f = metric_family(METRIC_HISTOGRAM, "metafed_request_seconds",
	    "From arrival at meta to the answer.", by_priority);
	for (int i = 1; i < SLOTS_PRIORITIES; i++)
		m->seconds[i] = metric_get(f, &priorities[i]);
	m->remembered = metric_simple(METRIC_COUNTER, "metafed_meta_remembered_total",
	    "Requests answered with the first result of their task_id.");
	m->slots_used =
	    metric_simple(METRIC_GAUGE, "metafed_meta_slots_used", "Concurrency slots in use.");
	m->slots_waiting = metric_simple(
	    METRIC_GAUGE, "metafed_meta_slots_waiting", "Requests that wait for a slot.");
	m->grants_kept = metric_simple(
	    METRIC_GAUGE, "metafed_meta_grants_kept", "Verified permissions that are kept.");
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
	metric_set(self->slots_used, self->slots.used);
	metric_set(self->slots_waiting, self->slots.waiting);
	metric_set(self->grants_kept, gate_kept(self->gate));
}

static struct slots_policy
slots_policy_of(const struct meta_config *c)
{
	return (
	    struct slots_policy){ (uint32_t)c->slots, (uint32_t)c->reserve, (uint32_t)c->queue };
}

static struct remember_policy
remember_policy_of(const struct meta_config *c)
{
	return (struct remember_policy){ (uint32_t)c->remember_most, (size_t)c->remember_bytes,
		c->remember_ttl_us };
}
