/* commit: one transaction over both stores, from staging to the answer. See commit.h.
 *
 * Invariant: documents are published only after the decision row says COMMITTED, and dropped only
 * when it never can: sql was not asked yet, or Decide has given the transaction up. An unclear answer
 * of sql is no answer: Decide is asked, which leaves exactly one decision. The work runs in a call of
 * its own: a client that goes away leaves nothing half done. What can't be finished in time is left
 * to the janitor; readers and writers that meet it before that ask for the decision themselves. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/step.h"
#include "base/time.h"
#include "database/commit.h"

#define MEMBERS_MOST 100
#define AFTER_US     (5 * SEC)  /* beyond its client's deadline, to bring it to an end */
#define PUBLISH_US   (500 * MS) /* of each part: the decision is on disk, readers ask for it */

struct commit {
	struct op op;        /* first; of the root call */
	struct link link;    /* under way */
	struct call *client; /* NULL: has gone */
	struct call_dep dep;
	char id[UUID_LEN];
	struct commit_parts parts;
	size_t at;                     /* the part in hand */
	const struct failure *failure; /* why it is not done */
	bool repeated;                 /* an earlier attempt under this operation id has done it */
	bool committed;
	bool left;     /* a part could not be settled */
	bool in_doubt; /* sql was asked, and what came of it is not known */
	Mf__StoreResult result;
};

static struct commit *commit_new(struct op *, const char *);
static void on_client_gone(struct call_dep *);
static void on_end(struct call *, const struct call_end *, void *);
static const char *operation_of(const struct op *);
static void stage_next(struct commit *);
static void on_staged(const Mf__StoreResult *, void *);
static void on_met(void *, const struct failure *);
static void ask_sql(struct commit *);
static void on_sql(const Mf__StoreResult *, void *);
static void give_up(struct commit *);
static void on_decided(const Mf__Decisions *, void *);
static void on_recorded(const Mf__StoreResult *, void *);
static void settle(struct commit *);
static void settle_next(struct commit *);
static void on_settled(const Mf__Settled *, void *);
static void end(struct commit *);
static struct failure *unknown(struct commit *);

static const struct failure nobody_waits = {
	.status = ST_CANCELLED,
	.reason = "CANCELLED",
	.message = "its caller has gone",
};
static struct list under_way;
static struct metric *committed, *refused, *in_doubt;

void
commit_open(struct bus *b)
{
	static const char *const names[] = { "outcome", NULL };
	struct metric_family *f = metric_family(METRIC_COUNTER, "metafed_database_commits_total",
	    "Transactions over both stores, by what became of them.", names);

	list_init(&under_way);
	committed = metric_get(f, (const char *const[]){ "committed" });
	refused = metric_get(f, (const char *const[]){ "refused" });
	in_doubt = metric_get(f, (const char *const[]){ "in_doubt" });
	janitor_open(b);
}

bool
commit_under_way(const char *transaction)
{
	LIST_EACH(&under_way, k) {
		if (strcmp(container_of(k, struct commit, link)->id, transaction) == 0)
			return true;
	}
	return false;
}

void
commit_run(struct op *o)
{
	const Mf__StoreOp *q = o->q;
	struct commit *x;

	if (q->n_members > MEMBERS_MOST) {
		call_fail(o->c, ST_INVALID_ARGUMENT, "members: must be 1 to %d", MEMBERS_MOST);
		return;
	}
	x = commit_new(o, operation_of(o));
	STEP("database.commit.begun");
	stage_next(x);
}

