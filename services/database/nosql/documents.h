/* documents: collections "doc.NAME" of JSON objects with versions, and their declarations, the model
 * "collection". Both functions end the call. A document comes back as {"id", "version", "data"}. */
#ifndef DATABASE_NOSQL_DOCUMENTS_H
#define DATABASE_NOSQL_DOCUMENTS_H

#include "proto/database.pb-c.h"
#include "store/redis.h"

void documents_init(struct redis *r, struct loop *l, int64_t operation_ttl_us);
void documents_fini(void);
void documents_look_again(void); /* what is kept has come from elsewhere, as by a restore */
void documents_read(struct call *c, const Mf__StoreOp *q);
void documents_write(struct call *c, const Mf__StoreOp *q);

#endif
