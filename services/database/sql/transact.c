/* transact: several changes, all or nothing, in one transaction of their own. Statements are
 * strict: a member that is not done, whatever the reason, ends it.
 *
 * The first statement takes the operation id, together with a hash of what the transaction does: a
 * second one under this id fails there, and then the same hash means that it is a repeat. Each
 * member records its result under "<operation>/<n>", which is what a repeat answers. Before it, in
 * a two-phase commit, goes the decision: it commits with the rest, or the transaction was given up
 * (decide.c). */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/step.h"
#include "base/str.h"
#include "database/sql/decide.h"
#include "database/sql/render.h"
#include "database/sql/spill.h"
#include "database/sql/store.h"
#include "database/sql/text.h"

#define MEMBERS_MOST  100
#define MEMBER_PARAMS (MODEL_FIELDS_MOST + 1)
#define LEAD_MOST     2 /* statements: the decision, the operation id */
#define HASH_BYTES    16

struct member {
	const struct model *model;
	Mf__StoreOp__Kind kind;
	bool if_absent;
	struct row row; /* CREATE */
	const char *id, *ns, *operation;
	const char *params[MEMBER_PARAMS];
};

struct transaction {
	struct effect effect; /* first */
	size_t n, left;
	const char *taking[2]; /* params of text_transaction: the operation id or NULL, the hash */
	const char *decides;   /* id of the two-phase commit; NULL: it is none */
	bool committed, given_up; /* ... before this try */
	size_t lead;              /* statements before the members' */
	enum pg_isolation isolation;
	struct member *members;
	/* the decision, text_transaction, then the members', then the blobs that they refer to */
	struct pg_statement *statements;
	size_t n_blobs;
	struct warnings warnings;
	Mf__StoreResult result;
};

struct lookup { /* of a member whose object the commit did not answer */
	struct transaction *t;
	size_t i;
};

static bool isolation_of(const char *word, enum pg_isolation *out);
static struct transaction *transaction_read(struct call *c, const Mf__StoreOp *op);
static bool members_read(struct transaction *t, struct call *c, const Mf__StoreOp *op);
static bool member_read(
    struct transaction *t, struct call *c, size_t i, const Mf__StoreOp *op, struct complaints *e);
static void
member_spill(struct transaction *t, struct call *c, size_t i, const Mf__StoreOp *op, json_t *data);
static bool member_change(struct transaction *t, struct call *c, size_t i, const Mf__StoreOp *op,
    const char *at, struct complaints *e);
static bool member_create(struct transaction *t, struct call *c, size_t i, const Mf__StoreOp *op,
    const char *at, struct complaints *e);
static void lead_with(struct transaction *t, const char *text, int n, const char *const *params);
static const char *
hash_of(struct arena *a, const struct transaction *t, const ProtobufCBinaryData *rest);
static void submit(struct effect *e);
static void on_committed(const struct pg_reply *r, void *ctx);
static void on_decided(enum decision d, void *ctx);
static void fail_given_up(struct transaction *t);
static void ask_same(struct transaction *t);
static void on_same(const struct pg_reply *r, void *ctx);
static void member_done(struct transaction *t, size_t i, const struct pg_reply *r);
static void member_repeated(struct transaction *t, size_t i);
static void look_up(struct transaction *t, size_t i, const char *text, int n, const char **params);
static void on_lookup(const struct pg_reply *r, void *ctx);
static void item_set(struct transaction *t, size_t i, const struct row *row);
static void maybe_reply(struct transaction *t);
static void refused(struct transaction *t, const struct pg_reply *r);

void
sql_transact(struct call *c, const Mf__StoreOp *op)
{
	struct transaction *t = transaction_read(c, op);

	if (t == NULL)
		return;
	if (t->taking[0] != NULL)
		lead_with(t, text_transaction, 2, t->taking);
	if (t->decides != NULL)
		lead_with(t, text_decision, 1, &t->decides);
	if (op->explain)
		sql_explain(
		    c, "short", t->lead + t->n + t->n_blobs, t->statements + LEAD_MOST - t->lead);
	else
		effect_start(&t->effect, c, op->mode_epoch, submit);
}

const char *
sql_transaction_hash(struct call *c, const Mf__StoreOp *op)
{
	struct transaction *t = transaction_read(c, op);

	return t != NULL ? t->taking[1] : NULL;
}

