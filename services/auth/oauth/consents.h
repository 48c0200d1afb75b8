/* consents: what a user has allowed a client (model consent): one row for both, the union of what was
 * allowed. What was allowed to a client that is gone does not count for one that was made anew under its
 * id; nor what was allowed before its redirect URIs were changed: whoever changes them would be sent the
 * codes of all who once said yes. */
#ifndef OAUTH_CONSENTS_H
#define OAUTH_CONSENTS_H

#include "auth/oauth/flow.h"

/* Is all of that allowed already? When it can't be known the request was answered. */
typedef void consent_known_fn(struct web *w, bool known, void *ctx);
void consent_known(struct web *w, const char *user_id, const struct client *m, size_t n_scopes,
    const char *const *scopes, consent_known_fn *then, void *ctx);
/* Remembers it; then comes only when it is stored. since_us: which one it is, for consent_stands. */
typedef void consent_done_fn(struct web *w, int64_t since_us, void *ctx);
void consent_remember(struct web *w, const char *user_id, const struct client *m, size_t n_scopes,
    const char *const *scopes, consent_done_fn *then, void *ctx);
/* Was it not taken back since? When it can't be known the request was answered. */
typedef void consent_stands_fn(struct web *w, bool stands, void *ctx);
void consent_stands(struct web *w, const char *user_id, const char *client_id, int64_t since_us,
    consent_stands_fn *then, void *ctx);
void consent_id(const char *user_id, const char *client_id, char out[UUID_LEN]);

#endif
