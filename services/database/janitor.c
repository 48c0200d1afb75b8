/* janitor: brings transactions to an end at which nobody works any more: `database` was killed, or a
 * store was away when it should have settled. Whatever is staged and not under way here is an orphan:
 * it is given up unless it was committed (Decide with force), and settled by that. Looks at once when
 * it starts, again soon while something is left, else once a minute; decisions that nobody may ask
 * for any more are thrown away every hour. */
#include <string.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/step.h"
#include "base/time.h"
#include "database/commit.h"

#define SLOW_US   (60 * SEC)
#define SOON_US   (100 * MS) /* doubled with each look that left something */
#define SOON_MOST (15 * SEC)
#define LOOK_US   (10 * SEC) /* one look, at most */
#define FORGET_US (3600 * SEC)
/* A decision that old is asked for by nobody, when what is staged is younger: the clocks of the two
 * stores may differ by so much. */
#define MARGIN_US (600 * SEC)

struct look { /* one, in the arena of its call */
	struct call *c;
	struct rpc *rpc;
	const Mf__StagedParts *staged;
	const Mf__StagedPart **orphans; /* of `staged` */
	size_t n, at;
	const Mf__Decisions *decided; /* by orphan */
	uint64_t oldest_us;
};

static void on_timer(struct timer *);
static void on_staged(const Mf__StagedParts *, void *);
static void on_decided(const Mf__Decisions *, void *);
static void settle_next(struct look *);
static void on_settled(const Mf__Settled *, void *);
static void forget(struct look *);
static void on_forgotten(const Mf__Forgotten *, void *);
static void look_end(struct look *, bool clean);
static void on_end(struct call *, const struct call_end *, void *);

static struct {
	struct bus *bus;
	struct timer timer;
	struct call *call; /* of the look that is under way */
	int64_t soon_us, forgot_us;
	bool clean, kicked;
	struct metric *in_doubt, *oldest, *committed, *aborted;
} janitor;

void
janitor_open(struct bus *b)
{
	static const char *const names[] = { "verdict", NULL };
	struct metric_family *f = metric_family(METRIC_COUNTER, "metafed_database_resolved_total",
	    "Parts of transactions that were left in doubt, settled since.", names);

	memset(&janitor, 0, sizeof(janitor));
	janitor.bus = b;
	janitor.committed = metric_get(f, (const char *const[]){ "committed" });
	janitor.aborted = metric_get(f, (const char *const[]){ "aborted" });
	janitor.in_doubt = metric_simple(METRIC_GAUGE, "metafed_database_in_doubt",
	    "Parts of transactions that are staged and at which nobody works.");
	janitor.oldest = metric_simple(METRIC_GAUGE, "metafed_database_in_doubt_seconds",
	    "Age of the oldest part at which nobody works; 0: there is none.");
	janitor.soon_us = SOON_US;
	timer_init(&janitor.timer, bus_loop(b), on_timer);
	timer_in(&janitor.timer, SOON_US);
}

void
janitor_close(void)
{
	if (janitor.bus == NULL)
		return;
	timer_stop(&janitor.timer);
	if (janitor.call != NULL)
		call_cancel(janitor.call);
	timer_stop(&janitor.timer);
	janitor.bus = NULL;
}

void
janitor_kick(void)
{
	janitor.kicked = true;
	if (janitor.call != NULL || janitor.bus == NULL)
		return;
	if (janitor.timer.at_us > time_now_us() + janitor.soon_us)
		timer_in(&janitor.timer, janitor.soon_us);
}

static void
on_timer(struct timer *t)
{
	Mf__Empty nothing = MF__EMPTY__INIT;
	struct look *x;

	(void)t;
	janitor.kicked = janitor.clean = false;
	janitor.call = call_root(
	    janitor.bus, &(const struct call_opts){ .limit_us = LOOK_US, .done = on_end });
	x = ARENA_NEW(call_arena(janitor.call), struct look);
	x->c = janitor.call;
	x->rpc = rpc_new(x->c, db_nosql, NULL);
	mf__nosql__staged(&x->rpc->service, &nothing, on_staged, x);
}

