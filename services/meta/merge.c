/* merge: the last step of a request. Called by execute. */
#include <string.h>

#include "base/json.h"
#include "meta/merge.h"
#include "meta/strategy.h"
#include "node/node.h"

#define NODES_MOST 13 /* distinct names that a list of agents can hold */

/* Whose failure is told when several failed: the gate's first, the form's last. */
static const Mf__Domain order[] = { MF__DOMAIN__DOMAIN_AUTH, MF__DOMAIN__DOMAIN_DATABASE,
	MF__DOMAIN__DOMAIN_META, MF__DOMAIN__DOMAIN_API };
#define N_ORDER (sizeof(order) / sizeof(order[0]))

static void list_domains(struct arena *, const struct merge_in *, Mf__TaskResponse *);
static void take_result(struct arena *, const struct merge_in *, Mf__TaskResponse *);
static void list_agents(struct arena *, const struct merge_in *, Mf__TaskResponse *);
static void add_name(char **, size_t *, const char *);
static void write_trace(struct arena *, const struct merge_in *, Mf__TaskResponse *);
static Mf__TraceLevel *level_new(struct arena *, uint32_t, size_t);
static Mf__Hop *hop_add(struct arena *, Mf__TraceLevel *, const char *, const char *);
static void domain_hops(struct arena *, const struct merge_in *, Mf__TraceLevel *);
static Mf__Hop *hop_of(const Mf__TraceLevel *, const char *);
static int level_of(const char *);
static void write_problem(struct jw *, const Mf__Problem *);
static Mf__Problem *perhaps_made(struct arena *, Mf__Problem *, bool retried);

void
merge_parts(struct arena *a, const struct merge_in *in, Mf__TaskResponse *out)
{
	const struct failure *first = NULL;
	bool worked = false, failed = false, stopped = false, fault = false;

	mf__task_response__init(out);
	out->task_id = (char *)in->task_id;
	for (size_t i = 0; i < N_ORDER; i++) {
		const struct part *p = &in->parts[order[i]];

		/* to be let in is no part of what was asked for */
		worked |= p->state == PART_WORKED && order[i] != MF__DOMAIN__DOMAIN_AUTH;
		stopped |= p->state == PART_STOPPED;
		if (p->state != PART_FAILED)
			continue;
		failed = true;
		fault |= merge_is_fault(p->why);
		if (first == NULL)
			first = p->why;
	}
	out->success = !failed && !stopped;
	out->partial_success =
	    worked && fault && in->parts[MF__DOMAIN__DOMAIN_AUTH].state != PART_FAILED;
	out->cascade_prevented = out->partial_success;
	if (first != NULL) {
		out->problem = perhaps_made(a, merge_problem(a, first), in->retried);
		out->status = out->problem->code;
	}
	list_domains(a, in, out);
	if (out->success || out->partial_success)
		take_result(a, in, out);
	out->principal = (Mf__Principal *)in->who;
	if (in->n_hops != 0)
		list_agents(a, in, out);
	if (in->want_trace)
		write_trace(a, in, out);
}

const char *
merge_unsound(const Mf__TaskResponse *r)
{
	if (r->success && (r->partial_success || r->n_failed_domains != 0 || r->status != ST_OK ||
			      r->problem != NULL))
		return "a success that failed";
	if (!r->success && (r->status == ST_OK || r->problem == NULL))
		return "a failure without a reason";
	if (r->partial_success && (r->n_failed_domains == 0 || r->n_successful_domains == 0))
		return "a partial success that is whole";
	if (r->status == ST_UNAUTHENTICATED && r->result.len != 0)
		return "data for nobody";
	return NULL;
}

/* RESOURCE_EXHAUSTED is no fault of a member, but of the domain for this request: the others' work
 * stands. */
bool
merge_is_fault(const struct failure *f)
{
	return status_is_fault(f->status) || f->status == ST_RESOURCE_EXHAUSTED;
}

