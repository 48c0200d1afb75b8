/* events: the log of what happened to tasks, read after a position; and the bell that says that there
 * is more. Triggers write the log (migration 0004); only what is older than every transaction under
 * way is read, so that nothing can come to stand before what was read already. A position names the
 * log it is of: the server and its history, within which numbers of transactions only grow. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "bus/bus.h"
#include "bus/call.h"
#include "database/sql/store.h"

#define EVENTS_MOST 1000
#define BELL_US     (5 * MS) /* how long one bell stands for all that happens */

struct reading {
	struct call *call;
	Mf__EventPage page;
	const char *params[4];
	char log[16], xid[24];
};

static struct timer bell;
static struct bus *bell_bus;

static void start(struct call *c, const void *q);
static bool read_position(struct reading *x, const char *position);
static void on_end_of_log(const struct pg_reply *r, void *ctx);
static void on_events(const struct pg_reply *r, void *ctx);
static Mf__TaskEvent *event_of(struct arena *a, const struct pg_reply *r, int row);
static void on_bell(struct timer *t);

void
sql_events(Mf__Sql_Service *s, const Mf__EventsAfter *q, Mf__EventPage_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	hold_call(ctx, start, q);
}

void
events_bus(struct bus *b)
{
	bell_bus = b;
}

void
events_happened(void)
{
	if (bell.at_us != 0 || bell_bus == NULL)
		return;
	if (bell.loop == NULL)
		timer_init(&bell, sql_loop(), on_bell);
	timer_in(&bell, BELL_US);
}

void
events_stop(void)
{
	if (bell.loop != NULL)
		timer_stop(&bell);
	bell = (struct timer){ 0 };
	bell_bus = NULL;
}

static void
on_bell(struct timer *t)
{
	Mf__Empty nothing = MF__EMPTY__INIT;

	(void)t;
	bus_publish(bell_bus, "task", &nothing.base);
}

static void
start(struct call *c, const void *q)
{
	static const char end_of_log[] =
	    "SELECT mf_log()||'-'||pg_snapshot_xmin(pg_current_snapshot())::text||'-0'";
	/* w: the log of this server, and where it begins. Not `ours`: the database was restored and
	 * upkeep has not been there yet, so what stands in the table may be another server's. Not
	 * `yours`: the position says nothing of this log. Both are a gap without events. The LIMIT
	 * is for the planner, who takes a table of one row, never analyzed, for one of a thousand,
	 * and would compile (jit) so dear a statement each time: half a second. */
	static const char after[] =
	    "WITH w AS MATERIALIZED (SELECT n.s,n.log,g.xid,g.seq,"
	    "g.log=n.log AND g.xid<pg_snapshot_xmax(n.s) AS ours,"
	    "$4=n.log AND ($1::xid8,$2::bigint)<=(pg_snapshot_xmax(n.s),0) AS yours "
	    "FROM (SELECT pg_current_snapshot() AS s,mf_log() AS log) n "
	    "CROSS JOIN (SELECT * FROM events_gone LIMIT 1) g) "
	    "SELECT w.log||'-'||e.xid::text||'-'||e.seq::text,e.kind,e.namespace,e.task_id,"
	    "e.version,e.state,e.type,e.priority,e.created_by,"
	    "(extract(epoch FROM e.at)*1000000)::bigint,"
	    "w.log||'-'||CASE WHEN w.ours THEN w.xid::text||'-'||w.seq::text ELSE '0-0' END,"
	    "NOT (w.ours AND w.yours) OR (w.xid,w.seq)>($1::xid8,$2::bigint) "
	    "FROM w LEFT JOIN LATERAL (SELECT * FROM events WHERE w.ours AND w.yours "
	    "AND (xid,seq)>($1::xid8,$2::bigint) AND xid<pg_snapshot_xmin(w.s) "
	    "ORDER BY xid,seq LIMIT $3::int) e ON true ORDER BY e.xid,e.seq";
	const Mf__EventsAfter *from = q;
	struct reading *x = ARENA_NEW(call_arena(c), struct reading);

	x->call = c;
	mf__event_page__init(&x->page);
	if (from->position[0] == '\0') {
		pg_read(sql_pool(), c, end_of_log, 0, NULL, on_end_of_log, x);
		return;
	}
	if (!read_position(x, from->position)) {
		call_fail_because(
		    c, ST_INVALID_ARGUMENT, "BAD_POSITION", 0, "position: is none of this log");
		return;
	}
	x->page.position = from->position;
	x->params[2] = arena_printf(call_arena(c), "%u",
	    from->most == 0 || from->most > EVENTS_MOST ? EVENTS_MOST : from->most);
	pg_read(sql_pool(), c, after, 4, x->params, on_events, x);
}

