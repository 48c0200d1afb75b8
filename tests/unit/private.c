/* private: what the supervisor asks of a private server, many times while it starts. */
#include <dirent.h>
#include <string.h>
#include "harness/test.h"
#include "meta/conf.h"
#include "meta/fleet.h"
#include "meta/private.h"

static unsigned
open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
a_server_that_is_not_there_is_not_ready_and_costs_no_descriptor(void **state)
{
	static struct conf near, far;
	unsigned before = open_files();

	(void)state;
	strcpy(near.var, test_dir());
	memset(far.var, 'x', 120); /* no socket's path can be that long */
	for (int i = 0; i < 50; i++) {
		assert_false(private_ready(&near, SLOT_REDIS_DOCS, 1));
		assert_false(private_ready(&far, SLOT_REDIS_DOCS, 1));
	}
	assert_int_equal(open_files(), before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_server_that_is_not_there_is_not_ready_and_costs_no_descriptor),
	};

	return TEST_RUN(tests);
}
