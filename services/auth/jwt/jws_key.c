/* jws_key: keys of jws.h: made, read from PEM, written, published. Each is checked when it comes
 * in: P-256, Ed25519, or RSA of 2048 to 4096 bits; its contexts are prepared once and kept. */
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/jwt/jws_key.h"
#include "base/log.h"
#include "base/mem.h"

static bool key_adopt_ed(struct jws_key *k, bool private);
static bool key_adopt_evp(struct jws_key *k, bool private);
static bool set_scheme(EVP_PKEY_CTX *ctx, enum jws_alg alg);
static const char *key_members(const struct jws_key *k, char *out, size_t cap);
static bool
number_b64(const EVP_PKEY *pkey, const char *param, size_t width, char *out, size_t cap);

struct jws_key *
jws_key_generate(enum jws_alg alg)
{
	EVP_PKEY *pkey;
	struct jws_key *k;
	char err[100];

	must(alg != JWS_ALG_NONE);
	if (alg == JWS_ES256)
		pkey = EVP_EC_gen("P-256");
	else if (alg == JWS_RS256)
		pkey = EVP_RSA_gen(3072);
	else
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	must(pkey != NULL);
	k = jws_key_adopt(pkey, true, err, sizeof(err));
	must(k != NULL);
	return k;
}

struct jws_key *
jws_key_from_pem(const char *pem, size_t n, char *err, size_t err_size)
{
	bool private = memmem(pem, n, "PRIVATE KEY", 11) != NULL;
	EVP_PKEY *pkey = NULL;
	BIO *bio;

	if (n > JWS_PEM_MAX || (bio = BIO_new_mem_buf(pem, (int)n)) == NULL) {
		(void)snprintf(err, err_size, "too large for a key");
		return NULL;
	}
	/* An empty pass phrase: an encrypted key is an error, never a question on the terminal. */
	if (private)
		pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t) "");
	else
		pkey = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (pkey == NULL) {
		(void)snprintf(err, err_size, "is no key in PEM");
		return NULL;
	}
	return jws_key_adopt(pkey, private, err, err_size);
}

size_t
jws_key_pem(const struct jws_key *k, char *out, size_t cap)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	size_t n = 0;
	char *p;
	long got;

	must(bio != NULL);
	if (jws_key_can_sign(k) &&
	    PEM_write_bio_PKCS8PrivateKey(bio, k->pkey, NULL, NULL, 0, NULL, NULL) == 1 &&
	    (got = BIO_get_mem_data(bio, &p)) > 0 && (size_t)got <= cap) {
		memcpy(out, p, (size_t)got);
		sodium_memzero(p, (size_t)got);
		n = (size_t)got;
	}
	BIO_free(bio);
	return n;
}

size_t
jws_key_public_pem(const struct jws_key *k, char *out, size_t cap)
{
	BIO *bio = BIO_new(BIO_s_mem());
	size_t n = 0;
	char *p;
	long got;

	must(bio != NULL);
	if (PEM_write_bio_PUBKEY(bio, k->pkey) == 1 && (got = BIO_get_mem_data(bio, &p)) > 0 &&
	    (size_t)got <= cap) {
		memcpy(out, p, (size_t)got);
		n = (size_t)got;
	}
	BIO_free(bio);
	return n;
}

void
jws_key_free(struct jws_key **kp)
{
	struct jws_key *k = *kp;

	*kp = NULL;
	if (k == NULL)
		return;
	EVP_PKEY_CTX_free(k->verify);
	EVP_PKEY_CTX_free(k->sign);
	EVP_PKEY_free(k->pkey);
	sodium_free(k->ed_secret);
	free(k);
}

const char *
jws_key_id(const struct jws_key *k)
{
	return k->id;
}

enum jws_alg
jws_key_alg(const struct jws_key *k)
{
	return k->alg;
}

bool
jws_key_can_sign(const struct jws_key *k)
{
	return k->sign != NULL || k->ed_secret != NULL;
}

void
jws_key_jwk(const struct jws_key *k, struct jw *w)
{
	char members[2048];
	json_t *v;
	const char *name;
	json_t *value;

	v = json_loads(key_members(k, members, sizeof(members)), 0, NULL);
	must(v != NULL);
	jw_object(w, NULL);
	json_object_foreach(v, name, value) jw_str(w, name, json_string_value(value));
	jw_str(w, "use", "sig");
	jw_str(w, "alg", jws_alg_name(k->alg));
	jw_str(w, "kid", k->id);
	jw_close(w, '}');
	json_decref(v);
}

