/* rest: a whole HTTP request against a Meta on loop-back whose answer the test chooses. */
#include <string.h>
#include "api/ops/ops.h"
#include "api/rest/contract.h"
#include "api/rest/pages.h"
#include "api/rest/ui.h"
#include "api/rest/rest.h"
#include "base/time.h"
#include "harness/busbed.h"
#include "harness/unserved.h"
#include "proto/api.pb-c.h"

#define ID    "0199f0c0-1234-7abc-8def-0123456789ab"
#define OTHER "0199f0c0-9999-7abc-8def-0123456789ab"

static struct {
	Mf__TaskResponse answer;
	Mf__Problem problem;
	unsigned calls;
	char operation[32], id[64], permission[64], credential[64], data[256], node[32], cursor[64];
	uint64_t if_version;
} meta;

static struct {
	bool done;
	int status;
	char headers[1024]; /* "name: value\n" */
	char body[4096];
	enum status failure;
	char outcome[256]; /* of Perform */
} got;

static void
meta_execute(
    Mf__Meta_Service *s, const Mf__TaskRequest *q, Mf__TaskResponse_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	meta.calls++;
	snprintf(meta.operation, sizeof(meta.operation), "%s",
	    q->database != NULL ? q->database->operation
	    : q->meta != NULL   ? q->meta->operation
				: q->auth->operation);
	snprintf(meta.id, sizeof(meta.id), "%s", q->database == NULL ? "" : q->database->id);
	snprintf(
	    meta.cursor, sizeof(meta.cursor), "%s", q->database == NULL ? "" : q->database->cursor);
	snprintf(meta.node, sizeof(meta.node), "%s", q->meta == NULL ? "" : q->meta->node);
	snprintf(meta.data, sizeof(meta.data), "%.*s",
	    q->database == NULL ? 0 : (int)q->database->data.len,
	    q->database == NULL ? "" : (const char *)q->database->data.data);
	meta.if_version = q->database == NULL ? 0 : q->database->if_version;
	snprintf(meta.permission, sizeof(meta.permission), "%s",
	    q->auth == NULL ? "-" : q->auth->require_permission);
	snprintf(meta.credential, sizeof(meta.credential), "%s",
	    q->auth == NULL ? "-" : q->auth->credential);
	if (meta.problem.code != 0)
		meta.answer.problem = &meta.problem;
	call_reply(ctx, &meta.answer.base);
}

static void
meta_fleet(Mf__Meta_Service *s, const Mf__Empty *q, Mf__FleetState_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	call_fail(ctx, ST_UNIMPLEMENTED, "not asked for here");
}

UNSERVED(meta_heartbeat, Meta, Beat, BeatAnswer)
UNSERVED(meta_mode, Meta, Empty, FleetMode)
UNSERVED(meta_take_traces, Meta, TraceBatch, Empty)

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	(void)c, (void)ctx;
	got.done = true;
	got.failure = end->failure == NULL ? ST_OK : end->failure->status;
}

struct asking {
	struct call *c;
	struct rpc *rpc;
};

static void
on_handled(const Mf__HttpResponse *m, void *ctx)
{
	struct asking *q = ctx;

	if (m == NULL) {
		call_fail_with(q->c, rpc_failure(q->rpc));
		return;
	}
	got.status = (int)m->status;
	snprintf(got.body, sizeof(got.body), "%.*s", (int)m->body.len, (const char *)m->body.data);
	for (size_t i = 0; i < m->n_headers; i++)
		snprintf(got.headers + strlen(got.headers),
		    sizeof(got.headers) - strlen(got.headers), "%s: %s\n", m->headers[i]->key,
		    m->headers[i]->value);
	call_reply(q->c, &m->base);
}

static bool
is_done(void *ctx)
{
	(void)ctx;
	return got.done;
}

static struct asking *
ask_root(void)
{
	static const char *const members[] = { "rest", NULL };
	struct call *c = call_root(bed.bus,
	    &(const struct call_opts){ .limit_us = 2 * SEC, .done = on_end, .operation_id = ID });
	struct asking *q = ARENA_NEW(call_arena(c), struct asking);

	memset(&got, 0, sizeof(got));
	q->c = c;
	q->rpc = rpc_new(c,
	    target_new(bed.bus,
		&(const struct target_def){ &mf__rest__descriptor, members, { .failures = 3 } }),
	    NULL);
	return q;
}

