/* contract: bodies held against the document, in the words of who stores them. */
#include <string.h>
#include "api/rest/contract.h"
#include "database/sql/intake.h"
#include "harness/test.h"

#define ID "0199f0c0-1234-7abc-8def-0123456789ab"

static struct arena *a;

static int
start(void **unused)
{
	(void)unused;
	a = arena_new(16 << 20);
	contract_load();
	return 0;
}

static int
stop(void **unused)
{
	(void)unused;
	arena_free(&a);
	return 0;
}

static struct failure
held(const char *method, const char *path, const char *text)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);

	if (v == NULL)
		fail_msg("no JSON: %s", text);
	(void)contract_body(a, route_find(a, method, path).route, v, &f);
	json_decref(v);
	return f;
}

static void
intake(const char *model, bool patch, const char *text, struct complaints *e)
{
	json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);
	const char *id = strcmp(model, "role") == 0 ? "auditor" : ID;
	struct row row;
	char *out;

	*e = (struct complaints){ .arena = a };
	if (patch)
		(void)intake_patch(a, model_find(model), v, id, "", &out, e);
	else
		(void)intake_create(a, model_find(model), v,
		    &(const struct intake_op){ id, "", "me", "2026-01-02T03:04:05.000006Z", NULL },
		    "", &row, e);
	json_decref(v);
}

static bool
says(const struct violation *list, size_t n, const struct violation *one)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].field, one->field) == 0 && strcmp(list[i].what, one->what) == 0)
			return true;
	return false;
}

/* Bodies that both refuse, for the same reasons at the same places. */
static const struct {
	const char *model, *text;
	bool patch;
} wrong[] = {
	{ "task", "{}", false },
	{ "task", "[]", false },
	{ "task", "7", false },
	{ "task", "{\"title\":null}", false },
	{ "task", "{\"title\":\"\"}", false },
	{ "task", "{\"title\":7,\"state\":\"queued\",\"nonsense\":1,\"version\":2}", false },
	{ "task", "{\"title\":\"x\",\"priority\":0}", false },
	{ "task", "{\"title\":\"x\",\"priority\":\"high\"}", false },
	{ "task", "{\"title\":\"x\",\"priority\":[1]}", false },
	{ "task", "{\"title\":\"x\",\"priority\":2.5}", false },
	{ "task", "{\"title\":\"x\",\"type\":\"a b\"}", false },
	{ "task", "{\"title\":\"x\",\"type\":\"\",\"state\":7}", false },
	{ "task", "{\"title\":\"x\",\"labels\":\"a\"}", false },
	{ "task", "{\"title\":\"x\",\"labels\":7,\"description\":[]}", false },
	{ "task", "{\"title\":\"x\",\"labels\":[\"a\",\"b\",\"a\"]}", false },
	{ "task", "{\"title\":\"x\",\"created_by\":\"me\",\"namespace\":\"n\",\"created_at\":7}",
	    false },
	{ "task", "{\"title\":null}", true },
	{ "task", "{\"title\":\"\",\"type\":\"a/b\",\"state\":\"DONE\",\"priority\":9}", true },
	{ "task", "{\"version\":7,\"colour\":\"red\",\"updated_at\":null}", true },
	{ "task", "{\"labels\":true}", true },
	{ "task", "null", true },
	{ "user", "{}", false },
	{ "user", "{\"username\":\"a b\",\"roles\":7,\"disabled\":\"yes\"}", false },
	{ "user", "{\"username\":\"a\",\"roles\":[\"x\",\"x\"]}", false },
	{ "user", "{\"username\":null}", true },
	{ "user", "{\"disabled\":0,\"roles\":{}}", true },
	{ "role", "{\"id\":\"auditor\",\"permissions\":true,\"version\":1}", false },
	{ "role", "{\"inherits\":\"viewer\",\"created_at\":\"now\"}", true },
};

static void
what_the_store_would_refuse_is_refused_in_its_words(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const char *path =
		    arena_printf(a, "/%ss%s", wrong[i].model, wrong[i].patch ? "/" ID : "");
		struct failure f = held(wrong[i].patch ? "PATCH" : "POST", path, wrong[i].text);
		struct complaints e;

		intake(wrong[i].model, wrong[i].patch, wrong[i].text, &e);
		if (f.n_violations != e.n || e.n == 0)
			fail_msg("%s: %zu here, %zu there", wrong[i].text, f.n_violations, e.n);
		for (size_t k = 0; k < e.n; k++)
			if (!says(f.violations, f.n_violations, &e.list[k]))
				fail_msg("%s: %s %s there; here %s %s", wrong[i].text,
				    e.list[k].field, e.list[k].what, f.violations[0].field,
				    f.violations[0].what);
	}
}

