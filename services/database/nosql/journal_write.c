/* journal_write: an operation becomes entries of the journal: one, or of BULK and BULK_CREATE one for
 * each member. An entry is made from what the journal says its objects are, and appended only if they
 * still are that (compare and set on their versions); who loses looks again. */
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/step.h"
#include "base/str.h"
#include "base/time.h"
#include "database/nosql/journal_int.h"
#include "database/sql/replay.h"
#include "database/sql/spill.h"
#include "database/sql/store.h"

#define TRIES        8 /* an entry that keeps losing against others gives up */
#define MEMBERS_MOST 1000

struct entry;

struct writing {
	struct call *c;
	const Mf__JournalWrite *q;
	const char *now, *stamp, *epoch, *entries_most, *bytes_most;
	size_t left; /* entries whose outcome is not known yet */
	bool many;   /* each member has its own outcome */
	struct warnings warnings;
	Mf__StoreResult result;
};

struct entry {
	struct writing *w;
	size_t n;
	struct change *changes;
	Mf__StoreItem **items; /* outcomes of the changes */
	const char *tx, *hash; /* TRANSACTION: its operation id, NULL: none; what it does */
	bool strict;
	unsigned tries;
};

static bool write_one(struct writing *, const Mf__StoreOp *);
static bool write_transaction(struct writing *, const Mf__StoreOp *);
static bool write_members(struct writing *, const Mf__StoreOp *);
static bool write_bulk_create(struct writing *, const Mf__StoreOp *);
static struct entry *entry_new(struct writing *, size_t);
static bool set_change(struct entry *, size_t, const Mf__StoreOp *, const char *, size_t);
static bool fits(struct entry *, const Mf__StoreOp *, bool, json_t *);
static void entry_start(struct entry *);
static void look(struct entry *);
static void on_looked(const struct redis_reply *, void *);
static bool was_done(struct entry *, const struct redis_reply *);
static bool repeat(struct entry *, size_t, const struct redis_reply *);
static void append(struct entry *);
static const char *entry_text(struct entry *);
static void on_appended(const struct redis_reply *, void *);
static void entry_fail(struct entry *, const struct failure *);
static void entry_done(struct entry *);
static void item_set(struct entry *, size_t, const struct state *, bool);
static void refuse(struct entry *, const struct complaints *);

void
journal_write(
    Mf__Journal_Service *s, const Mf__JournalWrite *q, Mf__StoreResult_Closure reply, void *ctx)
{
	struct arena *a = call_arena(ctx);
	struct writing *w = ARENA_NEW(a, struct writing);
	const Mf__StoreOp *op = q->op;
	bool going;

	(void)s, (void)reply;
	w->c = ctx;
	w->q = q;
	w->now = sql_now(a);
	w->stamp = arena_printf(a, "%" PRId64, time_wall_us());
	w->epoch = arena_printf(a, "%" PRIu64, q->epoch);
	w->entries_most = arena_printf(a, "%" PRId64, journal_limits()->entries);
	w->bytes_most = arena_printf(a, "%" PRId64, journal_limits()->bytes);
	w->left = 1; /* this one: until all were started */
	mf__store_result__init(&w->result);
	if (op == NULL) {
		call_fail(w->c, ST_INVALID_ARGUMENT, "op: is missing");
		return;
	}
	if (op->kind == MF__STORE_OP__KIND__TRANSACTION)
		going = write_transaction(w, op);
	else if (op->kind == MF__STORE_OP__KIND__BULK)
		going = write_members(w, op);
	else if (op->kind == MF__STORE_OP__KIND__BULK_CREATE)
		going = write_bulk_create(w, op);
	else
		going = write_one(w, op);
	if (going && --w->left == 0)
		call_reply(w->c, &w->result.base);
}

/* False: the call has failed. */
static bool
write_one(struct writing *w, const Mf__StoreOp *op)
{
	struct entry *e = entry_new(w, 1);

	w->result.n_items = 0; /* the item is the result: item_set */
	if (!set_change(e, 0, op, sql_operation_of(w->c, op), 0))
		return false;
	entry_start(e);
	return true;
}

