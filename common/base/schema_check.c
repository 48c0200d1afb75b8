/* schema_check: see schema.h. Here: values and texts are held against schemas. A value that is right costs
 * no memory; the way to what is wrong is put together only then. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/failure.h"
#include "base/json_same.h"
#include "base/schema.h"
#include "base/schema_int.h"

#define WORDS_MOST 1000 /* bytes of the values that one may have, where it has another */

struct left { /* of the work that may be done: schemas, steps of patterns */
	size_t work, pattern;
};

struct asking {
	struct arena *a;
	const struct schema_rules *rules;
	struct failure *f; /* NULL: only whether, not what */
	struct left *left;
	int depth; /* of the stack */
};

#define CHECK_DEPTH_MOST 5000 /* schemas within each other, at all depths of the value: stack */

/* What is wrong, unless nobody wants to know: the words are made only then. */
#define SAY(q, at, words) ((q)->f == NULL ? false : say((q), (at), (words)))

struct place { /* on the stack, from the value to the whole */
	const struct place *up;
	const char *key; /* NULL: index */
	size_t index;
};

static bool check(struct asking *, const struct place *, const struct schema *, const json_t *);
static bool
check_type(struct asking *, const struct place *, const struct schema *, const json_t *);
static bool
check_value(struct asking *, const struct place *, const struct schema *, const json_t *);
static bool check_number(struct asking *, const struct place *, const struct schema *, long double);
static bool
check_array(struct asking *, const struct place *, const struct schema *, const json_t *);
static bool
check_object(struct asking *, const struct place *, const struct schema *, const json_t *);
static bool check_member(struct asking *, const struct place *, const struct schema *,
    const struct schema_member *, const json_t *);
static bool check_alternatives(struct asking *, const struct place *, const struct schema *,
    const struct schema_list *, const json_t *);
static bool
check_more(struct asking *, const struct place *, const struct schema_more *, const json_t *);
static bool
check_contains(struct asking *, const struct place *, const struct schema_more *, const json_t *);
static bool check_name(struct asking *, const struct place *, const struct schema *);
static const struct schema *alone(const struct schema_list *, unsigned);
static bool string_ok(const struct schema *, struct str, bool, size_t *);
static bool is_listed(const json_t *, struct str);
static bool is_sized(const struct schema *, struct str);
static const struct schema *meant(const struct schema *);
static bool fits(struct asking *, const struct schema *, const json_t *);
static const struct schema_member *member_find(const struct schema *, const char *);
static bool number_ok(const struct schema *, long double);
static bool multiple_ok(long double, long double);
static bool among(const json_t *, const json_t *);
static unsigned type_of(const struct asking *, const json_t *);
static const char *words_of_type(struct arena *, const struct schema *);
static const char *words_of_string(struct arena *, const struct schema *, struct str);
static const char *words_of_values(struct arena *, const json_t *);
static const char *words_of_range(struct arena *, const char *, double, double, const char *);
static const char *words_of_number(struct arena *, const struct schema *);
static double bound_of(size_t);
static bool say(struct asking *, const struct place *, const char *);
static const char *pointer_of(struct arena *, const struct place *);

bool
schema_check(struct arena *a, const struct schema *s, const json_t *v,
    const struct schema_rules *rules, struct failure *f)
{
	struct left left = { SCHEMA_WORK_MOST, SCHEMA_PATTERN_WORK_MOST };
	struct asking q = { a, rules, f, &left, 0 };

	(void)check(&q, NULL, s, v);
	if (left.work == 0 ||
	    left.pattern == 0) /* what was not looked at may stand behind a `not` */
		(void)say(&q, NULL, "costs too much to be looked at");
	return f->status == ST_OK;
}

const char *
schema_check_text(struct arena *a, const struct schema *s, const char *value)
{
	const char *wrong = NULL, *all = "";
	size_t pattern = SCHEMA_PATTERN_WORK_MOST;
	int64_t n;

	for (size_t i = 0; i < s->one_of.n; i++) {
		if ((wrong = schema_check_text(a, s->one_of.list[i], value)) == NULL)
			return NULL;
		all = i == 0 ? wrong : arena_printf(a, "%s, or %s", all, wrong);
	}
	if (s->one_of.n != 0)
		return s->detail != NULL ? s->detail : all;
	if ((s->types & SCHEMA_STRING) != 0)
		return string_ok(s, str_of(value), true, &pattern)
		           ? NULL
		           : words_of_string(a, s, str_of(value));
	if ((s->types & SCHEMA_INTEGER) != 0 && str_i64(str_of(value), INT64_MIN, INT64_MAX, &n) &&
	    number_ok(s, (long double)n))
		return NULL;
	if ((s->types & SCHEMA_BOOLEAN) != 0 &&
	    (strcmp(value, "true") == 0 || strcmp(value, "false") == 0))
		return NULL;
	return words_of_type(a, s);
}

