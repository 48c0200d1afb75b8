/* chaos: the life of experiments. chaos_order.c says what may be. Called by own. */
#include "meta/chaos.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "meta/chaos_harm.h"
#include "meta/chaos_note.h"
#include "meta/fleet.h"
#include "meta/lead.h"
#include "meta/meta.h"
#include "meta/own.h"
#include "meta/stores.h"
#include "proto/node.pb-c.h"

#define KEPT     16 /* experiments, the running ones included; an ended one makes room */
#define EFFECTS  6
#define LATER_US (100 * MS)
#define END_US   (2 * SEC) /* so long is the target asked to have no faults any more */
#define NOTE     "run/chaos"

struct experiment {
	struct chaos *of;
	char id[UUID_LEN], by[64];
	struct chaos_order order;
	bool running, later;
	bool faults;         /* its target's bus does it, and ends it, whatever becomes of us */
	int64_t began, ends; /* wall */
	uint64_t generation; /* of the target when it began */
	struct timer timer;
	struct harm harm;
	char effects[EFFECTS][160];
	size_t n_effects;
};

struct chaos {
	struct meta *meta;
	struct experiment *of[KEPT]; /* oldest first */
	size_t n;
};

static struct experiment *add(struct chaos *, const struct own_ask *, const struct chaos_order *);
static void make_room(struct chaos *);
static struct experiment *list(struct chaos *, const struct chaos_order *);
static struct experiment *find(struct chaos *, const char *);
static void drop(struct chaos *, size_t);
static bool refused(struct own_ask *, const struct chaos_order *);
static enum status do_harm(struct experiment *, const char **);
static void set_faults(struct own_ask *, struct experiment *, const char *, uint32_t);
static void on_faults(const Mf__Empty *, void *);
static void on_faults_kept(struct own_ask *, struct experiment *);
static bool is_still_there(const struct experiment *);
static void finish(struct experiment *, const char *);
static void on_time(struct timer *);
static bool note(const struct chaos *);
static void take(struct chaos *, bool);
static void start_store(struct chaos *, const char *);
static void go_on(struct chaos *, const struct chaos_noted *);
static void effect(struct experiment *, const char *, ...) __attribute__((format(printf, 2, 3)));
static json_t *as_json(const struct experiment *, const char *);
static void answer(struct own_ask *, const struct experiment *, const char *);

struct chaos *
chaos_new(struct meta *m)
{
	struct chaos *c = mem_zalloc(sizeof(*c));

	c->meta = m;
	if (fleet_standbys() == 0)
		chaos_take(c);
	else
		take(c, false); /* whoever leads may need the store that is down */
	return c;
}

void
chaos_take(struct chaos *c)
{
	if (c != NULL)
		take(c, true);
}

void
chaos_free(struct chaos **c)
{
	if (*c == NULL)
		return;
	while ((*c)->n > 0)
		drop(*c, 0);
	free(*c);
	*c = NULL;
}

/* --- what is asked for --- */

/* The same again, after a lost answer, is the same experiment: its id is the operation's. */
void
own_chaos(struct own_ask *o)
{
	struct failure *f = ARENA_NEW(call_arena(o->c), struct failure);
	struct experiment *x = find(o->meta->chaos, call_operation_id(o->c));
	struct chaos_order order;
	const char *why = "", *spec;
	enum status s;

	*f = (struct failure){ .status = ST_OK, .message = "", .reason = "" };
	if (x != NULL) {
		answer(o, x, NULL);
		return;
	}
	if (!chaos_read(call_arena(o->c), own_arguments(o), &order, f)) {
		o->failure = f;
		own_finish(o);
		return;
	}
	if (refused(o, &order))
		return;
	x = add(o->meta->chaos, o, &order);
	if (order.dry_run) {
		effect(x, "%s", chaos_tell(call_arena(o->c), &order));
		answer(o, x, "planned");
		x->running = false;
		drop(o->meta->chaos, o->meta->chaos->n - 1);
		return;
	}
	log_warn("chaos_began", L_STR("action", chaos_action_name(order.action)),
	    L_STR("target", order.target), L_INT("for_ms", order.for_ms), L_STR("by", x->by));
	spec = harm_faults(o->meta, &order, call_arena(o->c));
	if (spec != NULL) {
		x->faults = true;
		(void)note(x->of);
		timer_in(&x->timer, order.for_ms * MS);
		effect(x, "%s", chaos_tell(call_arena(o->c), &order));
		set_faults(o, x, spec, order.for_ms);
		return;
	}
	if (order.action == CHAOS_KILL && strcmp(order.target, bus_name(o->meta->bus)) == 0) {
		x->later = true; /* the answer gets away first, or its caller would ask again */
		timer_in(&x->timer, LATER_US);
		answer(o, x, NULL);
		return;
	}
	s = do_harm(x, &why);
	if (s == ST_OK) {
		timer_in(&x->timer, order.for_ms * MS);
		answer(o, x, NULL);
		return;
	}
	x->running = false;
	(void)note(x->of);
	drop(o->meta->chaos, o->meta->chaos->n - 1);
	own_fail(o, s, "CHAOS", arena_strdup(call_arena(o->c), why));
}