/* headers: name, value, ... NULL */
static void
http(const char *method, const char *path, const char *query, const char *body,
    const char *const *headers)
{
	Mf__HttpRequest q = MF__HTTP_REQUEST__INIT;
	struct asking *a = ask_root();
	Mf__KeyValue kv[4], *list[4];

	q.method = (char *)method, q.path = (char *)path, q.query = (char *)query,
	q.operation_id = (char *)ID;
	q.body = (ProtobufCBinaryData){ strlen(body), (uint8_t *)body };
	q.headers = list;
	for (; headers != NULL && headers[2 * q.n_headers] != NULL; q.n_headers++) {
		mf__key_value__init(&kv[q.n_headers]);
		kv[q.n_headers].key = (char *)headers[2 * q.n_headers];
		kv[q.n_headers].value = (char *)headers[2 * q.n_headers + 1];
		list[q.n_headers] = &kv[q.n_headers];
	}
	mf__rest__handle(&a->rpc->service, &q, on_handled, a);
	loop_run_until(bed.loop, is_done, NULL, 3 * SEC);
	assert_true(got.done);
	assert_int_equal(got.failure, ST_OK);
}

static void
meta_answers(const char *result, uint64_t version)
{
	meta.answer.success = true;
	meta.answer.version = version;
	meta.answer.result = (ProtobufCBinaryData){ strlen(result), (uint8_t *)result };
}

static void
meta_fails(enum status s, const char *reason)
{
	meta.answer.success = false;
	meta.answer.status = (uint32_t)s;
	meta.problem.code = (uint32_t)s;
	meta.problem.reason = (char *)reason;
	meta.problem.message = (char *)"because";
}

#define H(...)              ((const char *const[]){ __VA_ARGS__, NULL })
#define assert_header(line) assert_non_null(strstr(got.headers, line "\n"))

static void
a_create_is_201_with_location_and_etag(void **unused)
{
	(void)unused;
	meta_answers("{\"id\":\"" ID "\"}", 1);
	http("POST", "/v1/tasks", "", "{\"title\":\"x\"}", H("authorization", "Bearer abc"));
	assert_int_equal(got.status, 201);
	assert_header("Location: /v1/tasks/" ID);
	assert_header("ETag: \"1\"");
	assert_header("Content-Type: application/json");
	assert_string_equal(got.body, "{\"id\":\"" ID "\"}");
	assert_string_equal(meta.credential, "abc");
	assert_string_equal(meta.id, ID);
}

static void
a_create_that_is_repeated_is_the_stored_task_or_a_conflict(void **unused)
{
	(void)unused;
	meta_answers("{\"id\":\"" OTHER "\",\"title\":\"x\"}", 4);
	meta.answer.repeated = true;
	http("POST", "/v1/tasks", "", "{\"id\":\"" OTHER "\",\"title\":\"x\"}", NULL);
	assert_int_equal(got.status, 200);
	assert_header("ETag: \"4\"");
	http("POST", "/v1/tasks", "", "{\"id\":\"" OTHER "\",\"title\":\"y\"}", NULL);
	assert_int_equal(got.status, 409);
	meta_answers("{\"id\":\"" ID "\",\"title\":\"x\"}", 1);
	http("POST", "/v1/tasks", "", "{\"title\":\"x\"}", NULL);
	assert_int_equal(got.status,
	    201); /* our own repeat, after an agent died: the client hears of it first now */
}

static void
a_role_that_is_there_already_is_answered_or_a_conflict(void **unused)
{
	static const char role[] = "{\"id\":\"auditor\",\"permissions\":[\"task.read\"]}";

	(void)unused;
	meta_answers(role, 1);
	http("POST", "/v1/roles", "", role, NULL);
	assert_int_equal(got.status, 201);
	assert_header("Location: /v1/roles/auditor");
	assert_string_equal(meta.permission, "role.create");
	meta.answer.repeated = true;
	http("POST", "/v1/roles", "", role, NULL);
	assert_int_equal(got.status, 200);
	http("POST", "/v1/roles", "", "{\"id\":\"auditor\",\"permissions\":[\"*\"]}", NULL);
	assert_int_equal(got.status, 409);
}

