/* deprecation: what the document says of an operation, as header fields. */
#include <string.h>
#include "api/rest/deprecation.h"
#include "base/json.h"
#include "harness/test.h"

static struct arena *a;
static json_t *doc;
static const char *wrong;

static const struct deprecation *
read(const char *text)
{
	struct json_error e;

	json_decref(doc);
	doc = json_read(text, strlen(text), &e);
	assert_non_null(doc);
	return deprecation_read(a, doc, &wrong);
}

static int
start(void **state)
{
	a = arena_new(1 << 20);
	return test_log_mark(state);
}

static int
stop(void **state)
{
	arena_free(&a);
	json_decref(doc);
	doc = NULL;
	return test_log_check(state);
}

static void
what_stays_has_none(void **unused)
{
	(void)unused;
	assert_null(read("{}"));
	assert_null(read("{\"deprecated\":false,\"x-deprecated-since\":\"2026-06-01\"}"));
	assert_null(wrong);
}

static void
the_day_is_a_date_of_a_structured_field_and_the_end_one_of_http(void **unused)
{
	const struct deprecation *d =
	    read("{\"deprecated\":true,\"x-deprecated-since\":\"2023-06-30\","
		 "\"x-sunset\":\"2024-02-29\"}");

	(void)unused;
	assert_null(wrong);
	assert_string_equal(d->since, "@1688083200");
	assert_string_equal(d->sunset, "Thu, 29 Feb 2024 00:00:00 GMT");
	assert_string_equal(d->links, "</docs>; rel=\"deprecation\"; type=\"text/html\"");
}

static void
an_end_and_a_successor_are_said_only_where_there_are_some(void **unused)
{
	const struct deprecation *d =
	    read("{\"deprecated\":true,\"x-deprecated-since\":\"2026-06-01\","
		 "\"externalDocs\":{\"url\":\"https://docs.example/v2\"},"
		 "\"x-successor\":\"/v2/tasks\"}");

	(void)unused;
	assert_null(d->sunset);
	assert_string_equal(d->links,
	    "<https://docs.example/v2>; rel=\"deprecation\"; type=\"text/html\", "
	    "</v2/tasks>; rel=\"successor-version\"");
}

static void
what_the_document_has_wrong_is_said(void **unused)
{
	static const char *const bad[] = {
		"{\"deprecated\":true}",
		"{\"deprecated\":true,\"x-deprecated-since\":\"soon\"}",
		"{\"deprecated\":true,\"x-deprecated-since\":\"2026-02-30\"}",
		"{\"deprecated\":true,\"x-deprecated-since\":20260601}",
		"{\"deprecated\":true,\"x-deprecated-since\":\"2026-06-01\",\"x-sunset\":\"\"}",
		"{\"deprecated\":true,\"x-deprecated-since\":\"2026-06-01\",\"x-sunset\":"
		"\"2026-05-31\"}",
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_null(read(bad[i]));
		if (wrong == NULL)
			fail_msg("%s is taken", bad[i]);
	}
}

#define D(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		D(what_stays_has_none),
		D(the_day_is_a_date_of_a_structured_field_and_the_end_one_of_http),
		D(an_end_and_a_successor_are_said_only_where_there_are_some),
		D(what_the_document_has_wrong_is_said),
	};

	return TEST_RUN(tests);
}
