/* failure: what is wrong with a request, collected place by place; and what machines read of it, the
 * same words in problem details, GraphQL's extensions and session messages. */
#ifndef BASE_FAILURE_H
#define BASE_FAILURE_H

#include "base/json.h"
#include "base/status.h"

#define VIOLATIONS_MOST 20 /* a body of a thousand wrong names is not worth more */

/* Members of the object that is open: code, reason, retry_after_ms, trace_id ("": none) and errors, as
 * far as there is something to say. */
void jw_failure(struct jw *w, const struct failure *f, const char *trace_id);

/* What is wrong with a request, one entry after the other; the first makes *f a failure. */
void failure_violation(struct arena *a, struct failure *f, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The JSON Pointer (RFC 6901) of member `key` of what stands at `at`; a long key is cut. */
const char *failure_pointer(struct arena *a, const char *at, const char *key);

#endif
