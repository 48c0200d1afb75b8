/* planner: see planner.h. */
#include "database/nosql/planner.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define ABOVE '\xff' /* no byte of a key or an id is above it */

struct planning {
	struct arena *a;
	const struct sort *sorts;
	size_t n_sorts;
	size_t n_terms;
	const struct filter *terms[FILTER_TERMS]; /* that must hold by themselves */
	bool more;                                /* there are others */
};

struct key {
	char bytes[INDEX_KEY_MOST + DOCUMENT_ID + 2];
	size_t n;
};

static void gather(struct planning *, const struct filter *);
static struct query_plan *plan_index(struct planning *, const struct index *);
static struct query_plan *plan_ids(struct planning *);
static int worth(const struct query_plan *);
static bool give_order(const struct planning *, struct query_plan *);
static const struct filter *
term_of(const struct planning *, const struct pointer *, enum filter_op, enum filter_op);
static size_t bound_of(const struct filter *, struct key *);
static void range_of_field(
    struct planning *, struct query_plan *, const struct key *, const struct pointer *, size_t *);
static void
ranges_of_list(struct planning *, struct query_plan *, const struct key *, const struct filter *);
static void add_range(
    struct planning *, struct query_plan *, char, const struct key *, char, const struct key *);
static struct key with(const struct key *, const char *, size_t);
static struct key with_value(const struct key *, const json_t *, bool);
static int by_from(const void *, const void *);

const char *
sorts_read(struct arena *a, const char *text, struct sort *out, size_t *n)
{
	struct str rest = str_of(text), one;

	*n = 0;
	for (bool more = text[0] != '\0'; more;) {
		struct sort *s = &out[*n];

		more = str_cut(rest, ',', &one, &rest);
		if (*n == SORTS_MOST)
			return "has too many fields: there may be 4";
		*s = (struct sort){ .descending = one.n > 0 && one.p[0] == '-' };
		if (s->descending)
			one = (struct str){ one.p + 1, one.n - 1 };
		s->of_id = str_eq(one, "id");
		if (!s->of_id && pointer_read(a, arena_strndup(a, one.p, one.n), &s->place) != NULL)
			return "must be JSON Pointers (or id), with commas between, each perhaps "
			       "behind a -";
		if (*n > 0 && s[-1].of_id)
			return "has something behind id, which is never the same twice";
		(*n)++;
	}
	return NULL;
}

const struct query_plan *
plan_query(struct arena *a, const struct collection *k, const struct filter *f,
    const struct sort *sorts, size_t n_sorts, const char *slot)
{
	struct planning p = { .a = a, .sorts = sorts, .n_sorts = n_sorts };
	struct query_plan *best, *one;

	gather(&p, f);
	best = plan_ids(&p);
	if (slot != NULL && slot[0] == '\0')
		return best;
	for (size_t i = 0; i < k->n_indexes; i++) {
		const struct index *x = &k->indexes[i];

		if (x->state != INDEX_READY)
			continue;
		one = plan_index(&p, x);
		if (slot != NULL && strcmp(slot, x->slot) == 0)
			return one;
		if (worth(one) > worth(best))
			best = one;
	}
	return slot == NULL ? best : NULL;
}

static void
gather(struct planning *p, const struct filter *f)
{
	if (f->op != FILTER_AND) {
		if (f->op == FILTER_OR || f->op == FILTER_NOT)
			p->more = true;
		else
			p->terms[p->n_terms++] = f;
		return;
	}
	for (size_t i = 0; i < f->n; i++)
		gather(p, f->subs[i]);
}

/* By the rules of planner.h. */
static int
worth(const struct query_plan *p)
{
	if (p->index == NULL)
		return p->next == FILTER_EQ      ? 1000
		       : p->next == FILTER_IS_IN ? 500
		       : p->by_id                ? 8
		       : p->sorted               ? 2
		                                 : 0;
	if (p->index->unique && p->n_equal == p->index->n)
		return 999;
	if (p->n_equal == 0 && p->next == FILTER_AND)
		return p->sorted ? 1 : -1;
	return (int)(100 * p->n_equal) + (p->next != FILTER_AND ? 10 : 0) + (p->sorted ? 3 : 0);
}

static struct query_plan *
plan_index(struct planning *p, const struct index *x)
{
	struct query_plan *out = ARENA_NEW(p->a, struct query_plan);
	struct key key = { .n = 0 }, end;
	const struct filter *t;
	size_t used = 0;

	out->index = x;
	out->next = FILTER_AND;
	while (out->n_equal < x->n &&
	       (t = term_of(p, &x->fields[out->n_equal], FILTER_EQ, FILTER_EQ)) != NULL) {
		key = with_value(&key, t->value, false);
		out->n_equal++;
		used++;
	}
	if (out->n_equal < x->n)
		range_of_field(p, out, &key, &x->fields[out->n_equal], &used);
	if (out->n_ranges == 0) {
		end = with(&key, (const char[]){ ABOVE }, 1);
		add_range(p, out, '[', &key, '(', &end);
	}
	out->exact = !p->more && used == p->n_terms;
	out->sorted = give_order(p, out);
	return out;
}

