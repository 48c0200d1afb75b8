/* introspect: the schema answers about itself (specification, section 4). The objects are those of
 * type.h; a __Type is a struct gql_ref, which may be a wrapper. */
#include "api/graphql/engine/exec.h"
#include "api/graphql/engine/build.h"
#include "api/graphql/engine/print.h"

static const struct gql_schema *
schema_of(const struct gql_at *at)
{
	return at->exec->run.schema;
}

/* A list of objects that stand in an array of pointers. */
static struct gql_value
list_of(const struct gql_at *at, size_t n, struct gql_value **items)
{
	*items = ARENA_ARRAY(gql_arena(at), struct gql_value, n);
	return gql_list(*items, n);
}

static struct gql_value
types_list(const struct gql_at *at, const struct gql_type *const *types, size_t n)
{
	struct gql_value *items, list = list_of(at, n, &items);

	for (size_t i = 0; i < n; i++)
		items[i] = gql_object(&types[i]->self);
	return list;
}

static bool
with_deprecated(const struct gql_at *at)
{
	return gql_arg(at, "includeDeprecated").boolean;
}

static struct gql_value
inputs_list(const struct gql_at *at, const struct gql_input *list, size_t n)
{
	struct gql_value *items, out = list_of(at, n, &items);

	out.n = 0;
	for (size_t i = 0; i < n; i++)
		if (list[i].deprecated == NULL || with_deprecated(at))
			items[out.n++] = gql_object(&list[i]);
	return out;
}

/* --- the query's root --- */

static struct gql_value
meta_schema(const struct gql_at *at)
{
	return gql_object(schema_of(at));
}

static struct gql_value
meta_type(const struct gql_at *at)
{
	struct gql_value name = gql_arg(at, "name");
	const struct gql_type *t = type_find(schema_of(at), (struct str){ name.text, name.n });

	return t == NULL ? gql_null() : gql_object(&t->self);
}

/* --- __Schema --- */

static struct gql_value
schema_description(const struct gql_at *at)
{
	return gql_string(schema_of(at)->description);
}

static struct gql_value
schema_types(const struct gql_at *at)
{
	return types_list(
	    at, (const struct gql_type *const *)schema_of(at)->type, schema_of(at)->n_types);
}

static struct gql_value
root_type(const struct gql_at *at, enum gql_operation_kind kind)
{
	const struct gql_type *t = schema_of(at)->roots[kind];

	return t == NULL ? gql_null() : gql_object(&t->self);
}

static struct gql_value
schema_query(const struct gql_at *at)
{
	return root_type(at, GQL_QUERY);
}

static struct gql_value
schema_mutation(const struct gql_at *at)
{
	return root_type(at, GQL_MUTATION);
}

static struct gql_value
schema_subscription(const struct gql_at *at)
{
	return root_type(at, GQL_SUBSCRIPTION);
}

static struct gql_value
schema_directives(const struct gql_at *at)
{
	const struct gql_schema *s = schema_of(at);
	struct gql_value *items, list = list_of(at, s->n_directives, &items);

	for (uint32_t i = 0; i < s->n_directives; i++)
		items[i] = gql_object(s->directive[i]);
	return list;
}

/* --- __Type --- */

static const struct gql_type *
named(const struct gql_at *at) /* NULL: a wrapper */
{
	const struct gql_ref *r = at->object;

	return r->kind == GQL_NAMED ? r->type : NULL;
}

static struct gql_value
type_kind(const struct gql_at *at)
{
	static const char *const kinds[] = { "SCALAR", "OBJECT", "INTERFACE", "UNION", "ENUM",
		"INPUT_OBJECT" };
	const struct gql_ref *r = at->object;

	return gql_string(r->kind == GQL_NAMED     ? kinds[r->type->kind]
			  : r->kind == GQL_LIST_OF ? "LIST"
						   : "NON_NULL");
}

static struct gql_value
type_name(const struct gql_at *at)
{
	return gql_string(named(at) == NULL ? NULL : named(at)->name);
}