static enum status
do_harm(struct experiment *x, const char **why)
{
	char said[160] = "";
	enum status s;

	/* before: it comes back whoever dies */
	if (x->order.action == CHAOS_STORE_DOWN && !note(x->of)) {
		*why = "VAR takes no note of it, and without one it might not come back";
		return ST_UNAVAILABLE;
	}
	s = harm_begin(&x->harm, x->of->meta, &x->order, said, sizeof(said), why);
	if (s == ST_OK)
		effect(x, "%s", said);
	return s;
}

void
own_chaos_list(struct own_ask *o)
{
	struct chaos *c = o->meta->chaos;
	json_t *v = json_object(), *items = json_array();

	for (size_t i = c->n; i > 0; i--)
		json_array_append_new(items, as_json(c->of[i - 1], NULL));
	json_object_set_new(v, "items", items);
	own_finish_json(o, v);
}

void
own_chaos_end(struct own_ask *o)
{
	struct experiment *x = find(o->meta->chaos, o->q->node);

	if (x == NULL) {
		own_fail(o, ST_NOT_FOUND, "", "there is no experiment of this id");
		return;
	}
	if (x->running && x->faults) {
		set_faults(o, x, "", 0);
		return;
	}
	if (x->running)
		finish(x, "on demand");
	answer(o, x, NULL);
}

static bool
refused(struct own_ask *o, const struct chaos_order *order)
{
	struct chaos *c = o->meta->chaos;
	struct chaos_order running[KEPT];
	struct fleet_row *rows;
	struct chaos_view v = { .stores = stores_mode(o->meta),
		.local = fleet_state_local(o->meta->fleet),
		.self = bus_name(o->meta->bus),
		.running = running };
	const char *why;
	enum status s;

	v.n_rows = fleet_state_rows(o->meta->fleet, &rows);
	v.rows = rows;
	for (size_t i = 0; i < c->n; i++)
		if (c->of[i]->running)
			running[v.n_running++] = c->of[i]->order;
	why = chaos_refuse(call_arena(o->c), order, &v, &s);
	if (why == NULL && order->dry_run)
		s = harm_can(o->meta, order, &why);
	if (why == NULL)
		return false;
	own_fail(o, s, s == ST_FAILED_PRECONDITION ? "BLAST_RADIUS" : "", why);
	return true;
}

/* They end at the node by themselves; spec "": now. */
static void
set_faults(struct own_ask *o, struct experiment *x, const char *spec, uint32_t for_ms)
{
	Mf__FaultSet set = MF__FAULT_SET__INIT;
	struct bus *b = o->meta->bus;
	int64_t left = o->deadline - loop_now(o->meta->loop);
	const struct fleet_row *r = fleet_state_find(o->meta->fleet, x->order.target);
	char err[160];

	set.spec = (char *)(uintptr_t)spec;
	set.seed = x->order.seed;
	set.for_ms = for_ms;
	o->experiment = arena_strdup(call_arena(o->c), x->id);
	o->ends = spec[0] == '\0';
	if (strcmp(x->order.target, bus_name(b)) == 0) {
		bool set_now = bus_set_faults(b, spec, set.seed, for_ms * MS, err, sizeof(err));

		if (!set_now || o->ends)
			finish(x, set_now ? "on demand" : err);
		if (set_now)
			answer(o, x, NULL);
		else
			own_fail(o, ST_INTERNAL, "", arena_strdup(call_arena(o->c), err));
		return;
	}
	if (o->ends && left > END_US)
		left = END_US;
	if (r == NULL) { /* it has left the fleet, with its faults */
		finish(x, "the target is gone");
		answer(o, x, NULL);
		return;
	}
	o->rpc = rpc_new(o->c, bus_node_target(b, r->node),
	    &(const struct rpc_opts){ .limit_us = left, .node = fleet_row_instance(o->c, r) });
	mf__node__set_faults(&o->rpc->service, &set, on_faults, o);
}

