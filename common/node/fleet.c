/* fleet: the thirteen names, and the words for their states. Tables only. */
#include <stdlib.h>
#include <string.h>
#include "node/contract.h"
#include "node/node.h"

const struct fleet_name fleet_names[13] = {
	{ "meta", 0, "meta", false },
	{ "api", 1, "api", true },
	{ "auth", 1, "auth", false },
	{ "database", 1, "database", false },
	{ "cache", 2, "database", false },
	{ "graphql", 2, "api", true },
	{ "jwt", 2, "auth", false },
	{ "nosql", 2, "database", false },
	{ "oauth", 2, "auth", false },
	{ "rbac", 2, "auth", false },
	{ "rest", 2, "api", true },
	{ "sql", 2, "database", true },
	{ "websocket", 2, "api", true },
};

/* Orchestrators that stand by for `meta`: the same program under another name, where there are some. */
static const struct fleet_name standbys[] = {
	{ "meta-2", 0, "meta", false },
	{ "meta-3", 0, "meta", false },
};

const struct fleet_name *
fleet_name_find(const char *name)
{
	for (size_t i = 0; i < sizeof(fleet_names) / sizeof(fleet_names[0]); i++)
		if (strcmp(fleet_names[i].name, name) == 0)
			return &fleet_names[i];
	for (size_t i = 0; i < sizeof(standbys) / sizeof(standbys[0]); i++)
		if (strcmp(standbys[i].name, name) == 0)
			return &standbys[i];
	return NULL;
}

bool
fleet_is_meta(const char *name)
{
	const struct fleet_name *f = fleet_name_find(name);

	return f != NULL && f->level == 0;
}

unsigned
fleet_standbys(void)
{
	const char *n = getenv("METAFED_STANDBYS");

	return n != NULL && (n[0] == '1' || n[0] == '2') && n[1] == '\0' ? (unsigned)(n[0] - '0')
	                                                                 : 0;
}

int64_t
fleet_meta_watch_us(void)
{
	return fleet_standbys() > 0 ? 250000 : 0;
}

const char *const *
fleet_meta(void)
{
	static const char *const all[] = { "meta", "meta-2", "meta-3", NULL },
				 *const two[] = { "meta", "meta-2", NULL },
				 *const one[] = { "meta", NULL };
	unsigned n = fleet_standbys();

	return n == 2 ? all : n == 1 ? two : one;
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

const char *
contract_end_name(uint32_t end)
{
	static const char *const names[] = {
		[END_NONE] = "asked",
		[END_EXIT] = "exit",
		[END_SIGNAL] = "signal",
		[END_HUNG] = "hung",
		[END_LATE] = "late",
		[END_UNKNOWN] = "unknown",
		[END_MEMORY] = "memory",
	};

	return end < sizeof(names) / sizeof(names[0]) ? names[end] : "?";
}

const char *
contract_due_name(uint32_t due)
{
	static const char *const names[] = {
		[DUE_NOT] = "not",
		[DUE_AGE] = "age",
		[DUE_MEMORY] = "memory",
		[DUE_FILES] = "files",
	};

	return due < sizeof(names) / sizeof(names[0]) ? names[due] : "?";
}
