/* schema: definitions in the schema language become types with their fields and resolvers. Built
 * once, into an arena that stays. In this order: the definitions are held against each other
 * (schema_check_names), every type gets its name, then its content, then what is a subtype of what, and
 * the whole is held against the rules of the type system (schema_check_types). */
#include <string.h>

#include "api/graphql/engine/build.h"

/* The SDL is the program's own: as large as it likes, but not endlessly nested. */
static const struct gql_limits sdl_limits = {
	.bytes = 4u << 20, .tokens = 1u << 20, .nesting = 32
};

static bool parse_both(struct building *, struct str);
static void add_types(struct building *, const struct gql_doc *);
static void fill_types(struct building *, const struct gql_doc *);
static void fill_type(struct building *, const struct ast_def *, struct gql_type *);
static void fill_fields(struct building *, const struct ast_def *, struct gql_type *);
static void fill_inputs(struct building *, const struct ast_def *, struct gql_type *);
static void fill_values(struct building *, const struct ast_def *, struct gql_type *);
static void fill_names(struct building *, const struct ast_def *, struct gql_type *);
static void take_meta(struct building *);
static void find_roots(struct building *);
static void find_possible(struct gql_schema *);

struct gql_schema *
gql_schema_new(struct arena *a, const struct gql_schema_def *d, struct gql_errors *e)
{
	struct building b = { .a = a, .errors = e };
	struct gql_schema *s = b.s = ARENA_NEW(a, struct gql_schema);

	s->a = a;
	s->def = arena_dup(a, d, sizeof(*d));
	dict_init(&s->types, a);
	dict_init(&s->directives, a);
	if (!parse_both(&b, d->sdl) || !schema_check_names(&b))
		return NULL;
	s->type = ARENA_ARRAY(a, struct gql_type *, b.doc->n_defs + b.language->n_defs);
	s->directive = ARENA_ARRAY(a, struct gql_directive *, b.doc->n_defs + b.language->n_defs);
	add_types(&b, b.doc);
	add_types(&b, b.language);
	fill_types(&b, b.language);
	take_meta(&b);
	fill_types(&b, b.doc);
	find_roots(&b);
	if (e->n == 0)
		find_possible(s);
	return e->n == 0 && schema_check_types(&b) && bind_all(&b) ? s : NULL;
}

static bool
parse_both(struct building *b, struct str sdl)
{
	b->language = gql_parse(b->a, language_sdl, &sdl_limits, b->errors);
	b->doc = gql_parse(b->a, sdl, &sdl_limits, b->errors);
	if (b->doc == NULL)
		return false;
	must(b->language != NULL);
	if (b->doc->operations != NULL || b->doc->fragments != NULL)
		build_complain(b,
		    b->doc->operations != NULL ? b->doc->operations->at : b->doc->fragments->at,
		    "A schema holds definitions of types and directives only.");
	return b->errors->n == 0;
}

static void
add_types(struct building *b, const struct gql_doc *doc)
{
	static const enum gql_type_kind kinds[] = {
		[AST_SCALAR] = GQL_T_SCALAR,
		[AST_OBJECT_TYPE] = GQL_T_OBJECT,
		[AST_INTERFACE] = GQL_T_INTERFACE,
		[AST_UNION] = GQL_T_UNION,
		[AST_ENUM_TYPE] = GQL_T_ENUM,
		[AST_INPUT] = GQL_T_INPUT,
	};
	struct gql_schema *s = b->s;

	for (struct ast_def *d = doc->defs; d != NULL; d = d->next) {
		struct gql_type *t;

		if (d->extends || d->kind == AST_SCHEMA || d->kind == AST_DIRECTIVE)
			continue;
		t = ARENA_NEW(b->a, struct gql_type);
		t->name = build_text(b, d->name);
		t->description = d->described ? build_text(b, d->description) : NULL;
		t->kind = kinds[d->kind];
		t->of_language = doc == b->language;
		t->index = s->n_types;
		t->self = (struct gql_ref){ .kind = GQL_NAMED, .type = t };
		t->def = d;
		dict_init(&t->members, b->a);
		*dict_at(&s->types, d->name) = t;
		s->type[s->n_types++] = t;
	}
}