static void
on_faults(const Mf__Empty *m, void *ctx)
{
	struct own_ask *o = ctx;
	struct experiment *x = find(o->meta->chaos, o->experiment);

	if (x == NULL) {
		own_fail(o, ST_NOT_FOUND, "", "the experiment is over and forgotten");
		return;
	}
	if (o->ends && (m != NULL || !is_still_there(x)))
		finish(x, "on demand");
	if (m != NULL || !x->running)
		answer(o, x, NULL);
	else
		on_faults_kept(o, x);
}

/* Nobody knows whether the target has them: an answer may be lost, and who is cut off from us does not
 * hear that it is over. While it may have them the experiment is not over, and its limits hold. */
static void
on_faults_kept(struct own_ask *o, struct experiment *x)
{
	const struct failure *f = rpc_failure(o->rpc);

	if (o->ends) {
		own_fail(o, ST_UNAVAILABLE, "CHAOS",
		    "the target does not hear that it is over: it ends when its time is");
		return;
	}
	if (status_is_fault(f->status) && is_still_there(x))
		effect(x, "the target did not answer, and may have it");
	else
		finish(x, "the target did not take it");
	o->failure = f;
	own_finish(o);
}

/* Another process than then has no faults. */
static bool
is_still_there(const struct experiment *x)
{
	const struct fleet_row *r = fleet_state_find(x->of->meta->fleet, x->order.target);

	return r != NULL && r->generation == x->generation && (r->generation == 0 || r->pid != 0);
}

static void
on_time(struct timer *t)
{
	struct experiment *x = container_of(t, struct experiment, timer);
	const char *why;

	if (!x->later) {
		finish(x, "its time is over");
		return;
	}
	x->later = false;
	timer_in(&x->timer, x->order.for_ms * MS);
	if (do_harm(x, &why) != ST_OK)
		finish(x, why);
}

static void
finish(struct experiment *x, const char *why)
{
	if (!x->running)
		return;
	x->running = false;
	x->ends = time_wall_us();
	timer_stop(&x->timer);
	harm_end(&x->harm, x->of->meta, &x->order);
	if (x->faults || x->order.action == CHAOS_STORE_DOWN)
		(void)note(x->of);
	effect(x, "ended: %s", why);
	log_warn("chaos_ended", L_STR("action", chaos_action_name(x->order.action)),
	    L_STR("target", x->order.target), L_STR("why", why));
}

/* --- what outlives us --- */

/* False: it is not on disk. Who does not lead any more leaves the note to whoever does. */
static bool
note(const struct chaos *c)
{
	struct chaos_noted all[KEPT];
	char path[300];
	size_t n = 0;

	if (!fleet_state_local(c->meta->fleet) || !lead_is(c->meta->lead))
		return true;
	for (size_t i = 0; i < c->n; i++) {
		const struct experiment *x = c->of[i];
		struct chaos_noted *w = &all[n];

		if (!x->running || (!x->faults && x->order.action != CHAOS_STORE_DOWN))
			continue;
		*w = (struct chaos_noted){ .order = x->order,
			.began = x->began,
			.ends = x->ends,
			.generation = x->generation };
		memcpy(w->id, x->id, sizeof(w->id));
		memcpy(w->by, x->by, sizeof(w->by));
		n++;
	}
	harm_path(c->meta, NOTE, path, sizeof(path));
	return chaos_note_write(path, all, n);
}

/* Stores are started by whoever comes first, also where who leads would need them to lead. Faults go on
 * at their nodes, so their experiments do: they count, and can be ended. */
static void
take(struct chaos *c, bool leads)
{
	struct chaos_noted of[KEPT];
	char path[300];
	size_t n;

	if (!fleet_state_local(c->meta->fleet))
		return;
	harm_path(c->meta, NOTE, path, sizeof(path));
	if (!chaos_note_read(path, of, KEPT, &n)) {
		log_error("chaos_note", L_STR("why", "it can't be read"),
		    L_STR("then", "all stores are started"));
		for (int i = 0; i < FLEET_SLOTS; i++)
			if (fleet_table[i].store)
				start_store(c, fleet_table[i].name);
	}
	for (size_t i = 0; i < n; i++)
		if (of[i].order.action == CHAOS_STORE_DOWN)
			start_store(c, of[i].order.target);
		else if (leads)
			go_on(c, &of[i]);
	if (leads)
		(void)note(c);
}

static void
start_store(struct chaos *c, const char *name)
{
	const char *why;

	log_warn("chaos_left_over", L_STR("target", name));
	if (fleet_state_order(c->meta->fleet, name, VERB_START, &why) != ST_OK)
		log_error("chaos_store", L_STR("target", name), L_STR("why", why));
}