/* "LOG-XID-SEQ" */
static bool
read_position(struct reading *x, const char *position)
{
	struct str log, rest, xid, seq;
	uint64_t n;

	if (!str_cut(str_of(position), '-', &log, &rest) || !str_token_ok(log) ||
	    log.n >= sizeof(x->log) || !str_cut(rest, '-', &xid, &seq) ||
	    !str_u64(xid, UINT64_MAX, &n) || !str_u64(seq, INT64_MAX, &n) ||
	    xid.n >= sizeof(x->xid))
		return false;
	memcpy(x->xid, xid.p, xid.n);
	memcpy(x->log, log.p, log.n);
	x->params[0] = x->xid;
	x->params[1] = seq.p;
	x->params[3] = x->log;
	return true;
}

static void
on_end_of_log(const struct pg_reply *r, void *ctx)
{
	struct reading *x = ctx;

	if (!pg_ok(r)) {
		pg_fail_call(x->call, r);
		return;
	}
	x->page.position = arena_strdup(call_arena(x->call), pg_value(r, 0, 0));
	call_reply(x->call, &x->page.base);
}

/* One row at least: where the log begins, with the first event or none beside it. */
static void
on_events(const struct pg_reply *r, void *ctx)
{
	struct reading *x = ctx;
	struct arena *a = call_arena(x->call);

	if (!pg_ok(r)) {
		pg_fail_call(x->call, r);
		return;
	}
	x->page.gap = pg_rows(r) > 0 && pg_value(r, 0, 11)[0] == 't';
	x->page.events = ARENA_ARRAY(a, Mf__TaskEvent *, (size_t)pg_rows(r) + 1);
	for (int i = 0; i < pg_rows(r) && pg_value(r, i, 1)[0] != '\0'; i++)
		x->page.events[x->page.n_events++] = event_of(a, r, i);
	if (x->page.n_events > 0)
		x->page.position = x->page.events[x->page.n_events - 1]->position;
	else if (x->page.gap)
		x->page.position = arena_strdup(a, pg_value(r, 0, 10));
	call_reply(x->call, &x->page.base);
}

static Mf__TaskEvent *
event_of(struct arena *a, const struct pg_reply *r, int row)
{
	Mf__TaskEvent *e = ARENA_NEW(a, Mf__TaskEvent);

	mf__task_event__init(e);
	e->position = arena_strdup(a, pg_value(r, row, 0));
	e->kind = arena_strdup(a, pg_value(r, row, 1));
	e->namespace_ = arena_strdup(a, pg_value(r, row, 2));
	e->task_id = arena_strdup(a, pg_value(r, row, 3));
	e->version = strtoull(pg_value(r, row, 4), NULL, 10);
	e->state = arena_strdup(a, pg_value(r, row, 5));
	e->type = arena_strdup(a, pg_value(r, row, 6));
	e->priority = (Mf__Priority)strtoul(pg_value(r, row, 7), NULL, 10);
	e->created_by = arena_strdup(a, pg_value(r, row, 8));
	e->at = strtoull(pg_value(r, row, 9), NULL, 10);
	return e;
}
