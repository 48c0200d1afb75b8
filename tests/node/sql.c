/* sql: the service against a real PostgreSQL: what callers were promised in
 * services/database/sql/README.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/time.h"
#include "harness/sqlbed.h"

#define READ_ONE    .kind = MF__STORE_OP__KIND__READ_ONE
#define QUERY       .kind = MF__STORE_OP__KIND__QUERY_MANY
#define CREATE      .kind = MF__STORE_OP__KIND__CREATE
#define UPDATE      .kind = MF__STORE_OP__KIND__UPDATE
#define DELETE      .kind = MF__STORE_OP__KIND__DELETE
#define BULK        .kind = MF__STORE_OP__KIND__BULK_CREATE
#define TRANSACTION .kind = MF__STORE_OP__KIND__TRANSACTION

static const char *
str(const struct done *d, const char *name)
{
	const char *s = json_string_value(json_object_get(d->json, name));

	return s != NULL ? s : "(none)";
}

static void
create(const char *id, const char *data)
{
	struct done d = op_run(OP(CREATE, .id = S(id), .data = DATA(data)));

	assert_int_equal(d.status, ST_OK);
	done_free(&d);
}

static void
assert_json(const struct done *d, const char *name, const char *expected)
{
	json_t *v = json_loads(expected, JSON_DECODE_ANY, NULL);
	char *is = json_dumps(json_object_get(d->json, name), JSON_ENCODE_ANY);

	assert_non_null(v);
	if (!json_equal(json_object_get(d->json, name), v))
		fail_msg("%s is %s, not %s", name, is, expected);
	free(is);
	json_decref(v);
}

static void
a_created_task_reads_back_as_it_was_answered(void **unused)
{
	const char *id = new_id();
	struct done made = op_run(OP(CREATE, .id = S(id), .actor = S("u-1"),
	    .data = DATA("{\"title\":\"Grüße \\\"x\\\"\","
			 "\"priority\":\"HIGH\",\"labels\":{\"team\":\"a\"},\"payload\":{\"z\":1,"
			 "\"a\":[1,2.5,null,\"é\"]}}")));
	struct done read = op_run(OP(READ_ONE, .id = S(id)));

	(void)unused;
	assert_int_equal(made.status, ST_OK);
	assert_int_equal(made.result->version, 1);
	assert_int_equal(made.result->rows_affected, 1);
	assert_string_equal(str(&made, "title"), "Grüße \"x\"");
	assert_string_equal(str(&made, "priority"), "HIGH");
	assert_string_equal(str(&made, "state"), "QUEUED");
	assert_string_equal(str(&made, "type"), "manual");
	assert_string_equal(str(&made, "namespace"), "default");
	assert_string_equal(str(&made, "created_by"), "u-1");
	assert_int_equal(read.status, ST_OK);
	assert_true(json_equal(made.json, read.json));
	done_free(&made);
	done_free(&read);
}

static void
the_same_create_again_is_one_row_and_says_so(void **unused)
{
	const char *id = new_id();
	struct done again;
	char count[128];

	(void)unused;
	create(id, "{\"title\":\"one\"}");
	again = op_run(OP(CREATE, .id = S(id), .data = DATA("{\"title\":\"one\"}")));
	assert_int_equal(again.status, ST_OK);
	assert_true(again.result->repeated);
	assert_string_equal(str(&again, "title"), "one");
	snprintf(count, sizeof(count), "select count(*) from tasks where id='%s'", id);
	assert_int_equal(bed_count(count), 1);
	done_free(&again);
}

static void
what_is_not_there_is_not_found(void **unused)
{
	const char *id = new_id();
	struct done r = op_run(OP(READ_ONE, .id = S(id)));
	struct done u = op_run(OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"x\"}")));
	struct done d = op_run(OP(DELETE, .id = S(id)));

	(void)unused;
	assert_int_equal(r.status, ST_NOT_FOUND);
	assert_int_equal(u.status, ST_NOT_FOUND);
	assert_int_equal(d.status, ST_NOT_FOUND);
}

static void
a_task_of_another_namespace_is_not_found(void **unused)
{
	const char *id = new_id();
	struct done d, r;

	(void)unused;
	d = op_run(
	    OP(CREATE, .id = S(id), .namespace_ = S("blue"), .data = DATA("{\"title\":\"x\"}")));
	assert_int_equal(d.status, ST_OK);
	assert_string_equal(str(&d, "namespace"), "blue");
	done_free(&d);
	r = op_run(OP(READ_ONE, .id = S(id)));
	assert_int_equal(r.status, ST_NOT_FOUND);
	r = op_run(OP(READ_ONE, .id = S(id), .namespace_ = S("blue")));
	assert_int_equal(r.status, ST_OK);
	done_free(&r);
	r = op_run(OP(CREATE, .id = S(id), .data = DATA("{\"title\":\"x\"}")));
	assert_int_equal(r.status, ST_ALREADY_EXISTS);
}

static void
wrong_input_names_each_field(void **unused)
{
	static const struct {
		const char *data, *field;
	} wrong[] = {
		{ "{}", "/title" },
		{ "{\"title\":\"\"}", "/title" },
		{ "{\"title\":5}", "/title" },
		{ "{\"title\":\"x\",\"priority\":5}", "/priority" },
		{ "{\"title\":\"x\",\"priority\":\"high\"}", "/priority" },
		{ "{\"title\":\"x\",\"state\":\"DONE\"}", "/state" },
		{ "{\"title\":\"x\",\"labels\":{\"a\":1}}", "/labels" },
		{ "{\"title\":\"x\",\"labels\":[\"a\",\"a\"]}", "/labels" },
		{ "{\"title\":\"x\",\"colour\":1}", "/colour" },
		{ "{\"title\":\"x\",\"version\":7}", "/version" },
		{ "{\"title\":\"x\",\"type\":\"a b\"}", "/type" },
		{ "{\"title\":\"x\",\"id\":\"nonsense\"}", "/id" },
		{ "[]", "" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct done d = op_run(OP(CREATE, .id = S(new_id()), .data = DATA(wrong[i].data)));

		assert_int_equal(d.status, ST_INVALID_ARGUMENT);
		assert_string_equal(d.reason, "VALIDATION");
		assert_string_equal(d.field, wrong[i].field);
	}
}

static void
a_merge_patch_follows_rfc_7396(void **unused)
{
	const char *id = new_id();
	struct done d;

	(void)unused;
	create(id, "{\"title\":\"x\",\"description\":\"d\",\"labels\":{\"a\":\"1\",\"b\":\"2\"},"
		   "\"priority\":1,"
		   "\"payload\":{\"a\":{\"b\":1,\"c\":2},\"l\":[1,2]}}");
	d = op_run(OP(UPDATE, .id = S(id),
	    .data =
		DATA("{\"title\":\"y\",\"description\":null,\"labels\":{\"a\":null,\"c\":\"3\"},"
		     "\"priority\":null,\"payload\":{\"a\":{\"b\":null,\"d\":{\"e\":null,\"f\":5}},"
		     "\"l\":[3]}}")));
	assert_int_equal(d.status, ST_OK);
	assert_int_equal(d.result->version, 2);
	assert_string_equal(str(&d, "title"), "y");
	assert_string_equal(str(&d, "priority"), "MEDIUM");
	assert_json(&d, "description", "null");
	assert_json(&d, "labels", "{\"b\":\"2\",\"c\":\"3\"}");
	assert_json(&d, "payload", "{\"a\":{\"c\":2,\"d\":{\"f\":5}},\"l\":[3]}");
	done_free(&d);
	d = op_run(OP(UPDATE, .id = S(id), .data = DATA("{\"labels\":null,\"payload\":null}")));
	assert_json(&d, "labels", "{}");
	assert_json(&d, "payload", "null");
	done_free(&d);
	d = op_run(OP(UPDATE, .id = S(id), .data = DATA("{\"title\":null}")));
	assert_int_equal(d.status, ST_INVALID_ARGUMENT);
	assert_string_equal(d.field, "/title");
}

static void
a_stale_version_is_aborted_and_changes_nothing(void **unused)
{
	const char *id = new_id();
	struct done d;

	(void)unused;
	create(id, "{\"title\":\"x\"}");
	d = op_run(OP(UPDATE, .id = S(id), .if_version = 1, .data = DATA("{\"title\":\"y\"}")));
	assert_int_equal(d.status, ST_OK);
	done_free(&d);
	d = op_run(OP(UPDATE, .id = S(id), .if_version = 1, .data = DATA("{\"title\":\"z\"}")));
	assert_int_equal(d.status, ST_ABORTED);
	assert_string_equal(d.reason, "VERSION_CONFLICT");
	d = op_run(OP(DELETE, .id = S(id), .if_version = 1));
	assert_int_equal(d.status, ST_ABORTED);
	d = op_run(OP(READ_ONE, .id = S(id)));
	assert_string_equal(str(&d, "title"), "y");
	done_free(&d);
}

static void
an_update_repeated_under_its_operation_id_takes_effect_once(void **unused)
{
	const char *id = new_id(), *op = new_id();
	struct done first, d;

	(void)unused;
	create(id, "{\"title\":\"x\"}");
	first = op_run(OP(UPDATE, .id = S(id), .operation_id = S(op), .if_version = 1,
	    .data = DATA("{\"title\":\"y\"}")));
	assert_int_equal(first.status, ST_OK);
	assert_false(first.result->repeated);
	d = op_run(OP(UPDATE, .id = S(id), .operation_id = S(new_id()),
	    .data = DATA("{\"title\":\"later\"}")));
	done_free(&d);
	d = op_run(OP(UPDATE, .id = S(id), .operation_id = S(op), .if_version = 1,
	    .data = DATA("{\"title\":\"y\"}")));
	assert_int_equal(d.status, ST_OK);
	assert_true(d.result->repeated);
	assert_true(json_equal(d.json, first.json)); /* as it was answered then */
	assert_int_equal(d.result->version, 2);
	done_free(&d);
	done_free(&first);
	d = op_run(OP(READ_ONE, .id = S(id)));
	assert_string_equal(str(&d, "title"), "later");
	done_free(&d);
}

