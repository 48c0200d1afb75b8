/* schema_check: the rules of a schema (specification, sections 3 and 5 as far as they speak of
 * definitions). Errors of the program, found when it starts. */
#include <string.h>

#include "api/graphql/engine/build.h"
#include "api/graphql/engine/coerce.h"
#include "api/graphql/engine/validate.h"

static void add_name(struct building *, struct dict *, struct ast_def *);
static void extend(struct building *, struct dict *, struct ast_def *);
static void unique_content(struct building *, const struct ast_def *);
static void unique_members(struct building *, const struct ast_def *, const struct ast_member *);
static void check_type(struct building *, const struct gql_type *);
static void check_field_type(struct building *, const struct gql_type *, const struct gql_field *);
static void check_inputs(
    struct building *, const struct gql_type *, const char *, const struct gql_input *, uint32_t);
static void check_interfaces(struct building *, const struct gql_type *);
static void check_implements(
    struct building *, const struct gql_type *, const struct gql_field *, const struct gql_field *);
static bool reaches(const struct gql_type *, const struct gql_type *, uint32_t);
static void check_reserved(struct building *, uint32_t, const char *);
static void check_applied(struct building *);
static void check_applied_members(
    struct validation *, struct ast_member *, enum gql_location, enum gql_location);
static void set_defaults(struct building *);
static void set_default(struct building *, struct gql_input *, uint32_t);

/* --- before: names --- */

bool
schema_check_names(struct building *b)
{
	struct dict types, directives;
	struct ast_def *schema = NULL;

	dict_init(&types, b->a);
	dict_init(&directives, b->a);
	for (struct ast_def *d = b->language->defs; d != NULL; d = d->next)
		*dict_at(d->kind == AST_DIRECTIVE ? &directives : &types, d->name) = d;
	for (struct ast_def *d = b->doc->defs; d != NULL; d = d->next) {
		if (d->extends)
			continue;
		if (d->kind == AST_SCHEMA && schema != NULL)
			build_complain(b, d->at, "There may be one schema definition only.");
		else if (d->kind == AST_SCHEMA)
			schema = d;
		else
			add_name(b, d->kind == AST_DIRECTIVE ? &directives : &types, d);
	}
	if (schema != NULL)
		*dict_at(&types, STR("schema definition")) = schema;
	for (struct ast_def *d = b->doc->defs; d != NULL; d = d->next)
		if (d->extends)
			extend(b, &types, d);
	for (struct ast_def *d = b->doc->defs; d != NULL; d = d->next)
		if (!d->extends)
			unique_content(b, d);
	return b->errors->n == 0;
}

static void
add_name(struct building *b, struct dict *names, struct ast_def *d)
{
	void **at = dict_at(names, d->name);

	if (*at != NULL)
		build_complain(b, d->name_at, "There may be one %s named \"%.*s\" only.",
		    d->kind == AST_DIRECTIVE ? "directive" : "type", NAME(d->name));
	*at = d;
	check_reserved(b, d->name_at, build_text(b, d->name));
}

/* To the end of the chain that begins at what it extends. */
static void
extend(struct building *b, struct dict *types, struct ast_def *d)
{
	struct ast_def *base =
	    dict_get(types, d->kind == AST_SCHEMA ? STR("schema definition") : d->name);

	if (base == NULL) {
		build_complain(
		    b, d->name_at, "Cannot extend \"%.*s\": it is not defined.", NAME(d->name));
	} else if (base->kind != d->kind) {
		build_complain(
		    b, d->name_at, "Cannot extend \"%.*s\": it is of another kind.", NAME(d->name));
	} else {
		while (base->more != NULL)
			base = base->more;
		base->more = d;
	}
}

static void
unique_content(struct building *b, const struct ast_def *d)
{
	struct dict names, members;

	dict_init(&names, b->a);
	dict_init(&members, b->a);
	for (const struct ast_def *p = d; p != NULL; p = p->more) {
		for (const struct ast_name *n = p->names; n != NULL; n = n->next) {
			static const char *const roots[] = { "query", "mutation", "subscription" };
			struct str key = d->kind == AST_SCHEMA ? str_of(roots[n->root]) : n->name;
			void **at = dict_at(&names, key);

			if (*at != NULL)
				build_complain(
				    b, n->at, "\"%.*s\" may be named once only.", NAME(key));
			*at = (void *)(uintptr_t)n;
		}
		for (const struct ast_member *m = p->members; m != NULL; m = m->next) {
			void **at = dict_at(&members, m->name);

			if (*at != NULL)
				build_complain(b, m->at, "\"%.*s.%.*s\" may be defined once only.",
				    NAME(d->name), NAME(m->name));
			*at = (void *)(uintptr_t)m;
			unique_members(b, d, m->args);
		}
	}
}

