/* cache: values with versions and tags in the volatile Redis. See README.md and proto/cache.proto. */
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

#endif
