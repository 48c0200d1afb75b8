/* sql_query: filters, pages and cursors against a real PostgreSQL. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include "base/id.h"
#include "base/time.h"
#include "harness/sqlbed.h"

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
	done_assert_json(&d, "roles", "[\"admin\"]");
	done_assert_json(&d, "disabled", "false");
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
	    json_is_string(json_object_get(d.json, "next_cursor")) ? done_str(&d, "next_cursor")
								   : "");
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

/* In one array, and filled up: three NAME=VALUEs go as four. */
static void
labels_of_any_number_and_letters_hold_together(void **unused)
{
	static const char *const wanted[] = { "q\"uote", "back\\slash", "{brace}", "a,b", "NULL",
		"k1=v1", "k2=v\"2", "k3=v3" };
	Mf__KeyValue kv[8], *filters[8];
	char cursor[200] = "";
	struct done d;

	(void)unused;
	d = op_run(OP(CREATE, .id = S(new_id()), .namespace_ = S("letters"),
	    .data = DATA("{\"title\":\"a\",\"labels\":{\"q\\\"uote\":\"\",\"back\\\\slash\":\"\","
			 "\"{brace}\":\"\",\"a,b\":\"\",\"NULL\":\"\",\"k1\":\"v1\","
			 "\"k2\":\"v\\\"2\",\"k3\":\"v3\"}}")));
	assert_int_equal(d.status, ST_OK);
	done_free(&d);
	for (size_t n = 1; n <= 8; n++) {
		kv[n - 1] = (Mf__KeyValue){ PROTOBUF_C_MESSAGE_INIT(&mf__key_value__descriptor),
			S("label"), S(wanted[n - 1]) };
		filters[n - 1] = &kv[n - 1];
		assert_int_equal(page("letters", filters, n, 0, cursor, sizeof(cursor), NULL), 1);
	}
	for (size_t n = 0; n < 8; n++) { /* each of them counts */
		char *kept = kv[n].value, other[40];

		snprintf(other, sizeof(other), "%s.", kept);
		kv[n].value = other;
		assert_int_equal(page("letters", filters, 8, 0, cursor, sizeof(cursor), NULL), 0);
		kv[n].value = kept;
	}
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
		bed_create(new_id(), "{\"title\":\"x\"}");
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
tasks_of_a_list_of_ids_come_in_one_query(void **unused)
{
	char ids[3][UUID_LEN], list[3 * UUID_LEN + 40], cursor[200] = "";
	Mf__KeyValue kv = { PROTOBUF_C_MESSAGE_INIT(&mf__key_value__descriptor), S("id"), list };
	Mf__KeyValue *filters[] = { &kv };

	(void)unused;
	for (int i = 0; i < 3; i++) {
		snprintf(ids[i], UUID_LEN, "%s", new_id());
		bed_create(ids[i], "{\"title\":\"x\"}");
	}
	snprintf(
	    list, sizeof(list), "%s,%s,%s", ids[2], ids[0], "0199f0c0-1234-7abc-8def-0123456789ab");
	assert_int_equal(page("", filters, 1, 0, cursor, sizeof(cursor), NULL), 2);
	assert_int_equal(page("", filters, 1, 1, cursor, sizeof(cursor), NULL), 1);
	assert_int_equal(page("", filters, 1, 1, cursor, sizeof(cursor), NULL), 1);
	assert_string_equal(cursor, "");
	assert_int_equal(page("elsewhere", filters, 1, 0, cursor, sizeof(cursor), NULL), 0);
}

static void
each_item_has_its_cursor_when_they_are_wanted(void **unused)
{
	char cursor[200];
	json_t *items, *cursors;
	struct done d;

	(void)unused;
	for (int i = 0; i < 3; i++)
		bed_create(new_id(), "{\"title\":\"x\",\"labels\":[\"cursors\"]}");
	d = op_run(OP(QUERY, .limit = 2, .cursors = true));
	items = json_object_get(d.json, "items");
	cursors = json_object_get(d.json, "cursors");
	assert_int_equal(json_array_size(cursors), 2);
	assert_string_equal(
	    json_string_value(json_array_get(cursors, 1)), done_str(&d, "next_cursor"));
	snprintf(cursor, sizeof(cursor), "%s", json_string_value(json_array_get(cursors, 0)));
	json_incref(items);
	done_free(&d);
	d = op_run(OP(QUERY, .limit = 1, .cursor = cursor));
	assert_true(json_equal(
	    json_array_get(json_object_get(d.json, "items"), 0), json_array_get(items, 1)));
	assert_null(json_object_get(d.json, "cursors"));
	json_decref(items);
	done_free(&d);
}

/* As many bytes as the rows have in all never come into this process at once. */
static void
a_page_of_very_large_rows_is_shorter_and_takes_little_memory(void **unused)
{
	static const char *const sorts[] = { "", "-created_at" };
	struct rusage before, after;
	char cursor[200];
	size_t seen, pages, n;
	json_t *items, *ids;
	struct done d;

	(void)unused;
	(void)bed_count("INSERT INTO tasks (id,namespace,title,description,type,priority,state,"
			"payload,created_at,updated_at) SELECT gen_random_uuid(),'large','x',"
			"repeat('x',90000),'manual',3,'QUEUED',to_json(repeat('y',200000)),"
			"now()+i*interval '1 s',now() FROM generate_series(1,400) i");
	getrusage(RUSAGE_SELF, &before);
	for (size_t s = 0; s < 2; s++) {
		ids = json_object();
		cursor[0] = '\0';
		for (seen = pages = 0; pages == 0 || cursor[0] != '\0'; pages++, seen += n) {
			d = op_run(OP(QUERY, .namespace_ = S("large"), .limit = 1000,
			    .cursor = cursor, .sort = S(sorts[s])));
			assert_int_equal(d.status, ST_OK);
			items = json_object_get(d.json, "items");
			n = json_array_size(items);
			assert_in_range(n, 1, 7);
			for (size_t i = 0; i < n; i++)
				json_object_set_new(ids,
				    json_string_value(
					json_object_get(json_array_get(items, i), "id")),
				    json_true());
			snprintf(cursor, sizeof(cursor), "%s",
			    json_is_string(json_object_get(d.json, "next_cursor"))
				? done_str(&d, "next_cursor")
				: "");
			done_free(&d);
		}
		assert_int_equal(seen, 400);
		assert_int_equal(json_object_size(ids), 400);
		json_decref(ids);
	}
	getrusage(RUSAGE_SELF, &after);
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed */
	assert_true(after.ru_maxrss - before.ru_maxrss < 64 * 1024); /* of 116 MB; in kB */
#endif
	(void)bed_count("DELETE FROM tasks WHERE namespace='large'");
}

/* --- statements of operators --- */

struct asked {
	struct call *call;
	struct rpc *rpc;
	bool ended;
	enum status status;
	char reason[20], message[100];
	size_t rows, columns;
};

static void
on_rows(const Mf__SqlRows *m, void *ctx)
{
	struct asked *q = ctx;
	const struct failure *f = rpc_failure(q->rpc);

	q->ended = true;
	if (m != NULL) {
		q->rows = m->n_rows;
		q->columns = m->n_columns;
		call_reply(q->call, &m->base);
		return;
	}
	q->status = f->status;
	snprintf(q->reason, sizeof(q->reason), "%s", f->reason);
	snprintf(q->message, sizeof(q->message), "%s", f->message);
	call_fail_with(q->call, f);
}

static bool
has_answer(void *ctx)
{
	return ((struct asked *)ctx)->ended;
}

static struct asked
query(const char *statement, uint32_t most_rows)
{
	Mf__SqlQuery m = MF__SQL_QUERY__INIT;
	struct asked q = { 0 };

	m.statement = S(statement);
	m.most_rows = most_rows;
	q.call = call_root(sqlbed.bus, &(const struct call_opts){ .limit_us = 5 * SEC });
	q.rpc = rpc_new(q.call, sqlbed.target, &(const struct rpc_opts){ .once = true });
	mf__sql__query(&q.rpc->service, &m, on_rows, &q);
	bed_until(has_answer, &q, 10 * SEC);
	return q;
}

static void
an_operators_answer_has_bounds_and_says_which_was_passed(void **unused)
{
	struct asked q;

	(void)unused;
	q = query("SELECT i, 'x' FROM generate_series(1, 1000) i", 0);
	assert_int_equal(q.status, ST_OK);
	assert_int_equal(q.rows, 1000);
	assert_int_equal(q.columns, 2);
	q = query("SELECT i FROM generate_series(1, 1001) i", 0);
	assert_int_equal(q.status, ST_RESOURCE_EXHAUSTED);
	assert_string_equal(q.reason, "TOO_LARGE");
	assert_non_null(strstr(q.message, "more than 1000 rows"));
	q = query("SELECT i FROM generate_series(1, 1001) i", 2000);
	assert_int_equal(q.rows, 1001);
	q = query("SELECT repeat('x', 100000) FROM generate_series(1, 1000000)", 4000000000u);
	assert_int_equal(q.status, ST_RESOURCE_EXHAUSTED);
	assert_non_null(strstr(q.message, "bytes"));
	q = query("DROP TABLE tasks", 0);
	assert_int_equal(q.status, ST_INVALID_ARGUMENT);
}

/* Settings for the session would hold for whoever gets its connection next. */
static void
what_an_operator_sets_holds_for_his_statement_only(void **unused)
{
	struct asked q;

	(void)unused;
	for (int i = 0; i < 4; i++) { /* all connections of the long lane */
		q = query("SELECT set_config('default_transaction_read_only', 'off', false),"
			  " pg_advisory_lock(4711)::text",
		    0);
		assert_int_equal(q.status, ST_OK);
	}
	for (int i = 0; i < 4; i++) {
		q = query("DELETE FROM operations", 0);
		assert_int_equal(q.status, ST_INVALID_ARGUMENT);
		assert_non_null(strstr(q.message, "read-only"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_user_is_found_by_name),
		T(pages_by_cursor_stay_in_place_while_rows_come_and_go),
		T(filters_by_field_and_label_hold_together),
		T(labels_of_any_number_and_letters_hold_together),
		T(a_cursor_that_is_not_ours_is_refused),
		T(tasks_of_a_list_of_ids_come_in_one_query),
		T(each_item_has_its_cursor_when_they_are_wanted),
		T(a_page_of_very_large_rows_is_shorter_and_takes_little_memory),
		T(an_operators_answer_has_bounds_and_says_which_was_passed),
		T(what_an_operator_sets_holds_for_his_statement_only),
	};

	return cmocka_run_group_tests(tests, sqlbed_start, sqlbed_stop);
}
