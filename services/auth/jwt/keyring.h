/* keyring: the signing keys and the refresh secret of the fleet, from one directory (0700, files
 * 0600) that jwt and oauth share. Whoever starts first makes what is missing; both end with the
 * same set.
 *
 *   es256-1.pem     PKCS#8; any NAME.pem is loaded, the last name of the configured algorithm signs
 *   eddsa-1.pem
 *   refresh.secret  32 bytes in hex: refresh tokens are proved with it (session.h)
 *
 * A reload builds the new set completely before the old one is touched. */
#ifndef JWT_KEYRING_H
#define JWT_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "auth/jwt/jws.h"

#define KEYRING_MOST   32 /* keys; more are refused at load */
#define KEYRING_SECRET 32 /* bytes */

struct keyring;

/* Makes what is missing, loads all. NULL: err says what to do. */
struct keyring *keyring_open(const char *dir, enum jws_alg alg, char *err, size_t err_size)
    __attribute__((warn_unused_result));
void keyring_close(struct keyring **r);
const struct jws_key *
keyring_find(const struct keyring *r, const char *key_id); /* NULL: none has that id */
const struct jws_key *keyring_signer(const struct keyring *r);
const uint8_t *keyring_secret(const struct keyring *r);
size_t keyring_size(const struct keyring *r);
char *keyring_jwks(
    const struct keyring *r, struct arena *a, size_t *n); /* RFC 7517 key set, public parts */
bool keyring_changed(
    const struct keyring *r); /* has the directory changed since it was read? one stat */

#endif
