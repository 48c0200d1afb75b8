/* filter: see filter.h. Cursor: base64url of version (1), hash of model, namespace, conditions and
 * sorts (8), of each sort the length (1) and the last value, last id; of a ranked one how many rows
 * came before it. */
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "database/sql/filter.h"
#include "database/sql/render.h"

#define CURSOR_VERSION 1
#define CURSOR_HEAD    9
#define ID_MOST        64
#define CURSOR_MOST    (CURSOR_HEAD + SORTS_MOST * (1 + SORT_LENGTH) + ID_MOST)

static bool
add_condition(struct arena *a, struct filter *f, const Mf__KeyValue *kv, struct complaints *e);
static void add_label(struct arena *a, struct condition *c, const char *value);
static bool add_ids(struct arena *a, struct filter *f, const char *list, struct complaints *e);
static bool
add_bound(struct arena *a, struct filter *f, const Mf__KeyValue *kv, struct complaints *e);
static void read_sorts(struct arena *a, struct filter *f, const char *list, struct complaints *e);
static bool is_searched(const struct filter *f);
static const char *sorts_of(struct arena *a, const struct model *m);
static bool is_twice(const struct condition *x, const struct condition *y);
static const char *condition_name(const struct condition *c);
static int by_field_and_value(const void *x, const void *y);
static uint64_t filter_hash(const struct filter *f);
static bool cursor_read(struct arena *a, struct filter *f, const char *cursor);

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
	for (size_t i = 0; i < op->n_filters && e->n == before && out->n < FILTERS_MOST; i++)
		add_condition(a, out, op->filters[i], e);
	if (e->n > before)
		return false;
	qsort(out->conditions, out->n, sizeof(out->conditions[0]), by_field_and_value);
	for (size_t i = 1; i < out->n; i++)
		if (is_twice(&out->conditions[i - 1], &out->conditions[i]))
			complain(e, condition_name(&out->conditions[i]), "may be given once");
	read_sorts(a, out, op->sort, e);
	if (e->n == before && *op->cursor != '\0' && !cursor_read(a, out, op->cursor))
		complain(e, "cursor", "is not a cursor of this query");
	return e->n == before;
}

/* Labels and attributes may stand more than once: all must hold. */
static bool
is_twice(const struct condition *x, const struct condition *y)
{
	if (x->kind != y->kind || y->kind == COND_LABEL || y->kind == COND_LABEL_VALUE ||
	    y->kind == COND_ATTRIBUTE)
		return false;
	return x->field == y->field;
}

static const char *
condition_name(const struct condition *c)
{
	if (c->kind == COND_WORDS || c->kind == COND_BEGINNINGS)
		return "q";
	return c->kind == COND_IDS ? "id" : c->field->name;
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
	if (strcmp(kv->key, "id") == 0)
		return add_ids(a, f, kv->value, e);
	if (strcmp(kv->key, "q") == 0 && f->model->searched)
		return search_read(a, f, kv->value, e);
	if (strcmp(kv->key, "created_after") == 0 || strcmp(kv->key, "created_before") == 0 ||
	    strcmp(kv->key, "updated_after") == 0 || strcmp(kv->key, "updated_before") == 0)
		return add_bound(a, f, kv, e);
	field = model_field(f->model, kv->key);
	if (field == NULL || (field->flags & FIELD_FILTER) == 0 || field->type == FIELD_LABELS) {
		complain(
		    e, arena_printf(a, "%.100s", kv->key), "is not a filter of %s", f->model->name);
		return false;
	}
	if (field->type == FIELD_JSON)
		return search_attribute(a, f, field, kv->value, e);
	*c = (struct condition){ .kind = COND_EQUAL, .field = field };
	if ((c->value = intake_text(a, field, kv->value, e)) == NULL)
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

/* "ID,ID": any of them, as many as a page holds. A name has neither comma nor quote in it, but one may
 * be NULL. */
static bool
add_ids(struct arena *a, struct filter *f, const char *list, struct complaints *e)
{
	struct str rest = str_of(list), one;
	char *array = arena_alloc(a, 4 * strlen(list) + 5), *p = array;
	size_t n = 0;
	bool more;

	do {
		const char *id;

		more = str_cut(rest, ',', &one, &rest);
		id = arena_strndup(a, one.p, one.n);
		if (!intake_id(f->model, id, e))
			return false;
		*p++ = n++ == 0 ? '{' : ',';
		*p++ = '"';
		p = stpcpy(p, id);
		*p++ = '"';
	} while (more);
	stpcpy(p, "}");
	if (n > LIMIT_MOST) {
		complain(e, "id", "must be at most %d", LIMIT_MOST);
		return false;
	}
	f->conditions[f->n++] = (struct condition){ .kind = COND_IDS, .value = array };
	return true;
}

/* "created_after", "updated_before": every model has both times. */
static bool
add_bound(struct arena *a, struct filter *f, const Mf__KeyValue *kv, struct complaints *e)
{
	char *text = arena_alloc(a, TIME_RFC3339_LEN);
	int64_t at;

	if (!time_parse_rfc3339(str_of(kv->value), &at)) {
		complain(e, arena_strdup(a, kv->key), "must be a time of RFC 3339");
		return false;
	}
	time_rfc3339(at, text);
	f->conditions[f->n++] = (struct condition){
		.kind =
		    strcmp(kv->key + strlen("created_"), "after") == 0 ? COND_AFTER : COND_BEFORE,
		.field = model_field(f->model, *kv->key == 'c' ? "created_at" : "updated_at"),
		.value = text,
	};
	return true;
}

static void
read_sorts(struct arena *a, struct filter *f, const char *list, struct complaints *e)
{
	struct str rest = str_of(list), one;

	if (strcmp(list, "relevance") == 0 && is_searched(f)) {
		f->ranked = true;
		return;
	}
	for (bool more = *list != '\0'; more;) {
		struct sort *s = &f->sorts[f->n_sorts];
		const struct field *field;
		bool known = f->n_sorts < SORTS_MOST;

		more = str_cut(rest, ',', &one, &rest);
		if (known)
			*s = (struct sort){ .descending = one.n != 0 && one.p[0] == '-' };
		if (known && s->descending)
			one = (struct str){ one.p + 1, one.n - 1 };
		field = model_field(f->model, arena_strndup(a, one.p, one.n));
		known = known && field != NULL && (field->flags & FIELD_SORT) != 0;
		for (size_t i = 0; known && i < f->n_sorts; i++)
			known = f->sorts[i].field != field;
		if (!known) {
			complain(e, "sort",
			    "must be up to %d different ones of %s, each perhaps behind a -%s",
			    SORTS_MOST, sorts_of(a, f->model),
			    f->model->searched ? ", or, with q, relevance alone" : "");
			return;
		}
		s->field = field;
		f->n_sorts++;
	}
}

/* The names of the fields that may order a list, as a sentence has them. */
static const char *
sorts_of(struct arena *a, const struct model *m)
{
	const char *names = "";

	for (size_t i = 0; i < m->n_fields; i++)
		if ((m->fields[i].flags & FIELD_SORT) != 0)
			names = arena_printf(
			    a, "%s%s%s", names, names[0] == '\0' ? "" : ", ", m->fields[i].name);
	return names;
}

static bool
is_searched(const struct filter *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->conditions[i].kind == COND_WORDS || f->conditions[i].kind == COND_BEGINNINGS)
			return true;
	return false;
}

