/* isolation: what becomes of requests while domains are lost, hung and back, and what everybody is
 * told of it. Over the metabed: the orchestrator itself, domains that a test takes away. */
#include <string.h>

#include "base/time.h"
#include "bus/inside.h"
#include "harness/metabed.h"
#include "meta/isolation.h"

static Mf__FleetMode *told[64];
static size_t n_told;
static int64_t told_us;

static void
on_mode(void *ctx, const char *node, const Mf__Event *e)
{
	(void)ctx, (void)node;
	assert_true(n_told < 64);
	told[n_told++] = mf__fleet_mode__unpack(NULL, e->payload.len, e->payload.data);
	assert_non_null(told[n_told - 1]);
	told_us = time_now_us();
}

static int
start(void **state)
{
	int r = metabed_start(state);

	n_told = 0;
	bus_subscribe(mb.bus, "meta", "fleet.mode", on_mode, NULL, NULL);
	isolation_look(mb.meta->isolation); /* all are there */
	return r;
}

static int
stop(void **state)
{
	while (n_told > 0)
		mf__fleet_mode__free_unpacked(told[--n_told], NULL);
	return metabed_stop(state);
}
#define ISOLATION(f) cmocka_unit_test_setup_teardown(f, start, stop)

static const Mf__FleetMode *
newest(void)
{
	assert_true(n_told > 0);
	return told[n_told - 1];
}

static void
lose(const char *domain)
{
	peer_down(peer_get(mb.bus, domain));
	isolation_look(mb.meta->isolation); /* in a fleet the report of its process does this */
}

static void
give_back(const char *domain)
{
	peer_up(peer_get(mb.bus, domain));
	isolation_look(mb.meta->isolation);
}

static bool
is_told(void *ctx)
{
	const char *domain = ctx;
	const Mf__FleetMode *m = n_told == 0 ? NULL : newest();

	return m != NULL && (domain == NULL ? strcmp(m->mode, "normal") == 0 && m->n_isolated == 0
					    : has_name(m->n_isolated, m->isolated, domain));
}

/* domain NULL: that all is well. */
static void
wait_told(const char *domain)
{
	loop_run_until(mb.loop, is_told, (void *)(uintptr_t)domain, 20 * SEC);
	assert_true(is_told((void *)(uintptr_t)domain));
}

static void
what_needs_an_isolated_domain_fails_at_once_and_the_rest_goes_on(void **unused)
{
	struct result r;

	(void)unused;
	test_expect_log(LOG_WARN, 2);
	lose("database");
	wait_told("database");
	RUN(&r, .api = "POST /tasks", .database = "create", .id = "id-1", .token = "alice",
	    .permission = "task.create", .trace = true);
	assert_true(r.r->partial_success);
	assert_true(r.r->cascade_prevented);
	assert_true(has_name(r.r->n_successful_domains, r.r->successful_domains, "api"));
	assert_true(has_name(r.r->n_successful_domains, r.r->successful_domains, "auth"));
	assert_int_equal(r.r->n_failed_domains, 1);
	assert_string_equal(r.r->failed_domains[0], "database");
	assert_string_equal(r.r->problem->reason, "ISOLATED");
	assert_true(r.r->problem->retry_delay_ms >= 500);
	assert_int_equal(trace_level(r.r, 1)->n_hops, 3);
	assert_true(r.took_us < 400 * MS); /* nobody waited for it: that would be 500 ms */
	assert_int_equal(mb.writes, 0);
	RUN(&r, .token = "alice", .auth_operation = "verify");
	assert_true(r.r->success);
}

