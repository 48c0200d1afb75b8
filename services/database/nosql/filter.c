/* filter: see filter.h. */
#include "database/nosql/filter.h"

#include <string.h>

#include "base/failure.h"
#include "base/json.h"
#include "base/json_same.h"
#include "base/log.h"

struct parsing {
	struct arena *a;
	struct failure *f;
	size_t n_terms;
};

typedef const char *value_ok_fn(const json_t *);

static const struct filter *parse_object(struct parsing *, const json_t *, const char *, size_t);
static const struct filter *
parse_member(struct parsing *, const char *, const json_t *, const char *, size_t);
static const struct filter *
parse_list(struct parsing *, enum filter_op, const json_t *, const char *, size_t);
static const struct filter *
parse_place(struct parsing *, const char *, const json_t *, const char *);
static struct filter *term_new(struct parsing *, enum filter_op, size_t, const char *);
static bool compare_holds(const struct filter *, const json_t *, const json_t *);
static bool text_compare_holds(const struct filter *, const char *);
static void write_filter(struct jw *, const struct filter *);
static value_ok_fn any_value, ordered, some_values, a_string, a_boolean;

static const struct {
	const char *name;
	value_ok_fn *value_ok; /* NULL: joins others. Answers what is wrong */
} ops[] = {
	[FILTER_AND] = { "and", NULL },
	[FILTER_OR] = { "or", NULL },
	[FILTER_NOT] = { "not", NULL },
	[FILTER_EQ] = { "eq", any_value },
	[FILTER_NE] = { "ne", any_value },
	[FILTER_LT] = { "lt", ordered },
	[FILTER_LE] = { "le", ordered },
	[FILTER_GT] = { "gt", ordered },
	[FILTER_GE] = { "ge", ordered },
	[FILTER_IS_IN] = { "in", some_values },
	[FILTER_PREFIX] = { "prefix", a_string },
	[FILTER_EXISTS] = { "exists", a_boolean },
};
#define N_OPS (sizeof(ops) / sizeof(ops[0]))

const struct filter *
filter_parse(struct arena *a, const json_t *v, struct failure *f)
{
	struct parsing p = { .a = a, .f = f };

	return v == NULL ? term_new(&p, FILTER_AND, 0, "") : parse_object(&p, v, "", 1);
}

const char *
filter_op_name(enum filter_op op)
{
	return ops[op].name;
}

static const struct filter *
refuse(struct parsing *p, const char *at, const char *what)
{
	failure_violation(p->a, p->f, at, "%s", what);
	return NULL;
}

static struct filter *
term_new(struct parsing *p, enum filter_op op, size_t n, const char *at)
{
	struct filter *t = ARENA_NEW(p->a, struct filter);

	if (++p->n_terms > FILTER_TERMS) {
		(void)refuse(p, at, "is one condition too many");
		return NULL;
	}
	t->op = op;
	t->subs = ARENA_ARRAY(p->a, const struct filter *, n + 1);
	return t;
}

static const struct filter *
parse_object(struct parsing *p, const json_t *v, const char *at, size_t depth)
{
	struct filter *t;
	const char *name;
	json_t *one;

	if (!json_is_object(v))
		return refuse(p, at, "must be an object of conditions");
	if (depth > FILTER_DEEP)
		return refuse(p, at, "is nested too deep");
	if ((t = term_new(p, FILTER_AND, json_object_size(v), at)) == NULL)
		return NULL;
	json_object_foreach((json_t *)(uintptr_t)v, name, one)
	{
		const char *here = failure_pointer(p->a, at, name);

		t->subs[t->n] = parse_member(p, name, one, here, depth);
		if (t->subs[t->n++] == NULL)
			return NULL;
	}
	return t->n == 1 ? t->subs[0] : t;
}

static const struct filter *
parse_member(struct parsing *p, const char *name, const json_t *v, const char *at, size_t depth)
{
	struct filter *t;

	if (strcmp(name, "and") == 0 || strcmp(name, "or") == 0)
		return parse_list(p, name[0] == 'a' ? FILTER_AND : FILTER_OR, v, at, depth);
	if (strcmp(name, "not") != 0)
		return parse_place(p, name, v, at);
	if ((t = term_new(p, FILTER_NOT, 1, at)) == NULL)
		return NULL;
	t->n = 1;
	t->subs[0] = parse_object(p, v, at, depth + 1);
	return t->subs[0] != NULL ? t : NULL;
}

static const struct filter *
parse_list(struct parsing *p, enum filter_op op, const json_t *v, const char *at, size_t depth)
{
	struct filter *t;
	json_t *one;
	size_t i;

	if (!json_is_array(v) || json_array_size(v) == 0)
		return refuse(p, at, "must be an array of filters");
	if (json_array_size(v) > FILTER_TERMS)
		return refuse(p, at, "has too many filters");
	if ((t = term_new(p, op, json_array_size(v), at)) == NULL)
		return NULL;
	json_array_foreach(v, i, one)
	{
		t->subs[i] = parse_object(p, one, arena_printf(p->a, "%s/%zu", at, i), depth + 1);
		if (t->subs[i] == NULL)
			return NULL;
		t->n++;
	}
	return t;
}

