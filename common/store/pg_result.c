/* pg_result: results come in the order in which statements were sent, so each belongs to the next
 * step of the oldest batch. A read ends at its result, an effect at the Sync: only that says that
 * it is committed. */
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/log.h"
#include "base/step.h"
#include "store/pg_int.h"

static void take_result(struct pg_conn *k, PGresult *r);
static void take_step(struct pg_conn *k, struct pg_batch *b, const struct pg_step *s, PGresult *r);
static void batch_end(struct pg_conn *k, struct pg_batch *b);
static void drop_key(struct pg_pool *p, struct pg_op *op);
static void effect_end(struct pg_pool *p, struct pg_batch *b);
static void effect_failed(struct pg_pool *p, struct pg_batch *b);
static void op_merged_end(struct pg_op *op, const PGresult *all, int *row);
static void forget_results(struct pg_op *op);
static void
op_again(struct pg_pool *p, struct pg_op *op, bool yields, bool its_fault, int64_t wait_us);
static int64_t wait_of(struct pg_pool *p, const struct pg_op *op);
static bool has_time(const struct pg_op *op);
static bool may_run_again(const char *sqlstate);
static bool maybe_committed(const struct pg_batch *b);

void
conn_read_short(struct pg_conn *k)
{
	PGresult *r;

	while (k->state == CONN_UP && k->batches.n > 0 && PQisBusy(k->pg) == 0) {
		if ((r = PQgetResult(k->pg)) != NULL)
			take_result(k, r);
		else if (k->ended_one)
			break; /* the second NULL in a row: nothing is there */
		else
			k->ended_one = true;
	}
	if (k->state == CONN_UP && PQstatus(k->pg) == CONNECTION_BAD)
		conn_lost(k, PQerrorMessage(k->pg));
	pg_soon(k->pool);
}

static void
take_result(struct pg_conn *k, PGresult *r)
{
	struct link *first = list_first(&k->batches);
	struct pg_batch *b;

	must(first != NULL);
	b = container_of(first, struct pg_batch, link);
	k->ended_one = false;
	if (PQresultStatus(r) == PGRES_PIPELINE_SYNC) {
		k->ended_one = true; /* no NULL follows a Sync */
		PQclear(r);
		batch_end(k, b);
	} else if (b->at < b->n_steps) {
		take_step(k, b, &b->steps[b->at++], r);
	} else if (b->error == NULL) {
		b->error = r; /* the commit itself failed */
		b->at_commit = true;
	} else {
		PQclear(r);
	}
}

static bool
is_good(const PGresult *r)
{
	return PQresultStatus(r) == PGRES_TUPLES_OK || PQresultStatus(r) == PGRES_COMMAND_OK;
}

static void
take_step(struct pg_conn *k, struct pg_batch *b, const struct pg_step *s, PGresult *r)
{
	struct pg_op *op = b->ops[s->op];

	pg_slow_step(k, b, s, r);
	if (!is_good(r)) {
		if (!s->setting)
			pg_prepare_failed(
			    k, s, s->fence != NULL ? s->fence : op->stmts[s->stmt].text, r);
		if (PQresultStatus(r) != PGRES_PIPELINE_ABORTED && b->error == NULL) {
			b->error = r;
			b->failed_op = s->op;
			b->failed_stmt = s->stmt;
		} else {
			PQclear(r);
		}
	} else if (s->prepare != NULL || s->drop || s->fence != NULL || s->setting) {
		PQclear(r);
	} else if (b->effect) {
		op->stmts[s->stmt].result = r;
	} else {
		b->ops[s->op] = NULL;
		pg_op_end(op, &(const struct pg_reply){
				  .result = r, .n_rows = PQntuples(r), .ok = true, .error = "" });
		PQclear(r);
	}
}

/* The Sync's answer. */
static void
batch_end(struct pg_conn *k, struct pg_batch *b)
{
	struct pg_pool *p = k->pool;

	list_del(&k->batches, &b->link);
	k->writes -= b->effect;
	k->synced_us = time_now_us();
	metric_time(p->m_wait, k->synced_us - b->sent_us);
	for (uint32_t i = 0; i < b->n_ops; i++)
		drop_key(p, b->ops[i]);
	if (b->error != NULL)
		effect_failed(p, b);
	else if (b->effect)
		effect_end(p, b);
	pg_batch_free(&b);
	conn_retire(k);
}

/* Others may have the key now. */
static void
drop_key(struct pg_pool *p, struct pg_op *op)
{
	if (op == NULL || op->key == NULL)
		return;
	must(p->keys != NULL);
	HASH_DEL(p->keys, op);
}

static void
effect_end(struct pg_pool *p, struct pg_batch *b)
{
	int row = 0;

	STEP("sql.group.durable");
	for (uint32_t i = 0; i < b->n_ops; i++) {
		struct pg_op *op = b->ops[i];
		PGresult *last;

		must(op != NULL);
		if (i > 0)
			STEP("sql.group.half_answered");
		pg_op_committed(p, op);
		last = op->stmts[op->n - 1].result;
		b->ops[i] = NULL;
		if (op->kind != PG_INSERT) {
			pg_op_end(op, &(const struct pg_reply){
					  .result = last,
					  .n_rows = PQntuples(last),
					  .ok = true,
					  .error = "",
					  .op = op,
				      });
			continue;
		}
		if (last != NULL) { /* the first of a run holds the rows of all of it */
			PQclear(b->merged);
			b->merged = last;
			op->stmts[0].result = NULL;
			row = 0;
		}
		op_merged_end(op, b->merged, &row);
	}
}

