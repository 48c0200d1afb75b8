/* commit: transactions over PostgreSQL and documents, on the real sql, nosql, PostgreSQL and Redis: all
 * or nothing. What is lost on the way: commit_faults.c. */
#include <stdio.h>
#include <string.h>
#include "base/time.h"
#include "harness/txbed.h"

static void
a_task_and_a_document_are_written_by_one_transaction(void **unused)
{
	const char *task = new_id(), *doc = new_id();
	struct tx_said *x;

	(void)unused;
	put_doc(doc, "{\"n\":1}");
	x = tx_done(tx_both(new_id(), task, doc, "{\"n\":2}"));
	assert_int_equal(x->m->n_items, 2);
	assert_int_equal(x->m->rows_affected, 2);
	assert_int_equal(x->m->items[1]->version, 2);
	assert_string_equal(title_of(task), "of both");
	assert_string_equal(doc_read("doc.n", doc), "2:{\"n\":2}");
	assert_nothing_staged();
}

static void
the_plan_says_how_it_commits(void **unused)
{
	Mf__StoreOp op = *tx_both(new_id(), new_id(), new_id(), "{}");
	struct tx_said *x;

	(void)unused;
	op.explain = true;
	x = tx_done(&op);
	assert_memory_equal(
	    json_string_value(json_object_get(x->json, "commit")), "two phases", 10);
	assert_string_equal(json_string_value(json_object_get(x->json, "store")), "both");
}

static void
what_postgresql_refuses_leaves_the_documents_as_they_were(void **unused)
{
	const char *doc = new_id();
	struct tx_said *x;

	(void)unused;
	put_doc(doc, "{\"n\":1}");
	x = tx_ask(OP(TRANSACTION, .operation_id = S(new_id()),
	    MEMBERS(M(UPDATE, DOC(doc), .data = DATA("{\"n\":2}")),
		M(DELETE, DOC(doc), .if_version = 2),
		M(UPDATE, .id = S(new_id()), .data = DATA("{\"title\":\"x\"}")))));
	assert_int_equal(x->status, ST_NOT_FOUND);
	assert_string_equal(x->message, "/2: there is no such task");
	assert_string_equal(doc_read("doc.n", doc), "1:{\"n\":1}");
	assert_nothing_staged();
}

static void
what_a_document_refuses_leaves_postgresql_as_it_was(void **unused)
{
	const char *task = new_id(), *doc = new_id(), *other = new_id();
	struct tx_said *x;

	(void)unused;
	put_doc(doc, "{\"n\":1}");
	x = tx_ask(OP(TRANSACTION, .operation_id = S(new_id()),
	    MEMBERS(M(CREATE, .id = S(task), .data = DATA("{\"title\":\"x\"}")),
		M(CREATE, .model = S("doc.m"), .id = S(other), .data = DATA("{}")),
		M(UPDATE, DOC(doc), .if_version = 7, .data = DATA("{\"n\":2}")))));
	assert_int_equal(x->status, ST_ABORTED);
	assert_string_equal(x->reason, "VERSION_CONFLICT");
	assert_memory_equal(x->message, "/2: ", 4);
	assert_string_equal(title_of(task), "NOT_FOUND");
	assert_string_equal(doc_read("doc.m", other), "NOT_FOUND");
	assert_nothing_staged();
}

static void
a_repetition_answers_what_was_answered_then(void **unused)
{
	const char *operation = new_id(), *task = new_id(), *doc = new_id();
	const Mf__StoreOp *op = tx_both(operation, task, doc, "{\"n\":2}");
	struct tx_said *x;

	(void)unused;
	put_doc(doc, "{\"n\":1}");
	tx_done(op);
	tx_done(OP(UPDATE, DOC(doc), .data = DATA("{\"n\":3}"), .operation_id = S(new_id())));
	x = tx_done(op);
	assert_true(x->m->repeated);
	assert_int_equal(x->m->items[1]->version, 2);
	assert_true(x->m->items[0]->repeated && x->m->items[1]->repeated);
	assert_non_null(strstr((char *)x->m->items[0]->data.data, "of both"));
	assert_string_equal(doc_read("doc.n", doc), "3:{\"n\":3}");
	x = tx_ask(tx_both(operation, task, doc, "{\"n\":4}"));
	assert_int_equal(x->status, ST_ALREADY_EXISTS);
	assert_string_equal(x->reason, "OPERATION_TAKEN");
	assert_nothing_staged();
}

