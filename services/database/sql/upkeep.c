/* upkeep: throws away what nobody may ask for any more, in the node sql alone.
 *
 * A round every minute, the first soon after the start and after each return of the server: table
 * by table, oldest rows first, a slice per statement, so that none runs into statement_timeout
 * however much there is. After each slice comes a pause that is longer than the slice was: most of
 * the server's time is for others. A slice that takes long is followed by smaller ones. Of several
 * processes the one that has the advisory lock does it, the others leave their round. The log is in
 * partitions by time (migration 0011): they are made ahead of their time, and dropped a day after
 * it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "database/sql/store.h"
#include "database/sql/upkeep.h"

#define ROUND_US    (60 * SEC)
#define SLICE_FIRST 500u
#define SLICE_LEAST 16u
#define SLICE_MOST  4000u
#define SLICE_US    (30 * MS) /* what a slice should take at most */
#define PAUSE_TIMES 3         /* the pause, in times of the slice: three quarters are for others */
#define PAUSE_LEAST (10 * MS)
#define PAUSE_MOST  (2 * SEC)

#define DUE "now()-interval '1 day'"

/* The condition stands there twice: a row that was changed meanwhile is judged by what it is now. */
#define SLICE_OF(table, time)                                                                      \
	UPKEEP_ME "old AS MATERIALIZED (SELECT ctid," time " AS at FROM " table                    \
		  " WHERE (SELECT mine FROM me) AND " time ">=$2::timestamptz AND " time "<" DUE   \
		  " ORDER BY " time " LIMIT $1::int),"                                             \
		  "gone AS (DELETE FROM " table                                                    \
		  " WHERE ctid=ANY(ARRAY(SELECT ctid FROM old)) AND " time "<" DUE                 \
		  " RETURNING 1) " UPKEEP_ANSWER(DUE)

/* Of what came to no partition of its time. From its beginning to the last of the slice that is due,
 * in the order in which it is read, and only of transactions before which none is under way: so what
 * stands behind the mark is there, and nothing that was not read yet will ever come to stand before
 * it unseen. */
static const char slice_of_log[] = UPKEEP_ME
    "page AS MATERIALIZED (SELECT ctid,xid,seq,at FROM events_default"
    " WHERE (SELECT mine FROM me)"
    " AND xid<pg_snapshot_xmin(pg_current_snapshot()) AND $2::timestamptz IS NOT NULL"
    " ORDER BY xid,seq LIMIT $1::int),"
    "last AS MATERIALIZED (SELECT xid,seq FROM page WHERE at<" DUE
    " ORDER BY xid DESC,seq DESC LIMIT 1),"
    "old AS MATERIALIZED (SELECT p.ctid,p.at FROM page p,last l"
    " WHERE (p.xid,p.seq)<=(l.xid,l.seq)),"
    "gone AS (DELETE FROM events_default WHERE ctid=ANY(ARRAY(SELECT ctid FROM old)) RETURNING 1),"
    "mark AS (UPDATE events_gone g SET xid=l.xid,seq=l.seq FROM last l"
    " WHERE (g.xid,g.seq)<(l.xid,l.seq)) " UPKEEP_ANSWER(DUE);

static const char log_begin[] = "SELECT mf_log_begin()";
/* The log's partitions: those to come are made, and one that is due goes. */
static const char log_turn[] = "SELECT CASE WHEN"
			       " pg_try_advisory_xact_lock(7738135562846292) THEN"
			       " CASE WHEN mf_events_ahead() THEN mf_events_drop() END END";

/* And those of the traces: which was dropped ("": one for its age, "-": none is to be, else for want
 * of room; null: another process is at it), and what all take now. */
static const char traces_turn[] =
    "SELECT CASE WHEN pg_try_advisory_xact_lock(7738135562846292) THEN"
    " CASE WHEN mf_traces_ahead() THEN"
    " CASE WHEN mf_traces_drop(make_interval(secs=>$1::float8)) THEN ''"
    " WHEN $2::bigint>0 THEN coalesce(mf_traces_trim($2::bigint),'-') ELSE '-' END END "
    "END," TRACES_BYTES;

