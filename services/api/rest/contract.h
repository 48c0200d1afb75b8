/* contract: requests held against the document of the API before anybody else sees them. The document
 * is read once, when it is first needed; what is checked is what it says, so it can't drift. */
#ifndef REST_CONTRACT_H
#define REST_CONTRACT_H

#include "api/ops/ops.h"

/* The document's name of a route: "/v1/tasks/{id}" for "/tasks/ID". */
const char *contract_path(struct arena *a, const struct route *r);

/* Each parameter of the query must be one of the operation's and fit its schema, and stand once
 * unless it is a list. False: *f has a violation for each that does not. */
bool contract_query(struct arena *a, const struct route *r, const struct param *params, size_t n,
    struct failure *f);

#endif
