/* parser_sdl: definitions and extensions of the type system (specification, section 3). A client may
 * send them too: they parse, and validation refuses them. */
#include <string.h>

#include "api/graphql/engine/parser.h"

static void parse_rest(struct parser *, struct ast_def *);
static void parse_schema(struct parser *, struct ast_def *);
static void parse_object(struct parser *, struct ast_def *);
static void parse_union(struct parser *, struct ast_def *);
static void parse_directive_def(struct parser *, struct ast_def *);
static void parse_names(struct parser *, struct ast_def *, int between);
static struct ast_member *parse_members(struct parser *, enum ast_def_kind, int open, int close);
static struct ast_member *parse_member(struct parser *, enum ast_def_kind);
static void parse_typed(struct parser *, struct ast_member *, enum ast_def_kind);

void
parse_system(struct parser *p, bool described, struct str description)
{
	static const struct {
		const char *word;
		enum ast_def_kind kind;
	} words[] = {
		{ "schema", AST_SCHEMA },
		{ "scalar", AST_SCALAR },
		{ "type", AST_OBJECT_TYPE },
		{ "interface", AST_INTERFACE },
		{ "union", AST_UNION },
		{ "enum", AST_ENUM_TYPE },
		{ "input", AST_INPUT },
		{ "directive", AST_DIRECTIVE },
	};
	struct ast_def *d = ARENA_NEW(p->a, struct ast_def);
	size_t i = 0;

	*d = (struct ast_def){ .at = p->x.at, .described = described, .description = description };
	if (!described && parser_is_word(p, "extend")) {
		d->extends = true;
		lexer_next(&p->x);
	}
	while (i < sizeof(words) / sizeof(words[0]) && !parser_is_word(p, words[i].word))
		i++;
	if (i == sizeof(words) / sizeof(words[0]) ||
	    (d->extends && words[i].kind == AST_DIRECTIVE)) {
		parser_unexpected(p);
		return;
	}
	d->kind = words[i].kind;
	lexer_next(&p->x);
	parse_rest(p, d);
	if (d->extends && d->directives == NULL && d->names == NULL && d->members == NULL)
		parser_unexpected(p);
	p->doc->n_defs++;
	*p->defs = d;
	p->defs = &d->next;
}

static void
parse_rest(struct parser *p, struct ast_def *d)
{
	if (d->kind == AST_SCHEMA) {
		parse_schema(p, d);
		return;
	}
	if (d->kind == AST_DIRECTIVE) {
		parse_directive_def(p, d);
		return;
	}
	d->name_at = p->x.at;
	d->name = parser_name(p);
	if (d->kind == AST_OBJECT_TYPE || d->kind == AST_INTERFACE) {
		parse_object(p, d);
		return;
	}
	d->directives = parse_directives(p, true);
	if (d->kind == AST_UNION)
		parse_union(p, d);
	else if (d->kind != AST_SCALAR)
		d->members = parse_members(p, d->kind, '{', '}');
}

static void
parse_schema(struct parser *p, struct ast_def *d)
{
	static const char *const words[] = { "query", "mutation", "subscription" };
	struct ast_name **end = &d->names;

	d->name = STR("schema");
	d->name_at = d->at;
	d->directives = parse_directives(p, true);
	if (d->extends && !parser_is(p, '{'))
		return;
	parser_expect(p, '{');
	do {
		struct ast_name *n = ARENA_NEW(p->a, struct ast_name);
		int root = 0;

		n->at = p->x.at;
		while (root < 3 && !parser_is_word(p, words[root]))
			root++;
		if (root == 3)
			parser_unexpected(p);
		n->root = (enum gql_operation_kind)root;
		lexer_next(&p->x);
		parser_expect(p, ':');
		n->name = parser_name(p);
		*end = n;
		end = &n->next;
	} while (!parser_is(p, '}') && !parser_is(p, T_BAD));
	parser_expect(p, '}');
}

static void
parse_object(struct parser *p, struct ast_def *d)
{
	if (parser_is_word(p, "implements")) {
		lexer_next(&p->x);
		parse_names(p, d, '&');
	}
	d->directives = parse_directives(p, true);
	d->members = parse_members(p, d->kind, '{', '}');
}

static void
parse_union(struct parser *p, struct ast_def *d)
{
	if (parser_take(p, '='))
		parse_names(p, d, '|');
}

static void
parse_directive_def(struct parser *p, struct ast_def *d)
{
	parser_expect(p, '@');
	d->name_at = p->x.at;
	d->name = parser_name(p);
	d->members = parse_members(p, AST_DIRECTIVE, '(', ')');
	if (parser_is_word(p, "repeatable")) {
		d->repeatable = true;
		lexer_next(&p->x);
	}
	parser_expect_word(p, "on");
	parse_names(p, d, '|');
}

/* One or more, with `between` between them, and before the first if one likes. */
static void
parse_names(struct parser *p, struct ast_def *d, int between)
{
	struct ast_name **end = &d->names;

	parser_take(p, between);
	do {
		struct ast_name *n = ARENA_NEW(p->a, struct ast_name);

		n->at = p->x.at;
		n->name = parser_name(p);
		*end = n;
		end = &n->next;
	} while (parser_take(p, between));
}

/* The braces may be missing; when they are there, they hold something. */
static struct ast_member *
parse_members(struct parser *p, enum ast_def_kind of, int open, int close)
{
	struct ast_member *first = NULL, **end = &first;

	if (!parser_take(p, open))
		return NULL;
	do {
		*end = parse_member(p, of);
		end = &(*end)->next;
	} while (!parser_is(p, close) && !parser_is(p, T_BAD));
	parser_expect(p, close);
	return first;
}

static struct ast_member *
parse_member(struct parser *p, enum ast_def_kind of)
{
	struct ast_member *m = ARENA_NEW(p->a, struct ast_member);

	m->described = parser_is(p, T_STRING) || parser_is(p, T_BLOCK);
	if (m->described) {
		m->description = p->x.value;
		lexer_next(&p->x);
	}
	m->at = p->x.at;
	if (of == AST_ENUM_TYPE &&
	    (parser_is_word(p, "true") || parser_is_word(p, "false") || parser_is_word(p, "null")))
		parser_unexpected(p);
	m->name = parser_name(p);
	if (of != AST_ENUM_TYPE)
		parse_typed(p, m, of);
	m->directives = parse_directives(p, true);
	return m;
}

/* A field has arguments, what is given has a default. */
static void
parse_typed(struct parser *p, struct ast_member *m, enum ast_def_kind of)
{
	bool field = of == AST_OBJECT_TYPE || of == AST_INTERFACE;

	if (field)
		m->args = parse_members(p, AST_INPUT, '(', ')');
	parser_expect(p, ':');
	m->type = parse_type(p);
	if (!field && parser_take(p, '=')) {
		m->value = ARENA_NEW(p->a, struct ast_value);
		parse_value(p, m->value, true);
	}
}
