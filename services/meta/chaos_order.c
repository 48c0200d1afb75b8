/* chaos_order: arguments and limits of experiments. Called by chaos. */
#include "meta/chaos_order.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { OF_NODE = 1, OF_STORE = 2 };
static const struct {
	const char *name;
	unsigned targets; /* OF_NODE, OF_STORE */
} actions[CHAOS_ACTIONS] = {
	[CHAOS_KILL] = { "kill", OF_NODE | OF_STORE },
	[CHAOS_STOP] = { "stop", OF_NODE | OF_STORE },
	[CHAOS_DELAY] = { "delay", OF_NODE },
	[CHAOS_DROP] = { "drop", OF_NODE },
	[CHAOS_ERROR] = { "error", OF_NODE },
	[CHAOS_PARTITION] = { "partition", OF_NODE },
	[CHAOS_STORE_DOWN] = { "store_down", OF_STORE },
	[CHAOS_DISK_FULL] = { "disk_full", OF_NODE | OF_STORE },
	[CHAOS_CLOCK_STEP] = { "clock_step", OF_NODE },
};

static void
read_name(struct arena *, const json_t *, const char *, bool, char[24], struct failure *);
static int64_t
read_int(struct arena *, const json_t *, const char *, int64_t, int64_t, int64_t, struct failure *);
static void
only_for(struct arena *, const json_t *, const char *, bool, const char *, struct failure *);
static const struct fleet_row *row_of(const struct chaos_view *, const char *);
static bool is_node(const struct fleet_row *);
static const char *misfit(struct arena *, const struct chaos_order *, const struct chaos_view *,
    const struct fleet_row *);
static const char *too_much(struct arena *, const struct chaos_order *, const struct chaos_view *,
    const struct fleet_row *);
static const char *not_whole(struct arena *, const struct chaos_order *, const struct chaos_view *);

const char *
chaos_action_name(enum chaos_action a)
{
	return actions[a].name;
}

bool
chaos_read(struct arena *a, const json_t *v, struct chaos_order *o, struct failure *f)
{
	static const char *const known[] = { "action", "target", "peer", "for_ms", "probability",
		"delay_ms", "step_ms", "seed", "dry_run" };
	const char *action = json_string_value(json_object_get(v, "action")), *key;
	const json_t *p = json_object_get(v, "probability"), *one;
	int i = 0;

	*o = (struct chaos_order){ .action = CHAOS_ACTIONS };
	for (; i < CHAOS_ACTIONS; i++)
		if (action != NULL && strcmp(actions[i].name, action) == 0)
			o->action = (enum chaos_action)i;
	if (o->action == CHAOS_ACTIONS)
		failure_violation(a, f, "/action",
		    "must be kill, stop, delay, drop, error, partition, store_down, disk_full or "
		    "clock_step");
	read_name(a, v, "target", true, o->target, f);
	read_name(a, v, "peer", o->action == CHAOS_PARTITION, o->peer, f);
	o->for_ms = (uint32_t)read_int(a, v, "for_ms", 100, CHAOS_MOST_MS, INT64_MIN, f);
	o->delay_ms = (uint32_t)read_int(a, v, "delay_ms", 1, 60000, 200, f);
	o->step_ms = (int32_t)read_int(
	    a, v, "step_ms", -86400000, 86400000, o->action == CHAOS_CLOCK_STEP ? INT64_MIN : 0, f);
	o->seed = (uint64_t)read_int(a, v, "seed", 0, INT64_MAX, 1, f);
	o->probability = p == NULL ? 1 : json_number_value(p);
	if (p != NULL && (!json_is_number(p) || !(o->probability > 0 && o->probability <= 1)))
		failure_violation(a, f, "/probability", "must be a number over 0, at most 1");
	o->dry_run = json_is_true(json_object_get(v, "dry_run"));
	if (o->action != CHAOS_ACTIONS) {
		bool drawn =
		    o->action == CHAOS_DELAY || o->action == CHAOS_DROP || o->action == CHAOS_ERROR;

		only_for(a, v, "probability", drawn, "delay, drop and error", f);
		only_for(a, v, "seed", drawn, "delay, drop and error", f);
		only_for(a, v, "delay_ms", o->action == CHAOS_DELAY, "delay", f);
		only_for(a, v, "step_ms", o->action == CHAOS_CLOCK_STEP, "clock_step", f);
	}
	json_object_foreach((json_t *)(uintptr_t)v, key, one)
	{
		size_t k = 0;

		while (k < sizeof(known) / sizeof(known[0]) && strcmp(known[k], key) != 0)
			k++;
		if (k == sizeof(known) / sizeof(known[0]))
			failure_violation(a, f, arena_printf(a, "/%s", key), "is not known here");
	}
	return f->status == ST_OK;
}

