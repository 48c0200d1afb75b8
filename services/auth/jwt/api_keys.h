/* api_keys: keys for programs, and their verification. A key acts for its owner's account as that is
 * now, within its scopes; what is kept of it is a hash (api_key.h).
 *
 * Verified keys are remembered for seconds. What was revoked counts against them as against access
 * tokens: a key that was deleted, and whatever was read of an account before its newest change. */
#ifndef JWT_API_KEYS_H
#define JWT_API_KEYS_H

#include "auth/jwt/jwt.h"

#define API_KEY_MISSES        20              /* of one address at once, */
#define API_KEY_MISS_EVERY_US INT64_C(200000) /* and so many a second after */

struct known_keys;

struct known_keys *known_keys_new(void);
void known_keys_free(struct known_keys **k);
/* The principal of the key in q->token, or a refusal; ends the call. */
void api_keys_verify(struct tokens *t, struct call *c, const Mf__TokenText *q);

/* Of tokens.c: one answer for everything that is wrong with a credential, and the count. */
void tokens_refuse(struct tokens *t, struct call *c, bool expired);
void tokens_count(struct tokens *t, const char *outcome);

#endif
