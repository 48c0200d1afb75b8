/* jwk: the public key of an RFC 7517 object that may hold its private part too, for vectors that give
 * theirs so. Also builds raw tokens out of parts. */
#ifndef HARNESS_JWK_H
#define HARNESS_JWK_H

#include <jansson.h>
#include <stddef.h>
#include "auth/jwt/jws.h"

struct jws_key *jwk_public(const json_t *jwk); /* NULL: a kind that jws does not speak */
/* base64url(header) "." base64url(payload) "." signature text as it is */
char *jwk_token(struct arena *a, const char *header, const char *payload, const char *signature);

#endif
