/* watchdog: where no supervisor kills a hung node, the node does it itself: a loop that has not
 * turned for `watchdog` ends the process, and the container runtime starts another one.
 *
 * A thread counts its own ticks since the loop's last turn, not the time: a process that was frozen
 * (SIGSTOP, a paused host) was not hung, and wakes up with one tick more. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "base/log.h"
#include "base/time.h"
#include "node/inside.h"

#define TICKS       10 /* within the limit */
#define LAST_WORD_S 1  /* who waits for the log longer hangs for that reason */

static atomic_uint silent; /* ticks since the loop turned */

static void on_turn(struct timer *t);
static void *watch(void *ctx);
static void end_hung(const struct node *n) __attribute__((noreturn));

void
watchdog_start(struct node *n)
{
	sigset_t all, old;
	pthread_t thread;

	n->watchdog_tick_us = n->now->common.watchdog_us / TICKS;
	if (n->supervised || !n->now->common.heartbeat || n->watchdog_tick_us == 0)
		return;
	timer_init(&n->watchdog, n->loop, on_turn);
	on_turn(&n->watchdog);
	sigfillset(&all); /* signals are the loop thread's */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&thread, NULL, watch, n) != 0)
		fatal("cannot start a thread: raise the limit of processes");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_detach(thread);
}

static void
on_turn(struct timer *t)
{
	struct node *n = container_of(t, struct node, watchdog);

	atomic_store_explicit(&silent, 0, memory_order_relaxed);
	timer_in(t, n->watchdog_tick_us);
}

static void *
watch(void *ctx)
{
	const struct node *n = ctx;
	const struct timespec tick = { .tv_sec = n->watchdog_tick_us / SEC,
		.tv_nsec = n->watchdog_tick_us % SEC * 1000 };

	/* the loop turns once a tick: one that is on its way does not count */
	while (atomic_fetch_add_explicit(&silent, 1, memory_order_relaxed) <= TICKS)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &tick, NULL);
	end_hung(n);
}

/* Takes no lock that the loop may hold. Where even this line can't be written, the alarm ends us. */
static void
end_hung(const struct node *n)
{
	sigset_t alarms;

	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	signal(SIGALRM, SIG_DFL);
	pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
	alarm(LAST_WORD_S);
	log_write(LOG_FATAL, NULL, "loop_hung",
	    (const struct log_field[]){
		L_INT("limit_ms", n->watchdog_tick_us * TICKS / MS), { .key = NULL } });
	abort();
}
