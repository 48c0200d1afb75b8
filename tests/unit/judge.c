/* How a measurement judges one request: from its trace, and as the specification defines a cascade failure. */
#include <string.h>

#include "base/time.h"
#include "cli/reliability/judge.h"
#include "harness/test.h"
#include "proto/meta.pb-c.h"

static Mf__Hop hops[16], *hop_list[16];
static size_t n_hops;
static Mf__TaskResponse answer;
static struct system out;
static struct record record;
static uint8_t draws;

static void
begin(void)
{
	n_hops = 0;
	draws = 0;
	memset(&out, 0, sizeof(out));
	record = (struct record){ .domains = DOMAINS_ALL };
	mf__task_response__init(&answer);
	answer.success = true;
}

/* A try from `at` on, for `took`. */
static void
hop(const char *node, uint64_t at, uint64_t took, enum status s, const char *reason)
{
	Mf__Hop *h = &hops[n_hops];

	mf__hop__init(h);
	h->node = (char *)(uintptr_t)node;
	h->attempt = 1;
	h->start_us = at;
	h->duration_us = took;
	h->code = s;
	h->reason = (char *)(uintptr_t)reason;
	hop_list[n_hops++] = h;
}

static void
fails_in(const char *domain)
{
	static char *failed[1];

	failed[0] = (char *)(uintptr_t)domain;
	answer.success = false;
	answer.status = ST_UNAVAILABLE;
	answer.n_failed_domains = 1;
	answer.failed_domains = failed;
}

/* "create task" is the first kind, and uses each domain once. */
static void
judged(const struct cause *c)
{
	const struct scenario s = { .kind = 0, .domains = DOMAINS_ALL };
	const struct call_end end = {
		.reply = &answer.base, .n_hops = n_hops, .hops = (const Mf__Hop *const *)hop_list
	};

	judge_federation(&record, &s, &end,
	    &(const struct judging){ .out = &out,
		.causes = c,
		.n_causes = c != NULL,
		.due_us = 10 * SEC,
		.draws = &draws });
}

static void
a_fault_that_a_second_try_masked_is_counted_and_nothing_has_failed(void **unused)
{
	(void)unused;
	begin();
	hop("meta", 0, 900, ST_OK, "");
	hop("database", 10, 100, ST_UNAVAILABLE, "FAULT_INJECTED");
	hop("database", 200, 500, ST_OK, "");
	judged(NULL);
	assert_int_equal(record.outcome, OUTCOME_SUCCESS);
	assert_int_equal(record.faults, MEMBER_BIT(MEMBER_DATABASE));
	assert_int_equal(record.failed, 0);
	assert_int_equal(record.flags, 0);
	assert_int_equal(record.tries, 3);
	assert_int_equal(out.hops[MEMBER_DATABASE].tries, 2);
	assert_int_equal(out.hops[MEMBER_DATABASE].own, 1);
}

static void
an_orchestrator_that_passes_on_what_its_agent_said_has_not_failed_itself(void **unused)
{
	(void)unused;
	begin();
	hop("meta", 0, 900, ST_OK, "");
	hop("database", 10, 800, ST_UNAVAILABLE, "FAULT_INJECTED");
	hop("sql", 20, 100, ST_UNAVAILABLE, "FAULT_INJECTED");
	hop("nosql", 200, 100, ST_UNAVAILABLE, "FAULT_INJECTED");
	fails_in("database");
	judged(NULL);
	assert_int_equal(record.faults, MEMBER_BIT(MEMBER_SQL) | MEMBER_BIT(MEMBER_NOSQL));
	assert_int_equal(record.failed, MEMBER_BIT(MEMBER_SQL) | MEMBER_BIT(MEMBER_NOSQL));
	assert_int_equal(out.hops[MEMBER_DATABASE].own, 0);
	assert_int_equal(out.hops[MEMBER_DATABASE].below, 1);
	assert_false(record.flags & RECORD_CASCADE);
}

static void
a_request_that_fails_in_a_domain_without_a_fault_of_its_own_is_a_cascade(void **unused)
{
	(void)unused;
	begin();
	hop("meta", 0, 900, ST_OK, "");
	hop("auth", 10, 100, ST_UNAVAILABLE, "FAULT_INJECTED");
	hop("auth", 200, 100, ST_OK, "");
	hop("database", 10, 800, ST_UNAVAILABLE, "NO_MEMBER");
	fails_in("database");
	judged(NULL);
	assert_true(record.flags & RECORD_CASCADE);
	assert_int_equal(record.failed, MEMBER_BIT(MEMBER_DATABASE));
}

static void
a_domain_that_was_not_even_tried_is_a_cascade(void **unused)
{
	(void)unused;
	begin();
	hop("meta", 0, 900, ST_OK, "");
	fails_in("api");
	answer.partial_success = true;
	judged(NULL);
	assert_int_equal(record.outcome, OUTCOME_PARTIAL);
	assert_true(record.flags & RECORD_CASCADE);
	assert_int_equal(record.failed, MEMBER_BIT(MEMBER_API));
}

