/* table: see model.h. A maker per tab turns an answer into rows of texts; filter, order and the chosen row
 * are the same for all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/top/model.h"

struct making {
	struct arena *a;
	const struct snapshot *s;
	struct table *t;
};

static void nodes(struct making *);
static void add_node(struct making *, const json_t *, int);
static const char *breakers_of(struct making *, const json_t *, bool *);
static void calls(struct making *);
static void tasks(struct making *);
static void errors(struct making *);
static void traces(struct making *);
static struct table_row *add(struct making *, const char *);
static void set_text(struct table_row *, int, const char *);
static void
set_number(struct making *, struct table_row *, int, const json_t *, const char *, double);
static const char *size_text(struct arena *, double);
static const char *since_text(struct arena *, double);
static bool matches(const struct table *, const struct table_row *, const char *);
static int by_sort(const void *, const void *, void *);

/* Widths without that of the last column are 78 at most. */
static const struct table_column node_columns[] = { { "NODE", 13 }, { "STATE", 9 },
	{ "CALLS/S", -8 }, { "P99 MS", -8 }, { "ERR/S", -6 }, { "RST", -4 }, { "CPU %", -6 },
	{ "RSS", -8 }, { "UP", -7 }, { " BREAKERS", 0 } };
static const struct table_column call_columns[] = { { "FROM", 12 }, { "TO", 12 }, { "SERVICE", 12 },
	{ "PER S", -9 }, { "ERR/S", -8 }, { "P50 MS", -8 }, { "P99 MS", -8 }, { " BREAKER", 0 } };
static const struct table_column task_columns[] = { { "ID", 10 }, { "STATE", 11 },
	{ "PRIORITY", 10 }, { "TYPE", 10 }, { "CREATED", 18 }, { "TITLE", 0 } };
static const struct table_column error_columns[] = { { "NODE", 12 }, { "METHOD", 18 },
	{ "STATUS", 18 }, { "CAUSE", 17 }, { "1 MIN", -6 }, { "1 H", -6 }, { " LAST", 0 } };
static const struct table_column trace_columns[] = { { "AT", 20 }, { "STATUS", 8 }, { "MS", -9 },
	{ "SPANS", -6 }, { " WHY", 9 }, { "NAME", 0 } };

static const struct {
	const char *name, *empty;
	enum topic topic;
	const struct table_column *columns;
	int n;
	void (*make)(struct making *);
} tabs[] = {
#define COLUMNS(c) c, sizeof(c) / sizeof((c)[0])
	[TAB_NODES] = { "nodes", "no node is known", TOPIC_FLEET, COLUMNS(node_columns), nodes },
	[TAB_CALLS] = { "calls", "no call in the last ten seconds", TOPIC_CALLS,
	    COLUMNS(call_columns), calls },
	[TAB_TASKS] = { "tasks", "there is no task", TOPIC_TASKS, COLUMNS(task_columns), tasks },
	[TAB_ERRORS] = { "errors", "nothing went wrong in the last hour", TOPIC_ERRORS,
	    COLUMNS(error_columns), errors },
	[TAB_TRACES] = { "traces", "no trace is kept", TOPIC_TRACES, COLUMNS(trace_columns),
	    traces },
};

const char *
tab_name(enum tab t)
{
	return tabs[t].name;
}

int
tab_columns(enum tab t)
{
	return tabs[t].n;
}

void
table_make(struct arena *a, const struct snapshot *s, const struct state *st, struct table *out)
{
	const struct topic_answer *from = &s->of[tabs[st->tab].topic];
	struct making m = { a, s, out };
	size_t n = 0;

	*out = (struct table){ .columns = tabs[st->tab].columns, .n_columns = tabs[st->tab].n };
	out->empty = from->v != NULL            ? tabs[st->tab].empty
	             : from->problem[0] != '\0' ? arena_strdup(a, from->problem)
	                                        : "waiting for the first answer ...";
	if (from->v != NULL)
		tabs[st->tab].make(&m);
	for (size_t i = 0; i < out->n; i++)
		if (matches(out, &out->rows[i], st->filter))
			out->rows[n++] = out->rows[i];
	if (out->n > 0 && n == 0)
		out->empty = "nothing has what the filter says; Esc takes it away";
	out->n = n;
	if (n > 1 && st->sort >= 0 && st->sort < out->n_columns)
		qsort_r(out->rows, n, sizeof(out->rows[0]), by_sort, (void *)(uintptr_t)st);
	out->chosen = n;
	for (size_t i = 0; i < n; i++)
		if (strcmp(out->rows[i].id, st->chosen) == 0)
			out->chosen = i;
	if (out->chosen == n && n > 0)
		out->chosen = 0;
}

