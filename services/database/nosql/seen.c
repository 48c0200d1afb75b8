/* seen: see seen.h. A table without chains: who hashes to the same place takes it. */
#include "database/nosql/seen.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define PLACES 1024
#define LARGE  8192 /* bytes; a larger document is not kept */

static struct seen {
	char *key, *raw;
	size_t n;
} table[PLACES];

static struct seen *
place_of(const char *key)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (const char *p = key; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	return &table[(h ^ h >> 32) % PLACES];
}

static void
clear(struct seen *s)
{
	free(s->key);
	free(s->raw);
	*s = (struct seen){ 0 };
}

const char *
seen_get(const char *key, size_t *n)
{
	const struct seen *s = place_of(key);

	if (s->key == NULL || strcmp(s->key, key) != 0)
		return NULL;
	*n = s->n;
	return s->raw;
}

void
seen_put(const char *key, const char *raw, size_t n)
{
	struct seen *s = place_of(key);

	clear(s);
	if (n > LARGE)
		return;
	s->key = mem_zalloc(strlen(key) + 1);
	strcpy(s->key, key);
	s->raw = mem_zalloc(n + 1);
	memcpy(s->raw, raw, n);
	s->n = n;
}

void
seen_forget(const char *key)
{
	struct seen *s = place_of(key);

	if (s->key != NULL && strcmp(s->key, key) == 0)
		clear(s);
}

void
seen_free(void)
{
	for (size_t i = 0; i < PLACES; i++)
		clear(&table[i]);
}
