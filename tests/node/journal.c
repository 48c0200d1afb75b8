/* journal: writes that wait in the real Redis for the real PostgreSQL: what is answered from the
 * journal is what the row is when it was replayed, in order, exactly once. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/json.h"
#include "base/time.h"
#include "database/nosql/journal.h"
#include "harness/sqlbed.h"

#define UPTO 1000

struct asked { /* of the journal or of Replay */
	struct call *call;
	struct rpc *rpc;
	bool ended;
	enum status status;
	char reason[40];
	uint32_t retry_ms;
	const ProtobufCMessageDescriptor *type;
	ProtobufCMessage *m; /* a copy */
	json_t *json;        /* of a StoreResult's data */
};

static struct redis *server;
static struct target *journal;
static struct journal_limits limits = { 100000, 1 << 28 };

static void
take(const ProtobufCMessage *m, struct asked *x)
{
	const struct failure *f = rpc_failure(x->rpc);
	size_t n;
	uint8_t *p;

	x->ended = true;
	if (m == NULL) {
		x->status = f->status;
		x->retry_ms = f->retry_ms;
		snprintf(x->reason, sizeof(x->reason), "%s", f->reason);
	} else {
		n = protobuf_c_message_get_packed_size(m);
		p = malloc(n + 1);
		protobuf_c_message_pack(m, p);
		x->m = protobuf_c_message_unpack(m->descriptor, NULL, n, p);
		free(p);
	}
	call_cancel(x->call);
}

#define TAKES(name, type)                                                                          \
	static void name(const type *m, void *ctx)                                                 \
	{                                                                                          \
		take(m != NULL ? &m->base : NULL, ctx);                                            \
	}
TAKES(on_mode, Mf__ModeIs)
TAKES(on_result, Mf__StoreResult)
TAKES(on_object, Mf__JournalObject)
TAKES(on_page, Mf__JournalPage)
TAKES(on_replay, Mf__ReplayIs)

static bool
has_ended(void *ctx)
{
	return ((struct asked *)ctx)->ended;
}

static struct asked *
asked_new(struct target *t)
{
	static struct asked slots[64];
	static unsigned next;
	struct asked *x = &slots[next++ % 64];

	if (x->m != NULL)
		protobuf_c_message_free_unpacked(x->m, NULL);
	json_decref(x->json);
	*x = (struct asked){ 0 };
	x->call = call_root(sqlbed.bus, &(const struct call_opts){ .limit_us = 10 * SEC });
	x->rpc = rpc_new(x->call, t, &(const struct rpc_opts){ .once = true });
	return x;
}

static struct asked *
wait(struct asked *x)
{
	bed_until(has_ended, x, 15 * SEC);
	return x;
}

static const Mf__ModeIs *
mode(Mf__StoreMode to, uint64_t if_epoch)
{
	Mf__ModeChange q = MF__MODE_CHANGE__INIT;
	struct asked *x = asked_new(journal);

	q.mode = to;
	q.if_epoch = if_epoch;
	mf__journal__mode(&x->rpc->service, &q, on_mode, x);
	assert_int_equal(wait(x)->status, ST_OK);
	return (const Mf__ModeIs *)x->m;
}

static uint64_t
epoch(void)
{
	return mode(0, 0)->epoch;
}

static struct asked *
write_start(const Mf__StoreOp *op, uint64_t at, Mf__StoreItem *base)
{
	Mf__JournalWrite q = MF__JOURNAL_WRITE__INIT;
	struct asked *x = asked_new(journal);

	q.epoch = at;
	q.op = (Mf__StoreOp *)(uintptr_t)op;
	q.bases = &base;
	q.n_bases = base != NULL;
	mf__journal__write(&x->rpc->service, &q, on_result, x);
	return x;
}

static struct asked *
write_of(const Mf__StoreOp *op, Mf__StoreItem *base)
{
	struct asked *x = wait(write_start(op, epoch(), base));
	const Mf__StoreResult *m = (const Mf__StoreResult *)x->m;
	struct json_error e;

	if (m != NULL && m->data.len > 0)
		x->json = json_read(m->data.data, m->data.len, &e);
	return x;
}

