/* coherence: database over the real sql, cache, PostgreSQL and Redis: a read from the cache never
 * shows what was before an acknowledged write. The way to sql goes over a relay that can hold the
 * answers of reads back. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/time.h"
#include "database/cache/cache.h"
#include "database/database.h"
#include "harness/sqlbed.h"

#define RELAYS 32

struct relayed { /* a call from database that sqlbed's sql answers */
	struct call *call;
	struct call_dep dep;
	bool read;
	struct done done;
};

static struct bus *bus;
static struct target *database, *cache;
static struct relayed relays[RELAYS];
static bool holding;

/* --- the relay --- */

static void
relay_cancel(struct call_dep *d)
{
	container_of(d, struct relayed, dep)->call = NULL;
}

static void
relay(struct call *c, const Mf__StoreOp *q, bool read)
{
	static unsigned next;
	struct relayed *x = &relays[next++ % RELAYS];

	done_free(&x->done);
	*x = (struct relayed){ .call = c, .dep.cancel = relay_cancel, .read = read };
	call_attach(c, &x->dep);
	op_start(&x->done, q, 4 * SEC);
}

static void
relay_sql_read(Mf__Sql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	relay(ctx, q, true);
}

static void
relay_sql_write(Mf__Sql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	relay(ctx, q, false);
}

static Mf__Sql_Service relay_service;

static void
relay_answers(void)
{
	for (size_t i = 0; i < RELAYS; i++) {
		struct relayed *x = &relays[i];
		struct call *c = x->call;

		if (c == NULL || !x->done.ended || (x->read && holding))
			continue;
		x->call = NULL;
		call_detach(c, &x->dep);
		if (x->done.status == ST_OK)
			call_reply(c, &x->done.result->base);
		else
			call_fail(c, x->done.status, "%s", x->done.message);
	}
}

/* --- calls --- */

struct asked {
	struct call *call;
	struct rpc *rpc;
	bool ended;
	enum status status;
	char title[40];
	uint64_t age_us;
};

static void
on_result(const Mf__StoreResult *m, void *ctx)
{
	struct asked *q = ctx;

	if (m == NULL) {
		q->status = rpc_failure(q->rpc)->status;
		call_fail_with(q->call, rpc_failure(q->rpc));
	} else {
		json_t *v = json_loadb((char *)m->data.data, m->data.len, 0, NULL);
		const char *title = json_string_value(json_object_get(v, "title"));

		snprintf(q->title, sizeof(q->title), "%s", title != NULL ? title : "");
		q->age_us = m->age_us;
		json_decref(v);
		call_reply(q->call, &m->base);
	}
	q->ended = true;
}

static void
ask(struct asked *q, const Mf__StoreOp *op)
{
	*q = (struct asked){ 0 };
	q->call = call_root(bus, &(const struct call_opts){ .limit_us = 10 * SEC });
	q->rpc = rpc_new(q->call, database, NULL);
	if (op->kind == MF__STORE_OP__KIND__READ_ONE)
		mf__database__read(&q->rpc->service, op, on_result, q);
	else
		mf__database__write(&q->rpc->service, op, on_result, q);
}

static bool
has_answer(void *ctx)
{
	relay_answers();
	return ((struct asked *)ctx)->ended;
}

static struct asked
answer(const Mf__StoreOp *op)
{
	struct asked q;

	ask(&q, op);
	bed_until(has_answer, &q, 10 * SEC);
	assert_int_equal(q.status, ST_OK);
	return q;
}

#define EVENTUAL(i) OP(READ_ONE, .id = S(i), .consistency = S("eventual"))

static void
put(const char *id, const char *title, bool create)
{
	char data[80];

	snprintf(data, sizeof(data), "{\"title\":\"%s\"}", title);
	answer(create ? OP(CREATE, .id = S(id), .data = DATA(data))
		      : OP(UPDATE, .id = S(id), .data = DATA(data)));
}

/* --- the bed --- */

static const struct database_config database_config = { .cache_ttl_us = 60 * SEC,
	.tombstone_us = 15 * SEC };
static const struct cache_config cache_config = {
	.redis = "", .password_file = "", .ttl_us = 60 * SEC, .value_max_bytes = 1 << 18
};

static void
on_stats(const Mf__CacheStats *m, void *ctx)
{
	struct asked *q = ctx;

	q->ended = true;
	q->status = m != NULL ? ST_OK : rpc_failure(q->rpc)->status;
	call_cancel(q->call);
}

/* The cache answers, which it does as soon as it has found its Redis. */
static void
wait_for_cache(void)
{
	struct asked q;

	do {
		Mf__Empty none = MF__EMPTY__INIT;

		q = (struct asked){ 0 };
		q.call = call_root(bus, &(const struct call_opts){ .limit_us = 5 * SEC });
		q.rpc = rpc_new(q.call, cache, &(const struct rpc_opts){ .once = true });
		mf__cache__stats(&q.rpc->service, &none, on_stats, &q);
		bed_until(has_answer, &q, 10 * SEC);
		bed_pass(5 * MS);
	} while (q.status != ST_OK);
}

