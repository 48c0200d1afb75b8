/* parser: the text of a document becomes its tree. Recursive descent, as the grammar is written in
 * the specification (appendix C); how deep it goes is bounded by gql_limits.nesting. */
#include "api/graphql/engine/parser.h"

#include <string.h>

static void parse_definition(struct parser *);
static bool parse_operation_kind(const struct parser *, enum gql_operation_kind *);
static void parse_operation(struct parser *, bool anonymous);
static struct ast_variable *parse_variables(struct parser *);
static void parse_fragment(struct parser *);
static void body_begin(struct parser *, struct ast_body *);
static struct ast_set *parse_set(struct parser *);
static struct ast_selection *parse_selection(struct parser *);
static void parse_field(struct parser *, struct ast_selection *);
static void count_alias(struct parser *);
static void parse_spread(struct parser *, struct ast_selection *);
static struct ast_arg *parse_arguments(struct parser *, bool constant);
static void parse_named_values(struct parser *, struct ast_arg **, int close, bool constant);
static void parse_list(struct parser *, struct ast_value *, bool constant);
static void parse_word(struct parser *, struct ast_value *);

struct gql_doc *
gql_parse(struct arena *a, struct str text, const struct gql_limits *l, struct gql_errors *e)
{
	struct parser p = { .a = a, .limits = l, .errors = e };
	struct gql_doc *d = p.doc = ARENA_NEW(a, struct gql_doc);

	d->a = a;
	e->text = d->text = text;
	p.operations = &d->operations;
	p.fragments = &d->fragments;
	p.defs = &d->defs;
	if (text.n > l->bytes) {
		gql_error_add(
		    e, &gql_too_complex, 0, "The document has more than %zu bytes.", l->bytes);
		return NULL;
	}
	if (!str_utf8_ok(text.p, text.n) || (text.n != 0 && memchr(text.p, '\0', text.n) != NULL)) {
		gql_error_add(e, &gql_parse_failed, 0, "Syntax Error: the text is not UTF-8.");
		return NULL;
	}
	lexer_start(&p.x, a, text, l, e);
	do
		parse_definition(&p);
	while (!parser_is(&p, T_END) && !parser_is(&p, T_BAD));
	d->n_tokens = p.x.tokens;
	return parser_is(&p, T_BAD) ? NULL : d;
}

static void
parse_definition(struct parser *p)
{
	bool described = parser_is(p, T_STRING) || parser_is(p, T_BLOCK);
	struct str description = described ? p->x.value : STR("");
	enum gql_operation_kind kind;

	if (described)
		lexer_next(&p->x);
	if (parser_is(p, '{') && !described)
		parse_operation(p, true);
	else if (!parser_is(p, T_NAME))
		parser_unexpected(p);
	else if (parse_operation_kind(p, &kind))
		parse_operation(p, false);
	else if (parser_is_word(p, "fragment"))
		parse_fragment(p);
	else
		parse_system(p, described, description);
}

static bool
parse_operation_kind(const struct parser *p, enum gql_operation_kind *kind)
{
	static const char *const words[] = { "query", "mutation", "subscription" };

	for (int i = 0; i < 3; i++)
		if (parser_is_word(p, words[i])) {
			*kind = (enum gql_operation_kind)i;
			return true;
		}
	return false;
}

static void
parse_operation(struct parser *p, bool anonymous)
{
	struct ast_operation *o = ARENA_NEW(p->a, struct ast_operation);

	o->at = p->x.at;
	o->name = STR("");
	body_begin(p, &o->body);
	if (!anonymous) {
		parse_operation_kind(p, &o->kind);
		lexer_next(&p->x);
		if (parser_is(p, T_NAME))
			o->name = parser_name(p);
		if (parser_is(p, '('))
			o->variables = parse_variables(p);
		o->body.directives = parse_directives(p, false);
	}
	o->body.set = parse_set(p);
	*p->operations = o;
	p->operations = &o->next;
	p->doc->n_operations++;
}

static struct ast_variable *
parse_variables(struct parser *p)
{
	struct ast_variable *first = NULL, **end = &first;

	parser_expect(p, '(');
	do {
		struct ast_variable *v = ARENA_NEW(p->a, struct ast_variable);

		if (parser_is(p, T_STRING) || parser_is(p, T_BLOCK))
			lexer_next(&p->x); /* its description: for readers of the text */
		v->at = p->x.at;
		parser_expect(p, '$');
		v->name = parser_name(p);
		parser_expect(p, ':');
		v->type = parse_type(p);
		if (parser_take(p, '=')) {
			v->value = ARENA_NEW(p->a, struct ast_value);
			parse_value(p, v->value, true);
		}
		v->directives = parse_directives(p, true);
		*end = v;
		end = &v->next;
	} while (!parser_is(p, ')') && !parser_is(p, T_BAD));
	parser_expect(p, ')');
	return first;
}