static const Mf__StoreResult *
result(const struct asked *x)
{
	if (x->status != ST_OK)
		fail_msg("failed: %d %s", (int)x->status, x->reason);
	return (const Mf__StoreResult *)x->m;
}

static const Mf__JournalObject *
object(const char *id)
{
	struct asked *x = asked_new(journal);

	mf__journal__get(&x->rpc->service, OP(READ_ONE, .id = S(id)), on_object, x);
	assert_int_equal(wait(x)->status, ST_OK);
	return (const Mf__JournalObject *)x->m;
}

static const Mf__JournalPage *
page(uint64_t after, uint32_t most)
{
	Mf__JournalAfter q = MF__JOURNAL_AFTER__INIT;
	struct asked *x;

	q.journal = mode(0, 0)->journal;
	q.number = after;
	q.most = most;
	x = asked_new(journal);
	mf__journal__after(&x->rpc->service, &q, on_page, x);
	assert_int_equal(wait(x)->status, ST_OK);
	return (const Mf__JournalPage *)x->m;
}

static void
trim(uint64_t upto)
{
	Mf__JournalTrim q = MF__JOURNAL_TRIM__INIT;
	struct asked *x;

	q.journal = mode(0, 0)->journal;
	q.upto = upto;
	x = asked_new(journal);
	mf__journal__trim(&x->rpc->service, &q, on_mode, x);
	assert_int_equal(wait(x)->status, ST_OK);
}

static struct asked *
replay_ask(uint64_t at, uint64_t after, const Mf__JournalPage *p)
{
	Mf__ReplayBatch q = MF__REPLAY_BATCH__INIT;
	struct asked *x;

	q.journal = mode(0, 0)->journal;
	q.epoch = at;
	q.after = after;
	if (p != NULL) {
		q.upto = p->last;
		q.entries = p->entries;
		q.n_entries = p->n_entries;
	}
	x = asked_new(sqlbed.target);
	mf__sql__replay(&x->rpc->service, &q, on_replay, x);
	return wait(x);
}

static const Mf__ReplayIs *
replay(uint64_t at, uint64_t after, const Mf__JournalPage *p)
{
	struct asked *x = replay_ask(at, after, p);

	if (x->status != ST_OK)
		fail_msg("replay failed: %d %s", (int)x->status, x->reason);
	return (const Mf__ReplayIs *)x->m;
}

/* All of it, and back to normal. Answers how many were refused. */
static uint64_t
replay_all(uint32_t most)
{
	const Mf__ModeIs *m = mode(MF__STORE_MODE__MODE_REPLAYING, epoch());
	uint64_t at = m->epoch, position = replay(at, 0, NULL)->position, refused = 0;

	for (;;) {
		const Mf__JournalPage *p = page(position, most);

		if (p->n_entries == 0)
			break;
		refused += replay(at, position, p)->refused;
		position = p->last;
		trim(position);
	}
	m = mode(MF__STORE_MODE__MODE_NORMAL, at);
	assert_int_equal(m->mode, MF__STORE_MODE__MODE_NORMAL);
	assert_int_equal(m->epoch, at + 1);
	assert_int_equal(m->entries, 0);
	assert_int_equal(m->bytes, 0);
	return refused;
}

static void
degrade(void)
{
	assert_int_equal(
	    mode(MF__STORE_MODE__MODE_DEGRADED, epoch())->mode, MF__STORE_MODE__MODE_DEGRADED);
}

/* What the journal answered is what the row is now. */
static void
assert_row_is(const struct asked *x)
{
	struct done d =
	    op_run(OP(READ_ONE, .id = S(json_string_value(json_object_get(x->json, "id")))));
	const Mf__StoreResult *m = result(x);

	assert_int_equal(d.status, ST_OK);
	assert_int_equal(d.result->version, m->version);
	assert_int_equal(d.result->data.len, m->data.len);
	assert_memory_equal(d.result->data.data, m->data.data, m->data.len);
	done_free(&d);
}

static Mf__StoreItem *
base_of(const struct done *d)
{
	static Mf__StoreItem item;

	mf__store_item__init(&item);
	item.data = d->result->data;
	item.version = d->result->version;
	return &item;
}

