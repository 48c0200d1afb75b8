/* own: one function per operation, one table. Called by execute. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/time.h"
#include "meta/fleet_state.h"
#include "meta/fleet_view.h"
#include "meta/meta.h"
#include "meta/own.h"
#include "meta/permits.h"
#include "meta/precheck.h"
#include "meta/stores.h"
#include "node/node.h"
#include "proto/node.pb-c.h"

typedef void own_fn(struct own_ask *);

static void own_fleet(struct own_ask *);
static void on_fleet(void *, const Mf__FleetState *);
static void own_restart(struct own_ask *);
static void on_prechecked(void *, const char *);
static bool ordered_already(const struct own_ask *, const struct fleet_row *);
static bool carries(const struct own_ask *, const char *);
static void restart_wait(void *);
static void say_process(struct own_ask *, const struct fleet_row *, enum contract_state);
static void on_restart_late(struct call *, void *);
static void own_health(struct own_ask *);
static void own_faults(struct own_ask *);
static bool take_number(const json_t *, const char *, int64_t, uint64_t *);
static void own_log_level(struct own_ask *);
static void on_done(const Mf__Empty *, void *);
static void on_level(const Mf__Empty *, void *);
static void level_is_set(struct own_ask *);
static void say(struct own_ask *, const char *, const char *);
static void fail(struct own_ask *, enum status, const char *);
static bool is_self(const struct own_ask *);
static struct rpc *ask_node(struct own_ask *);

static const struct {
	const char *operation;
	own_fn *start;
	bool node; /* needs one */
} operations[] = {
	{ "fleet", own_fleet, false },
	{ "calls", own_calls, false },
	{ "settings", own_settings, false },
	{ "restart", own_restart, true },
	{ "health", own_health, false },
	{ "faults", own_faults, true },
	{ "log_level", own_log_level, true },
	{ "errors", own_errors, false },
	{ "figures", own_figures, false },
	{ "crashes", own_crashes, false },
	{ "crash", own_crash, true },
	{ "upgrade", own_upgrade, false },
	{ "upgrade_state", own_upgrade_state, false },
	{ "chaos", own_chaos, false },
	{ "chaos_list", own_chaos_list, false },
	{ "chaos_end", own_chaos_end, true },
	{ "traces", own_traces, false },
	{ "trace", own_trace, true },
};
#define LEVEL_MOST_MS (7 * 24 * 3600 * INT64_C(1000))
#define N_OPERATIONS  (sizeof(operations) / sizeof(operations[0]))

const char *
own_check(const Mf__MetaRequirement *q)
{
	for (size_t i = 0; i < N_OPERATIONS; i++) {
		if (strcmp(operations[i].operation, q->operation) != 0)
			continue;
		return operations[i].node && q->node[0] == '\0' ? "meta/node: is required" : NULL;
	}
	return "meta/operation: is none that level 0 has: fleet, calls, settings, restart, "
	       "health, faults, log_level, "
	       "errors, figures, crashes, crash, upgrade, upgrade_state, chaos, chaos_list, "
	       "chaos_end, traces, trace";
}

void
own_start(struct meta *m, struct own_ask *o)
{
	o->meta = m;
	for (size_t i = 0; i < N_OPERATIONS; i++) {
		if (strcmp(operations[i].operation, o->q->operation) == 0) {
			operations[i].start(o);
			return;
		}
	}
	fail(o, ST_UNIMPLEMENTED, "level 0 has no such operation");
}

static void
own_fleet(struct own_ask *o)
{
	fleet_view_ask(o->meta->view, o->c, on_fleet, o);
}

static void
on_fleet(void *ctx, const Mf__FleetState *s)
{
	struct own_ask *o = ctx;

	o->result = fleet_view_json(call_arena(o->c), s);
	own_finish(o);
}