static void
a_repetition_whose_documents_forgot_it_changes_nothing(void **unused)
{
	const char *operation = new_id(), *task = new_id(), *doc = new_id();
	const Mf__StoreOp *op = tx_both(operation, task, doc, "{\"n\":2}");
	char key[100];
	struct tx_said *x;

	(void)unused;
	put_doc(doc, "{\"n\":1}");
	tx_done(op);
	snprintf(key, sizeof(key), "mf:{doc.n}:tr:%s", operation);
	assert_int_equal(redis_number("DEL", key), 1);
	x = tx_done(op);
	assert_true(x->m->repeated);
	assert_string_equal(doc_read("doc.n", doc), "2:{\"n\":2}");
	assert_nothing_staged();
}

static void
collections_without_a_row_of_postgresql_change_together(void **unused)
{
	const char *a = new_id(), *b = new_id();

	(void)unused;
	tx_done(OP(TRANSACTION, .operation_id = S(new_id()),
	    MEMBERS(M(CREATE, .model = S("doc.n"), .id = S(a), .data = DATA("{\"n\":1}")),
		M(CREATE, .model = S("doc.m"), .id = S(b), .data = DATA("{\"m\":1}")))));
	assert_string_equal(doc_read("doc.n", a), "1:{\"n\":1}");
	assert_string_equal(doc_read("doc.m", b), "1:{\"m\":1}");
	assert_nothing_staged();
}

static void
one_collection_needs_no_postgresql(void **unused)
{
	const char *operation = new_id(), *a = new_id(), *b = new_id();
	const Mf__StoreOp *op = OP(TRANSACTION, .operation_id = S(operation),
	    MEMBERS(M(CREATE, DOC(a), .data = DATA("{\"n\":1}")),
		M(UPDATE, DOC(a), .data = DATA("{\"k\":1}")),
		M(CREATE, DOC(b), .data = DATA("{\"n\":2}"))));

	(void)unused;
	txbed.manner = IS_DOWN;
	assert_false(tx_done(op)->m->repeated);
	assert_true(tx_done(op)->m->repeated);
	assert_string_equal(doc_read("doc.n", a), "2:{\"n\":1,\"k\":1}");
	assert_int_equal(
	    tx_ask(OP(TRANSACTION, .operation_id = S(new_id()),
		       MEMBERS(M(DELETE, DOC(a)), M(UPDATE, DOC(new_id()), .data = DATA("{}")))))
		->status,
	    ST_NOT_FOUND);
	assert_string_equal(doc_read("doc.n", a), "2:{\"n\":1,\"k\":1}");
	assert_nothing_staged();
}

static void
two_over_the_same_documents_in_opposite_order_both_end(void **unused)
{
	const char *a = new_id(), *b = new_id(), *task = new_id();

	(void)unused;
	put_doc(a, "{\"n\":0}");
	tx_done(OP(CREATE, .model = S("doc.m"), .id = S(b), .data = DATA("{\"n\":0}"),
	    .operation_id = S(new_id())));
	bed_create(task, "{\"title\":\"0\"}");
	for (int round = 0; round < 10; round++) {
		struct tx_said
		    *x = tx_start(OP(TRANSACTION, .operation_id = S(new_id()),
			MEMBERS(M(UPDATE, DOC(a), .data = DATA("{\"by\":1}")),
			    M(UPDATE, .model = S("doc.m"), .id = S(b), .data = DATA("{\"by\":1}")),
			    M(UPDATE, .id = S(task), .data = DATA("{\"title\":\"1\"}"))))),
		    *y = tx_start(OP(TRANSACTION, .operation_id = S(new_id()),
			MEMBERS(M(UPDATE, .id = S(task), .data = DATA("{\"title\":\"2\"}")),
			    M(UPDATE, .model = S("doc.m"), .id = S(b), .data = DATA("{\"by\":2}")),
			    M(UPDATE, DOC(a), .data = DATA("{\"by\":2}")))));
		char one[120], two[120];

		tx_wait(x);
		tx_wait(y);
		assert_true(x->status == ST_OK || y->status == ST_OK);
		assert_true(x->status == ST_OK || strcmp(x->reason, "STAGED") == 0);
		assert_true(y->status == ST_OK || strcmp(y->reason, "STAGED") == 0);
		snprintf(one, sizeof(one), "%s", strstr(doc_read("doc.n", a), "by"));
		snprintf(two, sizeof(two), "%s", strstr(doc_read("doc.m", b), "by"));
		assert_string_equal(one, two);
	}
	assert_nothing_staged();
}

