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
/* scheme "://" host [":" port], in lower case, nothing behind it. "null" is nobody's. */
bool origin_valid(struct str s);
bool origins_set(const struct origins *o); /* some page may */
/* What Access-Control-Allow-Origin says to it; NULL: nothing. `room` for the answer. */
const char *origins_allow(const struct origins *o, struct str origin, char *room, size_t size);

#define CORS_METHODS "GET, HEAD, POST, PUT, PATCH, DELETE"
#define CORS_HEADERS                                                                               \
	"Authorization, DPoP, Content-Type, Accept, If-Match, If-None-Match, Idempotency-Key, "    \
	"Prefer, "                                                                                 \
	"Last-Event-ID, Traceparent, Metafed-Session, Range, If-Range, Content-Digest, "           \
	"Repr-Digest, Tus-Resumable, "                                                             \
	"Upload-Length, Upload-Defer-Length, Upload-Offset, Upload-Metadata, Upload-Checksum"
#define CORS_EXPOSED                                                                               \
	"ETag, Location, Link, Retry-After, RateLimit, RateLimit-Policy, Idempotency-Replayed, "   \
	"Deprecation, Sunset, Age, Metafed-Age, Metafed-Session, Metafed-Degraded, "               \
	"WWW-Authenticate, DPoP-Nonce, Accept-Ranges, Content-Range, "                             \
	"Content-Disposition, Repr-Digest, Content-Digest, Metafed-Blob, Metafed-Warning, "        \
	"Tus-Resumable, Tus-Version, Tus-Extension, Tus-Checksum-Algorithm, Upload-Offset, "       \
	"Upload-Length, Upload-Metadata, Upload-Expires"
#define CORS_MAX_AGE "600" /* seconds a preflight is remembered */

#endif
