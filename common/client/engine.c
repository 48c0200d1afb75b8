/* engine: see engine.h. */
#include "client/engine.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include "base/log.h"

struct errand { /* engine_run */
	struct loop_msg msg;
	void (*fn)(void *ctx);
	void *ctx;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct loop *loop; /* NULL: it does not run */
static unsigned users;
static pthread_t thread;
static _Thread_local bool here;

static bool start(void);
static void *run(void *unused);
static void on_errand(struct loop_msg *m);
static void stop(void *unused);

struct loop *
engine_use(void)
{
	struct loop *l;

	pthread_mutex_lock(&lock);
	if (loop == NULL && !start()) {
		pthread_mutex_unlock(&lock);
		return NULL;
	}
	users++;
	l = loop;
	pthread_mutex_unlock(&lock);
	return l;
}

void
engine_leave(void)
{
	pthread_mutex_lock(&lock);
	must(users > 0);
	if (--users == 0 && !here) {
		engine_run(stop, NULL);
		pthread_join(thread, NULL);
		loop_free(&loop);
	}
	pthread_mutex_unlock(&lock);
}

bool
engine_is_here(void)
{
	return here;
}

void
engine_run(void (*fn)(void *ctx), void *ctx)
{
	struct errand e = { .msg.fn = on_errand,
		.fn = fn,
		.ctx = ctx,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };

	if (here) {
		fn(ctx);
		return;
	}
	loop_post(loop, &e.msg);
	pthread_mutex_lock(&e.lock);
	while (!e.done)
		pthread_cond_wait(&e.changed, &e.lock);
	pthread_mutex_unlock(&e.lock);
}

/* Signals are the program's: none may be delivered here. */
static bool
start(void)
{
	sigset_t all, before;
	int error;

	log_set_level(LOG_ERROR);
	loop = loop_new();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, NULL, run, loop);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0)
		return true;
	loop_free(&loop);
	errno = error;
	return false;
}

static void *
run(void *l)
{
	here = true;
	loop_run(l);
	return NULL;
}

static void
on_errand(struct loop_msg *m)
{
	struct errand *e = container_of(m, struct errand, msg);

	e->fn(e->ctx);
	pthread_mutex_lock(&e->lock);
	e->done = true;
	pthread_cond_signal(&e->changed);
	pthread_mutex_unlock(&e->lock); /* e is gone from here on */
}

static void
stop(void *unused)
{
	(void)unused;
	loop_stop(loop);
}
