/* limits: what is enough for everybody's documents and too little to do harm. */
#include "api/graphql/engine/gql.h"

const struct gql_limits gql_limits_default = {
	.bytes = 256 << 10,
	.tokens = 15000, /* documents of people have some hundred, of programs some thousand */
	.nesting = 64,
	.aliases = 500,
	.depth = 24, /* the introspection query of common tools needs 15 */
	.cost = 50000,
};
