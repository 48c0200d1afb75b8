/* pg_guard: which server a connection may be made to, and for how long.
 *
 * What we acknowledge is on disk, so a server that would lie about it is refused at log-in, with what
 * to do: fsync or full_page_writes switched off, a stand-by in the place of the primary, a pooler that
 * gives each transaction another back end (settings and prepared statements would be lost). A role's
 * or server's synchronous_commit=off is overruled for our sessions.
 *
 * A connection that has reached its lifetime gets no more work and is made anew, one at a time, so
 * that each log-in sees the server as it is now and a back end's memory does not grow for ever. */
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/log.h"
#include "store/pg_int.h"

/* One time may be a process id that came again while we hold a dead connection; then it is for good. */
#define SHARES_MOST 3

#define RETRY_US (1 * SEC) /* another one is away: its turn comes later */

/* A setting that a server does not know is null. */
#define ASK                                                                                        \
	"SELECT pg_backend_pid(),current_setting('fsync',true),"                                   \
	"current_setting('full_page_writes',true),pg_is_in_recovery()," PG_DURABLE
#define COMMON                                                                                     \
	"SET TimeZone='UTC'; SET DateStyle='ISO, MDY'; SET client_min_messages=warning;"           \
	" SET idle_in_transaction_session_timeout='60s';"

/* The long lane's own limit goes before each statement. A statement whose client is gone ends. */
const char conn_setup_long[] = COMMON " SET statement_timeout=0; SET lock_timeout='5s';"
				      " SET client_connection_check_interval='5s';"
				      " SET default_transaction_read_only=on; " ASK;

/* jit: a plan for a table that nobody has analysed, or for a whole large one of which LIMIT takes
 * little, looks dear; compiling it takes longer than any statement here. */
void
conn_setup_short(const struct pg_pool *p, char *out, size_t size)
{
	snprintf(out, size,
	    COMMON " SET jit=off; SET statement_timeout='%lldms'; SET lock_timeout='%lldms'; " ASK,
	    (long long)(p->statement_timeout_us / MS), (long long)(p->lock_timeout_us / MS));
}

static bool
is_off(const PGresult *r, int column)
{
	return strcmp(PQgetvalue(r, 0, column), "off") == 0;
}

/* Two of our sessions in one back end: the pooler shares it between transactions. */
static bool
shares_backend(const struct pg_conn *k)
{
	const struct pg_pool *p = k->pool;

	for (unsigned i = 0; i < p->n_conns; i++)
		if (&p->conns[i] != k && p->conns[i].state == CONN_UP && p->conns[i].pid == k->pid)
			return true;
	return false;
}

const char *
conn_judge(struct pg_conn *k, const PGresult *r)
{
	if (PQnfields(r) != 5 || PQntuples(r) != 1)
		return "the server's answer at log-in is not PostgreSQL's";
	k->pid = atoi(PQgetvalue(r, 0, 0));
	if (k->pool->standby)
		return strcmp(PQgetvalue(r, 0, 3), "t") == 0
		           ? NULL
		           : "it is no stand-by any more: take it out of `pg_replicas`";
	if (is_off(r, 1))
		return "fsync is off, so what is acknowledged may be lost: set fsync = on in "
		       "postgresql.conf and reload";
	if (is_off(r, 2))
		return "full_page_writes is off, so a crash may tear what is acknowledged: set "
		       "full_page_writes = on in postgresql.conf and reload";
	if (strcmp(PQgetvalue(r, 0, 3), "t") == 0)
		return "it is a stand-by: promote it, or name the primary in `pg`";
	if (!k->pool->pooler && k->pid != PQbackendPID(k->pg))
		return "a connection pooler stands before it: name PostgreSQL itself in `pg`, or "
		       "set pg_pooler = true for one in session mode";
	if (k->pool->pooler && (k->pool->shares >= SHARES_MOST || shares_backend(k))) {
		k->pool->shares++;
		return "the connection pooler before it shares sessions: set pool_mode = session "
		       "there, or name PostgreSQL itself in `pg`";
	}
	return NULL;
}

/* --- life --- */

void
conn_life_begin(struct pg_conn *k)
{
	struct pg_pool *p = k->pool;
	int64_t part = p->lifetime_us / 10;

	k->retiring = false;
	if (p->lifetime_us == 0)
		return;
	k->ends_us = time_now_us() + p->lifetime_us -
	             (part > 0 ? (int64_t)(rng_next(p->rng) % (uint64_t)part) : 0);
	if (p->life.at_us == 0 || p->life.at_us > k->ends_us)
		timer_at(&p->life, k->ends_us);
}

/* All others of the short lane serve, and no log-in is under way. */
static bool
may_go(const struct pg_conn *k)
{
	const struct pg_pool *p = k->pool;

	if (k->kind == CONN_LONG)
		return true;
	for (unsigned i = 0; i < p->n_short; i++)
		if (&p->conns[i] != k && (p->conns[i].state != CONN_UP || p->conns[i].retiring))
			return false;
	return p->login == NULL;
}

void
conn_life(struct timer *t)
{
	struct pg_pool *p = container_of(t, struct pg_pool, life);
	int64_t now = time_now_us(), next = INT64_MAX;

	for (unsigned i = 0; i < p->n_conns; i++) {
		struct pg_conn *k = &p->conns[i];
		int64_t at = k->ends_us;

		if (k->state != CONN_UP || at == 0 || k->retiring)
			continue;
		if (at <= now && may_go(k)) {
			k->retiring = true;
			conn_retire(k);
			continue;
		}
		if (at <= now)
			at = now + RETRY_US;
		next = at < next ? at : next;
	}
	if (next != INT64_MAX)
		timer_at(t, next);
}

void
conn_retire(struct pg_conn *k)
{
	struct pg_pool *p = k->pool;

	if (!k->retiring || k->state != CONN_UP || k->batches.n > 0 || k->op != NULL ||
	    k->cancelling)
		return;
	conn_close(k);
	if (k->kind == CONN_SHORT && p->in_state[CONN_SHORT][CONN_UP] == 0)
		p->patience_us = time_now_us() + PG_RESTART_US;
	if (p->retry.at_us == 0)
		timer_in(&p->retry, 0); /* not from inside of what reads it */
}
