/* build: how a schema comes to be. schema.c makes the types, build.c what they are made of,
 * schema_check.c holds them against the rules, language.c is what every schema has. */
#ifndef GQL_BUILD_H
#define GQL_BUILD_H

#include "api/graphql/engine/type.h"
#include "base/log.h"

struct building {
	struct gql_schema *s;
	struct arena *a;
	const struct gql_doc *doc;      /* of the caller's SDL */
	const struct gql_doc *language; /* of language.c */
	struct gql_errors *errors;
};

extern const struct str language_sdl;

/* --- build.c --- */
void build_complain(struct building *b, uint32_t at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
char *build_text(struct building *b, struct str s); /* NUL-ended */
const struct gql_ref *build_ref(struct building *b, const struct ast_type *t);
struct gql_input *build_inputs(struct building *b, const struct ast_member *m, uint32_t *n);
void build_input(struct building *b, const struct ast_member *m, struct gql_input *out);
void build_directive(struct building *b, const struct ast_def *d, bool of_language);
/* NULL: it is not there */
const struct ast_directive *build_directive_on(const struct ast_directive *list, const char *name);
/* The text of its argument, or of the argument's default. */
const char *build_directive_text(
    struct building *b, const struct ast_directive *list, const char *name, const char *arg);
bool bind_all(struct building *b);

/* --- schema_check.c: false: errors say why --- */
bool schema_check_names(struct building *b); /* the definitions against each other */
bool schema_check_types(struct building *b); /* the types that they made */

/* --- introspect.c: resolvers of the language's own fields --- */
extern const struct gql_binding introspect_bindings[];

#endif
