/* token_answer: tokens for a grant, and how they are answered (RFC 6749, 5.1). */
#ifndef OAUTH_TOKEN_ANSWER_H
#define OAUTH_TOKEN_ANSWER_H

#include "auth/jwt/issue.h"
#include "auth/oauth/client_auth.h"
#include "auth/oauth/id_token.h"
#include "auth/oauth/states.h"

struct token_grant {
	const struct client_proof *who;
	struct granted granted;
	uint64_t user_version;
	const char *audience; /* NULL: ours */
	const char
	    *operation;   /* of the session: one for one grant, however often it is asked for */
	bool sessionless; /* client credentials */
	/* What the grant is, where it may be used once: taken when the tokens are there, before they
	 * are answered. NULL: nothing to take. */
	const struct state *once;
	int64_t consent_us; /* the consent that it rests on (consents.h); 0: none is remembered */
	Mf__TokenPair pair; /* what was issued */
};

/* g lives as long as the call. */
void token_issue(struct web *w, struct token_grant *g);
/* A refresh: scopes NULL: as many as the session has. */
void token_refresh(struct web *w, const struct client_proof *who, const char *refresh_token,
    size_t n_scopes, const char *const *scopes);
/* What a code or device code gave before ends: the session that `operation` began for the user. Auth is
 * told, the answer is invalid_grant. */
void token_revoke_given(
    struct web *w, const char *client_id, const char *user_id, const char *operation);

#endif
