/* session: the arithmetic of refresh tokens. Pure: no clock, no store, no call.
 *
 * A session (RFC 9700 calls it a family) is what one log-in began. It has one row in the store,
 * however often it is refreshed, and that row's version is the number of the refresh token that is
 * live. A token says which session, which number, and proves that it is ours:
 *
 *	session id (16 bytes) | number (8) | MAC of both, keyed with a secret of the fleet (24)
 *
 * in base64url. A refresh is one update of the row on condition of its version; the next number is
 * live from then on. So nothing has to be kept of used tokens to know one again, whatever its age:
 *
 *	number = version		live: rotate
 *	number = version - 1		the refresh before the live one again. Within `repeat` of it: the
 *				same successor once more; the successor is unused, or version
 *				would be higher. Later: reuse
 *	number < version - 1	used, and its successor too: reuse
 *
 * Whoever has the secret can make tokens, but the signing keys lie beside it. */
#ifndef JWT_SESSION_H
#define JWT_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/id.h"

#define SESSION_TOKEN_LEN 64 /* base64url of 48 bytes */
#define SESSION_CLOCKS_US                                                                          \
	(INT64_C(30) * 1000000) /* the store's clock and ours are no further apart */

struct session_token {
	char id[UUID_LEN]; /* of the session, and of its row */
	uint64_t number;   /* from 1 */
};

/* False: nothing that we made. */
bool session_token_read(const uint8_t secret[32], const char *text, struct session_token *out)
    __attribute__((warn_unused_result));
void session_token_write(
    const uint8_t secret[32], const struct session_token *t, char out[SESSION_TOKEN_LEN + 1]);
/* The session that operation `operation_id` of `user_id` begins: the same again for a repeat. */
void session_id(
    const uint8_t secret[32], const char *operation_id, const char *user_id, char out[UUID_LEN]);
void session_uuid_text(const uint8_t b[16], char out[UUID_LEN]);
/* A UUID (version 8) made of a text: the same text, the same id. */
void session_uuid(const char *kind, const char *text, char out[UUID_LEN]);

struct session_row {
	char id[UUID_LEN];
	char user_id[UUID_LEN];
	uint64_t version;
	int64_t expires_us; /* wall clock; a session that was ended expired then */
	int64_t changed_us; /* begun or refreshed */
};

enum session_verdict {
	SESSION_LIVE,
	SESSION_REPEAT,
	SESSION_REUSED,
	SESSION_ENDED, /* or expired, or of a future that the store does not know (restored) */
};
enum session_verdict session_judge(const struct session_row *row, const struct session_token *t,
    int64_t repeat_us, int64_t now_us);

#endif
