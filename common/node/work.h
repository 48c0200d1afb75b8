/* work: CPU-heavy or blocking pieces (Argon2id, log-ins of libpq) on a bounded pool of
 * threads. */
#ifndef NODE_WORK_H
#define NODE_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include "node/loop.h"

struct work_pool;

struct work_pool *work_pool_new(struct loop *l, unsigned threads, unsigned queue);
/* waits for what runs; drops what queues, its done() with dropped = true */
void work_pool_free(struct work_pool **p);

/* run: on a pool thread; touches only what `w` owns. done: on the loop, always exactly once. False:
 * the queue is full, nothing will run: answer RESOURCE_EXHAUSTED. Threads start with the first
 * piece. */
struct work {
	struct loop_msg msg;
	struct work *next;
	struct work_pool *pool;
	void (*run)(struct work *w);
	void (*done)(struct work *w, bool dropped);
};
bool work_start(struct work_pool *p, struct work *w) __attribute__((warn_unused_result));

#endif
