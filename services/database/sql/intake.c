/* intake: validation by the models table. Everything that reaches PostgreSQL as a value was
 * accepted here, so that an error there is about state, not about form; one bad row must not roll
 * back a group. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "database/sql/intake.h"

static const char *
take_value(struct arena *a, const struct field *f, const json_t *v, struct complaints *e);
static const char *
take_text(struct arena *a, const struct field *f, struct str s, struct complaints *e);
static const char *take_priority(const struct field *f, const json_t *v, struct complaints *e);
static const char *
take_json(struct arena *a, const struct field *f, const json_t *v, struct complaints *e);
static const char *take_labels(
    struct arena *a, const struct field *f, const json_t *v, bool patch, struct complaints *e);
static const char *
take_strings(struct arena *a, const struct field *f, const json_t *v, struct complaints *e);
static void complain_unknown(const struct model *m, const json_t *data, unsigned flag,
    const char *at, const char *id, struct complaints *e);
static void patch_field(
    struct jw *w, struct arena *a, const struct field *f, const json_t *v, struct complaints *e);

void
complain(struct complaints *e, const char *field, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (e->n < COMPLAINTS_MOST)
		e->list[e->n++] = (struct violation){ arena_strdup(e->arena, field),
			arena_vprintf(e->arena, fmt, ap) };
	va_end(ap);
}

void
complain_of(struct complaints *e, const struct field *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (e->n < COMPLAINTS_MOST)
		e->list[e->n++] = (struct violation){
			e->at != NULL ? arena_printf(e->arena, "%s/%s", e->at, f->name) : f->name,
			arena_vprintf(e->arena, fmt, ap),
		};
	va_end(ap);
}

const char *
complain_at(struct arena *a, size_t item)
{
	char *p = (char *)arena_alloc(a, 24) + 24;

	*--p = '\0';
	do
		*--p = (char)('0' + item % 10);
	while ((item /= 10) > 0);
	*--p = '/';
	return p;
}

/* --- create --- */

bool
intake_create(struct arena *a, const struct model *m, const json_t *data,
    const struct intake_op *op, const char *at, struct row *out, struct complaints *e)
{
	size_t before = e->n;
	const char *id = op->id, *ns = op->namespace;

	*out = (struct row){ .model = m };
	if (!json_is_object(data)) {
		complain(e, at, "must be an object");
		return false;
	}
	e->at = at;
	if (*id == '\0' && json_is_string(json_object_get(data, "id")))
		id = arena_strdup(a, json_string_value(json_object_get(data, "id")));
	complain_unknown(m, data, FIELD_GIVEN, at, id, e);
	intake_id(m, id, e);
	intake_namespace(&ns, e);
	out->values[0] = id;
	for (size_t i = 1; i < m->n_fields; i++) {
		const struct field *f = &m->fields[i];
		const json_t *v = json_object_get(data, f->name);

		out->values[i] = f->def;
		if ((f->flags & FIELD_GIVEN) == 0)
			continue;
		if (v != NULL && !json_is_null(v))
			out->values[i] = take_value(a, f, v, e);
		else if ((f->flags & FIELD_REQUIRED) != 0 && f->def == NULL)
			complain_of(e, f, "is required");
	}
	if (m->namespaced)
		out->values[model_field(m, "namespace") - m->fields] = ns;
	if (m->authored && *op->actor != '\0')
		out->values[model_field(m, "created_by") - m->fields] = op->actor;
	if (op->trace_id != NULL && *op->trace_id != '\0' && model_field(m, "trace_id") != NULL)
		out->values[model_field(m, "trace_id") - m->fields] = op->trace_id;
	out->values[m->n_fields - 2] = out->values[m->n_fields - 1] = op->now;
	e->at = NULL;
	return e->n == before;
}