static void
a_delete_repeated_under_its_operation_id_says_that_it_was_done(void **unused)
{
	const char *id = new_id(), *op = new_id();
	struct done d;

	(void)unused;
	create(id, "{\"title\":\"x\"}");
	d = op_run(OP(DELETE, .id = S(id), .operation_id = S(op)));
	assert_int_equal(d.status, ST_OK);
	assert_int_equal(d.result->rows_affected, 1);
	done_free(&d);
	d = op_run(OP(DELETE, .id = S(id), .operation_id = S(op)));
	assert_int_equal(d.status, ST_OK);
	assert_true(d.result->repeated);
	done_free(&d);
}

static void
an_operation_id_that_belongs_to_another_row_is_refused(void **unused)
{
	const char *one = new_id(), *other = new_id(), *op = new_id();
	struct done d;

	(void)unused;
	create(one, "{\"title\":\"x\"}");
	create(other, "{\"title\":\"x\"}");
	d = op_run(
	    OP(UPDATE, .id = S(one), .operation_id = S(op), .data = DATA("{\"title\":\"y\"}")));
	assert_int_equal(d.status, ST_OK);
	done_free(&d);
	d = op_run(
	    OP(UPDATE, .id = S(other), .operation_id = S(op), .data = DATA("{\"title\":\"y\"}")));
	assert_int_equal(d.status, ST_FAILED_PRECONDITION);
	done_free(&d);
	d = op_run(OP(DELETE, .id = S(one), .operation_id = S(op)));
	assert_int_equal(d.status, ST_FAILED_PRECONDITION); /* it was an update */
	done_free(&d);
	d = op_run(OP(READ_ONE, .id = S(other)));
	assert_string_equal(str(&d, "title"), "x");
	done_free(&d);
}

