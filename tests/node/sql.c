/* sql: one object at a time against a real PostgreSQL: what callers were promised in
 * services/database/sql/README.md. */
#include <stdio.h>
#include <string.h>
#include "base/time.h"
#include "harness/sqlbed.h"

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
	assert_string_equal(done_str(&made, "title"), "Grüße \"x\"");
	assert_string_equal(done_str(&made, "priority"), "HIGH");
	assert_string_equal(done_str(&made, "state"), "QUEUED");
	assert_string_equal(done_str(&made, "type"), "manual");
	assert_string_equal(done_str(&made, "namespace"), "default");
	assert_string_equal(done_str(&made, "created_by"), "u-1");
	assert_int_equal(read.status, ST_OK);
	assert_true(json_equal(made.json, read.json));
	done_free(&made);
	done_free(&read);
}

/* Labels are jsonb, which has its own order, spacing and escapes. */
static void
a_create_answers_the_bytes_that_are_read_back(void **unused)
{
	static const char *const labels[] = { "{}", "{\"b\":\"1\",\"a\":\"2\",\"cc\":\"\"}",
		"{\"team\":\"a b, c: {d}\",\"é\":\"\\\" \\\\ \\b\\f\\n\\u0001\\u007f\",\"x\":\"/ "
		"ü\"}",
		"[\"z, y\",\"a\",\"\\\"\"]" };

	(void)unused;
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		const char *id = new_id();
		struct done made, read;
		char data[200];

		snprintf(data, sizeof(data),
		    "{\"title\":\"x\",\"labels\":%s,\"payload\":{\"z\": 1, \"a\": [1e2, \"b\"]}}",
		    labels[i]);
		made = op_run(OP(CREATE, .id = S(id), .data = DATA(data)));
		read = op_run(OP(READ_ONE, .id = S(id)));
		assert_int_equal(made.status, ST_OK);
		assert_int_equal(made.result->data.len, read.result->data.len);
		assert_memory_equal(
		    made.result->data.data, read.result->data.data, read.result->data.len);
		done_free(&made);
		done_free(&read);
	}
}

static void
the_same_create_again_is_one_row_and_says_so(void **unused)
{
	const char *id = new_id();
	struct done again;
	char count[128];

	(void)unused;
	bed_create(id, "{\"title\":\"one\"}");
	again = op_run(OP(CREATE, .id = S(id), .data = DATA("{\"title\":\"one\"}")));
	assert_int_equal(again.status, ST_OK);
	assert_true(again.result->repeated);
	assert_string_equal(done_str(&again, "title"), "one");
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
	assert_string_equal(done_str(&d, "namespace"), "blue");
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
	bed_create(id,
	    "{\"title\":\"x\",\"description\":\"d\",\"labels\":{\"a\":\"1\",\"b\":\"2\"},"
	    "\"priority\":1,"
	    "\"payload\":{\"a\":{\"b\":1,\"c\":2},\"l\":[1,2]}}");
	d = op_run(OP(UPDATE, .id = S(id),
	    .data =
		DATA("{\"title\":\"y\",\"description\":null,\"labels\":{\"a\":null,\"c\":\"3\"},"
		     "\"priority\":null,\"payload\":{\"a\":{\"b\":null,\"d\":{\"e\":null,\"f\":5}},"
		     "\"l\":[3]}}")));
	assert_int_equal(d.status, ST_OK);
	assert_int_equal(d.result->version, 2);
	assert_string_equal(done_str(&d, "title"), "y");
	assert_string_equal(done_str(&d, "priority"), "MEDIUM");
	done_assert_json(&d, "description", "null");
	done_assert_json(&d, "labels", "{\"b\":\"2\",\"c\":\"3\"}");
	done_assert_json(&d, "payload", "{\"a\":{\"c\":2,\"d\":{\"f\":5}},\"l\":[3]}");
	done_free(&d);
	d = op_run(OP(UPDATE, .id = S(id), .data = DATA("{\"labels\":null,\"payload\":null}")));
	done_assert_json(&d, "labels", "{}");
	done_assert_json(&d, "payload", "null");
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
	bed_create(id, "{\"title\":\"x\"}");
	d = op_run(OP(UPDATE, .id = S(id), .if_version = 1, .data = DATA("{\"title\":\"y\"}")));
	assert_int_equal(d.status, ST_OK);
	done_free(&d);
	d = op_run(OP(UPDATE, .id = S(id), .if_version = 1, .data = DATA("{\"title\":\"z\"}")));
	assert_int_equal(d.status, ST_ABORTED);
	assert_string_equal(d.reason, "VERSION_CONFLICT");
	d = op_run(OP(DELETE, .id = S(id), .if_version = 1));
	assert_int_equal(d.status, ST_ABORTED);
	d = op_run(OP(READ_ONE, .id = S(id)));
	assert_string_equal(done_str(&d, "title"), "y");
	done_free(&d);
}

static void
an_update_repeated_under_its_operation_id_takes_effect_once(void **unused)
{
	const char *id = new_id(), *op = new_id();
	struct done first, d;

	(void)unused;
	bed_create(id, "{\"title\":\"x\"}");
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
	assert_string_equal(done_str(&d, "title"), "later");
	done_free(&d);
}

