/* peer: a name that we may call, over a lane of the wire or within this process (loop-back).
 * Numbers the calls that are out on it: an id is a serial number and a slot, so an answer finds its
 * call without a search and a late one finds none. Loop-back goes through the same bytes as the
 * wire; what it queues is delivered in the next turn. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bus/inside.h"

#define SLOT_BITS   13
#define SLOTS_FIRST 64
_Static_assert(WIRE_OUT_MAX <= 1u << SLOT_BITS, "a slot fits into an id");

enum loop_kind { LOOP_CALL, LOOP_ANSWER, LOOP_CANCEL };
struct loop_item {
	struct link link; /* bus.loop_queue */
	struct peer *peer;
	enum loop_kind kind;
	uint64_t id;
	size_t n;
	uint8_t bytes[];
};

static struct peer *find_name(struct bus *b, const char *name);
static bool take_slot(struct peer *p, struct rpc_call *r);
static struct rpc_call *find(const struct peer *p, uint64_t id);
static void hear(struct peer *p);
static void queue(struct peer *p, enum loop_kind kind, uint64_t id, const void *bytes, size_t n);
static void unqueue(struct peer *p);
static void on_pinged(struct call *c, const struct call_end *end, void *ctx);
static void on_info(const Mf__NodeInfo *m, void *ctx);

struct peer *
peer_get(struct bus *b, const char *name)
{
	struct peer *p = find_name(b, name), *const * all;
	struct group *g;

	if (p != NULL)
		return p;
	if ((g = group_get(b, name)) != NULL) {
		group_peers(g, &all);
		return all[0];
	}
	p = peer_new(b, name, name);
	if (b->wire != NULL) {
		p->lane = wire_lane(b->wire, p->name);
		lane_set_owner(p->lane, p);
		p->up = lane_is_up(p->lane) && !fault_cuts(b->faults, p->name);
		hear(p);
	}
	return p;
}

struct peer *
peer_new(struct bus *b, const char *name, const char *place)
{
	struct peer *p = calloc(1, sizeof *p);

	if (p == NULL)
		panic("out of memory");
	must(strlen(name) < sizeof p->name && strlen(place) < sizeof p->place);
	p->bus = b;
	strcpy(p->name, name);
	strcpy(p->place, place);
	list_init(&p->outs);
	list_add(&b->peers, &p->link);
	return p;
}

void
bus_loopback(struct bus *b, const char *name, const struct serve *serves)
{
	struct peer *p = peer_get(b, name);

	must(p->lane == NULL && p->served == NULL);
	p->served = served_new(serves);
	served_set_faults(p->served, b->faults);
	p->self = caller_new(b, NULL, p);
	peer_up(p);
}

void
peer_free(struct peer *p)
{
	unqueue(p);
	served_free(&p->served);
	free(p->slots);
	free(p->free_slots);
	free(p);
}

void
peer_up(struct peer *p)
{
	if (p->lane != NULL)
		snprintf(p->instance, sizeof p->instance, "%s", lane_instance(p->lane));
	p->twin = p->group != NULL && group_has_twin(p);
	if (p->twin)
		return;
	p->up = true;
	hear(p);
	target_peer_up(p);
	events_peer_up(p);
}

void
peer_down(struct peer *p)
{
	struct link *k;

	p->up = false;
	p->draining = false;
	if (p->unfit)
		peer_unfit(p, false);
	if (p->self != NULL) {
		unqueue(p);
		for (unsigned i = 0; i < CALLER_BUCKETS; i++)
			while (p->self->bucket[i] != NULL)
				call_drop(p->self->bucket[i]);
	}
	/* Nothing joins the list meanwhile: a peer that is down takes no calls. */
	while ((k = list_first(&p->outs)) != NULL) {
		struct rpc_call *r = container_of(k, struct rpc_call, waiting);

		peer_forget(p, r);
		rpc_lost(r);
	}
	if (p->group != NULL)
		group_peer_down(p);
}

void
peer_unfit(struct peer *p, bool unfit)
{
	p->unfit = unfit;
	target_peer_unfit(p);
}

void
peer_answer(struct peer *p, uint64_t id, const void *bytes, size_t n)
{
	struct rpc_call *r = find(p, id);
	struct answer a;
	/* Damaged bytes may pass for a message; they don't name its call as well. */
	bool good = answer_read(bytes, n, &a) && a.call_id == id;

	p->heard_us = time_now_us();
	if (r == NULL)
		return; /* cancelled meanwhile */
	peer_forget(p, r);
	rpc_answered(r, good ? &a : NULL);
}

enum status
peer_call(struct peer *p, struct rpc_call *r, struct envelope *e)
{
	struct out *o = &p->bus->out;
	enum status s;

	if (!p->up)
		return ST_UNAVAILABLE;
	if (!take_slot(p, r))
		return ST_RESOURCE_EXHAUSTED;
	e->call_id = r->id;
	envelope_write(o, e);
	list_add(&p->outs, &r->waiting);
	if (p->lane != NULL) {
		s = lane_call(p->lane, r->id, o->p, o->n);
		if (s != ST_OK)
			peer_forget(p, r);
		return s;
	}
	queue(p, LOOP_CALL, r->id, o->p, o->n);
	return ST_OK;
}

void
peer_forget(struct peer *p, struct rpc_call *r)
{
	uint32_t slot = (uint32_t)r->id & ((1u << SLOT_BITS) - 1);

	must(p->slots[slot] == r);
	p->slots[slot] = NULL;
	p->free_slots[p->n_free++] = slot;
	list_del(&p->outs, &r->waiting);
}

