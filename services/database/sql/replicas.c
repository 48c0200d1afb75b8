/* replicas: stand-bys that answer reads which may be older than now. How old what a stand-by shows may
 * be is known without any clock of theirs: the primary was asked for its position in the WAL at a time
 * of ours, and the stand-by has replayed that far, so what was committed before that time is there.
 * Positions count within one timeline of one cluster: a stand-by that follows another one, or nobody
 * any more, is not asked. One that crashed, or was made anew, may show less than it did: after each
 * log-in nothing is known of it. Nobody is asked unless somebody reads or writes.
 *
 * A write's answer waits for the position behind its commit, one question for all that wait; that is
 * the session that a later read must not be older than. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/metrics.h"
#include "base/str.h"
#include "base/time.h"
#include "database/sql/store.h"

#define REPLICAS_MOST 8
#define SAMPLES       32
#define ASK_US        (5 * MS)  /* between two questions */
#define EVENTUAL_US   (1 * SEC) /* who reads eventually looks so often whether it is one still */
#define SHORT_CONNS   2

struct replica {
	struct pg_pool *pool;
	bool asking;
	uint64_t lsn;
	int64_t fresh_us; /* 0: not known, or no stand-by of our primary */
	/* of its pool: when that was known (none since), when it was asked */
	uint64_t logins, asked;
	int64_t behind_us; /* then; of fresh_us */
	uint64_t behind_bytes;
	struct metric *reads, *up, *lag_seconds, *lag_bytes;
};

struct position {
	uint64_t system, lsn;
	uint32_t timeline;
};

struct replying {
	struct link link;
	struct list *in;
	struct call_dep dep;
	struct call *call;
	Mf__StoreResult result;
};

static struct {
	struct replica list[REPLICAS_MOST];
	size_t n, turn;
	struct position primary;
	struct sample {
		uint64_t lsn;
		int64_t at_us;
	} samples[SAMPLES];
	size_t n_samples;
	bool asking;
	int64_t asked_us;
	struct list told, next; /* writes: by the question under way, by the one after it */
} us;

/* What was acknowledged is flushed. */
static const char ask_primary[] =
    "SELECT (SELECT system_identifier FROM pg_control_system()),"
    "('x'||left(pg_walfile_name(pg_current_wal_insert_lsn()),8))::bit(32)::int,"
    "pg_current_wal_flush_lsn()-'0/0'::pg_lsn";
static const char ask_standby[] =
    "SELECT (SELECT system_identifier FROM pg_control_system()),"
    "CASE WHEN pg_is_in_recovery() THEN (SELECT received_tli FROM pg_stat_wal_receiver) END,"
    "coalesce(pg_last_wal_replay_lsn()-'0/0'::pg_lsn,0),pg_is_in_recovery()";

static void replica_open(const struct pg_opts *as, struct str conninfo);
static void look(int64_t now);
static void ask(int64_t now);
static void on_primary(const struct pg_reply *r, void *ctx);
static void on_standby(const struct pg_reply *r, void *ctx);
static bool has(const struct replica *r, const char *session);
static void reply(struct replying *x, const char *session);
static void on_collect(void *ctx);

void
replicas_open(const struct pg_opts *as, const char *conninfos)
{
	struct str one, rest = str_of(conninfos);

	static bool collecting;

	memset(&us, 0, sizeof(us));
	if (!collecting)
		metric_on_collect(on_collect, NULL);
	collecting = true;
	list_init(&us.told);
	list_init(&us.next);
	while (rest.n > 0) {
		if (!str_cut(rest, ';', &one, &rest))
			one = rest, rest.n = 0;
		one = str_trim(one);
		if (one.n > 0)
			replica_open(as, one);
	}
}

