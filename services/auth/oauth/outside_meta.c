/* outside_meta: discovery documents and key sets; see outside_meta.h. */
#include "auth/oauth/outside_meta.h"

#include <stdlib.h>
#include <string.h>
#include "node/http_client.h"
#include "base/json.h"
#include "base/log.h"

static const char *
read_members(struct arena *a, const json_t *v, const char *issuer, struct outside_meta *out);
static bool add_key(struct outside_keys *out, const json_t *jwk);

const char *
outside_meta_read(
    struct arena *a, const void *json, size_t n, const char *issuer, struct outside_meta *out)
{
	struct json_error e;
	json_t *v = json_read(json, n, &e);
	const char *wrong;

	*out = (struct outside_meta){ .issuer = NULL };
	wrong = v == NULL            ? "its discovery document is no JSON"
	        : !json_is_object(v) ? "its discovery document is no object"
	                             : read_members(a, v, issuer, out);
	json_decref(v);
	return wrong;
}

static const char *
endpoint(struct arena *a, const json_t *v, const char *name, bool loopback)
{
	const char *url = json_string_value(json_object_get(v, name));

	return url != NULL && http_client_url_ok(url, loopback, NULL) ? arena_strdup(a, url) : NULL;
}

static bool
lists(const json_t *list, const char *value)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (s != NULL && strcmp(s, value) == 0)
			return true;
	}
	return false;
}

static const char *
read_members(struct arena *a, const json_t *v, const char *issuer, struct outside_meta *out)
{
	const char *said = json_string_value(json_object_get(v, "issuer"));
	const json_t *algs = json_object_get(v, "id_token_signing_alg_values_supported");
	const json_t *types = json_object_get(v, "response_types_supported");
	const json_t *methods = json_object_get(v, "token_endpoint_auth_methods_supported");
	bool loopback = false;

	if (said == NULL || strcmp(said, issuer) != 0)
		return "its discovery document is of another issuer";
	if (!http_client_url_ok(issuer, true, &loopback))
		return "its issuer is no https address";
	out->issuer = arena_strdup(a, said);
	out->authorization_endpoint = endpoint(a, v, "authorization_endpoint", loopback);
	out->token_endpoint = endpoint(a, v, "token_endpoint", loopback);
	out->userinfo_endpoint = endpoint(a, v, "userinfo_endpoint", loopback);
	out->jwks_uri = endpoint(a, v, "jwks_uri", loopback);
	if (out->authorization_endpoint == NULL || out->token_endpoint == NULL ||
	    out->jwks_uri == NULL)
		return "it lacks an endpoint, or has one that is no https address";
	if (json_is_array(types) && !lists(types, "code"))
		return "it does not know the code flow";
	for (size_t i = 0; i < json_array_size(algs); i++) {
		const char *s = json_string_value(json_array_get(algs, i));
		enum jws_alg alg = s == NULL ? JWS_ALG_NONE : jws_alg_from_name(str_of(s));

		out->algs |= alg == JWS_ALG_NONE ? 0 : 1U << alg;
	}
	if (out->algs == 0)
		return "it signs ID tokens with none of ES256, RS256 and EdDSA";
	out->basic = methods == NULL || lists(methods, "client_secret_basic"); /* the default */
	out->post = lists(methods, "client_secret_post");
	out->none = lists(methods, "none");
	out->says_issuer =
	    json_is_true(json_object_get(v, "authorization_response_iss_parameter_supported"));
	return NULL;
}

/* --- keys --- */

const char *
outside_keys_read(const void *json, size_t n, struct outside_keys *out)
{
	struct json_error e;
	json_t *v = json_read(json, n, &e);
	const json_t *list = json_object_get(v, "keys");
	const char *wrong = json_is_array(list) ? NULL : "its key set is none";

	out->n = 0;
	for (size_t i = 0; i < json_array_size(list) && out->n < OUTSIDE_KEYS_MOST; i++)
		if (add_key(out, json_array_get(list, i)))
			out->n++;
	json_decref(v);
	return wrong;
}

/* Keys for other purposes, or of other kinds, are no mistake: they are passed over. */
static bool
add_key(struct outside_keys *out, const json_t *jwk)
{
	const char *use = json_string_value(json_object_get(jwk, "use"));
	const char *alg = json_string_value(json_object_get(jwk, "alg"));
	const char *id = json_string_value(json_object_get(jwk, "kid"));
	const json_t *operations = json_object_get(jwk, "key_ops");
	struct outside_key *k = &out->keys[out->n];
	char err[200];

	if (!json_is_object(jwk) || (use != NULL && strcmp(use, "sig") != 0) ||
	    (json_is_array(operations) && !lists(operations, "verify")))
		return false;
	k->key = jws_key_from_jwk(jwk, err, sizeof(err));
	if (k->key == NULL)
		return false;
	/* What it says of its algorithm must be what we verify it with; "EdDSA" is also called
	 * "Ed25519" (RFC 9864). */
	if (alg != NULL && strcmp(alg, jws_alg_name(jws_key_alg(k->key))) != 0 &&
	    (jws_key_alg(k->key) != JWS_EDDSA || strcmp(alg, "Ed25519") != 0)) {
		jws_key_free(&k->key);
		return false;
	}
	k->id = strdup(id == NULL ? "" : id);
	must(k->id != NULL);
	return true;
}

void
outside_keys_clear(struct outside_keys *k)
{
	for (size_t i = 0; i < k->n; i++) {
		jws_key_free(&k->keys[i].key);
		free(k->keys[i].id);
	}
	k->n = 0;
}

const struct jws_key *
outside_keys_find(const struct outside_keys *k, const char *key_id, enum jws_alg alg)
{
	const struct jws_key *found = NULL;

	for (size_t i = 0; i < k->n; i++) {
		if (jws_key_alg(k->keys[i].key) != alg)
			continue;
		if (key_id[0] != '\0' && strcmp(k->keys[i].id, key_id) == 0)
			return k->keys[i].key;
		if (key_id[0] == '\0' && found != NULL)
			return NULL;
		if (key_id[0] == '\0')
			found = k->keys[i].key;
	}
	return found;
}
