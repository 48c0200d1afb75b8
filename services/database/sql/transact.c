/* transact: several changes, all or nothing, in one transaction of their own. Statements are
 * strict: a member that finds no row, or another version, ends it. Each member is idempotent by
 * "<operation>/<n>", and so is the whole. */
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/log.h"
#include "database/sql/render.h"
#include "database/sql/store.h"
#include "database/sql/text.h"

#define MEMBERS_MOST  100
#define MEMBER_PARAMS MODEL_FIELDS_MOST

struct member {
	const struct model *model;
	Mf__StoreOp__Kind kind;
	struct row row; /* CREATE */
	const char *id, *ns, *operation;
	const char *params[MEMBER_PARAMS];
};

struct transaction {
	struct effect effect; /* first */
	size_t n, left;
	struct member *members;
	struct pg_statement *statements;
	bool collided;
	Mf__StoreResult result;
};

struct lookup { /* of a member whose effect was there already */
	struct transaction *t;
	size_t i;
};

static bool member_read(
    struct transaction *t, struct call *c, size_t i, const Mf__StoreOp *op, struct complaints *e);
static bool member_change(struct transaction *t, struct call *c, size_t i, const Mf__StoreOp *op,
    const char *at, struct complaints *e);
static void submit(struct effect *e);
static void on_committed(const struct pg_reply *r, void *ctx);
static void member_done(struct transaction *t, size_t i, const struct pg_reply *r);
static void on_lookup(const struct pg_reply *r, void *ctx);
static void item_set(struct transaction *t, size_t i, const struct row *row);
static void maybe_reply(struct transaction *t);
static void refused(struct transaction *t, const struct pg_reply *r);

void
sql_transact(struct call *c, const Mf__StoreOp *op)
{
	struct arena *a = call_arena(c);
	struct complaints e = { .arena = a };
	struct transaction *t = ARENA_NEW(a, struct transaction);
	size_t bytes = 0;

	t->n = op->n_members;
	if (t->n == 0 || t->n > MEMBERS_MOST) {
		complain(&e, "members", "must be 1 to %d", MEMBERS_MOST);
		sql_refuse(c, &e);
		return;
	}
	t->members = ARENA_ARRAY(a, struct member, t->n);
	t->statements = ARENA_ARRAY(a, struct pg_statement, t->n);
	mf__store_result__init(&t->result);
	t->result.n_items = t->n;
	t->result.items = ARENA_ARRAY(a, Mf__StoreItem *, t->n);
	for (size_t i = 0; i < t->n; i++) {
		const char *operation = sql_operation_of(c, op);

		bytes += op->members[i]->data.len;
		t->result.items[i] = ARENA_NEW(a, Mf__StoreItem);
		mf__store_item__init(t->result.items[i]);
		t->members[i].operation =
		    operation != NULL ? arena_printf(a, "%s/%zu", operation, i) : NULL;
		if (bytes > DATA_BYTES)
			complain(&e, "members", "must have at most %u bytes of data", DATA_BYTES);
		if (e.n > 0 || !member_read(t, c, i, op->members[i], &e)) {
			sql_refuse(c, &e);
			return;
		}
	}
	effect_start(&t->effect, c, submit);
}

static bool
member_read(
    struct transaction *t, struct call *c, size_t i, const Mf__StoreOp *op, struct complaints *e)
{
	struct arena *a = call_arena(c);
	const char *at = arena_printf(a, "/%zu", i);
	struct member *m = &t->members[i];
	struct json_error je;
	json_t *data;
	bool ok;

	if ((m->model = model_find(op->model)) == NULL) {
		complain(e, arena_printf(a, "%s/model", at), "there is no such model");
		return false;
	}
	m->kind = op->kind;
	m->id = op->id;
	m->ns = op->namespace_;
	if (op->kind == MF__STORE_OP__KIND__UPDATE || op->kind == MF__STORE_OP__KIND__DELETE)
		return member_change(t, c, i, op, at, e);
	if (op->kind != MF__STORE_OP__KIND__CREATE) {
		complain(e, arena_printf(a, "%s/kind", at), "must be CREATE, UPDATE or DELETE");
		return false;
	}
	if ((data = json_read(op->data.data, op->data.len, &je)) == NULL) {
		complain(e, at, "%s", je.what);
		return false;
	}
	ok = intake_create(a, m->model, data,
	    &(const struct intake_op){
		.id = op->id,
		.namespace = op->namespace_,
		.actor = op->actor,
		.now = sql_now(a),
	    },
	    at, &m->row, e);
	json_decref(data);
	memcpy(m->params, m->row.values, sizeof(m->row.values));
	t->statements[i] =
	    (struct pg_statement){ text_insert_one(m->model), (int)m->model->n_fields, m->params };
	return ok;
}

