/* op: one TaskRequest under way, in the arena of its call. Shared by execute.c (the flow: slot,
 * what starts when, end) and steps.c (what each step does). */
#ifndef META_OP_H
#define META_OP_H

#include "meta/gate.h"
#include "meta/intake.h"
#include "meta/isolation.h"
#include "meta/merge.h"
#include "meta/meta.h"
#include "meta/own.h"
#include "meta/remember.h"
#include "meta/sign.h"
#include "meta/strategy.h"
#include "proto/api.pb-c.h"
#include "proto/database.pb-c.h"

struct op {
	struct meta *m;
	struct call *c;
	const Mf__TaskRequest *q;
	struct plan plan;
	struct plan explained; /* q->explain: what is told; `plan` is how that comes about */
	int64_t began, deadline;
	struct call_dep dep; /* gives back what others may need */
	struct slot_ask slot;
	struct remembered *remembered; /* ours to end; NULL: none */
	uint32_t begun, finished, bad; /* steps */
	bool running, over;
	uint8_t out[STEPS]; /* the domain that the step calls at the moment; 0: none */
	int64_t passed_us;  /* the last of these calls */
	struct part parts[MERGE_DOMAINS];
	struct permits permits;
	Mf__StoreOp store;
	bool has_store;
	const Mf__MetaRequirement *own_q;
	struct gate_ask gate;
	struct own_ask own;
	struct sign_ask sign;
	struct rpc *form_rpc, *store_rpc, *format_rpc;
	const Mf__ApiOutcome *form;
	const Mf__StoreResult *stored;
	ProtobufCBinaryData answered, formatted; /* by meta or auth; by api */
	const Mf__Principal *who;
};

/* --- execute.c --- */
void op_done(struct op *o, enum step s, const struct failure *f); /* f NULL: well */
void op_skip(struct op *o, enum step s);                          /* there was nothing to do */
/* what others may use again; r: what to remember, or NULL */
void op_give_back(struct op *o, const Mf__TaskResponse *r);
/* NULL: fine; else what is wrong */
const char *op_take_own(struct op *o, const Mf__MetaRequirement *q);
/* NULL: auth's resource is what the store operation touches */
const char *op_check_resource(struct op *);
int64_t op_left(const struct op *o);
/* What it has to wait for, as far as is known; what a form means shows later. */
enum slot_kind op_slot_kind(const Mf__TaskRequest *q);
const struct failure *
op_failure(struct op *o, enum status s, const char *reason, const char *message);

/* --- steps.c --- */
bool op_reads(const struct op *o); /* its store operation has no effect */
extern void (*const op_begin[STEPS])(struct op *);

#endif
