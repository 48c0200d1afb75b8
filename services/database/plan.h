/* plan: which store answers an operation, and whether the cache may. Pure. */
#ifndef DATABASE_PLAN_H
#define DATABASE_PLAN_H

#include <stdbool.h>
#include "proto/database.pb-c.h"

enum plan_store { PLAN_SQL, PLAN_NOSQL };

struct plan {
	enum plan_store store;
	bool from_cache;     /* a read: an entry young enough may answer */
	bool fill;           /* a read: its answer goes into the cache */
	bool drop;           /* a write: the key is dropped before the write is acknowledged */
	uint64_t max_age_us; /* from_cache: oldest acceptable */
};

/* Does this write make an entry of the cache old? Of a TRANSACTION: does one of its members? */
bool plan_drops(const Mf__StoreOp *op);

/* NULL: planned. Otherwise what is wrong, naming the field. */
const char *plan_operation(const Mf__StoreOp *op, bool write, struct plan *p);

#endif