/* --- the bed --- */

static bool
redis_answers(void *ctx)
{
	(void)ctx;
	return redis_up(server);
}

static int
start(void **state)
{
	static const struct serve serves[] = { { &journal_service.base, PRIMARY }, { NULL, 0 } };
	static const char *const members[] = { "nosql", NULL };

	signal(SIGPIPE, SIG_IGN);
	if (sqlbed_start(state) != 0)
		return -1;
	stores_start_redis(sqlbed.stores, "docs");
	server = redis_new(
	    sqlbed.loop, &(const struct redis_opts){ .address = stores_redis(sqlbed.stores, "docs"),
			     .require_durable = true });
	journal_init(server, &limits);
	bus_loopback(sqlbed.bus, "nosql", serves);
	journal = target_new(sqlbed.bus, &(const struct target_def){ &mf__journal__descriptor,
					     members, { .failures = 1000000 } });
	bed_until(redis_answers, NULL, 5 * SEC);
	return 0;
}

static int
stop(void **state)
{
	for (int i = 0; i < 64; i++)
		call_cancel(asked_new(journal)->call);
	redis_free(&server);
	return sqlbed_stop(state);
}

/* --- tests --- */

static void
a_change_of_mode_is_compared_and_set(void **unused)
{
	const Mf__ModeIs *m = mode(0, 0);
	uint64_t at = m->epoch;

	(void)unused;
	assert_int_equal(m->mode, MF__STORE_MODE__MODE_NORMAL);
	assert_int_equal(mode(MF__STORE_MODE__MODE_DEGRADED, at + 5)->epoch, at);
	assert_int_equal(mode(MF__STORE_MODE__MODE_DEGRADED, at)->epoch, at + 1);
	assert_int_equal(mode(MF__STORE_MODE__MODE_NORMAL, at)->epoch, at + 1);
	assert_int_equal(mode(MF__STORE_MODE__MODE_NORMAL, at + 1)->epoch, at + 2);
}

static void
in_normal_mode_the_journal_takes_nothing(void **unused)
{
	struct asked *x =
	    write_of(OP(CREATE, .id = S(new_id()), .data = DATA("{\"title\":\"x\"}")), NULL);

	(void)unused;
	assert_int_equal(x->status, ST_ABORTED);
	assert_string_equal(x->reason, "MODE_CHANGED");
}

/* It would be a blob, and those wait for nobody. */
static void
a_payload_that_postgresql_would_keep_as_a_blob_is_refused_for_the_time_being(void **unused)
{
	char *data = malloc(300100);
	struct asked *x;
	const char *id = new_id();

	(void)unused;
	degrade();
	strcpy(data, "{\"title\":\"t\",\"payload\":\"");
	memset(data + strlen(data), 'x', 300000);
	strcpy(data + 24 + 300000, "\"}");
	x = write_of(OP(CREATE, .id = S(id), .data = DATA(data)), NULL);
	assert_int_equal(x->status, ST_UNAVAILABLE);
	assert_string_equal(x->reason, "STORE_DOWN");
	assert_true(x->retry_ms > 0);
	assert_false(object(id)->known);
	strcpy(data + 200000, "\"}");
	x = write_of(OP(CREATE, .id = S(id), .data = DATA(data)), NULL);
	assert_int_equal(result(x)->n_warnings, 1);
	free(data);
}

