/* oauth: the OAuth 2.1 authorization server. One `struct oauth` is the state of a node beside its
 * struct tokens; oauth and jwt have both, so that each can stand in for the other. What outlives a
 * request is in the store (states.h, clients.h) or in values that we signed. */
#ifndef OAUTH_OAUTH_H
#define OAUTH_OAUTH_H

#include "auth/jwt/jwt.h"
#include "proto/oauth.pb-c.h"

struct oauth_config {
	int64_t code_ttl_us;
	int64_t pushed_ttl_us;
	int64_t device_ttl_us;
	int64_t device_interval_us;
	int64_t client_failures;
	int64_t open_requests;
	const char *outside_proxy; /* "": none */
	const char *outside_ca;    /* "": the system's */
	int64_t browser_ttl_us;
	int64_t browser_idle_us;
};
extern const struct config_key oauth_keys[];

struct oauth {
	Mf__Oauth_Service service; /* first: the handler finds the rest by it */
	struct tokens *tokens;
	const struct oauth_config *config;
	struct bus *bus;
	struct target *auth;
	struct limiter *clients; /* that failed to authenticate: client_auth.c */
	struct tries *strangers; /* what they begin, and what is told of them: strangers.h */
	struct tries *told;
	struct device_pace *devices; /* that ask: device_grant.c */
	struct outside *outside;     /* other OpenID providers: outside_cache.h */
};

/* tokens were started. False: logged already. */
bool oauth_start(struct oauth *o, struct bus *b, const struct oauth_config *config)
    __attribute__((warn_unused_result));
void oauth_reload(struct oauth *o, const struct oauth_config *config);
void oauth_stop(struct oauth *o);

#define OAUTH_SERVICE MF__OAUTH__INIT(oauth_)
void oauth_verify(
    Mf__Oauth_Service *s, const Mf__TokenText *q, Mf__VerifiedToken_Closure reply, void *ctx);
void
oauth_web(Mf__Oauth_Service *s, const Mf__WebRequest *q, Mf__WebAnswer_Closure reply, void *ctx);
void
oauth_read(Mf__Oauth_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx);
void
oauth_write(Mf__Oauth_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx);

#endif
