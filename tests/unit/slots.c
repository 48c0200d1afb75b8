/* slots: who runs, who waits, who is refused. The clock is a number. */
#include "base/time.h"
#include "harness/test.h"
#include "meta/slots.h"

enum { CRITICAL = 1, HIGH, MEDIUM, LOW };

static struct slots s;
static struct slot_ask *out;

static void
policy(uint32_t slots, uint32_t reserve, uint32_t queue)
{
	slots_init(&s, &(const struct slots_policy){ slots, reserve, queue });
}

static struct slot_ask
want(uint32_t priority)
{
	return (struct slot_ask){ .priority = priority, .units = 1, .deadline = 1000 * SEC };
}

static void
as_many_run_as_there_are_slots(void **unused)
{
	struct slot_ask a = want(MEDIUM), b = want(MEDIUM), c = want(MEDIUM);

	(void)unused;
	policy(2, 0, 4);
	assert_int_equal(slots_ask(&s, &a, 1, &out), SLOT_GO);
	assert_int_equal(slots_ask(&s, &b, 1, &out), SLOT_GO);
	assert_int_equal(slots_ask(&s, &c, 1, &out), SLOT_WAIT);
	assert_null(slots_next(&s, 2));
	slots_leave(&s, &a, 3);
	assert_ptr_equal(slots_next(&s, 3), &c);
	assert_null(slots_next(&s, 3));
	assert_int_equal(s.used, 2);
	slots_leave(&s, &b, 4);
	slots_leave(&s, &c, 4);
	slots_leave(&s, &c, 4); /* once more changes nothing */
	assert_int_equal(s.used + s.waiting, 0);
}

static void
the_reserve_is_for_critical_alone(void **unused)
{
	struct slot_ask a = want(HIGH), b = want(HIGH), c = want(CRITICAL), d = want(CRITICAL);

	(void)unused;
	policy(3, 2, 4);
	assert_int_equal(slots_ask(&s, &a, 1, &out), SLOT_GO);
	assert_int_equal(slots_ask(&s, &b, 1, &out), SLOT_WAIT);
	assert_int_equal(slots_ask(&s, &c, 1, &out), SLOT_GO);
	assert_int_equal(slots_ask(&s, &d, 1, &out), SLOT_GO);
	assert_null(slots_next(&s, 2));
	/* the reserve is free again, and stays so */
	slots_leave(&s, &c, 3);
	assert_null(slots_next(&s, 3));
	slots_leave(&s, &a, 4);
	assert_ptr_equal(slots_next(&s, 4), &b);
}

static void
the_more_important_go_first(void **unused)
{
	struct slot_ask a = want(LOW), low = want(LOW), medium = want(MEDIUM), high = want(HIGH);

	(void)unused;
	policy(1, 0, 4);
	slots_ask(&s, &a, 0, &out);
	slots_ask(&s, &low, 100, &out);
	slots_ask(&s, &medium, 100, &out);
	slots_ask(&s, &high, 100, &out);
	slots_leave(&s, &a, 200);
	assert_ptr_equal(slots_next(&s, 200), &high);
	slots_leave(&s, &high, 300);
	assert_ptr_equal(slots_next(&s, 300), &medium);
	slots_leave(&s, &medium, 400);
	assert_ptr_equal(slots_next(&s, 400), &low);
}

static void
a_low_one_that_waited_eight_times_as_long_goes_before_a_critical_one(void **unused)
{
	struct slot_ask a = want(LOW), low = want(LOW), critical = want(CRITICAL);

	(void)unused;
	policy(1, 0, 4);
	slots_ask(&s, &a, 0, &out);
	slots_ask(&s, &low, 0, &out);
	slots_ask(&s, &critical, 8000, &out);
	slots_leave(&s, &a, 9000); /* waited 9000 and 1000 */
	assert_ptr_equal(slots_next(&s, 9000), &low);
}

static void
a_low_one_is_served_in_bounded_time_under_a_stream_of_high_ones(void **unused)
{
	struct slot_ask first = want(HIGH), low = want(LOW), high[40], *running = &first;
	int served = 0;

	(void)unused;
	policy(1, 0, 400);
	slots_ask(&s, &first, 0, &out);
	slots_ask(&s, &low, 0, &out);
	/* each takes 10 ms; at each end one more is waiting already */
	for (int i = 0; i < 40 && running != &low; i++) {
		high[i] = want(HIGH);
		slots_ask(&s, &high[i], i * 10 * MS, &out);
		slots_leave(&s, running, (i + 1) * 10 * MS);
		running = slots_next(&s, (i + 1) * 10 * MS);
		assert_non_null(running);
		served++;
	}
	assert_ptr_equal(running, &low);
	assert_in_range(served, 2, 12);
}