/* NULL: refused, the call has ended. */
static struct transaction *
transaction_read(struct call *c, const Mf__StoreOp *op)
{
	struct arena *a = call_arena(c);
	struct complaints e = { .arena = a };
	struct transaction *t = ARENA_NEW(a, struct transaction);

	t->n = op->n_members;
	t->decides = op->transaction[0] != '\0' ? op->transaction : NULL;
	if (t->decides != NULL && !uuid_ok(t->decides))
		complain(&e, "transaction", "must be a UUID in lower case");
	else if ((t->n == 0 && t->decides == NULL) || t->n > MEMBERS_MOST)
		complain(&e, "members", "must be 1 to %d", MEMBERS_MOST);
	if (!isolation_of(op->isolation, &t->isolation))
		complain(
		    &e, "isolation", "must be read_committed, repeatable_read or serializable");
	if (e.n > 0) {
		sql_refuse(c, &e);
		return NULL;
	}
	t->members = ARENA_ARRAY(a, struct member, t->n + 1);
	t->statements = ARENA_ARRAY(a, struct pg_statement, 2 * t->n + LEAD_MOST);
	mf__store_result__init(&t->result);
	t->result.n_items = t->n;
	t->result.items = ARENA_ARRAY(a, Mf__StoreItem *, t->n + 1);
	t->taking[0] = sql_operation_of(c, op);
	if (!members_read(t, c, op))
		return NULL;
	t->taking[1] = hash_of(a, t, &op->data);
	return t;
}

static bool
isolation_of(const char *word, enum pg_isolation *out)
{
	static const char *const words[] = { [PG_READ_COMMITTED] = "read_committed",
		[PG_REPEATABLE_READ] = "repeatable_read",
		[PG_SERIALIZABLE] = "serializable" };

	*out = PG_READ_COMMITTED;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i]) == 0) {
			*out = (enum pg_isolation)i;
			return true;
		}
	return *word == '\0';
}

/* The last one that is added comes first. */
static void
lead_with(struct transaction *t, const char *text, int n, const char *const *params)
{
	t->statements[LEAD_MOST - ++t->lead] = (struct pg_statement){ text, n, params };
}

static bool
members_read(struct transaction *t, struct call *c, const Mf__StoreOp *op)
{
	struct arena *a = call_arena(c);
	struct complaints e = { .arena = a };
	size_t bytes = 0;

	for (size_t i = 0; i < t->n; i++) {
		bytes += op->members[i]->data.len;
		t->result.items[i] = ARENA_NEW(a, Mf__StoreItem);
		mf__store_item__init(t->result.items[i]);
		if (t->taking[0] != NULL)
			t->members[i].operation = arena_printf(a, "%s/%zu", t->taking[0], i);
		if (bytes > DATA_BYTES)
			complain(&e, "members", "must have at most %u bytes of data", DATA_BYTES);
		if (e.n > 0 || !member_read(t, c, i, op->members[i], &e)) {
			sql_refuse(c, &e);
			return false;
		}
	}
	return true;
}

static bool
member_read(
    struct transaction *t, struct call *c, size_t i, const Mf__StoreOp *op, struct complaints *e)
{
	struct arena *a = call_arena(c);
	const char *at = complain_at(a, i);
	struct member *m = &t->members[i];

	if ((m->model = model_find(op->model)) == NULL) {
		complain(e, arena_printf(a, "%s/model", at), "there is no such model");
		return false;
	}
	m->kind = op->kind;
	m->if_absent = op->if_absent;
	m->id = op->id;
	m->ns = op->namespace_;
	if (op->kind == MF__STORE_OP__KIND__UPDATE || op->kind == MF__STORE_OP__KIND__DELETE)
		return member_change(t, c, i, op, at, e);
	if (op->kind == MF__STORE_OP__KIND__CREATE)
		return member_create(t, c, i, op, at, e);
	complain(e, arena_printf(a, "%s/kind", at), "must be CREATE, UPDATE or DELETE");
	return false;
}

static void
member_spill(struct transaction *t, struct call *c, size_t i, const Mf__StoreOp *op, json_t *data)
{
	struct spilled *s = ARENA_NEW(call_arena(c), struct spilled);

	spill(c, t->members[i].model, op, op->kind == MF__STORE_OP__KIND__UPDATE, data,
	    &t->warnings, s);
	if (s->put.text != NULL)
		t->statements[LEAD_MOST + t->n + t->n_blobs++] = s->put;
}

