/* txbed: see txbed.h. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/time.h"
#include "database/database.h"
#include "database/nosql/documents.h"
#include "database/nosql/nosql.h"
#include "database/nosql/stage.h"
#include "harness/txbed.h"

#define SLOTS  512
#define RELAYS 16

struct txbed txbed;
static struct target *database, *nosql;
static const struct database_config config = { .cache_ttl_us = 60 * SEC, .tombstone_us = 15 * SEC };

/* --- the relay to sql --- */

static Mf__Sql_Service relay_service;
static Mf__Nosql_Service nosql_relay;

struct relayed {
	struct call *call;
	struct call_dep dep;
	struct done done;
};
static struct relayed relays[RELAYS];

static void
relay_cancel(struct call_dep *d)
{
	container_of(d, struct relayed, dep)->call = NULL;
}

static void
down(struct call *c)
{
	call_fail_because(c, ST_UNAVAILABLE, "STORE_DOWN", 1000, "relay: sql is down");
}

/* Is done, and its answer is lost. */
static void
relay_write(Mf__Sql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	static unsigned next;
	struct relayed *x = &relays[next % RELAYS];

	if (txbed.manner == IS_DOWN) {
		down(ctx);
	} else if (txbed.manner == SEES_A_TAKEOVER) {
		bus_raise_fence(txbed.bus, call_fence(ctx) + 1);
		txbed.manner = PASSES;
		sql_service.write(s, q, reply, ctx);
	} else if (txbed.manner == PASSES || q->transaction[0] == '\0') {
		sql_service.write(s, q, reply, ctx);
	} else {
		next++;
		done_free(&x->done);
		*x = (struct relayed){ .call = ctx, .dep.cancel = relay_cancel };
		call_attach(ctx, &x->dep);
		op_start(&x->done, q, 4 * SEC);
	}
}

static void
relay_answers(void)
{
	for (size_t i = 0; i < RELAYS; i++) {
		struct call *c = relays[i].call;

		if (c == NULL || !relays[i].done.ended)
			continue;
		relays[i].call = NULL;
		call_detach(c, &relays[i].dep);
		if (txbed.manner == LOSES_COMMITS)
			txbed.manner = PASSES;
		down(c);
	}
}

static void
relay_decide(Mf__Sql_Service *s, const Mf__DecideAsk *q, Mf__Decisions_Closure reply, void *ctx)
{
	if (txbed.manner == IS_DOWN || txbed.manner == LOSES_ALL)
		down(ctx);
	else
		sql_service.decide(s, q, reply, ctx);
	if (txbed.manner == LOSES_WRITES)
		txbed.manner = PASSES;
}

/* --- the relay to nosql --- */

static void
relay_settle(Mf__Nosql_Service *s, const Mf__SettleAsk *q, Mf__Settled_Closure reply, void *ctx);

static void
on_held(struct call *c, void *ctx)
{
	relay_settle(&nosql_relay, ctx, NULL, c);
}

static void
relay_settle(Mf__Nosql_Service *s, const Mf__SettleAsk *q, Mf__Settled_Closure reply, void *ctx)
{
	const char *lost = txbed.lost_settle, *held = txbed.held_settle;

	if (lost != NULL && strcmp(q->collection, lost) == 0) {
		txbed.lost_settle = NULL;
		call_fail(ctx, ST_INTERNAL, "relay: not settled");
	} else if (held != NULL && strcmp(q->collection, held) == 0) {
		call_after(ctx, MS, on_held, (void *)(uintptr_t)q);
	} else {
		nosql_service.settle(s, q, reply, ctx);
	}
}

static void
relay_staged(Mf__Nosql_Service *s, const Mf__Empty *q, Mf__StagedParts_Closure reply, void *ctx)
{
	txbed.looks++;
	nosql_service.staged(s, q, reply, ctx);
}

/* --- calls --- */

static struct tx_said slots[SLOTS];
static unsigned next_slot;

static void
on_said(const Mf__StoreResult *m, void *ctx)
{
	struct tx_said *x = ctx;
	const struct failure *f = rpc_failure(x->rpc);
	uint8_t *p;
	size_t n;

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
	n = mf__store_result__get_packed_size(m);
	p = malloc(n + 1);
	mf__store_result__pack(m, p);
	x->m = mf__store_result__unpack(NULL, n, p);
	free(p);
	x->json = json_loadb((char *)m->data.data, m->data.len, 0, NULL);
	call_reply(x->call, &m->base);
}