static bool
check(struct asking *q, const struct place *at, const struct schema *s, const json_t *v)
{
	bool ok;

	if (q->depth == CHECK_DEPTH_MOST)
		q->left->work = 0;
	if (q->left->work == 0 || --q->left->work == 0 || q->left->pattern == 0)
		return SAY(q, at, "costs too much to be looked at");
	q->depth++;
	ok = check_value(q, at, s, v);
	q->depth--;
	return ok;
}

static bool
check_value(struct asking *q, const struct place *at, const struct schema *s, const json_t *v)
{
	bool ok = true;

	if ((s->types & type_of(q, v)) == 0)
		return check_type(q, at, s, v);
	if (s->values != NULL && !json_is_string(v) && !among(s->values, v))
		return SAY(q, at, s->detail != NULL ? s->detail : words_of_values(q->a, s->values));
	if (json_is_string(v)) {
		struct str text = { json_string_value(v), json_string_length(v) };

		ok = string_ok(s, text, q->rules->strict, &q->left->pattern) ||
		     SAY(q, at, words_of_string(q->a, s, text));
	} else if (json_is_number(v)) {
		ok = check_number(q, at, s, schema_number(v));
	} else if (json_is_array(v)) {
		ok = check_array(q, at, s, v);
	} else if (json_is_object(v)) {
		ok = check_object(q, at, s, v);
	}
	if (s->one_of.n != 0)
		ok &= check_alternatives(q, at, s, &s->one_of, v);
	if (s->any_of.n != 0)
		ok &= check_alternatives(q, at, s, &s->any_of, v);
	for (size_t i = 0; i < s->all_of.n; i++)
		ok &= check(q, at, s->all_of.list[i], v);
	if (s->more != NULL)
		ok &= check_more(q, at, s->more, v);
	return ok;
}

static bool
check_more(struct asking *q, const struct place *at, const struct schema_more *m, const json_t *v)
{
	const struct schema *next = NULL;
	bool ok = true;

	if (m->ref != NULL)
		ok &= check(q, at, m->ref, v);
	if (m->not != NULL && fits(q, m->not, v))
		ok = SAY(q, at, "is what may not stand here");
	if (m->cond != NULL)
		next = fits(q, m->cond, v) ? m->then : m->otherwise;
	if (next != NULL)
		ok &= check(q, at, next, v);
	for (size_t i = 0; json_is_object(v) && i < m->n_dependents; i++) {
		const struct schema_dependent *d = &m->dependents[i];

		if (json_object_get(v, d->name) == NULL)
			continue;
		if (d->needs != NULL && json_object_get(v, d->needs) == NULL)
			ok = SAY(q, &((const struct place){ at, d->needs, 0 }),
			    arena_printf(q->a, "is required beside %.60s", d->name));
		else if (d->schema != NULL)
			ok &= check(q, at, d->schema, v);
	}
	if (m->contains != NULL && json_is_array(v))
		ok &= check_contains(q, at, m, v);
	return ok;
}

static bool
check_contains(
    struct asking *q, const struct place *at, const struct schema_more *m, const json_t *v)
{
	const json_t *one;
	size_t n = 0, i;

	json_array_foreach(v, i, one) n += fits(q, m->contains, one);
	return (n >= m->contains_min && n <= m->contains_max) ||
	       SAY(q, at,
		   words_of_range(q->a, "must have", bound_of(m->contains_min),
		       bound_of(m->contains_max), " items of a certain kind"));
}

/* None of the types. Where one alternative alone can be meant, it knows the words. */
static bool
check_type(struct asking *q, const struct place *at, const struct schema *s, const json_t *v)
{
	const struct schema *sub = s->detail == NULL ? meant(s) : NULL;

	if (sub != NULL && !check(q, at, sub, v))
		return false;
	if (s->detail != NULL && s->one_of.n + s->any_of.n != 0)
		return SAY(q, at, s->detail);
	return SAY(q, at, words_of_type(q->a, s));
}

static bool
check_number(struct asking *q, const struct place *at, const struct schema *s, long double d)
{
	if (number_ok(s, d))
		return true;
	return SAY(q, at, s->detail != NULL ? s->detail : words_of_number(q->a, s));
}

