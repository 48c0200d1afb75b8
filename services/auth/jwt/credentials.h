/* credentials: is he who he says he is? What Login and Authenticate begin with: name and password (or
 * a ticket in its place), then the second factor. Nothing of it tells who has an account: an unknown
 * name costs what a wrong password costs and gets the same words. */
#ifndef JWT_CREDENTIALS_H
#define JWT_CREDENTIALS_H

#include "auth/jwt/jwt.h"
#include "auth/jwt/rows.h"

#define USERNAME_MAX 64

struct proven {
	struct user_row user;
	size_t n_methods;
	const char *methods[3]; /* RFC 8176 */
	int64_t at_us;
	const char *ticket; /* not NULL: the first step alone, and what the second needs */
};
typedef void proven_fn(const struct proven *m, void *ctx);

/* The password and otp in q are wiped. A refusal ends the call, and `done` never comes:
 *
 *	BAD_CREDENTIALS		the name or the password
 *	SECOND_FACTOR		both are right and otp is empty; stepwise: a ticket instead
 *	BAD_OTP			otp is wrong, or was used
 *	TICKET_INVALID		too old, or the account was changed since
 *	FACTOR_UNAVAILABLE	demanded, and he has none (PERMISSION_DENIED; the others UNAUTHENTICATED) */
void credentials_prove(struct tokens *t, struct call *c, const Mf__Credentials *q,
    const char *operation_id, proven_fn *done, void *ctx);

#endif
