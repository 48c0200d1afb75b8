/* wait: a list of calls. Called by gate, remember and fleet. */
#include "meta/wait.h"

struct waiter { /* in the arena of its call */
	struct call_dep dep;
	struct link link;
	struct waiters *of;
	struct call *c;
	void (*fn)(void *ctx);
	void *ctx;
};

static void on_call_ended(struct call_dep *);

void
waiters_init(struct waiters *w)
{
	list_init(&w->list);
}

void
waiters_add(struct waiters *w, struct call *c, void (*fn)(void *ctx), void *ctx)
{
	struct waiter *a = ARENA_NEW(call_arena(c), struct waiter);

	a->dep.cancel = on_call_ended;
	a->of = w;
	a->c = c;
	a->fn = fn;
	a->ctx = ctx;
	list_add(&w->list, &a->link);
	call_attach(c, &a->dep);
}

void
waiters_move(struct waiters *to, struct waiters *from)
{
	struct link *k;

	while ((k = list_pop(&from->list)) != NULL) {
		container_of(k, struct waiter, link)->of = to;
		list_add(&to->list, k);
	}
}

/* Counted, not until empty: who waits again in its fn comes after those of today. */
void
waiters_wake(struct waiters *w)
{
	struct link *k;

	for (size_t n = w->list.n; n > 0 && (k = list_pop(&w->list)) != NULL; n--) {
		struct waiter *a = container_of(k, struct waiter, link);

		call_detach(a->c, &a->dep);
		a->fn(a->ctx);
	}
}

static void
on_call_ended(struct call_dep *d)
{
	struct waiter *a = container_of(d, struct waiter, dep);

	list_del(&a->of->list, &a->link);
}
