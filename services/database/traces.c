/* traces: they are PostgreSQL's, and nobody else's: while it is away they wait where they came from. */
#include "database/backup.h"
#include "database/inside.h"

static void on_kept(const Mf__TraceKept *, void *);
static void on_found(const Mf__TraceBatch *, void *);
static struct op *op_new(struct call *);

void
database_keep_traces(
    Mf__Database_Service *s, const Mf__TraceBatch *q, Mf__TraceKept_Closure reply, void *ctx)
{
	struct op *o = op_new(ctx);

	(void)s, (void)reply;
	if (o != NULL)
		mf__sql__keep_traces(&o->rpc->service, q, on_kept, o);
}

void
database_find_traces(
    Mf__Database_Service *s, const Mf__TraceQuery *q, Mf__TraceBatch_Closure reply, void *ctx)
{
	struct op *o = op_new(ctx);

	(void)s, (void)reply;
	if (o != NULL)
		mf__sql__find_traces(&o->rpc->service, q, on_found, o);
}

/* NULL: refused, the call has ended. */
static struct op *
op_new(struct call *c)
{
	struct op *o = ARENA_NEW(call_arena(c), struct op);

	if (backup_refuses(c, false))
		return NULL;
	o->c = c;
	o->rpc = rpc_new(c, db_sql, NULL);
	return o;
}

static void
on_kept(const Mf__TraceKept *m, void *ctx)
{
	struct op *o = ctx;

	if (m == NULL)
		call_fail_with(o->c, rpc_failure(o->rpc));
	else
		call_reply(o->c, &m->base);
}

static void
on_found(const Mf__TraceBatch *m, void *ctx)
{
	struct op *o = ctx;

	if (m == NULL)
		call_fail_with(o->c, rpc_failure(o->rpc));
	else
		call_reply(o->c, &m->base);
}
