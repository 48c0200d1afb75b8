/* work: what runs where, and that done() comes exactly once. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include "base/time.h"
#include "harness/test.h"
#include "node/work.h"

struct piece {
	struct work work;
	atomic_int runs;
	int dones, drops;
	atomic_bool off_loop, on_loop;
};

static struct loop *loop;
static pthread_t loop_thread;
static atomic_int gate;
static int finished;

static int
start(void **state)
{
	loop = loop_new();
	loop_thread = pthread_self();
	gate = 0;
	finished = 0;
	return test_log_mark(state);
}

static int
stop(void **state)
{
	loop_free(&loop);
	return test_log_check(state);
}

static void
run(struct work *w)
{
	struct piece *p = container_of(w, struct piece, work);

	p->off_loop = !pthread_equal(pthread_self(), loop_thread);
	while (gate != 0)
		usleep(200);
	p->runs++;
}

static void
done(struct work *w, bool dropped)
{
	struct piece *p = container_of(w, struct piece, work);

	p->dones++;
	p->drops += dropped;
	p->on_loop = pthread_equal(pthread_self(), loop_thread);
	finished++;
}

static bool
finished_are(void *ctx)
{
	return finished == *(int *)ctx;
}

static void
pieces_run_off_the_loop_and_end_on_it(void **unused)
{
	struct work_pool *p = work_pool_new(loop, 3, 256);
	static struct piece pieces[200];
	int want = 200;

	(void)unused;
	memset(pieces, 0, sizeof(pieces));
	for (int i = 0; i < 200; i++) {
		pieces[i].work.run = run;
		pieces[i].work.done = done;
		assert_true(work_start(p, &pieces[i].work));
	}
	loop_run_until(loop, finished_are, &want, 5 * SEC);
	for (int i = 0; i < 200; i++)
		assert_true(pieces[i].runs == 1 && pieces[i].dones == 1 && pieces[i].drops == 0 &&
			    pieces[i].off_loop && pieces[i].on_loop);
	work_pool_free(&p);
	assert_null(p);
}

static bool
two_run(void *ctx)
{
	struct piece *p = ctx;

	return p[0].off_loop && p[1].off_loop;
}

static void
a_full_queue_refuses_and_what_it_held_is_dropped_at_the_end(void **unused)
{
	struct work_pool *p = work_pool_new(loop, 2, 3);
	struct piece pieces[6] = { 0 };

	(void)unused;
	gate = 1;
	for (int i = 0; i < 6; i++) {
		pieces[i].work.run = run;
		pieces[i].work.done = done;
	}
	assert_true(work_start(p, &pieces[0].work));
	assert_true(work_start(p, &pieces[1].work));
	while (!two_run(pieces))
		usleep(200);
	for (int i = 2; i < 5; i++)
		assert_true(work_start(p, &pieces[i].work));
	assert_false(work_start(p, &pieces[5].work));

	gate = 0; /* some of the queue may run yet; each still ends once */
	work_pool_free(&p);
	loop_run_until(loop, finished_are, &(int){ 5 }, 5 * SEC);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(pieces[i].dones, 1);
		assert_int_equal(pieces[i].runs + pieces[i].drops, 1);
	}
	assert_int_equal(pieces[0].drops + pieces[1].drops, 0);
	assert_int_equal(pieces[5].dones + pieces[5].runs, 0);
}

static void
a_pool_without_work_has_no_threads_to_wait_for(void **unused)
{
	struct work_pool *p = work_pool_new(loop, 2, 3);

	(void)unused;
	work_pool_free(&p);
	work_pool_free(&p);
	assert_null(p);
}

#define W(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		W(pieces_run_off_the_loop_and_end_on_it),
		W(a_full_queue_refuses_and_what_it_held_is_dropped_at_the_end),
		W(a_pool_without_work_has_no_threads_to_wait_for),
	};

	return TEST_RUN(tests);
}