static struct chore {
	const char *table, *statement;
	struct metric *rows, *late;
	int64_t (*keep_us)(void); /* $3; 0: for ever. NULL: there is none, a day */
} chores[] = {
	{ "operations", SLICE_OF("operations", "at"), NULL, NULL, NULL },
	{ "deleted", SLICE_OF("deleted", "at"), NULL, NULL, NULL },
	{ "sessions", SLICE_OF("sessions", "expires_at"), NULL, NULL, NULL },
	{ "idempotency", SLICE_OF("idempotency", "created_at"), NULL, NULL, NULL },
	{ "revocations", SLICE_OF("revocations", "expires_at"), NULL, NULL, NULL },
	{ "api_keys", SLICE_OF("api_keys", "expires_at"), NULL, NULL, NULL },
	{ "grants", SLICE_OF("grants", "expires_at"), NULL, NULL, NULL },
	{ "auth_states", SLICE_OF("auth_states", "expires_at"), NULL, NULL, NULL },
	{ "blob_uploads", blob_slice_uploads, NULL, NULL, blob_keep_upload_us },
	{ "blobs", blob_slice_unused, NULL, NULL, blob_keep_us },
	{ "blob_chunks", blob_slice_chunks, NULL, NULL, NULL },
	{ "blob_garbage", blob_slice_garbage, NULL, NULL, NULL },
	{ "blob_ledger", blob_slice_ledger, NULL, NULL, NULL },
	{ "events", slice_of_log, NULL, NULL, NULL },
};
#define CHORES (sizeof(chores) / sizeof(chores[0]))

static struct {
	struct timer timer;
	size_t at;      /* the chore in hand; CHORES: none, the next round begins with the log */
	unsigned slice; /* rows */
	char after[48];
	int64_t first_us, began_us;
	bool under_way; /* a statement is */
	struct metric *dropped;
} upkeep;

static void on_timer(struct timer *t);
static void on_up(void *ctx);
static void on_log(const struct pg_reply *r, void *ctx);
static void log_next(void);
static void on_log_turn(const struct pg_reply *r, void *ctx);
static void traces_next(void);
static void on_traces_turn(const struct pg_reply *r, void *ctx);
static void chore_begin(size_t i);
static void send_slice(void);
static void on_slice(const struct pg_reply *r, void *ctx);
static void slice_done(struct chore *x, const struct pg_reply *r);
static void failed(const char *table, const struct pg_reply *r);
static void round_end(void);

void
upkeep_start(int64_t first_us)
{
	static const char *const labels[] = { "table", NULL };
	struct metric_family *rows = metric_family(METRIC_COUNTER, "metafed_sql_upkeep_rows_total",
	    "Rows thrown away after their time.", labels);
	struct metric_family *late = metric_family(METRIC_GAUGE,
	    "metafed_sql_upkeep_backlog_seconds",
	    "How long ago the oldest row should have been thrown away; 0: none is left.", labels);

	for (size_t i = 0; i < CHORES; i++) {
		chores[i].rows = metric_get(rows, &chores[i].table);
		chores[i].late = metric_get(late, &chores[i].table);
	}
	memset(&upkeep, 0, sizeof(upkeep));
	upkeep.dropped = metric_simple(METRIC_COUNTER, "metafed_sql_partitions_dropped_total",
	    "Partitions of the log and of the traces that were dropped after their time, or for "
	    "want of room (trace_store_max).");
	upkeep.slice = SLICE_FIRST;
	upkeep.at = CHORES;
	upkeep.first_us = first_us;
	timer_init(&upkeep.timer, sql_loop(), on_timer);
	timer_in(&upkeep.timer, first_us);
	pg_pool_on_up(sql_pool(), on_up, NULL);
}

void
upkeep_stop(void)
{
	if (upkeep.timer.loop != NULL)
		timer_stop(&upkeep.timer);
	memset(&upkeep, 0, sizeof(upkeep));
}

/* Perhaps with another log than before. */
static void
on_up(void *ctx)
{
	(void)ctx;
	if (upkeep.timer.loop == NULL || upkeep.under_way)
		return;
	upkeep.at = CHORES;
	timer_in(&upkeep.timer, upkeep.first_us);
}

static void
on_timer(struct timer *t)
{
	(void)t;
	if (sql_state() != SQL_USABLE || !pg_pool_up(sql_pool())) {
		round_end();
		return;
	}
	if (upkeep.at < CHORES) {
		send_slice();
		return;
	}
	upkeep.under_way = true;
	pg_query(sql_pool(), NULL, log_begin, 0, NULL, on_log, NULL);
}

static void
on_log(const struct pg_reply *r, void *ctx)
{
	(void)ctx;
	upkeep.under_way = false;
	if (!pg_ok(r)) {
		failed("events", r);
		return;
	}
	if (pg_value(r, 0, 0)[0] == 't')
		log_warn("event_log_begins_anew",
		    L_STR("why", "the database was restored, or its stand-by promoted"));
	log_next();
}

static void
log_next(void)
{
	upkeep.under_way = true;
	pg_query(sql_pool(), NULL, log_turn, 0, NULL, on_log_turn, NULL);
}

