/* deprecation: what the document of the API says of an operation that is to go, as header fields say
 * it: Deprecation (RFC 9745), Sunset (RFC 8594) and Link (rel deprecation and successor-version).
 *
 * In the document: `deprecated: true` and `x-deprecated-since`, a day; where it has been decided,
 * `x-sunset`, the day it ends, and `x-successor`, the URI of what takes its place; `externalDocs` says
 * where to read about it, else it is the page of the API. */
#ifndef REST_DEPRECATION_H
#define REST_DEPRECATION_H

#include <jansson.h>
#include "base/arena.h"

struct deprecation {
	const char *since;  /* of Deprecation: "@1780272000" */
	const char *sunset; /* "Sun, 01 Nov 2026 00:00:00 GMT"; NULL: not decided */
	const char *links;
};

/* NULL: the operation stays; or *wrong says what the document has wrong about it, else it is NULL. */
const struct deprecation *
deprecation_read(struct arena *a, const json_t *operation, const char **wrong);

#endif
