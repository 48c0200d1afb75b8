/* graphql: the service. Handle is a whole HTTP request: /graphql is ours, every operation of /v1 is
 * done with the code of rest, for which this agent stands in. */
#include "api/graphql/graphql.h"

#include "api/graphql/http.h"
#include "api/graphql/serving.h"
#include "api/rest/rest.h"
#include "base/log.h"

static void
graphql_handle(Mf__Graphql_Service *, const Mf__HttpRequest *, Mf__HttpResponse_Closure, void *);
static bool setup(const struct graphql_config *, char *, size_t);

Mf__Graphql_Service graphql_service = MF__GRAPHQL__INIT(graphql_);
const char *const graphql_capabilities[] = { "graphql", "graphql_documents", "crud", "http_methods",
	"merge_patch", "bulk", NULL };

#define OFFSET(f) offsetof(struct graphql_config, f)
const struct config_key graphql_keys[] = {
	{ "graphql/documents", CONFIG_PATH, OFFSET(documents), "", 0, 0, false, false,
	    "directory of documents, NAME.graphql, that clients may name by NAME or \"sha256:\" "
	    "and "
	    "their hash" },
	{ "graphql/documents_only", CONFIG_BOOL, OFFSET(documents_only), "no", 0, 0, false, false,
	    "take no other documents than those" },
	{ "graphql/documents_register", CONFIG_BOOL, OFFSET(documents_register), "no", 0, 0, false,
	    false, "keep documents that clients send with their hash, the last thousand" },
	{ "graphql/introspection", CONFIG_BOOL, OFFSET(introspection), "yes", 0, 0, false, false,
	    "let the schema answer about itself" },
	{ "graphql/console", CONFIG_BOOL, OFFSET(console), "yes", 0, 0, false, false,
	    "show browsers a page to try queries with" },
	{ "graphql/query_depth", CONFIG_INT, OFFSET(depth), "24", 1, 200, false, false,
	    "how deep fields may nest" },
	{ "graphql/query_aliases", CONFIG_INT, OFFSET(aliases), "500", 1, 100000, false, false,
	    "how many aliases a document may have" },
	{ "graphql/query_tokens", CONFIG_INT, OFFSET(tokens), "15000", 100, 100000, false, false,
	    "how many tokens a document may have" },
	{ "graphql/query_cost", CONFIG_INT, OFFSET(cost), "50000", 100, 10000000, false, false,
	    "what an operation may cost: services/api/graphql/engine/cost.c" },
	EXPORT_KEYS(struct graphql_config, export.),
	{ .name = NULL },
};

bool
graphql_init(struct node *n)
{
	char err[400];

	const struct graphql_config *cf = node_config(n);

	if (!setup(cf, err, sizeof(err))) {
		log_error("documents_refused", L_STR("error", err));
		return false;
	}
	if (!export_configure(node_bus(n), &cf->export, err, sizeof(err))) {
		log_error("export_refused", L_STR("error", err));
		return false;
	}
	return rest_init(n);
}

void
graphql_reload(struct node *n, const void *old_config, const void *new_config)
{
	const struct graphql_config *cf = new_config;
	char err[400];

	(void)old_config;
	if (!setup(cf, err, sizeof(err)))
		log_error("documents_refused", L_STR("error", err));
	if (!export_configure(node_bus(n), &cf->export, err, sizeof(err)))
		log_error("export_refused", L_STR("error", err));
}

static bool
setup(const struct graphql_config *cf, char *err, size_t err_size)
{
	static struct gql_limits limits;

	limits = gql_limits_default;
	limits.aliases = (uint32_t)cf->aliases;
	limits.depth = (uint32_t)cf->depth;
	limits.tokens = (uint32_t)cf->tokens;
	limits.cost = (uint64_t)cf->cost;
	limits.closed = !cf->introspection;
	serve_set_limits(&limits);
	http_set_console(cf->console);
	return documents_load(&(const struct documents_opts){ .dir = cf->documents,
				  .only = cf->documents_only,
				  .take = cf->documents_register,
				  .limits = &limits },
	    err, err_size);
}

static void
graphql_handle(
    Mf__Graphql_Service *s, const Mf__HttpRequest *q, Mf__HttpResponse_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	if (strcmp(q->path, "/graphql") == 0)
		graphql_http(ctx, q);
	else
		rest_answer(ctx, q);
}
