/* clients: who may ask for tokens (model client), as typed values. */
#ifndef OAUTH_CLIENTS_H
#define OAUTH_CLIENTS_H

#include "auth/oauth/web.h"

#define CLIENT_ID_MAX 64

struct client {
	const char *id, *name, *auth_method;         /* "none", "client_secret_basic", ... */
	const char *secret_hash, *registration_hash; /* NULL: none */
	const char *user_id;                         /* its service account; NULL: none */
	size_t n_redirect_uris, n_logout_uris, n_grant_types, n_scopes;
	const char *const *redirect_uris, *const *logout_uris, *const *grant_types, *const *scopes;
	bool proof_required, pushed_required, trusted, disabled;
	bool own; /* own_client.h: its redirect URI has no free port, its tokens no scopes */
	const json_t *jwks, *metadata; /* NULL: none; live as long as the call */
	uint64_t version;
	int64_t created_us; /* 0: not stored yet */
};

/* m NULL: f says why, ST_NOT_FOUND: there is none; a disabled one is there. */
typedef void client_fn(struct web *w, const struct client *m, const struct failure *f, void *ctx);
void client_read(struct web *w, const char *id, client_fn *then, void *ctx);
/* False: the stored row is none. v lives as long as *out. */
bool client_of(struct arena *a, const json_t *v, struct client *out);

bool client_has_grant(const struct client *m, const char *grant_type);
/* May it ask for this scope? Those of OpenID Connect by name, permissions by pattern. */
bool client_may_ask(const struct client *m, const char *scope);
bool scope_is_openid(const char *scope); /* openid profile email offline_access: permit nothing */
/* Exactly one of those registered; of loopback ones (http://127.0.0.1, http://[::1]) the port is
 * free (RFC 8252, 7.3). */
bool client_redirects_to(const struct client *m, const char *uri);

#endif