static bool
member_create(struct transaction *t, struct call *c, size_t i, const Mf__StoreOp *op,
    const char *at, struct complaints *e)
{
	struct arena *a = call_arena(c);
	struct member *m = &t->members[i];
	struct json_error je;
	json_t *data = json_read(op->data.data, op->data.len, &je);
	int n = (int)m->model->n_fields;
	bool ok;

	if (data == NULL) {
		complain(e, at, "%s", je.what);
		return false;
	}
	member_spill(t, c, i, op, data);
	ok = intake_create(a, m->model, data,
	    &(const struct intake_op){
		.id = op->id,
		.namespace = op->namespace_,
		.actor = op->actor,
		.now = sql_now(a),
		.trace_id = op->trace_id,
	    },
	    at, &m->row, e);
	json_decref(data);
	m->id = m->row.values[0];
	m->params[0] = m->operation;
	memcpy(m->params + 1, m->row.values, sizeof(m->row.values));
	t->statements[i + LEAD_MOST] =
	    m->if_absent ? (struct pg_statement){ text_insert_absent(m->model), n, m->row.values }
			 : (struct pg_statement){ text_insert_strict(m->model), n + 1, m->params };
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

	e->at = at;
	if (!intake_id(m->model, op->id, e) || !intake_namespace(&m->ns, e))
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
		member_spill(t, c, i, op, data);
		ok = intake_patch(a, m->model, data, op->id, at, &patch, e);
		json_decref(data);
		if (!ok)
			return false;
		m->params[n++] = patch;
	}
	if (m->model->namespaced)
		m->params[n++] = m->ns;
	t->statements[i + LEAD_MOST] =
	    (struct pg_statement){ update ? text_update(m->model) : text_delete(m->model), n,
		    m->params };
	return true;
}

/* What was asked for, without the times that are made here; `rest` stands for the members that
 * another store has. */
static const char *
hash_of(struct arena *a, const struct transaction *t, const ProtobufCBinaryData *rest)
{
	crypto_generichash_state h;
	uint8_t sum[HASH_BYTES];
	char *hex = arena_alloc(a, 2 * HASH_BYTES + 1);

	crypto_generichash_init(&h, NULL, 0, HASH_BYTES);
	for (size_t i = 0; i < t->n; i++) {
		const struct member *m = &t->members[i];
		bool create = m->kind == MF__STORE_OP__KIND__CREATE;
		size_t from = create ? 0 : 1, to = create ? m->model->n_fields - 2 : MEMBER_PARAMS;
		const char *const *values = create ? m->row.values : m->params;
		const uint8_t head[] = { (uint8_t)m->kind, m->if_absent };

		crypto_generichash_update(&h, head, sizeof(head));
		crypto_generichash_update(
		    &h, (const uint8_t *)m->model->name, strlen(m->model->name) + 1);
		for (size_t j = from; j < to; j++) {
			const char *v = values[j] != NULL ? values[j] : "\xff"; /* not in UTF-8 */

			if (create && strcmp(m->model->fields[j].name, "trace_id") == 0)
				continue; /* of when, not of what */
			crypto_generichash_update(&h, (const uint8_t *)v, strlen(v) + 1);
		}
	}
	if (t->decides != NULL)
		crypto_generichash_update(&h, rest->data, rest->len);
	crypto_generichash_final(&h, sum, HASH_BYTES);
	str_hex(sum, HASH_BYTES, hex);
	return hex;
}

static void
submit(struct effect *e)
{
	struct transaction *t = (struct transaction *)e;

	STEP("sql.transact.checked");
	pg_write_isolated(sql_pool(), e->call, t->isolation, t->lead + t->n + t->n_blobs,
	    t->statements + LEAD_MOST - t->lead, on_committed, t);
	STEP("sql.transact.sent");
}

static void
on_committed(const struct pg_reply *r, void *ctx)
{
	struct transaction *t = ctx;

	if (effect_unknown(&t->effect, r))
		return;
	if (!pg_ok(r)) {
		if (pg_status(r) != ST_ALREADY_EXISTS || pg_failed_at(r) >= t->lead)
			refused(t, r);
		else if (t->decides != NULL && pg_failed_at(r) == 0)
			decision_of(t->effect.call, t->decides, on_decided, t);
		else
			ask_same(t);
		return;
	}
	STEP("sql.transact.durable");
	t->left = t->n + 1;
	for (size_t i = 0; i < t->n; i++)
		member_done(t, i, pg_reply_at(r, i + t->lead));
	maybe_reply(t);
}

/* Decided already: the answer of our commit was lost, to us or to who asked us, or it was given up. */
static void
on_decided(enum decision d, void *ctx)
{
	struct transaction *t = ctx;

	t->committed = d == DECIDED_COMMIT;
	t->given_up = !t->committed;
	if (t->taking[0] != NULL)
		ask_same(t); /* this attempt has done it, or one before that was given up */
	else if (t->given_up)
		fail_given_up(t);
	else
		call_fail(t->effect.call, ST_ALREADY_EXISTS, "the transaction was committed");
}

