/* flight: reads that ask the store for the same thing at the same moment are one read of it.
 *
 * A flight is a call of its own: whoever waits for it keeps his deadline and may leave. It reads the
 * primary and fills the cache; a failure reaches all who wait. Only a read that began after the
 * flight did not see a write acknowledged in between may join it: the watch of its keys tells. */
#include <stdlib.h>
#include <uthash.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/time.h"
#include "database/mode.h"

#define LIMIT_US (5 * SEC) /* as a read of the store has */

struct flight { /* in the arena of its own call */
	struct op op;
	struct list waiting;
	bool listed;
	bool landed;       /* its answer is there, the cache is being filled */
	UT_hash_handle hh; /* by op.key */
};
struct handle { /* the call is there before its arena */
	struct flight *flight;
};
struct wait {
	struct link link;
	struct call_dep dep;
	struct flight *flight;
	struct op *op;
	int64_t since_us;
};

static struct flight *flight_start(const struct op *);
static struct flight *find(const struct op *, int64_t);
static void unlist(struct flight *);
static void wait_cancel(struct call_dep *);
static void fail(struct op *, const struct failure *);
static void answer(struct op *, const struct flight *, int64_t);
static void on_end(struct call *, const struct call_end *, void *);

static struct flight *in_the_air;
static struct metric *collapsed, *flights, *refreshes;

void
flight_open(void)
{
	flights = metric_simple(METRIC_COUNTER, "metafed_database_flights_total",
	    "Reads of the store on behalf of readers that the cache could not answer.");
	collapsed = metric_simple(METRIC_COUNTER, "metafed_database_reads_collapsed_total",
	    "Reads that waited for another one that asked the store for the same.");
	refreshes = metric_simple(METRIC_COUNTER, "metafed_database_cache_refreshes_total",
	    "Entries past their soft life that were read anew while they still answered.");
}

void
flight_join(struct op *o)
{
	struct wait *w = ARENA_NEW(call_arena(o->c), struct wait);
	int64_t now = time_now_us();
	struct flight *f = find(o, now);

	if (f != NULL)
		metric_inc(collapsed);
	if (f != NULL && f->landed) {
		answer(o, f, now);
		return;
	}
	if (f == NULL)
		f = flight_start(o);
	w->dep.cancel = wait_cancel;
	w->flight = f;
	w->op = o;
	w->since_us = now;
	list_add(&f->waiting, &w->link);
	call_attach(o->c, &w->dep);
}

void
flight_refresh(const struct op *o)
{
	if (find(o, time_now_us()) != NULL)
		return;
	metric_inc(refreshes);
	flight_start(o);
}

/* One that may answer o: of the same key, nothing written since it began, not older than o wants. */
static struct flight *
find(const struct op *o, int64_t now)
{
	struct flight *f;

	HASH_FIND_STR(in_the_air, o->key, f);
	if (f == NULL || !fills_unwritten(&f->op.watch) || !cohere_in_session(o, f->op.read_us) ||
	    (uint64_t)(now - f->op.read_us) > o->plan.max_age_us)
		return NULL;
	return f;
}

static struct flight *
flight_start(const struct op *o)
{
	struct handle *h = mem_zalloc(sizeof(*h));
	struct call *c = call_root(call_bus(o->c), &(const struct call_opts){ .limit_us = LIMIT_US,
						       .traceparent = call_traceparent(o->c),
						       .done = on_end,
						       .ctx = h });
	struct arena *a = call_arena(c);
	struct flight *f = ARENA_NEW(a, struct flight), *older;
	uint8_t *bytes = arena_alloc(a, mf__store_op__get_packed_size(o->q) + 1);
	Mf__StoreOp *q =
	    mf__store_op__unpack(arena_allocator(a), mf__store_op__pack(o->q, bytes), bytes);

	must(q != NULL);
	/* what is kept is read from the primary: a replica may lag behind what was dropped */
	q->consistency = q->session = (char *)"";
	q->max_age_ms = 0;
	list_init(&f->waiting);
	f->op = (struct op){ .c = c,
		.q = q,
		.plan = o->plan,
		.key = arena_strdup(a, o->key),
		.watch = o->watch,
		.generation = o->generation,
		.flight = f };
	h->flight = f;
	HASH_FIND_STR(in_the_air, f->op.key, older);
	if (older != NULL)
		unlist(older);
	HASH_ADD_KEYPTR(hh, in_the_air, f->op.key, strlen(f->op.key), f);
	f->listed = true;
	metric_inc(flights);
	db_read_store(&f->op);
	return f;
}

/* Nobody joins it any more; who waits keeps waiting. */
static void
unlist(struct flight *f)
{
	if (f->listed)
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it does not follow HASH_DEL */
		HASH_DEL(in_the_air, f);
	f->listed = false;
}

static void
wait_cancel(struct call_dep *d)
{
	struct wait *w = container_of(d, struct wait, dep);

	if (link_is_in(&w->link))
		list_del(&w->flight->waiting, &w->link);
}

void
flight_land(struct op *o, const struct failure *why)
{
	struct flight *f = o->flight;
	struct link *k;

	f->landed = true;
	if (o->result == NULL)
		unlist(f);
	while ((k = list_pop(&f->waiting)) != NULL) {
		struct wait *w = container_of(k, struct wait, link);

		if (o->result == NULL)
			fail(w->op, why);
		else
			answer(w->op, f, w->since_us);
	}
}

/* Where another mode may answer, each waits for that by itself, longer than the flight lives. */
static void
fail(struct op *o, const struct failure *why)
{
	struct arena *a = call_arena(o->c);
	struct failure *own = ARENA_NEW(a, struct failure);

	own->status = why->status;
	own->message = arena_strdup(a, why->message);
	own->reason = arena_strdup(a, why->reason);
	own->retry_ms = why->retry_ms;
	o->failure = own;
	if (!mode_failed(o))
		call_fail_with(o->c, why);
}

/* Who came later may get what was read before he asked: no more than so old. */
static void
answer(struct op *o, const struct flight *f, int64_t since_us)
{
	o->read_us = f->op.read_us;
	o->joined_us = since_us > o->read_us ? since_us - o->read_us : 0;
	o->result = f->op.result;
	db_answer(o);
}

/* What has not landed by now has failed: its own deadline, or the end of the bus. */
static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct handle *h = ctx;

	(void)c;
	h->flight->op.result = (const Mf__StoreResult *)(const void *)end->reply;
	flight_land(&h->flight->op, end->failure);
	unlist(h->flight);
	free(h);
}
