/* database: one operation at a time: plan, cache, store, cache again.
 *
 * Invariant: a write is acknowledged only when no entry of the cache can show what was before it.
 * Its key is dropped after the commit and before the answer; when the drop can't be confirmed, the
 * epoch that is part of every key changes, which makes all entries unreachable. A read that was
 * under way when its key was dropped fills nothing: the tombstone keeps such fills away too, but it
 * goes when the volatile Redis does. Called by meta and by the agents of auth. */
#include <inttypes.h>
#include <string.h>

#include "base/id.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "bus/bus.h"
#include "database/database.h"
#include "proto/cache.pb-c.h"
#include "proto/nosql.pb-c.h"
#include "proto/sql.pb-c.h"

/* the cache is asked for speed: slower than this it is no help */
#define CACHE_LIMIT_US (20 * MS)
#define ABOVE_ALL      INT64_MAX /* a tombstone of this version stands above every fill */
#define DROP_SLOTS     4096      /* keys share them: a fill is left out now and then */

struct op { /* one operation under way, in its call's arena */
	struct call *c;
	const Mf__StoreOp *q;
	struct plan plan;
	struct rpc *rpc;
	const Mf__StoreResult *result;
	char *key;       /* a read's: of the epoch in which it began */
	uint32_t drops;  /* ... and what drops_of() said then */
	int64_t read_us; /* when the store was asked */
};

static void
database_read(Mf__Database_Service *, const Mf__StoreOp *, Mf__StoreResult_Closure, void *);
static void
database_write(Mf__Database_Service *, const Mf__StoreOp *, Mf__StoreResult_Closure, void *);
static struct op *op_start(struct call *, const Mf__StoreOp *, bool);
static void
database_events(Mf__Database_Service *, const Mf__EventsAfter *, Mf__EventPage_Closure, void *);
static void on_events(const Mf__EventPage *, void *);
static void op_ask_cache(struct op *);
static void on_cached(const Mf__CacheEntries *, void *);
static void op_read_store(struct op *);
static void on_read(const Mf__StoreResult *, void *);
static void op_fill(struct op *);
static void on_filled(const Mf__CacheDone *, void *);
static void on_written(const Mf__StoreResult *, void *);
static void op_drop(struct op *);
static void drop_member(struct op *, Mf__CacheDrop *, const Mf__StoreOp *, uint64_t);
static void on_dropped(const Mf__CacheDone *, void *);
static char *cache_key(struct call *, const Mf__StoreOp *);
static uint32_t *drops_of(const Mf__StoreOp *);
static const struct database_config *config(void);

Mf__Database_Service database_service = MF__DATABASE__INIT(database_);
const char *const database_capabilities[] = { "plan", "route", "cache_coherence", "stand_in",
	NULL };

const struct config_key database_keys[] = {
	{ "cache_ttl", CONFIG_DURATION, offsetof(struct database_config, cache_ttl_us), "60s", SEC,
	    86400 * SEC, false, false, "life of a cached read" },
	{ "tombstone", CONFIG_DURATION, offsetof(struct database_config, tombstone_us), "15s", SEC,
	    3600 * SEC, false, false,
	    "life of a dropped key's tombstone; must be longer than the longest read" },
	{ .name = NULL },
};

static struct node *self; /* NULL: opened without one */
static const struct database_config *fixed;
static uint32_t drops[DROP_SLOTS];
static struct target *sql, *nosql, *cache;
static uint64_t epoch; /* of all cache keys */
static struct metric *cache_hits, *cache_misses, *epochs;

bool
database_init(struct node *n)
{
	self = n;
	database_open(node_bus(n), NULL);
	node_ready(n);
	return true;
}

void
database_open(struct bus *b, const struct database_config *cf)
{
	static const char *const sql_members[] = { "sql", "nosql", NULL };
	static const char *const nosql_members[] = { "nosql", NULL };
	static const char *const cache_members[] = { "cache", NULL };
	/* 3 failures of 50 ms make an agent suspect (spec 1, cascade prevention). */
	const struct breaker_policy agents = { .failures = 3, .limit_us = 50 * MS };

	fixed = cf;
	epoch = id_random_u64();
	cache_hits = metric_simple(
	    METRIC_COUNTER, "metafed_database_cache_hits_total", "Reads answered by the cache.");
	cache_misses = metric_simple(METRIC_COUNTER, "metafed_database_cache_misses_total",
	    "Reads that asked the cache in vain.");
	epochs = metric_simple(METRIC_COUNTER, "metafed_database_cache_epochs_total",
	    "Times that the whole cache was given up because a drop was not confirmed.");
	sql =
	    target_new(b, &(const struct target_def){ &mf__sql__descriptor, sql_members, agents });
	nosql = target_new(
	    b, &(const struct target_def){ &mf__nosql__descriptor, nosql_members, agents });
	cache = target_new(
	    b, &(const struct target_def){ &mf__cache__descriptor, cache_members, agents });
}

