/* documents: one operation on one document, or many in a bulk: create, read, update, delete.
 *
 * Create, read and delete are one script each. An update is computed here (change.c says why) upon what the
 * document was when it was last written from here, and its script sets it if that is still so; otherwise it
 * says what the document is, and the update is computed again: one round trip as a rule, two for a document
 * that was not seen lately. Nothing is refused on the strength of a guess. A repeated operation finds its
 * result. Redis answers after the append-only file is on disk.
 *
 * Members of a bulk leave together, as one write to Redis, and end each on its own. */
#include <inttypes.h>
#include <string.h>

#include "base/failure.h"
#include "base/json.h"
#include "base/json_same.h"
#include "base/step.h"
#include "base/time.h"
#include "database/nosql/collections_inside.h"
#include "database/nosql/documents.h"
#include "database/nosql/documents_inside.h"
#include "database/nosql/project.h"
#include "database/nosql/seen.h"
#include "database/nosql/stage.h"

#define BULK_MOST 100

struct bulk {
	struct call *c;
	size_t n, left, bytes;
	Mf__StoreItem **items;
};

struct doc_op {
	struct call *c;
	const Mf__StoreOp *q;
	struct bulk *bulk; /* NULL: the call is this operation's alone */
	size_t member;
	const char *name, *prefix, *key, *result_key, *keep_ms;
	struct collection *k;
	struct change change;
	bool guessed; /* the change was computed upon what was seen, not upon what Redis said */
	unsigned tries, stales;
	char *have; /* update: the document as kept that the change was computed upon */
	size_t have_n;
};

static void bulk_start(struct call *, const Mf__StoreOp *);
static const Mf__StoreOp *const *
bulk_members(struct arena *, const Mf__StoreOp *, size_t *, struct failure *);
static void op_start(struct bulk *, size_t, struct call *, const Mf__StoreOp *);
static bool op_ok(struct doc_op *, const Mf__StoreOp *);
static void start_read(struct doc_op *);
static void on_read(const struct redis_reply *, void *);
static void start_write(struct doc_op *);
static void send_write(struct doc_op *, const char *, size_t);
static void on_written(const struct redis_reply *, void *);
static void on_have(struct doc_op *, const struct redis_reply *);
static void on_stale(struct doc_op *, const struct redis_reply *);
static void start_delete(struct doc_op *);
static void on_deleted(const struct redis_reply *, void *);
static const struct failure *
taken_failure(struct arena *, const char *, const struct collection *, const struct redis_reply *);
static void reply_doc(struct doc_op *, const char *, size_t, bool);
static void reply_gone(struct doc_op *, const struct redis_reply *, bool);
static void reply(struct doc_op *, Mf__StoreResult *);
static void fail(struct doc_op *, enum status, const char *, const char *);
static void fail_with(struct doc_op *, const struct failure *);
static void fail_missing(struct doc_op *);

static struct redis *server;
static int64_t keep_results_us;

void
documents_init(struct redis *r, struct loop *l, int64_t operation_ttl_us)
{
	server = r;
	keep_results_us = operation_ttl_us;
	collections_init(r, l);
}

void
documents_fini(void)
{
	collections_fini();
	seen_free();
}

void
documents_look_again(void)
{
	upkeep_documents_again();
}

void
documents_read(struct call *c, const Mf__StoreOp *q)
{
	if (strcmp(q->model, "collection") == 0)
		collections_read(c, q);
	else if (q->kind == MF__STORE_OP__KIND__QUERY_MANY)
		query_run(c, server, q);
	else
		op_start(NULL, 0, c, q);
}

void
documents_write(struct call *c, const Mf__StoreOp *q)
{
	STEP("nosql.write.received");
	if (q->kind == MF__STORE_OP__KIND__BULK || q->kind == MF__STORE_OP__KIND__BULK_CREATE)
		bulk_start(c, q);
	else if (strcmp(q->model, "collection") == 0)
		collections_write(c, q);
	else
		op_start(NULL, 0, c, q);
}

/* --- bulk --- */