static bool
member_change(struct transaction *t, struct call *c, size_t i, const Mf__StoreOp *op,
    const char *at, struct complaints *e)
{
	struct arena *a = call_arena(c);
	struct member *m = &t->members[i];
	bool update = op->kind == MF__STORE_OP__KIND__UPDATE, ok;
	struct json_error je;
	json_t *data;
	char *patch;
	int n = 0;

	if (!intake_id(m->model, op->id, arena_printf(a, "%s/id", at), e) ||
	    !intake_namespace(&m->ns, e))
		return false;
	m->params[n++] = m->operation;
	m->params[n++] = op->id;
	m->params[n++] = arena_printf(a, "%llu", (unsigned long long)op->if_version);
	m->params[n++] = "true";
	if (update) {
		if ((data = json_read(op->data.data, op->data.len, &je)) == NULL) {
			complain(e, at, "%s", je.what);
			return false;
		}
		ok = intake_patch(a, m->model, data, op->id, at, &patch, e);
		json_decref(data);
		if (!ok)
			return false;
		m->params[n++] = patch;
	}
	if (m->model->namespaced)
		m->params[n++] = m->ns;
	t->statements[i] =
	    (struct pg_statement){ update ? text_update(m->model) : text_delete(m->model), n,
		    m->params };
	return true;
}

static void
submit(struct effect *e)
{
	struct transaction *t = (struct transaction *)e;

	pg_write(sql_pool(), e->call, NULL, t->n, t->statements, on_committed, t);
}

static void
on_committed(const struct pg_reply *r, void *ctx)
{
	struct transaction *t = ctx;

	if (effect_unknown(&t->effect, r))
		return;
	if (!pg_ok(r)) {
		if (strcmp(pg_constraint(r), "operations_pkey") == 0 && !t->collided) {
			t->collided = true;
			submit(&t->effect);
		} else {
			refused(t, r);
		}
		return;
	}
	t->left = t->n + 1;
	for (size_t i = 0; i < t->n; i++)
		member_done(t, i, pg_reply_at(r, i));
	maybe_reply(t);
}

static void
member_done(struct transaction *t, size_t i, const struct pg_reply *r)
{
	struct member *m = &t->members[i];
	struct lookup *x;
	struct row row;

	if (m->kind == MF__STORE_OP__KIND__CREATE && pg_rows(r) > 0) {
		item_set(t, i, &m->row);
		t->result.rows_affected++;
	} else if (m->kind != MF__STORE_OP__KIND__CREATE &&
		   strcmp(pg_value(r, 0, 0), "done") == 0) {
		if (m->kind == MF__STORE_OP__KIND__UPDATE) {
			row_of_reply(r, 0, 1, m->model, &row);
			item_set(t, i, &row);
		} else {
			t->left--;
		}
		t->result.rows_affected++;
	} else if (m->kind == MF__STORE_OP__KIND__DELETE) {
		t->result.repeated = t->result.items[i]->repeated = t->effect.tries == 0;
		t->left--;
	} else {
		t->result.repeated = t->result.items[i]->repeated = t->effect.tries == 0;
		x = ARENA_NEW(call_arena(t->effect.call), struct lookup);
		*x = (struct lookup){ t, i };
		if (m->kind == MF__STORE_OP__KIND__UPDATE)
			pg_read(sql_pool(), t->effect.call, text_recorded(m->model), 2,
			    (const char *[]){ m->operation, m->id }, on_lookup, x);
		else
			pg_read(sql_pool(), t->effect.call, text_read(m->model),
			    m->model->namespaced ? 2 : 1, m->row.values, on_lookup, x);
	}
}

static void
on_lookup(const struct pg_reply *r, void *ctx)
{
	struct lookup *x = ctx;
	struct row row;

	if (!pg_ok(r)) {
		pg_fail_call(x->t->effect.call, r);
		return;
	}
	if (pg_rows(r) > 0 && !pg_null(r, 0, 0)) {
		row_of_reply(r, 0, 0, x->t->members[x->i].model, &row);
		item_set(x->t, x->i, &row);
	} else if (x->t->members[x->i].kind == MF__STORE_OP__KIND__UPDATE) {
		call_fail(x->t->effect.call, ST_FAILED_PRECONDITION,
		    "/%zu: the operation id belongs to another operation", x->i);
		return;
	} else {
		x->t->left--;
	}
	maybe_reply(x->t);
}

static void
item_set(struct transaction *t, size_t i, const struct row *row)
{
	Mf__StoreItem *item = t->result.items[i];

	item->data.data = render_alone(
	    call_arena(t->effect.call), row, &item->data.len); /* no room: version alone */
	item->version = row_version(row);
	t->left--;
}

/* One more than members is left until all of them were looked at. */
static void
maybe_reply(struct transaction *t)
{
	if (t->left == 1)
		call_reply(t->effect.call, &t->result.base);
}

static void
refused(struct transaction *t, const struct pg_reply *r)
{
	size_t i = pg_failed_at(r);

	if (strcmp(pg_sqlstate(r), "MF409") == 0)
		call_fail_because(t->effect.call, ST_ABORTED, "VERSION_CONFLICT", 0,
		    "/%zu: the %s has another version", i, t->members[i].model->name);
	else if (strcmp(pg_sqlstate(r), "MF404") == 0)
		call_fail(t->effect.call, ST_NOT_FOUND, "/%zu: there is no such %s", i,
		    t->members[i].model->name);
	else
		sql_fail_write(t->effect.call, t->members[i < t->n ? i : 0].model, r);
}
