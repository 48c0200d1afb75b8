/* event: numbered events, published in batches, delivered in order. Pub/sub is only the bell: the
 * ring of the publisher is the truth, and whoever misses a number fetches it by Node.Events. A
 * subscriber's feed knows the publisher's generation and the next number; what doesn't continue
 * there is dropped and fetched. */
#include <stdlib.h>
#include <string.h>
#include "bus/inside.h"

#define RING     4096
#define BATCH_US (5 * MS) /* a batch waits for company so long ... */
#define BATCH_MOST_US                                                                              \
	(20 * MS) /* ... again and again while some comes, but never longer than that */
#define BATCH_BYTES (128u << 10)
#define FETCH_US    (1 * SEC)
#define FETCH_MOST  1000
#define SYNC_US     (5 * SEC) /* a lost last event has no successor that shows the gap */

struct slot {
	uint8_t *bytes; /* packed Event */
	size_t n;
};

struct events {
	struct bus *bus;
	uint64_t last;    /* newest number */
	uint64_t sent;    /* newest number that left */
	uint64_t seen;    /* newest number when the batch timer was set */
	int64_t first_us; /* when the oldest unsent one came */
	struct slot ring[RING];
	struct timer batch, sync;
	struct out out;
	struct list feeds;
};

struct feed {
	struct link link;
	struct bus *bus;
	struct peer *peer;         /* NULL: ourselves */
	const char *node, *place;  /* its name; where: of several processes each has a feed */
	uint64_t generation, next; /* generation 0: no contact yet */
	bool fetching, again;      /* again: somebody rang meanwhile */
	struct list subscribers;
};

struct subscriber {
	struct link link;
	char *prefix;
	bus_event_fn *fn;
	void (*lost)(void *ctx, const char *node);
	void *ctx;
};

static void on_batch(struct timer *t);
static void on_sync(struct timer *t);
static void send_batch(struct events *e);
static bool is_dropped(struct bus *b);
static uint64_t oldest(const struct events *e);
static void subscribe(struct feed *f, const char *topic_prefix, bus_event_fn *fn,
    void (*lost)(void *ctx, const char *node), void *ctx);
static struct feed *feed_find(struct events *e, const char *place);
static struct feed *feed_new(struct events *e, const char *node, const char *place);
static struct feed *feed_own(struct events *e);
static struct feed *feed_of(struct events *e, struct peer *p);
static void begin_anew(struct feed *f, uint64_t generation, uint64_t next);
static void deliver(struct feed *f, size_t n, Mf__Event *const *events);
static void fetch(struct feed *f);
static void on_events(const Mf__EventBatch *m, void *ctx);
static void on_fetched(struct call *c, const struct call_end *end, void *ctx);
static void take_fetched(struct feed *f, const Mf__EventBatch *m);

struct events *
events_new(struct bus *b)
{
	struct events *e = calloc(1, sizeof *e);

	if (e == NULL)
		panic("out of memory");
	e->bus = b;
	list_init(&e->feeds);
	timer_init(&e->batch, b->loop, on_batch);
	timer_init(&e->sync, b->loop, on_sync);
	return e;
}

void
events_free(struct events **e)
{
	struct link *k, *s;

	timer_stop(&(*e)->batch);
	timer_stop(&(*e)->sync);
	while ((k = list_pop(&(*e)->feeds)) != NULL) {
		struct feed *f = container_of(k, struct feed, link);

		while ((s = list_pop(&f->subscribers)) != NULL) {
			free(container_of(s, struct subscriber, link)->prefix);
			free(container_of(s, struct subscriber, link));
		}
		free(f);
	}
	for (size_t i = 0; i < RING; i++)
		free((*e)->ring[i].bytes);
	out_free(&(*e)->out);
	free(*e);
	*e = NULL;
}

void
bus_publish(struct bus *b, const char *topic, const ProtobufCMessage *m)
{
	struct events *e = b->events;
	struct slot *s = &e->ring[++e->last % RING];
	Mf__Event event = MF__EVENT__INIT;
	uint8_t *payload = malloc(protobuf_c_message_get_packed_size(m) + 1);

	if (payload == NULL)
		panic("out of memory");
	event.seq = e->last;
	event.topic = (char *)(uintptr_t)topic;
	event.at = (uint64_t)time_wall_us();
	event.payload.len = protobuf_c_message_pack(m, payload);
	event.payload.data = payload;
	free(s->bytes);
	s->bytes = malloc(mf__event__get_packed_size(&event));
	if (s->bytes == NULL)
		panic("out of memory");
	s->n = mf__event__pack(&event, s->bytes);
	free(payload);
	if (e->batch.at_us == 0) {
		e->first_us = time_now_us();
		e->seen = e->last;
		timer_in(&e->batch, BATCH_US);
	}
	if (e->last - e->sent >= RING / 2)
		send_batch(e);
}