/* Everything is copied: the client's call may end first. */
static struct commit *
commit_new(struct op *o, const char *operation)
{
	struct commit **at = calloc(1, sizeof(struct commit *)); /* on_end frees it */
	struct call *root = call_root(call_bus(o->c), &(const struct call_opts){
							  .limit_us = call_left(o->c) + AFTER_US,
							  .traceparent = call_traceparent(o->c),
							  .operation_id = operation,
							  .done = on_end,
							  .ctx = at,
						      });
	struct arena *a = call_arena(root);
	struct commit *x = ARENA_NEW(a, struct commit);
	size_t n = mf__store_op__get_packed_size(o->q);
	uint8_t *packed = arena_alloc(a, n + 1);

	must(at != NULL);
	*at = x;
	mf__store_op__pack(o->q, packed);
	call_set_fence(root, call_fence(o->c));
	x->op.c = root;
	x->op.plan = o->plan;
	x->op.q = mf__store_op__unpack(arena_allocator(a), n, packed);
	must(x->op.q != NULL);
	uuid7(x->id);
	commit_split(a, x->op.q, operation[0] != '\0' ? arena_strdup(a, operation) : x->id, x->id,
	    &x->parts);
	x->op.met_until_us = met_until(o);
	x->client = o->c;
	x->dep.cancel = on_client_gone;
	call_attach(o->c, &x->dep);
	list_add(&under_way, &x->link);
	if (x->op.plan.drop)
		cohere_out(&x->op);
	return x;
}

static const char *
operation_of(const struct op *o)
{
	return o->q->operation_id[0] != '\0' ? o->q->operation_id : call_operation_id(o->c);
}

static void
on_client_gone(struct call_dep *d)
{
	container_of(d, struct commit, dep)->client = NULL;
}

/* The work's own call has ended: answered, or out of time. */
static void
on_end(struct call *c, const struct call_end *how, void *ctx)
{
	struct commit *x = *(struct commit **)ctx;

	(void)c;
	free(ctx);
	list_del(&under_way, &x->link);
	metric_inc(x->in_doubt ? in_doubt : x->committed || x->repeated ? committed : refused);
	/* not before: what is under way the janitor passes by */
	if (x->in_doubt || x->left || how->reply == NULL)
		janitor_kick();
	if (x->in_doubt || x->committed)
		cohere_unknown(&x->op); /* unless that is settled */
	if (x->client == NULL)
		return;
	call_detach(x->client, &x->dep);
	if (how->reply != NULL)
		call_reply(x->client, how->reply);
	else
		call_fail_with(x->client, how->failure);
}

/* --- stage: documents, collection by collection --- */

static void
stage_next(struct commit *x)
{
	if (x->at < x->parts.n) {
		x->op.rpc = rpc_new(x->op.c, db_nosql, NULL);
		mf__nosql__stage(&x->op.rpc->service, &x->parts.docs[x->at].op, on_staged, x);
		return;
	}
	STEP("database.commit.staged");
	if (x->repeated) {
		give_up(x);
	} else if (x->client != NULL) {
		ask_sql(x);
	} else {
		x->failure = &nobody_waits;
		settle(x);
	}
}

static void
on_staged(const Mf__StoreResult *m, void *ctx)
{
	struct commit *x = ctx;
	struct commit_part *p = &x->parts.docs[x->at];

	if (m == NULL && met_is(rpc_failure(x->op.rpc))) {
		met_by_write(
		    x->op.c, rpc_failure(x->op.rpc), p->op.model, met_until(&x->op), on_met, x);
	} else if (m == NULL) {
		on_met(x, rpc_failure(x->op.rpc));
	} else {
		STEP("database.commit.part_staged");
		p->result = m;
		x->repeated = x->repeated || m->repeated;
		x->at++;
		stage_next(x);
	}
}

/* Sql knows nothing of it yet, so it can't be committed. */
static void
on_met(void *ctx, const struct failure *f)
{
	struct commit *x = ctx;

	if (f == NULL) {
		stage_next(x);
		return;
	}
	x->failure = commit_refusal(call_arena(x->op.c), &x->parts.docs[x->at], f);
	STEP("database.commit.refused");
	settle(x);
}

/* --- decide --- */

static void
ask_sql(struct commit *x)
{
	x->in_doubt = true;
	db_send_write(&x->op, PLAN_SQL, &x->parts.sql.op, on_sql);
	STEP("database.commit.sent");
}

static void
on_sql(const Mf__StoreResult *m, void *ctx)
{
	struct commit *x = container_of(ctx, struct commit, op);

	if (m == NULL) {
		x->failure =
		    commit_refusal(call_arena(x->op.c), &x->parts.sql, rpc_failure(x->op.rpc));
		give_up(x);
		return;
	}
	x->parts.sql.result = m;
	if (m->repeated) {
		x->repeated = true;
		give_up(x);
		return;
	}
	STEP("database.commit.decided");
	x->in_doubt = false;
	x->committed = true;
	settle(x);
}

