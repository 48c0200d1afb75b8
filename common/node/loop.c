/* loop: libuv with a mailbox, turns and a timer heap of our own.
 *
 * One iteration: sleep, callbacks of descriptors and of the mailbox, due timers, then (uv_prepare)
 * turns, and sleep again. Nothing sleeps between a callback and the turn after it, so what one
 * batch made leaves together and at once. The clock is read when somebody first asks after a sleep.
 * An idle loop has no periodic wake-up: the uv timer is armed in prepare, and only when a timer is
 * armed. */
#include "node/loop.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#define TURN_ROUNDS  8 /* turns that ask for turns: after so many, descriptors get their chance */
#define CLOSE_ROUNDS 8 /* of a loop that ends: close callbacks may close more */
#define RESOLVER_US  (1 * SEC)

struct loop {
	uv_loop_t uv;
	uv_async_t wake;
	uv_timer_t clock;
	uv_prepare_t prepare;
	uv_idle_t busy;                   /* active: do not sleep */
	_Atomic(struct loop_msg *) inbox; /* newest first */
	struct list turns;
	struct link *turn_next; /* of the round that runs; moves on when its object is deleted */
	bool soon;
	bool stopped;
	bool running;
	int64_t now_us;      /* 0: not read since the last sleep */
	int64_t clock_at_us; /* when the uv timer fires; 0: not armed */
	struct timer **heap; /* [0] is the earliest; timer.slot is its index */
	uint32_t heap_n, heap_cap;
	struct loop *left; /* of left_behind */
};

static struct loop *left_behind; /* for look-ups that outlived their loop */

static bool close_uv(struct loop *l);
static void on_open_handle(uv_handle_t *h, void *ctx);
static void on_wake(uv_async_t *h);
static void on_clock(uv_timer_t *h);
static void on_prepare(uv_prepare_t *h);
static void on_busy(uv_idle_t *h);
static void on_limit(struct timer *t);
static void on_limit_turn(struct loop_turn *t);
static void drain(struct loop *l);
static void run_turns(struct loop *l);
static void arm_clock(struct loop *l);
static void enter(struct loop *l);
static void leave(struct loop *l);
static void heap_room(struct loop *l);
static void heap_put(struct loop *l, uint32_t slot, struct timer *t);
static void heap_up(struct loop *l, uint32_t slot);
static void heap_down(struct loop *l, uint32_t slot);

struct loop *
loop_new(void)
{
	struct loop *l = mem_zalloc(sizeof(*l));

	list_init(&l->turns);
	if (uv_loop_init(&l->uv) != 0 || uv_async_init(&l->uv, &l->wake, on_wake) != 0)
		fatal("cannot make an event loop: too many open files?");
	uv_timer_init(&l->uv, &l->clock);
	uv_prepare_init(&l->uv, &l->prepare);
	uv_idle_init(&l->uv, &l->busy);
	uv_prepare_start(&l->prepare, on_prepare);
	return l;
}

/* Handles of others must be closed already; their close callbacks, and what was posted last, run
 * here. */
void
loop_free(struct loop **lp)
{
	struct loop *l = *lp;

	*lp = NULL;
	if (l == NULL)
		return;
	drain(l);
	uv_close((uv_handle_t *)&l->wake, NULL);
	uv_close((uv_handle_t *)&l->clock, NULL);
	uv_close((uv_handle_t *)&l->prepare, NULL);
	uv_close((uv_handle_t *)&l->busy, NULL);
	if (close_uv(l)) {
		free(l->heap);
		free(l);
	} else {
		l->left = left_behind;
		left_behind = l;
	}
}

/* What is left when all handles are closed are requests in libuv's own threads, which come back to
 * this loop: nobody can end a getaddrinfo that has begun. */
static bool
close_uv(struct loop *l)
{
	struct pollfd back = { .fd = uv_backend_fd(&l->uv), .events = POLLIN };
	int64_t until = time_now_us() + RESOLVER_US, left;

	for (int round = 0; uv_loop_close(&l->uv) == UV_EBUSY; round++) {
		if (round >= CLOSE_ROUNDS) {
			uv_walk(&l->uv, on_open_handle, NULL);
			if ((left = until - time_now_us()) <= 0)
				return false;
			(void)poll(&back, 1, (int)(left / MS) + 1);
		}
		uv_run(&l->uv, UV_RUN_NOWAIT);
	}
	return true;
}

