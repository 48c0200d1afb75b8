/* memdb: see memdb.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/time.h"
#include "harness/memdb.h"
#include "harness/test.h"
#include "harness/unserved.h"

static const char *const uniques[] = { "username", "account" };

static json_t *model_of(struct memdb *db, const char *model);
static bool matches(const json_t *row, const Mf__StoreOp *q);
static json_t *find(struct memdb *db, const Mf__StoreOp *q);
static json_t *query(struct memdb *db, const Mf__StoreOp *q);
static json_t *in_order(struct memdb *db, const Mf__StoreOp *q);
static bool is_bound(const json_t *row, const Mf__KeyValue *f, bool *holds);
static enum status apply(struct memdb *db, const Mf__StoreOp *q, json_t **out, bool *repeated);
static enum status create(struct memdb *db, const Mf__StoreOp *q, json_t **out, bool *repeated);
static enum status update(struct memdb *db, const Mf__StoreOp *q, json_t **out, bool *repeated);
static enum status delete (struct memdb *db, const Mf__StoreOp *q, bool *repeated);
static enum status
transact(struct memdb *db, const Mf__StoreOp *q, json_t *rows_out, bool *repeated);
static void reply_row(struct call *c, json_t *row, bool repeated);
static void reply_items(struct call *c, json_t *rows, bool repeated);
static ProtobufCBinaryData text_of(struct call *c, const json_t *row);
static void stamp(json_t *row, json_int_t version);

static void
memdb_read(Mf__Database_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	struct memdb *db = (struct memdb *)s;
	json_t *row;

	(void)reply;
	db->reads++;
	if (db->hangs)
		return; /* the call ends at its deadline */
	if (db->down) {
		call_fail_because(ctx, ST_UNAVAILABLE, "STORE_DOWN", 100, "the store is down");
		return;
	}
	if (q->kind == MF__STORE_OP__KIND__READ_ONE) {
		row = find(db, q);
		if (row == NULL)
			call_fail(ctx, ST_NOT_FOUND, "no such row");
		else
			reply_row(ctx, json_incref(row), false);
		return;
	}
	reply_row(ctx, query(db, q), false);
}

/* What triggers do in the real one: the rows of the policy that are others than at the last look. */
static void
log_policy_changes(struct memdb *db)
{
	static const char *const models[] = { "role", "group", "grant" };
	json_t *log = model_of(db, "policy_change");

	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		json_t *rows = model_of(db, models[i]),
		       *seen = json_object_get(db->seen, models[i]), *both = json_object(), *unused;
		const char *id;
		char number[24];

		json_object_update(both, seen);
		json_object_update(both, rows);
		json_object_foreach(both, id, unused)
		{
			(void)unused;
			if (json_equal(json_object_get(rows, id), json_object_get(seen, id)))
				continue;
			(void)snprintf(number, sizeof(number), "%016zu", json_object_size(log) + 1);
			memdb_put(db, "policy_change", number,
			    json_pack("{s:s,s:s}", "model", models[i], "subject", id));
		}
		json_decref(both);
		json_object_set_new(db->seen, models[i], json_deep_copy(rows));
	}
}

/* A page; the cursor is the number of rows before it. */
static json_t *
query(struct memdb *db, const Mf__StoreOp *q)
{
	size_t most = q->limit != 0 ? q->limit : 100, skip = strtoul(q->cursor, NULL, 10), at = 0;
	json_t *items = json_array(), *cursors = json_array(), *next = json_null(), *rows, *row;
	char cursor[24];
	size_t i;

	if (strcmp(q->model, "policy_change") == 0)
		log_policy_changes(db);
	rows = in_order(db, q);
	if (db->page != 0 && db->page < most)
		most = db->page;
	json_array_foreach(rows, i, row)
	{
		if (!matches(row, q) || at++ < skip)
			continue;
		if (json_array_size(items) == most) {
			(void)snprintf(cursor, sizeof(cursor), "%zu", skip + most);
			next = json_string(cursor);
			break;
		}
		json_array_append(items, row);
		(void)snprintf(cursor, sizeof(cursor), "%zu", skip + json_array_size(items));
		json_array_append_new(cursors, json_string(cursor));
	}
	json_decref(rows);
	row = json_pack("{s:o,s:o}", "items", items, "next_cursor", next);
	if (q->cursors)
		json_object_set(row, "cursors", cursors);
	json_decref(cursors);
	return row;
}

/* As they were made, or the last first where anything descends: ids of the real one ascend, too. */
static json_t *
in_order(struct memdb *db, const Mf__StoreOp *q)
{
	json_t *rows = json_array(), *row;
	const char *id;

	json_object_foreach(model_of(db, q->model), id, row)
	{
		if (q->sort[0] == '-')
			json_array_insert(rows, 0, row);
		else
			json_array_append(rows, row);
	}
	return rows;
}