/* A node that could not start again stays: its configuration is read first, by its own executable. */
static void
own_restart(struct own_ask *o)
{
	struct fleet_row *r = fleet_state_find(o->meta->fleet, o->q->node);

	if (r == NULL || strcmp(r->name, "guard") == 0 || strcmp(r->name, "supervisor") == 0) {
		fail(o, r == NULL ? ST_NOT_FOUND : ST_INVALID_ARGUMENT,
		    r == NULL ? "there is no node of this name"
			      : "guard and supervisor are not restarted by request");
		return;
	}
	o->since = loop_now(o->meta->loop);
	if (r->level >= 0 && fleet_state_local(o->meta->fleet) && o->meta->node != NULL &&
	    !ordered_already(o, r))
		precheck_node(node_work(o->meta->node), o->c, r->name, on_prechecked, o);
	else
		on_prechecked(o, NULL);
}

/* Answers when another process of that name is READY. A node that carries this very request is
 * different: it drains, and that waits for the request. There the answer comes first. */
static void
on_prechecked(void *ctx, const char *wrong)
{
	struct own_ask *o = ctx;
	struct fleet_row *r = fleet_state_find(o->meta->fleet, o->q->node);
	enum status s;
	const char *why;

	if (wrong != NULL) {
		log_error("restart_refused", L_STR("name", r->name), L_STR("why", wrong));
		fail(o, ST_FAILED_PRECONDITION,
		    arena_printf(
			call_arena(o->c), "not restarted, it would not start again: %s", wrong));
		return;
	}
	if (carries(o, r->node)) {
		log_info("restart_ordered", L_STR("name", r->name),
		    L_INT("its_generation", r->generation));
		fleet_state_restart_later(o->meta->fleet, r);
		say_process(o, r, NODE_DRAINING);
		return;
	}
	if (!ordered_already(o, r)) {
		log_info("restart_ordered", L_STR("name", r->name),
		    L_INT("its_generation", r->generation));
		s = fleet_state_restart(o->meta->fleet, r->name, &why);
		if (s != ST_OK) {
			fail(o, s, why);
			return;
		}
		snprintf(r->order, sizeof(r->order), "%s", call_operation_id(o->c));
		r->order_generation = r->generation;
	}
	o->generation = r->order_generation;
	call_after(o->c, o->deadline - o->since, on_restart_late, o);
	restart_wait(o);
}

/* The caller was lost and somebody else sent the same request again: one restart is enough. */
static bool
ordered_already(const struct own_ask *o, const struct fleet_row *r)
{
	const char *id = call_operation_id(o->c);

	return id[0] != '\0' && strcmp(id, r->order) == 0;
}

static bool
carries(const struct own_ask *o, const char *node)
{
	const struct fleet_name *peer = fleet_name_find(call_peer(o->c));

	return is_self(o) || strcmp(call_peer(o->c), node) == 0 ||
	       (strcmp(node, "api") == 0 && peer != NULL && strcmp(peer->domain, "api") == 0);
}

static void
restart_wait(void *ctx)
{
	struct own_ask *o = ctx;
	struct fleet_row *r = fleet_state_find(o->meta->fleet, o->q->node);

	if (o->failure != NULL)
		return; /* too late, said already */
	/* NULL: of several of a name it has left, or has another row now */
	if (r == NULL || r->generation == o->generation || r->state != NODE_READY)
		waiters_add(fleet_state_changes(o->meta->fleet), o->c, restart_wait, o);
	else
		say_process(o, r, r->state);
}

/* READY: the process that came; DRAINING: the one that goes. */
static void
say_process(struct own_ask *o, const struct fleet_row *r, enum contract_state s)
{
	struct jw w;

	jw_start(&w, call_arena(o->c), 128);
	jw_object(&w, NULL);
	jw_str(&w, "node", r->name);
	jw_str(&w, "state", contract_state_name(s));
	jw_int(&w, "generation", (int64_t)r->generation);
	jw_int(&w, "pid", r->pid);
	jw_int(&w, "took_ms", (loop_now(o->meta->loop) - o->since) / MS);
	jw_close(&w, '}');
	o->result.data = (uint8_t *)jw_text(&w, &o->result.len);
	own_finish(o);
}

