/* census: what became of the tries of our calls out, told at most twice in a second and never while
 * there was nothing. Of each try: one more in its peer's counts; of one that failed: its entry in a
 * short table. So all is known of every hop, what a stand-in masked too, and no answer carries
 * anything for it. Called by hop.c and target.c.
 *
 * It is told by a call, not by an event: who listens to a node's events hears of all of them, and a
 * store has a hundred in a second for others.
 *
 * Periods begin at whole half seconds of the wall clock, in all nodes at the same: who reads them
 * can tell what came together. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bus/inside.h"

#define PERIOD_US      (500 * MS)
#define TELL_US        (1 * SEC)
#define FAILURES_MOST  64 /* kinds; one more, and they are told at once */
#define FAILOVERS_MOST 32
#define ARENA_MOST     (1u << 20)

struct failures {
	const char *node, *method; /* of peers and methods, which stay */
	enum status status;
	char reason[48], message[192];
	uint64_t count;
};

struct failovers {
	const char *from, *to;
	uint64_t count;
};

struct census {
	struct bus *bus;
	const char *const *nodes; /* who is told; NULL: nobody */
	bus_tries_fn *fn;         /* instead; NULL: they are */
	void *ctx;
	struct timer tell;
	int64_t at; /* wall clock: when the period began */
	size_t n_failures, n_failovers;
	struct failures failures[FAILURES_MOST];
	struct failovers failovers[FAILOVERS_MOST];
};

static struct census *census_of(struct bus *b);
static void on_tell(struct timer *timer);
static void begin(struct census *t);
static void tell(struct census *t);
static void tell_node(struct bus *b, const char *node, const Mf__Tries *m);
static void on_told(const Mf__Empty *m, void *ctx);
static void add_members(struct arena *a, struct bus *b, Mf__Tries *m);
static void add_failovers(struct arena *a, const struct census *t, Mf__Tries *m);
static void add_failures(struct arena *a, const struct census *t, Mf__Tries *m);
static void count_failure(struct census *t, const char *node, const char *method, enum status s,
    const char *reason, const char *message);
static bool is_fault(enum status s);

void
bus_tell_tries(struct bus *b, const char *const *nodes)
{
	census_of(b)->nodes = nodes;
}

void
bus_hear_tries(struct bus *b, bus_tries_fn *fn, void *ctx)
{
	struct census *t = census_of(b);

	t->fn = fn;
	t->ctx = ctx;
}

void
census_free(struct census **t)
{
	if (*t == NULL)
		return;
	timer_stop(&(*t)->tell);
	free(*t);
	*t = NULL;
}

void
bus_tell_failure(struct bus *b, const char *method, const struct failure *f)
{
	if (b->census != NULL && is_fault(f->status))
		count_failure(b->census, b->name, method, f->status, f->reason, f->message);
}

/* What nobody waits for any more says nothing. */
void
census_ended(const struct rpc_call *r)
{
	const struct failure *f = &r->failure;
	struct census *t = r->call->bus->census;
	struct peer *p = r->member->peer;

	if (t == NULL || r->opts.quiet || r->target->control || f->status == ST_CANCELLED)
		return;
	begin(t);
	p->tries++;
	if (!census_is_fault(f->status, f->reason))
		return;
	p->faults++;
	count_failure(t, p->name, r->method->name, f->status, f->reason, f->message);
}

bool
census_is_fault(enum status s, const char *reason)
{
	return is_fault(s) && !census_is_normal(reason);
}

void
census_passed_over(const struct rpc_call *r, const struct member *m)
{
	const char *why = target_why_not(m);
	struct census *t = r->call->bus->census;

	if (t == NULL || r->target->control || why[0] == '\0' || census_is_normal(why))
		return;
	count_failure(t, m->peer->name, r->method->name, ST_UNAVAILABLE, why,
	    "passed over: the call did not go there");
}

void
census_failover(struct bus *b, const char *from, const char *to)
{
	struct census *t = b->census;
	size_t i = 0;

	if (t == NULL)
		return;
	begin(t);
	while (i < t->n_failovers && (t->failovers[i].from != from || t->failovers[i].to != to))
		i++;
	if (i == FAILOVERS_MOST) {
		tell(t);
		begin(t);
		i = 0;
	}
	if (i == t->n_failovers)
		t->failovers[t->n_failovers++] = (struct failovers){ from, to, 0 };
	t->failovers[i].count++;
}

void
census_opened(const struct member *m)
{
	struct bus *b = m->target->bus;
	char message[160];

	if (b->census == NULL)
		return;
	snprintf(message, sizeof message,
	    "the breaker of %.24s towards it opened, after %u failures in a row", b->name,
	    m->breaker.failures);
	count_failure(b->census, m->peer->name, m->target->service->name, ST_UNAVAILABLE,
	    "BREAKER_OPENED", message);
}

void
census_heard(struct call *c, const Mf__Tries *m)
{
	struct census *t = call_bus(c)->census;

	if (t == NULL || t->fn == NULL) {
		call_fail(c, ST_FAILED_PRECONDITION, "nobody here wants to know");
		return;
	}
	t->fn(t->ctx, m);
	call_reply(c, &(Mf__Empty)MF__EMPTY__INIT.base);
}

