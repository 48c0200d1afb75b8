/* route: which operation a method and a path mean. */
#include <string.h>
#include "api/ops/ops.h"
#include "harness/test.h"

TEST_ARENA(a, 1 << 20)

static void
each_method_and_path_means_one_operation(void **unused)
{
	static const struct {
		const char *method, *path;
		enum op_kind kind;
		const char *id;
	} all[] = {
		{ "POST", "/auth/login", OP_LOGIN, "" },
		{ "POST", "/auth/refresh", OP_REFRESH, "" },
		{ "POST", "/auth/logout", OP_LOGOUT, "" },
		{ "POST", "/tasks", OP_CREATE, "" },
		{ "GET", "/tasks", OP_LIST, "" },
		{ "HEAD", "/tasks", OP_LIST, "" },
		{ "POST", "/tasks:bulk", OP_BULK, "" },
		{ "GET", "/tasks/7", OP_READ, "7" },
		{ "HEAD", "/tasks/7", OP_READ, "7" },
		{ "PATCH", "/tasks/7", OP_UPDATE, "7" },
		{ "DELETE", "/tasks/7", OP_DELETE, "7" },
		{ "POST", "/users", OP_CREATE, "" },
		{ "GET", "/users", OP_LIST, "" },
		{ "GET", "/users/7", OP_READ, "7" },
		{ "PATCH", "/users/7", OP_UPDATE, "7" },
		{ "DELETE", "/users/7", OP_DELETE, "7" },
		{ "POST", "/roles", OP_CREATE, "" },
		{ "GET", "/roles/viewer", OP_READ, "viewer" },
		{ "POST", "/requests", OP_REQUEST, "" },
		{ "GET", "/fleet", OP_FLEET, "" },
		{ "POST", "/fleet/sql:restart", OP_RESTART, "sql" },
		{ "POST", "/fleet/sql:faults", OP_FAULTS, "sql" },
		{ "POST", "/fleet/sql:log-level", OP_LOG_LEVEL, "sql" },
		{ "GET", "/health", OP_HEALTH, "" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct route_match m = route_find(a, all[i].method, all[i].path);

		assert_non_null(m.route);
		assert_int_equal(m.route->kind, all[i].kind);
		assert_string_equal(m.id, all[i].id);
	}
}

static void
what_is_no_resource_is_none(void **unused)
{
	static const char *const paths[] = { "", "/", "/task", "/tasks/", "/tasks/a/b",
		"/tasks/a:b", "/tasks:bulk/", "/fleet/:restart", "/fleet/a/b:restart", "/fleet/sql",
		"/auth", "/auth/login/", "/TASKS" };

	(void)unused;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct route_match m = route_find(a, "GET", paths[i]);

		if (m.route != NULL || m.allow != NULL)
			fail_msg("\"%s\" is a resource", paths[i]);
	}
}

static void
another_method_learns_which_there_are(void **unused)
{
	struct route_match m = route_find(a, "PUT", "/tasks/7");

	(void)unused;
	assert_null(m.route);
	assert_string_equal(m.allow, "GET, HEAD, PATCH, DELETE, OPTIONS");
	assert_string_equal(route_find(a, "GET", "/tasks:bulk").allow, "POST, OPTIONS");
	assert_string_equal(route_find(a, "OPTIONS", "/fleet").allow, "GET, HEAD, OPTIONS");
}

static void
a_query_is_decoded_once_and_in_order(void **unused)
{
	struct failure f = { .message = "", .reason = "" };
	struct param *p;
	size_t n;

	(void)unused;
	assert_true(query_parse(a, "label=a%3Db&&label=c+d&empty=&flag", &p, &n, &f));
	assert_int_equal(n, 4);
	assert_string_equal(p[0].value, "a=b");
	assert_string_equal(p[1].value, "c d");
	assert_string_equal(p[2].value, "");
	assert_string_equal(p[3].name, "flag");
	assert_true(query_parse(a, "", &p, &n, &f));
	assert_int_equal(n, 0);
}

static void
a_query_that_is_none_is_refused(void **unused)
{
	static const char *const bad[] = { "a=%", "a=%0", "a=%zz", "a=%00", "a=%ff", "a=%0a", "=x",
		"a=%c0%80" };

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct failure f = { .message = "", .reason = "" };
		struct param *p;
		size_t n;

		if (query_parse(a, bad[i], &p, &n, &f))
			fail_msg("\"%s\" was taken", bad[i]);
		assert_int_equal(f.status, ST_INVALID_ARGUMENT);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TA(each_method_and_path_means_one_operation),
		TA(what_is_no_resource_is_none),
		TA(another_method_learns_which_there_are),
		TA(a_query_is_decoded_once_and_in_order),
		TA(a_query_that_is_none_is_refused),
	};

	return TEST_RUN(tests);
}
