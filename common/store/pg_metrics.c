/* pg_metrics: what can be seen of the pools of this process: its lanes, who waits for them and for
 * how long, log-ins, what ran again. Gauges are counted when somebody asks. */
#include <string.h>
#include "base/log.h"
#include "store/pg_int.h"

enum { LANE_READ, LANE_WRITE, LANE_LONG, LANES };

static struct pg_pool *pools;
static struct metric *waiting[LANES], *oldest[LANES], *conns[2][3], *again[4], *up;

static void on_collect(void *ctx);

static void
gauges_init(void)
{
	static const char *const by_lane[] = { "lane", NULL };
	static const char *const by_state[] = { "lane", "state", NULL };
	static const char *const by_cause[] = { "cause", NULL };
	static const char *const lanes[] = { "read", "write", "long" };
	static const char *const kinds[] = { "short", "long" };
	static const char *const states[] = { "used", "idle", "connecting" };
	static const char *const causes[] = { "serialization", "deadlock", "lock", "prepared" };
	struct metric_family *w = metric_family(
	    METRIC_GAUGE, "metafed_pg_waiting", "Statements that wait for a connection.", by_lane);
	struct metric_family *o = metric_family(METRIC_GAUGE, "metafed_pg_oldest_wait_seconds",
	    "For how long the oldest statement has waited for a connection.", by_lane);
	struct metric_family *c = metric_family(
	    METRIC_GAUGE, "metafed_pg_connections", "Connections to PostgreSQL.", by_state);
	struct metric_family *a = metric_family(METRIC_COUNTER, "metafed_pg_retries_total",
	    "Operations that ran again after the server had rolled them back.", by_cause);

	for (int i = 0; i < LANES; i++) {
		waiting[i] = metric_get(w, &lanes[i]);
		oldest[i] = metric_get(o, &lanes[i]);
	}
	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 3; j++)
			conns[i][j] = metric_get(c, (const char *const[]){ kinds[i], states[j] });
	for (int i = 0; i < 4; i++)
		again[i] = metric_get(a, &causes[i]);
	up = metric_simple(
	    METRIC_GAUGE, "metafed_pg_up", "1: PostgreSQL, the primary, can be used from here.");
	metric_on_collect(on_collect, NULL);
}

void
pg_metrics_init(struct pg_pool *p)
{
	static const char *const by_outcome[] = { "outcome", NULL };
	static const char *const outcomes[] = { "failed", "ok" };
	static bool made;
	struct metric_family *logins = metric_family(METRIC_COUNTER, "metafed_pg_logins_total",
	    "Log-ins to PostgreSQL that have ended.", by_outcome);

	p->m_groups = metric_simple(
	    METRIC_COUNTER, "metafed_pg_groups_total", "Commits to PostgreSQL of the short lane.");
	p->m_members = metric_simple(METRIC_COUNTER, "metafed_pg_group_members_total",
	    "Writes in the commits of the short lane.");
	p->m_wait = metric_simple(METRIC_HISTOGRAM, "metafed_pg_batch_seconds",
	    "From sending a batch of statements to its Sync's answer.");
	p->m_lost = metric_simple(METRIC_COUNTER, "metafed_pg_connections_lost_total",
	    "Connections to PostgreSQL that broke.");
	for (int i = 0; i < 2; i++)
		p->m_logins[i] = metric_get(logins, &outcomes[i]);
	if (!made)
		gauges_init();
	made = true;
	p->next = pools;
	pools = p;
}

void
pg_metrics_end(struct pg_pool *p)
{
	struct pg_pool **at = &pools;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
}

void
pg_count_again(const char *sqlstate)
{
	metric_inc(again[strcmp(sqlstate, "40001") == 0   ? 0
			 : strcmp(sqlstate, "40P01") == 0 ? 1
			 : strcmp(sqlstate, "55P03") == 0 ? 2
							  : 3]);
}

/* --- gauges --- */

static void
count_queue(struct list *q, int lane, int64_t now)
{
	LIST_EACH(q, k) {
		const struct pg_op *op = container_of(k, struct pg_op, link);
		double s = (double)(now - op->queued_us) / (double)SEC;

		if (s > oldest[lane]->value)
			metric_set(oldest[lane], s);
	}
	metric_add(waiting[lane], (double)q->n);
}

static void
count_conn(const struct pg_conn *k)
{
	bool used = k->batches.n > 0 || k->op != NULL || k->cancelling;

	if (k->kind != CONN_PROBE && k->state != CONN_CLOSED)
		metric_inc(conns[k->kind == CONN_LONG][k->state != CONN_UP ? 2 : !used]);
}

static void
on_collect(void *ctx)
{
	int64_t now = time_now_us();

	(void)ctx;
	for (int i = 0; i < LANES; i++) {
		metric_set(waiting[i], 0);
		metric_set(oldest[i], 0);
	}
	for (int i = 0; i < 6; i++)
		metric_set(conns[i / 3][i % 3], 0);
	metric_set(up, pools != NULL);
	for (struct pg_pool *p = pools; p != NULL; p = p->next) {
		if (!p->standby && !pg_pool_up(p))
			metric_set(up, 0);
		count_queue(&p->reads, LANE_READ, now);
		count_queue(&p->writes, LANE_WRITE, now);
		count_queue(&p->later, LANE_WRITE, now);
		count_queue(&p->longs, LANE_LONG, now);
		for (unsigned i = 0; i < p->n_conns; i++)
			count_conn(&p->conns[i]);
	}
}
