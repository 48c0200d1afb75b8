/* gqlbed: GraphQL documents against a schema of pets, for the tests of the engine. No bus, no loop:
 * resolvers that answer later do so when the test says. */
#ifndef HARNESS_GQLBED_H
#define HARNESS_GQLBED_H

#include "api/graphql/engine/gql.h"
#include "harness/test.h"

extern const char pets_sdl[];

struct gqlbed {
	struct arena *a; /* fresh for each test */
	struct gql_schema *schema;
	struct gql_limits limits;
	unsigned fetches, fetched; /* of the loader: calls, keys */
	unsigned done;             /* how often an execution ended */
	char log[1024];            /* what mutations did, in order */
	bool hold;                 /* loads and slow fields wait for gqlbed_release */
	bool by_turn;              /* loads wait for gqlbed_turn */
	size_t keep_bytes;
};
extern struct gqlbed gqlbed;

int gqlbed_start(void **state);
int gqlbed_stop(void **state);
#define GQL(f) cmocka_unit_test_setup_teardown(f, gqlbed_start, gqlbed_stop)

struct gql_schema *gqlbed_pets(void); /* into gqlbed.a */
/* The schema of any text; NULL: gqlbed_said has why. */
struct gql_schema *gqlbed_schema(const char *sdl);
/* Messages of the last step, one a line; "" when there was none. */
const char *gqlbed_said(void);
/* Parses, NULL: see gqlbed_said. */
struct gql_doc *gqlbed_parse(const char *text);
/* What is wrong with a document of the pets' schema: as gqlbed_said. */
const char *gqlbed_validate(const char *text);
/* The whole answer as JSON, or of a request error {"errors":[...]}. NULL while it is held. */
const char *gqlbed_run(const char *text, const char *variables, const char *operation);
void gqlbed_release(void); /* everything that was held, in order */
void gqlbed_turn(void);
const char *gqlbed_answer(void); /* NULL: not complete yet */

#endif
