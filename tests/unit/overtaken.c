/* overtaken: what an orchestrator that others stand by for still does when one of them leads. Who leads:
 * tests/unit/lead.c. */
#include "base/time.h"
#include "harness/metabed.h"

static bool
nobody_waits(void *ctx)
{
	(void)ctx;
	return mb.meta->slots.waiting == 0;
}

/* Else it would be told by its own deadline, though another one would have done it meanwhile. */
static void
who_waits_behind_those_that_are_fenced_is_told_at_once(void **unused)
{
	static const struct req one = { .database = "read", .id = "x", .token = "alice" };
	struct result r[3];

	(void)unused;
	mb.config.slots = 2;
	mb.config.reserve = 0;
	meta_reload(mb.meta, &mb.config);
	metabed_lead();
	mb.sql.hangs = true;
	for (int i = 0; i < 3; i++)
		metabed_send(&r[i], &one);
	metabed_pass(20 * MS);
	assert_int_equal(mb.n_hung, 2);
	assert_int_equal(mb.meta->slots.waiting, 1);
	mb.leads = false;
	mb.sql.hangs = false;
	mb.sql.fails = ST_ABORTED;
	for (unsigned i = 0; i < 2; i++)
		call_fail_because(mb.hung[i], ST_ABORTED, "FENCED", 0, "the number is old");
	loop_run_until(mb.loop, nobody_waits, NULL, 100 * MS);
	assert_int_equal(mb.meta->slots.waiting, 0);
	for (int i = 0; i < 3; i++) {
		metabed_wait(&r[i]);
		assert_int_equal(r[i].failed, ST_UNAVAILABLE);
		assert_string_equal(r[i].reason, "NOT_LEADING");
		assert_in_range(r[i].took_us, 1, SEC);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		METABED(who_waits_behind_those_that_are_fenced_is_told_at_once),
	};

	return TEST_RUN(tests);
}