static bool
write_transaction(struct writing *w, const Mf__StoreOp *op)
{
	struct entry *e;
	const char *hash = sql_transaction_hash(w->c, op);

	if (hash == NULL)
		return false;
	e = entry_new(w, op->n_members);
	e->hash = hash;
	e->tx = sql_operation_of(w->c, op);
	e->strict = true;
	w->result.items = e->items;
	w->result.n_items = e->n;
	for (size_t i = 0; i < e->n; i++) {
		const char *id =
		    e->tx != NULL ? arena_printf(call_arena(w->c), "%s/%zu", e->tx, i) : NULL;

		if (!set_change(e, i, op->members[i], id, i))
			return false;
	}
	entry_start(e);
	return true;
}

static bool
members_room(struct writing *w, size_t n)
{
	if (n == 0 || n > MEMBERS_MOST) {
		call_fail(w->c, ST_INVALID_ARGUMENT, "members: must be 1 to %d", MEMBERS_MOST);
		return false;
	}
	w->many = true;
	w->result.n_items = n;
	w->result.items = ARENA_ARRAY(call_arena(w->c), Mf__StoreItem *, n);
	return true;
}

static bool
write_members(struct writing *w, const Mf__StoreOp *op)
{
	const char *all = sql_operation_of(w->c, op);

	if (!members_room(w, op->n_members))
		return false;
	for (size_t i = 0; i < op->n_members; i++) {
		const Mf__StoreOp *m = op->members[i];
		struct entry *e = entry_new(w, 1);
		const char *id = m->operation_id[0] != '\0' ? m->operation_id
		                 : all != NULL ? arena_printf(call_arena(w->c), "%s/%zu", all, i)
		                               : NULL;

		w->result.items[i] = e->items[0];
		if (set_change(e, 0, m, id, i))
			entry_start(e);
	}
	return true;
}

static bool
write_bulk_create(struct writing *w, const Mf__StoreOp *op)
{
	struct arena *a = call_arena(w->c);
	json_t *data = sql_data_of(w->c, op, BULK_BYTES), *one;
	size_t i;

	if (data == NULL)
		return false;
	if (!json_is_array(data)) {
		call_fail(w->c, ST_INVALID_ARGUMENT, "data: must be an array");
		return false;
	}
	if (!members_room(w, json_array_size(data)))
		return false;
	json_array_foreach(data, i, one)
	{
		struct entry *e = entry_new(w, 1);
		struct complaints wrong = { .arena = a };
		struct change *x = &e->changes[0];

		w->result.items[i] = e->items[0];
		*x = (struct change){ .kind = MF__STORE_OP__KIND__CREATE,
			.op = op,
			.ids_from_ms = w->q->ids_from_ms,
			.id = "",
			.ns = op->namespace_ };
		if (!fits(e, op, false, one))
			continue;
		if (change_read(a, x, one, complain_at(a, i), w->now, &wrong))
			entry_start(e);
		else
			refuse(e, &wrong);
	}
	return true;
}

/* --- an entry --- */

static struct entry *
entry_new(struct writing *w, size_t n)
{
	struct arena *a = call_arena(w->c);
	struct entry *e = ARENA_NEW(a, struct entry);

	e->w = w;
	e->n = n;
	e->changes = ARENA_ARRAY(a, struct change, n);
	e->items = ARENA_ARRAY(a, Mf__StoreItem *, n);
	for (size_t i = 0; i < n; i++)
		mf__store_item__init(e->items[i] = ARENA_NEW(a, Mf__StoreItem));
	w->left++;
	return e;
}

