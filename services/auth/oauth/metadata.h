/* metadata: what the authorization server can do (RFC 8414): one table, for its own document and for that
 * of OpenID Connect. */
#ifndef OAUTH_METADATA_H
#define OAUTH_METADATA_H

#include "auth/oauth/web.h"

/* The members, into an object that is open. */
void metadata_write(const struct web *w, struct jw *j);
/* As a document that may be kept for a while. */
void metadata_reply(struct web *w, struct jw *j);

#endif