/* There was no clear yes: whatever is said now stands. A refusal is not clear either: an earlier try
 * of the same call may still be under way. */
static void
give_up(struct commit *x)
{
	Mf__DecideAsk ask = MF__DECIDE_ASK__INIT;
	char *id = x->id;

	ask.n_transactions = 1;
	ask.transactions = &id;
	ask.force = true;
	x->in_doubt = true;
	call_set_fence(x->op.c, 0); /* nothing new is done from here on, whoever leads */
	x->op.rpc = rpc_new(x->op.c, db_sql, NULL);
	mf__sql__decide(&x->op.rpc->service, &ask, on_decided, x);
	STEP("database.commit.giving_up");
}

static void
on_decided(const Mf__Decisions *m, void *ctx)
{
	struct commit *x = ctx;

	if (m == NULL || m->n_verdicts != 1 || m->verdicts[0] == MF__VERDICT__UNDECIDED) {
		x->op.failure = unknown(x);
		db_fail(&x->op);
		return;
	}
	STEP("database.commit.given_up");
	x->in_doubt = false;
	x->committed = m->verdicts[0] == MF__VERDICT__COMMITTED;
	for (size_t i = 0; x->repeated && i < x->parts.n; i++)
		if (x->parts.docs[i].result != NULL && !x->parts.docs[i].result->repeated)
			x->parts.docs[i].result = NULL; /* was not recorded any more */
	/* what sql recorded: of this attempt, or of the one before it */
	if ((x->committed || x->repeated) && x->parts.sql.result == NULL)
		db_send_write(&x->op, PLAN_SQL, &x->parts.sql.op, on_recorded);
	else
		settle(x);
}

static void
on_recorded(const Mf__StoreResult *m, void *ctx)
{
	struct commit *x = container_of(ctx, struct commit, op);
	bool gone =
	    m == NULL && x->repeated && strcmp(rpc_failure(x->op.rpc)->reason, "GIVEN_UP") == 0;

	x->parts.sql.result = m;
	x->failure = m == NULL && !gone ? unknown(x) : NULL;
	settle(x);
}

static struct failure *
unknown(struct commit *x)
{
	struct failure *f = ARENA_NEW(call_arena(x->op.c), struct failure);

	*f = (struct failure){
		.status = ST_UNAVAILABLE,
		.reason = "OUTCOME_UNKNOWN",
		.retry_ms = 1000,
		.message =
		    "PostgreSQL did not say what became of the transaction; the same operation "
		    "again is safe",
	};
	return f;
}

/* --- settle: publish or drop, collection by collection --- */

static void
settle(struct commit *x)
{
	x->at = 0;
	call_set_fence(x->op.c, 0);
	settle_next(x);
}

static void
settle_next(struct commit *x)
{
	Mf__SettleAsk ask = MF__SETTLE_ASK__INIT;

	if (x->at == x->parts.n) {
		STEP("database.commit.settled");
		end(x);
		return;
	}
	ask.transaction = x->id;
	ask.collection = x->parts.docs[x->at].op.model;
	ask.commit = x->committed;
	x->op.rpc = rpc_new(x->op.c, db_nosql, &(const struct rpc_opts){ .limit_us = PUBLISH_US });
	mf__nosql__settle(&x->op.rpc->service, &ask, on_settled, x);
}

/* What was decided is decided: the answer does not wait for a part that can't be settled now. */
static void
on_settled(const Mf__Settled *m, void *ctx)
{
	struct commit *x = ctx;

	x->left = x->left || m == NULL;
	STEP("database.commit.part_settled");
	x->at++;
	settle_next(x);
}

static void
end(struct commit *x)
{
	if (x->failure != NULL) {
		x->op.settled = !x->committed; /* nothing was written for the cache to forget */
		x->op.failure = x->failure;
		db_fail(&x->op);
		return;
	}
	commit_join(call_arena(x->op.c), x->op.q, &x->parts, &x->result);
	x->op.result = &x->result;
	if (x->op.plan.drop)
		cohere_drop(&x->op);
	else
		db_answer(&x->op);
}
