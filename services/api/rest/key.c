/* key: see idempotency.h. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/rest/idempotency.h"
#include "base/id.h"

static size_t string_read(struct str, char *, size_t);
static bool parameters_end(struct str);
static size_t value_length(struct str);
static void hash_text(crypto_generichash_state *, const char *);
static void hash_body(crypto_generichash_state *, const json_t *);

const char *
key_read(struct arena *a, const char *header)
{
	struct str s = str_of(header);
	char key[KEY_MOST + 1];
	size_t n;

	while (s.n != 0 && s.p[0] == ' ')
		s = (struct str){ s.p + 1, s.n - 1 };
	while (s.n != 0 && s.p[s.n - 1] == ' ')
		s.n--;
	n = string_read(s, key, sizeof(key));
	if (n == 0 || key[0] == '\0' || !parameters_end((struct str){ s.p + n, s.n - n }))
		return NULL;
	return arena_strdup(a, key);
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

/* A String at the start of s; its length there, 0: none, or it does not fit. */
static size_t
string_read(struct str s, char *out, size_t cap)
{
	size_t n = 0;

	if (s.n < 2 || s.p[0] != '"')
		return 0;
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] == '"') {
			out[n] = '\0';
			return i + 1;
		}
		if (s.p[i] == '\\' && (++i == s.n || (s.p[i] != '"' && s.p[i] != '\\')))
			return 0;
		if (s.p[i] < 0x20 || s.p[i] > 0x7e || n + 1 == cap)
			return 0;
		out[n++] = s.p[i];
	}
	return 0;
}

/* True: s is parameters (";a;b=1") and nothing else. */
static bool
parameters_end(struct str s)
{
	static const char name[] = "abcdefghijklmnopqrstuvwxyz0123456789_-.*";

	while (s.n != 0 && s.p[0] == ';') {
		size_t i = 1, n;

		while (i < s.n && s.p[i] == ' ')
			i++;
		if (i == s.n || ((s.p[i] < 'a' || s.p[i] > 'z') && s.p[i] != '*'))
			return false;
		while (i < s.n && s.p[i] != '\0' && strchr(name, s.p[i]) != NULL)
			i++;
		if (i < s.n && s.p[i] == '=') {
			if ((n = value_length((struct str){ s.p + i + 1, s.n - i - 1 })) == 0)
				return false;
			i += 1 + n;
		}
		s = (struct str){ s.p + i, s.n - i };
	}
	return s.n == 0;
}

/* Of the bare item at the start of s: a string, or what has the form of a number, token, byte
 * sequence, boolean or date. 0: none. */
static size_t
value_length(struct str s)
{
	static const char more[] = "!#$%&'*+-.^_`|~:/=";
	char unused[1024];
	size_t n = 0;

	if (s.n != 0 && s.p[0] == '"')
		return string_read(s, unused, sizeof(unused));
	if (s.n >= 2 && (s.p[0] == '?' || s.p[0] == '@'))
		n = 1;
	while (
	    n < s.n && s.p[n] != '\0' &&
	    ((s.p[n] >= '0' && s.p[n] <= '9') ||
		((s.p[n] | 0x20) >= 'a' && (s.p[n] | 0x20) <= 'z') || strchr(more, s.p[n]) != NULL))
		n++;
	return n;
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
