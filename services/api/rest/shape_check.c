/* shape_check: see shape.h. Here: values and texts are held against shapes. A value that is right costs
 * no memory; the way to what is wrong is put together only then. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "api/ops/ops.h"
#include "api/rest/shape.h"
#include "base/id.h"
#include "base/time.h"

struct asking {
	struct arena *a;
	const struct shape_rules *rules;
	struct failure *f; /* NULL: only whether, not what */
};

/* What is wrong, unless nobody wants to know: the words are made only then. */
#define SAY(q, at, words) ((q)->f == NULL ? false : say((q), (at), (words)))

struct place { /* on the stack, from the value to the whole */
	const struct place *up;
	const char *key; /* NULL: index */
	size_t index;
};

static bool check(struct asking *, const struct place *, const struct shape *, const json_t *);
static bool check_type(struct asking *, const struct place *, const struct shape *, const json_t *);
static bool check_number(struct asking *, const struct place *, const struct shape *, double);
static bool
check_array(struct asking *, const struct place *, const struct shape *, const json_t *);
static bool
check_object(struct asking *, const struct place *, const struct shape *, const json_t *);
static bool check_member(struct asking *, const struct place *, const struct shape *,
    const struct shape_member *, const json_t *);
static bool
check_alternatives(struct asking *, const struct place *, const struct shape *, const json_t *);
static bool string_ok(const struct shape *, struct str);
static bool is_listed(const json_t *, struct str);
static bool is_sized(const struct shape *, struct str);
static const struct shape *meant(const struct shape *, unsigned);
static bool fits(struct asking *, const struct shape *, const json_t *);
static const struct shape_member *member_find(const struct shape *, const char *);
static bool number_ok(const struct shape *, double);
static bool among(const json_t *, const json_t *);
static unsigned type_of(const json_t *);
static const char *words_of_type(struct arena *, const struct shape *);
static const char *words_of_string(struct arena *, const struct shape *, struct str);
static const char *words_of_values(struct arena *, const json_t *);
static const char *words_of_range(struct arena *, const char *, double, double, const char *);
static const char *words_of_number(struct arena *, const struct shape *);
static double bound_of(size_t);
static bool say(struct asking *, const struct place *, const char *);
static const char *pointer_of(struct arena *, const struct place *);

bool
shape_check(struct arena *a, const struct shape *s, const json_t *v,
    const struct shape_rules *rules, struct failure *f)
{
	struct asking q = { a, rules, f };

	(void)check(&q, NULL, s, v);
	return f->status == ST_OK;
}

const char *
shape_check_text(struct arena *a, const struct shape *s, const char *value)
{
	const char *wrong = NULL, *all = "";
	int64_t n;

	for (size_t i = 0; i < s->one_of.n; i++) {
		if ((wrong = shape_check_text(a, s->one_of.list[i], value)) == NULL)
			return NULL;
		all = i == 0 ? wrong : arena_printf(a, "%s, or %s", all, wrong);
	}
	if (s->one_of.n != 0)
		return s->detail != NULL ? s->detail : all;
	if ((s->types & SHAPE_STRING) != 0)
		return string_ok(s, str_of(value)) ? NULL : words_of_string(a, s, str_of(value));
	if ((s->types & SHAPE_INTEGER) != 0 && str_i64(str_of(value), INT64_MIN, INT64_MAX, &n) &&
	    number_ok(s, (double)n))
		return NULL;
	if ((s->types & SHAPE_BOOLEAN) != 0 &&
	    (strcmp(value, "true") == 0 || strcmp(value, "false") == 0))
		return NULL;
	return words_of_type(a, s);
}

static bool
check(struct asking *q, const struct place *at, const struct shape *s, const json_t *v)
{
	bool ok = true;

	if ((s->types & type_of(v)) == 0)
		return check_type(q, at, s, v);
	if (s->values != NULL && !json_is_string(v) && !among(s->values, v))
		return SAY(q, at, s->detail != NULL ? s->detail : words_of_values(q->a, s->values));
	if (json_is_string(v)) {
		struct str text = { json_string_value(v), json_string_length(v) };

		ok = string_ok(s, text) || SAY(q, at, words_of_string(q->a, s, text));
	} else if (json_is_number(v)) {
		ok = check_number(q, at, s, json_number_value(v));
	} else if (json_is_array(v)) {
		ok = check_array(q, at, s, v);
	} else if (json_is_object(v)) {
		ok = check_object(q, at, s, v);
	}
	if (s->one_of.n != 0 || s->any_of.n != 0)
		ok &= check_alternatives(q, at, s, v);
	for (size_t i = 0; i < s->all_of.n; i++)
		ok &= check(q, at, s->all_of.list[i], v);
	return ok;
}

/* None of the types. Where one alternative alone can be meant, it knows the words. */
static bool
check_type(struct asking *q, const struct place *at, const struct shape *s, const json_t *v)
{
	const struct shape *sub = s->detail == NULL ? meant(s, 0) : NULL;

	if (sub != NULL)
		return check(q, at, sub, v);
	if (s->detail != NULL && s->one_of.n + s->any_of.n != 0)
		return SAY(q, at, s->detail);
	return SAY(q, at, words_of_type(q->a, s));
}