bool
filter_is_rare(const struct filter *f)
{
	if (f->want == WANT_COUNT)
		return true;
	for (size_t i = 0; i < f->n; i++)
		if (f->conditions[i].kind > COND_IDS)
			return true;
	return f->n_sorts != 0;
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
		h = hash_add(h, f->conditions[i].kind == COND_AFTER        ? ">"
				: f->conditions[i].kind == COND_BEFORE     ? "<"
				: f->conditions[i].kind == COND_WORDS      ? "q"
				: f->conditions[i].kind == COND_BEGINNINGS ? "*"
									   : "");
	}
	if (f->ranked)
		h = hash_add(h, "relevance");
	for (size_t i = 0; i < f->n_sorts; i++) {
		h = hash_add(h, f->sorts[i].descending ? "-" : "+");
		h = hash_add(h, f->sorts[i].field->name);
	}
	return h;
}

const char *
filter_cursor(struct arena *a, const struct filter *f, const struct row *last, uint32_t nth)
{
	uint8_t raw[CURSOR_MOST], *p = raw + CURSOR_HEAD;
	const char *id = f->ranked ? arena_printf(a, "%u", f->skip + nth) : last->values[0];
	uint64_t h = filter_hash(f);
	size_t n = strnlen(id, ID_MOST);
	char *out;

	if (f->ranked && f->skip + nth > SKIP_MOST)
		return NULL;

	raw[0] = CURSOR_VERSION;
	memcpy(raw + 1, &h, 8);
	for (size_t i = 0; i < f->n_sorts; i++) {
		const char *v = last->values[f->sorts[i].field - f->model->fields];
		char t[TIME_RFC3339_LEN];

		if (f->sorts[i].field->type == FIELD_TIME) {
			time_of_column(v, t);
			v = t;
		}
		*p = (uint8_t)strnlen(v, SORT_LENGTH);
		memcpy(p + 1, v, *p);
		p += 1 + *p;
	}
	memcpy(p, id, n);
	p += n;
	out = arena_alloc(a, str_b64url_len((size_t)(p - raw)) + 1);
	str_b64url(raw, (size_t)(p - raw), out);
	return out;
}

/* It comes from a client, who may have written it himself: each value must be one of its field. */
static bool
cursor_read(struct arena *a, struct filter *f, const char *cursor)
{
	struct complaints none = { .arena = a };
	uint8_t raw[CURSOR_MOST], *p = raw + CURSOR_HEAD;
	uint64_t h = filter_hash(f);
	size_t n, left;

	if (!str_unb64url(str_of(cursor), raw, sizeof(raw), &n) || n <= CURSOR_HEAD ||
	    raw[0] != CURSOR_VERSION || memcmp(raw + 1, &h, 8) != 0)
		return false;
	left = n - CURSOR_HEAD;
	for (size_t i = 0; i < f->n_sorts; i++) {
		struct sort *s = &f->sorts[i];
		int64_t at;

		if (left == 0 || left - 1 < *p || memchr(p + 1, '\0', *p) != NULL)
			return false;
		s->after = arena_strndup(a, (const char *)p + 1, *p);
		if (s->field->type == FIELD_TIME
			? !time_parse_rfc3339(str_of(s->after), &at)
			: intake_text(a, s->field, s->after, &none) == NULL)
			return false;
		left -= 1 + *p;
		p += 1 + *p;
	}
	if (memchr(p, '\0', left) != NULL)
		return false;
	if (f->ranked) {
		uint64_t skip;

		if (!str_u64((struct str){ (const char *)p, left }, SKIP_MOST, &skip))
			return false;
		f->skip = (uint32_t)skip;
		return true;
	}
	f->after = arena_strndup(a, (const char *)p, left);
	return intake_id(f->model, f->after, &none);
}