static void
one_operation_sent_twice_at_once_takes_effect_once(void **unused)
{
	const char *id = new_id(), *op = new_id();
	struct done d[8];

	(void)unused;
	create(id, "{\"title\":\"x\"}");
	for (int i = 0; i < 8; i++)
		op_start(&d[i],
		    OP(UPDATE, .id = S(id), .operation_id = S(op),
			.data = DATA("{\"title\":\"y\"}")),
		    5 * SEC);
	for (int i = 0; i < 8; i++) {
		op_wait(&d[i]);
		assert_int_equal(d[i].status, ST_OK);
		assert_int_equal(d[i].result->version, 2);
		done_free(&d[i]);
	}
}

static void
a_taken_username_is_already_exists_and_spares_its_neighbours(void **unused)
{
	struct done d[20];
	char data[100];

	(void)unused;
	for (int i = 0; i < 20; i++) {
		snprintf(data, sizeof(data), "{\"username\":\"user-%d\"}", i == 13 ? 12 : i);
		op_start(&d[i],
		    OP(CREATE, .model = S("user"), .id = S(new_id()), .data = DATA(data)), 5 * SEC);
	}
	for (int i = 0; i < 20; i++)
		op_wait(&d[i]);
	assert_int_equal(
	    (d[12].status == ST_ALREADY_EXISTS) + (d[13].status == ST_ALREADY_EXISTS), 1);
	for (int i = 0; i < 20; i++) {
		assert_true(d[i].status == ST_OK || i == 12 || i == 13);
		done_free(&d[i]);
	}
	assert_int_equal(bed_count("select count(*) from users where username like 'user-%'"), 19);
}

