/* patterns: how failures are grouped, counted, forgotten and told; the first half by a clock of the
 * test's own, the second through meta. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "harness/metabed.h"
#include "meta/patterns.h"

#define T0 (INT64_C(100000) * SEC) /* a clock that has run for a day */

static struct patterns *p;

static int
start(void **state)
{
	p = patterns_new();
	return test_log_mark(state);
}

static int
stop(void **state)
{
	patterns_free(&p);
	return test_log_check(state);
}

static const struct pattern *
fail_at(const char *node, const char *cause, uint64_t n, int64_t now)
{
	return patterns_add(p,
	    &(const struct pattern_fact){ .node = node,
		.method = "Sql.Read",
		.cause = cause,
		.message = "m",
		.status = ST_UNAVAILABLE,
		.count = n,
		.second = now / SEC },
	    now, now);
}

static size_t
list(const struct pattern **out, int64_t now)
{
	return patterns_list(
	    p, &(const struct pattern_filter){ .window = WINDOWS }, now, out, PATTERNS_MOST);
}

static const struct pattern *
only(int64_t now)
{
	const struct pattern *all[PATTERNS_MOST];

	assert_int_equal(list(all, now), 1);
	return all[0];
}

static void
the_same_failure_again_is_the_same_pattern(void **unused)
{
	const struct pattern *x;

	(void)unused;
	assert_non_null(fail_at("sql", "DOWN", 1, T0));
	assert_null(fail_at("sql", "DOWN", 2, T0 + SEC));
	x = only(T0 + SEC);
	assert_int_equal(x->count, 3);
	assert_int_equal(x->first_us, T0);
	assert_int_equal(x->last_us, T0 + SEC);
	assert_non_null(fail_at("sql", "PEER_LOST", 1, T0 + SEC));
	assert_non_null(fail_at("nosql", "DOWN", 1, T0 + SEC));
	assert_int_equal(p->n, 3);
}

static void
a_fingerprint_is_the_same_in_every_process(void **unused)
{
	uint64_t before = fail_at("sql", "DOWN", 1, T0)->fingerprint;

	(void)unused;
	patterns_free(&p);
	p = patterns_new();
	assert_true(fail_at("sql", "DOWN", 1, T0 + SEC)->fingerprint == before);
	assert_true(before == UINT64_C(0xfe5243c58d4df203));
}

static void
what_is_over_leaves_its_window(void **unused)
{
	const struct pattern *x;

	(void)unused;
	fail_at("sql", "DOWN", 7, T0);
	fail_at("sql", "DOWN", 1, T0 + 59 * SEC);
	x = only(T0 + 59 * SEC);
	assert_int_equal(pattern_within(x, WINDOW_1M), 8);
	x = only(T0 + 61 * SEC);
	assert_int_equal(pattern_within(x, WINDOW_1M), 1);
	assert_int_equal(pattern_within(x, WINDOW_1H), 8);
	x = only(T0 + 3 * 3600 * SEC);
	assert_int_equal(pattern_within(x, WINDOW_1H), 0);
	assert_int_equal(pattern_within(x, WINDOW_24H), 8);
	x = only(T0 + 25 * 3600 * SEC);
	assert_int_equal(pattern_within(x, WINDOW_24H), 0);
	assert_int_equal(x->count, 8); /* since it was first seen */
}

static void
a_window_counts_what_happened_within_it_at_any_moment(void **unused)
{
	enum { N = 4000 };
	static int64_t at[N];
	int64_t now = T0;

	(void)unused;
	srand(7);
	for (int i = 0; i < N; i++) {
		uint64_t most = 0, least = 0;

		now += rand() % (3 * SEC);
		at[i] = now;
		fail_at("sql", "DOWN", 1, now);
		for (int k = 0; k <= i; k++) {
			most += at[k] > now - 60 * SEC;
			least += at[k] > now - 59 * SEC;
		}
		assert_in_range(pattern_within(only(now), WINDOW_1M), least, most);
	}
}

static void
those_that_come_in_the_same_seconds_are_found(void **unused)
{
	const struct pattern *x, *y;

	(void)unused;
	for (int i = 0; i < 8; i++) {
		fail_at("sql", "DOWN", 5, T0 + i * 10 * SEC);
		if (i % 4 != 0)
			fail_at("database", "DOWN", 1, T0 + i * 10 * SEC + 300 * MS);
		fail_at("jwt", "DOWN", 1, T0 + i * 10 * SEC + 5 * SEC);
	}
	x = &p->all[0];
	assert_string_equal(x->node, "sql");
	assert_int_equal(x->seconds, 8);
	y = &p->all[2];
	assert_string_equal(y->node, "database");
	assert_true(x->with[0].fingerprint == y->fingerprint);
	assert_true(pattern_share(p, x, &x->with[0]) == 0.75);
	assert_true(pattern_share(p, y, &y->with[0]) == 1);
	assert_true(x->with[1].fingerprint == 0); /* jwt never came with it */
	assert_true(pattern_share(p, x, &x->with[1]) == 0);
}