static struct gql_value
type_description(const struct gql_at *at)
{
	return gql_string(named(at) == NULL ? NULL : named(at)->description);
}

static struct gql_value
type_specified_by(const struct gql_at *at)
{
	return gql_string(named(at) == NULL ? NULL : named(at)->specified_by);
}

static struct gql_value
type_fields(const struct gql_at *at)
{
	const struct gql_type *t = named(at);
	struct gql_value *items, list;

	if (t == NULL || (t->kind != GQL_T_OBJECT && t->kind != GQL_T_INTERFACE))
		return gql_null();
	list = list_of(at, t->n_fields, &items);
	list.n = 0;
	for (uint32_t i = 0; i < t->n_fields; i++)
		if (t->fields[i].deprecated == NULL || with_deprecated(at))
			items[list.n++] = gql_object(&t->fields[i]);
	return list;
}

static struct gql_value
type_interfaces(const struct gql_at *at)
{
	const struct gql_type *t = named(at);

	if (t == NULL || (t->kind != GQL_T_OBJECT && t->kind != GQL_T_INTERFACE))
		return gql_null();
	return types_list(at, t->interfaces, t->n_interfaces);
}

static struct gql_value
type_possible(const struct gql_at *at)
{
	const struct gql_type *t = named(at);

	if (t == NULL || (t->kind != GQL_T_UNION && t->kind != GQL_T_INTERFACE))
		return gql_null();
	return types_list(at, t->possible, t->n_possible);
}

static struct gql_value
type_values(const struct gql_at *at)
{
	const struct gql_type *t = named(at);
	struct gql_value *items, list;

	if (t == NULL || t->kind != GQL_T_ENUM)
		return gql_null();
	list = list_of(at, t->n_values, &items);
	list.n = 0;
	for (uint32_t i = 0; i < t->n_values; i++)
		if (t->values[i].deprecated == NULL || with_deprecated(at))
			items[list.n++] = gql_object(&t->values[i]);
	return list;
}

static struct gql_value
type_inputs(const struct gql_at *at)
{
	const struct gql_type *t = named(at);

	if (t == NULL || t->kind != GQL_T_INPUT)
		return gql_null();
	return inputs_list(at, t->inputs, t->n_inputs);
}

static struct gql_value
type_of_type(const struct gql_at *at)
{
	const struct gql_ref *r = at->object;

	if (r->kind == GQL_NAMED)
		return gql_null();
	return gql_object(r->of->kind == GQL_NAMED ? &r->of->type->self : r->of);
}

static struct gql_value
type_one_of(const struct gql_at *at)
{
	const struct gql_type *t = named(at);

	return t == NULL || t->kind != GQL_T_INPUT ? gql_null() : gql_bool(t->one_of);
}

/* --- __Field, __InputValue, __EnumValue: what they have in common stands first in each --- */

struct described {
	const char *name, *description, *deprecated;
};
_Static_assert(
    offsetof(struct gql_field, deprecated) == offsetof(struct described, deprecated) &&
	offsetof(struct gql_input, deprecated) == offsetof(struct described, deprecated) &&
	offsetof(struct gql_enum_value, deprecated) == offsetof(struct described, deprecated) &&
	offsetof(struct gql_directive, description) == offsetof(struct described, description),
    "they begin with their names");

static struct gql_value
any_name(const struct gql_at *at)
{
	return gql_string(((const struct described *)at->object)->name);
}

static struct gql_value
any_description(const struct gql_at *at)
{
	return gql_string(((const struct described *)at->object)->description);
}

static struct gql_value
any_deprecated(const struct gql_at *at)
{
	return gql_bool(((const struct described *)at->object)->deprecated != NULL);
}

static struct gql_value
any_reason(const struct gql_at *at)
{
	return gql_string(((const struct described *)at->object)->deprecated);
}

static struct gql_value
field_args(const struct gql_at *at)
{
	const struct gql_field *f = at->object;

	return inputs_list(at, f->args, f->n_args);
}