static void
a_read_answers_304_when_nothing_changed(void **unused)
{
	(void)unused;
	meta_answers("{}", 7);
	http("GET", "/v1/tasks/" ID, "", "", H("if-none-match", "\"6\", W/\"7\""));
	assert_int_equal(got.status, 304);
	assert_header("ETag: \"7\"");
	assert_string_equal(got.body, "");
	http("HEAD", "/v1/tasks/" ID, "", "", H("if-none-match", "\"6\""));
	assert_int_equal(got.status, 200);
}

static void
a_stale_if_match_is_412_and_a_conflict_without_it_409(void **unused)
{
	(void)unused;
	meta_fails(ST_ABORTED, "VERSION_CONFLICT");
	http("PATCH", "/v1/tasks/" ID, "", "{}", H("if-match", "\"3\""));
	assert_int_equal(got.status, 412);
	assert_int_equal(meta.if_version, 3);
	http("PATCH", "/v1/tasks/" ID, "", "{}", NULL);
	assert_int_equal(got.status, 409);
	http("PATCH", "/v1/tasks/" ID, "", "{}", H("if-match", "*"));
	assert_int_equal(got.status, 409);
	meta.calls = 0;
	http("PATCH", "/v1/tasks/" ID, "", "{}", H("if-match", "W/\"3\""));
	assert_int_equal(got.status, 412);
	http("DELETE", "/v1/tasks/" ID, "", "", H("if-match", "three"));
	assert_int_equal(got.status, 400);
	assert_int_equal(meta.calls, 0);
}

static void
a_delete_is_204_with_nothing_in_it(void **unused)
{
	(void)unused;
	meta_answers("", 0);
	http("DELETE", "/v1/tasks/" ID, "", "", NULL);
	assert_int_equal(got.status, 204);
	assert_string_equal(got.body, "");
	assert_string_equal(meta.operation, "delete");
}

static void
refusals_are_problems_with_the_headers_that_belong_to_them(void **unused)
{
	(void)unused;
	meta_fails(ST_UNAUTHENTICATED, "");
	http("GET", "/v1/tasks", "", "", NULL);
	assert_int_equal(got.status, 401);
	assert_header("WWW-Authenticate: Bearer realm=\"metafed\", DPoP realm=\"metafed\", "
		      "algs=\"ES256 EdDSA RS256\"");
	assert_header("Content-Type: application/problem+json");
	http("GET", "/v1/tasks", "", "", H("authorization", "Bearer x"));
	assert_header("WWW-Authenticate: Bearer realm=\"metafed\", error=\"invalid_token\", "
		      "DPoP realm=\"metafed\", error=\"invalid_token\", "
		      "algs=\"ES256 EdDSA RS256\"");
	meta_fails(ST_UNAVAILABLE, "BREAKER_OPEN");
	meta.problem.retry_delay_ms = 1500;
	http("GET", "/v1/tasks", "", "", NULL);
	assert_int_equal(got.status, 503);
	assert_header("Retry-After: 2");
	assert_non_null(strstr(got.body, "\"reason\":\"BREAKER_OPEN\""));
	meta_fails(ST_PERMISSION_DENIED, "");
	http("GET", "/v1/fleet", "", "", NULL);
	assert_int_equal(got.status, 403);
	assert_string_equal(meta.permission, "fleet.read");
}