static void
on_restart_late(struct call *c, void *ctx)
{
	struct own_ask *o = ctx;

	(void)c;
	if (o->result.len == 0)
		fail(o, ST_DEADLINE_EXCEEDED,
		    "the order was given, but the node is not READY again yet");
}

/* For anybody, so it says little: whether each domain can be called, and the mode of the stores. */
static void
own_health(struct own_ask *o)
{
	struct meta *m = o->meta;
	const struct {
		const char *name;
		struct target *target;
	} domains[] = { { "api", m->api }, { "database", m->database }, { "auth", m->auth } };
	bool all = true;
	struct jw w;

	for (size_t i = 0; i < 3; i++)
		all &= target_ready(domains[i].target);
	jw_start(&w, call_arena(o->c), 128);
	jw_object(&w, NULL);
	jw_str(&w, "status", all && !stores_degraded(m) ? "ok" : "degraded");
	jw_object(&w, "domains");
	for (size_t i = 0; i < 3; i++)
		jw_str(&w, domains[i].name, target_ready(domains[i].target) ? "up" : "down");
	jw_close(&w, '}');
	jw_str(&w, "stores", stores_mode(m));
	jw_close(&w, '}');
	o->result.data = (uint8_t *)jw_text(&w, &o->result.len);
	own_finish(o);
}

/* {"spec": "...", "seed": 7, "for_ms": 10000}; the language is bus/fault.h's. */
static void
own_faults(struct own_ask *o)
{
	Mf__FaultSet set = MF__FAULT_SET__INIT;
	json_t *v = own_arguments(o), *spec = json_object_get(v, "spec");
	uint64_t for_ms = 0;
	char err[160];

	if (!json_is_string(spec)) {
		fail(o, ST_INVALID_ARGUMENT, "meta/data: must be an object with spec, a string");
		return;
	}
	if (!take_number(v, "seed", INT64_MAX, &set.seed) ||
	    !take_number(v, "for_ms", UINT32_MAX, &for_ms)) {
		fail(o, ST_INVALID_ARGUMENT,
		    "meta/data: seed and for_ms must be whole numbers, for_ms at most 4294967295");
		return;
	}
	set.spec = (char *)json_string_value(spec);
	set.for_ms = (uint32_t)for_ms;
	log_warn("faults_set", L_STR("name", o->q->node), L_STR("spec", set.spec),
	    L_INT("for_ms", set.for_ms));
	if (is_self(o)) {
		if (!bus_set_faults(o->meta->bus, set.spec, set.seed,
			(set.for_ms != 0 ? set.for_ms : 60000) * MS, err, sizeof(err))) {
			own_fail(o, ST_INVALID_ARGUMENT, "BAD_FAULT_SPEC",
			    arena_strdup(call_arena(o->c), err));
			return;
		}
		say(o, "faults", set.spec);
		own_finish(o);
		return;
	}
	say(o, "faults", set.spec);
	o->rpc = ask_node(o);
	if (o->rpc != NULL)
		mf__node__set_faults(&o->rpc->service, &set, on_done, o);
}

/* Absent: as it is. */
static bool
take_number(const json_t *v, const char *key, int64_t most, uint64_t *out)
{
	const json_t *n = json_object_get(v, key);

	if (n == NULL)
		return true;
	if (!json_is_integer(n) || json_integer_value(n) < 0 || json_integer_value(n) > most)
		return false;
	*out = (uint64_t)json_integer_value(n);
	return true;
}

