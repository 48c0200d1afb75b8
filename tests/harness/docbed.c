/* docbed: see docbed.h. */
#include "harness/docbed.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/json.h"
#include "base/time.h"
#include "database/nosql/documents.h"
#include "database/nosql/nosql.h"
#include "database/nosql/stage.h"

#define SLOTS    64
#define PATIENCE (10 * SEC)

struct docbed docbed;
static struct said slots[SLOTS];
static unsigned next_slot;

static bool
is_up(void *ctx)
{
	(void)ctx;
	return redis_up(docbed.redis);
}

static void
open_redis(const char *address)
{
	docbed.redis = redis_new(
	    docbed.loop, &(const struct redis_opts){ .address = address, .require_durable = true });
	documents_init(docbed.redis, docbed.loop, 3600 * SEC);
	stage_init(docbed.redis, 3600 * SEC);
	loop_run_until(docbed.loop, is_up, NULL, 10 * SEC);
	assert_true(redis_up(docbed.redis));
}

int
docbed_start_at(const char *address)
{
	static const struct serve serves[] = { { &nosql_service.base, PRIMARY }, { NULL, 0 } };
	static const char *const members[] = { "nosql", NULL };
	char err[200];

	log_init("test", 1, 2);
	docbed.loop = loop_new();
	docbed.bus = bus_new(docbed.loop,
	    &(const struct bus_opts){ .name = "database", .generation = 1 }, err, sizeof(err));
	if (docbed.bus == NULL)
		fatal("%s", err);
	bus_loopback(docbed.bus, "nosql", serves);
	docbed.target = target_new(docbed.bus,
	    &(const struct target_def){ &mf__nosql__descriptor, members, { .failures = 1000000 } });
	open_redis(address);
	return 0;
}

int
docbed_start(void **state)
{
	(void)state;
	docbed.stores = stores_new();
	stores_start_redis(docbed.stores, "docs");
	return docbed_start_at(stores_redis(docbed.stores, "docs"));
}

static void
close_redis(void)
{
	redis_free(&docbed.redis);
	documents_fini();
}

void
docbed_reopen(void)
{
	close_redis();
	open_redis(stores_redis(docbed.stores, "docs"));
}

int
docbed_stop(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SLOTS; i++)
		json_decref(slots[i].json);
	memset(slots, 0, sizeof(slots));
	close_redis();
	bus_free(&docbed.bus);
	doc_pass(MS);
	loop_free(&docbed.loop);
	if (docbed.stores != NULL)
		stores_free(&docbed.stores);
	return 0;
}

static void
on_said(const Mf__StoreResult *m, void *ctx)
{
	struct said *x = ctx;
	const struct failure *f = rpc_failure(x->rpc);
	struct json_error e;

	x->ended = true;
	if (m == NULL) {
		x->status = f->status;
		snprintf(x->reason, sizeof(x->reason), "%s", f->reason);
		snprintf(x->message, sizeof(x->message), "%s", f->message);
		if (f->n_violations > 0)
			snprintf(x->field, sizeof(x->field), "%s", f->violations[0].field);
		call_fail_with(x->call, f);
		return;
	}
	x->version = m->version;
	x->rows = m->rows_affected;
	x->repeated = m->repeated;
	x->n_items = m->n_items;
	for (size_t i = 0; i < m->n_items && i < 100; i++) {
		x->items[i].version = m->items[i]->version;
		x->items[i].repeated = m->items[i]->repeated;
		if (m->items[i]->problem == NULL)
			continue;
		x->items[i].code = m->items[i]->problem->code;
		snprintf(x->items[i].reason, sizeof(x->items[i].reason), "%s",
		    m->items[i]->problem->reason);
	}
	if (m->data.len > 0) {
		x->json = json_read(m->data.data, m->data.len, &e);
		if (x->json == NULL)
			fail_msg("answer is not JSON: %s", e.what);
		snprintf(x->text, sizeof(x->text), "%.*s", (int)m->data.len, (char *)m->data.data);
	}
	call_reply(x->call, &m->base);
}

static char *
text_of(const char *s)
{
	return (char *)(uintptr_t)(s != NULL ? s : "");
}

static Mf__StoreOp *
op_of(struct arena *a, const struct ask *q)
{
	Mf__StoreOp *op = ARENA_NEW(a, Mf__StoreOp);
	bool update =
	    q->kind == MF__STORE_OP__KIND__UPDATE || q->kind == MF__STORE_OP__KIND__DELETE;
	char id[UUID_LEN];

	mf__store_op__init(op);
	uuid7(id);
	op->kind = q->kind;
	op->model = text_of(q->model);
	op->id = text_of(q->id);
	op->sort = text_of(q->sort);
	op->cursor = text_of(q->cursor);
	op->operation_id = q->operation != NULL ? text_of(q->operation)
	                   : update             ? arena_strdup(a, id)
	                                        : text_of("");
	op->limit = q->limit;
	op->ttl_ms = q->ttl_ms;
	op->if_version = q->if_version;
	op->explain = q->explain;
	op->data = (ProtobufCBinaryData){ strlen(text_of(q->data)), (uint8_t *)text_of(q->data) };
	op->where =
	    (ProtobufCBinaryData){ strlen(text_of(q->where)), (uint8_t *)text_of(q->where) };
	op->fields = (char **)(uintptr_t)q->fields;
	while (op->n_fields < 8 && q->fields[op->n_fields] != NULL)
		op->n_fields++;
	if (q->filter != NULL) {
		Mf__KeyValue *kv = ARENA_NEW(a, Mf__KeyValue);

		mf__key_value__init(kv);
		kv->key = text_of(q->filter);
		kv->value = text_of("true");
		op->filters = ARENA_ARRAY(a, Mf__KeyValue *, 1);
		op->filters[0] = kv;
		op->n_filters = 1;
	}
	op->members = ARENA_ARRAY(a, Mf__StoreOp *, q->n_members + 1);
	for (; op->n_members < q->n_members; op->n_members++)
		op->members[op->n_members] = op_of(a, &q->members[op->n_members]);
	return op;
}

