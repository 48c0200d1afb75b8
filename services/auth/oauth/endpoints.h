/* endpoints: the handlers of the protocol, for routes.c. */
#ifndef OAUTH_ENDPOINTS_H
#define OAUTH_ENDPOINTS_H

#include "auth/oauth/web.h"

web_fn authorize, push_request;                                          /* authorize.c */
web_fn token;                                                            /* token.c */
web_fn device_authorization;                                             /* device.c */
web_fn introspect, revoke_token;                                         /* inspect.c */
web_fn metadata, key_set;                                                /* metadata.c */
web_fn register_client, register_show, register_update, register_delete; /* register.c */

#endif
