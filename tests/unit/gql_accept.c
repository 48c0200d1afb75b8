/* gql_accept: which media type an answer gets, and what is a well-formed request. */
#include <string.h>
#include "api/graphql/http.h"
#include "api/graphql/serving.h"
#include "harness/test.h"

static void
likes(const char *accept, bool html, enum media want)
{
	enum media got = accept_choose(accept, html);

	if (got != want)
		print_error("%s: %d, not %d\n", accept, got, want);
	assert_int_equal(got, want);
}

static void
the_type_that_is_liked_best_is_chosen(void **unused)
{
	static const struct {
		const char *accept;
		enum media want;
	} all[] = {
		{ "", MEDIA_JSON },
		{ "*/*", MEDIA_JSON },
		{ "application/*", MEDIA_JSON },
		{ "application/json", MEDIA_JSON },
		{ "application/graphql-response+json", MEDIA_GRAPHQL },
		{ "application/graphql-response+json, application/json", MEDIA_GRAPHQL },
		{ "application/json, application/graphql-response+json", MEDIA_GRAPHQL },
		{ "application/graphql-response+json, application/json;q=0.9", MEDIA_GRAPHQL },
		{ "application/graphql-response+json;q=0.5, application/json", MEDIA_JSON },
		{ "application/graphql-response+json, */*", MEDIA_GRAPHQL },
		{ "application/graphql-response+json;q=0.1, */*", MEDIA_JSON },
		{ "application/graphql-response+json;q=0, */*", MEDIA_JSON },
		{ "APPLICATION/GraphQL-Response+JSON ; charset=UTF-8", MEDIA_GRAPHQL },
		{ "application/json; charset=\"utf-8\"", MEDIA_JSON },
		{ "application/json; charset=utf-16", MEDIA_NONE },
		{ "application/json;q=0", MEDIA_NONE },
		{ "application/json;q=0, */*", MEDIA_NONE },
		{ "text/html", MEDIA_NONE },
		{ "image/png, text/*", MEDIA_NONE },
		{ "application/json;q=high", MEDIA_NONE },
		{ ",, ;q=1 ,", MEDIA_NONE },
		{ "applications/json", MEDIA_NONE },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		likes(all[i].accept, false, all[i].want);
}

static void
a_page_is_for_those_who_name_it(void **unused)
{
	(void)unused;
	likes("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true, MEDIA_HTML);
	likes("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false, MEDIA_JSON);
	likes("*/*", true, MEDIA_JSON);
	likes("text/*", true, MEDIA_NONE);
	likes("application/json, text/html;q=0.9", true, MEDIA_JSON);
}

static void
a_body_is_json_in_utf_8(void **unused)
{
	(void)unused;
	assert_true(content_is_json("application/json"));
	assert_true(content_is_json("Application/JSON; charset=UTF-8"));
	assert_true(content_is_json("application/json; charset=\"utf-8\"; x=y"));
	assert_false(content_is_json("application/json; charset=iso-8859-1"));
	assert_false(content_is_json("application/graphql"));
	assert_false(content_is_json("application/json-patch"));
	assert_false(content_is_json("text/plain"));
	assert_false(content_is_json(""));
}

#define UUID "0199f0c0-1234-7abc-8def-0123456789ab"

static void
global_ids_lead_back(void **unused)
{
	static const char *const types[] = { "Task", "User", "Role", "FleetNode" };
	struct arena *a = arena_new(1 << 20);
	const struct id_kind *kind;

	(void)unused;
	assert_string_equal(id_global(a, "Task", "x"), "VGFzazp4");
	assert_string_equal(id_global(a, "FleetNode", "sql"), "RmxlZXROb2RlOnNxbA==");
	assert_string_equal(id_split(a, "RmxlZXROb2RlOnNxbA", &kind), "sql"); /* no padding */
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(id_split(a, id_global(a, types[i], UUID), &kind), UUID);
		assert_string_equal(kind->type, types[i]);
	}
	assert_null(id_split(a, "", &kind));
	assert_null(id_split(a, "VGFzazp4", &kind));     /* Task:x, which is no UUID */
	assert_null(id_split(a, "VGFzazo=", &kind));     /* Task: */
	assert_null(id_split(a, "VXNlcjp4", &kind));     /* User:x */
	assert_null(id_split(a, "Um9sZTp4IHk=", &kind)); /* Role:x y */
	assert_null(id_split(a, "Tm9uZTp4", &kind));     /* None:x */
	assert_null(id_split(a, "VGFzazp4!", &kind));    /* no base64 */
	assert_null(id_split(a, "VGFzazoAeA==", &kind)); /* with a NUL in it */
	arena_free(&a);
}

static void
either_id_names_a_thing(void **unused)
{
	struct arena *a = arena_new(1 << 20);
	const struct id_kind *user = id_kind_of("User"), *role = id_kind_of("Role");

	(void)unused;
	assert_string_equal(id_task(a, "0199F0C0-1234-7abc-8def-0123456789ab"), UUID);
	assert_string_equal(
	    id_task(a, id_global(a, "Task", "0199f0c0-1234-7abc-8def-0123456789AB")), UUID);
	assert_string_equal(id_task(a, "nothing"), "nothing");
	assert_string_equal(id_of(a, user, UUID), UUID);
	assert_string_equal(id_of(a, user, id_global(a, "User", UUID)), UUID);
	assert_null(id_of(a, user, id_global(a, "Task", UUID)));
	assert_null(id_of(a, user, "admin"));
	assert_string_equal(id_of(a, role, "Admin"), "Admin");
	assert_string_equal(id_of(a, role, id_global(a, "Role", "Admin")), "Admin");
	assert_null(id_of(a, role, "no/name"));
	assert_null(id_of(a, role, ""));
	arena_free(&a);
}

static void
names_of_rest_are_ours_in_another_case(void **unused)
{
	static const char *const violations[][2] = {
		{ "limit", "first" },
		{ "created_after", "createdAfter" },
		{ "", "" },
		{ "/title", "/title" },
		{ "/refresh_token", "/refreshToken" },
		{ "/labels/my_label", "/labels/my_label" },
		{ "/tasks/3/title", "/input/3/title" },
		{ "/requirements/database/if_version", "/requirements/database/ifVersion" },
		{ "/requirements/database/filters/created_after",
		    "/requirements/database/filters/created_after" },
		{ "/_/", "/_/" },
	};
	struct arena *a = arena_new(1 << 20);

	(void)unused;
	assert_string_equal(name_there(a, "title"), "title");
	assert_string_equal(name_there(a, "requirePermission"), "require_permission");
	assert_string_equal(name_here(a, "require_permission"), "requirePermission");
	assert_string_equal(name_here(a, "_a__b_"), "A_B_");
	for (size_t i = 0; i < sizeof(violations) / sizeof(violations[0]); i++)
		assert_string_equal(name_of_violation(a, violations[i][0]), violations[i][1]);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_type_that_is_liked_best_is_chosen),
		T(a_page_is_for_those_who_name_it),
		T(a_body_is_json_in_utf_8),
		T(global_ids_lead_back),
		T(either_id_names_a_thing),
		T(names_of_rest_are_ours_in_another_case),
	};

	return TEST_RUN(tests);
}
