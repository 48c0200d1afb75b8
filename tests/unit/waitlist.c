/* waitlist: which calls wait at a limited target, who goes first, who is refused, and that no room
 * is lost however a call ends. */
#include <string.h>
#include "harness/busbed.h"
#include "proto/common.pb-c.h"

#define FIRST ((unsigned)LIMIT_FIRST)

static struct fake sql;
static struct target *t;
static struct waitlist *reads;
static struct outcome out[FIRST], waits[WAITLIST_MOST + 8];

static int
start(void **state)
{
	bed_start(state);
	memset(&sql, 0, sizeof sql);
	fake_join(&sql, "sql");
	t = bed_target(NULL, MEMBERS("sql"));
	target_set_limited(t);
	for (unsigned i = 0; i < t->service->n_methods; i++)
		if (strcmp(t->methods[i].method, "Read") == 0)
			reads = t->methods[i].waitlist;
	return 0;
}

static void
ask_as(struct outcome *o, Mf__Priority p)
{
	ask(t, o, &(struct ask){ .limit_us = 20 * SEC, .opts.priority = (uint32_t)p });
}

/* As many as there is room for are out and are not answered. */
static void
fill(void)
{
	sql.manner = HOLDS;
	for (unsigned i = 0; i < FIRST; i++)
		ask_as(&out[i], MF__PRIORITY__LOW);
	pass(5 * MS);
	assert_int_equal(sql.calls, FIRST);
}

static void
cancel_all_of(struct outcome *o, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (o[i].ends == 0)
			call_cancel(o[i].call);
	pass(5 * MS);
}

static void
below_the_limit_nothing_waits(void **unused)
{
	(void)unused;
	fill();
	assert_int_equal(reads->n_waiting, 0);
	assert_false(limit_has_room(&reads->limit));
	cancel_all_of(out, FIRST);
	assert_int_equal(reads->limit.out, 0);
}

static void
one_over_it_goes_when_another_has_ended(void **unused)
{
	(void)unused;
	fill();
	ask_as(&waits[0], MF__PRIORITY__CRITICAL);
	pass(5 * MS);
	assert_int_equal(sql.calls, FIRST);
	sql.manner = ANSWERS;
	call_cancel(out[0].call);
	wait_for(&waits[0]);
	assert_int_equal(waits[0].status, ST_OK);
	cancel_all_of(out, FIRST);
	assert_int_equal(reads->limit.out, 0);
}

static void
the_more_important_goes_first_and_among_equals_the_older(void **unused)
{
	static const Mf__Priority as[] = { MF__PRIORITY__LOW, MF__PRIORITY__PRIORITY_NONE,
		MF__PRIORITY__HIGH, MF__PRIORITY__CRITICAL, MF__PRIORITY__HIGH,
		MF__PRIORITY__MEDIUM };
	static const unsigned order[] = { 3, 2, 4, 1, 5, 0 };

	(void)unused;
	fill();
	for (unsigned i = 0; i < 6; i++)
		ask_as(&waits[i], as[i]);
	for (unsigned i = 0; i < 6; i++) {
		call_cancel(out[i].call);
		pass(2 * MS);
		assert_int_equal(sql.calls, FIRST + i + 1);
		for (unsigned k = 0; k < 6; k++)
			assert_int_equal(
			    container_of(waits[order[k]].rpc, struct rpc_call, rpc)->state,
			    k <= i ? RPC_OUT : RPC_QUEUED);
	}
	cancel_all_of(waits, 6);
	cancel_all_of(out, FIRST);
	assert_int_equal(reads->limit.out, 0);
}

