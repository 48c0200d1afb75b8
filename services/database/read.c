/* read: the cache where the plan allows it, else the store. */
#include "base/time.h"
#include "database/commit.h"
#include "database/mode.h"

static void on_read(const Mf__StoreResult *, void *);
static void read_done(struct op *);
static void land(struct op *);

void
db_read(struct op *o)
{
	const char *why;

	if (mode_read(o))
		return;
	if (!o->plan.from_cache || (o->in_session && cohere_foreign(&o->session)) ||
	    !cohere_begin(o, &why))
		db_read_store(o);
	else
		cohere_ask(o, flight_join);
}

void
db_read_store(struct op *o)
{
	o->read_us = time_now_us();
	db_send_read(o, o->plan.store, o->q, on_read);
}

static void
on_read(const Mf__StoreResult *m, void *ctx)
{
	struct op *o = ctx;

	o->result = m;
	o->failure = m == NULL ? rpc_failure(o->rpc) : NULL;
	if (m != NULL && m->n_staged > 0)
		met_by_read(o, db_read_store, read_done);
	else
		read_done(o);
}

/* Who waits for a flight is answered before the cache is filled. */
static void
read_done(struct op *o)
{
	if (o->flight == NULL) {
		if (o->result != NULL || !mode_failed(o))
			land(o);
		return;
	}
	flight_land(o, o->failure);
	if (o->result != NULL || (!o->plan.list && o->failure->status == ST_NOT_FOUND))
		cohere_fill(o, land);
	else
		land(o);
}

static void
land(struct op *o)
{
	if (o->result != NULL)
		db_answer(o);
	else
		db_fail(o);
}
