/* request: is an authorization request one that we take (RFC 6749, 4.1.1; OAuth 2.1; RFC 9700)? Used by
 * /oauth/authorize and for what is pushed (RFC 9126). No I/O. */
#ifndef OAUTH_REQUEST_H
#define OAUTH_REQUEST_H

#include "auth/oauth/flow.h"

#define REQUEST_SCOPES_MOST 50

struct request_error {
	const char *error, *description;
	bool at_home; /* the redirect URI is not good: nobody may be sent there */
};

/* m is known and not disabled. False: *e says what is wrong; out->redirect_uri and client_state are
 * good unless at_home. */
bool request_judge(struct web *w, const struct web_params *p, const struct client *m,
    struct flow *out, struct request_error *e) __attribute__((warn_unused_result));
const char *request_param(const struct web_params *p, const char *name); /* NULL: absent */

/* A list of scopes as a request has it, each once; NULL or "": those that the client may ask for. False:
 * malformed, too many, or beyond `m`. */
bool request_scopes(struct web *w, const struct client *m, const char *text, size_t *n,
    const char *const **out) __attribute__((warn_unused_result));
/* The resource that a token is for (RFC 8707): ours, under its URL or its name. */
bool request_resource_ok(const struct web *w, const char *resource);
/* 43 characters of base64url: of SHA-256, or of a key's thumbprint. */
bool request_hash_ok(const char *text);

#endif
