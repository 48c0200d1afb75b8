/* source: see source.h. A read is gathering until the end of the turn, then it asks; whoever comes
 * later begins another one, so that nobody is answered from before he asked. */
#include "api/live/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#define READ_LIMIT_US (1500 * MS)

struct source_read {
	struct link link; /* sources.gathering */
	const struct source *source;
	struct call *call;
	struct list waiters;
	const struct source_page *page; /* the answer, in the call's arena */
	char position[];
};

struct waiter { /* in its own call's arena */
	struct call_dep dep;
	struct link link;
	struct call *call;
	struct source_read *read;
	source_fn *fn;
	void *ctx;
};

static struct source_read *gathering_at(const struct source *, const char *);
static void on_turn(struct loop_turn *);
static void on_end(struct call *, const struct call_end *, void *);
static void on_cancelled(struct call_dep *);

static const struct source *const all[] = { &source_fleet, &source_tasks };
static struct {
	struct bus *bus;
	struct list gathering;
	struct loop_turn turn;
} sources;

void
sources_init(struct bus *b)
{
	sources.bus = b;
	list_init(&sources.gathering);
	sources.turn = (struct loop_turn){ .fn = on_turn };
	loop_turn_add(bus_loop(b), &sources.turn);
}

const struct source *
source_find(const char *topic)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(all[i]->topic, topic) == 0)
			return all[i];
	return NULL;
}

void
source_page_after(
    struct call *c, const struct source *s, const char *position, source_fn *fn, void *ctx)
{
	struct waiter *w = ARENA_NEW(call_arena(c), struct waiter);
	struct source_read *r = gathering_at(s, position);

	*w = (struct waiter){
		.dep.cancel = on_cancelled, .call = c, .read = r, .fn = fn, .ctx = ctx
	};
	list_add(&r->waiters, &w->link);
	call_attach(c, &w->dep);
}

struct call *
source_call(struct source_read *r)
{
	return r->call;
}

const char *
source_position(const struct source_read *r)
{
	return r->position;
}

void
source_answer(struct source_read *r, const struct source_page *p)
{
	static const Mf__Empty nothing = MF__EMPTY__INIT;

	r->page = p;
	call_reply(r->call, &nothing.base);
}

void
source_fail(struct source_read *r, const struct failure *f)
{
	call_fail_with(r->call, f);
}

static struct source_read *
gathering_at(const struct source *s, const char *position)
{
	struct source_read *r;
	size_t n = strlen(position) + 1;

	LIST_EACH(&sources.gathering, k) {
		r = container_of(k, struct source_read, link);
		if (r->source == s && strcmp(r->position, position) == 0)
			return r;
	}
	r = mem_zalloc(sizeof(*r) + n);
	memcpy(r->position, position, n);
	r->source = s;
	list_init(&r->waiters);
	r->call = call_root(sources.bus,
	    &(const struct call_opts){ .limit_us = READ_LIMIT_US, .done = on_end, .ctx = r });
	list_add(&sources.gathering, &r->link);
	loop_turn_soon(bus_loop(sources.bus));
	return r;
}

static void
on_turn(struct loop_turn *t)
{
	struct link *k;

	(void)t;
	while ((k = list_pop(&sources.gathering)) != NULL) {
		struct source_read *r = container_of(k, struct source_read, link);

		r->source->read(r);
	}
}

/* A waiter may ask for the next page in here: that is another read. */
static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct source_read *r = ctx;
	struct link *k;

	(void)c;
	if (link_is_in(&r->link))
		list_del(&sources.gathering, &r->link);
	while ((k = list_pop(&r->waiters)) != NULL) {
		struct waiter *w = container_of(k, struct waiter, link);

		call_detach(w->call, &w->dep);
		w->fn(w->ctx, end->failure == NULL ? r->page : NULL, end->failure);
	}
	free(r);
}

/* Its call has ended. When nobody waits any more, the read is of no use. */
static void
on_cancelled(struct call_dep *d)
{
	struct waiter *w = container_of(d, struct waiter, dep);
	struct source_read *r = w->read;

	list_del(&r->waiters, &w->link);
	if (r->waiters.n == 0)
		call_cancel(r->call);
}