static void
when_the_queue_is_full_the_least_important_youngest_is_refused(void **unused)
{
	struct slot_ask a = want(LOW), old = want(LOW), young = want(LOW), newest = want(LOW),
			high = want(HIGH);

	(void)unused;
	policy(1, 0, 2);
	slots_ask(&s, &a, 0, &out);
	slots_ask(&s, &old, 1, &out);
	slots_ask(&s, &young, 2, &out);
	assert_int_equal(slots_ask(&s, &newest, 3, &out), SLOT_FULL);
	assert_null(out);
	assert_int_equal(slots_ask(&s, &high, 4, &out), SLOT_WAIT);
	assert_ptr_equal(out, &young);
	assert_int_equal(young.place, SLOT_NOWHERE);
	assert_int_equal(s.waiting, 2);
	slots_leave(&s, &a, 5);
	assert_ptr_equal(slots_next(&s, 5), &high);
}

static void
who_can_not_start_before_its_deadline_is_refused_at_once(void **unused)
{
	struct slot_ask a = want(MEDIUM), b[30], late = want(MEDIUM), patient = want(MEDIUM),
			over = want(MEDIUM);

	(void)unused;
	policy(1, 0, 100);
	for (int i = 0; i < 100; i++) { /* learns that a request takes 100 ms */
		a = want(MEDIUM);
		slots_ask(&s, &a, i * SEC, &out);
		slots_leave(&s, &a, i * SEC + 100 * MS);
	}
	a = want(MEDIUM);
	slots_ask(&s, &a, 200 * SEC, &out);
	for (int i = 0; i < 30; i++) {
		b[i] = want(MEDIUM);
		assert_int_equal(slots_ask(&s, &b[i], 200 * SEC, &out), SLOT_WAIT);
	}
	late.deadline = 201 * SEC;
	assert_int_equal(slots_ask(&s, &late, 200 * SEC, &out), SLOT_LATE);
	patient.deadline = 210 * SEC;
	assert_int_equal(slots_ask(&s, &patient, 200 * SEC, &out), SLOT_WAIT);
	over.deadline = 200 * SEC;
	assert_int_equal(slots_ask(&s, &over, 200 * SEC, &out), SLOT_LATE);
	assert_in_range(slots_retry_ms(&s), 2500, 3500);
}

static void
a_heavy_one_is_not_overtaken_for_ever_by_light_ones(void **unused)
{
	struct slot_ask a = want(MEDIUM), b = want(MEDIUM), heavy = want(MEDIUM),
			light = want(MEDIUM);
	struct slot_ask giant = want(MEDIUM);

	(void)unused;
	policy(2, 0, 8);
	heavy.units = 2;
	slots_ask(&s, &a, 0, &out);
	slots_ask(&s, &b, 0, &out);
	slots_ask(&s, &heavy, 1, &out);
	slots_ask(&s, &light, 2, &out);
	slots_leave(&s, &a, 10);
	assert_null(slots_next(&s, 10)); /* one is free, the heavy one needs two */
	slots_leave(&s, &b, 20);
	assert_ptr_equal(slots_next(&s, 20), &heavy);
	slots_leave(&s, &heavy, 30);
	assert_ptr_equal(slots_next(&s, 30), &light);
	slots_leave(&s, &light, 40);
	giant.units = 50; /* more than there are: it runs alone */
	assert_int_equal(slots_ask(&s, &giant, 50, &out), SLOT_GO);
	assert_int_equal(s.used, 2);
	slots_leave(&s, &giant, 60);
	assert_int_equal(s.used, 0);
}

static void
who_goes_away_while_waiting_leaves_no_hole(void **unused)
{
	struct slot_ask a = want(MEDIUM), b = want(MEDIUM), c = want(MEDIUM);

	(void)unused;
	policy(1, 0, 8);
	slots_ask(&s, &a, 0, &out);
	slots_ask(&s, &b, 0, &out);
	slots_ask(&s, &c, 0, &out);
	slots_leave(&s, &b, 1);
	assert_int_equal(s.waiting, 1);
	slots_leave(&s, &a, 2);
	assert_ptr_equal(slots_next(&s, 2), &c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(as_many_run_as_there_are_slots),
		T(the_reserve_is_for_critical_alone),
		T(the_more_important_go_first),
		T(a_low_one_that_waited_eight_times_as_long_goes_before_a_critical_one),
		T(a_low_one_is_served_in_bounded_time_under_a_stream_of_high_ones),
		T(when_the_queue_is_full_the_least_important_youngest_is_refused),
		T(who_can_not_start_before_its_deadline_is_refused_at_once),
		T(a_heavy_one_is_not_overtaken_for_ever_by_light_ones),
		T(who_goes_away_while_waiting_leaves_no_hole),
	};

	return TEST_RUN(tests);
}
