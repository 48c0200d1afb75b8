/* coerce: see coerce.h. Literals here, variables in variables.c; scalars of both, and results. */
#include "api/graphql/engine/coerce.h"

#include <math.h>
#include <string.h>

#define DEPTH_MOST 64 /* of defaults within defaults; literals are bounded by the parser */

static bool into(struct arena *, const struct gql_ref *, const struct ast_value *,
    const struct gql_vars *, struct gql_value *, unsigned);
static bool into_list(struct arena *, const struct gql_ref *, const struct ast_value *,
    const struct gql_vars *, struct gql_value *, unsigned);
static bool into_object(struct arena *, const struct gql_type *, const struct ast_value *,
    const struct gql_vars *, struct gql_value *, unsigned);
static bool into_member(struct arena *, const struct gql_input *, const struct ast_value *,
    const struct gql_vars *, struct gql_value *, unsigned);
static const char *custom_literal(struct arena *, const struct gql_type *, const struct ast_value *,
    const struct gql_vars *, struct gql_value *);
static void
write_literal(struct jw *, const char *, const struct ast_value *, const struct gql_vars *);
static const char *result_enum(const struct gql_type *, const struct gql_value *);

bool
coerce_literal(struct arena *a, const struct gql_ref *ref, const struct ast_value *x,
    const struct gql_vars *vars, struct gql_value *out)
{
	return into(a, ref, x, vars, out, 0);
}

static bool
into(struct arena *a, const struct gql_ref *ref, const struct ast_value *x,
    const struct gql_vars *vars, struct gql_value *out, unsigned depth)
{
	bool required = ref->kind == GQL_NON_NULL;

	if (depth > DEPTH_MOST)
		return false;
	if (x->kind == AST_VARIABLE) { /* validation has seen that its type is fit */
		*out = vars_get(vars, x->text);
		if (out->kind == GQL_ABSENT)
			*out = gql_null();
		return !required || out->kind != GQL_NULL;
	}
	if (x->kind == AST_NULL) {
		*out = gql_null();
		return !required;
	}
	if (required)
		ref = ref->of;
	if (ref->kind == GQL_LIST_OF)
		return into_list(a, ref, x, vars, out, depth);
	if (ref->type->kind == GQL_T_INPUT)
		return into_object(a, ref->type, x, vars, out, depth);
	return coerce_scalar_literal(a, ref->type, x, vars, out) == NULL;
}

/* What is no list becomes a list of one. */
static bool
into_list(struct arena *a, const struct gql_ref *ref, const struct ast_value *x,
    const struct gql_vars *vars, struct gql_value *out, unsigned depth)
{
	const struct ast_value *first = x->kind == AST_LIST ? x->item : x;
	struct gql_value *items;
	size_t n = x->kind != AST_LIST;

	for (const struct ast_value *i = x->kind == AST_LIST ? first : NULL; i != NULL; i = i->next)
		n++;
	items = ARENA_ARRAY(a, struct gql_value, n);
	for (size_t i = 0; i < n; i++, first = first->next)
		if (!into(a, ref->of, first, vars, &items[i], depth + 1))
			return false;
	*out = gql_list(items, n);
	return true;
}

static bool
into_object(struct arena *a, const struct gql_type *t, const struct ast_value *x,
    const struct gql_vars *vars, struct gql_value *out, unsigned depth)
{
	struct gql_value *members = ARENA_ARRAY(a, struct gql_value, t->n_inputs);
	struct gql_map *map;
	uint32_t given = 0;

	if (x->kind != AST_OBJECT)
		return false;
	for (uint32_t i = 0; i < t->n_inputs; i++) {
		const struct ast_arg *m = x->member;

		while (m != NULL && !str_eq(m->name, t->inputs[i].name))
			m = m->next;
		if (!into_member(
			a, &t->inputs[i], m == NULL ? NULL : &m->value, vars, &members[i], depth))
			return false;
		given += gql_given(members[i]);
	}
	map = ARENA_NEW(a, struct gql_map);
	*map = (struct gql_map){ t, members };
	*out = (struct gql_value){ .kind = GQL_MAP, .map = map };
	return !t->one_of || given == 1;
}

