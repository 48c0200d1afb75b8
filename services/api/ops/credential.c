/* credential: what an Authorization header says (RFC 6750, 2.1; RFC 9449, 7.1), header fields of a
 * request, and the challenges of a refusal. Another scheme is a bad credential, not a missing one. */
#include <string.h>
#include <strings.h>

#include "api/ops/ops.h"

#define REALM "realm=\"metafed\""
#define ALGS  "algs=\"ES256 EdDSA RS256\"" /* of proofs that are taken */

static const char *token_of(struct arena *, const char *, const char *);

const struct failure ops_bad_credential = {
	.status = ST_UNAUTHENTICATED,
	.message =
	    "the Authorization header must be: Bearer TOKEN, or DPoP TOKEN beside one header "
	    "DPoP with the proof; sessions take Bearer alone",
	.reason = "BAD_CREDENTIAL",
};

const char *
ops_bearer(struct arena *a, const char *authorization)
{
	return authorization[0] == '\0' ? "" : token_of(a, authorization, "Bearer ");
}

const char *
ops_credential(struct arena *a, const Mf__HttpRequest *q, const struct ops_proof **proof)
{
	const char *authorization = ops_header(q, "authorization"), *dpop = ops_header(q, "dpop");
	const char *token = ops_bearer(a, authorization);
	struct ops_proof *p;

	*proof = NULL;
	if (token != NULL || (token = token_of(a, authorization, "DPoP ")) == NULL)
		return token;
	if (dpop[0] == '\0' || q->dpop_url[0] == '\0')
		return NULL;
	p = ARENA_NEW(a, struct ops_proof);
	*p = (struct ops_proof){ .proof = dpop, .method = q->method, .url = q->dpop_url };
	*proof = p;
	return token;
}

void
ops_prove(Mf__AuthRequirement *r, const struct ops_proof *p)
{
	if (p == NULL)
		return;
	r->dpop = (char *)(uintptr_t)p->proof;
	r->dpop_method = (char *)(uintptr_t)p->method;
	r->dpop_url = (char *)(uintptr_t)p->url;
}

/* RFC 6750, 3; RFC 9449, 7.1. Who said nothing hears only which schemes there are. */
const char *
ops_challenge(struct arena *a, const struct failure *f, bool said, const char *permission)
{
	const char *error = str_starts(f->reason, "PROOF") ? "invalid_dpop_proof" : "invalid_token";

	if (strcmp(f->reason, "SCOPE") == 0)
		return permission[0] == '\0'
		           ? "Bearer " REALM ", error=\"insufficient_scope\""
		           : arena_printf(a,
				 "Bearer " REALM ", error=\"insufficient_scope\", scope=\"%s\"",
				 permission);
	if (f->status != ST_UNAUTHENTICATED)
		return NULL;
	if (!said)
		return "Bearer " REALM ", DPoP " REALM ", " ALGS;
	return arena_printf(a,
	    "Bearer " REALM ", error=\"invalid_token\", DPoP " REALM ", error=\"%s\", " ALGS,
	    error);
}

const char *
ops_header(const Mf__HttpRequest *q, const char *name)
{
	for (size_t i = 0; i < q->n_headers; i++)
		if (strcmp(q->headers[i]->key, name) == 0)
			return q->headers[i]->value;
	return "";
}

/* NULL: another scheme, or no one token. */
static const char *
token_of(struct arena *a, const char *authorization, const char *scheme)
{
	size_t n = strlen(scheme);
	struct str token = strncasecmp(authorization, scheme, n) == 0
	                       ? str_trim(str_of(authorization + n))
	                       : STR("");

	if (token.n == 0 || memchr(token.p, ' ', token.n) != NULL ||
	    memchr(token.p, ',', token.n) != NULL)
		return NULL;
	return arena_strndup(a, token.p, token.n);
}
