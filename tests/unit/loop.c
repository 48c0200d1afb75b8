/* loop: the mailbox, turns and timers. Times are real, bounds generous on the late side only. */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/id.h"
#include "base/time.h"
#include "harness/test.h"
#include "node/loop.h"

static struct loop *loop;

static int
start(void **state)
{
	loop = loop_new();
	return test_log_mark(state);
}

static int
stop(void **state)
{
	loop_free(&loop);
	return test_log_check(state);
}

static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}

struct alarm {
	struct timer timer;
	int64_t due_us, late_us;
	unsigned rang;
};

static int64_t last_due_us;
static unsigned rang;

static void
on_alarm(struct timer *t)
{
	struct alarm *a = container_of(t, struct alarm, timer);

	a->late_us = time_now_us() - a->due_us;
	a->rang++;
	assert_true(a->due_us >= last_due_us);
	assert_int_equal(t->at_us, 0);
	last_due_us = a->due_us;
	rang++;
}

static bool
all_rang(void *ctx)
{
	return rang == *(unsigned *)ctx;
}

static void
timers_ring_in_order_and_never_early(void **unused)
{
	static struct alarm a[500];
	unsigned want = 0;
	struct rng r;

	(void)unused;
	rng_seed(&r, 5);
	rang = 0;
	last_due_us = 0;
	for (int i = 0; i < 500; i++) {
		timer_init(&a[i].timer, loop, on_alarm);
		a[i].rang = 0;
		a[i].due_us = time_now_us() + 5 * MS + rng_below(&r, 60000);
		timer_at(&a[i].timer, a[i].due_us);
	}
	for (int i = 0; i < 500; i += 3)
		timer_stop(&a[i].timer);
	for (int i = 1; i < 500; i += 3) {
		a[i].due_us = time_now_us() + 5 * MS + rng_below(&r, 60000);
		timer_at(&a[i].timer, a[i].due_us); /* moves */
	}
	for (int i = 0; i < 500; i++)
		want += i % 3 != 0;
	loop_run_until(loop, all_rang, &want, 5 * SEC);
	for (int i = 0; i < 500; i++) {
		assert_int_equal(a[i].rang, i % 3 != 0);
		assert_true(i % 3 == 0 || a[i].late_us >= 0);
	}
}

static unsigned again;

static void
on_again(struct timer *t)
{
	if (++again < 1000)
		timer_in(t, 0);
	else
		loop_stop(t->loop);
}

static struct alarm beside;

static void
on_beside(struct timer *t)
{
	(void)t;
	beside.rang = again;
}

static void
a_timer_that_is_always_due_starves_nobody(void **unused)
{
	struct timer t;

	(void)unused;
	again = 0;
	timer_init(&t, loop, on_again);
	timer_init(&beside.timer, loop, on_beside);
	beside.rang = 0;
	timer_in(&t, 0);
	timer_in(&beside.timer, 0);
	loop_run(loop);
	assert_int_equal(again, 1000);
	assert_in_range(beside.rang, 1, 10);
}

#define POSTS 20000

struct post {
	struct loop_msg msg;
	int thread, number;
};

static int last_number[4];
static unsigned posted;

static void
on_post(struct loop_msg *m)
{
	struct post *p = container_of(m, struct post, msg);

	assert_int_equal(p->number, last_number[p->thread] + 1); /* nothing lost, in order */
	last_number[p->thread] = p->number;
	if (++posted == 4 * POSTS)
		loop_stop(loop);
	free(p);
}

static void *
post_many(void *ctx)
{
	int thread = *(int *)ctx;

	for (int i = 1; i <= POSTS; i++) {
		struct post *p = calloc(1, sizeof(*p));

		must(p != NULL);
		p->msg.fn = on_post;
		p->thread = thread;
		p->number = i;
		loop_post(loop, &p->msg);
	}
	return NULL;
}

static void
messages_of_four_threads_arrive_all_and_in_order(void **unused)
{
	pthread_t t[4];
	int number[4];

	(void)unused;
	posted = 0;
	memset(last_number, 0, sizeof(last_number));
	for (int i = 0; i < 4; i++) {
		number[i] = i;
		assert_int_equal(pthread_create(&t[i], NULL, post_many, &number[i]), 0);
	}
	loop_run(loop);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(posted, 4 * POSTS);
}

static unsigned turns, turns_at_stop;

static void
on_turn(struct loop_turn *t)
{
	(void)t;
	turns++;
}

static void
on_first(struct timer *t)
{
	struct alarm *a = container_of(t, struct alarm, timer);

	a->rang = turns;
	timer_in(&(a + 1)->timer, 5 * MS);
}

static void
on_second(struct timer *t)
{
	turns_at_stop = turns;
	loop_stop(t->loop);
}

static void
a_turn_follows_each_batch_before_the_loop_sleeps(void **unused)
{
	struct loop_turn turn = { .fn = on_turn };
	struct alarm a[2] = { 0 };

	(void)unused;
	turns = 0;
	timer_init(&a[0].timer, loop, on_first);
	timer_init(&a[1].timer, loop, on_second);
	loop_turn_add(loop, &turn);
	timer_in(&a[0].timer, 5 * MS);
	loop_run(loop);
	assert_true(turns_at_stop > a[0].rang); /* one after the first, before the second */
	assert_true(turns > turns_at_stop);     /* and one after the last */
	loop_turn_del(loop, &turn);
	loop_turn_del(loop, &turn); /* harmless */
}

