/* build: what types are made of: references, arguments, directives, and the host's resolvers. */
#include "api/graphql/engine/build.h"

#include <stdarg.h>
#include <string.h>

const char *const gql_locations[GQL_LOCATIONS] = {
	"QUERY",
	"MUTATION",
	"SUBSCRIPTION",
	"FIELD",
	"FRAGMENT_DEFINITION",
	"FRAGMENT_SPREAD",
	"INLINE_FRAGMENT",
	"VARIABLE_DEFINITION",
	"SCHEMA",
	"SCALAR",
	"OBJECT",
	"FIELD_DEFINITION",
	"ARGUMENT_DEFINITION",
	"INTERFACE",
	"UNION",
	"ENUM",
	"ENUM_VALUE",
	"INPUT_OBJECT",
	"INPUT_FIELD_DEFINITION",
};

static void bind(struct building *, const struct gql_binding *);

void
build_complain(struct building *b, uint32_t at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	gql_error_add(b->errors, &gql_validation_failed, at, "%s", arena_vprintf(b->a, fmt, ap));
	va_end(ap);
}

char *
build_text(struct building *b, struct str s)
{
	return arena_strndup(b->a, s.p, s.n);
}

/* Unknown types are said here, where they are written; NULL then. */
const struct gql_ref *
build_ref(struct building *b, const struct ast_type *t)
{
	struct gql_ref *r = ARENA_NEW(b->a, struct gql_ref);

	if (t->kind == AST_NAMED) {
		r->kind = GQL_NAMED;
		if ((r->type = type_find(b->s, t->name)) == NULL)
			build_complain(b, t->at, "Unknown type \"%s\".", build_text(b, t->name));
		return r;
	}
	r->kind = t->kind == AST_LIST_OF ? GQL_LIST_OF : GQL_NON_NULL;
	r->of = build_ref(b, t->of);
	r->type = r->of->type;
	return r;
}

struct gql_input *
build_inputs(struct building *b, const struct ast_member *m, uint32_t *n)
{
	struct gql_input *list;

	*n = 0;
	for (const struct ast_member *i = m; i != NULL; i = i->next)
		++*n;
	list = ARENA_ARRAY(b->a, struct gql_input, *n);
	for (uint32_t i = 0; m != NULL; m = m->next)
		build_input(b, m, &list[i++]);
	return list;
}

void
build_input(struct building *b, const struct ast_member *m, struct gql_input *out)
{
	*out = (struct gql_input){
		.name = build_text(b, m->name),
		.description = m->described ? build_text(b, m->description) : NULL,
		.deprecated = build_directive_text(b, m->directives, "deprecated", "reason"),
		.ref = build_ref(b, m->type),
		.default_ast = m->value,
	};
}

void
build_directive(struct building *b, const struct ast_def *d, bool of_language)
{
	struct gql_directive *r = ARENA_NEW(b->a, struct gql_directive);

	r->name = build_text(b, d->name);
	r->description = d->described ? build_text(b, d->description) : NULL;
	r->repeatable = d->repeatable;
	r->of_language = of_language;
	r->args = build_inputs(b, d->members, &r->n_args);
	for (const struct ast_name *n = d->names; n != NULL; n = n->next) {
		int i = 0;

		while (i < GQL_LOCATIONS && !str_eq(n->name, gql_locations[i]))
			i++;
		if (i == GQL_LOCATIONS)
			build_complain(b, n->at, "\"%s\" is no place for a directive.",
			    build_text(b, n->name));
		else
			r->locations |= 1u << i;
	}
	*dict_at(&b->s->directives, d->name) = r;
	b->s->directive[b->s->n_directives++] = r;
}

const struct ast_directive *
build_directive_on(const struct ast_directive *list, const char *name)
{
	while (list != NULL && !str_eq(list->name, name))
		list = list->next;
	return list;
}

const char *
build_directive_text(
    struct building *b, const struct ast_directive *list, const char *name, const char *arg)
{
	const struct ast_directive *d = build_directive_on(list, name);

	if (d == NULL)
		return NULL;
	for (const struct ast_arg *g = d->args; g != NULL; g = g->next)
		if (str_eq(g->name, arg) && g->value.kind == AST_STRING)
			return build_text(b, g->value.text);
	return strcmp(name, "deprecated") == 0 ? "No longer supported" : NULL;
}

/* --- resolvers --- */

bool
bind_all(struct building *b)
{
	const struct gql_scalar *scalar = b->s->def->scalars;

	bind(b, introspect_bindings);
	if (b->s->def->bindings != NULL)
		bind(b, b->s->def->bindings);
	for (; scalar != NULL && scalar->name != NULL; scalar++) {
		struct gql_type *t = dict_get(&b->s->types, str_of(scalar->name));

		if (t == NULL || t->kind != GQL_T_SCALAR || t->builtin != GQL_CUSTOM)
			build_complain(b, 0, "\"%s\" is no scalar of this schema.", scalar->name);
		else
			t->scalar = scalar;
	}
	return b->errors->n == 0;
}

static void
bind(struct building *b, const struct gql_binding *list)
{
	for (; list->field != NULL; list++) {
		struct gql_type *t;
		struct gql_field *f = NULL;
		struct str type, name;

		str_cut(str_of(list->field), '.', &type, &name);
		if (str_eq(type, "__Meta"))
			f = (struct gql_field *)(uintptr_t)field_find(
			    b->s, b->s->roots[GQL_QUERY], name);
		else if ((t = dict_get(&b->s->types, type)) != NULL && t->kind == GQL_T_OBJECT)
			f = dict_get(&t->members, name);
		if (f == NULL) {
			build_complain(b, 0, "\"%s\" is no field of this schema.", list->field);
			continue;
		}
		f->binding = list;
		if (list->resolve != NULL)
			f->resolve = list->resolve;
	}
}