/* Rows come in the members' order; a member whose row is not there took no effect. */
static void
op_merged_end(struct pg_op *op, const PGresult *all, int *row)
{
	bool mine = *row < PQntuples(all) &&
	            strcmp(PQgetvalue(all, *row, 0), op->stmts[0].params[0].text) == 0;

	pg_op_end(op, &(const struct pg_reply){
			  .result = all,
			  .row = *row,
			  .n_rows = mine,
			  .ok = true,
			  .error = "",
		      });
	*row += mine;
}

/* Everything since the last Sync was rolled back. Whose statement failed is told, unless it may run
 * again; the others run again: members of a group by themselves, reads as they were. */
static void
effect_failed(struct pg_pool *p, struct pg_batch *b)
{
	const char *sqlstate = PQresultErrorField(b->error, PG_DIAG_SQLSTATE);
	bool lone = b->n_ops == 1, again = sqlstate != NULL && may_run_again(sqlstate);
	bool lock = again && strcmp(sqlstate, "55P03") == 0;

	if (again)
		pg_count_again(sqlstate);

	for (uint32_t i = b->n_ops; i-- > 0;) { /* backwards: each goes to the head of its queue */
		struct pg_op *op = b->ops[i];

		if (op == NULL)
			continue;
		b->ops[i] = NULL;
		forget_results(op);
		if (b->effect ? !lone : i != b->failed_op)
			op_again(p, op, again && !lock, b->effect,
			    lock && i == b->failed_op ? wait_of(p, op) : 0);
		else if (again && has_time(op))
			op_again(p, op, !lock, true, wait_of(p, op));
		else
			pg_op_end(op, &(const struct pg_reply){
					  .result = b->error,
					  .status = ST_UNAVAILABLE,
					  .error = "",
					  .failed_at = b->failed_stmt,
				      });
	}
}

static void
forget_results(struct pg_op *op)
{
	for (size_t s = 0; s < op->n; s++) {
		PQclear(op->stmts[s].result);
		op->stmts[s].result = NULL;
	}
}

int64_t
pg_again_wait_us(unsigned tries, uint32_t random)
{
	int64_t most = tries < 8 ? MS << tries : 256 * MS;

	return most / 2 + random % (most / 2);
}

static int64_t
wait_of(struct pg_pool *p, const struct pg_op *op)
{
	return pg_again_wait_us(op->tries, (uint32_t)rng_next(p->rng));
}

/* Enough for the longest wait before the next try. */
static bool
has_time(const struct pg_op *op)
{
	return op->tries < PG_TRIES &&
	       (op->call == NULL || call_left(op->call) > pg_again_wait_us(op->tries, UINT32_MAX));
}

/* wait_us 0: as soon as it may. */
static void
op_again(struct pg_pool *p, struct pg_op *op, bool yields, bool its_fault, int64_t wait_us)
{
	op->tries += its_fault;
	op->yields = yields;
	op->alone = op->kind == PG_WRITE || op->kind == PG_INSERT;
	op->queued_us = time_now_us();
	if (op->done == NULL)
		pg_op_free(op); /* rolled back, and nobody waits for it */
	else if (p->down)
		pg_op_fail(p, op, ST_UNAVAILABLE);
	else if (wait_us > 0)
		pg_op_later(p, op, wait_us);
	else
		pg_op_queue(p, op, true);
}

/* Serialisation failure, deadlock, a row that others hold, and a prepared statement that a failed batch before it did not
 * make, or not drop. */
static bool
may_run_again(const char *sqlstate)
{
	return strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0 ||
	       strcmp(sqlstate, "55P03") == 0 || strcmp(sqlstate, "26000") == 0 ||
	       strcmp(sqlstate, "42P05") == 0;
}

/* Only an error of the server's, before the commit, says that there was none: libpq makes errors of
 * its own when it loses the connection. */
static bool
maybe_committed(const struct pg_batch *b)
{
	return b->effect && (b->error == NULL || b->at_commit ||
				PQresultErrorField(b->error, PG_DIAG_SQLSTATE) == NULL);
}

/* What surely took no effect runs again: reads, and effects whom the server itself sent away, as one
 * does that is shut down. Any other effect may be there or not. */
static void
op_lost(struct pg_pool *p, const struct pg_batch *b, struct pg_op *op)
{
	bool unknown = maybe_committed(b);

	if (!unknown && !p->down && op->tries < PG_LOST_TRIES) {
		forget_results(op);
		op_again(p, op, false, true, 0);
		return;
	}
	if (unknown)
		pg_op_committed(p, op);
	pg_op_down(p, op, unknown);
}

/* Backwards, as reads go to the head of their queue. */
void
conn_drop_batches(struct pg_conn *k)
{
	struct pg_pool *p = k->pool;
	struct list lost;
	struct link *l;

	list_init(&lost);
	while ((l = list_pop(&k->batches)) != NULL)
		list_add(&lost, l);
	k->writes = 0;
	while ((l = list_pop(&lost)) != NULL) {
		struct pg_batch *b = container_of(l, struct pg_batch, link);

		for (uint32_t i = 0; i < b->n_ops; i++)
			drop_key(p, b->ops[i]);
		for (uint32_t i = b->n_ops; i-- > 0;)
			if (b->ops[i] != NULL)
				op_lost(p, b, b->ops[i]);
		pg_batch_free(&b);
	}
}
