/* limit: a simulated server behind a limit: what it settles at, how far it swings, how it comes
 * back. Virtual time, nothing else.
 *
 * The server has `lanes` workers and a queue of its own; a call takes a drawn time of a worker.
 * Before it stand the limit and a line of those that have no room, as waitlist.c has them: bounded,
 * and who can't be answered within his deadline is refused. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "bus/limit.h"
#include "harness/test.h"

#define CALLS     8192u
#define LINE_MOST 1024u
#define TICK_US   100
#define METHOD_US (2000 * MS) /* so the floor is 20 ms */

struct sim_call {
	int64_t asked_us, sent_us;
	bool in_use;
};

static struct limit l;
static struct rng rng;
static int64_t now, deadline_us;
static unsigned lanes;
static double work_us; /* mean of a call */
static struct sim_call line[LINE_MOST], queue[CALLS];
static unsigned line_n, line_at, queue_n, queue_at;
static struct {
	int64_t ends_us;
	struct sim_call call;
} worker[64];
static double owed; /* arrivals */
static unsigned asked, good, refused;
static double lowest, highest;
static int64_t took[1 << 20];
static unsigned n_took;

static int
fresh(void **state)
{
	limit_init(&l, METHOD_US);
	rng_seed(&rng, 7);
	now = 1000 * SEC;
	deadline_us = 1 * SEC;
	lanes = 2;
	work_us = 2 * MS;
	line_n = line_at = queue_n = queue_at = 0;
	owed = 0;
	memset(worker, 0, sizeof worker);
	return test_log_mark(state);
}

static void
look_again(void)
{
	asked = good = refused = n_took = 0;
	lowest = INFINITY;
	highest = 0;
}

static void
send(int64_t asked_us)
{
	must(queue_n < CALLS);
	limit_begin(&l);
	queue[(queue_at + queue_n++) % CALLS] =
	    (struct sim_call){ .asked_us = asked_us, .sent_us = now };
}

static void
arrive(void)
{
	asked++;
	if (limit_has_room(&l))
		send(now);
	else if (line_n == LINE_MOST ||
		 limit_wait_us(&l, line_n + 1) + limit_needs_us(&l) >= deadline_us)
		refused++;
	else
		line[(line_at + line_n++) % LINE_MOST] = (struct sim_call){ .asked_us = now };
}

static void
answered(const struct sim_call *c)
{
	int64_t whole = now - c->asked_us;

	limit_took(&l, now - c->sent_us, now);
	limit_end(&l);
	if (whole <= deadline_us)
		good++;
	if (n_took < sizeof took / sizeof *took)
		took[n_took++] = whole;
	while (line_n > 0 && limit_has_room(&l)) {
		struct sim_call *w = &line[line_at++ % LINE_MOST];

		line_n--;
		if (now + limit_needs_us(&l) >= w->asked_us + deadline_us)
			refused++;
		else
			send(w->asked_us);
	}
}

static void
serve(void)
{
	for (unsigned i = 0; i < 64; i++) {
		if (worker[i].call.in_use && worker[i].ends_us <= now) {
			worker[i].call.in_use = false;
			answered(&worker[i].call);
		}
		if (i < lanes && !worker[i].call.in_use && queue_n > 0) {
			worker[i].call = queue[queue_at++ % CALLS];
			worker[i].call.in_use = true;
			queue_n--;
			worker[i].ends_us =
			    now + (int64_t)(work_us * (0.5 + rng_unit(&rng))); /* mean: work_us */
		}
	}
}

/* Open loop: calls come whether or not the earlier ones have been answered. */
static void
load(double per_second, int64_t for_us)
{
	for (int64_t end = now + for_us; now < end; now += TICK_US) {
		/* bursts: twice the rate for one moment, nothing for the next */
		if (rng_unit(&rng) < 0.5)
			owed += 2 * per_second * TICK_US / SEC;
		for (; owed >= 1; owed--)
			arrive();
		serve();
		lowest = fmin(lowest, l.limit);
		highest = fmax(highest, l.limit);
	}
}

static double
capacity(void)
{
	return lanes / work_us * SEC;
}

