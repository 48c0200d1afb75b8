/* ops: operations become TaskRequests, results become answers. */
#include <string.h>
#include "api/ops/ops.h"
#include "base/id.h"
#include "harness/test.h"

#define OPERATION "0199f0c0-1234-7abc-8def-0123456789ab"
#define CHOSEN    "0199f0c0-9999-7abc-8def-0123456789ab"

static struct arena *a;
static struct failure f;
static json_t *body;
static const Mf__TaskResponse first_try = MF__TASK_RESPONSE__INIT;

static Mf__TaskRequest *
build_route(const struct route *r, const char *id, const char *text)
{
	struct json_error e;
	struct op o = { .route = r,
		.id = id,
		.operation_id = OPERATION,
		.credential = "T",
		.client_address = "1.2.3.4" };

	json_decref(body);
	body = NULL;
	if (text != NULL) {
		body = json_read(text, strlen(text), &e);
		assert_non_null(body);
		o.body = body;
		o.text = str_of(text);
	}
	return ops_build(a, &o, &f);
}

/* Of tasks, where it is of a collection. */
static Mf__TaskRequest *
build(enum op_kind k, const char *id, const char *text)
{
	return build_route(route_of(k), id, text);
}

static Mf__TaskRequest *
build_path(const char *method, const char *path, const char *text)
{
	struct route_match m = route_find(a, method, path);

	assert_non_null(m.route);
	return build_route(m.route, m.id, text);
}

static void
assert_violation(size_t i, const char *field)
{
	assert_int_equal(f.status, ST_INVALID_ARGUMENT);
	assert_string_equal(f.reason, "VALIDATION");
	assert_true(f.n_violations > i);
	assert_string_equal(f.violations[i].field, field);
}

static void
a_create_has_the_id_of_its_operation_and_its_body_as_it_was_sent(void **unused)
{
	static const char text[] = "{\"title\" : \"x\", \"payload\":{\"n\":1.50}}";
	Mf__TaskRequest *q = build(OP_CREATE, "", text);

	(void)unused;
	assert_string_equal(q->task_id, OPERATION);
	assert_string_equal(q->database->operation, "create");
	assert_string_equal(q->database->model, "task");
	assert_string_equal(q->database->id, OPERATION);
	assert_int_equal(q->database->data.len, sizeof(text) - 1);
	assert_memory_equal(q->database->data.data, text, sizeof(text) - 1);
	assert_string_equal(q->auth->require_permission, "task.create");
	assert_string_equal(q->auth->credential, "T");
	assert_string_equal(q->auth->client_address, "1.2.3.4");
	assert_null(q->api);
}

static void
a_client_may_choose_the_id_of_a_create(void **unused)
{
	Mf__TaskRequest *q =
	    build(OP_CREATE, "", "{\"title\":\"x\",\"id\":\"" CHOSEN "\",\"priority\":1}");

	(void)unused;
	assert_string_equal(q->database->id, CHOSEN);
	assert_memory_equal(
	    q->database->data.data, "{\"title\":\"x\",\"priority\":1}", q->database->data.len);
	assert_null(build(OP_CREATE, "", "{\"id\":\"7\"}"));
	assert_violation(0, "/id");
}

static void
a_body_that_is_no_object_is_wrong_but_well_formed(void **unused)
{
	(void)unused;
	assert_null(build(OP_CREATE, "", "[]"));
	assert_violation(0, "");
	assert_int_equal(problem_http(&f), 422);
	assert_null(build(OP_CREATE, "", NULL));
	assert_null(build(OP_UPDATE, OPERATION, "3"));
}

static void
an_id_that_is_none_names_no_task(void **unused)
{
	(void)unused;
	assert_null(build(OP_READ, "7", NULL));
	assert_int_equal(f.status, ST_NOT_FOUND);
	assert_string_equal(
	    build(OP_READ, "0199F0C0-1234-7ABC-8DEF-0123456789AB", NULL)->database->id, OPERATION);
}