const char *
chaos_refuse(
    struct arena *a, const struct chaos_order *o, const struct chaos_view *v, enum status *s)
{
	const struct fleet_row *r = row_of(v, o->target);
	const char *why;

	*s = ST_NOT_FOUND;
	if (r == NULL || (o->peer[0] != '\0' && row_of(v, o->peer) == NULL))
		return arena_printf(
		    a, "there is no process %s in this fleet", r == NULL ? o->target : o->peer);
	*s = ST_INVALID_ARGUMENT;
	if ((why = misfit(a, o, v, r)) != NULL)
		return why;
	*s = ST_FAILED_PRECONDITION;
	if ((why = too_much(a, o, v, r)) != NULL)
		return why;
	return not_whole(a, o, v);
}

/* The action is none for this target, ever. */
static const char *
misfit(struct arena *a, const struct chaos_order *o, const struct chaos_view *v,
    const struct fleet_row *r)
{
	const char *action = actions[o->action].name;

	if (strcmp(r->name, "guard") == 0 || strcmp(r->name, "supervisor") == 0)
		return "guard and supervisor are no targets";
	if ((actions[o->action].targets & (r->level < 0 ? OF_STORE : OF_NODE)) == 0)
		return arena_printf(a,
		    r->level < 0 ? "%s is for a node, and %s is a store"
				 : "%s is for a store, and %s is a node",
		    action, r->name);
	if (o->action == CHAOS_STORE_DOWN && str_starts(r->name, "meta-"))
		return arena_printf(a, "%s is for a store, and %s stands by", action, r->name);
	if (o->action == CHAOS_STOP &&
	    (strcmp(r->name, "meta") == 0 || strcmp(r->name, v->self) == 0))
		return "a stopped meta could not end the experiment: kill it";
	if (o->action == CHAOS_PARTITION && strcmp(o->peer, o->target) == 0)
		return "a node is not its own peer";
	if (o->action == CHAOS_PARTITION && !is_node(row_of(v, o->peer)))
		return "the peer must be a node: only nodes talk over the bus";
	return NULL;
}

static const char *
too_much(struct arena *a, const struct chaos_order *o, const struct chaos_view *v,
    const struct fleet_row *r)
{
	if (!v->local && r->level < 0)
		return arena_printf(a, "%s is not this fleet's own", r->name);
	if (!v->local && o->action == CHAOS_STOP)
		return "the processes are not on this machine";
	if (v->n_running == CHAOS_AT_ONCE)
		return arena_printf(
		    a, "%d experiments run already, which is the most", CHAOS_AT_ONCE);
	for (size_t i = 0; i < v->n_running; i++) {
		const struct chaos_order *other = &v->running[i];
		const struct fleet_row *hurt = row_of(v, other->target);

		if (hurt != NULL && strcmp(hurt->domain, r->domain) == 0)
			return arena_printf(a, "another experiment runs in the domain %s: %s of %s",
			    r->domain, actions[other->action].name, other->target);
	}
	return NULL;
}

static bool
is_node(const struct fleet_row *r)
{
	return r != NULL && (r->level >= 0 || str_starts(r->name, "meta-"));
}

