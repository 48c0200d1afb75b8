/* outside_meta: what an outside OpenID provider says of itself: its discovery document (OpenID Connect
 * Discovery 1.0), its keys (RFC 7517), and the ID tokens it makes (OpenID Connect Core 1.0, 3.1.3.7).
 * Pure: no I/O, no clock. Everything here was written by somebody else. */
#ifndef OAUTH_OUTSIDE_META_H
#define OAUTH_OUTSIDE_META_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "auth/jwt/jws.h"
#include "base/arena.h"

#define OUTSIDE_DOCUMENT_MAX 262144                   /* bytes of a discovery document or key set */
#define OUTSIDE_KEYS_MOST    64                       /* keys of a set that are looked at */
#define OUTSIDE_LEEWAY_US    (INT64_C(60) * 1000000)  /* of their clock; for iat, never for exp */
#define OUTSIDE_AGE_MAX_US   (INT64_C(600) * 1000000) /* of an ID token that was just made for us */

struct outside_meta { /* strings in the arena it was read into */
	const char *issuer, *authorization_endpoint, *token_endpoint, *jwks_uri;
	const char *userinfo_endpoint; /* NULL: has none */
	unsigned algs;                 /* 1 << enum jws_alg, of those that we verify */
	bool basic, post, none;        /* how a client may prove itself at the token endpoint */
	bool says_issuer;              /* RFC 9207: its authorization responses have iss */
};

/* NULL: fine. Else what is wrong with it, for an administrator. `issuer` is the provider's as we have
 * it: the document must say the same, to the letter. Its endpoints are https, unless the issuer
 * itself is http on the loopback. */
const char *outside_meta_read(struct arena *a, const void *json, size_t n, const char *issuer,
    struct outside_meta *out) __attribute__((warn_unused_result));

struct outside_keys { /* a key set; those that we can't use are left out */
	size_t n;
	struct outside_key {
		char *id; /* its kid, "" when it has none */
		struct jws_key *key;
	} keys[OUTSIDE_KEYS_MOST];
};
/* NULL: fine, outside_keys_clear it. */
const char *outside_keys_read(const void *json, size_t n, struct outside_keys *out)
    __attribute__((warn_unused_result));
void outside_keys_clear(struct outside_keys *k);
/* NULL: none. Without kid only where there is no choice. */
const struct jws_key *
outside_keys_find(const struct outside_keys *k, const char *key_id, enum jws_alg alg);

struct outside_expect {
	const char *issuer, *client_id, *nonce;
	unsigned algs;            /* of its discovery document */
	const char *access_token; /* what came with it: at_hash, where it is said, must fit */
	int64_t now_us;           /* wall clock */
};
struct outside_claims {
	const char *subject;
	const char *email, *name, *username; /* NULL: not said */
	bool email_verified;
	int64_t authenticated_at_us; /* auth_time; 0: not said */
};
/* NULL: fine. "unknown key": none of those keys made it; others may be published meanwhile. Else what
 * is wrong with it. */
extern const char outside_unknown_key[];
const char *outside_token_read(struct arena *a, const char *token, const struct outside_keys *keys,
    const struct outside_expect *e, struct outside_claims *out) __attribute__((warn_unused_result));
/* What userinfo (Core 5.3) adds to it: of the same subject, else it is refused. */
const char *outside_userinfo_read(struct arena *a, const void *json, size_t n,
    struct outside_claims *out) __attribute__((warn_unused_result));

#endif
