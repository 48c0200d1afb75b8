/* jws: compact JSON Web Signatures (RFC 7515) with parsed keys that are kept. No I/O, no clock, no
 * policy on claims.
 *
 * A key has one algorithm for life; a token that names another one is refused, so `none` and HMAC
 * confusion have nothing to hold on to. A key id is the RFC 7638 thumbprint: it can't name another
 * key. ES256 (default) and RS256 by OpenSSL, EdDSA by libsodium. Loop thread only: a key keeps
 * OpenSSL contexts that verifying uses. */
#ifndef JWT_JWS_H
#define JWT_JWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/json.h"
#include "base/str.h"

#define JWS_TOKEN_MAX  8192 /* bytes of a compact token; longer ones are refused unread */
#define JWS_HEADER_MAX 512  /* of its decoded header */
#define JWS_KEY_ID_LEN 43   /* base64url of SHA-256 */
#define JWS_PEM_MAX    16384
/* others put whole keys and certificates into it */
#define JWS_FOREIGN_HEADER_MAX 6144
#define JWS_SIGNATURE_MAX      512 /* RSA of 4096 bits */

enum jws_alg { JWS_ALG_NONE, JWS_ES256, JWS_EDDSA, JWS_RS256 };
enum jws_alg
jws_alg_from_name(struct str name); /* JWS_ALG_NONE: none that we speak, "none" included */
const char *jws_alg_name(enum jws_alg alg);

struct jws_key;

/* RSA of 3072 bits takes some 100 ms, the others less than one */
struct jws_key *jws_key_generate(enum jws_alg alg);
/* PKCS#8 (can sign) or SubjectPublicKeyInfo. NULL: err says why. */
struct jws_key *jws_key_from_pem(const char *pem, size_t n, char *err, size_t err_size)
    __attribute__((warn_unused_result));
size_t jws_key_pem(
    const struct jws_key *k, char *out, size_t cap); /* PKCS#8; the caller wipes it. 0: can't */
size_t jws_key_public_pem(const struct jws_key *k, char *out, size_t cap);
void jws_key_free(struct jws_key **k);
const char *jws_key_id(const struct jws_key *k);
enum jws_alg jws_key_alg(const struct jws_key *k);
bool jws_key_can_sign(const struct jws_key *k);
void jws_key_jwk(const struct jws_key *k, struct jw *w); /* the public part, one RFC 7517 object */

/* The public key that a JWK (RFC 7517) describes: EC P-256, RSA of 2048 bits and more, OKP Ed25519; its
 * algorithm follows from its type. What it says of itself (kid, use, alg) is the caller's to judge.
 * NULL: err says why; a private or symmetric key is refused. */
struct jws_key *
jws_key_from_jwk(const json_t *jwk, char *err, size_t err_size) __attribute__((warn_unused_result));

struct jws { /* a token taken apart; nothing in it is trusted before jws_verify */
	enum jws_alg alg;
	const char *key_id;     /* "" when absent */
	const char *type;       /* "" when absent */
	struct str signed_part; /* into the token */
	const uint8_t *payload;
	size_t n_payload;
	uint8_t signature[JWS_SIGNATURE_MAX];
	size_t n_signature;
	json_t *jwk; /* jws_parse_proof's own */
};

/* False: not a compact JWS of ours in every detail (three parts, strict base64url, no header member
 * besides alg, kid, typ, no duplicate). `token` must outlive *out. */
bool
jws_parse(struct arena *a, struct str token, struct jws *out) __attribute__((warn_unused_result));
/* The same of others: an ID token of an outside provider (any header members but crit; jku, x5u, jwk
 * and the like are not looked at), and a DPoP proof, whose header has its public key (*jwk, the
 * caller's to release with json_decref; NULL after false). */
bool jws_parse_foreign(struct arena *a, struct str token, struct jws *out)
    __attribute__((warn_unused_result));
bool jws_parse_proof(struct arena *a, struct str token, struct jws *out, json_t **jwk)
    __attribute__((warn_unused_result));
bool jws_verify(const struct jws *t, const struct jws_key *k) __attribute__((warn_unused_result));
/* The token, or NULL when the key can't sign. */
char *
jws_sign(struct arena *a, const struct jws_key *k, const char *type, const void *payload, size_t n);
/* The same under a header that the caller wrote, whatever it says: proofs, and what tests forge. */
char *jws_sign_with(
    struct arena *a, const struct jws_key *k, const char *header, const void *payload, size_t n);

#endif