static void
bulk_start(struct call *c, const Mf__StoreOp *q)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct arena *a = call_arena(c);
	struct bulk *b = ARENA_NEW(a, struct bulk);
	const Mf__StoreOp *const *members = bulk_members(a, q, &b->n, &f);

	if (members == NULL) {
		call_fail_with(c, &f);
		return;
	}
	b->c = c;
	b->left = b->n;
	b->items = ARENA_ARRAY(a, Mf__StoreItem *, b->n);
	for (size_t i = 0; i < b->n; i++) {
		b->items[i] = ARENA_NEW(a, Mf__StoreItem);
		mf__store_item__init(b->items[i]);
	}
	for (size_t i = 0; i < b->n; i++)
		op_start(b, i, c, members[i]);
}

/* BULK has them; BULK_CREATE an array of objects, whose "id" is taken out of each. NULL: *f. */
static const Mf__StoreOp *const *
bulk_members(struct arena *a, const Mf__StoreOp *q, size_t *n, struct failure *f)
{
	struct json_error e;
	Mf__StoreOp **out;
	json_t *v, *one;
	size_t i;

	*n = q->n_members;
	if (q->kind == MF__STORE_OP__KIND__BULK && *n > 0 && *n <= BULK_MOST)
		return (const Mf__StoreOp *const *)q->members;
	v = q->kind == MF__STORE_OP__KIND__BULK ? NULL : json_read(q->data.data, q->data.len, &e);
	*n = json_array_size(v);
	out = ARENA_ARRAY(a, Mf__StoreOp *, BULK_MOST);
	if (*n == 0 || *n > BULK_MOST)
		failure_violation(a, f, "data", "must be an array of 1 to %d", BULK_MOST);
	json_array_foreach(v, i, one)
	{
		const char *id = json_string_value(json_object_get(one, "id"));
		Mf__StoreOp *m = ARENA_NEW(a, Mf__StoreOp);
		struct jw w;

		if (f->status != ST_OK)
			break;
		*m = *q;
		m->kind = MF__STORE_OP__KIND__CREATE;
		m->id = arena_strdup(a, id != NULL ? id : "");
		m->operation_id = (char *)"";
		if (json_is_object(one))
			json_object_del(one, "id");
		jw_start(&w, a, 256);
		jw_json(&w, NULL, one);
		m->data.data = (uint8_t *)jw_text(&w, &m->data.len);
		out[i] = m;
	}
	json_decref(v);
	return f->status == ST_OK ? (const Mf__StoreOp *const *)out : NULL;
}

/* --- one --- */

static void
op_start(struct bulk *b, size_t member, struct call *c, const Mf__StoreOp *q)
{
	struct arena *a = call_arena(c);
	struct doc_op *o = ARENA_NEW(a, struct doc_op);
	const char *operation = q->operation_id[0] != '\0' ? q->operation_id
	                        : b == NULL                ? call_operation_id(c)
	                                                   : "";

	o->c = c;
	o->q = q;
	o->bulk = b;
	o->member = member;
	if (!op_ok(o, q))
		return;
	/* Without one, all such writes of a document would share a result. */
	if (operation[0] == '\0' &&
	    (q->kind == MF__STORE_OP__KIND__UPDATE || q->kind == MF__STORE_OP__KIND__DELETE)) {
		fail(o, ST_INVALID_ARGUMENT, "", "operation_id: is missing");
		return;
	}
	o->name = q->model + strlen("doc.");
	o->prefix = collection_prefix(a, o->name);
	o->key = arena_printf(a, "%sd:%s", o->prefix, q->id);
	o->result_key = arena_printf(a, "%sop:%s:%s", o->prefix, operation, q->id);
	o->keep_ms = arena_printf(a, "%" PRId64, operation[0] != '\0' ? keep_results_us / MS : 0);
	if (q->kind == MF__STORE_OP__KIND__READ_ONE) {
		start_read(o);
		return;
	}
	o->k = collections_get(c, o->name);
	if (q->kind == MF__STORE_OP__KIND__DELETE)
		start_delete(o);
	else
		start_write(o);
}

static bool
op_ok(struct doc_op *o, const Mf__StoreOp *q)
{
	if (!str_starts(q->model, "doc.") || !collection_name_ok(q->model + strlen("doc.")))
		fail(o, ST_INVALID_ARGUMENT, "", "model: must be doc.NAME");
	else if (!str_token_ok(str_of(q->id)) || strlen(q->id) > DOCUMENT_ID)
		fail(o, ST_INVALID_ARGUMENT, "", "id: must be a token of 1 to 128 characters");
	else if (q->kind != MF__STORE_OP__KIND__READ_ONE && q->kind != MF__STORE_OP__KIND__CREATE &&
		 q->kind != MF__STORE_OP__KIND__UPDATE && q->kind != MF__STORE_OP__KIND__DELETE)
		fail(o, ST_UNIMPLEMENTED, "",
		    "kind: documents know create, read, update, delete, query and bulk");
	else
		return true;
	return false;
}

