/* explain: what a request would do, in which order, at which cost, and whether it would begin now.
 * Called by execute and steps. */
#include <string.h>

#include "base/json.h"
#include "base/time.h"
#include "bus/breaker.h"
#include "meta/explain.h"
#include "meta/fleet_state.h"
#include "meta/fleet_view.h"

struct members { /* of one target */
	struct jw *w;
	const char *service;
};

static void say_cost(struct jw *, const struct plan *);
static void say_admission(struct jw *, struct op *);
static void say_step(struct jw *, struct op *, enum step);
static const char *method_of(const struct op *, enum step);
static const struct target *target_of(const struct op *, enum step);
static void say_member(void *, const char *, const char *, enum breaker_state, uint32_t, bool);
static void say_agents(struct jw *, struct op *, const char *);

const struct permits explain_permits = { .n = 1, .names = { "fleet.read" } };

void
explain_begin(struct op *o)
{
	o->explained = o->plan;
	o->plan.steps = STEP_BIT(STEP_GATE) | (o->plan.api_alone ? STEP_BIT(STEP_FORM) : 0);
	for (int s = 0; s < STEPS; s++)
		o->plan.needs[s] &= o->plan.steps;
}

ProtobufCBinaryData
explain_write(struct op *o)
{
	const struct plan *p = &o->explained;
	ProtobufCBinaryData out;
	struct jw w;

	jw_start(&w, call_arena(o->c), 2048);
	jw_object(&w, NULL);
	jw_str(&w, "task_id", o->q->task_id);
	jw_str(&w, "priority", strategy_priority_name(strategy_priority(o->q)));
	jw_int(&w, "deadline_ms", (o->deadline - o->began) / MS);
	say_cost(&w, p);
	jw_array(&w, "permissions");
	for (size_t i = 0; i < o->permits.n; i++)
		jw_str(&w, NULL, o->permits.names[i]);
	jw_close(&w, ']');
	say_admission(&w, o);
	jw_array(&w, "stages");
	for (uint32_t stage = 1; stage <= p->stages; stage++) {
		jw_object(&w, NULL);
		jw_int(&w, "stage", stage);
		jw_array(&w, "steps");
		for (int s = 0; s < STEPS; s++)
			if (p->stage[s] == stage)
				say_step(&w, o, (enum step)s);
		jw_close(&w, ']');
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	jw_close(&w, '}');
	out.data = (uint8_t *)jw_text(&w, &out.len);
	return out;
}

static void
say_cost(struct jw *w, const struct plan *p)
{
	jw_int(w, "score", p->score);
	jw_object(w, "score_of");
	jw_int(w, "domains", p->of_domains);
	jw_int(w, "operations", p->of_operations);
	jw_int(w, "payload", p->of_payload);
	jw_int(w, "stages", p->of_stages);
	jw_close(w, '}');
	jw_int(w, "units", p->units);
}

/* As it is at this moment. The slot that this question itself holds is free again by then. */
static void
say_admission(struct jw *w, struct op *o)
{
	static const char *const verdicts[] = { [SLOT_GO] = "begin",
		[SLOT_WAIT] = "wait",
		[SLOT_FULL] = "refuse_full",
		[SLOT_LATE] = "refuse_late" };
	const struct slots *s = &o->m->slots;
	struct slot_ask like = { .priority = strategy_priority(o->q),
		.units = o->explained.units,
		.kind = op_slot_kind(o->q),
		.asked_at = loop_now(o->m->loop),
		.deadline = o->deadline };
	int64_t wait;

	jw_object(w, "admission");
	jw_str(w, "verdict", verdicts[slots_would(s, &like, like.asked_at, &wait)]);
	jw_int(w, "wait_ms", wait / MS);
	jw_int(w, "slots", s->policy.slots);
	jw_int(w, "reserve", s->policy.reserve);
	jw_int(w, "used", s->all.used - (o->slot.place == SLOT_RUNNING ? o->slot.units : 0));
	jw_int(w, "waiting", s->waiting);
	jw_str(w, "mode", isolation_mode(o->m->isolation));
	jw_close(w, '}');
}

static void
say_step(struct jw *w, struct op *o, enum step s)
{
	const struct target *t = target_of(o, s);
	const char *domain = strategy_domain_name(strategy_domain(s));

	if (t == o->m->auth)
		domain = "auth"; /* users and roles are stored there */
	jw_object(w, NULL);
	jw_str(w, "step", strategy_step_name(s));
	jw_str(w, "domain", domain);
	jw_array(w, "needs");
	for (int n = 0; n < STEPS; n++)
		if ((o->explained.needs[s] & STEP_BIT(n)) != 0)
			jw_str(w, NULL, strategy_step_name((enum step)n));
	jw_close(w, ']');
	if (s == STEP_OWN && o->own_q != NULL)
		jw_str(w, "operation", o->own_q->operation);
	if (t != NULL) {
		struct members m = { w, target_name(t) };

		jw_str(w, "calls", method_of(o, s));
		jw_array(w, "members");
		bus_each_breaker(o->m->bus, say_member, &m);
		jw_close(w, ']');
		say_agents(w, o, domain);
	}
	jw_close(w, '}');
}

static const struct target *
target_of(const struct op *o, enum step s)
{
	switch (strategy_domain(s)) {
	case MF__DOMAIN__DOMAIN_API:
		return o->m->api;
	case MF__DOMAIN__DOMAIN_AUTH:
		return o->m->auth;
	case MF__DOMAIN__DOMAIN_DATABASE:
		return o->has_store && permits_of_auth(o->store.model) ? o->m->auth
		                                                       : o->m->database;
	case MF__DOMAIN__DOMAIN_NONE:
	case MF__DOMAIN__DOMAIN_META:
	case _MF__DOMAIN_IS_INT_SIZE:
		break;
	}
	return NULL;
}

static const char *
method_of(const struct op *o, enum step s)
{
	bool auth = o->has_store && permits_of_auth(o->store.model), reads = op_reads(o);

	switch (s) {
	case STEP_FORM:
	case STEP_FORMAT:
		return "Api.Perform";
	case STEP_GATE:
		return "Auth.Check";
	case STEP_SIGN:
		return strcmp(o->q->auth->operation, "login") == 0     ? "Auth.Login"
		       : strcmp(o->q->auth->operation, "refresh") == 0 ? "Auth.Refresh"
		       : strcmp(o->q->auth->operation, "logout") == 0  ? "Auth.Logout"
		                                                       : "Auth.Web";
	case STEP_STORE:
		return auth ? (reads ? "Auth.Read" : "Auth.Write")
		            : (reads ? "Database.Read" : "Database.Write");
	case STEP_OWN:
	case STEPS:
		break;
	}
	return "";
}

static void
say_member(void *ctx, const char *service, const char *node, enum breaker_state s,
    uint32_t failures, bool connected)
{
	struct members *m = ctx;

	if (strcmp(service, m->service) != 0)
		return;
	jw_object(m->w, NULL);
	jw_str(m->w, "node", node);
	jw_bool(m->w, "connected", connected);
	jw_str(m->w, "breaker", breaker_state_name(s));
	jw_int(m->w, "failures", failures);
	jw_close(m->w, '}');
}

/* Who of level 2 there is for it. Which of them answers is the domain's to choose. */
static void
say_agents(struct jw *w, struct op *o, const char *domain)
{
	struct fleet_row *rows;
	size_t n = fleet_state_rows(o->m->fleet, &rows);

	jw_array(w, "agents");
	for (size_t i = 0; i < n; i++) {
		if (rows[i].level != 2 || strcmp(rows[i].domain, domain) != 0)
			continue;
		jw_object(w, NULL);
		jw_str(w, "node", rows[i].name);
		jw_str(w, "state", contract_state_name(rows[i].state));
		jw_close(w, '}');
	}
	jw_close(w, ']');
}
