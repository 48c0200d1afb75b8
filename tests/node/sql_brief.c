/* sql_brief: ids, counts and histories of tasks against a real PostgreSQL. */
#include <stdio.h>
#include <string.h>
#include "base/id.h"
#include "harness/sqlbed.h"

static json_int_t
number(const struct done *d, const char *name)
{
	return json_integer_value(json_object_get(d->json, name));
}

static void
make(const char *ns, int n, char ids[][UUID_LEN])
{
	for (int i = 0; i < n; i++) {
		struct done d;

		uuid7(ids[i]);
		d = op_run(OP(CREATE, .namespace_ = S(ns), .id = ids[i],
		    .data = DATA("{\"title\":\"one\",\"labels\":{\"a\":\"b\"}}")));
		assert_int_equal(d.status, ST_OK);
		done_free(&d);
	}
}

static void
update(const char *ns, char *id, const char *patch)
{
	char operation[UUID_LEN];
	struct done d;

	uuid7(operation);
	d = op_run(OP(
	    UPDATE, .namespace_ = S(ns), .id = id, .operation_id = operation, .data = DATA(patch)));
	assert_int_equal(d.status, ST_OK);
	done_free(&d);
}

static void
tasks_are_counted_by_state_with_any_filter(void **unused)
{
	Mf__KeyValue words = { PROTOBUF_C_MESSAGE_INIT(&mf__key_value__descriptor), S("q"),
		S("one") },
		     label = { PROTOBUF_C_MESSAGE_INIT(&mf__key_value__descriptor), S("label"),
			     S("a=b") },
		     *filters[] = { &words, &label };
	char ids[5][UUID_LEN];
	struct done d;

	(void)unused;
	d = op_run(OP(QUERY, .namespace_ = S("counted"), .want = S("count")));
	assert_int_equal(d.status, ST_OK);
	assert_int_equal(number(&d, "count"), 0);
	done_free(&d);
	make("counted", 5, ids);
	update("counted", ids[2], "{\"state\":\"RUNNING\"}");
	for (size_t n = 0; n <= 2; n++) {
		d = op_run(OP(QUERY, .namespace_ = S("counted"), .want = S("count"), .n_filters = n,
		    .filters = filters));
		assert_int_equal(d.status, ST_OK);
		assert_int_equal(number(&d, "count"), 5);
		done_assert_json(&d, "by_state", "{\"QUEUED\":4,\"RUNNING\":1}");
		done_assert_json(&d, "more", "false");
		done_free(&d);
	}
}

static void
ids_come_in_their_order_with_versions_and_a_cursor_each(void **unused)
{
	char ids[7][UUID_LEN], cursor[256] = "";
	int seen = 0;

	(void)unused;
	make("ids", 7, ids);
	update("ids", ids[4], "{\"title\":\"two\"}");
	do {
		struct done d = op_run(OP(
		    QUERY, .namespace_ = S("ids"), .want = S("ids"), .limit = 3, .cursor = cursor));
		const json_t *one;
		size_t i;

		assert_int_equal(d.status, ST_OK);
		json_array_foreach(json_object_get(d.json, "items"), i, one)
		{
			assert_string_equal(
			    json_string_value(json_object_get(one, "id")), ids[seen]);
			assert_int_equal(
			    json_integer_value(json_object_get(one, "version")), seen == 4 ? 2 : 1);
			snprintf(cursor, sizeof(cursor), "%s",
			    json_string_value(json_object_get(one, "cursor")));
			seen++;
		}
		if (seen < 7) /* what stands behind the last of a page stands behind the page */
			assert_string_equal(done_str(&d, "next_cursor"), cursor);
		done_free(&d);
	} while (seen < 7);
}

static void
a_count_behind_a_cursor_is_of_the_rest(void **unused)
{
	char ids[4][UUID_LEN];
	struct done d, rest;

	(void)unused;
	make("rest", 4, ids);
	d = op_run(OP(QUERY, .namespace_ = S("rest"), .want = S("ids"), .limit = 1));
	rest = op_run(OP(QUERY, .namespace_ = S("rest"), .want = S("count"),
	    .cursor = S(done_str(&d, "next_cursor"))));
	assert_int_equal(number(&rest, "count"), 3);
	done_free(&d);
	done_free(&rest);
}

static void
a_history_is_newest_first_says_what_changed_and_goes_on_behind_a_version(void **unused)
{
	char ids[1][UUID_LEN];
	struct done d;

	(void)unused;
	make("past", 1, ids);
	update("past", ids[0], "{\"state\":\"RUNNING\"}");
	update("past", ids[0], "{\"priority\":\"LOW\"}");
	d = op_run(
	    OP(QUERY, .namespace_ = S("past"), .id = ids[0], .want = S("history"), .limit = 2));
	assert_int_equal(d.status, ST_OK);
	assert_int_equal(json_array_size(json_object_get(d.json, "items")), 2);
	assert_string_equal(done_str(&d, "next_cursor"), "2");
	done_assert_json(&d, "complete", "true");
	done_free(&d);
	d = op_run(OP(
	    QUERY, .namespace_ = S("past"), .id = ids[0], .want = S("history"), .cursor = S("2")));
	assert_string_equal(json_string_value(json_object_get(
				json_array_get(json_object_get(d.json, "items"), 0), "event")),
	    "task.created");
	done_free(&d);
	d = op_run(OP(QUERY, .namespace_ = S("other"), .id = ids[0], .want = S("history")));
	assert_int_equal(d.status, ST_NOT_FOUND); /* of another namespace it is none */
	done_free(&d);
}

static void
what_can_not_be_asked_is_refused(void **unused)
{
	const struct {
		const char *want, *sort, *id, *cursor;
	} asked[] = { { "everything", "", "", "" }, { "ids", "-created_at", "", "" },
		{ "count", "", "", "AAAA" }, { "history", "", "no id", "" },
		{ "history", "", "", "" } };
	struct done d;

	(void)unused;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		d = op_run(OP(QUERY, .want = S(asked[i].want), .sort = S(asked[i].sort),
		    .id = S(asked[i].id), .cursor = S(asked[i].cursor)));
		assert_int_equal(d.status, ST_INVALID_ARGUMENT);
		done_free(&d);
	}
	d = op_run(OP(QUERY, .model = S("user"), .want = S("count")));
	assert_int_equal(d.status, ST_INVALID_ARGUMENT);
	done_free(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(tasks_are_counted_by_state_with_any_filter),
		T(ids_come_in_their_order_with_versions_and_a_cursor_each),
		T(a_count_behind_a_cursor_is_of_the_rest),
		T(a_history_is_newest_first_says_what_changed_and_goes_on_behind_a_version),
		T(what_can_not_be_asked_is_refused),
	};

	return cmocka_run_group_tests(tests, sqlbed_start, sqlbed_stop);
}
