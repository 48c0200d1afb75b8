/* oauth: see oauth.h. An access token is judged the same way whoever was asked. */
#include "auth/oauth/oauth.h"

void
oauth_verify(
    Mf__Oauth_Service *s, const Mf__TokenText *q, Mf__VerifiedToken_Closure reply, void *ctx)
{
	(void)reply;
	tokens_check(container_of(s, struct oauth, service)->tokens, ctx, q->token);
}
