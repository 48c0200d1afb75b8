/* own: the operations that level 0 answers itself: fleet, restart, health, faults, log_level. Their
 * permissions are in permits.c and have been checked when this is called. */
#ifndef META_OWN_H
#define META_OWN_H

#include "base/status.h"
#include "bus/call.h"
#include "proto/meta.pb-c.h"

struct meta;

struct own_ask { /* the caller's, in the arena of the call */
	struct call *c;
	const Mf__MetaRequirement *q;
	int64_t deadline;           /* monotonic */
	ProtobufCBinaryData result; /* the answer: JSON, or failure */
	const struct failure *failure;
	/* exactly once unless the call ends before; may come from inside own_start */
	void (*done)(void *ctx);
	void *ctx;
	/* own's */
	struct meta *meta;
	struct rpc *rpc;
	uint64_t generation; /* restart: of the process that shall go */
	int64_t since;
};

/* NULL: fine; else what is wrong with it, naming the field. */
const char *own_check(const Mf__MetaRequirement *q);
void own_start(struct meta *m, struct own_ask *o);

#endif
