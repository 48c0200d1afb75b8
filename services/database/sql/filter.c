/* filter: see filter.h. Cursor: base64url of version (1), hash of model, namespace and conditions
 * (8), last id. */
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/str.h"
#include "database/sql/filter.h"

#define CURSOR_VERSION 1
#define CURSOR_HEAD    9
#define ID_MOST        64

static bool
add_condition(struct arena *a, struct filter *f, const Mf__KeyValue *kv, struct complaints *e);
static void add_label(struct arena *a, struct condition *c, const char *value);
static bool add_ids(struct arena *a, struct filter *f, const char *list, struct complaints *e);
static int by_field_and_value(const void *x, const void *y);
static uint64_t filter_hash(const struct filter *f);
static const char *cursor_read(struct arena *a, const struct filter *f, const char *cursor);

bool
filter_read(struct arena *a, const struct model *m, const Mf__StoreOp *op, struct filter *out,
    struct complaints *e)
{
	size_t before = e->n;
	const char *ns = op->namespace_;

	*out = (struct filter){ .model = m, .limit = op->limit != 0 ? op->limit : LIMIT_DEFAULT };
	if (out->limit > LIMIT_MOST)
		complain(e, "limit", "must be 1 to %d", LIMIT_MOST);
	if (intake_namespace(&ns, e) && m->namespaced)
		out->namespace = ns;
	if (op->n_filters > FILTERS_MOST)
		complain(e, "filters", "must be at most %d", FILTERS_MOST);
	for (size_t i = 0; i < op->n_filters && e->n == before; i++)
		add_condition(a, out, op->filters[i], e);
	if (e->n > before)
		return false;
	qsort(out->conditions, out->n, sizeof(out->conditions[0]), by_field_and_value);
	for (size_t i = 1; i < out->n; i++)
		if (out->conditions[i].kind == out->conditions[i - 1].kind &&
		    (out->conditions[i].kind == COND_IDS ||
			(out->conditions[i].kind == COND_EQUAL &&
			    out->conditions[i].field == out->conditions[i - 1].field)))
			complain(e,
			    out->conditions[i].kind == COND_IDS ? "id"
								: out->conditions[i].field->name,
			    "may be given once");
	if (*op->cursor != '\0' && (out->after = cursor_read(a, out, op->cursor)) == NULL)
		complain(e, "cursor", "is not a cursor of this query");
	return e->n == before;
}

static bool
add_condition(struct arena *a, struct filter *f, const Mf__KeyValue *kv, struct complaints *e)
{
	struct condition *c = &f->conditions[f->n];
	const struct field *field;

	if (strcmp(kv->key, "label") == 0 && model_field(f->model, "labels") != NULL) {
		if (*kv->value == '\0' || *kv->value == '=' || strlen(kv->value) > 1200 ||
		    !str_utf8_ok(kv->value, strlen(kv->value))) {
			complain(e, "label", "must be NAME or NAME=VALUE");
			return false;
		}
		add_label(a, c, kv->value);
		f->n++;
		return true;
	}
	if (strcmp(kv->key, "id") == 0 && f->model->id->type == FIELD_UUID)
		return add_ids(a, f, kv->value, e);
	field = model_field(f->model, kv->key);
	if (field == NULL || (field->flags & FIELD_FILTER) == 0 || field->type == FIELD_LABELS) {
		complain(
		    e, arena_printf(a, "%.100s", kv->key), "is not a filter of %s", f->model->name);
		return false;
	}
	*c = (struct condition){ .kind = COND_EQUAL, .field = field };
	if ((c->value = intake_text(a, field, kv->value, field->name, e)) == NULL)
		return false;
	f->n++;
	return true;
}

static void
add_label(struct arena *a, struct condition *c, const char *value)
{
	const char *eq = strchr(value, '=');
	struct jw w;

	*c = (struct condition){ .kind = eq != NULL ? COND_LABEL_VALUE : COND_LABEL,
		.value = value };
	if (eq == NULL)
		return;
	jw_start(&w, a, 64);
	jw_object(&w, NULL);
	jw_str(&w, arena_strndup(a, value, (size_t)(eq - value)), eq + 1);
	jw_close(&w, '}');
	c->object = jw_text(&w, NULL);
}

/* "ID,ID": any of them, as many as a page holds. */
static bool
add_ids(struct arena *a, struct filter *f, const char *list, struct complaints *e)
{
	struct str rest = str_of(list), one;
	size_t n = 0;
	bool more;

	do {
		more = str_cut(rest, ',', &one, &rest);
		if (!intake_id(f->model, arena_strndup(a, one.p, one.n), "id", e))
			return false;
		n++;
	} while (more);
	if (n > LIMIT_MOST) {
		complain(e, "id", "must be at most %d", LIMIT_MOST);
		return false;
	}
	f->conditions[f->n++] =
	    (struct condition){ .kind = COND_IDS, .value = arena_printf(a, "{%s}", list) };
	return true;
}

static int
by_field_and_value(const void *x, const void *y)
{
	const struct condition *a = x, *b = y;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->field != b->field)
		return a->field < b->field ? -1 : 1;
	return strcmp(a->value, b->value);
}

/* --- cursor --- */

static uint64_t
hash_add(uint64_t h, const char *s)
{
	do {
		h = (h ^ (unsigned char)*s) *
		    UINT64_C(0x100000001b3); /* FNV-1a, the NUL included */
	} while (*s++ != '\0');
	return h;
}

static uint64_t
filter_hash(const struct filter *f)
{
	uint64_t h = hash_add(UINT64_C(0xcbf29ce484222325), f->model->name);

	h = hash_add(h, f->namespace != NULL ? f->namespace : "");
	for (size_t i = 0; i < f->n; i++) {
		h = hash_add(
		    h, f->conditions[i].field != NULL ? f->conditions[i].field->name : "label");
		h = hash_add(h, f->conditions[i].value);
	}
	return h;
}

const char *
filter_cursor(struct arena *a, const struct filter *f, const char *last_id)
{
	uint8_t raw[CURSOR_HEAD + ID_MOST];
	uint64_t h = filter_hash(f);
	size_t n = strnlen(last_id, ID_MOST);
	char *out = arena_alloc(a, str_b64url_len(CURSOR_HEAD + n) + 1);

	raw[0] = CURSOR_VERSION;
	memcpy(raw + 1, &h, 8);
	memcpy(raw + CURSOR_HEAD, last_id, n);
	str_b64url(raw, CURSOR_HEAD + n, out);
	return out;
}

static const char *
cursor_read(struct arena *a, const struct filter *f, const char *cursor)
{
	struct complaints none = { .arena = a };
	uint8_t raw[CURSOR_HEAD + ID_MOST];
	uint64_t h = filter_hash(f);
	const char *id;
	size_t n;

	if (!str_unb64url(str_of(cursor), raw, sizeof(raw), &n) || n <= CURSOR_HEAD ||
	    raw[0] != CURSOR_VERSION || memcmp(raw + 1, &h, 8) != 0)
		return NULL;
	id = arena_strndup(a, (const char *)raw + CURSOR_HEAD, n - CURSOR_HEAD);
	return strlen(id) == n - CURSOR_HEAD && intake_id(f->model, id, "cursor", &none) ? id
	                                                                                 : NULL;
}
