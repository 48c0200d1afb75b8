/* session: the arithmetic of refresh tokens. Pure: no clock, no store, no call.
 *
 * A session (RFC 9700 calls it a family) is what one log-in began; each refresh uses up one token
 * and makes the next. A token is 32 bytes in base64url; only its SHA-256 is stored. Tokens are not
 * drawn but DERIVED, keyed with a secret of the fleet:
 *
 *   next = BLAKE2b(secret, "refresh" | operation id | SHA-256 of the used token)
 *
 * so that the same refresh again (same operation id: a lost answer, a retry on the stand-in) yields
 * the same pair and is no reuse; the successor's row in the store is the proof that this very
 * operation used the token up. Another operation id with a used token is reuse. Without the secret
 * neither the next token nor the one before can be computed. */
#ifndef JWT_SESSION_H
#define JWT_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/id.h"

#define SESSION_TOKEN_LEN 43                       /* base64url of 32 bytes */
#define SESSION_HASH_LEN  64                       /* hex */
#define SESSION_REPEAT_US (INT64_C(300) * 1000000) /* the fleet's own repeats come within this */

struct session_token {
	char text[SESSION_TOKEN_LEN + 1];
	char hash[SESSION_HASH_LEN + 1]; /* what is stored */
	char row[UUID_LEN]; /* id of its row: the first half of the hash, as a UUID (version 8) */
};

/* False: nothing that we made. */
bool
session_token_read(const char *text, struct session_token *out) __attribute__((warn_unused_result));
/* What operation `operation_id` of `user_id` begins with; family: the session's id. */
void session_first(const uint8_t secret[32], const char *operation_id, const char *user_id,
    struct session_token *out, char family[UUID_LEN]);
void session_next(const uint8_t secret[32], const char *operation_id,
    const struct session_token *used, struct session_token *out);
/* A UUID (version 8) made of a text: the same text, the same id. */
void session_uuid(const char *kind, const char *text, char out[UUID_LEN]);

/* A row of the model refresh_token. `revoked` = can't be exchanged any more: set when used and when
 * ended. */
struct session_row {
	char hash[SESSION_HASH_LEN + 1];
	char family[UUID_LEN];
	char user_id[UUID_LEN];
	int64_t expires_us; /* wall clock */
	int64_t created_us;
	bool used;
	bool revoked;
	uint64_t version;
};

enum session_verdict {
	SESSION_ROTATE, /* live: use it up, make the next */
	SESSION_ASK,    /* used: reuse, unless the successor of this operation is there */
	SESSION_ENDED,  /* logged out, or the session was revoked */
	SESSION_EXPIRED,
	SESSION_UNKNOWN, /* its hash is another's */
};
enum session_verdict
session_judge(const struct session_row *row, const struct session_token *t, int64_t now_us);
/* The token was used: was it by the operation that `successor` belongs to (NULL: there is none)? */
bool session_is_repeat(
    const struct session_row *used, const struct session_row *successor, int64_t now_us);

#endif
