/* sql_many: many objects in one operation: bulks, of which each member stands for itself, and
 * transactions, which are all or nothing. */
#include <stdio.h>
#include <string.h>
#include "base/time.h"
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

#define TRANSACT(op, ...)                                                                          \
	op_run(OP(TRANSACTION, .operation_id = S(op), .n_members = COUNT(__VA_ARGS__),             \
	    .members = (Mf__StoreOp *[]){ __VA_ARGS__ }))
#define COUNT(...) (sizeof((Mf__StoreOp *[]){ __VA_ARGS__ }) / sizeof(Mf__StoreOp *))

static void
assert_there(const char *id, const char *title)
{
	struct done d = op_run(OP(READ_ONE, .id = S(id)));

	if (title == NULL) {
		assert_int_equal(d.status, ST_NOT_FOUND);
	} else {
		assert_int_equal(d.status, ST_OK);
		assert_string_equal(done_str(&d, "title"), title);
	}
	done_free(&d);
}

static void
a_create_that_meets_a_row_ends_its_transaction(void **unused)
{
	const char *a = new_id(), *b = new_id(), *c = new_id();
	Mf__StoreOp before = *OP(CREATE, .id = S(b), .data = DATA("{\"title\":\"b\"}"));
	Mf__StoreOp taken = *OP(CREATE, .id = S(a), .data = DATA("{\"title\":\"a\"}"));
	Mf__StoreOp after = *OP(UPDATE, .id = S(c), .data = DATA("{\"title\":\"c2\"}"));
	const char *const operations[] = { "", new_id() };

	(void)unused;
	bed_create(a, "{\"title\":\"a\"}"); /* even of the same content: it was another operation */
	bed_create(c, "{\"title\":\"c\"}");
	for (size_t i = 0; i < 2; i++) {
		struct done d = TRANSACT(operations[i], &before, &taken, &after);

		assert_int_equal(d.status, ST_ALREADY_EXISTS);
		assert_string_equal(d.reason, "ALREADY_EXISTS");
		assert_true(strncmp(d.message, "/1: ", 4) == 0);
		assert_there(b, NULL);
		assert_there(c, "c");
	}
}

static void
an_operation_id_names_one_transaction_only(void **unused)
{
	const char *a = new_id(), *b = new_id(), *op = new_id();
	Mf__StoreOp one = *OP(CREATE, .id = S(a), .data = DATA("{\"title\":\"a\"}"));
	Mf__StoreOp other = *OP(CREATE, .id = S(b), .data = DATA("{\"title\":\"b\"}"));
	Mf__StoreOp update = *OP(UPDATE, .id = S(a), .data = DATA("{\"title\":\"a2\"}"));
	struct done d;

	(void)unused;
	d = TRANSACT(op, &one);
	assert_int_equal(d.status, ST_OK);
	done_free(&d);
	one.data.data = (uint8_t *)S("{\"title\":\"x\"}");
	d = TRANSACT(op, &one);
	assert_int_equal(d.status, ST_ALREADY_EXISTS);
	assert_string_equal(d.reason, "OPERATION_TAKEN");
	one.data.data = (uint8_t *)S("{\"title\":\"a\"}");
	d = TRANSACT(op, &one, &other);
	assert_int_equal(d.status, ST_ALREADY_EXISTS);
	d = TRANSACT(op, &update);
	assert_int_equal(d.status, ST_ALREADY_EXISTS);
	assert_there(a, "a");
	assert_there(b, NULL);
}

static void
an_operation_id_of_a_single_write_is_taken_for_transactions(void **unused)
{
	const char *a = new_id(), *b = new_id(), *op = new_id();
	char of_member[60];
	Mf__StoreOp create = *OP(CREATE, .id = S(b), .data = DATA("{\"title\":\"b\"}"));
	Mf__StoreOp update = *OP(UPDATE, .id = S(a), .data = DATA("{\"title\":\"a3\"}"));
	struct done d;

	(void)unused;
	bed_create(a, "{\"title\":\"a\"}");
	snprintf(of_member, sizeof(of_member), "%s/1", op);
	for (int i = 0; i < 2; i++) {
		d = op_run(OP(UPDATE, .id = S(a), .operation_id = i == 0 ? of_member : S(op),
		    .data = DATA("{\"title\":\"a2\"}")));
		assert_int_equal(d.status, ST_OK);
		done_free(&d);
		d = TRANSACT(op, &create, &update);
		assert_int_equal(d.status, ST_ALREADY_EXISTS);
		assert_string_equal(d.reason, "OPERATION_TAKEN");
		assert_there(a, "a2");
		assert_there(b, NULL);
	}
}