static bool
is_read(const Mf__StoreOp *op)
{
	return op->kind == MF__STORE_OP__KIND__READ_ONE ||
	       op->kind == MF__STORE_OP__KIND__QUERY_MANY;
}

static struct tx_said *
said_new(int64_t limit_us)
{
	struct tx_said *x = &slots[next_slot++ % SLOTS];

	if (x->m != NULL)
		mf__store_result__free_unpacked(x->m, NULL);
	json_decref(x->json);
	*x = (struct tx_said){ .call = call_root(
				   txbed.bus, &(const struct call_opts){ .limit_us = limit_us }) };
	return x;
}

struct tx_said *
tx_start(const Mf__StoreOp *op)
{
	return tx_start_within(op, 8 * SEC);
}

struct tx_said *
tx_start_within(const Mf__StoreOp *op, int64_t limit_us)
{
	struct tx_said *x = said_new(limit_us);

	call_set_fence(x->call, txbed.fence);
	x->rpc = rpc_new(x->call, database, NULL);
	if (is_read(op))
		mf__database__read(&x->rpc->service, op, on_said, x);
	else
		mf__database__write(&x->rpc->service, op, on_said, x);
	return x;
}

static bool
has_ended(void *ctx)
{
	relay_answers();
	return ((struct tx_said *)ctx)->ended;
}

void
tx_wait(struct tx_said *x)
{
	bed_until(has_ended, x, 10 * SEC);
}

struct tx_said *
tx_ask(const Mf__StoreOp *op)
{
	struct tx_said *x = tx_start(op);

	tx_wait(x);
	return x;
}

struct tx_said *
tx_done(const Mf__StoreOp *op)
{
	struct tx_said *x = tx_ask(op);

	if (x->status != ST_OK)
		fail_msg("%s: %s", x->reason, x->message);
	return x;
}

struct tx_said *
tx_stage(const Mf__StoreOp *op)
{
	struct tx_said *x = said_new(4 * SEC);
	Mf__StoreOp named = *op;

	named.model = op->members[0]->model; /* the collection, as `database` names it */
	x->rpc = rpc_new(x->call, nosql, NULL);
	mf__nosql__stage(&x->rpc->service, &named, on_said, x);
	tx_wait(x);
	return x;
}

/* --- operations --- */

const char *
doc_read(const char *model, const char *id)
{
	static char text[8][120];
	static unsigned next;
	char *out = text[next++ % 8];
	struct tx_said *x = tx_ask(OP(READ_ONE, .model = S(model), .id = S(id)));

	if (x->status == ST_OK) {
		char *data = json_dumps(json_object_get(x->json, "data"), JSON_COMPACT);

		snprintf(out, 120, "%lld:%s",
		    (long long)json_integer_value(json_object_get(x->json, "version")), data);
		free(data);
	} else {
		snprintf(out, 120, "%s", x->reason[0] != '\0' ? x->reason : status_name(x->status));
	}
	return out;
}

const char *
title_of(const char *id)
{
	static char text[120];
	struct tx_said *x = tx_ask(OP(READ_ONE, .id = S(id)));
	const char *title = json_string_value(json_object_get(x->json, "title"));

	snprintf(text, sizeof(text), "%s", x->status == ST_OK ? title : status_name(x->status));
	return text;
}

void
put_doc(const char *id, const char *data)
{
	tx_done(OP(CREATE, DOC(id), .data = DATA(data), .operation_id = S(new_id())));
}

struct raw {
	bool ended;
	int64_t i;
};

static void
on_raw(const struct redis_reply *r, void *ctx)
{
	struct raw *x = ctx;

	x->ended = true;
	x->i = r->type == REDIS_INTEGER ? r->i : -1;
}

static bool
raw_has_ended(void *ctx)
{
	return ((struct raw *)ctx)->ended;
}

int64_t
redis_number(const char *verb, const char *key)
{
	struct raw x = { 0 };

	redis_command(txbed.docs, NULL, 2, (const char *const[]){ verb, key },
	    (const size_t[]){ strlen(verb), strlen(key) }, on_raw, &x);
	bed_until(raw_has_ended, &x, 5 * SEC);
	return x.i;
}

void
assert_nothing_staged(void)
{
	assert_int_equal(redis_number("EXISTS", "mf:{doc.n}:held"), 0);
	assert_int_equal(redis_number("EXISTS", "mf:{doc.n}:tx"), 0);
	assert_int_equal(redis_number("EXISTS", "mf:{doc.m}:held"), 0);
	assert_int_equal(redis_number("EXISTS", "mf:{doc.m}:tx"), 0);
}

