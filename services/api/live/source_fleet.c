/* source_fleet: what happens to the nodes of the fleet, and, for who asks for it, which failures are
 * new there: meta's numbered events (Node.Events). A position is "GENERATION.NUMBER" of meta's; its
 * ring holds the last 4096, and a new meta begins a new ring: both show as a gap when something in
 * between was not told.
 *
 * Where others stand by for meta, it is the ring of whoever leads, and a position of one of the others
 * has his place at its end, "GENERATION.NUMBER.2". No number of one ring says anything of another: a
 * take-over is a gap, and what comes next begins at the end of the new leader's ring. */
#include <stdio.h>
#include <string.h>

#include "api/live/source.h"
#include "base/json.h"
#include "base/time.h"
#include "node/node.h"
#include "proto/meta.pb-c.h"

#define POSITION_LEN 44
#define PLACE_MOST   3

struct position {
	uint64_t generation, seq; /* 0, 0: the end */
	uint64_t place;           /* of whose ring it is: 1 is meta, 2 meta-2 */
};

struct reading { /* in the arena of the read's call */
	struct source_read *read;
	struct rpc *rpc;
	struct position from;
	uint64_t place; /* of who is asked */
};

static bool position_ok(struct str);
static bool position_read(struct str, struct position *);
static void fleet_read(struct source_read *);
static void on_leader(const Mf__FleetMode *, void *);
static void ask(struct reading *, const char *);
static void on_events(const Mf__EventBatch *, void *);
static bool take_event(struct reading *, uint64_t, const Mf__Event *, struct source_event *);
static bool take_node(struct arena *, const Mf__Event *, const char **, struct jw *);
static bool take_pattern(struct arena *, const Mf__Event *, const char **, struct jw *);
static const char *position_of(const struct reading *, uint64_t, uint64_t);

static const char *const facts[] = { "kind", "name", "domain", "state", NULL };
#define FACTS (sizeof(facts) / sizeof(facts[0]) - 1)

const struct source source_fleet = {
	.topic = "fleet",
	.bell = "fleet",
	.permission = "fleet.read",
	.facts = facts,
	.position_ok = position_ok,
	.read = fleet_read,
};

static bool
position_ok(struct str s)
{
	struct position p;

	return position_read(s, &p);
}

static bool
position_read(struct str s, struct position *p)
{
	struct str generation, rest, seq, place;

	p->place = 1;
	return s.n < POSITION_LEN && str_cut(s, '.', &generation, &rest) &&
	       str_u64(generation, UINT64_MAX, &p->generation) && p->generation != 0 &&
	       (str_cut(rest, '.', &seq, &place)
		       ? str_u64(place, PLACE_MOST, &p->place) && p->place > 1
		       : true) &&
	       str_u64(seq, INT64_MAX, &p->seq);
}

static void
fleet_read(struct source_read *r)
{
	struct call *c = source_call(r);
	struct reading *x = ARENA_NEW(call_arena(c), struct reading);

	x->read = r;
	if (!position_read(str_of(source_position(r)), &x->from))
		x->from = (struct position){ 0 };
	if (fleet_standbys() > 0)
		x->rpc = ops_leader(c, on_leader, x);
	else
		ask(x, fleet_meta()[0]);
}

/* Only who leads answers that. */
static void
on_leader(const Mf__FleetMode *m, void *ctx)
{
	struct reading *x = ctx;

	if (m == NULL)
		source_fail(x->read, rpc_failure(x->rpc));
	else
		ask(x, rpc_node(x->rpc));
}

static void
ask(struct reading *x, const char *node)
{
	const char *const *all = fleet_meta();
	struct call *c = source_call(x->read);
	Mf__EventsFrom q = MF__EVENTS_FROM__INIT;

	for (x->place = 1; all[x->place] != NULL && strcmp(all[x->place - 1], node) != 0;)
		x->place++;
	x->rpc = rpc_new(c, bus_node_target(call_bus(c), node), NULL);
	q.generation = x->from.generation;
	q.seq = x->from.seq + 1;
	q.most = x->from.generation == 0 || x->from.place != x->place ? 1 : SOURCE_PAGE;
	mf__node__events(&x->rpc->service, &q, on_events, x);
}

