/* oauth: the OAuth 2.1 authorization server. It stands in for jwt with jwt's own code and keys,
 * log-in and refresh included. */
#ifndef OAUTH_OAUTH_H
#define OAUTH_OAUTH_H

#include "auth/jwt/jwt.h"
#include "proto/oauth.pb-c.h"

struct oauth {
	Mf__Oauth_Service service; /* first: the handler finds the rest by it */
	struct tokens *tokens;
};

#define OAUTH_SERVICE MF__OAUTH__INIT(oauth_)
void oauth_verify(
    Mf__Oauth_Service *s, const Mf__TokenText *q, Mf__VerifiedToken_Closure reply, void *ctx);

#endif
