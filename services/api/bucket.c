/* bucket: see bucket.h. Nanoseconds inside, so that a rate of any number is kept exactly enough. */
#include "api/bucket.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#define WAYS 8 /* slots of a set: 192 bytes, three cache lines */
#define MOST 4 /* buckets that one request takes from */

struct bucket {
	uint64_t key; /* 0: never used */
	int64_t full_ns;
	int64_t used_us;
};

struct buckets {
	struct bucket *slots;
	size_t sets; /* a power of two */
	int64_t idle_us;
	uint64_t washed;
};

static struct bucket *find(struct buckets *, uint64_t, int64_t, size_t, struct bucket *const *);
static bool is_held(const struct bucket *, size_t, struct bucket *const *);
static void look(const struct bucket *, struct taking *, int64_t, bool);

struct buckets *
buckets_new(size_t slots, int64_t idle_us)
{
	struct buckets *b = mem_zalloc(sizeof(*b));

	b->sets = 1;
	while (b->sets * WAYS < slots)
		b->sets *= 2;
	b->slots = mem_zalloc(b->sets * WAYS * sizeof(*b->slots)); /* pages come when touched */
	b->idle_us = idle_us;
	return b;
}

void
buckets_free(struct buckets **b)
{
	if (*b != NULL)
		free((*b)->slots);
	free(*b);
	*b = NULL;
}

void
buckets_set_idle(struct buckets *b, int64_t idle_us)
{
	b->idle_us = idle_us;
}

uint64_t
buckets_washed(const struct buckets *b)
{
	return b->washed;
}

size_t
buckets_kept(const struct buckets *b, int64_t now_us)
{
	size_t n = 0;

	for (const struct bucket *k = b->slots; k < b->slots + b->sets * WAYS; k++)
		n +=
		    k->key != 0 && (now_us - k->used_us < b->idle_us || k->full_ns > now_us * 1000);
	return n;
}

bool
buckets_take(struct buckets *b, size_t n, struct taking *t, int64_t now_us)
{
	struct bucket *of[MOST];
	bool all = true;

	must(n <= MOST);
	for (size_t i = 0; i < n; i++) {
		of[i] = find(b, t[i].key, now_us, i, of);
		look(of[i], &t[i], now_us * 1000, false);
		all = all && t[i].allowed;
	}
	for (size_t i = 0; all && i < n; i++) {
		of[i]->full_ns += t[i].limit->token_ns;
		look(of[i], &t[i], now_us * 1000, true);
	}
	return all;
}

/* The n that are `held` are of the same request: they do not make way for each other. */
static struct bucket *
find(struct buckets *b, uint64_t key, int64_t now_us, size_t n, struct bucket *const *held)
{
	int64_t now_ns = now_us * 1000;
	struct bucket *set, *free_one = NULL;

	key += key == 0;
	set = b->slots + (key & (b->sets - 1)) * WAYS;
	for (size_t i = 0; i < WAYS; i++) {
		struct bucket *k = &set[i];

		if (k->key == key) {
			if (k->full_ns < now_ns)
				k->full_ns = now_ns;
			k->used_us = now_us;
			return k;
		}
		if (!is_held(k, n, held) && (free_one == NULL || k->full_ns < free_one->full_ns))
			free_one = k;
	}
	must(free_one != NULL); /* fewer are held than a set has slots */
	b->washed += free_one->full_ns > now_ns;
	*free_one = (struct bucket){ .key = key, .full_ns = now_ns, .used_us = now_us };
	return free_one;
}

static bool
is_held(const struct bucket *k, size_t n, struct bucket *const *held)
{
	for (size_t i = 0; i < n; i++)
		if (held[i] == k)
			return true;
	return false;
}

/* `taken`: the token is out already. */
static void
look(const struct bucket *k, struct taking *t, int64_t now_ns, bool taken)
{
	int64_t owed = k->full_ns - now_ns, room = t->limit->capacity * t->limit->token_ns - owed;
	int64_t more_ns = owed % t->limit->token_ns;

	t->allowed = taken || room >= t->limit->token_ns;
	t->left = room <= 0 ? 0 : (uint32_t)(room / t->limit->token_ns);
	if (!t->allowed)
		more_ns = t->limit->token_ns - room;
	else if (more_ns == 0 && owed > 0)
		more_ns = t->limit->token_ns;
	t->more_us = (more_ns + 999) / 1000;
}
