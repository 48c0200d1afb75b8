/* permits: which permission an operation asks for by itself. Pure. The effective check is this AND
 * whatever the request requires besides: a request can make the check stricter, never weaker. */
#ifndef META_PERMITS_H
#define META_PERMITS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"
#include "proto/database.pb-c.h"
#include "proto/meta.pb-c.h"

#define PERMITS_MOST   8
#define PERMIT_EXPLAIN "store.explain" /* for the plan instead of the operation */

struct permits { /* distinct, no empty one */
	size_t n;
	const char *names[PERMITS_MOST];
};

/* "" and what is there already change nothing. false: there is no room, and the request must be
 * refused. */
bool permits_add(struct permits *p, const char *name) __attribute__((warn_unused_result));

/* The kind of a database operation. NULL: fine; else what is wrong with it, naming the field. */
const char *permits_kind(const char *operation, Mf__StoreOp__Kind *out);
/* Only models of the allow list may be named by a request: not sessions, revocations, keys. */
bool permits_model(const char *model);
/* Of those: users and roles, which the auth domain reads and writes, one at a time. */
bool permits_of_auth(const char *model);
/* "task.create" and the like; names are static. `kind` is neither TRANSACTION nor BULK: their
 * members are asked one by one. */
const char *permits_store(Mf__StoreOp__Kind kind, const char *model);
/* NULL: no such operation; "": needs none. */
const char *permits_own(const char *operation);

#endif
