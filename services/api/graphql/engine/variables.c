/* variables: which operation a request means, and the values of its variables: JSON as the
 * operation's definitions want it. A message never repeats a value: it might be a password. */
#include <math.h>
#include <string.h>

#include "api/graphql/engine/coerce.h"
#include "api/graphql/engine/validate.h"

struct spot { /* where in a variable; on the stack, from the inside */
	const struct spot *up;
	const char *name; /* NULL: a place */
	size_t place;
};

struct taking {
	struct arena *a;
	struct gql_errors *errors;
	const struct ast_variable *def;
};

static bool take(struct taking *, const struct gql_ref *, const json_t *, const struct spot *,
    struct gql_value *);
static bool take_list(struct taking *, const struct gql_ref *, const json_t *, const struct spot *,
    struct gql_value *);
static bool take_object(struct taking *, const struct gql_type *, const json_t *,
    const struct spot *, struct gql_value *);
static bool take_members(struct taking *, const struct gql_type *, const json_t *,
    const struct spot *, struct gql_value *);
static const char *
take_leaf(struct arena *, const struct gql_type *, const json_t *, struct gql_value *);
static const char *
take_custom(struct arena *, const struct gql_type *, const json_t *, struct gql_value *);
static bool take_number(const json_t *, struct gql_value *);
static void refuse(struct taking *, const struct spot *, const char *, ...)
    __attribute__((format(printf, 3, 4)));

const struct ast_operation *
gql_operation(const struct gql_doc *d, const char *name, struct gql_errors *e)
{
	const struct ast_operation *o = d->operations;

	e->text = d->text;
	if (name[0] == '\0') {
		if (d->n_operations == 1)
			return o;
		gql_error_add(e, &gql_no_operation, 0,
		    o == NULL ? "The document has no operation."
			      : "Must provide operation name if the document has several.");
		e->first->n_at = 0;
		return NULL;
	}
	while (o != NULL && !str_eq(o->name, name))
		o = o->next;
	if (o == NULL)
		gql_error_add(e, &gql_no_operation, 0, "Unknown operation named \"%s\".", name)
		    ->n_at = 0;
	return o;
}

const struct gql_vars *
gql_variables(
    const struct ast_operation *op, const json_t *given, struct arena *a, struct gql_errors *e)
{
	struct gql_vars *vars = ARENA_NEW(a, struct gql_vars);
	struct taking t = { .a = a, .errors = e };
	struct gql_value *values;
	size_t n = 0, before = e->n;

	for (const struct ast_variable *d = op->variables; d != NULL; d = d->next)
		n++;
	values = ARENA_ARRAY(a, struct gql_value, n);
	vars->values = values;
	dict_init(&vars->places, a);
	n = 0;
	for (const struct ast_variable *d = op->variables; d != NULL; d = d->next) {
		const json_t *v = json_object_get(given, arena_strndup(a, d->name.p, d->name.n));

		t.def = d;
		if (v != NULL)
			take(&t, d->ref, v, NULL, &values[n]);
		else if (d->value != NULL)
			(void)coerce_literal(a, d->ref, d->value, NULL, &values[n]);
		else if (d->ref->kind == GQL_NON_NULL)
			gql_error_add(e, &gql_bad_variables, d->at,
			    "Variable \"$%.*s\" of required type \"%s\" was not provided.",
			    NAME(d->name), ref_print(a, d->ref));
		*dict_at(&vars->places, d->name) = (void *)(uintptr_t)++n;
	}
	return e->n == before ? vars : NULL;
}

/* The JSON reader has bounded how deep values nest; types nest as the document's parser let them. */
static bool
take(struct taking *t, const struct gql_ref *ref, const json_t *v, const struct spot *at,
    struct gql_value *out)
{
	const struct gql_ref *whole = ref;
	const char *why;

	*out = gql_null();
	if (ref->kind == GQL_NON_NULL)
		ref = ref->of;
	if (json_is_null(v)) {
		if (whole->kind == GQL_NON_NULL)
			refuse(t, at, "Expected non-nullable type \"%s\" not to be null.",
			    ref_print(t->a, whole));
		return whole->kind != GQL_NON_NULL;
	}
	if (ref->kind == GQL_LIST_OF)
		return take_list(t, ref, v, at, out);
	if (ref->type->kind == GQL_T_INPUT)
		return take_object(t, ref->type, v, at, out);
	if ((why = take_leaf(t->a, ref->type, v, out)) != NULL)
		refuse(t, at, "Expected type \"%s\": it %s.", ref_print(t->a, whole), why);
	return why == NULL;
}

static bool
take_list(struct taking *t, const struct gql_ref *ref, const json_t *v, const struct spot *at,
    struct gql_value *out)
{
	size_t n = json_is_array(v) ? json_array_size(v) : 1;
	struct gql_value *items = ARENA_ARRAY(t->a, struct gql_value, n);
	bool fine = true;

	if (!json_is_array(v))
		fine = take(t, ref->of, v, at, &items[0]);
	for (size_t i = 0; json_is_array(v) && i < n; i++)
		fine &= take(t, ref->of, json_array_get(v, i),
		    &(const struct spot){ .up = at, .place = i }, &items[i]);
	*out = gql_list(items, n);
	return fine;
}

static bool
take_object(struct taking *t, const struct gql_type *y, const json_t *v, const struct spot *at,
    struct gql_value *out)
{
	struct gql_value *members;
	struct gql_map *map;
	bool fine;

