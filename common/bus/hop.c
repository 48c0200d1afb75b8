/* hop: the record of each try, of which traces are made. It is filled in always, in the memory of the
 * call that made the try: who is told of it is decided when that call ends. Offsets are from the
 * start of that call, so what an answer tells of the levels below is shifted by the start of the try
 * that carried it. Called by rpc.c. */
#include <string.h>
#include "bus/inside.h"

#define BELOW_MOST 1024 /* hops that are taken from one answer */

static Mf__Hop *
new_hop(struct rpc_call *r, const char *node, enum status s, const char *reason, int64_t at_us);
static void push_hop(struct rpc_call *r, Mf__Hop *h);
static void take_below(struct rpc_call *r, const struct answer *a, const Mf__Hop *h);
static void sort_by_start(const Mf__Hop **hops, size_t n);

size_t
call_hops(struct call *c, const Mf__Hop *const **hops)
{
	const Mf__Hop **all;
	size_t n = 0, at = 0;

	LIST_EACH(&c->rpcs, k)
		n += container_of(k, struct rpc_call, of_call)->n_hops;
	all = ARENA_ARRAY(c->arena, const Mf__Hop *, n + 1);
	LIST_EACH(&c->rpcs, k) {
		const struct rpc_call *r = container_of(k, struct rpc_call, of_call);

		for (size_t i = 0; i < r->n_hops; i++) {
			if (r->hops[i]->parent_id == 0) /* of our own making */
				r->hops[i]->parent_id = trace_span(c);
			all[at++] = r->hops[i];
		}
	}
	sort_by_start(all, n);
	*hops = all;
	return n;
}

/* The try that just ended, and what its answer tells of those below. */
void
hop_add(struct rpc_call *r, const struct answer *a, int64_t now)
{
	struct call *c = r->call;
	Mf__Hop *h;

	census_ended(r);
	load_ended(r, now);
	if (r->opts.quiet)
		return;
	h = new_hop(r, r->member->peer->name, r->failure.status,
	    r->failure.reason != NULL ? r->failure.reason : "", r->try_us);
	h->attempt = r->tries;
	h->span_id = r->span;
	h->duration_us = (uint64_t)(now - r->try_us);
	push_hop(r, h);
	if (r->tries > 1 || census_is_fault((enum status)h->code, h->reason))
		c->telling = true;
	if (a == NULL)
		return;
	c->asked |= a->trace_asked;
	if (a->has_hops)
		take_below(r, a, h);
}

/* Those that should have come first: attempt 0, no time, and why not. `chosen` NULL: all. */
void
hop_add_passed_over(struct rpc_call *r, const struct member *chosen, int64_t now)
{
	struct target *t = r->target;
	struct call *c = r->call;
	const char *why;
	Mf__Hop *h;

	if (r->opts.quiet || r->opts.node != NULL)
		return;
	for (size_t i = 0; i < t->n_members && &t->members[i] != chosen; i++) {
		if (!target_passed_over(&t->members[i], chosen, now))
			continue;
		why = target_why_not(&t->members[i]);
		census_passed_over(r, &t->members[i]);
		c->telling |= !census_is_normal(why);
		h = new_hop(r, t->members[i].peer->name, ST_UNAVAILABLE, why, now);
		h->span_id = rng_next(&c->bus->rng) | 1;
		push_hop(r, h);
	}
}

static void
take_below(struct rpc_call *r, const struct answer *a, const Mf__Hop *h)
{
	struct str rest = a->rest, bytes;

	r->call->telling = true;
	for (size_t n = 0; n < BELOW_MOST && answer_hop(&rest, &bytes); n++) {
		Mf__Hop *below =
		    (Mf__Hop *)call_unpack_answer(r->call, &mf__hop__descriptor, bytes);

		if (below == NULL)
			return;
		below->start_us += h->start_us;
		push_hop(r, below);
	}
}

static Mf__Hop *
new_hop(struct rpc_call *r, const char *node, enum status s, const char *reason, int64_t at_us)
{
	Mf__Hop *h =
	    r->n_hops == 0 ? &r->first_hop : arena_alloc(r->call->arena, sizeof *r->hops[0]);

	mf__hop__init(h);
	h->node = (char *)(uintptr_t)node;
	h->method = (char *)(uintptr_t)r->method->name;
	h->code = s;
	h->reason = (char *)(uintptr_t)reason;
	h->start_us = (uint64_t)(at_us - r->call->start_us);
	return h;
}

static void
push_hop(struct rpc_call *r, Mf__Hop *h)
{
	Mf__Hop **more;

	if (r->hops == NULL) {
		r->hops = r->hops_room;
		r->cap_hops = sizeof r->hops_room / sizeof *r->hops_room;
	}
	if (r->n_hops == r->cap_hops) {
		r->cap_hops *= 4;
		more = ARENA_ARRAY(r->call->arena, Mf__Hop *, r->cap_hops);
		memcpy(more, r->hops, r->n_hops * sizeof *more);
		r->hops = more;
	}
	r->hops[r->n_hops++] = h;
}

/* By insertion: stable, and they are nearly in order already. */
static void
sort_by_start(const Mf__Hop **hops, size_t n)
{
	const Mf__Hop *h;
	size_t at;

	for (size_t i = 1; i < n; i++) {
		h = hops[i];
		for (at = i; at > 0 && hops[at - 1]->start_us > h->start_us; at--)
			hops[at] = hops[at - 1];
		hops[at] = h;
	}
}
