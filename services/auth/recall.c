/* recall: see recall.h. One table in the order of last use (uthash keeps that of insertion): who was not
 * touched for longest goes first. */
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include "auth/risk.h"
#include "auth/recall.h"
#include "base/mem.h"

struct one {
	uint8_t key[16];
	double value[RECALL_KINDS];
	int64_t at_us[RECALL_KINDS];
	bool client;
	int64_t turn_us, wait_us; /* 0: it waits for none */
	UT_hash_handle hh;
};

struct recall {
	struct one *by_key;
	size_t most;
};

static struct one *find(const struct recall *s, const uint8_t key[16]);
static struct one *touch(struct recall *s, const uint8_t key[16]);

struct recall *
recall_new(size_t most)
{
	struct recall *s = mem_zalloc(sizeof(*s));

	s->most = most;
	return s;
}

void
recall_free(struct recall **sp)
{
	struct recall *s = *sp;
	struct one *x, *next;

	*sp = NULL;
	if (s == NULL)
		return;
	x = s->by_key;
	HASH_CLEAR(hh, s->by_key);
	for (; x != NULL; x = next) {
		next = x->hh.next;
		free(x);
	}
	free(s);
}

void
recall_add(
    struct recall *s, const uint8_t key[16], enum recall_kind k, int64_t life_us, int64_t now_us)
{
	double before = recall_value(s, key, k, life_us, now_us);
	struct one *x = touch(s, key);

	x->value[k] = before + 1;
	x->at_us[k] = now_us;
}

double
recall_value(const struct recall *s, const uint8_t key[16], enum recall_kind k, int64_t life_us,
    int64_t now_us)
{
	const struct one *x = find(s, key);

	return x == NULL ? 0 : risk_decayed(x->value[k], now_us - x->at_us[k], life_us);
}

void
recall_client(struct recall *s, const uint8_t key[16], int64_t now_us)
{
	(void)now_us;
	touch(s, key)->client = true;
}

bool
recall_client_is(const struct recall *s, const uint8_t key[16])
{
	const struct one *x = find(s, key);

	return x != NULL && x->client;
}

int64_t
recall_turn(
    struct recall *s, const uint8_t key[16], int64_t patience_us, int64_t most_us, int64_t now_us)
{
	struct one *x = touch(s, key);

	if (x->turn_us == 0) {
		x->wait_us = x->wait_us == 0 ? patience_us : 2 * x->wait_us;
		if (x->wait_us > most_us)
			x->wait_us = most_us;
		x->turn_us = now_us + x->wait_us;
	}
	if (now_us < x->turn_us)
		return x->turn_us - now_us;
	x->turn_us = 0;
	return 0;
}

size_t
recall_count(const struct recall *s)
{
	return HASH_COUNT(s->by_key);
}

static struct one *
find(const struct recall *s, const uint8_t key[16])
{
	struct one *x;

	HASH_FIND(hh, s->by_key, key, 16, x);
	return x;
}

static struct one *
touch(struct recall *s, const uint8_t key[16])
{
	struct one *x = find(s, key);

	if (x == NULL && HASH_COUNT(s->by_key) >= s->most) {
		x = s->by_key; /* touched longest ago */
		HASH_DEL(s->by_key, x);
		memset(x, 0, sizeof(*x));
	} else if (x == NULL) {
		x = mem_zalloc(sizeof(*x));
	} else {
		HASH_DEL(s->by_key, x);
	}
	memcpy(x->key, key, 16);
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not follow HASH_DEL */
	HASH_ADD(hh, s->by_key, key, 16, x);
	return x;
}