/* False: refused. `base`: its place among those of the caller. */
static bool
set_change(struct entry *e, size_t i, const Mf__StoreOp *op, const char *operation, size_t base)
{
	struct writing *w = e->w;
	struct arena *a = call_arena(w->c);
	struct complaints wrong = { .arena = a };
	struct change *x = &e->changes[i];
	struct json_error je;
	json_t *data = NULL;
	bool ok, one = e->n == 1 && !w->many && !e->strict;
	const char *at = one ? "" : complain_at(a, base);

	*x = (struct change){ .kind = op->kind,
		.op = op,
		.ids_from_ms = w->q->ids_from_ms,
		.id = op->id,
		.ns = op->namespace_,
		.operation = operation,
		.base = base < w->q->n_bases ? w->q->bases[base] : NULL };
	if (strcmp(op->model, "task") != 0 ||
	    (op->kind != MF__STORE_OP__KIND__CREATE && op->kind != MF__STORE_OP__KIND__UPDATE &&
		op->kind != MF__STORE_OP__KIND__DELETE)) {
		complain(&wrong, arena_printf(a, "%s/kind", at),
		    "the journal takes CREATE, UPDATE and DELETE of tasks");
		refuse(e, &wrong);
		return false;
	}
	if (op->kind != MF__STORE_OP__KIND__DELETE) {
		if (op->data.len <= DATA_BYTES)
			data = json_read(op->data.data, op->data.len, &je);
		if (data == NULL)
			complain(
			    &wrong, at, "%s", op->data.len > DATA_BYTES ? "is too large" : je.what);
	}
	if (data != NULL && !fits(e, op, op->kind == MF__STORE_OP__KIND__UPDATE, data)) {
		json_decref(data);
		return false;
	}
	ok = wrong.n == 0 && change_read(a, x, data, at, w->now, &wrong);
	json_decref(data);
	if (!ok)
		refuse(e, &wrong);
	return ok;
}

/* False: refused. A payload that PostgreSQL would keep as a blob is more than may wait for it. */
static bool
fits(struct entry *e, const Mf__StoreOp *op, bool patch, json_t *data)
{
	struct spilled s = { .put = { .text = NULL } };

	spill(e->w->c, model_find("task"), op, patch, data, &e->w->warnings, &s);
	e->w->result.n_warnings = e->w->warnings.n;
	e->w->result.warnings = e->w->warnings.list;
	if (s.put.text == NULL)
		return true;
	entry_fail(
	    e, &(const struct failure){ .status = ST_UNAVAILABLE,
		   .reason = "STORE_DOWN",
		   .retry_ms = 1000,
		   .message =
		       "PostgreSQL is not available, and so large a payload can't wait for it" });
	return false;
}

/* A create of its own is mostly new: tried at once. */
static void
entry_start(struct entry *e)
{
	struct state none = { .known = false };
	struct failure why;

	if (e->n == 1 && !e->strict && e->changes[0].kind == MF__STORE_OP__KIND__CREATE &&
	    change_apply(call_arena(e->w->c), &e->changes[0], &none, e->w->now, &why))
		append(e);
	else
		look(e);
}

static size_t
operations_of(const struct entry *e, const char **out)
{
	size_t n = 0;

	if (e->tx != NULL)
		out[n++] = e->tx;
	for (size_t i = 0; i < e->n; i++)
		if (e->changes[i].operation != NULL &&
		    (e->strict || e->changes[i].kind != MF__STORE_OP__KIND__CREATE))
			out[n++] = e->changes[i].operation;
	return n;
}

static void
look(struct entry *e)
{
	struct arena *a = call_arena(e->w->c);
	const char **argv = ARENA_ARRAY(a, const char *, 2 * e->n + 3);
	size_t n = e->n + 2, *lens = ARENA_ARRAY(a, size_t, 2 * e->n + 3);

	argv[0] = e->w->epoch;
	argv[1] = arena_printf(a, "%zu", e->n);
	for (size_t i = 0; i < e->n; i++)
		argv[i + 2] = e->changes[i].id;
	n += operations_of(e, argv + n);
	for (size_t i = 0; i < n; i++)
		lens[i] = strlen(argv[i]);
	journal_run(e->w->c, script_look, n, argv, lens, on_looked, e);
}