static void
what_is_wrong_never_reaches_meta(void **unused)
{
	static const struct {
		const char *method, *path, *query, *body;
		int status;
	} all[] = {
		{ "POST", "/v1/tasks", "", "{\"a\":", 400 },
		{ "POST", "/v1/tasks", "", "{\"a\":1,\"a\":2}", 400 },
		{ "POST", "/v1/tasks", "", "[]", 422 },
		{ "POST", "/v1/tasks", "", "", 422 },
		{ "GET", "/v1/tasks", "limit=x", "", 422 },
		{ "GET", "/v1/tasks", "a=%zz", "", 422 },
		{ "GET", "/v1/nothing", "", "", 404 },
		{ "GET", "/v2/tasks", "", "", 404 },
		{ "GET", "/v1/tasks/7", "", "", 404 },
		{ "PUT", "/v1/tasks", "", "", 405 },
		{ "OPTIONS", "/v1/tasks", "", "", 204 },
		{ "POST", "/v1/requests", "", "{}", 422 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		http(all[i].method, all[i].path, all[i].query, all[i].body,
		    H("authorization", "Bearer abc"));
		if (got.status != all[i].status)
			fail_msg("%s %s: %d", all[i].method, all[i].path, got.status);
	}
	http("GET", "/v1/tasks", "", "", H("authorization", "Basic eDp5"));
	assert_int_equal(got.status, 401);
	assert_int_equal(meta.calls, 0);
}

static void
all_that_the_document_refuses_is_said_at_once(void **unused)
{
	(void)unused;
	http("POST", "/v1/tasks", "limit=1",
	    "{\"titel\":\"x\",\"version\":2,\"priority\":5,\"labels\":{\"a/b\":7}}",
	    H("authorization", "Bearer abc"));
	assert_int_equal(got.status, 422);
	assert_int_equal(meta.calls, 0);
	assert_non_null(
	    strstr(got.body, "{\"parameter\":\"limit\",\"detail\":\"is no parameter here\"}"));
	assert_non_null(
	    strstr(got.body, "{\"pointer\":\"#/titel\",\"detail\":\"there is no such field\"}"));
	assert_non_null(
	    strstr(got.body, "{\"pointer\":\"#/version\",\"detail\":\"is set by the server\"}"));
	assert_non_null(strstr(got.body, "{\"pointer\":\"#/priority\","));
	assert_non_null(
	    strstr(got.body, "{\"pointer\":\"#/labels/a~1b\",\"detail\":\"must be a string\"}"));
	assert_non_null(strstr(got.body, "{\"pointer\":\"#/title\",\"detail\":\"is required\"}"));
}

static void
who_is_nobody_hears_that_before_what_is_wrong_with_his_request(void **unused)
{
	(void)unused;
	meta_fails(ST_UNAUTHENTICATED, "");
	http("POST", "/v1/tasks", "", "{}", NULL);
	assert_int_equal(got.status, 401);
	assert_string_equal(meta.operation, "");
	assert_string_equal(meta.permission, "task.create");
	meta_answers("", 0);
	http("POST", "/v1/tasks", "", "{}", NULL);
	assert_int_equal(got.status, 422);
}

static void
a_bulk_is_held_against_the_document_member_by_member(void **unused)
{
	(void)unused;
	meta_answers("{\"items\":[{\"data\":{\"title\":\"a\"}},{\"problem\":{\"code\":\"INVALID_"
		     "ARGUMENT\"}}]}",
	    0);
	http("POST", "/v1/tasks:bulk", "", "[{\"title\":\"a\"},{\"title\":7}]", NULL);
	assert_int_equal(got.status, 200);
	assert_non_null(strstr(meta.data, "\"/\":null"));
	assert_null(strstr(meta.data, "7}"));
	assert_non_null(
	    strstr(got.body, "{\"pointer\":\"#/1/title\",\"detail\":\"must be a string\"}"));
	http("POST", "/v1/tasks:bulk", "", "{\"title\":\"a\"}\n{\"titel\":\"b\"}\n",
	    H("content-type", "application/x-ndjson"));
	assert_int_equal(got.status, 200);
	assert_non_null(strstr(got.body, "{\"pointer\":\"#/titel\","));
}

static void
a_raw_request_is_200_also_when_partial_and_a_problem_when_it_failed(void **unused)
{
	static const char body[] = "{\"task_id\":\"t\",\"requirements\":{\"api\":{\"method\":"
				   "\"GET\",\"endpoint\":\"/health\"},"
				   "\"meta\":{\"operation\":\"health\"}}}";

	(void)unused;
	meta_fails(ST_UNAVAILABLE, "");
	meta.answer.partial_success = true;
	http("POST", "/v1/requests", "", body, NULL);
	assert_int_equal(got.status, 200);
	assert_non_null(strstr(got.body, "\"partial_success\":true"));
	assert_string_equal(meta.permission, "-"); /* no credential and no auth: anonymous */
	meta.answer.partial_success = false;
	http("POST", "/v1/requests", "", body, NULL);
	assert_int_equal(got.status, 503);
	assert_non_null(strstr(got.body, "\"response\":{\"task_id\""));
}

static void
a_restart_and_a_log_in_have_answers_of_their_own(void **unused)
{
	(void)unused;
	meta_answers("{}", 0);
	http("POST", "/v1/fleet/sql:restart", "", "", NULL);
	assert_int_equal(got.status, 202);
	assert_string_equal(meta.node, "sql");
	http("POST", "/v1/auth/login", "", "{\"username\":\"u\",\"password\":\"p\"}", NULL);
	assert_int_equal(got.status, 200);
	assert_header("Cache-Control: no-store");
	assert_string_equal(meta.operation, "login");
}

static void
of_the_fleet_only_what_is_asked_for_is_answered(void **unused)
{
	static const char fleet[] =
	    "{\"nodes\":[{\"name\":\"api\",\"level\":1,\"pid\":7,\"state\":\"READY\"},"
	    "{\"name\":\"sql\",\"level\":2,\"pid\":8,\"state\":\"READY\"},"
	    "{\"name\":\"rbac\",\"level\":2,\"pid\":9,\"state\":\"FAILED\"}],\"apart\":[],\"mode\":"
	    "\"normal\"}";

	(void)unused;
	meta_answers(fleet, 0);
	http("GET", "/v1/fleet", "", "", NULL);
	assert_string_equal(got.body, fleet);
	http("GET", "/v1/fleet", "level=2&state=READY", "", NULL);
	assert_string_equal(got.body, "{\"nodes\":[{\"name\":\"sql\",\"level\":2,\"pid\":8,"
				      "\"state\":\"READY\"}],\"apart\":[],\"mode\":\"normal\"}");
	http("GET", "/v1/fleet", "name=nobody", "", NULL);
	assert_string_equal(got.body, "{\"nodes\":[],\"apart\":[],\"mode\":\"normal\"}");
	meta.calls = 0;
	http("GET", "/v1/fleet", "fields=pid", "", H("authorization", "Bearer abc"));
	assert_int_equal(got.status, 422);
	http("GET", "/v1/fleet", "level=3", "", H("authorization", "Bearer abc"));
	assert_int_equal(got.status, 422);
	assert_int_equal(meta.calls, 0);
}

static void
a_broken_result_is_a_500_and_an_error_in_the_log(void **unused)
{
	(void)unused;
	test_expect_log(LOG_ERROR, 1);
	meta_answers("rubbish", 0);
	http("POST", "/v1/tasks:bulk", "", "{\"tasks\":[{}]}", NULL);
	assert_int_equal(got.status, 500);
}

static void
on_performed(const Mf__ApiOutcome *m, void *ctx)
{
	struct asking *q = ctx;

	if (m == NULL) {
		call_fail_with(q->c, rpc_failure(q->rpc));
		return;
	}
	snprintf(got.outcome, sizeof(got.outcome), "%s %s %s %.*s", m->permission,
	    m->database == NULL ? "-" : m->database->operation,
	    m->meta == NULL ? "-" : m->meta->operation, (int)m->result.len,
	    (const char *)m->result.data);
	call_reply(q->c, &m->base);
}

static void
perform(const char *stage, const char *method, const char *endpoint, const char *data,
    bool database, const char *result)
{
	Mf__DatabaseRequirement d = MF__DATABASE_REQUIREMENT__INIT;
	Mf__ApiRequirement api = MF__API_REQUIREMENT__INIT;
	Mf__ApiWork w = MF__API_WORK__INIT;
	struct asking *a = ask_root();

	api.method = (char *)method, api.endpoint = (char *)endpoint;
	api.data = (ProtobufCBinaryData){ strlen(data), (uint8_t *)data };
	w.stage = (char *)stage, w.api = &api, w.database = database ? &d : NULL;
	w.result = (ProtobufCBinaryData){ strlen(result), (uint8_t *)result };
	mf__rest__perform(&a->rpc->service, &w, on_performed, a);
	loop_run_until(bed.loop, is_done, NULL, 3 * SEC);
	assert_true(got.done);
}

static void
the_document_and_its_page_are_served_without_meta(void **unused)
{
	static const char *const all[][2] = {
		{ "/openapi.json", "Content-Type: application/json\n" },
		{ "/docs", "Content-Type: text/html; charset=utf-8\n" },
		{ "/docs/docs.js", "Content-Type: text/javascript; charset=utf-8\n" },
		{ "/docs/docs.css", "Content-Type: text/css; charset=utf-8\n" },
	};
	char tag[64];

	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		http("GET", all[i][0], "", "", NULL);
		assert_int_equal(got.status, 200);
		assert_non_null(strstr(got.headers, all[i][1]));
		assert_non_null(strstr(got.headers, "script-src 'self'"));
		assert_int_equal(sscanf(got.headers, "ETag: %63s", tag), 1);
		http("GET", all[i][0], "", "", H("if-none-match", tag));
		assert_int_equal(got.status, 304);
		assert_string_equal(got.body, "");
		http("POST", all[i][0], "", "{}", NULL);
		assert_int_equal(got.status, 405);
		assert_header("Allow: GET, HEAD, OPTIONS");
	}
	http("GET", "/docs/other", "", "", NULL);
	assert_int_equal(got.status, 404);
	assert_int_equal(meta.calls, 0);
}

