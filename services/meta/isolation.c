/* isolation: see isolation.h. All decisions are cascade.c's; what it needs to know is gathered here,
 * and what it decided is carried out, told and counted here. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "meta/cascade.h"
#include "meta/fleet_state.h"
#include "meta/fleet_view.h"
#include "meta/isolation.h"
#include "meta/lead.h"
#include "meta/op.h"
#include "proto/node.pb-c.h"

#define LOOK_US      (250 * MS)
#define PROBE_MOST   (400 * MS) /* whose loop turns answers Node.Info in this time */
#define MEMORY_LOOKS 4          /* of so many one reads how much memory there is */
#define LAG_US       (1 * SEC)
#define LAG_LOOKS    3 /* in a row: one may be a pause of the whole machine */
#define UNSOUND      3
#define UNSOUND_US                                                                                 \
	(5 * SEC) /* without another one: where nobody reads, no sound one comes, either */
/* a failure by a deadline that left less time says nothing about whom it met */
#define FAIR_US (500 * MS)

struct probe {
	struct isolation *isolation;
	Mf__Domain domain;
	struct call *call; /* NULL: none is out */
	struct rpc *rpc;
};

struct isolation {
	struct meta *meta;
	struct cascade cascade;
	struct timer timer;
	int64_t due_us; /* when the timer should have run */
	bool busy;      /* requests came since the last look */
	bool full;      /* some was refused for lack of a slot since then */
	bool had_agents[CASCADE_DOMAINS];
	uint64_t generation[CASCADE_DOMAINS]; /* of the domain's process */
	unsigned looks, late, unsound;
	int64_t unsound_us; /* the last one */
	uint64_t number;
	/* as told */
	unsigned isolated;
	enum fleet_mode told_mode;
	uint32_t told_least;
	enum severity severity;
	struct rng rng;
	struct probe probes[CASCADE_DOMAINS];
	struct metric *mode, *shed[PRIORITIES], *isolations[CASCADE_DOMAINS],
	    *is_isolated[CASCADE_DOMAINS];
};

static void on_timer(struct timer *);
static void look(struct isolation *);
static void look_at_self(struct isolation *, int64_t);
static void look_at_domain(struct isolation *, Mf__Domain, int64_t);
static void take_word(void *, const char *, const char *, enum breaker_state, uint32_t, bool);
static bool gone(const struct fleet_row *);
static const struct target *target_of(const struct meta *, Mf__Domain);
static void probe_start(struct isolation *, Mf__Domain);
static void on_info(const Mf__NodeInfo *, void *);
static void on_probed(struct call *, const struct call_end *, void *);
static void tell(struct isolation *);
static void log_domains(const struct isolation *, unsigned, unsigned);
static const struct failure *refuse(struct op *, enum status, const char *, const char *, uint32_t);
static enum trouble trouble_of(const struct failure *);
static bool is_short(const struct op *);
static void make_metrics(struct isolation *);

struct isolation *
isolation_new(struct meta *m)
{
	struct isolation *i = mem_zalloc(sizeof(*i));

	i->meta = m;
	i->told_least = PRIORITIES - 1;
	cascade_init(&i->cascade, loop_now(m->loop));
	i->cascade.observe = m->node != NULL && node_common(m->node)->breakers != NULL &&
	                     strcmp(node_common(m->node)->breakers, "observe") == 0;
	timer_init(&i->timer, m->loop, on_timer);
	rng_seed(&i->rng, id_random_u64());
	for (int d = 1; d < CASCADE_DOMAINS; d++)
		i->probes[d] = (struct probe){ i, (Mf__Domain)d, NULL, NULL };
	make_metrics(i);
	return i;
}

void
isolation_free(struct isolation **ip)
{
	struct isolation *i = *ip;

	*ip = NULL;
	if (i == NULL)
		return;
	for (int d = 1; d < CASCADE_DOMAINS; d++)
		if (i->probes[d].call != NULL)
			call_cancel(i->probes[d].call);
	timer_stop(&i->timer);
	free(i);
}

/* --- of a request --- */

