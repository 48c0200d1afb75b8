/* cache: values with versions in the volatile Redis. See README.md and proto/cache.proto. */
#ifndef DATABASE_CACHE_CACHE_H
#define DATABASE_CACHE_CACHE_H

#include <stdbool.h>
#include "base/config.h"
#include "node/node.h"
#include "proto/cache.pb-c.h"

struct cache_config {
	const char *redis; /* "" -> unix:VAR/run/stores/redis-cache.sock */
	const char *password_file;
	int64_t ttl_us;
	int64_t value_max_bytes;
};

extern const struct config_key cache_keys[];
extern Mf__Cache_Service cache_service;
extern const char *const cache_capabilities[];

bool cache_init(struct node *n);
void cache_fini(struct node *n);
/* Without a node, for tests. */
void cache_open(struct loop *l, const char *address, const struct cache_config *cf);
void cache_close(void);

/* How an entry is kept: "<kind><version>:<stored_at us>:" and the value; kind 'v' value, 't'
 * tombstone. */
struct cache_entry {
	bool tombstone;
	uint64_t version, stored_at;
	const char *value;
	size_t n;
};
bool cache_entry_parse(const char *p, size_t n, struct cache_entry *e); /* false: none of ours */

#endif
