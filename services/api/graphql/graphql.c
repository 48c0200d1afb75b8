/* graphql: Handle answers every operation of /v1 with the code of rest, for which this agent stands
 * in. */
#include "api/graphql/graphql.h"

#include "api/rest/rest.h"

static void
graphql_handle(Mf__Graphql_Service *, const Mf__HttpRequest *, Mf__HttpResponse_Closure, void *);

Mf__Graphql_Service graphql_service = MF__GRAPHQL__INIT(graphql_);
const char *const graphql_capabilities[] = { "crud", "http_methods", "merge_patch", "bulk", NULL };

static void
graphql_handle(
    Mf__Graphql_Service *s, const Mf__HttpRequest *q, Mf__HttpResponse_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	rest_answer(ctx, q);
}
