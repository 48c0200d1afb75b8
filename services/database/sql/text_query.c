/* text_query: see text.h; the statements of pages. */
#include <string.h>
#include "base/log.h"
#include "database/sql/text_int.h"

static const char *array_of(struct arena *a, const struct condition *c, size_t n);

static size_t
count_kind(const struct filter *f, enum condition_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->conditions[i].kind == kind;
	return n;
}

static size_t
pairs_filled_up(const struct filter *f)
{
	size_t n = count_kind(f, COND_LABEL_VALUE), filled = n > 0;

	while (filled < n)
		filled *= 2;
	return filled;
}

static const struct condition *
bounds_of(const struct filter *f, size_t *n)
{
	*n = count_kind(f, COND_AFTER) + count_kind(f, COND_BEFORE);
	return f->conditions + f->n - *n;
}

/* The rows behind the place: ($1 is the first sort's value there) a>$1 OR (a=$1 AND (... id>$n)). */
static void
add_after(struct buf *b, const struct filter *f, int n)
{
	for (size_t i = 0; i < f->n_sorts; i++) {
		const char *name = f->sorts[i].field->name, *type = text_type(f->sorts[i].field);

		buf_printf(b, "(%s%c$%d::%s OR (%s=$%d::%s AND ", name,
		    f->sorts[i].descending ? '<' : '>', n + (int)i, type, name, n + (int)i, type);
	}
	buf_printf(b, "id%c$%d::%s",
	    f->n_sorts != 0 && f->sorts[f->n_sorts - 1].descending ? '<' : '>', n + (int)f->n_sorts,
	    text_type(f->model->id));
	for (size_t i = 0; i < f->n_sorts; i++)
		buf_puts(b, "))");
}

static void
add_order(struct buf *b, const struct filter *f)
{
	const char *way = "";

	buf_puts(b, " ORDER BY ");
	for (size_t i = 0; i < f->n_sorts; i++) {
		way = f->sorts[i].descending ? " DESC" : "";
		buf_printf(b, "%s%s,", f->sorts[i].field->name, way);
	}
	buf_printf(b, "id%s", way);
}

bool
text_counts(const struct field *f)
{
	return f->type == FIELD_TEXT || f->type == FIELD_LABELS || f->type == FIELD_STRINGS ||
	       f->type == FIELD_JSON;
}

static bool
counts_any(const struct model *m)
{
	for (size_t i = 0; i < m->n_fields; i++)
		if (text_counts(&m->fields[i]))
			return true;
	return false;
}

/* Around the page's query, so that sizes are looked at for the rows of the page only, and not for all
 * that were sorted for it. */
static void
add_bound_head(struct buf *b, const struct filter *f)
{
	const struct model *m = f->model;

	buf_puts(b, "SELECT ");
	text_add_columns(b, m, "");
	buf_puts(b, " FROM (SELECT *,sum(0");
	for (size_t i = 0; i < m->n_fields; i++)
		if (text_counts(&m->fields[i]))
			buf_printf(b, "+coalesce(octet_length(%s%s),0)", m->fields[i].name,
			    m->fields[i].type == FIELD_TEXT ? "" : "::text");
	buf_puts(b, ") OVER (");
	add_order(b, f);
	buf_puts(b, " ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING) AS mf_before FROM (");
}

static void
add_bound_tail(struct buf *b, const struct filter *f)
{
	buf_printf(b, ") p) q WHERE coalesce(mf_before,0)<%u", PAGE_BYTES);
	add_order(b, f);
}