static bool
check_array(struct asking *q, const struct place *at, const struct schema *s, const json_t *v)
{
	size_t n = json_array_size(v), i, k;
	const json_t *one;
	bool ok = true;

	if (n < s->items_min || n > s->items_max)
		return SAY(q, at, s->detail != NULL ? s->detail : words_of_type(q->a, s));
	for (i = 0; i < n; i++) {
		const struct schema_list *prefix = s->more != NULL ? &s->more->prefix : NULL;
		const struct schema *sub =
		    prefix != NULL && i < prefix->n ? prefix->list[i] : s->items;

		if (sub == NULL)
			break;
		one = json_array_get(v, i);
		ok &= check(q, &(const struct place){ at, NULL, i }, sub, one);
		if (!ok && (q->f == NULL || q->f->n_violations == VIOLATIONS_MOST))
			return false;
	}
	if (!s->unique || !json_twice(v, &i, &k))
		return ok;
	one = json_array_get(v, i);
	return SAY(q, at,
	    json_is_string(one)
		? arena_printf(q->a, "\"%.60s\" is there twice", json_string_value(one))
		: "has an item twice");
}

static bool
check_object(struct asking *q, const struct place *at, const struct schema *s, const json_t *v)
{
	size_t n = json_object_size(v), required = 0;
	bool ok = true;
	const char *key;
	json_t *one;

	if (n < s->members_min || n > s->members_max)
		return SAY(q, at,
		    s->detail != NULL ? s->detail
				      : words_of_range(q->a, "must have", bound_of(s->members_min),
					    bound_of(s->members_max), " members"));
	if (s->n_members == 0 && s->additional == NULL && !s->closed && s->more == NULL)
		return true;
	json_object_foreach((json_t *)(uintptr_t)v, key, one)
	{
		const struct schema_member *m = member_find(s, key);

		required += m != NULL && m->required;
		ok &= check_member(q, &(const struct place){ at, key, 0 }, s, m, one);
		if (!ok && (q->f == NULL || q->f->n_violations == VIOLATIONS_MOST))
			return false;
	}
	for (size_t i = 0; required < s->n_required && i < s->n_members; i++)
		if (s->members[i].required && json_object_get(v, s->members[i].name) == NULL)
			ok = say(
			    q, &(const struct place){ at, s->members[i].name, 0 }, "is required");
	return ok;
}

/* m NULL: the schema has none of that name. */
static bool
check_member(struct asking *q, const struct place *at, const struct schema *s,
    const struct schema_member *m, const json_t *v)
{
	const char *const *set = at->up == NULL ? q->rules->set : NULL;
	bool named = m != NULL && m->schema != NULL; /* not by `required` alone */
	const struct schema *sub = named ? m->schema : s->additional;
	bool matched = false, ok = true;

	if (s->more != NULL && s->more->names != NULL)
		ok = check_name(q, at, s->more->names);
	for (size_t i = 0; s->more != NULL && i < s->more->n_patterns; i++)
		if (schema_pattern_matches(
			s->more->patterns[i].regex, str_of(at->key), &q->left->pattern)) {
			matched = true;
			ok &= check(q, at, s->more->patterns[i].schema, v);
		}
	if (!named && matched)
		return ok;
	if (!named && s->closed) {
		while (set != NULL && *set != NULL && strcmp(*set, at->key) != 0)
			set++;
		return SAY(q, at,
		    set != NULL && *set != NULL ? "is set by the server"
						: "there is no such field");
	}
	if (sub == NULL)
		return ok;
	if (json_is_null(v) && (sub->types & SCHEMA_NULL) == 0 && named &&
	    (m->required || q->rules->patch))
		return SAY(q, at, "is required");
	return check(q, at, sub, v) && ok;
}

static bool
check_name(struct asking *q, const struct place *at, const struct schema *s)
{
	json_t *name = json_string(at->key);
	bool ok = fits(q, s, name);

	json_decref(name);
	return ok || SAY(q, at, "has a name that may not be");
}

/* The types are looked at already: one of them can be meant at least. */
static bool
check_alternatives(struct asking *q, const struct place *at, const struct schema *s,
    const struct schema_list *l, const json_t *v)
{
	const struct schema *sub = alone(l, type_of(q, v));
	size_t n = 0;

	if (sub != NULL && (s->detail == NULL || json_is_object(v) || json_is_array(v)))
		return check(q, at, sub, v);
	for (size_t i = 0; i < l->n; i++)
		n += fits(q, l->list[i], v);
	if (n == 1 || (n > 1 && l == &s->any_of))
		return true;
	if (s->detail != NULL)
		return SAY(q, at, s->detail);
	return SAY(q, at,
	    n == 0 ? "is none of what may stand here" : "is more than one of what may stand here");
}

