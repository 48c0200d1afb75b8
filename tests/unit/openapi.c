/* openapi: the document says what the table of routes says, no more and no less. */
#include <string.h>
#include "api/live/source.h"
#include "api/ops/ops.h"
#include "api/rest/contract.h"
#include "api/rest/pages.h"
#include "harness/test.h"

static json_t *doc;
static struct arena *a;

static int
start(void **unused)
{
	const struct file *f = file_find("openapi.json");
	struct json_error e;

	(void)unused;
	a = arena_new(1 << 20);
	doc = json_read(f->bytes, f->n, &e);
	if (doc == NULL)
		fail_msg("line %d: %s", e.line, e.what);
	return 0;
}

static int
stop(void **unused)
{
	(void)unused;
	json_decref(doc);
	arena_free(&a);
	return 0;
}

static const json_t *
operation_of(const struct route *r)
{
	char method[8] = "";

	for (size_t i = 0; r->method[i] != '\0'; i++)
		method[i] = (char)(r->method[i] | 0x20);
	return json_object_get(
	    json_object_get(json_object_get(doc, "paths"), contract_path(a, r)), method);
}

static const json_t *
resolved(const json_t *v)
{
	const char *ref = json_string_value(json_object_get(v, "$ref"));
	struct str rest, one;

	if (ref == NULL)
		return v;
	assert_memory_equal(ref, "#/", 2);
	v = doc;
	for (rest = str_of(ref + 2); rest.n != 0;) {
		str_cut(rest, '/', &one, &rest);
		v = json_object_getn(v, one.p, one.n);
	}
	if (v == NULL)
		fail_msg("%s leads nowhere", ref);
	return resolved(v);
}

static bool
has_parameter(const json_t *op, const char *name, const char *in)
{
	const json_t *list = json_object_get(op, "parameters"), *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const json_t *p = resolved(one);

		if (strcmp(json_string_value(json_object_get(p, "name")), name) == 0 &&
		    strcmp(json_string_value(json_object_get(p, "in")), in) == 0)
			return true;
	}
	return false;
}

static size_t
n_parameters(const json_t *op, const char *in)
{
	const json_t *list = json_object_get(op, "parameters"), *one;
	size_t i, n = 0;

	json_array_foreach(list, i, one) n +=
	    strcmp(json_string_value(json_object_get(resolved(one), "in")), in) == 0;
	return n;
}

static void
each_route_is_in_the_document_with_its_status_and_each_operation_is_a_route(void **unused)
{
	const struct route *r;
	const char *path, *method;
	size_t routes = 0, operations = 0;
	json_t *item, *op;

	(void)unused;
	for (; (r = route_at(routes)) != NULL; routes++) {
		const json_t *answers = json_object_get(operation_of(r), "responses");

		if (json_object_get(answers, arena_printf(a, "%d", r->status)) == NULL)
			fail_msg("%s %s: no %d", r->method, contract_path(a, r), r->status);
		assert_non_null(json_object_get(answers, "default"));
	}
	json_object_foreach(json_object_get(doc, "paths"), path, item)
	    json_object_foreach(item, method, op)
	{
		(void)path, (void)method, (void)op;
		operations++;
	}
	assert_int_equal(operations, routes);
}

static void
a_path_with_an_id_declares_it_and_no_other_does(void **unused)
{
	const struct route *r;

	(void)unused;
	for (size_t i = 0; (r = route_at(i)) != NULL; i++) {
		bool id = strstr(r->pattern, "ID") != NULL;

		assert_int_equal(n_parameters(operation_of(r), "path"), id);
		assert_int_equal(has_parameter(operation_of(r), "id", "path"), id);
	}
}

static size_t
declared(const json_t *op, const char *const *filters)
{
	size_t n = 0;

	for (; filters[n] != NULL; n++)
		if (!has_parameter(op, filters[n], "query"))
			fail_msg("no %s", filters[n]);
	return n;
}

static const json_t *
answer_schema(const json_t *op)
{
	static const char *const way[] = { "responses", "200", "content", "application/json",
		"schema" };

	for (size_t i = 0; i < sizeof(way) / sizeof(way[0]); i++)
		op = json_object_get(op, way[i]);
	return resolved(op);
}

static void
the_fields_of_a_collection_are_those_of_its_schema(void **unused)
{
	const struct route *r;

	(void)unused;
	for (size_t i = 0; (r = route_at(i)) != NULL; i++) {
		const json_t *properties;
		size_t n = 0;

		if (r->kind != OP_READ)
			continue;
		properties = json_object_get(answer_schema(operation_of(r)), "properties");
		for (; r->of->fields[n] != NULL; n++)
			assert_non_null(json_object_get(properties, r->of->fields[n]));
		assert_int_equal(json_object_size(properties), n);
	}
}

/* Of an operation of level 0, where they stand in the query. */
static const char *const *
arguments_of(const char *own)
{
	static const char *const none[] = { NULL };
	static const struct {
		const char *own, *names[12];
	} of[] = {
		{ "errors", { "node", "status", "window", "limit", NULL } },
		{ "figures", { "window", NULL } },
		{ "crashes", { "node", "limit", NULL } },
		{ "settings", { "node", NULL } },
		{ "traces", { "status", "min_ms", "max_ms", "node", "method", "route", "since",
				"until", "trace_id", "limit", "cursor", NULL } },
	};

	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++)
		if (strcmp(of[i].own, own) == 0)
			return of[i].names;
	return none;
}

