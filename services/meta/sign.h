/* sign: login, refresh, logout, and the pages of the authorization server. No permission is asked for: what the caller gives is itself the
 * proof. Never remembered, never logged. */
#ifndef META_SIGN_H
#define META_SIGN_H

#include "base/status.h"
#include "bus/call.h"
#include "proto/meta.pb-c.h"

struct meta;

struct sign_ask { /* the caller's, in the arena of the call */
	struct call *c;
	const Mf__AuthRequirement *q;
	int64_t deadline;
	uint32_t priority;          /* of the request */
	ProtobufCBinaryData result; /* the answer: RFC 6749 section 5.1, or failure */
	Mf__WebAnswer *web;         /* of "web" instead */
	const Mf__Principal *who;
	const struct failure *failure;
	void (*done)(void *ctx);
	void *ctx;
	struct rpc *rpc;
};

void sign_start(struct meta *m, struct sign_ask *s);

/* {id, name, roles, permissions, expires_at}: what "verify" answers */
ProtobufCBinaryData sign_principal(struct arena *a, const Mf__Principal *p);

#endif