/* The only alternative that is more than null. NULL: there are more, or none. */
static const struct schema *
meant(const struct schema *s)
{
	return alone(s->one_of.n != 0 ? &s->one_of : &s->any_of, 0);
}

/* The only one that takes `type`; for 0, the only one that is more than null. */
static const struct schema *
alone(const struct schema_list *l, unsigned type)
{
	const struct schema *found = NULL;

	for (size_t i = 0; i < l->n; i++) {
		unsigned t = l->list[i]->types;

		if (type != 0 ? (t & type) == 0 : t == SCHEMA_NULL)
			continue;
		if (found != NULL)
			return NULL;
		found = l->list[i];
	}
	return found;
}

static bool
fits(struct asking *q, const struct schema *s, const json_t *v)
{
	struct asking quiet = { q->a, q->rules, NULL, q->left, q->depth };

	return check(&quiet, NULL, s, v);
}

static const struct schema_member *
member_find(const struct schema *s, const char *name)
{
	size_t low = 0, high = s->n_members;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int way = strcmp(name, s->members[mid].name);

		if (way == 0)
			return &s->members[mid];
		if (way < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

static bool
number_ok(const struct schema *s, long double d)
{
	if (s->min_exclusive ? d <= s->min : d < s->min)
		return false;
	if (s->max_exclusive ? d >= s->max : d > s->max)
		return false;
	return s->multiple <= 0 || multiple_ok(d, s->multiple);
}

/* Of whole numbers it is exact. Others were written in decimal, and each is off by half a bit: so may be
 * their quotient. Where that has no fraction any more, only a divisor of 1 is known to fit. */
static bool
multiple_ok(long double d, long double m)
{
	long double q = d / m;

	if (fmodl(d, m) == 0)
		return true;
	if (floorl(m) == m)
		return false;
	if (fabsl(q) < 0x1p50L)
		return fabsl(q - rintl(q)) <= fabsl(q) * 2 * DBL_EPSILON;
	return floorl(d) == d && fabsl(d) < 0x1p63L && multiple_ok(1, m);
}

long double
schema_number(const json_t *v)
{
	return json_is_integer(v) ? (long double)json_integer_value(v)
	                          : (long double)json_number_value(v);
}

static bool
string_ok(const struct schema *s, struct str text, bool strict, size_t *pattern)
{
	return (s->values == NULL || is_listed(s->values, text)) && is_sized(s, text) &&
	       (s->regex == NULL || schema_pattern_matches(s->regex, text, pattern)) &&
	       (s->format == NULL || s->format->ok(text, strict));
}

static bool
is_listed(const json_t *values, struct str text)
{
	const json_t *one;
	size_t i;

	json_array_foreach(values, i, one)
	{
		if (json_is_string(one) && str_eq(text, json_string_value(one)))
			return true;
	}
	return false;
}

static bool
is_sized(const struct schema *s, struct str text)
{
	size_t n = s->length_min != 0 || s->length_max != SIZE_MAX ? str_characters(text) : 0;

	return n >= s->length_min && n <= s->length_max;
}

static bool
among(const json_t *values, const json_t *v)
{
	const json_t *one;
	size_t i;

	json_array_foreach(values, i, one)
	{
		if (json_same(one, v))
			return true;
	}
	return false;
}

static unsigned
type_of(const struct asking *q, const json_t *v)
{
	double d;

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return SCHEMA_OBJECT;
	case JSON_ARRAY:
		return SCHEMA_ARRAY;
	case JSON_STRING:
		return SCHEMA_STRING;
	case JSON_INTEGER:
		return SCHEMA_INTEGER | SCHEMA_NUMBER;
	case JSON_REAL:
		d = json_real_value(v);
		return SCHEMA_NUMBER | (!q->rules->strict && d == floor(d) ? SCHEMA_INTEGER : 0);
	case JSON_TRUE:
	case JSON_FALSE:
		return SCHEMA_BOOLEAN;
	case JSON_NULL:
		break;
	}
	return SCHEMA_NULL;
}

/* --- words: those of services/database/sql, where both say something --- */

static const char *
words_of_type(struct arena *a, const struct schema *s)
{
	if (s->types == SCHEMA_NULL)
		return "must be null";
	if (s->types == 0)
		return "may not be there";
	if ((s->types & SCHEMA_STRING) != 0)
		return "must be a string";
	if ((s->types & (SCHEMA_INTEGER | SCHEMA_NUMBER)) != 0)
		return words_of_number(a, s);
	if ((s->types & SCHEMA_BOOLEAN) != 0)
		return "must be true or false";
	if ((s->types & SCHEMA_OBJECT) != 0)
		return "must be an object";
	if (s->items_max == SIZE_MAX && s->items_min == 0)
		return "must be an array";
	return words_of_range(a, "must be an array of", bound_of(s->items_min),
	    bound_of(s->items_max),
	    s->items != NULL && s->items->types == SCHEMA_STRING ? " strings" : " items");
}

static const char *
words_of_number(struct arena *a, const struct schema *s)
{
	const char *kind =
	    (s->types & SCHEMA_NUMBER) != 0 ? "must be a number" : "must be an integer";
	const char *text = kind;

	if (s->min > -INFINITY && s->max < INFINITY && !s->min_exclusive && !s->max_exclusive)
		text = arena_printf(a, "%s from %.15Lg to %.15Lg", kind, s->min, s->max);
	else if (s->min > -INFINITY && s->max < INFINITY)
		text = arena_printf(a, "%s %s %.15Lg and %s %.15Lg", kind,
		    s->min_exclusive ? "above" : "of at least", s->min,
		    s->max_exclusive ? "below" : "at most", s->max);
	else if (s->min > -INFINITY)
		text = arena_printf(
		    a, "%s %s %.15Lg", kind, s->min_exclusive ? "above" : "of at least", s->min);
	else if (s->max < INFINITY)
		text = arena_printf(
		    a, "%s %s %.15Lg", kind, s->max_exclusive ? "below" : "of at most", s->max);
	if (s->multiple > 0)
		text = arena_printf(a, "%s, a multiple of %.15Lg", text, s->multiple);
	return text;
}

/* Of one that is not ok. */
static const char *
words_of_string(struct arena *a, const struct schema *s, struct str text)
{
	if (s->detail != NULL)
		return s->detail;
	if (s->values != NULL && !is_listed(s->values, text))
		return words_of_values(a, s->values);
	if (!is_sized(s, text))
		return words_of_range(a, "must have", bound_of(s->length_min),
		    bound_of(s->length_max), " characters");
	if (s->format != NULL && (s->regex == NULL || !s->format->ok(text, true)))
		return s->format->words;
	return arena_printf(a, "must match %s", s->pattern);
}

/* "must have at most 100 members". */
static const char *
words_of_range(struct arena *a, const char *verb, double min, double max, const char *of)
{
	bool texts = strcmp(of, " characters") == 0;

	if (max >= INFINITY)
		return arena_printf(a, "%s at least %.15g%s", verb, min, of);
	if (min <= 0 && !texts)
		return arena_printf(a, "%s at most %.15g%s", verb, max, of);
	return arena_printf(a, "%s %.15g to %.15g%s", verb, min, max, of);
}

static double
bound_of(size_t n)
{
	return n == SIZE_MAX ? INFINITY : (double)n;
}

/* Those that fit; it is said that there are more. */
static const char *
words_of_values(struct arena *a, const json_t *values)
{
	const char *text = json_array_size(values) == 1 ? "must be" : "must be one of";
	const json_t *one;
	size_t i;

	json_array_foreach(values, i, one)
	{
		struct jw w;
		const char *more;

		jw_start(&w, a, 32);
		jw_json(&w, NULL, one);
		more = json_is_string(one) ? json_string_value(one) : jw_text(&w, NULL);
		if (strlen(text) + strlen(more) > WORDS_MOST)
			return arena_printf(
			    a, "%s ... (%zu in all)", text, json_array_size(values));
		text = arena_printf(a, "%s %s", text, more);
	}
	return text;
}

/* --- what is wrong, and where --- */

static bool
say(struct asking *q, const struct place *at, const char *what)
{
	if (q->f != NULL && q->f->n_violations < VIOLATIONS_MOST)
		failure_violation(q->a, q->f, pointer_of(q->a, at), "%s", what);
	return false;
}

static const char *
pointer_of(struct arena *a, const struct place *at)
{
	if (at == NULL)
		return "";
	if (at->key == NULL)
		return arena_printf(a, "%s/%zu", pointer_of(a, at->up), at->index);
	return failure_pointer(a, pointer_of(a, at->up), at->key);
}
