/* export: the durable Redis' part of a backup, and of a restore. One of each at a time.
 *
 * A backup's cut: all operations wait (cut.h) and the server takes no writes from anybody (CLIENT
 * PAUSE, which ends by itself) while the keys are copied into a file without a name; within
 * `backup_hold`, or not at all. `database` opens the snapshot of PostgreSQL between the two: what
 * is staged here and decided there is in both, what is neither is in none.
 *
 * A restore gathers keys under another prefix: what is there is untouched until the switch, which
 * is one script. Before PostgreSQL commits its part a mark says whose decision counts. */
#ifndef DATABASE_NOSQL_EXPORT_H
#define DATABASE_NOSQL_EXPORT_H

#include "node/loop.h"
#include "proto/database.pb-c.h"
#include "store/redis.h"

struct export_opts {
	struct loop *loop;
	struct redis *server;                /* the node's own */
	struct redis *(*connect)(void *ctx); /* one more to the same */
	void *ctx;
	const char *dir; /* where the file is made */
	int64_t hold_us;
};
void export_docs_init(const struct export_opts *o);
void export_docs_fini(void);

bool export_docs_is(const Mf__StoreOp *q); /* models "backup" and "restore" */
void export_docs_read(struct call *c, const Mf__StoreOp *q);
void export_docs_write(struct call *c, const Mf__StoreOp *q);

#endif