static void
what_is_answered_is_what_the_row_will_be(void **unused)
{
	const char *id = new_id(), *other = new_id(), *op = new_id();
	struct asked *last, *gone;
	struct done d;

	(void)unused;
	degrade();
	write_of(OP(CREATE, .id = S(id), .actor = S("u1"),
		     .data = DATA("{\"title\":\"\\u00e9 \\\"q\\\"\",\"priority\":\"HIGH\","
				  "\"labels\":{\"bb\":\"1\",\"a\":\"2\",\"c\":\"3\"},"
				  "\"payload\":{\"z\":[1,2.5,null],\"a\":{\"b\":true}}}")),
	    NULL);
	last =
	    write_of(OP(UPDATE, .id = S(id), .operation_id = S(op), .if_version = 1,
			 .data = DATA("{\"state\":\"RUNNING\",\"labels\":{\"a\":null,\"d\":\"x\"},"
				      "\"payload\":{\"a\":{\"b\":null,\"n\":1}},"
				      "\"description\":null}")),
		NULL);
	assert_int_equal(result(last)->version, 2);
	assert_true(result(last)->degraded);
	write_of(OP(CREATE, .id = S(other), .data = DATA("{\"title\":\"gone\"}")), NULL);
	gone = write_of(OP(DELETE, .id = S(other), .operation_id = S(new_id())), NULL);
	assert_int_equal(result(gone)->rows_affected, 1);
	assert_true(object(other)->known);
	assert_int_equal(object(other)->data.len, 0);
	assert_int_equal(replay_all(UPTO), 0);
	assert_row_is(last);
	d = op_run(OP(READ_ONE, .id = S(other)));
	assert_int_equal(d.status, ST_NOT_FOUND);
	/* the operation is known there too */
	d = op_run(OP(UPDATE, .id = S(id), .operation_id = S(op), .if_version = 1,
	    .data = DATA("{\"state\":\"RUNNING\"}")));
	assert_int_equal(d.status, ST_OK);
	assert_true(d.result->repeated);
	assert_int_equal(d.result->version, 2);
	done_free(&d);
	d = op_run(OP(CREATE, .id = S(other), .data = DATA("{\"title\":\"back\"}")));
	assert_int_equal(d.status, ST_ALREADY_EXISTS);
	assert_false(object(id)->known); /* forgotten with the journal */
}

static void
an_update_needs_to_know_what_was_there(void **unused)
{
	const char *id = new_id();
	struct asked *x;
	struct done d;

	(void)unused;
	bed_create(
	    id, "{\"title\":\"one\",\"labels\":[\"b\",\"a\"],\"payload\":[1,{\"k\":\"v\"}]}");
	d = op_run(OP(READ_ONE, .id = S(id)));
	degrade();
	x = write_of(OP(UPDATE, .id = S(id), .operation_id = S(new_id()),
			 .data = DATA("{\"title\":\"two\"}")),
	    NULL);
	assert_string_equal(x->reason, "BASE_UNKNOWN");
	x = write_of(OP(UPDATE, .id = S(id), .operation_id = S(new_id()), .if_version = 7,
			 .data = DATA("{\"title\":\"two\"}")),
	    base_of(&d));
	assert_string_equal(x->reason, "VERSION_CONFLICT");
	x = write_of(OP(UPDATE, .id = S(id), .operation_id = S(new_id()), .if_version = 1,
			 .data = DATA("{\"title\":\"two\"}")),
	    base_of(&d));
	assert_int_equal(result(x)->version, 2);
	/* an old base does not stand against what the journal knows */
	x = write_of(OP(UPDATE, .id = S(id), .operation_id = S(new_id()),
			 .data = DATA("{\"description\":\"three\"}")),
	    base_of(&d));
	assert_int_equal(result(x)->version, 3);
	assert_string_equal(json_string_value(json_object_get(x->json, "title")), "two");
	done_free(&d);
	assert_int_equal(replay_all(UPTO), 0);
	assert_row_is(x);
}

static void
the_same_operation_again_answers_what_it_did(void **unused)
{
	const char *id = new_id(), *op = new_id();
	struct asked *x, *y;

	(void)unused;
	degrade();
	write_of(OP(CREATE, .id = S(id), .data = DATA("{\"title\":\"one\"}")), NULL);
	x = write_of(OP(CREATE, .id = S(id), .data = DATA("{\"title\":\"one\"}")), NULL);
	assert_true(result(x)->repeated);
	x = write_of(
	    OP(UPDATE, .id = S(id), .operation_id = S(op), .data = DATA("{\"title\":\"two\"}")),
	    NULL);
	y = write_of(
	    OP(UPDATE, .id = S(id), .operation_id = S(op), .data = DATA("{\"title\":\"two\"}")),
	    NULL);
	assert_false(result(x)->repeated);
	assert_true(result(y)->repeated);
	assert_int_equal(result(y)->version, 2);
	assert_int_equal(mode(0, 0)->entries, 2);
	assert_int_equal(replay_all(1), 0);
	assert_row_is(x);
}