const struct failure *
isolation_admit(struct op *o)
{
	struct isolation *i = o->m->isolation;
	uint32_t priority = strategy_priority(o->q), retry_ms;
	enum cascade_verdict v;

	if (!i->busy) {
		i->busy = true;
		if (i->timer.at_us == 0)
			isolation_look(i);
	}
	v = cascade_admit(&i->cascade, priority, essential_need(o->q));
	if (v == CASCADE_GO)
		return NULL;
	metric_inc(i->shed[priority]);
	retry_ms = cascade_retry_ms(&i->cascade);
	if (v == CASCADE_ESSENTIAL)
		return refuse(o, ST_RESOURCE_EXHAUSTED, "ESSENTIAL_ONLY",
		    "only essential services go on: reads, verification, the fleet's state",
		    retry_ms);
	return refuse(o, ST_RESOURCE_EXHAUSTED, v == CASCADE_SHED ? "SHED" : "THROTTLED",
	    "more important requests go first at the moment", retry_ms);
}

const struct failure *
isolation_pass(struct op *o, enum step s, Mf__Domain d)
{
	struct isolation *i = o->m->isolation;
	struct cascade_domain *x = &i->cascade.domains[d];

	if (cascade_pass(x, strategy_priority(o->q) == 1, loop_now(o->m->loop))) {
		o->out[s] = (uint8_t)d;
		o->passed_us = loop_now(o->m->loop);
		return NULL;
	}
	if (x->state == CASCADE_ISOLATED)
		return refuse(o, ST_UNAVAILABLE, "ISOLATED",
		    arena_printf(call_arena(o->c), "the %s domain is isolated: %s",
			strategy_domain_name(d), x->why),
		    1000);
	return refuse(o, ST_UNAVAILABLE, "RECOVERING",
	    arena_printf(call_arena(o->c), "the %s domain takes only a part of its work: %s",
		strategy_domain_name(d), x->why),
	    1000);
}

void
isolation_back(struct op *o, enum step s, const struct failure *f)
{
	struct isolation *i = o->m->isolation;
	struct cascade_domain *d = &i->cascade.domains[o->out[s]];

	if (o->out[s] == 0)
		return;
	o->out[s] = 0;
	if (f != NULL && f->status == ST_DEADLINE_EXCEEDED && is_short(o)) {
		cascade_left(d);
		return;
	}
	cascade_answered(&i->cascade, d, trouble_of(f), loop_now(o->m->loop));
	if (f != NULL && status_is_fault(f->status))
		isolation_look(i);
}

void
isolation_end(struct op *o, const Mf__TaskResponse *r)
{
	struct isolation *i = o->m->isolation;
	int64_t now = loop_now(o->m->loop);
	bool late = now >= o->deadline && !is_short(o);

	for (int s = 0; s < STEPS; s++) {
		if (o->out[s] == 0)
			continue;
		if (late)
			cascade_answered(
			    &i->cascade, &i->cascade.domains[o->out[s]], TROUBLE_ERRORS, now);
		else
			cascade_left(&i->cascade.domains[o->out[s]]);
		o->out[s] = 0;
	}
	/* Of one class of work: what is longer by nature (a log-in hashes, a bulk is many) and what
	 * waits by intent (a restart) says nothing about the fleet. */
	if (r != NULL && o->own_q == NULL && (o->plan.steps & STEP_BIT(STEP_SIGN)) == 0 &&
	    o->store.n_members == 0)
		throttle_took(&i->cascade.throttle, now - o->began, now);
}

void
isolation_full(struct isolation *i)
{
	i->full = true;
	throttle_took(&i->cascade.throttle, INT64_MAX, loop_now(i->meta->loop));
}

void
isolation_unsound(struct isolation *i, bool unsound)
{
	i->unsound = unsound ? i->unsound + 1 : 0;
	if (unsound)
		i->unsound_us = loop_now(i->meta->loop);
	if (i->unsound >= UNSOUND) {
		i->cascade.impaired |= IMPAIRED_UNSOUND;
		isolation_look(i);
	}
}

