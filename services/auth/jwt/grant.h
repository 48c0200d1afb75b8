/* grant: what log-in, issue and refresh have in common: permissions from rbac, the session's row
 * written, a pair of tokens. Lives in the call's arena. */
#ifndef JWT_GRANT_H
#define JWT_GRANT_H

#include "auth/jwt/jwt.h"
#include "auth/jwt/rows.h"
#include "auth/store_failed.h"

struct grant;
typedef void grant_fn(struct grant *g);

struct grant_list {
	size_t n;
	char **items;
};

struct grant {
	struct tokens *t;
	struct call *c;
	struct rpc *rpc; /* the one under way */
	struct user_row user;
	/* What the session's row says, or shall say; its id is the token's. */
	struct session_facts session;
	bool sessionless; /* an access token alone, no row */
	/* Under an operation id whose session has moved on: begin another one. */
	bool may_begin_anew;
	const char *issuer;       /* NULL: the configured one */
	struct grant_list scopes; /* of this access token: the session's, or fewer */
	/* the refresh token that is given out; its id is the session's */
	struct session_token token;
	struct grant_list permissions;
	int64_t asked_us;         /* when rbac was asked for them: what they are is no younger */
	const char *operation_id; /* of the call; made here when it has none */
	grant_fn *then;
	/* NULL: the call fails */
	void (*failed)(struct grant *g, const struct failure *f);
	void *owner; /* log-in's, issue's or refresh's own */
};

struct grant *grant_new(struct tokens *t, struct call *c, void *owner);
/* Asks rbac what g->user's roles and groups permit; without an answer it fails (UNAVAILABLE): nothing
 * is issued blindly. */
void grant_expand(struct grant *g, grant_fn *then);
/* Writes the row of g->session (begin.c), whose kind and what follows are set; then reads the account
 * again: whoever changes an account ends the sessions that he finds then, so either he found ours or
 * we find the change. */
void grant_begin(struct grant *g, grant_fn *then);
bool grant_pair(struct grant *g, Mf__TokenPair *m); /* signs; false: it failed, and was said so */
void grant_reply(struct grant *g);                  /* the pair as the answer; ends the call */
int64_t grant_refresh_expiry(const struct grant *g);

void grant_fail(struct grant *g, const struct failure *f);
void grant_store_failed(struct grant *g); /* of g->rpc */
/* One answer for every refresh token that can't be exchanged; and one for every failed log-in. */
extern const struct failure grant_bad_token;
void grant_refuse_token(struct call *c);
void grant_refuse_login(struct call *c);

#endif