static void
on_open_handle(uv_handle_t *h, void *ctx)
{
	(void)h, (void)ctx;
	panic("loop_free: a handle is still open");
}

void
loop_run(struct loop *l)
{
	enter(l);
	while (!l->stopped)
		uv_run(&l->uv, UV_RUN_DEFAULT);
	leave(l);
}

/* What ends a run may come about in the first half of an iteration, just before the loop would
 * sleep: uv_stop keeps it awake. */
struct limit {
	struct timer timer;
	struct loop_turn turn;
	bool (*done)(void *ctx);
	void *ctx;
	bool passed;
};

void
loop_run_until(struct loop *l, bool (*done)(void *ctx), void *ctx, int64_t limit_us)
{
	struct limit limit = { .turn.fn = on_limit_turn, .done = done, .ctx = ctx };

	timer_init(&limit.timer, l, on_limit);
	timer_in(&limit.timer, limit_us);
	loop_turn_add(l, &limit.turn);
	enter(l);
	while (!done(ctx) && !limit.passed && !l->stopped)
		uv_run(&l->uv, UV_RUN_ONCE);
	leave(l);
	loop_turn_del(l, &limit.turn);
	timer_stop(&limit.timer);
}

void
loop_stop(struct loop *l)
{
	l->stopped = true;
	uv_stop(&l->uv);
}

uv_loop_t *
loop_uv(struct loop *l)
{
	return &l->uv;
}

int64_t
loop_now(const struct loop *l)
{
	if (!l->running)
		return time_now_us();
	if (l->now_us == 0)
		((struct loop *)(uintptr_t)l)->now_us =
		    time_now_us(); /* a cache: const to the caller */
	return l->now_us;
}

/* Who finds the mailbox empty wakes the loop; the others find it awake. */
void
loop_post(struct loop *l, struct loop_msg *m)
{
	struct loop_msg *head = atomic_load_explicit(&l->inbox, memory_order_relaxed);

	do {
		m->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
	    &l->inbox, &head, m, memory_order_release, memory_order_relaxed));
	if (head == NULL)
		uv_async_send(&l->wake);
}

void
loop_turn_add(struct loop *l, struct loop_turn *t)
{
	list_add(&l->turns, &t->link);
}

void
loop_turn_del(struct loop *l, struct loop_turn *t)
{
	if (!link_is_in(&t->link))
		return;
	if (l->turn_next == &t->link)
		l->turn_next = t->link.next;
	list_del(&l->turns, &t->link);
}

void
loop_turn_soon(struct loop *l)
{
	if (l->soon)
		return;
	l->soon = true;
	uv_idle_start(&l->busy, on_busy);
}

void
timer_init(struct timer *t, struct loop *l, void (*fn)(struct timer *t))
{
	*t = (struct timer){ .fn = fn, .loop = l };
}

void
timer_at(struct timer *t, int64_t at_us)
{
	struct loop *l = t->loop;

	timer_stop(t);
	heap_room(l);
	t->at_us = at_us < 1 ? 1 : at_us;
	heap_put(l, l->heap_n++, t);
	heap_up(l, t->slot);
}

void
timer_in(struct timer *t, int64_t us)
{
	int64_t at;

	if (us < 0)
		us = 0;
	if (__builtin_add_overflow(loop_now(t->loop), us, &at))
		at = INT64_MAX;
	timer_at(t, at);
}

void
timer_stop(struct timer *t)
{
	struct loop *l = t->loop;
	uint32_t slot = t->slot;
	struct timer *last;

	if (t->at_us == 0)
		return;
	t->at_us = 0;
	last = l->heap[--l->heap_n];
	if (last == t)
		return;
	heap_put(l, slot, last);
	heap_up(l, slot);
	heap_down(l, last->slot);
}

static void
on_wake(uv_async_t *h)
{
	drain(container_of(h, struct loop, wake));
}

/* The mailbox is newest first: turned round, messages run in the order of their posting. */
static void
drain(struct loop *l)
{
	struct loop_msg *m = atomic_exchange_explicit(&l->inbox, NULL, memory_order_acquire),
			*ordered = NULL, *next;

	for (; m != NULL; m = next) {
		next = m->next;
		m->next = ordered;
		ordered = m;
	}
	for (m = ordered; m != NULL; m = next) {
		next = m->next;
		m->fn(m);
	}
}

