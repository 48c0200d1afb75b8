/* fleet: the thirteen names, and the words for their states. Tables only. */
#include <string.h>
#include "node/contract.h"
#include "node/node.h"

const struct fleet_name fleet_names[13] = {
	{ "meta", 0, "meta" },
	{ "api", 1, "api" },
	{ "auth", 1, "auth" },
	{ "database", 1, "database" },
	{ "cache", 2, "database" },
	{ "graphql", 2, "api" },
	{ "jwt", 2, "auth" },
	{ "nosql", 2, "database" },
	{ "oauth", 2, "auth" },
	{ "rbac", 2, "auth" },
	{ "rest", 2, "api" },
	{ "sql", 2, "database" },
	{ "websocket", 2, "api" },
};

const struct fleet_name *
fleet_name_find(const char *name)
{
	for (size_t i = 0; i < sizeof(fleet_names) / sizeof(fleet_names[0]); i++)
		if (strcmp(fleet_names[i].name, name) == 0)
			return &fleet_names[i];
	return NULL;
}

const char *
fleet_part(size_t i)
{
	const size_t n = sizeof(fleet_names) / sizeof(fleet_names[0]);

	return i < n ? fleet_names[i].name : i == n ? "guard" : NULL;
}

const char *
contract_state_name(uint32_t s)
{
	static const char *const names[NODE_STATES] = {
		[NODE_STOPPED] = "STOPPED",
		[NODE_STARTING] = "STARTING",
		[NODE_READY] = "READY",
		[NODE_DRAINING] = "DRAINING",
		[NODE_STOPPING] = "STOPPING",
		[NODE_BACKOFF] = "BACKOFF",
		[NODE_FAILED] = "FAILED",
	};

	return s < NODE_STATES ? names[s] : "?";
}
