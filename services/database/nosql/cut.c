/* cut: the calls that wait. */
#include "base/list.h"
#include "base/log.h"
#include "database/nosql/cut.h"

struct held {
	struct link link;
	struct call_dep dep;
	struct call *c;
	const void *q;
	cut_go_fn *go;
};

static void held_cancel(struct call_dep *);

static struct list waiting;
static bool holding;

bool
cut_holds(struct call *c, const void *q, cut_go_fn *go)
{
	struct held *h;

	if (!holding)
		return false;
	h = ARENA_NEW(call_arena(c), struct held);
	*h = (struct held){ .c = c, .q = q, .go = go, .dep.cancel = held_cancel };
	list_add(&waiting, &h->link);
	call_attach(c, &h->dep);
	return true;
}

static void
held_cancel(struct call_dep *d)
{
	list_del(&waiting, &container_of(d, struct held, dep)->link);
}

void
cut_hold(void)
{
	if (holding)
		return;
	list_init(&waiting);
	holding = true;
}

bool
cut_holding(void)
{
	return holding;
}

void
cut_release(void)
{
	struct link *k;

	if (!holding)
		return;
	holding = false;
	while ((k = list_pop(&waiting)) != NULL) {
		struct held *h = container_of(k, struct held, link);

		call_detach(h->c, &h->dep);
		h->go(h->c, h->q);
	}
}