static void
a_user_is_found_by_name(void **unused)
{
	Mf__KeyValue name = { PROTOBUF_C_MESSAGE_INIT(&mf__key_value__descriptor), S("username"),
		S("by-name") };
	Mf__KeyValue *filters[] = { &name };
	struct done d;

	(void)unused;
	d = op_run(OP(CREATE, .model = S("user"), .id = S(new_id()),
	    .data = DATA("{\"username\":\"by-name\","
			 "\"password_hash\":\"h\",\"roles\":[\"admin\"]}")));
	assert_int_equal(d.status, ST_OK);
	done_free(&d);
	d = op_run(OP(READ_ONE, .model = S("user"), .n_filters = 1, .filters = filters));
	assert_int_equal(d.status, ST_OK);
	assert_json(&d, "roles", "[\"admin\"]");
	assert_json(&d, "disabled", "false");
	done_free(&d);
	name.value = S("nobody");
	d = op_run(OP(READ_ONE, .model = S("user"), .n_filters = 1, .filters = filters));
	assert_int_equal(d.status, ST_NOT_FOUND);
}

static size_t
page(const char *ns, Mf__KeyValue **filters, size_t n, uint32_t limit, char *cursor, size_t cap,
    json_t **items)
{
	struct done d = op_run(OP(QUERY, .namespace_ = S(ns), .limit = limit, .n_filters = n,
	    .filters = filters, .cursor = cursor));
	size_t got;

	assert_int_equal(d.status, ST_OK);
	got = json_array_size(json_object_get(d.json, "items"));
	if (items != NULL)
		*items = json_incref(json_object_get(d.json, "items"));
	snprintf(cursor, cap, "%s",
	    json_is_string(json_object_get(d.json, "next_cursor")) ? str(&d, "next_cursor") : "");
	done_free(&d);
	return got;
}

