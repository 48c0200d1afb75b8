/* storm: retries over four hops, each with its budget, and what they make of failures: too few are
 * lost requests, too many are a storm. Virtual time, nothing else. */
#include "base/id.h"
#include "base/time.h"
#include "bus/retry.h"
#include "harness/test.h"

enum { AGENT, META, DOMAIN, STORE_AGENT, HOPS }; /* who is called on it */

static struct retry_budget budget[HOPS];
static double error[HOPS];
static bool silent; /* failures are tries over their limit: no answer says anything */
static struct rng rng;
static int64_t now;
static uint64_t tries, firsts, per_hop[HOPS], firsts_of[HOPS];

static int
fresh(void **state)
{
	now = 1000 * SEC;
	silent = false;
	rng_seed(&rng, 11);
	for (int i = 0; i < HOPS; i++) {
		retry_budget_init(&budget[i], now);
		error[i] = 0;
	}
	return test_log_mark(state);
}

static bool call(int hop, bool retried);

/* What the server of this hop makes of a call. *spent: as its answer says. */
static bool
serve(int hop, bool retried, bool *spent)
{
	*spent = false;
	if (rng_unit(&rng) < error[hop])
		return false;
	if (hop + 1 == HOPS || call(hop + 1, retried))
		return true;
	*spent = !silent;
	return false;
}

static bool
call(int hop, bool retried)
{
	int64_t delay;
	bool spent;

	retry_budget_first(&budget[hop], 0.3, retried);
	firsts += !retried;
	firsts_of[hop] += !retried;
	for (uint32_t n = 1;; n++) {
		bool well = serve(hop, retried || n > 1, &spent);
		struct retry_case c = { .class = METHOD_READ,
			.status = ST_UNAVAILABLE,
			.reason = "",
			.tries = n,
			.left_us = 30 * SEC,
			.late = silent,
			.retried = retried,
			.spent = spent };

		tries++;
		per_hop[hop]++;
		retry_budget_ended(&budget[hop], !well, now);
		if (well || !retry_next(&c, &budget[hop], now, 0.5, &delay))
			return well;
	}
}

/* n requests, 10 000 a second; how many failed. */
static unsigned
run(unsigned n)
{
	unsigned failed = 0;

	tries = firsts = 0;
	for (int i = 0; i < HOPS; i++)
		per_hop[i] = firsts_of[i] = 0;
	for (unsigned i = 0; i < n; i++) {
		now += 100;
		failed += !call(0, false);
	}
	return failed;
}

static void
set_errors(double agent, double meta, double domain, double store_agent)
{
	error[AGENT] = agent;
	error[META] = meta;
	error[DOMAIN] = domain;
	error[STORE_AGENT] = store_agent;
}

/* What comes back of tokens by time alone, on all hops, while n requests run. */
static double
by_time(unsigned n)
{
	return HOPS * RETRY_QUIET_RATE * n / 10000.0;
}

static void
at_the_error_rates_of_the_specification_nearly_nothing_is_lost(void **unused)
{
	(void)unused;
	set_errors(0.12, 0.05, 0.08, 0.12);
	assert_true(run(1000000) < 100);
	for (int i = 0; i < HOPS; i++)
		assert_true(budget[i].calm > 0.9 * RETRY_CALM);
}

static void
just_below_a_storm_each_level_still_tries(void **unused)
{
	(void)unused;
	set_errors(0.2, 0.2, 0.2, 0.2);
	assert_true(run(200000) < 200000 / 1000);
}

static void
with_one_level_failing_all_tries_together_are_bounded(void **unused)
{
	unsigned n = 100000;

	(void)unused;
	for (int level = 0; level < HOPS; level++)
		for (int quiet = 0; quiet < 2; quiet++) {
			fresh(unused);
			silent = quiet;
			error[level] = 1;
			(void)run(20000); /* what was saved up before is spent */
			assert_int_equal(run(n), n);
			assert_true(tries <= 1.3 * firsts + by_time(n));
			for (int i = 0; i <= level; i++)
				assert_true(per_hop[i] <= 1.3 * n + by_time(n));
		}
}

static void
the_lowest_level_that_sees_the_failure_makes_the_retries(void **unused)
{
	unsigned n = 100000;

	(void)unused;
	error[STORE_AGENT] = 1;
	(void)run(20000);
	(void)run(n);
	for (int i = 0; i < STORE_AGENT; i++)
		assert_true(per_hop[i] <= n + by_time(n));
	assert_true(per_hop[STORE_AGENT] >= 1.29 * n);
}

static void
a_storm_on_every_level_is_bounded_too(void **unused)
{
	(void)unused;
	for (double e = 0.4; e < 1; e += 0.1) {
		fresh(unused);
		set_errors(e, e, e, e);
		(void)run(20000);
		(void)run(100000);
		for (int i = 0; i < HOPS; i++)
			assert_true(per_hop[i] <= 1.31 * firsts_of[i] + by_time(100000));
	}
}

static void
after_a_storm_it_is_calm_again_at_once(void **unused)
{
	(void)unused;
	error[STORE_AGENT] = 1;
	(void)run(50000);
	assert_false(retry_budget_calm(&budget[STORE_AGENT]));
	set_errors(0.12, 0.05, 0.08, 0.12);
	(void)run(2000); /* a fifth of a second */
	assert_true(run(200000) < 20);
	assert_true(retry_budget_calm(&budget[STORE_AGENT]));
}

static void
a_burst_of_lost_calls_is_no_storm(void **unused)
{
	(void)unused;
	for (int i = 0; i < 249; i++)
		retry_budget_ended(&budget[0], true, now);
	assert_true(retry_budget_calm(&budget[0]));
	retry_budget_ended(&budget[0], true, now);
	assert_false(retry_budget_calm(&budget[0]));
	retry_budget_ended(&budget[0], false, now + 1 * SEC);
	assert_true(retry_budget_calm(&budget[0])); /* a quiet second has passed */
}

#define S(f) cmocka_unit_test_setup_teardown(f, fresh, test_log_check)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		S(at_the_error_rates_of_the_specification_nearly_nothing_is_lost),
		S(just_below_a_storm_each_level_still_tries),
		S(with_one_level_failing_all_tries_together_are_bounded),
		S(the_lowest_level_that_sees_the_failure_makes_the_retries),
		S(a_storm_on_every_level_is_bounded_too),
		S(after_a_storm_it_is_calm_again_at_once),
		S(a_burst_of_lost_calls_is_no_storm),
	};

	return TEST_RUN(tests);
}
