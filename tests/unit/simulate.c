/* simulate: what is drawn agrees with what is calculated, with seeds that stay. */
#include <string.h>
#include "cli/reliability/simulate.h"
#include "cli/reliability/stats.h"
#include "cli/reliability/theory.h"
#include "harness/test.h"

#define N 100000

static const struct rates rates = { .meta = 0.05, .domain = 0.08, .agent = 0.12 };

/* Seeds are fixed: an interval this wide misses the truth once in a thousand seeds, and these it
 * does not. */
static void
inside(struct simulated s, double truth)
{
	struct interval i = stat_wilson(s.ok, s.n, 0.999);

	if (truth < i.lo || truth > i.hi)
		fail_msg("%.6f is not from %.6f to %.6f", truth, i.lo, i.hi);
}

static void
each_shape_of_the_specification_is_simulated_as_it_is_calculated(void **unused)
{
	(void)unused;
	for (int i = 0; i < THEORY_SHAPES; i++) {
		const struct theory_shape *t = &theory_shapes[i];

		inside(simulate_shape(0.12, t->depth, t->breadth, NULL, N, 42),
		    theory_depth_breadth(0.12, t->depth, t->breadth));
	}
}

static void
common_causes_cost_what_the_beta_factor_says(void **unused)
{
	static const struct common_cause tenth = { .share = 0.1 }, all = { .share = 1 };
	struct simulated s = simulate_shape(0.12, 3, 3, &tenth, N, 42);

	(void)unused;
	inside(s, theory_common_cause(0.12, 0.1, 3, 3));
	assert_true(s.faults_common > 0 && s.faults_common < s.faults);
	s = simulate_shape(0.12, 1, 9, &all, N, 42);
	inside(s, 0.88);
	assert_int_equal(s.faults_common, s.faults);
}

static void
the_federation_is_simulated_as_it_is_calculated(void **unused)
{
	(void)unused;
	for (uint32_t k = 1; k <= 3; k++)
		for (uint32_t d = 0; d <= DOMAINS; d++) {
			struct simulate_opts o = {
				.rates = rates, .tries = { k, k, 3 }, .domains = d
			};

			inside(simulate_federation(&o, N, 7), theory_request(&rates, &o.tries, d));
			o.nested = true;
			inside(simulate_federation(&o, N, 8), theory_nested(&rates, &o.tries, d));
		}
}

static void
a_store_that_is_down_fails_the_requests_that_use_its_domain(void **unused)
{
	struct simulate_opts o = { .tries = { 3, 3, 3 },
		.domains = DOMAINS,
		.nested = true,
		.common = { .store_down = 0.2 } };
	struct simulated s = simulate_federation(&o, N, 7);

	(void)unused;
	inside(s, 0.8); /* whatever is tried again */
	assert_int_equal(s.n - s.ok, s.faults_common);
	o.domains = 1; /* hit one time in three */
	inside(simulate_federation(&o, N, 7), 1 - 0.2 / 3);
}

static void
a_level_that_is_slow_fails_whatever_is_tried_on_it(void **unused)
{
	struct simulate_opts o = {
		.tries = { 3, 3, 3 }, .domains = DOMAINS, .common = { .level_slow = 0.1 }
	};

	(void)unused;
	inside(simulate_federation(&o, N, 7), 0.9);
	o.nested = true;
	inside(simulate_federation(&o, N, 7), 0.9);
}

static void
the_same_seed_draws_the_same_and_another_one_does_not(void **unused)
{
	const struct simulate_opts o = { .rates = rates, .tries = { 2, 2, 3 }, .domains = DOMAINS };
	struct simulated a = simulate_federation(&o, N, 1), b = simulate_federation(&o, N, 1);
	struct simulated c = simulate_federation(&o, N, 2);

	(void)unused;
	assert_memory_equal(&a, &b, sizeof(a));
	assert_true(c.ok != a.ok || c.faults != a.faults);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_shape_of_the_specification_is_simulated_as_it_is_calculated),
		T(common_causes_cost_what_the_beta_factor_says),
		T(the_federation_is_simulated_as_it_is_calculated),
		T(a_store_that_is_down_fails_the_requests_that_use_its_domain),
		T(a_level_that_is_slow_fails_whatever_is_tried_on_it),
		T(the_same_seed_draws_the_same_and_another_one_does_not),
	};

	return TEST_RUN(tests);
}