static void
a_list_takes_filters_and_refuses_what_it_does_not_know(void **unused)
{
	struct param params[] = { { "limit", "10" }, { "cursor", "c" }, { "state", "QUEUED" },
		{ "label", "a=b" }, { "label", "c" } };
	struct param bad[] = { { "limit", "0" }, { "limit", "1001" }, { "colour", "red" } };
	struct op o = { .route = route_of(OP_LIST),
		.id = "",
		.operation_id = OPERATION,
		.credential = "",
		.client_address = "",
		.params = params,
		.n_params = 5 };
	Mf__TaskRequest *q = ops_build(a, &o, &f);

	(void)unused;
	assert_int_equal(q->database->limit, 10);
	assert_string_equal(q->database->cursor, "c");
	assert_int_equal(q->database->n_filters, 3);
	assert_string_equal(q->database->filters[2]->value, "c");
	o.params = bad;
	o.n_params = 3;
	assert_null(ops_build(a, &o, &f));
	assert_int_equal(f.n_violations, 3);
	assert_violation(2, "colour");
}

static void
users_are_a_collection_whose_ids_the_server_makes(void **unused)
{
	Mf__TaskRequest *q =
	    build_path("POST", "/users", "{\"username\":\"vera\",\"password\":\"12345678\"}");

	(void)unused;
	assert_string_equal(q->database->model, "user");
	assert_string_equal(q->database->operation, "create");
	assert_string_equal(q->database->id, OPERATION);
	assert_string_equal(q->auth->require_permission, "user.create");
	assert_null(build_path("POST", "/users", "{\"id\":\"" CHOSEN "\"}"));
	assert_violation(0, "/id");
	q = build_path("PATCH", "/users/" CHOSEN, "{\"disabled\":true}");
	assert_string_equal(q->database->id, CHOSEN);
	assert_string_equal(q->auth->require_permission, "user.update");
	assert_null(build_path("GET", "/users/vera", NULL));
	assert_int_equal(f.status, ST_NOT_FOUND);
	assert_string_equal(f.message, "no user has this id");
}

static void
roles_are_a_collection_whose_ids_are_names(void **unused)
{
	Mf__TaskRequest *q =
	    build_path("POST", "/roles", "{\"id\":\"auditor\",\"permissions\":[\"task.read\"]}");

	(void)unused;
	assert_string_equal(q->database->model, "role");
	assert_string_equal(q->database->id, "auditor");
	assert_memory_equal(
	    q->database->data.data, "{\"permissions\":[\"task.read\"]}", q->database->data.len);
	assert_string_equal(q->auth->require_permission, "role.create");
	assert_null(build_path("POST", "/roles", "{\"permissions\":[]}"));
	assert_violation(0, "/id");
	assert_null(build_path("POST", "/roles", "{\"id\":\"a b\"}"));
	assert_violation(0, "/id");
	q = build_path("DELETE", "/roles/Auditor", NULL);
	assert_string_equal(q->database->id, "Auditor"); /* names keep their case */
	assert_null(build_path("GET", "/roles/a b", NULL));
	assert_int_equal(f.status, ST_NOT_FOUND);
}

static void
a_log_in_is_two_strings_and_nothing_else(void **unused)
{
	Mf__TaskRequest *q = build(OP_LOGIN, "", "{\"username\":\"u\",\"password\":\"p\"}");

	(void)unused;
	assert_string_equal(q->auth->operation, "login");
	assert_null(q->database);
	assert_null(build(OP_LOGIN, "", "{\"username\":\"u\",\"password\":7}"));
	assert_violation(0, "/password");
	assert_null(build(OP_LOGIN, "", "{}"));
	assert_int_equal(f.n_violations, 2);
	assert_null(build(OP_LOGIN, "", "{\"username\":\"u\",\"password\":\"p\",\"x\":1}"));
}

static void
a_restart_names_its_node_and_its_permission(void **unused)
{
	Mf__TaskRequest *q = build(OP_RESTART, "sql", NULL);

	(void)unused;
	assert_string_equal(q->meta->operation, "restart");
	assert_string_equal(q->meta->node, "sql");
	assert_string_equal(q->auth->require_permission, "node.restart");
	assert_null(build(OP_HEALTH, "", NULL)->auth);
}