static void
a_full_line_refuses_the_youngest_of_the_least_important(void **unused)
{
	unsigned last = WAITLIST_MOST - 1;

	(void)unused;
	fill();
	for (unsigned i = 0; i <= last; i++)
		ask_as(&waits[i], MF__PRIORITY__LOW);
	assert_int_equal(reads->n_waiting, WAITLIST_MOST);
	ask_as(&waits[last + 1], MF__PRIORITY__LOW);
	wait_for(&waits[last + 1]);
	assert_int_equal(waits[last + 1].status, ST_RESOURCE_EXHAUSTED);
	assert_string_equal(waits[last + 1].reason, "LIMIT");
	assert_in_range(waits[last + 1].retry_ms, 50, 5000);
	ask_as(&waits[last + 2], MF__PRIORITY__CRITICAL);
	wait_for(&waits[last]);
	assert_string_equal(waits[last].reason, "LIMIT");
	assert_int_equal(waits[last + 2].ends, 0);
	assert_int_equal(reads->n_waiting, WAITLIST_MOST);
	cancel_all_of(waits, last + 3);
	assert_int_equal(reads->n_waiting, 0);
	cancel_all_of(out, FIRST);
}

static void
who_could_not_be_answered_in_time_is_refused_at_once(void **unused)
{
	(void)unused;
	reads->limit.took_us = 1 * SEC;
	fill();
	ask(t, &waits[0], &(struct ask){ .limit_us = 900 * MS });
	wait_for(&waits[0]);
	assert_string_equal(waits[0].reason, "LIMIT");
	assert_true(waits[0].took_us < 100 * MS);
	cancel_all_of(out, FIRST);
}

static void
a_deadline_that_passes_in_the_line_ends_the_wait(void **unused)
{
	(void)unused;
	fill();
	ask(t, &waits[0], &(struct ask){ .limit_us = 50 * MS });
	ask(t, &waits[1], &(struct ask){ .opts.limit_us = 50 * MS });
	wait_for(&waits[0]);
	wait_for(&waits[1]);
	assert_int_equal(waits[0].status, ST_DEADLINE_EXCEEDED);
	assert_int_equal(waits[1].status, ST_DEADLINE_EXCEEDED);
	assert_int_equal(reads->n_waiting, 0);
	cancel_all_of(out, FIRST);
}

static void
a_flood_of_one_method_takes_no_room_of_another(void **unused)
{
	(void)unused;
	fill();
	sql.manner = ANSWERS;
	ask(t, &waits[0], &(struct ask){ .write = true });
	wait_for(&waits[0]);
	assert_int_equal(waits[0].status, ST_OK);
	cancel_all_of(out, FIRST);
}

static void
a_call_that_is_held_tried_again_or_lost_keeps_its_room_until_its_end(void **unused)
{
	(void)unused;
	sql.manner = HOLDS;
	ask(t, &waits[0], NULL);
	pass(2 * MS);
	peer_down(bed_peer("sql"));
	assert_int_equal(reads->limit.out, 1);
	sql.manner = ANSWERS;
	peer_up(bed_peer("sql"));
	wait_for(&waits[0]);
	assert_int_equal(waits[0].status, ST_OK);
	assert_int_equal(reads->limit.out, 0);
	sql.manner = FAILS;
	ask(t, &waits[0], NULL);
	wait_for(&waits[0]);
	assert_int_equal(waits[0].status, ST_UNAVAILABLE);
	assert_int_equal(reads->limit.out, 0);
	assert_int_equal(reads->limit.calls, 1); /* a failure that comes fast is no good time */
}

#define TH(f) cmocka_unit_test_setup_teardown(f, start, bed_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TH(below_the_limit_nothing_waits),
		TH(one_over_it_goes_when_another_has_ended),
		TH(the_more_important_goes_first_and_among_equals_the_older),
		TH(a_full_line_refuses_the_youngest_of_the_least_important),
		TH(who_could_not_be_answered_in_time_is_refused_at_once),
		TH(a_deadline_that_passes_in_the_line_ends_the_wait),
		TH(a_flood_of_one_method_takes_no_room_of_another),
		TH(a_call_that_is_held_tried_again_or_lost_keeps_its_room_until_its_end),
	};

	return TEST_RUN(tests);
}
