/* detail: see model.h. What is looked at, as lines: the facts of an answer, one a line, and below what
 * belongs to it. */
#include <string.h>

#include "cli/top/model.h"

#define LINES_MOST 2000

static void of_node(struct arena *, const struct snapshot *, const char *, struct lines *);
static void of_task(struct arena *, const struct snapshot *, const char *, struct lines *);
static void of_item(struct arena *, const json_t *, const char *, const char *, struct lines *);
static void of_trace(struct arena *, const struct snapshot *, const char *, struct lines *);
static void spans_below(struct arena *, const json_t *, const char *, int, double, struct lines *);
static void facts(struct arena *, const json_t *, struct lines *);
static const json_t *find(const json_t *, const char *, const char *);
static void line(struct lines *, const char *);

void
detail_make(struct arena *a, const struct snapshot *s, const struct state *st,
    const struct table *t, struct lines *out)
{
	const char *id = t->chosen < t->n ? t->rows[t->chosen].id : "";

	*out = (struct lines){ .text = ARENA_ARRAY(a, const char *, LINES_MOST) };
	if (id[0] == '\0') {
		line(out, "It is not there any more.");
		return;
	}
	switch (st->tab) {
	case TAB_NODES:
		of_node(a, s, id, out);
		break;
	case TAB_TASKS:
		of_task(a, s, id, out);
		break;
	case TAB_ERRORS:
		of_item(a, s->of[TOPIC_ERRORS].v, "fingerprint", id, out);
		break;
	case TAB_TRACES:
		of_trace(a, s, id, out);
		break;
	case TAB_CALLS:
	case TABS:
		for (int i = 0; i < t->n_columns; i++)
			line(out, arena_printf(a, "%-20s %s", t->columns[i].title,
				      t->rows[t->chosen].text[i]));
		break;
	}
}

static void
of_node(struct arena *a, const struct snapshot *s, const char *name, struct lines *out)
{
	const json_t *fleet = s->of[TOPIC_FLEET].v, *one;
	const json_t *node = find(json_object_get(fleet, "nodes"), "name", name);
	size_t i;

	if (node == NULL)
		node = find(json_object_get(fleet, "apart"), "name", name);
	facts(a, node, out);
	line(out, "");
	json_array_foreach(json_object_get(s->of[TOPIC_CALLS].v, "items"), i, one)
	{
		const char *from = json_text(a, one, "from"), *to = json_text(a, one, "to");

		if (strcmp(from, name) != 0 && strcmp(to, name) != 0)
			continue;
		line(out,
		    arena_printf(a, "%-10s > %-10s %-9s %8s/s %7s err/s p99 %7s ms %s", from, to,
			json_text(a, one, "service"),
			number_text(a, json_number_value(json_object_get(one, "per_s"))),
			number_text(a, json_number_value(json_object_get(one, "errors_per_s"))),
			json_is_number(json_object_get(one, "p99_ms"))
			    ? number_text(a, json_number_value(json_object_get(one, "p99_ms")))
			    : "-",
			json_text(a, one, "breaker")));
	}
}

static void
of_task(struct arena *a, const struct snapshot *s, const char *id, struct lines *out)
{
	const json_t *task = s->of[TOPIC_TASK].v, *one;
	size_t i;

	if (strcmp(json_text(a, task, "id"), id) != 0)
		task = find(json_object_get(s->of[TOPIC_TASKS].v, "items"), "id", id);
	facts(a, task, out);
	if (task != s->of[TOPIC_TASK].v)
		return;
	line(out, "");
	line(out, "What the log of events has of it:");
	json_array_foreach(json_object_get(s->of[TOPIC_HISTORY].v, "items"), i, one)
	    line(out, arena_printf(a, "%-28s %-14s version %-5s %-11s %s", json_text(a, one, "at"),
			  json_text(a, one, "event"), json_text(a, one, "version"),
			  json_text(a, one, "state"), json_text(a, one, "changes")));
}

static void
of_item(struct arena *a, const json_t *list, const char *key, const char *id, struct lines *out)
{
	facts(a, find(json_object_get(list, "items"), key, id), out);
}

static void
of_trace(struct arena *a, const struct snapshot *s, const char *id, struct lines *out)
{
	const json_t *t = s->of[TOPIC_TRACE].v;
	double most = json_number_value(json_object_get(t, "duration_us"));

	if (strcmp(json_text(a, t, "trace_id"), id) != 0) {
		of_item(a, s->of[TOPIC_TRACES].v, "trace_id", id, out);
		return;
	}
	line(out, arena_printf(a, "%s  %s  %s ms  %s", json_text(a, t, "name"),
		      json_text(a, t, "status"), number_text(a, most / 1e3), id));
	line(out, "");
	spans_below(a, json_object_get(t, "spans"), "", 0, most, out);
}

/* Whose parent is not among them stands at the top. */
static void
spans_below(struct arena *a, const json_t *spans, const char *parent, int depth, double most,
    struct lines *out)
{
	const json_t *one;
	size_t i;

	json_array_foreach(spans, i, one)
	{
		const char *up = json_text(a, one, "parent_id"), *id = json_text(a, one, "span_id");
		bool top = up[0] == '\0' || find(spans, "span_id", up) == NULL;
		double at = json_number_value(json_object_get(one, "start_us")),
		       took = json_number_value(json_object_get(one, "duration_us"));

		if (depth > 16 || (parent[0] == '\0' ? !top : strcmp(up, parent) != 0))
			continue;
		line(out, arena_printf(a, "%*s%-*s %-20s at %8s ms  took %8s ms  %s %s", 2 * depth,
			      "", 24 - 2 * (depth < 8 ? depth : 8), json_text(a, one, "node"),
			      json_text(a, one, "method"), number_text(a, at / 1e3),
			      number_text(a, took / 1e3), json_text(a, one, "code"),
			      json_text(a, one, "reason")));
		if (id[0] != '\0')
			spans_below(a, spans, id, depth + 1, most, out);
	}
}

static void
facts(struct arena *a, const json_t *v, struct lines *out)
{
	const char *key, *inner;
	json_t *one, *two;

	if (v == NULL)
		line(out, "It is not there any more.");
	json_object_foreach((json_t *)(uintptr_t)v, key, one)
	{
		if (!json_is_object(one) || json_object_size(one) == 0) {
			line(out, arena_printf(a, "%-20s %s", key, json_text(a, v, key)));
			continue;
		}
		line(out, key);
		json_object_foreach(one, inner, two)
		    line(out, arena_printf(a, "  %-30s %s", inner, json_text(a, one, inner)));
	}
}

static const json_t *
find(const json_t *list, const char *key, const char *value)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const char *s = json_string_value(json_object_get(one, key));

		if (s != NULL && strcmp(s, value) == 0)
			return one;
	}
	return NULL;
}

static void
line(struct lines *out, const char *text)
{
	if (out->n < LINES_MOST)
		out->text[out->n++] = text;
}
