/* parser: what parser.c (operations and fragments, values, types) and parser_sdl.c (the type system)
 * share. After an error the token is T_BAD and stays it: every loop ends, nothing more is said. */
#ifndef GQL_PARSER_H
#define GQL_PARSER_H

#include "api/graphql/engine/lexer.h"

struct parser {
	struct lexer x;
	struct arena *a;
	const struct gql_limits *limits;
	struct gql_errors *errors;
	struct gql_doc *doc;
	uint32_t nesting;
	/* of the operation or fragment that is being read */
	struct ast_body *body;
	struct ast_spread **spreads;
	uint32_t depth;
	/* where the next of each list goes */
	struct ast_operation **operations;
	struct ast_fragment **fragments;
	struct ast_def **defs;
};

static inline bool
parser_is(const struct parser *p, int kind)
{
	return p->x.kind == kind;
}

bool parser_is_word(const struct parser *p, const char *word);
bool parser_take(struct parser *p, int kind); /* it is one: behind it; false: it is not */
bool parser_expect(struct parser *p, int kind);
bool parser_expect_word(struct parser *p, const char *word);
struct str parser_name(struct parser *p);
void parser_unexpected(struct parser *p);
bool parser_enter(struct parser *p); /* one level deeper; false: too deep */
void parser_leave(struct parser *p);

struct ast_type *parse_type(struct parser *p);
void parse_value(struct parser *p, struct ast_value *v, bool constant);
struct ast_directive *parse_directives(struct parser *p, bool constant);
/* A definition of the type system, at its first word. */
void parse_system(struct parser *p, bool described, struct str description);

#endif