static void
nodes(struct making *m)
{
	const json_t *fleet = m->s->of[TOPIC_FLEET].v, *one;
	size_t i;

	json_array_foreach(json_object_get(fleet, "nodes"), i, one)
	    add_node(m, one, (int)json_integer_value(json_object_get(one, "level")));
	json_array_foreach(json_object_get(fleet, "apart"), i, one) add_node(m, one, 0);
}

/* Who does not answer has a dash where others have a figure. */
static void
add_node(struct making *m, const json_t *v, int level)
{
	const char *state = json_text(m->a, v, "state");
	struct table_row *r = add(m, json_text(m->a, v, "name"));
	bool open = false;

	set_text(r, 0, arena_printf(m->a, "%*s%s", level < 4 ? level : 4, "", r->id));
	set_text(r, 1, state);
	set_number(m, r, 2, v, "calls_per_s", 1);
	set_number(m, r, 3, v, "p99_ms", 1);
	set_number(m, r, 4, v, "errors_per_s", 1);
	set_number(m, r, 5, v, "restarts_in_window", 1);
	set_number(m, r, 6, v, "cpu_percent", 1);
	r->number[7] = json_number_value(json_object_get(v, "rss"));
	set_text(r, 7, r->number[7] > 0 ? size_text(m->a, r->number[7]) : "-");
	r->number[8] = json_number_value(json_object_get(v, "uptime"));
	set_text(r, 8, since_text(m->a, r->number[8]));
	set_text(r, 9, arena_printf(m->a, " %s", breakers_of(m, v, &open)));
	if (strcmp(state, "FAILED") == 0 || strcmp(state, "BACKOFF") == 0)
		r->look = LOOK_BAD;
	else if (strcmp(state, "READY") != 0 || open || r->number[4] > 0)
		r->look = LOOK_WARN;
	else if (json_is_true(json_object_get(v, "leads")))
		set_text(r, 9, " leads");
}

/* Those that are not closed: "open: sql cache". */
static const char *
breakers_of(struct making *m, const json_t *v, bool *open)
{
	const char *text = "", *key;
	json_t *state;

	json_object_foreach(json_object_get(v, "breakers"), key, state)
	{
		const char *s = json_string_value(state), *to = strstr(key, "-> ");

		if (s == NULL || strcmp(s, "closed") == 0)
			continue;
		*open = true;
		text = arena_printf(m->a, "%s%s%s:%s", text, text[0] == '\0' ? "" : " ",
		    to != NULL ? to + 3 : key, s);
	}
	return text;
}

/* Ways on which nothing goes are shown when their breaker is not closed. */
static void
calls(struct making *m)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(m->s->of[TOPIC_CALLS].v, "items"), i, one)
	{
		const char *breaker = json_text(m->a, one, "breaker");
		bool closed = strcmp(breaker, "closed") == 0;
		struct table_row *r;

		if (closed && json_number_value(json_object_get(one, "per_s")) <= 0)
			continue;
		r = add(m, arena_printf(m->a, "%s>%s.%s", json_text(m->a, one, "from"),
			       json_text(m->a, one, "to"), json_text(m->a, one, "service")));
		set_text(r, 0, json_text(m->a, one, "from"));
		set_text(r, 1, json_text(m->a, one, "to"));
		set_text(r, 2, json_text(m->a, one, "service"));
		set_number(m, r, 3, one, "per_s", 1);
		set_number(m, r, 4, one, "errors_per_s", 1);
		set_number(m, r, 5, one, "p50_ms", 1);
		set_number(m, r, 6, one, "p99_ms", 1);
		set_text(r, 7, arena_printf(m->a, " %s", breaker));
		r->look = !closed ? LOOK_BAD : r->number[4] > 0 ? LOOK_WARN : LOOK_PLAIN;
	}
}

static void
tasks(struct making *m)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(m->s->of[TOPIC_TASKS].v, "items"), i, one)
	{
		struct table_row *r = add(m, json_text(m->a, one, "id"));
		size_t n = strlen(r->id);

		/* The end of an id tells tasks of one second apart. */
		set_text(r, 0, arena_printf(m->a, "..%s", n > 6 ? r->id + n - 6 : r->id));
		set_text(r, 1, json_text(m->a, one, "state"));
		set_text(r, 2, json_text(m->a, one, "priority"));
		set_text(r, 3, json_text(m->a, one, "type"));
		set_text(r, 4,
		    arena_printf(m->a, "%.10s %.5s", json_text(m->a, one, "created_at"),
			strlen(json_text(m->a, one, "created_at")) > 16
			    ? json_text(m->a, one, "created_at") + 11
			    : ""));
		set_text(r, 5, json_text(m->a, one, "title"));
		r->look = strcmp(r->text[1], "FAILED") == 0 ? LOOK_BAD : LOOK_PLAIN;
	}
}