static void
start_read(struct doc_op *o)
{
	struct args x;

	args_start(&x, call_arena(o->c), 3);
	args_text(&x, o->key);
	args_text(&x, o->prefix);
	args_text(&x, o->q->id);
	if (o->q->explain) {
		Mf__StoreResult out = MF__STORE_RESULT__INIT;

		out.data.data =
		    (uint8_t *)"{\"store\":\"nosql\",\"access\":\"key\",\"round_trips\":1}";
		out.data.len = strlen((const char *)out.data.data);
		reply(o, &out);
		return;
	}
	redis_script(server, o->c, document_read_script, 1, x.n, x.v, x.lens, on_read, o);
}

static void
on_read(const struct redis_reply *r, void *ctx)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;
	struct doc_op *o = ctx;
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct projection *p;
	struct document d;
	uint64_t at;
	struct jw w;

	if (redis_fail_call(o->c, r))
		return;
	stage_named(call_arena(o->c), r->items[2], &out);
	if (!document_parse(r->items[0]->s, r->items[0]->n, &d)) {
		if (out.n_staged > 0) /* it may be there already */
			reply(o, &out);
		else
			fail_missing(o);
		return;
	}
	p = projection_of(call_arena(o->c), o->q->fields, o->q->n_fields, &f);
	if (f.status != ST_OK) {
		fail_with(o, &f);
		return;
	}
	jw_start(&w, call_arena(o->c), d.n + 128);
	jw_object(&w, NULL);
	jw_str(&w, "id", o->q->id);
	jw_int(&w, "version", (int64_t)d.version);
	if (r->items[1]->type == REDIS_STRING &&
	    str_u64((struct str){ r->items[1]->s, r->items[1]->n }, INT64_MAX / MS, &at))
		jw_time(&w, "expires_at", (int64_t)at * MS);
	projection_write(p, &w, "data", d.json, d.n);
	jw_close(&w, '}');
	out.data.data = (uint8_t *)jw_text(&w, &out.data.len);
	out.version = d.version;
	reply(o, &out);
}

static void
start_write(struct doc_op *o)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct document d;
	const char *seen;
	size_t n;

	if (o->k->dropping) {
		fail(o, ST_FAILED_PRECONDITION, "COLLECTION_DROPPED",
		    "the collection is being dropped");
		return;
	}
	if (o->q->kind == MF__STORE_OP__KIND__CREATE) {
		if (change_make(call_arena(o->c), o->k, o->q, NULL, &o->change, &f))
			send_write(o, "", 0);
		else
			fail_with(o, &f);
		return;
	}
	seen = seen_get(o->key, &n);
	if (seen != NULL && document_parse(seen, n, &d) &&
	    change_make(call_arena(o->c), o->k, o->q, &d, &o->change, &f)) {
		o->guessed = true;
		o->have = arena_dup(call_arena(o->c), seen, n);
		o->have_n = n;
		send_write(o, o->have, n);
		return;
	}
	o->change = (struct change){ .raw = "", .ttl_ms = -1 };
	send_write(o, "?", 1);
}

static void
send_write(struct doc_op *o, const char *have, size_t n)
{
	const struct change *ch = &o->change;
	struct arena *a = call_arena(o->c);
	struct args x;

	args_start(&x, a, WRITE_ARGS);
	args_text(&x, o->key);
	args_text(&x, o->result_key);
	args_text(&x, o->prefix);
	args_text(&x, o->k->epoch);
	args_text(&x, o->q->id);
	args_add(&x, have, n);
	args_add(&x, ch->raw, ch->n);
	args_text(&x, ch->ttl_ms >= 0 ? arena_printf(a, "%" PRId64, ch->ttl_ms) : "");
	args_text(&x, o->keep_ms);
	args_entries(&x, ch->entries, ch->n_entries);
	if (ch->ttl_ms >= 0)
		collections_ends(o->name, ch->ttl_ms);
	if (ch->n != 0) /* the next update is computed upon this one, while it is on its way */
		seen_put(o->key, ch->raw, ch->n);
	redis_script(server, o->c, document_write_script, 2, x.n, x.v, x.lens, on_written, o);
}

