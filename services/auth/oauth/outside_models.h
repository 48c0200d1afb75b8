/* outside_models: outside OpenID providers (model provider) and who is who there (identity), as clients
 * of the fleet see them, and as typed values for a log-in. */
#ifndef OAUTH_OUTSIDE_MODELS_H
#define OAUTH_OUTSIDE_MODELS_H

#include "auth/oauth/oauth.h"
#include "base/id.h"
#include "base/json.h"

struct provider { /* strings in the arena it was read into */
	const char *id, *name, *issuer, *client_id;
	const char *sealed_secret; /* NULL: a public client */
	size_t n_scopes, n_roles;
	const char *const *scopes; /* asked for besides openid */
	const char *const *roles;  /* of users that are made for it */
	bool create_users, trust_email, disabled;
	uint64_t version;
};
/* False: the stored row is none. */
bool provider_of(struct arena *a, const json_t *v, struct provider *out);
/* In memory of sodium_malloc, NUL-ended; sodium_free it. NULL: it can't be opened. */
char *provider_secret(const struct oauth *o, const struct provider *p);

/* What an identity is found by, and unique by: the issuer is part of it, so a provider that is made anew
 * under an old id, or that gets another issuer, finds nobody's. */
#define IDENTITY_ACCOUNT_LEN 43
void
identity_account(const struct provider *p, const char *subject, char out[IDENTITY_ACCOUNT_LEN + 1]);

/* Handlers of the models; they end the call. */
void provider_read(struct oauth *o, struct call *c, const Mf__StoreOp *q);
void provider_write(struct oauth *o, struct call *c, const Mf__StoreOp *q);
void identity_read(struct oauth *o, struct call *c, const Mf__StoreOp *q);
void identity_write(struct oauth *o, struct call *c, const Mf__StoreOp *q);
void my_identity_read(struct oauth *o, struct call *c, const Mf__StoreOp *q);
void my_identity_write(struct oauth *o, struct call *c, const Mf__StoreOp *q);

#endif
