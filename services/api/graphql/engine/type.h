/* type: the type system, as schema.c builds it once. Nothing changes afterwards. Names are NUL-ended
 * and live as long as the schema. */
#ifndef GQL_TYPE_H
#define GQL_TYPE_H

#include "api/graphql/engine/gql.h"
#include "api/graphql/engine/dict.h"

enum gql_type_kind { /* in the order of __TypeKind */
	GQL_T_SCALAR,
	GQL_T_OBJECT,
	GQL_T_INTERFACE,
	GQL_T_UNION,
	GQL_T_ENUM,
	GQL_T_INPUT,
};

enum gql_builtin { /* scalars that the language itself knows */
	GQL_CUSTOM,
	GQL_B_INT,
	GQL_B_FLOAT,
	GQL_B_STRING,
	GQL_B_BOOLEAN,
	GQL_B_ID,
};

struct gql_ref { /* a type as fields and arguments have it */
	enum { GQL_NAMED, GQL_LIST_OF, GQL_NON_NULL } kind;
	const struct gql_ref *of;    /* of the wrappers */
	const struct gql_type *type; /* the named one, on every level */
};

struct gql_input {                                   /* an argument or a field of an input object */
	const char *name, *description, *deprecated; /* NULL: none */
	const struct gql_ref *ref;
	const struct ast_value *default_ast; /* NULL: none */
	struct gql_value def;                /* coerced; GQL_ABSENT: none */
};

struct gql_field {
	const char *name, *description, *deprecated;
	const struct gql_type *parent;
	const struct gql_ref *ref;
	struct gql_input *args;
	uint32_t n_args;
	const struct gql_binding *binding; /* NULL: the schema's fallback */
	gql_resolve_fn *resolve;
};

struct gql_enum_value {
	const char *name, *description, *deprecated;
};

struct gql_type {
	const char *name, *description;
	enum gql_type_kind kind;
	enum gql_builtin builtin;
	bool of_language;              /* not of the SDL that was given: __Schema, Int, ... */
	uint32_t index;                /* of types */
	struct gql_field *fields;      /* objects, interfaces */
	struct gql_input *inputs;      /* input objects */
	struct gql_enum_value *values; /* enums */
	uint32_t n_fields, n_inputs, n_values;
	struct dict members;                /* the same by name */
	const struct gql_type **interfaces; /* objects, interfaces: what it implements */
	const struct gql_type **possible;   /* unions, interfaces: object types, in order */
	uint32_t n_interfaces, n_possible;
	uint64_t *is; /* one bit per type: this one, and what it is a subtype of */
	const char *specified_by;
	bool one_of;
	const struct gql_scalar *scalar; /* custom ones; NULL: takes and gives anything */
	struct gql_ref self;             /* this type, as a reference: for introspection */
	const struct ast_def *def;
};

enum gql_location { /* where a directive may stand, a bit each, in the order of gql_locations */
	GQL_AT_QUERY,
	GQL_AT_MUTATION,
	GQL_AT_SUBSCRIPTION,
	GQL_AT_FIELD,
	GQL_AT_FRAGMENT_DEFINITION,
	GQL_AT_FRAGMENT_SPREAD,
	GQL_AT_INLINE_FRAGMENT,
	GQL_AT_VARIABLE_DEFINITION,
	GQL_AT_SCHEMA,
	GQL_AT_SCALAR,
	GQL_AT_OBJECT,
	GQL_AT_FIELD_DEFINITION,
	GQL_AT_ARGUMENT_DEFINITION,
	GQL_AT_INTERFACE,
	GQL_AT_UNION,
	GQL_AT_ENUM,
	GQL_AT_ENUM_VALUE,
	GQL_AT_INPUT_OBJECT,
	GQL_AT_INPUT_FIELD_DEFINITION,
	GQL_LOCATIONS,
};
extern const char *const gql_locations[GQL_LOCATIONS];

struct gql_directive {
	const char *name, *description;
	uint32_t locations;
	bool repeatable, of_language;
	struct gql_input *args;
	uint32_t n_args;
};

struct gql_schema {
	struct arena *a;
	const char *description;
	struct dict types, directives; /* by name */
	struct gql_type **type;        /* in the order of the SDL, then the language's */
	struct gql_directive **directive;
	uint32_t n_types, n_directives;
	const struct gql_type *roots[3]; /* by enum gql_operation_kind; NULL: none */
	const struct gql_field *meta_schema, *meta_type, *meta_typename;
	const struct gql_directive *skip, *include;
	const struct gql_schema_def *def;
};

const struct gql_type *type_find(const struct gql_schema *s, struct str name); /* NULL: none */
const struct gql_directive *directive_find(const struct gql_schema *s, struct str name);
/* Also __typename, and __schema and __type of the query's root; NULL: none. */
const struct gql_field *
field_find(const struct gql_schema *s, const struct gql_type *parent, struct str name);
const struct gql_input *input_find(const struct gql_input *list, uint32_t n, struct str name);
const struct gql_enum_value *enum_value_find(const struct gql_type *t, struct str name);

static inline bool
type_is_composite(const struct gql_type *t)
{
	return t->kind == GQL_T_OBJECT || t->kind == GQL_T_INTERFACE || t->kind == GQL_T_UNION;
}

static inline bool
type_is_input(const struct gql_type *t)
{
	return t->kind == GQL_T_SCALAR || t->kind == GQL_T_ENUM || t->kind == GQL_T_INPUT;
}

static inline bool
type_is_leaf(const struct gql_type *t)
{
	return t->kind == GQL_T_SCALAR || t->kind == GQL_T_ENUM;
}

static inline bool
type_is(const struct gql_type *t, const struct gql_type *super) /* the same, or a subtype */
{
	return t == super || (t->is != NULL && (t->is[super->index / 64] >> super->index % 64 & 1));
}

static inline bool
input_required(const struct gql_input *i)
{
	return i->ref->kind == GQL_NON_NULL && i->default_ast == NULL;
}

bool type_overlap(const struct gql_type *a, const struct gql_type *b); /* some object is both */
bool ref_same(const struct gql_ref *a, const struct gql_ref *b);
bool ref_is(const struct gql_ref *t, const struct gql_ref *super); /* covariant */
const char *ref_print(struct arena *a, const struct gql_ref *r);   /* "[Task!]!" */

#endif