static void
on_log_turn(const struct pg_reply *r, void *ctx)
{
	(void)ctx;
	upkeep.under_way = false;
	if (pg_ok(r) && pg_value(r, 0, 0)[0] == 't') {
		metric_inc(upkeep.dropped);
		log_next();
		return;
	}
	/* Somebody holds the log, perhaps for hours, or its default partition is so full that no other
	 * can be made beside it: what else is due, its rows too, need not wait for that. */
	if (!pg_ok(r))
		log_warn("upkeep_failed", L_STR("table", "events"), L_STR("why", pg_error(r)));
	traces_next();
}

static void
traces_next(void)
{
	char keep[24], most[24];
	const char *const params[] = { keep, most };

	snprintf(keep, sizeof(keep), "%.3f", (double)sql_config()->trace_keep_us / SEC);
	snprintf(most, sizeof(most), "%lld", (long long)sql_config()->trace_store_max);
	upkeep.under_way = true;
	pg_query(sql_pool(), NULL, traces_turn, 2, params, on_traces_turn, NULL);
}

static void
on_traces_turn(const struct pg_reply *r, void *ctx)
{
	const char *dropped = pg_ok(r) && !pg_null(r, 0, 0) ? pg_value(r, 0, 0) : "-";

	(void)ctx;
	upkeep.under_way = false;
	if (strcmp(dropped, "-") != 0) {
		if (*dropped != '\0')
			log_info("traces_dropped", L_STR("partition", dropped),
			    L_INT("trace_store_max", sql_config()->trace_store_max));
		metric_inc(upkeep.dropped);
		traces_next();
		return;
	}
	if (!pg_ok(r))
		log_warn("upkeep_failed", L_STR("table", "traces"), L_STR("why", pg_error(r)));
	else
		traces_room_is(strtoll(pg_value(r, 0, 1), NULL, 10), !pg_null(r, 0, 0));
	chore_begin(0);
}

static void
chore_begin(size_t i)
{
	upkeep.at = i;
	strcpy(upkeep.after, "-infinity");
	while (i < CHORES && chores[i].keep_us != NULL && chores[i].keep_us() == 0)
		upkeep.at = ++i;
	if (i < CHORES)
		send_slice();
	else
		round_end();
}

static void
send_slice(void)
{
	struct chore *x = &chores[upkeep.at];
	char rows[12], keep[24] = "";

	snprintf(rows, sizeof(rows), "%u", upkeep.slice);
	if (x->keep_us != NULL)
		snprintf(keep, sizeof(keep), "%.3f", (double)x->keep_us() / SEC);
	upkeep.began_us = time_now_us();
	upkeep.under_way = true;
	pg_query(sql_pool(), NULL, x->statement, x->keep_us != NULL ? 3 : 2,
	    (const char *[]){ rows, upkeep.after, keep }, on_slice, x);
}

static void
on_slice(const struct pg_reply *r, void *ctx)
{
	struct chore *x = ctx;

	upkeep.under_way = false;
	if (!pg_ok(r)) {
		failed(x->table, r);
	} else if (pg_value(r, 0, 0)[0] != 't') {
		round_end(); /* another process is at it */
	} else {
		slice_done(x, r);
	}
}

static void
slice_done(struct chore *x, const struct pg_reply *r)
{
	unsigned long found = strtoul(pg_value(r, 0, 1), NULL, 10);
	int64_t took = time_now_us() - upkeep.began_us, pause = PAUSE_TIMES * took;

	metric_add(x->rows, strtod(pg_value(r, 0, 2), NULL));
	if (found < upkeep.slice) {
		metric_set(x->late, 0);
		chore_begin(upkeep.at + 1);
		return;
	}
	metric_set(x->late, strtod(pg_value(r, 0, 4), NULL));
	snprintf(upkeep.after, sizeof(upkeep.after), "%s", pg_value(r, 0, 3));
	if (took > SLICE_US && upkeep.slice / 2 >= SLICE_LEAST)
		upkeep.slice /= 2;
	else if (took < SLICE_US / 3 && upkeep.slice * 2 <= SLICE_MOST)
		upkeep.slice *= 2;
	if (pause < PAUSE_LEAST)
		pause = PAUSE_LEAST;
	timer_in(&upkeep.timer, pause < PAUSE_MOST ? pause : PAUSE_MOST);
}

/* What took too long is tried again, smaller. */
static void
failed(const char *table, const struct pg_reply *r)
{
	bool late = pg_status(r) == ST_DEADLINE_EXCEEDED;

	if (!late || upkeep.slice == SLICE_LEAST)
		log_warn("upkeep_failed", L_STR("table", table), L_STR("why", pg_error(r)));
	if (late) {
		upkeep.slice = upkeep.slice / 4 > SLICE_LEAST ? upkeep.slice / 4 : SLICE_LEAST;
		timer_in(&upkeep.timer, PAUSE_MOST);
	} else {
		round_end();
	}
}

static void
round_end(void)
{
	upkeep.at = CHORES;
	timer_in(&upkeep.timer, ROUND_US);
}