static void
parse_fragment(struct parser *p)
{
	struct ast_fragment *f = ARENA_NEW(p->a, struct ast_fragment);

	f->at = p->x.at;
	f->index = p->doc->n_fragments++;
	body_begin(p, &f->body);
	lexer_next(&p->x);
	if (parser_is_word(p, "on"))
		parser_unexpected(p);
	f->name = parser_name(p);
	parser_expect_word(p, "on");
	f->on_at = p->x.at;
	f->on = parser_name(p);
	f->body.directives = parse_directives(p, false);
	f->body.set = parse_set(p);
	*p->fragments = f;
	p->fragments = &f->next;
}

static void
body_begin(struct parser *p, struct ast_body *b)
{
	p->body = b;
	p->spreads = &b->spreads;
	p->depth = 0;
}

static struct ast_set *
parse_set(struct parser *p)
{
	struct ast_set *set = ARENA_NEW(p->a, struct ast_set);
	struct ast_selection **end = &set->first;

	set->at = p->x.at;
	set->index = p->doc->n_sets++;
	if (!parser_expect(p, '{') || !parser_enter(p))
		return set;
	do {
		*end = parse_selection(p);
		end = &(*end)->next;
	} while (!parser_is(p, '}') && !parser_is(p, T_BAD));
	parser_expect(p, '}');
	parser_leave(p);
	return set;
}

static struct ast_selection *
parse_selection(struct parser *p)
{
	struct ast_selection *s = ARENA_NEW(p->a, struct ast_selection);

	s->at = p->x.at;
	if (parser_take(p, T_SPREAD))
		parse_spread(p, s);
	else
		parse_field(p, s);
	return s;
}

static void
parse_field(struct parser *p, struct ast_selection *s)
{
	s->kind = AST_FIELD;
	s->index = p->doc->n_fields++;
	s->name = parser_name(p);
	if (parser_is(p, ':')) {
		count_alias(p);
		parser_take(p, ':');
		s->alias = s->name;
		s->name = parser_name(p);
	}
	if (parser_is(p, '('))
		s->args = parse_arguments(p, false);
	if (parser_is(p, '@'))
		s->directives = parse_directives(p, false);
	if (p->depth + 1 > p->body->depth)
		p->body->depth = p->depth + 1;
	if (!parser_is(p, '{'))
		return;
	p->depth++;
	s->set = parse_set(p);
	p->depth--;
}

static void
count_alias(struct parser *p)
{
	if (p->doc->n_aliases++ < p->limits->aliases)
		return;
	gql_error_add(p->errors, &gql_too_complex, p->x.at,
	    "The document has more than %u aliases.", p->limits->aliases);
	p->x.kind = T_BAD;
}

static void
parse_spread(struct parser *p, struct ast_selection *s)
{
	struct ast_spread *use;

	if (parser_is(p, T_NAME) && !parser_is_word(p, "on")) {
		s->kind = AST_SPREAD;
		s->name = parser_name(p);
		s->directives = parse_directives(p, false);
		use = ARENA_NEW(p->a, struct ast_spread);
		*use = (struct ast_spread){ .where = s, .depth = p->depth };
		*p->spreads = use;
		p->spreads = &use->next;
		return;
	}
	s->kind = AST_INLINE;
	if (parser_is_word(p, "on")) {
		lexer_next(&p->x);
		s->on_at = p->x.at;
		s->on = parser_name(p);
	}
	s->directives = parse_directives(p, false);
	s->set = parse_set(p);
}

static struct ast_arg *
parse_arguments(struct parser *p, bool constant)
{
	struct ast_arg *first = NULL;

	parser_expect(p, '(');
	parse_named_values(p, &first, ')', constant);
	if (first == NULL)
		parser_unexpected(p);
	parser_expect(p, ')');
	return first;
}

static void
parse_named_values(struct parser *p, struct ast_arg **end, int close, bool constant)
{
	while (!parser_is(p, close) && !parser_is(p, T_BAD)) {
		struct ast_arg *g = ARENA_NEW(p->a, struct ast_arg);

		g->at = p->x.at;
		g->name = parser_name(p);
		parser_expect(p, ':');
		parse_value(p, &g->value, constant);
		*end = g;
		end = &g->next;
	}
}

struct ast_directive *
parse_directives(struct parser *p, bool constant)
{
	struct ast_directive *first = NULL, **end = &first;

	while (parser_is(p, '@')) {
		struct ast_directive *d = ARENA_NEW(p->a, struct ast_directive);

		d->at = p->x.at;
		lexer_next(&p->x);
		d->name = parser_name(p);
		if (parser_is(p, '('))
			d->args = parse_arguments(p, constant);
		*end = d;
		end = &d->next;
	}
	return first;
}

