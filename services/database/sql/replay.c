/* replay: the journal of what was accepted while this server was away is applied, in order, exactly
 * once. A batch and the position behind it commit together (mf_replay, migration 0008), so it does not
 * matter who crashes when: the next one begins where the position is.
 *
 * Before the first batch the fence goes up: the new epoch is committed, from then on a write of an
 * older one fails right before its commit. Whoever was past that point has an id of a transaction that
 * was given out before; when all those are over, nothing old can land any more. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/log.h"
#include "base/step.h"
#include "base/time.h"
#include "database/sql/store.h"

#define LOOK_US (10 * MS) /* between two looks at the transactions that were under way */

struct replay {
	struct effect effect; /* first */
	const Mf__ReplayBatch *q;
	const char *epoch, *after, *upto, *entries, *horizon;
	Mf__ReplayIs is;
};

static void start(struct call *c, const void *q);
static void ask(struct replay *x, pg_done_fn *done);
static void on_asked(const struct pg_reply *r, void *ctx);
static void begin(struct effect *e);
static void on_begun(const struct pg_reply *r, void *ctx);
static void on_horizon(const struct pg_reply *r, void *ctx);
static void look(struct call *c, void *ctx);
static void on_look(const struct pg_reply *r, void *ctx);
static void apply(struct effect *e);
static void on_applied(const struct pg_reply *r, void *ctx);
static void on_there_before(const struct pg_reply *r, void *ctx);
static const char *number(struct replay *x, uint64_t n);
static const char *array_of(struct replay *x);
static void is_elsewhere(struct replay *x);

void
sql_replay(Mf__Sql_Service *s, const Mf__ReplayBatch *q, Mf__ReplayIs_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	hold_call(ctx, start, q);
}

static void
start(struct call *c, const void *q)
{
	struct replay *x = ARENA_NEW(call_arena(c), struct replay);

	x->q = q;
	x->effect.call = c;
	mf__replay_is__init(&x->is);
	x->epoch = number(x, x->q->epoch);
	if (x->q->epoch == 0) {
		ask(x, on_asked);
	} else if (x->q->upto == 0) {
		effect_start(&x->effect, c, 0, begin);
	} else {
		x->after = number(x, x->q->after);
		x->upto = number(x, x->q->upto);
		x->entries = array_of(x);
		effect_start(&x->effect, c, 0, apply);
	}
}

static const char *
number(struct replay *x, uint64_t n)
{
	return arena_printf(call_arena(x->effect.call), "%" PRIu64, n);
}

static const char *
array_of(struct replay *x)
{
	struct jw w;

	jw_start(&w, call_arena(x->effect.call), 4096);
	jw_array(&w, NULL);
	for (size_t i = 0; i < x->q->n_entries; i++)
		jw_raw(&w, NULL, x->q->entries[i].data, x->q->entries[i].len);
	jw_close(&w, ']');
	return jw_text(&w, NULL);
}

/* --- how things stand --- */

static void
ask(struct replay *x, pg_done_fn *done)
{
	static const char text[] =
	    "SELECT CASE WHEN journal=$1 THEN position ELSE 0 END,"
	    "greatest(epoch,(SELECT last_value FROM mode_epoch)) FROM replay";

	pg_read(sql_pool(), x->effect.call, text, 1, (const char *[]){ x->q->journal }, done, x);
}

static void
on_asked(const struct pg_reply *r, void *ctx)
{
	struct replay *x = ctx;

	if (!pg_ok(r)) {
		pg_fail_call(x->effect.call, r);
		return;
	}
	x->is.position = strtoull(pg_value(r, 0, 0), NULL, 10);
	x->is.epoch = strtoull(pg_value(r, 0, 1), NULL, 10);
	call_reply(x->effect.call, &x->is.base);
}

/* --- the fence --- */

static void
begin(struct effect *e)
{
	static const char text[] = "SELECT mf_replay_begin($1,$2)";
	struct replay *x = (struct replay *)e;

	pg_write(sql_pool(), e->call, "replay", 1,
	    &(const struct pg_statement){
		text, 2, (const char *const[]){ x->q->journal, x->epoch } },
	    on_begun, x);
	STEP("sql.replay.fence_sent");
}

