/* jws: see jws.h. Algorithms, parsing, verifying, signing; keys are in jws_key.c.
 *
 * Kept contexts are what makes it fast: EVP_PKEY_verify_init once per key, then 51 us per ES256
 * verification where parsing the PEM each time costs 373 us. */
#include <openssl/ec.h>
#include <stdio.h>
#include <string.h>
#include "auth/jwt/jws_key.h"
#include "base/log.h"

static const struct {
	enum jws_alg alg;
	const char *name;
} algs[] = {
	{ JWS_ES256, "ES256" },
	{ JWS_EDDSA, "EdDSA" },
	{ JWS_RS256, "RS256" },
};
#define N_ALGS (sizeof(algs) / sizeof(algs[0]))

/* One member of a header, into *out. False: the token is refused for it. */
typedef bool header_fn(struct arena *a, const char *name, json_t *v, struct jws *out);

static bool
part_decode(struct arena *a, struct str part, size_t most, const uint8_t **p, size_t *n);
static bool
parse(struct arena *a, struct str token, size_t header_max, header_fn *member, struct jws *out);
static bool
header_read(struct arena *a, const uint8_t *p, size_t n, header_fn *member, struct jws *out);
static header_fn our_member, foreign_member, proof_member;
static bool es256_verify(const struct jws *t, const struct jws_key *k);
static bool rs256_verify(const struct jws *t, const struct jws_key *k);
static size_t
sign(const struct jws_key *k, const char *text, size_t n, uint8_t out[JWS_SIGNATURE_MAX]);
static bool es256_sign(const struct jws_key *k, const char *text, size_t n, uint8_t out[64]);
static size_t der_integer(const uint8_t *p, uint8_t *out);
static bool sha256(const void *p, size_t n, uint8_t out[32]);

enum jws_alg
jws_alg_from_name(struct str name)
{
	for (size_t i = 0; i < N_ALGS; i++)
		if (str_eq(name, algs[i].name))
			return algs[i].alg;
	return JWS_ALG_NONE;
}

const char *
jws_alg_name(enum jws_alg alg)
{
	for (size_t i = 0; i < N_ALGS; i++)
		if (algs[i].alg == alg)
			return algs[i].name;
	return "none";
}

/* --- parsing --- */

bool
jws_parse(struct arena *a, struct str token, struct jws *out)
{
	return parse(a, token, JWS_HEADER_MAX, our_member, out);
}

bool
jws_parse_foreign(struct arena *a, struct str token, struct jws *out)
{
	return parse(a, token, JWS_FOREIGN_HEADER_MAX, foreign_member, out);
}

bool
jws_parse_proof(struct arena *a, struct str token, struct jws *out, json_t **jwk)
{
	bool ok = parse(a, token, JWS_FOREIGN_HEADER_MAX, proof_member, out);

	*jwk = out->jwk;
	out->jwk = NULL;
	if (ok && *jwk != NULL)
		return true;
	json_decref(*jwk);
	*jwk = NULL;
	return false;
}

static bool
parse(struct arena *a, struct str token, size_t header_max, header_fn *member, struct jws *out)
{
	struct str header, rest, payload, signature;
	const uint8_t *p;
	size_t n;

	memset(out, 0, sizeof(*out));
	if (token.n > JWS_TOKEN_MAX)
		return false;
	if (!str_cut(token, '.', &header, &rest) || !str_cut(rest, '.', &payload, &signature))
		return false;
	out->signed_part = (struct str){ token.p, header.n + 1 + payload.n };
	if (!str_unb64url(signature, out->signature, sizeof(out->signature), &out->n_signature))
		return false;
	if (!part_decode(a, header, header_max, &p, &n) || !header_read(a, p, n, member, out))
		return false;
	return part_decode(a, payload, JWS_TOKEN_MAX, &out->payload, &out->n_payload);
}

static bool
part_decode(struct arena *a, struct str part, size_t most, const uint8_t **p, size_t *n)
{
	size_t cap = part.n / 4 * 3 + 3;
	uint8_t *out;

	if (part.n == 0 || cap > most + 3 || cap > arena_left(a))
		return false;
	out = arena_alloc(a, cap);
	*p = out;
	return str_unb64url(part, out, cap, n);
}

static bool
header_read(struct arena *a, const uint8_t *p, size_t n, header_fn *member, struct jws *out)
{
	struct json_error e;
	json_t *v = json_read(p, n, &e);
	const char *name;
	json_t *value;
	bool ok = json_is_object(v);

	out->key_id = out->type = "";
	if (ok)
		json_object_foreach(v, name, value) ok = ok && member(a, name, value, out);
	json_decref(v);
	return ok && out->alg != JWS_ALG_NONE;
}

/* jku, x5u, jwk, x5c, crit, b64, zip: a token of ours has none of them, so one that does is not
 * ours. */
static bool
our_member(struct arena *a, const char *name, json_t *v, struct jws *out)
{
	return (strcmp(name, "alg") == 0 || strcmp(name, "kid") == 0 || strcmp(name, "typ") == 0) &&
	       foreign_member(a, name, v, out);
}

/* What is critical has to be understood (RFC 7515, 4.1.11), and we understand no extension. Of the
 * rest the key is chosen by the caller alone. */
static bool
foreign_member(struct arena *a, const char *name, json_t *v, struct jws *out)
{
	const char *s = json_string_value(v);

	if (strcmp(name, "crit") == 0)
		return false;
	if (strcmp(name, "alg") == 0)
		return s != NULL && (out->alg = jws_alg_from_name(str_of(s))) != JWS_ALG_NONE;
	if (strcmp(name, "kid") == 0)
		return s != NULL && (out->key_id = arena_strdup(a, s)) != NULL;
	if (strcmp(name, "typ") == 0)
		return s != NULL && (out->type = arena_strdup(a, s)) != NULL;
	return true;
}

