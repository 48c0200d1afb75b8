/* redis: commands, scripts and outages against real Redis servers. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/metrics.h"
#include "base/time.h"
#include "bus/bus.h"
#include "harness/stores.h"
#include "harness/test.h"
#include "store/redis.h"

static struct stores *stores;
static struct loop *loop;
static struct bus *bus;
static struct redis *cache;

struct got { /* of one command */
	unsigned times;
	enum redis_type type;
	enum status status;
	bool unknown;
	int64_t i;
	size_t n_items;
	char s[100];
};

static void
on_done(const struct redis_reply *r, void *ctx)
{
	struct got *g = ctx;

	g->times++;
	g->type = r->type;
	g->status = r->status;
	g->unknown = r->unknown;
	g->i = r->i;
	g->n_items = r->n_items;
	snprintf(g->s, sizeof(g->s), "%.*s", (int)r->n, r->s);
}

static bool
is_done(void *ctx)
{
	return ((struct got *)ctx)->times > 0;
}

static void
wait_for(struct got *g)
{
	loop_run_until(loop, is_done, g, 10 * SEC);
	assert_int_equal(g->times, 1);
}

/* Words, blanks between them. */
static void
start_command(struct got *g, struct call *c, const char *words)
{
	const char *argv[16];
	size_t lens[16];
	int n = 0;

	*g = (struct got){ 0 };
	for (const char *w = words; *w != '\0'; w += lens[n - 1] + (w[lens[n - 1]] == ' ')) {
		argv[n] = w;
		lens[n++] = strcspn(w, " ");
	}
	redis_command(cache, c, n, argv, lens, on_done, g);
}

static struct got
run(const char *words)
{
	struct got g;

	start_command(&g, NULL, words);
	wait_for(&g);
	return g;
}

static bool
is_up(void *ctx)
{
	return redis_up(ctx);
}

static bool
is_not_up(void *ctx)
{
	return !redis_up(ctx);
}

static void
until(bool (*what)(void *), struct redis *r)
{
	loop_run_until(loop, what, r, 10 * SEC);
	assert_true(what(r));
}

static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}

static int
start(void **state)
{
	char err[100];

	(void)state;
	log_init("test", 1, 2);
	stores = stores_new();
	stores_start_redis(stores, "cache");
	loop = loop_new();
	bus = bus_new(
	    loop, &(const struct bus_opts){ .name = "cache", .generation = 1 }, err, sizeof(err));
	cache =
	    redis_new(loop, &(const struct redis_opts){ .address = stores_redis(stores, "cache") });
	until(is_up, cache);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	redis_free(&cache);
	bus_free(&bus);
	loop_run_until(loop, never, NULL, 10 * MS);
	loop_free(&loop);
	stores_free(&stores);
	return 0;
}

static int
resume(void **state)
{
	(void)state;
	stores_pause_redis(stores, "cache", false);
	return 0;
}

static void
commands_of_one_turn_are_answered_in_their_order(void **unused)
{
	struct got g[50];
	char words[40];

	(void)unused;
	for (int i = 0; i < 50; i++) {
		snprintf(words, sizeof(words), i % 2 == 0 ? "SET k %d" : "GET k", i);
		start_command(&g[i], NULL, words);
		assert_int_equal(g[i].times, 0);
	}
	for (int i = 0; i < 50; i++) {
		wait_for(&g[i]);
		snprintf(words, sizeof(words), "%d", i - 1);
		assert_int_equal(g[i].type, i % 2 == 0 ? REDIS_STATUS : REDIS_STRING);
		assert_string_equal(g[i].s, i % 2 == 0 ? "OK" : words);
	}
}

static void
replies_of_all_kinds_are_told_apart(void **unused)
{
	(void)unused;
	assert_int_equal(run("GET nothing").type, REDIS_NIL);
	assert_int_equal(run("INCR number").i, 1);
	assert_int_equal(run("INCR number").type, REDIS_INTEGER);
	assert_int_equal(run("MGET number nothing k").n_items, 3);
	assert_int_equal(run("LPUSH number 1").type, REDIS_FAILED);
	assert_int_equal(run("LPUSH number 1").status, ST_FAILED_PRECONDITION); /* WRONGTYPE */
	assert_int_equal(run("NONSENSE").status, ST_INTERNAL);
}

static struct got
run_script(void)
{
	static const char text[] = "return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}";
	struct got g = { 0 };

	redis_script(cache, NULL, text, 1, 2, (const char *[]){ "scripted", "a b" },
	    (size_t[]){ 8, 3 }, on_done, &g);
	wait_for(&g);
	return g;
}

static void
restart(void)
{
	stores_kill_redis(stores, "cache");
	until(is_not_up, cache);
	stores_start_redis(stores, "cache");
	until(is_up, cache);
}

static void
a_script_is_loaded_when_the_server_does_not_know_it(void **unused)
{
	(void)unused;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(run_script().n_items, 3);
		assert_int_equal(run_script().type, REDIS_ARRAY);
		assert_string_equal(run("GET scripted").s, "2"); /* each ran once */
		restart();
	}
}

static void
a_command_without_a_server_is_refused_at_once_and_did_not_run(void **unused)
{
	struct got g;

	(void)unused;
	stores_kill_redis(stores, "cache");
	until(is_not_up, cache);
	start_command(&g, NULL, "SET k 1");
	assert_int_equal(g.times, 0); /* not from inside */
	wait_for(&g);
	assert_int_equal(g.type, REDIS_FAILED);
	assert_int_equal(g.status, ST_UNAVAILABLE);
	assert_false(g.unknown);
	stores_start_redis(stores, "cache");
	until(is_up, cache);
	assert_string_equal(run("SET k 1").s, "OK");
}