bool
intake_namespace(const char **ns, struct complaints *e)
{
	if (**ns == '\0')
		*ns = "default";
	if (strlen(*ns) <= 64 && str_token_ok(str_of(*ns)))
		return true;
	complain(e, "namespace", "must be a token of at most 64 characters");
	return false;
}

bool
intake_id(const struct model *m, const char *id, struct complaints *e)
{
	if (*id == '\0')
		complain_of(e, m->id, "is required");
	else if (m->id->type == FIELD_UUID && !uuid_ok(id))
		complain_of(e, m->id, "must be a UUID in lower case");
	else if (m->id->type == FIELD_NAME &&
		 (!str_token_ok(str_of(id)) || strlen(id) > (size_t)m->id->max))
		complain_of(e, m->id, "must be a token of at most %d characters", (int)m->id->max);
	else
		return true;
	return false;
}

/* Fields that don't exist, and such that the caller has no say in. The id may stand in the data
 * when it is the same. */
static void
complain_unknown(const struct model *m, const json_t *data, unsigned flag, const char *at,
    const char *id, struct complaints *e)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)data, key, v)
	{
		const struct field *f = model_field(m, key);
		const char *where;

		if (f != NULL && f == m->id && json_is_string(v) &&
		    strcmp(json_string_value(v), id) == 0)
			continue;
		if (f != NULL && f != m->id && (f->flags & flag) != 0)
			continue;
		where = arena_printf(e->arena, "%s/%.100s", at, key);
		if (f == NULL)
			complain(e, where, "there is no such field");
		else if (f == m->id)
			complain(e, where, "is another one than the operation's");
		else
			complain(e, where,
			    flag == FIELD_PATCHED && (f->flags & FIELD_GIVEN) != 0
				? "can't be changed"
				: "is set by the server");
	}
}

/* --- patch --- */

bool
intake_patch(struct arena *a, const struct model *m, const json_t *patch, const char *id,
    const char *at, char **out, struct complaints *e)
{
	size_t before = e->n;
	struct jw w;

	if (!json_is_object(patch)) {
		complain(e, at, "must be an object");
		return false;
	}
	e->at = at;
	complain_unknown(m, patch, FIELD_PATCHED, at, id, e);
	jw_start(&w, a, 256);
	jw_object(&w, NULL);
	for (size_t i = 1; i < m->n_fields; i++) {
		const json_t *v = json_object_get(patch, m->fields[i].name);

		if (v != NULL && (m->fields[i].flags & FIELD_PATCHED) != 0)
			patch_field(&w, a, &m->fields[i], v, e);
	}
	jw_close(&w, '}');
	*out = jw_text(&w, NULL);
	e->at = NULL;
	return e->n == before;
}

static void
patch_field(
    struct jw *w, struct arena *a, const struct field *f, const json_t *v, struct complaints *e)
{
	const char *text;
	bool structured =
	    f->type == FIELD_LABELS || f->type == FIELD_JSON || f->type == FIELD_STRINGS;

	if (json_is_null(
		v)) { /* back to the default; of the structured ones the statement knows it */
		if ((f->flags & FIELD_REQUIRED) != 0 && f->def == NULL)
			complain_of(e, f, "is required");
		else if (structured || f->def == NULL)
			jw_null(w, f->name);
		else
			jw_str(w, f->name, f->def);
		return;
	}
	text = f->type == FIELD_LABELS ? take_labels(a, f, v, true, e) : take_value(a, f, v, e);
	if (text == NULL)
		return;
	if (structured)
		jw_raw(w, f->name, text, strlen(text));
	else
		jw_str(w, f->name, text);
}

/* --- values --- */