static void
on_events(const Mf__EventBatch *m, void *ctx)
{
	struct reading *x = ctx;
	const struct position *from = &x->from;
	struct arena *a = call_arena(source_call(x->read));
	struct source_page *p = ARENA_NEW(a, struct source_page);
	bool begins = from->generation == 0, moved = !begins && from->place != x->place;
	struct source_event *events;
	uint64_t last;

	if (m == NULL) {
		source_fail(x->read, rpc_failure(x->rpc));
		return;
	}
	events = ARENA_ARRAY(a, struct source_event, m->n_events + 1);
	p->events = events;
	last = m->last_seq;
	if (!begins && !moved && m->n_events != 0) {
		last = m->events[m->n_events - 1]->seq;
		p->gap = m->events[0]->seq != from->seq + 1;
		for (size_t i = 0; i < m->n_events; i++)
			p->n += take_event(x, m->generation, m->events[i], &events[p->n]);
	}
	if (moved || (!begins && m->generation != from->generation))
		p->gap = true; /* nobody knows how many the other one had told */
	p->more = !begins && last < m->last_seq;
	p->position = position_of(x, m->generation, last);
	source_answer(x->read, p);
}

static const struct {
	const char *topic;
	bool (*take)(struct arena *, const Mf__Event *, const char **, struct jw *);
	bool asked;
} kinds[] = {
	{ "fleet.node", take_node, false },
	{ "error.pattern", take_pattern, true },
};

/* False: it is not about the fleet. */
static bool
take_event(struct reading *x, uint64_t generation, const Mf__Event *e, struct source_event *out)
{
	struct arena *a = call_arena(source_call(x->read));
	const char **f = ARENA_ARRAY(a, const char *, FACTS);
	struct jw w;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(e->topic, kinds[i].topic) != 0)
			continue;
		f[0] = kinds[i].topic;
		jw_start(&w, a, 300);
		jw_object(&w, NULL);
		if (!kinds[i].take(a, e, f, &w))
			return false;
		jw_close(&w, '}');
		*out = (struct source_event){ .position = position_of(x, generation, e->seq),
			.kind = f[0],
			.at_us = (int64_t)e->at,
			.n_facts = FACTS,
			.facts = f,
			.asked = kinds[i].asked };
		out->data = jw_text(&w, &out->data_n);
		return true;
	}
	return false;
}

/* As /v1/fleet has it, without what has to be asked for. */
static bool
take_node(struct arena *a, const Mf__Event *e, const char **f, struct jw *w)
{
	const Mf__FleetNode *n =
	    mf__fleet_node__unpack(arena_allocator(a), e->payload.len, e->payload.data);

	if (n == NULL)
		return false;
	f[1] = n->name;
	f[2] = n->domain;
	f[3] = n->state;
	jw_str(w, "name", n->name);
	jw_int(w, "level", n->level);
	jw_str(w, "domain", n->domain);
	jw_int(w, "pid", n->pid);
	jw_str(w, "state", n->state);
	jw_int(w, "generation", (int64_t)n->generation);
	jw_int(w, "restarts", n->restarts);
	if (n->reason[0] != '\0')
		jw_str(w, "reason", n->reason);
	return true;
}

/* As /v1/errors has it, as far as it is known at that moment. */
static bool
take_pattern(struct arena *a, const Mf__Event *e, const char **f, struct jw *w)
{
	const Mf__ErrorPattern *p =
	    mf__error_pattern__unpack(arena_allocator(a), e->payload.len, e->payload.data);
	const struct fleet_name *node = p != NULL ? fleet_name_find(p->node) : NULL;

	if (p == NULL)
		return false;
	f[1] = p->node;
	f[2] = node != NULL ? node->domain : "";
	f[3] = "";
	jw_str(w, "fingerprint", p->fingerprint);
	jw_str(w, "node", p->node);
	jw_str(w, "method", p->method);
	jw_str(w, "status", p->status);
	jw_str(w, "cause", p->cause);
	jw_str(w, "message", p->message);
	jw_int(w, "count", (int64_t)p->count);
	jw_int(w, "in_1m", (int64_t)p->in_1m);
	jw_time(w, "first_at", (int64_t)p->first_at);
	return true;
}

static const char *
position_of(const struct reading *x, uint64_t generation, uint64_t seq)
{
	struct arena *a = call_arena(source_call(x->read));
	const char *text =
	    arena_printf(a, "%llu.%llu", (unsigned long long)generation, (unsigned long long)seq);

	return x->place == 1 ? text
	                     : arena_printf(a, "%s.%llu", text, (unsigned long long)x->place);
}
