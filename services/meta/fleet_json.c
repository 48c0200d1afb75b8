/* fleet_json: the fleet, and the calls within it, as clients get them. Called by own. */
#include <string.h>

#include "base/json.h"
#include "base/time.h"
#include "meta/fleet_view.h"
#include "meta/meta.h"
#include "meta/own.h"

#define WINDOW_S 10 /* bus/recent.h */

static void write_node(struct jw *, const Mf__FleetNode *);
static void write_load(struct jw *, const Mf__FleetNode *);
static void on_view(void *, const Mf__FleetState *);
static void write_calls(struct jw *, const char *, const Mf__NodeInfo *);
static void write_ms(struct jw *, const char *, double, bool);

ProtobufCBinaryData
fleet_view_json(struct arena *a, const Mf__FleetState *s)
{
	ProtobufCBinaryData out;
	struct jw w;

	jw_start(&w, a, 8192);
	jw_object(&w, NULL);
	jw_array(&w, "nodes");
	for (size_t i = 0; i < s->n_nodes; i++)
		write_node(&w, s->nodes[i]);
	jw_close(&w, ']');
	jw_array(&w, "apart");
	for (size_t i = 0; i < s->n_apart; i++)
		write_node(&w, s->apart[i]);
	jw_close(&w, ']');
	/* Clients of v1 know three words. Events (FleetMode) say how it is throttled. */
	jw_str(&w, "mode", strcmp(s->mode, "shedding") == 0 ? "throttled" : s->mode);
	jw_str(&w, "stores", s->stores);
	if (s->journal_known)
		jw_int(&w, "journal_entries", (int64_t)s->journal_entries);
	jw_array(&w, "isolated");
	for (size_t i = 0; i < s->n_isolated; i++)
		jw_str(&w, NULL, s->isolated[i]);
	jw_close(&w, ']');
	jw_close(&w, '}');
	out.data = (uint8_t *)jw_text(&w, &out.len);
	return out;
}

/* {"window_s":10,"items":[{"from","to","service",...}]}: who answered within the last look. */
void
own_calls(struct own_ask *o)
{
	fleet_view_ask(o->meta->view, o->c, on_view, o);
}

static void
on_view(void *ctx, const Mf__FleetState *s)
{
	struct own_ask *o = ctx;
	struct arena *a = call_arena(o->c);
	struct fleet_row *rows;
	size_t n = fleet_state_rows(o->meta->fleet, &rows);
	struct jw w;

	(void)s;
	jw_start(&w, a, 8192);
	jw_object(&w, NULL);
	jw_int(&w, "window_s", WINDOW_S);
	jw_array(&w, "items");
	for (size_t i = 0; i < n; i++) {
		const Mf__NodeInfo *info =
		    rows[i].level < 0 ? NULL : fleet_view_info(o->meta, a, &rows[i]);

		if (info != NULL)
			write_calls(&w, rows[i].name, info);
	}
	jw_close(&w, ']');
	jw_close(&w, '}');
	o->result.data = (uint8_t *)jw_text(&w, &o->result.len);
	own_finish(o);
}

static void
write_calls(struct jw *w, const char *from, const Mf__NodeInfo *info)
{
	for (size_t i = 0; i < info->n_calls; i++) {
		const Mf__CallLoad *l = info->calls[i];
		const char *dot = strrchr(l->target, '.');

		jw_object(w, NULL);
		jw_str(w, "from", from);
		jw_str(w, "to", l->node);
		jw_str(w, "service", dot != NULL ? dot + 1 : l->target);
		jw_num(w, "per_s", fleet_per_s(l->calls, l->window_us));
		jw_num(w, "errors_per_s", fleet_per_s(l->faults, l->window_us));
		write_ms(w, "p50_ms", (double)l->p50_us / MS, l->calls > 0);
		write_ms(w, "p99_ms", (double)l->p99_us / MS, l->calls > 0);
		jw_str(w, "breaker", l->breaker);
		jw_close(w, '}');
	}
}

/* There is none of no call. */
static void
write_ms(struct jw *w, const char *key, double ms, bool known)
{
	if (known)
		jw_num(w, key, ms);
	else
		jw_null(w, key);
}

static void
write_node(struct jw *w, const Mf__FleetNode *n)
{
	jw_object(w, NULL);
	jw_str(w, "name", n->name);
	if (n->instance[0] != '\0')
		jw_str(w, "instance", n->instance);
	jw_int(w, "level", n->level);
	jw_str(w, "domain", n->domain);
	jw_int(w, "pid", n->pid);
	jw_str(w, "state", n->state);
	jw_int(w, "generation", (int64_t)n->generation);
	jw_int(w, "restarts", n->restarts);
	jw_num(w, "uptime", (double)n->uptime_us / 1e6);
	jw_int(w, "restarts_in_window", n->restarts);
	if (n->restart_window_s != 0)
		jw_int(w, "window_s", n->restart_window_s);
	jw_object(w, "breakers");
	for (size_t i = 0; i < n->n_breakers; i++)
		jw_str(w, n->breakers[i]->key, n->breakers[i]->value);
	jw_close(w, '}');
	jw_int(w, "in_flight", n->in_flight);
	jw_int(w, "rss", (int64_t)n->rss_bytes);
	if (n->answered)
		write_load(w, n);
	if (n->files_max != 0) {
		jw_object(w, "limits");
		jw_int(w, "memory_max", (int64_t)n->memory_max_bytes);
		jw_int(w, "recycle_rss", (int64_t)n->recycle_rss_bytes);
		jw_int(w, "files", n->files);
		jw_int(w, "files_max", n->files_max);
		jw_close(w, '}');
	}
	if (n->reason[0] != '\0')
		jw_str(w, "reason", n->reason);
	if (n->leads)
		jw_bool(w, "leads", true);
	jw_close(w, '}');
}

static void
write_load(struct jw *w, const Mf__FleetNode *n)
{
	jw_num(w, "calls_per_s", n->calls_per_s);
	jw_num(w, "errors_per_s", n->errors_per_s);
	write_ms(w, "p50_ms", n->p50_ms, n->calls_per_s > 0);
	write_ms(w, "p99_ms", n->p99_ms, n->calls_per_s > 0);
	jw_num(w, "cpu_percent", n->cpu_percent);
	jw_str(w, "log_level", n->log_level);
}