static void
on_begun(const struct pg_reply *r, void *ctx)
{
	static const char text[] = "SELECT pg_snapshot_xmax(pg_current_snapshot())";
	struct replay *x = ctx;

	if (effect_unknown(&x->effect, r))
		return;
	if (!pg_ok(r)) {
		pg_fail_call(x->effect.call, r);
		return;
	}
	STEP("sql.replay.fence_durable");
	if (pg_null(r, 0, 0)) {
		is_elsewhere(x);
		return;
	}
	x->is.position = strtoull(pg_value(r, 0, 0), NULL, 10);
	x->is.epoch = x->q->epoch;
	pg_read(sql_pool(), x->effect.call, text, 0, NULL, on_horizon, x);
}

static void
on_horizon(const struct pg_reply *r, void *ctx)
{
	struct replay *x = ctx;

	if (!pg_ok(r)) {
		pg_fail_call(x->effect.call, r);
		return;
	}
	x->horizon = arena_strdup(call_arena(x->effect.call), pg_value(r, 0, 0));
	look(x->effect.call, x);
}

static void
look(struct call *c, void *ctx)
{
	static const char text[] = "SELECT pg_snapshot_xmin(pg_current_snapshot())>=$1::xid8";
	struct replay *x = ctx;

	pg_read(sql_pool(), c, text, 1, &x->horizon, on_look, x);
}

static void
on_look(const struct pg_reply *r, void *ctx)
{
	struct replay *x = ctx;

	if (!pg_ok(r)) {
		pg_fail_call(x->effect.call, r);
	} else if (pg_value(r, 0, 0)[0] == 't') {
		STEP("sql.replay.fenced");
		call_reply(x->effect.call, &x->is.base);
	} else {
		call_after(x->effect.call, LOOK_US, look, x);
	}
}

/* --- a batch --- */

static void
apply(struct effect *e)
{
	static const char text[] = "SELECT applied,refused FROM mf_replay($1,$2,$3,$4,$5)";
	struct replay *x = (struct replay *)e;

	pg_write(sql_pool(), e->call, NULL, 1,
	    &(const struct pg_statement){ text, 5,
		(const char *const[]){ x->q->journal, x->epoch, x->after, x->upto, x->entries } },
	    on_applied, x);
	STEP("sql.replay.batch_sent");
}

static void
on_applied(const struct pg_reply *r, void *ctx)
{
	struct replay *x = ctx;

	if (effect_unknown(&x->effect, r))
		return;
	if (!pg_ok(r)) {
		pg_fail_call(x->effect.call, r);
		return;
	}
	STEP("sql.replay.batch_durable");
	if (pg_rows(r) == 0) {
		ask(x, on_there_before);
		return;
	}
	x->is.position = x->q->upto;
	x->is.epoch = x->q->epoch;
	x->is.applied = strtoull(pg_value(r, 0, 0), NULL, 10);
	x->is.refused = strtoull(pg_value(r, 0, 1), NULL, 10);
	if (x->is.refused > 0)
		log_error("replay_refused", L_INT("entries", (int64_t)x->is.refused),
		    L_STR("where", "table replay_refused"));
	call_reply(x->effect.call, &x->is.base);
}

/* The position is another one: of an earlier try of this very batch, or the caller errs. */
static void
on_there_before(const struct pg_reply *r, void *ctx)
{
	struct replay *x = ctx;

	if (!pg_ok(r)) {
		pg_fail_call(x->effect.call, r);
		return;
	}
	x->is.position = strtoull(pg_value(r, 0, 0), NULL, 10);
	x->is.epoch = strtoull(pg_value(r, 0, 1), NULL, 10);
	if (x->is.position == x->q->upto && x->is.epoch == x->q->epoch)
		call_reply(x->effect.call, &x->is.base);
	else
		is_elsewhere(x);
}

static void
is_elsewhere(struct replay *x)
{
	call_fail_because(x->effect.call, ST_ABORTED, "MODE_CHANGED", 10,
	    "the replay is elsewhere: another epoch, journal or position");
}