UNSERVED(memdb_events, Database, EventsAfter, EventPage)
UNSERVED(memdb_keep_traces, Database, TraceBatch, TraceKept)
UNSERVED(memdb_find_traces, Database, TraceQuery, TraceBatch)

static bool
is_awaited(const struct memdb *db, const Mf__StoreOp *q)
{
	bool is = db->before_model == NULL || strcmp(q->model, db->before_model) == 0;

	for (size_t i = 0; i < q->n_members && !is; i++)
		is = strcmp(q->members[i]->model, db->before_model) == 0;
	return is;
}

static void
memdb_write(Mf__Database_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	struct memdb *db = (struct memdb *)s;
	void (*before)(struct memdb * db) = is_awaited(db, q) ? db->before_write : NULL;
	json_t *row = NULL, *items = json_array();
	bool of_log = q->n_members > 0 && strcmp(q->members[0]->model, "audit") == 0;
	bool repeated = false;
	enum status st;

	(void)reply;
	call_own_json(ctx, items);
	if (before != NULL && !of_log) {
		db->before_write = NULL;
		before(db);
	}
	if (db->down || (of_log && db->log_down)) {
		call_fail_because(ctx, ST_UNAVAILABLE, "STORE_DOWN", 100, "the store is down");
		return;
	}
	if (of_log && db->log_hangs) {
		db->log_writes++;
		return;
	}
	db->writes += !of_log;
	db->log_writes += of_log;
	st = q->kind == MF__STORE_OP__KIND__TRANSACTION ? transact(db, q, items, &repeated)
	                                                : apply(db, q, &row, &repeated);
	if (of_log && db->log_loses > 0) {
		db->log_loses--;
		json_decref(row);
		call_fail(ctx, ST_UNAVAILABLE, "the answer was lost");
	} else if (!of_log && (db->lose_answers > 0 || db->dies_writing)) {
		db->down = db->dies_writing;
		db->dies_writing = false;
		db->lose_answers -= db->lose_answers > 0;
		json_decref(row);
		call_fail(ctx, ST_UNAVAILABLE, "the answer was lost");
	} else if (st != ST_OK) {
		json_decref(row);
		call_fail_because(ctx, st,
		    st == ST_ALREADY_EXISTS && q->kind == MF__STORE_OP__KIND__TRANSACTION &&
			    json_object_get(db->operations, q->operation_id) != NULL
			? "OPERATION_TAKEN"
		    : st == ST_ABORTED ? "VERSION_CONFLICT"
				       : "",
		    0, "refused");
	} else if (json_array_size(items) > 0) {
		reply_items(ctx, items, repeated);
	} else {
		reply_row(ctx, row == NULL ? json_object() : row, repeated);
	}
}

void
memdb_open(struct memdb *db, struct bus *bus)
{
	memset(db, 0, sizeof(*db));
	db->service = (Mf__Database_Service)MF__DATABASE__INIT(memdb_);
	db->serves[0] = (struct serve){ &db->service.base, PRIMARY };
	db->rows = json_object();
	db->operations = json_object();
	db->seen = json_object();
	bus_loopback(bus, "database", db->serves);
}

void
memdb_close(struct memdb *db)
{
	json_decref(db->rows);
	json_decref(db->operations);
	json_decref(db->seen);
}

json_t *
memdb_row(struct memdb *db, const char *model, const char *id)
{
	return json_object_get(model_of(db, model), id);
}

size_t
memdb_count(struct memdb *db, const char *model)
{
	return json_object_size(model_of(db, model));
}

void
memdb_put(struct memdb *db, const char *model, const char *id, json_t *object)
{
	json_object_set_new(object, "id", json_string(id));
	stamp(object, 1);
	json_object_set_new(model_of(db, model), id, object);
}

static json_t *
model_of(struct memdb *db, const char *model)
{
	json_t *m = json_object_get(db->rows, model);

	if (m == NULL) {
		m = json_object();
		json_object_set_new(db->rows, model, m);
	}
	return m;
}

static bool
matches(const json_t *row, const Mf__StoreOp *q)
{
	for (size_t i = 0; i < q->n_filters; i++) {
		if (strcmp(q->filters[i]->key, "id") == 0) { /* any of a list */
			char list[50000], one[400];

			(void)snprintf(list, sizeof(list), ",%s,", q->filters[i]->value);
			(void)snprintf(one, sizeof(one), ",%s,",
			    json_string_value(json_object_get(row, "id")));
			if (strstr(list, one) == NULL)
				return false;
			continue;
		}
		const json_t *v = json_object_get(row, q->filters[i]->key);
		const char *s = json_is_boolean(v) ? (json_is_true(v) ? "true" : "false")
		                                   : json_string_value(v);

		bool holds;

		if (is_bound(row, q->filters[i], &holds)
			? !holds
			: s == NULL || strcmp(s, q->filters[i]->value) != 0)
			return false;
	}
	return true;
}