void
bus_subscribe(struct bus *b, const char *node, const char *topic_prefix, bus_event_fn *fn,
    void (*lost)(void *ctx, const char *node), void *ctx)
{
	struct peer *one, *const *all = &one;
	size_t n = 1;

	if (strcmp(node, b->name) == 0) {
		subscribe(feed_own(b->events), topic_prefix, fn, lost, ctx);
		return;
	}
	one = peer_get(b, node);
	if (one->group != NULL) {
		n = group_peers(one->group, &all);
		group_subscribe(one->group);
	}
	for (size_t i = 0; i < n; i++)
		subscribe(feed_of(b->events, all[i]), topic_prefix, fn, lost, ctx);
}

/* A batch from the wire, or a bell: one without events. */
void
events_receive(struct bus *b, const char *place, const void *bytes, size_t n)
{
	struct feed *f = feed_find(b->events, place);
	struct arena *a;
	Mf__EventBatch *m;

	if (f == NULL)
		return;
	a = arena_new(16u << 20);
	m = mf__event_batch__unpack(arena_allocator(a), n, bytes);
	if (m == NULL) {
		log_warn("events_bad", L_STR("peer", place), L_INT("bytes", n));
	} else if (m->generation >= f->generation) { /* else: late words of its former life */
		if (m->generation > f->generation)
			begin_anew(f, m->generation,
			    m->n_events > 0 ? m->events[0]->seq : m->last_seq + 1);
		if (m->n_events > 0 && m->events[0]->seq <= f->next)
			deliver(f, m->n_events, m->events);
		if (m->last_seq >= f->next)
			fetch(f);
	}
	arena_free(&a);
}

void
events_peer_up(struct peer *p)
{
	struct feed *f = feed_find(p->bus->events, p->place);

	if (f != NULL)
		fetch(f);
}

/* It may be older than the one before it: nothing of that one counts. */
void
events_peer_moved(struct peer *p)
{
	struct feed *f = feed_find(p->bus->events, p->place);

	if (f != NULL)
		f->generation = f->next = 0;
}

/* Serves Node.Events. */
void
events_answer(struct call *c, const Mf__EventsFrom *q)
{
	struct bus *b = call_bus(c);
	const struct events *e = b->events;
	uint64_t from = q->generation == b->generation && q->seq > oldest(e) ? q->seq : oldest(e);
	size_t most = q->most == 0 || q->most > FETCH_MOST ? FETCH_MOST : q->most, bytes = 0;
	Mf__EventBatch *m = ARENA_NEW(call_arena(c), Mf__EventBatch);
	const struct slot *s;

	mf__event_batch__init(m);
	m->node = b->name;
	m->generation = b->generation;
	m->last_seq = e->last;
	m->events = ARENA_ARRAY(call_arena(c), Mf__Event *, most);
	for (; from <= e->last && m->n_events < most && bytes < WIRE_CALL_MAX / 2; from++) {
		s = &e->ring[from % RING];
		m->events[m->n_events] =
		    mf__event__unpack(arena_allocator(call_arena(c)), s->n, s->bytes);
		must(m->events[m->n_events] != NULL);
		m->n_events++;
		bytes += s->n;
	}
	call_reply(c, &m->base);
}

static void
on_batch(struct timer *t)
{
	struct events *e = container_of(t, struct events, batch);

	if (e->last > e->seen && time_now_us() - e->first_us + BATCH_US <= BATCH_MOST_US) {
		e->seen = e->last;
		timer_in(t, BATCH_US);
	} else {
		send_batch(e);
	}
}

static void
send_batch(struct events *e)
{
	struct bus *b = e->bus;
	struct out *o = &e->out;
	uint64_t first;

	timer_stop(&e->batch);
	while (e->sent < e->last) {
		o->n = 0;
		out_bytes(o, 1, str_of(b->name));
		out_number(o, 2, b->generation);
		for (first = e->sent + 1;
		     e->sent < e->last && (e->sent < first || o->n < BATCH_BYTES); e->sent++) {
			const struct slot *s = &e->ring[(e->sent + 1) % RING];

			out_bytes(o, 3, (struct str){ (const char *)s->bytes, s->n });
		}
		out_number(o, 4, e->last);
		if (b->wire != NULL && !is_dropped(b))
			wire_publish(b->wire, o->p, o->n, e->last);
		events_receive(b, b->name, o->p, o->n);
	}
	out_trim(o, 2 * BATCH_BYTES);
}

static void
on_sync(struct timer *t)
{
	struct events *e = container_of(t, struct events, sync);

	LIST_EACH(&e->feeds, k)
		fetch(container_of(k, struct feed, link));
	timer_in(t, SYNC_US);
}

/* "Node.Events: drop=1" is of batches on their way, too. */
static bool
is_dropped(struct bus *b)
{
	struct fault_point *p =
	    b->faults != NULL ? fault_point(b->faults, "mf.Node", "Events") : NULL;

	return p != NULL && fault_draw(p).drop;
}

static uint64_t
oldest(const struct events *e)
{
	return e->last > RING ? e->last - RING + 1 : 1;
}

