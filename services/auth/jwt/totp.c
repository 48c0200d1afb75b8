/* totp: see totp.h. HMAC-SHA-1 is OpenSSL's: libsodium has no SHA-1. In HMAC it is sound. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>
#include <string.h>
#include "auth/jwt/totp.h"
#include "base/log.h"
#include "base/str.h"

#define DIGITS 6
#define MODULO 1000000

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static bool take_code(const char *text, size_t n, uint32_t *out);
static bool take_recovery(const char *text, size_t n, uint8_t out[RECOVERY_BYTES]);

uint32_t
totp_hotp(const uint8_t *secret, size_t n, uint64_t counter)
{
	uint8_t message[8], mac[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	uint32_t v;

	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)(counter >> (8 * (7 - i)));
	must(HMAC(EVP_sha1(), secret, (int)n, message, sizeof(message), mac, &len) != NULL &&
	     len == 20);
	v = mac[len - 1] & 0x0f;
	v = (uint32_t)(mac[v] & 0x7f) << 24 | (uint32_t)mac[v + 1] << 16 |
	    (uint32_t)mac[v + 2] << 8 | mac[v + 3];
	sodium_memzero(mac, sizeof(mac));
	return v % MODULO;
}

void
totp_type(const char *text, struct totp_typed *out)
{
	char s[RECOVERY_LEN];
	size_t n = 0;

	memset(out, 0, sizeof(*out));
	for (; *text != '\0'; text++) {
		if (*text == ' ' || *text == '-')
			continue;
		if (n == sizeof(s))
			return;
		s[n++] = *text;
	}
	if (take_code(s, n, &out->code))
		out->kind = TOTP_CODE;
	else if (take_recovery(s, n, out->recovery))
		out->kind = TOTP_RECOVERY;
	sodium_memzero(s, sizeof(s));
}

static bool
take_code(const char *text, size_t n, uint32_t *out)
{
	uint64_t v;

	if (n != DIGITS || !str_u64((struct str){ text, n }, MODULO - 1, &v))
		return false;
	*out = (uint32_t)v;
	return true;
}

/* 16 characters of 5 bits are 80 bits, so that no bit is left over. */
static bool
take_recovery(const char *text, size_t n, uint8_t out[RECOVERY_BYTES])
{
	uint64_t bits = 0;
	size_t have = 0, at = 0;

	if (n != RECOVERY_BYTES * 8 / 5)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - ('a' - 'A') : text[i]);
		const char *p = memchr(alphabet, c, sizeof(alphabet) - 1);

		if (p == NULL)
			return false;
		bits = bits << 5 | (uint64_t)(p - alphabet);
		have += 5;
		if (have >= 8) {
			have -= 8;
			out[at++] = (uint8_t)(bits >> have);
		}
	}
	return true;
}

int64_t
totp_step(const uint8_t secret[TOTP_SECRET], uint32_t code, int64_t now_us)
{
	int64_t now = now_us / TOTP_STEP_US, found = 0;

	for (int64_t step = now - TOTP_DRIFT; step <= now + TOTP_DRIFT; step++) {
		uint32_t other = totp_hotp(secret, TOTP_SECRET, (uint64_t)step) ^ code;
		int64_t same = -(int64_t)((other - 1) >> 31); /* other is below 2^20 */

		found |= same & step & ~-(int64_t)(found != 0);
	}
	return found;
}

void
totp_base32(const uint8_t *p, size_t n, char *out)
{
	uint64_t bits = 0;
	size_t have = 0;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | p[i];
		for (have += 8; have >= 5; have -= 5)
			*out++ = alphabet[bits >> (have - 5) & 31];
	}
	if (have > 0)
		*out++ = alphabet[bits << (5 - have) & 31];
	*out = '\0';
}

void
totp_recovery_text(const uint8_t code[RECOVERY_BYTES], char out[RECOVERY_LEN])
{
	char s[RECOVERY_BYTES * 8 / 5 + 1];

	totp_base32(code, RECOVERY_BYTES, s);
	for (size_t i = 0; i < 4; i++) {
		memcpy(out + 5 * i, s + 4 * i, 4);
		out[5 * i + 4] = (char)(i < 3 ? '-' : '\0');
	}
	sodium_memzero(s, sizeof(s));
}

void
totp_recovery_hash(
    const char *factor, const uint8_t code[RECOVERY_BYTES], char out[RECOVERY_HASH_LEN])
{
	static const char label[] = "recovery code";
	crypto_generichash_state s;
	uint8_t h[32];

	(void)crypto_generichash_init(&s, NULL, 0, sizeof(h));
	(void)crypto_generichash_update(&s, (const uint8_t *)label, sizeof(label));
	(void)crypto_generichash_update(&s, (const uint8_t *)factor, strlen(factor) + 1);
	(void)crypto_generichash_update(&s, code, RECOVERY_BYTES);
	(void)crypto_generichash_final(&s, h, sizeof(h));
	(void)str_b64url(h, sizeof(h), out);
}