/* {"level": "debug", "for_ms": 600000} */
static void
own_log_level(struct own_ask *o)
{
	Mf__LogLevel set = MF__LOG_LEVEL__INIT;
	const json_t *v = own_arguments(o);
	const char *level = json_string_value(json_object_get(v, "level"));
	uint64_t for_ms = 0;
	enum log_level l;

	if (level == NULL || !log_level_from_name(level, &l) ||
	    !take_number(v, "for_ms", LEVEL_MOST_MS, &for_ms)) {
		fail(o, ST_INVALID_ARGUMENT,
		    "meta/data: must be an object with level: debug, info, warn or error, and "
		    "for_ms: at most 604800000");
		return;
	}
	say(o, "level", level);
	if (is_self(o)) {
		log_set_level_for(l, (int64_t)for_ms * MS);
		level_is_set(o);
		own_finish(o);
		return;
	}
	set.level = (char *)level;
	set.for_ms = (uint32_t)for_ms;
	o->rpc = ask_node(o);
	if (o->rpc != NULL)
		mf__node__set_log_level(&o->rpc->service, &set, on_level, o);
}

static void
on_level(const Mf__Empty *m, void *ctx)
{
	if (m != NULL)
		level_is_set(ctx);
	on_done(m, ctx);
}

static void
level_is_set(struct own_ask *o)
{
	const json_t *v = own_arguments(o);

	log_info("level_set", L_STR("name", o->q->node),
	    L_STR("to", json_string_value(json_object_get(v, "level"))),
	    L_INT("for_ms", json_integer_value(json_object_get(v, "for_ms"))));
}

static void
on_done(const Mf__Empty *m, void *ctx)
{
	struct own_ask *o = ctx;

	if (m == NULL)
		o->failure = rpc_failure(o->rpc);
	own_finish(o);
}

/* NULL, for which every json_ function has an answer, when it is no JSON. */
json_t *
own_arguments(struct own_ask *o)
{
	struct json_error e;
	json_t *v = json_read(o->q->data.data, o->q->data.len, &e);

	if (v != NULL)
		call_own_json(o->c, v);
	return v;
}

static void
say(struct own_ask *o, const char *key, const char *value)
{
	struct jw w;

	jw_start(&w, call_arena(o->c), 128);
	jw_object(&w, NULL);
	jw_str(&w, "node", o->q->node);
	jw_str(&w, key, value);
	jw_close(&w, '}');
	o->result.data = (uint8_t *)jw_text(&w, &o->result.len);
}

void
own_finish(struct own_ask *o)
{
	o->done(o->ctx);
}

void
own_finish_json(struct own_ask *o, json_t *v)
{
	struct jw w;

	jw_start(&w, call_arena(o->c), 1024);
	jw_json(&w, NULL, v);
	json_decref(v);
	o->result.data = (uint8_t *)jw_text(&w, &o->result.len);
	own_finish(o);
}

void
own_fail(struct own_ask *o, enum status s, const char *reason, const char *message)
{
	struct failure *f = ARENA_NEW(call_arena(o->c), struct failure);

	*f = (struct failure){ .status = s, .message = message, .reason = reason };
	o->failure = f;
	own_finish(o);
}

static void
fail(struct own_ask *o, enum status s, const char *message)
{
	own_fail(o, s, "", message);
}

static bool
is_self(const struct own_ask *o)
{
	return strcmp(o->q->node, bus_name(o->meta->bus)) == 0;
}

/* NULL: refused already. Only the thirteen: a target, once made, stays. */
static struct rpc *
ask_node(struct own_ask *o)
{
	const struct fleet_row *r = fleet_state_find(o->meta->fleet, o->q->node);
	const char *node = r != NULL ? r->node : o->q->node;

	if (fleet_name_find(node) == NULL) {
		fail(o, ST_NOT_FOUND, "there is no node of this name");
		return NULL;
	}
	return rpc_new(o->c, bus_node_target(o->meta->bus, node),
	    &(const struct rpc_opts){ .limit_us = o->deadline - loop_now(o->meta->loop),
		.node = r != NULL ? fleet_row_instance(o->c, r) : NULL });
}
