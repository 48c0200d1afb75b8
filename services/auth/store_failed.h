/* store_failed: the end of a call of jwt or rbac whose store could not answer: UNAVAILABLE, with a
 * delay that tells the caller's bus not to try us again at once (ours has tried already; tries below
 * tries would multiply). A refusal of the store passes as it is. */
#ifndef AUTH_STORE_FAILED_H
#define AUTH_STORE_FAILED_H

#include "bus/call.h"

#define STORE_RETRY_MS 500 /* beyond what the bus retries by itself (bus/retry.h) */

static inline void
store_failed(struct call *c, const struct failure *f)
{
	if (!status_is_fault(f->status))
		call_fail_with(c, f);
	else
		call_fail_because(c, ST_UNAVAILABLE,
		    f->reason[0] != '\0' ? f->reason : "STORE_UNAVAILABLE",
		    f->retry_ms > STORE_RETRY_MS ? f->retry_ms : STORE_RETRY_MS,
		    "accounts, roles and sessions can't be read or written now");
}

#endif
