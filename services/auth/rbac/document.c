/* document: see document.h. Which fields there are is one table, for both directions. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/rbac/document.h"
#include "base/id.h"
#include "base/str.h"
#include "base/time.h"

#define DOCUMENT_VERSION 1
#define LINE_PATH        600

const char *const document_models[] = { "role", "group", "grant", NULL };

enum shape { SHAPE_TEXT, SHAPE_TEXTS, SHAPE_OBJECT };
static const struct field {
	const char *model, *name;
	enum shape shape;
} fields[] = {
	{ "role", "id", SHAPE_TEXT },
	{ "role", "permissions", SHAPE_TEXTS },
	{ "role", "inherits", SHAPE_TEXTS },
	{ "group", "id", SHAPE_TEXT },
	{ "group", "description", SHAPE_TEXT },
	{ "group", "roles", SHAPE_TEXTS },
	{ "grant", "id", SHAPE_TEXT },
	{ "grant", "effect", SHAPE_TEXT },
	{ "grant", "subject_kind", SHAPE_TEXT },
	{ "grant", "subject", SHAPE_TEXT },
	{ "grant", "permissions", SHAPE_TEXTS },
	{ "grant", "roles", SHAPE_TEXTS },
	{ "grant", "namespace", SHAPE_TEXT },
	{ "grant", "resource", SHAPE_TEXT },
	{ "grant", "conditions", SHAPE_OBJECT },
	{ "grant", "description", SHAPE_TEXT },
	{ "grant", "expires_at", SHAPE_TEXT },
};
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

struct take {
	struct document *d;
	const json_t *lines; /* by JSON Pointer */
	struct yaml_error *e;
	const char *model;
	size_t i;
};

static bool take_document(struct take *t, const json_t *root);
static bool take_item(struct take *t, const json_t *item);
static bool shape_ok(struct take *t, const struct field *f, const json_t *v);
static const struct field *field_find(const char *model, const char *name);
static void own_id(json_t *row);
static void keep_lines(struct take *t, const char *from, const char *to, const json_t *v);
static bool wrong(struct take *t, const char *field, const char *what);

bool
document_read(const char *p, size_t n, struct document *d, struct yaml_error *e)
{
	json_t *lines, *root = yaml_read(p, n, &lines, e);
	struct take t = { .d = d, .lines = lines, .e = e };
	bool ok;

	*d = (struct document){ NULL, NULL };
	if (root == NULL)
		return false;
	d->rows = json_pack("{s:{},s:{},s:{}}", "role", "group", "grant");
	d->lines = json_object();
	ok = take_document(&t, root);
	json_decref(root);
	json_decref(lines);
	if (!ok)
		document_free(d);
	return ok;
}

void
document_free(struct document *d)
{
	json_decref(d->rows);
	json_decref(d->lines);
	*d = (struct document){ NULL, NULL };
}

size_t
document_line(const struct document *d, const char *model, const char *id, const char *field)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/%s%s", model, id, field == NULL ? "" : field);
	return yaml_line(d->lines, path);
}

/* The same moment is the same text. */
static void
one_form_of_time(json_t *row)
{
	const char *ends = json_string_value(json_object_get(row, "expires_at"));
	char text[TIME_RFC3339_LEN];
	int64_t at;

	if (ends == NULL || !time_parse_rfc3339(str_of(ends), &at))
		return;
	time_rfc3339(at, text);
	json_object_set_new(row, "expires_at", json_string(text));
}

