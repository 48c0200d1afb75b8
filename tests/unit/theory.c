/* theory: the numbers of spec/1-federation.md, and the best shapes. */
#include <math.h>
#include "cli/reliability/theory.h"
#include "harness/test.h"

static const struct rates rates = { .meta = 0.05, .domain = 0.08, .agent = 0.12 };

static void
near(double got, double want, double most)
{
	if (fabs(got - want) > most)
		fail_msg("%.17g is not %.17g", got, want);
}

static void
the_numbers_of_the_specification_come_out(void **unused)
{
	struct tries one = { 1, 1, 3 }, two = { 2, 2, 3 }, three = { 3, 3, 3 };
	double one_on_path;

	(void)unused;
	near(theory_stage(0.12, 1), 0.88, 1e-15);
	near(theory_stage(0.12, 3), 0.998272, 1e-12);
	/* one try at the orchestrators and at meta, one orchestrator on the path */
	one_on_path = pow(theory_stage(0.12, 3), 3) * 0.92 * 0.95;
	near(one_on_path, 0.8695, 5e-5);
	near(theory_request(&rates, &one, 1) * pow(theory_stage(0.12, 3), 2), one_on_path, 1e-12);
	assert_true(theory_request(&rates, &one, 3) < one_on_path);
	near(theory_request(&rates, &two, 3), 0.9734066812589122, 1e-12);
	near(theory_request(&rates, &three, 3), 0.9931735216828983, 1e-12);
	near(theory_baseline(0.12, 3), 0.88 * 0.88 * 0.88, 1e-15);
}

static void
a_request_that_uses_no_domain_needs_meta_alone(void **unused)
{
	struct tries two = { 2, 2, 3 };

	(void)unused;
	near(theory_request(&rates, &two, 0), 1 - 0.05 * 0.05, 1e-15);
	near(theory_baseline(0.12, 0), 1, 0);
}

static void
retries_of_retries_do_not_make_it_worse(void **unused)
{
	struct tries one = { 1, 1, 1 };

	(void)unused;
	near(theory_nested(&rates, &one, 3), theory_request(&rates, &one, 3), 1e-12);
	for (uint32_t k = 1; k < 6; k++)
		for (uint32_t d = 0; d <= DOMAINS; d++) {
			struct tries t = { k, k, k };

			assert_true(
			    theory_nested(&rates, &t, d) >= theory_request(&rates, &t, d) - 1e-12);
		}
}

static void
shapes_multiply_levels_and_share_failures_of_members(void **unused)
{
	(void)unused;
	near(theory_depth_breadth(0.12, 1, 1), 0.88, 1e-15);
	near(theory_depth_breadth(0.12, 3, 3), pow(0.998272, 3), 1e-12);
	assert_true(theory_depth_breadth(0.12, 1, 9) > theory_depth_breadth(0.12, 3, 5));
	assert_true(theory_depth_breadth(0.12, 3, 5) > theory_depth_breadth(0.12, 2, 3));
}

static void
a_common_cause_is_what_redundancy_does_not_help_against(void **unused)
{
	(void)unused;
	near(theory_common_cause(0.12, 0, 3, 3), theory_depth_breadth(0.12, 3, 3), 1e-15);
	/* one member alone fails as often, wherever it comes from */
	near(theory_common_cause(0.12, 0.3, 1, 1), 0.88, 1e-12);
	/* all of it common: nine members are one */
	near(theory_common_cause(0.12, 1, 1, 9), 0.88, 1e-12);
	assert_true(theory_common_cause(0.12, 0.1, 1, 9) < 1 - 0.1 * 0.12 + 1e-12);
}

/* Every composition of a small budget, one after another. */
static double
best_by_hand(const struct theory_level *l, uint32_t budget)
{
	double best = 0;

	for (uint32_t a = 1; a <= budget; a++)
		for (uint32_t b = 1; b <= budget; b++)
			for (uint32_t c = 1; c <= budget; c++)
				if (a * l[0].cost + b * l[1].cost + c * l[2].cost <= budget)
					best = fmax(best, theory_stage(l[0].error, a) *
							      theory_stage(l[1].error, b) *
							      theory_stage(l[2].error, c));
	return best;
}

static void
the_best_plan_is_the_best_of_all_compositions(void **unused)
{
	static const struct theory_level levels[][3] = {
		{ { 0.05, 1 }, { 0.08, 1 }, { 0.12, 1 } },
		{ { 0.05, 5 }, { 0.08, 2 }, { 0.12, 1 } },
		{ { 0.5, 3 }, { 0.01, 1 }, { 0.3, 2 } },
	};

	(void)unused;
	for (int i = 0; i < 3; i++)
		for (uint32_t budget = 8; budget <= 24; budget++) {
			struct theory_plan p = theory_best(levels[i], 3, budget);
			uint32_t cost = 0, n = 0;

			near(p.reliability, best_by_hand(levels[i], budget), 1e-12);
			for (int k = 0; k < 3; k++) {
				cost += p.members[k] * levels[i][k].cost;
				n += p.members[k];
			}
			assert_int_equal(cost, p.cost);
			assert_int_equal(n, p.processes);
			assert_true(cost <= budget);
		}
}

static void
a_budget_that_leaves_a_level_empty_has_no_plan(void **unused)
{
	static const struct theory_level levels[] = { { 0.1, 2 }, { 0.1, 2 } };

	(void)unused;
	assert_true(theory_best(levels, 2, 3).reliability == 0);
	assert_true(theory_best(levels, 2, 4).reliability > 0.8);
}

static void
a_level_that_never_fails_gets_one_member(void **unused)
{
	static const struct theory_level levels[] = { { 0, 1 }, { 0.2, 1 } };
	struct theory_plan p = theory_best(levels, 2, 5);

	(void)unused;
	assert_int_equal(p.members[0], 1);
	assert_int_equal(p.members[1], 4);
}

static void
the_federation_gives_its_weakest_stage_more(void **unused)
{
	static const struct theory_costs even = { 1, 1, 1 }, uneven = { 3, 2, 1 };
	struct theory_plan p = theory_best_federation(&rates, &even, 13);

	(void)unused;
	assert_int_equal(p.processes, 13);
	assert_true(p.members[THEORY_STAGES - 1] >= p.members[0]);
	assert_true(theory_best_federation(&rates, &even, 6).reliability == 0);
	assert_true(theory_best_federation(&rates, &even, 21).reliability > p.reliability);
	p = theory_best_federation(&rates, &uneven, 24);
	assert_true(p.cost <= 24 && p.processes < 24);
	assert_true(p.reliability < theory_best_federation(&rates, &even, 24).reliability);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_numbers_of_the_specification_come_out),
		T(a_request_that_uses_no_domain_needs_meta_alone),
		T(retries_of_retries_do_not_make_it_worse),
		T(shapes_multiply_levels_and_share_failures_of_members),
		T(a_common_cause_is_what_redundancy_does_not_help_against),
		T(the_best_plan_is_the_best_of_all_compositions),
		T(a_budget_that_leaves_a_level_empty_has_no_plan),
		T(a_level_that_never_fails_gets_one_member),
		T(the_federation_gives_its_weakest_stage_more),
	};

	return TEST_RUN(tests);
}
