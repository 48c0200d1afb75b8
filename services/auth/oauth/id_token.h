/* id_token: what OpenID Connect adds to a token answer (Core, 2 and 3.1.3.3). */
#ifndef OAUTH_ID_TOKEN_H
#define OAUTH_ID_TOKEN_H

#include "auth/oauth/web.h"

struct granted { /* what a token answer was given for; strings are never NULL unless said so */
	const char *client_id, *user_id, *session_id;
	const char *nonce, *acr, *browser_session; /* NULL: none */
	const char *code;                          /* that was exchanged; NULL: none */
	size_t n_scopes, n_methods;
	const char *const *scopes, *const *methods;
	int64_t authenticated_at_us;
	const char *access_token;
};

/* Asked where the scopes have openid. id_token NULL: there is none (not an error). When it can't be made
 * the request was answered. */
typedef void id_token_fn(struct web *w, const char *id_token, void *ctx);
void id_token_make(struct web *w, const struct granted *g, id_token_fn *then, void *ctx);

#endif