/* The whole call has failed: its caller looks how things are. */
static bool
mode_changed(struct entry *e, const struct redis_reply *r)
{
	if (r->type != REDIS_STRING || !str_eq((struct str){ r->s, r->n }, "mode"))
		return false;
	call_fail_because(e->w->c, ST_ABORTED, "MODE_CHANGED", 10,
	    "the mode of the stores has changed since this write was sent");
	return true;
}

/* What was before a change: of the entry itself, else of the journal. */
static struct state
before_of(struct entry *e, size_t i, const struct redis_reply *r)
{
	struct state s = { .known = false };
	struct arena *a = call_arena(e->w->c);
	struct change *x = &e->changes[i];

	x->again = false;
	x->expected = 0;
	for (size_t j = i; j-- > 0;)
		if (strcmp(e->changes[j].id, x->id) == 0) {
			x->again = true;
			return e->changes[j].after;
		}
	if (r->type == REDIS_STRING &&
	    state_parse((struct str){ arena_strndup(a, r->s, r->n), r->n }, &s)) {
		x->expected = s.version;
		s.known = true;
	} else {
		s.known = false;
	}
	return s;
}

static void
on_looked(const struct redis_reply *r, void *ctx)
{
	struct entry *e = ctx;
	struct failure why;

	if (journal_failed(e->w->c, r) || mode_changed(e, r) || was_done(e, r))
		return;
	for (size_t i = 0; i < e->n; i++) {
		struct change *x = &e->changes[i];
		struct state before = before_of(e, i, r->items[i]);

		if (x->kind == MF__STORE_OP__KIND__CREATE && before.known && before.json.n > 0 &&
		    (!e->strict || x->op->if_absent)) {
			if (!e->strict) {
				item_set(e, 0, &before, true);
				entry_done(e);
				return;
			}
			x->after = before;
			x->again = true;
			x->kind = MF__STORE_OP__KIND__READ_ONE; /* left as it is */
			item_set(e, i, &before, true);
			continue;
		}
		if (!change_apply(call_arena(e->w->c), x, &before, e->w->now, &why)) {
			if (e->strict)
				why.message =
				    arena_printf(call_arena(e->w->c), "/%zu: %s", i, why.message);
			entry_fail(e, &why);
			return;
		}
	}
	append(e);
}

/* --- the same operation again --- */

static bool
was_done(struct entry *e, const struct redis_reply *r)
{
	const struct redis_reply *const *done = r->items + e->n;
	size_t n = r->n_items - e->n;
	const char *tx;

	if (n == 0 || done[0]->type != REDIS_STRING)
		return false;
	if (e->tx != NULL) {
		tx = arena_printf(call_arena(e->w->c), "tx:%s", e->hash);
		if (!str_eq((struct str){ done[0]->s, done[0]->n }, tx)) {
			entry_fail(e, &(const struct failure){ .status = ST_ALREADY_EXISTS,
					  .reason = "OPERATION_TAKEN",
					  .message = "the operation id belongs to another "
						     "operation" });
			return true;
		}
		done++;
	}
	for (size_t i = 0; i < e->n; i++)
		if (!repeat(e, i, done[i]))
			return true;
	if (e->strict)
		e->w->result.repeated = true;
	entry_done(e);
	return true;
}

/* Of a transaction, what was left as it was has no record. False: the call has failed. */
static bool
repeat(struct entry *e, size_t i, const struct redis_reply *r)
{
	struct change *x = &e->changes[i];
	struct str id, rest;
	struct state s;

	e->items[i]->repeated = true;
	if (r->type != REDIS_STRING)
		return true;
	if (!str_cut((struct str){ arena_strndup(call_arena(e->w->c), r->s, r->n), r->n }, ':', &id,
		&rest) ||
	    !str_eq(id, x->id) || !state_parse(rest, &s) ||
	    (s.json.n == 0) != (x->kind == MF__STORE_OP__KIND__DELETE)) {
		entry_fail(e, &(const struct failure){ .status = ST_FAILED_PRECONDITION,
				  .reason = "",
				  .message = "the operation id belongs to another operation" });
		return false;
	}
	item_set(e, i, &s, true);
	return true;
}

/* --- into the journal --- */

struct args { /* of the script */
	const char **v;
	size_t *lens, n;
};

