/* dpop: see dpop.h.
 *
 * What was seen are 64 bits of a keyed hash of key and jti, with 64 of the operation that it came with,
 * in two tables: one takes what comes, the other keeps what came before, and every TURN the older one is
 * emptied. An entry is found for a TURN at least, which is longer than any proof can be presented. Tables
 * begin small and grow. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "auth/jwt/dpop.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#define TURN       (DPOP_AGE_US + 2 * DPOP_LEEWAY_US)
#define SLOTS      1024
#define SLOTS_MOST (1 << 19) /* 8 MB; three quarters of them are used */
#define JTI_MAX    512

const char dpop_replayed[] = "was presented before";
const char dpop_busy[] = "too many proofs are remembered";

struct seen {
	struct slot {           /* open addressing */
		uint64_t proof; /* 0: empty */
		uint64_t operation;
	} * slots;
	size_t n, cap;
};

struct dpop {
	uint8_t key[crypto_shorthash_KEYBYTES];
	struct seen now, before;
	int64_t turned_us;
};

struct proof { /* its claims */
	const char *jti, *method, *url, *token_hash;
	int64_t issued_us;
};

static const char *
signed_by_itself(struct arena *a, const char *proof, struct jws *t, char jkt[JWS_KEY_ID_LEN + 1]);
static bool claims_of(struct arena *a, const struct jws *t, struct proof *out);
static bool token_hash_is(const char *access_token, const char *hash);
static const char *
remember(struct dpop *d, const char *jkt, const char *jti, const char *operation, int64_t now_us);
static uint64_t hash_of(const struct dpop *d, const char *p, size_t n);
static void turn(struct dpop *d, int64_t now_us);
static size_t slot_of(const struct seen *s, uint64_t proof);
static const struct slot *seen_find(const struct seen *s, uint64_t proof);
static void seen_add(struct seen *s, const struct slot *one);
static void seen_clear(struct seen *s);

struct dpop *
dpop_new(void)
{
	struct dpop *d = mem_zalloc(sizeof(*d));

	id_random(d->key, sizeof(d->key));
	return d;
}

void
dpop_free(struct dpop **dp)
{
	struct dpop *d = *dp;

	*dp = NULL;
	if (d == NULL)
		return;
	seen_clear(&d->now);
	seen_clear(&d->before);
	free(d);
}

/* The order of RFC 9449, 4.3; what it says about nonces does not apply, none is given out. */
const char *
dpop_check(struct dpop *d, struct arena *a, const struct dpop_request *q, int64_t now_us,
    char jkt[JWS_KEY_ID_LEN + 1])
{
	const char *why, *theirs, *ours;
	struct proof p = { 0 };
	struct jws t;

	jkt[0] = '\0';
	why = signed_by_itself(a, q->proof, &t, jkt);
	if (why != NULL)
		return why;
	if (!claims_of(a, &t, &p))
		return "lacks jti, htm, htu or iat, or has one of another kind";
	if (strcmp(p.method, q->method) != 0)
		return "htm: is not the method of the request";
	theirs = dpop_url(a, p.url);
	ours = dpop_url(a, q->url);
	if (theirs == NULL || ours == NULL || strcmp(theirs, ours) != 0)
		return "htu: is not the URL of the request";
	if (p.issued_us > now_us + DPOP_LEEWAY_US ||
	    p.issued_us < now_us - DPOP_AGE_US - DPOP_LEEWAY_US)
		return "iat: is not within the last 60 s";
	if (q->access_token != NULL && !token_hash_is(q->access_token, p.token_hash))
		return "ath: is not the hash of the access token";
	return remember(d, jkt, p.jti, q->operation, now_us);
}

/* By the key in its own header: who else has that key's private part? */
static const char *
signed_by_itself(struct arena *a, const char *proof, struct jws *t, char jkt[JWS_KEY_ID_LEN + 1])
{
	struct jws_key *k;
	json_t *jwk;
	char err[160];
	bool ok;

	if (!jws_parse_proof(a, str_of(proof), t, &jwk))
		return "is no JWS with a public key in its header";
	k = jws_key_from_jwk(jwk, err, sizeof(err));
	json_decref(jwk);
	if (k == NULL)
		return "jwk: is no public key of ES256, RS256 or EdDSA";
	ok = jws_verify(t, k);
	memcpy(jkt, jws_key_id(k), JWS_KEY_ID_LEN + 1);
	jws_key_free(&k);
	if (strcmp(t->type, DPOP_TYPE) != 0)
		return "typ: must be " DPOP_TYPE;
	return ok ? NULL : "is not signed with the key in its header";
}