static void
one_transaction_sent_many_times_at_once_takes_effect_once(void **unused)
{
	const char *a = new_id(), *b = new_id(), *op = new_id();
	Mf__StoreOp m1 = *OP(CREATE, .id = S(b), .data = DATA("{\"title\":\"b\"}"));
	Mf__StoreOp m2 = *OP(UPDATE, .id = S(a), .data = DATA("{\"title\":\"a2\"}"));
	Mf__StoreOp *members[] = { &m1, &m2 };
	struct done d[8];
	int firsts = 0;

	(void)unused;
	bed_create(a, "{\"title\":\"a\"}");
	for (int i = 0; i < 8; i++)
		op_start(&d[i],
		    OP(TRANSACTION, .n_members = 2, .members = members, .operation_id = S(op)),
		    5 * SEC);
	for (int i = 0; i < 8; i++) {
		op_wait(&d[i]);
		assert_int_equal(d[i].status, ST_OK);
		assert_int_equal(d[i].result->items[0]->version, 1);
		assert_int_equal(d[i].result->items[1]->version, 2);
		firsts += !d[i].result->repeated;
		done_free(&d[i]);
	}
	assert_int_equal(firsts, 1);
}

static void
a_repeated_transaction_answers_what_it_did_then(void **unused)
{
	const char *a = new_id(), *op = new_id();
	Mf__StoreOp m = *OP(CREATE, .id = S(a), .data = DATA("{\"title\":\"then\"}"));
	struct done d;

	(void)unused;
	d = TRANSACT(op, &m);
	assert_int_equal(d.result->rows_affected, 1);
	done_free(&d);
	d = op_run(OP(UPDATE, .id = S(a), .data = DATA("{\"title\":\"now\"}")));
	done_free(&d);
	d = TRANSACT(op, &m);
	assert_int_equal(d.status, ST_OK);
	assert_true(d.result->items[0]->repeated);
	assert_int_equal(d.result->items[0]->version, 1);
	assert_non_null(strstr((char *)d.result->items[0]->data.data, "\"title\":\"then\""));
	done_free(&d);
}

static void
a_create_if_absent_leaves_a_row_that_is_there(void **unused)
{
	const char *a = new_id(), *b = new_id();
	Mf__StoreOp there =
	    *OP(CREATE, .id = S(a), .if_absent = true, .data = DATA("{\"title\":\"other\"}"));
	Mf__StoreOp absent =
	    *OP(CREATE, .id = S(b), .if_absent = true, .data = DATA("{\"title\":\"b\"}"));
	struct done d;

	(void)unused;
	bed_create(a, "{\"title\":\"a\"}");
	d = TRANSACT(new_id(), &there, &absent);
	assert_int_equal(d.status, ST_OK);
	assert_int_equal(d.result->rows_affected, 1);
	assert_true(d.result->items[0]->repeated);
	assert_false(d.result->items[1]->repeated);
	assert_non_null(strstr((char *)d.result->items[0]->data.data, "\"title\":\"a\""));
	done_free(&d);
	assert_there(a, "a");
	assert_there(b, "b");
}

static void
a_transaction_does_not_bring_a_deleted_row_back(void **unused)
{
	const char *a = new_id(), *b = new_id();
	Mf__StoreOp m1 = *OP(CREATE, .id = S(b), .data = DATA("{\"title\":\"b\"}"));
	Mf__StoreOp m2 = *OP(CREATE, .id = S(a), .data = DATA("{\"title\":\"a\"}"));
	struct done d;

	(void)unused;
	bed_create(a, "{\"title\":\"a\"}");
	d = op_run(OP(DELETE, .id = S(a)));
	assert_int_equal(d.status, ST_OK);
	done_free(&d);
	d = TRANSACT(new_id(), &m1, &m2);
	assert_int_equal(d.status, ST_ALREADY_EXISTS);
	assert_true(strncmp(d.message, "/1: ", 4) == 0);
	assert_there(a, NULL);
	assert_there(b, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_of_a_bulk_stands_for_itself),
		T(a_transaction_is_all_or_nothing),
		T(a_create_that_meets_a_row_ends_its_transaction),
		T(an_operation_id_names_one_transaction_only),
		T(an_operation_id_of_a_single_write_is_taken_for_transactions),
		T(one_transaction_sent_many_times_at_once_takes_effect_once),
		T(a_repeated_transaction_answers_what_it_did_then),
		T(a_create_if_absent_leaves_a_row_that_is_there),
		T(a_transaction_does_not_bring_a_deleted_row_back),
	};

	return cmocka_run_group_tests(tests, sqlbed_start, sqlbed_stop);
}
