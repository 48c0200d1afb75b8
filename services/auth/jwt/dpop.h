/* dpop: proofs of possession (RFC 9449, section 4.3): that who presents a token, or asks for one, has
 * the private key that it is bound to, and made this request with it. No I/O.
 *
 * A proof counts once: for one operation (call_operation_id), which may come more than once, as
 * hops are repeated and a request may need more than one permission. What was seen is remembered
 * per node, for as long as the proof could be presented; a node that starts anew has forgotten it,
 * and its stand-in has never seen it: within 60 s and for the same method and URL a proof may count
 * once more there. When more are remembered than there is room for (some 390,000 in 70 s), proofs
 * are not judged at all (dpop_busy). */
#ifndef JWT_DPOP_H
#define JWT_DPOP_H

#include <stdbool.h>
#include <stdint.h>
#include "auth/jwt/jws.h"
#include "base/arena.h"

#define DPOP_TYPE   "dpop+jwt"
#define DPOP_AGE_US (INT64_C(60) * 1000000) /* of a proof, at most */
/* clocks of two machines, both ways */
#define DPOP_LEEWAY_US (INT64_C(5) * 1000000)

struct dpop; /* what was seen */

struct dpop *dpop_new(void);
void dpop_free(struct dpop **d);

struct dpop_request { /* what the proof came with */
	const char *proof, *method;
	const char *url;          /* query and fragment don't count */
	const char *access_token; /* NULL: there is none yet (at the token endpoint) */
	const char *operation;    /* NULL or "": has no name, and can't come again */
};

/* NULL: it is one, made with the key whose thumbprint (RFC 7638) is jkt then. Else what is wrong with
 * it, a text that lives for ever and has nothing of the proof; two of them are told apart by address:
 * dpop_replayed, and dpop_busy, which must be answered as UNAVAILABLE. now_us: wall clock. */
extern const char dpop_replayed[], dpop_busy[];
const char *dpop_check(struct dpop *d, struct arena *a, const struct dpop_request *q,
    int64_t now_us, char jkt[JWS_KEY_ID_LEN + 1]);

/* RFC 3986, 6.2.2 and 6.2.3, without query and fragment (dpop_url.c): of two URLs of one thing the
 * same text. NULL: not an absolute http or https URL, or one with user or password. */
char *dpop_url(struct arena *a, const char *url);

#endif