static void
lengths_are_refused_in_the_words_of_the_store_too(void **unused)
{
	char *text = arena_alloc(a, 200100);
	struct complaints e;
	struct failure f;

	(void)unused;
	strcpy(text, "{\"title\":\"");
	for (int i = 0; i < 1001; i++)
		strcat(text, "é");
	strcat(text, "\"}");
	f = held("POST", "/tasks", text);
	intake("task", false, text, &e);
	assert_int_equal(f.n_violations, 1);
	assert_string_equal(f.violations[0].what, "must have 1 to 1000 characters");
	assert_string_equal(f.violations[0].what, e.list[0].what);
	memmove(strstr(text, "é"), strstr(text, "é") + 2, strlen(strstr(text, "é") + 2) + 1);
	assert_int_equal(held("POST", "/tasks", text).status, ST_OK);
	strcpy(text, "{\"title\":\"x\",\"labels\":{");
	for (int i = 0; i < 101; i++)
		sprintf(text + strlen(text), "%s\"l%d\":\"\"", i == 0 ? "" : ",", i);
	strcat(text, "}}");
	f = held("POST", "/tasks", text);
	intake("task", false, text, &e);
	assert_string_equal(f.violations[0].what, e.list[0].what);
	assert_string_equal(f.violations[0].field, e.list[0].field);
}

static void
what_the_store_takes_is_taken(void **unused)
{
	static const struct {
		const char *model, *text;
		bool patch;
	} good[] = {
		{ "task", "{\"title\":\"x\"}", false },
		{ "task", "{\"title\":\"x\",\"priority\":4,\"type\":null,\"state\":null}", false },
		{ "task", "{\"title\":\"x\",\"labels\":{\"a\":\"b\"},\"payload\":[1,{\"x\":null}]}",
		    false },
		{ "task",
		    "{\"title\":\"x\",\"labels\":[],\"description\":null,\"priority\":\"LOW\"}",
		    false },
		{ "task", "{}", true },
		{ "task", "{\"labels\":{\"a\":null},\"priority\":null,\"payload\":null}", true },
		{ "user", "{\"username\":\"vera\",\"roles\":[\"viewer\"],\"disabled\":null}",
		    false },
		{ "user", "{\"roles\":null,\"disabled\":true}", true },
		{ "role", "{\"id\":\"auditor\",\"permissions\":[\"task.*\"]}", false },
		{ "role", "{\"inherits\":null}", true },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const char *path =
		    arena_printf(a, "/%ss%s", good[i].model, good[i].patch ? "/" ID : "");
		struct failure f = held(good[i].patch ? "PATCH" : "POST", path, good[i].text);
		struct complaints e;

		intake(good[i].model, good[i].patch, good[i].text, &e);
		if (e.n != 0 || f.status != ST_OK)
			fail_msg("%s: %s", good[i].text, e.n != 0 ? e.list[0].what : f.message);
	}
}

static void
deeper_places_are_named_and_escaped(void **unused)
{
	struct failure f = held("POST", "/tasks", "{\"title\":\"x\",\"labels\":{\"a/b~c\":7}}");

	(void)unused;
	assert_int_equal(f.n_violations, 1);
	assert_string_equal(f.violations[0].field, "/labels/a~1b~0c");
	assert_string_equal(f.violations[0].what, "must be a string");
	f = held("POST", "/requests",
	    "{\"task_id\":\"t\",\"requirements\":{\"api\":{\"method\":7}},\"depends_on\":"
	    "[{\"domain\":\"api\",\"on\":\"database\"},{\"domain\":\"x\"}],\"deadline_ms\":-1}");
	assert_int_equal(f.n_violations, 4);
	assert_string_equal(f.violations[0].field, "/requirements/api/method");
	assert_string_equal(f.violations[1].field, "/depends_on/1/domain");
	assert_string_equal(f.violations[2].field, "/depends_on/1/on");
	assert_string_equal(f.violations[3].what, "must be an integer from 0 to 3600000");
}

