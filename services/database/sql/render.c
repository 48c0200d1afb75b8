/* render: see render.h. Times come as RFC 3339 from intake, as "2026-11-21 01:02:03.5+00" from
 * PostgreSQL (the pool sets ISO and UTC). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/time.h"
#include "database/sql/render.h"

#define ROOM_LEFT (1u << 20) /* of the call, for its answer's message */

static void render_time(struct jw *w, const char *name, const char *v);
static void render_jsonb(struct jw *w, const char *name, const char *v);

void
row_of_reply(
    const struct pg_reply *r, int row, int first_column, const struct model *m, struct row *out)
{
	*out = (struct row){ .model = m };
	for (size_t i = 0; i < m->n_fields; i++)
		if (!pg_null(r, row, first_column + (int)i))
			out->values[i] = pg_value(r, row, first_column + (int)i);
}

uint64_t
row_version(const struct row *r)
{
	return strtoull(r->values[r->model->n_fields - 3], NULL, 10);
}

void
render_row(struct jw *w, const struct row *r)
{
	jw_object(w, NULL);
	for (size_t i = 0; i < r->model->n_fields; i++) {
		const struct field *f = &r->model->fields[i];
		const char *v = r->values[i];

		if (v == NULL)
			jw_null(w, f->name);
		else if (f->type == FIELD_PRIORITY)
			jw_str(w, f->name, task_priorities[*v - '0']);
		else if (f->type == FIELD_TIME)
			render_time(w, f->name, v);
		else if (f->type == FIELD_BOOL)
			jw_bool(w, f->name, *v == 't');
		else if (f->type == FIELD_LABELS || f->type == FIELD_STRINGS)
			render_jsonb(w, f->name, v);
		else if (f->type == FIELD_JSON || f->type == FIELD_INT)
			jw_raw(w, f->name, v, strlen(v));
		else
			jw_str(w, f->name, v);
	}
	jw_close(w, '}');
}

/* Text grows at most six times ("\\u0001"), a name has its quotes, colon and comma. */
size_t
render_most(const struct row *r)
{
	size_t n = 4;

	for (size_t i = 0; i < r->model->n_fields; i++) {
		enum field_type t = r->model->fields[i].type;
		size_t len = r->values[i] != NULL ? strlen(r->values[i]) : 0;

		n += strlen(r->model->fields[i].name) + 32;
		n += t == FIELD_TEXT || t == FIELD_NAME ? 6 * len : len;
	}
	return n;
}

uint8_t *
render_alone(struct arena *a, const struct row *r, size_t *n)
{
	size_t most = render_most(r);
	struct jw w;

	if (arena_left(a) < most + ROOM_LEFT)
		return NULL;
	jw_start(&w, a, most);
	render_row(&w, r);
	return (uint8_t *)jw_text(&w, n);
}

void
time_of_column(const char *v, char out[TIME_RFC3339_LEN])
{
	size_t n = strlen(v);

	if (n < 19 || v[10] != ' ') {
		snprintf(out, TIME_RFC3339_LEN, "%s", v);
		return;
	}
	memcpy(out, "0000-00-00T00:00:00.000000Z", TIME_RFC3339_LEN);
	memcpy(out, v, 10);
	memcpy(out + 11, v + 11, 8);
	for (size_t i = 20; i < 26 && i < n && v[19] == '.' && v[i] >= '0' && v[i] <= '9'; i++)
		out[i] = v[i];
}

static void
render_time(struct jw *w, const char *name, const char *v)
{
	char t[TIME_RFC3339_LEN];

	time_of_column(v, t);
	jw_str(w, name, t);
}

/* jsonb writes a blank after each ',' and ':'; intake writes none. The same object has the same
 * bytes wherever it comes from. */
static void
render_jsonb(struct jw *w, const char *name, const char *v)
{
	char *text = arena_alloc(w->a, strlen(v) + 1), *p = text;
	bool in_string = false;

	for (; *v != '\0'; v++) {
		if (*v == '"')
			in_string = !in_string;
		else if (*v == '\\')
			*p++ = *v++;
		else if (*v == ' ' && !in_string)
			continue;
		*p++ = *v;
	}
	jw_raw(w, name, text, (size_t)(p - text));
}