Mf__Problem *
merge_problem(struct arena *a, const struct failure *f)
{
	Mf__Problem *p = arena_alloc(a, sizeof(*p));

	mf__problem__init(p);
	p->code = (uint32_t)f->status;
	p->message = (char *)f->message;
	p->reason = (char *)f->reason;
	p->retry_delay_ms = f->retry_ms;
	p->violations = ARENA_ARRAY(a, Mf__Violation *, f->n_violations + 1);
	for (size_t i = 0; i < f->n_violations; i++) {
		Mf__Violation *v = arena_alloc(a, sizeof(*v));

		mf__violation__init(v);
		v->field = (char *)f->violations[i].field;
		v->description = (char *)f->violations[i].what;
		p->violations[p->n_violations++] = v;
	}
	return p;
}

ProtobufCBinaryData
merge_items(struct arena *a, const Mf__StoreResult *r, bool retried)
{
	ProtobufCBinaryData out;
	struct jw w;
	size_t hint = 64;

	for (size_t i = 0; i < r->n_items; i++)
		hint += r->items[i]->data.len + 64;
	jw_start(&w, a, hint);
	jw_object(&w, NULL);
	jw_array(&w, "items");
	for (size_t i = 0; i < r->n_items; i++) {
		const Mf__StoreItem *it = r->items[i];

		jw_object(&w, NULL);
		if (it->problem != NULL) {
			write_problem(&w, perhaps_made(a, it->problem, retried));
		} else {
			jw_raw(&w, "data", it->data.data, it->data.len);
			jw_int(&w, "version", (int64_t)it->version);
			jw_bool(&w, "repeated", it->repeated);
		}
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	jw_close(&w, '}');
	out.data = (uint8_t *)jw_text(&w, &out.len);
	return out;
}

/* An id was taken, perhaps by an earlier try of this very create. */
static Mf__Problem *
perhaps_made(struct arena *a, Mf__Problem *p, bool retried)
{
	return retried && strcmp(p->reason, "ID_TAKEN") == 0
	           ? merge_problem(a, &failure_made_perhaps)
	           : p;
}

static void
list_domains(struct arena *a, const struct merge_in *in, Mf__TaskResponse *out)
{
	out->successful_domains = ARENA_ARRAY(a, char *, MERGE_DOMAINS);
	out->failed_domains = ARENA_ARRAY(a, char *, MERGE_DOMAINS);
	for (uint32_t d = 1; d < MERGE_DOMAINS; d++) {
		char *name = (char *)strategy_domain_name((Mf__Domain)d);

		if (in->parts[d].state == PART_WORKED)
			out->successful_domains[out->n_successful_domains++] = name;
		else if (in->parts[d].state == PART_FAILED)
			out->failed_domains[out->n_failed_domains++] = name;
	}
}

/* Bytes pass through: what the store rendered is what the client gets. */
static void
take_result(struct arena *a, const struct merge_in *in, Mf__TaskResponse *out)
{
	const Mf__StoreResult *s = in->stored;

	if (s != NULL) {
		out->result = s->n_items != 0 ? merge_items(a, s, in->retried) : s->data;
		out->version = s->version;
		out->rows_affected = s->rows_affected;
		out->degraded = s->degraded;
		out->repeated = s->repeated;
		out->retried = in->retried;
		out->session = s->session;
		out->age_us = s->age_us;
		out->raw = s->raw;
		out->n_warnings = s->n_warnings;
		out->warnings = s->warnings;
	} else if (in->own.len != 0) {
		out->result = in->own;
	}
	if (in->formatted.len != 0)
		out->result = in->formatted;
}

static void
list_agents(struct arena *a, const struct merge_in *in, Mf__TaskResponse *out)
{
	out->agents_used = ARENA_ARRAY(a, char *, NODES_MOST);
	out->failed_agents = ARENA_ARRAY(a, char *, NODES_MOST);
	for (size_t i = 0; i < in->n_hops; i++) {
		const Mf__Hop *h = in->hops[i];

		if (level_of(h->node) != 2)
			continue;
		if (status_is_fault((enum status)h->code))
			add_name(out->failed_agents, &out->n_failed_agents, h->node);
		else
			add_name(out->agents_used, &out->n_agents_used, h->node);
	}
}

static void
add_name(char **names, size_t *n, const char *name)
{
	for (size_t i = 0; i < *n; i++)
		if (strcmp(names[i], name) == 0)
			return;
	if (*n < NODES_MOST)
		names[(*n)++] = (char *)name;
}

static void
write_trace(struct arena *a, const struct merge_in *in, Mf__TaskResponse *out)
{
	Mf__TraceLevel *top = level_new(a, 0, 1),
		       *domains = level_new(a, 1, NODES_MOST + MERGE_DOMAINS);
	Mf__TraceLevel *agents = level_new(a, 2, in->n_hops);
	Mf__Hop *self = hop_add(a, top, in->node, "Meta.Execute");

	self->attempt = in->attempt;
	self->duration_us = (uint64_t)in->took_us;
	self->code = out->status;
	self->reason = out->problem != NULL ? out->problem->reason : (char *)"";
	domain_hops(a, in, domains);
	for (size_t i = 0; i < in->n_hops; i++)
		if (level_of(in->hops[i]->node) == 2)
			agents->hops[agents->n_hops++] = (Mf__Hop *)in->hops[i];
	out->execution_trace = ARENA_ARRAY(a, Mf__TraceLevel *, 3);
	out->execution_trace[0] = top;
	out->execution_trace[1] = domains;
	out->execution_trace[2] = agents;
	out->n_execution_trace = 3;
}

/* One hop per domain: from its first call, the time spent in all of them, the outcome that counts.
 * A domain that failed without a single try (nobody there, breaker open) has its hop too. */
static void
domain_hops(struct arena *a, const struct merge_in *in, Mf__TraceLevel *l)
{
	for (size_t i = 0; i < in->n_hops; i++) {
		const Mf__Hop *from = in->hops[i];
		Mf__Hop *h;

		if (level_of(from->node) != 1)
			continue;
		h = hop_of(l, from->node);
		if (h == NULL) {
			h = hop_add(a, l, from->node, from->method);
			h->start_us = from->start_us;
		}
		h->duration_us += from->duration_us;
		h->attempt = from->attempt > h->attempt ? from->attempt : h->attempt;
		h->code = from->code;
		h->reason = from->reason;
	}
	for (uint32_t d = 1; d < MERGE_DOMAINS; d++) {
		const struct part *p = &in->parts[d];
		const char *name = strategy_domain_name((Mf__Domain)d);
		Mf__Hop *h = hop_of(l, name);

		if (d == MF__DOMAIN__DOMAIN_META ||
		    (p->state != PART_WORKED && p->state != PART_FAILED))
			continue;
		if (h == NULL)
			h = hop_add(a, l, name, "");
		h->code = p->state == PART_FAILED ? (uint32_t)p->why->status : ST_OK;
		h->reason = p->state == PART_FAILED ? (char *)p->why->reason : (char *)"";
	}
}

static Mf__Hop *
hop_of(const Mf__TraceLevel *l, const char *node)
{
	for (size_t i = 0; i < l->n_hops; i++)
		if (strcmp(l->hops[i]->node, node) == 0)
			return l->hops[i];
	return NULL;
}

static Mf__TraceLevel *
level_new(struct arena *a, uint32_t level, size_t most)
{
	Mf__TraceLevel *l = arena_alloc(a, sizeof(*l));

	mf__trace_level__init(l);
	l->level = level;
	l->hops = ARENA_ARRAY(a, Mf__Hop *, most + 1);
	return l;
}

static Mf__Hop *
hop_add(struct arena *a, Mf__TraceLevel *l, const char *node, const char *method)
{
	Mf__Hop *h = arena_alloc(a, sizeof(*h));

	mf__hop__init(h);
	h->node = (char *)node;
	h->method = (char *)method;
	l->hops[l->n_hops++] = h;
	return h;
}

static int
level_of(const char *node)
{
	const struct fleet_name *f = fleet_name_find(node);

	return f != NULL ? f->level : -1;
}

static void
write_problem(struct jw *w, const Mf__Problem *p)
{
	jw_object(w, "problem");
	jw_str(w, "code", status_name((enum status)p->code));
	jw_str(w, "message", p->message);
	jw_str(w, "reason", p->reason);
	jw_array(w, "violations");
	for (size_t i = 0; i < p->n_violations; i++) {
		jw_object(w, NULL);
		jw_str(w, "field", p->violations[i]->field);
		jw_str(w, "description", p->violations[i]->description);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_close(w, '}');
}
