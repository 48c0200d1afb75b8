/* jwk: see jwk.h. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <string.h>
#include "harness/jwk.h"
#include "harness/test.h"

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *bld);
static EVP_PKEY *make_ec(const json_t *jwk);
static EVP_PKEY *make_rsa(const json_t *jwk);
static EVP_PKEY *make_ed(const json_t *jwk);
static size_t member(const json_t *jwk, const char *name, uint8_t *out, size_t cap);

struct jws_key *
jwk_public(const json_t *jwk)
{
	const char *kty = json_string_value(json_object_get(jwk, "kty"));
	char err[200], *p;
	struct jws_key *k;
	EVP_PKEY *pkey;
	BIO *bio;
	long n;

	if (strcmp(kty, "EC") == 0)
		pkey = make_ec(jwk);
	else if (strcmp(kty, "RSA") == 0)
		pkey = make_rsa(jwk);
	else
		pkey = make_ed(jwk);
	if (pkey == NULL)
		return NULL;
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
	n = BIO_get_mem_data(bio, &p);
	k = jws_key_from_pem(p, (size_t)n, err, sizeof(err));
	BIO_free(bio);
	EVP_PKEY_free(pkey);
	return k;
}

char *
jwk_token(struct arena *a, const char *header, const char *payload, const char *signature)
{
	char *h = arena_alloc(a, str_b64url_len(strlen(header)) + 1);
	char *p = arena_alloc(a, str_b64url_len(strlen(payload)) + 1);

	(void)str_b64url(header, strlen(header), h);
	(void)str_b64url(payload, strlen(payload), p);
	return arena_printf(a, "%s.%s.%s", h, p, signature);
}

static EVP_PKEY *
from_params(const char *type, OSSL_PARAM_BLD *bld)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY *pkey = NULL;

	if (EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

static EVP_PKEY *
make_ec(const json_t *jwk)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	uint8_t point[65] = { 4 };

	if (member(jwk, "x", point + 1, 32) != 32 || member(jwk, "y", point + 33, 32) != 32) {
		OSSL_PARAM_BLD_free(bld);
		return NULL;
	}
	OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
	OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point));
	return from_params("EC", bld);
}

static EVP_PKEY *
make_rsa(const json_t *jwk)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	uint8_t n[512], e[8];
	BIGNUM *bn_n = BN_bin2bn(n, (int)member(jwk, "n", n, sizeof(n)), NULL);
	BIGNUM *bn_e = BN_bin2bn(e, (int)member(jwk, "e", e, sizeof(e)), NULL);
	EVP_PKEY *pkey;

	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn_n);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, bn_e);
	pkey = from_params("RSA", bld);
	BN_free(bn_n);
	BN_free(bn_e);
	return pkey;
}

static EVP_PKEY *
make_ed(const json_t *jwk)
{
	uint8_t x[32];

	if (member(jwk, "x", x, sizeof(x)) != sizeof(x))
		return NULL;
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, sizeof(x));
}

static size_t
member(const json_t *jwk, const char *name, uint8_t *out, size_t cap)
{
	const char *s = json_string_value(json_object_get(jwk, name));
	size_t n;

	return s != NULL && str_unb64url(str_of(s), out, cap, &n) ? n : 0;
}
