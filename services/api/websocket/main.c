/* websocket: serves its own Handle, and stands in for rest and graphql (same code, libsvc-rest.a
 * and libsvc-graphql.a). */
#include "api/graphql/graphql.h"
#include "api/rest/rest.h"
#include "api/websocket/websocket.h"

static const struct serve serves[] = {
	{ &websocket_service.base, PRIMARY },
	{ &rest_service.base, STANDIN },
	{ &graphql_service.base, STANDIN },
	{ NULL, 0 },
};

int
main(int argc, char **argv)
{
	return node_main(argc, argv,
	    &(const struct service_def){
		.name = "websocket",
		.keys = graphql_keys,
		.config_size = sizeof(struct graphql_config),
		.serves = serves,
		.capabilities = websocket_capabilities,
		.init = websocket_init,
		.reload = graphql_reload,
	    });
}
