/* cohbed: the bed and its relays. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "harness/cohbed.h"

#define RELAYS 256
#define LATE   32

struct relayed { /* a call from database that sqlbed's sql answers */
	struct call *call;
	struct call_dep dep;
	bool read, used;
	struct done done;
};

struct cohbed cohbed;
static struct relayed relays[RELAYS];
static Mf__Sql_Service to_sql;
static Mf__Cache_Service to_cache;
static struct {
	uint8_t bytes[4096];
	size_t n;
} late[LATE];
static size_t n_late;

static const struct cache_config cache_config = {
	.redis = "", .password_file = "", .ttl_us = 60 * SEC, .value_max_bytes = 1 << 18
};

/* --- the way to sql --- */

static void
relay_cancel(struct call_dep *d)
{
	container_of(d, struct relayed, dep)->call = NULL;
}

static void
down(struct call *c)
{
	call_fail_because(c, ST_UNAVAILABLE, "STORE_DOWN", 1000, "relay: PostgreSQL is down");
}

static void
relay(struct call *c, const Mf__StoreOp *q, bool read)
{
	struct relayed *x = NULL;

	if (cohbed.away) {
		down(c);
		return;
	}
	for (size_t i = 0; x == NULL && i < RELAYS; i++)
		if (!relays[i].used || (relays[i].call == NULL && relays[i].done.ended))
			x = &relays[i];
	assert_non_null(x);
	if (x->used)
		done_free(&x->done);
	*x = (struct relayed){ .call = c, .dep.cancel = relay_cancel, .read = read, .used = true };
	call_attach(c, &x->dep);
	op_start(&x->done, q, 4 * SEC);
}

static void
relay_read(Mf__Sql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	cohbed.reads++;
	relay(ctx, q, true);
}

static void
relay_write(Mf__Sql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	cohbed.writes++;
	relay(ctx, q, false);
}

void
cohbed_step(void)
{
	for (size_t i = 0; i < RELAYS; i++) {
		struct relayed *x = &relays[i];
		struct call *c = x->call;

		if (c == NULL || !x->done.ended ||
		    (x->read ? cohbed.hold_reads : cohbed.hold_writes))
			continue;
		x->call = NULL;
		call_detach(c, &x->dep);
		if (!x->read && cohbed.leaves) {
			cohbed.leaves = false;
			cohbed.away = true;
			call_fail_because(
			    c, ST_UNAVAILABLE, "OUTCOME_UNKNOWN", 10, "lost by the relay");
		} else if (x->read ? cohbed.fail_reads : cohbed.lose_writes)
			call_fail_because(c, ST_INTERNAL, "LOST", 0, "lost by the relay");
		else if (x->done.status == ST_OK)
			call_reply(c, &x->done.result->base);
		else
			call_fail_because(
			    c, x->done.status, x->done.reason, 0, "%s", x->done.message);
	}
}

/* Of a replay: whether PostgreSQL is there, the fence, a batch. */
static void
on_fence_free(struct call *c, void *ctx)
{
	if (cohbed.hold_fence)
		call_after(c, MS, on_fence_free, ctx);
	else
		sql_service.replay(&to_sql, ctx, NULL, c);
}

static void
relay_replay(Mf__Sql_Service *s, const Mf__ReplayBatch *q, Mf__ReplayIs_Closure reply, void *ctx)
{
	if (cohbed.away)
		down(ctx);
	else if (cohbed.keep_replays)
		cohbed.replays++; /* the call ends at its deadline */
	else if (q->epoch != 0 && q->upto == 0)
		on_fence_free(ctx, (void *)(uintptr_t)q);
	else
		sql_service.replay(s, q, reply, ctx);
}

bool
cohbed_holds(void *ctx)
{
	(void)ctx;
	for (size_t i = 0; i < RELAYS; i++)
		if (relays[i].call != NULL && relays[i].done.ended)
			return true;
	return false;
}

/* --- the way to the cache --- */

static void
on_gone(struct call *c, void *ctx)
{
	cache_service.get(&to_cache, ctx, NULL, c);
}

static void
relay_get(Mf__Cache_Service *s, const Mf__CacheGet *q, Mf__CacheEntries_Closure reply, void *ctx)
{
	cohbed.gets++;
	if (cohbed.gone_by_get == NULL) {
		cache_service.get(s, q, reply, ctx);
		return;
	}
	asked_cancel(cohbed.gone_by_get);
	cohbed.gone_by_get = NULL;
	call_after(ctx, 2 * MS, on_gone, (void *)(uintptr_t)q);
}