static void
what_is_told_a_second_late_still_belongs_together(void **unused)
{
	struct pattern_fact late = {
		.node = "database", .method = "m", .cause = "c", .message = "", .count = 1
	};

	(void)unused;
	fail_at("sql", "DOWN", 1, T0);
	fail_at("sql", "DOWN", 1, T0 + SEC);
	late.second = T0 / SEC;
	patterns_add(p, &late, T0, T0 + SEC + 100 * MS);
	assert_int_equal(p->all[1].seconds, 1);
	assert_true(p->all[1].with[0].fingerprint == p->all[0].fingerprint);
}

static void
without_room_the_one_not_seen_for_longest_leaves(void **unused)
{
	const struct pattern *all[PATTERNS_MOST];
	char cause[32];

	(void)unused;
	for (int i = 0; i < PATTERNS_MOST; i++) {
		snprintf(cause, sizeof cause, "C%d", i);
		fail_at("sql", cause, 1, T0 + i * SEC);
	}
	assert_int_equal(p->evicted, 0);
	fail_at("sql", "C0", 1, T0 + 600 * SEC); /* seen again: C1 is the oldest now */
	assert_non_null(fail_at("sql", "NEW", 1, T0 + 601 * SEC));
	assert_int_equal(p->evicted, 1);
	assert_int_equal(list(all, T0 + 601 * SEC), PATTERNS_MOST);
	for (int i = 0; i < PATTERNS_MOST; i++)
		assert_string_not_equal(all[i]->cause, "C1");
	assert_null(fail_at("sql", "C0", 1, T0 + 602 * SEC));
}

static void
the_most_frequent_of_late_comes_first(void **unused)
{
	const struct pattern *all[PATTERNS_MOST];
	struct pattern_filter f = { .window = WINDOW_1M };

	(void)unused;
	fail_at("sql", "OLD", 1000, T0);
	fail_at("sql", "RARE", 1, T0 + 120 * SEC);
	fail_at("nosql", "OFTEN", 9, T0 + 120 * SEC);
	assert_int_equal(list(all, T0 + 121 * SEC), 3);
	assert_string_equal(all[0]->cause, "OFTEN");
	assert_string_equal(all[1]->cause, "RARE");
	assert_string_equal(all[2]->cause, "OLD");
	assert_int_equal(patterns_list(p, &f, T0 + 121 * SEC, all, PATTERNS_MOST), 2);
	f.node = "sql";
	assert_int_equal(patterns_list(p, &f, T0 + 121 * SEC, all, PATTERNS_MOST), 1);
	f.status = "INTERNAL";
	assert_int_equal(patterns_list(p, &f, T0 + 121 * SEC, all, PATTERNS_MOST), 0);
	assert_int_equal(list(all, T0 + 121 * SEC), 3);
}

static void
one_that_comes_back_after_a_quiet_time_is_told_of_when_it_is_frequent(void **unused)
{
	int64_t later = T0 + 3600 * SEC;

	(void)unused;
	assert_non_null(fail_at("sql", "DOWN", 1, T0));
	for (int i = 0; i < 100; i++)
		assert_null(fail_at("sql", "DOWN", 10, T0 + i * SEC));
	assert_null(fail_at("sql", "DOWN", 1, later)); /* once: nothing to speak of */
	assert_null(fail_at("sql", "DOWN", 1, later + SEC));
	assert_non_null(fail_at("sql", "DOWN", 3, later + 2 * SEC));
	assert_null(fail_at("sql", "DOWN", 9, later + 3 * SEC));
}

static void
what_a_node_said_is_cleaned_and_cut(void **unused)
{
	char long_text[1000];
	const struct pattern *x;

	(void)unused;
	memset(long_text, 'x', sizeof long_text - 1);
	long_text[sizeof long_text - 1] = '\0';
	memcpy(long_text, "a\x1b[2J\n\xc2\x9b\xff\xc3\xa9", 11);
	patterns_add(p,
	    &(const struct pattern_fact){ .node = "a node with a name beyond all bounds",
		.method = long_text,
		.cause = long_text,
		.message = long_text,
		.count = 1,
		.second = 1 },
	    T0, T0);
	x = only(T0);
	assert_int_equal(strlen(x->node), sizeof x->node - 1);
	assert_int_equal(strncmp(x->message, "a [2J  ?\xc3\xa9x", 11), 0);
	assert_true(strlen(x->message) < sizeof x->message);
	assert_non_null(memchr(x->cause, '\0', sizeof x->cause));
	memset(long_text, 'y', sizeof x->message - 2); /* the character would be cut in two */
	memcpy(long_text + sizeof x->message - 2, "\xc3\xa9", 3);
	patterns_add(p,
	    &(const struct pattern_fact){
		.node = "b", .method = "", .cause = "", .message = long_text, .count = 1 },
	    T0, T0);
	assert_int_equal(strlen(p->all[1].message), sizeof x->message - 2);
}

