/* create: one object, or many of which each stands for itself. The answer is made from what was
 * given: PostgreSQL only says whether the row is new. When it is not, the row that is there is the
 * answer (the same operation came before). */
#include <string.h>
#include "base/json.h"
#include "base/log.h"
#include "database/sql/render.h"
#include "database/sql/spill.h"
#include "database/sql/store.h"
#include "database/sql/text.h"

#define BULK_MOST 1000

struct bulk {
	struct call *call;
	size_t left;
	struct warnings warnings;
	Mf__StoreResult result;
};

struct creation {
	struct effect effect; /* first */
	struct call *call;
	const struct model *model;
	const Mf__StoreOp *op;
	json_t *data;
	struct warnings warnings;
	struct spilled spilled;
	struct row row;
	struct bulk *bulk; /* NULL: a CREATE of its own */
	Mf__StoreItem *item;
};

static const char id_taken[] = "the id is taken, or was until its object was deleted";

static void take(struct creation *x);
static void start(struct creation *x, struct call *c, const Mf__StoreOp *op);
static void submit(struct effect *e);
static void on_inserted(const struct pg_reply *r, void *ctx);
static void on_there(const struct pg_reply *r, void *ctx);
static void creation_end(struct creation *x, const struct row *row, bool repeated);
static void creation_fail(struct creation *x, const struct pg_reply *r);
static void item_refuse(struct arena *a, Mf__StoreItem *item, enum status s, const char *reason,
    const char *message, const struct complaints *e);
static void bulk_item_done(struct bulk *b);

void
sql_create(struct call *c, const struct model *m, const Mf__StoreOp *op)
{
	struct creation *x = ARENA_NEW(call_arena(c), struct creation);

	x->call = c;
	x->model = m;
	x->op = op;
	if ((x->data = sql_data_of(c, op, DATA_BYTES)) == NULL)
		return;
	spill(c, m, op, false, x->data, &x->warnings, &x->spilled);
	take(x);
}

static void
take(struct creation *x)
{
	struct call *c = x->call;
	const Mf__StoreOp *op = x->op;
	struct complaints e = { .arena = call_arena(c) };

	if (intake_create(call_arena(c), x->model, x->data,
		&(const struct intake_op){
		    .id = op->id,
		    .namespace = op->namespace_,
		    .actor = op->actor,
		    .now = sql_now(call_arena(c)),
		    .trace_id = op->trace_id,
		},
		"", &x->row, &e))
		start(x, c, op);
	else
		sql_refuse(c, &e);
}

static void
start(struct creation *x, struct call *c, const Mf__StoreOp *op)
{
	const struct model *m = x->row.model;

	if (op->explain)
		sql_explain_merged(c, text_insert(m), (int)m->n_fields, x->row.values);
	else
		effect_start(&x->effect, c, op->mode_epoch, submit);
}

static void
submit(struct effect *e)
{
	struct creation *x = (struct creation *)e;
	const struct model *m = x->row.model;
	const struct pg_statement one = { text_insert_absent(m), (int)m->n_fields, x->row.values };

	if (x->spilled.put.text != NULL)
		spill_write(e->call, &x->spilled, NULL, &one, on_inserted, x);
	else
		pg_insert(sql_pool(), e->call, sql_key(call_arena(e->call), m, x->row.values[0]),
		    text_insert(m), one.n, one.params, on_inserted, x);
}

static void
on_inserted(const struct pg_reply *r, void *ctx)
{
	struct creation *x = ctx;
	const struct model *m = x->row.model;

	if (effect_unknown(&x->effect, r))
		return;
	if (!pg_ok(r))
		creation_fail(x, r);
	else if (pg_rows(r) > 0)
		creation_end(x, &x->row, false);
	else
		pg_read(sql_pool(), x->effect.call, text_read(m), m->namespaced ? 2 : 1,
		    x->row.values, on_there, x);
}

/* text_read wants id and namespace: the first two fields of a namespaced model. */
static void
on_there(const struct pg_reply *r, void *ctx)
{
	struct creation *x = ctx;
	struct row row;

	if (!pg_ok(r)) {
		creation_fail(x, r);
	} else if (pg_rows(r) > 0) {
		row_of_reply(r, 0, 0, x->row.model, &row);
		/* Ours, if we tried before and nobody has changed it since: then it is no repeat. */
		creation_end(x, &row, x->effect.tries == 0 || row_version(&row) > 1);
	} else if (x->bulk != NULL) {
		item_refuse(call_arena(x->effect.call), x->item, ST_ALREADY_EXISTS, "ID_TAKEN",
		    id_taken, NULL);
		bulk_item_done(x->bulk);
	} else {
		call_fail_because(x->effect.call, ST_ALREADY_EXISTS, "ID_TAKEN", 0, "%s", id_taken);
	}
}

