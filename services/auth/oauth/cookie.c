/* cookie: see cookie.h. */
#include "auth/oauth/cookie.h"
#include <string.h>

#define PARTS(c) ((const char *const[]){ "cookie", (c)->token })
#define N_PARTS  2

void
cookie_write(const uint8_t key[STAMP_KEY], const struct cookie *c, char out[COOKIE_LEN + 1])
{
	memcpy(out, c->token, SESSION_TOKEN_LEN);
	stamp_write(key, PARTS(c), N_PARTS, c->seen_us, out + SESSION_TOKEN_LEN);
}

bool
cookie_read(const uint8_t key[STAMP_KEY], const char *text, struct cookie *out)
{
	if (strlen(text) != COOKIE_LEN)
		return false;
	memcpy(out->token, text, SESSION_TOKEN_LEN);
	out->token[SESSION_TOKEN_LEN] = '\0';
	return stamp_read(
	    key, PARTS(out), N_PARTS, str_of(text + SESSION_TOKEN_LEN), &out->seen_us);
}
