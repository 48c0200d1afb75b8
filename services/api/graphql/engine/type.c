/* type: looking things up in the type system, and how types relate. */
#include "api/graphql/engine/type.h"

#include <string.h>

const struct gql_type *
type_find(const struct gql_schema *s, struct str name)
{
	return dict_get(&s->types, name);
}

const struct gql_directive *
directive_find(const struct gql_schema *s, struct str name)
{
	return dict_get(&s->directives, name);
}

const struct gql_field *
field_find(const struct gql_schema *s, const struct gql_type *parent, struct str name)
{
	if (name.n > 2 && name.p[0] == '_' && name.p[1] == '_') {
		if (str_eq(name, "__typename"))
			return type_is_composite(parent) ? s->meta_typename : NULL;
		if (parent != s->roots[GQL_QUERY])
			return NULL;
		if (str_eq(name, "__schema"))
			return s->meta_schema;
		return str_eq(name, "__type") ? s->meta_type : NULL;
	}
	if (parent->kind != GQL_T_OBJECT && parent->kind != GQL_T_INTERFACE)
		return NULL;
	return dict_get(&parent->members, name);
}

const struct gql_input *
input_find(const struct gql_input *list, uint32_t n, struct str name)
{
	for (uint32_t i = 0; i < n; i++)
		if (str_eq(name, list[i].name))
			return &list[i];
	return NULL;
}

const struct gql_enum_value *
enum_value_find(const struct gql_type *t, struct str name)
{
	return dict_get(&t->members, name);
}

bool
type_overlap(const struct gql_type *a, const struct gql_type *b)
{
	if (type_is(a, b) || type_is(b, a))
		return true;
	for (uint32_t i = 0; i < a->n_possible; i++)
		if (type_is(a->possible[i], b))
			return true;
	return false;
}

bool
ref_same(const struct gql_ref *a, const struct gql_ref *b)
{
	for (; a->kind == b->kind && a->kind != GQL_NAMED; a = a->of, b = b->of)
		continue;
	return a->kind == b->kind && a->type == b->type;
}

bool
ref_is(const struct gql_ref *t, const struct gql_ref *super)
{
	for (;;) {
		if (super->kind == GQL_NON_NULL) {
			if (t->kind != GQL_NON_NULL)
				return false;
			super = super->of;
		}
		if (t->kind == GQL_NON_NULL)
			t = t->of;
		if (super->kind != t->kind)
			return false;
		if (super->kind == GQL_NAMED)
			return type_is(t->type, super->type);
		super = super->of;
		t = t->of;
	}
}

const char *
ref_print(struct arena *a, const struct gql_ref *r)
{
	switch (r->kind) {
	case GQL_LIST_OF:
		return arena_printf(a, "[%s]", ref_print(a, r->of));
	case GQL_NON_NULL:
		return arena_printf(a, "%s!", ref_print(a, r->of));
	case GQL_NAMED:
		break;
	}
	return r->type->name;
}