static void
creation_end(struct creation *x, const struct row *row, bool repeated)
{
	if (x->bulk == NULL) {
		sql_reply_row_warned(x->effect.call, row, repeated, repeated ? 0 : 1, &x->warnings);
		return;
	}
	x->item->data.data = render_alone(
	    call_arena(x->effect.call), row, &x->item->data.len); /* no room: version alone */
	x->item->version = row_version(row);
	x->item->repeated = repeated;
	x->bulk->result.rows_affected += !repeated;
	bulk_item_done(x->bulk);
}

static void
creation_fail(struct creation *x, const struct pg_reply *r)
{
	struct arena *a = call_arena(x->effect.call);
	enum status s = pg_status(r);

	if (x->bulk == NULL) {
		sql_fail_write(x->effect.call, x->row.model, r);
		return;
	}
	item_refuse(a, x->item, s, s == ST_UNAVAILABLE ? "STORE_DOWN" : status_name(s),
	    arena_strdup(a, pg_error(r)), NULL);
	bulk_item_done(x->bulk);
}

/* --- many --- */

void
sql_bulk_create(struct call *c, const struct model *m, const Mf__StoreOp *op)
{
	struct arena *a = call_arena(c);
	struct complaints e = { .arena = a };
	struct bulk *b = ARENA_NEW(a, struct bulk);
	json_t *data = sql_data_of(c, op, BULK_BYTES), *one;
	const char *now = sql_now(a);
	struct creation *x;
	size_t i;

	if (data == NULL)
		return;
	if (!json_is_array(data) || json_array_size(data) == 0 ||
	    json_array_size(data) > BULK_MOST) {
		complain(&e, "", "must be an array of 1 to %d objects", BULK_MOST);
		sql_refuse(c, &e);
		return;
	}
	b->call = c;
	b->left = json_array_size(data) + 1;
	mf__store_result__init(&b->result);
	b->result.n_items = json_array_size(data);
	b->result.items = ARENA_ARRAY(a, Mf__StoreItem *, b->result.n_items);
	x = ARENA_ARRAY(a, struct creation, b->result.n_items);
	json_array_foreach(data, i, one)
	{
		struct complaints wrong = { .arena = a };

		x[i].bulk = b;
		x[i].item = b->result.items[i] = ARENA_NEW(a, Mf__StoreItem);
		mf__store_item__init(x[i].item);
		spill(c, m, op, false, one, &b->warnings, &x[i].spilled);
		if (intake_create(a, m, one,
			&(const struct intake_op){
			    .id = "",
			    .namespace = op->namespace_,
			    .actor = op->actor,
			    .now = now,
			    .trace_id = op->trace_id,
			},
			complain_at(a, i), &x[i].row, &wrong)) {
			effect_start(&x[i].effect, c, op->mode_epoch, submit);
		} else {
			item_refuse(a, x[i].item, ST_INVALID_ARGUMENT, "VALIDATION",
			    "the object is not valid", &wrong);
			b->left--;
		}
	}
	bulk_item_done(b); /* the one more: all were started */
}

static void
bulk_item_done(struct bulk *b)
{
	if (--b->left > 0)
		return;
	b->result.n_warnings = b->warnings.n;
	b->result.warnings = b->warnings.list;
	sql_reply_write(b->call, &b->result);
}

static void
item_refuse(struct arena *a, Mf__StoreItem *item, enum status s, const char *reason,
    const char *message, const struct complaints *e)
{
	Mf__Problem *p = item->problem = ARENA_NEW(a, Mf__Problem);

	mf__problem__init(p);
	p->code = s;
	p->reason = (char *)(uintptr_t)reason;
	p->message = (char *)(uintptr_t)message;
	if (s == ST_UNAVAILABLE)
		p->retry_delay_ms = 1000;
	if (e == NULL)
		return;
	p->n_violations = e->n;
	p->violations = ARENA_ARRAY(a, Mf__Violation *, e->n + 1);
	for (size_t i = 0; i < e->n; i++) {
		p->violations[i] = ARENA_NEW(a, Mf__Violation);
		mf__violation__init(p->violations[i]);
		p->violations[i]->field = (char *)(uintptr_t)e->list[i].field;
		p->violations[i]->description = (char *)(uintptr_t)e->list[i].what;
	}
}