static const char *
take_value(struct arena *a, const struct field *f, const json_t *v, struct complaints *e)
{
	switch (f->type) {
	case FIELD_PRIORITY:
		return take_priority(f, v, e);
	case FIELD_LABELS:
		return take_labels(a, f, v, false, e);
	case FIELD_STRINGS:
		return take_strings(a, f, v, e);
	case FIELD_JSON:
		return take_json(a, f, v, e);
	case FIELD_BOOL:
		if (json_is_boolean(v))
			return json_is_true(v) ? "true" : "false";
		complain_of(e, f, "must be true or false");
		return NULL;
	case FIELD_INT:
		if (json_is_integer(v) && json_integer_value(v) >= f->min &&
		    json_integer_value(v) <= f->max)
			return arena_printf(a, "%lld", (long long)json_integer_value(v));
		complain_of(e, f, "must be an integer from %lld to %lld", (long long)f->min,
		    (long long)f->max);
		return NULL;
	case FIELD_UUID:
	case FIELD_NAME:
	case FIELD_TEXT:
	case FIELD_STATE:
	case FIELD_TIME:
		break;
	}
	if (!json_is_string(v)) {
		complain_of(e, f, "must be a string");
		return NULL;
	}
	return take_text(a, f, (struct str){ json_string_value(v), json_string_length(v) }, e);
}

static const char *
take_text(struct arena *a, const struct field *f, struct str s, struct complaints *e)
{
	const char *copy = arena_strndup(a, s.p, s.n);
	int64_t us;

	if (f->type == FIELD_UUID) {
		if (uuid_ok(copy))
			return copy;
		complain_of(e, f, "must be a UUID in lower case");
	} else if (f->type == FIELD_STATE) {
		for (size_t i = 0; task_states[i] != NULL; i++)
			if (str_eq(s, task_states[i]))
				return task_states[i];
		complain_of(e, f,
		    "must be one of SCHEDULED QUEUED RUNNING RETRYING COMPLETED FAILED CANCELLED");
	} else if (f->type == FIELD_TIME) {
		if (time_parse_rfc3339(s, &us)) {
			char *t = arena_alloc(a, TIME_RFC3339_LEN);

			time_rfc3339(us, t);
			return t;
		}
		complain_of(e, f, "must be a time as RFC 3339 writes it");
	} else if (f->type == FIELD_NAME) {
		if (str_token_ok(s) && s.n >= (size_t)f->min && s.n <= (size_t)f->max)
			return copy;
		complain_of(e, f,
		    "must be a token (letters, digits and !#$%%&'*+-.^_`|~) of %d to %d characters",
		    (int)f->min, (int)f->max);
	} else if (str_characters(s) < (size_t)f->min || str_characters(s) > (size_t)f->max) {
		complain_of(e, f, "must have %d to %d characters", (int)f->min, (int)f->max);
	} else if (memchr(s.p, '\0', s.n) != NULL || !str_utf8_ok(s.p, s.n)) {
		complain_of(e, f, "must be UTF-8 without NUL");
	} else {
		return copy;
	}
	return NULL;
}

static const char *
take_priority(const struct field *f, const json_t *v, struct complaints *e)
{
	static const char *const digits[] = { NULL, "1", "2", "3", "4" };

	if (json_is_integer(v) && json_integer_value(v) >= 1 && json_integer_value(v) <= 4)
		return digits[json_integer_value(v)];
	for (size_t i = 1; json_is_string(v) && i <= 4; i++)
		if (strcmp(json_string_value(v), task_priorities[i]) == 0)
			return digits[i];
	complain_of(e, f, "must be CRITICAL, HIGH, MEDIUM, LOW or 1 to 4");
	return NULL;
}

static const char *
take_json(struct arena *a, const struct field *f, const json_t *v, struct complaints *e)
{
	const char *text = intake_json(a, v);

	if (strlen(text) <= (size_t)f->max)
		return text;
	complain_of(e, f,
	    "must have at most %d bytes: put it to /v1/blobs and refer to it, "
	    "{\"$blob\": {\"id\", \"size\"}}",
	    (int)f->max);
	return NULL;
}

static bool
is_label(const json_t *v)
{
	return json_is_string(v) && json_string_length(v) <= 1000;
}

