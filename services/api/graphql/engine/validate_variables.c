/* validate_variables: UniqueVariableNames, VariablesAreInputTypes, defaults; then, per operation with
 * all fragments that it reaches: NoUndefinedVariables, NoUnusedVariables,
 * VariablesInAllowedPosition; and NoUnusedFragments. */
#include "api/graphql/engine/validate.h"

struct reaching { /* the fragments of one operation */
	const struct ast_fragment **todo;
	uint32_t *stamp; /* of each fragment: the last operation that reached it */
	uint32_t n, now;
};

static const struct gql_ref *ref_of(struct validation *, const struct ast_type *);
static void check_operation(struct validation *, const struct ast_operation *, struct reaching *);
static void reach(struct reaching *, const struct ast_body *);
static void
check_list(struct validation *, const struct ast_operation *, struct dict *, const struct usage *);
static void check_position(struct validation *, const struct ast_variable *, const struct usage *);

void
validate_definitions(struct validation *v, const struct ast_operation *o)
{
	struct dict names;

	dict_init(&names, v->a);
	for (struct ast_variable *x = o->variables; x != NULL; x = x->next) {
		void **at = dict_at(&names, x->name);

		if (*at != NULL)
			validate_fail_two(v, ((struct ast_variable *)*at)->at, x->at,
			    "There can be only one variable named \"$%.*s\".", NAME(x->name));
		else
			*at = x;
		x->ref = ref_of(v, x->type);
		if (x->ref != NULL && !type_is_input(x->ref->type)) {
			validate_fail(v, x->type->at,
			    "Variable \"$%.*s\" cannot be non-input type \"%s\".", NAME(x->name),
			    ref_print(v->a, x->ref));
			x->ref = NULL;
		}
		if (x->value != NULL)
			validate_value(v, x->value, x->ref, NULL, NULL);
		validate_directives(v, x->directives, GQL_AT_VARIABLE_DEFINITION);
	}
}

/* Lives as long as the document. NULL: said. */
static const struct gql_ref *
ref_of(struct validation *v, const struct ast_type *t)
{
	struct gql_ref *r = ARENA_NEW(v->d->a, struct gql_ref);

	if (t->kind == AST_NAMED) {
		r->kind = GQL_NAMED;
		r->type = type_find(v->s, t->name);
		if (r->type == NULL)
			validate_fail(v, t->at, "Unknown type \"%.*s\".", NAME(t->name));
		return r->type == NULL ? NULL : r;
	}
	r->kind = t->kind == AST_LIST_OF ? GQL_LIST_OF : GQL_NON_NULL;
	r->of = ref_of(v, t->of);
	if (r->of == NULL)
		return NULL;
	r->type = r->of->type;
	return r;
}

void
validate_usages(struct validation *v)
{
	struct reaching r = { .now = 0 };

	r.todo = ARENA_ARRAY(v->a, const struct ast_fragment *, v->d->n_fragments);
	r.stamp = ARENA_ARRAY(v->a, uint32_t, v->d->n_fragments);
	for (const struct ast_operation *o = v->d->operations; o != NULL; o = o->next)
		check_operation(v, o, &r);
	for (const struct ast_fragment *f = v->d->fragments; f != NULL; f = f->next)
		if (r.stamp[f->index] == 0)
			validate_fail(v, f->at, "Fragment \"%.*s\" is never used.", NAME(f->name));
}

static void
check_operation(struct validation *v, const struct ast_operation *o, struct reaching *r)
{
	uint32_t number = r->now++;
	struct dict variables;

	dict_init(&variables, v->a);
	for (struct ast_variable *x = o->variables; x != NULL; x = x->next)
		*dict_at(&variables, x->name) = x;
	r->n = 0;
	reach(r, &o->body);
	check_list(v, o, &variables, v->usages[number]);
	for (uint32_t i = 0; i < r->n; i++) {
		reach(r, &r->todo[i]->body);
		check_list(v, o, &variables, v->usages[v->d->n_operations + r->todo[i]->index]);
	}
	for (const struct ast_variable *x = o->variables; x != NULL; x = x->next)
		if (!x->used)
			validate_fail(v, x->at, "Variable \"$%.*s\" is never used%s%.*s%s.",
			    NAME(x->name), o->name.n == 0 ? "" : " in operation \"", NAME(o->name),
			    o->name.n == 0 ? "" : "\"");
}

static void
reach(struct reaching *r, const struct ast_body *b)
{
	for (const struct ast_spread *p = b->spreads; p != NULL; p = p->next) {
		const struct ast_fragment *f = p->where->fragment;

		if (f == NULL || r->stamp[f->index] == r->now)
			continue;
		r->stamp[f->index] = r->now;
		r->todo[r->n++] = f;
	}
}

static void
check_list(struct validation *v, const struct ast_operation *o, struct dict *variables,
    const struct usage *u)
{
	for (; u != NULL && v->errors->n < GQL_ERRORS_MOST; u = u->next) {
		struct ast_variable *x = dict_get(variables, u->name);

		if (x == NULL) {
			validate_fail_two(v, u->at, o->at,
			    "Variable \"$%.*s\" is not defined%s%.*s%s.", NAME(u->name),
			    o->name.n == 0 ? "" : " by operation \"", NAME(o->name),
			    o->name.n == 0 ? "" : "\"");
			continue;
		}
		x->used = true;
		if (x->ref != NULL && u->ref != NULL)
			check_position(v, x, u);
	}
}

/* A default, of the variable or of the place, makes good for a variable that may be null. */
static void
check_position(struct validation *v, const struct ast_variable *x, const struct usage *u)
{
	const struct gql_ref *want = u->ref;
	bool fits;

	if (u->one_of != NULL && x->ref->kind != GQL_NON_NULL) {
		validate_fail_two(v, x->at, u->at,
		    "Variable \"$%.*s\" is of type \"%s\" but must be non-nullable to be used for "
		    "OneOf Input Object \"%s\".",
		    NAME(x->name), ref_print(v->a, x->ref), u->one_of->name);
		return;
	}
	if (want->kind == GQL_NON_NULL && x->ref->kind != GQL_NON_NULL) {
		bool has_default = x->value != NULL && x->value->kind != AST_NULL;

		fits = (has_default || u->has_default) && ref_is(x->ref, want->of);
	} else {
		fits = ref_is(x->ref, want);
	}
	if (!fits)
		validate_fail_two(v, x->at, u->at,
		    "Variable \"$%.*s\" of type \"%s\" used in position expecting type \"%s\".",
		    NAME(x->name), ref_print(v->a, x->ref), ref_print(v->a, want));
}