/* Who is hurt already is not hurt more, and somebody must be there for what the target does. */
static const char *
not_whole(struct arena *a, const struct chaos_order *o, const struct chaos_view *v)
{
	for (size_t i = 0; i < v->n_rows; i++)
		if (v->rows[i].state != NODE_READY && strcmp(v->rows[i].name, o->target) != 0 &&
		    (v->rows[i].level >= 0 || v->rows[i].pid != 0))
			return arena_printf(
			    a, "the fleet is not whole: %s is not READY", v->rows[i].name);
	if (strcmp(v->stores, "normal") != 0)
		return arena_printf(a, "the stores are %s, and must be normal", v->stores);
	return NULL;
}

const char *
chaos_tell(struct arena *a, const struct chaos_order *o)
{
	switch (o->action) {
	case CHAOS_KILL:
		return arena_printf(a, "%s is killed, once (SIGKILL)", o->target);
	case CHAOS_STOP:
		return arena_printf(a, "%s stands still (SIGSTOP)", o->target);
	case CHAOS_DELAY:
		return arena_printf(a, "%g %% of the calls to %s take %u ms longer",
		    o->probability * 100, o->target, o->delay_ms);
	case CHAOS_DROP:
		return arena_printf(
		    a, "%g %% of the answers of %s are lost", o->probability * 100, o->target);
	case CHAOS_ERROR:
		return arena_printf(
		    a, "%g %% of the calls to %s fail at once", o->probability * 100, o->target);
	case CHAOS_PARTITION:
		return arena_printf(a, "%s does not reach %s, nor hear it", o->target, o->peer);
	case CHAOS_STORE_DOWN:
		return arena_printf(a, "%s is ended, and started again at the end", o->target);
	case CHAOS_DISK_FULL:
		return "the file system that VAR lies on has no room, for nobody";
	case CHAOS_CLOCK_STEP:
		return arena_printf(
		    a, "the wall clock of %s goes wrong by %d ms", o->target, o->step_ms);
	case CHAOS_ACTIONS:
		break;
	}
	return "";
}

static void
read_name(
    struct arena *a, const json_t *v, const char *key, bool needed, char out[24], struct failure *f)
{
	const json_t *name = json_object_get(v, key);
	const char *s = json_string_value(name);

	if (name == NULL && !needed)
		return;
	if (s == NULL || s[0] == '\0' || strlen(s) >= 24 || !str_token_ok(str_of(s)))
		failure_violation(a, f, arena_printf(a, "/%s", key),
		    name == NULL ? "is required" : "must be the name of a process");
	else if (!needed && strcmp(key, "peer") == 0)
		failure_violation(a, f, "/peer", "is for partition alone");
	else
		snprintf(out, 24, "%s", s);
}

/* What would change nothing is not taken in silence. */
static void
only_for(struct arena *a, const json_t *v, const char *key, bool fits, const char *whom,
    struct failure *f)
{
	if (!fits && json_object_get(v, key) != NULL)
		failure_violation(a, f, arena_printf(a, "/%s", key), "is for %s alone", whom);
}

/* absent INT64_MIN: it is required. */
static int64_t
read_int(struct arena *a, const json_t *v, const char *key, int64_t low, int64_t high,
    int64_t absent, struct failure *f)
{
	const json_t *n = json_object_get(v, key);
	int64_t i = json_integer_value(n);

	if (n == NULL && absent != INT64_MIN)
		return absent;
	if (json_is_integer(n) && i >= low && i <= high)
		return i;
	failure_violation(a, f, arena_printf(a, "/%s", key),
	    n == NULL ? "is required" : "must be a whole number from %lld to %lld", (long long)low,
	    (long long)high);
	return 0;
}

static const struct fleet_row *
row_of(const struct chaos_view *v, const char *name)
{
	for (size_t i = 0; i < v->n_rows; i++)
		if (strcmp(v->rows[i].name, name) == 0)
			return &v->rows[i];
	return NULL;
}