/* --- through meta --- */

static struct result r;

static bool
has_failed_on(void *ctx)
{
	for (size_t i = 0; i < mb.meta->patterns->n; i++)
		if (strcmp(mb.meta->patterns->all[i].node, ctx) == 0)
			return true;
	return false;
}

static void
wait_for_pattern(const char *node)
{
	loop_run_until(mb.loop, has_failed_on, (void *)(uintptr_t)node, 10 * SEC);
	assert_true(has_failed_on((void *)(uintptr_t)node));
}

static void
a_failure_that_a_stand_in_masked_is_known_without_a_trace(void **unused)
{
	(void)unused;
	mb.rest.fails = ST_UNAVAILABLE;
	mb.means_meta = "health";
	RUN(&r, .api = "GET /health");
	assert_true(r.r->success);
	wait_for_pattern("rest");
	RUN(&r, .meta = "errors", .token = "admin", .data = "{\"node\":\"rest\"}");
	assert_true(result_has(&r, "\"method\":\"Rest.Perform\",\"status\":\"UNAVAILABLE\","
				   "\"cause\":\"DOWN\",\"message\":\"as the test wants it\""));
	assert_true(result_has(&r, "\"in_1m\":"));
}

static void
refuse_some(const char *cause)
{
	struct result all[14];

	mb.sql.hangs = true;
	for (int i = 0; i < 14; i++)
		metabed_send(&all[i],
		    &(const struct req){
			.database = "read", .id = "x", .token = "alice", .deadline_ms = 400 });
	for (int i = 0; i < 14; i++)
		metabed_wait(&all[i]);
	wait_for_pattern("meta");
	RUN(&r, .meta = "errors", .token = "admin", .data = "{\"node\":\"meta\"}");
	assert_true(result_has(&r, cause));
}

static void
what_is_refused_for_lack_of_slots_is_a_pattern_of_meta(void **unused)
{
	(void)unused;
	refuse_some("\"cause\":\"NO_SLOT\"");
}

static void
so_is_what_a_bulkhead_refuses(void **unused)
{
	(void)unused;
	mb.config.share = 50;
	meta_reload(mb.meta, &mb.config);
	refuse_some("\"cause\":\"BULKHEAD\"");
}

static bool
has_cause(void *ctx)
{
	for (size_t i = 0; i < mb.meta->patterns->n; i++)
		if (strcmp(mb.meta->patterns->all[i].cause, ctx) == 0)
			return true;
	return false;
}

static void
beat(uint64_t generation, enum contract_state state)
{
	Mf__Beat b = MF__BEAT__INIT;

	b.node = (char *)(uintptr_t) "sql";
	b.generation = generation;
	b.state = state;
	fleet_state_beat(mb.meta->fleet, &b);
}

static void
a_process_that_died_is_a_pattern_and_one_that_drained_is_none(void **unused)
{
	(void)unused;
	beat(5, NODE_READY);
	beat(5, NODE_DRAINING);
	beat(6, NODE_READY);
	assert_int_equal(mb.meta->patterns->n, 0);
	beat(7, NODE_READY);
	assert_int_equal(mb.meta->patterns->n, 1);
	assert_string_equal(mb.meta->patterns->all[0].node, "sql");
	assert_string_equal(mb.meta->patterns->all[0].method, "process");
	assert_string_equal(mb.meta->patterns->all[0].cause, "PROCESS_DIED");
}

static void
on_told(const Mf__Empty *m, void *ctx)
{
	assert_non_null(m);
	call_reply(ctx, &m->base);
}

