/* commit_met: a read or write that meets a staged document asks for the decision first. Undecided is
 * an answer too: whatever is committed later came after the read, so the old state is right. A
 * transaction that nobody here works at is an orphan: a writer gives it up, and whoever might still
 * commit it fails. */
#include <string.h>

#include "base/step.h"
#include "base/time.h"
#include "database/commit.h"

#define AGAIN_US   (5 * MS) /* a transaction that is under way takes some ms */
#define READS_MOST 8        /* of one call, each after something was published */
#define WAIT_US    (1 * SEC)

struct meeting { /* of a reader */
	struct op *o;
	const Mf__StoreResult *m;
	const Mf__Decisions *d; /* NULL: not known, and the read may be old */
	op_fn *again, *go_on;
	size_t at;
	bool published;
};

struct wait { /* of a writer */
	struct call *c;
	const char *transaction, *collection;
	struct rpc *rpc;
	met_fn *then;
	void *ctx;
	int64_t until_us;
};

struct plain { /* a write of one document that waits */
	struct op *o;
	op_fn *again;
};

static void on_read_decisions(const Mf__Decisions *, void *);
static void publish_next(struct meeting *);
static void go_on_with(struct meeting *);
static void read_fails(struct meeting *, const struct failure *);
static void on_published(const Mf__Settled *, void *);
static char *collection_of(struct arena *, const Mf__StoreOp *);
static bool is_strong(const struct op *);
static const char *transaction_of(const struct failure *);
static void on_waited(struct call *, void *);
static void on_write_decision(const Mf__Decisions *, void *);
static void on_settled(const Mf__Settled *, void *);
static void on_plain(void *, const struct failure *);

static const struct failure undecided = {
	.status = ST_UNAVAILABLE,
	.reason = "UNDECIDED",
	.retry_ms = 1000,
	.message = "a transaction holds the document, and PostgreSQL, which knows whether it was "
		   "committed, is not available",
};
static const struct failure absent = {
	.status = ST_NOT_FOUND,
	.reason = "",
	.message = "the document does not exist",
};
static const struct failure held = {
	.status = ST_ABORTED,
	.reason = "STAGED",
	.retry_ms = 50,
	.message = "another transaction holds the document",
};

void
met_by_read(struct op *o, op_fn *again, op_fn *go_on)
{
	Mf__DecideAsk ask = MF__DECIDE_ASK__INIT;
	const Mf__StoreResult *m = o->result;
	struct meeting *x;

	if (o->met++ >= READS_MOST) {
		o->result = NULL;
		o->failure = &held;
		go_on(o);
		return;
	}
	x = ARENA_NEW(call_arena(o->c), struct meeting);
	*x = (struct meeting){ .o = o, .m = m, .again = again, .go_on = go_on };
	ask.n_transactions = m->n_staged;
	ask.transactions = m->staged;
	o->rpc = rpc_new(o->c, db_sql, NULL);
	mf__sql__decide(&o->rpc->service, &ask, on_read_decisions, x);
}

static void
on_read_decisions(const Mf__Decisions *m, void *ctx)
{
	struct meeting *x = ctx;

	if (m == NULL)
		janitor_kick();
	if (m == NULL && is_strong(x->o)) {
		read_fails(x, &undecided);
		return;
	}
	x->d = m;
	publish_next(x);
}

static bool
is_strong(const struct op *o)
{
	return o->plan.level == PLAN_STRONG || o->in_session;
}

/* A declaration waits for what is staged in its collection, too. */
static char *
collection_of(struct arena *a, const Mf__StoreOp *q)
{
	if (strcmp(q->model, "collection") == 0)
		return arena_printf(a, "doc.%s", q->id);
	return q->n_members > 0 ? q->members[0]->model : q->model;
}

/* What was given up is shown as it was, and swept up by the janitor. */
static void
publish_next(struct meeting *x)
{
	Mf__SettleAsk ask = MF__SETTLE_ASK__INIT;
	struct op *o = x->o;

	while (x->d != NULL && x->at < x->d->n_verdicts &&
	       x->d->verdicts[x->at] != MF__VERDICT__COMMITTED)
		if (x->d->verdicts[x->at++] == MF__VERDICT__ABORTED ||
		    !commit_under_way(x->m->staged[x->at - 1]))
			janitor_kick();
	if (x->d == NULL || x->at >= x->d->n_verdicts) {
		if (x->published)
			x->again(o);
		else
			go_on_with(x);
		return;
	}
	STEP("database.met.decided");
	ask.transaction = x->m->staged[x->at];
	ask.collection = collection_of(call_arena(o->c), o->q);
	ask.commit = true;
	o->rpc = rpc_new(o->c, db_nosql, NULL);
	mf__nosql__settle(&o->rpc->service, &ask, on_published, x);
}

