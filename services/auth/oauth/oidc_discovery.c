/* oidc_discovery: /.well-known/openid-configuration (OpenID Connect Discovery 1.0): what RFC 8414 has
 * (metadata.c), and what only an OpenID provider says besides. */
#include "auth/oauth/metadata.h"
#include "auth/oauth/oidc.h"

static const struct {
	const char *member, *path;
} urls[] = {
	{ "userinfo_endpoint", "/oauth/userinfo" },
	{ "end_session_endpoint", "/oauth/logout" },
};

#define LISTS_LONGEST 20

static const struct {
	const char *member, *values[LISTS_LONGEST];
} lists[] = {
	{ "subject_types_supported", { "public" } },
	{ "acr_values_supported", { "1", "2" } }, /* factors */
	{ "claim_types_supported", { "normal" } },
	{ "claims_supported", { "iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "nonce",
				  "amr", "acr", "at_hash", "sid", "name", "preferred_username",
				  "updated_at", "email", "email_verified" } },
};

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

void
oidc_discovery(struct web *w)
{
	const struct jws_key *key = keyring_signer(w->o->tokens->keys);
	struct jw j;

	jw_start(&j, w->a, 4096);
	jw_object(&j, NULL);
	metadata_write(w, &j);
	for (size_t i = 0; i < COUNT(urls); i++)
		jw_str(&j, urls[i].member, arena_printf(w->a, "%s%s", w->base, urls[i].path));
	for (size_t i = 0; i < COUNT(lists); i++) {
		jw_array(&j, lists[i].member);
		for (size_t k = 0; k < LISTS_LONGEST && lists[i].values[k] != NULL; k++)
			jw_str(&j, NULL, lists[i].values[k]);
		jw_close(&j, ']');
	}
	/* What signs now: no client can choose. */
	jw_array(&j, "id_token_signing_alg_values_supported");
	if (key != NULL)
		jw_str(&j, NULL, jws_alg_name(jws_key_alg(key)));
	jw_close(&j, ']');
	jw_bool(&j, "claims_parameter_supported", false);
	jw_close(&j, '}');
	metadata_reply(w, &j);
}
