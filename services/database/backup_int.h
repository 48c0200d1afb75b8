/* backup_int: what backup.c and restore.c share. */
#ifndef DATABASE_BACKUP_INT_H
#define DATABASE_BACKUP_INT_H

#include "base/step.h"
#include "base/str.h"
#include "database/backup.h"
#include "database/inside.h"

struct rpc *backup_send(struct call *c, bool to_sql, const Mf__StoreOp *q, int64_t limit_us,
    Mf__StoreResult_Closure done, void *ctx);
Mf__StoreOp *backup_op(
    struct call *c, Mf__StoreOp__Kind kind, const char *model, const char *id, const char *data);
void backup_reply(struct call *c, const char *json);

void restore_append(struct call *c, const Mf__StoreOp *q);
/* restore.c: both stores change over, or none. */
void restore_finish(struct call *c, const Mf__StoreOp *q);
bool restore_ending(const char *id);
bool restore_is_on(void); /* the stores are being exchanged, or may be */

#endif
