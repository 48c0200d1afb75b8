/* decide: see decide.h. Reads what is committed only, so an answer COMMITTED is on disk; giving up
 * waits for a commit of the same id that is under way, and then finds it. */
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/step.h"
#include "database/sql/decide.h"
#include "database/sql/store.h"

#define ASKED_MOST 1000

struct decide {               /* one Decide */
	struct effect effect; /* first: giving up is one */
	const Mf__DecideAsk *q;
	const char *ids; /* as an array of PostgreSQL */
};

struct lookup { /* one decision_of */
	struct call *call;
	void (*then)(enum decision, void *);
	void *ctx;
};

static void decide_start(struct call *c, const void *q);
static const char *ids_of(struct call *c, const Mf__DecideAsk *q);
static void give_up(struct effect *e);
static void on_given_up(const struct pg_reply *r, void *ctx);
static void on_read(const struct pg_reply *r, void *ctx);
static void reply(struct decide *d, const struct pg_reply *r);
static void on_lookup(const struct pg_reply *r, void *ctx);
static void forget_start(struct call *c, const void *q);
static void on_forgotten(const struct pg_reply *r, void *ctx);

const char text_decision[] = "INSERT INTO decisions (id,committed) VALUES ($1::uuid,true)";
static const char text_read_decisions[] =
    "SELECT id,committed FROM decisions WHERE id=ANY($1::uuid[])";
/* In order of id: two that give up the same ones wait for each other, not in a ring. */
static const char text_give_up[] =
    "INSERT INTO decisions (id,committed) SELECT v,false FROM unnest($1::uuid[]) AS v ORDER BY v"
    " ON CONFLICT (id) DO NOTHING";

void
decision_of(struct call *c, const char *id, void (*then)(enum decision d, void *ctx), void *ctx)
{
	struct lookup *x = ARENA_NEW(call_arena(c), struct lookup);
	const char *ids = arena_printf(call_arena(c), "{%s}", id);

	*x = (struct lookup){ c, then, ctx };
	pg_read(sql_pool(), c, text_read_decisions, 1, &ids, on_lookup, x);
}

static void
on_lookup(const struct pg_reply *r, void *ctx)
{
	struct lookup *x = ctx;

	if (!pg_ok(r))
		pg_fail_call(x->call, r);
	else if (pg_rows(r) == 0)
		x->then(UNDECIDED, x->ctx);
	else
		x->then(pg_value(r, 0, 1)[0] == 't' ? DECIDED_COMMIT : DECIDED_ABORT, x->ctx);
}

/* Decide: of each transaction what was decided; with `force`, those that are not are given up. */
void
sql_decide(Mf__Sql_Service *s, const Mf__DecideAsk *q, Mf__Decisions_Closure done, void *ctx)
{
	(void)s, (void)done;
	hold_call(ctx, decide_start, q);
}

static void
decide_start(struct call *c, const void *q)
{
	struct decide *d = ARENA_NEW(call_arena(c), struct decide);

	d->q = q;
	d->ids = ids_of(c, q);
	if (d->ids == NULL)
		return;
	d->effect.call = c;
	if (d->q->force)
		effect_start(&d->effect, c, 0, give_up);
	else
		pg_read(sql_pool(), c, text_read_decisions, 1, &d->ids, on_read, d);
}

static const char *
ids_of(struct call *c, const Mf__DecideAsk *q)
{
	char *text, *p;

	if (q->n_transactions == 0 || q->n_transactions > ASKED_MOST) {
		call_fail(c, ST_INVALID_ARGUMENT, "transactions: must be 1 to %d", ASKED_MOST);
		return NULL;
	}
	p = text = arena_alloc(call_arena(c), q->n_transactions * UUID_LEN + 3);
	*p++ = '{';
	for (size_t i = 0; i < q->n_transactions; i++) {
		if (!uuid_ok(q->transactions[i])) {
			call_fail(c, ST_INVALID_ARGUMENT, "transactions: must be UUIDs");
			return NULL;
		}
		if (i > 0)
			*p++ = ',';
		memcpy(p, q->transactions[i], UUID_LEN - 1);
		p += UUID_LEN - 1;
	}
	memcpy(p, "}", 2);
	return text;
}

/* The second statement sees what a commit that the first one waited for has written. */
static void
give_up(struct effect *e)
{
	struct decide *d = (struct decide *)e;
	const struct pg_statement both[] = {
		{ text_give_up, 1, &d->ids },
		{ text_read_decisions, 1, &d->ids },
	};

	pg_write(sql_pool(), e->call, NULL, 2, both, on_given_up, d);
	STEP("sql.decide.sent");
}

static void
on_given_up(const struct pg_reply *r, void *ctx)
{
	struct decide *d = ctx;

	if (effect_unknown(&d->effect, r))
		return;
	if (!pg_ok(r)) {
		pg_fail_call(d->effect.call, r);
		return;
	}
	STEP("sql.decide.durable");
	reply(d, pg_reply_at(r, 1));
}

static void
on_read(const struct pg_reply *r, void *ctx)
{
	struct decide *d = ctx;

	if (!pg_ok(r))
		pg_fail_call(d->effect.call, r);
	else
		reply(d, r);
}

static void
reply(struct decide *d, const struct pg_reply *r)
{
	Mf__Decisions out = MF__DECISIONS__INIT;

	out.n_verdicts = d->q->n_transactions;
	out.verdicts = ARENA_ARRAY(call_arena(d->effect.call), Mf__Verdict, out.n_verdicts);
	for (size_t i = 0; i < out.n_verdicts; i++)
		for (int row = 0; row < pg_rows(r); row++)
			if (strcmp(pg_value(r, row, 0), d->q->transactions[i]) == 0)
				out.verdicts[i] = pg_value(r, row, 1)[0] == 't'
				                      ? MF__VERDICT__COMMITTED
				                      : MF__VERDICT__ABORTED;
	call_reply(d->effect.call, &out.base);
}

/* --- decisions that nobody may ask for any more --- */

/* Only what is a day old besides: a stray commit of long ago still finds that it was given up. */
void
sql_forget(Mf__Sql_Service *s, const Mf__ForgetAsk *q, Mf__Forgotten_Closure done, void *ctx)
{
	(void)s, (void)done;
	hold_call(ctx, forget_start, q);
}

static void
forget_start(struct call *c, const void *q)
{
	static const char text[] =
	    "DELETE FROM decisions WHERE id=ANY(ARRAY(SELECT id FROM decisions"
	    " WHERE at<now()-greatest(interval '1 day',$1::bigint*interval '1 microsecond')"
	    " ORDER BY at LIMIT 1000))";
	const Mf__ForgetAsk *f = q;
	const char *age = arena_printf(call_arena(c), "%llu", (unsigned long long)f->older_than_us);

	if (f->older_than_us > INT64_MAX)
		call_fail(c, ST_INVALID_ARGUMENT, "older_than_us: is too large");
	else
		pg_query(sql_pool(), c, text, 1, &age, on_forgotten, c);
}

static void
on_forgotten(const struct pg_reply *r, void *ctx)
{
	Mf__Forgotten out = MF__FORGOTTEN__INIT;

	if (!pg_ok(r)) {
		pg_fail_call(ctx, r);
		return;
	}
	out.rows = pg_affected(r);
	call_reply(ctx, &out.base);
}