static bool
check_number(struct asking *q, const struct place *at, const struct shape *s, double d)
{
	if (number_ok(s, d))
		return true;
	return SAY(q, at, s->detail != NULL ? s->detail : words_of_number(q->a, s));
}

static bool
check_array(struct asking *q, const struct place *at, const struct shape *s, const json_t *v)
{
	size_t n = json_array_size(v), i;
	const json_t *one;
	bool ok = true;

	if (n < s->items_min || n > s->items_max)
		return SAY(q, at, s->detail != NULL ? s->detail : words_of_type(q->a, s));
	for (i = 0; s->items != NULL && i < n; i++) {
		one = json_array_get(v, i);
		ok &= check(q, &(const struct place){ at, NULL, i }, s->items, one);
		if (!ok && (q->f == NULL || q->f->n_violations == VIOLATIONS_MOST))
			return false;
	}
	for (i = 1; s->unique && i < n; i++)
		for (size_t k = 0; k < i; k++) {
			one = json_array_get(v, i);
			if (!json_equal(one, json_array_get(v, k)))
				continue;
			return SAY(q, at,
			    json_is_string(one) ? arena_printf(q->a, "\"%.60s\" is there twice",
						      json_string_value(one))
						: "has an item twice");
		}
	return ok;
}

static bool
check_object(struct asking *q, const struct place *at, const struct shape *s, const json_t *v)
{
	size_t n = json_object_size(v);
	uint64_t seen = 0;
	bool ok = true;
	const char *key;
	json_t *one;

	if (n < s->members_min || n > s->members_max)
		return SAY(q, at,
		    s->detail != NULL ? s->detail
				      : words_of_range(q->a, "must have", bound_of(s->members_min),
					    bound_of(s->members_max), " members"));
	if (s->n_members == 0 && s->additional == NULL && !s->closed)
		return true;
	json_object_foreach((json_t *)(uintptr_t)v, key, one)
	{
		const struct shape_member *m = member_find(s, key);

		if (m != NULL)
			seen |= UINT64_C(1) << (m - s->members);
		ok &= check_member(q, &(const struct place){ at, key, 0 }, s, m, one);
		if (!ok && (q->f == NULL || q->f->n_violations == VIOLATIONS_MOST))
			return false;
	}
	for (size_t i = 0; i < s->n_members; i++)
		if (s->members[i].required && (seen & UINT64_C(1) << i) == 0)
			ok = say(
			    q, &(const struct place){ at, s->members[i].name, 0 }, "is required");
	return ok;
}

/* m NULL: the shape has none of that name. */
static bool
check_member(struct asking *q, const struct place *at, const struct shape *s,
    const struct shape_member *m, const json_t *v)
{
	const char *const *set = at->up == NULL ? q->rules->set : NULL;
	const struct shape *sub = m != NULL ? m->shape : s->additional;

	if (m == NULL && s->closed) {
		while (set != NULL && *set != NULL && strcmp(*set, at->key) != 0)
			set++;
		return SAY(q, at,
		    set != NULL && *set != NULL ? "is set by the server"
						: "there is no such field");
	}
	if (sub == NULL)
		return true;
	if (json_is_null(v) && (sub->types & SHAPE_NULL) == 0 && m != NULL &&
	    (m->required || q->rules->patch))
		return SAY(q, at, "is required");
	return check(q, at, sub, v);
}

/* The types are looked at already: one of them can be meant at least. */
static bool
check_alternatives(struct asking *q, const struct place *at, const struct shape *s, const json_t *v)
{
	const struct shape_list *l = s->one_of.n != 0 ? &s->one_of : &s->any_of;
	const struct shape *sub = meant(s, type_of(v));
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

/* The only alternative that takes `type`; for 0, the only one that is more than null. NULL: there are
 * more, or none. */
static const struct shape *
meant(const struct shape *s, unsigned type)
{
	const struct shape_list *l = s->one_of.n != 0 ? &s->one_of : &s->any_of;
	const struct shape *found = NULL;

	for (size_t i = 0; i < l->n; i++) {
		unsigned t = l->list[i]->types;

		if (type != 0 ? (t & type) == 0 : t == SHAPE_NULL)
			continue;
		if (found != NULL)
			return NULL;
		found = l->list[i];
	}
	return found;
}

static bool
fits(struct asking *q, const struct shape *s, const json_t *v)
{
	struct asking quiet = { q->a, q->rules, NULL };

	return check(&quiet, NULL, s, v);
}

static const struct shape_member *
member_find(const struct shape *s, const char *name)
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
number_ok(const struct shape *s, double d)
{
	if (s->min_exclusive ? d <= s->min : d < s->min)
		return false;
	if (s->max_exclusive ? d >= s->max : d > s->max)
		return false;
	return s->multiple <= 0 || fabs(remainder(d, s->multiple)) < 1e-9 * s->multiple;
}

static bool
string_ok(const struct shape *s, struct str text)
{
	int64_t us;

	return (s->values == NULL || is_listed(s->values, text)) && is_sized(s, text) &&
	       (s->regex == NULL || regexec(s->regex, text.p, 0, NULL, 0) == 0) &&
	       (s->format != FORMAT_UUID || uuid_ok(text.p)) &&
	       (s->format != FORMAT_TIME || time_parse_rfc3339(text, &us));
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
is_sized(const struct shape *s, struct str text)
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
		if (json_equal(one, v))
			return true;
	}
	return false;
}