const char *
text_query(struct arena *a, const struct filter *f)
{
	bool bounded = counts_any(f->model);
	size_t n_fields = count_kind(f, COND_EQUAL), n_labels = count_kind(f, COND_LABEL),
	       pairs = pairs_filled_up(f);
	const struct model *m = f->model;
	const struct condition *bounds;
	struct buf b = { 0 };
	char *text;
	size_t k;
	int n = 0;

	if (bounded)
		add_bound_head(&b, f);
	buf_puts(&b, "SELECT ");
	text_add_columns(&b, m, "");
	buf_printf(&b, " FROM %s WHERE true", m->table);
	if (f->namespace != NULL)
		buf_printf(&b, " AND namespace=$%d", ++n);
	for (size_t i = 0; i < n_fields; i++)
		buf_printf(&b, " AND %s=$%d::%s", f->conditions[i].field->name, n + 1 + (int)i,
		    text_type(f->conditions[i].field));
	n += (int)n_fields;
	if (n_labels + pairs > 0)
		buf_puts(&b, " AND labels<>'{}'"); /* so says the index */
	if (n_labels > 0)
		buf_printf(&b, " AND labels ?& $%d::text[]", ++n);
	for (size_t i = 0; i < pairs; i++, n += 2)
		buf_printf(&b, " AND (labels @> $%d::jsonb OR labels ? $%d)", n + 1, n + 2);
	if (count_kind(f, COND_IDS) > 0)
		buf_printf(&b, " AND id=ANY($%d::%s[])", ++n, text_type(m->id));
	for (bounds = bounds_of(f, &k); k > 0; k--, bounds++)
		buf_printf(&b, " AND %s%c$%d::timestamptz", bounds->field->name,
		    bounds->kind == COND_AFTER ? '>' : '<', ++n);
	if (f->after != NULL) {
		buf_puts(&b, " AND ");
		add_after(&b, f, n + 1);
		n += (int)f->n_sorts + 1;
	}
	add_order(&b, f);
	buf_printf(&b, " LIMIT $%d::bigint", n + 1);
	if (bounded)
		add_bound_tail(&b, f);
	if (!filter_is_rare(f))
		return text_intern(&b);
	text = arena_strndup(a, b.p, b.n);
	buf_free(&b);
	return text;
}

size_t
text_query_params(struct arena *a, const struct filter *f, const char *params[], size_t cap)
{
	size_t n_fields = count_kind(f, COND_EQUAL), n_labels = count_kind(f, COND_LABEL),
	       pairs = pairs_filled_up(f), n = 0;
	const struct condition *labels = f->conditions + n_fields, *pair = labels + n_labels,
			       *ids = pair + count_kind(f, COND_LABEL_VALUE), *bounds;
	size_t k;

	must(cap >= QUERY_PARAMS_MOST);
	if (f->namespace != NULL)
		params[n++] = f->namespace;
	for (size_t i = 0; i < n_fields; i++)
		params[n++] = f->conditions[i].value;
	if (n_labels > 0)
		params[n++] = array_of(a, labels, n_labels);
	for (size_t i = 0; i < pairs; i++) {
		params[n++] = pair->object;
		params[n++] = pair->value;
		pair += pair + 1 < ids;
	}
	if (count_kind(f, COND_IDS) > 0)
		params[n++] = ids->value;
	for (bounds = bounds_of(f, &k); k > 0; k--, bounds++)
		params[n++] = bounds->value;
	for (size_t i = 0; f->after != NULL && i < f->n_sorts; i++)
		params[n++] = f->sorts[i].after;
	if (f->after != NULL)
		params[n++] = f->after;
	params[n++] = arena_printf(a, "%u", f->limit + 1);
	return n;
}

/* text[] as PostgreSQL reads it. */
static const char *
array_of(struct arena *a, const struct condition *c, size_t n)
{
	size_t most = 3;
	char *out, *p;

	for (size_t i = 0; i < n; i++)
		most += 2 * strlen(c[i].value) + 3;
	out = p = arena_alloc(a, most);
	*p++ = '{';
	for (size_t i = 0; i < n; i++) {
		*p++ = '"';
		for (const char *v = c[i].value; *v != '\0'; v++) {
			if (*v == '"' || *v == '\\')
				*p++ = '\\';
			*p++ = *v;
		}
		*p++ = '"';
		*p++ = i + 1 < n ? ',' : '}';
	}
	*p = '\0';
	return out;
}
