/* validate: what the files of validation share. validate.c walks each definition once, with the type
 * that is in scope, and calls the rules of the others; what needs a whole operation with its
 * fragments comes after the walk. */
#ifndef GQL_VALIDATE_H
#define GQL_VALIDATE_H

#include "api/graphql/engine/type.h"

struct usage { /* of a variable, where a value of this type is wanted */
	struct str name;
	uint32_t at;
	const struct gql_ref *ref; /* NULL: not known */
	bool has_default; /* the place has one: null is not what it gets without the variable */
	const struct gql_type
	    *one_of; /* an input object that takes exactly one field; NULL: no such */
	struct usage *next;
};

struct validation {
	const struct gql_schema *s;
	struct gql_doc *d;
	const struct gql_limits *limits;
	struct arena *a;
	struct gql_errors *errors;
	struct dict fragments; /* name -> struct ast_fragment */
	struct usage **usages; /* of each operation (by number), then of each fragment (by index) */
	struct usage **usage_end;
	bool bounded;    /* fragments are no circles and nothing is nested too deep */
	uint32_t *lists; /* of each fragment: validate_introspection.c */
};

void validate_fail(struct validation *v, uint32_t at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* With a second place. */
void validate_fail_two(struct validation *v, uint32_t at, uint32_t other, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
#define NAME(s) (int)(s).n, (s).p /* for "%.*s" */

/* --- validate_limits.c: first of all. False: the document is not walked any further. --- */
bool validate_fragments(struct validation *v); /* cycles, depth */

/* --- validate_operations.c --- */
void validate_operations(struct validation *v);
void validate_subscription(struct validation *v, const struct ast_operation *o);

/* --- validate_fields.c --- */
void validate_field(struct validation *v, struct ast_selection *f, const struct gql_type *parent);
void validate_inline(struct validation *v, struct ast_selection *f, const struct gql_type *parent);
void validate_spread(struct validation *v, struct ast_selection *f, const struct gql_type *parent);
const struct gql_type *
validate_condition(struct validation *v, struct str name, uint32_t at, struct str fragment);

/* --- validate_introspection.c: of __schema and __type --- */
void validate_introspection(struct validation *v, const struct ast_selection *f);

/* --- validate_values.c --- */
/* ref NULL: not known, only its variables count. slot: the argument or input field it is for, or
 * NULL; one_of: as in struct usage. */
void validate_value(struct validation *v, const struct ast_value *x, const struct gql_ref *ref,
    const struct gql_input *slot, const struct gql_type *one_of);
/* Of a field or of a directive; both NULL: it is not known what they are for. */
void validate_arguments(struct validation *v, const struct ast_arg *args, uint32_t at,
    const struct gql_field *f, const struct gql_directive *r);

/* --- validate_directives.c --- */
void validate_directives(struct validation *v, struct ast_directive *list, enum gql_location where);

/* --- validate_variables.c: after the walk --- */
void validate_definitions(struct validation *v, const struct ast_operation *o);
void validate_usages(struct validation *v);

/* --- validate_merge.c: after the walk --- */
void validate_merge(struct validation *v);

#endif