static bool
proof_member(struct arena *a, const char *name, json_t *v, struct jws *out)
{
	if (strcmp(name, "jwk") != 0)
		return foreign_member(a, name, v, out);
	out->jwk = json_is_object(v) ? json_incref(v) : NULL;
	return out->jwk != NULL;
}

/* --- verifying --- */

bool
jws_verify(const struct jws *t, const struct jws_key *k)
{
	if (t->alg != k->alg)
		return false;
	switch (k->alg) {
	case JWS_ES256:
		return es256_verify(t, k);
	case JWS_RS256:
		return rs256_verify(t, k);
	case JWS_EDDSA:
		return t->n_signature == crypto_sign_BYTES &&
		       crypto_sign_verify_detached(t->signature, (const uint8_t *)t->signed_part.p,
			   t->signed_part.n, k->ed_public) == 0;
	case JWS_ALG_NONE:
		break;
	}
	return false;
}

/* JWS holds r and s side by side, OpenSSL wants them in DER. */
static bool
es256_verify(const struct jws *t, const struct jws_key *k)
{
	uint8_t hash[32], der[2 + 2 * (P256_BYTES + 3)];
	size_t n = 2;

	if (t->n_signature != 2 * P256_BYTES || !sha256(t->signed_part.p, t->signed_part.n, hash))
		return false;
	n += der_integer(t->signature, der + n);
	n += der_integer(t->signature + P256_BYTES, der + n);
	der[0] = 0x30;
	der[1] = (uint8_t)(n - 2);
	return EVP_PKEY_verify(k->verify, der, n, hash, sizeof(hash)) == 1;
}

static bool
rs256_verify(const struct jws *t, const struct jws_key *k)
{
	uint8_t hash[32];

	return sha256(t->signed_part.p, t->signed_part.n, hash) &&
	       EVP_PKEY_verify(k->verify, t->signature, t->n_signature, hash, sizeof(hash)) == 1;
}

static size_t
der_integer(const uint8_t *p, uint8_t *out)
{
	size_t skip = 0, n;
	bool pad;

	while (skip < P256_BYTES - 1 && p[skip] == 0)
		skip++;
	n = P256_BYTES - skip;
	pad = (p[skip] & 0x80) != 0;
	out[0] = 0x02;
	out[1] = (uint8_t)(n + pad);
	out[2] = 0;
	memcpy(out + 2 + pad, p + skip, n);
	return 2 + pad + n;
}

static bool
sha256(const void *p, size_t n, uint8_t out[32])
{
	return EVP_Digest(p, n, out, NULL, EVP_sha256(), NULL) == 1;
}

/* --- signing --- */

char *
jws_sign(struct arena *a, const struct jws_key *k, const char *type, const void *payload, size_t n)
{
	return jws_sign_with(a, k,
	    arena_printf(a, "{\"alg\":\"%s\",\"typ\":\"%s\",\"kid\":\"%s\"}", jws_alg_name(k->alg),
		type, k->id),
	    payload, n);
}

char *
jws_sign_with(
    struct arena *a, const struct jws_key *k, const char *header, const void *payload, size_t n)
{
	size_t n_header = strlen(header), at, n_signature;
	uint8_t signature[JWS_SIGNATURE_MAX];
	char *out;

	if (!jws_key_can_sign(k))
		return NULL;
	out = arena_alloc(a,
	    str_b64url_len(n_header) + str_b64url_len(n) + str_b64url_len(sizeof(signature)) + 3);
	at = str_b64url(header, n_header, out);
	out[at++] = '.';
	at += str_b64url(payload, n, out + at);
	n_signature = sign(k, out, at, signature);
	if (n_signature == 0)
		return NULL;
	out[at++] = '.';
	(void)str_b64url(signature, n_signature, out + at);
	return out;
}

/* Bytes of the signature; 0: it failed. */
static size_t
sign(const struct jws_key *k, const char *text, size_t n, uint8_t out[JWS_SIGNATURE_MAX])
{
	size_t n_out = JWS_SIGNATURE_MAX;
	uint8_t hash[32];

	switch (k->alg) {
	case JWS_EDDSA:
		(void)crypto_sign_detached(out, NULL, (const uint8_t *)text, n, k->ed_secret);
		return crypto_sign_BYTES;
	case JWS_ES256:
		return es256_sign(k, text, n, out) ? 2 * P256_BYTES : 0;
	case JWS_RS256:
		return sha256(text, n, hash) &&
		               EVP_PKEY_sign(k->sign, out, &n_out, hash, sizeof(hash)) == 1
		           ? n_out
		           : 0;
	case JWS_ALG_NONE:
		break;
	}
	return 0;
}

static bool
es256_sign(const struct jws_key *k, const char *text, size_t n, uint8_t out[64])
{
	uint8_t hash[32], der[2 + 2 * (P256_BYTES + 3)];
	const uint8_t *p = der;
	size_t n_der = sizeof(der);
	ECDSA_SIG *sig;
	bool ok;

	if (!sha256(text, n, hash) || EVP_PKEY_sign(k->sign, der, &n_der, hash, sizeof(hash)) != 1)
		return false;
	sig = d2i_ECDSA_SIG(NULL, &p, (long)n_der);
	ok = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, P256_BYTES) == P256_BYTES &&
	     BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + P256_BYTES, P256_BYTES) == P256_BYTES;
	ECDSA_SIG_free(sig);
	return ok;
}
