/* restore: both stores change over, or none, whoever is killed meanwhile.
 *
 * A mark in Redis says that the decision is PostgreSQL's; PostgreSQL changes over in the transaction
 * that writes the decision; Redis changes over and the mark goes, in one script. In between nothing
 * is served. Who finds a mark, at its start or after a failure, asks for the decision, or takes it
 * away by giving up, and ends what is left. This work belongs to no client: his call only waits. */
#include <string.h>

#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/time.h"
#include "database/backup_int.h"

#define FINISH_US (600 * SEC)
#define STEP_US   (300 * SEC)
#define ASK_US    (5 * SEC)
#define AGAIN_US  (500 * MS)

/* UNSURE: nobody has said yet whether there is a mark; documents wait for that. */
enum doors { OPEN, UNSURE, SHUT };

static struct {
	struct loop *loop;
	struct bus *bus;
	enum doors doors;
	struct call *work;   /* the root under way */
	struct rpc *rpc;     /* its last */
	struct call *client; /* who waits for it; NULL: nobody */
	struct call_dep dep;
	char id[UUID_LEN];
	long long keys;
	struct timer again;
	const struct failure *why; /* it was given up; in the work's arena */
} re;

static void work_begin(void);
static void work_end(void);
static void on_work_end(struct call *, const struct call_end *, void *);
static void on_again(struct timer *);
static void client_cancel(struct call_dep *);
static void ask_decision(bool, Mf__Decisions_Closure);
static void on_decided_before(const Mf__Decisions *, void *);
static void tell(bool, Mf__StoreOp__Kind, const char *, Mf__StoreResult_Closure);
static void on_marked(const Mf__StoreResult *, void *);
static void on_committed(const Mf__StoreResult *, void *);
static void on_decision(const Mf__Decisions *, void *);
static void on_switched(const Mf__StoreResult *, void *);
static void on_cancelled(const Mf__StoreResult *, void *);
static void on_mark(const Mf__StoreResult *, void *);
static void take_back(void);
static void later(void);
static void answer(const struct failure *);

void
backup_start(struct loop *l, struct bus *b)
{
	re.loop = l;
	re.bus = b;
	re.doors = UNSURE;
	timer_init(&re.again, l, on_again);
	timer_in(&re.again, 0);
}

bool
backup_refuses(struct call *c, bool documents)
{
	if (re.doors == OPEN || (re.doors == UNSURE && !documents))
		return false;
	call_fail_because(c, ST_UNAVAILABLE, "RESTORING", 500,
	    re.doors == SHUT ? "the stores are being exchanged by a restore"
			     : "it is not known yet whether a restore was cut short");
	return true;
}

bool
restore_ending(const char *id)
{
	return re.doors == SHUT && strcmp(re.id, id) == 0;
}

bool
restore_is_on(void)
{
	return re.doors != OPEN;
}

/* data: {"keys": so many of nosql} */
void
restore_finish(struct call *c, const Mf__StoreOp *q)
{
	struct json_error e;
	json_t *v = json_read(q->data.data, q->data.len, &e);
	const json_t *keys = json_object_get(v, "keys");

	if (v != NULL)
		call_own_json(c, v);
	if (!json_is_integer(keys) || !uuid_ok(q->id)) {
		call_fail(c, ST_INVALID_ARGUMENT, "id: must be a UUID; data/keys: a whole number");
		return;
	}
	if (re.work != NULL || re.doors != OPEN) {
		call_fail_because(
		    c, ST_UNAVAILABLE, "RESTORING", 500, "a restore is being ended; ask again");
		return;
	}
	snprintf(re.id, sizeof(re.id), "%s", q->id);
	re.keys = json_integer_value(keys);
	re.client = c;
	re.dep.cancel = client_cancel;
	call_attach(c, &re.dep);
	work_begin();
	ask_decision(false, on_decided_before);
}

static void
client_cancel(struct call_dep *d)
{
	(void)d;
	re.client = NULL;
}

/* An earlier try may have got further than its client knows. */
static void
on_decided_before(const Mf__Decisions *m, void *ctx)
{
	const struct failure given_up = { .status = ST_ABORTED,
		.reason = "GIVEN_UP",
		.message = "the restore was given up: nothing was changed; begin again" };

	if (m == NULL) {
		answer(rpc_failure(re.rpc));
		work_end();
	} else if (m->verdicts[0] == MF__VERDICT__ABORTED) {
		answer(&given_up);
		work_end();
	} else if (m->verdicts[0] == MF__VERDICT__COMMITTED) {
		on_decision(m, ctx);
	} else {
		re.doors = SHUT;
		STEP("database.restore.shut");
		tell(false, MF__STORE_OP__KIND__UPDATE,
		    arena_printf(
			call_arena(re.work), "{\"phase\":\"mark\",\"keys\":%lld}", re.keys),
		    on_marked);
	}
}

