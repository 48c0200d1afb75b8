/* failure: what machines read of a failure, the same words in problem details, GraphQL's extensions
 * and session messages. */
#ifndef BASE_FAILURE_H
#define BASE_FAILURE_H

#include "base/json.h"
#include "base/status.h"

/* Members of the object that is open: code, reason, retry_after_ms, trace_id ("": none) and errors, as
 * far as there is something to say. */
void jw_failure(struct jw *w, const struct failure *f, const char *trace_id);

#endif