void
peer_cancel(struct peer *p, struct rpc_call *r)
{
	peer_forget(p, r);
	if (p->lane != NULL)
		lane_cancel(p->lane, r->id);
	else
		queue(p, LOOP_CANCEL, r->id, "", 0);
}

void
peer_loop_answer(struct peer *p, uint64_t id, const void *bytes, size_t n)
{
	queue(p, LOOP_ANSWER, id, bytes, n);
}

void
peer_loop_run(struct bus *b)
{
	struct link *k;

	for (size_t n = b->loop_queue.n; n > 0 && (k = list_pop(&b->loop_queue)) != NULL; n--) {
		struct loop_item *i = container_of(k, struct loop_item, link);

		if (i->kind == LOOP_ANSWER)
			peer_answer(i->peer, i->id, i->bytes, i->n);
		else if (i->kind == LOOP_CANCEL)
			server_cancel(i->peer->self, i->id);
		else if (!i->peer->mute)
			server_call(b, i->peer->served, i->peer->self, i->bytes, i->n);
		free(i);
	}
	if (b->loop_queue.n > 0)
		loop_turn_soon(b->loop);
}

/* Asked at most once at a time, and only while nothing at all was heard: a busy member is known to
 * live. */
void
peer_check(struct peer *p)
{
	struct rpc *r;
	struct call *c;

	if (p->pinging || !p->up)
		return;
	p->pinging = true;
	c = call_root(
	    p->bus, &(struct call_opts){ .limit_us = PING_US, .done = on_pinged, .ctx = p });
	r = rpc_new(
	    c, bus_node_target(p->bus, p->name), &(struct rpc_opts){ .once = true, .quiet = true });
	rpc_only(r, p);
	mf__node__info(&r->service, &(Mf__Empty)MF__EMPTY__INIT, on_info, c);
}

static void
on_info(const Mf__NodeInfo *m, void *ctx)
{
	struct call *c = ctx;

	if (m != NULL)
		call_reply(c, &m->base);
	else /* lost or refused: only silence says that it hangs */
		call_fail(c, ST_UNAVAILABLE, "no answer");
}

static void
on_pinged(struct call *c, const struct call_end *end, void *ctx)
{
	struct peer *p = ctx;
	struct link *k;
	size_t n = p->outs.n;

	(void)c;
	p->pinging = false;
	if (end->failure == NULL || end->failure->status != ST_DEADLINE_EXCEEDED || !p->up ||
	    time_now_us() - p->heard_us < PING_US)
		return;
	log_warn("peer_silent", L_STR("peer", p->name), L_INT("out", n));
	target_trip(p);
	/* Those that stay with it go to the end of the list. */
	for (; n > 0 && (k = list_first(&p->outs)) != NULL; n--) {
		list_del(&p->outs, k);
		list_add(&p->outs, k);
		rpc_silent(container_of(k, struct rpc_call, waiting));
	}
}

/* What it last said of itself. */
static void
hear(struct peer *p)
{
	p->draining = p->lane != NULL && lane_is_draining(p->lane);
	p->unfit = p->lane != NULL && lane_is_unfit(p->lane);
}

static struct peer *
find_name(struct bus *b, const char *name)
{
	LIST_EACH(&b->peers, k) {
		struct peer *p = container_of(k, struct peer, link);

		if (strcmp(p->place, name) == 0)
			return p;
	}
	return NULL;
}

static bool
take_slot(struct peer *p, struct rpc_call *r)
{
	uint32_t slot, more;

	if (p->n_free == 0) {
		if (p->n_slots == WIRE_OUT_MAX)
			return false;
		more = p->n_slots == 0 ? SLOTS_FIRST : 2 * p->n_slots;
		p->slots = realloc(p->slots, more * sizeof(*p->slots));
		p->free_slots = realloc(p->free_slots, more * sizeof *p->free_slots);
		if (p->slots == NULL || p->free_slots == NULL)
			panic("out of memory");
		for (uint32_t i = p->n_slots; i < more; i++) {
			p->slots[i] = NULL;
			p->free_slots[p->n_free++] = i;
		}
		p->n_slots = more;
	}
	slot = p->free_slots[--p->n_free];
	p->slots[slot] = r;
	r->id = ++p->serial << SLOT_BITS | slot;
	return true;
}

static struct rpc_call *
find(const struct peer *p, uint64_t id)
{
	uint32_t slot = (uint32_t)id & ((1u << SLOT_BITS) - 1);

	if (slot >= p->n_slots || p->slots[slot] == NULL || p->slots[slot]->id != id)
		return NULL;
	return p->slots[slot];
}

static void
queue(struct peer *p, enum loop_kind kind, uint64_t id, const void *bytes, size_t n)
{
	struct loop_item *i = malloc(sizeof *i + n);

	if (i == NULL)
		panic("out of memory");
	*i = (struct loop_item){ .peer = p, .kind = kind, .id = id, .n = n };
	memcpy(i->bytes, bytes, n);
	list_add(&p->bus->loop_queue, &i->link);
	loop_turn_soon(p->bus->loop);
}

static void
unqueue(struct peer *p)
{
	LIST_EACH(&p->bus->loop_queue, k) {
		struct loop_item *i = container_of(k, struct loop_item, link);

		if (i->peer != p)
			continue;
		list_del(&p->bus->loop_queue, k);
		free(i);
	}
}