static void
pages_by_cursor_stay_in_place_while_rows_come_and_go(void **unused)
{
	char ids[30][UUID_LEN], cursor[200] = "";
	size_t seen = 0;
	struct done d;

	(void)unused;
	for (int i = 0; i < 30; i++) {
		uuid7(ids[i]);
		d = op_run(OP(CREATE, .id = ids[i], .namespace_ = S("pages"),
		    .data = DATA("{\"title\":\"x\"}")));
		done_free(&d);
	}
	do {
		json_t *items;
		size_t n = page("pages", NULL, 0, 7, cursor, sizeof(cursor), &items);

		for (size_t i = 0; i < n;
		     i++, seen++) /* none twice, none left out, though the page before is deleted */
			assert_string_equal(
			    json_string_value(json_object_get(json_array_get(items, i), "id")),
			    ids[seen]);
		for (size_t i = 0; i < n; i++) {
			d = op_run(OP(DELETE, .id = ids[seen - n + i], .namespace_ = S("pages")));
			assert_int_equal(d.status, ST_OK);
			done_free(&d);
		}
		json_decref(items);
	} while (*cursor != '\0');
	assert_int_equal(seen, 30);
}

static void
filters_by_field_and_label_hold_together(void **unused)
{
	static const char *const tasks[] = {
		"{\"title\":\"a\",\"labels\":{\"area\":\"net\",\"hot\":\"\"},\"priority\":\"LOW\"}",
		"{\"title\":\"b\",\"labels\":[\"hot\",\"area=net\"],\"priority\":\"HIGH\"}",
		"{\"title\":\"c\",\"labels\":{\"area\":\"disk\"},\"state\":\"FAILED\"}",
	};
	Mf__KeyValue a = { PROTOBUF_C_MESSAGE_INIT(&mf__key_value__descriptor), S("label"),
		S("hot") };
	Mf__KeyValue b = { PROTOBUF_C_MESSAGE_INIT(&mf__key_value__descriptor), S("priority"),
		S("HIGH") };
	Mf__KeyValue *filters[] = { &a, &b };
	char cursor[200] = "";
	struct done d;

	(void)unused;
	for (size_t i = 0; i < 3; i++) {
		d = op_run(OP(
		    CREATE, .id = S(new_id()), .namespace_ = S("filters"), .data = DATA(tasks[i])));
		assert_int_equal(d.status, ST_OK);
		done_free(&d);
	}
	assert_int_equal(page("filters", filters, 1, 0, cursor, sizeof(cursor), NULL), 2);
	assert_int_equal(page("filters", filters, 2, 0, cursor, sizeof(cursor), NULL), 1);
	a.value = S("area=net");
	assert_int_equal(page("filters", filters, 1, 0, cursor, sizeof(cursor), NULL), 2);
	b.key = S("state");
	b.value = S("FAILED");
	assert_int_equal(page("filters", &filters[1], 1, 0, cursor, sizeof(cursor), NULL), 1);
	b.value = S("LOST");
	d = op_run(OP(QUERY, .n_filters = 1, .filters = &filters[1]));
	assert_int_equal(d.status, ST_INVALID_ARGUMENT);
	assert_string_equal(d.field, "state");
}

static void
a_cursor_that_is_not_ours_is_refused(void **unused)
{
	Mf__KeyValue a = { PROTOBUF_C_MESSAGE_INIT(&mf__key_value__descriptor), S("state"),
		S("QUEUED") };
	Mf__KeyValue *filters[] = { &a };
	char cursor[200] = "";
	struct done d;

	(void)unused;
	for (int i = 0; i < 2; i++)
		create(new_id(), "{\"title\":\"x\"}");
	page("", NULL, 0, 1, cursor, sizeof(cursor), NULL);
	assert_string_not_equal(cursor, "");
	d = op_run(
	    OP(QUERY, .cursor = cursor, .n_filters = 1, .filters = filters)); /* of another query */
	assert_int_equal(d.status, ST_INVALID_ARGUMENT);
	assert_string_equal(d.field, "cursor");
	d = op_run(OP(QUERY, .cursor = S("AAAA")));
	assert_int_equal(d.status, ST_INVALID_ARGUMENT);
	assert_string_equal(d.field, "cursor");
}

