/* table: see table.h. */
#include <stdlib.h>
#include "auth/rbac/table.h"
#include "base/mem.h"

#define SLOTS_FIRST 64

static void grow(struct table *t);

/* FNV-1a, and the bits stirred once more: slots are the low ones. */
uint32_t
table_hash(const void *p, size_t n, uint32_t seed)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ seed;
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * UINT64_C(0x100000001b3);
	h ^= h >> 32;
	h *= UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(h >> 32);
}

struct node *
table_find(const struct table *t, uint32_t hash, table_is_fn *is, const void *key)
{
	if (t->slots == NULL)
		return NULL;
	for (struct node *k = t->slots[hash & t->mask]; k != NULL; k = k->in_slot)
		if (k->hash == hash && is(k, key))
			return k;
	return NULL;
}

void
table_add(struct table *t, struct node *k, uint32_t hash)
{
	if (t->slots == NULL || t->n > t->mask)
		grow(t);
	k->hash = hash;
	k->in_slot = t->slots[hash & t->mask];
	t->slots[hash & t->mask] = k;
	t->n++;
}

void
table_remove(struct table *t, struct node *k)
{
	struct node **at = &t->slots[k->hash & t->mask];

	while (*at != k)
		at = &(*at)->in_slot;
	*at = k->in_slot;
	t->n--;
}

void
table_free(struct table *t, void (*each)(struct node *k))
{
	for (size_t i = 0; t->slots != NULL && i <= t->mask; i++)
		for (struct node *k = t->slots[i], *next; k != NULL; k = next) {
			next = k->in_slot;
			if (each != NULL)
				each(k);
		}
	free(t->slots);
	*t = (struct table){ NULL, 0, 0 };
}

static void
grow(struct table *t)
{
	size_t n = t->slots == NULL ? SLOTS_FIRST : 2 * (t->mask + 1);
	struct node **slots = mem_zalloc(n * sizeof(struct node *));

	for (size_t i = 0; t->slots != NULL && i <= t->mask; i++)
		for (struct node *k = t->slots[i], *next; k != NULL; k = next) {
			next = k->in_slot;
			k->in_slot = slots[k->hash & (n - 1)];
			slots[k->hash & (n - 1)] = k;
		}
	free(t->slots);
	t->slots = slots;
	t->mask = n - 1;
}
