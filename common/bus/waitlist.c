/* waitlist: the calls over a method's limit (limit.h) wait here, by priority and age. A call has its
 * room from its first try to its end: held, backing off and tried again it still is one.
 *
 * Invariant: while somebody waits there is no room; so room is given away wherever it comes free,
 * which is at the end of a call, and at that of a try, where the limit may grow. A call waits in the
 * list of its priority; the list is bounded, and when it is full the youngest of the least important
 * goes. Called by entry.c and rpc.c. */
#include <stdlib.h>
#include <string.h>
#include "bus/inside.h"

#define RETRY_LEAST_MS 50
#define RETRY_MOST_MS  5000

static unsigned rank_of(const struct rpc_call *r);
static struct rpc_call *youngest_below(const struct waitlist *h, unsigned rank);
static struct rpc_call *next(struct waitlist *h);
static bool too_late(const struct waitlist *h, const struct rpc_call *r, int64_t wait, int64_t now);
static bool is_overload(const struct failure *f);

struct waitlist *
waitlist_new(const struct target_method *m)
{
	static const char *const labels[] = { "target", "method", NULL };
	const char *const values[] = { m->meter.service, m->method, NULL };
	struct waitlist *h = calloc(1, sizeof *h);

	if (h == NULL)
		panic("out of memory");
	limit_init(&h->limit, m->limit_us);
	for (size_t i = 0; i < WAITLIST_RANKS; i++)
		list_init(&h->waiting[i]);
	h->limit_gauge = metric_get(metric_family(METRIC_GAUGE, "metafed_bus_limit",
					"Calls that may be out at once, as measured.", labels),
	    values);
	h->waiting_gauge = metric_get(metric_family(METRIC_GAUGE, "metafed_bus_limit_waiting",
					  "Calls that wait for room below the limit.", labels),
	    values);
	h->refused = metric_get(metric_family(METRIC_COUNTER, "metafed_bus_limit_refused_total",
				    "Calls refused because of the limit.", labels),
	    values);
	return h;
}

enum waitlist_verdict
waitlist_ask(struct waitlist *h, struct rpc_call *r, int64_t now_us, struct rpc_call **instead)
{
	unsigned rank = rank_of(r);
	uint32_t ahead = 1;

	*instead = NULL;
	if (limit_has_room(&h->limit)) {
		limit_begin(&h->limit);
		r->has_room = true;
		return WAITLIST_GO;
	}
	for (unsigned i = 0; i <= rank; i++)
		ahead += (uint32_t)h->waiting[i].n;
	if (too_late(h, r, limit_wait_us(&h->limit, ahead), now_us))
		return WAITLIST_REFUSE;
	if (h->n_waiting >= WAITLIST_MOST) {
		*instead = youngest_below(h, rank);
		if (*instead == NULL)
			return WAITLIST_REFUSE;
		waitlist_forget(h, *instead);
	}
	list_add(&h->waiting[rank], &r->waiting);
	h->n_waiting++;
	return WAITLIST_WAIT;
}

void
waitlist_forget(struct waitlist *h, struct rpc_call *r)
{
	list_del(&h->waiting[rank_of(r)], &r->waiting);
	h->n_waiting--;
}

void
waitlist_leave(struct waitlist *h, struct rpc_call *r)
{
	if (r->has_room)
		limit_end(&h->limit);
	r->has_room = false;
}

struct rpc_call *
waitlist_next(struct waitlist *h, int64_t now_us, bool *late)
{
	struct rpc_call *r = limit_has_room(&h->limit) ? next(h) : NULL;

	if (r == NULL)
		return NULL;
	waitlist_forget(h, r);
	*late = too_late(h, r, 0, now_us);
	if (!*late) {
		limit_begin(&h->limit);
		r->has_room = true;
	}
	return r;
}

void
waitlist_answered(struct waitlist *h, const struct failure *f, int64_t took_us, int64_t now_us)
{
	if (is_overload(f))
		limit_dropped(&h->limit, f->status == ST_RESOURCE_EXHAUSTED, took_us, now_us);
	else if (f->status != ST_RESOURCE_EXHAUSTED && !status_is_fault(f->status))
		limit_took(&h->limit, took_us, now_us);
}

uint32_t
waitlist_retry_ms(const struct waitlist *h)
{
	int64_t ms = limit_wait_us(&h->limit, h->n_waiting + 1) / MS;

	return (uint32_t)(ms < RETRY_LEAST_MS  ? RETRY_LEAST_MS
			  : ms > RETRY_MOST_MS ? RETRY_MOST_MS
					       : ms);
}

void
waitlist_show(const struct waitlist *h)
{
	metric_set(h->limit_gauge, h->limit.limit);
	metric_set(h->waiting_gauge, h->n_waiting);
}

/* Nothing said: MEDIUM. */
static unsigned
rank_of(const struct rpc_call *r)
{
	uint32_t p = r->opts.priority;

	return p >= 1 && p <= WAITLIST_RANKS ? p - 1 : MF__PRIORITY__MEDIUM - 1;
}

/* NULL: nobody is less important. */
static struct rpc_call *
youngest_below(const struct waitlist *h, unsigned rank)
{
	for (unsigned i = WAITLIST_RANKS - 1; i > rank; i--)
		if (h->waiting[i].n > 0)
			return container_of(h->waiting[i].head.prev, struct rpc_call, waiting);
	return NULL;
}

static struct rpc_call *
next(struct waitlist *h)
{
	for (unsigned i = 0; i < WAITLIST_RANKS; i++)
		if (h->waiting[i].n > 0)
			return container_of(list_first(&h->waiting[i]), struct rpc_call, waiting);
	return NULL;
}

/* After such a wait no time would be left to do it. */
static bool
too_late(const struct waitlist *h, const struct rpc_call *r, int64_t wait, int64_t now)
{
	return now + wait + limit_needs_us(&h->limit) >= r->deadline_us;
}

/* Other refusals with RESOURCE_EXHAUSTED are about the request: a rate, a size, a quota. */
static bool
is_overload(const struct failure *f)
{
	return f->status == ST_DEADLINE_EXCEEDED ||
	       (f->status == ST_RESOURCE_EXHAUSTED &&
		   (strcmp(f->reason, "OVERLOAD") == 0 || strcmp(f->reason, "LIMIT") == 0));
}
