/* validate_values: literals against the type that is wanted, and arguments against their
 * definitions. ValuesOfCorrectType, UniqueInputFieldNames, KnownArgumentNames, UniqueArgumentNames,
 * ProvidedRequiredArguments. Notes where variables are used. */
#include "api/graphql/engine/validate.h"

#include "api/graphql/engine/coerce.h"
#include "api/graphql/engine/print.h"

static void note_usage(struct validation *, const struct ast_value *, const struct gql_ref *,
    const struct gql_input *, const struct gql_type *);
static void check_inside(struct validation *, const struct ast_value *);
static void check_object(struct validation *, const struct ast_value *, const struct gql_type *);
static void check_one_of(struct validation *, const struct ast_value *, const struct gql_type *);
static void check_leaf(struct validation *, const struct ast_value *, const struct gql_type *);
static void wrong_type(struct validation *, const struct ast_value *, const struct gql_ref *);
static const char *
owner(struct validation *, const struct gql_field *, const struct gql_directive *);
static void unique_names(struct validation *, const struct ast_arg *, const char *);

/* Recurses over lists and objects of the text: the parser has bounded them. */
void
validate_value(struct validation *v, const struct ast_value *x, const struct gql_ref *ref,
    const struct gql_input *slot, const struct gql_type *one_of)
{
	if (x->kind == AST_VARIABLE) {
		note_usage(v, x, ref, slot, one_of);
		return;
	}
	if (ref == NULL || ref->type == NULL) {
		check_inside(v, x);
		return;
	}
	if (ref->kind == GQL_NON_NULL) {
		if (x->kind == AST_NULL) {
			wrong_type(v, x, ref);
			return;
		}
		ref = ref->of;
	}
	if (x->kind == AST_NULL)
		return;
	if (ref->kind == GQL_LIST_OF) {
		if (x->kind != AST_LIST)
			validate_value(v, x, ref->of, NULL, NULL);
		for (const struct ast_value *i = x->item; x->kind == AST_LIST && i != NULL;
		     i = i->next)
			validate_value(v, i, ref->of, NULL, NULL);
		return;
	}
	if (ref->type->kind != GQL_T_INPUT)
		check_leaf(v, x, ref->type);
	else if (x->kind == AST_OBJECT)
		check_object(v, x, ref->type);
	else
		wrong_type(v, x, ref);
}

static void
note_usage(struct validation *v, const struct ast_value *x, const struct gql_ref *ref,
    const struct gql_input *slot, const struct gql_type *one_of)
{
	struct usage *u = ARENA_NEW(v->a, struct usage);

	*u = (struct usage){
		.name = x->text,
		.at = x->at,
		.ref = ref == NULL || ref->type == NULL ? NULL : ref,
		.has_default = slot != NULL && slot->default_ast != NULL,
		.one_of = one_of,
	};
	*v->usage_end = u;
	v->usage_end = &u->next;
}

/* Where no type says what is wanted: the variables, and names that stand twice. */
static void
check_inside(struct validation *v, const struct ast_value *x)
{
	for (const struct ast_value *i = x->item; x->kind == AST_LIST && i != NULL; i = i->next)
		validate_value(v, i, NULL, NULL, NULL);
	if (x->kind != AST_OBJECT)
		return;
	unique_names(v, x->member, "input field");
	for (const struct ast_arg *m = x->member; m != NULL; m = m->next)
		validate_value(v, &m->value, NULL, NULL, NULL);
}

static void
check_object(struct validation *v, const struct ast_value *x, const struct gql_type *t)
{
	bool *given = ARENA_ARRAY(v->a, bool, t->n_inputs);

	unique_names(v, x->member, "input field");
	for (const struct ast_arg *m = x->member; m != NULL; m = m->next) {
		const struct gql_input *f = dict_get(&t->members, m->name);

		if (f == NULL) {
			validate_fail(v, m->at, "Field \"%.*s\" is not defined by type \"%s\".",
			    NAME(m->name), t->name);
			validate_value(v, &m->value, NULL, NULL, NULL);
			continue;
		}
		given[f - t->inputs] = true;
		validate_value(v, &m->value, f->ref, f, t->one_of ? t : NULL);
	}
	for (uint32_t i = 0; i < t->n_inputs; i++)
		if (!given[i] && input_required(&t->inputs[i]))
			validate_fail(v, x->at,
			    "Field \"%s.%s\" of required type \"%s\" was not provided.", t->name,
			    t->inputs[i].name, ref_print(v->a, t->inputs[i].ref));
	if (t->one_of)
		check_one_of(v, x, t);
}