static void
arg(struct args *p, const char *s, size_t n)
{
	p->v[p->n] = s;
	p->lens[p->n++] = n;
}

static void
arg_text(struct args *p, const char *s)
{
	arg(p, s, strlen(s));
}

/* The last change of an object says what it is now, the first one what it was. */
static size_t
arg_objects(struct args *p, struct entry *e)
{
	struct arena *a = call_arena(e->w->c);
	size_t count = 0;

	for (size_t i = 0; i < e->n; i++) {
		const struct state *last = &e->changes[i].after;
		size_t n;
		const char *text;

		if (e->changes[i].again)
			continue;
		for (size_t j = i + 1; j < e->n; j++)
			if (strcmp(e->changes[j].id, e->changes[i].id) == 0)
				last = &e->changes[j].after;
		text = state_text(a, last, &n);
		arg_text(p, e->changes[i].id);
		arg_text(p, arena_printf(a, "%" PRIu64, e->changes[i].expected));
		arg(p, text, n);
		count++;
	}
	return count;
}

static size_t
arg_operations(struct args *p, struct entry *e)
{
	struct arena *a = call_arena(e->w->c);
	size_t count = 0;

	if (e->tx != NULL) {
		arg_text(p, e->tx);
		arg_text(p, arena_printf(a, "tx:%s", e->hash));
		count++;
	}
	for (size_t i = 0; i < e->n; i++) {
		const struct change *x = &e->changes[i];
		const char *text;
		size_t n;

		if (x->operation == NULL || x->kind == MF__STORE_OP__KIND__READ_ONE ||
		    (!e->strict && x->kind == MF__STORE_OP__KIND__CREATE))
			continue;
		text = state_text(a, &x->after, &n);
		arg_text(p, x->operation);
		arg_text(p, arena_printf(a, "%s:%.*s", x->id, (int)n, text));
		count++;
	}
	return count;
}

static void
append(struct entry *e)
{
	struct arena *a = call_arena(e->w->c);
	size_t most = 7 + 5 * e->n + 2, n_objects, n_operations;
	struct args p = { ARENA_ARRAY(a, const char *, most), ARENA_ARRAY(a, size_t, most), 0 };

	arg_text(&p, e->w->epoch);
	arg_text(&p, e->w->entries_most);
	arg_text(&p, e->w->bytes_most);
	arg_text(&p, entry_text(e));
	arg_text(&p, e->w->stamp);
	p.n = 7;
	n_objects = arg_objects(&p, e);
	n_operations = arg_operations(&p, e);
	most = p.n;
	p.n = 5;
	arg_text(&p, arena_printf(a, "%zu", n_objects));
	arg_text(&p, arena_printf(a, "%zu", n_operations));
	STEP("nosql.journal.checked");
	journal_run(e->w->c, script_append, most, p.v, p.lens, on_appended, e);
	STEP("nosql.journal.sent");
}

