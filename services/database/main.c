/* database: which store answers this, and what if it fails. */
#include "database/database.h"

static const struct serve serves[] = {
	{ &database_service.base, PRIMARY },
	{ &database_leader_service.base, PRIMARY },
	{ NULL, 0 },
};

int
main(int argc, char **argv)
{
	return node_main(argc, argv,
	    &(const struct service_def){
		.name = "database",
		.keys = database_keys,
		.config_size = sizeof(struct database_config),
		.serves = serves,
		.capabilities = database_capabilities,
		.init = database_init,
		.judges_itself = true,
	    });
}