static void
on_marked(const Mf__StoreResult *r, void *ctx)
{
	(void)ctx;
	if (r == NULL) {
		take_back();
		return;
	}
	STEP("database.restore.marked");
	tell(true, MF__STORE_OP__KIND__UPDATE, "{}", on_committed);
}

static void
on_committed(const Mf__StoreResult *r, void *ctx)
{
	(void)ctx;
	if (r == NULL) {
		take_back();
		return;
	}
	STEP("database.restore.committed");
	tell(false, MF__STORE_OP__KIND__UPDATE, "{\"phase\":\"switch\"}", on_switched);
}

/* Something failed: given up, unless it is decided already. */
static void
take_back(void)
{
	re.why = rpc_failure(re.rpc);
	ask_decision(true, on_decision);
}

static void
on_decision(const Mf__Decisions *m, void *ctx)
{
	(void)ctx;
	if (m == NULL) {
		later();
		return;
	}
	re.doors = SHUT;
	if (m->verdicts[0] == MF__VERDICT__COMMITTED)
		tell(false, MF__STORE_OP__KIND__UPDATE, "{\"phase\":\"switch\"}", on_switched);
	else
		tell(false, MF__STORE_OP__KIND__DELETE, "", on_cancelled);
}

static void
on_switched(const Mf__StoreResult *r, void *ctx)
{
	(void)ctx;
	if (r == NULL) {
		later();
		return;
	}
	cohere_forget("a restore");
	log_info("restored", L_STR("id", re.id));
	STEP("database.restore.switched");
	answer(NULL);
	work_end();
	re.doors = OPEN;
}

static void
on_cancelled(const Mf__StoreResult *r, void *ctx)
{
	(void)ctx;
	if (r == NULL) {
		later();
		return;
	}
	log_warn("restore_given_up", L_STR("id", re.id));
	answer(re.why);
	work_end();
	re.doors = OPEN;
}

/* --- what an earlier try has left --- */

static void
on_again(struct timer *t)
{
	(void)t;
	if (re.work != NULL)
		return;
	work_begin();
	tell(false, MF__STORE_OP__KIND__READ_ONE, "", on_mark);
}

static void
on_mark(const Mf__StoreResult *r, void *ctx)
{
	struct json_error e;
	const char *id;
	json_t *v;

	(void)ctx;
	if (r == NULL) {
		later();
		return;
	}
	v = json_read(r->data.data, r->data.len, &e);
	if (v != NULL)
		call_own_json(re.work, v);
	id = json_string_value(json_object_get(v, "mark"));
	if (id == NULL || !uuid_ok(id)) {
		if (re.doors == SHUT)
			cohere_forget("a restore");
		re.doors = OPEN;
		work_end();
		return;
	}
	snprintf(re.id, sizeof(re.id), "%s", id);
	re.doors = SHUT;
	ask_decision(true, on_decision);
}

/* The doors stay as they are. */
static void
later(void)
{
	const struct failure f = { .status = ST_UNAVAILABLE,
		.reason = "RESTORING",
		.message = "how the restore ended is not known yet; ask again",
		.retry_ms = 500 };

	answer(&f);
	work_end();
	timer_in(&re.again, AGAIN_US);
}

/* --- common --- */

static void
work_begin(void)
{
	re.why = NULL;
	re.work = call_root(
	    re.bus, &(const struct call_opts){ .limit_us = FINISH_US, .done = on_work_end });
}

static void
work_end(void)
{
	Mf__Empty m = MF__EMPTY__INIT;

	call_reply(re.work, &m.base);
}

static void
on_work_end(struct call *c, const struct call_end *end, void *ctx)
{
	(void)c, (void)ctx;
	re.work = NULL;
	if (end->failure == NULL)
		return;
	answer(end->failure); /* it took too long */
	timer_in(&re.again, AGAIN_US);
}

/* f NULL: well. */
static void
answer(const struct failure *f)
{
	struct call *c = re.client;

	if (c == NULL)
		return;
	re.client = NULL;
	call_detach(c, &re.dep);
	if (f != NULL)
		call_fail_with(c, f);
	else
		backup_reply(c, "{}");
}

static void
tell(bool to_sql, Mf__StoreOp__Kind kind, const char *data, Mf__StoreResult_Closure then)
{
	bool ask = kind == MF__STORE_OP__KIND__READ_ONE;

	re.rpc = backup_send(re.work, to_sql, backup_op(re.work, kind, "restore", re.id, data),
	    ask ? ASK_US : STEP_US, then, NULL);
}

static void
ask_decision(bool force, Mf__Decisions_Closure then)
{
	Mf__DecideAsk q = MF__DECIDE_ASK__INIT;
	char *id = re.id;

	q.n_transactions = 1;
	q.transactions = &id;
	q.force = force;
	re.rpc = rpc_new(re.work, db_sql, &(const struct rpc_opts){ .limit_us = 2 * ASK_US });
	mf__sql__decide(&re.rpc->service, &q, then, NULL);
}