static const struct database_config *
config(void)
{
	return self != NULL ? node_config(self) : fixed;
}

/* Read: the cache where the plan allows it, else the store. */
void
database_read(
    Mf__Database_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	struct op *o = op_start(ctx, q, false);

	(void)s, (void)reply;
	if (o == NULL)
		return;
	/* Should the epoch change while the store is read, the fill goes where nobody looks any
	 * more: it may be old. */
	if (o->plan.fill) {
		o->key = cache_key(o->c, q);
		o->drops = *drops_of(q);
	}
	if (o->plan.from_cache && target_ready(cache))
		op_ask_cache(o);
	else
		op_read_store(o);
}

/* Write: the store decides, then the cache forgets. */
void
database_write(
    Mf__Database_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	struct op *o = op_start(ctx, q, true);

	(void)s, (void)reply;
	if (o == NULL)
		return;
	if (o->plan.store == PLAN_SQL) {
		o->rpc = rpc_new(o->c, sql, NULL);
		mf__sql__write(&o->rpc->service, q, on_written, o);
	} else {
		o->rpc = rpc_new(o->c, nosql, NULL);
		mf__nosql__write(&o->rpc->service, q, on_written, o);
	}
}

/* Events: the log is PostgreSQL's. */
void
database_events(
    Mf__Database_Service *s, const Mf__EventsAfter *q, Mf__EventPage_Closure reply, void *ctx)
{
	struct op *o = ARENA_NEW(call_arena(ctx), struct op);

	(void)s, (void)reply;
	o->c = ctx;
	o->rpc = rpc_new(o->c, sql, NULL);
	mf__sql__events(&o->rpc->service, q, on_events, o);
}

static void
on_events(const Mf__EventPage *m, void *ctx)
{
	struct op *o = ctx;

	if (m == NULL)
		call_fail_with(o->c, rpc_failure(o->rpc));
	else
		call_reply(o->c, &m->base);
}

static struct op *
op_start(struct call *c, const Mf__StoreOp *q, bool write)
{
	struct op *o = ARENA_NEW(call_arena(c), struct op);
	const char *wrong = plan_operation(q, write, &o->plan);

	if (wrong != NULL) {
		call_fail(c, ST_INVALID_ARGUMENT, "%s", wrong);
		return NULL;
	}
	o->c = c;
	o->q = q;
	return o;
}

static void
op_ask_cache(struct op *o)
{
	Mf__CacheGet get = MF__CACHE_GET__INIT;

	get.n_keys = 1;
	get.keys = &o->key;
	o->rpc = rpc_new(
	    o->c, cache, &(const struct rpc_opts){ .limit_us = CACHE_LIMIT_US, .once = true });
	mf__cache__get(&o->rpc->service, &get, on_cached, o);
}

static void
on_cached(const Mf__CacheEntries *m, void *ctx)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;
	struct op *o = ctx;
	int64_t age;

	if (m == NULL || m->n_entries != 1 || !m->entries[0]->found) {
		metric_inc(cache_misses);
		op_read_store(o);
		return;
	}
	age = time_wall_us() - (int64_t)m->entries[0]->stored_at;
	/* a clock that went back proves nothing */
	if (age < 0 || (uint64_t)age > o->plan.max_age_us) {
		metric_inc(cache_misses);
		op_read_store(o);
		return;
	}
	metric_inc(cache_hits);
	out.data = m->entries[0]->value;
	out.version = m->entries[0]->version;
	out.age_us = (uint64_t)age;
	call_reply(o->c, &out.base);
}

static void
op_read_store(struct op *o)
{
	o->read_us = time_now_us();
	if (o->plan.store == PLAN_SQL) {
		o->rpc = rpc_new(o->c, sql, NULL);
		mf__sql__read(&o->rpc->service, o->q, on_read, o);
	} else {
		o->rpc = rpc_new(o->c, nosql, NULL);
		mf__nosql__read(&o->rpc->service, o->q, on_read, o);
	}
}

