/* scenario: what is asked of a fleet that is in use: about a namespace of its own, behind all others. */
#include <string.h>

#include "cli/reliability/scenario.h"
#include "harness/test.h"

#define SEED 7

static void
each(enum scenario_set set, const struct scenario_ask *k,
    void (*check)(const struct scenario *, const Mf__TaskRequest *))
{
	struct arena *a = arena_new(1u << 20);

	for (uint32_t i = 0; i < 200; i++) {
		struct scenario s = scenario_at(SEED, i, set);
		Mf__TaskRequest q;

		arena_reset(a);
		scenario_request(a, &s, k, &q);
		check(&s, &q);
	}
	arena_free(&a);
}

static struct pool *
a_pool(enum scenario_set set)
{
	static struct pool pool;
	static char doomed[2][200][UUID_LEN];

	pool.n_doomed = scenario_deletes(200, set);
	pool.doomed_tasks = doomed[0];
	pool.doomed_documents = doomed[1];
	return &pool;
}

static void
is_spaced_and_last(const struct scenario *s, const Mf__TaskRequest *q)
{
	(void)s;
	assert_int_equal(q->priority, MF__PRIORITY__LOW);
	if (q->database != NULL)
		assert_string_equal(q->database->namespace_, "reliability-1");
	else if (q->api != NULL) /* a form names no namespace: it may be about none */
		assert_string_equal(q->api->endpoint, "/health");
}

static void
all_that_is_made_and_read_is_in_the_namespace_and_comes_last(void **unused)
{
	const struct scenario_ask k = { .pool = a_pool(SCENARIOS_SPACED),
		.token = "t",
		.space = "reliability-1",
		.last = true };

	(void)unused;
	each(SCENARIOS_SPACED, &k, is_spaced_and_last);
}

static void
is_as_the_scenario_says(const struct scenario *s, const Mf__TaskRequest *q)
{
	assert_int_equal(q->priority, s->priority);
	if (q->database != NULL)
		assert_string_equal(q->database->namespace_, "");
}

static void
elsewhere_the_scenario_decides(void **unused)
{
	const struct scenario_ask k = { .pool = a_pool(SCENARIOS_ALL), .token = "t" };

	(void)unused;
	each(SCENARIOS_ALL, &k, is_as_the_scenario_says);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(all_that_is_made_and_read_is_in_the_namespace_and_comes_last),
		T(elsewhere_the_scenario_decides),
	};

	return TEST_RUN(tests);
}