static bool
is_bound(const json_t *row, const Mf__KeyValue *f, bool *holds)
{
	const char *at = json_string_value(json_object_get(row, "created_at"));
	bool before = strcmp(f->key, "created_before") == 0;

	if (!before && strcmp(f->key, "created_after") != 0)
		return false;
	*holds = before ? strcmp(at, f->value) < 0 : strcmp(at, f->value) >= 0;
	return true;
}

static json_t *
find(struct memdb *db, const Mf__StoreOp *q)
{
	const char *id;
	json_t *row;

	if (q->id[0] != '\0')
		return json_object_get(model_of(db, q->model), q->id);
	assert_int_not_equal(q->n_filters, 0);
	json_object_foreach(model_of(db, q->model), id, row) if (matches(row, q)) return row;
	return NULL;
}

static enum status
apply(struct memdb *db, const Mf__StoreOp *q, json_t **out, bool *repeated)
{
	switch (q->kind) {
	case MF__STORE_OP__KIND__CREATE:
		return create(db, q, out, repeated);
	case MF__STORE_OP__KIND__UPDATE:
		return update(db, q, out, repeated);
	case MF__STORE_OP__KIND__DELETE:
		*out = NULL;
		return delete (db, q, repeated);
	case MF__STORE_OP__KIND__READ_ONE:
	case MF__STORE_OP__KIND__QUERY_MANY:
	case MF__STORE_OP__KIND__BULK_CREATE:
	case MF__STORE_OP__KIND__TRANSACTION:
	case MF__STORE_OP__KIND__BULK:
	case MF__STORE_OP__KIND__APPEND:
	case MF__STORE_OP__KIND__TRIM:
	case _MF__STORE_OP__KIND_IS_INT_SIZE:
		break;
	}
	return ST_UNIMPLEMENTED;
}

