/* outside_token: ID tokens of outside providers; see outside_meta.h. What OpenID Connect Core 3.1.3.7
 * demands, in its order where it matters: the signature first, then whose it is, for whom, when, and for
 * which of our requests. */
#include <sodium.h>
#include <string.h>
#include "auth/oauth/oidc.h"
#include "auth/oauth/outside_meta.h"
#include "base/json.h"
#include "base/time.h"

#define SUBJECT_MAX 255 /* Core, 2 */
#define EMAIL_MAX   320
#define TEXT_MAX    200

const char outside_unknown_key[] = "it is signed with a key that the provider does not publish";

static const char *
judge(struct arena *a, const json_t *v, const struct outside_expect *e, enum jws_alg alg);
static const char *judge_audience(const json_t *v, const char *client_id);
static const char *judge_times(const json_t *v, int64_t now_us);
static bool hash_fits(struct arena *a, const json_t *v, const char *access_token, enum jws_alg alg);
static void take(struct arena *a, const json_t *v, struct outside_claims *out);

const char *
outside_token_read(struct arena *a, const char *token, const struct outside_keys *keys,
    const struct outside_expect *e, struct outside_claims *out)
{
	const struct jws_key *key;
	struct json_error why;
	const char *wrong;
	struct jws t;
	json_t *v;

	*out = (struct outside_claims){ .subject = NULL };
	if (!jws_parse_foreign(a, str_of(token), &t))
		return "it is no signed token";
	if (t.alg == JWS_ALG_NONE || (e->algs & 1U << t.alg) == 0)
		return "it is signed with an algorithm that the provider did not announce";
	key = outside_keys_find(keys, t.key_id, t.alg);
	if (key == NULL)
		return outside_unknown_key;
	if (!jws_verify(&t, key))
		return "its signature is wrong";
	v = json_read(t.payload, t.n_payload, &why);
	wrong = json_is_object(v) ? judge(a, v, e, t.alg) : "its claims are no object";
	if (wrong == NULL) {
		out->subject = arena_strdup(a, json_string_value(json_object_get(v, "sub")));
		take(a, v, out);
	}
	json_decref(v);
	return wrong;
}

static bool
is(const json_t *v, const char *name, const char *value)
{
	const char *s = json_string_value(json_object_get(v, name));

	return s != NULL && strlen(s) == strlen(value) &&
	       sodium_memcmp(s, value, strlen(value)) == 0;
}

static const char *
judge(struct arena *a, const json_t *v, const struct outside_expect *e, enum jws_alg alg)
{
	const char *subject = json_string_value(json_object_get(v, "sub"));
	const char *wrong;

	if (!is(v, "iss", e->issuer))
		return "it is of another issuer";
	if ((wrong = judge_audience(v, e->client_id)) != NULL)
		return wrong;
	if ((wrong = judge_times(v, e->now_us)) != NULL)
		return wrong;
	if (!is(v, "nonce", e->nonce))
		return "it was not made for this log-in";
	if (subject == NULL || subject[0] == '\0' || strlen(subject) > SUBJECT_MAX)
		return "it does not say who logged in";
	if (!hash_fits(a, v, e->access_token, alg))
		return "it does not belong to the access token that came with it";
	return NULL;
}

/* Others may be named beside us only where it also says that it was made for us. */
static const char *
judge_audience(const json_t *v, const char *client_id)
{
	const json_t *audience = json_object_get(v, "aud");
	bool ours = is(v, "aud", client_id);

	for (size_t i = 0; i < json_array_size(audience); i++) {
		const char *s = json_string_value(json_array_get(audience, i));

		if (s == NULL)
			return "its audience is no list of names";
		ours = ours || strcmp(s, client_id) == 0;
	}
	if (!ours)
		return "it is for another client";
	if (json_object_get(v, "azp") != NULL ? !is(v, "azp", client_id)
					      : json_array_size(audience) > 1)
		return "it was made for another client";
	return NULL;
}

/* A NumericDate may have a fraction. False: it is not there. */
static bool
seconds(const json_t *v, const char *name, int64_t *us)
{
	const json_t *n = json_object_get(v, name);
	double s = json_number_value(n);

	if (!json_is_number(n) || s < 0 || s > 1e11)
		return false;
	*us = (int64_t)(s * (double)SEC);
	return true;
}

static const char *
judge_times(const json_t *v, int64_t now_us)
{
	int64_t expires, issued, begins;

	if (!seconds(v, "exp", &expires) || !seconds(v, "iat", &issued))
		return "it does not say when it was made and until when it counts";
	if (expires <= now_us)
		return "it has expired";
	if (issued > now_us + OUTSIDE_LEEWAY_US)
		return "it was made in the future: do the clocks differ?";
	if (issued < now_us - OUTSIDE_AGE_MAX_US)
		return "it was made long ago";
	if (json_object_get(v, "nbf") != NULL &&
	    (!seconds(v, "nbf", &begins) || begins > now_us + OUTSIDE_LEEWAY_US))
		return "it does not count yet";
	return NULL;
}

static bool
hash_fits(struct arena *a, const json_t *v, const char *access_token, enum jws_alg alg)
{
	return json_object_get(v, "at_hash") == NULL ||
	       (access_token != NULL && is(v, "at_hash", oidc_half_hash(a, alg, access_token)));
}

/* --- what it says of the user; nothing of it is needed --- */

static const char *
text(struct arena *a, const json_t *v, const char *name, size_t most, const char *otherwise)
{
	const char *s = json_string_value(json_object_get(v, name));

	return s == NULL || s[0] == '\0' || strlen(s) > most ? otherwise : arena_strdup(a, s);
}

static void
take(struct arena *a, const json_t *v, struct outside_claims *out)
{
	const json_t *verified = json_object_get(v, "email_verified");

	out->name = text(a, v, "name", TEXT_MAX, out->name);
	out->username = text(a, v, "preferred_username", TEXT_MAX, out->username);
	(void)seconds(v, "auth_time", &out->authenticated_at_us);
	if (text(a, v, "email", EMAIL_MAX, NULL) == NULL)
		return;
	out->email = text(a, v, "email", EMAIL_MAX, NULL);
	/* Some providers say it as a text. */
	out->email_verified = json_is_true(verified) || is(v, "email_verified", "true");
}

const char *
outside_userinfo_read(struct arena *a, const void *json, size_t n, struct outside_claims *out)
{
	struct json_error why;
	json_t *v = json_read(json, n, &why);
	bool same = json_is_object(v) && is(v, "sub", out->subject);

	if (same)
		take(a, v, out);
	json_decref(v);
	return same ? NULL : "its userinfo is of somebody else";
}