static void
a_call_that_meta_refused_is_a_cascade_unless_meta_was_told_to_fail(void **unused)
{
	const struct scenario s = { .kind = 0, .domains = DOMAINS_ALL };
	const struct failure refused = {
		.status = ST_RESOURCE_EXHAUSTED, .message = "", .reason = "NO_SLOT", .retry_ms = 50
	};
	struct call_end end = { .failure = &refused, .hops = (const Mf__Hop *const *)hop_list };

	(void)unused;
	begin();
	hop("meta", 0, 100, ST_RESOURCE_EXHAUSTED, "NO_SLOT");
	end.n_hops = n_hops;
	judge_federation(&record, &s, &end, &(const struct judging){ .out = &out });
	assert_true(record.flags & RECORD_CASCADE);
	assert_true(record.flags & RECORD_SHED);
	begin();
	hop("meta", 0, 100, ST_UNAVAILABLE, "FAULT_INJECTED");
	end.n_hops = n_hops;
	judge_federation(&record, &s, &end, &(const struct judging){ .out = &out });
	assert_int_equal(record.failed, MEMBER_BIT(MEMBER_META));
	assert_false(record.flags & RECORD_CASCADE);
}

static void
the_first_try_of_an_agent_is_what_the_baseline_meets(void **unused)
{
	(void)unused;
	begin();
	hop("meta", 0, 900, ST_OK, "");
	hop("rest", 5, 100, ST_INTERNAL, "BAD_ANSWER");
	hop("graphql", 105, 100, ST_OK, "");
	hop("jwt", 5, 100, ST_OK, "");
	judged(NULL);
	assert_int_equal(
	    draws, DRAW_KNOWN(DOMAIN_API) | DRAW_FAULT(DOMAIN_API) | DRAW_KNOWN(DOMAIN_AUTH));
	assert_true(record.flags & RECORD_FAILOVER);
}

static void
who_needs_a_store_that_is_down_has_met_that_and_others_have_not(void **unused)
{
	const struct cause sql = { .members = MEMBER_BIT(MEMBER_SQL), .from_us = 9 * SEC },
			   nosql = { .members = MEMBER_BIT(MEMBER_NOSQL), .from_us = 9 * SEC };

	(void)unused;
	begin();
	fails_in("database");
	judged(&sql);
	assert_true(record.flags & RECORD_COMMON);
	assert_false(record.flags & RECORD_CASCADE);
	begin();
	fails_in("database");
	judged(&nosql);
	assert_false(record.flags & RECORD_COMMON);
	assert_true(record.flags & RECORD_CASCADE);
}

static void
a_domain_that_still_fails_a_second_after_its_cause_is_a_cascade(void **unused)
{
	const struct cause just = { MEMBER_BIT(MEMBER_SQL), 8 * SEC, 9 * SEC + 500 * MS },
			   long_ago = { MEMBER_BIT(MEMBER_SQL), 7 * SEC, 8 * SEC + 900 * MS };

	(void)unused;
	begin();
	fails_in("database");
	judged(&just);
	assert_false(record.flags & RECORD_CASCADE);
	begin();
	fails_in("database");
	judged(&long_ago);
	assert_true(record.flags & RECORD_CASCADE);
}

static void
in_the_baseline_who_fails_without_a_draw_was_taken_down_by_another(void **unused)
{
	const struct scenario s = { .kind = 0, .domains = DOMAINS_ALL };
	const struct failure lost = { .status = ST_UNAVAILABLE, .message = "", .reason = "" };
	const struct call_end end = { .failure = &lost };

	(void)unused;
	begin();
	judge_single(&record, &s, 0, &end);
	assert_true(record.flags & RECORD_CASCADE);
	begin();
	judge_single(&record, &s, DRAW_FAULT(DOMAIN_AUTH) | DRAW_CRASH, &end);
	assert_int_equal(record.flags, RECORD_CRASH);
	assert_int_equal(record.faults, MEMBER_BIT(MEMBER_JWT));
}

static void
scenarios_are_spread_evenly_and_the_same_seed_gives_the_same(void **unused)
{
	unsigned of_kind[32] = { 0 }, n = 0;

	(void)unused;
	assert_true(scenario_kinds() < 32);
	for (uint32_t i = 0; i < 10 * (uint32_t)scenario_kinds(); i++) {
		struct scenario a = scenario_at(7, i, SCENARIOS_ALL),
				b = scenario_at(7, i, SCENARIOS_ALL);

		assert_memory_equal(&a, &b, sizeof(a));
		assert_in_range(a.priority, MF__PRIORITY__CRITICAL, MF__PRIORITY__LOW);
		of_kind[a.kind]++;
	}
	for (size_t k = 0; k < scenario_kinds(); k++)
		assert_int_equal(of_kind[k], 10);
	for (uint32_t i = 0; i < 100; i++)
		n += scenario_at(7, i, SCENARIOS_WHOLE).domains == DOMAINS_ALL;
	assert_int_equal(n, 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_fault_that_a_second_try_masked_is_counted_and_nothing_has_failed),
		cmocka_unit_test(
		    an_orchestrator_that_passes_on_what_its_agent_said_has_not_failed_itself),
		cmocka_unit_test(
		    a_request_that_fails_in_a_domain_without_a_fault_of_its_own_is_a_cascade),
		cmocka_unit_test(a_domain_that_was_not_even_tried_is_a_cascade),
		cmocka_unit_test(
		    a_call_that_meta_refused_is_a_cascade_unless_meta_was_told_to_fail),
		cmocka_unit_test(the_first_try_of_an_agent_is_what_the_baseline_meets),
		cmocka_unit_test(who_needs_a_store_that_is_down_has_met_that_and_others_have_not),
		cmocka_unit_test(a_domain_that_still_fails_a_second_after_its_cause_is_a_cascade),
		cmocka_unit_test(
		    in_the_baseline_who_fails_without_a_draw_was_taken_down_by_another),
		cmocka_unit_test(scenarios_are_spread_evenly_and_the_same_seed_gives_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
