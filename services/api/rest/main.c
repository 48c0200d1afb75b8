/* rest: the REST agent. Everything it does is in the library, which its stand-ins link; it stands
 * in for graphql and websocket. */
#include "api/graphql/graphql.h"
#include "api/rest/rest.h"
#include "api/websocket/websocket.h"

static const struct serve serves[] = {
	{ &rest_service.base, PRIMARY },
	{ &graphql_service.base, STANDIN },
	{ &websocket_service.base, STANDIN },
	{ NULL, 0 },
};

int
main(int argc, char **argv)
{
	return node_main(argc, argv,
	    &(const struct service_def){
		.name = "rest",
		.keys = graphql_keys,
		.config_size = sizeof(struct graphql_config),
		.serves = serves,
		.capabilities = rest_capabilities,
		.init = websocket_init,
		.reload = graphql_reload,
	    });
}
