/* api_key: see api_key.h. */
#include <sodium.h>
#include <string.h>
#include "auth/jwt/api_key.h"
#include "auth/jwt/session.h"
#include "base/str.h"

#define BODY     (16 + API_KEY_SECRET)
#define CHECKSUM 4
#define BYTES    (BODY + CHECKSUM)
#define PREFIX   (sizeof(API_KEY_PREFIX) - 1)

static void checksum(const uint8_t body[BODY], uint8_t out[CHECKSUM]);

void
api_key_write(const struct api_key *k, char out[API_KEY_LEN])
{
	uint8_t b[BYTES];

	uuid_pack(k->id, b);
	memcpy(b + 16, k->secret, API_KEY_SECRET);
	checksum(b, b + BODY);
	memcpy(out, API_KEY_PREFIX, PREFIX);
	(void)str_b64url(b, sizeof(b), out + PREFIX);
	sodium_memzero(b, sizeof(b));
}

bool
api_key_read(const char *text, struct api_key *out)
{
	uint8_t b[BYTES], sum[CHECKSUM];
	size_t n;

	if (strlen(text) != API_KEY_LEN - 1 || strncmp(text, API_KEY_PREFIX, PREFIX) != 0 ||
	    !str_unb64url(str_of(text + PREFIX), b, sizeof(b), &n) || n != sizeof(b))
		return false;
	checksum(b, sum);
	if (memcmp(sum, b + BODY, CHECKSUM) != 0)
		return false;
	session_uuid_text(b, out->id);
	memcpy(out->secret, b + 16, API_KEY_SECRET);
	sodium_memzero(b, sizeof(b));
	return true;
}

void
api_key_hash(const struct api_key *k, char out[API_KEY_HASH_LEN])
{
	static const char label[] = "api key";
	crypto_generichash_state s;
	uint8_t h[32];

	(void)crypto_generichash_init(&s, NULL, 0, sizeof(h));
	(void)crypto_generichash_update(&s, (const uint8_t *)label, sizeof(label));
	(void)crypto_generichash_update(&s, (const uint8_t *)k->id, UUID_LEN);
	(void)crypto_generichash_update(&s, k->secret, API_KEY_SECRET);
	(void)crypto_generichash_final(&s, h, sizeof(h));
	(void)str_b64url(h, sizeof(h), out);
	sodium_memzero(&s, sizeof(s));
}

static void
checksum(const uint8_t body[BODY], uint8_t out[CHECKSUM])
{
	uint8_t h[crypto_hash_sha256_BYTES];

	(void)crypto_hash_sha256(h, body, BODY);
	memcpy(out, h, CHECKSUM);
}
