/* plan: which store, where a read may come from, and which writes make what of the cache old. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "database/plan.h"
#include "database/session.h"

#define OP(k, m)                                                                                   \
	(Mf__StoreOp)                                                                              \
	{                                                                                          \
		PROTOBUF_C_MESSAGE_INIT(&mf__store_op__descriptor),                                \
		    .kind = MF__STORE_OP__KIND__##k, .model = (char *)(m), .id = (char *)"1",      \
		    .cursor = (char *)"", .namespace_ = (char *)"", .operation_id = (char *)"",    \
		    .consistency = (char *)"", .actor = (char *)"", .session = (char *)"",         \
		    .want = (char *)""                                                             \
	}

static void
every_model_has_a_store(void **unused)
{
	static const struct {
		const char *model;
		enum plan_store store;
	} cases[] = {
		{ "task", PLAN_SQL },
		{ "user", PLAN_SQL },
		{ "tasks", PLAN_SQL }, /* which sql refuses */
		{ "blob", PLAN_SQL },
		{ "doc.x", PLAN_NOSQL },
		{ "document", PLAN_SQL },
		{ "collection", PLAN_NOSQL },
		{ "stream.a.b", PLAN_NOSQL },
		{ "consumer.a", PLAN_NOSQL },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Mf__StoreOp q = OP(READ_ONE, cases[i].model);
		struct plan p;

		assert_null(plan_operation(&q, false, &p));
		assert_int_equal(p.store, cases[i].store);
	}
}

static void
every_kind_goes_one_way(void **unused)
{
	(void)unused;
	for (int k = 0; plan_kind((Mf__StoreOp__Kind)k) != NULL; k++) {
		Mf__StoreOp q = OP(READ_ONE, "task");
		bool write =
		    k != MF__STORE_OP__KIND__READ_ONE && k != MF__STORE_OP__KIND__QUERY_MANY;
		struct plan p;

		q.kind = (Mf__StoreOp__Kind)k;
		assert_null(plan_operation(&q, write, &p));
		assert_non_null(plan_operation(&q, !write, &p));
	}
	assert_non_null(plan_kind(MF__STORE_OP__KIND__TRIM));
	assert_null(plan_kind((Mf__StoreOp__Kind)99));
}

static void
writes_of_tasks_make_old_what_shows_them(void **unused)
{
	Mf__StoreOp update = OP(UPDATE, "task"), gone = OP(DELETE, "task"),
		    made = OP(CREATE, "task");
	Mf__StoreOp many = OP(BULK_CREATE, "task"), user = OP(UPDATE, "user");

	(void)unused;
	assert_int_equal(plan_makes_old(&update), OLD_ENTRY | OLD_LISTS);
	assert_int_equal(plan_makes_old(&gone), OLD_ENTRY | OLD_LISTS);
	assert_int_equal(plan_makes_old(&made), OLD_ABSENT | OLD_LISTS);
	assert_int_equal(plan_makes_old(&many), OLD_ABSENT | OLD_LISTS | OLD_MANY);
	assert_int_equal(plan_makes_old(&user), 0);
}

static void
a_transaction_is_planned_by_its_members(void **unused)
{
	Mf__StoreOp task = OP(UPDATE, "task"), doc = OP(CREATE, "doc.x"), user = OP(CREATE, "user");
	Mf__StoreOp read = OP(READ_ONE, "task"), t = OP(TRANSACTION, ""), inner = OP(BULK, "");
	struct plan p;

	(void)unused;
	t.n_members = 2;
	t.members = (Mf__StoreOp *[]){ &user, &user };
	assert_null(plan_operation(&t, true, &p));
	assert_false(p.drop);
	assert_int_equal(p.store, PLAN_SQL);
	t.members = (Mf__StoreOp *[]){ &user, &task };
	assert_null(plan_operation(&t, true, &p));
	assert_true(p.drop);
	t.members = (Mf__StoreOp *[]){ &doc, &doc };
	assert_null(plan_operation(&t, true, &p));
	assert_int_equal(p.store, PLAN_NOSQL);
	t.members = (Mf__StoreOp *[]){ &task, &doc };
	assert_null(plan_operation(&t, true, &p));
	assert_int_equal(p.store, PLAN_BOTH);
	t.members = (Mf__StoreOp *[]){ &task, &read };
	assert_non_null(plan_operation(&t, true, &p));
	t.members = (Mf__StoreOp *[]){ &task, &inner };
	assert_non_null(plan_operation(&t, true, &p));
}

static void
only_bounded_and_eventual_reads_of_tasks_may_be_cached(void **unused)
{
	Mf__StoreOp q = OP(READ_ONE, "task");
	struct plan p;

	(void)unused;
	assert_null(plan_operation(&q, false, &p));
	assert_false(p.from_cache);
	assert_string_equal(p.why_not, "consistency");
	q.consistency = (char *)"eventual";
	assert_null(plan_operation(&q, false, &p));
	assert_true(p.from_cache && !p.list);
	q.n_fields = 1;
	assert_null(plan_operation(&q, false, &p));
	assert_string_equal(p.why_not, "projection");
	q.n_fields = 0;
	q.consistency = (char *)"bounded";
	assert_non_null(plan_operation(&q, false, &p)); /* without an age */
	q.max_age_ms = 5;
	assert_null(plan_operation(&q, false, &p));
	assert_int_equal(p.max_age_us, 5000);
	q.kind = MF__STORE_OP__KIND__QUERY_MANY;
	assert_null(plan_operation(&q, false, &p));
	assert_true(p.from_cache && p.list);
	q.model = (char *)"user";
	assert_null(plan_operation(&q, false, &p));
	assert_string_equal(p.why_not, "model");
	q.consistency = (char *)"sometimes";
	assert_non_null(plan_operation(&q, false, &p));
}

static void
a_session_comes_back_as_it_was_said(void **unused)
{
	struct arena *a = arena_new(1 << 16);
	struct session s = { 0xfedcba9876543210u, 1234567890123, "0/16B3748" }, back;

	(void)unused;
	assert_true(session_read(session_text(a, &s), &back));
	assert_true(back.process == s.process && back.as_of_us == s.as_of_us);
	assert_string_equal(back.store, "0/16B3748");
	s.store = "";
	assert_true(session_read(session_text(a, &s), &back));
	assert_string_equal(back.store, "");
	assert_false(session_read("", &back));
	assert_false(session_read("0123456789abcdef.0123456789abcde", &back));
	assert_false(session_read("0123456789abcdef.0123456789abcdeg.", &back));
	/* before the beginning of time */
	assert_false(session_read("0123456789abcdef.f123456789abcdef.", &back));
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_model_has_a_store),
		cmocka_unit_test(every_kind_goes_one_way),
		cmocka_unit_test(writes_of_tasks_make_old_what_shows_them),
		cmocka_unit_test(a_transaction_is_planned_by_its_members),
		cmocka_unit_test(only_bounded_and_eventual_reads_of_tasks_may_be_cached),
		cmocka_unit_test(a_session_comes_back_as_it_was_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