static void
concurrent_updates_of_one_task_are_all_applied(void **unused)
{
	const char *id = new_id();
	struct asked *x[6];
	uint64_t at;
	struct done d;

	(void)unused;
	degrade();
	write_of(OP(CREATE, .id = S(id), .data = DATA("{\"title\":\"t\"}")), NULL);
	at = epoch();
	for (int i = 0; i < 6; i++) {
		char data[60];

		snprintf(data, sizeof(data), "{\"labels\":{\"l%d\":\"x\"}}", i);
		x[i] = write_start(
		    OP(UPDATE, .id = S(id), .operation_id = S(new_id()), .data = DATA(data)), at,
		    NULL);
	}
	for (int i = 0; i < 6; i++)
		result(wait(x[i]));
	assert_int_equal(replay_all(UPTO), 0);
	d = op_run(OP(READ_ONE, .id = S(id)));
	assert_int_equal(d.result->version, 7);
	assert_int_equal(json_object_size(json_object_get(d.json, "labels")), 6);
	done_free(&d);
}

static void
a_transaction_is_one_entry_and_all_or_nothing(void **unused)
{
	const char *a = new_id(), *b = new_id(), *op = new_id();
	Mf__StoreOp *bad[] = {
		(Mf__StoreOp *)(uintptr_t)OP(CREATE, .id = S(a), .data = DATA("{\"title\":\"a\"}")),
		(Mf__StoreOp *)(uintptr_t)OP(UPDATE, .id = S(b), .data = DATA("{\"title\":\"b\"}")),
	};
	Mf__StoreOp *good[] = {
		bad[0],
		(Mf__StoreOp *)(uintptr_t)OP(
		    UPDATE, .id = S(a), .if_version = 1, .data = DATA("{\"title\":\"aa\"}")),
		(Mf__StoreOp *)(uintptr_t)OP(CREATE, .id = S(b), .data = DATA("{\"title\":\"b\"}")),
	};
	struct asked *x;
	struct done d;

	(void)unused;
	degrade();
	x = write_of(
	    OP(TRANSACTION, .operation_id = S(new_id()), .members = bad, .n_members = 2), NULL);
	assert_string_equal(x->reason, "BASE_UNKNOWN");
	assert_false(object(a)->known);
	x = write_of(OP(TRANSACTION, .operation_id = S(op), .members = good, .n_members = 3), NULL);
	assert_int_equal(result(x)->n_items, 3);
	assert_int_equal(result(x)->items[1]->version, 2);
	x = write_of(OP(TRANSACTION, .operation_id = S(op), .members = good, .n_members = 3), NULL);
	assert_true(result(x)->repeated);
	assert_int_equal(result(x)->items[1]->version, 2);
	assert_int_equal(mode(0, 0)->entries, 1);
	assert_int_equal(replay_all(UPTO), 0);
	d = op_run(OP(TRANSACTION, .operation_id = S(op), .members = good, .n_members = 3));
	assert_int_equal(d.status, ST_OK);
	assert_true(d.result->repeated);
	assert_int_equal(d.result->items[1]->version, 2);
	done_free(&d);
}

static void
members_of_a_bulk_stand_for_themselves(void **unused)
{
	char data[300];
	struct asked *x;

	(void)unused;
	degrade();
	snprintf(data, sizeof(data),
	    "[{\"id\":\"%s\",\"title\":\"a\"},{\"id\":\"%s\"},"
	    "{\"id\":\"%s\",\"title\":\"c\"}]",
	    new_id(), new_id(), new_id());
	x = write_of(OP(BULK, .data = DATA(data)), NULL);
	assert_int_equal(result(x)->n_items, 3);
	assert_null(result(x)->items[0]->problem);
	assert_int_equal(result(x)->items[1]->problem->code, ST_INVALID_ARGUMENT);
	assert_int_equal(result(x)->items[2]->version, 1);
	assert_int_equal(mode(0, 0)->entries, 2);
	assert_int_equal(replay_all(UPTO), 0);
}

