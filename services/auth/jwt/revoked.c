/* revoked: the set, see revoked.h. */
#include <stdlib.h>
#include <uthash.h>
#include "auth/jwt/revoked.h"
#include "base/id.h"
#include "base/mem.h"

struct revoked_entry {
	uint8_t id[16];
	uint64_t below;
	int64_t forget_us;
	UT_hash_handle hh;
};

void
revoked_add(struct revoked *r, const struct revocation *v, int64_t forget_us)
{
	struct revoked_entry *e;
	uint8_t key[16];

	uuid_pack(v->id, key);
	HASH_FIND(hh, r->by_id, key, sizeof(key), e);
	if (e == NULL) {
		e = mem_zalloc(sizeof(*e));
		memcpy(e->id, key, sizeof(key));
		HASH_ADD(hh, r->by_id, id, sizeof(e->id), e);
	}
	if (e->below < v->below)
		e->below = v->below;
	if (e->forget_us < forget_us)
		e->forget_us = forget_us;
}

bool
revoked_has(const struct revoked *r, const char *id, uint64_t version)
{
	struct revoked_entry *e;
	uint8_t key[16];

	uuid_pack(id, key);
	HASH_FIND(hh, r->by_id, key, sizeof(key), e);
	return e != NULL && version < e->below;
}

void
revoked_expire(struct revoked *r, int64_t now_us)
{
	struct revoked_entry *e, *next;

	for (e = r->by_id; e != NULL; e = next) {
		next = e->hh.next;
		if (e->forget_us > now_us)
			continue;
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not follow HASH_DEL */
		HASH_DEL(r->by_id, e);
		free(e);
	}
}

size_t
revoked_count(const struct revoked *r)
{
	return HASH_COUNT(r->by_id);
}

void
revoked_clear(struct revoked *r)
{
	revoked_expire(r, INT64_MAX);
	r->known = false;
}
