/* figures: how requests are counted by time and outcome; the first half by a clock of the test's own,
 * the second through meta. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "harness/metabed.h"
#include "meta/figures.h"
#include "node/node.h"

#define T0 (INT64_C(100000) * SEC)

static struct figures *f;
static struct figures_sum s;

static int
start(void **state)
{
	f = figures_new();
	return test_log_mark(state);
}

static int
stop(void **state)
{
	figures_free(&f);
	return test_log_check(state);
}

static const struct part worked[MERGE_DOMAINS] = {
	[MF__DOMAIN__DOMAIN_DATABASE] = { .state = PART_WORKED },
	[MF__DOMAIN__DOMAIN_AUTH] = { .state = PART_WORKED },
};

static void
answer(enum outcome o, enum status status, int64_t now)
{
	figures_answered(f, o, status, worked, 2 * MS, now);
}

static bool
about(double got, double want)
{
	return fabs(got - want) < 1e-9;
}

static void
a_partial_success_counts_seven_tenths(void **unused)
{
	struct interval i;

	(void)unused;
	for (int k = 0; k < 90; k++)
		answer(OUTCOME_SUCCESS, ST_OK, T0);
	for (int k = 0; k < 6; k++)
		answer(OUTCOME_PARTIAL, ST_UNAVAILABLE, T0);
	for (int k = 0; k < 4; k++)
		answer(OUTCOME_FAILED, ST_UNAVAILABLE, T0);
	figures_sum(f, WINDOW_1M, T0, &s);
	assert_int_equal(s.requests, 100);
	assert_true(about(figures_reliability(&s), (90 + 0.7 * 6) / 100));
	i = figures_interval(&s);
	assert_true(i.lo < 0.9 && i.hi > 0.9 && i.lo > 0.75 && i.hi < 0.97);
	assert_true(hist_quantile(&s.took, 0.5) >= 2 * MS);
}

static void
without_requests_there_is_no_reliability(void **unused)
{
	(void)unused;
	figures_sum(f, WINDOW_1M, T0, &s);
	assert_int_equal(s.requests, 0);
	assert_true(isnan(figures_reliability(&s)));
	figures_ended(f, OUTCOME_REJECTED, T0);
	figures_ended(f, OUTCOME_CANCELLED, T0);
	figures_sum(f, WINDOW_1M, T0, &s);
	assert_int_equal(s.requests, 2);
	assert_true(isnan(figures_reliability(&s)));
}

static void
what_is_wrong_with_the_request_is_no_failure_of_ours(void **unused)
{
	(void)unused;
	answer(OUTCOME_FAILED, ST_NOT_FOUND, T0);
	answer(OUTCOME_FAILED, ST_ABORTED, T0);
	answer(OUTCOME_REFUSED, ST_PERMISSION_DENIED, T0);
	answer(OUTCOME_FAILED, ST_INTERNAL, T0);
	figures_sum(f, WINDOW_1M, T0, &s);
	assert_int_equal(s.outcomes[OUTCOME_REFUSED], 3);
	assert_int_equal(s.outcomes[OUTCOME_FAILED], 1);
}

static void
a_domain_fails_by_a_fault_only(void **unused)
{
	static const struct failure fault = { .status = ST_UNAVAILABLE },
				    refusal = { .status = ST_NOT_FOUND };
	struct part parts[MERGE_DOMAINS];

	(void)unused;
	memcpy(parts, worked, sizeof parts);
	parts[MF__DOMAIN__DOMAIN_DATABASE] = (struct part){ PART_FAILED, &fault };
	figures_answered(f, OUTCOME_FAILED, ST_UNAVAILABLE, parts, 1, T0);
	parts[MF__DOMAIN__DOMAIN_DATABASE].why = &refusal;
	figures_answered(f, OUTCOME_FAILED, ST_NOT_FOUND, parts, 1, T0);
	parts[MF__DOMAIN__DOMAIN_DATABASE] = (struct part){ PART_STOPPED, NULL };
	figures_answered(f, OUTCOME_FAILED, ST_NOT_FOUND, parts, 1, T0);
	figures_sum(f, WINDOW_1H, T0, &s);
	assert_int_equal(s.domains[MF__DOMAIN__DOMAIN_DATABASE].calls, 2);
	assert_int_equal(s.domains[MF__DOMAIN__DOMAIN_DATABASE].failed, 1);
	assert_int_equal(s.domains[MF__DOMAIN__DOMAIN_AUTH].calls, 3);
	assert_int_equal(s.domains[MF__DOMAIN__DOMAIN_AUTH].failed, 0);
	assert_int_equal(s.domains[MF__DOMAIN__DOMAIN_API].calls, 0);
}

static void
each_window_forgets_in_its_own_time(void **unused)
{
	static const struct {
		int64_t later;
		uint64_t in[WINDOWS];
	} looks[] = { { 0, { 1, 1, 1 } }, { 59, { 1, 1, 1 } }, { 61, { 0, 1, 1 } },
		{ 3540, { 0, 1, 1 } }, { 3661, { 0, 0, 1 } }, { 23 * 3600, { 0, 0, 1 } },
		{ 24 * 3600 + 900, { 0, 0, 0 } }, { 400 * 3600, { 0, 0, 0 } } };

	(void)unused;
	answer(OUTCOME_SUCCESS, ST_OK, T0);
	for (size_t i = 0; i < sizeof looks / sizeof *looks; i++)
		for (int w = 0; w < WINDOWS; w++) {
			figures_sum(f, (enum window)w, T0 + looks[i].later * SEC, &s);
			assert_int_equal(s.requests, looks[i].in[w]);
			assert_int_equal(s.took.count, looks[i].in[w]);
		}
	answer(OUTCOME_SUCCESS, ST_OK, T0 + 500 * 3600 * SEC);
	figures_sum(f, WINDOW_24H, T0 + 500 * 3600 * SEC, &s);
	assert_int_equal(s.requests, 1);
}

static int
node(const char *name)
{
	return (int)(fleet_name_find(name) - fleet_names);
}

static void
tries_of_all_nodes_add_up_and_strangers_are_left_out(void **unused)
{
	Mf__Tries t = MF__TRIES__INIT;
	Mf__MemberTries sql = MF__MEMBER_TRIES__INIT, stranger = MF__MEMBER_TRIES__INIT,
			*members[] = { &sql, &stranger };
	Mf__Failovers over = MF__FAILOVERS__INIT, odd = MF__FAILOVERS__INIT,
		      *ways[] = { &over, &odd };

	(void)unused;
	sql.node = over.from = (char *)(uintptr_t) "sql";
	over.to = (char *)(uintptr_t) "nosql";
	stranger.node = odd.from = odd.to = (char *)(uintptr_t) "nobody";
	sql.tries = 10;
	sql.faults = 3;
	stranger.tries = over.count = odd.count = 3;
	t.members = members;
	t.failovers = ways;
	t.n_members = t.n_failovers = 2;
	figures_tries(f, &t, T0);
	figures_tries(f, &t, T0 + SEC);
	figures_sum(f, WINDOW_1M, T0 + SEC, &s);
	assert_int_equal(s.nodes[node("sql")].calls, 20);
	assert_int_equal(s.nodes[node("sql")].failed, 6);
	assert_int_equal(s.failovers[node("sql")][node("nosql")], 6);
	assert_int_equal(s.failovers[node("nosql")][node("sql")], 0);
	assert_int_equal(s.nodes[node("nosql")].calls, 0);
}

static void
who_stands_by_for_meta_is_counted_as_meta(void **unused)
{
	Mf__Tries t = MF__TRIES__INIT;
	Mf__MemberTries two = MF__MEMBER_TRIES__INIT, *members[] = { &two };
	Mf__Failovers over = MF__FAILOVERS__INIT, *ways[] = { &over };

	(void)unused;
	two.node = over.to = (char *)(uintptr_t) "meta-2";
	over.from = (char *)(uintptr_t) "meta";
	two.tries = over.count = 3;
	two.faults = 1;
	t.members = members;
	t.failovers = ways;
	t.n_members = t.n_failovers = 1;
	figures_tries(f, &t, T0);
	figures_sum(f, WINDOW_1M, T0, &s);
	assert_int_equal(s.nodes[node("meta")].calls, 3);
	assert_int_equal(s.nodes[node("meta")].failed, 1);
	assert_int_equal(s.failovers[node("meta")][node("meta")], 3);
}

/* --- through meta --- */

