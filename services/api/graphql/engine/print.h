/* print: trees as text of the language. */
#ifndef GQL_PRINT_H
#define GQL_PRINT_H

#include <stdarg.h>
#include "api/graphql/engine/gql.h"

struct print { /* grows in its arena; NUL-ended */
	struct arena *a;
	char *p;
	size_t n, cap;
};

void print_start(struct print *t, struct arena *a);
void print_put(struct print *t, const char *p, size_t n);
void print_add(struct print *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void print_indent(struct print *t, unsigned levels);

void print_value(struct print *t, const struct ast_value *v);
/* For messages: of a long one the beginning. */
const char *print_value_short(struct arena *a, const struct ast_value *v);
void print_string(struct print *t, struct str s);
/* As a block string, where it reads well as one. */
void print_description(struct print *t, struct str s, unsigned levels);
void print_arguments(struct print *t, const struct ast_arg *args); /* "(a: 1)", or nothing */

#endif