static void
replica_open(const struct pg_opts *as, struct str conninfo)
{
	static const char *const label[] = { "standby", NULL };
	struct metric_family *reads = metric_family(METRIC_COUNTER,
	    "metafed_sql_standby_reads_total", "Reads that a stand-by answered.", label);
	struct metric_family *up = metric_family(METRIC_GAUGE, "metafed_sql_standby_up",
	    "1: the stand-by answers and follows our primary.", label);
	struct metric_family *seconds =
	    metric_family(METRIC_GAUGE, "metafed_sql_standby_lag_seconds",
		"How far behind the stand-by was when it was last asked (NaN: not known).", label);
	struct metric_family *bytes = metric_family(METRIC_GAUGE, "metafed_sql_standby_lag_bytes",
	    "The same in bytes of the WAL (NaN: not known).", label);
	char text[1024], number[12];
	const char *const name = number;
	struct pg_opts o = *as;

	if (us.n == REPLICAS_MOST || conninfo.n >= sizeof(text))
		fatal("sql: pg_replicas: at most %d, of %zu bytes each", REPLICAS_MOST,
		    sizeof(text) - 1);
	memcpy(text, conninfo.p, conninfo.n);
	text[conninfo.n] = '\0';
	snprintf(number, sizeof(number), "%zu", us.n + 1);
	o.conninfo = text;
	o.standby = true;
	o.short_conns = SHORT_CONNS;
	us.list[us.n++] = (struct replica){
		.pool = pg_pool_new(sql_loop(), &o),
		.reads = metric_get(reads, &name),
		.up = metric_get(up, &name),
		.lag_seconds = metric_get(seconds, &name),
		.lag_bytes = metric_get(bytes, &name),
	};
}

static void
drop_all(struct list *waiting)
{
	struct link *k;

	while ((k = list_pop(waiting)) != NULL) {
		struct replying *x = container_of(k, struct replying, link);

		call_detach(x->call, &x->dep);
	}
}

void
replicas_close(void)
{
	if (us.n > 0) {
		drop_all(&us.told);
		drop_all(&us.next);
	}
	for (size_t i = 0; i < us.n; i++)
		pg_pool_free(&us.list[i].pool);
	us.n = 0;
}

struct pg_pool *
replica_pool(const struct replica *r)
{
	return r->pool;
}

/* No log-in since: what was said of it holds. */
static bool
is_same(const struct replica *r)
{
	return r->logins == pg_pool_logins(r->pool);
}

/* --- reads --- */

struct replica *
replica_for(const Mf__StoreOp *op, int64_t *fresh_us)
{
	bool bounded = strcmp(op->consistency, "bounded") == 0;
	int64_t now, bound = (int64_t)op->max_age_ms * MS, oldest;

	if (us.n == 0 || (!bounded && strcmp(op->consistency, "eventual") != 0))
		return NULL;
	now = time_now_us();
	oldest = bounded ? now - bound : 1;
	if (now - us.asked_us > (bounded ? bound / 4 : EVENTUAL_US))
		look(now);
	for (size_t i = 0; i < us.n; i++) {
		struct replica *r = &us.list[us.turn++ % us.n];

		if (r->fresh_us == 0 || r->fresh_us < oldest || !pg_pool_up(r->pool) || !is_same(r))
			continue;
		if (*op->session != '\0' && !has(r, op->session)) {
			look(now);
			continue;
		}
		metric_inc(r->reads);
		*fresh_us = r->fresh_us;
		return r;
	}
	look(now);
	return NULL;
}

/* TIMELINE.LSN. Of another timeline nothing is known here. */
static bool
has(const struct replica *r, const char *session)
{
	struct str timeline, lsn;
	uint64_t t, n;

	return str_cut(str_of(session), '.', &timeline, &lsn) &&
	       str_u64(timeline, UINT32_MAX, &t) && str_u64(lsn, UINT64_MAX, &n) &&
	       t == us.primary.timeline && r->lsn >= n;
}

/* --- questions --- */

static void
look(int64_t now)
{
	if (!us.asking && now - us.asked_us >= ASK_US && pg_pool_up(sql_pool()))
		ask(now);
}

static void
ask(int64_t now)
{
	us.asking = true;
	us.asked_us = now;
	pg_read(sql_pool(), NULL, ask_primary, 0, NULL, on_primary, NULL);
}

static bool
take_position(const struct pg_reply *r, struct position *out)
{
	if (!pg_ok(r) || pg_rows(r) != 1 || pg_null(r, 0, 1))
		return false;
	*out = (struct position){ strtoull(pg_value(r, 0, 0), NULL, 10),
		strtoull(pg_value(r, 0, 2), NULL, 10),
		(uint32_t)strtoul(pg_value(r, 0, 1), NULL, 10) };
	return true;
}

