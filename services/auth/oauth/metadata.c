/* metadata: see metadata.h. Also the key set (RFC 7517). */
#include "auth/oauth/metadata.h"
#include "auth/oauth/endpoints.h"

#define KEPT_FOR "public, max-age=300"

static const struct {
	const char *member, *path;
} urls[] = {
	{ "authorization_endpoint", "/oauth/authorize" },
	{ "token_endpoint", "/oauth/token" },
	{ "pushed_authorization_request_endpoint", "/oauth/par" },
	{ "device_authorization_endpoint", "/oauth/device_authorization" },
	{ "introspection_endpoint", "/oauth/introspect" },
	{ "revocation_endpoint", "/oauth/revoke" },
	{ "registration_endpoint", "/oauth/register" },
	{ "jwks_uri", "/oauth/jwks" },
};

#define METHODS       "client_secret_basic", "client_secret_post", "private_key_jwt"
#define ALGORITHMS    "ES256", "RS256", "EdDSA"
#define LISTS_LONGEST 8

static const struct {
	const char *member, *values[LISTS_LONGEST];
} lists[] = {
	{ "response_types_supported", { "code" } },
	{ "response_modes_supported", { "query" } },
	{ "grant_types_supported", { "authorization_code", "refresh_token", "client_credentials",
				       "urn:ietf:params:oauth:grant-type:device_code" } },
	{ "code_challenge_methods_supported", { "S256" } },
	{ "scopes_supported", { "openid", "profile", "email", "offline_access" } },
	{ "token_endpoint_auth_methods_supported", { METHODS, "none" } },
	{ "token_endpoint_auth_signing_alg_values_supported", { ALGORITHMS } },
	{ "introspection_endpoint_auth_methods_supported", { METHODS } },
	{ "introspection_endpoint_auth_signing_alg_values_supported", { ALGORITHMS } },
	{ "revocation_endpoint_auth_methods_supported", { METHODS, "none" } },
	{ "revocation_endpoint_auth_signing_alg_values_supported", { ALGORITHMS } },
	{ "dpop_signing_alg_values_supported", { ALGORITHMS } },
	{ "prompt_values_supported", { "none", "login", "consent", "select_account" } },
};

static const struct {
	const char *member;
	bool value;
} facts[] = {
	{ "authorization_response_iss_parameter_supported", true },
	{ "require_pushed_authorization_requests", false },
	{ "request_parameter_supported", false },
	{ "request_uri_parameter_supported", false },
};

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

void
metadata(struct web *w)
{
	struct jw j;

	jw_start(&j, w->a, 4096);
	jw_object(&j, NULL);
	metadata_write(w, &j);
	jw_close(&j, '}');
	metadata_reply(w, &j);
}

void
metadata_write(const struct web *w, struct jw *j)
{
	jw_str(j, "issuer", w->issuer);
	for (size_t i = 0; i < COUNT(urls); i++)
		jw_str(j, urls[i].member, arena_printf(w->a, "%s%s", w->base, urls[i].path));
	for (size_t i = 0; i < COUNT(lists); i++) {
		jw_array(j, lists[i].member);
		for (size_t k = 0; k < LISTS_LONGEST && lists[i].values[k] != NULL; k++)
			jw_str(j, NULL, lists[i].values[k]);
		jw_close(j, ']');
	}
	for (size_t i = 0; i < COUNT(facts); i++)
		jw_bool(j, facts[i].member, facts[i].value);
}

void
metadata_reply(struct web *w, struct jw *j)
{
	size_t n;
	const char *p = jw_text(j, &n);

	web_add(w, "cache-control", KEPT_FOR);
	web_bytes(w, 200, "application/json", p, n);
}

void
key_set(struct web *w)
{
	size_t n;
	const char *p = keyring_jwks(w->o->tokens->keys, w->a, &n);

	web_add(w, "cache-control", KEPT_FOR);
	web_bytes(w, 200, "application/jwk-set+json", p, n);
}