static const struct filter *
parse_place(struct parsing *p, const char *name, const json_t *v, const char *at)
{
	struct filter place = { .of_id = strcmp(name, "id") == 0 }, *all, *t;
	const char *bad = place.of_id ? NULL : pointer_read(p->a, name, &place.place), *key;
	json_t *one;
	size_t i;

	if (bad != NULL)
		return refuse(
		    p, at, name[0] == '/' ? bad : "must be a JSON Pointer, id, and, or, not");
	if (!json_is_object(v)) {
		if ((t = term_new(p, FILTER_EQ, 0, at)) == NULL)
			return NULL;
		t->of_id = place.of_id;
		t->place = place.place;
		t->value = v;
		return t;
	}
	if (json_object_size(v) == 0)
		return refuse(p, at, "has no operator; {\"eq\": {}} is equal to an empty object");
	if ((all = term_new(p, FILTER_AND, json_object_size(v), at)) == NULL)
		return NULL;
	json_object_foreach((json_t *)(uintptr_t)v, key, one)
	{
		const char *here = failure_pointer(p->a, at, key);

		for (i = FILTER_EQ; i < N_OPS && strcmp(ops[i].name, key) != 0;)
			i++;
		if (i == N_OPS)
			return refuse(
			    p, here, "must be eq, ne, lt, le, gt, ge, in, prefix or exists");
		if ((bad = ops[i].value_ok(one)) != NULL)
			return refuse(p, here, bad);
		if ((t = term_new(p, (enum filter_op)i, 0, here)) == NULL)
			return NULL;
		t->of_id = place.of_id;
		t->place = place.place;
		t->value = one;
		all->subs[all->n++] = t;
	}
	return all->n == 1 ? all->subs[0] : all;
}

static const char *
any_value(const json_t *v)
{
	(void)v;
	return NULL;
}

static const char *
ordered(const json_t *v)
{
	return json_is_number(v) || json_is_string(v) ? NULL : "must be a number or a string";
}

static const char *
some_values(const json_t *v)
{
	return json_is_array(v) && json_array_size(v) > 0 && json_array_size(v) <= FILTER_IN
	           ? NULL
	           : "must be an array of 1 to 200 values";
}

static const char *
a_string(const json_t *v)
{
	return json_is_string(v) ? NULL : "must be a string";
}

static const char *
a_boolean(const json_t *v)
{
	return json_is_boolean(v) ? NULL : "must be true or false";
}

/* --- holding documents against it --- */

bool
filter_holds(const struct filter *f, const char *id, const json_t *doc)
{
	size_t i = 0;

	switch (f->op) {
	case FILTER_AND:
		while (i < f->n && filter_holds(f->subs[i], id, doc))
			i++;
		return i == f->n;
	case FILTER_OR:
		while (i < f->n && !filter_holds(f->subs[i], id, doc))
			i++;
		return i < f->n;
	case FILTER_NOT:
		return !filter_holds(f->subs[0], id, doc);
	case FILTER_EQ:
	case FILTER_NE:
	case FILTER_LT:
	case FILTER_LE:
	case FILTER_GT:
	case FILTER_GE:
	case FILTER_IS_IN:
	case FILTER_PREFIX:
	case FILTER_EXISTS:
		break;
	}
	return f->of_id ? text_compare_holds(f, id)
	                : compare_holds(f, f->value, pointer_get(&f->place, doc));
}

static bool
text_compare_holds(const struct filter *f, const char *id)
{
	json_t *v = json_string(id);
	bool holds = compare_holds(f, f->value, v);

	json_decref(v);
	return holds;
}

static bool
compare_holds(const struct filter *f, const json_t *want, const json_t *have)
{
	bool alike = have != NULL && ((json_is_number(want) && json_is_number(have)) ||
					 (json_is_string(want) && json_is_string(have)));
	const json_t *one;
	size_t i;

	switch (f->op) {
	case FILTER_EQ:
		return have != NULL && json_same(want, have);
	case FILTER_NE:
		return have == NULL || !json_same(want, have);
	case FILTER_LT:
		return alike && value_compare(have, want) < 0;
	case FILTER_LE:
		return alike && value_compare(have, want) <= 0;
	case FILTER_GT:
		return alike && value_compare(have, want) > 0;
	case FILTER_GE:
		return alike && value_compare(have, want) >= 0;
	case FILTER_IS_IN:
		json_array_foreach(
		    want, i, one) if (have != NULL && json_same(one, have)) return true;
		return false;
	case FILTER_PREFIX:
		return alike && str_starts(json_string_value(have), json_string_value(want));
	case FILTER_EXISTS:
		return (have != NULL) == json_is_true(want);
	case FILTER_AND:
	case FILTER_OR:
	case FILTER_NOT:
		break;
	}
	return false;
}

const char *
filter_text(struct arena *a, const struct filter *f)
{
	struct jw w;

	jw_start(&w, a, 256);
	write_filter(&w, f);
	return jw_text(&w, NULL);
}

static void
write_filter(struct jw *w, const struct filter *f)
{
	jw_array(w, NULL);
	jw_str(w, NULL, ops[f->op].name);
	for (size_t i = 0; i < f->n; i++)
		write_filter(w, f->subs[i]);
	if (f->op >= FILTER_EQ) {
		jw_str(w, NULL, f->of_id ? "id" : f->place.text);
		jw_json(w, NULL, f->value);
	}
	jw_close(w, ']');
}