static void
ids_of_a_bulk_depend_on_the_operation_and_the_place_alone(void **unused)
{
	char first[37], again[37], second[37], other[37];

	(void)unused;
	bulk_id(OPERATION, 0, first);
	bulk_id(OPERATION, 0, again);
	bulk_id(OPERATION, 1, second);
	bulk_id(CHOSEN, 0, other);
	assert_true(uuid_ok(first));
	assert_string_equal(first, again);
	assert_string_not_equal(first, second);
	assert_string_not_equal(first, other);
	assert_memory_equal(first, OPERATION, 14); /* the time of the operation */
	assert_int_equal(first[14], '7');
	assert_non_null(strchr("89ab", first[19]));
}

static void
each_member_of_a_bulk_has_its_own_answer(void **unused)
{
	static const char result[] =
	    "{\"items\":[{\"data\":{\"title\":\"a\"},\"version\":1,\"repeated\":true},"
	    "{\"problem\":{\"code\":\"INVALID_ARGUMENT\",\"message\":\"m\",\"reason\":"
	    "\"VALIDATION\","
	    "\"violations\":[{\"field\":\"/1/title\",\"description\":\"is empty\"}]}},"
	    "{\"problem\":{\"code\":\"INVALID_ARGUMENT\",\"message\":\"odd\"}},"
	    "{\"data\":{\"title\":\"d\"},\"version\":1,\"repeated\":true},{\"data\":{\"title\":"
	    "\"e\"},\"version\":1,\"repeated\":true}]}";
	Mf__TaskRequest *q = build(OP_BULK, "",
	    "{\"tasks\":[{\"title\":\"a\"},{\"title\":\"\"},7,"
	    "{\"id\":\"" CHOSEN "\",\"title\":\"d\"},{\"id\":\"" CHOSEN
	    "\",\"title\":\"other\"}]}");
	struct json_error e;
	json_t *r = json_read(result, sizeof(result) - 1, &e), *answer, *sent;
	Mf__TaskResponse later_try = MF__TASK_RESPONSE__INIT;
	size_t n;
	char *text;
	static const int want[] = { 201, 422, 422, 200, 409 };
	static const char *const places[] = { NULL, "#/tasks/1/title", "#/tasks/2", NULL, NULL };

	(void)unused;
	assert_non_null(q);
	sent = json_read(q->database->data.data, q->database->data.len, &e);
	assert_int_equal(json_array_size(sent), 5);
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(sent, 3), "id")), CHOSEN);
	text = bulk_answer(a, &(const struct op){ .body = body }, &first_try, r, &n);
	answer = json_read(text, n, &e);
	for (size_t i = 0; i < 5; i++) {
		const json_t *item = json_array_get(json_object_get(answer, "items"), i);
		const json_t *wrong = json_object_get(json_object_get(item, "error"), "errors");
		const json_t *place = json_object_get(json_array_get(wrong, 0), "pointer");

		assert_int_equal(json_integer_value(json_object_get(item, "status")), want[i]);
		if (places[i] != NULL)
			assert_string_equal(json_string_value(place), places[i]);
		else
			assert_null(place);
	}
	json_decref(answer);
	later_try.retried = true;
	text = bulk_answer(a, &(const struct op){ .body = body }, &later_try, r, &n);
	assert_non_null(memmem(text, n, "\"status\":503", 12));
	assert_non_null(memmem(text, n, "OUTCOME_UNKNOWN", 15));
	assert_null(memmem(text, n, "ID_TAKEN", 8));
	json_decref(sent);
	json_decref(r);
}

