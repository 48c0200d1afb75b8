/* nosql: documents in Redis. Stands in for sql (same code, libsvc-sql.a). */
#include "database/nosql/nosql.h"

static const struct serve serves[] = {
	{ &nosql_service.base, PRIMARY },
	{ &journal_service.base, PRIMARY },
	{ &sql_service.base, STANDIN },
	{ &sql_leader_service.base, STANDIN },
	{ NULL, 0 },
};

int
main(int argc, char **argv)
{
	return node_main(argc, argv,
	    &(const struct service_def){
		.name = "nosql",
		.keys = nosql_keys(),
		.config_size = sizeof(struct nosql_config),
		.serves = serves,
		.capabilities = nosql_capabilities,
		.init = nosql_init,
		.fini = nosql_fini,
	    });
}
