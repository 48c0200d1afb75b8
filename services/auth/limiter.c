/* limiter: see limiter.h. The table is in order of the last failure (uthash keeps the order of
 * insertion). */
#include <stdlib.h>
#include <uthash.h>
#include "auth/limiter.h"
#include "base/log.h"
#include "base/mem.h"

struct debtor {
	uint8_t key[16];
	int64_t clear_us; /* when nothing is owed any more */
	UT_hash_handle hh;
};

struct limiter {
	struct debtor *by_key;
	size_t most;
};

static struct debtor *find(const struct limiter *l, const uint8_t key[16]);
static void drop(struct limiter *l, struct debtor *d);

struct limiter *
limiter_new(size_t most_keys)
{
	struct limiter *l = mem_zalloc(sizeof(*l));

	must(most_keys > 0);
	l->most = most_keys;
	return l;
}

void
limiter_free(struct limiter **lp)
{
	struct limiter *l = *lp;
	struct debtor *d, *next;

	*lp = NULL;
	if (l == NULL)
		return;
	d = l->by_key;
	HASH_CLEAR(hh, l->by_key);
	for (; d != NULL; d = next) {
		next = d->hh.next;
		free(d);
	}
	free(l);
}

int64_t
limiter_wait(
    const struct limiter *l, const uint8_t key[16], const struct limiter_rule *r, int64_t now_us)
{
	const struct debtor *d = find(l, key);
	int64_t cost = r->window_us / r->most;

	if (d == NULL || d->clear_us - now_us + cost <= r->window_us)
		return 0;
	return d->clear_us - now_us + cost - r->window_us;
}

void
limiter_failed(
    struct limiter *l, const uint8_t key[16], const struct limiter_rule *r, int64_t now_us)
{
	struct debtor *d = find(l, key);

	if (d != NULL) {
		HASH_DEL(l->by_key, d); /* goes in again at the end */
	} else {
		if (HASH_COUNT(l->by_key) >= l->most)
			drop(l, l->by_key);
		d = mem_zalloc(sizeof(*d));
		memcpy(d->key, key, sizeof(d->key));
	}
	if (d->clear_us < now_us)
		d->clear_us = now_us;
	d->clear_us += r->window_us / r->most;
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not follow HASH_DEL in drop() */
	HASH_ADD(hh, l->by_key, key, sizeof(d->key), d);
}

void
limiter_forget(struct limiter *l, const uint8_t key[16])
{
	struct debtor *d = find(l, key);

	if (d != NULL)
		drop(l, d);
}

size_t
limiter_keys(const struct limiter *l)
{
	return HASH_COUNT(l->by_key);
}

static struct debtor *
find(const struct limiter *l, const uint8_t key[16])
{
	struct debtor *d;

	HASH_FIND(hh, l->by_key, key, 16, d);
	return d;
}

static void
drop(struct limiter *l, struct debtor *d)
{
	HASH_DEL(l->by_key, d);
	free(d);
}