static unsigned
type_of(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return SHAPE_OBJECT;
	case JSON_ARRAY:
		return SHAPE_ARRAY;
	case JSON_STRING:
		return SHAPE_STRING;
	case JSON_INTEGER:
		return SHAPE_INTEGER | SHAPE_NUMBER;
	case JSON_REAL:
		return SHAPE_NUMBER;
	case JSON_TRUE:
	case JSON_FALSE:
		return SHAPE_BOOLEAN;
	case JSON_NULL:
		break;
	}
	return SHAPE_NULL;
}

/* --- words: those of services/database/sql, where both say something --- */

static const char *
words_of_type(struct arena *a, const struct shape *s)
{
	if (s->types == SHAPE_NULL)
		return "must be null";
	if ((s->types & SHAPE_STRING) != 0)
		return "must be a string";
	if ((s->types & (SHAPE_INTEGER | SHAPE_NUMBER)) != 0)
		return words_of_number(a, s);
	if ((s->types & SHAPE_BOOLEAN) != 0)
		return "must be true or false";
	if ((s->types & SHAPE_OBJECT) != 0)
		return "must be an object";
	if (s->items_max == SIZE_MAX && s->items_min == 0)
		return "must be an array";
	return words_of_range(a, "must be an array of", bound_of(s->items_min),
	    bound_of(s->items_max),
	    s->items != NULL && s->items->types == SHAPE_STRING ? " strings" : " items");
}

static const char *
words_of_number(struct arena *a, const struct shape *s)
{
	const char *kind =
	    (s->types & SHAPE_NUMBER) != 0 ? "must be a number" : "must be an integer";
	const char *text = kind;

	if (s->min > -INFINITY && s->max < INFINITY && !s->min_exclusive && !s->max_exclusive)
		text = arena_printf(a, "%s from %.15g to %.15g", kind, s->min, s->max);
	else if (s->min > -INFINITY && s->max < INFINITY)
		text = arena_printf(a, "%s %s %.15g and %s %.15g", kind,
		    s->min_exclusive ? "above" : "of at least", s->min,
		    s->max_exclusive ? "below" : "at most", s->max);
	else if (s->min > -INFINITY)
		text = arena_printf(
		    a, "%s %s %.15g", kind, s->min_exclusive ? "above" : "of at least", s->min);
	else if (s->max < INFINITY)
		text = arena_printf(
		    a, "%s %s %.15g", kind, s->max_exclusive ? "below" : "of at most", s->max);
	if (s->multiple > 0)
		text = arena_printf(a, "%s, a multiple of %.15g", text, s->multiple);
	return text;
}

/* Of one that is not ok. */
static const char *
words_of_string(struct arena *a, const struct shape *s, struct str text)
{
	if (s->detail != NULL)
		return s->detail;
	if (s->values != NULL && !is_listed(s->values, text))
		return words_of_values(a, s->values);
	if (!is_sized(s, text))
		return words_of_range(a, "must have", bound_of(s->length_min),
		    bound_of(s->length_max), " characters");
	if (s->format == FORMAT_UUID)
		return "must be a UUID in lower case";
	if (s->format == FORMAT_TIME)
		return "must be a time as RFC 3339 writes it";
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

static const char *
words_of_values(struct arena *a, const json_t *values)
{
	const char *text = json_array_size(values) == 1 ? "must be" : "must be one of";
	const json_t *one;
	size_t i;

	json_array_foreach(values, i, one)
	{
		struct jw w;

		jw_start(&w, a, 32);
		jw_json(&w, NULL, one);
		text = arena_printf(a, "%s %s", text,
		    json_is_string(one) ? json_string_value(one) : jw_text(&w, NULL));
	}
	return text;
}

/* --- what is wrong, and where --- */

static bool
say(struct asking *q, const struct place *at, const char *what)
{
	if (q->f != NULL && q->f->n_violations < VIOLATIONS_MOST)
		ops_violation(q->a, q->f, pointer_of(q->a, at), "%s", what);
	return false;
}

static const char *
pointer_of(struct arena *a, const struct place *at)
{
	if (at == NULL)
		return "";
	if (at->key == NULL)
		return arena_printf(a, "%s/%zu", pointer_of(a, at->up), at->index);
	return ops_pointer(a, pointer_of(a, at->up), at->key);
}