static void
a_batch_that_comes_twice_is_applied_once(void **unused)
{
	const char *id = new_id();
	const Mf__JournalPage *p;
	uint64_t at, position, events;
	char count[120];

	(void)unused;
	degrade();
	write_of(OP(CREATE, .id = S(id), .data = DATA("{\"title\":\"1\"}")), NULL);
	write_of(
	    OP(UPDATE, .id = S(id), .operation_id = S(new_id()), .data = DATA("{\"title\":\"2\"}")),
	    NULL);
	at = mode(MF__STORE_MODE__MODE_REPLAYING, epoch())->epoch;
	position = replay(at, 0, NULL)->position;
	p = page(position, UPTO);
	assert_int_equal(replay(at, position, p)->applied, 2);
	assert_int_equal(replay(at, position, p)->applied, 0); /* as after a lost answer */
	assert_int_equal(replay_ask(at - 1, position, p)->status, ST_ABORTED);
	assert_int_equal(replay(at, 0, NULL)->position, p->last); /* a new process finds it */
	trim(p->last);
	assert_int_equal(mode(MF__STORE_MODE__MODE_NORMAL, at)->mode, MF__STORE_MODE__MODE_NORMAL);
	snprintf(count, sizeof(count), "select count(*) from events where task_id='%s'", id);
	events = bed_count(count);
	assert_int_equal(events, 2);
}

static void
a_create_whose_first_try_had_landed_is_found_with_the_times_that_were_told(void **unused)
{
	const char *id = new_id();
	char count[160];
	struct asked *x;

	(void)unused;
	bed_create(id, "{\"title\":\"same\"}");
	degrade();
	x = write_of(OP(CREATE, .id = S(id), .data = DATA("{\"title\":\"same\"}")), NULL);
	assert_int_equal(result(x)->version, 1);
	assert_int_equal(replay_all(UPTO), 0);
	assert_row_is(x);
	snprintf(count, sizeof(count), "select count(*) from events where task_id='%s'", id);
	assert_int_equal(bed_count(count), 1);
}

static void
a_write_of_an_older_epoch_never_lands(void **unused)
{
	uint64_t at = epoch();
	const char *id = new_id(), *other = new_id();
	struct done d;

	(void)unused;
	degrade();
	replay_all(UPTO);
	d = op_run(OP(CREATE, .id = S(id), .mode_epoch = at, .data = DATA("{\"title\":\"old\"}")));
	assert_int_equal(d.status, ST_ABORTED);
	assert_string_equal(d.reason, "MODE_CHANGED");
	d = op_run(OP(READ_ONE, .id = S(id)));
	assert_int_equal(d.status, ST_NOT_FOUND);
	d = op_run(
	    OP(CREATE, .id = S(other), .mode_epoch = epoch(), .data = DATA("{\"title\":\"new\"}")));
	assert_int_equal(d.status, ST_OK);
	done_free(&d);
}

static void
old_and_new_in_one_group_are_told_apart(void **unused)
{
	uint64_t now = epoch();
	struct done d[40];

	(void)unused;
	for (int i = 0; i < 40; i++)
		op_start(&d[i],
		    OP(CREATE, .id = S(new_id()), .mode_epoch = i % 2 == 0 ? now : now - 2,
			.data = DATA("{\"title\":\"x\"}")),
		    5 * SEC);
	for (int i = 0; i < 40; i++) {
		op_wait(&d[i]);
		assert_int_equal(d[i].status, i % 2 == 0 ? ST_OK : ST_ABORTED);
		done_free(&d[i]);
	}
}

