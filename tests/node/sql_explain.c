/* sql_explain: every kind of operation says how PostgreSQL would run it, and nothing is run; and what
 * a TRANSACTION's isolation is worth. */
#include <stdlib.h>
#include <string.h>
#include "base/time.h"
#include "harness/sqlbed.h"

#define TITLE DATA("{\"title\":\"t\",\"description\":\"it's {\\\"a, \\\\b\"}")

static struct done
explain(const Mf__StoreOp *op)
{
	struct done d = op_run(op);

	if (d.status != ST_OK)
		fail_msg("%s", d.message);
	assert_string_equal(done_str(&d, "store"), "postgres");
	return d;
}

/* Some statement of the answer has this text in it, and a plan with a node of this type. */
static void
assert_planned(const struct done *d, const char *lane, const char *text, const char *node)
{
	json_t *list = json_object_get(d->json, "statements"), *s;
	size_t i;

	assert_string_equal(done_str(d, "lane"), lane);
	json_array_foreach(list, i, s)
	{
		char *plan = json_dumps(json_object_get(s, "plan"), JSON_COMPACT);
		bool yes =
		    strstr(json_string_value(json_object_get(s, "statement")), text) != NULL &&
		    strstr(plan, node) != NULL;

		free(plan);
		if (yes)
			return;
	}
	fail_msg("no statement with %s is planned as %s", text, node);
}

static void
each_kind_of_operation_has_a_plan(void **unused)
{
	const char *id = new_id();
	Mf__KeyValue state = MF__KEY_VALUE__INIT, after = MF__KEY_VALUE__INIT,
		     *states[] = { &state }, *afters[] = { &after };
	Mf__StoreOp *members[] = { (Mf__StoreOp *)(uintptr_t)OP(
				       CREATE, .id = S(new_id()), .data = TITLE),
		(Mf__StoreOp *)(uintptr_t)OP(CREATE, .id = S(new_id()), .data = TITLE),
		(Mf__StoreOp *)(uintptr_t)OP(DELETE, .id = S(id)) };
	struct done d;

	(void)unused;
	d = explain(OP(READ_ONE, .id = S(id), .explain = true));
	assert_planned(&d, "short", "WHERE id=$1::uuid", "Scan");
	done_free(&d);
	state.key = S("state"), state.value = S("QUEUED");
	d = explain(OP(QUERY, .limit = 5, .n_filters = 1, .filters = states, .explain = true));
	assert_planned(&d, "short", "state=$2::text", "Limit");
	done_free(&d);
	after.key = S("created_after"), after.value = S("2026-01-01T00:00:00Z");
	d = explain(
	    OP(QUERY, .sort = S("-priority"), .n_filters = 1, .filters = afters, .explain = true));
	assert_planned(&d, "long", "ORDER BY priority DESC", "Sort");
	done_free(&d);
	d = explain(OP(CREATE, .id = S(id), .data = TITLE, .explain = true));
	assert_planned(&d, "short", "INSERT INTO tasks", "ModifyTable");
	done_free(&d);
	d = explain(
	    OP(UPDATE, .id = S(id), .data = TITLE, .operation_id = S("x-1"), .explain = true));
	assert_planned(&d, "short", "UPDATE tasks", "ModifyTable");
	done_free(&d);
	d = explain(OP(DELETE, .id = S(id), .explain = true));
	assert_planned(&d, "short", "DELETE FROM tasks", "ModifyTable");
	done_free(&d);
	d = explain(OP(TRANSACTION, .n_members = 3, .members = members, .operation_id = S("x-2"),
	    .explain = true));
	assert_planned(&d, "short", "INSERT INTO operations", "Result");
	assert_planned(&d, "short", "INSERT INTO tasks", "ModifyTable");
	assert_planned(&d, "short", "DELETE FROM tasks", "ModifyTable");
	assert_int_equal(json_array_size(json_object_get(d.json, "statements")), 3);
	done_free(&d);
	assert_int_equal(bed_count("select count(*) from tasks"), 0);
	assert_int_equal(bed_count("select count(*) from operations"), 0);
}

static void
a_plan_names_the_parameters_types_and_not_their_values(void **unused)
{
	struct done d = explain(OP(READ_ONE, .id = S(new_id()), .explain = true));
	json_t *s = json_array_get(json_object_get(d.json, "statements"), 0);
	char *types = json_dumps(json_object_get(s, "parameters"), JSON_COMPACT);

	(void)unused;
	assert_string_equal(types, "[\"uuid\",\"text\"]");
	free(types);
	done_free(&d);
	d = explain(OP(CREATE, .model = S("user"), .id = S(new_id()),
	    .data = DATA("{\"username\":\"u\",\"password_hash\":\"a-secret-hash\"}"),
	    .explain = true));
	assert_null(memmem(d.result->data.data, d.result->data.len, "a-secret-hash", 13));
	done_free(&d);
}

/* --- isolation --- */

static void
an_isolation_that_does_not_exist_is_refused(void **unused)
{
	Mf__StoreOp *member[] = { (Mf__StoreOp *)(uintptr_t)OP(
	    CREATE, .id = S(new_id()), .data = TITLE) };
	struct done d =
	    op_run(OP(TRANSACTION, .n_members = 1, .members = member, .isolation = S("chaos")));

	(void)unused;
	assert_int_equal(d.status, ST_INVALID_ARGUMENT);
	assert_string_equal(d.field, "isolation");
	d = op_run(OP(CREATE, .id = S(new_id()), .data = TITLE, .isolation = S("serializable")));
	assert_int_equal(d.status, ST_INVALID_ARGUMENT);
}

/* A trigger tells what the transaction ran under. */
static void
a_transaction_runs_under_the_isolation_it_asked_for(void **unused)
{
	static const char *const words[][2] = { { "", "read committed" },
		{ "read_committed", "read committed" }, { "repeatable_read", "repeatable read" },
		{ "serializable", "serializable" } };
	struct done d;

	(void)unused;
	bed_count("create function tell() returns trigger language plpgsql as \\$\\$ begin"
		  " new.description := current_setting('transaction_isolation'); return new; end"
		  " \\$\\$; create trigger tell before update on tasks for each row execute"
		  " function tell(); select 1");
	for (int round = 0; round < 8; round++) {
		const char *id = new_id();
		Mf__StoreOp *member[] = { (Mf__StoreOp *)(uintptr_t)OP(
		    UPDATE, .id = S(id), .data = DATA("{\"title\":\"new\"}")) };

		bed_create(id, "{\"title\":\"old\"}");
		d = op_run(OP(TRANSACTION, .n_members = 1, .members = member,
		    .isolation = S(words[round % 4][0])));
		assert_int_equal(d.status, ST_OK);
		done_free(&d);
		d = op_run(OP(READ_ONE, .id = S(id)));
		assert_string_equal(done_str(&d, "description"), words[round % 4][1]);
		done_free(&d);
	}
	bed_count("drop trigger tell on tasks; select 1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_kind_of_operation_has_a_plan),
		T(a_plan_names_the_parameters_types_and_not_their_values),
		T(an_isolation_that_does_not_exist_is_refused),
		T(a_transaction_runs_under_the_isolation_it_asked_for),
	};

	return cmocka_run_group_tests(tests, sqlbed_start, sqlbed_stop);
}