static void
a_task_request_is_held_against_the_document_as_a_whole(void **unused)
{
	static const char *const good[] = {
		"{\"task_id\":\"t\",\"requirements\":{\"meta\":{\"operation\":\"health\"}}}",
		"{\"task_id\":\"t\",\"priority\":2,\"requirements\":{\"database\":{\"operation\":"
		"\"query\",\"filters\":{\"label\":[\"a\",\"b\"],\"priority\":1}}},\"depends_on\":"
		"{\"api\":[\"database\"],\"auth\":\"meta\"},\"user_context\":7}",
	};
	static const char *const bad[] = {
		"{\"requirements\":{\"api\":{}}}",
		"{\"task_id\":\"\",\"requirements\":{\"api\":{}}}",
		"{\"task_id\":\"t\",\"requirements\":{}}",
		"{\"task_id\":\"t\",\"requirements\":{\"apt\":{}}}",
		"{\"task_id\":\"t\",\"requirements\":{\"database\":{\"model\":\"task\"}}}",
		"{\"task_id\":\"t\",\"requirements\":{\"api\":{}},\"depends_on\":\"x\"}",
		"{\"task_id\":\"t\",\"requirements\":{\"api\":{}},\"depends_on\":{\"x\":\"api\"}}",
		"{\"task_id\":\"t\",\"requirements\":{\"database\":{\"operation\":\"query\","
		"\"filters\":{\"state\":[true]}}}}",
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (held("POST", "/requests", good[i]).status != ST_OK)
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (held("POST", "/requests", bad[i]).n_violations != 1)
			fail_msg("%s: %zu", bad[i], held("POST", "/requests", bad[i]).n_violations);
}

static void
a_thousand_wrong_names_are_twenty_violations(void **unused)
{
	char *text = arena_alloc(a, 100000);
	struct failure f;

	(void)unused;
	strcpy(text, "{\"title\":\"x\"");
	for (int i = 0; i < 1000; i++)
		sprintf(text + strlen(text), ",\"n%d\":1", i);
	strcat(text, "}");
	f = held("POST", "/tasks", text);
	assert_int_equal(f.n_violations, VIOLATIONS_MOST);
}

static void
members_of_a_bulk_are_refused_one_by_one(void **unused)
{
	const struct route *r = route_find(a, "POST", "/tasks:bulk").route;
	static const struct failure said = { .status = ST_INVALID_ARGUMENT };
	const struct failure *refused[4] = { NULL, NULL, NULL, &said };
	json_t *v = json_loads("[{\"title\":\"x\"},{\"title\":7},null,null]", 0, NULL);

	(void)unused;
	contract_members(a, r, v, refused);
	assert_null(refused[0]);
	assert_string_equal(refused[1]->violations[0].field, "/title");
	assert_string_equal(refused[2]->violations[0].what, "must be an object");
	assert_ptr_equal(refused[3], &said);
	json_decref(v);
	assert_int_equal(held("POST", "/tasks:bulk", "[{\"title\":7}]").status, ST_OK);
	assert_int_equal(held("POST", "/tasks:bulk", "[]").n_violations, 1);
	assert_string_equal(
	    held("POST", "/tasks:bulk", "{\"tasks\":7,\"x\":1}").violations[0].field, "/tasks");
}

static void
ids_and_headers_are_held_against_the_document(void **unused)
{
	const struct route *task = route_find(a, "PATCH", "/tasks/x").route,
			   *role = route_find(a, "GET", "/roles/x").route;
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	char *key = arena_alloc(a, 600);

	(void)unused;
	assert_true(contract_id(a, task, ID));
	assert_true(contract_id(a, task, "0199F0C0-1234-7ABC-8DEF-0123456789AB"));
	assert_false(contract_id(a, task, "7"));
	assert_true(contract_id(a, role, "auditor"));
	assert_false(contract_id(a, role, "a b"));
	assert_true(contract_header(a, task, "idempotency-key", "\"k\"", &f));
	assert_true(contract_header(a, task, "accept", "", &f));
	memset(key, 'k', 599);
	key[599] = '\0';
	assert_false(contract_header(a, task, "idempotency-key", key, &f));
	assert_string_equal(f.violations[0].field, "Idempotency-Key");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_the_store_would_refuse_is_refused_in_its_words),
		T(lengths_are_refused_in_the_words_of_the_store_too),
		T(what_the_store_takes_is_taken),
		T(deeper_places_are_named_and_escaped),
		T(a_task_request_is_held_against_the_document_as_a_whole),
		T(a_thousand_wrong_names_are_twenty_violations),
		T(members_of_a_bulk_are_refused_one_by_one),
		T(ids_and_headers_are_held_against_the_document),
	};

	return cmocka_run_group_tests_name("contract", tests, start, stop);
}
