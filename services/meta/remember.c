/* remember: results by key. Called by execute.
 *
 * Invariant: an entry is either running (owned by the call that began it, in no list) or kept (in
 * `used`, its bytes counted). */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/status.h"
#include "base/str.h"
#include "meta/remember.h"
#define uthash_malloc(n) mem_zalloc(n)
#include <uthash.h>

struct remembered {
	struct remember_key key;
	UT_hash_handle hh;
	struct link used;       /* kept: oldest use first */
	struct waiters waiters; /* running */
	int64_t kept_at;
	size_t n;
	uint8_t *packed; /* NULL: running */
};

struct remember {
	struct remember_policy policy;
	struct remembered *table;
	struct list used;
	size_t bytes;
};

static void drop(struct remember *, struct remembered *);
static void shrink(struct remember *);

struct remember *
remember_new(const struct remember_policy *p)
{
	struct remember *r = mem_zalloc(sizeof(*r));

	must(sodium_init() >= 0);
	r->policy = *p;
	list_init(&r->used);
	return r;
}

void
remember_free(struct remember **r)
{
	struct remembered *e, *next;

	if (*r == NULL)
		return;
	e = (*r)->table;
	HASH_CLEAR(hh, (*r)->table); /* forgets the table; its elements stay linked */
	for (; e != NULL; e = next) {
		next = e->hh.next;
		free(e->packed);
		free(e);
	}
	free(*r);
	*r = NULL;
}

void
remember_set_policy(struct remember *r, const struct remember_policy *p)
{
	r->policy = *p;
	shrink(r);
}

void
remember_key(
    const char *principal_id, const char *address, const char *task_id, struct remember_key *out)
{
	crypto_generichash_state st;
	const char *parts[] = { principal_id, principal_id[0] == '\0' ? address : "", task_id };

	crypto_generichash_init(&st, NULL, 0, sizeof(out->hash));
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		crypto_generichash_update(
		    &st, (const unsigned char *)parts[i], strlen(parts[i]) + 1);
	crypto_generichash_final(&st, out->hash, sizeof(out->hash));
}

void
remember_operation(const struct remember_key *k, char out[UUID_LEN])
{
	uint8_t u[16];
	char hex[33];

	memcpy(u, k->hash, sizeof(u));
	u[6] = (uint8_t)(0x80 | (u[6] & 0x0f)); /* RFC 9562: version 8, our own making */
	u[8] = (uint8_t)(0x80 | (u[8] & 0x3f));
	str_hex(u, sizeof(u), hex);
	snprintf(
	    out, UUID_LEN, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

enum remember_verdict
remember_begin(
    struct remember *r, const struct remember_key *k, int64_t now, struct remembered **out)
{
	struct remembered *e;

	HASH_FIND(hh, r->table, k, sizeof(*k), e);
	if (e != NULL && e->packed != NULL && now - e->kept_at >= r->policy.ttl_us) {
		drop(r, e);
		e = NULL;
	}
	*out = e;
	if (e != NULL && e->packed == NULL)
		return REMEMBER_RUNS;
	if (e != NULL) {
		list_del(&r->used, &e->used);
		list_add(&r->used, &e->used);
		return REMEMBER_KEPT;
	}
	e = mem_zalloc(sizeof(*e));
	e->key = *k;
	waiters_init(&e->waiters);
	HASH_ADD(hh, r->table, key, sizeof(e->key), e);
	*out = e;
	return REMEMBER_FIRST;
}

struct waiters *
remember_waiters(struct remembered *e)
{
	return &e->waiters;
}

Mf__TaskResponse *
remember_result(struct remembered *e, struct arena *a)
{
	return mf__task_response__unpack(arena_allocator(a), e->n, e->packed);
}

void
remember_end(struct remember *r, struct remembered *e, const Mf__TaskResponse *m, int64_t now)
{
	struct waiters waiters;

	if (m != NULL && remember_worth(m))
		e->n = mf__task_response__get_packed_size(m);
	if (e->n != 0 && e->n <= r->policy.bytes / 16) {
		e->packed = mem_zalloc(e->n);
		mf__task_response__pack(m, e->packed);
		e->kept_at = now;
		r->bytes += e->n;
		list_add(&r->used, &e->used);
	}
	waiters_init(&waiters);
	waiters_move(&waiters, &e->waiters);
	if (e->packed == NULL)
		drop(r, e);
	shrink(r);
	waiters_wake(&waiters);
}

/* The litmus of base/status.h: what the same request could turn into something better is no result.
 * Nor is a refusal by auth, which is about the credential and not about the task. */
bool
remember_worth(const Mf__TaskResponse *m)
{
	enum status s = (enum status)m->status;

	return !status_is_fault(s) && s != ST_RESOURCE_EXHAUSTED && s != ST_CANCELLED &&
	       s != ST_ABORTED && s != ST_UNAUTHENTICATED && s != ST_PERMISSION_DENIED;
}

uint32_t
remember_count(const struct remember *r)
{
	return (uint32_t)r->used.n;
}

static void
drop(struct remember *r, struct remembered *e)
{
	HASH_DEL(r->table, e);
	if (e->packed != NULL) {
		list_del(&r->used, &e->used);
		r->bytes -= e->n;
		free(e->packed);
	}
	free(e);
}

static void
shrink(struct remember *r)
{
	struct link *k;

	while ((r->used.n > r->policy.most || r->bytes > r->policy.bytes) &&
	       (k = list_pop(&r->used)) != NULL) {
		struct remembered *e = container_of(k, struct remembered, used);

		must(r->table != NULL); /* what is in the list is in the table */
		HASH_DEL(r->table, e);
		r->bytes -= e->n;
		free(e->packed);
		free(e);
	}
}