static struct said *
said_new(int64_t patience_us)
{
	struct said *x = &slots[next_slot++ % SLOTS];

	json_decref(x->json);
	memset(x, 0, sizeof(*x));
	x->call = call_root(docbed.bus, &(const struct call_opts){ .limit_us = PATIENCE });
	x->rpc = rpc_new(x->call, docbed.target,
	    &(const struct rpc_opts){ .limit_us = patience_us, .once = true });
	return x;
}

struct said *
doc_start(const struct ask *q)
{
	struct said *x = said_new(q->patience_ms > 0 ? q->patience_ms * MS : PATIENCE);
	const Mf__StoreOp *op;

	op = op_of(call_arena(x->call), q);
	if (q->kind == MF__STORE_OP__KIND__READ_ONE || q->kind == MF__STORE_OP__KIND__QUERY_MANY)
		mf__nosql__read(&x->rpc->service, op, on_said, x);
	else
		mf__nosql__write(&x->rpc->service, op, on_said, x);
	return x;
}

static bool
has_ended(void *ctx)
{
	return ((struct said *)ctx)->ended;
}

struct said *
doc_wait(struct said *x)
{
	loop_run_until(docbed.loop, has_ended, x, 15 * SEC);
	if (!x->ended)
		fail_msg("the call never ended");
	return x;
}

void
doc_stage(const char *model, const char *transaction, const struct ask *member)
{
	struct said *x = said_new(PATIENCE);
	Mf__StoreOp *op = op_of(call_arena(x->call),
	    &(const struct ask){
		.kind = MF__STORE_OP__KIND__TRANSACTION, .members = member, .n_members = 1 });

	op->model = text_of(model);
	op->transaction = text_of(transaction);
	mf__nosql__stage(&x->rpc->service, op, on_said, x);
	doc_wait(x);
	if (x->status != ST_OK)
		fail_msg("%s: %s", x->reason, x->message);
}

static void
on_settled(const Mf__Settled *m, void *ctx)
{
	struct said *x = ctx;

	x->ended = true;
	assert_non_null(m);
	call_reply(x->call, &m->base);
}

void
doc_settle(const char *model, const char *transaction, bool commit)
{
	Mf__SettleAsk q = MF__SETTLE_ASK__INIT;
	struct said *x = said_new(PATIENCE);

	q.collection = text_of(model);
	q.transaction = text_of(transaction);
	q.commit = commit;
	mf__nosql__settle(&x->rpc->service, &q, on_settled, x);
	doc_wait(x);
}

struct said *
doc_ask(const struct ask *q)
{
	return doc_wait(doc_start(q));
}

struct said *
doc_done(const struct ask *q)
{
	struct said *x = doc_ask(q);

	if (x->status != ST_OK)
		fail_msg("%s %s: %s: %s", q->model, text_of(q->id), x->reason, x->message);
	return x;
}

const char *
doc_name(void)
{
	static char names[64][16];
	static unsigned next;
	char *name = names[next % 64];

	snprintf(name, 16, "doc.t%u", next++);
	return name;
}

const char *
doc_text(const struct said *x, const char *member)
{
	static char texts[8][4096];
	static unsigned next;
	char *out = texts[next++ % 8],
	     *text = json_dumps(json_object_get(x->json, member), JSON_COMPACT | JSON_ENCODE_ANY);

	snprintf(out, 4096, "%s", text != NULL ? text : "(none)");
	free(text);
	return out;
}

void
doc_declare(const char *model, const char *definition)
{
	doc_done(DOC_ASK(CREATE, .model = "collection", .id = model + 4, .data = definition));
}

void
doc_until_built(const char *model)
{
	for (int64_t began = time_now_us(); time_now_us() - began < 20 * SEC; doc_pass(5 * MS)) {
		struct said *x =
		    doc_done(DOC_ASK(READ_ONE, .model = "collection", .id = model + 4));

		if (strstr(x->text, "\"building\"") == NULL)
			return;
	}
	fail_msg("%s is never built", model);
}

struct raw {
	bool ended;
	int64_t n;
};

static void
on_raw(const struct redis_reply *r, void *ctx)
{
	struct raw *x = ctx;

	x->ended = true;
	x->n = r->type == REDIS_INTEGER                          ? r->i
	       : r->type == REDIS_ARRAY                          ? (int64_t)r->n_items
	       : r->type == REDIS_FAILED || r->type == REDIS_NIL ? -1
	                                                         : (int64_t)r->n;
}

static bool
raw_has_ended(void *ctx)
{
	return ((struct raw *)ctx)->ended;
}

int64_t
doc_redis(const char *fmt, ...)
{
	struct raw x = { 0 };
	const char *argv[16];
	char text[1000], *save = NULL;
	size_t lens[16];
	int n = 0;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *word = strtok_r(text, " ", &save); word != NULL && n < 16;
	     word = strtok_r(NULL, " ", &save)) {
		argv[n] = word;
		lens[n++] = strlen(word);
	}
	redis_command(docbed.redis, NULL, n, argv, lens, on_raw, &x);
	loop_run_until(docbed.loop, raw_has_ended, &x, 5 * SEC);
	assert_true(x.ended);
	return x.n;
}

static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}

void
doc_pass(int64_t us)
{
	loop_run_until(docbed.loop, never, NULL, us);
}