static int
start(void **state)
{
	static const struct serve sqls[] = { { &relay_service.base, PRIMARY }, { NULL, 0 } };
	static const struct serve caches[] = { { &cache_service.base, PRIMARY }, { NULL, 0 } };
	static const struct serve databases[] = { { &database_service.base, PRIMARY },
		{ NULL, 0 } };
	static const char *const to_database[] = { "itself", NULL }, *const to_cache[] = { "cache",
		NULL };
	char err[100];

	signal(SIGPIPE, SIG_IGN); /* as node_main does */
	if (sqlbed_start(state) != 0)
		return -1;
	stores_start_redis(sqlbed.stores, "cache");
	relay_service = sql_service;
	relay_service.read = relay_sql_read;
	relay_service.write = relay_sql_write;
	bus = bus_new(sqlbed.loop, &(const struct bus_opts){ .name = "database", .generation = 2 },
	    err, sizeof(err));
	bus_loopback(bus, "sql", sqls);
	bus_loopback(bus, "cache", caches);
	bus_loopback(bus, "itself", databases);
	cache_open(sqlbed.loop, stores_redis(sqlbed.stores, "cache"), &cache_config);
	database_open(bus, &database_config);
	database = target_new(
	    bus, &(const struct target_def){ &mf__database__descriptor, to_database, { 0 } });
	cache =
	    target_new(bus, &(const struct target_def){ &mf__cache__descriptor, to_cache, { 0 } });
	wait_for_cache();
	return 0;
}

static int
stop(void **state)
{
	for (size_t i = 0; i < RELAYS; i++)
		done_free(&relays[i].done);
	cache_close();
	bus_free(&bus);
	return sqlbed_stop(state);
}

static int
resume(void **state)
{
	(void)state;
	holding = false;
	stores_pause_redis(sqlbed.stores, "cache", false);
	return 0;
}

/* --- tests --- */

static void
an_eventual_read_comes_from_the_cache_the_second_time(void **unused)
{
	const char *id = new_id();

	(void)unused;
	put(id, "one", true);
	assert_int_equal(answer(EVENTUAL(id)).age_us, 0);
	bed_pass(10 * MS);
	assert_true(answer(EVENTUAL(id)).age_us >= 10 * MS);
	assert_int_equal(answer(OP(READ_ONE, .id = S(id))).age_us, 0);
}

static void
an_acknowledged_write_is_seen_by_every_read_after_it(void **unused)
{
	const char *id = new_id();
	char title[20];

	(void)unused;
	put(id, "0", true);
	for (int i = 1; i < 20; i++) {
		answer(EVENTUAL(id));
		snprintf(title, sizeof(title), "%d", i);
		put(id, title, false);
		assert_string_equal(answer(EVENTUAL(id)).title, title);
	}
}

static bool
a_read_is_held(void *ctx)
{
	(void)ctx;
	for (size_t i = 0; i < RELAYS; i++)
		if (relays[i].read && relays[i].call != NULL && relays[i].done.ended)
			return true;
	return false;
}

/* The read below has the old object in hand when the write is acknowledged. */
static void
slow_read_over_a_write(const char *id, struct asked *slow)
{
	put(id, "old", true);
	holding = true;
	ask(slow, EVENTUAL(id));
	bed_until(a_read_is_held, NULL, 5 * SEC);
	put(id, "new", false);
	assert_false(slow->ended);
}

static void
release(struct asked *slow)
{
	holding = false;
	bed_until(has_answer, slow, 10 * SEC);
	assert_int_equal(slow->status, ST_OK);
	assert_string_equal(slow->title, "old"); /* it began before the write */
}

static void
a_slow_read_does_not_put_the_old_object_back(void **unused)
{
	const char *id = new_id();
	struct asked slow;

	(void)unused;
	slow_read_over_a_write(id, &slow);
	release(&slow);
	assert_string_equal(answer(EVENTUAL(id)).title, "new");
}

static void
a_slow_read_does_not_though_the_tombstone_died_with_its_redis(void **unused)
{
	const char *id = new_id();
	struct asked slow;

	(void)unused;
	slow_read_over_a_write(id, &slow);
	stores_kill_redis(sqlbed.stores, "cache");
	stores_start_redis(sqlbed.stores, "cache");
	wait_for_cache();
	release(&slow);
	assert_string_equal(answer(EVENTUAL(id)).title, "new");
}

static void
a_drop_that_was_not_confirmed_gives_the_whole_cache_up(void **unused)
{
	const char *id = new_id(), *other = new_id();

	(void)unused;
	put(id, "old", true);
	put(other, "other", true);
	answer(EVENTUAL(id));
	answer(EVENTUAL(other));
	stores_pause_redis(sqlbed.stores, "cache", true);
	put(id, "new", false);
	stores_pause_redis(sqlbed.stores, "cache", false);
	wait_for_cache();
	assert_string_equal(answer(EVENTUAL(id)).title, "new");
	assert_int_equal(answer(EVENTUAL(other)).age_us, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_eventual_read_comes_from_the_cache_the_second_time),
		T(an_acknowledged_write_is_seen_by_every_read_after_it),
		cmocka_unit_test_teardown(a_slow_read_does_not_put_the_old_object_back, resume),
		cmocka_unit_test_teardown(
		    a_slow_read_does_not_though_the_tombstone_died_with_its_redis, resume),
		cmocka_unit_test_teardown(
		    a_drop_that_was_not_confirmed_gives_the_whole_cache_up, resume),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
