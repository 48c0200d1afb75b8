/* client_auth: which client is this (RFC 6749, 2.3)? client_secret_basic, client_secret_post,
 * private_key_jwt (RFC 7523), none: the one that the client has registered, and no other beside it. And
 * a DPoP proof (RFC 9449), where there is one.
 *
 * An unknown client costs what a wrong secret costs. Who fails too often with one id from one address
 * waits; that bound is in memory. */
#ifndef OAUTH_CLIENT_AUTH_H
#define OAUTH_CLIENT_AUTH_H

#include "auth/oauth/clients.h"

struct client_proof {
	const struct client *client;
	bool confidential;     /* it proved who it is; else it only says so */
	const char *proof_key; /* thumbprint of the key of its DPoP proof; NULL: there was none */
};

/* then comes for a client that is known, not disabled, and proved; else the request was answered. */
typedef void client_prove_fn(struct web *w, const struct client_proof *who, void *ctx);
void client_prove(struct web *w, client_prove_fn *then, void *ctx);

/* Secrets: 256 bits as base64url; stored is "s1." and the keyed hash. */
#define CLIENT_SECRET_HASH_MAX 64
void client_secret_hash(const char *secret, char out[CLIENT_SECRET_HASH_MAX]);
bool
client_secret_ok(const char *hash, const char *secret); /* hash NULL: false, for the same cost */

struct limiter *client_limiter_new(void);

#endif
