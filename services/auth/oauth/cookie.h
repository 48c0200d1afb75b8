/* cookie: the value that a signed-in browser holds: the token of its session, and a stamp of when it
 * was last seen. So the session's row is not written at each request, and a browser that was not seen
 * for browser_idle is signed out all the same: nobody can make the stamp younger. Pure. */
#ifndef OAUTH_COOKIE_H
#define OAUTH_COOKIE_H

#include "auth/jwt/session.h"
#include "auth/oauth/stamp.h"

#define COOKIE_LEN (SESSION_TOKEN_LEN + STAMP_LEN)

struct cookie {
	char token[SESSION_TOKEN_LEN + 1];
	int64_t seen_us;
};

void cookie_write(const uint8_t key[STAMP_KEY], const struct cookie *c, char out[COOKIE_LEN + 1]);
/* False: none that we made. */
bool cookie_read(const uint8_t key[STAMP_KEY], const char *text, struct cookie *out)
    __attribute__((warn_unused_result));

#endif
