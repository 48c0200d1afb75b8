/* lexer: one token after the other of a document's text. Spec, section 2.1. */
#ifndef GQL_LEXER_H
#define GQL_LEXER_H

#include "api/graphql/engine/gql.h"

enum token_kind {
	T_END,
	T_NAME,
	T_INT,
	T_FLOAT,
	T_STRING,
	T_BLOCK,
	T_SPREAD, /* ... */
	T_BAD,    /* said in errors */
	/* the others are their character: '!' '$' '&' '(' ')' ':' '=' '@' '[' ']' '{' '|' '}' */
};

struct lexer {
	struct arena *a;
	struct gql_errors *errors;
	const char *text, *end;
	const char *p; /* behind `kind` */
	uint32_t tokens, most_tokens;
	/* the token */
	int kind;
	uint32_t at;
	struct str value; /* T_STRING, T_BLOCK: decoded; others: as written */
};

void lexer_start(struct lexer *x, struct arena *a, struct str text, const struct gql_limits *l,
    struct gql_errors *e);
void lexer_next(struct lexer *x); /* after T_END and T_BAD: stays */
/* "Name \"foo\"", "\"{\"", "<EOF>": for messages. */
const char *lexer_describe(const struct lexer *x);
bool lexer_name_start(char c);

/* --- string.c: what stands between the quotes --- */
/* False: *wrong is the offset of an escape that is none. */
bool string_decode(struct arena *a, struct str raw, struct str *out, size_t *wrong);
struct str string_block(struct arena *a, struct str raw);

#endif
