/* id_token: see id_token.h. Signed with the fleet's key, like an access token; its typ keeps the two
 * apart (oidc.h). */
#include "auth/oauth/id_token.h"
#include "auth/oauth/oidc.h"

#define LIFE_S 600 /* a client looks at it once, when it gets it */

static const char *claims(struct web *w, const struct granted *g, enum jws_alg alg, size_t *n);

void
id_token_make(struct web *w, const struct granted *g, id_token_fn *then, void *ctx)
{
	const struct jws_key *key = tokens_signer(w->o->tokens);
	char *token = NULL;
	const char *text;
	size_t n;

	if (key != NULL) {
		text = claims(w, g, jws_key_alg(key), &n);
		token = jws_sign(w->a, key, OIDC_TYPE, text, n);
	}
	if (token == NULL)
		web_oauth_error(w, 503, "temporarily_unavailable", "no key can sign now");
	else
		then(w, token, ctx);
}

static const char *
claims(struct web *w, const struct granted *g, enum jws_alg alg, size_t *n)
{
	int64_t now_s = time_wall_us() / SEC;
	struct jw j;

	jw_start(&j, w->a, 500);
	jw_object(&j, NULL);
	jw_str(&j, "iss", w->issuer);
	jw_str(&j, "sub", g->user_id);
	jw_str(&j, "aud", g->client_id);
	jw_str(&j, "azp", g->client_id);
	jw_int(&j, "exp", now_s + LIFE_S);
	jw_int(&j, "iat", now_s);
	jw_int(&j, "auth_time", g->authenticated_at_us / SEC);
	if (g->nonce != NULL)
		jw_str(&j, "nonce", g->nonce);
	jw_array(&j, "amr");
	for (size_t i = 0; i < g->n_methods; i++)
		jw_str(&j, NULL, g->methods[i]);
	jw_close(&j, ']');
	jw_str(&j, "acr", g->n_methods > 1 ? "2" : "1"); /* how many factors */
	jw_str(&j, "at_hash", oidc_half_hash(w->a, alg, g->access_token));
	if (g->browser_session != NULL)
		jw_str(&j, "sid", g->browser_session);
	jw_close(&j, '}');
	return jw_text(&j, n);
}