/* --- with a declared collection --- */

static void
declare(const char *name, const char *what)
{
	tx_done(OP(CREATE, .model = S("collection"), .id = S(name), .data = DATA(what),
	    .operation_id = S(new_id())));
}

#define KEYED(i) .model = S("doc.keyed"), .id = S(i)

static void
put_keyed(const char *id, const char *data)
{
	tx_done(OP(CREATE, KEYED(id), .data = DATA(data), .operation_id = S(new_id())));
}

static void
documents_swap_their_unique_keys_within_one_transaction(void **unused)
{
	const char *a = new_id(), *b = new_id();
	struct tx_said *x;

	(void)unused;
	declare("keyed", "{\"indexes\":[{\"name\":\"by_k\",\"fields\":[\"/k\"],\"unique\":true}],"
			 "\"schema\":{\"properties\":{\"k\":{\"type\":\"string\"}}}}");
	put_keyed(a, "{\"k\":\"one\"}");
	put_keyed(b, "{\"k\":\"two\"}");
	tx_done(OP(TRANSACTION, .operation_id = S(new_id()),
	    MEMBERS(M(UPDATE, KEYED(a), .data = DATA("{\"k\":\"two\"}")),
		M(UPDATE, KEYED(b), .data = DATA("{\"k\":\"one\"}")),
		M(CREATE, .id = S(new_id()), .data = DATA("{\"title\":\"x\"}")))));
	assert_string_equal(doc_read("doc.keyed", a), "2:{\"k\":\"two\"}");
	x = tx_ask(OP(TRANSACTION, .operation_id = S(new_id()),
	    MEMBERS(M(CREATE, KEYED(new_id()), .data = DATA("{\"k\":\"new\"}")),
		M(CREATE, KEYED(new_id()), .data = DATA("{\"k\":\"new\"}")),
		M(CREATE, .id = S(new_id()), .data = DATA("{\"title\":\"x\"}")))));
	assert_string_equal(x->reason, "UNIQUE");
	x = tx_ask(OP(TRANSACTION, .operation_id = S(new_id()),
	    MEMBERS(M(CREATE, .id = S(new_id()), .data = DATA("{\"title\":\"x\"}")),
		M(UPDATE, KEYED(a), .data = DATA("{\"k\":5}")))));
	assert_int_equal(x->status, ST_INVALID_ARGUMENT);
	assert_string_equal(x->field, "/1/k");
	assert_int_equal(redis_number("EXISTS", "mf:{doc.keyed}:rs"), 0);
	assert_int_equal(redis_number("EXISTS", "mf:{doc.keyed}:held"), 0);
}

static void
a_document_that_a_transaction_leaves_as_it_is_keeps_its_key(void **unused)
{
	const char *a = new_id(), *b = new_id();
	struct tx_said *x;

	(void)unused;
	put_keyed(a, "{\"k\":\"kept\"}");
	x = tx_ask(OP(TRANSACTION, .operation_id = S(new_id()),
	    MEMBERS(M(CREATE, KEYED(a), .data = DATA("{\"k\":\"another\"}"), .if_absent = true),
		M(CREATE, KEYED(b), .data = DATA("{\"k\":\"kept\"}")))));
	assert_string_equal(x->reason, "UNIQUE");
	assert_string_equal(doc_read("doc.keyed", b), "NOT_FOUND");
}

