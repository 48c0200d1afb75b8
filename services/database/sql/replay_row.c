/* replay_row: see replay.h. */
#include <stdlib.h>
#include <string.h>
#include "base/json_patch.h"
#include "base/log.h"
#include "database/sql/replay.h"

static const char *value_of(struct arena *a, const struct field *f, const json_t *v);
static const char *
merged(struct arena *a, const struct field *f, const char *before, json_t *patch);

bool
replay_row(struct arena *a, const struct model *m, const void *json, size_t n, struct row *out)
{
	struct json_error e;
	json_t *v = json_read(json, n, &e);
	bool ok = json_is_object(v);

	*out = (struct row){ .model = m };
	for (size_t i = 0; ok && i < m->n_fields; i++) {
		const json_t *field = json_object_get(v, m->fields[i].name);

		if (field != NULL && !json_is_null(field))
			ok = (out->values[i] = value_of(a, &m->fields[i], field)) != NULL;
		else
			ok = (m->fields[i].flags & FIELD_REQUIRED) == 0;
	}
	json_decref(v);
	return ok;
}

/* As intake leaves it. NULL: of another type. */
static const char *
value_of(struct arena *a, const struct field *f, const json_t *v)
{
	static const char *const digits[] = { NULL, "1", "2", "3", "4" };

	switch (f->type) {
	case FIELD_LABELS:
	case FIELD_STRINGS:
	case FIELD_JSON:
		return f->type == FIELD_LABELS && json_is_object(v) ? intake_labels(a, v)
		                                                    : intake_json(a, v);
	case FIELD_BOOL:
		return json_is_boolean(v) ? (json_is_true(v) ? "true" : "false") : NULL;
	case FIELD_INT:
		return json_is_integer(v)
		           ? arena_printf(a, "%lld", (long long)json_integer_value(v))
		           : NULL;
	case FIELD_PRIORITY:
		for (size_t i = 1; json_is_string(v) && i <= 4; i++)
			if (strcmp(json_string_value(v), task_priorities[i]) == 0)
				return digits[i];
		return NULL;
	case FIELD_UUID:
	case FIELD_NAME:
	case FIELD_TEXT:
	case FIELD_STATE:
	case FIELD_TIME:
		break;
	}
	return json_is_string(v) ? arena_strdup(a, json_string_value(v)) : NULL;
}

void
replay_patch(struct arena *a, struct row *r, const char *patch, const char *now)
{
	const struct model *m = r->model;
	struct json_error e;
	json_t *p = json_read(patch, strlen(patch), &e), *v;

	must(p != NULL);
	for (size_t i = 1; i < m->n_fields; i++) {
		const struct field *f = &m->fields[i];

		if ((v = json_object_get(p, f->name)) == NULL)
			continue;
		if (json_is_null(v))
			r->values[i] = f->def;
		else if (f->type == FIELD_LABELS || f->type == FIELD_JSON)
			r->values[i] = merged(a, f, r->values[i], v);
		else if (f->type == FIELD_STRINGS)
			r->values[i] = intake_json(a, v);
		else
			r->values[i] = arena_strdup(a, json_string_value(v));
	}
	json_decref(p);
	r->values[m->n_fields - 3] =
	    arena_printf(a, "%llu", strtoull(r->values[m->n_fields - 3], NULL, 10) + 1);
	r->values[m->n_fields - 1] = now;
}

/* RFC 7396, as mf_merge_patch and the statement that calls it: a reference to a blob is no object to
 * merge with another. */
static const char *
merged(struct arena *a, const struct field *f, const char *before, json_t *patch)
{
	struct json_error e;
	json_t *target = before != NULL ? json_read(before, strlen(before), &e) : NULL;
	const char *text;

	if (!json_is_object(patch)) {
		json_decref(target);
		target = json_incref(patch);
	} else {
		if (!json_is_object(target) ||
		    (f->type == FIELD_JSON && (json_object_get(target, "$blob") != NULL ||
						  json_object_get(patch, "$blob") != NULL))) {
			json_decref(target);
			target = json_object();
		}
		json_patch_merge(target, patch);
	}
	text = f->type == FIELD_LABELS && json_is_object(target) ? intake_labels(a, target)
	                                                         : intake_json(a, target);
	json_decref(target);
	return text;
}

void
replay_state(struct jw *w, const char *key, const struct row *r)
{
	jw_object(w, key);
	for (size_t i = 0; i < r->model->n_fields; i++) {
		const struct field *f = &r->model->fields[i];
		const char *v = r->values[i];

		if (v == NULL)
			jw_null(w, f->name);
		else if (f->type == FIELD_LABELS || f->type == FIELD_STRINGS ||
			 f->type == FIELD_JSON || f->type == FIELD_INT ||
			 f->type == FIELD_PRIORITY || f->type == FIELD_BOOL)
			jw_raw(w, f->name, v, strlen(v));
		else
			jw_str(w, f->name, v);
	}
	jw_close(w, '}');
}
