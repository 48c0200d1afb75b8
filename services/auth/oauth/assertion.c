/* assertion: see assertion.h. */
#include "auth/oauth/assertion.h"
#include <string.h>
#include "auth/jwt/jws.h"
#include "auth/oauth/states.h"

#define KIND      "assertion"
#define LIFE_MAX  (600 * SEC)
#define LEEWAY    (30 * SEC)
#define JTI_MAX   200
#define KEYS_MOST 10

struct checking {
	assertion_fn *then;
	void *ctx;
};

static json_t *claims_of(struct arena *a, const char *assertion, struct jws *t);
static bool is_signed(const struct jws *t, const struct client *m);
static bool claims_ok(const struct web *w, const struct client *m, const json_t *v);
static bool is_for_us(const struct web *w, const json_t *aud);
static bool time_claim(const json_t *v, const char *name, int64_t *us);
static void on_seen(struct web *w, const struct state *s, const struct failure *f, void *ctx);

const char *
assertion_client(struct arena *a, const char *assertion)
{
	struct jws t;
	json_t *v = claims_of(a, assertion, &t);
	const char *s = json_string_value(json_object_get(v, "sub"));
	const char *out = s == NULL ? NULL : arena_strdup(a, s);

	json_decref(v);
	return out;
}

void
assertion_check(
    struct web *w, const struct client *m, const char *assertion, assertion_fn *then, void *ctx)
{
	struct checking *x = ARENA_NEW(w->a, struct checking);
	char id[UUID_LEN];
	struct jws t;
	struct jw j;
	json_t *v = claims_of(w->a, assertion, &t);

	if (v != NULL)
		call_own_json(w->c, v);
	x->then = then;
	x->ctx = ctx;
	if (v == NULL || !is_signed(&t, m) || !claims_ok(w, m, v)) {
		then(w, false, ctx);
		return;
	}
	web_hash_id(KIND,
	    arena_printf(w->a, "%s %s", m->id, json_string_value(json_object_get(v, "jti"))), id);
	jw_start(&j, w->a, 100);
	jw_object(&j, NULL);
	jw_str(&j, "by", w->operation_id);
	jw_close(&j, '}');
	state_create(w, KIND, id, NULL, &j, LIFE_MAX + 2 * LEEWAY, on_seen, x);
}

/* The same again of the same request is that request's repeat. A jti of long ago that was not swept away
 * yet was used all the same. */
static void
on_seen(struct web *w, const struct state *s, const struct failure *f, void *ctx)
{
	struct checking *x = ctx;
	const char *by;

	if (s == NULL && f->status != ST_NOT_FOUND) {
		web_failed(w, f);
		return;
	}
	by = s == NULL ? NULL : json_string_value(json_object_get(s->data, "by"));
	x->then(w, by != NULL && strcmp(by, w->operation_id) == 0, x->ctx);
}

static json_t *
claims_of(struct arena *a, const char *assertion, struct jws *t)
{
	struct json_error e;
	json_t *v;

	if (!jws_parse_foreign(a, str_of(assertion), t))
		return NULL;
	v = json_read(t->payload, t->n_payload, &e);
	if (json_is_object(v))
		return v;
	json_decref(v);
	return NULL;
}

/* By the key that it names, or by any where it names none. */
static bool
is_signed(const struct jws *t, const struct client *m)
{
	const json_t *keys = json_object_get(m->jwks, "keys");
	bool ok = false;
	char err[200];

	for (size_t i = 0; i < json_array_size(keys) && i < KEYS_MOST && !ok; i++) {
		const json_t *jwk = json_array_get(keys, i);
		const char *kid = json_string_value(json_object_get(jwk, "kid"));
		struct jws_key *k;

		if (t->key_id[0] != '\0' && (kid == NULL || strcmp(kid, t->key_id) != 0))
			continue;
		k = jws_key_from_jwk(jwk, err, sizeof(err));
		ok = k != NULL && jws_verify(t, k);
		jws_key_free(&k);
	}
	return ok;
}

static bool
claims_ok(const struct web *w, const struct client *m, const json_t *v)
{
	const char *iss = json_string_value(json_object_get(v, "iss"));
	const char *sub = json_string_value(json_object_get(v, "sub"));
	const char *jti = json_string_value(json_object_get(v, "jti"));
	int64_t now = time_wall_us(), at;

	if (iss == NULL || sub == NULL || strcmp(iss, m->id) != 0 || strcmp(sub, m->id) != 0 ||
	    jti == NULL || jti[0] == '\0' || strlen(jti) > JTI_MAX)
		return false;
	if (!is_for_us(w, json_object_get(v, "aud")))
		return false;
	if (!time_claim(v, "exp", &at) || at <= now || at > now + LIFE_MAX + LEEWAY)
		return false;
	if (json_object_get(v, "nbf") != NULL && (!time_claim(v, "nbf", &at) || at > now + LEEWAY))
		return false;
	return json_object_get(v, "iat") == NULL ||
	       (time_claim(v, "iat", &at) && at <= now + LEEWAY);
}

/* The issuer, or the URL that it was sent to (RFC 7523, 3); of several audiences none may be another's. */
static bool
is_for_us(const struct web *w, const json_t *aud)
{
	const char *endpoint = arena_printf(w->a, "%s%s", w->base, w->q->path);
	const char *token = arena_printf(w->a, "%s/oauth/token", w->base);
	size_t n = json_is_array(aud) ? json_array_size(aud) : 1;

	for (size_t i = 0; i < n; i++) {
		const char *s =
		    json_string_value(json_is_array(aud) ? json_array_get(aud, i) : aud);

		if (s == NULL || (strcmp(s, w->issuer) != 0 && strcmp(s, endpoint) != 0 &&
				     strcmp(s, token) != 0))
			return false;
	}
	return n > 0;
}

static bool
time_claim(const json_t *v, const char *name, int64_t *us)
{
	const json_t *n = json_object_get(v, name);
	double s = json_number_value(n);

	if (!json_is_number(n) || s < 0 || s > 1e11)
		return false;
	*us = (int64_t)(s * (double)SEC);
	return true;
}

const char *
assertion_keys_wrong(const json_t *jwks)
{
	const json_t *keys = json_object_get(jwks, "keys");
	size_t n = json_array_size(keys);
	char err[200];

	if (n == 0 || n > KEYS_MOST)
		return "must be a set of 1 to 10 keys";
	for (size_t i = 0; i < n; i++) {
		struct jws_key *k = jws_key_from_jwk(json_array_get(keys, i), err, sizeof(err));

		if (k == NULL)
			return "has a key that is no public key of ES256, RS256 or EdDSA";
		jws_key_free(&k);
	}
	return NULL;
}