static void
a_bulk_in_an_array_or_in_lines_points_into_what_was_written(void **unused)
{
	static const char result[] =
	    "{\"items\":[{\"data\":{\"title\":\"a\"}},{\"problem\":{\"code\":\"INVALID_ARGUMENT\","
	    "\"violations\":[{\"field\":\"/1/title\",\"description\":\"is empty\"}]}},"
	    "{\"problem\":{\"code\":\"INVALID_ARGUMENT\"}}]}";
	static const struct failure bad = { .status = ST_INVALID_ARGUMENT,
		.reason = "BAD_JSON",
		.message = "the line is no JSON" };
	const struct failure *refused[] = { NULL, NULL, &bad };
	Mf__TaskRequest *q = build(OP_BULK, "", "[{\"title\":\"a\"},{\"title\":\"\"},null]");
	struct json_error e;
	json_t *r = json_read(result, sizeof(result) - 1, &e);
	size_t n;
	char *text;

	(void)unused;
	assert_non_null(q);
	text = bulk_answer(a, &(const struct op){ .body = body }, &first_try, r, &n);
	assert_non_null(strstr(text, "\"pointer\":\"#/1/title\""));
	assert_non_null(strstr(text, "\"pointer\":\"#/2\""));
	text = bulk_answer(a, &(const struct op){ .body = body, .refused = refused, .lines = true },
	    &first_try, r, &n);
	assert_non_null(
	    strstr(text, "{\"status\":201,\"task\":{\"title\":\"a\"}}\n{\"status\":422,"));
	assert_non_null(strstr(text, "\"pointer\":\"#/title\""));
	assert_non_null(strstr(text, "\n{\"status\":400,"));
	assert_int_equal(text[n - 1], '\n');
	json_decref(r);
	assert_null(build(OP_BULK, "", "[]"));
	assert_violation(0, "");
}

static void
a_member_that_is_refused_beforehand_reaches_no_store_and_hinders_no_other(void **unused)
{
	static const char result[] = "{\"items\":[{\"data\":{\"title\":\"a\"}},{\"problem\":{}}]}";
	static const struct violation required = { "/title", "is required" };
	static const struct failure wrong = { .status = ST_INVALID_ARGUMENT,
		.reason = "VALIDATION",
		.message = "/title: is required",
		.n_violations = 1,
		.violations = &required };
	const struct failure *refused[] = { NULL, &wrong };
	struct op o = { .route = route_of(OP_BULK), .operation_id = OPERATION, .refused = refused };
	struct json_error e;
	json_t *r = json_read(result, sizeof(result) - 1, &e);
	ProtobufCBinaryData data;
	const char *text;
	size_t n;

	(void)unused;
	(void)build(OP_BULK, "", "{\"tasks\":[{\"title\":\"a\"},{\"titel\":\"b\"}]}");
	o.body = body;
	assert_true(bulk_data(a, &o, &data, &f));
	assert_null(memmem(data.data, data.len, "titel", 5));
	assert_non_null(memmem(data.data, data.len, "\"/\":null", 8));
	text = bulk_answer(a, &o, &first_try, r, &n);
	assert_non_null(strstr(text, "{\"status\":201,"));
	assert_non_null(strstr(text, "\"pointer\":\"#/tasks/1/title\",\"detail\":\"is required\""));
	json_decref(r);
}

static void
a_bulk_of_none_or_too_many_is_refused(void **unused)
{
	(void)unused;
	assert_null(build(OP_BULK, "", "{\"tasks\":[]}"));
	assert_violation(0, "/tasks");
	assert_null(build(OP_BULK, "", "{\"tasks\":{}}"));
	assert_null(build(OP_BULK, "", "{\"tasks\":[{}],\"x\":1}"));
}

static void
sent_again_means_the_same_when_each_given_field_is_as_stored(void **unused)
{
	static const struct {
		const char *given, *stored;
		bool same;
	} all[] = {
		{ "{\"title\":\"x\"}", "{\"title\":\"x\",\"state\":\"QUEUED\"}", true },
		{ "{\"title\":\"x\",\"priority\":2}", "{\"title\":\"x\",\"priority\":\"HIGH\"}",
		    true },
		{ "{\"priority\":3}", "{\"priority\":\"HIGH\"}", false },
		{ "{\"payload\":{\"a\":1.0,\"b\":[1,2]}}", "{\"payload\":{\"b\":[1,2],\"a\":1}}",
		    true },
		{ "{\"payload\":{\"b\":[2,1]}}", "{\"payload\":{\"b\":[1,2]}}", false },
		{ "{\"payload\":null}", "{}", true },
		/* a large one, kept as a blob */
		{ "{\"payload\":{ \"a\": [1, \"x\"]}}",
		    "{\"payload\":{\"$blob\":{\"id\":\"sha256:"
		    "5e49f471d8b615a8ae0ecf0a53dbe2f5f617abb2dfe6246974aa6e4bdeb89725\"}}}",
		    true },
		{ "{\"payload\":{\"a\":[1,\"y\"]}}",
		    "{\"payload\":{\"$blob\":{\"id\":\"sha256:"
		    "5e49f471d8b615a8ae0ecf0a53dbe2f5f617abb2dfe6246974aa6e4bdeb89725\"}}}",
		    false },
		{ "{\"payload\":{\"$blob\":{\"id\":\"x\"}}}",
		    "{\"payload\":{\"$blob\":{\"id\":\"x\"}}}", true },
		{ "{\"title\":\"y\"}", "{\"title\":\"x\"}", false },
	};
	struct json_error e;

	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		json_t *given = json_read(all[i].given, strlen(all[i].given), &e);
		json_t *stored = json_read(all[i].stored, strlen(all[i].stored), &e);

		if (ops_same(given, stored) != all[i].same)
			fail_msg("%s and %s", all[i].given, all[i].stored);
		json_decref(given);
		json_decref(stored);
	}
}