/* Each timer at most once: one that arms itself for now waits for the next iteration. */
static void
on_clock(uv_timer_t *h)
{
	struct loop *l = container_of(h, struct loop, clock);
	uint32_t most = l->heap_n;

	l->clock_at_us = 0;
	l->now_us = 0;
	for (; most > 0 && l->heap_n > 0 && l->heap[0]->at_us <= loop_now(l); most--) {
		struct timer *t = l->heap[0];

		timer_stop(t);
		t->fn(t);
	}
}

static void
on_prepare(uv_prepare_t *h)
{
	struct loop *l = container_of(h, struct loop, prepare);

	run_turns(l);
	arm_clock(l);
	l->now_us = 0;
}

static void
on_busy(uv_idle_t *h)
{
	(void)h; /* that it is active is what it does: the loop does not sleep */
}

static void
on_limit(struct timer *t)
{
	container_of(t, struct limit, timer)->passed = true;
	uv_stop(&t->loop->uv);
}

static void
on_limit_turn(struct loop_turn *t)
{
	struct limit *limit = container_of(t, struct limit, turn);
	struct loop *l = limit->timer.loop;

	if (l->running && limit->done(limit->ctx))
		uv_stop(&l->uv);
}

static void
run_turns(struct loop *l)
{
	for (int round = 0; round == 0 || (l->soon && round < TURN_ROUNDS); round++) {
		l->soon = false;
		for (struct link *k = l->turns.head.next; k != &l->turns.head; k = l->turn_next) {
			struct loop_turn *t = container_of(k, struct loop_turn, link);

			l->turn_next = k->next;
			t->fn(t);
		}
		l->turn_next = NULL;
	}
	if (!l->soon)
		uv_idle_stop(&l->busy);
}

/* libuv's loop time is the same clock in whole milliseconds: absolute arithmetic makes no error,
 * rounding up means that no timer is early. A timer that was moved away leaves one wake-up for
 * nothing: cheaper than arming anew each turn. */
static void
arm_clock(struct loop *l)
{
	int64_t at_us = l->heap_n == 0 ? 0 : l->heap[0]->at_us;
	uint64_t at_ms, now_ms = uv_now(&l->uv);

	if (at_us == 0 || (l->clock_at_us != 0 && l->clock_at_us <= at_us))
		return;
	at_ms = (uint64_t)(at_us / MS) + (at_us % MS != 0);
	uv_timer_start(&l->clock, on_clock, at_ms > now_ms ? at_ms - now_ms : 0, 0);
	l->clock_at_us = at_us;
}

static void
enter(struct loop *l)
{
	must(!l->running);
	l->running = true;
	l->now_us = 0;
}

/* What the last batch made leaves too. */
static void
leave(struct loop *l)
{
	run_turns(l);
	l->running = false;
	l->stopped = false;
	l->now_us = 0;
}

static void
heap_room(struct loop *l)
{
	if (l->heap_n < l->heap_cap)
		return;
	l->heap_cap = l->heap_cap == 0 ? 64 : l->heap_cap * 2;
	l->heap = mem_grow(l->heap, l->heap_cap, sizeof(struct timer *));
}

static void
heap_put(struct loop *l, uint32_t slot, struct timer *t)
{
	l->heap[slot] = t;
	t->slot = slot;
}

static void
heap_up(struct loop *l, uint32_t slot)
{
	struct timer *t = l->heap[slot];

	for (uint32_t parent; slot > 0; slot = parent) {
		parent = (slot - 1) / 2;
		if (l->heap[parent]->at_us <= t->at_us)
			break;
		heap_put(l, slot, l->heap[parent]);
	}
	heap_put(l, slot, t);
}

static void
heap_down(struct loop *l, uint32_t slot)
{
	struct timer *t = l->heap[slot];

	for (uint32_t child; (child = 2 * slot + 1) < l->heap_n; slot = child) {
		if (child + 1 < l->heap_n && l->heap[child + 1]->at_us < l->heap[child]->at_us)
			child++;
		if (t->at_us <= l->heap[child]->at_us)
			break;
		heap_put(l, slot, l->heap[child]);
	}
	heap_put(l, slot, t);
}