/* x NULL: not given. A variable without a value counts as not given. */
static bool
into_member(struct arena *a, const struct gql_input *d, const struct ast_value *x,
    const struct gql_vars *vars, struct gql_value *out, unsigned depth)
{
	if (x != NULL && x->kind == AST_VARIABLE && vars_get(vars, x->text).kind == GQL_ABSENT)
		x = NULL;
	if (x != NULL)
		return into(a, d->ref, x, vars, out, depth + 1);
	*out = d->def;
	if (d->def.kind == GQL_ABSENT && d->default_ast != NULL) /* while the schema is built */
		return into(a, d->ref, d->default_ast, NULL, out, depth + 1);
	return out->kind != GQL_ABSENT || d->ref->kind != GQL_NON_NULL;
}

bool
coerce_arguments(struct arena *a, const struct gql_input *defs, uint32_t n_defs,
    const struct ast_arg *args, const struct gql_vars *vars, struct gql_value *out,
    const char **why)
{
	for (uint32_t i = 0; i < n_defs; i++) {
		const struct ast_arg *g = args;

		while (g != NULL && !str_eq(g->name, defs[i].name))
			g = g->next;
		if (into_member(a, &defs[i], g == NULL ? NULL : &g->value, vars, &out[i], 0))
			continue;
		*why = arena_printf(a, "Argument \"%s\" of type \"%s\" %s.", defs[i].name,
		    ref_print(a, defs[i].ref),
		    out[i].kind == GQL_ABSENT ? "was not provided" : "has an invalid value");
		return false;
	}
	return true;
}

struct gql_value
vars_get(const struct gql_vars *vars, struct str name)
{
	uintptr_t place = vars == NULL ? 0 : (uintptr_t)dict_get(&vars->places, name);
	static const struct gql_value absent = { .kind = GQL_ABSENT };

	return place == 0 ? absent : vars->values[place - 1];
}

/* --- scalars --- */

const char *
coerce_scalar_literal(struct arena *a, const struct gql_type *t, const struct ast_value *x,
    const struct gql_vars *vars, struct gql_value *out)
{
	const struct gql_enum_value *e;

	if (t->kind == GQL_T_ENUM) {
		if (x->kind != AST_ENUM || (e = enum_value_find(t, x->text)) == NULL)
			return "must be one of its values";
		*out = gql_string(e->name);
		out->kind = GQL_ENUM;
		return NULL;
	}
	switch (t->builtin) {
	case GQL_B_INT:
		*out = gql_int(0);
		if (x->kind != AST_INT || !str_i64(x->text, INT32_MIN, INT32_MAX, &out->integer))
			return "must be a whole number of 32 bits";
		return NULL;
	case GQL_B_FLOAT:
		*out = gql_float(0);
		if ((x->kind != AST_INT && x->kind != AST_FLOAT) ||
		    !str_double(x->text, &out->real))
			return "must be a number";
		return NULL;
	case GQL_B_BOOLEAN:
		*out = gql_bool(x->boolean);
		return x->kind == AST_BOOL ? NULL : "must be true or false";
	case GQL_B_STRING:
	case GQL_B_ID:
		if (x->kind != AST_STRING && (t->builtin != GQL_B_ID || x->kind != AST_INT))
			return "must be a string";
		*out = gql_stringn(arena_strndup(a, x->text.p, x->text.n), x->text.n);
		return NULL;
	case GQL_CUSTOM:
		break;
	}
	return custom_literal(a, t, x, vars, out);
}

/* Lists and objects become JSON text. */
static const char *
custom_literal(struct arena *a, const struct gql_type *t, const struct ast_value *x,
    const struct gql_vars *vars, struct gql_value *out)
{
	struct jw w;
	size_t n;

	switch (x->kind) {
	case AST_INT:
		*out = gql_int(0);
		if (!str_i64(x->text, INT64_MIN, INT64_MAX, &out->integer)) {
			*out = gql_float(0);
			if (!str_double(x->text, &out->real))
				return "is too large";
		}
		break;
	case AST_FLOAT:
		*out = gql_float(0);
		if (!str_double(x->text, &out->real))
			return "is too large";
		break;
	case AST_BOOL:
		*out = gql_bool(x->boolean);
		break;
	case AST_STRING:
	case AST_ENUM:
		*out = gql_stringn(arena_strndup(a, x->text.p, x->text.n), x->text.n);
		break;
	case AST_NULL:
	case AST_VARIABLE:
	case AST_LIST:
	case AST_OBJECT:
		jw_start(&w, a, 256);
		write_literal(&w, NULL, x, vars);
		*out = (struct gql_value){ .kind = GQL_RAW, .text = jw_text(&w, &n) };
		out->n = (uint32_t)n;
		break;
	}
	return t->scalar == NULL || t->scalar->take == NULL ? NULL : t->scalar->take(a, out);
}

