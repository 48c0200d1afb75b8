/* nosql: JSON documents in the durable Redis; stand-in for sql. See README.md. */
#ifndef DATABASE_NOSQL_NOSQL_H
#define DATABASE_NOSQL_NOSQL_H

#include "database/nosql/journal.h"
#include "database/sql/sql.h"
#include "node/node.h"
#include "proto/nosql.pb-c.h"

struct nosql_config {
	struct sql_config sql; /* first: the stand-in reads its part by the same table */
	const char *redis;     /* "" -> unix:VAR/run/stores/redis-docs.sock */
	const char *password_file;
	int64_t operation_ttl_us;
	int64_t backup_hold_us;
	int64_t journal_entries, journal_bytes;
};

const struct config_key *nosql_keys(void);
extern Mf__Nosql_Service nosql_service;
extern const char *const nosql_capabilities[];

bool nosql_init(struct node *n);
void nosql_fini(struct node *n);

#endif
