/* own_client: the dashboard, as a client of ours. It is no row that somebody could change, or that a new
 * fleet would have to make first. It is public and asks for nothing but who somebody is; he is signed in on our own
 * pages and comes back to our own origin, so nobody is asked for consent, and its tokens are a log-in of
 * his own: not limited to scopes.
 *
 * What keeps it from being anybody else's: its one redirect URI is ORIGIN/ui/, byte for byte (no free port on the
 * loopback), PKCE as for every client, no other grant, and no answer that another page could read. */
#ifndef OAUTH_OWN_CLIENT_H
#define OAUTH_OWN_CLIENT_H

#include "auth/jwt/deed.h" /* OWN_CLIENT */
#include "auth/oauth/clients.h"

bool own_client_is(const char *id);
/* As this request sees it; lives as long as the request. */
const struct client *own_client(struct web *w);

#endif