json_t *
document_row(const char *model, const json_t *stored)
{
	json_t *row = json_object();

	for (size_t i = 0; i < N_FIELDS; i++) {
		json_t *v = json_object_get(stored, fields[i].name);

		if (strcmp(fields[i].model, model) != 0 || v == NULL || json_is_null(v) ||
		    (json_is_array(v) && json_array_size(v) == 0))
			continue;
		json_object_set(row, fields[i].name, v);
	}
	one_form_of_time(row);
	return row;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void
document_write(struct buf *b, const json_t *rows)
{
	buf_printf(b, "policy: %d\n", DOCUMENT_VERSION);
	for (size_t m = 0; document_models[m] != NULL; m++) {
		json_t *of = json_object_get(rows, document_models[m]), *row;
		const char **ids = calloc(json_object_size(of) + 1, sizeof(char *)), *id;
		size_t n = 0;

		if (ids == NULL)
			abort();
		json_object_foreach(of, id, row) ids[n++] = id;
		qsort(ids, n, sizeof(char *), by_text);
		buf_printf(b, "%ss:%s\n", document_models[m], n == 0 ? " []" : "");
		for (size_t i = 0; i < n; i++) {
			json_t *as = document_row(document_models[m], json_object_get(of, ids[i]));
			const char *dash = "- ";

			for (size_t k = 0; k < N_FIELDS; k++) {
				const json_t *v = json_object_get(as, fields[k].name);

				if (v == NULL || strcmp(fields[k].model, document_models[m]) != 0)
					continue;
				buf_printf(b, "  %s%s: ", dash, fields[k].name);
				yaml_add_value(b, v);
				buf_puts(b, "\n");
				dash = "  ";
			}
			json_decref(as);
		}
		free(ids);
	}
}

/* --- reading --- */

static bool
take_document(struct take *t, const json_t *root)
{
	const char *name;
	json_t *v;

	if (!json_is_object(root))
		return wrong(t, NULL, "must be an object with roles, groups and grants");
	if (json_integer_value(json_object_get(root, "policy")) != DOCUMENT_VERSION) {
		t->e->line = yaml_line(t->lines, "/policy");
		(void)snprintf(t->e->what, sizeof(t->e->what), "policy: must be 1");
		return false;
	}
	json_object_foreach((json_t *)(uintptr_t)root, name, v)
	{
		size_t m = 0;

		if (strcmp(name, "policy") == 0)
			continue;
		while (document_models[m] != NULL &&
		       (strncmp(name, document_models[m], strlen(document_models[m])) != 0 ||
			   strcmp(name + strlen(document_models[m]), "s") != 0))
			m++;
		if (document_models[m] == NULL || !json_is_array(v)) {
			char pointer[40];

			(void)snprintf(pointer, sizeof(pointer), "/%.30s", name);
			t->e->line = yaml_line(t->lines, pointer);
			(void)snprintf(t->e->what, sizeof(t->e->what), "%.30s: %s", name,
			    document_models[m] == NULL ? "must be roles, groups or grants"
						       : "must be a list");
			return false;
		}
		t->model = document_models[m];
		for (t->i = 0; t->i < json_array_size(v); t->i++)
			if (!take_item(t, json_array_get(v, t->i)))
				return false;
	}
	return true;
}

static bool
take_item(struct take *t, const json_t *item)
{
	json_t *rows = json_object_get(t->d->rows, t->model), *row, *v;
	const char *name, *id;
	char from[100], to[100];

	if (!json_is_object(item))
		return wrong(t, "", "must be an object");
	json_object_foreach((json_t *)(uintptr_t)item, name, v)
	{
		const struct field *f = field_find(t->model, name);

		if (f == NULL)
			return wrong(t, name, "is no field of it");
		if (!json_is_null(v) && !shape_ok(t, f, v))
			return false;
	}
	row = document_row(t->model, item);
	if (strcmp(t->model, "grant") == 0 && json_object_get(row, "effect") == NULL)
		json_object_set_new(row, "effect", json_string("allow"));
	if (strcmp(t->model, "grant") == 0 && json_object_get(row, "id") == NULL)
		own_id(row);
	id = json_string_value(json_object_get(row, "id"));
	if (id == NULL || id[0] == '\0' || strlen(id) > 64 || strchr(id, ',') != NULL ||
	    json_object_get(rows, id) != NULL) {
		bool twice = id != NULL && json_object_get(rows, id) != NULL;

		json_decref(row);
		return wrong(t, "id", twice ? "comes twice" : "is needed: a name of 1 to 64");
	}
	(void)snprintf(from, sizeof(from), "/%ss/%zu", t->model, t->i);
	(void)snprintf(to, sizeof(to), "%s/%s", t->model, id);
	keep_lines(t, from, to, item);
	json_object_set_new(rows, id, row);
	return true;
}

static bool
shape_ok(struct take *t, const struct field *f, const json_t *v)
{
	if (f->shape == SHAPE_TEXT)
		return json_is_string(v) || wrong(t, f->name, "must be a text");
	if (f->shape == SHAPE_OBJECT)
		return json_is_object(v) || wrong(t, f->name, "must be an object");
	if (!json_is_array(v))
		return wrong(t, f->name, "must be a list of texts");
	for (size_t i = 0; i < json_array_size(v); i++)
		if (!json_is_string(json_array_get(v, i)))
			return wrong(t, f->name, "must be a list of texts");
	return true;
}

static const struct field *
field_find(const char *model, const char *name)
{
	for (size_t i = 0; i < N_FIELDS; i++)
		if (strcmp(fields[i].model, model) == 0 && strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

/* The same grant has the same id each time it is imported (UUID version 8). */
static void
own_id(json_t *row)
{
	char *text = json_dumps(row, JSON_COMPACT | JSON_SORT_KEYS), id[UUID_LEN];
	uint8_t h[16];

	if (text == NULL)
		abort();
	(void)crypto_generichash(h, sizeof(h), (const unsigned char *)text, strlen(text), NULL, 0);
	free(text);
	h[6] = (uint8_t)((h[6] & 0x0f) | 0x80);
	h[8] = (uint8_t)((h[8] & 0x3f) | 0x80);
	(void)snprintf(id, sizeof(id),
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", h[0], h[1],
	    h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9], h[10], h[11], h[12], h[13], h[14],
	    h[15]);
	json_object_set_new(row, "id", json_string(id));
}

/* By model and id instead of by place; depth is bounded by the reader. */
static void
keep_lines(struct take *t, const char *from, const char *to, const json_t *v)
{
	const char *name;
	json_t *member;
	char f[LINE_PATH], as[LINE_PATH];

	json_object_set_new(t->d->lines, to, json_integer((json_int_t)yaml_line(t->lines, from)));
	json_object_foreach((json_t *)(uintptr_t)v, name, member)
	{
		(void)snprintf(f, sizeof(f), "%.500s/%.30s", from, name);
		(void)snprintf(as, sizeof(as), "%.500s/%.30s", to, name);
		keep_lines(t, f, as, member);
	}
	for (size_t i = 0; i < json_array_size(v); i++) {
		(void)snprintf(f, sizeof(f), "%.500s/%zu", from, i);
		(void)snprintf(as, sizeof(as), "%.500s/%zu", to, i);
		keep_lines(t, f, as, json_array_get(v, i));
	}
}

static bool
wrong(struct take *t, const char *field, const char *what)
{
	char pointer[200];

	if (field == NULL) {
		(void)snprintf(t->e->what, sizeof(t->e->what), "%s", what);
		t->e->line = 1;
		return false;
	}
	(void)snprintf(pointer, sizeof(pointer), "/%ss/%zu/%.30s", t->model, t->i, field);
	t->e->line = yaml_line(t->lines, pointer);
	(void)snprintf(t->e->what, sizeof(t->e->what), "%ss/%zu%s%.30s: %s", t->model, t->i,
	    field[0] != '\0' ? "/" : "", field, what);
	return false;
}
