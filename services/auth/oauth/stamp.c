/* stamp: see stamp.h. */
#include "auth/oauth/stamp.h"
#include <sodium.h>
#include <string.h>
#include "base/time.h"

#define TIME 6
#define MAC  30

_Static_assert((TIME + MAC) * 4 / 3 == STAMP_LEN, "the length of the text");

static void mac_of(const uint8_t key[STAMP_KEY], const char *const *parts, size_t n_parts,
    const uint8_t at[TIME], uint8_t out[MAC]);

void
stamp_write(const uint8_t key[STAMP_KEY], const char *const *parts, size_t n_parts, int64_t at_us,
    char out[STAMP_LEN + 1])
{
	uint8_t b[TIME + MAC];
	int64_t s = at_us / SEC;

	for (int i = TIME - 1; i >= 0; i--, s >>= 8)
		b[i] = (uint8_t)s;
	mac_of(key, parts, n_parts, b, b + TIME);
	(void)str_b64url(b, sizeof(b), out);
}

bool
stamp_read(const uint8_t key[STAMP_KEY], const char *const *parts, size_t n_parts, struct str text,
    int64_t *at_us)
{
	uint8_t b[TIME + MAC], mac[MAC];
	int64_t s = 0;
	size_t n;

	if (!str_unb64url(text, b, sizeof(b), &n) || n != sizeof(b))
		return false;
	mac_of(key, parts, n_parts, b, mac);
	if (sodium_memcmp(mac, b + TIME, MAC) != 0)
		return false;
	for (int i = 0; i < TIME; i++)
		s = s << 8 | b[i];
	*at_us = s * SEC;
	return true;
}

/* Parts go in with their NUL, so that no two lists of parts are the same bytes. */
static void
mac_of(const uint8_t key[STAMP_KEY], const char *const *parts, size_t n_parts,
    const uint8_t at[TIME], uint8_t out[MAC])
{
	crypto_generichash_state s;

	(void)crypto_generichash_init(&s, key, STAMP_KEY, MAC);
	(void)crypto_generichash_update(&s, at, TIME);
	for (size_t i = 0; i < n_parts; i++)
		(void)crypto_generichash_update(
		    &s, (const uint8_t *)parts[i], strlen(parts[i]) + 1);
	(void)crypto_generichash_final(&s, out, MAC);
	sodium_memzero(&s, sizeof(s));
}
