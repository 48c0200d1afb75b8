/* own_client: see own_client.h. */
#include "auth/oauth/own_client.h"
#include <string.h>

bool
own_client_is(const char *id)
{
	return strcmp(id, OWN_CLIENT) == 0;
}

const struct client *
own_client(struct web *w)
{
	static const char *const grants[] = { "authorization_code", "refresh_token" };
	static const char *const scopes[] = { "openid" };
	const char **home = ARENA_NEW(w->a, const char *);
	struct client *m = ARENA_NEW(w->a, struct client);

	*home = arena_printf(w->a, "%s/ui/", w->base);
	*m = (struct client){
		.id = OWN_CLIENT,
		.name = "the dashboard",
		.auth_method = "none",
		.n_grant_types = sizeof(grants) / sizeof(grants[0]),
		.grant_types = grants,
		.n_scopes = sizeof(scopes) / sizeof(scopes[0]),
		.scopes = scopes,
		.trusted = true,
		.own = true,
	};
	if (w->base[0] == '\0') /* nobody knows where we are: then it can go nowhere */
		return m;
	m->n_redirect_uris = m->n_logout_uris = 1;
	m->redirect_uris = m->logout_uris = home;
	return m;
}
