/* shape: JSON Schema, compiled. */
#include <string.h>
#include "api/rest/shape.h"
#include "base/str.h"
#include "harness/test.h"

static struct arena *a;
static json_t *doc;
static struct shapes shapes;

static const struct shape *
compile(const char *schema)
{
	doc = json_loads(schema, 0, NULL);
	if (doc == NULL)
		fail_msg("no JSON: %s", schema);
	shapes = (struct shapes){ .a = a, .doc = doc };
	return shape_of(&shapes, doc);
}

static void
over(void)
{
	shapes_free(&shapes);
	json_decref(doc);
	doc = NULL;
}

static int
start(void **unused)
{
	(void)unused;
	a = arena_new(4 << 20);
	return 0;
}

static int
stop(void **unused)
{
	(void)unused;
	over();
	arena_free(&a);
	return 0;
}

/* NULL: it fits; else what is wrong with it first. */
static const char *
wrong(const struct shape *s, const char *value)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	json_t *v = json_loads(value, JSON_DECODE_ANY, NULL);
	bool ok = shape_check(a, s, v, &(const struct shape_rules){ NULL, false }, &f);

	assert_non_null(v);
	json_decref(v);
	assert_int_equal(ok, f.n_violations == 0);
	return ok ? NULL : f.message;
}

static const struct {
	const char *schema;
	const char *good[5], *bad[8]; /* NULL-ended */
} table[] = {
	{ "{}", { "null", "7", "{\"a\":[]}" }, { NULL } },
	{ "{\"type\":\"string\"}", { "\"\"" }, { "7", "null", "[]" } },
	{ "{\"type\":[\"integer\",\"null\"]}", { "null", "-3" }, { "\"3\"", "2.5", "true" } },
	{ "{\"type\":\"number\",\"exclusiveMinimum\":0,\"maximum\":10,\"multipleOf\":2.5}",
	    { "2.5", "10", "5.0" }, { "0", "-2.5", "12.5", "3" } },
	{ "{\"type\":\"integer\",\"minimum\":1,\"exclusiveMaximum\":4}", { "1", "3" },
	    { "0", "4" } },
	{ "{\"type\":\"string\",\"minLength\":1,\"maxLength\":2}", { "\"é\"", "\"éé\"" },
	    { "\"\"", "\"ééé\"" } },
	{ "{\"type\":\"string\",\"pattern\":\"^[a-z]+$\"}", { "\"abc\"" }, { "\"Abc\"", "\"\"" } },
	{ "{\"type\":\"string\",\"format\":\"uuid\"}",
	    { "\"0199f0c0-1234-7abc-8def-0123456789ab\"" },
	    { "\"0199F0C0-1234-7abc-8def-0123456789ab\"", "\"\"" } },
	{ "{\"type\":\"string\",\"format\":\"date-time\"}",
	    { "\"2026-11-21T09:30:00Z\"", "\"2026-11-21T09:30:00.5+01:00\"" },
	    { "\"2026-11-21\"", "\"now\"" } },
	{ "{\"enum\":[\"a\",7,null,{\"b\":1}]}", { "\"a\"", "7", "null", "{\"b\":1}" },
	    { "\"7\"", "8", "{\"b\":2}", "[]" } },
	{ "{\"const\":true}", { "true" }, { "false", "1", "\"true\"" } },
	{ "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"minItems\":1,\"maxItems\":2,"
	  "\"uniqueItems\":true}",
	    { "[\"a\"]", "[\"a\",\"b\"]" },
	    { "[]", "[\"a\",\"a\"]", "[\"a\",7]", "[\"a\",\"b\",\"c\"]", "{}" } },
	{ "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{}},"
	  "\"required\":[\"a\","
	  "\"c\"],\"additionalProperties\":false}",
	    { "{\"a\":1,\"c\":null}", "{\"a\":1,\"b\":[],\"c\":2}" },
	    { "{\"a\":1}", "{\"c\":1}", "{\"a\":\"1\",\"c\":1}", "{\"a\":1,\"c\":1,\"d\":1}",
		"[]" } },
	{ "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"},\"minProperties\":1,"
	  "\"maxProperties\":2}",
	    { "{\"x\":\"\"}" }, { "{}", "{\"x\":1}", "{\"a\":\"\",\"b\":\"\",\"c\":\"\"}" } },
	{ "{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"number\",\"minimum\":10}]}",
	    { "3", "10.5" }, { "10", "2.5", "\"3\"" } },
	{ "{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"number\",\"minimum\":10}]}",
	    { "3", "10.5", "10" }, { "2.5", "\"3\"" } },
	{ "{\"allOf\":[{\"type\":\"integer\",\"minimum\":2},{\"maximum\":5}]}", { "2", "5" },
	    { "1", "6", "\"3\"" } },
};

