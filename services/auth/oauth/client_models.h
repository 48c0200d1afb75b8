/* client_models: the models client, consent and my.consent. Handlers end the call. */
#ifndef OAUTH_CLIENT_MODELS_H
#define OAUTH_CLIENT_MODELS_H

#include "auth/oauth/clients.h"

void client_model_read(struct oauth *o, struct call *c, const Mf__StoreOp *q);
void client_model_write(struct oauth *o, struct call *c, const Mf__StoreOp *q);
void consent_model_read(struct oauth *o, struct call *c, const Mf__StoreOp *q);
void consent_model_write(struct oauth *o, struct call *c, const Mf__StoreOp *q);
void my_consent_read(struct oauth *o, struct call *c, const Mf__StoreOp *q);
void my_consent_write(struct oauth *o, struct call *c, const Mf__StoreOp *q);

/* The secret that this operation gives the client: the same again for a repeat. 43 characters. */
char *client_secret_make(
    const struct oauth *o, struct arena *a, const char *operation_id, const char *client_id);

#endif