static struct result r;

static bool
is_told(void *ctx)
{
	figures_sum(mb.meta->figures, WINDOW_1M, loop_now(mb.loop), &s);
	return s.nodes[node("graphql")].calls >= *(const uint64_t *)ctx;
}

static void
who_answered_is_known_without_a_trace(void **unused)
{
	uint64_t wanted = 2; /* form and format */

	(void)unused;
	mb.rest.fails = ST_UNAVAILABLE;
	mb.means_meta = "health";
	RUN(&r, .api = "GET /health");
	assert_true(r.r->success);
	loop_run_until(mb.loop, is_told, &wanted, 10 * SEC);
	assert_int_equal(s.nodes[node("rest")].failed, s.nodes[node("rest")].calls);
	assert_true(s.failovers[node("rest")][node("graphql")] >= 1);
	RUN(&r, .meta = "figures", .token = "admin", .data = "{\"window\":\"1m\"}");
	assert_true(
	    result_has(&r, "{\"windows\":[{\"window\":\"1m\",\"requests\":1,\"success\":1"));
	assert_true(result_has(&r, "\"reliability\":1"));
	assert_true(result_has(&r, "\"from\":\"rest\",\"to\":\"graphql\""));
	assert_true(result_has(&r, "\"graphql\":{\"calls\":2,\"failed\":0}"));
}

