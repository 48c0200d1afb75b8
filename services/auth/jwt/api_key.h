/* api_key: the text of an API key. Pure.
 *
 *	"mfk_" base64url of: id (16 bytes) | secret (32) | the first 4 bytes of SHA-256 of those 48
 *
 * The checksum tells a scanner for leaked secrets, and us, a key from what only looks like one without
 * asking anybody; it protects nothing. The secret has 256 bits, so its hash needs no salt and no cost:
 * it can't be guessed. */
#ifndef JWT_API_KEY_H
#define JWT_API_KEY_H

#include <stdbool.h>
#include <stdint.h>
#include "base/id.h"

#define API_KEY_PREFIX   "mfk_"
#define API_KEY_LEN      75 /* with NUL */
#define API_KEY_SECRET   32
#define API_KEY_HASH_LEN 44 /* base64url of 32 bytes, with NUL */
/* What the row has: the hash, then base64url of what the secret was made of besides the id, so that the
 * next key under the id of one that was deleted has another secret. With NUL. */
#define API_KEY_SALT       16
#define API_KEY_STORED_LEN (API_KEY_HASH_LEN + 22)

struct api_key {
	char id[UUID_LEN];
	uint8_t secret[API_KEY_SECRET];
};

void api_key_write(const struct api_key *k, char out[API_KEY_LEN]);
/* False: it is none, or was mistyped. */
bool api_key_read(const char *text, struct api_key *out) __attribute__((warn_unused_result));
void api_key_hash(const struct api_key *k, char out[API_KEY_HASH_LEN]);

#endif
