/* text_query: see text.h; the statements of pages. */
#include <string.h>
#include "base/log.h"
#include "database/sql/text_int.h"

static const char *names_of(struct arena *a, const struct condition *c, size_t n);

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

	buf_puts(b, f->ranked ? " ORDER BY mf_rank DESC," : " ORDER BY ");
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

/* Where q's conditions have their numbers: behind all that come before them. */
static int
first_searched(const struct filter *f)
{
	return 1 + (f->namespace != NULL) + (int)count_kind(f, COND_EQUAL) +
	       (count_kind(f, COND_LABEL) > 0) + 2 * (int)pairs_filled_up(f) +
	       (count_kind(f, COND_IDS) > 0);
}

/* ts_rank_cd, divided by 1 + the logarithm of the length (normalization 1): a word in a title of six
 * says more than in a description of a thousand. */
static void
add_rank(struct buf *b, const struct filter *f)
{
	int n = first_searched(f);
	bool words = count_kind(f, COND_WORDS) > 0, beginnings = count_kind(f, COND_BEGINNINGS) > 0;

	buf_puts(b, ",ts_rank_cd(" SEARCHED_WORDS ",");
	if (words)
		buf_printf(b, "websearch_to_tsquery('metafed',$%d)", n++);
	buf_puts(b, words && beginnings ? "&&" : "");
	if (beginnings)
		buf_printf(b, "to_tsquery('metafed',$%d)", n);
	buf_puts(b, ",1) AS mf_rank");
}

/* The conditions of search.c, in the words of their indexes; n numbers were given out. */
static int
add_searched(struct buf *b, const struct condition *c, int n)
{
	if (c->kind == COND_WORDS)
		buf_printf(
		    b, " AND " SEARCHED_WORDS " @@ websearch_to_tsquery('metafed',$%d)", ++n);
	else if (c->kind == COND_BEGINNINGS)
		buf_printf(b, " AND " SEARCHED_WORDS " @@ to_tsquery('metafed',$%d)", ++n);
	else if (c->kind == COND_ATTRIBUTE) {
		buf_printf(b,
		    " AND %s IS NOT NULL AND (%s::jsonb @> $%d::jsonb OR %s::jsonb @> $%d::jsonb)",
		    c->field->name, c->field->name, n + 1, c->field->name, n + 2);
		n += 2;
	}
	return n;
}

static size_t
add_searched_params(const struct condition *c, const char *params[])
{
	if (c->kind == COND_WORDS || c->kind == COND_BEGINNINGS) {
		params[0] = c->value;
		return 1;
	}
	if (c->kind != COND_ATTRIBUTE)
		return 0;
	params[0] = c->object;
	params[1] = c->value;
	return 2;
}

/* Around the conditions. */
static const char *const heads[] = {
	[WANT_OBJECTS] = "SELECT ",
	[WANT_IDS] = "SELECT id,version",
	[WANT_COUNT] = "SELECT state,count(*) FROM (SELECT state",
};
static const char *const tails[] = {
	[WANT_OBJECTS] = "",
	[WANT_IDS] = "",
	[WANT_COUNT] = ") c GROUP BY state ORDER BY state",
};

const char *
text_query(struct arena *a, const struct filter *f)
{
	bool bounded = f->want == WANT_OBJECTS && counts_any(f->model),
	     fenced = count_kind(f, COND_ATTRIBUTE) > 0;
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
	buf_puts(&b, heads[f->want]);
	if (f->want == WANT_OBJECTS)
		text_add_columns(&b, m, "");
	if (f->ranked)
		add_rank(&b, f);
	/* How many rows have an attribute the planner guesses (a hundredth), and then walks the table
	 * in the order of ids rather than ask the index: not from behind an OFFSET. */
	buf_printf(
	    &b, fenced ? " FROM (SELECT * FROM %s WHERE true" : " FROM %s WHERE true", m->table);
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
	for (size_t i = 0; i < f->n; i++)
		n = add_searched(&b, &f->conditions[i], n);
	for (bounds = bounds_of(f, &k); k > 0; k--, bounds++)
		buf_printf(&b, " AND %s%c$%d::timestamptz", bounds->field->name,
		    bounds->kind == COND_AFTER ? '>' : '<', ++n);
	if (f->after != NULL) {
		buf_puts(&b, " AND ");
		add_after(&b, f, n + 1);
		n += (int)f->n_sorts + 1;
	}
	if (fenced)
		buf_printf(&b, " OFFSET 0) AS %s", m->table);
	if (f->want != WANT_COUNT)
		add_order(&b, f);
	buf_printf(&b, " LIMIT $%d::bigint", n + 1);
	if (f->ranked)
		buf_printf(&b, " OFFSET $%d::bigint", n + 2);
	if (bounded)
		add_bound_tail(&b, f);
	buf_puts(&b, tails[f->want]);
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
		params[n++] = names_of(a, labels, n_labels);
	for (size_t i = 0; i < pairs; i++) {
		params[n++] = pair->object;
		params[n++] = pair->value;
		pair += pair + 1 < ids;
	}
	if (count_kind(f, COND_IDS) > 0)
		params[n++] = ids->value;
	for (size_t i = 0; i < f->n; i++)
		n += add_searched_params(&f->conditions[i], params + n);
	for (bounds = bounds_of(f, &k); k > 0; k--, bounds++)
		params[n++] = bounds->value;
	for (size_t i = 0; f->after != NULL && i < f->n_sorts; i++)
		params[n++] = f->sorts[i].after;
	if (f->after != NULL)
		params[n++] = f->after;
	params[n++] = arena_printf(a, "%u", f->limit + 1);
	if (f->ranked)
		params[n++] = arena_printf(a, "%u", f->skip);
	return n;
}

static const char *
names_of(struct arena *a, const struct condition *c, size_t n)
{
	const char **values = ARENA_ARRAY(a, const char *, n);

	for (size_t i = 0; i < n; i++)
		values[i] = c[i].value;
	return text_array(a, values, n);
}

const char *
text_array(struct arena *a, const char *const *values, size_t n)
{
	size_t most = 3;
	char *out, *p;

	for (size_t i = 0; i < n; i++)
		most += 2 * strlen(values[i]) + 3;
	out = p = arena_alloc(a, most);
	*p++ = '{';
	for (size_t i = 0; i < n; i++) {
		*p++ = '"';
		for (const char *v = values[i]; *v != '\0'; v++) {
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
