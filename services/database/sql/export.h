/* export: PostgreSQL's part of a backup, and of a restore. One of each at a time; both live in this
 * process and end with it, with DELETE, or when nobody asks for a while: nothing is left of them.
 *
 * A backup is a snapshot (REPEATABLE READ) that is read table by table with binary COPY. A restore
 * gathers tables in temporary ones; finishing puts them in the place of the real ones, and its
 * decision (decide.h), in one transaction. */
#ifndef SQL_EXPORT_H
#define SQL_EXPORT_H

#include "database/sql/store.h"

/* Models "backup" and "restore". */
bool export_is(const Mf__StoreOp *op);
void export_read(struct call *c, const Mf__StoreOp *op);
void export_write(struct call *c, const Mf__StoreOp *op);
void export_stop(void);

#endif
