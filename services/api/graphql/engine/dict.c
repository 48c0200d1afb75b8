#include "api/graphql/engine/dict.h"

#include <sodium.h>
#include <string.h>

#include "api/graphql/engine/ast.h"

#define ROW 8 /* entries that are compared one by one */

static uint64_t hash_of(struct str);
static struct dict_slot *slot_of(const struct dict *, struct str);
static void grow(struct dict *);

void
dict_init(struct dict *m, struct arena *a)
{
	*m = (struct dict){ .a = a };
}

void **
dict_at(struct dict *m, struct str key)
{
	struct dict_slot *s;

	if (m->n != 0 && (s = slot_of(m, key))->key.p != NULL)
		return &s->value;
	if (m->n >= ROW ? 2 * (m->n + 1) > m->cap : m->n == m->cap)
		grow(m);
	s = slot_of(m, key);
	s->key = key.p != NULL ? key : STR("");
	m->n++;
	return &s->value;
}

void *
dict_get(const struct dict *m, struct str key)
{
	return m->n == 0 ? NULL : slot_of(m, key)->value;
}

/* Where the key is, or would be. In a row there is always room behind the last one. */
static struct dict_slot *
slot_of(const struct dict *m, struct str key)
{
	uint32_t i = m->cap <= ROW ? 0 : (uint32_t)hash_of(key) & (m->cap - 1);

	for (;; i = (i + 1) & (m->cap - 1)) {
		struct dict_slot *s = &m->slots[i];

		if (s->key.p == NULL || ast_same(s->key, key))
			return s;
		if (m->cap <= ROW && i + 1 == m->cap)
			return &m->slots[m->cap]; /* the row is full: the spare, always empty */
	}
}

static void
grow(struct dict *m)
{
	struct dict old = *m;

	m->cap = old.cap == 0 ? ROW : old.cap <= ROW ? 4 * ROW : 2 * old.cap;
	m->slots = ARENA_ARRAY(m->a, struct dict_slot, m->cap + 1);
	for (uint32_t i = 0; i < old.cap; i++)
		if (old.slots[i].key.p != NULL)
			*slot_of(m, old.slots[i].key) = old.slots[i];
}

static uint64_t
hash_of(struct str key)
{
	static unsigned char secret[crypto_shorthash_KEYBYTES];
	static bool drawn;
	uint64_t h;

	if (!drawn) {
		randombytes_buf(secret, sizeof(secret));
		drawn = true;
	}
	crypto_shorthash((unsigned char *)&h, (const unsigned char *)key.p, key.n, secret);
	return h;
}
