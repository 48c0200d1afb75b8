/* cache: values with versions in the volatile Redis. Its loss is only slower. */
#include "database/cache/cache.h"

static const struct serve serves[] = {
	{ &cache_service.base, PRIMARY },
	{ NULL, 0 },
};

int
main(int argc, char **argv)
{
	return node_main(argc, argv,
	    &(const struct service_def){
		.name = "cache",
		.keys = cache_keys,
		.config_size = sizeof(struct cache_config),
		.serves = serves,
		.capabilities = cache_capabilities,
		.init = cache_init,
		.fini = cache_fini,
	    });
}
