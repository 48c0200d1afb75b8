/* part: every path that is served has its part, and whatever else is asked for has one together. */
#include <string.h>
#include "api/live/source.h"
#include "api/ops/ops.h"
#include "api/part.h"
#include "api/rest/pages.h"
#include "harness/test.h"

static void
every_path_of_the_document_has_a_part(void **unused)
{
	const struct file *f = file_find("openapi.json");
	struct json_error e;
	json_t *doc = json_read(f->bytes, f->n, &e), *one;
	const char *path;

	(void)unused;
	assert_non_null(doc);
	json_object_foreach(json_object_get(doc, "paths"), path, one)
	{
		if (strcmp(part_name(part_of(path)), "other") == 0)
			fail_msg("%s has no part", path);
	}
	json_decref(doc);
}

static void
a_part_is_the_first_word(void **unused)
{
	static const struct {
		const char *path, *part;
	} all[] = { { "/v1/tasks", "tasks" }, { "/v1/tasks/0190", "tasks" },
		{ "/v1/tasks:bulk", "tasks" }, { "/v1/me/api-keys", "me" },
		{ "/v1/api-keys", "api-keys" }, { "/v1", "index" }, { "/", "index" },
		{ "/graphql", "graphql" }, { "/ui/app.js", "ui" }, { "/docs", "docs" },
		{ "/openapi.json", "openapi.json" }, { "/livez", "livez" },
		{ "/oauth/token", "oauth" }, { "/.well-known/jwks.json", "oauth" } };

	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_string_equal(part_name(part_of(all[i].path)), all[i].part);
}

static void
nothing_that_a_client_makes_up_is_a_part(void **unused)
{
	static const char *const all[] = { "", "/v1/", "/v1/task", "/v1/taskss", "/v2/tasks",
		"/graphqlx", "//", "*", "/v1//tasks", "/metrics.php" };

	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_string_equal(part_name(part_of(all[i])), "other");
	for (size_t i = 0; i < 2 * PARTS_MOST; i++)
		assert_non_null(part_name(i));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_path_of_the_document_has_a_part),
		T(a_part_is_the_first_word),
		T(nothing_that_a_client_makes_up_is_a_part),
	};

	return TEST_RUN(tests);
}
