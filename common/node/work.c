/* work: a bounded queue and a few threads. Who waits is in `queue`, in order; done() always runs on
 * the loop. The lock guards the queue and the counts; nothing is called under it. Used by handlers
 * through node_work(). */
#include "node/work.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include "base/log.h"
#include "base/mem.h"

#define THREADS_MAX 16
#define STACK_BYTES (512 * 1024)

struct work_pool {
	struct loop *loop;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct work *first, **end;
	unsigned waiting, waiting_max;
	unsigned idle, started, threads_max;
	bool closing;
	pthread_t threads[THREADS_MAX];
};

static void start_thread(struct work_pool *p);
static void *thread_main(void *ctx);
static struct work *next_work(struct work_pool *p);
static void on_done(struct loop_msg *m);

struct work_pool *
work_pool_new(struct loop *l, unsigned threads, unsigned queue)
{
	struct work_pool *p = mem_zalloc(sizeof(*p));

	must(threads > 0 && threads <= THREADS_MAX);
	p->loop = l;
	p->end = &p->first;
	p->waiting_max = queue;
	p->threads_max = threads;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	return p;
}

void
work_pool_free(struct work_pool **pp)
{
	struct work_pool *p = *pp;
	struct work *dropped, *next;

	*pp = NULL;
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->closing = true;
	dropped = p->first;
	p->first = NULL;
	p->end = &p->first;
	p->waiting = 0;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->started; i++)
		pthread_join(p->threads[i], NULL);
	for (; dropped != NULL; dropped = next) {
		next = dropped->next;
		dropped->done(dropped, true);
	}
	pthread_cond_destroy(&p->more);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

bool
work_start(struct work_pool *p, struct work *w)
{
	bool taken;

	w->pool = p;
	w->next = NULL;
	pthread_mutex_lock(&p->lock);
	taken = p->waiting < p->waiting_max;
	if (taken) {
		*p->end = w;
		p->end = &w->next;
		p->waiting++;
		if (p->idle < p->waiting && p->started < p->threads_max)
			start_thread(p);
		else
			pthread_cond_signal(&p->more);
	}
	pthread_mutex_unlock(&p->lock);
	return taken;
}

/* Signals are the loop thread's. Under the lock: the thread waits for it before it looks at the
 * queue. */
static void
start_thread(struct work_pool *p)
{
	pthread_attr_t attr;
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (pthread_create(&p->threads[p->started], &attr, thread_main, p) == 0)
		p->started++;
	else if (p->started == 0)
		fatal("cannot start a thread: raise the limit of processes");
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void *
thread_main(void *ctx)
{
	struct work_pool *p = ctx;
	struct work *w;

	while ((w = next_work(p)) != NULL) {
		w->run(w);
		w->msg.fn = on_done;
		loop_post(p->loop, &w->msg);
	}
	return NULL;
}

/* NULL: the pool closes. */
static struct work *
next_work(struct work_pool *p)
{
	struct work *w = NULL;

	pthread_mutex_lock(&p->lock);
	p->idle++;
	while (p->first == NULL && !p->closing)
		pthread_cond_wait(&p->more, &p->lock);
	p->idle--;
	if (!p->closing) {
		w = p->first;
		p->first = w->next;
		if (p->first == NULL)
			p->end = &p->first;
		p->waiting--;
	}
	pthread_mutex_unlock(&p->lock);
	return w;
}

static void
on_done(struct loop_msg *m)
{
	struct work *w = container_of(m, struct work, msg);

	w->done(w, false);
}
