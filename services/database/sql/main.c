/* sql: the truth in PostgreSQL. See README.md. */
#include "database/sql/sql.h"

static const char *const capabilities[] = { "complex queries", "transactions", "migrations", NULL };

static const struct serve serves[] = {
	{ &sql_service.base, PRIMARY },
	{ &sql_leader_service.base, PRIMARY },
	{ NULL, 0 },
};

int
main(int argc, char **argv)
{
	return node_main(argc, argv,
	    &(const struct service_def){
		.name = "sql",
		.keys = sql_keys,
		.config_size = sizeof(struct sql_config),
		.serves = serves,
		.capabilities = capabilities,
		.init = sql_init,
		.fini = sql_fini,
	    });
}
