/* changes: what the log of changes names since the last reading, row by row. See load.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/rbac/load_int.h"
#include "base/log.h"
#include "base/str.h"

#define IDS    500 /* of rows read by id at once */
#define ROUNDS 20  /* of changes that came meanwhile */

static page_fn take_changes, take_changed_rows;
static void note_change(struct reading *g, const json_t *item);
static void changes_next(struct reading *g);
static void read_changed_rows(struct reading *g);
static bool name_changed(struct reading *g);
static void changed_rows_next(struct reading *g);
static void settle_gone(struct reading *g);

/* From before the last row that was taken: it must still be there. */
void
reading_changes(struct reading *g)
{
	(void)snprintf(g->cursor, sizeof(g->cursor), "%s", g->at.before);
	g->read_to = g->at;
	g->number = strtoull(g->at.last, NULL, 10);
	g->model = "policy_change";
	free(g->ids);
	g->ids = NULL;
	reading_ask(g, take_changes, changes_next);
}

static void
take_changes(struct reading *g, const json_t *page)
{
	const json_t *items = json_object_get(page, "items");
	size_t n = json_array_size(items), first = 0;
	bool overlap = strcmp(g->page_cursor, g->at.before) == 0 && g->at.last[0] != '\0';

	if (overlap) {
		const json_t *last = json_array_get(items, 0);
		const char *id = json_string_value(json_object_get(last, "id"));
		const char *at = json_string_value(json_object_get(last, "created_at"));

		g->gap = id == NULL || at == NULL || strcmp(id, g->at.last) != 0 ||
		         strcmp(at, g->at.last_at) != 0;
		first = 1;
	}
	for (size_t i = first; i < n && !g->gap; i++)
		note_change(g, json_array_get(items, i));
	if (n > first && !g->gap)
		reading_log_end(g, page);
}

/* Numbers have no gap: what comes next is one more, the first of an empty log is 1. Else something was
 * thrown away before it was seen, also between two pages. */
static void
note_change(struct reading *g, const json_t *item)
{
	const char *id = json_string_value(json_object_get(item, "id"));
	const char *model = json_string_value(json_object_get(item, "model"));
	const char *subject = json_string_value(json_object_get(item, "subject"));
	json_t *rows;

	if (id == NULL || model == NULL || subject == NULL || strcmp(subject, "*") == 0 ||
	    strtoull(id, NULL, 10) != g->number + 1) {
		g->gap = true;
		return;
	}
	g->number++;
	rows = json_object_get(g->changed, model);
	if (rows == NULL) {
		rows = json_object();
		json_object_set_new(g->changed, model, rows);
	}
	json_object_set_new(rows, subject, json_null());
	g->roles_changed = g->roles_changed || strcmp(model, "role") == 0;
	g->asked = 1;
}

static void
changes_next(struct reading *g)
{
	if (g->gap || (g->r->refused && g->roles_changed && !g->fresh)) {
		if (g->fresh) /* thrown away while it was read */
			image_free(&g->into);
		g->fresh = false;
		log_info("policy_read_anew", L_BOOL("log_has_a_gap", g->gap));
		reading_all(g);
	} else if (g->cursor[0] != '\0') {
		reading_ask(g, take_changes, changes_next);
	} else if (g->asked != 0 && g->rounds++ < ROUNDS) {
		g->asked = 0;
		read_changed_rows(g);
	} else {
		g->more = g->asked != 0;
		if (g->more) /* it never ends: what came last is read next time */
			g->at = g->read_to;
		reading_in_force(g);
	}
}

static void
read_changed_rows(struct reading *g)
{
	g->cursor[0] = '\0';
	if (name_changed(g))
		reading_ask(g, take_changed_rows, changed_rows_next);
	else
		reading_changes(g);
}

/* Of one model, those that have not been read yet; they count as gone until their rows come. */
static bool
name_changed(struct reading *g)
{
	for (size_t k = 0; reading_models[k] != NULL; k++) {
		json_t *rows = json_object_get(g->changed, reading_models[k]), *row;
		struct buf b = { 0 };
		const char *id;
		size_t n = 0;

		g->model = reading_models[k];
		json_object_foreach(rows, id, row)
		{
			if (!json_is_null(row) || n == IDS)
				continue;
			buf_printf(&b, "%s%s", n++ > 0 ? "," : "", id);
			json_object_set_new(rows, id, json_true());
		}
		free(g->ids);
		g->ids = b.p;
		if (n > 0)
			return true;
	}
	return false;
}

static void
take_changed_rows(struct reading *g, const json_t *page)
{
	const json_t *items = json_object_get(page, "items");
	json_t *rows = json_object_get(g->changed, g->model);

	for (size_t i = 0; i < json_array_size(items); i++) {
		json_t *item = json_array_get(items, i);
		const char *id = json_string_value(json_object_get(item, "id"));

		if (id != NULL)
			json_object_set(rows, id, item);
		if (id != NULL && g->bytes > ROLES_BYTES)
			(void)snprintf(g->why, sizeof(g->why),
			    "role %.64s: all roles together have too many permissions", id);
	}
}

static void
changed_rows_next(struct reading *g)
{
	if (g->cursor[0] != '\0') {
		reading_ask(g, take_changed_rows, changed_rows_next);
		return;
	}
	settle_gone(g);
	read_changed_rows(g);
}

static void
settle_gone(struct reading *g)
{
	json_t *rows = json_object_get(g->changed, g->model), *row;
	const char *id;

	json_object_foreach(rows, id, row) if (json_is_true(row))
	    json_object_set_new(rows, id, json_false());
}
