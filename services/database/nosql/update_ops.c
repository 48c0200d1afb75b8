/* update_ops: see update_ops.h. A table of operators; each gets the place and changes what is there. */
#include "database/nosql/update_ops.h"

#include <math.h>
#include <string.h>

#include "base/failure.h"
#include "base/json_patch.h"
#include "base/json_same.h"
#include "base/log.h"
#include "base/time.h"
#include "database/nosql/value.h"

struct updating {
	struct arena *a;
	json_t *doc;
	int64_t wall_us;
	struct failure *f;
	size_t n_places;
	struct pointer *places[2 * UPDATE_OPS_MOST]; /* a $rename has two */
	const char *at;                              /* of the argument: "/$set/~1a" */
};

typedef bool operator_fn(struct updating *, const struct pointer *, const json_t *);

static operator_fn op_set, op_unset, op_rename, op_inc, op_mul, op_min, op_max, op_push, op_add,
    op_pull, op_pop, op_date;
static bool apply_one(struct updating *, const char *, const json_t *);
static bool claim(struct updating *, struct pointer *);
static bool arithmetic(struct updating *, const struct pointer *, const json_t *, bool);
static bool keep_ordered(struct updating *, const struct pointer *, const json_t *, int);
static json_t *array_at(struct updating *, const struct pointer *);
static bool put(struct updating *, const struct pointer *, json_t *);
static json_t *room_for(struct updating *, const struct pointer *);
static bool take_away(struct updating *, const struct pointer *);
static bool keep_part(struct updating *, json_t *, const json_t *);
static bool among(const json_t *, const json_t *);
static bool wrong(struct updating *, const char *);

static const struct {
	const char *name;
	operator_fn *apply;
} operators[] = {
	{ "$set", op_set },
	{ "$unset", op_unset },
	{ "$rename", op_rename },
	{ "$inc", op_inc },
	{ "$mul", op_mul },
	{ "$min", op_min },
	{ "$max", op_max },
	{ "$push", op_push },
	{ "$addToSet", op_add },
	{ "$pull", op_pull },
	{ "$pop", op_pop },
	{ "$currentDate", op_date },
};
#define N_OPERATORS (sizeof(operators) / sizeof(operators[0]))

bool
update_has_operators(const json_t *update)
{
	const char *name;
	json_t *unused;

	json_object_foreach((json_t *)(uintptr_t)update, name, unused)
	{
		(void)unused;
		if (name[0] == '$')
			return true;
	}
	return false;
}

bool
update_apply(struct arena *a, const json_t *update, json_t *doc, int64_t wall_us, struct failure *f)
{
	struct updating u = { .a = a, .doc = doc, .wall_us = wall_us, .f = f };
	const char *name;
	json_t *places;

	if (!update_has_operators(update)) {
		json_patch_merge(doc, update);
	} else {
		json_object_foreach((json_t *)(uintptr_t)update, name, places)
		{
			u.at = failure_pointer(a, "", name);
			if (!apply_one(&u, name, places))
				return false;
		}
	}
	if (value_depth(doc) <= DOCUMENT_DEEP)
		return true;
	u.at = "";
	return wrong(&u, "would nest the document too deep");
}

static bool
apply_one(struct updating *u, const char *name, const json_t *places)
{
	const char *whole = u->at, *text, *bad;
	size_t i = 0;
	json_t *v;

	while (i < N_OPERATORS && strcmp(operators[i].name, name) != 0)
		i++;
	if (i == N_OPERATORS)
		return wrong(u, name[0] == '$' ? "is no operator" : DOCUMENT_MEMBERS);
	if (!json_is_object(places))
		return wrong(u, "must be an object of JSON Pointers");
	json_object_foreach((json_t *)(uintptr_t)places, text, v)
	{
		struct pointer *p = ARENA_NEW(u->a, struct pointer);

		u->at = failure_pointer(u->a, whole, text);
		if ((bad = pointer_read(u->a, text, p)) != NULL)
			return wrong(u, bad);
		if (!claim(u, p) || !operators[i].apply(u, p, v))
			return false;
	}
	return true;
}

/* No place twice. */
static bool
claim(struct updating *u, struct pointer *p)
{
	if (u->n_places == sizeof(u->places) / sizeof(u->places[0]))
		return wrong(u, "is one place too many");
	for (size_t i = 0; i < u->n_places; i++)
		if (pointers_touch(u->places[i], p))
			return wrong(u, arena_printf(u->a, "touches %s, which is changed too",
					    u->places[i]->text));
	u->places[u->n_places++] = p;
	return true;
}