static enum status
create(struct memdb *db, const Mf__StoreOp *q, json_t **out, bool *repeated)
{
	json_t *m = model_of(db, q->model), *row = json_object_get(m, q->id), *other;
	const char *id;

	if (row != NULL) {
		*repeated = true;
		*out = json_incref(row);
		return ST_OK;
	}
	row = json_loadb((const char *)q->data.data, q->data.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(row);
	for (size_t i = 0; i < sizeof(uniques) / sizeof(uniques[0]); i++)
		json_object_foreach(m, id, other) if (json_object_get(row, uniques[i]) != NULL &&
						      json_equal(json_object_get(row, uniques[i]),
							  json_object_get(other, uniques[i])))
		{
			json_decref(row);
			return ST_ALREADY_EXISTS;
		}
	json_object_foreach(m, id, other) if (strcmp(q->model, "factor") == 0 &&
					      json_equal(json_object_get(row, "user_id"),
						  json_object_get(other, "user_id")))
	{
		json_decref(row);
		return ST_ALREADY_EXISTS; /* UNIQUE (user_id, kind), and there is one kind */
	}
	if (strcmp(q->model, "user") == 0 && json_object_get(row, "disabled") == NULL)
		json_object_set_new(row, "disabled", json_false());
	json_object_set_new(row, "id", json_string(q->id));
	stamp(row, 1);
	json_object_set_new(m, q->id, row);
	*out = json_incref(row);
	return ST_OK;
}

static enum status
update(struct memdb *db, const Mf__StoreOp *q, json_t **out, bool *repeated)
{
	json_t *row = json_object_get(model_of(db, q->model), q->id), *patch;
	json_int_t version = json_integer_value(json_object_get(row, "version"));
	char now[TIME_RFC3339_LEN];

	/* a member of a transaction goes by its version, and the whole by its id */
	assert_true(q->operation_id[0] != '\0' || q->if_version != 0);
	if (row == NULL)
		return ST_NOT_FOUND;
	*repeated =
	    q->operation_id[0] != '\0' && json_object_get(db->operations, q->operation_id) != NULL;
	if (!*repeated) {
		if (q->if_version != 0 && (json_int_t)q->if_version != version)
			return ST_ABORTED;
		patch = json_loadb(
		    (const char *)q->data.data, q->data.len, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(patch);
		json_object_update(row, patch);
		json_decref(patch);
		time_rfc3339(time_wall_us(), now);
		json_object_set_new(row, "updated_at", json_string(now));
		json_object_set_new(row, "version", json_integer(version + 1));
		if (q->operation_id[0] != '\0')
			json_object_set_new(db->operations, q->operation_id, json_true());
	}
	*out = json_incref(row);
	return ST_OK;
}

static enum status delete (struct memdb *db, const Mf__StoreOp *q, bool *repeated) {
	json_t *row = json_object_get(model_of(db, q->model), q->id);

	*repeated = q->operation_id[0] != '\0' &&
	            json_object_get(db->operations, q->operation_id) != NULL;
	if (*repeated) return ST_OK;
	if (row == NULL) return ST_NOT_FOUND;
	if (q->if_version != 0 &&
	    (json_int_t)q->if_version !=
		json_integer_value(json_object_get(row, "version"))) return ST_ABORTED;
	json_object_del(model_of(db, q->model), q->id);
	if (q->operation_id[0] != '\0')
	    json_object_set_new(db->operations, q->operation_id, json_true());
	return ST_OK;
}

/* FNV-1a of the packed operation. */
static json_int_t
content_of(const Mf__StoreOp *q)
{
	size_t n = mf__store_op__get_packed_size(q);
	uint8_t *p = malloc(n);
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	assert_non_null(p);
	mf__store_op__pack(q, p);
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	free(p);
	return (json_int_t)(h >> 1);
}

/* The same operation again must be the same to the byte. */
static enum status
transact(struct memdb *db, const Mf__StoreOp *q, json_t *rows_out, bool *repeated)
{
	json_t *rows = json_deep_copy(db->rows), *operations = json_deep_copy(db->operations);
	const json_t *known = json_object_get(db->operations, q->operation_id);
	json_int_t content = content_of(q);
	enum status st = ST_OK;

	*repeated = known != NULL;
	if (known != NULL)
		st = json_integer_value(known) == content ? ST_OK : ST_ALREADY_EXISTS;
	for (size_t i = 0; st == ST_OK && i < q->n_members; i++) {
		const Mf__StoreOp *m = q->members[i];
		json_t *out = NULL;
		bool there = false;

		if (known != NULL)
			out = json_incref(json_object_get(model_of(db, m->model), m->id));
		else
			st = apply(db, m, &out, &there);
		if (st == ST_OK && there && m->kind == MF__STORE_OP__KIND__CREATE && !m->if_absent)
			st = ST_ALREADY_EXISTS;
		json_array_append_new(rows_out, out == NULL ? json_object() : json_deep_copy(out));
		json_decref(out);
	}
	if (st == ST_OK && q->operation_id[0] != '\0')
		json_object_set_new(db->operations, q->operation_id, json_integer(content));
	if (st != ST_OK) {
		json_t *t = db->rows;

		db->rows = json_incref(rows);
		json_decref(t);
		t = db->operations;
		db->operations = json_incref(operations);
		json_decref(t);
	}
	json_decref(rows);
	json_decref(operations);
	return st;
}

static void
reply_row(struct call *c, json_t *row, bool repeated)
{
	Mf__StoreResult m = MF__STORE_RESULT__INIT;

	m.data = text_of(c, row);
	m.version = (uint64_t)json_integer_value(json_object_get(row, "version"));
	m.repeated = repeated;
	json_decref(row);
	call_reply(c, &m.base);
}

static void
reply_items(struct call *c, json_t *rows, bool repeated)
{
	Mf__StoreResult m = MF__STORE_RESULT__INIT;

	m.repeated = repeated;
	m.n_items = json_array_size(rows);
	m.items = ARENA_ARRAY(call_arena(c), Mf__StoreItem *, m.n_items);
	for (size_t i = 0; i < m.n_items; i++) {
		const json_t *row = json_array_get(rows, i);

		m.items[i] = ARENA_NEW(call_arena(c), Mf__StoreItem);
		mf__store_item__init(m.items[i]);
		m.items[i]->data = text_of(c, row);
		m.items[i]->version = (uint64_t)json_integer_value(json_object_get(row, "version"));
		m.items[i]->repeated = repeated;
	}
	call_reply(c, &m.base);
}

static ProtobufCBinaryData
text_of(struct call *c, const json_t *row)
{
	ProtobufCBinaryData out;
	struct jw w;

	jw_start(&w, call_arena(c), 256);
	jw_json(&w, NULL, row);
	out.data = (uint8_t *)jw_text(&w, &out.len);
	return out;
}

static void
stamp(json_t *row, json_int_t version)
{
	char text[TIME_RFC3339_LEN];

	time_rfc3339(time_wall_us(), text);
	json_object_set_new(row, "version", json_integer(version));
	json_object_set_new(row, "created_at", json_string(text));
	json_object_set_new(row, "updated_at", json_string(text));
}
