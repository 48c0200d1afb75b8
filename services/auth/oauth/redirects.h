/* redirects: which URIs a client may be sent back to. Pure.
 *
 * Registered are https://HOST..., http://127.0.0.1[:PORT]... and http://[::1]... (RFC 8252, 7.3), and
 * private-use schemes with a dot (com.example.app:/..., RFC 8252, 7.1). No fragment, no user, no
 * wildcard, no dot segments, nothing that two parsers could read in two ways. What is asked for is
 * compared byte for byte (RFC 9700, 4.1.3), but the port of a loopback one is free. */
#ifndef OAUTH_REDIRECTS_H
#define OAUTH_REDIRECTS_H

#include <stdbool.h>
#include "base/arena.h"

#define REDIRECT_MAX 500

const char *redirect_wrong(const char *uri); /* NULL: it may be registered; else what is wrong */
bool redirect_matches(const char *registered, const char *asked);
bool redirect_is_loopback(const char *uri);
bool redirect_is_private(const char *uri); /* of a private-use scheme */
/* "https://host:port", or NULL: it has none. */
const char *redirect_origin(struct arena *a, const char *uri);

#endif
