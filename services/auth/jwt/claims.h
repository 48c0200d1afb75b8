/* claims: what stands in an access token, and when it counts. Pure: the clock is an argument.
 *
 * iss, aud, sub, name, iat, nbf, exp, jti, ver (of the account), roles, perms (what the roles permitted
 * when the token was issued, and of a limited token only what the scopes allow of that): a token that
 * lacks one of them is not ours. Where there is something to say: sid (the session: all tokens from
 * one log-in; client credentials have none), scope and limited, client_id, groups, cnf.jkt (RFC 9449),
 * auth_time, amr, service. */
#ifndef JWT_CLAIMS_H
#define JWT_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "proto/common.pb-c.h"

#define CLAIMS_TYPE "at+jwt" /* RFC 9068; an ID token or anything else has another */
#define CLAIMS_LEEWAY_US                                                                           \
	(INT64_C(30) * 1000000) /* clocks of two machines; for iat and nbf, never for exp */
#define CLAIMS_LIST_MAX 1000
#define CLAIMS_ISSUER   "metafed"

/* TOKEN_UNDECIDED: what was revoked is not known (tokens_look) */
enum token_verdict { TOKEN_OK, TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_UNDECIDED };

struct claims_expect {
	/* A name: tokens may have any URL besides; an URL: that alone. CLAIMS_ISSUER always counts. */
	const char *issuer;
	const char *audience;
	/* Tokens count for so long at most, whatever their exp: revocations are kept no longer than
	 * the life of a token is now. 0: no limit. */
	int64_t life_us;
};

struct claims {
	Mf__Principal principal; /* snapshot_at: when what he may was asked for, "iat" */
	const char *session;     /* = principal.session_id; "": none */
	uint64_t user_version;   /* of the account as it was when the token was issued */
	const char *proof_key; /* thumbprint of the key that the token is bound to; NULL: Bearer */
	const char *issuer, *audience; /* NULL when it is written: those expected */
};

bool claims_is_url(const char *issuer);

/* Everything in *out lives in `a`. Read it only after the signature was verified. */
enum token_verdict
claims_read(struct arena *a, const void *json, size_t n, const struct claims_expect *e,
    int64_t now_us, struct claims *out) __attribute__((warn_unused_result));
char *
claims_write(struct arena *a, const struct claims *c, const struct claims_expect *e, size_t *n);

#endif
