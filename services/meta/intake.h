/* intake: a database requirement, checked and turned into a StoreOp, with the permissions that it
 * asks for. Nothing that is not on the allow list of permits.c comes through. */
#ifndef META_INTAKE_H
#define META_INTAKE_H

#include "bus/call.h"
#include "meta/permits.h"
#include "proto/database.pb-c.h"
#include "proto/meta.pb-c.h"

#define INTAKE_MEMBERS_MOST 100 /* of a transaction, as in proto/database.proto */

/* NULL: fine. Else what is wrong, naming the field; `out` is then worthless. Texts stay the
 * requirement's. */
const char *
intake_store(struct call *c, const Mf__DatabaseRequirement *q, Mf__StoreOp *out, struct permits *p);

/* Who does it and under which id its effect is known; a create without an id gets that one, creates
 * within a transaction get one that follows from it and from their place. */
struct intake_mark {
	const char *actor, *trace_id;
};
void intake_sign(
    struct arena *a, Mf__StoreOp *op, const struct intake_mark *by, const char *operation_id);
/* The same for those members of a BULK_CREATE that have none: the same operation makes the same
 * objects, whoever sends it again and when. */
void intake_name_members(struct call *c, Mf__StoreOp *op, const char *operation_id);

#endif
