/* sql_many: many objects in one operation: bulks, of which each member stands for itself, and
 * transactions, which are all or nothing. */
#include <stdio.h>
#include <string.h>
#include "harness/sqlbed.h"

static void
each_of_a_bulk_stands_for_itself(void **unused)
{
	const char *a = new_id(), *b = new_id();
	char data[600];
	struct done d;

	(void)unused;
	bed_create(a, "{\"title\":\"there already\"}");
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
	bed_create(a, "{\"title\":\"a\"}");
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_of_a_bulk_stands_for_itself),
		T(a_transaction_is_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, sqlbed_start, sqlbed_stop);
}
