/* seal: see seal.h. A purpose's key is derived by BLAKE2b, keyed with the fleet's one; the nonce is
 * random, which XChaCha20's 24 bytes allow for any number of texts. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "auth/jwt/once.h"
#include "auth/jwt/seal.h"
#include "base/id.h"
#include "base/log.h"
#include "base/str.h"

#define KEY_BYTES crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define NONCE     crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG       crypto_aead_xchacha20poly1305_ietf_ABYTES

static const char version[] = "v1.";

struct seal { /* in memory of sodium_malloc */
	uint8_t key[KEY_BYTES];
};

static char *key_text(const char *path, size_t *n, char *err, size_t err_size);
static void key_of(const struct seal *s, const char *purpose, uint8_t out[KEY_BYTES]);

struct seal *
seal_load(const char *path, char *err, size_t err_size)
{
	struct seal *s;
	char *text;
	size_t n;

	err[0] = '\0';
	text = key_text(path, &n, err, err_size);
	if (text == NULL)
		return NULL;
	must((s = sodium_malloc(sizeof(*s))) != NULL);
	if (n > 0 && text[n - 1] == '\n')
		n--; /* of a tool that made it */
	if (!str_unhex((struct str){ text, n }, s->key, KEY_BYTES)) {
		(void)snprintf(
		    err, err_size, "%s: must be %d hex digits", path, (int)(2 * KEY_BYTES));
		seal_free(&s);
	}
	sodium_free(text);
	return s;
}

void
seal_free(struct seal **s)
{
	sodium_free(*s);
	*s = NULL;
}

char *
seal_text(struct arena *a, const struct seal *s, const char *purpose, const char *name,
    const void *p, size_t n)
{
	uint8_t key[KEY_BYTES], *box = arena_alloc(a, NONCE + n + TAG);
	char *out = arena_alloc(a, sizeof(version) + str_b64url_len(NONCE + n + TAG));

	id_random(box, NONCE);
	key_of(s, purpose, key);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(
	    box + NONCE, NULL, p, n, (const uint8_t *)name, strlen(name), NULL, box, key);
	sodium_memzero(key, sizeof(key));
	memcpy(out, version, sizeof(version) - 1);
	(void)str_b64url(box, NONCE + n + TAG, out + sizeof(version) - 1);
	return out;
}

char *
seal_open(const struct seal *s, const char *purpose, const char *name, const char *text, size_t *n)
{
	size_t skip = sizeof(version) - 1, cap = strlen(text), got = 0;
	uint8_t key[KEY_BYTES], *box, *out;
	bool ok;

	if (!str_starts(text, version))
		return NULL;
	must((box = sodium_malloc(cap)) != NULL && (out = sodium_malloc(cap)) != NULL);
	ok = str_unb64url((struct str){ text + skip, cap - skip }, box, cap, &got) &&
	     got >= NONCE + TAG;
	key_of(s, purpose, key);
	ok = ok && crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, box + NONCE,
		       got - NONCE, (const uint8_t *)name, strlen(name), box, key) == 0;
	sodium_memzero(key, sizeof(key));
	sodium_free(box);
	if (!ok) {
		sodium_free(out);
		return NULL;
	}
	*n = got - NONCE - TAG;
	out[*n] = '\0';
	return (char *)out;
}

/* 32 bytes in hex, as an operator would make them (openssl rand -hex 32), made here when there are
 * none. */
static char *
key_text(const char *path, size_t *n, char *err, size_t err_size)
{
	char hex[2 * KEY_BYTES + 1], *text = once_read(path, 2 * KEY_BYTES + 1, n, err, err_size);
	uint8_t fresh[KEY_BYTES];
	enum once made;

	if (text != NULL || err[0] != '\0')
		return text;
	id_random(fresh, sizeof(fresh));
	(void)str_hex(fresh, sizeof(fresh), hex);
	made = once_write(path, hex, sizeof(hex) - 1, err, err_size);
	sodium_memzero(fresh, sizeof(fresh));
	sodium_memzero(hex, sizeof(hex));
	if (made == ONCE_FAILED)
		return NULL;
	if (made == ONCE_MADE)
		log_info("sealing_key_made", L_STR("file", path));
	text = once_read(path, 2 * KEY_BYTES + 1, n, err, err_size);
	if (text == NULL && err[0] == '\0')
		(void)snprintf(err, err_size, "%s: was taken away", path);
	return text;
}

static void
key_of(const struct seal *s, const char *purpose, uint8_t out[KEY_BYTES])
{
	(void)crypto_generichash(
	    out, KEY_BYTES, (const uint8_t *)purpose, strlen(purpose), s->key, KEY_BYTES);
}