static void
subscribe(struct feed *f, const char *topic_prefix, bus_event_fn *fn,
    void (*lost)(void *ctx, const char *node), void *ctx)
{
	struct subscriber *s = calloc(1, sizeof *s);

	if (s == NULL || (s->prefix = strdup(topic_prefix)) == NULL)
		panic("out of memory");
	s->fn = fn;
	s->lost = lost;
	s->ctx = ctx;
	list_add(&f->subscribers, &s->link);
}

static struct feed *
feed_find(struct events *e, const char *place)
{
	LIST_EACH(&e->feeds, k) {
		struct feed *f = container_of(k, struct feed, link);

		if (strcmp(f->place, place) == 0)
			return f;
	}
	return NULL;
}

static struct feed *
feed_new(struct events *e, const char *node, const char *place)
{
	struct feed *f = calloc(1, sizeof *f);

	if (f == NULL)
		panic("out of memory");
	f->node = node;
	f->place = place;
	f->bus = e->bus;
	list_init(&f->subscribers);
	list_add(&e->feeds, &f->link);
	return f;
}

/* Nothing on the way can be lost. */
static struct feed *
feed_own(struct events *e)
{
	struct feed *f = feed_find(e, e->bus->name);

	if (f != NULL)
		return f;
	f = feed_new(e, e->bus->name, e->bus->name);
	f->generation = e->bus->generation;
	f->next = e->last + 1;
	return f;
}

static struct feed *
feed_of(struct events *e, struct peer *p)
{
	struct feed *f = feed_find(e, p->place);
	struct bus *b = e->bus;

	if (f != NULL)
		return f;
	f = feed_new(e, p->name, p->place);
	f->peer = p;
	if (b->wire != NULL && p->group == NULL)
		wire_subscribe(b->wire, p->name);
	if (p->up)
		fetch(f);
	if (e->sync.at_us == 0)
		timer_in(&e->sync, SYNC_US);
	return f;
}

static void
begin_anew(struct feed *f, uint64_t generation, uint64_t next)
{
	f->generation = generation;
	f->next = next;
	LIST_EACH(&f->subscribers, k) {
		struct subscriber *s = container_of(k, struct subscriber, link);

		if (s->lost != NULL)
			s->lost(s->ctx, f->node);
	}
}

/* Up to the first gap. */
static void
deliver(struct feed *f, size_t n, Mf__Event *const *events)
{
	for (size_t i = 0; i < n; i++) {
		if (events[i]->seq < f->next)
			continue; /* had that one */
		if (events[i]->seq > f->next)
			return;
		f->next++;
		LIST_EACH(&f->subscribers, k) {
			struct subscriber *s = container_of(k, struct subscriber, link);

			if (str_starts(events[i]->topic, s->prefix))
				s->fn(s->ctx, f->node, events[i]);
		}
	}
}

static void
fetch(struct feed *f)
{
	Mf__EventsFrom q = MF__EVENTS_FROM__INIT;
	struct call *c;
	struct rpc *r;

	if (f->peer == NULL || !f->peer->up)
		return;
	if (f->fetching) {
		f->again = true;
		return;
	}
	f->fetching = true;
	f->again = false;
	c = call_root(
	    f->bus, &(struct call_opts){ .limit_us = FETCH_US, .done = on_fetched, .ctx = f });
	r = rpc_new(c, bus_node_target(f->bus, f->node), &(struct rpc_opts){ .once = true });
	rpc_only(r, f->peer);
	q.generation = f->generation;
	q.seq = f->next;
	q.most = f->generation == 0 ? 1 : FETCH_MOST; /* the first time only the numbers matter */
	mf__node__events(&r->service, &q, on_events, c);
}

static void
on_events(const Mf__EventBatch *m, void *ctx)
{
	struct call *c = ctx;

	if (m != NULL)
		call_reply(c, &m->base);
	else
		call_fail(c, ST_UNAVAILABLE, "the publisher did not answer");
}

static void
on_fetched(struct call *c, const struct call_end *end, void *ctx)
{
	struct feed *f = ctx;
	bool again = f->again;

	(void)c;
	f->fetching = false;
	if (end->reply != NULL) /* else: the next bell, connection or round of on_sync asks again */
		take_fetched(f, (const Mf__EventBatch *)end->reply);
	if (again && !f->fetching) /* what is taken may have been made before that */
		fetch(f);
}

static void
take_fetched(struct feed *f, const Mf__EventBatch *m)
{
	if (m->generation != f->generation) {
		if (m->generation > f->generation)
			begin_anew(f, m->generation, m->last_seq + 1);
		return;
	}
	if (m->n_events > 0 && m->events[0]->seq > f->next)
		begin_anew(f, m->generation, m->events[0]->seq); /* the ring had moved on */
	deliver(f, m->n_events, m->events);
	if (m->n_events > 0 && m->last_seq >= f->next)
		fetch(f);
}