static void
write_literal(struct jw *w, const char *key, const struct ast_value *x, const struct gql_vars *vars)
{
	struct gql_value v;
	int64_t i;
	double d;

	switch (x->kind) {
	case AST_VARIABLE:
		v = vars_get(vars, x->text);
		gql_value_write(w, key, &v);
		break;
	case AST_INT:
	case AST_FLOAT:
		if (x->kind == AST_INT && str_i64(x->text, INT64_MIN, INT64_MAX, &i))
			jw_int(w, key, i);
		else
			jw_num(w, key, str_double(x->text, &d) ? d : (double)NAN);
		break;
	case AST_STRING:
	case AST_ENUM:
		jw_strn(w, key, x->text.p, x->text.n);
		break;
	case AST_BOOL:
		jw_bool(w, key, x->boolean);
		break;
	case AST_NULL:
		jw_null(w, key);
		break;
	case AST_LIST:
		jw_array(w, key);
		for (const struct ast_value *k = x->item; k != NULL; k = k->next)
			write_literal(w, NULL, k, vars);
		jw_close(w, ']');
		break;
	case AST_OBJECT:
		jw_object(w, key);
		for (const struct ast_arg *m = x->member; m != NULL; m = m->next)
			write_literal(
			    w, arena_strndup(w->a, m->name.p, m->name.n), &m->value, vars);
		jw_close(w, '}');
		break;
	}
}

bool
literal_has_variable(const struct ast_value *x)
{
	if (x->kind == AST_LIST)
		for (const struct ast_value *i = x->item; i != NULL; i = i->next)
			if (literal_has_variable(i))
				return true;
	if (x->kind == AST_OBJECT)
		for (const struct ast_arg *m = x->member; m != NULL; m = m->next)
			if (literal_has_variable(&m->value))
				return true;
	return x->kind == AST_VARIABLE;
}

/* --- results --- */

const char *
coerce_result(struct arena *a, const struct gql_type *t, struct gql_value *v)
{
	if (t->kind == GQL_T_ENUM)
		return result_enum(t, v);
	switch (t->builtin) {
	case GQL_B_INT:
		if (v->kind == GQL_FLOAT && v->real >= INT32_MIN && v->real <= INT32_MAX &&
		    floor(v->real) == v->real)
			*v = gql_int((int64_t)v->real);
		return v->kind == GQL_INT && v->integer >= INT32_MIN && v->integer <= INT32_MAX
		           ? NULL
		           : "a whole number of 32 bits";
	case GQL_B_FLOAT:
		if (v->kind == GQL_INT)
			return NULL; /* written as it is: no digit is lost */
		return v->kind == GQL_FLOAT && isfinite(v->real) ? NULL : "a finite number";
	case GQL_B_BOOLEAN:
		return v->kind == GQL_BOOL ? NULL : "true or false";
	case GQL_B_ID:
		if (v->kind == GQL_INT)
			*v = gql_string(arena_printf(a, "%lld", (long long)v->integer));
		return v->kind == GQL_STRING ? NULL : "a string";
	case GQL_B_STRING:
		return v->kind == GQL_STRING ? NULL : "a string";
	case GQL_CUSTOM:
		break;
	}
	if (v->kind >= GQL_OBJECT)
		return "a value";
	return t->scalar == NULL || t->scalar->give == NULL ? NULL : t->scalar->give(a, v);
}

static const char *
result_enum(const struct gql_type *t, const struct gql_value *v)
{
	if ((v->kind != GQL_ENUM && v->kind != GQL_STRING) ||
	    enum_value_find(t, (struct str){ v->text, v->n }) == NULL)
		return "one of its values";
	return NULL;
}
