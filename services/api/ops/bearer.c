/* bearer: header fields of a request, and the one credential that is taken (RFC 6750, 2.1). Another
 * scheme is a bad credential, not a missing one. */
#include <string.h>
#include <strings.h>

#include "api/ops/ops.h"

const struct failure ops_bad_credential = {
	.status = ST_UNAUTHENTICATED,
	.message = "the Authorization header must be: Bearer TOKEN",
	.reason = "BAD_CREDENTIAL",
};

const char *
ops_bearer(struct arena *a, const char *authorization)
{
	struct str token;

	if (authorization[0] == '\0')
		return "";
	token = strncasecmp(authorization, "Bearer ", 7) == 0 ? str_trim(str_of(authorization + 7))
	                                                      : STR("");
	if (token.n == 0 || memchr(token.p, ' ', token.n) != NULL ||
	    memchr(token.p, ',', token.n) != NULL)
		return NULL;
	return arena_strndup(a, token.p, token.n);
}

const char *
ops_header(const Mf__HttpRequest *q, const char *name)
{
	for (size_t i = 0; i < q->n_headers; i++)
		if (strcmp(q->headers[i]->key, name) == 0)
			return q->headers[i]->value;
	return "";
}
