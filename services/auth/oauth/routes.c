/* routes: the table of all that the authorization server answers to. */
#include "auth/oauth/endpoints.h"
#include "auth/oauth/oidc.h"
#include "auth/oauth/outside_login.h"
#include "auth/oauth/pages.h"

const struct route oauth_routes[] = {
	/* the protocol */
	{ "GET", "/oauth/authorize", authorize, ROUTE_PAGE },
	{ "POST", "/oauth/authorize", authorize, ROUTE_PAGE },
	{ "POST", "/oauth/par", push_request, ROUTE_API },
	{ "POST", "/oauth/token", token, ROUTE_API },
	{ "POST", "/oauth/device_authorization", device_authorization, ROUTE_API },
	{ "POST", "/oauth/introspect", introspect, ROUTE_API },
	{ "POST", "/oauth/revoke", revoke_token, ROUTE_API },
	{ "POST", "/oauth/register", register_client, ROUTE_API },
	{ "GET", "/oauth/register/", register_show, ROUTE_API },
	{ "PUT", "/oauth/register/", register_update, ROUTE_API },
	{ "DELETE", "/oauth/register/", register_delete, ROUTE_API },
	{ "GET", "/.well-known/oauth-authorization-server", metadata, ROUTE_API },
	{ "GET", "/.well-known/jwks.json", key_set, ROUTE_API },
	{ "GET", "/oauth/jwks", key_set, ROUTE_API },
	/* OpenID Connect */
	{ "GET", "/.well-known/openid-configuration", oidc_discovery, ROUTE_API },
	{ "GET", "/oauth/userinfo", oidc_userinfo, ROUTE_API },
	{ "POST", "/oauth/userinfo", oidc_userinfo, ROUTE_API },
	/* other OpenID providers */
	{ "GET", "/oauth/outside/", outside_begin, ROUTE_PAGE },
	{ "POST", "/oauth/outside/", outside_link, ROUTE_PAGE },
	{ "GET", "/oauth/callback/", outside_return, ROUTE_PAGE },
	/* pages */
	{ "GET", "/oauth/login", page_login, ROUTE_PAGE },
	{ "POST", "/oauth/login", page_login_sent, ROUTE_PAGE },
	{ "GET", "/oauth/factor", page_factor, ROUTE_PAGE },
	{ "POST", "/oauth/factor", page_factor_sent, ROUTE_PAGE },
	{ "GET", "/oauth/consent", page_consent, ROUTE_PAGE },
	{ "POST", "/oauth/consent", page_consent_sent, ROUTE_PAGE },
	{ "GET", "/oauth/logout", oidc_logout, ROUTE_PAGE },
	{ "POST", "/oauth/logout", oidc_logout_sent, ROUTE_PAGE },
	{ "GET", "/oauth/device", page_device, ROUTE_PAGE },
	{ "POST", "/oauth/device", page_device_sent, ROUTE_PAGE },
	{ "GET", "/oauth/error", page_no_redirect, ROUTE_PAGE },
	{ "GET", "/oauth/pages.css", page_file, ROUTE_PAGE },
	{ "GET", "/oauth/icon.svg", page_file, ROUTE_PAGE },
	{ .method = NULL },
};