static const struct failure *
refuse(struct op *o, enum status s, const char *reason, const char *message, uint32_t retry_ms)
{
	struct failure *f = ARENA_NEW(call_arena(o->c), struct failure);

	/* who is refused together does not come again together */
	*f = (struct failure){ .status = s,
		.reason = reason,
		.message = message,
		.retry_ms = retry_ms + rng_below(&o->m->isolation->rng, retry_ms / 2 + 1) };
	return f;
}

/* A domain that says itself what it lacks for this one request (a store is down: STORE_DOWN) is well,
 * and the next request may not need that: only what nobody has explained counts, or the bus has. */
static enum trouble
trouble_of(const struct failure *f)
{
	static const char *const of_the_bus[] = { "", "BAD_ANSWER", "BREAKER_OPEN", "DEADLINE",
		"DRAINING", "FAULT_INJECTED", "NO_MEMBER", "NO_SERVICE", "PEER_LOST", "PEER_SILENT",
		"TRY_LIMIT", NULL };

	if (f == NULL ||
	    (f->status == ST_UNAVAILABLE && !essential_is_one_of(f->reason, of_the_bus)))
		return TROUBLE_NONE;
	return cascade_trouble(f->status);
}

/* A client's own short deadline is not held against anybody. */
static bool
is_short(const struct op *o)
{
	return loop_now(o->m->loop) - o->passed_us < FAIR_US;
}

/* --- looking --- */

void
isolation_look(struct isolation *i)
{
	if (i == NULL || i->meta->fleet == NULL)
		return;
	look(i);
	if (i->timer.at_us == 0) {
		i->due_us = loop_now(i->meta->loop) + LOOK_US;
		timer_at(&i->timer, i->due_us);
	}
}

static void
on_timer(struct timer *t)
{
	struct isolation *i = container_of(t, struct isolation, timer);
	int64_t now = loop_now(i->meta->loop);
	bool busy = i->busy;

	i->late = now - i->due_us > LAG_US ? i->late + 1 : 0;
	i->busy = false;
	look_at_self(i, now);
	look(i);
	i->full = false;
	if (!busy && cascade_calm(&i->cascade))
		return;
	i->due_us = now + LOOK_US;
	timer_at(t, i->due_us);
}

static void
look(struct isolation *i)
{
	int64_t now = loop_now(i->meta->loop);
	const struct slots *s = &i->meta->slots;
	bool full = i->full || s->waiting != 0 || s->all.used * 2 >= s->policy.slots;

	for (int d = 1; d < CASCADE_DOMAINS; d++)
		look_at_domain(i, (Mf__Domain)d, now);
	bus_each_breaker(i->meta->bus, take_word, i);
	if (cascade_look(&i->cascade, full, now, rng_unit(&i->rng)))
		tell(i);
	if (i->cascade.severity != i->severity) {
		i->severity = i->cascade.severity;
		log_info("severity", L_STR("now", severity_name(i->severity)));
	}
	for (int d = 1; d < CASCADE_DOMAINS; d++)
		if (i->probes[d].call == NULL && cascade_wants_probe(&i->cascade.domains[d], now))
			probe_start(i, (Mf__Domain)d);
}

static void
look_at_self(struct isolation *i, int64_t now)
{
	uint64_t most = (uint64_t)i->meta->config.memory_most;
	unsigned *bits = &i->cascade.impaired;

	if (now - i->unsound_us >= UNSOUND_US)
		i->unsound = 0;
	*bits &= ~(unsigned)(IMPAIRED_LAG | IMPAIRED_UNSOUND);
	if (i->late >= LAG_LOOKS)
		*bits |= IMPAIRED_LAG;
	if (i->unsound >= UNSOUND)
		*bits |= IMPAIRED_UNSOUND;
	if (i->looks++ % MEMORY_LOOKS != 0)
		return;
	*bits &= ~(unsigned)IMPAIRED_MEMORY;
	if (most != 0 && fleet_view_rss(getpid()) > most)
		*bits |= IMPAIRED_MEMORY;
}

