/* limiter: see limiter.h. Both tables are in order of their last use (uthash keeps the order of
 * insertion). Invariant: an entry either owes something or has a try under way; those with a try are
 * never forgotten, and their number is bounded by whoever begins tries. */
#include <stdlib.h>
#include <uthash.h>
#include "auth/limiter.h"
#include "base/log.h"
#include "base/mem.h"

#define LOOK_MOST 16 /* of the oldest, when one has to go */

struct debtor {
	uint8_t key[16];
	uint32_t trying;
	int64_t clear_us; /* when nothing is owed any more */
	int64_t next_us;  /* beyond the free ones: when the next may begin */
	UT_hash_handle hh;
};

struct known {
	uint8_t key[16];
	UT_hash_handle hh;
};

struct limiter {
	struct debtor *by_key;
	struct known *known;
	size_t most, most_known;
};

static struct debtor *find(const struct limiter *l, const uint8_t key[16]);
static int64_t cost_of(const struct limiter_rule *r);
static int64_t owed(const struct debtor *d, const struct limiter_rule *r, int64_t now_us);
static void charge(struct debtor *d, const struct limiter_rule *r, int64_t now_us);
static void make_room(struct limiter *l);
static void drop(struct limiter *l, struct debtor *d);

struct limiter *
limiter_new(size_t most_keys, size_t most_known)
{
	struct limiter *l = mem_zalloc(sizeof(*l));

	must(most_keys > 0 && most_known > 0);
	l->most = most_keys;
	l->most_known = most_known;
	return l;
}

void
limiter_free(struct limiter **lp)
{
	struct limiter *l = *lp;
	struct debtor *d, *next;
	struct known *k, *next_known;

	*lp = NULL;
	if (l == NULL)
		return;
	d = l->by_key;
	HASH_CLEAR(hh, l->by_key);
	for (; d != NULL; d = next) {
		next = d->hh.next;
		free(d);
	}
	k = l->known;
	HASH_CLEAR(hh, l->known);
	for (; k != NULL; k = next_known) {
		next_known = k->hh.next;
		free(k);
	}
	free(l);
}

int64_t
limiter_wait(
    const struct limiter *l, const uint8_t key[16], const struct limiter_rule *r, int64_t now_us)
{
	const struct debtor *d = find(l, key);

	if (d == NULL || owed(d, r, now_us) + d->trying < r->most)
		return 0;
	if (d->next_us > now_us)
		return d->next_us - now_us;
	return d->trying == 0 ? 0 : r->delay_us;
}

void
limiter_begin(struct limiter *l, const uint8_t key[16])
{
	struct debtor *d = find(l, key);

	if (d == NULL) {
		make_room(l);
		d = mem_zalloc(sizeof(*d));
		memcpy(d->key, key, sizeof(d->key));
		HASH_ADD(hh, l->by_key, key, sizeof(d->key), d);
	}
	d->trying++;
}

void
limiter_end(struct limiter *l, const uint8_t key[16], const struct limiter_rule *r,
    enum limiter_end how, int64_t now_us)
{
	struct debtor *d = find(l, key);

	must(d != NULL && d->trying > 0);
	d->trying--;
	if (how == LIMITER_RIGHT)
		d->clear_us = d->next_us = 0;
	if (how == LIMITER_FAILED) {
		charge(d, r, now_us);
		HASH_DEL(l->by_key, d); /* goes in again at the end */
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not follow HASH_DEL */
		HASH_ADD(hh, l->by_key, key, sizeof(d->key), d);
	}
	if (d->trying == 0 && d->clear_us <= now_us)
		drop(l, d);
}

uint32_t
limiter_trying(const struct limiter *l, const uint8_t key[16])
{
	const struct debtor *d = find(l, key);

	return d == NULL ? 0 : d->trying;
}

size_t
limiter_keys(const struct limiter *l)
{
	return HASH_COUNT(l->by_key);
}

void
limiter_know(struct limiter *l, const uint8_t key[16])
{
	struct known *k;

	HASH_FIND(hh, l->known, key, 16, k);
	if (k == NULL && HASH_COUNT(l->known) >= l->most_known)
		k = l->known; /* the one that was right longest ago */
	if (k != NULL)
		HASH_DEL(l->known, k);
	else
		k = mem_zalloc(sizeof(*k));
	memcpy(k->key, key, sizeof(k->key));
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not follow HASH_DEL */
	HASH_ADD(hh, l->known, key, sizeof(k->key), k);
}

bool
limiter_knows(struct limiter *l, const uint8_t key[16])
{
	struct known *k;

	HASH_FIND(hh, l->known, key, 16, k);
	return k != NULL;
}

static struct debtor *
find(const struct limiter *l, const uint8_t key[16])
{
	struct debtor *d;

	HASH_FIND(hh, l->by_key, key, 16, d);
	return d;
}

static int64_t
cost_of(const struct limiter_rule *r)
{
	return r->window_us / r->most;
}

/* Failures that have not melted; a part of one is one. */
static int64_t
owed(const struct debtor *d, const struct limiter_rule *r, int64_t now_us)
{
	int64_t debt = d->clear_us - now_us, cost = cost_of(r);

	return debt <= 0 ? 0 : (debt + cost - 1) / cost;
}

static void
charge(struct debtor *d, const struct limiter_rule *r, int64_t now_us)
{
	int64_t delay = r->delay_us, beyond;

	if (d->clear_us < now_us)
		d->clear_us = now_us;
	d->clear_us += cost_of(r);
	beyond = owed(d, r, now_us) - r->most;
	if (beyond < 0)
		return;
	for (; beyond > 0 && delay < r->window_us; beyond--)
		delay *= 2;
	d->next_us = now_us + (delay < r->window_us ? delay : r->window_us);
}

static void
make_room(struct limiter *l)
{
	struct debtor *least = NULL, *d = l->by_key;

	if (HASH_COUNT(l->by_key) < l->most)
		return;
	for (int i = 0; i < LOOK_MOST || least == NULL; d = d->hh.next, i++) {
		if (d == NULL)
			break;
		if (d->trying == 0 && (least == NULL || d->clear_us < least->clear_us))
			least = d;
	}
	if (least != NULL)
		drop(l, least);
}

static void
drop(struct limiter *l, struct debtor *d)
{
	HASH_DEL(l->by_key, d);
	free(d);
}
