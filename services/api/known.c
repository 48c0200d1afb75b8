/* known: see known.h. */
#include "api/known.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/time.h"

#define WAYS     4
#define FRESH_US (30 * SEC)  /* roles may change: then we ask again */
#define LAST_US  (300 * SEC) /* so long without an answer: nobody that we know */

struct knowns {
	struct known *slots;
	size_t sets; /* a power of two */
};

static struct known *set_of(const struct knowns *, const uint8_t *);
static struct known *slot_of(const struct knowns *, const uint8_t *);

struct knowns *
knowns_new(size_t slots)
{
	struct knowns *k = mem_zalloc(sizeof(*k));

	k->sets = 1;
	while (k->sets * WAYS < slots)
		k->sets *= 2;
	k->slots = mem_zalloc(k->sets * WAYS * sizeof(*k->slots));
	return k;
}

void
knowns_free(struct knowns **k)
{
	if (*k != NULL)
		free((*k)->slots);
	free(*k);
	*k = NULL;
}

const struct known *
knowns_find(const struct knowns *k, const uint8_t credential[16], int64_t now_us, bool *stale)
{
	const struct known *one = slot_of(k, credential);

	*stale = true;
	if (one == NULL || now_us >= one->expires_us || now_us - one->verified_us >= LAST_US)
		return NULL;
	*stale = now_us - one->verified_us >= FRESH_US;
	return one;
}

/* In the place of the one that was verified longest ago. */
void
knowns_learn(struct knowns *k, const struct known *one)
{
	struct known *set = set_of(k, one->credential), *at = slot_of(k, one->credential);

	for (size_t i = 0; at == NULL && i < WAYS; i++)
		if (set[i].verified_us == 0)
			at = &set[i];
	if (at == NULL) {
		at = &set[0];
		for (size_t i = 1; i < WAYS; i++)
			if (set[i].verified_us < at->verified_us)
				at = &set[i];
	}
	*at = *one;
}

void
knowns_forget(struct knowns *k, const uint8_t credential[16])
{
	struct known *one = slot_of(k, credential);

	if (one != NULL)
		one->verified_us = 0;
}

void
knowns_forget_all(struct knowns *k)
{
	for (size_t i = 0; i < k->sets * WAYS; i++)
		k->slots[i].verified_us = 0;
}

static struct known *
set_of(const struct knowns *k, const uint8_t *credential)
{
	uint64_t n;

	memcpy(&n, credential, sizeof(n));
	return k->slots + (n & (k->sets - 1)) * WAYS;
}

static struct known *
slot_of(const struct knowns *k, const uint8_t *credential)
{
	struct known *set = set_of(k, credential);

	for (size_t i = 0; i < WAYS; i++)
		if (set[i].verified_us != 0 && memcmp(set[i].credential, credential, 16) == 0)
			return &set[i];
	return NULL;
}
