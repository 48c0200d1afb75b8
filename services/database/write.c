/* write: the store decides, then the cache forgets, then the write is acknowledged. */
#include "base/step.h"
#include "database/commit.h"
#include "database/mode.h"

static void on_cut(struct call_dep *);
static void on_written(const Mf__StoreResult *, void *);
static void written(struct op *);

void
db_write(struct op *o)
{
	bool both = commit_kind(o->q) == COMMIT_BOTH;

	if (o->plan.drop && !both &&
	    o->cut.cancel == NULL) { /* it comes again when the mode changes */
		o->cut.cancel = on_cut;
		call_attach(o->c, &o->cut);
	}
	if (o->plan.store == PLAN_NOSQL && !both)
		db_write_store(o);
	else
		mode_write(o);
}

void
db_write_store(struct op *o)
{
	STEP("database.write.planned");
	if (o->q->kind == MF__STORE_OP__KIND__BULK)
		bulk_write(o, written);
	else
		db_send_write(o, o->plan.store, o->q, on_written);
	STEP("database.write.sent");
}

/* The call is over, its caller gone or its time up, and nobody has said what became of the write. */
static void
on_cut(struct call_dep *d)
{
	cohere_unknown(container_of(d, struct op, cut));
}

static void
on_written(const Mf__StoreResult *m, void *ctx)
{
	struct op *o = ctx;

	o->result = m;
	if (m == NULL)
		o->failure = rpc_failure(o->rpc);
	written(o);
}

static void
written(struct op *o)
{
	if (o->result == NULL) {
		if (!mode_failed(o) && !met_by_op(o, db_write_store))
			db_fail(o);
		return;
	}
	STEP("database.write.stored");
	if (o->plan.drop)
		cohere_drop(o);
	else
		db_answer(o);
}