/* A change of timeline or cluster makes all that was known of stand-bys void. */
static void
primary_is(const struct position *p)
{
	if (p->system != us.primary.system || p->timeline != us.primary.timeline) {
		us.n_samples = 0;
		for (size_t i = 0; i < us.n; i++)
			us.list[i].fresh_us = 0;
	}
	us.primary = *p;
	us.samples[us.n_samples++ % SAMPLES] = (struct sample){ p->lsn, us.asked_us };
}

static void
on_primary(const struct pg_reply *r, void *ctx)
{
	char session[40] = "0.0"; /* no stand-by has it */
	struct list now;
	struct position p;
	struct link *k;

	(void)ctx;
	us.asking = false;
	if (take_position(r, &p)) {
		primary_is(&p);
		snprintf(session, sizeof(session), "%" PRIu32 ".%" PRIu64, p.timeline, p.lsn);
	}
	for (size_t i = 0; i < us.n; i++) {
		if (us.list[i].asking || !pg_pool_up(us.list[i].pool))
			continue;
		us.list[i].asking = true;
		us.list[i].asked = pg_pool_logins(us.list[i].pool);
		pg_read(us.list[i].pool, NULL, ask_standby, 0, NULL, on_standby, &us.list[i]);
	}
	list_init(&now);
	while ((k = list_pop(&us.told)) != NULL) {
		container_of(k, struct replying, link)->in = &now;
		list_add(&now, k);
	}
	while ((k = list_pop(&us.next)) != NULL) {
		container_of(k, struct replying, link)->in = &us.told;
		list_add(&us.told, k);
	}
	if (us.told.n > 0)
		ask(time_now_us());
	while ((k = list_pop(&now)) != NULL)
		reply(container_of(k, struct replying, link), session);
}

static void
on_standby(const struct pg_reply *r, void *ctx)
{
	struct replica *x = ctx;
	struct position p;

	x->asking = false;
	if (!pg_ok(r) || x->asked != pg_pool_logins(x->pool))
		return; /* it does not answer: its pool knows; or before, or behind a log-in */
	if (!is_same(x))
		x->fresh_us = 0;
	x->logins = x->asked;
	if (pg_value(r, 0, 3)[0] != 't')
		x->fresh_us = 0; /* promoted: another history from now on */
	if (!take_position(r, &p))
		return; /* it receives nothing: what it has does not get newer */
	if (p.system != us.primary.system || p.timeline != us.primary.timeline) {
		x->fresh_us = 0;
		return;
	}
	if (p.lsn < x->lsn)
		x->fresh_us = 0;
	x->lsn = p.lsn;
	for (size_t i = 0; i < SAMPLES && i < us.n_samples; i++)
		if (us.samples[i].lsn <= p.lsn && us.samples[i].at_us > x->fresh_us)
			x->fresh_us = us.samples[i].at_us;
	x->behind_us = us.asked_us - x->fresh_us;
	x->behind_bytes = us.primary.lsn > p.lsn ? us.primary.lsn - p.lsn : 0;
}

/* Who looks is told what was known last, and has it asked again. */
static void
on_collect(void *ctx)
{
	(void)ctx;
	for (size_t i = 0; i < us.n; i++) {
		const struct replica *r = &us.list[i];
		bool known = r->fresh_us != 0 && pg_pool_up(r->pool) && is_same(r);

		metric_set(r->up, known);
		metric_set(r->lag_seconds, known ? (double)r->behind_us / (double)SEC : NAN);
		metric_set(r->lag_bytes, known ? (double)r->behind_bytes : NAN);
	}
	if (us.n > 0)
		look(time_now_us());
}

/* --- writes --- */

static void
replying_cancel(struct call_dep *d)
{
	struct replying *x = container_of(d, struct replying, dep);

	list_del(x->in, &x->link);
}

void
sql_reply_write(struct call *c, const Mf__StoreResult *m)
{
	struct replying *x;

	if (us.n == 0) {
		call_reply(c, &m->base);
		return;
	}
	x = ARENA_NEW(call_arena(c), struct replying);
	*x = (struct replying){ .in = us.asking ? &us.next : &us.told,
		.dep.cancel = replying_cancel,
		.call = c,
		.result = *m };
	call_attach(c, &x->dep);
	list_add(x->in, &x->link);
	if (!us.asking)
		ask(time_now_us());
}

static void
reply(struct replying *x, const char *session)
{
	call_detach(x->call, &x->dep);
	x->result.session = arena_strdup(call_arena(x->call), session);
	call_reply(x->call, &x->result.base);
}