static void
a_delete_repeated_under_its_operation_id_says_that_it_was_done(void **unused)
{
	const char *id = new_id(), *op = new_id();
	struct done d;

	(void)unused;
	bed_create(id, "{\"title\":\"x\"}");
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
a_create_repeated_after_its_row_was_deleted_does_not_bring_it_back(void **unused)
{
	const char *id = new_id();
	struct done d;
	char bulk[120];

	(void)unused;
	bed_create(id, "{\"title\":\"x\"}");
	d = op_run(OP(DELETE, .id = S(id), .operation_id = S(new_id())));
	assert_int_equal(d.status, ST_OK);
	done_free(&d);
	d = op_run(OP(CREATE, .id = S(id), .data = DATA("{\"title\":\"x\"}")));
	assert_int_equal(d.status, ST_ALREADY_EXISTS);
	snprintf(bulk, sizeof(bulk), "[{\"id\":\"%s\",\"title\":\"x\"}]", id);
	d = op_run(OP(BULK, .data = DATA(bulk)));
	assert_int_equal(d.result->items[0]->problem->code, ST_ALREADY_EXISTS);
	done_free(&d);
	d = op_run(OP(READ_ONE, .id = S(id)));
	assert_int_equal(d.status, ST_NOT_FOUND);
}

/* Its id is its name. */
/* The delete is another process's: it commits while the create, which has looked into `deleted`
 * already, waits for the row. */
static void
a_create_repeated_while_another_process_deletes_its_row_does_not_bring_it_back(void **unused)
{
	const char *id = new_id(), *alone = new_id(), *absent = new_id();
	Mf__StoreOp member =
	    *OP(CREATE, .id = S(absent), .if_absent = true, .data = DATA("{\"title\":\"x\"}"));
	Mf__StoreOp *members[] = { &member };
	struct done d[3];
	char count[200];
	FILE *f;

	(void)unused;
	bed_create(id, "{\"title\":\"x\"}");
	bed_create(absent, "{\"title\":\"x\"}");
	f = bed_psql("WITH gone AS (DELETE FROM tasks WHERE id IN ('%s','%s') RETURNING id)"
		     " INSERT INTO deleted (row_id,model) SELECT id,'task' FROM gone;",
	    id, absent);
	op_start(&d[0], OP(CREATE, .id = S(id), .data = DATA("{\"title\":\"x\"}")), 5 * SEC);
	op_start(&d[1], OP(CREATE, .id = S(alone), .data = DATA("{\"title\":\"x\"}")), 5 * SEC);
	op_start(&d[2], OP(TRANSACTION, .n_members = 1, .members = members), 5 * SEC);
	while (bed_count("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type='Lock'") < 2)
		bed_pass(MS);
	bed_psql_commit(f);
	for (int i = 0; i < 3; i++)
		op_wait(&d[i]);
	assert_int_equal(d[0].status, ST_ALREADY_EXISTS);
	assert_int_equal(d[1].status, ST_OK);
	assert_int_equal(d[2].status, ST_OK);
	assert_int_equal(d[2].result->items[0]->data.len, 0); /* there is none to answer */
	snprintf(count, sizeof(count), "SELECT count(*) FROM tasks WHERE id IN ('%s','%s','%s')",
	    id, alone, absent);
	assert_int_equal(bed_count(count), 1);
	for (int i = 0; i < 3; i++)
		done_free(&d[i]);
}

static void
a_deleted_role_may_be_made_anew(void **unused)
{
	(void)unused;
	for (int i = 0; i < 2; i++) {
		struct done d =
		    op_run(OP(CREATE, .model = S("role"), .id = S("phoenix"), .data = DATA("{}")));

		assert_int_equal(d.status, ST_OK);
		assert_false(d.result->repeated);
		done_free(&d);
		d = op_run(OP(DELETE, .model = S("role"), .id = S("phoenix")));
		assert_int_equal(d.status, ST_OK);
		done_free(&d);
	}
}

static void
an_operation_id_that_belongs_to_another_row_is_refused(void **unused)
{
	const char *one = new_id(), *other = new_id(), *op = new_id();
	struct done d;

	(void)unused;
	bed_create(one, "{\"title\":\"x\"}");
	bed_create(other, "{\"title\":\"x\"}");
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
	assert_string_equal(done_str(&d, "title"), "x");
	done_free(&d);
}

static void
one_operation_sent_twice_at_once_takes_effect_once(void **unused)
{
	const char *id = new_id(), *op = new_id();
	struct done d[8];

	(void)unused;
	bed_create(id, "{\"title\":\"x\"}");
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_created_task_reads_back_as_it_was_answered),
		T(a_create_answers_the_bytes_that_are_read_back),
		T(the_same_create_again_is_one_row_and_says_so),
		T(what_is_not_there_is_not_found),
		T(a_task_of_another_namespace_is_not_found),
		T(wrong_input_names_each_field),
		T(a_merge_patch_follows_rfc_7396),
		T(a_stale_version_is_aborted_and_changes_nothing),
		T(an_update_repeated_under_its_operation_id_takes_effect_once),
		T(a_delete_repeated_under_its_operation_id_says_that_it_was_done),
		T(a_create_repeated_after_its_row_was_deleted_does_not_bring_it_back),
		T(a_create_repeated_while_another_process_deletes_its_row_does_not_bring_it_back),
		T(a_deleted_role_may_be_made_anew),
		T(an_operation_id_that_belongs_to_another_row_is_refused),
		T(one_operation_sent_twice_at_once_takes_effect_once),
		T(a_taken_username_is_already_exists_and_spares_its_neighbours),
	};

	return cmocka_run_group_tests(tests, sqlbed_start, sqlbed_stop);
}
