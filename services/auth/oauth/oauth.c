/* oauth: the node's state from start to end, its configuration; an access token is judged the same way
 * whoever was asked. */
#include "auth/oauth/oauth.h"
#include <stddef.h>
#include "auth/oauth/outside_cache.h"
#include "auth/jwt/tries.h"
#include "auth/limiter.h"
#include "auth/oauth/device.h"
#include "auth/oauth/strangers.h"
#include "base/time.h"
#include "proto/auth.pb-c.h"

#define KEY(name, type, field, def, min, max, help)                                                \
	{                                                                                          \
		name, type, offsetof(struct oauth_config, field), def, min, max, false, false,     \
		    help                                                                           \
	}

const struct config_key oauth_keys[] = {
	KEY("code_ttl", CONFIG_DURATION, code_ttl_us, "60s", 1 * SEC, 600 * SEC,
	    "life of an authorization code"),
	KEY("pushed_ttl", CONFIG_DURATION, pushed_ttl_us, "90s", 5 * SEC, 600 * SEC,
	    "life of a pushed authorization request"),
	KEY("device_ttl", CONFIG_DURATION, device_ttl_us, "10m", 30 * SEC, 3600 * SEC,
	    "life of a device code"),
	KEY("device_interval", CONFIG_DURATION, device_interval_us, "5s", 1 * SEC, 60 * SEC,
	    "a device may ask this often"),
	KEY("client_failures", CONFIG_INT, client_failures, "20", 1, 1000000,
	    "failed authentications of a client from one address in 15 min"),
	{ "open_requests", CONFIG_INT, offsetof(struct oauth_config, open_requests), "600", 1,
	    1000000, false, true,
	    "authorization requests and device codes that one network may begin in 15 min without "
	    "a log-in or client secret" },
	KEY("browser_ttl", CONFIG_DURATION, browser_ttl_us, "12h", 60 * SEC, 90 * 86400 * SEC,
	    "a browser stays signed in for this long"),
	KEY("browser_idle", CONFIG_DURATION, browser_idle_us, "2h", 60 * SEC, 90 * 86400 * SEC,
	    "a browser that was not seen for this long is signed out"),
	{ "outside_proxy", CONFIG_STR, offsetof(struct oauth_config, outside_proxy), "", 0, 0,
	    false, true,
	    "URL of the proxy to outside OpenID providers; empty: none, whatever the environment "
	    "says" },
	{ "outside_ca", CONFIG_PATH, offsetof(struct oauth_config, outside_ca), "", 0, 0, false,
	    true,
	    "certificates that vouch for outside OpenID providers, PEM; empty: the system's" },
	{ .name = NULL },
};

bool
oauth_start(struct oauth *o, struct bus *b, const struct oauth_config *config)
{
	o->bus = b;
	o->config = config;
	o->auth = o->tokens->auth;
	o->clients = client_limiter_new();
	o->strangers = strangers_new(config);
	o->told = strangers_told_new();
	o->devices = device_pace_new();
	o->outside = outside_new(
	    bus_loop(b), &(const struct http_client_opts){
			     .proxy = config->outside_proxy, .ca_file = config->outside_ca });
	return true;
}

void
oauth_reload(struct oauth *o, const struct oauth_config *config)
{
	o->config = config;
}

void
oauth_stop(struct oauth *o)
{
	limiter_free(&o->clients);
	tries_free(&o->strangers);
	tries_free(&o->told);
	device_pace_free(&o->devices);
	outside_free(&o->outside);
}

void
oauth_verify(
    Mf__Oauth_Service *s, const Mf__TokenText *q, Mf__VerifiedToken_Closure reply, void *ctx)
{
	(void)reply;
	tokens_check(container_of(s, struct oauth, service)->tokens, ctx, q);
}

void
oauth_web(Mf__Oauth_Service *s, const Mf__WebRequest *q, Mf__WebAnswer_Closure reply, void *ctx)
{
	(void)reply;
	web_serve(container_of(s, struct oauth, service), ctx, q);
}
