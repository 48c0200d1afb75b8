/* status: the 16 codes by number, name and HTTP status; the thirteen names. */
#include <string.h>
#include "base/status.h"
#include "harness/test.h"
#include "node/node.h"

static void
each_code_has_its_own_name(void **unused)
{
	(void)unused;
	for (int s = ST_OK; s <= ST_UNAUTHENTICATED; s++)
		assert_int_equal(status_from_name(status_name((enum status)s)), s);
	assert_string_equal(status_name((enum status)17), "UNKNOWN");
	assert_string_equal(status_name((enum status) - 1), "UNKNOWN");
	assert_int_equal(status_from_name("NONSENSE"), ST_UNKNOWN);
}

static void
http_statuses_are_those_of_the_edge(void **unused)
{
	static const struct {
		enum status s;
		int http;
	} want[] = { { ST_OK, 200 }, { ST_INVALID_ARGUMENT, 400 }, { ST_UNAUTHENTICATED, 401 },
		{ ST_PERMISSION_DENIED, 403 }, { ST_NOT_FOUND, 404 }, { ST_ABORTED, 409 },
		{ ST_RESOURCE_EXHAUSTED, 429 }, { ST_CANCELLED, 499 }, { ST_UNIMPLEMENTED, 501 },
		{ ST_UNAVAILABLE, 503 }, { ST_DEADLINE_EXCEEDED, 504 }, { (enum status)99, 500 } };

	(void)unused;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(status_http(want[i].s), want[i].http);
}

static void
what_the_caller_did_wrong_is_no_fault_of_the_callee(void **unused)
{
	(void)unused;
	assert_true(status_is_fault(ST_UNAVAILABLE) && status_is_fault(ST_DEADLINE_EXCEEDED) &&
		    status_is_fault(ST_INTERNAL) && status_is_fault(ST_UNKNOWN) &&
		    status_is_fault(ST_DATA_LOSS));
	assert_false(status_is_fault(ST_OK) || status_is_fault(ST_CANCELLED) ||
		     status_is_fault(ST_NOT_FOUND) || status_is_fault(ST_RESOURCE_EXHAUSTED) ||
		     status_is_fault(ST_UNAUTHENTICATED) || status_is_fault(ST_ABORTED));
}

static void
the_thirteen_stand_by_level_and_name(void **unused)
{
	(void)unused;
	for (int i = 1; i < 13; i++) {
		const struct fleet_name *a = &fleet_names[i - 1], *b = &fleet_names[i];

		assert_true(
		    a->level < b->level || (a->level == b->level && strcmp(a->name, b->name) < 0));
	}
	assert_string_equal(fleet_name_find("sql")->domain, "database");
	assert_int_equal(fleet_name_find("sql")->level, 2);
	assert_null(fleet_name_find("postgres"));
	assert_string_equal(contract_state_name(NODE_READY), "READY");
	assert_string_equal(contract_state_name(NODE_STATES), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_code_has_its_own_name),
		T(http_statuses_are_those_of_the_edge),
		T(what_the_caller_did_wrong_is_no_fault_of_the_callee),
		T(the_thirteen_stand_by_level_and_name),
	};

	return TEST_RUN(tests);
}