static struct census *
census_of(struct bus *b)
{
	if (b->census != NULL)
		return b->census;
	b->census = calloc(1, sizeof *b->census);
	if (b->census == NULL)
		panic("out of memory");
	b->census->bus = b;
	timer_init(&b->census->tell, b->loop, on_tell);
	return b->census;
}

static void
count_failure(struct census *t, const char *node, const char *method, enum status s,
    const char *reason, const char *message)
{
	struct failures *f;
	size_t i;

	begin(t);
	for (i = 0; i < t->n_failures; i++) {
		f = &t->failures[i];
		if (f->status == s && strcmp(f->node, node) == 0 &&
		    strcmp(f->method, method) == 0 &&
		    strncmp(f->reason, reason, sizeof f->reason - 1) == 0)
			break;
	}
	if (i == FAILURES_MOST) {
		tell(t);
		begin(t);
		i = 0;
	}
	f = &t->failures[i];
	if (i == t->n_failures) {
		t->n_failures++;
		*f = (struct failures){ .node = node, .method = method, .status = s };
		snprintf(f->reason, sizeof f->reason, "%s", reason);
	}
	snprintf(f->message, sizeof f->message, "%s", message);
	f->count++;
}

static bool
is_fault(enum status s)
{
	return status_is_fault(s) || s == ST_RESOURCE_EXHAUSTED;
}

bool
census_is_normal(const char *reason)
{
	static const char *const normal[] = { "SLOWER", "DRAINING", "STANDS_BY", "NOT_LEADING" };

	for (size_t i = 0; i < sizeof normal / sizeof *normal; i++)
		if (strcmp(normal[i], reason) == 0)
			return true;
	return false;
}

static void
begin(struct census *t)
{
	int64_t now;

	if (t->tell.at_us != 0)
		return;
	now = time_wall_us();
	t->at = now - now % PERIOD_US;
	timer_in(&t->tell, t->at + PERIOD_US - now);
}

static void
on_tell(struct timer *timer)
{
	tell(container_of(timer, struct census, tell));
}

static void
tell(struct census *t)
{
	struct arena *a = arena_new(ARENA_MOST);
	Mf__Tries m = MF__TRIES__INIT;

	timer_stop(&t->tell);
	m.at = (uint64_t)t->at;
	add_members(a, t->bus, &m);
	add_failovers(a, t, &m);
	add_failures(a, t, &m);
	t->n_failures = t->n_failovers = 0;
	if (t->fn != NULL)
		t->fn(t->ctx, &m);
	else
		for (const char *const *node = t->nodes; node != NULL && *node != NULL; node++)
			tell_node(t->bus, *node, &m);
	arena_free(&a);
}

/* Who does not hear it does not hear it: nothing is told twice, nothing is kept. */
static void
tell_node(struct bus *b, const char *node, const Mf__Tries *m)
{
	struct call *c = call_root(b, &(const struct call_opts){ .limit_us = TELL_US });
	struct rpc *r = rpc_new(
	    c, bus_node_target(b, node), &(const struct rpc_opts){ .once = true, .quiet = true });

	mf__node__tell(&r->service, m, on_told, c);
}

static void
on_told(const Mf__Empty *m, void *ctx)
{
	if (m != NULL)
		call_reply(ctx, &m->base);
	else
		call_fail(ctx, ST_UNAVAILABLE, "it was not told");
}

static void
add_members(struct arena *a, struct bus *b, Mf__Tries *m)
{
	m->members = ARENA_ARRAY(a, Mf__MemberTries *, b->peers.n + 1);
	LIST_EACH(&b->peers, k) {
		struct peer *p = container_of(k, struct peer, link);
		Mf__MemberTries *one;

		if (p->tries == 0)
			continue;
		one = ARENA_NEW(a, Mf__MemberTries);
		mf__member_tries__init(one);
		one->node = p->name;
		one->tries = p->tries;
		one->faults = p->faults;
		p->tries = p->faults = 0;
		m->members[m->n_members++] = one;
	}
}

static void
add_failovers(struct arena *a, const struct census *t, Mf__Tries *m)
{
	m->failovers = ARENA_ARRAY(a, Mf__Failovers *, t->n_failovers + 1);
	for (size_t i = 0; i < t->n_failovers; i++) {
		Mf__Failovers *one = ARENA_NEW(a, Mf__Failovers);

		mf__failovers__init(one);
		one->from = (char *)(uintptr_t)t->failovers[i].from;
		one->to = (char *)(uintptr_t)t->failovers[i].to;
		one->count = t->failovers[i].count;
		m->failovers[m->n_failovers++] = one;
	}
}

static void
add_failures(struct arena *a, const struct census *t, Mf__Tries *m)
{
	m->failures = ARENA_ARRAY(a, Mf__FailedTries *, t->n_failures + 1);
	for (size_t i = 0; i < t->n_failures; i++) {
		const struct failures *f = &t->failures[i];
		Mf__FailedTries *one = ARENA_NEW(a, Mf__FailedTries);

		mf__failed_tries__init(one);
		one->node = (char *)(uintptr_t)f->node;
		one->method = (char *)(uintptr_t)f->method;
		one->code = f->status;
		one->reason = arena_strdup(a, f->reason);
		one->message = arena_strdup(a, f->message);
		one->count = f->count;
		m->failures[m->n_failures++] = one;
	}
}
