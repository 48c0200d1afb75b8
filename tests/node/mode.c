/* mode: reads and writes of tasks while the mode of the stores changes, over the real sql, journal,
 * PostgreSQL and Redis. PostgreSQL is away where the relay to sql says so; what becomes of a change of
 * the mode is not told where the relay to the journal keeps it. */
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "database/mode.h"
#include "database/nosql/journal.h"
#include "harness/cohbed.h"

#define MEMBER(...)                                                                                \
	.members = (Mf__StoreOp *[]){ (Mf__StoreOp *)(uintptr_t)OP(__VA_ARGS__) }, .n_members = 1

static struct redis *docs;
static bool untold, silent;
static unsigned unanswered;
static Mf__Journal_Service to_journal;

static void
relay_mode(Mf__Journal_Service *s, const Mf__ModeChange *q, Mf__ModeIs_Closure reply, void *ctx)
{
	if (silent)
		unanswered++; /* the call ends at its deadline */
	else if (untold)
		call_fail_because(ctx, ST_UNAVAILABLE, "OUTCOME_UNKNOWN", 10, "kept by the relay");
	else
		journal_service.mode(s, q, reply, ctx);
}

static bool
is_in(void *ctx)
{
	cohbed_step();
	return mode_now()->mode == *(enum mode *)ctx && mode_now()->epoch != 0;
}

static void
until_mode(enum mode m)
{
	bed_until(is_in, &m, 10 * SEC);
}

/* A write that finds PostgreSQL away. */
static void
degrade(const char *id)
{
	cohbed.away = true;
	answer(OP(CREATE, .id = S(id), .data = DATA("{\"title\":\"journalled\"}")));
	assert_int_equal(mode_now()->mode, MODE_DEGRADED);
}

/* What was acknowledged waits in the journal, perhaps: PostgreSQL, which is back, knows nothing of it. */
static void
while_the_mode_is_not_known_nothing_is_read_past_the_journal(void **unused)
{
	const char *id = new_id();
	struct asked one, list;

	(void)unused;
	degrade(id);
	untold = true;
	cohbed.away = false;
	until_mode(MODE_UNKNOWN);
	asked_start(&one, OP(READ_ONE, .id = S(id)));
	asked_start(&list, OP(QUERY));
	bed_pass(300 * MS);
	cohbed_step();
	assert_false(one.ended || list.ended);
	untold = false;
	asked_wait(&one);
	asked_wait(&list);
	assert_int_equal(one.status, ST_OK);
	assert_string_equal(one.title, "journalled");
	assert_string_equal(list.reason, "STORE_DOWN"); /* the mode is the old one */
	asked_free(&one);
	until_mode(MODE_NORMAL);
	assert_string_equal(answer(OP(READ_ONE, .id = S(id))).title, "journalled");
}

/* Until the fence is up a write from before may still land: what PostgreSQL has is no base. */
static void
before_the_fence_is_up_nothing_is_built_on_what_postgresql_has(void **unused)
{
	const char *id = new_id();
	uint64_t before = mode_now()->epoch;
	struct asked x;
	struct done late;

	(void)unused;
	answer(OP(CREATE, .id = S(id), .data = DATA("{\"title\":\"1\"}")));
	degrade(new_id());
	cohbed.hold_fence = true;
	cohbed.away = false;
	until_mode(MODE_REPLAYING);
	x = outcome(OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"on 1\"}")));
	assert_int_equal(x.status, ST_UNAVAILABLE);
	assert_string_equal(x.reason, "BASE_UNKNOWN");
	late = op_run(OP(UPDATE, .id = S(id), .mode_epoch = before,
	    .data = DATA("{\"title\":\"2\"}"), .operation_id = S(new_id())));
	assert_int_equal(late.status, ST_OK);
	done_free(&late);
	cohbed.hold_fence = false;
	until_mode(MODE_NORMAL);
	x = answer(OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"on 2\"}")));
	assert_int_equal(x.version, 3);
	assert_int_equal(bed_count("SELECT count(*) FROM replay_refused"), 0);
}

static bool
is_kept(void *n)
{
	cohbed_step();
	return *(unsigned *)n > 0;
}

/* This process does nothing for a while. What was asked of others, and its call, end at once then. */
static void
pause_when(unsigned *kept)
{
	*kept = 0;
	bed_until(is_kept, kept, 10 * SEC);
	assert_true(*kept > 0);
	usleep(3300 * MS);
}

static void
after_a_pause_in_the_midst_of_a_change_the_mode_is_found_again(void **unused)
{
	const char *id = new_id();

	(void)unused;
	degrade(id);
	silent = true;
	cohbed.away = false;
	pause_when(&unanswered);
	silent = false;
	until_mode(MODE_NORMAL);
	assert_string_equal(answer(OP(READ_ONE, .id = S(id))).title, "journalled");
}

static void
after_a_pause_in_the_midst_of_a_probe_postgresql_is_found_again(void **unused)
{
	const char *id = new_id();

	(void)unused;
	degrade(id);
	cohbed.keep_replays = true;
	cohbed.away = false;
	pause_when(&cohbed.replays);
	cohbed.keep_replays = false;
	until_mode(MODE_NORMAL);
	assert_string_equal(answer(OP(READ_ONE, .id = S(id))).title, "journalled");
}

