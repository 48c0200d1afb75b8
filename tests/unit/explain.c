/* explain: the strategy instead of the request: told truly, to those who may see it, and without an
 * effect. */
#include <string.h>

#include "base/json.h"
#include "harness/metabed.h"
#include "meta/orchestrator.h"

static json_t *
told(const struct result *r)
{
	struct json_error e;
	json_t *v;

	assert_int_equal(r->failed, ST_OK);
	assert_true(r->r->success);
	v = json_read(r->r->result.data, r->r->result.len, &e);
	assert_non_null(v);
	return v;
}

static const char *
text(const json_t *v, const char *key)
{
	const char *s = json_string_value(json_object_get(v, key));

	assert_non_null(s);
	return s;
}

static const json_t *
step(const json_t *v, size_t stage, size_t n)
{
	return json_array_get(
	    json_object_get(json_array_get(json_object_get(v, "stages"), stage), "steps"), n);
}

static void
the_order_the_cost_and_the_permissions_are_told_and_nothing_runs(void **unused)
{
	struct result r;
	json_t *v;
	const json_t *cost;

	(void)unused;
	RUN(&r, .api = "POST /tasks", .database = "create", .id = "id-1", .token = "admin",
	    .permission = "task.create", .task_id = "t-1", .priority = MF__PRIORITY__HIGH,
	    .deadline_ms = 30000, .explain = true);
	v = told(&r);
	assert_string_equal(text(v, "task_id"), "t-1");
	assert_string_equal(text(v, "priority"), "HIGH");
	assert_int_equal(json_array_size(json_object_get(v, "permissions")), 1);
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(v, "permissions"), 0)), "task.create");
	assert_int_equal(json_array_size(json_object_get(v, "stages")), 3);
	assert_string_equal(text(step(v, 0, 0), "step"), "FORM");
	assert_string_equal(text(step(v, 0, 1), "step"), "GATE");
	assert_string_equal(text(step(v, 1, 0), "step"), "STORE");
	assert_string_equal(text(step(v, 1, 0), "calls"), "Database.Write");
	assert_string_equal(text(step(v, 2, 0), "step"), "FORMAT");
	/* 10 x 3 domains + 5 x 4 steps + 8 x (3 stages - 1) */
	cost = json_object_get(v, "score_of");
	assert_int_equal(json_integer_value(json_object_get(v, "score")), 66);
	assert_int_equal(json_integer_value(json_object_get(cost, "domains")), 30);
	assert_int_equal(json_integer_value(json_object_get(cost, "operations")), 20);
	assert_int_equal(json_integer_value(json_object_get(cost, "stages")), 16);
	assert_string_equal(text(json_object_get(v, "admission"), "verdict"), "begin");
	assert_int_equal(
	    json_integer_value(json_object_get(json_object_get(v, "admission"), "used")), 0);
	json_decref(v);
	assert_int_equal(mb.writes, 0);
	assert_int_equal(mb.formats, 0);
	assert_int_equal(mb.api.calls, 0);
	assert_string_equal(mb.asked[0], "fleet.read");
	assert_string_equal(mb.asked[1], "");
}

static void
who_may_not_see_the_fleet_is_told_nothing(void **unused)
{
	struct result r;

	(void)unused;
	RUN(&r, .database = "create", .id = "id-1", .token = "alice", .permission = "task.create",
	    .explain = true);
	assert_false(r.r->success);
	assert_int_equal(r.r->status, ST_PERMISSION_DENIED);
	assert_int_equal(r.r->result.len, 0);
	RUN(&r, .database = "create", .id = "id-1", .explain = true);
	assert_false(r.r->success);
	assert_int_equal(r.r->result.len, 0);
	assert_int_equal(mb.writes, 0);
}

static void
a_form_alone_is_translated_first(void **unused)
{
	struct result r;
	json_t *v;

	(void)unused;
	mb.means_operation = "create";
	mb.means_data = "{\"title\":\"a\"}";
	mb.means_permission = "task.create";
	RUN(&r, .api = "POST /tasks", .token = "admin", .explain = true);
	v = told(&r);
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(v, "permissions"), 0)), "task.create");
	assert_string_equal(text(step(v, 0, 0), "step"), "FORM");
	assert_string_equal(text(step(v, 1, 0), "step"), "GATE");
	assert_string_equal(text(step(v, 2, 0), "calls"), "Database.Write");
	json_decref(v);
	assert_int_equal(mb.api.calls, 1);
	assert_int_equal(mb.writes, 0);
}

static void
a_log_in_is_explained_without_logging_in(void **unused)
{
	struct result r;
	json_t *v;

	(void)unused;
	RUN(&r, .token = "admin", .auth_operation = "login",
	    .auth_data = "{\"username\":\"a\",\"password\":\"b\"}", .explain = true);
	v = told(&r);
	assert_string_equal(text(step(v, 0, 0), "step"), "SIGN");
	assert_string_equal(text(step(v, 0, 0), "calls"), "Auth.Login");
	json_decref(v);
}

static void
accounts_are_the_auth_domains(void **unused)
{
	struct result r;
	json_t *v;

	(void)unused;
	RUN(&r, .database = "delete", .model = "user", .id = "id-1", .token = "admin",
	    .explain = true);
	v = told(&r);
	assert_string_equal(text(step(v, 1, 0), "domain"), "auth");
	assert_string_equal(text(step(v, 1, 0), "calls"), "Auth.Write");
	json_decref(v);
	assert_int_equal(mb.accounts, 0);
}

static void
a_cycle_is_refused_by_name_here_too(void **unused)
{
	Mf__Dependency a = MF__DEPENDENCY__INIT, b = MF__DEPENDENCY__INIT, *edges[] = { &a, &b };
	struct result r;

	(void)unused;
	a.domain = b.on = MF__DOMAIN__DOMAIN_API;
	a.on = b.domain = MF__DOMAIN__DOMAIN_DATABASE;
	RUN(&r, .api = "POST /tasks", .database = "create", .token = "admin", .depends_on = edges,
	    .n_depends_on = 2, .explain = true);
	assert_int_equal(r.failed, ST_INVALID_ARGUMENT);
	assert_non_null(strstr(r.message, "cycle: "));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		METABED(the_order_the_cost_and_the_permissions_are_told_and_nothing_runs),
		METABED(who_may_not_see_the_fleet_is_told_nothing),
		METABED(a_form_alone_is_translated_first),
		METABED(a_log_in_is_explained_without_logging_in),
		METABED(accounts_are_the_auth_domains),
		METABED(a_cycle_is_refused_by_name_here_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