static void
least_important_requests_are_shed_meanwhile_and_let_in_again(void **unused)
{
	struct result r;

	(void)unused;
	test_expect_log(LOG_WARN, 2);
	lose("database");
	wait_told("database");
	assert_string_equal(newest()->mode, "shedding");
	assert_int_equal(newest()->least_priority, MF__PRIORITY__MEDIUM);
	RUN(&r, .token = "alice", .auth_operation = "verify", .priority = MF__PRIORITY__LOW);
	assert_int_equal(r.failed, ST_RESOURCE_EXHAUSTED);
	assert_string_equal(r.reason, "SHED");
	assert_true(r.retry_ms >= 1000);
	assert_true(r.took_us < 100 * MS);
	RUN(&r, .token = "alice", .auth_operation = "verify", .priority = MF__PRIORITY__CRITICAL);
	assert_true(r.r->success);
	RUN(&r, .meta = "health", .priority = MF__PRIORITY__LOW);
	assert_true(r.r->success);
	give_back("database");
	wait_told(NULL);
	RUN(&r, .database = "read", .id = "x", .token = "alice", .priority = MF__PRIORITY__LOW);
	assert_true(r.r->success);
	assert_true(n_told <= 5); /* isolated, no longer, LOW let in again, normal */
}

static void
a_change_is_heard_in_under_50_ms(void **unused)
{
	int64_t began;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	for (int i = 0; i < 3; i++)
		isolation_unsound(mb.meta->isolation, true);
	began = time_now_us();
	while (n_told == 0)
		metabed_pass(MS);
	/* the decision is made at the next look, the announcement leaves with it */
	assert_string_equal(newest()->mode, "essential");
	assert_true(told_us - began < 50 * MS);
	isolation_unsound(mb.meta->isolation, false);
}

static void
a_restart_in_time_is_no_isolation(void **unused)
{
	struct result r;

	(void)unused;
	lose("database");
	metabed_send(&r, &(const struct req){ .database = "read", .id = "x", .token = "alice" });
	metabed_pass(300 * MS);
	give_back("database");
	metabed_wait(&r);
	assert_true(r.r->success);
	metabed_pass(600 * MS);
	assert_int_equal(n_told, 0);
}

static void
a_hung_domain_is_isolated_and_comes_back_when_it_lives_again(void **unused)
{
	uint64_t before = log_count(LOG_WARN);
	struct result hung, r;

	(void)unused;
	peer_get(mb.bus, "database")->mute = true;
	metabed_send(&hung, &(const struct req){ .database = "read", .id = "x", .token = "alice" });
	wait_told("database");
	RUN(&r, .database = "read", .id = "x", .token = "alice");
	assert_string_equal(r.r->problem->reason, "ISOLATED");
	peer_get(mb.bus, "database")->mute = false;
	wait_told(NULL);
	metabed_wait(&hung);
	RUN(&r, .database = "read", .id = "x", .token = "alice");
	assert_true(r.r->success);
	/* the bus has noticed, too, as often as it looked */
	test_expect_log(LOG_WARN, (unsigned)(log_count(LOG_WARN) - before));
}

static void
without_auth_what_is_kept_goes_on_and_nothing_fails_open(void **unused)
{
	struct result r;

	(void)unused;
	test_expect_log(LOG_WARN, 2);
	lose("auth");
	wait_told("auth");
	RUN(&r, .database = "read", .id = "x", .token = "alice");
	assert_int_equal(r.r->status, ST_UNAVAILABLE);
	assert_string_equal(r.r->problem->reason, "ISOLATED");
	assert_false(r.r->partial_success);
	assert_int_equal(mb.reads, 0);
}

static void
with_unsound_results_in_a_row_only_essential_services_go_on(void **unused)
{
	struct result r;

	(void)unused;
	test_expect_log(LOG_WARN, 2); /* essential; all LOW refused on the way back */
	for (int i = 0; i < 3; i++)
		isolation_unsound(mb.meta->isolation, true);
	while (n_told == 0)
		metabed_pass(MS);
	RUN(&r, .database = "create", .id = "x", .token = "alice",
	    .priority = MF__PRIORITY__CRITICAL);
	assert_int_equal(r.failed, ST_RESOURCE_EXHAUSTED);
	assert_string_equal(r.reason, "ESSENTIAL_ONLY");
	assert_true(r.retry_ms != 0);
	assert_int_equal(mb.writes, 0);
	RUN(&r, .meta = "fleet", .token = "admin");
	assert_true(result_has(&r, "\"mode\":\"essential\""));
	RUN(&r, .database = "read", .id = "x", .token = "alice"); /* a sound one */
	assert_true(r.r->success);
	wait_told(NULL);
	RUN(&r, .database = "create", .id = "x", .token = "alice");
	assert_true(r.r->success);
}

