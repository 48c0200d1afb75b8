/* contract: requests held against the document of the API before anybody else sees them. The document is
 * compiled once, when the agent starts; what is checked is what it says, so it can't drift from the code,
 * and what it says that can't be checked stops the agent (tests/unit/openapi.c is there before that).
 *
 * A schema's rules are schema.h's. Rules beyond a schema's reach (which field may sort, who may do what,
 * sizes in bytes) stay with who knows them. */
#ifndef REST_CONTRACT_H
#define REST_CONTRACT_H

#include "api/ops/ops.h"
#include "api/rest/deprecation.h"

void contract_load(void);             /* again: nothing */
void contract_use(const json_t *doc); /* instead: another than the embedded one, for tests */
/* NULL: the operation stays. */
const struct deprecation *contract_deprecation(const struct route *r);

/* The document's name of a route: "/v1/tasks/{id}" for "/tasks/ID". */
const char *contract_path(struct arena *a, const struct route *r);

/* Each parameter of the query must be one of the operation's and fit its schema, and stand once
 * unless it is a list. Here and below, false: *f has a violation for each thing that is wrong. */
bool contract_query(struct arena *a, const struct route *r, const struct param *params, size_t n,
    struct failure *f);
/* A header field that the operation declares must fit; others are not looked at. `name` as the edge has
 * it, in lower case. */
bool contract_header(
    struct arena *a, const struct route *r, const char *name, const char *value, struct failure *f);
/* What an id must look like; one that does not names nothing. */
bool contract_id(struct arena *a, const struct route *r, const char *id);
/* body NULL: there is none. */
bool contract_body(struct arena *a, const struct route *r, const json_t *body, struct failure *f);
/* Members of a bulk, each by itself: a place that is NULL in `refused` gets a failure, with places in
 * the member, when its member does not fit. */
void contract_members(
    struct arena *a, const struct route *r, const json_t *members, const struct failure **refused);

#endif
