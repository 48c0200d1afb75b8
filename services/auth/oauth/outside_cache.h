/* outside_cache: what we know of outside OpenID providers: each one's discovery document and keys,
 * fetched when somebody needs them, kept as long as the answer allows (5 minutes to an hour), fetched
 * once for all who wait. What has run out is not used: a provider that can't be reached then logs
 * nobody in. In memory of the process; its stand-in fetches for itself. */
#ifndef OAUTH_OUTSIDE_CACHE_H
#define OAUTH_OUTSIDE_CACHE_H

#include "node/http_client.h"
#include "auth/oauth/outside_meta.h"
#include "bus/call.h"

#define OUTSIDE_FETCH_LIMIT_US (INT64_C(3) * 1000000)
#define OUTSIDE_KEEP_MIN_US    (INT64_C(300) * 1000000)
#define OUTSIDE_KEEP_MAX_US    (INT64_C(3600) * 1000000)
/* Keys are fetched anew for an unknown key id once in so long: who sends tokens with invented ids
 * makes us ask nobody. */
#define OUTSIDE_AGAIN_US       (INT64_C(5) * 1000000)
#define OUTSIDE_PROVIDERS_MOST 64 /* kept at once; beyond: the one that was used longest ago goes */

struct outside;

struct outside *outside_new(struct loop *l, const struct http_client_opts *o);
void outside_free(struct outside **o);
struct http_client *outside_http(struct outside *o);

/* m NULL: why says why not. m and keys live until it returns; not at all once the call has ended.
 * Never from inside outside_know. */
typedef void outside_know_fn(
    const struct outside_meta *m, const struct outside_keys *keys, const char *why, void *ctx);
void outside_know(
    struct outside *o, struct call *c, const char *issuer, outside_know_fn *done, void *ctx);
/* The same after outside_unknown_key: with keys that were fetched anew, or "unknown key" again where
 * they were a moment ago. */
void outside_know_again(
    struct outside *o, struct call *c, const char *issuer, outside_know_fn *done, void *ctx);

#endif