/* The first range, list, prefix or exists of the field. */
static void
range_of_field(struct planning *p, struct query_plan *out, const struct key *key,
    const struct pointer *field, size_t *used)
{
	const struct filter *t = term_of(p, field, FILTER_IS_IN, FILTER_IS_IN), *up, *down;
	struct key from, to, type;
	int tag;

	if (t != NULL) {
		ranges_of_list(p, out, key, t);
		*used += 1;
		return;
	}
	if ((t = term_of(p, field, FILTER_PREFIX, FILTER_PREFIX)) != NULL) {
		size_t n = json_string_length(t->value);

		type = with(key, (const char[]){ KEY_TEXT }, 1);
		from = with(&type, json_string_value(t->value), n < KEY_STRING ? n : KEY_STRING);
		to = with(&from, (const char[]){ ABOVE }, 1);
		out->next = FILTER_PREFIX;
		*used += n <= KEY_STRING;
		add_range(p, out, '[', &from, '(', &to);
		return;
	}
	up = term_of(p, field, FILTER_GT, FILTER_GE);
	down = term_of(p, field, FILTER_LT, FILTER_LE);
	t = up != NULL ? up : down;
	if (t == NULL) {
		if ((t = term_of(p, field, FILTER_EXISTS, FILTER_EXISTS)) == NULL)
			return;
		out->next = FILTER_EXISTS;
		*used += 1;
		tag = json_is_true(t->value) ? KEY_NULL : KEY_MISSING;
		from = with(key, (const char[]){ (char)tag }, 1);
		to = with(key, (const char[]){ json_is_true(t->value) ? ABOVE : KEY_NULL }, 1);
		add_range(p, out, '[', &from, '(', &to);
		return;
	}
	tag = json_is_string(t->value) ? KEY_TEXT : KEY_NUMBER;
	from = with(key, (const char[]){ (char)tag }, 1);
	to = with(key, (const char[]){ (char)(tag + 1) }, 1);
	out->next = t->op;
	if (up != NULL) {
		from = with_value(key, up->value, up->op == FILTER_GT);
		*used += bound_of(up, &from);
	}
	if (down != NULL && json_is_string(down->value) == (tag == KEY_TEXT)) {
		to = with_value(key, down->value, down->op == FILTER_LE);
		*used += bound_of(down, &to);
	}
	add_range(p, out, '[', &from, '(', &to);
}

/* A bound that is longer than what stands in keys keeps only its beginning: the range is wider then. 1: it is all
 * of the condition. */
static size_t
bound_of(const struct filter *t, struct key *key)
{
	bool whole = value_key_whole(t->value);
	size_t cut = 1 + 32 + 1; /* mark, hash and what with_value put behind */

	if (whole)
		return 1;
	if (t->op == FILTER_GT || t->op == FILTER_LE)
		key->n -= cut;
	else
		key->n -= cut - 1;
	if (t->op == FILTER_LT || t->op == FILTER_LE)
		key->bytes[key->n++] = ABOVE;
	return 0;
}

static void
ranges_of_list(
    struct planning *p, struct query_plan *out, const struct key *key, const struct filter *t)
{
	const json_t *one;
	size_t i, kept = 0;

	out->next = FILTER_IS_IN;
	json_array_foreach(t->value, i, one)
	{
		struct key from = with_value(key, one, false), to = with_value(key, one, true);

		add_range(p, out, '[', &from, '(', &to);
	}
	qsort(out->ranges, out->n_ranges, sizeof(*out->ranges), by_from);
	for (i = 1; i < out->n_ranges; i++) /* a value may stand there twice */
		if (by_from(&out->ranges[kept], &out->ranges[i]) != 0)
			out->ranges[++kept] = out->ranges[i];
	out->n_ranges = kept + 1;
}

static struct query_plan *
plan_ids(struct planning *p)
{
	struct query_plan *out = ARENA_NEW(p->a, struct query_plan);
	struct key none = { .n = 0 }, from, to;
	const struct filter *t = term_of(p, NULL, FILTER_EQ, FILTER_EQ);
	size_t i, n;
	json_t *one;

	out->next = FILTER_AND;
	if (t == NULL)
		t = term_of(p, NULL, FILTER_IS_IN, FILTER_IS_IN);
	if (t == NULL)
		t = term_of(p, NULL, FILTER_PREFIX, FILTER_PREFIX);
	if (t != NULL) {
		json_t *list = t->op == FILTER_IS_IN ? json_incref((json_t *)(uintptr_t)t->value)
		                                     : json_pack("[O]", t->value);

		out->by_id = true;
		out->next = t->op;
		json_array_foreach(list, i, one)
		{
			n = json_string_length(one);
			if (!json_is_string(one) || n > DOCUMENT_ID)
				continue; /* nobody has it */
			from = with(&none, json_string_value(one), n);
			to =
			    t->op == FILTER_PREFIX ? with(&from, (const char[]){ ABOVE }, 1) : from;
			add_range(p, out, '[', &from, t->op == FILTER_PREFIX ? '(' : '[', &to);
		}
		json_decref(list);
		if (out->n_ranges > 1)
			qsort(out->ranges, out->n_ranges, sizeof(*out->ranges), by_from);
		for (i = 1, n = 0; i < out->n_ranges; i++)
			if (by_from(&out->ranges[n], &out->ranges[i]) != 0)
				out->ranges[++n] = out->ranges[i];
		if (out->n_ranges > 1)
			out->n_ranges = n + 1;
	} else {
		out->ranges = ARENA_NEW(p->a, struct range);
		out->ranges[0] = (struct range){ "-", "+", 1, 1 };
		out->n_ranges = 1;
	}
	out->exact = !p->more && p->n_terms == (t != NULL);
	out->sorted = p->n_sorts == 0 || p->sorts[0].of_id;
	out->reverse = p->n_sorts != 0 && p->sorts[0].of_id && p->sorts[0].descending;
	return out;
}

