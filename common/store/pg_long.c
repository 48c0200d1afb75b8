/* pg_long: one connection for one caller. Rows come one by one, so that an answer that is too large
 * is given up before it is all in memory. When the call ends, the statement is cancelled over the
 * short lane (libpq 15's own cancel blocks, for ever where the server is stopped) and the connection
 * is free again when both the cancel and the statement's answer are done. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "store/pg_int.h"

static bool long_start(struct pg_conn *k, struct pg_op *op);
static bool long_send(struct pg_conn *k, struct pg_op *op);
static void limit_is_set(struct pg_conn *k);
static const char *take_row(struct pg_conn *k, PGresult *r);
static void take_mark(struct pg_conn *k, const PGresult *r);
static void answer(struct pg_conn *k);
static bool is_copy(const PGresult *r);
static void give_up(struct pg_conn *k, enum status s, const char *why);
static void on_cancelled(const struct pg_reply *r, void *ctx);

void
pg_serve_longs(struct pg_pool *p)
{
	for (unsigned i = p->n_short; i < p->n_short + p->n_long && p->longs.n > 0; i++) {
		struct pg_conn *k = &p->conns[i];
		struct link *first;
		struct pg_op *op;

		if (k->state != CONN_UP || k->op != NULL || k->cancelling || k->retiring)
			continue;
		first = list_pop(&p->longs);
		must(first != NULL);
		op = container_of(first, struct pg_op, link);
		op->in = NULL;
		op->conn = k;
		k->mark[0] = '\0';
		k->op = op;
		if (!long_start(k, op))
			conn_lost(k, PQerrorMessage(k->pg));
		else
			conn_flush(k);
	}
	if (p->longs.n > 0)
		conn_login_next(p);
}

unsigned
pg_long_limit_ms(int64_t left_us)
{
	unsigned ms = 1024;

	while ((int64_t)ms * MS < left_us + SEC && ms < 1u << 30)
		ms += ms / 2;
	return ms;
}

/* The server's own limit first, where it is another one than the last statement's: should the cancel
 * get lost, the statement ends all the same. In steps, so that it seldom is another one. */
static bool
long_start(struct pg_conn *k, struct pg_op *op)
{
	unsigned ms = op->call != NULL ? pg_long_limit_ms(call_left(op->call)) : 0;
	char set[48];

	if (ms == k->limit_ms)
		return long_send(k, op);
	k->limit_ms = ms;
	k->setting = true;
	snprintf(set, sizeof(set), "SET statement_timeout=%u", ms);
	return PQsendQuery(k->pg, set) == 1;
}

static bool
long_send(struct pg_conn *k, struct pg_op *op)
{
	const struct pg_stmt *s = &op->stmts[0];
	const char *values[PG_PARAMS_MOST];

	k->began_us = time_now_us();
	if (op->kind == PG_SCRIPT)
		return PQsendQuery(k->pg, op->long_text) == 1;
	for (int i = 0; i < s->n; i++)
		values[i] = s->params[i].text;
	return PQsendQueryParams(k->pg, op->long_text, s->n, NULL, values, NULL, NULL, 0) == 1 &&
	       PQsetSingleRowMode(k->pg) == 1;
}

/* The last result counts, or the first error. */
void
conn_read_long(struct pg_conn *k)
{
	PGresult *r;

	if (k->op == NULL) {
		if (PQstatus(k->pg) == CONNECTION_BAD)
			conn_lost(k, PQerrorMessage(k->pg));
		return;
	}
	for (;;) {
		if (PQisBusy(k->pg) != 0)
			return;
		if ((r = PQgetResult(k->pg)) == NULL)
			break;
		if (PQresultStatus(r) == PGRES_SINGLE_TUPLE) {
			const char *too_much = take_row(k, r);

			PQclear(r);
			if (too_much == NULL)
				continue;
			give_up(k, ST_RESOURCE_EXHAUSTED, too_much);
			return;
		}
		if (is_copy(r)) {
			PQclear(r);
			give_up(k, ST_UNIMPLEMENTED, "COPY is not possible here");
			return;
		}
		take_mark(k, r);
		if (k->result != NULL && PQresultStatus(k->result) == PGRES_FATAL_ERROR) {
			PQclear(r);
			continue;
		}
		PQclear(k->result);
		k->result = r;
	}
	if (PQstatus(k->pg) == CONNECTION_BAD || k->result == NULL)
		conn_lost(k, PQerrorMessage(k->pg));
	else if (k->setting)
		limit_is_set(k);
	else
		answer(k);
}

/* A call that ended meanwhile wants no statement any more: its cancel has nothing to hit. */
static void
limit_is_set(struct pg_conn *k)
{
	bool ok = PQresultStatus(k->result) == PGRES_COMMAND_OK;

	k->setting = false;
	if (!ok)
		k->limit_ms = UINT_MAX; /* unknown */
	if (!ok || k->op->done == NULL) {
		answer(k);
		return;
	}
	PQclear(k->result);
	k->result = NULL;
	if (!long_send(k, k->op))
		conn_lost(k, PQerrorMessage(k->pg));
	else
		conn_flush(k);
}