static void
values_are_held_against_every_keyword(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct shape *s = compile(table[i].schema);

		if (s == NULL)
			fail_msg("%s: %s", table[i].schema, shapes.wrong);
		for (size_t k = 0; table[i].good[k] != NULL; k++)
			if (wrong(s, table[i].good[k]) != NULL)
				fail_msg("%s: %s: %s", table[i].schema, table[i].good[k],
				    wrong(s, table[i].good[k]));
		for (size_t k = 0; table[i].bad[k] != NULL; k++)
			if (wrong(s, table[i].bad[k]) == NULL)
				fail_msg("%s: %s is taken", table[i].schema, table[i].bad[k]);
		over();
	}
}

static void
what_can_not_be_held_to_is_refused_by_name(void **unused)
{
	static const char *const bad[][2] = {
		{ "{\"contains\":{}}", "contains is no keyword" },
		{ "{\"nullable\":true}", "nullable is no keyword" },
		{ "{\"patternProperties\":{}}", "patternProperties is no keyword" },
		{ "{\"properties\":{\"a\":{\"not\":{}}}}", "not is no keyword" },
		{ "{\"oneOf\":[{\"if\":{}}]}", "if is no keyword" },
		{ "{\"format\":\"email\"}", "format is none" },
		{ "{\"type\":\"text\"}", "type names" },
		{ "{\"type\":[\"string\",7]}", "type names" },
		{ "{\"pattern\":\"(\"}", "pattern is no expression" },
		{ "{\"minLength\":-1}", "minLength is no number" },
		{ "{\"minimum\":\"1\"}", "minimum is no number" },
		{ "{\"multipleOf\":0}", "multipleOf is not" },
		{ "{\"enum\":[]}", "enum has no value" },
		{ "{\"oneOf\":[]}", "oneOf has no schema" },
		{ "{\"uniqueItems\":true}", "uniqueItems needs maxItems" },
		{ "{\"$ref\":\"#/nowhere\"}", "$ref leads" },
		{ "{\"items\":{\"$ref\":\"#\"}}", "$ref leads" },
		{ "{\"items\":{\"$ref\":\"#/x\",\"minLength\":1},\"x\":{}}", "minLength stands" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (compile(bad[i][0]) != NULL)
			fail_msg("taken: %s", bad[i][0]);
		if (!str_starts(shapes.wrong, bad[i][1]))
			fail_msg("%s: %s", bad[i][0], shapes.wrong);
		over();
	}
}

static void
a_schema_may_refer_to_itself(void **unused)
{
	const struct shape *s;

	(void)unused;
	doc = json_loads(
	    "{\"tree\":{\"type\":\"object\",\"properties\":{\"left\":{\"$ref\":\"#/tree\"}},"
	    "\"additionalProperties\":false}}",
	    0, NULL);
	shapes = (struct shapes){ .a = a, .doc = doc };
	s = shape_of(&shapes, json_object_get(doc, "tree"));
	assert_non_null(s);
	assert_null(wrong(s, "{\"left\":{\"left\":{}}}"));
	assert_string_equal(
	    wrong(s, "{\"left\":{\"left\":{\"x\":1}}}"), "/left/left/x: there is no such field");
}

static void
texts_are_held_against_the_same_shapes(void **unused)
{
	const struct shape *s =
	    compile("{\"oneOf\":[{\"enum\":[\"HIGH\",\"LOW\"],\"type\":\"string\"},"
		    "{\"type\":\"integer\",\"minimum\":1,\"maximum\":4}]}");

	(void)unused;
	assert_null(shape_check_text(a, s, "HIGH"));
	assert_null(shape_check_text(a, s, "4"));
	assert_string_equal(shape_check_text(a, s, "5"),
	    "must be one of HIGH LOW, or must be an integer from 1 to 4");
	assert_non_null(shape_check_text(a, s, "4.0"));
	assert_non_null(shape_check_text(a, s, ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(values_are_held_against_every_keyword, start, stop),
		cmocka_unit_test_setup_teardown(
		    what_can_not_be_held_to_is_refused_by_name, start, stop),
		cmocka_unit_test_setup_teardown(a_schema_may_refer_to_itself, start, stop),
		cmocka_unit_test_setup_teardown(
		    texts_are_held_against_the_same_shapes, start, stop),
	};

	return cmocka_run_group_tests_name("shape", tests, NULL, NULL);
}