static void
what_another_node_tells_is_a_pattern_of_whom_it_is_about(void **unused)
{
	Mf__FailedTries one = MF__FAILED_TRIES__INIT, *failures[] = { &one };
	Mf__Tries m = MF__TRIES__INIT;
	struct call *c = call_root(mb.bus, &(const struct call_opts){ .limit_us = SEC });
	struct rpc *ask = rpc_new(c, bus_node_target(mb.bus, "database"), NULL);

	(void)unused;
	one.node = (char *)(uintptr_t) "sql";
	one.method = (char *)(uintptr_t) "mf.Sql";
	one.code = ST_UNAVAILABLE;
	one.reason = (char *)(uintptr_t) "BREAKER_OPENED";
	one.message = (char *)(uintptr_t) "the breaker of database towards it opened";
	one.count = 2;
	m.failures = failures;
	m.n_failures = 1;
	mf__node__tell(&ask->service, &m, on_told, c);
	loop_run_until(mb.loop, has_cause, (void *)(uintptr_t) "BREAKER_OPENED", 10 * SEC);
	assert_int_equal(mb.meta->patterns->n, 1);
	assert_int_equal(mb.meta->patterns->all[0].count, 2);
	assert_string_equal(mb.meta->patterns->all[0].node, "sql");
	assert_string_equal(mb.meta->patterns->all[0].method, "mf.Sql");
	assert_string_equal(
	    mb.meta->patterns->all[0].message, "the breaker of database towards it opened");
}

static unsigned announced;

static void
on_pattern(void *ctx, const char *node, const Mf__Event *e)
{
	Mf__ErrorPattern *m = mf__error_pattern__unpack(NULL, e->payload.len, e->payload.data);

	(void)ctx, (void)node;
	announced++;
	assert_non_null(m);
	assert_int_equal(strlen(m->fingerprint), 16);
	assert_string_equal(m->node, "meta");
	assert_string_equal(m->status, "UNAVAILABLE");
	assert_int_equal(m->count, 1);
	mf__error_pattern__free_unpacked(m, NULL);
}

static bool
are_announced(void *unused)
{
	(void)unused;
	return announced >= 20;
}

/* Of thirty kinds at once, twenty. */
static void
new_patterns_are_announced_but_never_in_a_storm(void **unused)
{
	static char reasons[30][16];

	(void)unused;
	announced = 0;
	bus_subscribe(mb.bus, "meta", "error.pattern", on_pattern, NULL, NULL);
	for (int i = 0; i < 30; i++) {
		snprintf(reasons[i], sizeof reasons[i], "REASON_%d", i);
		bus_tell_failure(mb.bus, "Meta.Execute",
		    &(const struct failure){
			.status = ST_UNAVAILABLE, .reason = reasons[i], .message = "" });
	}
	loop_run_until(mb.loop, are_announced, NULL, 10 * SEC);
	metabed_pass(30 * MS);
	assert_int_equal(mb.meta->patterns->n, 30);
	assert_in_range(announced, 20, 21);
}

static void
a_wrong_question_is_refused(void **unused)
{
	static const char *const wrong[] = { "{\"window\":\"2m\"}", "{\"limit\":0}",
		"{\"limit\":\"1001\"}", "{\"limit\":\"x\"}" };

	(void)unused;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		RUN(&r, .meta = "errors", .token = "admin", .data = wrong[i]);
		assert_int_equal(r.r->status, ST_INVALID_ARGUMENT);
	}
	RUN(&r, .meta = "errors", .token = "admin", .data = "{\"window\":\"1h\",\"limit\":\"5\"}");
	assert_true(result_has(&r, "{\"items\":["));
}

static void
whoever_may_not_see_the_fleet_does_not_see_its_errors(void **unused)
{
	(void)unused;
	RUN(&r, .meta = "errors", .token = "bob");
	assert_int_equal(r.r->status, ST_PERMISSION_DENIED);
	assert_int_equal(r.r->result.len, 0);
}

#define PURE(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PURE(the_same_failure_again_is_the_same_pattern),
		PURE(a_fingerprint_is_the_same_in_every_process),
		PURE(what_is_over_leaves_its_window),
		PURE(a_window_counts_what_happened_within_it_at_any_moment),
		PURE(those_that_come_in_the_same_seconds_are_found),
		PURE(what_is_told_a_second_late_still_belongs_together),
		PURE(without_room_the_one_not_seen_for_longest_leaves),
		PURE(the_most_frequent_of_late_comes_first),
		PURE(one_that_comes_back_after_a_quiet_time_is_told_of_when_it_is_frequent),
		PURE(what_a_node_said_is_cleaned_and_cut),
		METABED(a_failure_that_a_stand_in_masked_is_known_without_a_trace),
		METABED(what_is_refused_for_lack_of_slots_is_a_pattern_of_meta),
		METABED(so_is_what_a_bulkhead_refuses),
		METABED(a_process_that_died_is_a_pattern_and_one_that_drained_is_none),
		METABED(what_another_node_tells_is_a_pattern_of_whom_it_is_about),
		METABED(new_patterns_are_announced_but_never_in_a_storm),
		METABED(a_wrong_question_is_refused),
		METABED(whoever_may_not_see_the_fleet_does_not_see_its_errors),
	};

	return TEST_RUN(tests);
}