static void
a_raw_request_becomes_the_message_field_by_field(void **unused)
{
	Mf__TaskRequest *q = build(OP_REQUEST, "",
	    "{\"task_id\":\"any string\",\"priority\":\"HIGH\",\"deadline_ms\":50,"
	    "\"requirements\":{\"api\":{\"method\":\"POST\",\"endpoint\":\"/"
	    "tasks\",\"format\":\"json\"},"
	    "\"database\":{\"operation\":\"create\",\"model\":\"task\",\"data\":{\"title\":\"x\"}},"
	    "\"auth\":{\"require_permission\":\"task.create\"}},\"depends_on\":[{\"domain\":"
	    "\"api\",\"on\":\"database\"}]}");

	(void)unused;
	assert_non_null(q);
	assert_string_equal(q->task_id, "any string");
	assert_int_equal(q->priority, MF__PRIORITY__HIGH);
	assert_int_equal(q->deadline_ms, 50);
	assert_true(q->remember && q->want_trace);
	assert_string_equal(q->api->endpoint, "/tasks");
	assert_string_equal(q->database->id, OPERATION);
	assert_memory_equal(q->database->data.data, "{\"title\":\"x\"}", q->database->data.len);
	assert_string_equal(q->auth->credential, "T");
	assert_int_equal(q->n_depends_on, 1);
	assert_int_equal(q->depends_on[0]->domain, MF__DOMAIN__DOMAIN_API);
	assert_int_equal(q->depends_on[0]->on, MF__DOMAIN__DOMAIN_DATABASE);
}

static void
a_raw_request_asks_for_the_permission_of_what_it_does(void **unused)
{
	static const char head[] = "{\"task_id\":\"t\",\"requirements\":{\"database\":{"
				   "\"operation\":\"delete\",\"model\":\"task\",\"id\":\"x\"}";
	Mf__TaskRequest *q = build(OP_REQUEST, "", arena_printf(a, "%s}}", head));

	(void)unused;
	assert_string_equal(q->auth->require_permission, "task.delete");
	assert_null(build(OP_REQUEST, "",
	    arena_printf(a, "%s,\"auth\":{\"require_permission\":\"task.read\"}}}", head)));
	assert_violation(0, "/requirements/auth/require_permission");
	q = build(OP_REQUEST, "",
	    "{\"task_id\":\"t\",\"requirements\":{\"database\":{\"operation\":\"transaction\","
	    "\"model\":\"task\",\"data\":[]}}}");
	assert_string_equal(q->auth->require_permission, ""); /* meta looks at the members */
}