static void
check_one_of(struct validation *v, const struct ast_value *x, const struct gql_type *t)
{
	const struct ast_arg *m = x->member;

	if (m == NULL || m->next != NULL)
		validate_fail(
		    v, x->at, "OneOf Input Object \"%s\" must specify exactly one key.", t->name);
	else if (m->value.kind == AST_NULL)
		validate_fail(
		    v, x->at, "Field \"%s.%.*s\" must be non-null.", t->name, NAME(m->name));
}

static void
check_leaf(struct validation *v, const struct ast_value *x, const struct gql_type *t)
{
	struct gql_ref ref = { .kind = GQL_NAMED, .type = t };
	struct gql_value out;
	const char *why = NULL;

	if (t->kind == GQL_T_SCALAR && t->builtin == GQL_CUSTOM) {
		check_inside(v, x);
		/* What holds variables can't be judged before they have values. */
		why =
		    literal_has_variable(x) ? NULL : coerce_scalar_literal(v->a, t, x, NULL, &out);
		if (why != NULL)
			validate_fail(
			    v, x->at, "Expected value of type \"%s\": it %s.", t->name, why);
		return;
	}
	if (t->kind == GQL_T_ENUM) {
		if (x->kind != AST_ENUM)
			wrong_type(v, x, &ref);
		else if (enum_value_find(t, x->text) == NULL)
			validate_fail(v, x->at, "Value \"%.*s\" does not exist in \"%s\" enum.",
			    NAME(x->text), t->name);
		return;
	}
	if (coerce_scalar_literal(v->a, t, x, NULL, &out) != NULL)
		wrong_type(v, x, &ref);
}

static void
wrong_type(struct validation *v, const struct ast_value *x, const struct gql_ref *ref)
{
	validate_fail(v, x->at, "Expected value of type \"%s\", found %s.", ref_print(v->a, ref),
	    print_value_short(v->a, x));
	check_inside(v, x);
}

void
validate_arguments(struct validation *v, const struct ast_arg *args, uint32_t at,
    const struct gql_field *f, const struct gql_directive *r)
{
	const struct gql_input *defs = f != NULL ? f->args : r != NULL ? r->args : NULL;
	uint32_t n_defs = f != NULL ? f->n_args : r != NULL ? r->n_args : 0;
	uint64_t given = 0; /* the first 64 definitions; more are looked up */

	unique_names(v, args, "argument");
	for (const struct ast_arg *g = args; g != NULL; g = g->next) {
		const struct gql_input *d = input_find(defs, n_defs, g->name);

		if (d == NULL && (f != NULL || r != NULL))
			validate_fail(v, g->at, "Unknown argument \"%.*s\" on %s.", NAME(g->name),
			    owner(v, f, r));
		if (d != NULL && d - defs < 64)
			given |= UINT64_C(1) << (d - defs);
		validate_value(v, &g->value, d == NULL ? NULL : d->ref, d, NULL);
	}
	for (uint32_t i = 0; i < n_defs; i++) {
		bool is_given = i < 64 && (given >> i & 1);

		for (const struct ast_arg *g = args; i >= 64 && g != NULL; g = g->next)
			is_given |= str_eq(g->name, defs[i].name);
		if (!is_given && input_required(&defs[i]))
			validate_fail(v, at,
			    "Argument \"%s\" of type \"%s\" on %s is required, but was not "
			    "provided.",
			    defs[i].name, ref_print(v->a, defs[i].ref), owner(v, f, r));
	}
}

static const char *
owner(struct validation *v, const struct gql_field *f, const struct gql_directive *r)
{
	if (f != NULL)
		return arena_printf(v->a, "field \"%s.%s\"", f->parent->name, f->name);
	return arena_printf(v->a, "directive \"@%s\"", r->name);
}

static void
unique_names(struct validation *v, const struct ast_arg *list, const char *what)
{
	struct dict names;

	if (list == NULL || list->next == NULL)
		return;
	dict_init(&names, v->a);
	for (const struct ast_arg *g = list; g != NULL; g = g->next) {
		void **at = dict_at(&names, g->name);

		if (*at != NULL)
			validate_fail_two(v, ((const struct ast_arg *)*at)->at, g->at,
			    "There can be only one %s named \"%.*s\".", what, NAME(g->name));
		else
			*at = (void *)(uintptr_t)g;
	}
}
