/* codes: authorization codes (RFC 6749, 4.1). 256 bits; stored is their hash, as the id of a state of
 * kind "code". A code lives for code_ttl; its row lives longer, so that a code that comes again is
 * known, and what it gave is taken back. */
#ifndef OAUTH_CODES_H
#define OAUTH_CODES_H

#include "auth/oauth/flow.h"

#define CODE_KIND     "code"
#define CODE_ROW_LIFE (24 * 3600 * SEC)

struct code { /* what the row says */
	const struct state *state;
	bool used, expired;
	const char *client_id, *redirect_uri, *code_challenge, *nonce, *proof_key, *audience, *acr;
	size_t n_scopes, n_methods;
	const char *const *scopes, *const *methods;
	const char *user_id, *browser_session; /* NULL: none */
	uint64_t user_version;
	int64_t authenticated_at_us;
	int64_t consent_us; /* 0: none is remembered, or an earlier version made the code */
};

/* consent_us: the consent that it rests on (consents.h); 0: none. then comes when it is stored; else the request was answered. */
typedef void code_made_fn(struct web *w, const char *code, void *ctx);
void code_create(struct web *w, const struct flow *f, const struct browser *who, size_t n_scopes,
    const char *const *scopes, int64_t consent_us, code_made_fn *then, void *ctx);

/* m NULL: f says why. */
typedef void code_fn(struct web *w, const struct code *m, const struct failure *f, void *ctx);
void code_read(struct web *w, const char *code, code_fn *then, void *ctx);
/* What keys the session that this code gives: one, however often it is asked for. */
const char *code_operation(struct web *w, const struct code *m);

#endif
