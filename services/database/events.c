/* events: the log is PostgreSQL's. */
#include "database/backup.h"
#include "database/inside.h"

static void on_events(const Mf__EventPage *, void *);

void
database_events(
    Mf__Database_Service *s, const Mf__EventsAfter *q, Mf__EventPage_Closure reply, void *ctx)
{
	struct op *o = ARENA_NEW(call_arena(ctx), struct op);

	(void)s, (void)reply;
	if (backup_refuses(ctx, false))
		return;
	o->c = ctx;
	o->rpc = rpc_new(o->c, db_sql, NULL);
	mf__sql__events(&o->rpc->service, q, on_events, o);
}

static void
on_events(const Mf__EventPage *m, void *ctx)
{
	struct op *o = ctx;

	if (m == NULL)
		db_fail(o);
	else
		call_reply(o->c, &m->base);
}
