/* client_sessions: ends what was given to a client: all of it, or what one user allowed. */
#ifndef OAUTH_CLIENT_SESSIONS_H
#define OAUTH_CLIENT_SESSIONS_H

#include "auth/oauth/oauth.h"

/* user_id NULL: of all users. When that can't be done the call is failed and `done` never comes; the same
 * again goes on where it ended. */
typedef void sessions_ended_fn(struct call *c, void *ctx);
void client_sessions_end(struct oauth *o, struct call *c, const char *client_id,
    const char *user_id, sessions_ended_fn *done, void *ctx);

#endif