static void
unsound_results_are_forgotten_though_nobody_asks_for_more(void **unused)
{
	struct result r;

	(void)unused;
	test_expect_log(LOG_WARN, 2);
	for (int i = 0; i < 3; i++)
		isolation_unsound(mb.meta->isolation, true);
	while (n_told == 0)
		metabed_pass(MS);
	assert_string_equal(newest()->mode, "essential");
	wait_told(NULL);
	RUN(&r, .database = "create", .id = "x", .token = "alice");
	assert_true(r.r->success);
}

static void
steady_errors_of_a_domain_isolate_nothing(void **unused)
{
	struct result r[48];

	(void)unused;
	for (int i = 0; i < 48; i++) {
		mb.database.fails = i % 8 == 0 ? ST_INTERNAL : ST_OK;
		RUN(&r[i], .database = "read", .id = "x", .token = "alice");
		assert_int_equal(r[i].r->success, i % 8 != 0);
	}
	assert_int_equal(n_told, 0);
}

static void
a_domain_that_says_what_it_lacks_is_asked_on(void **unused)
{
	struct result r[8];

	(void)unused;
	mb.database.fails = ST_UNAVAILABLE; /* reason DOWN, as it says itself */
	for (int i = 0; i < 5; i++) {
		for (int k = 0; k < 6; k++)
			metabed_send(&r[k],
			    &(const struct req){ .database = "read", .id = "x", .token = "alice" });
		for (int k = 0; k < 6; k++) {
			metabed_wait(&r[k]);
			assert_string_equal(r[k].r->problem->reason, "DOWN");
		}
	}
	assert_int_equal(n_told, 0);
}

static void
short_deadlines_of_a_client_are_held_against_nobody(void **unused)
{
	struct result r;

	(void)unused;
	RUN(&r, .database = "read", .id = "x", .token = "alice"); /* the permission is kept */
	mb.database.hangs = true;
	for (int i = 0; i < 24; i++) {
		RUN(&r, .database = "read", .id = "x", .token = "alice", .deadline_ms = 12);
		assert_int_equal(r.r->status, ST_DEADLINE_EXCEEDED);
	}
	mb.database.hangs = false;
	for (int i = 0; i < 24; i++) {
		RUN(&r, .database = "read", .id = "x", .token = "alice");
		assert_true(r.r->success);
	}
}

static void
the_fleet_names_who_is_isolated(void **unused)
{
	struct result r;

	(void)unused;
	test_expect_log(LOG_WARN, 2);
	lose("api");
	wait_told("api");
	RUN(&r, .meta = "fleet", .token = "admin");
	assert_true(result_has(&r, "\"mode\":\"throttled\""));
	assert_true(result_has(&r, "\"isolated\":[\"api\"]"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ISOLATION(what_needs_an_isolated_domain_fails_at_once_and_the_rest_goes_on),
		ISOLATION(least_important_requests_are_shed_meanwhile_and_let_in_again),
		ISOLATION(a_change_is_heard_in_under_50_ms),
		ISOLATION(a_restart_in_time_is_no_isolation),
		ISOLATION(a_hung_domain_is_isolated_and_comes_back_when_it_lives_again),
		ISOLATION(without_auth_what_is_kept_goes_on_and_nothing_fails_open),
		ISOLATION(with_unsound_results_in_a_row_only_essential_services_go_on),
		ISOLATION(unsound_results_are_forgotten_though_nobody_asks_for_more),
		ISOLATION(steady_errors_of_a_domain_isolate_nothing),
		ISOLATION(a_domain_that_says_what_it_lacks_is_asked_on),
		ISOLATION(short_deadlines_of_a_client_are_held_against_nobody),
		ISOLATION(the_fleet_names_who_is_isolated),
	};

	return TEST_RUN(tests);
}
