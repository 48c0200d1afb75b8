/* source_tasks: what happens to tasks: the durable log in PostgreSQL, by Database.Events, which keeps
 * the events of a day. Positions are the log's. */
#include <string.h>

#include "api/live/source.h"
#include "base/json.h"

#define POSITION_MOST 64

struct reading { /* in the arena of the read's call */
	struct source_read *read;
	struct rpc *rpc;
	Mf__EventsAfter q;
};

static bool position_ok(struct str);
static void tasks_read(struct source_read *);
static void on_events(const Mf__EventPage *, void *);
static void take_event(struct arena *, const Mf__TaskEvent *, struct source_event *);
static const char *priority_name(Mf__Priority);

static const char *const facts[] = { "kind", "id", "namespace", "state", "type", "priority",
	"created_by", NULL };
#define FACTS (sizeof(facts) / sizeof(facts[0]) - 1)

const struct source source_tasks = {
	.topic = "tasks",
	.bell = "task",
	.permission = "task.read",
	.facts = facts,
	.position_ok = position_ok,
	.read = tasks_read,
};

/* Opaque, and it comes back as it is: the log itself says whether it is one of its own. */
static bool
position_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.n != 0 && s.n <= POSITION_MOST;
}

static void
tasks_read(struct source_read *r)
{
	struct call *c = source_call(r);
	struct reading *x = ARENA_NEW(call_arena(c), struct reading);

	x->read = r;
	mf__events_after__init(&x->q);
	x->q.position = (char *)source_position(r);
	x->q.most = SOURCE_PAGE;
	x->rpc = ops_events(c, &x->q, on_events, x);
}

static void
on_events(const Mf__EventPage *m, void *ctx)
{
	struct reading *x = ctx;
	struct arena *a = call_arena(source_call(x->read));
	struct source_page *p = ARENA_NEW(a, struct source_page);
	struct source_event *events;

	if (m == NULL) {
		source_fail(x->read, rpc_failure(x->rpc));
		return;
	}
	events = ARENA_ARRAY(a, struct source_event, m->n_events + 1);
	for (; p->n < m->n_events; p->n++)
		take_event(a, m->events[p->n], &events[p->n]);
	p->events = events;
	p->position = m->position;
	p->gap = m->gap;
	p->more = m->n_events >= SOURCE_PAGE;
	source_answer(x->read, p);
}

static void
take_event(struct arena *a, const Mf__TaskEvent *e, struct source_event *out)
{
	const char **f = ARENA_ARRAY(a, const char *, FACTS);
	struct jw w;

	f[0] = e->kind;
	f[1] = e->task_id;
	f[2] = e->namespace_;
	f[3] = e->state;
	f[4] = e->type;
	f[5] = priority_name(e->priority);
	f[6] = e->created_by;
	jw_start(&w, a, 300);
	jw_object(&w, NULL);
	jw_str(&w, "id", e->task_id);
	jw_str(&w, "namespace", e->namespace_);
	jw_int(&w, "version", (int64_t)e->version);
	jw_str(&w, "state", e->state);
	jw_str(&w, "type", e->type);
	jw_str(&w, "priority", f[5]);
	jw_str(&w, "created_by", e->created_by[0] == '\0' ? NULL : e->created_by);
	jw_close(&w, '}');
	*out = (struct source_event){ .position = e->position,
		.kind = e->kind,
		.at_us = (int64_t)e->at,
		.n_facts = FACTS,
		.facts = f };
	out->data = jw_text(&w, &out->data_n);
}

static const char *
priority_name(Mf__Priority p)
{
	const ProtobufCEnumValue *v =
	    protobuf_c_enum_descriptor_get_value(&mf__priority__descriptor, (int)p);

	return v == NULL || p == MF__PRIORITY__PRIORITY_NONE ? "MEDIUM" : v->name;
}