void
await_nothing_staged(void)
{
	for (int64_t began = time_now_us(); time_now_us() - began < 20 * SEC; bed_pass(5 * MS)) {
		relay_answers();
		if (redis_number("EXISTS", "mf:{doc.n}:tx") == 0 &&
		    redis_number("EXISTS", "mf:{doc.m}:tx") == 0)
			return;
	}
	fail_msg("something stays staged");
}

void
tx_decide(const char *transaction, bool commit)
{
	char text[200];

	snprintf(text, sizeof(text), "INSERT INTO decisions (id,committed) VALUES ('%s',%s)",
	    transaction, commit ? "true" : "false");
	bed_count(text);
}

const Mf__StoreOp *
tx_both(const char *operation, const char *task, const char *doc, const char *data)
{
	static Mf__StoreOp slot[4][2];
	static Mf__StoreOp *members[4][2];
	static Mf__StoreOp whole[4];
	static unsigned next;
	unsigned i = next++ % 4;

	slot[i][0] = *OP(CREATE, .id = S(task), .data = DATA("{\"title\":\"of both\"}"));
	slot[i][1] = *OP(UPDATE, DOC(doc), .data = DATA(data));
	members[i][0] = &slot[i][0];
	members[i][1] = &slot[i][1];
	whole[i] =
	    *OP(TRANSACTION, .operation_id = S(operation), .members = members[i], .n_members = 2);
	return &whole[i];
}

/* --- life --- */

int
txbed_start(void **state)
{
	static const struct serve sqls[] = { { &relay_service.base, PRIMARY },
		{ &sql_leader_service.base, PRIMARY }, { NULL, 0 } };
	static const struct serve nosqls[] = { { &nosql_relay.base, PRIMARY }, { NULL, 0 } };
	static const struct serve databases[] = { { &database_service.base, PRIMARY },
		{ &database_leader_service.base, PRIMARY }, { NULL, 0 } };
	static const char *const to_database[] = { "itself", NULL }, *const to_nosql[] = { "nosql",
		NULL };
	char err[100];

	signal(SIGPIPE, SIG_IGN); /* as node_main does */
	if (sqlbed_start(state) != 0)
		return -1;
	stores_start_redis(sqlbed.stores, "docs");
	relay_service = sql_service;
	relay_service.write = relay_write;
	relay_service.decide = relay_decide;
	nosql_relay = nosql_service;
	nosql_relay.settle = relay_settle;
	nosql_relay.staged = relay_staged;
	txbed.bus = bus_new(sqlbed.loop,
	    &(const struct bus_opts){ .name = "database", .generation = 2 }, err, sizeof(err));
	bus_loopback(txbed.bus, "sql", sqls);
	bus_loopback(txbed.bus, "nosql", nosqls);
	bus_loopback(txbed.bus, "itself", databases);
	txbed.docs = redis_new(
	    sqlbed.loop, &(const struct redis_opts){ .address = stores_redis(sqlbed.stores, "docs"),
			     .require_durable = true });
	documents_init(txbed.docs, sqlbed.loop, 86400 * SEC);
	stage_init(txbed.docs, 86400 * SEC);
	database_open(txbed.bus, &config);
	database = target_new(
	    txbed.bus, &(const struct target_def){ &mf__database__descriptor, to_database, { 0 } });
	nosql = target_new(
	    txbed.bus, &(const struct target_def){ &mf__nosql__descriptor, to_nosql, { 0 } });
	while (!redis_up(txbed.docs))
		bed_pass(MS);
	return 0;
}

void
txbed_reopen(void)
{
	database_close();
	database_open(txbed.bus, &config);
}

int
txbed_stop(void **state)
{
	database_close();
	bus_free(&txbed.bus);
	redis_free(&txbed.docs);
	documents_fini();
	for (size_t i = 0; i < RELAYS; i++)
		done_free(&relays[i].done);
	for (size_t i = 0; i < SLOTS; i++) {
		if (slots[i].m != NULL)
			mf__store_result__free_unpacked(slots[i].m, NULL);
		json_decref(slots[i].json);
	}
	return sqlbed_stop(state);
}

int
txbed_resume(void **state)
{
	txbed.manner = PASSES;
	txbed.lost_settle = txbed.held_settle = NULL;
	return test_log_check(state);
}
