/* plan: which fields an object of a type answers (CollectFields of the specification, section 6.3),
 * worked out once for each place of the operation and each type that turns up there, and used for
 * every object. */
#ifndef GQL_PLAN_H
#define GQL_PLAN_H

#include "api/graphql/engine/coerce.h"

struct plan;

struct plan_node { /* one of the places in the text that ask for a field */
	const struct ast_selection *where;
	struct plan_node *next;
};

struct plan_field {
	const char *key;
	const struct gql_field *field;
	struct plan_node *nodes;
	const struct gql_value *args;
	const char *bad_args; /* why they can't be made; NULL: they are fine */
	struct plan *below;   /* by object type, as they turned up */
};

struct plan {
	const struct gql_type *type;
	struct plan *next;
	uint32_t n;
	struct plan_field fields[];
};

struct planner {
	struct arena *a;
	const struct gql_schema *schema;
	const struct gql_vars *vars;
	uint32_t *seen, now; /* fragments of the collection that is being made */
};

void planner_init(struct planner *p, struct arena *a, const struct gql_schema *s,
    const struct gql_doc *d, const struct gql_vars *vars);
struct plan *
plan_root(struct planner *p, const struct ast_operation *op, const struct gql_type *type);
struct plan *plan_below(struct planner *p, struct plan_field *f, const struct gql_type *type);
/* What @skip and @include say. */
bool plan_includes(const struct ast_directive *list, const struct gql_vars *vars);

#endif
