/* websocket: serves its own Handle, and stands in for rest (same code, libsvc-rest.a). */
#include "api/websocket/websocket.h"
#include "api/rest/rest.h"

static const struct serve serves[] = {
	{ &websocket_service.base, PRIMARY },
	{ &rest_service.base, STANDIN },
	{ NULL, 0 },
};

int
main(int argc, char **argv)
{
	return node_main(argc, argv,
	    &(const struct service_def){
		.name = "websocket",
		.serves = serves,
		.capabilities = websocket_capabilities,
		.init = rest_init,
	    });
}
