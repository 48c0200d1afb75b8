/* assertion: a JWT that a client signed to say who it is (RFC 7523, private_key_jwt): by a key of its
 * registered set, for us, for ten minutes at most, once. */
#ifndef OAUTH_ASSERTION_H
#define OAUTH_ASSERTION_H

#include "auth/oauth/clients.h"

#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

/* Whose it says it is, to find the keys by; nothing is verified. NULL: it does not say. */
const char *assertion_client(struct arena *a, const char *assertion);
/* When that can't be decided the request was answered. */
typedef void assertion_fn(struct web *w, bool ok, void *ctx);
void assertion_check(
    struct web *w, const struct client *m, const char *assertion, assertion_fn *then, void *ctx);

/* A set of public keys that may be registered: NULL, or what is wrong with it. */
const char *assertion_keys_wrong(const json_t *jwks);

#endif
