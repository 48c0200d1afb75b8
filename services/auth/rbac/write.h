/* write: what the files that serve Read and Write of rbac share. */
#ifndef RBAC_WRITE_H
#define RBAC_WRITE_H

#include "auth/rbac/check.h"
#include "auth/rbac/rbac.h"
#include "proto/database.pb-c.h"

/* Ends the call with what a check said. */
void check_failed(struct call *c, const struct checking *k);
/* Who acts; somebody who may nothing where the call has no principal. */
const Mf__Principal *acting(struct call *c);

/* The models that are no rows: explain.c, export.c, import.c. Each ends the call. */
void decision_read(struct rbac *r, struct call *c, const Mf__StoreOp *q);
void policy_read(struct rbac *r, struct call *c, const Mf__StoreOp *q);
void policy_write(struct rbac *r, struct call *c, const Mf__StoreOp *q);

#endif