static void
lists_declare_their_filters_and_nothing_else_has_parameters(void **unused)
{
	const struct route *r;

	(void)unused;
	for (size_t i = 0; (r = route_at(i)) != NULL; i++) {
		const json_t *op = operation_of(r);
		size_t n = 0;

		if (r->kind == OP_LIST) {
			assert_true(has_parameter(op, "limit", "query"));
			assert_true(has_parameter(op, "cursor", "query"));
			assert_true(has_parameter(op, "sort", "query"));
			n = 3 + declared(op, r->of->filters) + declared(op, filters_of_all);
		}
		if (r->kind == OP_LIST || r->kind == OP_READ) {
			assert_true(has_parameter(op, "fields", "query"));
			n++;
		}
		if (r->of != NULL && r->of->may_be_old &&
		    (r->kind == OP_LIST || r->kind == OP_READ)) {
			assert_true(has_parameter(op, "consistency", "query"));
			assert_true(has_parameter(op, "max_age_ms", "query"));
			assert_true(has_parameter(op, "Metafed-Session", "header"));
			n += 2;
		}
		if (r->kind == OP_COUNT)
			n = declared(op, r->of->filters) + declared(op, filters_of_all);
		if (r->kind == OP_BLOB_LIST || r->kind == OP_HISTORY) {
			assert_true(has_parameter(op, "limit", "query"));
			assert_true(has_parameter(op, "cursor", "query"));
			n = 2;
		}
		if (r->kind == OP_FLEET) {
			static const char *const filters[] = { "name", "level", "domain", "state",
				NULL };

			n = declared(op, filters);
		}
		if (r->kind == OP_OWN)
			n = declared(op, arguments_of(r->own));
		if (r->kind == OP_EVENTS) {
			assert_true(has_parameter(op, "topics", "query"));
			assert_true(has_parameter(op, "after", "query"));
			/* of both: kind, state */
			n = 2 + declared(op, source_find("tasks")->facts) +
			    declared(op, source_find("fleet")->facts) - 2;
		}
		assert_int_equal(n_parameters(op, "query"), n);
	}
}

static void
conditions_keys_and_bodies_are_declared_where_they_are_taken(void **unused)
{
	const struct route *r;

	(void)unused;
	for (size_t i = 0; (r = route_at(i)) != NULL; i++) {
		const json_t *op = operation_of(r);
		bool bytes = op_is_bytes(r->kind),
		     changes = r->kind == OP_UPDATE || r->kind == OP_DELETE,
		     body = (strcmp(r->method, "POST") == 0 && r->kind != OP_RESTART) ||
		            r->kind == OP_UPDATE || r->kind == OP_BLOB_PUT ||
		            r->kind == OP_UPLOAD_PIECE;

		assert_int_equal(has_parameter(op, "If-Match", "header"), changes);
		assert_int_equal(has_parameter(op, "If-None-Match", "header"),
		    r->kind == OP_READ || r->kind == OP_BLOB_GET);
		assert_int_equal(has_parameter(op, "Idempotency-Key", "header"),
		    strcmp(r->method, "GET") != 0 && !bytes && !str_starts(r->pattern, "/auth/"));
		assert_int_equal(json_object_get(op, "requestBody") != NULL, body);
	}
}

static size_t
refused(const char *method, const char *path, const char *query)
{
	const struct route *r = route_find(a, method, path).route;
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct param *params;
	size_t n;

	assert_true(query_parse(a, query, &params, &n, &f));
	(void)contract_query(a, r, params, n, &f);
	return f.n_violations;
}

static void
each_parameter_of_a_query_must_fit_its_schema(void **unused)
{
	static const char *const good[] = { "", "limit=1&cursor=x&state=QUEUED&type=a",
		"priority=HIGH", "priority=4", "label=a&label=b%3D1", "sort=-created_at,priority",
		"fields=id,title", "created_after=2026-11-21T09:30:00%2B01:00" };
	static const char *const bad[] = { "limit=0", "limit=1001", "limit=x", "limit=1&limit=2",
		"cursor=", "state=queued", "priority=5", "priority=high", "type=", "type=a b",
		"label=", "sort=", "sort=a,,b", "fields=A", "created_after=yesterday", "colour=red",
		"username=x" };

	(void)unused;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (refused("GET", "/tasks", good[i]) != 0)
			fail_msg("%s is refused", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (refused("GET", "/tasks", bad[i]) != 1)
			fail_msg("%s is taken", bad[i]);
	assert_int_equal(refused("GET", "/tasks", "limit=0&state=x&colour=red"), 3);
	assert_int_equal(refused("GET", "/users", "disabled=true&username=vera"), 0);
	assert_int_equal(refused("GET", "/users", "disabled=1"), 1);
	assert_int_equal(refused("POST", "/tasks", "limit=1"), 1);
	assert_int_equal(refused("GET", "/fleet", "a=b"), 1);
}

/* All of them, also those that no operation points to. */
static void
check_refs(const json_t *v)
{
	const json_t *one;
	const char *key;
	size_t i;

	if (json_object_get(v, "$ref") != NULL)
		(void)resolved(v);
	json_object_foreach((json_t *)(uintptr_t)v, key, one) check_refs(one);
	json_array_foreach(v, i, one) check_refs(one);
}

static void
references_lead_somewhere(void **unused)
{
	(void)unused;
	check_refs(doc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_route_is_in_the_document_with_its_status_and_each_operation_is_a_route),
		T(a_path_with_an_id_declares_it_and_no_other_does),
		T(the_fields_of_a_collection_are_those_of_its_schema),
		T(lists_declare_their_filters_and_nothing_else_has_parameters),
		T(conditions_keys_and_bodies_are_declared_where_they_are_taken),
		T(each_parameter_of_a_query_must_fit_its_schema),
		T(references_lead_somewhere),
	};

	return cmocka_run_group_tests_name("openapi", tests, start, stop);
}
