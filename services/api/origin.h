/* origin: under which address a request reached us, for those who write absolute addresses or
 * compare them (OAuth's issuer, DPoP's htu). Pure. */
#ifndef API_ORIGIN_H
#define API_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include "base/str.h"

#define ORIGIN_SIZE 300

/* "https://metafed.example:8443": lower case, without the scheme's own port. False: the host is
 * none that one would put into a link; out is "". */
bool origin_of(bool https, struct str host, char out[ORIGIN_SIZE]);
/* What the proxy next to us said in X-Forwarded-Proto; `otherwise` when it said nothing we know. */
bool origin_https(struct str forwarded_proto, bool otherwise);

#endif