static void
on_written(const struct redis_reply *r, void *ctx)
{
	struct doc_op *o = ctx;

	if (script_says(r, "ok")) {
		if (o->q->kind == MF__STORE_OP__KIND__CREATE)
			STEP("nosql.create.durable");
		else
			STEP("nosql.update.durable");
		if (o->change.ttl_ms >= 0) /* it may have got there behind those who look for it */
			collections_ends(o->name, o->change.ttl_ms);
		reply_doc(o, o->change.raw, o->change.n, false);
		return;
	}
	seen_forget(o->key);
	if (redis_fail_call(o->c, r) || stage_refused(o->c, r))
		return;
	if (script_says(r, "stale"))
		on_stale(o, r->items[1]);
	else if (script_says(r, "taken"))
		fail_with(o, taken_failure(call_arena(o->c), o->q->model, o->k, r));
	else if (script_says(r, "none"))
		fail_missing(o);
	else
		on_have(o, r);
}

/* {'done', what the same operation made} or {'have', what is there}. */
static void
on_have(struct doc_op *o, const struct redis_reply *r)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	const struct redis_reply *have = r->items[1];
	struct document d;

	if (!document_parse(have->s, have->n, &d)) {
		fail(o, ST_DATA_LOSS, "",
		    arena_printf(call_arena(o->c), "%s %s is kept in a form that is not ours",
			o->q->model, o->q->id));
	} else if (o->q->kind == MF__STORE_OP__KIND__CREATE) {
		if (have->n == o->change.n && memcmp(have->s, o->change.raw, have->n) == 0)
			reply_doc(o, have->s, have->n, true);
		else
			fail(o, ST_ALREADY_EXISTS, "ID_TAKEN",
			    arena_printf(call_arena(o->c), "%s %s exists with other content",
				o->q->model, o->q->id));
	} else if (script_says(r, "done")) {
		reply_doc(o, have->s, have->n, true);
	} else if (o->tries++ == CAS_TRIES) {
		fail(o, ST_ABORTED, "VERSION_CONFLICT",
		    arena_printf(
			call_arena(o->c), "%s %s changes too fast", o->q->model, o->q->id));
	} else {
		o->have = arena_dup(call_arena(o->c), have->s, have->n);
		o->have_n = have->n;
		if (change_make(call_arena(o->c), o->k, o->q, &d, &o->change, &f))
			send_write(o, o->have, o->have_n);
		else
			fail_with(o, &f);
	}
}

/* The collection was declared, or declared anew: nothing was written. */
static void
on_stale(struct doc_op *o, const struct redis_reply *kept)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct collection *k = collections_learn(o->c, o->name, kept->s, kept->n, &f);

	if (k == NULL) {
		fail_with(o, &f);
	} else if (o->stales++ == STALE_TRIES) {
		fail(o, ST_ABORTED, "COLLECTION_CHANGED",
		    "the collection is declared anew all the time");
	} else {
		o->k = k;
		start_write(o);
	}
}

static void
start_delete(struct doc_op *o)
{
	struct arena *a = call_arena(o->c);
	struct args x;

	args_start(&x, a, 6);
	args_text(&x, o->key);
	args_text(&x, o->result_key);
	args_text(&x, o->prefix);
	args_text(&x, o->q->id);
	args_text(&x, arena_printf(a, "%" PRIu64, o->q->if_version));
	args_text(&x, o->keep_ms);
	seen_forget(o->key);
	redis_script(server, o->c, document_delete_script, 2, x.n, x.v, x.lens, on_deleted, o);
}

static void
on_deleted(const struct redis_reply *r, void *ctx)
{
	struct doc_op *o = ctx;

	if (redis_fail_call(o->c, r) || stage_refused(o->c, r))
		return;
	STEP("nosql.delete.durable");
	if (script_says(r, "ok") || script_says(r, "done"))
		reply_gone(o, r->items[1], script_says(r, "done"));
	else if (script_says(r, "have"))
		fail(o, ST_ABORTED, "VERSION_CONFLICT",
		    arena_printf(call_arena(o->c), "version is %.*s, not %" PRIu64,
			(int)strcspn(r->items[1]->s, ":"), r->items[1]->s, o->q->if_version));
	else
		fail_missing(o);
}

