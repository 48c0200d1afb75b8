/* loop: the one thread that owns all state of a node (libuv underneath). Handlers never block.
 *
 * Other threads (the work pool's) hand things over with loop_post: a lock-free queue, one wake-up,
 * drained in batches. After each batch the registered "turn" functions run: the bus flushes its
 * frames there, so that what one batch made leaves together. */
#ifndef NODE_LOOP_H
#define NODE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "base/list.h"

struct loop;

struct loop *loop_new(void);
/* Waits a second at most for look-ups of names that can't be called off any more; then its memory is
 * left to them. An open handle is a bug. */
void loop_free(struct loop **l);
void loop_run(struct loop *l); /* until loop_stop; may be called again */
/* for tests and the command line */
void loop_run_until(struct loop *l, bool (*done)(void *ctx), void *ctx, int64_t limit_us);
void loop_stop(struct loop *l);
uv_loop_t *loop_uv(struct loop *l);
int64_t loop_now(const struct loop *l); /* CLOCK_MONOTONIC us, read once per turn */

/* --- from any thread --- */
struct loop_msg {
	struct loop_msg *next;          /* the queue's */
	void (*fn)(struct loop_msg *m); /* runs on the loop, in order of posting */
};
/* m stays the poster's; not again before fn ran */
void loop_post(struct loop *l, struct loop_msg *m);

/* --- turn: after each batch of posted messages, timers and polls; before the loop sleeps --- */
struct loop_turn {
	struct link link;
	void (*fn)(struct loop_turn *t);
};
void loop_turn_add(struct loop *l, struct loop_turn *t);
void loop_turn_del(struct loop *l, struct loop_turn *t);
void loop_turn_soon(struct loop *l); /* make a turn happen though nothing else does */

/* --- timers: a heap of our own, one uv timer; 1 ms slack is allowed --- */
struct timer {
	int64_t at_us; /* 0: not armed */
	uint32_t slot; /* the heap's */
	/* container_of gives the owner; not armed any more when it runs */
	void (*fn)(struct timer *t);
	struct loop *loop;
};
void timer_init(struct timer *t, struct loop *l, void (*fn)(struct timer *t));
void timer_at(struct timer *t, int64_t at_us); /* arms, or moves */
void timer_in(struct timer *t, int64_t us);
void timer_stop(struct timer *t); /* harmless when not armed */

#endif
