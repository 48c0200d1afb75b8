/* tally: see tally.h. */
#include "api/tally.h"

#include <stdlib.h>

#include "base/mem.h"
#define uthash_malloc(n) mem_zalloc(n)
#include <uthash.h>

struct tally_entry {
	struct address client;
	int64_t n;
	UT_hash_handle hh;
};

int64_t
tally_of(const struct tally *t, const struct address *client)
{
	const struct tally_entry *e;

	HASH_FIND(hh, t->by_address, client, sizeof(*client), e);
	return e == NULL ? 0 : e->n;
}

struct tally_entry *
tally_add(struct tally *t, const struct address *client)
{
	struct tally_entry *e;

	HASH_FIND(hh, t->by_address, client, sizeof(*client), e);
	if (e == NULL) {
		e = mem_zalloc(sizeof(*e));
		e->client = *client;
		HASH_ADD(hh, t->by_address, client, sizeof(e->client), e);
	}
	e->n++;
	return e;
}

void
tally_sub(struct tally *t, struct tally_entry *e)
{
	if (--e->n != 0)
		return;
	HASH_DEL(t->by_address, e);
	free(e);
}
