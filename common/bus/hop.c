/* hop: the record of each try, of which execution traces are made. Kept only when somebody wants
 * it, in the arena of the call that made the try; offsets are from the start of that call, so what
 * an answer tells of the levels below is shifted by the start of the try that carried it. Called by
 * rpc.c. */
#include <string.h>
#include "bus/inside.h"

static Mf__Hop *new_hop(struct rpc_call *r, const char *node, enum status s, const char *reason);
static void push_hop(struct rpc_call *r, Mf__Hop *h);
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

		for (size_t i = 0; i < r->n_hops; i++)
			all[at++] = r->hops[i];
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
	struct str rest, bytes;
	Mf__Hop *h;

	if (!c->want_hops || r->opts.quiet)
		return;
	h = new_hop(r, r->member->peer->name, r->failure.status,
	    r->failure.reason != NULL ? r->failure.reason : "");
	h->attempt = r->tries;
	h->start_us = (uint64_t)(r->try_us - c->start_us);
	h->duration_us = (uint64_t)(now - r->try_us);
	push_hop(r, h);
	if (a == NULL)
		return;
	for (rest = a->rest; answer_hop(&rest, &bytes);) {
		Mf__Hop *below = (Mf__Hop *)call_unpack_answer(c, &mf__hop__descriptor, bytes);

		if (below == NULL)
			return;
		below->start_us += h->start_us;
		push_hop(r, below);
	}
}

/* Those that should have come first: attempt 0, no time, and why not. `chosen` NULL: all. */
void
hop_add_passed_over(struct rpc_call *r, const struct member *chosen, int64_t now)
{
	struct target *t = r->target;
	Mf__Hop *h;

	if (!r->call->want_hops || r->opts.quiet || r->opts.node != NULL)
		return;
	for (size_t i = 0; i < t->n_members && &t->members[i] != chosen; i++) {
		h = new_hop(
		    r, t->members[i].peer->name, ST_UNAVAILABLE, target_why_not(&t->members[i]));
		h->start_us = (uint64_t)(now - r->call->start_us);
		push_hop(r, h);
	}
}

static Mf__Hop *
new_hop(struct rpc_call *r, const char *node, enum status s, const char *reason)
{
	Mf__Hop *h = arena_alloc(r->call->arena, sizeof *h);

	mf__hop__init(h);
	h->node = (char *)(uintptr_t)node;
	h->method = (char *)(uintptr_t)r->method->name;
	h->code = s;
	h->reason = (char *)(uintptr_t)reason;
	return h;
}

static void
push_hop(struct rpc_call *r, Mf__Hop *h)
{
	Mf__Hop **more;

	if (r->n_hops == r->cap_hops) {
		r->cap_hops = r->cap_hops == 0 ? 4 : 2 * r->cap_hops;
		more = ARENA_ARRAY(r->call->arena, Mf__Hop *, r->cap_hops);
		if (r->n_hops > 0)
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
