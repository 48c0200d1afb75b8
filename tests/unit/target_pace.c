/* target_pace: which member gives way in a paced target because it is slower, and for how long. */
#include <string.h>
#include "harness/busbed.h"

/* Asks one after the other until the first member gives way, or does not any more; at most 10 s. */
static void
ask_until_it_gives_way(bool wanted)
{
	struct outcome o;

	for (int64_t end = time_now_us() + 10 * SEC; pair.t->members[0].pace.gives_way != wanted;) {
		assert_true(time_now_us() < end);
		ask(pair.t, &o, NULL);
		wait_for(&o);
		assert_int_equal(o.status, ST_OK);
	}
}

static void
in_a_paced_target_a_slow_member_gives_way_and_comes_back(void **unused)
{
	struct outcome o;
	unsigned before;

	(void)unused;
	target_set_paced(pair.t);
	pair.sql.manner = SLOW;
	pair.sql.delay_us = 80 * MS;
	ask_until_it_gives_way(true);
	before = pair.sql.calls;
	for (int i = 0; i < 32; i++) {
		ask(pair.t, &o, NULL);
		wait_for(&o);
	}
	assert_int_equal(pair.sql.calls - before, 2); /* probes */
	pair.sql.manner = ANSWERS;
	ask_until_it_gives_way(false);
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "sql");
}

static void
in_any_other_target_the_order_stands(void **unused)
{
	struct outcome o;

	(void)unused;
	pair.sql.manner = SLOW;
	pair.sql.delay_us = 40 * MS;
	for (int i = 0; i < 12; i++) {
		ask(pair.t, &o, NULL);
		wait_for(&o);
		assert_string_equal(o.node, "sql");
	}
}

static void
who_waits_for_others_is_not_slow_itself(void **unused)
{
	struct outcome o;

	(void)unused;
	target_set_paced(pair.t);
	pair.sql.manner = ASKS;
	pair.sql.below = bed_target(NULL, MEMBERS("nosql"));
	pair.nosql.manner = SLOW;
	pair.nosql.delay_us = 300 * MS;
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "sql");
	assert_true(o.took_us >= 300 * MS);
	assert_true(pair.t->members[0].pace.own_us < 150 * MS);
}

static void
who_answers_none_of_many_calls_is_passed_over_until_he_answers_one(void **unused)
{
	struct outcome held[PACE_PILE], o;

	(void)unused;
	target_set_paced(pair.t);
	pair.sql.manner = HOLDS;
	for (size_t i = 0; i < PACE_PILE; i++)
		ask(pair.t, &held[i], NULL);
	pass(PACE_SILENT_US + 5 * MS);
	ask(pair.t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "nosql");
	pair.sql.manner = ANSWERS;
	call_reply(pair.sql.held, &(Mf__StoreResult)MF__STORE_RESULT__INIT.base);
	wait_for(&held[PACE_PILE - 1]);
	/* That one was slow: the other is measured first. */
	for (unsigned i = 0; i <= PACE_KNOWN; i++) {
		ask(pair.t, &o, NULL);
		wait_for(&o);
	}
	assert_string_equal(o.node, "sql");
	for (size_t i = 0; i + 1 < PACE_PILE; i++)
		call_cancel(held[i].call);
	pass(2 * MS);
}

static void
what_is_out_on_a_member_is_counted_however_it_ends(void **unused)
{
	struct outcome o[4];

	(void)unused;
	ask(pair.t, &o[0], NULL); /* answered */
	wait_for(&o[0]);
	pair.sql.manner = HOLDS;
	ask(pair.t, &o[1], &(struct ask){ .opts.try_limit_us = 20 * MS }); /* made elsewhere */
	wait_for(&o[1]);
	ask(pair.t, &o[2], NULL);
	ask(pair.t, &o[3], NULL);
	assert_int_equal(pair.t->members[0].pace.out, 2);
	call_cancel(o[2].call);
	assert_int_equal(pair.t->members[0].pace.out, 1);
	pass(2 * MS);
	peer_down(bed_peer("sql"));
	wait_for(&o[3]);
	assert_int_equal(pair.t->members[0].pace.out, 0);
	assert_int_equal(pair.t->members[1].pace.out, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR(in_a_paced_target_a_slow_member_gives_way_and_comes_back),
		PAIR(in_any_other_target_the_order_stands),
		PAIR(who_waits_for_others_is_not_slow_itself),
		PAIR(who_answers_none_of_many_calls_is_passed_over_until_he_answers_one),
		PAIR(what_is_out_on_a_member_is_counted_however_it_ends),
	};

	return TEST_RUN(tests);
}