static int
by_size(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int64_t
p99(void)
{
	qsort(took, n_took, sizeof *took, by_size);
	return took[n_took * 99 / 100];
}

static void
a_server_that_is_not_crowded_is_never_limited(void **unused)
{
	(void)unused;
	look_again();
	load(0.7 * capacity(), 20 * SEC);
	assert_int_equal(refused, 0);
	assert_true(lowest >= LIMIT_FIRST);
	assert_true(p99() < 20 * MS);
}

/* 256 callers that each wait for their answer: all a default meta lets run. Grouping servers want
 * them all. */
static void
many_calls_of_a_fast_server_are_no_congestion(void **unused)
{
	(void)unused;
	lanes = 64;
	work_us = 12 * MS;
	load(0.9 * capacity(), 5 * SEC);
	look_again();
	load(0.9 * capacity(), 5 * SEC);
	assert_int_equal(refused, 0);
	assert_int_equal(line_n, 0);
	assert_true(l.limit >= 2 * 57);
}

static void
under_overload_it_finds_the_knee_and_stays_there(void **unused)
{
	(void)unused;
	load(0.5 * capacity(), 5 * SEC);
	load(3 * capacity(), 5 * SEC);
	look_again();
	load(3 * capacity(), 20 * SEC);
	/* 1.5 x 20 ms of queue at 1000 a second are 30 calls */
	assert_true(lowest > 20 && highest < 60);
	assert_true(highest < 1.6 * lowest);
}

static void
goodput_stays_under_three_times_the_capacity_and_latency_is_bounded(void **unused)
{
	(void)unused;
	load(0.5 * capacity(), 5 * SEC);
	look_again();
	load(3 * capacity(), 20 * SEC);
	assert_true(good > 0.85 * capacity() * 20);
	assert_true(p99() <= deadline_us);
	assert_true(asked > 2.8 * capacity() * 20);
	deadline_us = 200 * MS;
	load(0.5 * capacity(), 5 * SEC);
	look_again();
	load(3 * capacity(), 20 * SEC);
	assert_true(good > 0.85 * capacity() * 20);
	assert_true(p99() <= 200 * MS);
}

static void
it_follows_a_capacity_that_drops_and_comes_back(void **unused)
{
	double before = capacity();

	(void)unused;
	load(0.7 * before, 10 * SEC);
	lanes = 1;
	work_us = 10 * MS; /* a tenth */
	load(0.7 * before, 5 * SEC);
	look_again();
	load(0.7 * before, 10 * SEC);
	assert_true(good > 0.85 * capacity() * 10);
	assert_true(highest < 40);
	lanes = 2;
	work_us = 2 * MS;
	load(0.7 * before, 3 * SEC);
	look_again();
	load(0.7 * before, 10 * SEC);
	assert_int_equal(refused, 0);
	assert_int_equal(line_n, 0);
	assert_true(good > 0.69 * before * 10);
	assert_true(p99() < 40 * MS);
}

static void
a_queue_that_stands_is_not_learned(void **unused)
{
	(void)unused;
	load(0.5 * capacity(), 5 * SEC);
	load(3 * capacity(), 300 * SEC);
	look_again();
	load(3 * capacity(), 10 * SEC);
	assert_true(highest < 60);
}

static void
work_that_has_become_longer_is_not_taken_for_congestion_for_good(void **unused)
{
	(void)unused;
	lanes = 32;
	work_us = 20 * MS; /* 1600 a second */
	load(0.5 * capacity(), 10 * SEC);
	work_us = 200 * MS;
	lanes = 64; /* 320 a second, 64 at a time */
	load(0.7 * capacity(), 60 * SEC);
	look_again();
	load(0.7 * capacity(), 20 * SEC);
	assert_int_equal(refused, 0);
}

static void
what_is_not_used_is_given_back(void **unused)
{
	(void)unused;
	lanes = 64;
	work_us = 10 * MS;
	load(0.95 * capacity(), 10 * SEC);
	l.limit = 2000;
	load(0.1 * capacity(), 120 * SEC);
	assert_true(l.limit < 100);
	assert_true(l.limit >= LIMIT_FIRST);
}

/* 64 of them, at half of the capacity; gives the limit. */
static double
settled_with_calls_out(void)
{
	load(0.5 * capacity(), 5 * SEC);
	for (int i = 0; i < 64; i++)
		limit_begin(&l);
	return l.limit;
}

static void
drops_lower_it_and_it_never_goes_below_the_least(void **unused)
{
	double before;

	(void)unused;
	before = settled_with_calls_out();
	for (int i = 0; i < 200; i++)
		limit_dropped(&l, true, 1 * MS, now += 1 * MS);
	assert_true(l.limit < before && l.limit > LIMIT_LEAST);
	for (int i = 0; i < 2000; i++)
		limit_dropped(&l, true, 1 * MS, now += 1 * MS);
	assert_true(l.limit == LIMIT_LEAST);
	assert_false(limit_has_room(&l));
}

static void
a_deadline_too_short_for_anybody_says_nothing(void **unused)
{
	double before;

	(void)unused;
	before = settled_with_calls_out();
	for (int i = 0; i < 2000; i++)
		limit_dropped(&l, false, 1 * MS, now += 1 * MS);
	assert_true(l.limit == before);
	for (int i = 0; i < 2000; i++)
		limit_dropped(&l, false, 100 * MS, now += 1 * MS);
	assert_true(l.limit < before);
}

#define L(f) cmocka_unit_test_setup_teardown(f, fresh, test_log_check)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		L(a_server_that_is_not_crowded_is_never_limited),
		L(many_calls_of_a_fast_server_are_no_congestion),
		L(under_overload_it_finds_the_knee_and_stays_there),
		L(goodput_stays_under_three_times_the_capacity_and_latency_is_bounded),
		L(it_follows_a_capacity_that_drops_and_comes_back),
		L(a_queue_that_stands_is_not_learned),
		L(work_that_has_become_longer_is_not_taken_for_congestion_for_good),
		L(what_is_not_used_is_given_back),
		L(drops_lower_it_and_it_never_goes_below_the_least),
		L(a_deadline_too_short_for_anybody_says_nothing),
	};

	return TEST_RUN(tests);
}
