/* schema: schema.graphql with what its fields do. Built once, when first asked for: the agent does
 * that at its start. */
#include <string.h>

#include "api/graphql/files.h"
#include "api/graphql/serving.h"
#include "base/log.h"
#include "base/time.h"

#define SCHEMA_BYTES (1u << 20)

static const char *take_long(struct arena *, struct gql_value *);
static const char *take_time(struct arena *, struct gql_value *);
static const char *give_long(struct arena *, struct gql_value *);
static const char *type_of(const void *);

static const struct gql_scalar scalars[] = {
	{ "DateTime", take_time, NULL },
	{ "JSON", NULL, NULL },
	{ "Long", take_long, give_long },
	{ NULL, NULL, NULL },
};

const struct gql_schema *
graphql_schema(void)
{
	static const struct gql_binding *const tables[] = { query_bindings, mutation_bindings,
		page_bindings, object_bindings };
	static struct gql_binding all[128]; /* they stay as long as the schema */
	static struct gql_schema *schema;
	struct gql_errors e;
	struct arena *a;
	size_t n = 0;

	if (schema != NULL)
		return schema;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct gql_binding *b = tables[i]; b->field != NULL; b++)
			all[n++] = *b;
	must(n < sizeof(all) / sizeof(all[0]));
	a = arena_new(SCHEMA_BYTES);
	gql_errors_init(&e, a);
	schema = gql_schema_new(a,
	    &(const struct gql_schema_def){ .sdl = graphql_file("schema.graphql"),
		.bindings = all,
		.scalars = scalars,
		.fallback = object_member,
		.type_of = type_of },
	    &e);
	if (schema == NULL)
		panic("schema.graphql: %s", e.first->message);
	return schema;
}

struct gql_value
thing_value(struct arena *a, const char *type, const json_t *v)
{
	struct thing *t;

	if (v == NULL || json_is_null(v))
		return gql_null();
	t = ARENA_NEW(a, struct thing);
	*t = (struct thing){ type, v };
	return gql_object(t);
}

static const char *
type_of(const void *object)
{
	return ((const struct thing *)object)->type;
}

static const char *
take_time(struct arena *a, struct gql_value *v)
{
	int64_t us;

	(void)a;
	if (v->kind == GQL_STRING && time_parse_rfc3339((struct str){ v->text, v->n }, &us))
		return NULL;
	return "must be a time as RFC 3339 has it";
}

static const char *
take_long(struct arena *a, struct gql_value *v)
{
	(void)a;
	return v->kind == GQL_INT ? NULL : "must be a whole number of 64 bits";
}

static const char *
give_long(struct arena *a, struct gql_value *v)
{
	(void)a;
	return v->kind == GQL_INT ? NULL : "a whole number of 64 bits";
}