/* In a patch a null removes a label. */
static const char *
take_labels(
    struct arena *a, const struct field *f, const json_t *v, bool patch, struct complaints *e)
{
	const char *key;
	json_t *item;
	size_t i;

	if (json_is_array(v))
		return take_strings(a, f, v, e);
	if (!json_is_object(v)) {
		complain_of(e, f, "must be an object of strings or an array of strings");
		return NULL;
	}
	if (json_object_size(v) > (size_t)f->max) {
		complain_of(e, f, "must have at most %d members", (int)f->max);
		return NULL;
	}
	i = e->n;
	json_object_foreach((json_t *)(uintptr_t)v, key, item)
	{
		if (*key == '\0' || strlen(key) > 200)
			complain_of(e, f, "the name of a label must have 1 to 200 bytes");
		else if (!is_label(item) && !(patch && json_is_null(item)))
			complain_of(e, f,
			    "the value of label \"%.60s\" must be a string of at most 1000 bytes",
			    key);
	}
	return e->n == i ? intake_labels(a, v) : NULL;
}

static int
by_length_and_bytes(const void *x, const void *y)
{
	const char *a = *(const char *const *)x, *b = *(const char *const *)y;
	size_t n = strlen(a), m = strlen(b);

	return n != m ? (n < m ? -1 : 1) : memcmp(a, b, n);
}

/* In the order in which jsonb keeps them: what a create answers are the bytes that are read back. */
const char *
intake_labels(struct arena *a, const json_t *v)
{
	const char **keys = ARENA_ARRAY(a, const char *, json_object_size(v) + 1), *key;
	json_t *item;
	struct jw w;
	size_t n = 0;

	json_object_foreach((json_t *)(uintptr_t)v, key, item)
	{
		keys[n++] = key;
	}
	qsort(keys, n, sizeof(*keys), by_length_and_bytes);
	jw_start(&w, a, 64);
	jw_object(&w, NULL);
	for (size_t i = 0; i < n; i++)
		jw_json(&w, keys[i], json_object_get(v, keys[i]));
	jw_close(&w, '}');
	return jw_text(&w, NULL);
}

static const char *
take_strings(struct arena *a, const struct field *f, const json_t *v, struct complaints *e)
{
	json_t *item;
	size_t i, j;

	if (!json_is_array(v) || json_array_size(v) > (size_t)f->max) {
		complain_of(e, f, "must be an array of at most %d strings", (int)f->max);
		return NULL;
	}
	json_array_foreach((json_t *)(uintptr_t)v, i, item)
	{
		if (!is_label(item) || json_string_length(item) == 0) {
			complain_of(e, f, "must hold strings of 1 to 1000 bytes only");
			return NULL;
		}
		for (j = 0; j < i; j++)
			if (strcmp(json_string_value(json_array_get(v, j)),
				json_string_value(item)) == 0) {
				complain_of(
				    e, f, "\"%.60s\" is there twice", json_string_value(item));
				return NULL;
			}
	}
	return intake_json(a, v);
}

const char *
intake_text(struct arena *a, const struct field *f, const char *value, struct complaints *e)
{
	bool b;

	if (f->type == FIELD_PRIORITY) {
		json_t *v = strlen(value) == 1 && *value >= '0' && *value <= '9'
		                ? json_integer(*value - '0')
		                : json_string(value);
		const char *r = take_priority(f, v, e);

		json_decref(v);
		return r;
	}
	if (f->type != FIELD_BOOL)
		return take_text(a, f, str_of(value), e);
	if (str_bool(str_of(value), &b))
		return b ? "true" : "false";
	complain_of(e, f, "must be true or false");
	return NULL;
}

const char *
intake_json(struct arena *a, const json_t *v)
{
	struct jw w;

	jw_start(&w, a, 64);
	jw_json(&w, NULL, v);
	return jw_text(&w, NULL);
}