static void
each_of_a_bulk_stands_for_itself(void **unused)
{
	const char *a = new_id(), *b = new_id();
	char data[600];
	struct done d;

	(void)unused;
	create(a, "{\"title\":\"there already\"}");
	snprintf(data, sizeof(data),
	    "[{\"id\":\"%s\",\"title\":\"x\"},{\"id\":\"%s\",\"title\":\"\"},{\"id\":\"%s\","
	    "\"title\":\"new\"},{\"title\":\"no id\"}]",
	    a, new_id(), b);
	d = op_run(OP(BULK, .data = DATA(data)));
	assert_int_equal(d.status, ST_OK);
	assert_int_equal(d.result->n_items, 4);
	assert_null(d.result->items[0]->problem);
	assert_non_null(strstr((char *)d.result->items[0]->data.data, "there already"));
	assert_int_equal(d.result->items[1]->problem->code, ST_INVALID_ARGUMENT);
	assert_string_equal(d.result->items[1]->problem->violations[0]->field, "/1/title");
	assert_null(d.result->items[2]->problem);
	assert_string_equal(d.result->items[3]->problem->violations[0]->field, "/3/id");
	assert_int_equal(d.result->rows_affected, 1);
	done_free(&d);
}

static void
a_transaction_is_all_or_nothing(void **unused)
{
	const char *a = new_id(), *b = new_id(), *op = new_id();
	Mf__StoreOp m1 = *OP(CREATE, .id = S(b), .data = DATA("{\"title\":\"b\"}"));
	Mf__StoreOp m2 =
	    *OP(UPDATE, .id = S(a), .if_version = 9, .data = DATA("{\"title\":\"a2\"}"));
	Mf__StoreOp m3 = *OP(DELETE, .id = S(a));
	Mf__StoreOp *members[] = { &m1, &m2, &m3 };
	struct done d;

	(void)unused;
	create(a, "{\"title\":\"a\"}");
	d = op_run(OP(TRANSACTION, .n_members = 3, .members = members, .operation_id = S(op)));
	assert_int_equal(d.status, ST_ABORTED);
	assert_string_equal(d.reason, "VERSION_CONFLICT");
	d = op_run(OP(READ_ONE, .id = S(b)));
	assert_int_equal(d.status, ST_NOT_FOUND);
	m2.if_version = 1;
	for (int i = 0; i < 2; i++) { /* and once more: the same answers, no other effect */
		d = op_run(
		    OP(TRANSACTION, .n_members = 3, .members = members, .operation_id = S(op)));
		assert_int_equal(d.status, ST_OK);
		assert_int_equal(d.result->repeated, i == 1);
		assert_int_equal(d.result->items[0]->version, 1);
		assert_int_equal(d.result->items[1]->version, 2);
		done_free(&d);
	}
	d = op_run(OP(READ_ONE, .id = S(a)));
	assert_int_equal(d.status, ST_NOT_FOUND);
}

/* --- the server goes --- */

static bool
store_is_down(void *ctx)
{
	(void)ctx;
	return sql_store_down();
}

static bool
store_is_up(void *ctx)
{
	return !store_is_down(ctx);
}

static void
a_dead_server_is_told_at_once_and_found_again(void **unused)
{
	const char *id = new_id();
	struct done d;

	(void)unused;
	create(id, "{\"title\":\"kept\"}");
	stores_kill_postgres(sqlbed.stores);
	bed_until(store_is_down, NULL, 2 * SEC);
	d = op_run(OP(READ_ONE, .id = S(id)));
	assert_int_equal(d.status, ST_UNAVAILABLE);
	assert_string_equal(d.reason, "STORE_DOWN");
	assert_int_equal(d.retry_ms, 1000);
	assert_true(d.took_us < 20 * MS);
	stores_start_postgres(sqlbed.stores);
	bed_until(store_is_up, NULL, 3 * SEC);
	d = op_run(OP(READ_ONE, .id = S(id)));
	assert_int_equal(d.status, ST_OK);
	done_free(&d);
}

#define WRITES 40