struct eager {
	struct loop_turn turn;
	struct loop_turn *victim;
	unsigned left, ran;
};

static void
on_eager(struct loop_turn *t)
{
	struct eager *e = container_of(t, struct eager, turn);

	e->ran++;
	if (e->victim != NULL)
		loop_turn_del(loop, e->victim);
	if (e->left > 0 && --e->left > 0)
		loop_turn_soon(loop);
}

static bool
eager_is_done(void *ctx)
{
	return ((struct eager *)ctx)->left == 0;
}

static void
a_turn_may_ask_for_another_and_the_loop_does_not_sleep_over_it(void **unused)
{
	struct eager e = { .turn = { .fn = on_eager }, .left = 100 };
	int64_t before = time_now_us();

	(void)unused;
	loop_turn_add(loop, &e.turn);
	loop_turn_soon(loop);
	loop_run_until(loop, eager_is_done, &e, 5 * SEC);
	assert_int_equal(e.left, 0);
	assert_true(time_now_us() - before < SEC);
	loop_turn_del(loop, &e.turn);
}

static void
a_turn_may_delete_its_neighbour(void **unused)
{
	struct loop_turn victim = { .fn = on_turn };
	struct eager e = { .turn = { .fn = on_eager }, .victim = &victim };

	(void)unused;
	turns = 0;
	loop_turn_add(loop, &e.turn);
	loop_turn_add(loop, &victim);
	loop_run_until(loop, never, NULL, MS);
	assert_int_equal(turns, 0);
	assert_true(e.ran > 0);
	loop_turn_del(loop, &e.turn);
}

static void
on_clock_check(struct timer *t)
{
	int64_t now = loop_now(t->loop);

	usleep(3000);
	assert_true(loop_now(t->loop) == now); /* one reading per turn */
	assert_true(time_now_us() - now >= 3 * MS);
	loop_stop(t->loop);
}

static void
the_clock_is_read_once_per_turn(void **unused)
{
	struct timer t;

	(void)unused;
	timer_init(&t, loop, on_clock_check);
	timer_in(&t, 2 * MS);
	loop_run(loop);
	assert_true(time_now_us() - loop_now(loop) < SEC); /* outside of a run it is simply now */
}

static void
an_idle_loop_does_not_wake_up(void **unused)
{
	struct rusage before, after;

	(void)unused;
	getrusage(RUSAGE_THREAD, &before);
	loop_run_until(loop, never, NULL, 300 * MS);
	getrusage(RUSAGE_THREAD, &after);
	assert_true(after.ru_nvcsw - before.ru_nvcsw < 8);
}

static void
a_limit_ends_a_run_and_the_loop_runs_again(void **unused)
{
	int64_t before = time_now_us();

	(void)unused;
	for (int i = 0; i < 3; i++)
		loop_run_until(loop, never, NULL, 10 * MS);
	assert_true(time_now_us() - before >= 30 * MS);
}

static bool looked_up;

static void
on_found(uv_getaddrinfo_t *q, int status, struct addrinfo *found)
{
	(void)status;
	free(q);
	uv_freeaddrinfo(found);
	looked_up = true;
}

static void
a_name_look_up_under_way_ends_before_its_loop(void **unused)
{
	uv_getaddrinfo_t *q = calloc(1, sizeof(*q));

	(void)unused;
	assert_non_null(q);
	looked_up = false;
	assert_int_equal(uv_getaddrinfo(loop_uv(loop), q, on_found, "localhost", "1", NULL), 0);
	loop_free(&loop);
	assert_true(looked_up);
}

/* As a resolver that nobody answers. */
struct resolver {
	uv_work_t work;
	sem_t answer, seen;
	bool told;
};

static void
resolver_run(uv_work_t *w)
{
	struct resolver *r = container_of(w, struct resolver, work);

	while (sem_wait(&r->answer) != 0)
		continue;
	sem_post(&r->seen);
}

static void
resolver_done(uv_work_t *w, int status)
{
	(void)status;
	container_of(w, struct resolver, work)->told = true;
}

static void
a_look_up_that_never_ends_holds_the_end_of_a_loop_up_for_a_second(void **unused)
{
	static struct resolver r; /* outlives the test, as a request that was left behind */
	int64_t before = time_now_us();

	(void)unused;
	sem_init(&r.answer, 0, 0);
	sem_init(&r.seen, 0, 0);
	assert_int_equal(uv_queue_work(loop_uv(loop), &r.work, resolver_run, resolver_done), 0);
	loop_free(&loop);
	assert_in_range(time_now_us() - before, SEC - MS, 20 * SEC);
	sem_post(&r.answer);
	while (sem_wait(&r.seen) != 0)
		continue;
	assert_false(r.told); /* there is no loop any more to tell it on */
}

#define L(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		L(timers_ring_in_order_and_never_early),
		L(a_timer_that_is_always_due_starves_nobody),
		L(messages_of_four_threads_arrive_all_and_in_order),
		L(a_turn_follows_each_batch_before_the_loop_sleeps),
		L(a_turn_may_ask_for_another_and_the_loop_does_not_sleep_over_it),
		L(a_turn_may_delete_its_neighbour),
		L(the_clock_is_read_once_per_turn),
		L(an_idle_loop_does_not_wake_up),
		L(a_limit_ends_a_run_and_the_loop_runs_again),
		L(a_name_look_up_under_way_ends_before_its_loop),
		L(a_look_up_that_never_ends_holds_the_end_of_a_loop_up_for_a_second),
	};

	return TEST_RUN(tests);
}