static void
on_read(const Mf__StoreResult *m, void *ctx)
{
	struct op *o = ctx;

	if (m == NULL) {
		call_fail_with(o->c, rpc_failure(o->rpc));
		return;
	}
	o->result = m;
	if (o->plan.fill && m->version != 0 && o->drops == *drops_of(o->q) && target_ready(cache))
		op_fill(o);
	else
		call_reply(o->c, &m->base);
}

/* The answer waits for the fill: a call that has ended has no rpcs. The cache is fast or not
 * asked. */
static void
op_fill(struct op *o)
{
	Mf__CacheSet set = MF__CACHE_SET__INIT;

	set.key = o->key;
	set.value = o->result->data;
	set.version = o->result->version;
	set.age_us = (uint64_t)(time_now_us() - o->read_us);
	set.ttl_ms = (uint32_t)(config()->cache_ttl_us / MS);
	o->rpc = rpc_new(
	    o->c, cache, &(const struct rpc_opts){ .limit_us = CACHE_LIMIT_US, .once = true });
	mf__cache__set(&o->rpc->service, &set, on_filled, o);
}

static void
on_filled(const Mf__CacheDone *m, void *ctx)
{
	struct op *o = ctx;

	(void)m; /* not filled: the next read fills */
	call_reply(o->c, &o->result->base);
}

static void
on_written(const Mf__StoreResult *m, void *ctx)
{
	struct op *o = ctx;

	if (m == NULL) {
		call_fail_with(o->c, rpc_failure(o->rpc));
		return;
	}
	o->result = m;
	if (o->plan.drop)
		op_drop(o);
	else
		call_reply(o->c, &m->base);
}

/* A transaction's members share one version, the highest: too high only keeps fills away for a
 * while. */
static void
op_drop(struct op *o)
{
	Mf__CacheDrop drop = MF__CACHE_DROP__INIT;

	drop.keys = ARENA_ARRAY(call_arena(o->c), char *, o->q->n_members + 1);
	if (o->q->kind != MF__STORE_OP__KIND__TRANSACTION)
		drop_member(o, &drop, o->q, o->result->version);
	for (size_t i = 0; i < o->q->n_members; i++)
		if (plan_drops(o->q->members[i]))
			drop_member(o, &drop, o->q->members[i],
			    i < o->result->n_items ? o->result->items[i]->version : ABOVE_ALL);
	drop.tombstone_ms = (uint32_t)(config()->tombstone_us / MS);
	o->rpc = rpc_new(
	    o->c, cache, &(const struct rpc_opts){ .limit_us = CACHE_LIMIT_US, .once = true });
	mf__cache__drop(&o->rpc->service, &drop, on_dropped, o);
}

/* A delete that is repeated has no version to tell any more, and a recorded one may be absent: then
 * above all. */
static void
drop_member(struct op *o, Mf__CacheDrop *drop, const Mf__StoreOp *q, uint64_t version)
{
	if (q->kind == MF__STORE_OP__KIND__DELETE || version == 0)
		version = ABOVE_ALL;
	if (version > drop->version)
		drop->version = version;
	++*drops_of(q);
	drop->keys[drop->n_keys++] = cache_key(o->c, q);
}

static void
on_dropped(const Mf__CacheDone *m, void *ctx)
{
	struct op *o = ctx;

	if (m == NULL) {
		epoch = id_random_u64();
		metric_inc(epochs);
		log_debug("cache_epoch", L_STR("because", rpc_failure(o->rpc)->message));
	}
	call_reply(o->c, &o->result->base);
}

static char *
cache_key(struct call *c, const Mf__StoreOp *q)
{
	return arena_printf(call_arena(c), "%016" PRIx64 ":%s:%s:%s", epoch, q->model,
	    q->namespace_[0] != '\0' ? q->namespace_ : "default", q->id);
}

/* How often keys like this one were dropped. A fill that was sent before a drop is sent arrives
 * before it; one that is not sent yet sees that the number has changed. */
static uint32_t *
drops_of(const Mf__StoreOp *q)
{
	const char *const parts[] = { q->model,
		q->namespace_[0] != '\0' ? q->namespace_ : "default", q->id };
	uint32_t h = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < 3; i++)
		for (const char *p = parts[i]; *p != '\0'; p++)
			h = (h ^ (unsigned char)*p) * 16777619u;
	return &drops[h % DROP_SLOTS];
}
