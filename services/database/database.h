/* database: plans each operation, routes it, keeps the cache coherent. See README.md. */
#ifndef DATABASE_DATABASE_H
#define DATABASE_DATABASE_H

#include "database/plan.h"
#include "node/node.h"
#include "proto/database.pb-c.h"
#include "proto/sql.pb-c.h"

struct database_config {
	int64_t cache_ttl_us;
	int64_t tombstone_us;
};

extern const struct config_key database_keys[];
extern Mf__Database_Service database_service;
extern Mf__Leader_Service database_leader_service; /* lead.c */
extern const char *const database_capabilities[];

bool database_init(struct node *n);
/* Without a node, for tests. */
void database_open(struct bus *b, const struct database_config *cf);
void database_close(void);

#endif
