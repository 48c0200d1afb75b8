/* slots: who runs, who waits, who is refused. The clock is a number. */
#include <stdio.h>

#include "base/id.h"
#include "base/time.h"
#include "harness/test.h"
#include "meta/slots.h"

enum { CRITICAL = 1, HIGH, MEDIUM, LOW };

static struct slots s;
static struct slot_ask *out;

static void
policy(uint32_t slots, uint32_t reserve, uint32_t queue)
{
	slots_init(&s, &(const struct slots_policy){ slots, reserve, queue, 0 });
}

static struct slot_ask
want_of(enum slot_kind kind, uint32_t priority)
{
	return (struct slot_ask){
		.priority = priority, .units = 1, .kind = kind, .deadline = 1000 * SEC
	};
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
	assert_int_equal(s.all.used, 2);
	slots_leave(&s, &b, 4);
	slots_leave(&s, &c, 4);
	slots_leave(&s, &c, 4); /* once more changes nothing */
	assert_int_equal(s.all.used + s.waiting, 0);
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
	assert_in_range(slots_retry_ms(&s, SLOT_OF_NONE, 200 * SEC), 2500, 3500);
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
	assert_int_equal(s.all.used, 2);
	slots_leave(&s, &giant, 60);
	assert_int_equal(s.all.used, 0);
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

/* The stores hang: nothing of theirs ends. */
static void
what_hangs_on_one_thing_leaves_room_for_the_rest(void **unused)
{
	struct slot_ask store[6], other[4], critical[4];

	(void)unused;
	slots_init(&s, &(const struct slots_policy){ 10, 2, 100, 50 });
	for (int i = 0; i < 6; i++) {
		store[i] = want_of(SLOT_OF_STORE, HIGH);
		assert_int_equal(slots_ask(&s, &store[i], 1, &out), i < 4 ? SLOT_GO : SLOT_WAIT);
	}
	assert_null(slots_next(&s, 2));
	assert_true(slots_walled(&s, &store[5]));
	/* its CRITICAL ones have the reserve, and no more */
	for (int i = 0; i < 4; i++) {
		critical[i] = want_of(SLOT_OF_STORE, CRITICAL);
		assert_int_equal(
		    slots_ask(&s, &critical[i], 10 * SEC, &out), i < 2 ? SLOT_GO : SLOT_WAIT);
	}
	/* less important, and later: nobody waits for what it waits for */
	for (int i = 0; i < 4; i++) {
		other[i] = want_of(SLOT_OF_NONE, LOW);
		assert_int_equal(slots_ask(&s, &other[i], 10 * SEC, &out), SLOT_GO);
	}
	assert_int_equal(s.all.used, 10);
	slots_leave(&s, &other[0], 11 * SEC);
	assert_null(slots_next(&s, 11 * SEC));
	/* the older HIGH ones have more credit than the CRITICAL ones by now */
	slots_leave(&s, &store[0], 12 * SEC);
	assert_ptr_equal(slots_next(&s, 12 * SEC), &store[4]);
	assert_null(slots_next(&s, 12 * SEC));
}

/* What waits behind a bulkhead is not in the way of who does not need it. */
static void
who_waits_behind_a_bulkhead_makes_nobody_else_late(void **unused)
{
	struct slot_ask store[40], other = want_of(SLOT_OF_NONE, MEDIUM), late;

	(void)unused;
	slots_init(&s, &(const struct slots_policy){ 4, 0, 100, 50 });
	s.service_us[SLOT_OF_STORE] = 2 * SEC;
	for (int i = 0; i < 40; i++) {
		store[i] = want_of(SLOT_OF_STORE, MEDIUM);
		assert_int_equal(slots_ask(&s, &store[i], 1, &out), i < 2 ? SLOT_GO : SLOT_WAIT);
	}
	other.deadline = 1 * SEC;
	assert_int_equal(slots_ask(&s, &other, 2, &out), SLOT_GO);
	late = want_of(SLOT_OF_STORE, MEDIUM);
	late.deadline = 20 * SEC; /* 38 before it, two at a time, 2 s each */
	assert_int_equal(slots_ask(&s, &late, 3, &out), SLOT_LATE);
}

static void
one_that_is_heavier_than_its_bulkhead_runs_when_it_is_the_only_one_of_its_kind(void **unused)
{
	struct slot_ask heavy = want_of(SLOT_OF_STORE, MEDIUM),
			light = want_of(SLOT_OF_STORE, MEDIUM);

	(void)unused;
	slots_init(&s, &(const struct slots_policy){ 8, 0, 4, 25 });
	heavy.units = 6;
	assert_int_equal(slots_ask(&s, &light, 1, &out), SLOT_GO);
	assert_int_equal(slots_ask(&s, &heavy, 1, &out), SLOT_WAIT);
	slots_leave(&s, &light, 2);
	assert_ptr_equal(slots_next(&s, 2), &heavy);
}

/* A stream of light ones of its own kind, CRITICAL ones among them, does not keep it out. */
static void
a_heavy_one_behind_a_bulkhead_is_not_overtaken_for_ever(void **unused)
{
	struct slot_ask heavy = want_of(SLOT_OF_STORE, LOW), light[400], *running[16] = { NULL };
	size_t n = 0, gone = 0;

	(void)unused;
	slots_init(&s, &(const struct slots_policy){ 16, 2, 1000, 50 });
	heavy.units = 5;
	for (int i = 0; i < 400 && heavy.place != SLOT_RUNNING; i++) {
		struct slot_ask *next;

		if (i == 20)
			assert_int_equal(slots_ask(&s, &heavy, i * 10 * MS, &out), SLOT_WAIT);
		light[i] = want_of(SLOT_OF_STORE, i % 2 == 0 ? CRITICAL : HIGH);
		if (slots_ask(&s, &light[i], i * 10 * MS, &out) == SLOT_GO)
			running[n++ % 16] = &light[i];
		if (i >= 10 && n > gone)
			slots_leave(&s, running[gone++ % 16], i * 10 * MS + 5 * MS);
		while ((next = slots_next(&s, i * 10 * MS + 5 * MS)) != NULL)
			running[n++ % 16] = next;
	}
	assert_int_equal(heavy.place, SLOT_RUNNING);
}

static void
who_turns_out_to_need_the_stores_comes_behind_their_bulkhead(void **unused)
{
	struct slot_ask a = want_of(SLOT_OF_NONE, MEDIUM), b = a, store[2];

	(void)unused;
	slots_init(&s, &(const struct slots_policy){ 6, 0, 8, 50 });
	for (int i = 0; i < 2; i++) {
		store[i] = want_of(SLOT_OF_STORE, MEDIUM);
		assert_int_equal(slots_ask(&s, &store[i], 1, &out), SLOT_GO);
	}
	assert_int_equal(slots_ask(&s, &a, 2, &out), SLOT_GO);
	assert_int_equal(slots_ask(&s, &b, 2, &out), SLOT_GO);
	assert_true(slots_turn(&s, &a, SLOT_OF_STORE, 3));
	assert_true(slots_turn(&s, &a, SLOT_OF_STORE, 3));
	assert_false(slots_turn(&s, &b, SLOT_OF_STORE, 3));
	assert_int_equal(s.of[SLOT_OF_STORE].used, 3);
	assert_int_equal(s.of[SLOT_OF_NONE].used, 1);
	slots_leave(&s, &a, 4);
	assert_true(slots_turn(&s, &b, SLOT_OF_STORE, 5));
	slots_leave(&s, &b, 6);
	assert_int_equal(s.all.used, 2);
}

/* None of them has ended yet: that they take long is known by that alone. */
static void
nothing_has_ended_for_so_long_that_who_would_wait_is_late(void **unused)
{
	struct slot_ask store[4], early, late;

	(void)unused;
	slots_init(&s, &(const struct slots_policy){ 4, 0, 100, 50 });
	for (int i = 0; i < 2; i++) {
		store[i] = want_of(SLOT_OF_STORE, MEDIUM);
		assert_int_equal(slots_ask(&s, &store[i], 10 * SEC, &out), SLOT_GO);
	}
	early = late = want_of(SLOT_OF_STORE, MEDIUM);
	early.deadline = 12500 * MS;
	late.deadline = 14 * SEC;
	assert_int_equal(slots_ask(&s, &early, 10500 * MS, &out), SLOT_WAIT);
	assert_int_equal(slots_ask(&s, &late, 12 * SEC, &out), SLOT_LATE);
	/* it moves again */
	slots_leave(&s, &store[0], 12 * SEC);
	assert_ptr_equal(slots_next(&s, 12 * SEC), &early);
	assert_int_equal(slots_ask(&s, &late, 12 * SEC, &out), SLOT_WAIT);
}

/* The queue, too: what hangs fills its share, and who comes for something else finds a place. */
static void
one_kind_does_not_fill_the_queue(void **unused)
{
	struct slot_ask store[12], other[3], high = want_of(SLOT_OF_STORE, HIGH);

	(void)unused;
	slots_init(&s, &(const struct slots_policy){ 2, 0, 8, 50 });
	for (int i = 0; i < 6; i++) {
		store[i] = want_of(SLOT_OF_STORE, LOW);
		assert_int_equal(slots_ask(&s, &store[i], 1, &out), i == 0  ? SLOT_GO
								    : i < 5 ? SLOT_WAIT
									    : SLOT_FULL);
	}
	for (int i = 0; i < 3; i++) {
		other[i] = want_of(SLOT_OF_NONE, LOW);
		assert_int_equal(slots_ask(&s, &other[i], 2, &out), i == 0 ? SLOT_GO : SLOT_WAIT);
		assert_null(out);
	}
	/* its place is that of one of its own kind, though younger ones wait */
	assert_int_equal(slots_ask(&s, &high, 3, &out), SLOT_WAIT);
	assert_ptr_equal(out, &store[4]);
}

/* By lot: the counts are what they say, no bulkhead is overrun, all come to their turn. */
static void
the_counts_hold_whatever_comes(void **unused)
{
	struct slot_ask asks[64] = { 0 };
	struct rng r;
	unsigned served = 0, turned = 0;

	(void)unused;
	rng_seed(&r, 7);
	slots_init(&s, &(const struct slots_policy){ 16, 4, 40, 75 });
	for (int64_t now = 1; now < 200000; now++) {
		struct slot_ask *a = &asks[rng_below(&r, 64)], *n;
		uint32_t used = 0, waiting = 0, of[SLOT_KINDS] = { 0 };

		if (a->place != SLOT_NOWHERE) {
			slots_leave(&s, a, now);
		} else {
			*a = want_of(
			    (enum slot_kind)rng_below(&r, SLOT_KINDS), 1 + rng_below(&r, 4));
			a->units = 1 + rng_below(&r, 3);
			served += slots_ask(&s, a, now, &out) == SLOT_GO;
			turned += out != NULL;
		}
		while ((n = slots_next(&s, now)) != NULL)
			served++;
		for (int i = 0; i < 64; i++) {
			used += asks[i].place == SLOT_RUNNING ? asks[i].units : 0;
			waiting += asks[i].place == SLOT_WAITING;
			if (asks[i].place == SLOT_RUNNING)
				of[asks[i].kind] += asks[i].units;
		}
		assert_int_equal(used, s.all.used);
		assert_int_equal(waiting, s.waiting);
		for (int k = 0; k < SLOT_KINDS; k++)
			assert_int_equal(of[k], s.of[k].used);
		assert_true(of[SLOT_OF_STORE] <= 9 + 4 && of[SLOT_OF_SIGN] <= 9 + 4);
		assert_true(used <= 16);
	}
	printf("# served %u, turned away %u\n", served, turned);
	assert_true(served > 20000);
	assert_true(turned > 0);
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
		T(what_hangs_on_one_thing_leaves_room_for_the_rest),
		T(who_waits_behind_a_bulkhead_makes_nobody_else_late),
		T(one_that_is_heavier_than_its_bulkhead_runs_when_it_is_the_only_one_of_its_kind),
		T(a_heavy_one_behind_a_bulkhead_is_not_overtaken_for_ever),
		T(who_turns_out_to_need_the_stores_comes_behind_their_bulkhead),
		T(nothing_has_ended_for_so_long_that_who_would_wait_is_late),
		T(one_kind_does_not_fill_the_queue),
		T(the_counts_hold_whatever_comes),
	};

	return TEST_RUN(tests);
}
