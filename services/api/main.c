/* api: the public HTTP listener and the choice of the agent behind it. */
#include "api/api.h"

static const struct serve serves[] = {
	{ &api_service.base, PRIMARY },
	{ NULL, 0 },
};

int
main(int argc, char **argv)
{
	return node_main(argc, argv,
	    &(const struct service_def){
		.name = "api",
		.keys = api_keys,
		.config_size = sizeof(struct api_config),
		.serves = serves,
		.capabilities = api_capabilities,
		.check = api_check,
		.init = api_init,
		.reload = api_reload,
		.drain = api_drain,
		.drained = api_drained,
		.fini = api_fini,
		.judges_itself = true,
	    });
}
