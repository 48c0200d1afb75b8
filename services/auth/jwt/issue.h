/* issue: sessions and tokens that begin with something else than a password given to us directly: an
 * authorization code, a device code, client credentials. Called by oauth in its own process; rows,
 * rotation, reuse and revocation are those of every session (session.h, refresh.c).
 *
 * The issuer. `issuer` in the configuration is a name ("metafed", the default) or an URL.
 * - An URL is the issuer of everything: metadata, ID tokens, all access tokens.
 * - With a name, OAuth's issuer is WebRequest.origin, and stands in the access tokens of clients too
 *   (RFC 9068 wants the issuer of the metadata there); first-party log-ins have the name.
 * Callers don't decide: they pass tokens_issuer(t, web->origin) on as `issuer` and use the same in
 * metadata and ID tokens. Verifying takes the configured issuer, "metafed", and with a name any
 * origin: whose token it is, is a matter of key, typ and aud; the origin is how users came here. */
#ifndef JWT_ISSUE_H
#define JWT_ISSUE_H

#include "auth/jwt/claims.h"
#include "auth/jwt/jwt.h"
#include "auth/jwt/rows.h"
#include "base/status.h"

struct issue {
	const char *user_id;   /* UUID; the account is read anew: disabled or gone is refused */
	uint64_t user_version; /* only if it is still this one; 0: whichever */
	const char *kind;      /* "client", "browser" */
	const char *client_id; /* NULL: none */
	size_t n_scopes;
	const char *const *scopes;
	bool limited;         /* scopes limit what the token permits */
	const char *audience; /* NULL: the configured one */
	const char *issuer;   /* by tokens_issuer; NULL: the configured one */
	const char *
	    proof_key; /* RFC 7638 thumbprint of the DPoP key the tokens are bound to; NULL: Bearer */
	const char *client_address, *user_agent;
	size_t n_methods;
	const char *const *methods;
	int64_t authenticated_at_us;
	/* false: an access token alone and no row (client credentials): session_id is empty then */
	bool refreshable;
	int64_t ttl_us; /* of the session; 0: refresh_ttl */
	/* The operation that this is; the same again gives the same session. NULL: the call's */
	const char *operation_id;
};

struct issued {
	Mf__TokenPair pair; /* scope and id_token are the caller's to fill */
	const char *session_id;
	int64_t authenticated_at_us;
};

/* m NULL: f says why. In the arena of the call; not at all when the call has ended. */
typedef void issue_done_fn(const struct issued *m, const struct failure *f, void *ctx);

/* origin may be NULL: nobody came by the web. */
const char *tokens_issuer(const struct tokens *t, const char *origin);

void tokens_issue(
    struct tokens *t, struct call *c, const struct issue *i, issue_done_fn *done, void *ctx);

/* A refresh by an OAuth client: the session must be that client's and bound to that key (else the
 * token is as good as none: UNAUTHENTICATED TOKEN_INVALID). scopes: narrower ones for this access
 * token (RFC 6749, section 6); n_scopes 0: all that were granted. */
struct issue_refresh {
	const char *refresh_token, *client_id, *proof_key;
	size_t n_scopes;
	const char *const *scopes;
	const char *client_address, *user_agent;
	const char *issuer; /* as in struct issue */
};
void tokens_issue_refresh(struct tokens *t, struct call *c, const struct issue_refresh *i,
    issue_done_fn *done, void *ctx);

/* What a token is, now: synchronous, for introspection and userinfo. Does not look at DPoP proofs; what
 * must be UNAVAILABLE is TOKEN_UNDECIDED. */
enum token_verdict
tokens_look(struct tokens *t, struct arena *a, const char *access_token, struct claims *out);
/* The session row (rows.h) behind a refresh token or a browser's cookie (the same format), judged: found
 * and live, or f says why not (UNAUTHENTICATED TOKEN_INVALID). A refresh token counts while it is the
 * live one; a cookie is not rotated, so it counts whatever was written to its row since. No effect. */
typedef void session_look_fn(const struct session_facts *m, const struct failure *f, void *ctx);
void tokens_look_session(
    struct tokens *t, struct call *c, const char *refresh_token, session_look_fn *done, void *ctx);

#endif