/* It holds its row's lock and its id while the fence goes up; replay begins when it is over. */
static void
replay_waits_for_what_was_under_way(void **unused)
{
	const char *id = new_id();
	Mf__ReplayBatch q = MF__REPLAY_BATCH__INIT;
	struct asked *x;
	FILE *f;

	(void)unused;
	bed_create(id, "{\"title\":\"one\"}");
	degrade();
	q.epoch = mode(MF__STORE_MODE__MODE_REPLAYING, epoch())->epoch;
	q.journal = mode(0, 0)->journal;
	f = bed_psql("UPDATE tasks SET title='slow' WHERE id='%s';", id);
	x = asked_new(sqlbed.target);
	mf__sql__replay(&x->rpc->service, &q, on_replay, x);
	bed_pass(200 * MS);
	assert_false(x->ended);
	bed_psql_commit(f);
	assert_int_equal(wait(x)->status, ST_OK);
	assert_int_equal(
	    mode(MF__STORE_MODE__MODE_NORMAL, q.epoch)->mode, MF__STORE_MODE__MODE_NORMAL);
}

static void
what_can_not_be_applied_is_kept_and_stops_nobody(void **unused)
{
	const char *id = new_id(), *after = new_id();
	struct asked *x;
	struct done d;

	(void)unused;
	bed_create(id, "{\"title\":\"one\"}");
	d = op_run(OP(READ_ONE, .id = S(id)));
	degrade();
	write_of(OP(UPDATE, .id = S(id), .operation_id = S(new_id()),
		     .data = DATA("{\"title\":\"journalled\"}")),
	    base_of(&d));
	x = write_of(OP(CREATE, .id = S(after), .data = DATA("{\"title\":\"after\"}")), NULL);
	done_free(&d);
	/* somebody from outside, whom no fence holds */
	d = op_run(OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"other\"}")));
	assert_int_equal(d.status, ST_OK);
	done_free(&d);
	test_expect_log(LOG_ERROR, 1);
	assert_int_equal(replay_all(UPTO), 1);
	assert_row_is(x);
	assert_int_equal(
	    bed_count("select count(*) from replay_refused where sqlstate='MF409'"), 1);
}

static void
a_journal_that_is_full_says_so(void **unused)
{
	const struct journal_limits small = { 2, 1 << 20 };
	struct asked *x;

	(void)unused;
	journal_init(server, &small);
	degrade();
	for (int i = 0; i < 3; i++)
		x = write_of(
		    OP(CREATE, .id = S(new_id()), .data = DATA("{\"title\":\"x\"}")), NULL);
	assert_int_equal(x->status, ST_RESOURCE_EXHAUSTED);
	assert_string_equal(x->reason, "JOURNAL_FULL");
	journal_init(server, &limits);
	assert_int_equal(replay_all(UPTO), 0);
}

static void
what_was_answered_outlives_redis(void **unused)
{
	const char *id = new_id();
	struct asked *x;

	(void)unused;
	degrade();
	x = write_of(OP(CREATE, .id = S(id), .data = DATA("{\"title\":\"kept\"}")), NULL);
	test_expect_log(LOG_WARN, 1);
	stores_kill_redis(sqlbed.stores, "docs");
	stores_start_redis(sqlbed.stores, "docs");
	bed_pass(400 * MS);
	bed_until(redis_answers, NULL, 5 * SEC);
	assert_int_equal(object(id)->version, 1);
	assert_int_equal(replay_all(UPTO), 0);
	assert_row_is(x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_change_of_mode_is_compared_and_set),
		T(in_normal_mode_the_journal_takes_nothing),
		T(a_payload_that_postgresql_would_keep_as_a_blob_is_refused_for_the_time_being),
		T(what_is_answered_is_what_the_row_will_be),
		T(an_update_needs_to_know_what_was_there),
		T(the_same_operation_again_answers_what_it_did),
		T(concurrent_updates_of_one_task_are_all_applied),
		T(a_transaction_is_one_entry_and_all_or_nothing),
		T(members_of_a_bulk_stand_for_themselves),
		T(a_batch_that_comes_twice_is_applied_once),
		T(a_create_whose_first_try_had_landed_is_found_with_the_times_that_were_told),
		T(a_write_of_an_older_epoch_never_lands),
		T(old_and_new_in_one_group_are_told_apart),
		T(replay_waits_for_what_was_under_way),
		T(what_can_not_be_applied_is_kept_and_stops_nobody),
		T(a_journal_that_is_full_says_so),
		T(what_was_answered_outlives_redis),
	};

	return cmocka_run_group_tests_name("journal", tests, start, stop);
}