static bool
op_set(struct updating *u, const struct pointer *p, const json_t *v)
{
	return put(u, p, json_deep_copy(v));
}

static bool
op_unset(struct updating *u, const struct pointer *p, const json_t *v)
{
	(void)v;
	return pointer_get(p, u->doc) == NULL || take_away(u, p);
}

static bool
op_rename(struct updating *u, const struct pointer *p, const json_t *v)
{
	struct pointer *to = ARENA_NEW(u->a, struct pointer);
	json_t *have = pointer_get(p, u->doc);
	const char *bad;

	if (!json_is_string(v))
		return wrong(u, "must be a JSON Pointer");
	if ((bad = pointer_read(u->a, json_string_value(v), to)) != NULL)
		return wrong(u, bad);
	if (!claim(u, to))
		return false;
	if (have == NULL)
		return true;
	json_incref(have);
	if (take_away(u, p))
		return put(u, to, have);
	json_decref(have);
	return false;
}

static bool
op_inc(struct updating *u, const struct pointer *p, const json_t *v)
{
	return arithmetic(u, p, v, false);
}

static bool
op_mul(struct updating *u, const struct pointer *p, const json_t *v)
{
	return arithmetic(u, p, v, true);
}

/* What is missing counts as 0. */
static bool
arithmetic(struct updating *u, const struct pointer *p, const json_t *v, bool times)
{
	const json_t *have = pointer_get(p, u->doc);
	json_int_t x = json_integer_value(have), y = json_integer_value(v), n;
	double d;

	if (!json_is_number(v))
		return wrong(u, "must be a number");
	if (have != NULL && !json_is_number(have))
		return wrong(u, "finds what is no number");
	if ((have == NULL || json_is_integer(have)) && json_is_integer(v)) {
		if (times ? __builtin_mul_overflow(x, y, &n) : __builtin_add_overflow(x, y, &n))
			return wrong(u, "would lead beyond 64 bits");
		return put(u, p, json_integer(n));
	}
	d = have == NULL ? 0 : json_number_value(have);
	d = times ? d * json_number_value(v) : d + json_number_value(v);
	if (!isfinite(d))
		return wrong(u, "would lead beyond what a number can be");
	return put(u, p, json_real(d));
}

static bool
op_min(struct updating *u, const struct pointer *p, const json_t *v)
{
	return keep_ordered(u, p, v, -1);
}

static bool
op_max(struct updating *u, const struct pointer *p, const json_t *v)
{
	return keep_ordered(u, p, v, 1);
}

static bool
keep_ordered(struct updating *u, const struct pointer *p, const json_t *v, int way)
{
	const json_t *have = pointer_get(p, u->doc);

	if (have != NULL && value_compare(v, have) * way <= 0)
		return true;
	return put(u, p, json_deep_copy(v));
}

/* {"each": [...]} and perhaps `more`: its array; NULL: it is none of that. */
static const json_t *
each_of(const json_t *v, const char *more)
{
	const json_t *each = json_object_get(v, "each");
	size_t n = 1 + (more != NULL && json_object_get(v, more) != NULL);

	return json_is_array(each) && json_object_size(v) == n ? each : NULL;
}

static bool
op_push(struct updating *u, const struct pointer *p, const json_t *v)
{
	const json_t *each = each_of(v, "keep");
	json_t *array = array_at(u, p), *one;
	size_t i;

	if (array == NULL)
		return false;
	if (each == NULL)
		return json_array_append_new(array, json_deep_copy(v)) == 0;
	json_array_foreach(each, i, one)
	    must(json_array_append_new(array, json_deep_copy(one)) == 0);
	return keep_part(u, array, json_object_get(v, "keep"));
}

static bool
keep_part(struct updating *u, json_t *array, const json_t *keep)
{
	json_int_t n = json_integer_value(keep), have = (json_int_t)json_array_size(array);

	if (keep == NULL)
		return true;
	if (!json_is_integer(keep))
		return wrong(u, "has a keep that is no integer");
	for (; n >= 0 && have > n; have--)
		json_array_remove(array, 0);
	for (; n < 0 && have + n > 0; have--)
		json_array_remove(array, (size_t)have - 1);
	return true;
}

