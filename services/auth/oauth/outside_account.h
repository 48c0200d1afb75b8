/* outside_account: whose account of ours is that subject of an outside provider?
 *
 *	an identity is stored			-> its user
 *	else, where the provider's e-mail addresses are trusted: the one user who has that verified
 *	address, and it is verified with us too	-> he, and the identity is stored
 *	else, where it may make users		-> a new one with the provider's roles, with his identity
 *	else					-> a page that says what to do
 *
 * Disabled users and service accounts are refused. */
#ifndef OAUTH_OUTSIDE_ACCOUNT_H
#define OAUTH_OUTSIDE_ACCOUNT_H

#include "auth/oauth/outside_meta.h"
#include "auth/oauth/outside_models.h"
#include "auth/oauth/web.h"

struct outside_user {
	const char *id, *username;
	uint64_t version;
};
/* u NULL: there is none yet. When it can't be decided, or is refused, the request was answered. */
typedef void outside_user_fn(struct web *w, const struct outside_user *u, void *ctx);

void outside_user_known(
    struct web *w, const struct provider *p, const char *subject, outside_user_fn *then, void *ctx);
/* After it found none: by what the provider says of him. Never NULL. */
void outside_user_make(struct web *w, const struct provider *p, const struct outside_claims *claims,
    outside_user_fn *then, void *ctx);
/* The identity becomes that user's, who asked for it and has proved himself; u is as it was given. */
void outside_user_link(struct web *w, const struct provider *p, const struct outside_claims *claims,
    const struct outside_user *u, outside_user_fn *then, void *ctx);

#endif