static void
fill_types(struct building *b, const struct gql_doc *doc)
{
	for (const struct ast_def *d = doc->defs; d != NULL; d = d->next) {
		if (d->extends || d->kind == AST_SCHEMA)
			continue;
		if (d->kind == AST_DIRECTIVE)
			build_directive(b, d, doc == b->language);
		else
			fill_type(b, d, dict_get(&b->s->types, d->name));
	}
}

static void
fill_type(struct building *b, const struct ast_def *d, struct gql_type *t)
{
	static const char *const builtins[] = {
		[GQL_B_INT] = "Int",
		[GQL_B_FLOAT] = "Float",
		[GQL_B_STRING] = "String",
		[GQL_B_BOOLEAN] = "Boolean",
		[GQL_B_ID] = "ID",
	};

	for (const struct ast_def *p = d; p != NULL; p = p->more) {
		t->one_of |= build_directive_on(p->directives, "oneOf") != NULL;
		if (t->specified_by == NULL)
			t->specified_by =
			    build_directive_text(b, p->directives, "specifiedBy", "url");
	}
	switch (t->kind) {
	case GQL_T_SCALAR:
		for (int i = GQL_B_INT; i <= GQL_B_ID; i++)
			if (t->of_language && strcmp(t->name, builtins[i]) == 0)
				t->builtin = (enum gql_builtin)i;
		break;
	case GQL_T_OBJECT:
	case GQL_T_INTERFACE:
		fill_names(b, d, t);
		fill_fields(b, d, t);
		break;
	case GQL_T_UNION:
		fill_names(b, d, t);
		break;
	case GQL_T_ENUM:
		fill_values(b, d, t);
		break;
	case GQL_T_INPUT:
		fill_inputs(b, d, t);
		break;
	}
}

static uint32_t
count_members(const struct ast_def *d)
{
	uint32_t n = 0;

	for (; d != NULL; d = d->more)
		for (const struct ast_member *m = d->members; m != NULL; m = m->next)
			n++;
	return n;
}

static void
fill_fields(struct building *b, const struct ast_def *d, struct gql_type *t)
{
	t->fields = ARENA_ARRAY(b->a, struct gql_field, count_members(d));
	for (; d != NULL; d = d->more)
		for (const struct ast_member *m = d->members; m != NULL; m = m->next) {
			struct gql_field *f = &t->fields[t->n_fields++];

			f->name = build_text(b, m->name);
			f->description = m->described ? build_text(b, m->description) : NULL;
			f->deprecated =
			    build_directive_text(b, m->directives, "deprecated", "reason");
			f->parent = t;
			f->ref = build_ref(b, m->type);
			f->args = build_inputs(b, m->args, &f->n_args);
			f->resolve = b->s->def->fallback;
			*dict_at(&t->members, m->name) = f;
		}
}

static void
fill_inputs(struct building *b, const struct ast_def *d, struct gql_type *t)
{
	t->inputs = ARENA_ARRAY(b->a, struct gql_input, count_members(d));
	for (; d != NULL; d = d->more)
		for (const struct ast_member *m = d->members; m != NULL; m = m->next) {
			build_input(b, m, &t->inputs[t->n_inputs]);
			*dict_at(&t->members, m->name) = &t->inputs[t->n_inputs++];
		}
}

static void
fill_values(struct building *b, const struct ast_def *d, struct gql_type *t)
{
	t->values = ARENA_ARRAY(b->a, struct gql_enum_value, count_members(d));
	for (; d != NULL; d = d->more)
		for (const struct ast_member *m = d->members; m != NULL; m = m->next) {
			struct gql_enum_value *v = &t->values[t->n_values++];

			v->name = build_text(b, m->name);
			v->description = m->described ? build_text(b, m->description) : NULL;
			v->deprecated =
			    build_directive_text(b, m->directives, "deprecated", "reason");
			*dict_at(&t->members, m->name) = v;
		}
}

