/* plan: which store, and which writes make an entry of the cache old. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "database/plan.h"

#define OP(k, m)                                                                                   \
	(Mf__StoreOp)                                                                              \
	{                                                                                          \
		PROTOBUF_C_MESSAGE_INIT(&mf__store_op__descriptor),                                \
		    .kind = MF__STORE_OP__KIND__##k, .model = (char *)(m), .id = (char *)"1",      \
		    .cursor = (char *)"", .namespace_ = (char *)"", .operation_id = (char *)"",    \
		    .consistency = (char *)"", .actor = (char *)""                                 \
	}

static void
updates_and_deletes_of_tasks_drop_their_entry(void **unused)
{
	Mf__StoreOp update = OP(UPDATE, "task"), gone = OP(DELETE, "task"),
		    made = OP(CREATE, "task");
	Mf__StoreOp user = OP(UPDATE, "user");

	(void)unused;
	assert_true(plan_drops(&update));
	assert_true(plan_drops(&gone));
	assert_false(plan_drops(&made));
	assert_false(plan_drops(&user));
}

static void
a_transaction_drops_what_its_members_would(void **unused)
{
	Mf__StoreOp made = OP(CREATE, "task"), update = OP(UPDATE, "task"), t = OP(TRANSACTION, "");
	struct plan p;

	(void)unused;
	t.members = (Mf__StoreOp *[]){ &made };
	t.n_members = 1;
	assert_null(plan_operation(&t, true, &p));
	assert_false(p.drop);
	t.members = (Mf__StoreOp *[]){ &made, &update };
	t.n_members = 2;
	assert_null(plan_operation(&t, true, &p));
	assert_true(p.drop);
}

static void
only_bounded_and_eventual_reads_of_one_task_may_be_cached(void **unused)
{
	Mf__StoreOp q = OP(READ_ONE, "task");
	struct plan p;

	(void)unused;
	assert_null(plan_operation(&q, false, &p));
	assert_false(p.from_cache || p.fill);
	q.consistency = (char *)"eventual";
	assert_null(plan_operation(&q, false, &p));
	assert_true(p.from_cache && p.fill);
	q.consistency = (char *)"bounded";
	assert_non_null(plan_operation(&q, false, &p)); /* without an age */
	q.max_age_ms = 5;
	assert_null(plan_operation(&q, false, &p));
	assert_int_equal(p.max_age_us, 5000);
	q.model = (char *)"user";
	assert_null(plan_operation(&q, false, &p));
	assert_false(p.from_cache || p.fill);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(updates_and_deletes_of_tasks_drop_their_entry),
		cmocka_unit_test(a_transaction_drops_what_its_members_would),
		cmocka_unit_test(only_bounded_and_eventual_reads_of_one_task_may_be_cached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