static void
errors(struct making *m)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(m->s->of[TOPIC_ERRORS].v, "items"), i, one)
	{
		struct table_row *r = add(m, json_text(m->a, one, "fingerprint"));
		const char *last = json_text(m->a, one, "last_at");

		set_text(r, 0, json_text(m->a, one, "node"));
		set_text(r, 1, json_text(m->a, one, "method"));
		set_text(r, 2, json_text(m->a, one, "status"));
		set_text(r, 3, json_text(m->a, one, "cause"));
		set_number(m, r, 4, one, "in_1m", 1);
		set_number(m, r, 5, one, "in_1h", 1);
		set_text(r, 6, arena_printf(m->a, " %.8s", strlen(last) > 19 ? last + 11 : last));
		r->look = r->number[4] > 0 ? LOOK_WARN : LOOK_PLAIN;
	}
}

static void
traces(struct making *m)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(m->s->of[TOPIC_TRACES].v, "items"), i, one)
	{
		struct table_row *r = add(m, json_text(m->a, one, "trace_id"));
		const char *at = json_text(m->a, one, "at");

		set_text(
		    r, 0, arena_printf(m->a, "%.10s %.8s", at, strlen(at) > 19 ? at + 11 : ""));
		set_text(r, 1, json_text(m->a, one, "status"));
		set_number(m, r, 2, one, "duration_us", 1e-3);
		set_number(m, r, 3, one, "spans", 1);
		set_text(r, 4, arena_printf(m->a, " %s", json_text(m->a, one, "why")));
		set_text(r, 5, json_text(m->a, one, "name"));
		r->look = strcmp(r->text[1], "error") == 0 ? LOOK_BAD : LOOK_PLAIN;
	}
}

static struct table_row *
add(struct making *m, const char *id)
{
	struct table *t = m->t;
	struct table_row *more;

	if ((t->n & (t->n - 1)) == 0) {
		more = ARENA_ARRAY(m->a, struct table_row, t->n == 0 ? 16 : 2 * t->n + 16);
		if (t->n > 0)
			memcpy(more, t->rows, t->n * sizeof(*more));
		t->rows = more;
	}
	t->rows[t->n] = (struct table_row){ .id = id, .order = t->n };
	return &t->rows[t->n++];
}

static void
set_text(struct table_row *r, int column, const char *text)
{
	r->text[column] = text;
}

/* Not there, or null: there is none. */
static void
set_number(struct making *m, struct table_row *r, int column, const json_t *v, const char *key,
    double unit)
{
	const json_t *n = json_object_get(v, key);

	r->number[column] = json_is_number(n) ? json_number_value(n) * unit : -1;
	r->text[column] = json_is_integer(n) && unit == 1
	                      ? arena_printf(m->a, "%.0f", r->number[column])
	                  : json_is_number(n) ? number_text(m->a, r->number[column])
	                                      : "-";
}

const char *
number_text(struct arena *a, double v)
{
	if (v == 0)
		return "0";
	return arena_printf(a, v < 10 ? "%.2f" : v < 1000 ? "%.1f" : "%.0f", v);
}

static const char *
size_text(struct arena *a, double v)
{
	return v < 1e6   ? arena_printf(a, "%.0f kB", v / 1e3)
	       : v < 1e9 ? arena_printf(a, "%.1f MB", v / 1e6)
	                 : arena_printf(a, "%.2f GB", v / 1e9);
}

static const char *
since_text(struct arena *a, double s)
{
	return s <= 0       ? "-"
	       : s < 120    ? arena_printf(a, "%.0f s", s)
	       : s < 7200   ? arena_printf(a, "%.0f min", s / 60)
	       : s < 172800 ? arena_printf(a, "%.0f h", s / 3600)
	                    : arena_printf(a, "%.0f d", s / 86400);
}

const char *
json_text(struct arena *a, const json_t *v, const char *key)
{
	const json_t *one = json_object_get(v, key);
	const char *text;
	char *dump;

	if (one == NULL || json_is_null(one))
		return "";
	if (json_is_string(one))
		return json_string_value(one);
	dump = json_dumps(one, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
	text = arena_strdup(a, dump != NULL ? dump : "");
	free(dump);
	return text;
}

static bool
matches(const struct table *t, const struct table_row *r, const char *filter)
{
	for (int i = 0; i < t->n_columns; i++)
		if (r->text[i] != NULL && strcasestr(r->text[i], filter) != NULL)
			return true;
	return filter[0] == '\0';
}

/* Numbers largest first, texts by the alphabet; what is equal as it came. */
static int
by_sort(const void *a, const void *b, void *ctx)
{
	const struct table_row *x = a, *y = b;
	int k = ((const struct state *)ctx)->sort, c = x->number[k] > y->number[k]   ? -1
	                                               : x->number[k] < y->number[k] ? 1
	                                                                             : 0;

	if (c == 0 && x->number[k] == 0 && x->text[k] != NULL && y->text[k] != NULL)
		c = strcasecmp(x->text[k], y->text[k]);
	return c != 0 ? c : x->order < y->order ? -1 : 1;
}
