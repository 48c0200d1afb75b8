/* cors: which pages of other origins may read our answers (Fetch standard, CORS protocol). Pure.
 * Credentials of the browser (cookies) play no part here: who asks brings his token himself. */
#ifndef API_CORS_H
#define API_CORS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/str.h"

#define ORIGINS_MOST 32
struct origins {
	bool any;
	size_t n;
	struct str all[ORIGINS_MOST];
};
/* "https://app.example, http://localhost:3000" or "*"; views of text. False: some entry is none. */
bool origins_parse(struct origins *out, const char *text);
bool origins_set(const struct origins *o); /* some page may */
/* What Access-Control-Allow-Origin says to it; NULL: nothing. `room` for the answer. */
const char *origins_allow(const struct origins *o, struct str origin, char *room, size_t size);

#define CORS_METHODS "GET, HEAD, POST, PUT, PATCH, DELETE"
#define CORS_HEADERS                                                                               \
	"Authorization, Content-Type, Accept, If-Match, If-None-Match, Idempotency-Key, Prefer, "  \
	"Last-Event-ID, Traceparent"
#define CORS_EXPOSED                                                                               \
	"ETag, Location, Link, Retry-After, RateLimit, RateLimit-Policy, Idempotency-Replayed, "   \
	"Deprecation, Sunset, Metafed-Degraded, WWW-Authenticate"
#define CORS_MAX_AGE "600" /* seconds a preflight is remembered */

#endif