static void
look_at_domain(struct isolation *i, Mf__Domain d, int64_t now)
{
	struct cascade_domain *x = &i->cascade.domains[d];
	const char *name = strategy_domain_name(d);
	uint32_t agents = 0, lost = 0;
	struct fleet_row *rows;
	size_t n = fleet_state_rows(i->meta->fleet, &rows);

	for (size_t k = 0; k < n; k++) {
		if (rows[k].generation == 0)
			continue; /* nothing is known of it */
		if (strcmp(rows[k].name, name) == 0) {
			x->given_up = rows[k].state == NODE_FAILED;
			/* another process: it may have come between two looks */
			if (rows[k].generation != i->generation[d] && i->generation[d] != 0)
				cascade_contact(x, false, now);
			i->generation[d] = rows[k].generation;
		} else if (rows[k].level == 2 && strcmp(rows[k].domain, name) == 0) {
			agents++;
			lost += gone(&rows[k]);
		}
	}
	i->had_agents[d] |= lost < agents; /* else they are starting */
	cascade_agents(x, i->had_agents[d] ? agents : 0, i->had_agents[d] ? lost : 0, now);
	cascade_contact(x, target_ready(target_of(i->meta, d)), now);
	x->unfit = false; /* unless it says so: take_word */
}

/* What a domain says of itself in its frames. */
static void
take_word(void *ctx, const char *service, const char *node, enum breaker_state s, uint32_t failures,
    bool connected)
{
	struct isolation *i = ctx;

	(void)service, (void)failures;
	for (int d = 1; d < CASCADE_DOMAINS && s == BREAKER_UNFIT && connected; d++)
		if (strcmp(node, strategy_domain_name((Mf__Domain)d)) == 0)
			i->cascade.domains[d].unfit = true;
}

static bool
gone(const struct fleet_row *r)
{
	return r->state != NODE_READY && r->state != NODE_DRAINING;
}

static const struct target *
target_of(const struct meta *m, Mf__Domain d)
{
	const struct target *const of[CASCADE_DOMAINS] = { [MF__DOMAIN__DOMAIN_API] = m->api,
		[MF__DOMAIN__DOMAIN_DATABASE] = m->database,
		[MF__DOMAIN__DOMAIN_AUTH] = m->auth };

	return of[d];
}

/* A loop that turns answers this, whatever its calls wait for. */
static void
probe_start(struct isolation *i, Mf__Domain d)
{
	Mf__Empty empty = MF__EMPTY__INIT;
	struct probe *p = &i->probes[d];

	p->call = call_root(i->meta->bus,
	    &(const struct call_opts){ .limit_us = PROBE_MOST, .done = on_probed, .ctx = p });
	p->rpc = rpc_new(p->call, bus_node_target(i->meta->bus, strategy_domain_name(d)),
	    &(const struct rpc_opts){ .once = true, .quiet = true });
	mf__node__info(&p->rpc->service, &empty, on_info, p);
}

static void
on_info(const Mf__NodeInfo *m, void *ctx)
{
	struct probe *p = ctx;

	if (m == NULL)
		call_fail_with(p->call, rpc_failure(p->rpc));
	else
		call_reply(p->call, &m->base);
}

static void
on_probed(struct call *c, const struct call_end *end, void *ctx)
{
	struct probe *p = ctx;
	struct isolation *i = p->isolation;

	(void)c;
	p->call = NULL;
	if (i->meta->isolation == NULL)
		return; /* it is being closed */
	cascade_probed(&i->cascade.domains[p->domain], end->failure == NULL,
	    loop_now(i->meta->loop), rng_unit(&i->rng));
	isolation_look(i);
}

/* --- telling --- */

const char *
isolation_mode(const struct isolation *i)
{
	return fleet_mode_name(i->cascade.mode);
}

