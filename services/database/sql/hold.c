/* hold: a call that comes before it is known whether the schema is ours waits for that instead of
 * failing: a process that has just been started serves as soon as it can, and its callers don't
 * notice. Bounded: after HOLD_US (with a server that can't be reached: HOLD_US after the start), and
 * HOLD_MARGIN before the call's deadline, it is told that the store is down. */
#include "base/log.h"
#include "base/time.h"
#include "database/sql/store.h"

#define HOLD_US     (1 * SEC) /* a restarted PostgreSQL is back by then, or it takes longer */
#define HOLD_MARGIN (50 * MS) /* the answer has to get back */
#define HOLD_MOST   4096

struct held {
	struct link link;
	struct call_dep dep;
	struct call *call;
	struct call_timer *late;
	hold_go_fn *go;
	const void *q;
};

static struct list held;
static int64_t until_us;

static void start(struct call *c, hold_go_fn *go, const void *q);
static void held_cancel(struct call_dep *d);
static void on_late(struct call *c, void *ctx);

void
hold_init(void)
{
	list_init(&held);
	until_us = time_now_us() + HOLD_US;
}

void
hold_call(struct call *c, hold_go_fn *go, const void *q)
{
	int64_t left = sql_store_down() ? until_us - time_now_us() : HOLD_US;
	int64_t own = call_left(c) - HOLD_MARGIN;
	struct held *h;

	if (own < left)
		left = own;
	if (sql_state() != SQL_WAITING || left <= 0 || held.n >= HOLD_MOST) {
		start(c, go, q);
		return;
	}
	h = ARENA_NEW(call_arena(c), struct held);
	*h = (struct held){ .dep.cancel = held_cancel, .call = c, .go = go, .q = q };
	h->late = call_after(c, left, on_late, NULL);
	call_attach(c, &h->dep);
	list_add(&held, &h->link);
}

/* Nothing is touched before the schema is known to be ours. */
static void
start(struct call *c, hold_go_fn *go, const void *q)
{
	if (sql_state() == SQL_USABLE)
		go(c, q);
	else if (sql_state() == SQL_REFUSED)
		call_fail_because(
		    c, ST_FAILED_PRECONDITION, "SCHEMA_MISMATCH", 0, "%s", sql_refusal());
	else
		call_fail_because(
		    c, ST_UNAVAILABLE, "STORE_DOWN", 1000, "%s", pg_pool_why(sql_pool()));
}

void
hold_release(void)
{
	struct link *k;

	for (size_t n = held.n; n > 0 && (k = list_pop(&held)) != NULL; n--) {
		struct held *h = container_of(k, struct held, link);

		call_timer_stop(h->late);
		call_detach(h->call, &h->dep);
		start(h->call, h->go, h->q);
	}
}

void
hold_drop(void)
{
	struct link *k;

	while ((k = list_pop(&held)) != NULL) {
		struct held *h = container_of(k, struct held, link);

		call_timer_stop(h->late);
		call_detach(h->call, &h->dep);
	}
}

static void
held_cancel(struct call_dep *d)
{
	list_del(&held, &container_of(d, struct held, dep)->link);
}

static void
on_late(struct call *c, void *ctx)
{
	(void)ctx;
	call_fail_because(c, ST_UNAVAILABLE, "STORE_DOWN", 1000, "%s", pg_pool_why(sql_pool()));
}
