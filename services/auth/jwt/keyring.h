/* keyring: the signing keys and the refresh secret of the fleet, from one directory (0700, files
 * 0600) that jwt and oauth share. Whoever starts first makes what is missing; both end with the
 * same set. All of it is sealed (seal.h).
 *
 *   es256-1.key     a signing key (keyfile.h); which of them signs, and until when: rotation.h
 *   es256-2.key
 *   x.pem           a public key that somebody put there: verifies
 *   refresh.secret  32 bytes: refresh tokens are proved with it (session.h)
 *
 * A reload builds the new set completely before the old one is touched. What lies there in the open,
 * from an older version, is sealed first. Reading and making files blocks for some ms, once a second
 * at most. */
#ifndef JWT_KEYRING_H
#define JWT_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "auth/jwt/jws.h"
#include "auth/jwt/once.h"
#include "auth/jwt/rotation.h"
#include "auth/jwt/seal.h"

#define KEYRING_MOST   32 /* keys; more are refused at load */
#define KEYRING_SECRET 32 /* bytes */

struct keyring;

struct keyring_opts {
	const char *dir;
	const struct seal *seal; /* outlives the ring */
	enum jws_alg alg;        /* of new keys and tokens */
	struct rotation rotation;
};

/* Makes what is missing, loads all, removes what has retired. NULL: err says what to do. */
struct keyring *keyring_open(const struct keyring_opts *o, char *err, size_t err_size)
    __attribute__((warn_unused_result));
void keyring_close(struct keyring **r);
const struct jws_key *
keyring_find(const struct keyring *r, const char *key_id); /* NULL: none has that id */
const struct jws_key *keyring_signer(struct keyring *r);   /* now; never NULL */
const uint8_t *keyring_secret(const struct keyring *r);
size_t keyring_size(const struct keyring *r);
char *keyring_jwks(
    const struct keyring *r, struct arena *a, size_t *n); /* RFC 7517 key set, public parts */
bool keyring_changed(
    const struct keyring *r); /* has the directory changed since it was read? one stat */

/* The schedule, now; wall clock. */
int64_t keyring_due(struct keyring *r); /* when something is to be done next; it may have passed */
bool keyring_makes(struct keyring *r);  /* a key is to be made: the ring has no next one yet */
bool keyring_has_next(struct keyring *r);
/* Puts the key into the directory as the next one, under a name that only one can take: ONCE_THERE,
 * somebody was faster. The ring has it when it was opened anew. */
enum once keyring_add(struct keyring *r, const struct jws_key *k, char *err, size_t err_size)
    __attribute__((warn_unused_result));

struct keyring_fact { /* of one key, for people */
	const struct jws_key *key;
	struct rotation_key at;
};
/* The i-th, newest first; false: there are no more. */
bool keyring_fact(struct keyring *r, size_t i, struct keyring_fact *out);
/* The newest that was not made by a clock that was ahead; false: there is none. */
bool keyring_newest(struct keyring *r, struct keyring_fact *out);

#endif
