/* change: update and delete. One statement does all of it: looks up the operation, compares the
 * version, changes the row, records the operation. A repeat that meets the first one still under
 * way fails on the operation's key and runs again. */
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/log.h"
#include "database/sql/render.h"
#include "database/sql/store.h"
#include "database/sql/text.h"

struct change {
	struct effect effect; /* first */
	const struct model *model;
	const char *id, *ns, *operation, *version;
	const char *patch; /* NULL: a delete */
	bool collided;
};

static struct change *change_new(struct call *c, const struct model *m, const Mf__StoreOp *op);
static void submit(struct effect *e);
static void on_changed(const struct pg_reply *r, void *ctx);
static void on_recorded(const struct pg_reply *r, void *ctx);
static void reply_deleted(struct change *x, uint64_t version, bool repeated);

void
sql_update(struct call *c, const struct model *m, const Mf__StoreOp *op)
{
	struct complaints e = { .arena = call_arena(c) };
	struct change *x = change_new(c, m, op);
	json_t *data;
	char *patch;

	if (x == NULL || (data = sql_data_of(c, op, DATA_BYTES)) == NULL)
		return;
	if (!intake_patch(call_arena(c), m, data, op->id, "", &patch, &e)) {
		sql_refuse(c, &e);
		return;
	}
	x->patch = patch;
	effect_start(&x->effect, c, submit);
}

void
sql_delete(struct call *c, const struct model *m, const Mf__StoreOp *op)
{
	struct change *x = change_new(c, m, op);

	if (x != NULL)
		effect_start(&x->effect, c, submit);
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
submit(struct effect *e)
{
	struct change *x = (struct change *)e;
	const char *params[6];
	int n = 0;

	params[n++] = x->operation;
	params[n++] = x->id;
	params[n++] = x->version;
	params[n++] = "false";
	if (x->patch != NULL)
		params[n++] = x->patch;
	if (x->model->namespaced)
		params[n++] = x->ns;
	pg_write(sql_pool(), e->call, sql_key(call_arena(e->call), x->model, x->id), 1,
	    &(const struct pg_statement){
		x->patch != NULL ? text_update(x->model) : text_delete(x->model),
		n,
		params,
	    },
	    on_changed, x);
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
			submit(&x->effect);
		} else {
			sql_fail_write(c, x->model, r);
		}
		return;
	}
	outcome = pg_value(r, 0, 0);
	if (strcmp(outcome, "repeat") == 0) {
		pg_read(sql_pool(), c, text_recorded(x->model), 2,
		    (const char *[]){ x->operation, x->id }, on_recorded, x);
	} else if (strcmp(outcome, "conflict") == 0) {
		call_fail_because(c, ST_ABORTED, "VERSION_CONFLICT", 0,
		    "the %s has another version", x->model->name);
	} else if (strcmp(outcome, "missing") == 0) {
		call_fail(c, ST_NOT_FOUND, "there is no such %s", x->model->name);
	} else if (x->patch != NULL) {
		row_of_reply(r, 0, 1, x->model, &row);
		sql_reply_row(c, &row, false, 1);
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
	call_reply(x->effect.call, &m.base);
}
