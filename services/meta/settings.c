/* settings: how each node is configured, as it says itself: nothing is read here, and what a node keeps
 * to itself (secrets) does not come. Guard and supervisor are no nodes and open no socket: what [guard]
 * says is not among it. Called by own. */
#include <string.h>

#include "base/json.h"
#include "base/time.h"
#include "meta/fleet_state.h"
#include "meta/meta.h"
#include "meta/own.h"
#include "node/node.h"
#include "proto/node.pb-c.h"

#define ASK_US (800 * MS)

struct gathering {
	struct own_ask *ask;
	size_t n, unanswered;
	struct asked *asked; /* in the order of the fleet */
};

struct asked {
	struct gathering *of;
	const char *name;            /* of the row; rows move meanwhile */
	const char *node, *instance; /* whom to ask */
	const Mf__SettingList *list; /* NULL: no answer */
};

static void ask(struct gathering *, struct asked *);
static void on_settings(const Mf__SettingList *, void *);
static void write_all(struct gathering *);
static void write_one(struct jw *, const char *, const Mf__Setting *);

/* {"node":"sql"}: only its; without: all. */
void
own_settings(struct own_ask *o)
{
	const char *only = json_string_value(json_object_get(own_arguments(o), "node"));
	struct gathering *g = ARENA_NEW(call_arena(o->c), struct gathering);
	struct fleet_row *rows;
	size_t n = fleet_state_rows(o->meta->fleet, &rows);

	g->ask = o;
	g->asked = ARENA_ARRAY(call_arena(o->c), struct asked, n + 1);
	for (size_t i = 0; i < n; i++)
		if (rows[i].level >= 0 && (only == NULL || strcmp(only, rows[i].name) == 0))
			g->asked[g->n++] = (struct asked){ .of = g,
				.name = arena_strdup(call_arena(o->c), rows[i].name),
				.node = rows[i].node,
				.instance = fleet_row_instance(o->c, &rows[i]) };
	if (g->n == 0) {
		own_fail(o, ST_NOT_FOUND, "",
		    arena_printf(call_arena(o->c), "there is no node %s in this fleet",
			only != NULL ? only : ""));
		return;
	}
	g->unanswered = g->n + 1; /* we, until all are asked */
	for (size_t i = 0; i < g->n; i++)
		ask(g, &g->asked[i]);
	if (--g->unanswered == 0)
		write_all(g);
}

static void
ask(struct gathering *g, struct asked *s)
{
	struct meta *m = g->ask->meta;
	Mf__SettingList *own;
	Mf__Empty empty = MF__EMPTY__INIT;
	struct rpc *r;

	if (strcmp(s->name, bus_name(m->bus)) == 0) {
		own = ARENA_NEW(call_arena(g->ask->c), Mf__SettingList);
		mf__setting_list__init(own);
		load_settings(m->node, call_arena(g->ask->c), own);
		s->list = own;
		g->unanswered--;
		return;
	}
	r = rpc_new(g->ask->c, bus_node_target(m->bus, s->node),
	    &(const struct rpc_opts){ .limit_us = ASK_US, .quiet = true, .node = s->instance });
	mf__node__get_settings(&r->service, &empty, on_settings, s);
}

static void
on_settings(const Mf__SettingList *m, void *ctx)
{
	struct asked *s = ctx;

	s->list = m;
	if (--s->of->unanswered == 0)
		write_all(s->of);
}

static void
write_all(struct gathering *g)
{
	struct own_ask *o = g->ask;
	struct jw w;

	jw_start(&w, call_arena(o->c), 65536);
	jw_object(&w, NULL);
	jw_array(&w, "items");
	for (size_t i = 0; i < g->n; i++)
		for (size_t k = 0; g->asked[i].list != NULL && k < g->asked[i].list->n_items; k++)
			write_one(&w, g->asked[i].name, g->asked[i].list->items[k]);
	jw_close(&w, ']');
	jw_array(&w, "unanswered");
	for (size_t i = 0; i < g->n; i++)
		if (g->asked[i].list == NULL)
			jw_str(&w, NULL, g->asked[i].name);
	jw_close(&w, ']');
	jw_close(&w, '}');
	o->result.data = (uint8_t *)jw_text(&w, &o->result.len);
	own_finish(o);
}

static void
write_one(struct jw *w, const char *node, const Mf__Setting *s)
{
	jw_object(w, NULL);
	jw_str(w, "node", node);
	jw_str(w, "key", s->key);
	if (s->secret) {
		jw_null(w, "value");
		jw_null(w, "default");
		jw_bool(w, "secret", true);
	} else {
		jw_str(w, "value", s->value);
		jw_str(w, "default", s->default_value);
	}
	jw_str(w, "source", s->source);
	jw_bool(w, "needs_restart", s->needs_restart);
	jw_str(w, "help", s->help);
	jw_close(w, '}');
}
