/* backup: models "backup" and "restore": one cut of all stores, and the way back. The data stays in
 * `sql` and `nosql`, who alone may read it; here is who begins when, and what becomes of a restore
 * that was cut short. */
#ifndef DATABASE_BACKUP_H
#define DATABASE_BACKUP_H

#include "bus/call.h"
#include "node/loop.h"
#include "proto/database.pb-c.h"

/* A restore that an earlier process had not ended is ended now, or given up. */
void backup_start(struct loop *l, struct bus *b);

bool backup_is(const Mf__StoreOp *q);
void backup_read(struct call *c, const Mf__StoreOp *q);
void backup_write(struct call *c, const Mf__StoreOp *q);

/* True: the stores are being exchanged, the call has failed with UNAVAILABLE; it is to come again.
 * documents: is it for them? */
bool backup_refuses(struct call *c, bool documents);

#endif