/* What an object or interface implements, or what a union consists of. */
static void
fill_names(struct building *b, const struct ast_def *d, struct gql_type *t)
{
	enum gql_type_kind want = t->kind == GQL_T_UNION ? GQL_T_OBJECT : GQL_T_INTERFACE;
	const struct gql_type **list;
	uint32_t n = 0;

	for (const struct ast_def *p = d; p != NULL; p = p->more)
		for (const struct ast_name *m = p->names; m != NULL; m = m->next)
			n++;
	list = ARENA_ARRAY(b->a, const struct gql_type *, n);
	n = 0;
	for (const struct ast_def *p = d; p != NULL; p = p->more)
		for (const struct ast_name *m = p->names; m != NULL; m = m->next) {
			const struct gql_type *of = type_find(b->s, m->name);

			if (of == NULL)
				build_complain(
				    b, m->at, "Unknown type \"%s\".", build_text(b, m->name));
			else if (of->kind != want)
				build_complain(b, m->at, "\"%s\" of \"%s\" must be %s type.",
				    of->name, t->name,
				    want == GQL_T_OBJECT ? "an object" : "an interface");
			else
				list[n++] = of;
		}
	if (t->kind == GQL_T_UNION) {
		t->possible = list;
		t->n_possible = n;
	} else {
		t->interfaces = list;
		t->n_interfaces = n;
	}
}

/* __Meta lends its fields to others and is itself no type that anybody sees. It stands last. */
static void
take_meta(struct building *b)
{
	struct gql_schema *s = b->s;
	struct gql_type *meta = s->type[--s->n_types];

	must(strcmp(meta->name, "__Meta") == 0);
	*dict_at(&s->types, STR("__Meta")) = NULL;
	s->meta_schema = &meta->fields[0];
	s->meta_type = &meta->fields[1];
	s->meta_typename = &meta->fields[2];
	s->skip = directive_find(s, STR("skip"));
	s->include = directive_find(s, STR("include"));
}

static void
find_roots(struct building *b)
{
	static const char *const usual[] = { "Query", "Mutation", "Subscription" };
	const struct ast_def *d = b->doc->defs;

	while (d != NULL && (d->kind != AST_SCHEMA || d->extends))
		d = d->next;
	for (int i = 0; d == NULL && i < 3; i++)
		b->s->roots[i] = type_find(b->s, str_of(usual[i]));
	if (d != NULL && d->described)
		b->s->description = build_text(b, d->description);
	for (; d != NULL; d = d->more)
		for (const struct ast_name *n = d->names; n != NULL; n = n->next)
			if ((b->s->roots[n->root] = type_find(b->s, n->name)) == NULL)
				build_complain(
				    b, n->at, "Unknown type \"%s\".", build_text(b, n->name));
	if (b->s->roots[GQL_QUERY] == NULL)
		build_complain(b, 0, "A schema needs a query root type.");
	for (int i = 0; i < 3; i++)
		if (b->s->roots[i] != NULL && b->s->roots[i]->kind != GQL_T_OBJECT)
			build_complain(b, b->s->roots[i]->def->at,
			    "The root type \"%s\" must be an object type.", b->s->roots[i]->name);
	for (int i = 0; i < 3; i++)
		if (b->s->roots[i] != NULL && b->s->roots[i] == b->s->roots[(i + 1) % 3])
			build_complain(b, b->s->roots[i]->def->at,
			    "\"%s\" is the root type of two operations.", b->s->roots[i]->name);
}

/* Interfaces learn who implements them; everybody gets the bits of what it is. */
static void
find_possible(struct gql_schema *s)
{
	uint32_t words = s->n_types / 64 + 1;

	for (uint32_t i = 0; i < s->n_types; i++) {
		s->type[i]->is = ARENA_ARRAY(s->a, uint64_t, words);
		if (s->type[i]->kind == GQL_T_INTERFACE)
			s->type[i]->possible =
			    ARENA_ARRAY(s->a, const struct gql_type *, s->n_types);
	}
	for (uint32_t i = 0; i < s->n_types; i++) {
		struct gql_type *t = s->type[i];

		for (uint32_t k = 0; k < t->n_interfaces; k++) {
			struct gql_type *of = s->type[t->interfaces[k]->index];

			t->is[of->index / 64] |= UINT64_C(1) << of->index % 64;
			if (t->kind == GQL_T_OBJECT)
				of->possible[of->n_possible++] = t;
		}
		for (uint32_t k = 0; t->kind == GQL_T_UNION && k < t->n_possible; k++)
			s->type[t->possible[k]->index]->is[i / 64] |= UINT64_C(1) << i % 64;
	}
}
