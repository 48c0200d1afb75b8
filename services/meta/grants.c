/* grants: a bounded table of what auth has permitted. Called by gate.
 *
 * Invariant: every grant of the table was decided in the present epoch at the present sequence;
 * grants_confirm empties the table when either moves on. So looking one up needs to compare only
 * times. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "meta/grants.h"
#define uthash_malloc(n) mem_zalloc(n)
#include <uthash.h>

struct grant {
	struct grant_key key;
	UT_hash_handle hh;
	struct link used;   /* oldest use first */
	int64_t kept_at;    /* monotonic */
	int64_t expires_at; /* wall clock; 0: the credential has no end */
	size_t n;
	uint8_t principal[]; /* packed */
};

struct grants {
	struct grants_policy policy;
	struct grant *table;
	struct list used;
	uint64_t epoch, sequence;
	int64_t confirmed_at; /* 0: never */
	uint8_t secret[32];   /* so that nobody can choose keys that collide */
};

static void drop(struct grants *, struct grant *);
static void drop_oldest(struct grants *);
static void drop_all(struct grants *);
static void hash_text(crypto_generichash_state *, const char *);

struct grants *
grants_new(const struct grants_policy *p)
{
	struct grants *g = mem_zalloc(sizeof(*g));

	must(sodium_init() >= 0);
	g->policy = *p;
	list_init(&g->used);
	id_random(g->secret, sizeof(g->secret));
	return g;
}

void
grants_free(struct grants **g)
{
	if (*g == NULL)
		return;
	drop_all(*g);
	free(*g);
	*g = NULL;
}

void
grants_set_policy(struct grants *g, const struct grants_policy *p)
{
	g->policy = *p;
	while (g->used.n > p->most)
		drop_oldest(g);
}

void
grants_key(const struct grants *g, const char *token, const char *permission, const char *ns,
    const char *resource, struct grant_key *out)
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, g->secret, sizeof(g->secret), sizeof(out->hash));
	hash_text(&st, token);
	hash_text(&st, permission);
	hash_text(&st, strcmp(ns, "default") == 0 ? "" : ns);
	if (resource != NULL)
		hash_text(&st, resource);
	crypto_generichash_final(&st, out->hash, sizeof(out->hash));
}

enum grant_verdict
grants_find(struct grants *g, const struct grant_key *k, int64_t now, int64_t wall, struct arena *a,
    const Mf__Principal **who)
{
	struct grant *x;

	HASH_FIND(hh, g->table, k, sizeof(*k), x);
	if (x == NULL)
		return GRANT_NONE;
	if (now - x->kept_at >= g->policy.ttl_us || (x->expires_at != 0 && wall >= x->expires_at)) {
		drop(g, x);
		return GRANT_NONE;
	}
	if (now - g->confirmed_at >= GRANTS_FRESH_US)
		return GRANT_UNCONFIRMED;
	*who = mf__principal__unpack(arena_allocator(a), x->n, x->principal);
	if (*who == NULL)
		return GRANT_NONE;
	list_del(&g->used, &x->used);
	list_add(&g->used, &x->used);
	return GRANT_GOOD;
}

void
grants_keep(struct grants *g, const struct grant_key *k, const Mf__AuthGrant *a, int64_t asked_at,
    int64_t now)
{
	Mf__Principal slim = MF__PRINCIPAL__INIT;
	struct grant *x;

	if (a->principal != NULL)
		slim = *a->principal;
	slim.n_permissions = 0;
	slim.permissions = NULL;
	grants_confirm(g, a->sequence_epoch, a->sequence, asked_at);
	if (a->once || g->policy.ttl_us == 0 || g->policy.most == 0 ||
	    a->sequence_epoch != g->epoch || a->sequence != g->sequence)
		return; /* for this request alone, or decided before the counter moved */
	HASH_FIND(hh, g->table, k, sizeof(*k), x);
	if (x != NULL)
		drop(g, x);
	if (g->used.n >= g->policy.most)
		drop_oldest(g);
	x = mem_zalloc(sizeof(*x) + mf__principal__get_packed_size(&slim));
	x->key = *k;
	x->kept_at = now;
	x->expires_at = (int64_t)slim.expires_at;
	x->n = mf__principal__pack(&slim, x->principal);
	HASH_ADD(hh, g->table, key, sizeof(x->key), x);
	list_add(&g->used, &x->used);
}

/* A number lower than ours is an answer that was overtaken: it says nothing. */
void
grants_confirm(struct grants *g, uint64_t epoch, uint64_t sequence, int64_t at)
{
	if (epoch != g->epoch || sequence > g->sequence || g->confirmed_at == 0) {
		drop_all(g);
		g->epoch = epoch;
		g->sequence = sequence;
		g->confirmed_at = at;
	} else if (sequence == g->sequence && at > g->confirmed_at) {
		g->confirmed_at = at;
	}
}

int64_t
grants_confirmed_at(const struct grants *g)
{
	return g->confirmed_at;
}

uint32_t
grants_count(const struct grants *g)
{
	return (uint32_t)g->used.n;
}

static void
drop(struct grants *g, struct grant *x)
{
	HASH_DEL(g->table, x);
	list_del(&g->used, &x->used);
	free(x);
}

static void
drop_oldest(struct grants *g)
{
	struct link *k = list_pop(&g->used);
	struct grant *x;

	if (k == NULL)
		return;
	must(g->table != NULL); /* what is in the list is in the table */
	x = container_of(k, struct grant, used);
	HASH_DEL(g->table, x);
	free(x);
}

static void
drop_all(struct grants *g)
{
	struct link *k;

	HASH_CLEAR(hh, g->table);
	while ((k = list_pop(&g->used)) != NULL)
		free(container_of(k, struct grant, used));
}

/* With its NUL, so that ("ab", "c") and ("a", "bc") differ. */
static void
hash_text(crypto_generichash_state *st, const char *s)
{
	crypto_generichash_update(st, (const unsigned char *)s, strlen(s) + 1);
}