/* Half updates, half creates; all of them out, none answered. */
static void
start_writes(struct done *d, const char *ns, int64_t limit_us)
{
	static char ids[WRITES][UUID_LEN], ops[WRITES][UUID_LEN];
	struct done r;

	for (int i = 0; i < WRITES; i++) {
		uuid7(ids[i]);
		uuid7(ops[i]);
		if (i % 2 == 0)
			continue;
		r = op_run(OP(
		    CREATE, .id = ids[i], .namespace_ = S(ns), .data = DATA("{\"title\":\"x\"}")));
		assert_int_equal(r.status, ST_OK);
		done_free(&r);
	}
	if (strcmp(ns, "lost") ==
	    0) /* commits, and never says so: waits for a standby that does not exist */
		bed_count("alter system set synchronous_standby_names = 'nobody'"),
		    bed_count("select pg_reload_conf()::int");
	else
		stores_pause_postgres(sqlbed.stores, true);
	bed_pass(100 * MS);
	for (int i = 0; i < WRITES; i++)
		op_start(&d[i],
		    i % 2 == 0
			? OP(CREATE, .id = ids[i], .namespace_ = S(ns),
			      .data = DATA("{\"title\":\"z\"}"))
			: OP(UPDATE, .id = ids[i], .namespace_ = S(ns), .operation_id = ops[i],
			      .if_version = 1, .data = DATA("{\"title\":\"y\"}")),
		    limit_us);
	bed_pass(200 * MS);
	for (int i = 0; i < WRITES; i++)
		assert_false(d[i].ended);
}

static void
assert_writes_done(struct done *d, const char *ns)
{
	char count[200];

	for (int i = 0; i < WRITES; i++) {
		op_wait(&d[i]);
		assert_int_equal(d[i].status, ST_OK);
		assert_int_equal(d[i].result->version, i % 2 == 0 ? 1 : 2);
		assert_false(d[i].result->repeated);
		done_free(&d[i]);
	}
	snprintf(count, sizeof(count),
	    "select count(*) from tasks where namespace='%s' and "
	    "(title='y' and version=2 or title='z' and version=1)",
	    ns);
	assert_int_equal(bed_count(count), WRITES);
}

static void
a_commit_whose_answer_was_lost_is_found_when_the_server_is_back(void **unused)
{
	static struct done d[WRITES];

	(void)unused;
	start_writes(d, "lost", 12 * SEC);
	stores_crash_postgres(sqlbed.stores);
	bed_pass(100 * MS);
	stores_start_postgres(sqlbed.stores);
	assert_writes_done(d, "lost");
	bed_count("alter system reset synchronous_standby_names");
	bed_count("select pg_reload_conf()::int");
}

static void
a_write_that_the_server_lost_is_done_when_it_is_back(void **unused)
{
	static struct done d[WRITES];

	(void)unused;
	start_writes(d, "undone", 12 * SEC);
	stores_crash_postgres(sqlbed.stores);
	bed_pass(100 * MS);
	stores_start_postgres(sqlbed.stores);
	assert_writes_done(d, "undone");
}

static void
a_server_that_stays_away_leaves_a_write_with_a_clear_answer_before_its_deadline(void **unused)
{
	static struct done d[WRITES];

	(void)unused;
	start_writes(d, "away", SEC);
	stores_crash_postgres(sqlbed.stores);
	for (int i = 0; i < WRITES; i++) {
		op_wait(&d[i]);
		assert_int_equal(d[i].status, ST_UNAVAILABLE);
		assert_string_equal(d[i].reason, "OUTCOME_UNKNOWN");
		assert_true(d[i].took_us < SEC);
		done_free(&d[i]);
	}
	stores_start_postgres(sqlbed.stores);
	bed_until(store_is_up, NULL, 3 * SEC);
}