static void
unique_members(struct building *b, const struct ast_def *d, const struct ast_member *list)
{
	struct dict members;

	dict_init(&members, b->a);
	for (const struct ast_member *m = list; m != NULL; m = m->next) {
		void **at = dict_at(&members, m->name);

		if (*at != NULL)
			build_complain(b, m->at,
			    "Argument \"%.*s\" of \"%.*s\" may be defined once only.",
			    NAME(m->name), NAME(d->name));
		*at = (void *)(uintptr_t)m;
	}
}

/* --- after: types --- */

bool
schema_check_types(struct building *b)
{
	for (uint32_t i = 0; i < b->s->n_types; i++)
		if (!b->s->type[i]->of_language)
			check_type(b, b->s->type[i]);
	for (uint32_t i = 0; i < b->s->n_directives; i++)
		check_inputs(b, NULL, b->s->directive[i]->name, b->s->directive[i]->args,
		    b->s->directive[i]->n_args);
	if (b->errors->n == 0)
		check_applied(b);
	if (b->errors->n == 0)
		set_defaults(b);
	return b->errors->n == 0;
}

static void
check_type(struct building *b, const struct gql_type *t)
{
	uint32_t n =
	    t->n_fields + t->n_inputs + t->n_values + (t->kind == GQL_T_UNION ? t->n_possible : 0);

	if (n == 0 && t->kind != GQL_T_SCALAR)
		build_complain(b, t->def->at, "Type \"%s\" is empty.", t->name);
	for (uint32_t i = 0; i < t->n_fields; i++)
		check_field_type(b, t, &t->fields[i]);
	for (uint32_t i = 0; i < t->n_values; i++)
		check_reserved(b, t->def->at, t->values[i].name);
	check_inputs(b, t, t->name, t->inputs, t->n_inputs);
	if (t->kind == GQL_T_INPUT && reaches(t, t, 0))
		build_complain(b, t->def->at,
		    "Input object \"%s\" contains itself through fields that can't be null.",
		    t->name);
	check_interfaces(b, t);
}

static void
check_field_type(struct building *b, const struct gql_type *t, const struct gql_field *f)
{
	check_reserved(b, t->def->at, f->name);
	if (f->ref->type->kind == GQL_T_INPUT)
		build_complain(b, t->def->at, "The type of \"%s.%s\" must be an output type.",
		    t->name, f->name);
	check_inputs(b, NULL, arena_printf(b->a, "%s.%s", t->name, f->name), f->args, f->n_args);
}

/* Of: an input object (t), or the arguments of a field or directive. */
static void
check_inputs(struct building *b, const struct gql_type *t, const char *of,
    const struct gql_input *list, uint32_t n)
{
	uint32_t at = t != NULL ? t->def->at : 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct gql_input *p = &list[i];

		check_reserved(b, at, p->name);
		if (!type_is_input(p->ref->type))
			build_complain(b, at, "The type of \"%s\" of \"%s\" must be an input type.",
			    p->name, of);
		if (p->deprecated != NULL && input_required(p))
			build_complain(b, at,
			    "\"%s\" of \"%s\" is required and can't be deprecated.", p->name, of);
		if (t != NULL && t->one_of &&
		    (p->ref->kind == GQL_NON_NULL || p->default_ast != NULL))
			build_complain(b, at,
			    "\"%s\" of \"%s\", which is @oneOf, must be nullable and without a "
			    "default.",
			    p->name, of);
	}
}

/* Does `from` hold `to` by necessity? Inputs nest as deep as the schema's author made them. */
static bool
reaches(const struct gql_type *from, const struct gql_type *to, uint32_t depth)
{
	for (uint32_t i = 0; i < from->n_inputs && depth < 64; i++) {
		const struct gql_ref *r = from->inputs[i].ref;

		if (r->kind != GQL_NON_NULL || r->of->kind != GQL_NAMED ||
		    r->type->kind != GQL_T_INPUT)
			continue;
		if (r->type == to || reaches(r->type, to, depth + 1))
			return true;
	}
	return false;
}

static void
check_interfaces(struct building *b, const struct gql_type *t)
{
	for (uint32_t i = 0; i < t->n_interfaces; i++) {
		const struct gql_type *of = t->interfaces[i];

		if (of == t)
			build_complain(b, t->def->at, "\"%s\" can't implement itself.", t->name);
		for (uint32_t k = 0; k < of->n_interfaces; k++) {
			if (of->interfaces[k] == t && of != t)
				build_complain(b, t->def->at,
				    "\"%s\" can't implement \"%s\", which implements it.", t->name,
				    of->name);
			if (!type_is(t, of->interfaces[k]))
				build_complain(b, t->def->at,
				    "\"%s\" must implement \"%s\", because \"%s\" does.", t->name,
				    of->interfaces[k]->name, of->name);
		}
		for (uint32_t k = 0; k < of->n_fields; k++) {
			const struct gql_field *want = &of->fields[k];
			const struct gql_field *have = dict_get(&t->members, str_of(want->name));

			if (have == NULL)
				build_complain(b, t->def->at,
				    "\"%s\" lacks the field \"%s\" of interface \"%s\".", t->name,
				    want->name, of->name);
			else
				check_implements(b, t, have, want);
		}
	}
}

