/* gate: is this credential permitted all of this? Nothing with an effect runs before it said yes.
 * Never fails open: a grant that can't be confirmed is asked for again, and without an answer of
 * auth there is none. */
#ifndef META_GATE_H
#define META_GATE_H

#include "base/status.h"
#include "bus/call.h"
#include "meta/permits.h"
#include "proto/auth.pb-c.h"

struct gate;
struct meta;

/* the caller's, in the arena of the call; texts too */
struct gate_ask {
	struct call *c;
	const char *credential; /* "": anonymous */
	/* "MODEL/ID", "MODEL" for many of them, "": nothing in particular */
	const char *resource;
	const char *ns;   /* of the resource; "": default */
	Mf__Proof *proof; /* NULL: the credential came as Bearer */
	const char *client_address;
	struct permits permits; /* none: only who it is */
	int64_t deadline;       /* monotonic */
	uint32_t priority;      /* of the request */
	/* whatever is known already (a traced request shows its agents) */
	bool ask_auth;
	/* the answer: failure NULL and who, or failure */
	const Mf__Principal *who;
	const struct failure *failure;
	/* Asked before auth is, once: NULL: go on; else the failure. NULL: there is no such question */
	const struct failure *(*may_ask)(void *ctx);
	/* exactly once unless the call ends before; may come from inside gate_pass */
	void (*done)(void *ctx);
	void *ctx;
	/* the gate's */
	struct gate *gate;
	uint32_t unanswered;
	bool retried;
	struct gate_question *questions;
};

struct gate *gate_new(struct meta *m);
void gate_free(struct gate **g);
void gate_reload(struct gate *g);
void gate_pass(struct gate *g, struct gate_ask *a);
uint32_t gate_kept(const struct gate *g);

#endif
