/* screen: see model.h. Three lines of the fleet as a whole, the tabs, a table or what is looked at, and a
 * line for messages. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "cli/top/model.h"

#define HEAD       4         /* lines above the table's titles */
#define OLD_US     (3 * SEC) /* an answer of this age is said to be stale */
#define ARENA_MOST (16u << 20)

struct drawing {
	struct arena *a;
	struct grid *g;
	const struct snapshot *s;
	const struct state *st;
	int64_t now;
};

static void draw_fleet(struct drawing *);
static void draw_requests(struct drawing *);
static void draw_tasks(struct drawing *);
static void draw_tabs(struct drawing *);
static void draw_table(struct drawing *, const struct table *);
static void draw_row(struct drawing *, const struct table *, int, int);
static void draw_detail(struct drawing *, const struct table *);
static void draw_help(struct drawing *);
static void draw_foot(struct drawing *);
static const char *stale(struct drawing *);
static const char *figure(struct arena *, const json_t *, const char *);
static const json_t *minute(const json_t *);

struct grid *
screen_draw(const struct snapshot *s, const struct state *st, int rows, int cols, int64_t now_us)
{
	struct drawing d = { arena_new(ARENA_MOST), grid_new(rows, cols), s, st, now_us };
	struct table t;

	table_make(d.a, s, st, &t);
	draw_fleet(&d);
	draw_requests(&d);
	draw_tasks(&d);
	draw_tabs(&d);
	if (st->help)
		draw_help(&d);
	else if (st->detail)
		draw_detail(&d, &t);
	else
		draw_table(&d, &t);
	draw_foot(&d);
	arena_free(&d.a);
	return d.g;
}

int
screen_page(int rows)
{
	return rows - HEAD - 2 > 1 ? rows - HEAD - 2 : 1;
}

static void
draw_fleet(struct drawing *d)
{
	const json_t *fleet = d->s->of[TOPIC_FLEET].v;
	const char *mode = json_text(d->a, fleet, "mode"),
		   *stores = json_text(d->a, fleet, "stores"),
		   *journal = json_text(d->a, fleet, "journal_entries"), *old = stale(d);
	int at = grid_put(
	    d->g, 0, 0, d->g->cols, LOOK_TITLE, arena_printf(d->a, "metafed %s ", d->st->where));
	bool normal = strcmp(mode, "normal") == 0 && strcmp(stores, "normal") == 0;

	if (fleet != NULL)
		grid_put(d->g, 0, at, d->g->cols, normal ? LOOK_TITLE : LOOK_WARN,
		    arena_printf(d->a, " fleet %s  stores %s  journal %s", mode, stores,
			journal[0] != '\0' ? journal : "?"));
	grid_fill(d->g, 0, normal || fleet == NULL ? LOOK_TITLE : LOOK_WARN);
	if (old[0] != '\0')
		grid_field(
		    d->g, 0, d->g->cols - grid_width(old) - 1, grid_width(old) + 1, LOOK_BAD, old);
}

/* "": what is shown is of now. */
static const char *
stale(struct drawing *d)
{
	const struct topic_answer *f = &d->s->of[TOPIC_FLEET];

	if (f->v == NULL)
		return f->problem[0] == '\0' ? "" : f->status == 0 ? "no answer" : "refused";
	if (d->now - f->at_us < OLD_US)
		return "";
	return arena_printf(d->a, "STALE %lld s", (long long)((d->now - f->at_us) / SEC));
}

/* Of api: what clients get. */
static void
draw_requests(struct drawing *d)
{
	const json_t *nodes = json_object_get(d->s->of[TOPIC_FLEET].v, "nodes"), *one, *api = NULL,
		     *w = minute(d->s->of[TOPIC_RELIABILITY].v);
	struct arena *a = d->a;
	const char *text, *share = "";
	size_t i;

	json_array_foreach(nodes, i, one) if (strcmp(json_text(a, one, "name"), "api") == 0) api =
	    one;
	if (json_is_number(json_object_get(api, "calls_per_s")))
		text = arena_printf(a, "requests %s/s  p50 %s ms  p99 %s ms  errors %s/s",
		    figure(a, api, "calls_per_s"), figure(a, api, "p50_ms"),
		    figure(a, api, "p99_ms"), figure(a, api, "errors_per_s"));
	else
		text = api != NULL ? "requests: api does not answer" : "";
	if (json_is_number(json_object_get(w, "reliability")))
		share = arena_printf(a, "  reliability %.2f %%",
		    100 * json_number_value(json_object_get(w, "reliability")));
	else if (w != NULL)
		share = "  no request in a minute";
	grid_put(d->g, 1, 0, d->g->cols, LOOK_PLAIN, arena_printf(a, "%s%s", text, share));
}

/* A dash where there is none. */
static const char *
figure(struct arena *a, const json_t *v, const char *key)
{
	const json_t *n = json_object_get(v, key);

	return json_is_number(n) ? number_text(a, json_number_value(n)) : "-";
}

static const json_t *
minute(const json_t *reliability)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(reliability, "windows"), i, one)
	{
		const char *name = json_string_value(json_object_get(one, "window"));

		if (name != NULL && strcmp(name, "1m") == 0)
			return one;
	}
	return NULL;
}

static void
draw_tasks(struct drawing *d)
{
	const json_t *counts = d->s->of[TOPIC_COUNTS].v;
	int at = grid_put(d->g, 2, 0, d->g->cols, LOOK_PLAIN, counts != NULL ? "tasks" : "");
	const char *state;
	json_t *n;

	json_object_foreach(json_object_get(counts, "by_state"), state, n) at =
	    grid_put(d->g, 2, at, d->g->cols, strcmp(state, "FAILED") == 0 ? LOOK_WARN : LOOK_PLAIN,
		arena_printf(d->a, "  %s %lld", state, (long long)json_integer_value(n)));
	if (counts != NULL && json_integer_value(json_object_get(counts, "count")) == 0)
		grid_put(d->g, 2, at, d->g->cols, LOOK_PLAIN, "  none");
}

