/* database: the service mf.Database: plans an operation and hands it on. Called by meta and by the
 * agents of auth. What comes then is in the files that inside.h lists. */
#include <string.h>

#include "base/time.h"
#include "database/backup.h"
#include "database/commit.h"
#include "database/mode.h"

static void
database_read(Mf__Database_Service *, const Mf__StoreOp *, Mf__StoreResult_Closure, void *);
static void
database_write(Mf__Database_Service *, const Mf__StoreOp *, Mf__StoreResult_Closure, void *);
static struct op *op_plan(struct call *, const Mf__StoreOp *, bool);
static const char *take_session(struct op *);

Mf__Database_Service database_service = MF__DATABASE__INIT(database_);
const char *const database_capabilities[] = { "plan", "route", "cache_coherence", "stand_in",
	"explain", "sessions", "bulk", "degraded_mode", NULL };

const struct config_key database_keys[] = {
	{ "cache_ttl", CONFIG_DURATION, offsetof(struct database_config, cache_ttl_us), "60s", SEC,
	    86400 * SEC, false, false, "life of a cached read" },
	{ "tombstone", CONFIG_DURATION, offsetof(struct database_config, tombstone_us), "15s", SEC,
	    3600 * SEC, false, false,
	    "life of a dropped key's tombstone; must be longer than the longest read" },
	{ .name = NULL },
};

struct target *db_sql, *db_nosql, *db_cache, *db_leader;
static struct node *self; /* NULL: opened without one */
static const struct database_config *fixed;

bool
database_init(struct node *n)
{
	self = n;
	database_open(node_bus(n), NULL);
	backup_start(node_loop(n), node_bus(n));
	node_ready(n);
	return true;
}

void
database_open(struct bus *b, const struct database_config *cf)
{
	static const char *const sql_members[] = { "sql", "nosql", NULL };
	static const char *const nosql_members[] = { "nosql", NULL };
	static const char *const cache_members[] = { "cache", NULL };
	/* 3 failures of 50 ms make an agent suspect (spec 1, cascade prevention). */
	const struct breaker_policy agents = { .failures = 3, .limit_us = 50 * MS };

	fixed = cf;
	db_sql =
	    target_new(b, &(const struct target_def){ &mf__sql__descriptor, sql_members, agents });
	db_nosql = target_new(
	    b, &(const struct target_def){ &mf__nosql__descriptor, nosql_members, agents });
	db_cache = target_new(
	    b, &(const struct target_def){ &mf__cache__descriptor, cache_members, agents });
	db_leader = target_new(
	    b, &(const struct target_def){ &mf__leader__descriptor, sql_members, agents });
	target_set_ordered(db_leader); /* who leads holds a session of one of them */
	cohere_open();
	flight_open();
	commit_open(b);
	lead_open(b, self != NULL ? node_var(self) : NULL);
	mode_open(b, self != NULL ? node_var(self) : NULL);
}

void
database_close(void)
{
	mode_close();
	janitor_close();
}

const struct database_config *
db_config(void)
{
	return self != NULL ? node_config(self) : fixed;
}

void
database_read(
    Mf__Database_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	struct op *o;

	(void)s, (void)reply;
	if (backup_is(q)) {
		backup_read(ctx, q);
		return;
	}
	o = op_plan(ctx, q, false);
	if (o == NULL)
		return;
	if (q->explain)
		db_explain(o, false);
	else
		db_read(o);
}

void
database_write(
    Mf__Database_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	struct op *o;

	(void)s, (void)reply;
	if (lead_holds(ctx, q))
		return;
	if (backup_is(q)) {
		backup_write(ctx, q);
		return;
	}
	o = op_plan(ctx, q, true);
	if (o == NULL)
		return;
	if (q->explain)
		db_explain(o, true);
	else
		db_write(o);
}

/* NULL: refused, the call has ended. */
static struct op *
op_plan(struct call *c, const Mf__StoreOp *q, bool write)
{
	struct op *o = ARENA_NEW(call_arena(c), struct op);
	const char *wrong = plan_operation(q, write, &o->plan);

	o->c = c;
	o->q = q;
	if (wrong == NULL && q->session[0] != '\0' && !write)
		wrong = take_session(o);
	if (wrong != NULL) {
		call_fail(c, ST_INVALID_ARGUMENT, "%s", wrong);
		return NULL;
	}
	return backup_refuses(c, o->plan.store == PLAN_NOSQL) ? NULL : o;
}

/* The store gets only its own part. */
static const char *
take_session(struct op *o)
{
	Mf__StoreOp *own = arena_dup(call_arena(o->c), o->q, sizeof(*own));

	if (!session_read(o->q->session, &o->session))
		return "session: is none that an answer said";
	o->in_session = true;
	own->session = (char *)(uintptr_t)o->session.store;
	o->q = own;
	return NULL;
}

void
db_send_read(struct op *o, enum plan_store s, const Mf__StoreOp *q, op_result_fn *then)
{
	o->rpc = rpc_new(o->c, s == PLAN_NOSQL ? db_nosql : db_sql, NULL);
	if (s == PLAN_NOSQL)
		mf__nosql__read(&o->rpc->service, q, then, o);
	else
		mf__sql__read(&o->rpc->service, q, then, o);
}

void
db_send_write(struct op *o, enum plan_store s, const Mf__StoreOp *q, op_result_fn *then)
{
	o->rpc = rpc_new(o->c, s == PLAN_NOSQL ? db_nosql : db_sql, NULL);
	if (s == PLAN_NOSQL)
		mf__nosql__write(&o->rpc->service, q, then, o);
	else
		mf__sql__write(&o->rpc->service, q, then, o);
}

bool
db_unknown(enum status s)
{
	return s == ST_CANCELLED || status_is_fault(s);
}

void
db_fail(struct op *o)
{
	const struct failure *f = o->failure != NULL ? o->failure : rpc_failure(o->rpc);

	/* before a try that was too late for its leader another one may have come through */
	if (db_unknown(f->status) || strcmp(f->reason, "FENCED") == 0)
		cohere_unknown(o);
	o->settled = true;
	call_fail_with(o->c, f);
}

/* A session is as of when the store was asked for what the cache may keep, else as of now: nothing
 * that this one has seen is newer. */
void
db_answer(struct op *o)
{
	bool write = plan_kind(o->q->kind)->write;
	Mf__StoreResult out;

	o->settled = true;
	if (!write && !o->in_session && o->joined_us == 0) {
		call_reply(o->c, &o->result->base);
		return;
	}
	out = *o->result;
	if (o->joined_us > 0 && (uint64_t)o->joined_us > out.age_us)
		out.age_us = (uint64_t)o->joined_us;
	if (write)
		out.session = cohere_session(o, time_now_us(), out.session);
	else if (o->in_session)
		out.session = cohere_session(o, o->key != NULL ? o->read_us : time_now_us(),
		    out.session[0] != '\0' ? out.session : o->session.store);
	call_reply(o->c, &out.base);
}