/* Built with it or without: what may run in it, and what there is not. */
static void
the_dashboard_is_served_without_meta(void **unused)
{
	char tag[64];

	(void)unused;
	http("GET", "/ui/assets/gone-0123.js", "", "", NULL);
	assert_int_equal(got.status, 404);
	http("GET", "/ui/tasks/" ID, "", "", NULL);
	if (ui_files[0].name == NULL) {
		assert_int_equal(got.status, 404);
		assert_non_null(strstr(got.body, "\"NO_DASHBOARD\""));
		return;
	}
	assert_int_equal(got.status, 200);
	assert_header("Cache-Control: no-cache");
	assert_non_null(strstr(got.headers, "default-src 'none'; script-src 'self'"));
	assert_null(strstr(got.headers, "unsafe"));
	assert_int_equal(sscanf(got.headers, "ETag: %63s", tag), 1);
	http("GET", "/ui", "", "", H("if-none-match", tag));
	assert_int_equal(got.status, 304);
	http("GET", "/ui/", "", "", H("if-none-match", tag, "accept-encoding", "gzip"));
	assert_int_equal(got.status, 200);
	assert_header("Content-Encoding: gzip");
	assert_header("Vary: Accept-Encoding");
	http("POST", "/ui/", "", "{}", NULL);
	assert_int_equal(got.status, 405);
	http("GET", "/uix", "", "", NULL);
	assert_int_equal(got.status, 404);
	assert_int_equal(meta.calls, 0);
}