static void
on_staged(const Mf__StagedParts *m, void *ctx)
{
	struct look *x = ctx;
	Mf__DecideAsk ask = MF__DECIDE_ASK__INIT;

	if (m == NULL) {
		look_end(x, false);
		return;
	}
	x->staged = m;
	x->orphans = ARENA_ARRAY(call_arena(x->c), const Mf__StagedPart *, m->n_parts + 1);
	ask.transactions = ARENA_ARRAY(call_arena(x->c), char *, m->n_parts + 1);
	for (size_t i = 0; i < m->n_parts; i++) {
		if (m->parts[i]->age_us > x->oldest_us)
			x->oldest_us = m->parts[i]->age_us;
		if (commit_under_way(m->parts[i]->transaction))
			continue;
		ask.transactions[x->n] = m->parts[i]->transaction;
		x->orphans[x->n++] = m->parts[i];
	}
	metric_set(janitor.in_doubt, (double)x->n);
	metric_set(janitor.oldest, x->n > 0 ? (double)x->oldest_us / SEC : 0);
	if (x->n == 0) {
		forget(x);
		return;
	}
	STEP("database.janitor.found");
	ask.n_transactions = x->n;
	ask.force = true;
	x->rpc = rpc_new(x->c, db_sql, NULL);
	mf__sql__decide(&x->rpc->service, &ask, on_decided, x);
}

static void
on_decided(const Mf__Decisions *m, void *ctx)
{
	struct look *x = ctx;

	if (m == NULL || m->n_verdicts != x->n) {
		look_end(x, false);
		return;
	}
	STEP("database.janitor.decided");
	x->decided = m;
	settle_next(x);
}

static void
settle_next(struct look *x)
{
	Mf__SettleAsk ask = MF__SETTLE_ASK__INIT;

	if (x->at == x->n) {
		janitor.kicked = true; /* there may have been more than one look shows */
		metric_set(janitor.in_doubt, 0);
		metric_set(janitor.oldest, 0);
		look_end(x, true);
		return;
	}
	ask.transaction = x->orphans[x->at]->transaction;
	ask.collection = x->orphans[x->at]->collection;
	ask.commit = x->decided->verdicts[x->at] == MF__VERDICT__COMMITTED;
	x->rpc = rpc_new(x->c, db_nosql, NULL);
	mf__nosql__settle(&x->rpc->service, &ask, on_settled, x);
}

static void
on_settled(const Mf__Settled *m, void *ctx)
{
	struct look *x = ctx;

	if (m == NULL) {
		look_end(x, false);
		return;
	}
	STEP("database.janitor.part_settled");
	if (m->documents > 0) {
		bool commit = x->decided->verdicts[x->at] == MF__VERDICT__COMMITTED;

		metric_inc(commit ? janitor.committed : janitor.aborted);
		log_info("transaction_resolved",
		    L_STR("transaction", x->orphans[x->at]->transaction),
		    L_STR("collection", x->orphans[x->at]->collection),
		    L_STR("verdict", commit ? "committed" : "aborted"));
	}
	x->at++;
	settle_next(x);
}

/* --- decisions that nobody may ask for any more --- */

static void
forget(struct look *x)
{
	Mf__ForgetAsk ask = MF__FORGET_ASK__INIT;
	int64_t now = time_now_us();

	if (janitor.forgot_us != 0 && now - janitor.forgot_us < FORGET_US) {
		look_end(x, true);
		return;
	}
	janitor.forgot_us = now;
	ask.older_than_us = x->oldest_us + (uint64_t)MARGIN_US;
	x->rpc = rpc_new(x->c, db_sql, NULL);
	mf__sql__forget(&x->rpc->service, &ask, on_forgotten, x);
}

/* As many as one takes: there are more. */
static void
on_forgotten(const Mf__Forgotten *m, void *ctx)
{
	struct look *x = ctx;

	if (m != NULL && m->rows >= 1000) {
		janitor.forgot_us = 0;
		janitor.kicked = true;
	}
	look_end(x, true);
}

static void
look_end(struct look *x, bool clean)
{
	Mf__Empty nothing = MF__EMPTY__INIT;

	janitor.clean = clean;
	call_reply(x->c, &nothing.base);
}

static void
on_end(struct call *c, const struct call_end *how, void *ctx)
{
	(void)c, (void)how, (void)ctx;
	janitor.call = NULL;
	if (janitor.clean)
		janitor.soon_us = SOON_US;
	else if (janitor.soon_us < SOON_MOST)
		janitor.soon_us *= 2;
	timer_in(&janitor.timer, janitor.clean && !janitor.kicked ? SLOW_US : janitor.soon_us);
}