static void
all_that_a_raw_request_needs_is_known_before_it_is_done(void **unused)
{
	static const struct {
		const char *requirements, *names[5]; /* NULL-ended */
	} all[] = {
		{ "\"meta\":{\"operation\":\"health\"}", { NULL } },
		{ "\"meta\":{\"operation\":\"restart\",\"node\":\"sql\"}", { "node.restart" } },
		{ "\"database\":{\"operation\":\"query\",\"model\":\"role\"}", { "role.read" } },
		{ "\"api\":{\"method\":\"DELETE\",\"endpoint\":\"/users/x?a=b\"}",
		    { "user.delete" } },
		{ "\"api\":{\"method\":\"GET\",\"endpoint\":\"/tasks\"},\"auth\":{\"require_"
		  "permission\":\"node.restart\"}",
		    { "node.restart", "task.read" } },
		{ "\"database\":{\"operation\":\"transaction\",\"model\":\"task\",\"data\":["
		  "{\"operation\":\"create\",\"model\":\"task\"},{\"operation\":\"delete\","
		  "\"model\":"
		  "\"task\"},{\"operation\":\"create\",\"model\":\"task\"}]}",
		    { "task.create", "task.delete" } },
	};
	const char *names[4];

	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		Mf__TaskRequest *q = build(OP_REQUEST, "",
		    arena_printf(
			a, "{\"task_id\":\"t\",\"requirements\":{%s}}", all[i].requirements));
		size_t n = 0, k;

		assert_non_null(q);
		k = raw_permissions(a, q, names, 4);
		for (; all[i].names[n] != NULL; n++)
			if (n >= k || strcmp(names[n], all[i].names[n]) != 0)
				fail_msg("%s: not %s", all[i].requirements, all[i].names[n]);
		assert_int_equal(k, n);
	}
}

