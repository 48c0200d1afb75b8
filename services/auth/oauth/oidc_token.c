/* oidc_token: ID tokens that come back to us, and what both directions hash; see oidc.h. */
#include <openssl/evp.h>
#include <string.h>
#include "auth/oauth/oidc.h"
#include "base/log.h"

const char *
oidc_half_hash(struct arena *a, enum jws_alg alg, const char *text)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	char out[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	/* The hash of the signature's algorithm; Ed25519 has SHA-512 in it. */
	must(EVP_Digest(text, strlen(text), hash, &n,
		 alg == JWS_EDDSA ? EVP_sha512() : EVP_sha256(), NULL) == 1);
	(void)str_b64url(hash, n / 2, out);
	return arena_strdup(a, out);
}

bool
oidc_hint_read(struct web *w, const char *token, struct oidc_hint *out)
{
	const struct jws_key *key;
	const char *issuer, *user, *client, *session;
	struct json_error e;
	struct jws t;
	json_t *v;

	if (!jws_parse(w->a, str_of(token), &t) || strcmp(t.type, OIDC_TYPE) != 0)
		return false;
	key = keyring_find(w->o->tokens->keys, t.key_id);
	if (key == NULL || !jws_verify(&t, key))
		return false;
	v = json_read(t.payload, t.n_payload, &e);
	if (v == NULL)
		return false;
	call_own_json(w->c, v);
	issuer = json_string_value(json_object_get(v, "iss"));
	user = json_string_value(json_object_get(v, "sub"));
	client = json_string_value(json_object_get(v, "aud"));
	session = json_string_value(json_object_get(v, "sid"));
	*out = (struct oidc_hint){ user, client, session };
	return issuer != NULL && strcmp(issuer, w->issuer) == 0 && user != NULL && client != NULL;
}
