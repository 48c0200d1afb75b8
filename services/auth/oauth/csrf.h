/* csrf: was this form ours, and was it this browser that we gave it to? Pure: key and clock are
 * arguments.
 *
 * A form carries a token: a stamp for the browser's mark and session, the page, and what the form is
 * about. The mark is a cookie (browser.h), so it is a double submit that nobody can make without the
 * key, and a token of one flow, page, browser or log-in is none for another. Where the browser says
 * whence the request came (Sec-Fetch-Site, Origin), that has to agree besides. */
#ifndef OAUTH_CSRF_H
#define OAUTH_CSRF_H

#include "auth/oauth/stamp.h"

#define CSRF_LIFE_US (INT64_C(3600) * 1000000)

struct csrf {                /* what a token is bound to; "" where there is none, never NULL */
	const char *browser; /* the cookie that marks it */
	const char *session; /* the token of who is signed in */
	const char *page;    /* "consent" */
	const char *about;   /* the flow */
};

void csrf_write(
    const uint8_t key[STAMP_KEY], const struct csrf *b, int64_t now_us, char out[STAMP_LEN + 1]);
/* token NULL: there was none. */
bool csrf_check(const uint8_t key[STAMP_KEY], const struct csrf *b, const char *token,
    int64_t now_us) __attribute__((warn_unused_result));
/* Headers as they came, NULL: absent. base: our own origin. */
bool csrf_from_here(const char *fetch_site, const char *origin, const char *base)
    __attribute__((warn_unused_result));

#endif
