/* outside_login: log-in by an outside OpenID provider (OpenID Connect Core 1.0, code flow with PKCE, nonce
 * and RFC 9207), and linking an account there to one here.
 *
 *	GET  /oauth/outside/ID?flow=F	(login.html)  -> the provider, with a state that only this browser
 *							 can bring back
 *	GET  /oauth/outside/ID?link=1	a page that asks whether the account there shall log in here
 *	POST /oauth/outside/ID		yes -> the provider
 *	GET  /oauth/callback/ID		code -> ID token -> whose account -> Auth.Authenticate, with a ticket in
 *					the password's place: limits, risk and the second factor are those of
 *					every log-in -> page_signed_in or page_second_factor
 *
 * The state is no row: it is sealed (jwt/seal.h) for the browser's mark, so nobody else's browser can come
 * back with it, and who begins log-ins by the thousand stores nothing. */
#ifndef OAUTH_OUTSIDE_LOGIN_H
#define OAUTH_OUTSIDE_LOGIN_H

#include "auth/oauth/outside_models.h"
#include "auth/oauth/web.h"

web_fn outside_begin, outside_link, outside_return;

#endif