static bool
claims_of(struct arena *a, const struct jws *t, struct proof *out)
{
	struct json_error e;
	json_t *v = json_read(t->payload, t->n_payload, &e);
	const json_t *iat = json_object_get(v, "iat");
	const struct {
		const char *name;
		const char **to;
		bool optional;
	} texts[] = {
		{ "jti", &out->jti, false },
		{ "htm", &out->method, false },
		{ "htu", &out->url, false },
		{ "ath", &out->token_hash, true },
	};
	double seconds = json_number_value(iat);
	bool ok = json_is_number(iat) && seconds >= 0 && seconds < 1e11;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const json_t *text = json_object_get(v, texts[i].name);

		if (json_is_string(text))
			*texts[i].to = arena_strdup(a, json_string_value(text));
		else if (text != NULL || !texts[i].optional)
			ok = false;
	}
	json_decref(v);
	out->issued_us = ok ? (int64_t)(seconds * (double)SEC) : 0;
	return ok && out->jti[0] != '\0' && strlen(out->jti) <= JTI_MAX;
}

static bool
token_hash_is(const char *access_token, const char *hash)
{
	uint8_t bytes[crypto_hash_sha256_BYTES];
	char text[JWS_KEY_ID_LEN + 1];

	(void)crypto_hash_sha256(bytes, (const uint8_t *)access_token, strlen(access_token));
	must(str_b64url(bytes, sizeof(bytes), text) == JWS_KEY_ID_LEN);
	return hash != NULL && strcmp(text, hash) == 0;
}

/* --- what was seen --- */

/* The bus, and whoever asks for more than one permission, come again with the same operation. */
static const char *
remember(struct dpop *d, const char *jkt, const char *jti, const char *operation, int64_t now_us)
{
	char text[JWS_KEY_ID_LEN + JTI_MAX + 1];
	bool named = operation != NULL && operation[0] != '\0';
	size_t n = strlen(jti);
	const struct slot *before;
	struct slot one;

	memcpy(text, jkt, JWS_KEY_ID_LEN); /* of one length, so that no two pairs are one text */
	memcpy(text + JWS_KEY_ID_LEN, jti, n);
	one.proof = hash_of(d, text, JWS_KEY_ID_LEN + n);
	one.operation = named ? hash_of(d, operation, strlen(operation)) : 0;
	turn(d, now_us);
	before = seen_find(&d->now, one.proof);
	if (before == NULL)
		before = seen_find(&d->before, one.proof);
	if (before != NULL)
		return named && before->operation == one.operation ? NULL : dpop_replayed;
	if (d->now.n >= SLOTS_MOST / 4 * 3)
		return dpop_busy;
	seen_add(&d->now, &one);
	return NULL;
}

/* Never 0. */
static uint64_t
hash_of(const struct dpop *d, const char *p, size_t n)
{
	uint64_t hash;

	(void)crypto_shorthash((uint8_t *)&hash, (const uint8_t *)p, n, d->key);
	return hash != 0 ? hash : 1;
}

/* A clock that was set back empties nothing. */
static void
turn(struct dpop *d, int64_t now_us)
{
	int64_t since = now_us - d->turned_us;

	if (since < TURN)
		return;
	seen_clear(&d->before);
	if (since < 2 * TURN)
		d->before = d->now;
	else
		seen_clear(&d->now);
	d->now = (struct seen){ 0 };
	d->turned_us = now_us;
}

static size_t
slot_of(const struct seen *s, uint64_t proof)
{
	size_t at = proof & (s->cap - 1);

	while (s->slots[at].proof != 0 && s->slots[at].proof != proof)
		at = (at + 1) & (s->cap - 1);
	return at;
}

static const struct slot *
seen_find(const struct seen *s, uint64_t proof)
{
	const struct slot *one = s->n > 0 ? &s->slots[slot_of(s, proof)] : NULL;

	return one != NULL && one->proof != 0 ? one : NULL;
}

static void
seen_add(struct seen *s, const struct slot *one)
{
	if (s->n >= s->cap / 4 * 3) {
		struct seen more = { .cap = s->cap == 0 ? SLOTS : 2 * s->cap, .n = s->n };

		more.slots = mem_zalloc(more.cap * sizeof(*more.slots));
		for (size_t i = 0; i < s->cap; i++)
			if (s->slots[i].proof != 0)
				more.slots[slot_of(&more, s->slots[i].proof)] = s->slots[i];
		free(s->slots);
		*s = more;
	}
	s->slots[slot_of(s, one->proof)] = *one;
	s->n++;
}

static void
seen_clear(struct seen *s)
{
	free(s->slots);
	*s = (struct seen){ 0 };
}
