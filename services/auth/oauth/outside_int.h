/* outside_int: what outside_login.c and outside_code.c share; nobody else includes it. */
#ifndef OAUTH_OUTSIDE_INT_H
#define OAUTH_OUTSIDE_INT_H

#include "auth/oauth/outside_account.h"
#include "auth/oauth/outside_cache.h"
#include "auth/oauth/outside_login.h"

#define OUTSIDE_LATE_US                                                                            \
	(300 * MS) /* before the call's end: time enough to say that it took too long */

struct outside_login { /* in the arena of the request */
	struct web *w;
	struct provider p;
	/* sealed into the state */
	const char *nonce, *verifier;
	const char *flow, *user_code; /* what the browser came for; NULL: nothing */
	const char *link;             /* whose account gets the identity; NULL: a log-in */
	int64_t until_us;
	/* of the answer */
	const char *code, *id_token, *access_token;
	struct outside_claims claims;
	bool fetched_again;
	struct http_fetch *fetch;
	struct call_dep dep; /* drops the fetch */
};

const char *outside_redirect_uri(const struct outside_login *x);
/* Pages: the provider did not do its part (503), or what it said does not count (403). */
void outside_unavailable(struct outside_login *x, const char *why);
void outside_refused(struct outside_login *x, const char *why);
/* The code for tokens, then x->claims: outside_proved. */
void outside_exchange(struct outside_login *x);
void outside_proved(struct outside_login *x);
/* More of him: into x->claims, what can be had. Then outside_described. */
void outside_describe(struct outside_login *x);
void outside_described(struct outside_login *x);

#endif