static void
check_implements(struct building *b, const struct gql_type *t, const struct gql_field *have,
    const struct gql_field *want)
{
	const char *of = want->parent->name;

	if (!ref_is(have->ref, want->ref))
		build_complain(b, t->def->at, "\"%s.%s\" must be of type \"%s\", as in \"%s\".",
		    t->name, have->name, ref_print(b->a, want->ref), of);
	for (uint32_t i = 0; i < want->n_args; i++) {
		const struct gql_input *g =
		    input_find(have->args, have->n_args, str_of(want->args[i].name));

		if (g == NULL || !ref_same(g->ref, want->args[i].ref))
			build_complain(b, t->def->at,
			    "\"%s.%s\" needs the argument \"%s: %s\", as in \"%s\".", t->name,
			    have->name, want->args[i].name, ref_print(b->a, want->args[i].ref), of);
	}
	for (uint32_t i = 0; i < have->n_args; i++)
		if (input_find(want->args, want->n_args, str_of(have->args[i].name)) == NULL &&
		    input_required(&have->args[i]))
			build_complain(b, t->def->at,
			    "\"%s.%s\" can't require \"%s\", which \"%s\" does not have.", t->name,
			    have->name, have->args[i].name, of);
	if (have->deprecated != NULL && want->deprecated == NULL)
		build_complain(b, t->def->at,
		    "\"%s.%s\" can't be deprecated while that of \"%s\" is not.", t->name,
		    have->name, of);
}

static void
check_reserved(struct building *b, uint32_t at, const char *name)
{
	if (strncmp(name, "__", 2) == 0)
		build_complain(b, at, "Names such as \"%s\" are the language's own.", name);
}

/* Directives that stand on definitions: known, in their place, with the right arguments. */
static void
check_applied(struct building *b)
{
	static const enum gql_location at[] = { [AST_SCHEMA] = GQL_AT_SCHEMA,
		[AST_SCALAR] = GQL_AT_SCALAR,
		[AST_OBJECT_TYPE] = GQL_AT_OBJECT,
		[AST_INTERFACE] = GQL_AT_INTERFACE,
		[AST_UNION] = GQL_AT_UNION,
		[AST_ENUM_TYPE] = GQL_AT_ENUM,
		[AST_INPUT] = GQL_AT_INPUT_OBJECT };
	struct validation v = { .s = b->s, .a = b->a, .errors = b->errors };
	struct usage *none = NULL;

	v.usage_end = &none;
	for (struct ast_def *d = b->doc->defs; d != NULL; d = d->next) {
		if (d->kind != AST_DIRECTIVE)
			validate_directives(&v, d->directives, at[d->kind]);
		check_applied_members(&v, d->members,
		    d->kind == AST_ENUM_TYPE   ? GQL_AT_ENUM_VALUE
		    : d->kind == AST_INPUT     ? GQL_AT_INPUT_FIELD_DEFINITION
		    : d->kind == AST_DIRECTIVE ? GQL_AT_ARGUMENT_DEFINITION
					       : GQL_AT_FIELD_DEFINITION,
		    GQL_AT_ARGUMENT_DEFINITION);
	}
}

static void
check_applied_members(
    struct validation *v, struct ast_member *list, enum gql_location where, enum gql_location args)
{
	for (struct ast_member *m = list; m != NULL; m = m->next) {
		validate_directives(v, m->directives, where);
		for (struct ast_member *g = m->args; g != NULL; g = g->next)
			validate_directives(v, g->directives, args);
	}
}

/* --- defaults: literals of the right type, coerced once --- */

static void
set_defaults(struct building *b)
{
	for (uint32_t i = 0; i < b->s->n_types; i++) {
		struct gql_type *t = b->s->type[i];

		for (uint32_t k = 0; k < t->n_inputs; k++)
			set_default(b, &t->inputs[k], t->def->at);
		for (uint32_t k = 0; k < t->n_fields; k++)
			for (uint32_t g = 0; g < t->fields[k].n_args; g++)
				set_default(b, &t->fields[k].args[g], t->def->at);
	}
	for (uint32_t i = 0; i < b->s->n_directives; i++)
		for (uint32_t g = 0; g < b->s->directive[i]->n_args; g++)
			set_default(b, &b->s->directive[i]->args[g], 0);
	for (uint32_t g = 0; g < b->s->meta_type->n_args; g++)
		set_default(b, &((struct gql_field *)(uintptr_t)b->s->meta_type)->args[g], 0);
}

static void
set_default(struct building *b, struct gql_input *i, uint32_t at)
{
	struct validation v = { .s = b->s, .a = b->a, .errors = b->errors };
	struct usage *none = NULL;
	size_t before = b->errors->n;

	v.usage_end = &none;
	if (i->default_ast == NULL)
		return;
	validate_value(&v, i->default_ast, i->ref, NULL, NULL);
	if (b->errors->n == before && !coerce_literal(b->a, i->ref, i->default_ast, NULL, &i->def))
		build_complain(b, at, "The default of \"%s\" is not of its type.", i->name);
}