static void
each_outcome_is_counted_once(void **unused)
{
	(void)unused;
	RUN(&r, .database = "read", .id = "x", .token = "alice");
	assert_true(r.r->success);
	RUN(&r, .database = "read", .id = "x", .token = "nobody");
	assert_int_equal(r.r->status, ST_UNAUTHENTICATED);
	RUN(&r, .database = "no such");
	assert_int_equal(r.failed, ST_INVALID_ARGUMENT);
	mb.database.fails = ST_UNAVAILABLE;
	RUN(&r, .database = "read", .id = "x", .token = "alice", .deadline_ms = 600);
	assert_false(r.r->success);
	mb.database.fails = ST_OK;
	mb.database.hangs = true;
	metabed_send(&r, &(const struct req){ .database = "read", .id = "x", .token = "alice" });
	metabed_pass(20 * MS);
	call_cancel(r.root);
	metabed_wait(&r);
	metabed_pass(20 * MS);
	figures_sum(mb.meta->figures, WINDOW_1H, loop_now(mb.loop), &s);
	assert_int_equal(s.outcomes[OUTCOME_SUCCESS], 1);
	assert_int_equal(s.outcomes[OUTCOME_REFUSED], 1);
	assert_int_equal(s.outcomes[OUTCOME_REJECTED], 1);
	assert_int_equal(s.outcomes[OUTCOME_FAILED], 1);
	assert_int_equal(s.outcomes[OUTCOME_CANCELLED], 1);
	assert_int_equal(s.requests, 5);
	assert_int_equal(s.domains[MF__DOMAIN__DOMAIN_DATABASE].failed, 1);
}

static void
all_windows_are_told_unless_one_is_asked_for(void **unused)
{
	(void)unused;
	RUN(&r, .meta = "figures", .token = "admin");
	assert_true(result_has(&r, "\"window\":\"1m\""));
	assert_true(result_has(&r, "\"window\":\"1h\""));
	assert_true(result_has(&r, "\"window\":\"24h\""));
	assert_true(result_has(&r, "\"reliability\":null,\"ci99\":null,\"p50_ms\":null"));
	RUN(&r, .meta = "figures", .token = "admin", .data = "{\"window\":\"1h\"}");
	assert_false(result_has(&r, "\"window\":\"1m\""));
	RUN(&r, .meta = "figures", .token = "admin", .data = "{\"window\":\"1d\"}");
	assert_int_equal(r.r->status, ST_INVALID_ARGUMENT);
	RUN(&r, .meta = "figures", .token = "bob");
	assert_int_equal(r.r->status, ST_PERMISSION_DENIED);
}

#define PURE(t) cmocka_unit_test_setup_teardown(t, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PURE(a_partial_success_counts_seven_tenths),
		PURE(without_requests_there_is_no_reliability),
		PURE(what_is_wrong_with_the_request_is_no_failure_of_ours),
		PURE(a_domain_fails_by_a_fault_only),
		PURE(each_window_forgets_in_its_own_time),
		PURE(tries_of_all_nodes_add_up_and_strangers_are_left_out),
		PURE(who_stands_by_for_meta_is_counted_as_meta),
		METABED(who_answered_is_known_without_a_trace),
		METABED(each_outcome_is_counted_once),
		METABED(all_windows_are_told_unless_one_is_asked_for),
	};

	return TEST_RUN(tests);
}
