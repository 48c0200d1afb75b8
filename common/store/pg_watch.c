/* pg_watch: what takes too long. While there is work, the tick looks at the queues, at log-ins and
 * at connections that owe an answer.
 *
 * A server that neither answers nor hangs up (stopped, cut off) shows only by its silence, and a
 * slow statement is silent too. So: a connection that owes an answer and says nothing for
 * PG_SILENT_US is silent: nothing more is sent there, and those without work are asked for a sign
 * of life. When all are silent, a log-in decides: the server that makes none within PG_PROBE_US
 * hangs; its connections are dropped, and the pool is down until a log-in succeeds. A single
 * connection is dropped when it is silent for longer than statement_timeout allows. */
#include <stdlib.h>
#include "base/log.h"
#include "store/pg_int.h"

static int64_t look_again_us(const struct pg_pool *p);
static void expire(struct pg_pool *p, struct list *queue, int64_t now, enum status s);
static void look_at(struct pg_conn *k, int64_t now);
static bool is_hung(const struct pg_conn *k, int64_t now);
static void watch_silence(struct pg_pool *p, int64_t now);
static bool all_are_silent(const struct pg_pool *p);
static void pool_hangs(struct pg_pool *p);

void
pg_watch(struct pg_pool *p)
{
	int64_t us;

	if (p->tick.at_us != 0 && p->tick_us == PG_TICK_US)
		return;
	us = look_again_us(p);
	if (us == 0 || (p->tick.at_us != 0 && us == p->tick_us))
		return;
	p->ticked_us = time_now_us();
	p->tick_us = us;
	timer_in(&p->tick, us);
}

/* 0: there is nothing to look at. Without work it is only the age of long connections. */
static int64_t
look_again_us(const struct pg_pool *p)
{
	if (p->reads.n + p->writes.n + p->longs.n > 0 || p->login != NULL)
		return PG_TICK_US;
	for (unsigned i = 0; i < p->n_conns; i++) {
		const struct pg_conn *k = &p->conns[i];

		if (k->batches.n > 0 || (k->kind == CONN_LONG && k->state == CONN_UP &&
					    (k->op != NULL || k->cancelling)))
			return PG_TICK_US;
	}
	return p->in_state[CONN_LONG][CONN_UP] > 0 ? PG_AGE_TICK_US : 0;
}

void
pg_tick(struct timer *t)
{
	struct pg_pool *p = container_of(t, struct pg_pool, tick);
	int64_t now = time_now_us();

	/* Did we sleep ourselves? Then answers may lie there that were not read yet. */
	if (now - p->ticked_us < p->tick_us + 3 * PG_TICK_US) {
		expire(p, &p->reads, now, ST_UNAVAILABLE);
		expire(p, &p->writes, now, ST_UNAVAILABLE);
		expire(p, &p->longs, now,
		    p->in_state[CONN_LONG][CONN_UP] > 0 ? ST_RESOURCE_EXHAUSTED : ST_UNAVAILABLE);
		for (unsigned i = 0; i < p->n_conns; i++)
			look_at(&p->conns[i], now);
		watch_silence(p, now);
	}
	pg_watch(p);
}

static void
expire(struct pg_pool *p, struct list *queue, int64_t now, enum status s)
{
	LIST_EACH(queue, k) {
		struct pg_op *op = container_of(k, struct pg_op, link);

		if (now - op->queued_us > PG_WAIT_US) {
			list_del(queue, k);
			pg_op_fail(p, op, s);
		}
	}
}

static void
look_at(struct pg_conn *k, int64_t now)
{
	if ((k->state == CONN_CONNECTING || k->state == CONN_SETUP) &&
	    now - k->since_us > PG_LOGIN_US)
		conn_lost(k, "log-in takes too long");
	else if (k->state == CONN_UP && is_hung(k, now))
		conn_lost(k, "server does not answer");
	else if (k->kind == CONN_LONG && k->state == CONN_UP && k->op == NULL && !k->cancelling &&
		 now - k->since_us > PG_IDLE_US)
		conn_close(k);
}

/* Longer than the server lets any statement of it run. */
static bool
is_hung(const struct pg_conn *k, int64_t now)
{
	return k->batches.n > 0 && now - k->heard_us > 2 * k->pool->statement_timeout_us + SEC;
}

/* --- silence --- */

static void
watch_silence(struct pg_pool *p, int64_t now)
{
	bool news = false;

	for (unsigned i = 0; i < p->n_short; i++) {
		struct pg_conn *k = &p->conns[i];

		if (k->state == CONN_UP && k->batches.n > 0 && !k->silent &&
		    now - k->heard_us > PG_SILENT_US)
			news = k->silent = true;
	}
	if (news)
		pg_ask_idle(p);
	if (!all_are_silent(p))
		return;
	if (p->login != NULL && now - p->login_us > PG_PROBE_US)
		pool_hangs(p);
	else if (p->login == NULL && now - p->probed_us > PG_PROBE_US)
		conn_probe(p);
}

static bool
all_are_silent(const struct pg_pool *p)
{
	unsigned up = 0;

	for (unsigned i = 0; i < p->n_short; i++) {
		if (p->conns[i].state == CONN_UP && !p->conns[i].silent)
			return false;
		up += p->conns[i].state == CONN_UP;
	}
	return up > 0;
}

void
conn_heard(struct pg_conn *k)
{
	k->heard_us = time_now_us();
	k->silent = false;
}

/* Down first: who loses an effect waits for the next log-in. */
static void
pool_hangs(struct pg_pool *p)
{
	static const char why[] = "the server answers nothing";

	pool_down(p, why);
	for (unsigned i = 0; i < p->n_conns; i++)
		if (p->conns[i].state == CONN_UP)
			conn_lost(&p->conns[i], why);
	if (p->login != NULL)
		conn_lost(p->login, why);
}