static const char *
entry_text(struct entry *e)
{
	static const char *const verbs[] = {
		[MF__STORE_OP__KIND__CREATE] = "create",
		[MF__STORE_OP__KIND__UPDATE] = "update",
		[MF__STORE_OP__KIND__DELETE] = "delete",
	};
	struct jw w;

	jw_start(&w, call_arena(e->w->c), 1024);
	jw_object(&w, NULL);
	if (e->tx != NULL) {
		jw_object(&w, "tx");
		jw_str(&w, "op", e->tx);
		jw_str(&w, "hash", e->hash);
		jw_close(&w, '}');
	}
	jw_array(&w, "changes");
	for (size_t i = 0; i < e->n; i++) {
		const struct change *x = &e->changes[i];

		if (x->kind == MF__STORE_OP__KIND__READ_ONE)
			continue;
		jw_object(&w, NULL);
		jw_str(&w, "do", verbs[x->kind]);
		jw_str(&w, "op", x->operation);
		jw_str(&w, "id", x->id);
		jw_int(&w, "base", (int64_t)x->after.version - 1);
		if (x->kind != MF__STORE_OP__KIND__DELETE)
			replay_state(&w, "state", &x->row);
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	jw_close(&w, '}');
	return jw_text(&w, NULL);
}

static void
on_appended(const struct redis_reply *r, void *ctx)
{
	struct entry *e = ctx;
	struct str word = { r->s, r->n };

	if (journal_failed(e->w->c, r) || mode_changed(e, r))
		return;
	STEP("nosql.journal.durable");
	if (r->type == REDIS_INTEGER) {
		for (size_t i = 0; i < e->n; i++)
			if (e->changes[i].kind != MF__STORE_OP__KIND__READ_ONE)
				item_set(e, i, &e->changes[i].after, false);
		entry_done(e);
	} else if (str_eq(word, "full")) {
		entry_fail(e, &(const struct failure){ .status = ST_RESOURCE_EXHAUSTED,
				  .reason = "JOURNAL_FULL",
				  .retry_ms = 5000,
				  .message = "PostgreSQL is not available, and the journal "
					     "has no more room" });
	} else if (++e->tries < TRIES) {
		look(e);
	} else {
		entry_fail(e, &(const struct failure){ .status = ST_ABORTED,
				  .reason = "VERSION_CONFLICT",
				  .retry_ms = 10,
				  .message = "the task changes too fast" });
	}
}

/* --- outcomes --- */

static void
item_set(struct entry *e, size_t i, const struct state *s, bool repeated)
{
	Mf__StoreItem *item = e->items[i];
	bool deletes = e->changes[i].kind == MF__STORE_OP__KIND__DELETE;

	item->data.data = (uint8_t *)(uintptr_t)s->json.p;
	item->data.len = deletes ? 0 : s->json.n;
	item->version = deletes ? s->version - 1 : s->version;
	item->repeated = repeated;
}

static void
entry_done(struct entry *e)
{
	struct writing *w = e->w;

	for (size_t i = 0; i < e->n; i++)
		w->result.rows_affected +=
		    !e->items[i]->repeated ||
		    (!w->many && !e->strict && e->changes[i].kind != MF__STORE_OP__KIND__CREATE);
	w->result.degraded = true;
	if (!w->many && !e->strict) {
		w->result.data = e->items[0]->data;
		w->result.version = e->items[0]->version;
		w->result.repeated = e->items[0]->repeated;
	}
	if (--w->left == 0)
		call_reply(w->c, &w->result.base);
}

static void
entry_fail(struct entry *e, const struct failure *f)
{
	struct arena *a = call_arena(e->w->c);
	Mf__Problem *p;

	if (!e->w->many) {
		call_fail_with(e->w->c, f);
		return;
	}
	p = e->items[0]->problem = ARENA_NEW(a, Mf__Problem);
	mf__problem__init(p);
	p->code = f->status;
	p->reason = (char *)(uintptr_t)f->reason;
	p->message = (char *)(uintptr_t)f->message;
	p->retry_delay_ms = f->retry_ms;
	p->n_violations = f->n_violations;
	p->violations = ARENA_ARRAY(a, Mf__Violation *, f->n_violations + 1);
	for (size_t i = 0; i < f->n_violations; i++) {
		p->violations[i] = ARENA_NEW(a, Mf__Violation);
		mf__violation__init(p->violations[i]);
		p->violations[i]->field = (char *)(uintptr_t)f->violations[i].field;
		p->violations[i]->description = (char *)(uintptr_t)f->violations[i].what;
	}
	e->w->result.degraded = true;
	if (--e->w->left == 0)
		call_reply(e->w->c, &e->w->result.base);
}

static void
refuse(struct entry *e, const struct complaints *wrong)
{
	struct violation *list = ARENA_ARRAY(call_arena(e->w->c), struct violation, wrong->n);

	memcpy(list, wrong->list, wrong->n * sizeof(*list));
	entry_fail(e, &(const struct failure){ .status = ST_INVALID_ARGUMENT,
			  .reason = "VALIDATION",
			  .message = "the object is not valid",
			  .n_violations = wrong->n,
			  .violations = list });
}
