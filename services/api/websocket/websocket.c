/* websocket: Handle answers every operation of /v1 with the code of rest, for which this agent
 * stands in; Turn and Work are the sessions', with the code that all three agents link. */
#include "api/websocket/websocket.h"

#include "api/graphql/graphql.h"
#include "api/live/agent.h"
#include "api/rest/rest.h"

static void websocket_handle(
    Mf__Websocket_Service *, const Mf__HttpRequest *, Mf__HttpResponse_Closure, void *);
static void
websocket_turn(Mf__Websocket_Service *, const Mf__SessionTurn *, Mf__SessionStep_Closure, void *);
static void
websocket_work(Mf__Websocket_Service *, const Mf__SessionWork *, Mf__SessionResult_Closure, void *);

Mf__Websocket_Service websocket_service = MF__WEBSOCKET__INIT(websocket_);
const char *const websocket_capabilities[] = { "sessions", "crud", "http_methods", "merge_patch",
	"bulk", NULL };

bool
websocket_init(struct node *n)
{
	agent_init(node_bus(n));
	return graphql_init(n);
}

static void
websocket_handle(
    Mf__Websocket_Service *s, const Mf__HttpRequest *q, Mf__HttpResponse_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	rest_answer(ctx, q);
}

static void
websocket_turn(
    Mf__Websocket_Service *s, const Mf__SessionTurn *q, Mf__SessionStep_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	agent_turn(ctx, q);
}

static void
websocket_work(
    Mf__Websocket_Service *s, const Mf__SessionWork *q, Mf__SessionResult_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	agent_work(ctx, q);
}