static bool
op_add(struct updating *u, const struct pointer *p, const json_t *v)
{
	const json_t *each = each_of(v, NULL);
	json_t *array = array_at(u, p), *one;
	size_t i;

	if (array == NULL)
		return false;
	if (each == NULL)
		return among(array, v) || json_array_append_new(array, json_deep_copy(v)) == 0;
	json_array_foreach(each, i, one) if (!among(array, one))
	    must(json_array_append_new(array, json_deep_copy(one)) == 0);
	return true;
}

static bool
op_pull(struct updating *u, const struct pointer *p, const json_t *v)
{
	const json_t *each = each_of(v, NULL);
	json_t *array = pointer_get(p, u->doc);

	if (array == NULL)
		return true;
	if (!json_is_array(array))
		return wrong(u, "finds what is no array");
	for (size_t i = json_array_size(array); i-- > 0;) {
		const json_t *one = json_array_get(array, i);

		if (each != NULL ? among(each, one) : json_same(one, v))
			json_array_remove(array, i);
	}
	return true;
}

static bool
op_pop(struct updating *u, const struct pointer *p, const json_t *v)
{
	const char *which = json_is_string(v) ? json_string_value(v) : "";
	json_t *array = pointer_get(p, u->doc);
	bool first = strcmp(which, "first") == 0;

	if (!first && strcmp(which, "last") != 0)
		return wrong(u, "must be \"first\" or \"last\"");
	if (array == NULL)
		return true;
	if (!json_is_array(array))
		return wrong(u, "finds what is no array");
	if (json_array_size(array) > 0)
		json_array_remove(array, first ? 0 : json_array_size(array) - 1);
	return true;
}

static bool
op_date(struct updating *u, const struct pointer *p, const json_t *v)
{
	char text[TIME_RFC3339_LEN];

	if (json_is_string(v) && strcmp(json_string_value(v), "ms") == 0)
		return put(u, p, json_integer(u->wall_us / MS));
	if (!json_is_true(v))
		return wrong(u, "must be true or \"ms\"");
	time_rfc3339(u->wall_us, text);
	return put(u, p, json_string(text));
}

/* --- places --- */

/* The array there, made when nothing is. NULL: something else is. */
static json_t *
array_at(struct updating *u, const struct pointer *p)
{
	json_t *have = pointer_get(p, u->doc);

	if (have == NULL) {
		if (!put(u, p, json_array()))
			return NULL;
		have = pointer_get(p, u->doc);
	}
	if (json_is_array(have))
		return have;
	(void)wrong(u, "finds what is no array");
	return NULL;
}

/* Takes v over. */
static bool
put(struct updating *u, const struct pointer *p, json_t *v)
{
	json_t *into = room_for(u, p);
	const char *name = p->names[p->n - 1];
	bool end = strcmp(name, "-") == 0;
	size_t i = pointer_place(name);

	if (into == NULL) {
		json_decref(v);
		return false;
	}
	if (json_is_object(into))
		return json_object_set_new(into, name, v) == 0 || wrong(u, "is no UTF-8");
	if (end)
		return json_array_append_new(into, v) == 0;
	if (i < json_array_size(into))
		return json_array_set_new(into, i, v) == 0;
	json_decref(v);
	return wrong(u, "names no item of the array");
}

/* What holds the place's last name; missing objects are made. */
static json_t *
room_for(struct updating *u, const struct pointer *p)
{
	json_t *v = u->doc, *next;

	for (size_t i = 0; i + 1 < p->n; i++, v = next) {
		if (json_is_array(v)) {
			next = json_array_get(v, pointer_place(p->names[i]));
		} else {
			next = json_object_get(v, p->names[i]);
			if (next == NULL) {
				next = json_object();
				must(json_object_set_new(v, p->names[i], next) == 0);
			}
		}
		if (!json_is_object(next) && !json_is_array(next)) {
			(void)wrong(u, next == NULL ? "names no item of an array on the way"
						    : "leads through what is no object");
			return NULL;
		}
	}
	return v;
}

/* Of a place where something is. */
static bool
take_away(struct updating *u, const struct pointer *p)
{
	json_t *from = pointer_get_part(p, p->n - 1, u->doc);
	const char *name = p->names[p->n - 1];

	if (json_is_object(from))
		return json_object_del(from, name) == 0;
	return json_array_remove(from, pointer_place(name)) == 0;
}

static bool
among(const json_t *array, const json_t *v)
{
	const json_t *one;
	size_t i;

	json_array_foreach(array, i, one)
	{
		if (json_same(one, v))
			return true;
	}
	return false;
}

static bool
wrong(struct updating *u, const char *what)
{
	failure_violation(u->a, u->f, u->at, "%s", what);
	return false;
}
