/* pg_slow: what took long is logged: the text of the statement without its parameters, how long it
 * waited for a connection and for others on it, how long it ran (of an effect: with its commit), how
 * many rows it answered or touched, and whose it was. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "store/pg_int.h"

#define TEXT_MOST  200
#define TRACE_LEN  32
#define TRACE_FROM 3 /* into "00-TRACE-SPAN-01" */

static void
say(const struct pg_pool *p, const struct pg_op *op, const char *statement, const PGresult *r,
    int64_t waited_us, int64_t ran_us, uint32_t members)
{
	const char *parent = op->call != NULL ? call_traceparent(op->call) : "";
	char text[TEXT_MOST + 1], trace[TRACE_LEN + 1] = "";

	snprintf(text, sizeof(text), "%s", statement);
	if (strlen(parent) >= TRACE_FROM + TRACE_LEN)
		snprintf(trace, sizeof(trace), "%s", parent + TRACE_FROM);
	log_warn("slow_statement", L_STR("store", p->name), L_STR("statement", text),
	    L_INT("ran_ms", ran_us / MS), L_INT("waited_ms", waited_us / MS),
	    L_INT("rows", (int64_t)strtoll(PQcmdTuples((PGresult *)(uintptr_t)r), NULL, 10)),
	    L_INT("members", members), L_STR("call_trace", trace));
}

static bool
is_slow(const struct pg_pool *p, int64_t waited_us, int64_t ran_us)
{
	return p->slow_us != 0 && (ran_us >= p->slow_us || waited_us >= p->slow_us);
}

/* PostgreSQL sends the results of a batch together, so its time is that of all its members: the first
 * one stands for them. It waited for the batches before it, too. */
void
pg_slow_step(struct pg_conn *k, struct pg_batch *b, const struct pg_step *s, const PGresult *r)
{
	const struct pg_pool *p = k->pool;
	const struct pg_op *op = b->ops[s->op];
	int64_t began;

	if (p->slow_us == 0 || s->n_ops == 0 || op == NULL || b->looked_at)
		return;
	b->looked_at = true;
	began = k->synced_us > b->sent_us ? k->synced_us : b->sent_us;
	if (is_slow(p, began - op->queued_us, time_now_us() - began))
		say(p, op, op->stmts[s->stmt].text->text, r, began - op->queued_us,
		    time_now_us() - began, b->n_ops);
}

void
pg_slow_long(const struct pg_conn *k, const struct pg_op *op, const PGresult *r)
{
	int64_t ran = time_now_us() - k->began_us, waited = k->began_us - op->queued_us;

	if (op->kind == PG_LONG && is_slow(k->pool, waited, ran))
		say(k->pool, op, op->long_text, r, waited, ran, 1);
}