static void
a_command_that_was_out_when_the_server_died_may_have_run(void **unused)
{
	struct got g;

	(void)unused;
	stores_pause_redis(stores, "cache", true);
	start_command(&g, NULL, "SET k 1");
	loop_run_until(loop, never, NULL, 50 * MS);
	assert_int_equal(g.times, 0);
	stores_kill_redis(stores, "cache");
	wait_for(&g);
	assert_int_equal(g.status, ST_UNAVAILABLE);
	assert_true(g.unknown);
	stores_start_redis(stores, "cache");
	until(is_up, cache);
}

/* What the metrics say of it. */
static double
shown_as_up(void)
{
	const char *address = stores_redis(stores, "cache");

	return metric_get(metric_family(METRIC_GAUGE, "metafed_redis_up", "", NULL), &address)
	    ->value;
}

static void
a_stopped_server_is_refused_after_a_second_and_good_again_when_it_answers(void **unused)
{
	struct got first, g;
	int64_t began = time_now_us();

	(void)unused;
	stores_pause_redis(stores, "cache", true);
	start_command(&first, NULL, "SET k slow");
	assert_true(shown_as_up() == 1);
	until(is_not_up, cache);
	assert_true(shown_as_up() == 0);
	assert_true(time_now_us() - began >= SEC);
	g = run("GET k");
	assert_int_equal(g.status, ST_UNAVAILABLE);
	assert_int_equal(first.times, 0); /* it is still waited for */
	stores_pause_redis(stores, "cache", false);
	wait_for(&first);
	assert_string_equal(first.s, "OK");
	assert_true(redis_up(cache));
	assert_true(shown_as_up() == 1);
	assert_string_equal(run("GET k").s, "slow");
}

static int64_t
cpu_us(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	return (int64_t)t.tv_sec * SEC + t.tv_nsec / 1000;
}

static void
a_full_socket_is_waited_for_without_turning(void **unused)
{
	static char value[4 << 20];
	static struct got g;
	const char *argv[] = { "SET", "large", value };
	const size_t lens[] = { 3, 5, sizeof(value) };
	int64_t used;

	(void)unused;
	until(is_up, cache);
	memset(value, 'x', sizeof(value));
	stores_pause_redis(stores, "cache", true);
	g = (struct got){ 0 };
	redis_command(cache, NULL, 3, argv, lens, on_done, &g);
	loop_run_until(loop, never, NULL, 50 * MS); /* what the socket takes is in it */
	used = cpu_us();
	loop_run_until(loop, never, NULL, 400 * MS);
	used = cpu_us() - used;
	stores_pause_redis(stores, "cache", false);
	wait_for(&g);
	assert_int_equal(g.type, REDIS_STATUS);
	assert_true(used < 100 * MS);
}

static void
a_server_that_stays_stopped_is_given_up_and_found_again(void **unused)
{
	struct got g;

	(void)unused;
	stores_pause_redis(stores, "cache", true);
	start_command(&g, NULL, "SET k 1");
	wait_for(&g);
	assert_int_equal(g.status, ST_UNAVAILABLE);
	assert_true(g.unknown);
	stores_pause_redis(stores, "cache", false);
	until(is_up, cache);
	assert_string_equal(run("SET k 2").s, "OK");
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	(void)c, (void)end;
	((struct got *)ctx)->times++;
}

static void
a_call_that_has_ended_hears_nothing_more(void **unused)
{
	struct got g, end = { 0 };
	struct call *c = call_root(
	    bus, &(const struct call_opts){ .limit_us = SEC, .done = on_end, .ctx = &end });

	(void)unused;
	start_command(&g, c, "SET k 1");
	call_cancel(c);
	wait_for(&end);
	assert_string_equal(run("GET k").s, "1"); /* it ran */
	assert_int_equal(g.times, 0);
}

static void
a_server_that_forgets_is_no_home_for_documents(void **unused)
{
	struct redis *docs =
	    redis_new(loop, &(const struct redis_opts){ .address = stores_redis(stores, "cache"),
				.require_durable = true });

	(void)unused;
	test_expect_log(LOG_ERROR, 1); /* says so once, however often it tries */
	loop_run_until(loop, is_up, docs, SEC);
	assert_false(redis_up(docs));
	redis_free(&docs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(commands_of_one_turn_are_answered_in_their_order),
		T(replies_of_all_kinds_are_told_apart),
		cmocka_unit_test(a_script_is_loaded_when_the_server_does_not_know_it),
		cmocka_unit_test(a_command_without_a_server_is_refused_at_once_and_did_not_run),
		cmocka_unit_test(a_command_that_was_out_when_the_server_died_may_have_run),
		cmocka_unit_test_teardown(
		    a_stopped_server_is_refused_after_a_second_and_good_again_when_it_answers,
		    resume),
		cmocka_unit_test_teardown(a_full_socket_is_waited_for_without_turning, resume),
		cmocka_unit_test_teardown(
		    a_server_that_stays_stopped_is_given_up_and_found_again, resume),
		T(a_call_that_has_ended_hears_nothing_more),
		T(a_server_that_forgets_is_no_home_for_documents),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
