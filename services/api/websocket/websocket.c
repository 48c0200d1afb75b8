/* websocket: Handle answers every operation of /v1 with the code of rest, for which this agent
 * stands in. */
#include "api/websocket/websocket.h"

#include "api/rest/rest.h"

static void websocket_handle(
    Mf__Websocket_Service *, const Mf__HttpRequest *, Mf__HttpResponse_Closure, void *);

Mf__Websocket_Service websocket_service = MF__WEBSOCKET__INIT(websocket_);
const char *const websocket_capabilities[] = { "crud", "http_methods", "merge_patch", "bulk",
	NULL };

static void
websocket_handle(
    Mf__Websocket_Service *s, const Mf__HttpRequest *q, Mf__HttpResponse_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	rest_answer(ctx, q);
}