struct jws_key *
jws_key_adopt(EVP_PKEY *pkey, bool private, char *err, size_t err_size)
{
	struct jws_key *k = mem_zalloc(sizeof(*k));
	char members[2048];
	uint8_t hash[32];
	bool ok;

	k->pkey = pkey;
	if (EVP_PKEY_is_a(pkey, "ED25519"))
		ok = key_adopt_ed(k, private);
	else
		ok = key_adopt_evp(k, private);
	if (!ok || key_members(k, members, sizeof(members)) == NULL) {
		(void)snprintf(
		    err, err_size, "is neither P-256 nor Ed25519 nor RSA of 2048 to 4096 bits");
		jws_key_free(&k);
		return NULL;
	}
	must(EVP_Digest(members, strlen(members), hash, NULL, EVP_sha256(), NULL) == 1);
	must(str_b64url(hash, sizeof(hash), k->id) == JWS_KEY_ID_LEN);
	return k;
}

static bool
key_adopt_ed(struct jws_key *k, bool private)
{
	size_t n = sizeof(k->ed_public);
	uint8_t seed[crypto_sign_SEEDBYTES];
	bool ok = true;

	k->alg = JWS_EDDSA;
	if (EVP_PKEY_get_raw_public_key(k->pkey, k->ed_public, &n) != 1)
		return false;
	if (!private)
		return true;
	n = sizeof(seed);
	must((k->ed_secret = sodium_malloc(crypto_sign_SECRETKEYBYTES)) != NULL);
	if (EVP_PKEY_get_raw_private_key(k->pkey, seed, &n) != 1)
		ok = false;
	else
		(void)crypto_sign_seed_keypair(k->ed_public, k->ed_secret, seed);
	sodium_memzero(seed, sizeof(seed));
	return ok;
}

static bool
key_adopt_evp(struct jws_key *k, bool private)
{
	char curve[40] = "";

	if (EVP_PKEY_is_a(k->pkey, "EC")) {
		k->alg = JWS_ES256;
		if (EVP_PKEY_get_utf8_string_param(
			k->pkey, OSSL_PKEY_PARAM_GROUP_NAME, curve, sizeof(curve), NULL) != 1 ||
		    strcmp(curve, "prime256v1") != 0)
			return false;
	} else if (EVP_PKEY_is_a(k->pkey, "RSA")) {
		k->alg = JWS_RS256;
		if (EVP_PKEY_get_bits(k->pkey) < 2048 || EVP_PKEY_get_bits(k->pkey) > 4096)
			return false;
	} else {
		return false;
	}
	k->verify = EVP_PKEY_CTX_new(k->pkey, NULL);
	if (k->verify == NULL || EVP_PKEY_verify_init(k->verify) != 1 ||
	    !set_scheme(k->verify, k->alg))
		return false;
	if (!private)
		return true;
	k->sign = EVP_PKEY_CTX_new(k->pkey, NULL);
	return k->sign != NULL && EVP_PKEY_sign_init(k->sign) == 1 && set_scheme(k->sign, k->alg);
}

static bool
set_scheme(EVP_PKEY_CTX *ctx, enum jws_alg alg)
{
	return (alg != JWS_RS256 || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1) &&
	       EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1;
}

/* The members that RFC 7638 hashes, in its order and form: also the public part of the JWK. */
static const char *
key_members(const struct jws_key *k, char *out, size_t cap)
{
	char one[800], two[800];
	int n = -1;

	if (k->alg == JWS_EDDSA) {
		(void)str_b64url(k->ed_public, sizeof(k->ed_public), one);
		n = snprintf(out, cap, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"%s\"}", one);
	} else if (k->alg == JWS_ES256 &&
		   number_b64(k->pkey, OSSL_PKEY_PARAM_EC_PUB_X, P256_BYTES, one, sizeof(one)) &&
		   number_b64(k->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, P256_BYTES, two, sizeof(two))) {
		n = snprintf(out, cap,
		    "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", one, two);
	} else if (k->alg == JWS_RS256 &&
		   number_b64(k->pkey, OSSL_PKEY_PARAM_RSA_E, 0, one, sizeof(one)) &&
		   number_b64(k->pkey, OSSL_PKEY_PARAM_RSA_N, 0, two, sizeof(two))) {
		n = snprintf(out, cap, "{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}", one, two);
	}
	return n > 0 && (size_t)n < cap ? out : NULL;
}

/* width 0: as long as the number is */
static bool
number_b64(const EVP_PKEY *pkey, const char *param, size_t width, char *out, size_t cap)
{
	BIGNUM *number = NULL;
	uint8_t bytes[512];
	bool ok = false;

	if (EVP_PKEY_get_bn_param(pkey, param, &number) != 1)
		return false;
	if (width == 0)
		width = (size_t)BN_num_bytes(number);
	if (width <= sizeof(bytes) && str_b64url_len(width) < cap &&
	    BN_bn2binpad(number, bytes, (int)width) == (int)width) {
		(void)str_b64url(bytes, width, out);
		ok = true;
	}
	BN_free(number);
	return ok;
}