struct ast_type *
parse_type(struct parser *p)
{
	struct ast_type *t = ARENA_NEW(p->a, struct ast_type), *outer;

	t->at = p->x.at;
	if (parser_is(p, '[') && parser_enter(p)) {
		lexer_next(&p->x);
		t->kind = AST_LIST_OF;
		t->of = parse_type(p);
		parser_expect(p, ']');
		parser_leave(p);
	} else {
		t->kind = AST_NAMED;
		t->name = parser_name(p);
	}
	if (!parser_take(p, '!'))
		return t;
	outer = ARENA_NEW(p->a, struct ast_type);
	*outer = (struct ast_type){ .kind = AST_NON_NULL, .at = t->at, .of = t };
	return outer;
}

void
parse_value(struct parser *p, struct ast_value *v, bool constant)
{
	v->at = p->x.at;
	v->text = p->x.value;
	switch (p->x.kind) {
	case '$':
		if (constant) {
			parser_unexpected(p);
			return;
		}
		lexer_next(&p->x);
		v->kind = AST_VARIABLE;
		v->text = parser_name(p);
		return;
	case '[':
		parse_list(p, v, constant);
		return;
	case '{':
		v->kind = AST_OBJECT;
		if (!parser_enter(p))
			return;
		lexer_next(&p->x);
		parse_named_values(p, &v->member, '}', constant);
		parser_expect(p, '}');
		parser_leave(p);
		return;
	case T_INT:
		v->kind = AST_INT;
		break;
	case T_FLOAT:
		v->kind = AST_FLOAT;
		break;
	case T_STRING:
	case T_BLOCK:
		v->kind = AST_STRING;
		v->block = p->x.kind == T_BLOCK;
		break;
	case T_NAME:
		parse_word(p, v);
		break;
	default:
		parser_unexpected(p);
		return;
	}
	lexer_next(&p->x);
}

static void
parse_list(struct parser *p, struct ast_value *v, bool constant)
{
	struct ast_value **end = &v->item;

	v->kind = AST_LIST;
	if (!parser_enter(p))
		return;
	lexer_next(&p->x);
	while (!parser_is(p, ']') && !parser_is(p, T_BAD)) {
		*end = ARENA_NEW(p->a, struct ast_value);
		parse_value(p, *end, constant);
		end = &(*end)->next;
	}
	parser_expect(p, ']');
	parser_leave(p);
}

static void
parse_word(struct parser *p, struct ast_value *v)
{
	v->kind = AST_ENUM;
	if (parser_is_word(p, "null"))
		v->kind = AST_NULL;
	else if (parser_is_word(p, "true") || parser_is_word(p, "false")) {
		v->kind = AST_BOOL;
		v->boolean = p->x.value.n == 4;
	}
}

/* --- what all of it is made of --- */

bool
parser_is_word(const struct parser *p, const char *word)
{
	return p->x.kind == T_NAME && str_eq(p->x.value, word);
}

bool
parser_take(struct parser *p, int kind)
{
	if (p->x.kind != kind)
		return false;
	lexer_next(&p->x);
	return true;
}

bool
parser_expect(struct parser *p, int kind)
{
	if (parser_take(p, kind))
		return true;
	if (p->x.kind != T_BAD)
		gql_error_add(p->errors, &gql_parse_failed, p->x.at,
		    "Syntax Error: Expected \"%c\", found %s.", kind, lexer_describe(&p->x));
	p->x.kind = T_BAD;
	return false;
}

bool
parser_expect_word(struct parser *p, const char *word)
{
	if (parser_is_word(p, word)) {
		lexer_next(&p->x);
		return true;
	}
	if (p->x.kind != T_BAD)
		gql_error_add(p->errors, &gql_parse_failed, p->x.at,
		    "Syntax Error: Expected \"%s\", found %s.", word, lexer_describe(&p->x));
	p->x.kind = T_BAD;
	return false;
}

struct str
parser_name(struct parser *p)
{
	struct str name = p->x.value;

	if (p->x.kind == T_NAME) {
		lexer_next(&p->x);
		return name;
	}
	if (p->x.kind != T_BAD)
		gql_error_add(p->errors, &gql_parse_failed, p->x.at,
		    "Syntax Error: Expected Name, found %s.", lexer_describe(&p->x));
	p->x.kind = T_BAD;
	return STR("");
}

void
parser_unexpected(struct parser *p)
{
	if (p->x.kind != T_BAD)
		gql_error_add(p->errors, &gql_parse_failed, p->x.at, "Syntax Error: Unexpected %s.",
		    lexer_describe(&p->x));
	p->x.kind = T_BAD;
}

bool
parser_enter(struct parser *p)
{
	if (p->nesting++ < p->limits->nesting)
		return true;
	if (p->x.kind != T_BAD)
		gql_error_add(p->errors, &gql_too_complex, p->x.at,
		    "The document is nested more than %u deep.", p->limits->nesting);
	p->x.kind = T_BAD;
	return false;
}

void
parser_leave(struct parser *p)
{
	p->nesting--;
}