static void
writes_under_fire_are_each_done_exactly_once(void **unused)
{
	static struct done d[400];
	static char ids[400][UUID_LEN];
	int ok = 0;

	(void)unused;
	for (int i = 0; i < 400; i++) {
		uuid7(ids[i]);
		op_start(&d[i],
		    OP(CREATE, .id = ids[i], .namespace_ = S("fire"),
			.data = DATA("{\"title\":\"z\"}")),
		    12 * SEC);
		bed_pass(50);
		if (i == 200) {
			stores_crash_postgres(sqlbed.stores);
			bed_pass(20 * MS);
			stores_start_postgres(sqlbed.stores);
			bed_until(store_is_up, NULL, 3 * SEC);
		}
	}
	for (int i = 0; i < 400; i++) {
		op_wait(&d[i]);
		assert_true(d[i].status == ST_OK || d[i].status == ST_UNAVAILABLE);
		ok += d[i].status == ST_OK;
		done_free(&d[i]);
	}
	assert_true(ok > 300);
	assert_in_range(bed_count("select count(*) from tasks where namespace='fire'"), ok, 400);
}

static void
a_migration_is_applied_once(void **unused)
{
	(void)unused;
	assert_int_equal(bed_count("select count(*) from schema_migrations"), 1);
	sql_close();
	assert_true(sql_open(sqlbed.loop, sqlbed.work, &sqlbed.config, NULL));
	bed_pass(300 * MS);
	assert_int_equal(sql_state(), SQL_USABLE);
	assert_int_equal(bed_count("select count(*) from schema_migrations"), 1);
}

static void
a_changed_migration_is_refused_and_says_what_to_do(void **unused)
{
	struct done d;

	(void)unused;
	bed_count("update schema_migrations set checksum = 'x' || checksum; select 1");
	sql_close();
	assert_true(sql_open(sqlbed.loop, sqlbed.work, &sqlbed.config, NULL));
	bed_pass(300 * MS);
	assert_int_equal(sql_state(), SQL_REFUSED);
	assert_non_null(
	    strstr(sql_refusal(), "migration 1 (init) is not the one that was applied"));
	d = op_run(OP(READ_ONE, .id = S(new_id())));
	assert_int_equal(d.status, ST_FAILED_PRECONDITION);
	assert_string_equal(d.reason, "SCHEMA_MISMATCH");
	bed_count("update schema_migrations set checksum = substr(checksum, 2); select 1");
	sql_close();
	assert_true(sql_open(sqlbed.loop, sqlbed.work, &sqlbed.config, NULL));
	bed_pass(300 * MS);
	assert_int_equal(sql_state(), SQL_USABLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_created_task_reads_back_as_it_was_answered),
		T(the_same_create_again_is_one_row_and_says_so),
		T(what_is_not_there_is_not_found),
		T(a_task_of_another_namespace_is_not_found),
		T(wrong_input_names_each_field),
		T(a_merge_patch_follows_rfc_7396),
		T(a_stale_version_is_aborted_and_changes_nothing),
		T(an_update_repeated_under_its_operation_id_takes_effect_once),
		T(a_delete_repeated_under_its_operation_id_says_that_it_was_done),
		T(an_operation_id_that_belongs_to_another_row_is_refused),
		T(one_operation_sent_twice_at_once_takes_effect_once),
		T(a_taken_username_is_already_exists_and_spares_its_neighbours),
		T(a_user_is_found_by_name),
		T(pages_by_cursor_stay_in_place_while_rows_come_and_go),
		T(filters_by_field_and_label_hold_together),
		T(a_cursor_that_is_not_ours_is_refused),
		T(each_of_a_bulk_stands_for_itself),
		T(a_transaction_is_all_or_nothing),
		cmocka_unit_test(a_dead_server_is_told_at_once_and_found_again),
		cmocka_unit_test(a_commit_whose_answer_was_lost_is_found_when_the_server_is_back),
		cmocka_unit_test(a_write_that_the_server_lost_is_done_when_it_is_back),
		cmocka_unit_test(
		    a_server_that_stays_away_leaves_a_write_with_a_clear_answer_before_its_deadline),
		cmocka_unit_test(writes_under_fire_are_each_done_exactly_once),
		cmocka_unit_test(a_migration_is_applied_once),
		cmocka_unit_test(a_changed_migration_is_refused_and_says_what_to_do),
	};

	return cmocka_run_group_tests(tests, sqlbed_start, sqlbed_stop);
}
