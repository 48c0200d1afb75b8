/* thresholds: what makes a domain suspect to meta, as specification 1 has it (cascade prevention),
 * per class of method; and that meta's ways to the domains are limited. */
#include <string.h>
#include "bus/inside.h"
#include "harness/metabed.h"

static struct target *
towards(const char *member)
{
	return strcmp(member, "api") == 0    ? mb.meta->api
	       : strcmp(member, "auth") == 0 ? mb.meta->auth
	                                     : mb.meta->database;
}

static int64_t
slow_us(const struct target *t, const char *method)
{
	for (unsigned i = 0; i < t->service->n_methods; i++)
		if (strcmp(t->methods[i].method, method) == 0)
			return t->methods[i].slow_us;
	fail_msg("no method %s", method);
	return 0;
}

static void
domains_are_suspect_at_what_the_specification_says(void **unused)
{
	static const struct {
		const char *domain;
		uint32_t failures;
		int64_t limit_us;
	} said[] = { { "api", 5, 200 * MS }, { "database", 3, 500 * MS }, { "auth", 2, 100 * MS } };

	(void)unused;
	for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
		const struct breaker_policy *p = &towards(said[i].domain)->policy;

		assert_string_equal(towards(said[i].domain)->members[0].peer->name, said[i].domain);
		assert_int_equal(p->failures, said[i].failures);
		assert_int_equal(p->limit_us, said[i].limit_us);
		assert_true(p->open_share == 0.5);
		assert_int_equal(p->open_calls, 20);
		assert_int_equal(p->open_window_us, 10 * SEC);
	}
}

static void
work_that_is_longer_by_nature_has_longer(void **unused)
{
	(void)unused;
	assert_int_equal(slow_us(towards("auth"), "Sequence"), 100 * MS);
	assert_int_equal(slow_us(towards("auth"), "Check"), 200 * MS);
	assert_int_equal(slow_us(towards("auth"), "Login"), 1 * SEC);
	assert_int_equal(slow_us(towards("database"), "Read"), 500 * MS);
	assert_int_equal(slow_us(towards("auth"), "Write"), 1 * SEC);
}

static void
the_ways_to_the_domains_are_limited_each_method_for_itself(void **unused)
{
	static const char *const domains[] = { "api", "database", "auth" };

	(void)unused;
	for (size_t i = 0; i < 3; i++)
		for (unsigned k = 0; k < towards(domains[i])->service->n_methods; k++)
			assert_true(
			    towards(domains[i])->methods[k].waitlist->limit.limit == LIMIT_FIRST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		METABED(domains_are_suspect_at_what_the_specification_says),
		METABED(work_that_is_longer_by_nature_has_longer),
		METABED(the_ways_to_the_domains_are_limited_each_method_for_itself),
	};

	return TEST_RUN(tests);
}
