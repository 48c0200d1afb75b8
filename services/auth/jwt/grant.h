/* grant: what log-in and refresh end with: permissions from rbac, rows written, a pair of tokens.
 * Lives in the call's arena. */
#ifndef JWT_GRANT_H
#define JWT_GRANT_H

#include "auth/jwt/jwt.h"
#include "auth/jwt/rows.h"
#include "auth/store_failed.h"

struct grant {
	struct tokens *t;
	struct call *c;
	struct rpc *rpc; /* the one under way */
	struct user_row user;
	struct session_token
	    token; /* the refresh token that is given out; its id is the session's */
	size_t n_permissions;
	char **permissions;
	const char *operation_id; /* of the call; made here when it has none */
	void *owner;              /* log-in's or refresh's own */
};

struct grant *grant_new(struct tokens *t, struct call *c, void *owner);
/* Asks rbac what g->user's roles permit; without an answer the call fails (UNAVAILABLE): nothing is
 * issued blindly. */
void grant_expand(struct grant *g, void (*then)(struct grant *g));
void grant_reply(struct grant *g); /* signs, answers; ends the call */
int64_t grant_refresh_expiry(const struct grant *g);
/* One answer for every refresh token that can't be exchanged; and one for every failed log-in. */
void grant_refuse_token(struct call *c);
void grant_refuse_login(struct call *c);

#endif
