/* session: see session.h. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "auth/jwt/session.h"
#include "base/str.h"

static void token_of(const uint8_t bytes[32], struct session_token *out);
static void
derive(const uint8_t secret[32], const char *label, const char *a, const char *b, uint8_t out[32]);
static void uuid8(const uint8_t bytes[16], char out[UUID_LEN]);

bool
session_token_read(const char *text, struct session_token *out)
{
	uint8_t bytes[32];
	size_t n;

	if (strlen(text) != SESSION_TOKEN_LEN ||
	    !str_unb64url(str_of(text), bytes, sizeof(bytes), &n) || n != sizeof(bytes))
		return false;
	token_of(bytes, out);
	sodium_memzero(bytes, sizeof(bytes));
	return true;
}

void
session_first(const uint8_t secret[32], const char *operation_id, const char *user_id,
    struct session_token *out, char family[UUID_LEN])
{
	uint8_t bytes[32];

	derive(secret, "family", operation_id, user_id, bytes);
	uuid8(bytes, family);
	derive(secret, "login", operation_id, user_id, bytes);
	token_of(bytes, out);
	sodium_memzero(bytes, sizeof(bytes));
}

void
session_next(const uint8_t secret[32], const char *operation_id, const struct session_token *used,
    struct session_token *out)
{
	uint8_t bytes[32];

	derive(secret, "refresh", operation_id, used->hash, bytes);
	token_of(bytes, out);
	sodium_memzero(bytes, sizeof(bytes));
}

void
session_uuid(const char *kind, const char *text, char out[UUID_LEN])
{
	static const uint8_t no_secret[32];
	uint8_t bytes[32];

	derive(no_secret, "uuid", kind, text, bytes);
	uuid8(bytes, out);
}

enum session_verdict
session_judge(const struct session_row *row, const struct session_token *t, int64_t now_us)
{
	if (sodium_memcmp(row->hash, t->hash, SESSION_HASH_LEN) != 0)
		return SESSION_UNKNOWN;
	if (row->expires_us <= now_us)
		return SESSION_EXPIRED;
	if (row->used)
		return SESSION_ASK;
	return row->revoked ? SESSION_ENDED : SESSION_ROTATE;
}

/* A successor that is itself used up or ended is no answer that anybody still waits for. */
bool
session_is_repeat(
    const struct session_row *used, const struct session_row *successor, int64_t now_us)
{
	return successor != NULL && !successor->used && !successor->revoked &&
	       strcmp(successor->family, used->family) == 0 &&
	       now_us - successor->created_us < SESSION_REPEAT_US;
}

static void
token_of(const uint8_t bytes[32], struct session_token *out)
{
	uint8_t hash[crypto_hash_sha256_BYTES];

	(void)str_b64url(bytes, 32, out->text);
	(void)crypto_hash_sha256(hash, bytes, 32);
	(void)str_hex(hash, sizeof(hash), out->hash);
	uuid8(hash, out->row);
}

/* Parts go in with their terminating NUL, so that no two lists of parts are the same bytes. */
static void
derive(const uint8_t secret[32], const char *label, const char *a, const char *b, uint8_t out[32])
{
	crypto_generichash_state s;

	(void)crypto_generichash_init(&s, secret, 32, 32);
	(void)crypto_generichash_update(&s, (const uint8_t *)label, strlen(label) + 1);
	(void)crypto_generichash_update(&s, (const uint8_t *)a, strlen(a) + 1);
	(void)crypto_generichash_update(&s, (const uint8_t *)b, strlen(b) + 1);
	(void)crypto_generichash_final(&s, out, 32);
	sodium_memzero(&s, sizeof(s));
}

/* RFC 9562, version 8: 122 bits of ours. */
static void
uuid8(const uint8_t bytes[16], char out[UUID_LEN])
{
	uint8_t b[16];
	char hex[33];

	memcpy(b, bytes, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x80);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	(void)str_hex(b, sizeof(b), hex);
	(void)snprintf(
	    out, UUID_LEN, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}