	if (!json_is_object(v)) {
		refuse(t, at, "Expected type \"%s\" to be an object.", y->name);
		return false;
	}
	members = ARENA_ARRAY(t->a, struct gql_value, y->n_inputs);
	fine = take_members(t, y, v, at, members);
	map = ARENA_NEW(t->a, struct gql_map);
	*map = (struct gql_map){ y, members };
	*out = (struct gql_value){ .kind = GQL_MAP, .map = map };
	return fine;
}

static bool
take_members(struct taking *t, const struct gql_type *y, const json_t *v, const struct spot *at,
    struct gql_value *members)
{
	const char *key;
	json_t *unused;
	bool fine = true;

	for (uint32_t i = 0; i < y->n_inputs; i++) {
		const struct gql_input *d = &y->inputs[i];
		const json_t *m = json_object_get(v, d->name);

		members[i] = d->def;
		if (m != NULL) {
			fine &= take(t, d->ref, m,
			    &(const struct spot){ .up = at, .name = d->name }, &members[i]);
		} else if (input_required(d)) {
			refuse(t, at, "Field \"%s\" of required type \"%s\" was not provided.",
			    d->name, ref_print(t->a, d->ref));
			fine = false;
		}
	}
	json_object_foreach((json_t *)(uintptr_t)v, key, unused)
	{
		(void)unused;
		if (dict_get(&y->members, str_of(key)) != NULL)
			continue;
		refuse(t, at, "Field \"%.60s\" is not defined by type \"%s\".", key, y->name);
		fine = false;
	}
	if (!y->one_of || !fine)
		return fine;
	if (json_object_size(v) == 1 &&
	    !json_is_null(json_object_iter_value(json_object_iter((json_t *)(uintptr_t)v))))
		return true;
	refuse(t, at, "Exactly one field of OneOf type \"%s\" must be given, and not be null.",
	    y->name);
	return false;
}

static const char *
take_leaf(struct arena *a, const struct gql_type *y, const json_t *v, struct gql_value *out)
{
	const struct gql_enum_value *e = NULL;

	if (y->kind == GQL_T_ENUM) {
		if (json_is_string(v))
			e = enum_value_find(y, str_of(json_string_value(v)));
		*out = gql_string(e == NULL ? NULL : e->name);
		out->kind = GQL_ENUM;
		return e != NULL ? NULL : "must be one of its values";
	}
	switch (y->builtin) {
	case GQL_B_INT:
		if (!take_number(v, out) || out->kind != GQL_INT || out->integer < INT32_MIN ||
		    out->integer > INT32_MAX)
			return "must be a whole number of 32 bits";
		return NULL;
	case GQL_B_FLOAT:
		*out = gql_float(json_number_value(v));
		return json_is_number(v) ? NULL : "must be a number";
	case GQL_B_BOOLEAN:
		*out = gql_bool(json_is_true(v));
		return json_is_boolean(v) ? NULL : "must be true or false";
	case GQL_B_STRING:
	case GQL_B_ID:
		if (json_is_string(v))
			*out = gql_stringn(json_string_value(v), json_string_length(v));
		else if (y->builtin == GQL_B_ID && take_number(v, out) && out->kind == GQL_INT)
			*out = gql_string(arena_printf(a, "%lld", (long long)out->integer));
		else
			return "must be a string";
		return NULL;
	case GQL_CUSTOM:
		break;
	}
	return take_custom(a, y, v, out);
}

static const char *
take_custom(struct arena *a, const struct gql_type *y, const json_t *v, struct gql_value *out)
{
	if (json_is_string(v))
		*out = gql_stringn(json_string_value(v), json_string_length(v));
	else if (json_is_integer(v))
		*out = gql_int(json_integer_value(v));
	else if (json_is_real(v))
		*out = gql_float(json_real_value(v));
	else if (json_is_boolean(v))
		*out = gql_bool(json_is_true(v));
	else
		*out = gql_json(v);
	return y->scalar == NULL || y->scalar->take == NULL ? NULL : y->scalar->take(a, out);
}

/* JSON does not tell 1 from 1.0. */
static bool
take_number(const json_t *v, struct gql_value *out)
{
	double d = json_number_value(v);

	if (json_is_integer(v))
		*out = gql_int(json_integer_value(v));
	else if (json_is_real(v) && floor(d) == d && fabs(d) < 9007199254740992.0)
		*out = gql_int((int64_t)d); /* below 2^53 none is missing */
	else
		*out = gql_float(d);
	return json_is_number(v);
}

static void
refuse(struct taking *t, const struct spot *at, const char *fmt, ...)
{
	const char *path = "", *what;
	va_list ap;

	if (t->errors->n > GQL_ERRORS_MOST) /* enough is said */
		return;
	va_start(ap, fmt);
	what = arena_vprintf(t->a, fmt, ap);
	va_end(ap);
	for (; at != NULL; at = at->up)
		path = at->name != NULL ? arena_printf(t->a, ".%s%s", at->name, path)
		                        : arena_printf(t->a, "[%zu]%s", at->place, path);
	gql_error_add(t->errors, &gql_bad_variables, t->def->at,
	    "Variable \"$%.*s\" got invalid value at \"%.*s%s\": %s", NAME(t->def->name),
	    NAME(t->def->name), path, what);
}