static void
translating_says_what_an_endpoint_means(void **unused)
{
	(void)unused;
	perform("translate", "POST", "/tasks", "{\"title\":\"x\"}", false, "");
	assert_string_equal(got.outcome, "task.create create - ");
	perform("translate", "GET", "/tasks?limit=5", "", false, "");
	assert_string_equal(got.outcome, "task.read query - ");
	perform("translate", "GET", "/health", "", false, "");
	assert_string_equal(got.outcome, " - health ");
	perform("translate", "POST", "/tasks", "", true, "");
	assert_string_equal(got.outcome, "task.create - - ");
	perform("translate", "GET", "/nothing", "", false, "");
	assert_int_equal(got.failure, ST_NOT_FOUND);
	perform("translate", "PUT", "/tasks", "", true, "");
	assert_int_equal(got.failure, ST_INVALID_ARGUMENT);
	perform("translate", "POST", "/requests", "{}", false, "");
	assert_int_equal(
	    got.failure, ST_INVALID_ARGUMENT); /* a TaskRequest never creates a TaskRequest */
	perform("translate", "POST", "/auth/login", "{}", false, "");
	assert_int_equal(got.failure, ST_INVALID_ARGUMENT);
}

static void
formatting_lets_json_through_and_nothing_else(void **unused)
{
	(void)unused;
	perform("format", "GET", "/tasks", "", false, "{\"items\":[]}");
	assert_string_equal(got.outcome, " - - {\"items\":[]}");
	test_expect_log(LOG_ERROR, 1);
	perform("format", "GET", "/tasks", "", false, "{");
	assert_int_equal(got.failure, ST_INTERNAL);
}

