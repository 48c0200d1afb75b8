/* nosql_update: what operators make of a document. */
#include <stdlib.h>
#include <string.h>
#include "database/nosql/update_ops.h"
#include "harness/test.h"

static const struct {
	const char *doc, *update, *after; /* after: the document, or what is wrong, behind a ! */
} table[] = {
	{ "{\"a\":1}", "{\"b\":2,\"a\":null}", "{\"b\":2}" },
	{ "{}", "{\"$set\":{\"/a/b\":1,\"/c\":[1]}}", "{\"a\":{\"b\":1},\"c\":[1]}" },
	{ "{\"a\":[1,2]}", "{\"$set\":{\"/a/1\":9,\"/b\":0}}", "{\"a\":[1,9],\"b\":0}" },
	{ "{\"a\":[1]}", "{\"$set\":{\"/a/-\":2}}", "{\"a\":[1,2]}" },
	{ "{\"a\":[1]}", "{\"$set\":{\"/a/1\":2}}", "!names no item" },
	{ "{\"a\":1}", "{\"$set\":{\"/a/b\":2}}", "!leads through" },
	{ "{\"a\":{\"b\":1,\"c\":2}}", "{\"$unset\":{\"/a/b\":true,\"/x\":true}}",
	    "{\"a\":{\"c\":2}}" },
	{ "{\"a\":1}", "{\"$rename\":{\"/a\":\"/b/c\"}}", "{\"b\":{\"c\":1}}" },
	{ "{\"n\":9007199254740993}", "{\"$inc\":{\"/n\":1}}", "{\"n\":9007199254740994}" },
	{ "{\"n\":9223372036854775807}", "{\"$inc\":{\"/n\":1}}", "!would lead beyond 64 bits" },
	{ "{\"n\":1}", "{\"$inc\":{\"/n\":0.5},\"$mul\":{\"/m\":3}}", "{\"n\":1.5,\"m\":0}" },
	{ "{\"n\":1e308}", "{\"$mul\":{\"/n\":1e308}}", "!would lead beyond" },
	{ "{\"n\":\"x\"}", "{\"$inc\":{\"/n\":1}}", "!finds what is no number" },
	{ "{\"a\":3,\"b\":3}", "{\"$min\":{\"/a\":2,\"/c\":1},\"$max\":{\"/b\":2}}",
	    "{\"a\":2,\"b\":3,\"c\":1}" },
	{ "{\"a\":[1]}", "{\"$push\":{\"/a\":{\"each\":[2,3],\"keep\":2},\"/b\":1}}",
	    "{\"a\":[2,3],\"b\":[1]}" },
	{ "{\"a\":[1,2]}", "{\"$push\":{\"/a\":{\"each\":[3],\"keep\":-2}}}", "{\"a\":[1,2]}" },
	{ "{\"a\":[1]}", "{\"$addToSet\":{\"/a\":1.0}}", "{\"a\":[1]}" },
	{ "{\"a\":[1]}", "{\"$addToSet\":{\"/a\":{\"each\":[1,2,2]}}}", "{\"a\":[1,2]}" },
	{ "{\"a\":[1,{\"b\":2},1]}", "{\"$pull\":{\"/a\":1}}", "{\"a\":[{\"b\":2}]}" },
	{ "{\"a\":[1,2,3]}", "{\"$pop\":{\"/a\":\"first\"}}", "{\"a\":[2,3]}" },
	{ "{\"a\":[1,2,3]}", "{\"$pop\":{\"/a\":1}}", "!must be \"first\" or \"last\"" },
	{ "{}", "{\"$currentDate\":{\"/t\":\"ms\"}}", "{\"t\":1700000000000}" },
	{ "{}", "{\"$currentDate\":{\"/t\":true}}", "{\"t\":\"2023-11-14T22:13:20.000000Z\"}" },
	{ "{}", "{\"$set\":{\"/a\":1,\"/a/b\":2}}", "!touches /a" },
	{ "{}", "{\"$set\":{\"/a\":1},\"$inc\":{\"/a\":1}}", "!touches /a" },
	{ "{}", "{\"$set\":{\"/a\":1},\"b\":2}", "!members that begin with $" },
	{ "{}", "{\"$sum\":{\"/a\":1}}", "!is no operator" },
	{ "{}", "{\"$set\":{\"a\":1}}", "!is no JSON Pointer" },
	{ "{}", "{\"$set\":7}", "!must be an object" },
};

static void
operators_do_what_they_say(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct failure f = { .status = ST_OK, .message = "", .reason = "" };
		struct arena *a = arena_new(1 << 20);
		json_t *doc = json_loads(table[i].doc, 0, NULL),
		       *update = json_loads(table[i].update, 0, NULL);
		bool ok = update_apply(a, update, doc, INT64_C(1700000000000000), &f);
		char *text = json_dumps(doc, JSON_COMPACT);

		assert_non_null(update);
		if (table[i].after[0] == '!') {
			if (ok || strstr(f.violations[0].what, table[i].after + 1) == NULL)
				fail_msg("%s: %s", table[i].update, ok ? text : f.message);
		} else if (!ok || strcmp(text, table[i].after) != 0) {
			fail_msg("%s: %s", table[i].update, ok ? text : f.message);
		}
		free(text);
		json_decref(doc);
		json_decref(update);
		arena_free(&a);
	}
}

/* json_read would refuse to read it again. */
static void
no_document_becomes_too_deep_to_be_read(void **unused)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct arena *a = arena_new(1 << 20);
	json_t *doc = json_object(), *deep = json_integer(1), *update;

	(void)unused;
	for (int i = 0; i < 20; i++)
		deep = json_pack("{s:o}", "x", deep);
	update = json_pack("{s:{s:o}}", "$set", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n", deep);
	assert_false(update_apply(a, update, doc, 0, &f));
	assert_non_null(strstr(f.message, "too deep"));
	json_decref(doc);
	json_decref(update);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(operators_do_what_they_say),
		T(no_document_becomes_too_deep_to_be_read),
	};

	return TEST_RUN(tests);
}
