/* client_rules: what a client may be, whoever registers it. Pure. */
#ifndef OAUTH_CLIENT_RULES_H
#define OAUTH_CLIENT_RULES_H

#include "auth/oauth/clients.h"

#define CLIENT_NAME_MAX 200

/* NULL: it may. Else what is wrong, and *field says with which field of the model. */
const char *client_wrong(const struct client *m, const char **field);
bool client_has_secret(const struct client *m); /* its way to authenticate is a secret */

#endif