static void
relay_set(Mf__Cache_Service *s, const Mf__CacheSet *q, Mf__CacheDone_Closure reply, void *ctx)
{
	cohbed.sets++;
	if (!cohbed.late_sets) {
		cache_service.set(s, q, reply, ctx);
		return;
	}
	assert_true(n_late < LATE && mf__cache_set__get_packed_size(q) <= sizeof(late[0].bytes));
	late[n_late].n = mf__cache_set__pack(q, late[n_late].bytes);
	n_late++;
	call_fail(ctx, ST_DEADLINE_EXCEEDED, "held by the relay");
}

static void
relay_drop(Mf__Cache_Service *s, const Mf__CacheDrop *q, Mf__CacheDone_Closure reply, void *ctx)
{
	cohbed.drops++;
	if (cohbed.lose_drops)
		call_fail(ctx, ST_UNAVAILABLE, "lost by the relay");
	else
		cache_service.drop(s, q, reply, ctx);
}

static void
relay_drop_tags(
    Mf__Cache_Service *s, const Mf__CacheDropTags *q, Mf__CacheDone_Closure reply, void *ctx)
{
	cohbed.tags++;
	if (cohbed.lose_drops)
		call_fail(ctx, ST_UNAVAILABLE, "lost by the relay");
	else
		cache_service.drop_tags(s, q, reply, ctx);
}

struct waiting {
	struct call *call;
	bool ended, well;
};

static void
waited(struct waiting *w, bool well)
{
	w->ended = true;
	w->well = well;
	call_cancel(w->call);
}

static void
on_set(const Mf__CacheDone *m, void *ctx)
{
	waited(ctx, m != NULL);
}

static void
on_stats(const Mf__CacheStats *m, void *ctx)
{
	waited(ctx, m != NULL);
}

static bool
has_waited(void *ctx)
{
	return ((struct waiting *)ctx)->ended;
}

void
cohbed_send_late(void)
{
	cohbed.late_sets = false;
	for (size_t i = 0; i < n_late; i++) {
		Mf__CacheSet *q = mf__cache_set__unpack(NULL, late[i].n, late[i].bytes);
		struct waiting w = { .call = call_root(cohbed.bus,
					 &(const struct call_opts){ .limit_us = 5 * SEC }) };

		mf__cache__set(&rpc_new(w.call, cohbed.cache, NULL)->service, q, on_set, &w);
		bed_until(has_waited, &w, 10 * SEC);
		mf__cache_set__free_unpacked(q, NULL);
	}
	n_late = 0;
}

/* The cache answers, which it does as soon as it has found its Redis. */
void
cohbed_wait_for_cache(void)
{
	struct waiting w;

	do {
		Mf__Empty none = MF__EMPTY__INIT;

		w = (struct waiting){ .call = call_root(cohbed.bus,
					  &(const struct call_opts){ .limit_us = 5 * SEC }) };
		mf__cache__stats(
		    &rpc_new(w.call, cohbed.cache, &(const struct rpc_opts){ .once = true })
			 ->service,
		    &none, on_stats, &w);
		bed_until(has_waited, &w, 10 * SEC);
		bed_pass(5 * MS);
	} while (!w.well);
}

/* --- calls --- */

static void
take(struct asked *q, const Mf__StoreResult *m)
{
	const json_t *v, *items;
	const char *title;

	q->json = json_loadb((char *)m->data.data, m->data.len, 0, NULL);
	items = json_object_get(q->json, "items");
	v = items != NULL ? json_array_get(items, 0) : q->json;
	title = json_string_value(json_object_get(v, "title"));
	snprintf(q->title, sizeof(q->title), "%s", title != NULL ? title : "");
	snprintf(q->session, sizeof(q->session), "%s", m->session);
	q->items = items != NULL ? json_array_size(items) : m->n_items;
	q->age_us = m->age_us;
	q->version = m->version;
}

static void
on_result(const Mf__StoreResult *m, void *ctx)
{
	struct asked *q = ctx;

	q->ended = true;
	if (m == NULL) {
		q->status = rpc_failure(q->rpc)->status;
		snprintf(q->reason, sizeof(q->reason), "%s", rpc_failure(q->rpc)->reason);
		call_fail_with(q->call, rpc_failure(q->rpc));
	} else {
		take(q, m);
		call_reply(q->call, &m->base);
	}
}

void
asked_start(struct asked *q, const Mf__StoreOp *op)
{
	*q = (struct asked){ 0 };
	q->call = call_root(cohbed.bus, &(const struct call_opts){ .limit_us = 10 * SEC });
	q->rpc = rpc_new(q->call, cohbed.database, &(const struct rpc_opts){ .once = true });
	if (op->kind == MF__STORE_OP__KIND__READ_ONE || op->kind == MF__STORE_OP__KIND__QUERY_MANY)
		mf__database__read(&q->rpc->service, op, on_result, q);
	else
		mf__database__write(&q->rpc->service, op, on_result, q);
}

