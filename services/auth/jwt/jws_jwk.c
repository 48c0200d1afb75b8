/* jws_jwk: a public key out of a JWK (RFC 7517) that somebody else wrote. Numbers are taken in their
 * one form only: base64url without spare bits, coordinates of 32 bytes, moduli and exponents without
 * leading zeros. */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <stdio.h>
#include <string.h>
#include "auth/jwt/jws_key.h"
#include "base/log.h"

#define RSA_BYTES_MOST 512
/* A public exponent decides what a verification costs, and whoever sends a key chooses it. */
#define RSA_E_BYTES_MOST 4

static const char *read_ec(const json_t *jwk, EVP_PKEY **out);
static const char *read_rsa(const json_t *jwk, EVP_PKEY **out);
static const char *read_okp(const json_t *jwk, EVP_PKEY **out);

static const struct {
	const char *kty;
	const char *(*read)(const json_t *jwk, EVP_PKEY **out); /* NULL, or what is wrong */
} kinds[] = {
	{ "EC", read_ec },
	{ "RSA", read_rsa },
	{ "OKP", read_okp },
};

static EVP_PKEY *build(const char *type, OSSL_PARAM_BLD *b);
static size_t bytes_of(const json_t *jwk, const char *name, uint8_t *out, size_t cap);
static bool says(const json_t *jwk, const char *name, const char *value);

struct jws_key *
jws_key_from_jwk(const json_t *jwk, char *err, size_t err_size)
{
	/* d: of all private keys; k: of symmetric ones */
	static const char *const secret[] = { "d", "p", "q", "dp", "dq", "qi", "oth", "k" };
	const char *why = "kty: is none of EC, RSA, OKP";
	EVP_PKEY *pkey = NULL;

	for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
		if (json_object_get(jwk, secret[i]) != NULL) {
			(void)snprintf(err, err_size, "%s: a private or symmetric key", secret[i]);
			return NULL;
		}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (says(jwk, "kty", kinds[i].kty)) {
			why = kinds[i].read(jwk, &pkey);
			break;
		}
	if (why == NULL)
		return jws_key_adopt(pkey, false, err, err_size);
	(void)snprintf(err, err_size, "%s", why);
	return NULL;
}

static const char *
read_ec(const json_t *jwk, EVP_PKEY **out)
{
	uint8_t point[1 + 2 * P256_BYTES] = { POINT_CONVERSION_UNCOMPRESSED };
	OSSL_PARAM_BLD *b;

	if (!says(jwk, "crv", "P-256"))
		return "crv: must be P-256";
	if (bytes_of(jwk, "x", point + 1, P256_BYTES) != P256_BYTES ||
	    bytes_of(jwk, "y", point + 1 + P256_BYTES, P256_BYTES) != P256_BYTES)
		return "x, y: must be 32 bytes each";
	must((b = OSSL_PARAM_BLD_new()) != NULL);
	must(OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
	     OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) ==
		 1);
	*out = build("EC", b);
	return *out != NULL ? NULL : "x, y: no point of the curve";
}

static const char *
read_rsa(const json_t *jwk, EVP_PKEY **out)
{
	uint8_t n[RSA_BYTES_MOST], e[RSA_E_BYTES_MOST];
	size_t n_n = bytes_of(jwk, "n", n, sizeof(n)), n_e = bytes_of(jwk, "e", e, sizeof(e));
	BIGNUM *modulus, *exponent;
	OSSL_PARAM_BLD *b;

	if (n_n == 0 || n[0] == 0 || (n[n_n - 1] & 1) == 0)
		return "n: must be a modulus of 2048 to 4096 bits";
	if (n_e == 0 || e[0] == 0 || (e[n_e - 1] & 1) == 0 || (n_e == 1 && e[0] == 1))
		return "e: must be an odd number from 3, below 2^32";
	modulus = BN_bin2bn(n, (int)n_n, NULL);
	exponent = BN_bin2bn(e, (int)n_e, NULL);
	b = OSSL_PARAM_BLD_new();
	must(modulus != NULL && exponent != NULL && b != NULL);
	must(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
	     OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, exponent) == 1);
	*out = build("RSA", b);
	BN_free(modulus);
	BN_free(exponent);
	return *out != NULL ? NULL : "n, e: no key";
}

static const char *
read_okp(const json_t *jwk, EVP_PKEY **out)
{
	uint8_t x[crypto_sign_PUBLICKEYBYTES];

	if (!says(jwk, "crv", "Ed25519"))
		return "crv: must be Ed25519";
	if (bytes_of(jwk, "x", x, sizeof(x)) != sizeof(x))
		return "x: must be 32 bytes";
	*out = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, sizeof(x));
	return *out != NULL ? NULL : "x: no key";
}

/* Takes b. A point that is not on its curve gives no key. */
static EVP_PKEY *
build(const char *type, OSSL_PARAM_BLD *b)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
	EVP_PKEY *pkey = NULL;

	must(ctx != NULL && params != NULL);
	if (EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

/* 0: there is none, or it is longer */
static size_t
bytes_of(const json_t *jwk, const char *name, uint8_t *out, size_t cap)
{
	const char *s = json_string_value(json_object_get(jwk, name));
	size_t n;

	return s != NULL && str_unb64url(str_of(s), out, cap, &n) ? n : 0;
}

static bool
says(const json_t *jwk, const char *name, const char *value)
{
	const char *s = json_string_value(json_object_get(jwk, name));

	return s != NULL && strcmp(s, value) == 0;
}
