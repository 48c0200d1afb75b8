/* batch: loads by key. All that arise before the execution has to wait leave together: one fetch for
 * each loader, however many fields asked. A key is fetched once per execution. */
#include <string.h>

#include "api/graphql/engine/exec.h"

struct wait { /* a field that waits for keys */
	struct gql_later *later;
	uint32_t missing;
	bool list;
	uint32_t n;
	struct entry **entries;
};

struct waiter {
	struct wait *wait;
	struct waiter *next;
};

struct entry {
	const char *key;
	bool loaded;
	struct gql_value value;
	struct waiter *waiters;
	struct entry *next; /* in the queue */
};

struct shelf {
	const struct gql_loader *loader;
	struct dict entries;
	struct entry *queue, **end;
	uint32_t queued;
	struct shelf *next;
};

struct gql_batch {
	struct gql_exec *exec;
	struct shelf *shelf;
	uint32_t n;
	struct entry **entries;
};

static struct shelf *shelf_of(struct gql_exec *, const struct gql_loader *);
static struct entry *entry_of(struct gql_exec *, struct shelf *, const char *);
static struct gql_value wait_for(const struct gql_at *, struct wait *);
static struct gql_value value_of(struct gql_exec *, const struct wait *);
static void fetch(struct gql_exec *, struct shelf *);

struct gql_value
gql_load(const struct gql_at *at, const struct gql_loader *l, const char *key)
{
	struct arena *a = gql_arena(at);
	struct wait *w = ARENA_NEW(a, struct wait);

	w->n = 1;
	w->entries = ARENA_ARRAY(a, struct entry *, 1);
	w->entries[0] = entry_of(at->exec, shelf_of(at->exec, l), key);
	return wait_for(at, w);
}

struct gql_value
gql_load_list(
    const struct gql_at *at, const struct gql_loader *l, const char *const *keys, size_t n)
{
	struct arena *a = gql_arena(at);
	struct wait *w = ARENA_NEW(a, struct wait);
	struct shelf *s = shelf_of(at->exec, l);

	w->list = true;
	w->n = (uint32_t)n;
	w->entries = ARENA_ARRAY(a, struct entry *, n);
	for (size_t i = 0; i < n; i++)
		w->entries[i] = entry_of(at->exec, s, keys[i]);
	return wait_for(at, w);
}

static struct shelf *
shelf_of(struct gql_exec *e, const struct gql_loader *l)
{
	struct shelf *s = e->shelves;

	while (s != NULL && s->loader != l)
		s = s->next;
	if (s != NULL)
		return s;
	s = ARENA_NEW(e->run.a, struct shelf);
	s->loader = l;
	s->end = &s->queue;
	dict_init(&s->entries, e->run.a);
	s->next = e->shelves;
	e->shelves = s;
	return s;
}

static struct entry *
entry_of(struct gql_exec *e, struct shelf *s, const char *key)
{
	void **at = dict_at(&s->entries, str_of(key));
	struct entry *n = *at;

	if (n != NULL)
		return n;
	*at = n = ARENA_NEW(e->run.a, struct entry);
	n->key = key;
	n->value = gql_null();
	*s->end = n;
	s->end = &n->next;
	s->queued++;
	return n;
}

static struct gql_value
wait_for(const struct gql_at *at, struct wait *w)
{
	struct arena *a = gql_arena(at);

	for (uint32_t i = 0; i < w->n; i++) {
		struct waiter *one;

		if (w->entries[i]->loaded)
			continue;
		one = ARENA_NEW(a, struct waiter);
		one->wait = w;
		one->next = w->entries[i]->waiters;
		w->entries[i]->waiters = one;
		w->missing++;
	}
	return w->missing == 0 ? value_of(at->exec, w) : gql_later(at, &w->later);
}

static struct gql_value
value_of(struct gql_exec *e, const struct wait *w)
{
	struct gql_value *items;

	if (!w->list)
		return w->entries[0]->value;
	items = ARENA_ARRAY(e->run.a, struct gql_value, w->n);
	for (uint32_t i = 0; i < w->n; i++)
		items[i] = w->entries[i]->value;
	return gql_list(items, w->n);
}

bool
batch_waits(const struct gql_exec *e)
{
	for (const struct shelf *s = e->shelves; s != NULL; s = s->next)
		if (s->queued != 0)
			return true;
	return false;
}

void
batch_flush(struct gql_exec *e)
{
	for (struct shelf *s = e->shelves; s != NULL; s = s->next)
		while (s->queued != 0)
			fetch(e, s);
}

static void
fetch(struct gql_exec *e, struct shelf *s)
{
	struct gql_batch *b = ARENA_NEW(e->run.a, struct gql_batch);

	b->exec = e;
	b->shelf = s;
	b->n = s->queued < s->loader->most ? s->queued : (uint32_t)s->loader->most;
	b->entries = ARENA_ARRAY(e->run.a, struct entry *, b->n);
	for (uint32_t i = 0; i < b->n; i++) {
		b->entries[i] = s->queue;
		s->queue = s->queue->next;
	}
	s->queued -= b->n;
	if (s->queued == 0)
		s->end = &s->queue;
	s->loader->fetch(b, e->run.host);
}

size_t
gql_batch_n(const struct gql_batch *b)
{
	return b->n;
}

const char *
gql_batch_key(const struct gql_batch *b, size_t i)
{
	return b->entries[i]->key;
}

void
gql_batch_set(struct gql_batch *b, size_t i, struct gql_value v)
{
	b->entries[i]->value = v;
}

void
gql_batch_give(struct gql_batch *b, const char *key, struct gql_value v)
{
	struct entry *e = dict_get(&b->shelf->entries, str_of(key));

	if (e != NULL && !e->loaded)
		e->value = v;
}

/* All of them are there before the first field goes on: what it loads next leaves together, too. */
void
gql_batch_done(struct gql_batch *b)
{
	struct gql_exec *e = b->exec;
	bool outer = !e->running;

	e->running = true;
	for (uint32_t i = 0; i < b->n; i++)
		b->entries[i]->loaded = true;
	for (uint32_t i = 0; i < b->n; i++)
		for (struct waiter *w = b->entries[i]->waiters; w != NULL; w = w->next)
			if (--w->wait->missing == 0)
				exec_settle(w->wait->later, value_of(e, w->wait));
	if (!outer)
		return;
	e->running = false;
	exec_go_on(e);
}

void
gql_batch_forget(const struct gql_at *at)
{
	for (struct shelf *s = at->exec->shelves; s != NULL; s = s->next)
		dict_init(&s->entries, at->exec->run.a);
}