/* Sorts by what is given by eq order nothing. */
static bool
give_order(const struct planning *p, struct query_plan *out)
{
	const struct index *x = out->index;
	size_t at = out->n_equal;
	bool first = true;

	for (size_t i = 0; i < p->n_sorts; i++) {
		const struct sort *s = &p->sorts[i];
		bool given = false;

		for (size_t k = 0; k < out->n_equal && !s->of_id; k++)
			given |= strcmp(s->place.text, x->fields[k].text) == 0;
		if (given)
			continue;
		if (!first && s->descending != out->reverse)
			return false;
		if (s->of_id ? at != x->n
			     : at == x->n || strcmp(s->place.text, x->fields[at].text) != 0)
			return false;
		out->reverse = s->descending;
		first = false;
		at++;
	}
	return true;
}

/* field NULL: of the id. The first of two kinds. */
static const struct filter *
term_of(const struct planning *p, const struct pointer *field, enum filter_op a, enum filter_op b)
{
	for (size_t i = 0; i < p->n_terms; i++) {
		const struct filter *t = p->terms[i];

		if ((t->op == a || t->op == b) && t->of_id == (field == NULL) &&
		    (field == NULL || (t->place.n == field->n && pointers_touch(&t->place, field))))
			return t;
	}
	return NULL;
}

static struct key
with(const struct key *k, const char *p, size_t n)
{
	struct key out = *k;

	must(out.n + n <= sizeof(out.bytes));
	memcpy(out.bytes + out.n, p, n);
	out.n += n;
	return out;
}

/* above: behind all that begins with it. */
static struct key
with_value(const struct key *k, const json_t *v, bool above)
{
	char value[KEY_VALUE_MOST + 1];
	size_t n = value_key(v, value);

	value[n] = ABOVE;
	return with(k, value, n + above);
}

static void
add_range(struct planning *p, struct query_plan *out, char from_how, const struct key *from,
    char to_how, const struct key *to)
{
	char *f = arena_alloc(p->a, from->n + 1), *t = arena_alloc(p->a, to->n + 1);

	if (out->ranges == NULL)
		out->ranges = ARENA_ARRAY(p->a, struct range, FILTER_IN);
	f[0] = from_how;
	memcpy(f + 1, from->bytes, from->n);
	t[0] = to_how;
	memcpy(t + 1, to->bytes, to->n);
	out->ranges[out->n_ranges++] = (struct range){ f, t, from->n + 1, to->n + 1 };
}

static int
compare(const char *a, size_t n, const char *b, size_t m)
{
	int way = memcmp(a, b, n < m ? n : m);

	return way != 0 ? way : (n > m) - (n < m);
}

static int
by_from(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return compare(x->from, x->n_from, y->from, y->n_from);
}

size_t
plan_ranges_after(
    struct arena *a, const struct query_plan *p, const char *last, size_t n, struct range **out)
{
	char *mark = arena_alloc(a, n + 1);
	size_t kept = 0;

	mark[0] = '(';
	memcpy(mark + 1, last, n);
	*out = ARENA_ARRAY(a, struct range, p->n_ranges + 1);
	for (size_t i = 0; i < p->n_ranges; i++) {
		struct range r = p->ranges[i];

		if (!p->reverse) {
			if (r.to[0] != '+' && compare(r.to + 1, r.n_to - 1, last, n) <= 0)
				continue;
			if (r.from[0] == '-' || compare(r.from + 1, r.n_from - 1, last, n) <= 0)
				r = (struct range){ mark, r.to, n + 1, r.n_to };
		} else {
			if (r.from[0] != '-' && compare(r.from + 1, r.n_from - 1, last, n) >= 0)
				continue;
			if (r.to[0] == '+' || compare(r.to + 1, r.n_to - 1, last, n) >= 0)
				r = (struct range){ r.from, mark, r.n_from, n + 1 };
		}
		(*out)[kept++] = r;
	}
	return kept;
}
