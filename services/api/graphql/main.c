/* graphql: serves its own Handle, and stands in for rest and websocket (same code, libsvc-rest.a and
 * libsvc-websocket.a). */
#include "api/graphql/graphql.h"
#include "api/rest/rest.h"
#include "api/websocket/websocket.h"

static const struct serve serves[] = {
	{ &graphql_service.base, PRIMARY },
	{ &rest_service.base, STANDIN },
	{ &websocket_service.base, STANDIN },
	{ NULL, 0 },
};

int
main(int argc, char **argv)
{
	return node_main(argc, argv,
	    &(const struct service_def){
		.name = "graphql",
		.keys = graphql_keys,
		.config_size = sizeof(struct graphql_config),
		.serves = serves,
		.capabilities = graphql_capabilities,
		.init = websocket_init,
		.reload = graphql_reload,
	    });
}
