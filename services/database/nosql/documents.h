/* documents: collections "doc.NAME" of JSON objects with versions; read by id, or listed in order
 * of id. Both functions end the call. An object comes back as {"id", "version", "data"}. */
#ifndef DATABASE_NOSQL_DOCUMENTS_H
#define DATABASE_NOSQL_DOCUMENTS_H

#include "proto/database.pb-c.h"
#include "store/redis.h"

void documents_init(struct redis *r, int64_t operation_ttl_us);
void documents_read(struct call *c, const Mf__StoreOp *q);
void documents_write(struct call *c, const Mf__StoreOp *q);

#endif
