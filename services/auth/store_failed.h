/* store_failed: the end of a call of jwt, oauth or rbac whose store could not answer: UNAVAILABLE, with
 * a delay that tells the caller's bus not to try us again at once (ours has tried already; tries below
 * tries would multiply). A refusal of the store passes as it is. */
#ifndef AUTH_STORE_FAILED_H
#define AUTH_STORE_FAILED_H

#include "base/json.h"
#include "bus/call.h"
#include "proto/common.pb-c.h"

#define STORE_RETRY_MS 500 /* beyond what the bus retries by itself (bus/retry.h) */

static inline struct failure
store_failure(const struct failure *f)
{
	if (!status_is_fault(f->status))
		return *f;
	return (struct failure){ .status = ST_UNAVAILABLE,
		.reason = f->reason[0] != '\0' ? f->reason : "STORE_UNAVAILABLE",
		.retry_ms = f->retry_ms > STORE_RETRY_MS ? f->retry_ms : STORE_RETRY_MS,
		.message = "accounts, roles and sessions can't be read or written now" };
}

static inline void
store_failed(struct call *c, const struct failure *f)
{
	const struct failure as = store_failure(f);

	call_fail_with(c, &as);
}

/* A page that the store has answered to rpc: each of its items, and where the next page begins (NULL: it
 * was the last). False: the call was failed. */
static inline bool
store_page(struct call *c, const struct rpc *rpc, const Mf__StoreResult *m, const char *model,
    json_item_fn *each, void *ctx, const char **next)
{
	if (m == NULL)
		store_failed(c, rpc_failure(rpc));
	else if (!json_page(call_arena(c), m->data.data, m->data.len, each, ctx, next))
		call_fail(c, ST_DATA_LOSS, "%s: the answer is no page", model);
	else
		return true;
	return false;
}

#endif