static void
member_done(struct transaction *t, size_t i, const struct pg_reply *r)
{
	struct member *m = &t->members[i];
	struct row row;

	t->result.rows_affected++;
	if (m->kind == MF__STORE_OP__KIND__DELETE) {
		t->left--;
	} else if (m->kind == MF__STORE_OP__KIND__UPDATE) {
		row_of_reply(r, 0, 1, m->model, &row);
		item_set(t, i, &row);
	} else if (pg_rows(r) > 0) {
		item_set(t, i, &m->row);
	} else { /* if_absent, and it is not */
		t->result.rows_affected--;
		t->result.items[i]->repeated = true;
		look_up(t, i, text_read(m->model), m->model->namespaced ? 2 : 1, m->row.values);
	}
}

/* --- the operation id is taken: by the same transaction? --- */

static void
fail_given_up(struct transaction *t)
{
	call_fail_because(t->effect.call, ST_ABORTED, "GIVEN_UP", 10,
	    "the transaction was given up before it could commit");
}

static void
ask_same(struct transaction *t)
{
	pg_read(sql_pool(), t->effect.call, text_transaction_same, 2, t->taking, on_same, t);
}

static void
on_same(const struct pg_reply *r, void *ctx)
{
	struct transaction *t = ctx;
	/* the commit's answer was lost, that is all */
	bool ours = !t->given_up && (t->effect.tries > 0 || t->committed);

	if (!pg_ok(r)) {
		pg_fail_call(t->effect.call, r);
		return;
	}
	if (pg_rows(r) == 0 && t->given_up) {
		fail_given_up(t);
		return;
	}
	if (pg_rows(r) == 0) {
		call_fail_because(t->effect.call, ST_ALREADY_EXISTS, "OPERATION_TAKEN", 0,
		    "the operation id belongs to another operation");
		return;
	}
	t->result.repeated = !ours;
	t->result.rows_affected = ours ? t->n : 0;
	t->left = t->n + 1;
	for (size_t i = 0; i < t->n; i++) {
		t->result.items[i]->repeated = !ours;
		member_repeated(t, i);
	}
	maybe_reply(t);
}

static void
member_repeated(struct transaction *t, size_t i)
{
	struct member *m = &t->members[i];

	if (m->kind == MF__STORE_OP__KIND__DELETE)
		t->left--;
	else if (m->if_absent)
		look_up(t, i, text_read(m->model), m->model->namespaced ? 2 : 1, m->row.values);
	else
		look_up(t, i, text_recorded(m->model), 2, (const char *[]){ m->operation, m->id });
}

static void
look_up(struct transaction *t, size_t i, const char *text, int n, const char **params)
{
	struct lookup *x = ARENA_NEW(call_arena(t->effect.call), struct lookup);

	*x = (struct lookup){ t, i };
	pg_read(sql_pool(), t->effect.call, text, n, params, on_lookup, x);
}

/* What was created if_absent may have gone since: then there is no object to answer. */
static void
on_lookup(const struct pg_reply *r, void *ctx)
{
	struct lookup *x = ctx;
	struct row row;

	if (!pg_ok(r)) {
		pg_fail_call(x->t->effect.call, r);
		return;
	}
	if (pg_rows(r) > 0) {
		row_of_reply(r, 0, 0, x->t->members[x->i].model, &row);
		item_set(x->t, x->i, &row);
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
	if (t->left != 1)
		return;
	t->result.n_warnings = t->warnings.n;
	t->result.warnings = t->warnings.list;
	sql_reply_write(t->effect.call, &t->result);
}

static void
refused(struct transaction *t, const struct pg_reply *r)
{
	size_t i = pg_failed_at(r) - t->lead;
	const struct member *m = &t->members[i < t->n ? i : 0];
	struct call *c = t->effect.call;

	if (strcmp(pg_sqlstate(r), "MF409") == 0)
		call_fail_because(c, ST_ABORTED, "VERSION_CONFLICT", 0,
		    "/%zu: the %s has another version", i, m->model->name);
	else if (strcmp(pg_sqlstate(r), "MF404") == 0)
		call_fail(c, ST_NOT_FOUND, "/%zu: there is no such %s", i, m->model->name);
	else if (strcmp(pg_sqlstate(r), "MF410") == 0)
		call_fail_because(c, ST_ALREADY_EXISTS, "OPERATION_TAKEN", 0,
		    "/%zu: the operation id belongs to another operation", i);
	else if (strcmp(pg_sqlstate(r), "MF411") == 0)
		call_fail_because(c, ST_ALREADY_EXISTS, "ALREADY_EXISTS", 0,
		    "/%zu: the id was that of a %s that has been deleted", i, m->model->name);
	else if (pg_status(r) == ST_ALREADY_EXISTS)
		call_fail_because(c, ST_ALREADY_EXISTS, "ALREADY_EXISTS", 0,
		    "/%zu: there is a %s with the same %s already", i, m->model->name,
		    model_unique(m->model, pg_constraint(r)));
	else
		pg_fail_call(c, r);
}