static void
go_on(struct chaos *c, const struct chaos_noted *w)
{
	int64_t most = w->order.for_ms * MS, left = w->ends - time_wall_us();
	struct experiment *x;
	struct arena *a;

	make_room(c);
	if (left <= 0 || c->n == KEPT || find(c, w->id) != NULL ||
	    strcmp(w->order.target, bus_name(c->meta->bus)) == 0) /* ours went with our last one */
		return;
	x = list(c, &w->order);
	x->faults = true;
	x->began = w->began;
	x->generation = w->generation;
	memcpy(x->id, w->id, sizeof(x->id));
	memcpy(x->by, w->by, sizeof(x->by));
	left = left < most ? left : most; /* the wall clock may have been set back */
	x->ends = time_wall_us() + left;
	timer_in(&x->timer, left);
	a = arena_new(4096);
	effect(x, "%s", chaos_tell(a, &w->order));
	arena_free(&a);
	effect(x, "it outlived the orchestrator that began it");
	log_warn("chaos_goes_on", L_STR("action", chaos_action_name(w->order.action)),
	    L_STR("target", w->order.target), L_INT("for_ms", left / MS));
}

/* --- the list --- */

static struct experiment *
add(struct chaos *c, const struct own_ask *o, const struct chaos_order *order)
{
	const Mf__Principal *who = call_principal(o->c);
	const char *id = call_operation_id(o->c);
	struct experiment *x;

	make_room(c);
	x = list(c, order);
	x->generation = fleet_state_find(c->meta->fleet, order->target)->generation;
	if (id[0] != '\0')
		snprintf(x->id, sizeof(x->id), "%s", id);
	else
		uuid7(x->id);
	snprintf(x->by, sizeof(x->by), "%s", who != NULL ? who->name : "");
	return x;
}

static void
make_room(struct chaos *c)
{
	for (size_t i = 0; c->n == KEPT && i < c->n; i++)
		if (!c->of[i]->running)
			drop(c, i);
}

static struct experiment *
list(struct chaos *c, const struct chaos_order *order)
{
	struct experiment *x = mem_zalloc(sizeof(*x));

	must(c->n < KEPT); /* fewer than that run */
	*x = (struct experiment){
		.of = c, .order = *order, .running = true, .began = time_wall_us()
	};
	harm_init(&x->harm);
	x->ends = x->began + order->for_ms * MS;
	timer_init(&x->timer, c->meta->loop, on_time);
	return c->of[c->n++] = x;
}

static struct experiment *
find(struct chaos *c, const char *id)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->of[i]->id, id) == 0)
			return c->of[i];
	return NULL;
}

static void
drop(struct chaos *c, size_t i)
{
	struct experiment *x = c->of[i];

	if (x->running && x->effects[0][0] != '\0' && !x->faults)
		finish(x, "the orchestrator goes");
	timer_stop(&x->timer);
	memmove(&c->of[i], &c->of[i + 1], (c->n - i - 1) * sizeof(c->of[0]));
	c->n--;
	free(x);
}

static void
effect(struct experiment *x, const char *fmt, ...)
{
	va_list ap;

	if (x->n_effects == EFFECTS)
		return;
	va_start(ap, fmt);
	vsnprintf(x->effects[x->n_effects++], sizeof(x->effects[0]), fmt, ap);
	va_end(ap);
}

static json_t *
as_json(const struct experiment *x, const char *state)
{
	json_t *v = json_object(), *effects = json_array();
	char at[TIME_RFC3339_LEN];

	json_object_set_new(v, "id", json_string(x->id));
	json_object_set_new(v, "action", json_string(chaos_action_name(x->order.action)));
	json_object_set_new(v, "target", json_string(x->order.target));
	if (x->order.peer[0] != '\0')
		json_object_set_new(v, "peer", json_string(x->order.peer));
	json_object_set_new(v, "state",
	    json_string(state != NULL ? state
			: x->running  ? "running"
				      : "ended"));
	time_rfc3339(x->began, at);
	json_object_set_new(v, "started_at", json_string(at));
	time_rfc3339(x->ends, at);
	json_object_set_new(v, "ends_at", json_string(at));
	json_object_set_new(v, "by", json_string(x->by));
	for (size_t i = 0; i < x->n_effects; i++)
		json_array_append_new(effects, json_string(x->effects[i]));
	json_object_set_new(v, "effects", effects);
	return v;
}

static void
answer(struct own_ask *o, const struct experiment *x, const char *state)
{
	own_finish_json(o, as_json(x, state));
}
