/* jws_key: the inside of a key, for jws.c, jws_key.c, jws_jwk.c only. */
#ifndef JWT_JWS_KEY_H
#define JWT_JWS_KEY_H

#include <openssl/evp.h>
#include <sodium.h>
#include "auth/jwt/jws.h"

#define P256_BYTES 32

struct jws_key {
	enum jws_alg alg;
	char id[JWS_KEY_ID_LEN + 1];
	EVP_PKEY *pkey;              /* of every algorithm: it is what PEM is written from */
	EVP_PKEY_CTX *verify, *sign; /* ES256, RS256; sign NULL: public key */
	uint8_t ed_public[crypto_sign_PUBLICKEYBYTES];
	uint8_t *ed_secret; /* in locked memory; NULL: public key */
};

/* Checks kind and size and prepares the contexts. Takes pkey in any case. */
struct jws_key *jws_key_adopt(EVP_PKEY *pkey, bool private, char *err, size_t err_size);

#endif
