/* streams: append-only event streams "stream.SUBJECT" with gap-free positions from 1, and the
 * positions "consumer.SUBJECT" of those who read them. Each function ends the call. One round trip
 * per operation: stream_scripts.h. */
#ifndef DATABASE_NOSQL_STREAMS_H
#define DATABASE_NOSQL_STREAMS_H

#include "proto/database.pb-c.h"
#include "store/redis.h"

void streams_init(struct redis *r, int64_t operation_ttl_us);
bool streams_own(const Mf__StoreOp *q); /* is it a model of ours? */
void streams_read(struct call *c, const Mf__StoreOp *q);
void streams_write(struct call *c, const Mf__StoreOp *q);

#endif