/* NULL: taken. Else what there is too much of. */
static const char *
take_row(struct pg_conn *k, PGresult *r)
{
	static char words[80]; /* of the loop thread */
	const struct pg_most *most = &k->op->most;
	int columns = PQnfields(r);

	if (k->rows == NULL) {
		k->rows = PQcopyResult(r, PG_COPYRES_ATTRS);
		must(k->rows != NULL);
	}
	k->n_bytes += PG_FIELD_BYTES;
	for (int i = 0; i < columns; i++)
		k->n_bytes += (size_t)PQgetlength(r, 0, i) + PG_FIELD_BYTES;
	if (k->n_rows >= most->rows) {
		snprintf(words, sizeof(words), "the answer has more than %u rows", most->rows);
		return words;
	}
	if (k->n_bytes > most->bytes) {
		snprintf(words, sizeof(words), "the answer has more than %zu bytes", most->bytes);
		return words;
	}
	for (int i = 0; i < columns; i++)
		must(PQsetvalue(k->rows, (int)k->n_rows, i, PQgetvalue(r, 0, i),
			 PQgetisnull(r, 0, i) ? -1 : PQgetlength(r, 0, i)) != 0);
	k->n_rows++;
	return NULL;
}

static void
take_mark(struct pg_conn *k, const PGresult *r)
{
	if (k->op->kind == PG_SCRIPT && PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1 &&
	    PQnfields(r) == 1 && strcmp(PQfname(r, 0), PG_MARK) == 0)
		snprintf(k->mark, sizeof(k->mark), "%s", PQgetvalue(r, 0, 0));
}

static void
answer(struct pg_conn *k)
{
	PGresult *rows = k->rows, *last = k->result;
	struct pg_op *op = k->op;
	bool ok =
	    PQresultStatus(last) == PGRES_TUPLES_OK || PQresultStatus(last) == PGRES_COMMAND_OK;
	bool one_by_one = ok && rows != NULL;
	unsigned n_rows = k->n_rows;

	pg_slow_long(k, op, last);
	k->op = NULL;
	k->rows = k->result = NULL;
	k->n_rows = 0;
	k->n_bytes = 0;
	k->since_us = time_now_us();
	/* a script that failed half-way left its transaction open */
	if (op->most.foreign || PQtransactionStatus(k->pg) != PQTRANS_IDLE)
		conn_close(k);
	pg_op_end(op, &(const struct pg_reply){
			  .result = one_by_one ? rows : last,
			  .end = last,
			  .n_rows = one_by_one ? (int)n_rows : PQntuples(last),
			  .ok = ok,
			  .status = ST_INTERNAL,
			  .error = "",
			  .mark = op->kind == PG_SCRIPT ? k->mark : NULL,
		      });
	PQclear(rows);
	PQclear(last);
	conn_retire(k);
	pg_soon(k->pool);
}

/* libpq would answer the same for ever until somebody copies. */
static bool
is_copy(const PGresult *r)
{
	ExecStatusType s = PQresultStatus(r);

	return s == PGRES_COPY_IN || s == PGRES_COPY_OUT || s == PGRES_COPY_BOTH;
}

static void
forget_results(struct pg_conn *k)
{
	PQclear(k->rows);
	PQclear(k->result);
	k->rows = k->result = NULL;
	k->n_rows = 0;
	k->n_bytes = 0;
	k->op = NULL;
}

/* What is left of the answer goes with the connection; the server sees that at its next write. */
static void
give_up(struct pg_conn *k, enum status s, const char *why)
{
	struct pg_op *op = k->op;

	forget_results(k);
	conn_close(k);
	pg_op_end(op, &(const struct pg_reply){
			  .status = s,
			  .error = why,
			  .too_large = s == ST_RESOURCE_EXHAUSTED,
		      });
	pg_soon(k->pool);
}

void
conn_drop_long(struct pg_conn *k)
{
	struct pg_op *op = k->op;

	forget_results(k);
	if (op != NULL)
		pg_op_down(k->pool, op, op->kind == PG_SCRIPT); /* all else only reads */
}

/* --- cancelling --- */

void
conn_cancel_long(struct pg_conn *k)
{
	static const char cancel[] = "SELECT pg_cancel_backend($1::int)";
	char pid[12];

	pg_ask_idle(k->pool); /* does nobody answer? */
	if (k->cancelling)
		return;
	k->cancelling = true;
	snprintf(pid, sizeof(pid), "%d", k->pid);
	pg_op_urgent(k->pool, cancel, 1, (const char *[]){ pid }, on_cancelled, k);
}

/* Where it failed the statement runs to its end, and nobody listens. */
static void
on_cancelled(const struct pg_reply *r, void *ctx)
{
	struct pg_conn *k = ctx;

	if (!pg_ok(r))
		log_warn("cancel_failed", L_STR("why", pg_error(r)));
	k->cancelling = false;
	conn_retire(k);
	pg_soon(k->pool);
}