static void
draw_tabs(struct drawing *d)
{
	int at = 0;

	for (int i = 0; i < TABS; i++) {
		bool here = i == (int)d->st->tab;

		at = grid_put(d->g, 3, at, d->g->cols, here ? LOOK_SELECTED : LOOK_BOLD,
		    arena_printf(d->a, " %d %s ", i + 1, tab_name((enum tab)i)));
		at = grid_put(d->g, 3, at, d->g->cols, LOOK_PLAIN, " ");
	}
	if (d->st->filter[0] != '\0' && !d->st->typing)
		grid_put(d->g, 3, at + 1, d->g->cols, LOOK_WARN,
		    arena_printf(d->a, "with \"%s\"", d->st->filter));
}

static void
draw_table(struct drawing *d, const struct table *t)
{
	int at = 0, page = screen_page(d->g->rows), top = d->st->top;

	for (int i = 0; i < t->n_columns; i++) {
		int w = t->columns[i].width;

		if (w == 0)
			w = d->g->cols - at > 0 ? d->g->cols - at : 0;
		grid_field(d->g, HEAD, at, w, i == d->st->sort ? LOOK_SELECTED : LOOK_BOLD,
		    t->columns[i].title);
		at += abs(w);
	}
	if (t->n == 0)
		grid_put(d->g, HEAD + 1, 0, d->g->cols, LOOK_DIM, t->empty);
	if (t->chosen < t->n && (int)t->chosen < top)
		top = (int)t->chosen;
	if (t->chosen < t->n && (int)t->chosen >= top + page)
		top = (int)t->chosen - page + 1;
	for (int i = 0; i < page && top + i < (int)t->n; i++)
		draw_row(d, t, top + i, HEAD + 1 + i);
}

/* Figures keep a blank before them. */
static void
draw_row(struct drawing *d, const struct table *t, int k, int row)
{
	const struct table_row *r = &t->rows[k];
	enum look look = k == (int)t->chosen ? LOOK_SELECTED : r->look;
	int at = 0;

	for (int i = 0; i < t->n_columns; i++) {
		int w = t->columns[i].width;

		if (w == 0)
			w = d->g->cols - at > 0 ? d->g->cols - at : 0;
		grid_field(d->g, row, at, w, look, r->text[i] != NULL ? r->text[i] : "");
		if (w > 1 && t->columns[i].width > 0) /* a text that fills its column keeps apart */
			grid_put(d->g, row, at + w - 1, 1, look, " ");
		at += abs(w);
	}
	if (look == LOOK_SELECTED)
		grid_fill(d->g, row, look);
}

static void
draw_detail(struct drawing *d, const struct table *t)
{
	int page = screen_page(d->g->rows) + 1, top = d->st->detail_top;
	struct lines l;

	detail_make(d->a, d->s, d->st, t, &l);
	if (top > (int)l.n - page)
		top = (int)l.n > page ? (int)l.n - page : 0;
	for (int i = 0; i < page && top + i < (int)l.n; i++)
		grid_put(d->g, HEAD + i, 1, d->g->cols - 1, LOOK_PLAIN, l.text[top + i]);
}

static void
draw_help(struct drawing *d)
{
	static const char *const lines[] = { "arrows, j k, PgUp PgDn, Home End   move",
		"1 to 5, Tab                        nodes, calls, tasks, errors, traces",
		"Enter                              look at it; Esc or q goes back",
		"/                                  rows with these words only; Esc: all again",
		"s, S                               sort by the next column; as it came",
		"r                                  restart the node: it drains, no request fails",
		"l                                  follow the node's log; Ctrl-C comes back",
		"q                                  quit", "",
		"CALLS/S, P99, ERR/S, CPU: of the last ten seconds; RST: restarts in the window;",
		"reliability: of the last minute.",
		"While this runs the fleet is asked once a second, for some 20 calls between its",
		"nodes. Tasks are counted every five seconds." };

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		grid_put(d->g, HEAD + (int)i, 1, d->g->cols - 1, LOOK_PLAIN, lines[i]);
}

static void
draw_foot(struct drawing *d)
{
	const struct state *st = d->st;
	int row = d->g->rows - 1;
	const char *problem = d->s->of[TOPIC_FLEET].problem;

	grid_field(
	    d->g, row, 0, d->g->cols, LOOK_PLAIN, ""); /* help may be longer than the screen */
	if (st->confirm[0] != '\0')
		grid_put(d->g, row, 0, d->g->cols, LOOK_WARN,
		    arena_printf(d->a, "Restart %s? It drains first, no request fails. y or n ",
			st->confirm));
	else if (st->typing)
		grid_put(
		    d->g, row, 0, d->g->cols, LOOK_PLAIN, arena_printf(d->a, "/%s_", st->filter));
	else if (st->message[0] != '\0')
		grid_put(
		    d->g, row, 0, d->g->cols, st->message_bad ? LOOK_BAD : LOOK_BOLD, st->message);
	else if (problem[0] != '\0')
		grid_put(d->g, row, 0, d->g->cols, LOOK_BAD, problem);
	else
		grid_put(d->g, row, 0, d->g->cols, LOOK_DIM,
		    st->detail || st->help ? "Esc back  q back  ? help"
					   : "q quit  ? help  Enter look  / filter  s sort  r "
					     "restart  l logs  Tab next");
}