void
asked_cancel(struct asked *q)
{
	q->ended = true;
	q->status = ST_CANCELLED;
	call_cancel(q->call);
}

void
asked_free(struct asked *q)
{
	json_decref(q->json);
	q->json = NULL;
}

static bool
has_answer(void *ctx)
{
	cohbed_step();
	return ((struct asked *)ctx)->ended;
}

void
asked_wait(struct asked *q)
{
	bed_until(has_answer, q, 10 * SEC);
}

/* What it says stays, its json goes. */
struct asked
outcome(const Mf__StoreOp *op)
{
	struct asked q;

	asked_start(&q, op);
	asked_wait(&q);
	asked_free(&q);
	return q;
}

struct asked
answer(const Mf__StoreOp *op)
{
	struct asked q = outcome(op);

	if (q.status != ST_OK)
		fail_msg("%s %s", status_name(q.status), q.reason);
	return q;
}

void
put_in(const char *ns, const char *id, const char *title, bool create)
{
	char data[80];

	snprintf(data, sizeof(data), "{\"title\":\"%s\"}", title);
	answer(create ? OP(CREATE, .namespace_ = S(ns), .id = S(id), .data = DATA(data))
		      : OP(UPDATE, .namespace_ = S(ns), .id = S(id), .data = DATA(data)));
}

void
put(const char *id, const char *title, bool create)
{
	put_in("", id, title, create);
}

void
quiet(void)
{
	bed_pass(120 * MS);
}

/* --- the bed --- */

int
cohbed_start(void **state)
{
	static const struct serve sqls[] = { { &to_sql.base, PRIMARY }, { NULL, 0 } };
	static const struct serve caches[] = { { &to_cache.base, PRIMARY }, { NULL, 0 } };
	static const struct serve databases[] = { { &database_service.base, PRIMARY },
		{ NULL, 0 } };
	static const char *const to_database[] = { "itself", NULL };
	static const char *const to_caches[] = { "cache", NULL };
	char err[100];

	signal(SIGPIPE, SIG_IGN); /* as node_main does */
	if (sqlbed_start(state) != 0)
		return -1;
	stores_start_redis(sqlbed.stores, "cache");
	to_sql = sql_service;
	to_sql.read = relay_read;
	to_sql.write = relay_write;
	to_sql.replay = relay_replay;
	to_cache = cache_service;
	to_cache.get = relay_get;
	to_cache.set = relay_set;
	to_cache.drop = relay_drop;
	to_cache.drop_tags = relay_drop_tags;
	cohbed.config =
	    (struct database_config){ .cache_ttl_us = 60 * SEC, .tombstone_us = 15 * SEC };
	cohbed.bus = bus_new(sqlbed.loop,
	    &(const struct bus_opts){ .name = "database", .generation = 2 }, err, sizeof(err));
	bus_loopback(cohbed.bus, "sql", sqls);
	bus_loopback(cohbed.bus, "cache", caches);
	bus_loopback(cohbed.bus, "itself", databases);
	cache_open(sqlbed.loop, stores_redis(sqlbed.stores, "cache"), &cache_config);
	database_open(cohbed.bus, &cohbed.config);
	cohbed.database = target_new(cohbed.bus,
	    &(const struct target_def){ &mf__database__descriptor, to_database, { 0 } });
	cohbed.cache = target_new(
	    cohbed.bus, &(const struct target_def){ &mf__cache__descriptor, to_caches, { 0 } });
	cohbed_wait_for_cache();
	return 0;
}

int
cohbed_stop(void **state)
{
	for (size_t i = 0; i < RELAYS; i++)
		if (relays[i].used)
			done_free(&relays[i].done);
	cache_close();
	database_close();
	bus_free(&cohbed.bus);
	return sqlbed_stop(state);
}

int
cohbed_resume(void **state)
{
	(void)state;
	cohbed.hold_reads = cohbed.hold_writes = cohbed.lose_writes = cohbed.fail_reads = false;
	cohbed.lose_drops = cohbed.late_sets = cohbed.away = cohbed.hold_fence = false;
	cohbed.keep_replays = cohbed.leaves = false;
	cohbed.gone_by_get = NULL;
	cohbed.config.cache_ttl_us = 60 * SEC;
	n_late = 0;
	stores_pause_redis(sqlbed.stores, "cache", false);
	cohbed_wait_for_cache();
	return 0;
}