/* It was done, and PostgreSQL went before it said so: what the cache has of the task is older, perhaps. */
static void
lost_on_its_way(const Mf__StoreOp *write, const char *id)
{
	struct asked x;

	answer(OP(CREATE, .id = S(id), .data = DATA("{\"title\":\"1\"}")));
	answer(EVENTUAL(id));
	cohbed.leaves = true;
	x = outcome(write);
	assert_true(cohbed.away);
	assert_int_equal(mode_now()->mode, MODE_DEGRADED);
	if (write->n_members == 0)
		assert_string_equal(x.reason, "BASE_UNKNOWN");
	x = outcome(OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"on 1\"}")));
	assert_string_equal(x.reason, "BASE_UNKNOWN");
	cohbed.away = false;
	until_mode(MODE_NORMAL);
	assert_int_equal(bed_count("SELECT count(*) FROM replay_refused"), 0);
	x = answer(OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"3\"}")));
	assert_int_equal(x.version, 3);
}

static void
nothing_is_built_on_the_cache_after_a_write_of_unknown_outcome(void **unused)
{
	const char *id = new_id();

	(void)unused;
	lost_on_its_way(
	    OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"2\"}"), .operation_id = S(new_id())),
	    id);
	id = new_id();
	lost_on_its_way(OP(.kind = MF__STORE_OP__KIND__BULK, .operation_id = S(new_id()),
			    MEMBER(UPDATE, .id = S(id), .data = DATA("{\"title\":\"2\"}"),
				.operation_id = S(new_id()))),
	    id);
}

/* Each of its members came to a sql that had no server. */
static void
a_bulk_that_nobody_took_is_built_on_the_cache(void **unused)
{
	const char *id = new_id();
	struct asked x;

	(void)unused;
	answer(OP(CREATE, .id = S(id), .data = DATA("{\"title\":\"1\"}")));
	answer(EVENTUAL(id));
	cohbed.away = true;
	answer(OP(.kind = MF__STORE_OP__KIND__BULK, .operation_id = S(new_id()),
	    MEMBER(UPDATE, .id = S(id), .data = DATA("{\"title\":\"2\"}"),
		.operation_id = S(new_id()))));
	x = answer(OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"3\"}")));
	assert_int_equal(x.version, 3);
	cohbed.away = false;
	until_mode(MODE_NORMAL);
	assert_int_equal(bed_count("SELECT count(*) FROM replay_refused"), 0);
}

/* No write drops it any more: the time that it could have been in the cache was over. */
static void
nothing_is_built_on_a_fill_that_came_late(void **unused)
{
	const char *id = new_id();
	struct asked x;

	(void)unused;
	cohbed.config.cache_ttl_us = 1 * SEC;
	answer(OP(CREATE, .id = S(id), .data = DATA("{\"title\":\"1\"}")));
	cohbed.late_sets = true;
	answer(EVENTUAL(id));
	bed_pass(2200 * MS);
	answer(OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"2\"}")));
	cohbed_send_late();
	degrade(new_id());
	x = outcome(OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"on 1\"}")));
	assert_string_equal(x.reason, "BASE_UNKNOWN");
	cohbed.away = false;
	until_mode(MODE_NORMAL);
	assert_int_equal(bed_count("SELECT count(*) FROM replay_refused"), 0);
}

/* It was under way when the cache was asked, and its outcome is unknown when the cache answers. */
static void
nothing_is_built_on_the_cache_when_a_write_is_lost_while_it_is_asked(void **unused)
{
	const char *id = new_id();
	struct asked lost, x;

	(void)unused;
	answer(OP(CREATE, .id = S(id), .data = DATA("{\"title\":\"1\"}")));
	answer(EVENTUAL(id));
	cohbed.hold_writes = true;
	asked_start(&lost, OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"2\"}")));
	bed_until(cohbed_holds, NULL, 5 * SEC);
	degrade(new_id());
	cohbed.gone_by_get = &lost;
	x = outcome(OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"on 1\"}")));
	assert_null(cohbed.gone_by_get);
	assert_string_equal(x.reason, "BASE_UNKNOWN");
	cohbed.away = false;
	until_mode(MODE_NORMAL);
	assert_int_equal(bed_count("SELECT count(*) FROM replay_refused"), 0);
}

/* --- life --- */

static int
start(void **state)
{
	static const struct serve nosqls[] = { { &to_journal.base, PRIMARY }, { NULL, 0 } };
	static const struct journal_limits limits = { .entries = 1000, .bytes = 1 << 20 };

	if (cohbed_start(state) != 0)
		return -1;
	stores_start_redis(sqlbed.stores, "docs");
	docs = redis_new(
	    sqlbed.loop, &(const struct redis_opts){ .address = stores_redis(sqlbed.stores, "docs"),
			     .require_durable = true });
	journal_init(docs, &limits);
	to_journal = journal_service;
	to_journal.mode = relay_mode;
	bus_loopback(cohbed.bus, "nosql", nosqls);
	until_mode(MODE_NORMAL);
	return 0;
}

static int
stop(void **state)
{
	redis_free(&docs);
	return cohbed_stop(state);
}

static int
resume(void **state)
{
	untold = silent = false;
	return cohbed_resume(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
		    while_the_mode_is_not_known_nothing_is_read_past_the_journal, resume),
		cmocka_unit_test_teardown(
		    before_the_fence_is_up_nothing_is_built_on_what_postgresql_has, resume),
		cmocka_unit_test_teardown(
		    after_a_pause_in_the_midst_of_a_change_the_mode_is_found_again, resume),
		cmocka_unit_test_teardown(
		    after_a_pause_in_the_midst_of_a_probe_postgresql_is_found_again, resume),
		cmocka_unit_test_teardown(
		    nothing_is_built_on_the_cache_after_a_write_of_unknown_outcome, resume),
		cmocka_unit_test_teardown(a_bulk_that_nobody_took_is_built_on_the_cache, resume),
		cmocka_unit_test_teardown(nothing_is_built_on_a_fill_that_came_late, resume),
		cmocka_unit_test_teardown(
		    nothing_is_built_on_the_cache_when_a_write_is_lost_while_it_is_asked, resume),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
