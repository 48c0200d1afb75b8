/* claims: what stands in an access token, and when it counts. Pure: the clock is an argument.
 *
 * iss, aud, sub, name, iat, nbf, exp, jti, sid (the session: all tokens from one log-in), ver (of the
 * account), roles, perms (what the roles permitted when the token was issued). A token that lacks one
 * of them is not ours. */
#ifndef JWT_CLAIMS_H
#define JWT_CLAIMS_H

#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "proto/common.pb-c.h"

#define CLAIMS_TYPE "at+jwt" /* RFC 9068; an ID token or anything else has another */
#define CLAIMS_LEEWAY_US                                                                           \
	(INT64_C(30) * 1000000) /* clocks of two machines; for iat and nbf, never for exp */
#define CLAIMS_LIST_MAX 1000

enum token_verdict { TOKEN_OK, TOKEN_INVALID, TOKEN_EXPIRED };

struct claims_expect {
	const char *issuer;
	const char *audience;
};

struct claims {
	Mf__Principal principal; /* snapshot_at: when it was issued */
	const char *session;
	uint64_t user_version; /* of the account as it was when the token was issued */
};

/* Everything in *out lives in `a`. Read it only after the signature was verified. */
enum token_verdict
claims_read(struct arena *a, const void *json, size_t n, const struct claims_expect *e,
    int64_t now_us, struct claims *out) __attribute__((warn_unused_result));
char *
claims_write(struct arena *a, const struct claims *c, const struct claims_expect *e, size_t *n);

#endif
