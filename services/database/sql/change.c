/* change: update and delete. One statement does all of it: looks up the operation, compares the
 * version, changes the row, records the operation. A repeat that meets the first one still under
 * way fails on the operation's key and runs again. */
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/log.h"
#include "database/sql/render.h"
#include "database/sql/spill.h"
#include "database/sql/store.h"
#include "database/sql/text.h"

struct change {
	struct effect effect; /* first */
	const struct model *model;
	struct call *call;
	const Mf__StoreOp *op;
	json_t *data;
	struct warnings warnings;
	struct spilled spilled;
	const char *id, *ns, *operation, *version;
	const char *patch; /* NULL: a delete */
	struct pg_statement statement;
	const char *params[6];
	/* it was sent a second time, for the sake of another try of the same operation */
	bool collided;
};

static void take(struct change *x);
static struct change *change_new(struct call *c, const struct model *m, const Mf__StoreOp *op);
static void start(struct change *x, struct call *c, const Mf__StoreOp *op);
static void submit(struct effect *e);
static void on_changed(const struct pg_reply *r, void *ctx);
static void on_recorded(const struct pg_reply *r, void *ctx);
static void reply_deleted(struct change *x, uint64_t version, bool repeated);

void
sql_update(struct call *c, const struct model *m, const Mf__StoreOp *op)
{
	struct change *x = change_new(c, m, op);

	if (x == NULL || (x->data = sql_data_of(c, op, DATA_BYTES)) == NULL)
		return;
	x->call = c;
	x->op = op;
	spill(c, m, op, true, x->data, &x->warnings, &x->spilled);
	take(x);
}

static void
take(struct change *x)
{
	struct complaints e = { .arena = call_arena(x->call) };
	char *patch;

	if (!intake_patch(call_arena(x->call), x->model, x->data, x->op->id, "", &patch, &e)) {
		sql_refuse(x->call, &e);
		return;
	}
	x->patch = patch;
	start(x, x->call, x->op);
}

void
sql_delete(struct call *c, const struct model *m, const Mf__StoreOp *op)
{
	struct change *x = change_new(c, m, op);

	if (x != NULL)
		start(x, c, op);
}

static struct change *
change_new(struct call *c, const struct model *m, const Mf__StoreOp *op)
{
	struct complaints e = { .arena = call_arena(c) };
	struct change *x = ARENA_NEW(call_arena(c), struct change);

	x->model = m;
	x->id = op->id;
	x->ns = op->namespace_;
	x->operation = sql_operation_of(c, op);
	x->version = arena_printf(call_arena(c), "%llu", (unsigned long long)op->if_version);
	if (intake_id(m, op->id, &e) && intake_namespace(&x->ns, &e))
		return x;
	sql_refuse(c, &e);
	return NULL;
}

static void
start(struct change *x, struct call *c, const Mf__StoreOp *op)
{
	int n = 0;

	x->params[n++] = x->operation;
	x->params[n++] = x->id;
	x->params[n++] = x->version;
	x->params[n++] = "false";
	if (x->patch != NULL)
		x->params[n++] = x->patch;
	if (x->model->namespaced)
		x->params[n++] = x->ns;
	x->statement =
	    (struct pg_statement){ x->patch != NULL ? text_update(x->model) : text_delete(x->model),
		    n, x->params };
	if (op->explain)
		sql_explain(c, "short", 1, &x->statement);
	else
		effect_start(&x->effect, c, op->mode_epoch, submit);
}

static void
submit(struct effect *e)
{
	struct change *x = (struct change *)e;

	spill_write(e->call, &x->spilled, sql_key(call_arena(e->call), x->model, x->id),
	    &x->statement, on_changed, x);
}

static void
on_changed(const struct pg_reply *r, void *ctx)
{
	struct change *x = ctx;
	struct call *c = x->effect.call;
	const char *outcome;
	struct row row;

	if (effect_unknown(&x->effect, r))
		return;
	if (!pg_ok(r)) {
		if (strcmp(pg_constraint(r), "operations_pkey") == 0 && !x->collided) {
			x->collided = true;
			effect_submit(&x->effect);
		} else {
			sql_fail_write(c, x->model, r);
		}
		return;
	}
	outcome = pg_value(r, 0, 0);
	/* It may have waited for a row that the first try of the same operation held, in a server
	 * whose node was killed: its snapshot was too old to see what that recorded. A second look
	 * has a newer one. */
	if (!x->collided && (strcmp(outcome, "conflict") == 0 || strcmp(outcome, "missing") == 0)) {
		x->collided = true;
		effect_submit(&x->effect);
	} else if (strcmp(outcome, "repeat") == 0) {
		pg_read(sql_pool(), c, text_recorded(x->model), 2,
		    (const char *[]){ x->operation, x->id }, on_recorded, x);
	} else if (strcmp(outcome, "conflict") == 0) {
		call_fail_because(c, ST_ABORTED, "VERSION_CONFLICT", 0,
		    "the %s has another version", x->model->name);
	} else if (strcmp(outcome, "missing") == 0) {
		call_fail(c, ST_NOT_FOUND, "there is no such %s", x->model->name);
	} else if (x->patch != NULL) {
		row_of_reply(r, 0, 1, x->model, &row);
		sql_reply_row_warned(c, &row, false, 1, &x->warnings);
	} else {
		reply_deleted(x, strtoull(pg_value(r, 0, 1), NULL, 10), false);
	}
}

static void
on_recorded(const struct pg_reply *r, void *ctx)
{
	struct change *x = ctx;
	struct row row;

	if (!pg_ok(r)) {
		pg_fail_call(x->effect.call, r);
	} else if (pg_rows(r) == 0 || pg_null(r, 0, 0) != (x->patch == NULL)) {
		call_fail(x->effect.call, ST_FAILED_PRECONDITION,
		    "the operation id belongs to another operation");
	} else if (x->patch == NULL) {
		reply_deleted(x, 0, x->effect.tries == 0);
	} else {
		row_of_reply(r, 0, 0, x->model, &row);
		sql_reply_row(x->effect.call, &row, x->effect.tries == 0, 1);
	}
}

static void
reply_deleted(struct change *x, uint64_t version, bool repeated)
{
	Mf__StoreResult m = MF__STORE_RESULT__INIT;

	m.version = version;
	m.rows_affected = 1;
	m.repeated = repeated;
	sql_reply_write(x->effect.call, &m);
}
