/* backup: see backup.h.
 *
 * The cut. `nosql` holds all operations and the server's writes, `sql` opens its snapshot, `nosql`
 * copies and lets go. A write over both stores stages its document first and is published last, so
 * of each there is in the copy: nothing; a staged document without a decision, which is given up; a
 * staged one and its decision, which is published; or both effects. */
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/time.h"
#include "database/backup.h"
#include "database/backup_int.h"

#define BEGIN_US    (5 * SEC)
#define SNAPSHOT_US (1500 * MS) /* nosql holds everybody meanwhile */
#define PIECE_US    (125 * SEC)

struct making { /* a backup that is begun, or ended */
	struct call *c;
	const Mf__StoreOp *q;
	struct rpc *rpc;
	const struct failure *failed;
	char *sql, *nosql; /* what they said, JSON */
};

static void backup_create(struct call *, const Mf__StoreOp *);
static void on_held(const Mf__StoreResult *, void *);
static void on_snapshot(const Mf__StoreResult *, void *);
static void on_copied(const Mf__StoreResult *, void *);
static void give_up(struct making *);
static void on_sql_closed(const Mf__StoreResult *, void *);
static void on_nosql_closed(const Mf__StoreResult *, void *);
static void restore_create(struct call *, const Mf__StoreOp *);
static void on_nosql_ready(const Mf__StoreResult *, void *);
static void on_sql_ready(const Mf__StoreResult *, void *);
static void forward(struct call *, const Mf__StoreOp *, bool);
static void on_forwarded(const Mf__StoreResult *, void *);
static char *text_of(struct call *, const Mf__StoreResult *);

bool
backup_is(const Mf__StoreOp *q)
{
	return strcmp(q->model, "backup") == 0 || strcmp(q->model, "restore") == 0;
}

struct rpc *
backup_send(struct call *c, bool to_sql, const Mf__StoreOp *q, int64_t limit_us,
    Mf__StoreResult_Closure done, void *ctx)
{
	struct rpc *r = rpc_new(c, to_sql ? db_sql : db_nosql,
	    &(const struct rpc_opts){ .node = to_sql ? "sql" : "nosql", .limit_us = limit_us });

	if (q->kind == MF__STORE_OP__KIND__READ_ONE && to_sql)
		mf__sql__read(&r->service, q, done, ctx);
	else if (q->kind == MF__STORE_OP__KIND__READ_ONE)
		mf__nosql__read(&r->service, q, done, ctx);
	else if (to_sql)
		mf__sql__write(&r->service, q, done, ctx);
	else
		mf__nosql__write(&r->service, q, done, ctx);
	return r;
}

Mf__StoreOp *
backup_op(
    struct call *c, Mf__StoreOp__Kind kind, const char *model, const char *id, const char *data)
{
	Mf__StoreOp *q = arena_alloc(call_arena(c), sizeof(*q));

	mf__store_op__init(q);
	q->kind = kind;
	q->model = (char *)(uintptr_t)model;
	q->id = (char *)(uintptr_t)id;
	q->data = (ProtobufCBinaryData){ strlen(data), (uint8_t *)(uintptr_t)data };
	return q;
}

/* The piece says by its cursor whose it is. */
void
backup_read(struct call *c, const Mf__StoreOp *q)
{
	if (q->explain)
		call_fail(c, ST_UNIMPLEMENTED, "explain: there is no plan of a backup");
	else if (strcmp(q->model, "backup") != 0 || q->kind != MF__STORE_OP__KIND__READ_ONE)
		call_fail(c, ST_UNIMPLEMENTED, "kind: only a backup is read, piece by piece");
	else
		forward(c, q, str_starts(q->cursor, "sql:"));
}

void
backup_write(struct call *c, const Mf__StoreOp *q)
{
	bool restore = strcmp(q->model, "restore") == 0;
	struct making *m;

	if (q->explain) {
		call_fail(c, ST_UNIMPLEMENTED, "explain: there is no plan of a backup");
	} else if (q->kind == MF__STORE_OP__KIND__CREATE && !restore) {
		if (!backup_refuses(c, true))
			backup_create(c, q);
	} else if (q->kind == MF__STORE_OP__KIND__CREATE) {
		restore_create(c, q);
	} else if (q->kind == MF__STORE_OP__KIND__DELETE && restore && restore_ending(q->id)) {
		call_fail_because(c, ST_FAILED_PRECONDITION, "RESTORING", 0,
		    "the restore is being ended: it can't be given up any more");
	} else if (q->kind == MF__STORE_OP__KIND__DELETE) {
		if (restore && backup_refuses(c, true)) /* it may be this one that is being ended */
			return;
		m = ARENA_NEW(call_arena(c), struct making);
		m->c = c;
		m->q = q;
		give_up(m);
	} else if (q->kind == MF__STORE_OP__KIND__UPDATE && restore) {
		restore_finish(c, q);
	} else if (q->kind == MF__STORE_OP__KIND__APPEND && restore) {
		restore_append(c, q);
	} else {
		call_fail(c, ST_UNIMPLEMENTED,
		    "kind: a backup knows create, read and delete; a restore create, append, "
		    "update and delete");
	}
}

/* --- a backup --- */

static void
backup_create(struct call *c, const Mf__StoreOp *q)
{
	struct making *m = ARENA_NEW(call_arena(c), struct making);

	m->c = c;
	m->q = q;
	m->rpc = backup_send(c, false, q, BEGIN_US, on_held, m);
}

