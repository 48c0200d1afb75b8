/* tries: see tries.h. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "auth/jwt/tries.h"
#include "base/id.h"
#include "base/mem.h"

#define SLOTS 4096

struct tries {
	uint8_t key[crypto_shorthash_KEYBYTES];
	int64_t burst_us, every_us;
	int64_t full_us[SLOTS]; /* when all of his tries are there again */
};

static size_t
slot_of(const struct tries *t, const char *who)
{
	uint64_t h;

	(void)crypto_shorthash((uint8_t *)&h, (const uint8_t *)who, strlen(who), t->key);
	return h % SLOTS;
}

struct tries *
tries_new(unsigned burst, int64_t every_us)
{
	struct tries *t = mem_zalloc(sizeof(*t));

	id_random(t->key, sizeof(t->key));
	t->every_us = every_us;
	t->burst_us = (int64_t)burst * every_us;
	return t;
}

void
tries_free(struct tries **t)
{
	free(*t);
	*t = NULL;
}

int64_t
tries_wait(const struct tries *t, const char *who, int64_t now_us)
{
	int64_t wait = t->full_us[slot_of(t, who)] + t->every_us - t->burst_us - now_us;

	return wait > 0 ? wait : 0;
}

void
tries_failed(struct tries *t, const char *who, int64_t now_us)
{
	int64_t *full = &t->full_us[slot_of(t, who)];

	*full = (*full > now_us ? *full : now_us) + t->every_us;
}