void
isolation_tell(const struct isolation *i, Mf__FleetMode *out, char *isolated[4])
{
	const struct cascade *c = &i->cascade;

	out->mode = (char *)(uintptr_t)fleet_mode_name(c->mode);
	out->least_priority = cascade_least_priority(c);
	out->isolated = isolated;
	for (int d = 1; d < CASCADE_DOMAINS; d++) {
		if (c->domains[d].state != CASCADE_ISOLATED)
			continue;
		isolated[out->n_isolated++] =
		    (char *)(uintptr_t)strategy_domain_name((Mf__Domain)d);
		out->reason = (char *)(uintptr_t)c->domains[d].why;
	}
	if (c->mode != MODE_NORMAL)
		out->retry_ms = cascade_retry_ms(c);
	if (c->mode == MODE_ESSENTIAL)
		out->reason = (char *)(uintptr_t) "meta itself is impaired";
	else if (c->throttle.refused > 0)
		out->reason = (char *)(uintptr_t) "most requests take longer than 500 ms";
	/* of a later leader: newer, whatever an earlier one had counted */
	out->number = lead_number(i->meta->lead) << 32 | i->number;
}

void
isolation_announce(struct isolation *i)
{
	tell(i);
}

static void
tell(struct isolation *i)
{
	Mf__FleetMode m = MF__FLEET_MODE__INIT;
	unsigned isolated = cascade_isolated(&i->cascade);
	bool worse = (isolated & ~i->isolated) != 0 || i->cascade.mode > i->told_mode ||
	             cascade_least_priority(&i->cascade) < i->told_least;
	char *names[4];

	i->number++;
	isolation_tell(i, &m, names);
	if (lead_is(i->meta->lead)) /* one voice speaks of the fleet */
		bus_publish(i->meta->bus, "fleet.mode", &m.base);
	metric_set(i->mode, i->cascade.mode);
	log_domains(i, isolated & ~i->isolated, i->isolated & ~isolated);
	i->isolated = isolated;
	i->told_mode = i->cascade.mode;
	i->told_least = m.least_priority;
	if (!worse)
		log_info("fleet_mode", L_STR("mode", m.mode), L_INT("number", m.number),
		    L_INT("least_priority", m.least_priority));
	else
		log_warn("fleet_mode", L_STR("mode", m.mode), L_INT("number", m.number),
		    L_INT("least_priority", m.least_priority), L_STR("why", m.reason));
}

static void
log_domains(const struct isolation *i, unsigned now, unsigned no_more)
{
	for (int d = 1; d < CASCADE_DOMAINS; d++) {
		const char *name = strategy_domain_name((Mf__Domain)d);

		if ((now & 1u << d) != 0) {
			metric_inc(i->isolations[d]);
			metric_set(i->is_isolated[d], 1);
			log_warn("domain_isolated", L_STR("domain", name),
			    L_STR("why", i->cascade.domains[d].why),
			    L_STR("severity", severity_name(i->cascade.severity)));
		} else if ((no_more & 1u << d) != 0) {
			metric_set(i->is_isolated[d], 0);
			log_info("domain_readmitted", L_STR("domain", name));
		}
	}
}

static void
make_metrics(struct isolation *i)
{
	static const char *const by_priority[] = { "priority", NULL }, *const by_domain[] = {
		"domain", NULL
	};
	static const char *const priorities[PRIORITIES] = { "", "CRITICAL", "HIGH", "MEDIUM",
		"LOW" };
	struct metric_family *f;

	i->mode = metric_simple(METRIC_GAUGE, "metafed_meta_mode",
	    "How much the fleet takes on: 0 normal, 1 shedding, 2 throttled, 3 essential.");
	metric_set(i->mode, MODE_NORMAL);
	f = metric_family(METRIC_COUNTER, "metafed_meta_shed_total",
	    "Requests that the mode of the fleet refused.", by_priority);
	for (int p = 1; p < PRIORITIES; p++)
		i->shed[p] = metric_get(f, &priorities[p]);
	f = metric_family(METRIC_COUNTER, "metafed_meta_isolations_total",
	    "Times that a domain was isolated.", by_domain);
	for (int d = 1; d < CASCADE_DOMAINS; d++) {
		const char *name = strategy_domain_name((Mf__Domain)d);

		i->isolations[d] = metric_get(f, &name);
		i->is_isolated[d] = metric_get(metric_family(METRIC_GAUGE, "metafed_meta_isolated",
						   "1: the domain is isolated now.", by_domain),
		    &name);
	}
}