static void
a_raw_request_that_is_none_says_where(void **unused)
{
	static const struct {
		const char *text, *field;
	} bad[] = {
		{ "{}", "/task_id" },
		{ "{\"task_id\":\"\",\"requirements\":{\"api\":{}}}", "/task_id" },
		{ "{\"task_id\":7,\"requirements\":{\"api\":{}}}", "/task_id" },
		{ "{\"task_id\":\"t\"}", "/requirements" },
		{ "{\"task_id\":\"t\",\"requirements\":{}}", "/requirements" },
		{ "{\"task_id\":\"t\",\"requirements\":{\"api\":7}}", "/requirements/api" },
		{ "{\"task_id\":\"t\",\"requirements\":{\"apt\":{}}}", "/requirements/apt" },
		{ "{\"task_id\":\"t\",\"requirements\":{\"api\":{\"x/y\":1}}}",
		    "/requirements/api/x~1y" },
		{ "{\"task_id\":\"t\",\"priority\":5,\"requirements\":{\"api\":{}}}", "/priority" },
		{ "{\"task_id\":\"t\",\"priority\":\"high\",\"requirements\":{\"api\":{}}}",
		    "/priority" },
		{ "{\"task_id\":\"t\",\"deadline_ms\":-1,\"requirements\":{\"api\":{}}}",
		    "/deadline_ms" },
		{ "{\"task_id\":\"t\",\"requirements\":{\"database\":{\"model\":\"task\"}}}",
		    "/requirements/database/operation" },
		{ "{\"task_id\":\"t\",\"requirements\":{\"api\":{}},\"depends_on\":\"x\"}",
		    "/depends_on" },
		{ "{\"task_id\":\"t\",\"requirements\":{\"api\":{}},\"depends_on\":[{\"domain\":"
		  "\"x\",\"on\":\"api\"}]}",
		    "/depends_on/x" },
		{ "{\"task_id\":\"t\",\"requirements\":{\"api\":{}},\"depends_on\":[7]}",
		    "/depends_on/" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (build(OP_REQUEST, "", bad[i].text) != NULL)
			fail_msg("taken: %s", bad[i].text);
		assert_violation(0, bad[i].field);
	}
}

static void
a_body_of_wrong_names_costs_no_more_than_one(void **unused)
{
	struct jw w;
	size_t n;

	(void)unused;
	jw_start(&w, a, 1 << 20);
	jw_object(&w, NULL);
	for (int i = 0; i < 100000; i++)
		jw_int(&w, arena_printf(a, "x%d", i), 1);
	jw_close(&w, '}');
	assert_null(build(OP_REQUEST, "", jw_text(&w, &n)));
	assert_true(f.n_violations <= 20);
}

static void
a_response_has_exactly_three_levels(void **unused)
{
	Mf__TaskResponse m = MF__TASK_RESPONSE__INIT;
	Mf__TraceLevel level = MF__TRACE_LEVEL__INIT;
	Mf__Hop hop = MF__HOP__INIT;
	struct json_error e;
	struct jw w;
	size_t n;
	char *text;
	json_t *v;

	(void)unused;
	hop.node = (char *)"sql", hop.attempt = 1, hop.code = ST_UNAVAILABLE,
	hop.reason = (char *)"GONE";
	level.level = 2, level.n_hops = 1, level.hops = (Mf__Hop *[]){ &hop };
	m.n_execution_trace = 1, m.execution_trace = (Mf__TraceLevel *[]){ &level };
	jw_start(&w, a, 64);
	raw_response(&w, NULL, &m);
	text = jw_text(&w, &n);
	v = json_read(text, n, &e);
	assert_int_equal(json_array_size(json_object_get(v, "execution_trace")), 3);
	assert_string_equal(
	    json_string_value(json_object_get(
		json_array_get(
		    json_object_get(
			json_array_get(json_object_get(v, "execution_trace"), 2), "hops"),
		    0),
		"reason")),
	    "GONE");
	json_decref(v);
}

static void
every_failure_has_its_http_status(void **unused)
{
	static const struct {
		enum status s;
		const char *reason;
		int http;
	} all[] = {
		{ ST_INVALID_ARGUMENT, "VALIDATION", 422 },
		{ ST_INVALID_ARGUMENT, "BAD_JSON", 400 },
		{ ST_UNAUTHENTICATED, "", 401 },
		{ ST_PERMISSION_DENIED, "", 403 },
		{ ST_NOT_FOUND, "", 404 },
		{ ST_ALREADY_EXISTS, "ID_TAKEN", 409 },
		{ ST_ABORTED, "", 409 },
		{ ST_RESOURCE_EXHAUSTED, "", 429 },
		{ ST_UNAVAILABLE, "", 503 },
		{ ST_DEADLINE_EXCEEDED, "", 504 },
		{ ST_INTERNAL, "", 500 },
		{ ST_CANCELLED, "", 503 },
		{ ST_FAILED_PRECONDITION, "", 409 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_int_equal(
		    problem_http(&(struct failure){ .status = all[i].s, .reason = all[i].reason }),
		    all[i].http);
	assert_int_equal(problem_retry_after(&(struct failure){ .retry_ms = 0 }, 503), 1);
	assert_int_equal(problem_retry_after(&(struct failure){ .retry_ms = 1001 }, 429), 2);
	assert_int_equal(
	    problem_retry_after(&(struct failure){ .retry_ms = UINT32_MAX }, 503), 4294968);
	assert_int_equal(problem_retry_after(&(struct failure){ .retry_ms = 500 }, 500), 0);
}

static int
start(void **unused)
{
	(void)unused;
	a = arena_new(32 << 20);
	return 0;
}

static int
stop(void **unused)
{
	(void)unused;
	json_decref(body);
	arena_free(&a);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_create_has_the_id_of_its_operation_and_its_body_as_it_was_sent),
		T(a_client_may_choose_the_id_of_a_create),
		T(a_body_that_is_no_object_is_wrong_but_well_formed),
		T(an_id_that_is_none_names_no_task),
		T(a_list_takes_filters_and_refuses_what_it_does_not_know),
		T(users_are_a_collection_whose_ids_the_server_makes),
		T(roles_are_a_collection_whose_ids_are_names),
		T(a_log_in_is_two_strings_and_nothing_else),
		T(a_restart_names_its_node_and_its_permission),
		T(ids_of_a_bulk_depend_on_the_operation_and_the_place_alone),
		T(each_member_of_a_bulk_has_its_own_answer),
		T(a_bulk_in_an_array_or_in_lines_points_into_what_was_written),
		T(a_member_that_is_refused_beforehand_reaches_no_store_and_hinders_no_other),
		T(a_bulk_of_none_or_too_many_is_refused),
		T(sent_again_means_the_same_when_each_given_field_is_as_stored),
		T(a_raw_request_becomes_the_message_field_by_field),
		T(a_raw_request_asks_for_the_permission_of_what_it_does),
		T(all_that_a_raw_request_needs_is_known_before_it_is_done),
		T(a_raw_request_that_is_none_says_where),
		T(a_body_of_wrong_names_costs_no_more_than_one),
		T(a_response_has_exactly_three_levels),
		T(every_failure_has_its_http_status),
	};

	return cmocka_run_group_tests_name("ops", tests, start, stop);
}
