/* source_fleet: what happens to the nodes of the fleet: meta's numbered events (Node.Events). A
 * position is "GENERATION.NUMBER" of meta's; its ring holds the last 4096, and a new meta begins a
 * new ring: both show as a gap when something in between was not told. */
#include <stdio.h>
#include <string.h>

#include "api/live/source.h"
#include "base/json.h"
#include "base/time.h"
#include "proto/meta.pb-c.h"

#define POSITION_LEN 44

struct reading { /* in the arena of the read's call */
	struct source_read *read;
	struct rpc *rpc;
	uint64_t generation, seq; /* of the position; 0, 0: the end */
};

static bool position_ok(struct str);
static bool position_read(struct str, uint64_t *, uint64_t *);
static void fleet_read(struct source_read *);
static void on_events(const Mf__EventBatch *, void *);
static bool take_event(struct arena *, uint64_t, const Mf__Event *, struct source_event *);
static const char *position_of(struct arena *, uint64_t, uint64_t);

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
	uint64_t generation, seq;

	return position_read(s, &generation, &seq);
}

static bool
position_read(struct str s, uint64_t *generation, uint64_t *seq)
{
	struct str head, tail;

	return s.n < POSITION_LEN && str_cut(s, '.', &head, &tail) &&
	       str_u64(head, UINT64_MAX, generation) && str_u64(tail, INT64_MAX, seq) &&
	       *generation != 0;
}

static void
fleet_read(struct source_read *r)
{
	struct call *c = source_call(r);
	struct reading *x = ARENA_NEW(call_arena(c), struct reading);
	Mf__EventsFrom q = MF__EVENTS_FROM__INIT;

	x->read = r;
	(void)position_read(str_of(source_position(r)), &x->generation, &x->seq);
	x->rpc = rpc_new(c, bus_node_target(call_bus(c), "meta"), NULL);
	q.generation = x->generation;
	q.seq = x->seq + 1;
	q.most = x->generation == 0 ? 1 : SOURCE_PAGE;
	mf__node__events(&x->rpc->service, &q, on_events, x);
}

static void
on_events(const Mf__EventBatch *m, void *ctx)
{
	struct reading *x = ctx;
	struct arena *a = call_arena(source_call(x->read));
	struct source_page *p = ARENA_NEW(a, struct source_page);
	struct source_event *events;
	uint64_t last;

	if (m == NULL) {
		source_fail(x->read, rpc_failure(x->rpc));
		return;
	}
	events = ARENA_ARRAY(a, struct source_event, m->n_events + 1);
	p->events = events;
	last = m->last_seq;
	if (x->generation != 0 && m->n_events != 0) {
		last = m->events[m->n_events - 1]->seq;
		p->gap = m->events[0]->seq != x->seq + 1;
		for (size_t i = 0; i < m->n_events; i++)
			p->n += take_event(a, m->generation, m->events[i], &events[p->n]);
	}
	if (x->generation != 0 && m->generation != x->generation)
		p->gap = true; /* nobody knows how many the other one had told */
	p->more = x->generation != 0 && last < m->last_seq;
	p->position = position_of(a, m->generation, last);
	source_answer(x->read, p);
}

/* False: it is not about the fleet. */
static bool
take_event(struct arena *a, uint64_t generation, const Mf__Event *e, struct source_event *out)
{
	const Mf__FleetNode *n;
	const char **f;
	struct jw w;

	if (strcmp(e->topic, "fleet.node") != 0)
		return false;
	n = mf__fleet_node__unpack(arena_allocator(a), e->payload.len, e->payload.data);
	if (n == NULL)
		return false;
	f = ARENA_ARRAY(a, const char *, FACTS);
	f[0] = arena_strdup(a, e->topic);
	f[1] = n->name;
	f[2] = n->domain;
	f[3] = n->state;
	jw_start(&w, a, 200);
	jw_object(&w, NULL); /* as /v1/fleet has it, without what has to be asked for */
	jw_str(&w, "name", n->name);
	jw_int(&w, "level", n->level);
	jw_str(&w, "domain", n->domain);
	jw_int(&w, "pid", n->pid);
	jw_str(&w, "state", n->state);
	jw_int(&w, "generation", (int64_t)n->generation);
	jw_int(&w, "restarts", n->restarts);
	if (n->reason[0] != '\0')
		jw_str(&w, "reason", n->reason);
	jw_close(&w, '}');
	*out = (struct source_event){ .position = position_of(a, generation, e->seq),
		.kind = f[0],
		.at_us = (int64_t)e->at,
		.n_facts = FACTS,
		.facts = f };
	out->data = jw_text(&w, &out->data_n);
	return true;
}

static const char *
position_of(struct arena *a, uint64_t generation, uint64_t seq)
{
	return arena_printf(
	    a, "%llu.%llu", (unsigned long long)generation, (unsigned long long)seq);
}
