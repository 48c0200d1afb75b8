/* nosql: what its key table promises to an operator. */
#include <string.h>
#include "database/nosql/nosql.h"
#include "harness/test.h"

static const struct config_key *
key(const char *name)
{
	const struct config_key *k = nosql_keys();

	while (k->name != NULL && strcmp(k->name, name) != 0)
		k++;
	return k;
}

/* It is read once, when the node starts: a reload has to say so. */
static void
the_life_of_results_asks_for_a_restart(void **unused)
{
	(void)unused;
	assert_non_null(key("operation_ttl")->name);
	assert_true(key("operation_ttl")->restart);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_life_of_results_asks_for_a_restart),
	};

	return TEST_RUN(tests);
}