/* --- how it ends --- */

static const struct failure *
taken_failure(
    struct arena *a, const char *model, const struct collection *k, const struct redis_reply *r)
{
	struct failure *f = ARENA_NEW(a, struct failure);
	const struct index *x = NULL;
	const char *fields = "";

	for (size_t i = 0; i < k->n_indexes; i++)
		if (strcmp(k->indexes[i].slot, r->items[1]->s) == 0)
			x = &k->indexes[i];
	for (size_t i = 0; x != NULL && i < x->n; i++)
		fields = arena_printf(a, "%s%s%s", fields, i == 0 ? "" : ", ", x->fields[i].text);
	*f = (struct failure){ .status = ST_ALREADY_EXISTS,
		.reason = "UNIQUE",
		.message = arena_printf(a, "%s: document %s has the same %s (unique index %s)",
		    model, r->items[2]->s, fields, x != NULL ? x->name : "?") };
	return f;
}

void
documents_refuse_taken(
    struct call *c, const char *model, const struct collection *k, const struct redis_reply *r)
{
	call_fail_with(c, taken_failure(call_arena(c), model, k, r));
}

static void
reply_doc(struct doc_op *o, const char *raw, size_t n, bool repeated)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;
	struct document d;
	struct jw w;

	(void)document_parse(raw, n, &d);
	jw_start(&w, call_arena(o->c), d.n + 128);
	document_show(&w, o->q->id, strlen(o->q->id), &d);
	out.data.data = (uint8_t *)jw_text(&w, &out.data.len);
	out.version = d.version;
	out.rows_affected = 1;
	out.repeated = repeated;
	reply(o, &out);
}

static void
reply_gone(struct doc_op *o, const struct redis_reply *kept, bool repeated)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;
	struct document d;

	if (!document_parse(kept->s, kept->n, &d)) {
		fail_missing(o);
		return;
	}
	out.version = d.version;
	out.rows_affected = 1;
	out.repeated = repeated;
	reply(o, &out);
}

static void
bulk_ended(struct bulk *b)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;

	if (--b->left > 0)
		return;
	out.n_items = b->n;
	out.items = b->items;
	for (size_t i = 0; i < b->n; i++)
		out.rows_affected += b->items[i]->problem == NULL && !b->items[i]->repeated;
	call_reply(b->c, &out.base);
}

static void
reply(struct doc_op *o, Mf__StoreResult *out)
{
	if (o->bulk == NULL) {
		call_reply(o->c, &out->base);
		return;
	}
	o->bulk->items[o->member]->data = out->data;
	o->bulk->items[o->member]->version = out->version;
	o->bulk->items[o->member]->repeated = out->repeated;
	bulk_ended(o->bulk);
}

static void
fail(struct doc_op *o, enum status s, const char *reason, const char *message)
{
	fail_with(o, &(struct failure){ .status = s, .reason = reason, .message = message });
}

static void
fail_missing(struct doc_op *o)
{
	fail(o, ST_NOT_FOUND, "",
	    arena_printf(call_arena(o->c), "%s %s does not exist", o->q->model, o->q->id));
}

static void
fail_with(struct doc_op *o, const struct failure *f)
{
	struct arena *a = call_arena(o->c);
	Mf__Problem *p;

	if (o->bulk == NULL) {
		call_fail_with(o->c, f);
		return;
	}
	p = ARENA_NEW(a, Mf__Problem);
	mf__problem__init(p);
	p->code = f->status;
	p->message = (char *)(uintptr_t)f->message;
	p->reason = (char *)(uintptr_t)f->reason;
	p->retry_delay_ms = f->retry_ms;
	p->violations = ARENA_ARRAY(a, Mf__Violation *, f->n_violations + 1);
	for (size_t i = 0; i < f->n_violations; i++) {
		Mf__Violation *v = ARENA_NEW(a, Mf__Violation);

		mf__violation__init(v);
		v->field = (char *)(uintptr_t)f->violations[i].field;
		v->description = (char *)(uintptr_t)f->violations[i].what;
		p->violations[p->n_violations++] = v;
	}
	o->bulk->items[o->member]->problem = p;
	bulk_ended(o->bulk);
}