/* Our callers need not know what is staged. */
static void
go_on_with(struct meeting *x)
{
	Mf__StoreResult *bare = arena_dup(call_arena(x->o->c), x->m, sizeof(*x->m));

	bare->n_staged = 0;
	x->o->result = bare;
	if (x->o->q->kind == MF__STORE_OP__KIND__READ_ONE && bare->data.len == 0)
		read_fails(x, &absent);
	else
		x->go_on(x->o);
}

static void
read_fails(struct meeting *x, const struct failure *f)
{
	x->o->result = NULL;
	x->o->failure = f;
	x->go_on(x->o);
}

static void
on_published(const Mf__Settled *m, void *ctx)
{
	struct meeting *x = ctx;

	if (m == NULL) {
		read_fails(x, rpc_failure(x->o->rpc));
		return;
	}
	x->published = true;
	x->at++;
	publish_next(x);
}

/* --- writers --- */

bool
met_is(const struct failure *f)
{
	return f->status == ST_ABORTED && strcmp(f->reason, "STAGED") == 0 &&
	       transaction_of(f) != NULL;
}

static const char *
transaction_of(const struct failure *f)
{
	for (size_t i = 0; i < f->n_violations; i++)
		if (strcmp(f->violations[i].field, "transaction") == 0)
			return f->violations[i].what;
	return NULL;
}

void
met_by_write(struct call *c, const struct failure *f, const char *collection, int64_t until_us,
    met_fn *then, void *ctx)
{
	struct wait *x = ARENA_NEW(call_arena(c), struct wait);
	Mf__DecideAsk ask = MF__DECIDE_ASK__INIT;
	char *id = arena_strdup(call_arena(c), transaction_of(f));

	*x = (struct wait){ c, id, collection, NULL, then, ctx, until_us };
	if (commit_under_way(id)) {
		call_after(c, AGAIN_US, on_waited, x);
		return;
	}
	ask.n_transactions = 1;
	ask.transactions = &id;
	ask.force = true;
	x->rpc = rpc_new(c, db_sql, NULL);
	mf__sql__decide(&x->rpc->service, &ask, on_write_decision, x);
}

static void
on_waited(struct call *c, void *ctx)
{
	struct wait *x = ctx;

	(void)c;
	x->then(x->ctx, time_now_us() < x->until_us ? NULL : &held);
}

static void
on_write_decision(const Mf__Decisions *m, void *ctx)
{
	struct wait *x = ctx;
	Mf__SettleAsk ask = MF__SETTLE_ASK__INIT;

	if (m == NULL || m->n_verdicts != 1 || m->verdicts[0] == MF__VERDICT__UNDECIDED) {
		janitor_kick();
		x->then(x->ctx, &undecided);
		return;
	}
	STEP("database.met.forced");
	ask.transaction = (char *)(uintptr_t)x->transaction;
	ask.collection = (char *)(uintptr_t)x->collection;
	ask.commit = m->verdicts[0] == MF__VERDICT__COMMITTED;
	x->rpc = rpc_new(x->c, db_nosql, NULL);
	mf__nosql__settle(&x->rpc->service, &ask, on_settled, x);
}

static void
on_settled(const Mf__Settled *m, void *ctx)
{
	struct wait *x = ctx;

	x->then(x->ctx, m == NULL ? rpc_failure(x->rpc) : NULL);
}

int64_t
met_until(struct op *o)
{
	int64_t most = call_left(o->c) / 2;

	if (o->met_until_us == 0)
		o->met_until_us = time_now_us() + (most < WAIT_US ? most : WAIT_US);
	return o->met_until_us;
}

bool
met_by_op(struct op *o, op_fn *again)
{
	const struct failure *f = o->failure;
	struct plain *x;

	if (f == NULL || !met_is(f))
		return false;
	x = ARENA_NEW(call_arena(o->c), struct plain);
	*x = (struct plain){ o, again };
	met_by_write(o->c, f, collection_of(call_arena(o->c), o->q), met_until(o), on_plain, x);
	return true;
}

static void
on_plain(void *ctx, const struct failure *f)
{
	struct plain *x = ctx;

	x->o->failure = f;
	if (f != NULL)
		db_fail(x->o);
	else
		x->again(x->o);
}
