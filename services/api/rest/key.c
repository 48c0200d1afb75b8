/* key: see idempotency.h. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/rest/idempotency.h"
#include "base/id.h"
#include "base/sf.h"

static void hash_text(crypto_generichash_state *, const char *);
static void hash_body(crypto_generichash_state *, const json_t *);

const char *
key_read(struct arena *a, const char *header)
{
	struct sf_item item;

	if (!sf_item_read(a, str_of(header), &item) || item.value.type != SF_STRING ||
	    item.value.text.n == 0 || item.value.text.n > KEY_MOST)
		return NULL;
	return arena_strndup(a, item.value.text.p, item.value.text.n);
}

void
key_row(const char *principal, const char *key, char out[UUID_LEN])
{
	crypto_generichash_state st;
	uint8_t u[16];
	char hex[33];

	crypto_generichash_init(&st, NULL, 0, sizeof(u));
	hash_text(&st, "idempotency");
	hash_text(&st, principal);
	hash_text(&st, key);
	crypto_generichash_final(&st, u, sizeof(u));
	u[6] = (uint8_t)(0x80 | (u[6] & 0x0f)); /* version 8: made our own way */
	u[8] = (uint8_t)(0x80 | (u[8] & 0x3f));
	str_hex(u, sizeof(u), hex);
	snprintf(
	    out, UUID_LEN, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

void
key_fingerprint(
    const Mf__HttpRequest *q, const json_t *body, const char *if_match, char out[FINGERPRINT_LEN])
{
	crypto_generichash_state st;
	uint8_t hash[32];

	crypto_generichash_init(&st, NULL, 0, sizeof(hash));
	hash_text(&st, q->method);
	hash_text(&st, q->path);
	hash_text(&st, q->query);
	hash_text(&st, if_match);
	hash_body(&st, body);
	crypto_generichash_final(&st, hash, sizeof(hash));
	str_hex(hash, sizeof(hash), out);
}

/* With its end, so that no two sequences of texts are one. */
static void
hash_text(crypto_generichash_state *st, const char *s)
{
	crypto_generichash_update(st, (const uint8_t *)s, strlen(s) + 1);
}

static void
hash_body(crypto_generichash_state *st, const json_t *body)
{
	json_t *shown = json_is_object(body) ? json_copy((json_t *)(uintptr_t)body) : NULL;
	char *text;

	json_object_del(shown, "password");
	text = json_dumps(
	    shown != NULL ? shown : body, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	if (text != NULL)
		hash_text(st, text);
	free(text);
	json_decref(shown);
}