/* A restore that has not begun to end by now waits for the copy: its mark is a write of nosql. */
static void
on_held(const Mf__StoreResult *r, void *ctx)
{
	static const struct failure restoring = { .status = ST_UNAVAILABLE,
		.reason = "RESTORING",
		.retry_ms = 500,
		.message = "the stores are being exchanged by a restore" };
	struct making *m = ctx;

	if (r == NULL || restore_is_on()) {
		m->failed = &restoring;
		give_up(m);
		return;
	}
	STEP("database.backup.held");
	m->rpc = backup_send(m->c, true, m->q, SNAPSHOT_US, on_snapshot, m);
}

static void
on_snapshot(const Mf__StoreResult *r, void *ctx)
{
	struct making *m = ctx;

	if (r == NULL) {
		give_up(m);
		return;
	}
	STEP("database.backup.snapshot");
	m->sql = text_of(m->c, r);
	m->rpc = backup_send(m->c, false,
	    backup_op(m->c, MF__STORE_OP__KIND__UPDATE, "backup", m->q->id, "{}"), PIECE_US,
	    on_copied, m);
}

static void
on_copied(const Mf__StoreResult *r, void *ctx)
{
	struct making *m = ctx;
	char *json;

	if (r == NULL) {
		give_up(m);
		return;
	}
	STEP("database.backup.copied");
	m->nosql = text_of(m->c, r);
	json = arena_printf(call_arena(m->c), "{\"id\":\"%s\",\"sql\":%s,\"nosql\":%s}", m->q->id,
	    m->sql, m->nosql);
	backup_reply(m->c, json);
}

/* Whatever was begun ends; then the call, as it failed, or well when nothing had. */
static void
give_up(struct making *m)
{
	const struct failure *f = m->rpc != NULL ? rpc_failure(m->rpc) : NULL;

	if (f != NULL)
		m->failed = arena_dup(call_arena(m->c), f, sizeof(*f));
	m->rpc = backup_send(m->c, true,
	    backup_op(m->c, MF__STORE_OP__KIND__DELETE, m->q->model, m->q->id, ""), BEGIN_US,
	    on_sql_closed, m);
}

static void
on_sql_closed(const Mf__StoreResult *r, void *ctx)
{
	struct making *m = ctx;

	(void)r; /* not reached: it has gone, or goes when nobody asks */
	m->rpc = backup_send(m->c, false,
	    backup_op(m->c, MF__STORE_OP__KIND__DELETE, m->q->model, m->q->id, ""), BEGIN_US,
	    on_nosql_closed, m);
}

static void
on_nosql_closed(const Mf__StoreResult *r, void *ctx)
{
	struct making *m = ctx;

	if (m->failed != NULL)
		call_fail_with(m->c, m->failed);
	else if (r == NULL)
		call_fail_with(m->c, rpc_failure(m->rpc));
	else
		backup_reply(m->c, "{}");
}

/* --- a restore begins --- */

static void
restore_create(struct call *c, const Mf__StoreOp *q)
{
	struct making *m = ARENA_NEW(call_arena(c), struct making);

	m->c = c;
	m->q = q;
	m->rpc = backup_send(c, false, q, BEGIN_US, on_nosql_ready, m);
}

static void
on_nosql_ready(const Mf__StoreResult *r, void *ctx)
{
	struct making *m = ctx;

	if (r == NULL)
		give_up(m);
	else
		m->rpc = backup_send(m->c, true, m->q, BEGIN_US, on_sql_ready, m);
}

static void
on_sql_ready(const Mf__StoreResult *r, void *ctx)
{
	struct making *m = ctx;

	if (r == NULL)
		give_up(m);
	else
		backup_reply(m->c, "{}");
}

/* data: {"store": "sql" or "nosql", ...} */
void
restore_append(struct call *c, const Mf__StoreOp *q)
{
	struct json_error e;
	json_t *v = json_read(q->data.data, q->data.len, &e);
	const char *store = json_string_value(json_object_get(v, "store"));
	bool sql = store != NULL && strcmp(store, "sql") == 0;

	if (v != NULL)
		call_own_json(c, v);
	if (!sql && (store == NULL || strcmp(store, "nosql") != 0))
		call_fail(c, ST_INVALID_ARGUMENT, "data/store: must be sql or nosql");
	else
		forward(c, q, sql);
}

/* --- common --- */

static void
forward(struct call *c, const Mf__StoreOp *q, bool to_sql)
{
	struct making *m = ARENA_NEW(call_arena(c), struct making);

	m->c = c;
	m->rpc = backup_send(c, to_sql, q, PIECE_US, on_forwarded, m);
}

static void
on_forwarded(const Mf__StoreResult *r, void *ctx)
{
	struct making *m = ctx;

	if (r == NULL)
		call_fail_with(m->c, rpc_failure(m->rpc));
	else
		call_reply(m->c, &r->base);
}

void
backup_reply(struct call *c, const char *json)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;

	out.data = (ProtobufCBinaryData){ strlen(json), (uint8_t *)(uintptr_t)json };
	out.rows_affected = 1;
	call_reply(c, &out.base);
}

static char *
text_of(struct call *c, const Mf__StoreResult *r)
{
	return arena_strndup(call_arena(c), (const char *)r->data.data, r->data.len);
}
