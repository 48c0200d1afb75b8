/* oidc: the OpenID provider (OpenID Connect Core 1.0): userinfo, and log-out begun by a client
 * (RP-Initiated Logout 1.0). ID tokens are made in id_token.c, prompts and ages are flow.c's, discovery is
 * metadata.c's.
 *
 * An ID token says who logged in, when and how, and nothing else of him: name and e-mail are what
 * userinfo is for (Core, 5.4). It is typ JWT and for the client; an access token is typ at+jwt and for
 * us: neither passes for the other. */
#ifndef OAUTH_OIDC_H
#define OAUTH_OIDC_H

#include "auth/jwt/jws.h"
#include "auth/oauth/web.h"

#define OIDC_TYPE "JWT"

/* base64url of the left half of a hash, as at_hash has it (Core, 3.1.3.6). */
const char *oidc_half_hash(struct arena *a, enum jws_alg alg, const char *text);

/* Of an ID token that we made (id_token_hint): also of one that has expired. False: none of ours. */
struct oidc_hint {
	const char *user_id, *client_id;
	const char *session_id; /* NULL: none */
};
bool oidc_hint_read(struct web *w, const char *token, struct oidc_hint *out);

/* Routes. */
web_fn oidc_discovery, oidc_userinfo, oidc_logout, oidc_logout_sent;

#endif
