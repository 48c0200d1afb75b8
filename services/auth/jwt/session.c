/* session: see session.h. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "auth/jwt/session.h"
#include "base/str.h"

#define BODY  24 /* id and number */
#define MAC   24
#define TOKEN (BODY + MAC)

static void mac_of(const uint8_t secret[32], const uint8_t body[BODY], uint8_t out[MAC]);
static void
derive(const uint8_t secret[32], const char *label, const char *a, const char *b, uint8_t out[16]);
static void uuid8(const uint8_t bytes[16], char out[UUID_LEN]);

bool
session_token_read(const uint8_t secret[32], const char *text, struct session_token *out)
{
	uint8_t b[TOKEN], mac[MAC];
	size_t n;

	if (strlen(text) != SESSION_TOKEN_LEN || !str_unb64url(str_of(text), b, sizeof(b), &n) ||
	    n != sizeof(b))
		return false;
	mac_of(secret, b, mac);
	if (sodium_memcmp(mac, b + BODY, MAC) != 0)
		return false;
	session_uuid_text(b, out->id);
	out->number = 0;
	for (size_t i = 16; i < BODY; i++)
		out->number = out->number << 8 | b[i];
	return true;
}

void
session_token_write(
    const uint8_t secret[32], const struct session_token *t, char out[SESSION_TOKEN_LEN + 1])
{
	uint8_t b[TOKEN];

	uuid_pack(t->id, b);
	for (size_t i = 0; i < 8; i++)
		b[16 + i] = (uint8_t)(t->number >> (8 * (7 - i)));
	mac_of(secret, b, b + BODY);
	(void)str_b64url(b, sizeof(b), out);
	sodium_memzero(b, sizeof(b));
}

void
session_id(
    const uint8_t secret[32], const char *operation_id, const char *user_id, char out[UUID_LEN])
{
	uint8_t b[16];

	derive(secret, "session", operation_id, user_id, b);
	uuid8(b, out);
}

void
session_uuid(const char *kind, const char *text, char out[UUID_LEN])
{
	static const uint8_t no_secret[32];
	uint8_t b[16];

	derive(no_secret, "uuid", kind, text, b);
	uuid8(b, out);
}

enum session_verdict
session_judge(
    const struct session_row *row, const struct session_token *t, int64_t repeat_us, int64_t now_us)
{
	int64_t age = now_us - row->changed_us;

	if (row->expires_us <= now_us || t->number > row->version)
		return SESSION_ENDED;
	if (t->number == row->version)
		return SESSION_LIVE;
	/* A clock that was set back by more than that would hold the window open for as long. */
	if (age < 0 && age > -SESSION_CLOCKS_US)
		age = 0;
	if (t->number + 1 == row->version && age >= 0 && age < repeat_us)
		return SESSION_REPEAT;
	return SESSION_REUSED;
}

static void
mac_of(const uint8_t secret[32], const uint8_t body[BODY], uint8_t out[MAC])
{
	static const char label[] = "refresh token";
	crypto_generichash_state s;

	(void)crypto_generichash_init(&s, secret, 32, MAC);
	(void)crypto_generichash_update(&s, (const uint8_t *)label, sizeof(label));
	(void)crypto_generichash_update(&s, body, BODY);
	(void)crypto_generichash_final(&s, out, MAC);
	sodium_memzero(&s, sizeof(s));
}

/* Parts go in with their terminating NUL, so that no two lists of parts are the same bytes. */
static void
derive(const uint8_t secret[32], const char *label, const char *a, const char *b, uint8_t out[16])
{
	crypto_generichash_state s;

	(void)crypto_generichash_init(&s, secret, 32, 16);
	(void)crypto_generichash_update(&s, (const uint8_t *)label, strlen(label) + 1);
	(void)crypto_generichash_update(&s, (const uint8_t *)a, strlen(a) + 1);
	(void)crypto_generichash_update(&s, (const uint8_t *)b, strlen(b) + 1);
	(void)crypto_generichash_final(&s, out, 16);
	sodium_memzero(&s, sizeof(s));
}

void
session_uuid_text(const uint8_t b[16], char out[UUID_LEN])
{
	char hex[33];

	(void)str_hex(b, 16, hex);
	(void)snprintf(
	    out, UUID_LEN, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

/* RFC 9562, version 8: 122 bits of ours. */
static void
uuid8(const uint8_t bytes[16], char out[UUID_LEN])
{
	uint8_t b[16];

	memcpy(b, bytes, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x80);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	session_uuid_text(b, out);
}