static void
an_operation_that_is_to_go_says_so_whatever_it_answers(void **unused)
{
	(void)unused;
	meta_answers("{\"status\":\"ok\"}", 0);
	http("GET", "/health", "", "", NULL);
	assert_int_equal(got.status, 200);
	assert_header("Deprecation: @1780272000");
	assert_header("Sunset: Tue, 01 Jun 2027 00:00:00 GMT");
	assert_header("Link: </docs>; rel=\"deprecation\"; type=\"text/html\", "
		      "</v2/health>; rel=\"successor-version\"");
	meta_fails(ST_UNAVAILABLE, "");
	http("GET", "/health", "", "", NULL);
	assert_int_equal(got.status, 503);
	assert_header("Deprecation: @1780272000");
	http("GET", "/health", "nothing=1", "", NULL);
	assert_int_equal(got.status, 422);
	assert_header("Deprecation: @1780272000");
}

static void
one_that_stays_says_nothing(void **unused)
{
	(void)unused;
	meta_answers("{}", 1);
	http("GET", "/v1/tasks/" ID, "", "", NULL);
	assert_null(strstr(got.headers, "Deprecation"));
	assert_null(strstr(got.headers, "Link"));
}

/* The document as it would be if /health were to go. */
static void
deprecate_health(void)
{
	const struct file *f = file_find("openapi.json");
	struct json_error e;
	json_t *doc = json_read(f->bytes, f->n, &e);
	json_t *item = json_object_get(json_object_get(doc, "paths"), "/health");

	json_object_update_new(json_object_get(item, "get"),
	    json_pack("{s:b, s:s, s:s, s:s}", "deprecated", 1, "x-deprecated-since", "2026-06-01",
		"x-sunset", "2027-06-01", "x-successor", "/v2/health"));
	contract_use(doc);
	json_decref(doc);
}

static int
start(void **state)
{
	static Mf__Meta_Service service = MF__META__INIT(meta_);
	static struct serve metas[] = { { NULL, PRIMARY }, { NULL, 0 } },
			    rests[] = { { NULL, PRIMARY }, { NULL, 0 } };

	if (bed_start(state) != 0)
		return -1;
	memset(&meta, 0, sizeof(meta));
	mf__task_response__init(&meta.answer);
	mf__problem__init(&meta.problem);
	metas[0].service = &service.base;
	rests[0].service = &rest_service.base;
	bus_loopback(bed.bus, "meta", metas);
	bus_loopback(bed.bus, "rest", rests);
	ops_init(bed.bus);
	pass(5 * MS); /* its subscription has begun */
	return 0;
}

#define R(f) cmocka_unit_test_setup_teardown(f, start, bed_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		R(a_create_is_201_with_location_and_etag),
		R(a_create_that_is_repeated_is_the_stored_task_or_a_conflict),
		R(a_role_that_is_there_already_is_answered_or_a_conflict),
		R(a_read_answers_304_when_nothing_changed),
		R(a_stale_if_match_is_412_and_a_conflict_without_it_409),
		R(a_delete_is_204_with_nothing_in_it),
		R(refusals_are_problems_with_the_headers_that_belong_to_them),
		R(what_is_wrong_never_reaches_meta),
		R(all_that_the_document_refuses_is_said_at_once),
		R(who_is_nobody_hears_that_before_what_is_wrong_with_his_request),
		R(a_bulk_is_held_against_the_document_member_by_member),
		R(a_raw_request_is_200_also_when_partial_and_a_problem_when_it_failed),
		R(a_restart_and_a_log_in_have_answers_of_their_own),
		R(of_the_fleet_only_what_is_asked_for_is_answered),
		R(a_broken_result_is_a_500_and_an_error_in_the_log),
		R(the_document_and_its_page_are_served_without_meta),
		R(the_dashboard_is_served_without_meta),
		R(an_operation_that_is_to_go_says_so_whatever_it_answers),
		R(one_that_stays_says_nothing),
		R(translating_says_what_an_endpoint_means),
		R(formatting_lets_json_through_and_nothing_else),
	};

	deprecate_health();
	return cmocka_run_group_tests_name("rest", tests, NULL, NULL);
}
