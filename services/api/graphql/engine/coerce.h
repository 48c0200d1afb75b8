/* coerce: values that came in, as the schema wants them (specification, sections 3 and 6.1.2). */
#ifndef GQL_COERCE_H
#define GQL_COERCE_H

#include "api/graphql/engine/type.h"

struct gql_vars {                       /* of one operation, in the order of its definitions */
	const struct gql_value *values; /* GQL_ABSENT: neither given nor defaulted */
	struct dict places;             /* name -> number + 1 */
};

/* A literal of a validated document; its variables from vars (NULL: it has none). False: it does not
 * fit, which is only possible through a variable. */
bool coerce_literal(struct arena *a, const struct gql_ref *ref, const struct ast_value *x,
    const struct gql_vars *vars, struct gql_value *out);
/* Of a leaf type, not null. NULL: fine, else what it must be. */
const char *coerce_scalar_literal(struct arena *a, const struct gql_type *t,
    const struct ast_value *x, const struct gql_vars *vars, struct gql_value *out);
bool literal_has_variable(const struct ast_value *x);

/* What goes out: a resolver's value as the leaf type has it. NULL: fine. */
const char *coerce_result(struct arena *a, const struct gql_type *t, struct gql_value *v);

/* The arguments of a field or directive, n_defs of them; false: *why says what is wrong. */
bool coerce_arguments(struct arena *a, const struct gql_input *defs, uint32_t n_defs,
    const struct ast_arg *args, const struct gql_vars *vars, struct gql_value *out,
    const char **why);
struct gql_value vars_get(const struct gql_vars *vars, struct str name);

#endif