static struct gql_value
ref_value(const struct gql_ref *r)
{
	return gql_object(r->kind == GQL_NAMED ? &r->type->self : r);
}

static struct gql_value
field_type(const struct gql_at *at)
{
	return ref_value(((const struct gql_field *)at->object)->ref);
}

static struct gql_value
input_type(const struct gql_at *at)
{
	return ref_value(((const struct gql_input *)at->object)->ref);
}

static struct gql_value
input_default(const struct gql_at *at)
{
	const struct gql_input *i = at->object;
	struct print t;

	if (i->default_ast == NULL)
		return gql_null();
	print_start(&t, gql_arena(at));
	print_value(&t, i->default_ast);
	return gql_stringn(t.p, t.n);
}

/* --- __Directive --- */

static struct gql_value
directive_repeatable(const struct gql_at *at)
{
	return gql_bool(((const struct gql_directive *)at->object)->repeatable);
}

static struct gql_value
directive_locations(const struct gql_at *at)
{
	const struct gql_directive *d = at->object;
	struct gql_value *items, list = list_of(at, GQL_LOCATIONS, &items);

	list.n = 0;
	for (int i = 0; i < GQL_LOCATIONS; i++)
		if (d->locations >> i & 1)
			items[list.n++] = gql_string(gql_locations[i]);
	return list;
}

static struct gql_value
directive_args(const struct gql_at *at)
{
	const struct gql_directive *d = at->object;

	return inputs_list(at, d->args, d->n_args);
}

/* clang-format off */
#define BIND(f, r)	{ .field = (f), .resolve = (r) }
/* How many items count for the cost: it takes little to make them, and tools ask for all. */
#define LIST(f, r, n)	{ .field = (f), .resolve = (r), .size = (n) }
const struct gql_binding introspect_bindings[] = {
	BIND("__Meta.__schema", meta_schema),
	BIND("__Meta.__type", meta_type),
	BIND("__Schema.description", schema_description),
	LIST("__Schema.types", schema_types, 20),
	BIND("__Schema.queryType", schema_query),
	BIND("__Schema.mutationType", schema_mutation),
	BIND("__Schema.subscriptionType", schema_subscription),
	LIST("__Schema.directives", schema_directives, 5),
	BIND("__Type.kind", type_kind),
	BIND("__Type.name", type_name),
	BIND("__Type.description", type_description),
	BIND("__Type.specifiedByURL", type_specified_by),
	LIST("__Type.fields", type_fields, 5),
	LIST("__Type.interfaces", type_interfaces, 1),
	LIST("__Type.possibleTypes", type_possible, 2),
	LIST("__Type.enumValues", type_values, 4),
	LIST("__Type.inputFields", type_inputs, 3),
	BIND("__Type.ofType", type_of_type),
	BIND("__Type.isOneOf", type_one_of),
	BIND("__Field.name", any_name),
	BIND("__Field.description", any_description),
	LIST("__Field.args", field_args, 2),
	BIND("__Field.type", field_type),
	BIND("__Field.isDeprecated", any_deprecated),
	BIND("__Field.deprecationReason", any_reason),
	BIND("__InputValue.name", any_name),
	BIND("__InputValue.description", any_description),
	BIND("__InputValue.type", input_type),
	BIND("__InputValue.defaultValue", input_default),
	BIND("__InputValue.isDeprecated", any_deprecated),
	BIND("__InputValue.deprecationReason", any_reason),
	BIND("__EnumValue.name", any_name),
	BIND("__EnumValue.description", any_description),
	BIND("__EnumValue.isDeprecated", any_deprecated),
	BIND("__EnumValue.deprecationReason", any_reason),
	BIND("__Directive.name", any_name),
	BIND("__Directive.description", any_description),
	BIND("__Directive.isRepeatable", directive_repeatable),
	LIST("__Directive.locations", directive_locations, 3),
	LIST("__Directive.args", directive_args, 1),
	BIND(NULL, NULL),
};
/* clang-format on */