/* The key of a document that is staged is neither free nor taken: who wants it waits for the decision. */
static void
a_key_that_is_staged_is_waited_for(void **unused)
{
	const char *t = new_id(), *a = new_id(), *b = new_id();

	(void)unused;
	assert_int_equal(
	    tx_stage(OP(TRANSACTION, .operation_id = S(new_id()), .transaction = S(t),
			 MEMBERS(M(CREATE, KEYED(a), .data = DATA("{\"k\":\"mine\"}")))))
		->status,
	    ST_OK);
	tx_done(OP(TRANSACTION, .operation_id = S(new_id()),
	    MEMBERS(M(CREATE, KEYED(b), .data = DATA("{\"k\":\"mine\"}")))));
	assert_string_equal(doc_read("doc.keyed", a), "NOT_FOUND");
	assert_string_equal(doc_read("doc.keyed", b), "1:{\"k\":\"mine\"}");
	assert_int_equal(
	    tx_stage(OP(TRANSACTION, .operation_id = S(new_id()), .transaction = S(new_id()),
			 MEMBERS(M(CREATE, KEYED(a), .data = DATA("{\"k\":\"more\"}")))))
		->status,
	    ST_OK);
	put_keyed(new_id(), "{\"k\":\"more\"}");
	assert_string_equal(doc_read("doc.keyed", a), "NOT_FOUND");
	assert_int_equal(
	    tx_stage(OP(TRANSACTION, .operation_id = S(new_id()), .transaction = S(t),
			 MEMBERS(M(CREATE, KEYED(a), .data = DATA("{\"k\":\"other\"}")))))
		->status,
	    ST_OK);
	tx_done(OP(UPDATE, .model = S("collection"), .id = S("keyed"),
	    .data = DATA("{\"indexes\":[]}"), .operation_id = S(new_id())));
	assert_string_equal(doc_read("doc.keyed", a), "NOT_FOUND");
	assert_int_equal(redis_number("EXISTS", "mf:{doc.keyed}:rs"), 0);
}

/* --- documents that end --- */

static void
a_life_that_a_transaction_gives_ends(void **unused)
{
	const char *a = new_id();

	(void)unused;
	tx_done(OP(TRANSACTION, .operation_id = S(new_id()),
	    MEMBERS(M(CREATE, DOC(a), .data = DATA("{}"), .ttl_ms = 300),
		M(UPDATE, DOC(a), .data = DATA("{\"n\":1}")),
		M(CREATE, .id = S(new_id()), .data = DATA("{\"title\":\"x\"}")))));
	assert_string_equal(doc_read("doc.n", a), "2:{\"n\":1}");
	bed_pass(400 * MS);
	assert_string_equal(doc_read("doc.n", a), "NOT_FOUND");
}

static void
a_document_made_anew_has_no_life_of_the_one_before(void **unused)
{
	const char *a = new_id(), *b = new_id();

	(void)unused;
	tx_done(OP(CREATE, DOC(a), .data = DATA("{}"), .ttl_ms = 300, .operation_id = S(new_id())));
	tx_done(OP(CREATE, DOC(b), .data = DATA("{}"), .ttl_ms = 300, .operation_id = S(new_id())));
	tx_done(OP(TRANSACTION, .operation_id = S(new_id()),
	    MEMBERS(M(DELETE, DOC(a)), M(CREATE, DOC(a), .data = DATA("{\"n\":1}")))));
	tx_done(OP(TRANSACTION, .operation_id = S(new_id()),
	    MEMBERS(M(DELETE, DOC(b)), M(CREATE, DOC(b), .data = DATA("{\"n\":1}")),
		M(CREATE, .id = S(new_id()), .data = DATA("{\"title\":\"x\"}")))));
	bed_pass(400 * MS);
	assert_string_equal(doc_read("doc.n", a), "1:{\"n\":1}");
	assert_string_equal(doc_read("doc.n", b), "1:{\"n\":1}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TX(a_task_and_a_document_are_written_by_one_transaction),
		TX(the_plan_says_how_it_commits),
		TX(what_postgresql_refuses_leaves_the_documents_as_they_were),
		TX(what_a_document_refuses_leaves_postgresql_as_it_was),
		TX(a_repetition_answers_what_was_answered_then),
		TX(a_repetition_whose_documents_forgot_it_changes_nothing),
		TX(collections_without_a_row_of_postgresql_change_together),
		TX(one_collection_needs_no_postgresql),
		TX(two_over_the_same_documents_in_opposite_order_both_end),
		TX(documents_swap_their_unique_keys_within_one_transaction),
		TX(a_document_that_a_transaction_leaves_as_it_is_keeps_its_key),
		TX(a_key_that_is_staged_is_waited_for),
		TX(a_life_that_a_transaction_gives_ends),
		TX(a_document_made_anew_has_no_life_of_the_one_before),
	};

	return cmocka_run_group_tests_name(test_program_name(), tests, txbed_start, txbed_stop);
}
