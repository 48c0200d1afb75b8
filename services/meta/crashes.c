/* crashes: see crashes.h. Called by fleet_state (reports) and own (questions). */
#include "meta/crashes.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "meta/evidence.h"
#include "meta/meta.h"
#include "meta/own.h"
#include "node/node.h"

#define LIST_LEAST 100
#define LIST_MOST  1000

struct settling { /* one job; its own until it is done */
	struct work work;
	const char *var;
	struct evidence_end end;
	char id[EVIDENCE_ID_MAX];
};

struct question {
	struct work work;
	struct call_dep dep;
	struct own_ask *ask; /* NULL: nobody waits any more */
	const char *var;
	char id[EVIDENCE_ID_MAX];   /* "": the list */
	char node[EVIDENCE_ID_MAX]; /* "": of all */
	size_t limit;
	json_t *answer; /* NULL: there is none */
};

static void settle(struct work *w);
static void on_settled(struct work *w, bool dropped);
static void ask(struct own_ask *o, const struct question *what);
static void find(struct work *w);
static void on_found(struct work *w, bool dropped);
static void on_call_ended(struct call_dep *d);
static bool read_limit(const json_t *v, size_t *out);

/* Of its ends before, an orchestrator before us may have made the records: then nothing is left to make
 * one of. */
void
crashes_see(struct meta *m, struct fleet_row *r, const struct contract_report *p)
{
	bool first = !r->reported, ended = p->exits != r->exits;
	struct settling *s;

	r->reported = true;
	r->exits = p->exits;
	if (m->node == NULL || (!first && !ended && p->generation == r->generation))
		return;
	s = mem_zalloc(sizeof(*s));
	s->work = (struct work){ .run = settle, .done = on_settled };
	s->var = node_var(m->node);
	s->end = (struct evidence_end){ .running = p->generation + (p->pid == 0),
		.generation = p->end == END_NONE ? 0 : p->generation - p->end_back,
		.end = p->end,
		.end_code = p->end_code,
		.pid = first ? 0 : r->pid,
		.ran_us = first || r->since_us == 0 ? 0 : loop_now(m->loop) - r->since_us,
		.seen = !first && ended };
	memcpy(s->end.node, r->name, sizeof(s->end.node));
	if (!work_start(node_work(m->node), &s->work))
		free(s); /* what is left is found at its next end, or by our next one */
}

void
own_crashes(struct own_ask *o)
{
	json_t *v = own_arguments(o);
	struct question q = { .limit = LIST_LEAST };
	const char *node = json_string_value(json_object_get(v, "node"));

	if (!read_limit(json_object_get(v, "limit"), &q.limit)) {
		own_fail(o, ST_INVALID_ARGUMENT, "", "limit: must be a number from 1 to 1000");
		return;
	}
	snprintf(q.node, sizeof(q.node), "%s", node != NULL ? node : "");
	ask(o, &q);
}

void
own_crash(struct own_ask *o)
{
	struct question q = { .limit = 1 };

	if (strlen(o->q->node) >= sizeof(q.id)) {
		own_fail(o, ST_NOT_FOUND, "", "there is no crash of this id");
		return;
	}
	memcpy(q.id, o->q->node, strlen(o->q->node) + 1);
	ask(o, &q);
}

static void
settle(struct work *w)
{
	struct settling *s = container_of(w, struct settling, work);

	evidence_settle(s->var, &s->end, s->id);
}

static void
on_settled(struct work *w, bool dropped)
{
	struct settling *s = container_of(w, struct settling, work);

	if (!dropped && s->id[0] != '\0')
		log_info(
		    "crash_kept", L_STR("id", s->id), L_STR("end", contract_end_name(s->end.end)));
	free(s);
}

static void
ask(struct own_ask *o, const struct question *what)
{
	struct question *q;

	if (o->meta->node == NULL) {
		own_fail(o, ST_UNAVAILABLE, "", "this orchestrator has no directory");
		return;
	}
	q = mem_zalloc(sizeof(*q));
	*q = *what;
	q->work = (struct work){ .run = find, .done = on_found };
	q->dep.cancel = on_call_ended;
	q->ask = o;
	q->var = node_var(o->meta->node);
	call_attach(o->c, &q->dep);
	if (!work_start(node_work(o->meta->node), &q->work))
		on_found(&q->work, true);
}

static void
find(struct work *w)
{
	struct question *q = container_of(w, struct question, work);

	if (q->id[0] != '\0')
		q->answer = evidence_read(q->var, q->id);
	else
		q->answer = evidence_list(q->var, q->node[0] == '\0' ? NULL : q->node, q->limit);
}

static void
on_found(struct work *w, bool dropped)
{
	struct question *q = container_of(w, struct question, work);
	struct own_ask *o = q->ask;

	if (o != NULL)
		call_detach(o->c, &q->dep);
	if (o == NULL)
		json_decref(q->answer);
	else if (q->answer != NULL)
		own_finish_json(o, q->answer);
	else if (dropped)
		own_fail(o, ST_RESOURCE_EXHAUSTED, "OVERLOAD", "too much is being done; try again");
	else
		own_fail(o, ST_NOT_FOUND, "", "there is no crash of this id");
	free(q);
}

static void
on_call_ended(struct call_dep *d)
{
	container_of(d, struct question, dep)->ask = NULL;
}

/* A number, or the text of one as a query string has it; absent: as it is. */
static bool
read_limit(const json_t *v, size_t *out)
{
	uint64_t n = (uint64_t)json_integer_value(v);

	if (v == NULL)
		return true;
	if (json_is_string(v) && !str_u64(str_of(json_string_value(v)), LIST_MOST, &n))
		return false;
	*out = n;
	return n >= 1 && n <= LIST_MOST;
}
