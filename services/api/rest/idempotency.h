/* idempotency: a request with an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header) is done
 * once, however often it is sent.
 *
 * A row of the model `idempotency`, named by principal and key, is claimed before the work and holds
 * the answer after it. Whoever claims does so under an operation id, which stays with the row: also a
 * later try works under it, and so finds the effect of an earlier one whose answer was lost. Nothing
 * here makes the effect and the record one; the operation id does. */
#ifndef REST_IDEMPOTENCY_H
#define REST_IDEMPOTENCY_H

#include "api/rest/handling.h"
#include "base/id.h"

#define KEY_MOST        255         /* characters of a key */
#define FINGERPRINT_LEN 65          /* 64 digits and NUL */
#define RECORD_BYTES    (256 << 10) /* of an answer; a larger one is made again, under the same id */

/* --- key.c: pure --- */
/* The header's value is an Item that is a String (RFC 9651); parameters are read past. NULL: it is
 * none, or empty, or longer than KEY_MOST. */
const char *key_read(struct arena *a, const char *header);
/* The row of a principal's key. */
void key_row(const char *principal, const char *key, char out[UUID_LEN]);
/* What is asked for: method, path, query, conditions and body, however the body is spaced and
 * ordered. Without its password: the fingerprint is stored, and a hash as fast as this would give it
 * away. */
void key_fingerprint(
    const Mf__HttpRequest *q, const json_t *body, const char *if_match, char out[FINGERPRINT_LEN]);

/* --- idempotency.c --- */
/* The request has a key and is of a kind that heeds it. False, and h answered: it is none. */
bool idempotency_read(struct handling *h);
/* Instead of handling_execute: claims, then executes; or answers what was answered before. */
void idempotency_start(struct handling *h);
/* Instead of ending the call: h->out is recorded where it is final, then sent. */
void idempotency_end(struct handling *h);

#endif
