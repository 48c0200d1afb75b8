/* validate_fields: fields and fragments against the type in scope. FieldsOnCorrectType, ScalarLeafs,
 * KnownTypeNames, FragmentsOnCompositeTypes, KnownFragmentNames, PossibleFragmentSpreads. */
#include "api/graphql/engine/validate.h"

static void check_leaf(struct validation *, const struct ast_selection *);

void
validate_field(struct validation *v, struct ast_selection *f, const struct gql_type *parent)
{
	f->type = parent;
	f->field = parent == NULL ? NULL : field_find(v->s, parent, f->name);
	if (f->field == NULL) {
		if (parent != NULL)
			validate_fail(v, f->at, "Cannot query field \"%.*s\" on type \"%s\".",
			    NAME(f->name), parent->name);
		validate_arguments(v, f->args, f->at, NULL, NULL);
		return;
	}
	if (v->limits->closed && (f->field == v->s->meta_schema || f->field == v->s->meta_type))
		validate_fail(v, f->at, "This schema does not answer about itself.");
	check_leaf(v, f);
	if (f->args != NULL || f->field->n_args != 0)
		validate_arguments(v, f->args, f->at, f->field, NULL);
}

static void
check_leaf(struct validation *v, const struct ast_selection *f)
{
	const struct gql_type *t = f->field->ref->type;

	if (type_is_leaf(t) && f->set != NULL)
		validate_fail(v, f->set->at,
		    "Field \"%s\" must not have a selection: type \"%s\" has no subfields.",
		    f->field->name, ref_print(v->a, f->field->ref));
	else if (!type_is_leaf(t) && f->set == NULL)
		validate_fail(v, f->at,
		    "Field \"%s\" of type \"%s\" must have a selection of subfields.",
		    f->field->name, ref_print(v->a, f->field->ref));
}

void
validate_inline(struct validation *v, struct ast_selection *f, const struct gql_type *parent)
{
	if (f->on.n == 0) {
		f->type = parent;
		return;
	}
	f->type = validate_condition(v, f->on, f->on_at, STR(""));
	if (f->type != NULL && parent != NULL && !type_overlap(parent, f->type))
		validate_fail(v, f->at,
		    "Fragment cannot be spread here as objects of type \"%s\" can never be of type "
		    "\"%s\".",
		    parent->name, f->type->name);
}

void
validate_spread(struct validation *v, struct ast_selection *f, const struct gql_type *parent)
{
	const struct gql_type *t;

	if (f->fragment == NULL) {
		validate_fail(v, f->at, "Unknown fragment \"%.*s\".", NAME(f->name));
		return;
	}
	t = type_find(v->s, f->fragment->on);
	if (t != NULL && parent != NULL && type_is_composite(t) && !type_overlap(parent, t))
		validate_fail(v, f->at,
		    "Fragment \"%.*s\" cannot be spread here as objects of type \"%s\" can never "
		    "be "
		    "of type \"%s\".",
		    NAME(f->name), parent->name, t->name);
}

/* The type of a type condition; NULL: none that could be one. */
const struct gql_type *
validate_condition(struct validation *v, struct str name, uint32_t at, struct str fragment)
{
	const struct gql_type *t = type_find(v->s, name);

	if (t == NULL) {
		validate_fail(v, at, "Unknown type \"%.*s\".", NAME(name));
		return NULL;
	}
	if (type_is_composite(t))
		return t;
	if (fragment.n == 0)
		validate_fail(
		    v, at, "Fragment cannot condition on non composite type \"%s\".", t->name);
	else
		validate_fail(v, at,
		    "Fragment \"%.*s\" cannot condition on non composite type \"%s\".",
		    NAME(fragment), t->name);
	return NULL;
}
