/* client_rules: see client_rules.h. */
#include "auth/oauth/client_rules.h"
#include <string.h>
#include "auth/oauth/assertion.h"
#include "auth/oauth/own_client.h"
#include "auth/oauth/redirects.h"
#include "auth/permission.h"

typedef const char *rule_fn(const struct client *m);

static rule_fn id_rule, name_rule, method_rule, keys_rule, grants_rule, redirects_rule,
    logouts_rule, scopes_rule, account_rule;
static bool is_one_of(const char *s, const char *const *all);
static bool reads_as_written(const char *name);

static const struct {
	const char *field;
	rule_fn *wrong;
} rules[] = {
	{ "id", id_rule },
	{ "name", name_rule },
	{ "auth_method", method_rule },
	{ "jwks", keys_rule },
	{ "grant_types", grants_rule },
	{ "redirect_uris", redirects_rule },
	{ "logout_uris", logouts_rule },
	{ "scopes", scopes_rule },
	{ "user_id", account_rule },
};

const char *
client_wrong(const struct client *m, const char **field)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const char *wrong = rules[i].wrong(m);

		*field = rules[i].field;
		if (wrong != NULL)
			return wrong;
	}
	return NULL;
}

bool
client_has_secret(const struct client *m)
{
	return str_starts(m->auth_method, "client_secret_");
}

static const char *
id_rule(const struct client *m)
{
	return own_client_is(m->id) ? "is the dashboard's, which is always there" : NULL;
}

static const char *
name_rule(const struct client *m)
{
	size_t n = strlen(m->name);

	if (n == 0 || n > CLIENT_NAME_MAX)
		return "must have 1 to 200 bytes";
	return reads_as_written(m->name)
	           ? NULL
	           : "must have no control characters, and none that turn or hide text";
}

/* People go by the name on the consent page: it may neither break lines nor change how it and what
 * stands around it is read. */
static bool
reads_as_written(const char *name)
{
	/* In UTF-8, whose bytes are in the order of the code points. */
	static const struct {
		const char *first, *last;
	} bad[] = {
		{ "\x01", "\x1f" },                 /* C0 */
		{ "\x7f", "\x7f" },                 /* DEL */
		{ "\xc2\x80", "\xc2\x9f" },         /* C1 */
		{ "\xd8\x9c", "\xd8\x9c" },         /* Arabic letter mark */
		{ "\xe2\x80\x8b", "\xe2\x80\x8b" }, /* zero width space */
		{ "\xe2\x80\x8e", "\xe2\x80\x8f" }, /* marks of direction */
		{ "\xe2\x80\xa8", "\xe2\x80\xae" }, /* separators of lines, embeddings, overrides */
		{ "\xe2\x81\xa0", "\xe2\x81\xaf" }, /* what is invisible, isolates */
		{ "\xef\xbb\xbf", "\xef\xbb\xbf" }, /* byte order mark */
	};

	for (const char *c = name; *c != '\0'; c++)
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			size_t n = strlen(bad[i].first);

			if (strncmp(c, bad[i].first, n) >= 0 && strncmp(c, bad[i].last, n) <= 0)
				return false;
		}
	return true;
}

static const char *
method_rule(const struct client *m)
{
	static const char *const known[] = { "none", "client_secret_basic", "client_secret_post",
		"private_key_jwt", NULL };

	return is_one_of(m->auth_method, known)
	           ? NULL
	           : "must be none, client_secret_basic, client_secret_post or private_key_jwt";
}

static const char *
keys_rule(const struct client *m)
{
	if (m->jwks != NULL)
		return assertion_keys_wrong(m->jwks);
	return strcmp(m->auth_method, "private_key_jwt") == 0 ? "is needed for private_key_jwt"
	                                                      : NULL;
}

static const char *
grants_rule(const struct client *m)
{
	static const char *const known[] = { "authorization_code", "refresh_token",
		"client_credentials", "urn:ietf:params:oauth:grant-type:device_code", NULL };

	for (size_t i = 0; i < m->n_grant_types; i++)
		if (!is_one_of(m->grant_types[i], known))
			return "has one that there is not";
	if (m->n_grant_types == 0)
		return "must have one, such as authorization_code";
	if (client_has_grant(m, "client_credentials") && strcmp(m->auth_method, "none") == 0)
		return "client_credentials is for clients that authenticate";
	return NULL;
}

static const char *
redirects_rule(const struct client *m)
{
	if (client_has_grant(m, "authorization_code") && m->n_redirect_uris == 0)
		return "are needed for authorization_code";
	for (size_t i = 0; i < m->n_redirect_uris; i++)
		if (redirect_wrong(m->redirect_uris[i]) != NULL)
			return redirect_wrong(m->redirect_uris[i]);
	return NULL;
}

static const char *
logouts_rule(const struct client *m)
{
	for (size_t i = 0; i < m->n_logout_uris; i++)
		if (redirect_wrong(m->logout_uris[i]) != NULL)
			return redirect_wrong(m->logout_uris[i]);
	return NULL;
}

static const char *
scopes_rule(const struct client *m)
{
	for (size_t i = 0; i < m->n_scopes; i++)
		if (!permission_pattern_ok(m->scopes[i]))
			return "has one that is neither a permission nor of OpenID Connect";
	return NULL;
}

static const char *
account_rule(const struct client *m)
{
	return client_has_grant(m, "client_credentials") && m->user_id == NULL
	           ? "is needed for client_credentials: the service account"
	           : NULL;
}

static bool
is_one_of(const char *s, const char *const *all)
{
	for (; *all != NULL; all++)
		if (strcmp(*all, s) == 0)
			return true;
	return false;
}
