/* fleet: see fleet.h.
 *
 * Start: stores, then the orchestrator, then all twelve at once: what they wait for beyond that (a
 * database, a peer) is their own readiness. Stop: the way of a request, so that what is in flight
 * finds everybody behind it still there. */
#include "meta/fleet.h"

#include <signal.h>
#include <string.h>
#include "base/time.h"

/* clang-format off: a table */
#define STORES (SLOT_BIT(SLOT_POSTGRES) | SLOT_BIT(SLOT_REDIS_DOCS) | SLOT_BIT(SLOT_REDIS_CACHE))

#define NODE(node, rank, ...)                                                                      \
	{                                                                                          \
		.name = (node), .ready = READY_STATUS, .after = STORES | SLOT_BIT(SLOT_META),      \
		.stop_rank = (rank), .term_signal = SIGTERM, .kill_signal = SIGKILL, __VA_ARGS__   \
	}

#define STORE(server, how, ready_s, term, kill_s)                                                  \
	{                                                                                          \
		.name = (server), .store = true, .ready = (how), .stop_rank = 5,                   \
		.term_signal = (term), .kill_signal = SIGKILL, .ready_limit_us = (ready_s)*SEC,    \
		.kill_after_us = (kill_s)*SEC                                                      \
	}

#define ORCHESTRATOR(node, ...)                                                                    \
	{                                                                                          \
		.name = (node), .program = "meta", .ready = READY_STATUS, .after = STORES,         \
		.stop_rank = 2, .orders = true, .term_signal = SIGTERM, .kill_signal = SIGKILL,    \
		__VA_ARGS__                                                                        \
	}

const struct fleet_entry fleet_table[FLEET_SLOTS] = {
	/* SIGINT is PostgreSQL's fast shutdown. Recovery after a crash takes what it takes: killing
	   it starts it anew */
	[SLOT_POSTGRES] = STORE("postgres", READY_POSTMASTER, 600, SIGINT, 30),
	[SLOT_REDIS_DOCS] = STORE("redis-docs", READY_SOCKET, 60, SIGTERM, 30),
	[SLOT_REDIS_CACHE] = STORE("redis-cache", READY_SOCKET, 60, SIGTERM, 5),
	[SLOT_META_2] = ORCHESTRATOR("meta-2", .standby = 1),
	[SLOT_META_3] = ORCHESTRATOR("meta-3", .standby = 2),
	[SLOT_META] = ORCHESTRATOR("meta", .standby = 0),
	[SLOT_API] = NODE("api", 0, .listener = true),
	[SLOT_DATABASE] = NODE("database", 3),
	[SLOT_AUTH] = NODE("auth", 3),
	[SLOT_REST] = NODE("rest", 1),
	[SLOT_GRAPHQL] = NODE("graphql", 1),
	[SLOT_WEBSOCKET] = NODE("websocket", 1),
	[SLOT_SQL] = NODE("sql", 4),
	[SLOT_NOSQL] = NODE("nosql", 4),
	[SLOT_CACHE] = NODE("cache", 4),
	[SLOT_JWT] = NODE("jwt", 4),
	[SLOT_OAUTH] = NODE("oauth", 4),
	[SLOT_RBAC] = NODE("rbac", 4),
};
/* clang-format on */

int
fleet_find(const char *name)
{
	for (int i = 0; i < FLEET_SLOTS; i++) {
		if (strcmp(fleet_table[i].name, name) == 0)
			return i;
	}
	return -1;
}

const char *
fleet_socket(int slot)
{
	switch (slot) {
	case SLOT_POSTGRES:
		return "run/stores/.s.PGSQL.5432";
	case SLOT_REDIS_DOCS:
		return "run/stores/redis-docs.sock";
	case SLOT_REDIS_CACHE:
		return "run/stores/redis-cache.sock";
	default:
		return "";
	}
}
