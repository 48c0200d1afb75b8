/* schema: JSON Schema, compiled. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/schema.h"
#include "base/str.h"
#include "base/time.h"
#include "harness/test.h"

static struct arena *a;
static json_t *doc;
static struct schemas schemas;

static const struct schema *
compile(const char *schema)
{
	doc = json_loads(schema, 0, NULL);
	if (doc == NULL)
		fail_msg("no JSON: %s", schema);
	schemas = (struct schemas){ .a = a, .doc = doc };
	return schema_compile(&schemas, doc);
}

static void
over(void)
{
	schemas_free(&schemas);
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
wrong(const struct schema *s, const char *value)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	json_t *v = json_loads(value, JSON_DECODE_ANY, NULL);
	bool ok = schema_check(a, s, v, &(const struct schema_rules){ NULL, false, false }, &f);

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
	    { "\"0199f0c0-1234-7abc-8def-0123456789ab\"",
		"\"0199F0C0-1234-7abc-8def-0123456789ab\"" },
	    { "\"0199f0c0-1234-7abc-8def-0123456789ag\"", "\"\"" } },
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
	  "\"required\":[\"a\",\"b\"],\"additionalProperties\":false}",
	    { "{\"a\":1,\"b\":null}", "{\"a\":1,\"b\":[]}" },
	    { "{\"a\":1}", "{\"b\":1}", "{\"a\":\"1\",\"b\":1}", "{\"a\":1,\"b\":1,\"d\":1}",
		"[]" } },
	/* What is required is no property by that. */
	{ "{\"required\":[\"a\"],\"additionalProperties\":false}", { "1" }, { "{}", "{\"a\":1}" } },
	{ "{\"required\":[\"a\"],\"additionalProperties\":{\"type\":\"integer\"}}", { "{\"a\":1}" },
	    { "{}", "{\"a\":\"1\"}", "{\"a\":1,\"b\":null}" } },
	{ "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"},\"minProperties\":1,"
	  "\"maxProperties\":2}",
	    { "{\"x\":\"\"}" }, { "{}", "{\"x\":1}", "{\"a\":\"\",\"b\":\"\",\"c\":\"\"}" } },
	{ "{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"number\",\"minimum\":10}]}",
	    { "3", "10.5" }, { "10", "2.5", "\"3\"" } },
	{ "{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"number\",\"minimum\":10}]}",
	    { "3", "10.5", "10" }, { "2.5", "\"3\"" } },
	{ "{\"allOf\":[{\"type\":\"integer\",\"minimum\":2},{\"maximum\":5}]}", { "2", "5" },
	    { "1", "6", "\"3\"" } },
	{ "{\"minimum\":3,\"exclusiveMinimum\":1,\"maximum\":5,\"exclusiveMaximum\":5}",
	    { "3", "4.5" }, { "2", "5" } },
	{ "{\"enum\":[1,2],\"const\":2.0}", { "2" }, { "1", "3" } },
	{ "{\"not\":{\"type\":\"integer\"}}", { "\"a\"", "1.5" }, { "1" } },
	{ "{\"if\":{\"minimum\":10},\"then\":{\"multipleOf\":5},\"else\":{\"multipleOf\":2}}",
	    { "15", "4" }, { "12", "3" } },
	{ "{\"prefixItems\":[{\"type\":\"string\"},true],\"items\":{\"type\":\"integer\"}}",
	    { "[]", "[\"a\",null,1]" }, { "[1]", "[\"a\",null,\"b\"]" } },
	{ "{\"contains\":{\"const\":1},\"maxContains\":2}", { "[1,0]", "[1,1]", "7" },
	    { "[]", "[0]", "[1,1,1]" } },
	{ "{\"uniqueItems\":true}", { "[1,2]", "[{\"a\":1},{\"a\":2}]" },
	    { "[1,1.0]", "[{\"a\":1,\"b\":2},3,{\"b\":2,\"a\":1}]" } },
	{ "{\"patternProperties\":{\"^n_\":{\"type\":\"integer\"}},\"properties\":{\"a\":{}},"
	  "\"additionalProperties\":false}",
	    { "{\"a\":\"\",\"n_x\":1}" }, { "{\"n_x\":\"\"}", "{\"b\":1}" } },
	{ "{\"propertyNames\":{\"maxLength\":2}}", { "{\"ab\":1}" }, { "{\"abc\":1}" } },
	{ "{\"dependentRequired\":{\"a\":[\"b\"]},\"dependentSchemas\":{\"c\":{\"required\":[\"d\"]"
	  "}}}",
	    { "{\"b\":1}", "{\"a\":1,\"b\":1}", "{\"c\":1,\"d\":1}" },
	    { "{\"a\":1}", "{\"c\":1}" } },
	{ "{\"$defs\":{\"n/~\":{\"type\":\"integer\"}},\"properties\":{\"a\":{\"$ref\":\"#/$defs/"
	  "n~1~0\","
	  "\"minimum\":2},\"b\":{\"$ref\":\"#\"}}}",
	    { "{\"a\":2}", "{\"b\":{\"b\":{\"a\":3}}}" },
	    { "{\"a\":1}", "{\"a\":\"2\"}", "{\"b\":{\"b\":{\"a\":1}}}" } },
	{ "{\"properties\":{\"a\":false}}", { "{}" }, { "{\"a\":1}" } },
	{ "{\"type\":\"integer\"}", { "1.0", "1" }, { "1.5" } },
};

static void
values_are_held_against_every_keyword(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct schema *s = compile(table[i].schema);

		if (s == NULL)
			fail_msg("%s: %s", table[i].schema, schemas.wrong);
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
		{ "{\"unevaluatedItems\":false}", "unevaluatedItems is no keyword" },
		{ "{\"nullable\":true}", "nullable is no keyword" },
		{ "{\"properties\":{\"a\":{\"not\":7}}}", "not is no schema" },
		{ "{\"oneOf\":[{\"if\":{\"$anchor\":\"x\"}}]}", "$anchor is no keyword" },
		{ "{\"$defs\":{\"unused\":{\"typ\":1}}}", "typ is no keyword" },
		{ "{\"format\":\"idn-email\"}", "format is none" },
		{ "{\"pattern\":\"(?=a)\"}", "pattern looks around" },
		{ "{\"pattern\":\"(a)\\\\1\"}", "pattern has an escape" },
		{ "{\"pattern\":\"((a{999}){999}){999}\"}", "pattern stands for too much" },
		{ "{\"$schema\":\"http://json-schema.org/draft-04/schema#\"}", "$schema is not" },
		{ "{\"$ref\":\"#\"}", "$ref leads to no schema" },
		{ "{\"$ref\":\"#\",\"type\":\"object\"}", "$ref leads to where" },
		{ "{\"allOf\":[{\"$ref\":\"#\"}]}", "$ref leads to where" },
		{ "{\"type\":\"text\"}", "type names" },
		{ "{\"type\":[\"string\",7]}", "type names" },
		{ "{\"pattern\":\"(\"}", "pattern has a group that is not closed" },
		{ "{\"pattern\":\"a{-1}\"}", "pattern has braces" },
		{ "{\"pattern\":\"a**\"}", "pattern repeats nothing" },
		{ "{\"pattern\":\"a{3,2}\"}", "pattern has a repetition that ends" },
		{ "{\"pattern\":\"a)\"}", "pattern closes a group" },
		{ "{\"minLength\":-1}", "minLength is no number" },
		{ "{\"minimum\":\"1\"}", "minimum is no number" },
		{ "{\"multipleOf\":0}", "multipleOf is not" },
		{ "{\"enum\":[]}", "enum has no value" },
		{ "{\"oneOf\":[]}", "oneOf has no schema" },
		{ "{\"$ref\":\"#/nowhere\"}", "$ref leads" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (compile(bad[i][0]) != NULL)
			fail_msg("taken: %s", bad[i][0]);
		if (!str_starts(schemas.wrong, bad[i][1]))
			fail_msg("%s: %s", bad[i][0], schemas.wrong);
		over();
	}
}

static void
a_schema_may_refer_to_itself(void **unused)
{
	const struct schema *s;

	(void)unused;
	doc = json_loads(
	    "{\"tree\":{\"type\":\"object\",\"properties\":{\"left\":{\"$ref\":\"#/tree\"}},"
	    "\"additionalProperties\":false}}",
	    0, NULL);
	schemas = (struct schemas){ .a = a, .doc = doc };
	s = schema_compile(&schemas, json_object_get(doc, "tree"));
	assert_non_null(s);
	assert_null(wrong(s, "{\"left\":{\"left\":{}}}"));
	assert_string_equal(
	    wrong(s, "{\"left\":{\"left\":{\"x\":1}}}"), "/left/left/x: there is no such field");
}

static void
texts_are_held_against_the_same_schemas(void **unused)
{
	const struct schema *s =
	    compile("{\"oneOf\":[{\"enum\":[\"HIGH\",\"LOW\"],\"type\":\"string\"},"
		    "{\"type\":\"integer\",\"minimum\":1,\"maximum\":4}]}");

	(void)unused;
	assert_null(schema_check_text(a, s, "HIGH"));
	assert_null(schema_check_text(a, s, "4"));
	assert_string_equal(schema_check_text(a, s, "5"),
	    "must be one of HIGH LOW, or must be an integer from 1 to 4");
	assert_non_null(schema_check_text(a, s, "4.0"));
	assert_non_null(schema_check_text(a, s, ""));
}

static void
our_own_api_is_stricter(void **unused)
{
	static const struct schema_rules strict = { .strict = true };
	static const char *const bad[][2] = { { "{\"type\":\"integer\"}", "1.0" },
		{ "{\"format\":\"uuid\"}", "\"0199F0C0-1234-7abc-8def-0123456789ab\"" } };

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		const struct schema *s = compile(bad[i][0]);
		struct failure f = { .status = ST_OK, .message = "", .reason = "" };
		json_t *v = json_loads(bad[i][1], JSON_DECODE_ANY, NULL);

		assert_false(schema_check(a, s, v, &strict, &f));
		json_decref(v);
		over();
	}
}

/* ECMA 262's, by POSIX. */
/* Exponential where matching goes back, or keeps a state for each set of places. */
static void
no_pattern_and_no_text_take_long_together(void **unused)
{
	static const char *const patterns[] = { "^(a+)+$", "(a*)*b", "(a|aa)+$",
		"(a|b)*a(a|b){19}c", ".{0,500}.{0,500}.{0,500}.{0,500}x", "[^x]{1,999}$",
		"(x+x+)+y" };
	size_t n = 200000;
	char *text = malloc(n + 1);
	int64_t begin = time_now_us();

	(void)unused;
	for (size_t i = 0; i < n; i++)
		text[i] = (i * 2654435761u >> 13 & 1) != 0 ? 'a' : 'b';
	text[n] = '\0';
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		struct arena *own = arena_new(1 << 20);
		size_t room = SCHEMA_PATTERN_STEPS;
		const char *wrong;
		const struct schema_pattern *p = schema_pattern(own, patterns[i], &room, &wrong);

		if (p == NULL)
			fail_msg("%s: %s", patterns[i], wrong);
		(void)schema_pattern_matches(
		    p, str_of(text), &(size_t){ SCHEMA_PATTERN_WORK_MOST });
		arena_free(&own);
	}
	free(text);
	/* some 0.5 s; minutes, or memory without end, if one of them were */
	assert_true(time_now_us() - begin < 20000000);
}

/* Of the very size, so that a sanitizer sees who reads on. */
static void
a_text_that_is_cut_short_within_a_character_is_read_no_further(void **unused)
{
	static const char *const texts[] = { "e\xf2\xff", "\xc3", "\xe2\x82", "\xf0\x9f\x98",
		"\x80" };
	size_t room = 4096, work = SCHEMA_PATTERN_WORK_MOST;
	struct arena *own = arena_new(1 << 20);
	const char *wrong = NULL;
	const struct schema_pattern *p = schema_pattern(own, "^.*[^a-d]$", &room, &wrong);

	(void)unused;
	assert_non_null(p);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t n = strlen(texts[i]);
		char *text = malloc(n);

		memcpy(text, texts[i], n);
		assert_true(schema_pattern_matches(p, (struct str){ text, n }, &work));
		free(text);
	}
	arena_free(&own);
}

static void
schemas_are_bounded_in_number_and_in_steps(void **unused)
{
	static const char *const parts[] = { "{}", "{\"pattern\":\".{999}\"}",
		"{\"pattern\":\"(?:a{0}){2}b\"}" };

	(void)unused;
	for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++) {
		struct arena *own = arena_new(64u << 20);
		json_t *all = json_array(), *whole = json_pack("{s:o}", "allOf", all);
		struct schemas s = { .a = own, .doc = whole };

		for (int i = 0; i < 60000; i++)
			json_array_append_new(all, json_loads(parts[k], 0, NULL));
		assert_null(schema_compile(&s, whole));
		assert_non_null(s.wrong);
		schemas_free(&s);
		json_decref(whole);
		arena_free(&own);
	}
}

static void
many_dependent_names_take_room_in_proportion(void **unused)
{
	struct arena *own = arena_new(16u << 20);
	json_t *all = json_object(), *whole = json_pack("{s:o}", "dependentRequired", all);
	struct schemas s = { .a = own, .doc = whole };

	(void)unused;
	for (int i = 0; i < 20000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p%d", i);
		json_object_set_new(all, name, json_pack("[ss]", "a", "b"));
	}
	assert_non_null(schema_compile(&s, whole));
	schemas_free(&s);
	json_decref(whole);
	arena_free(&own);
}

static void
of_many_values_a_few_are_named(void **unused)
{
	struct arena *own = arena_new(1 << 20);
	json_t *all = json_array(), *whole = json_pack("{s:o}", "enum", all);
	struct schemas s = { .a = own, .doc = whole };
	const struct schema *compiled;
	const char *told;

	(void)unused;
	for (int i = 0; i < 50000; i++)
		json_array_append_new(all, json_sprintf("x%d", i));
	compiled = schema_compile(&s, whole);
	assert_non_null(compiled);
	told = schema_check_text(own, compiled, "y");
	assert_non_null(told);
	assert_true(strlen(told) < 1100);
	assert_non_null(strstr(told, "x0 x1 x2"));
	assert_non_null(strstr(told, "(50000 in all)"));
	schemas_free(&s);
	json_decref(whole);
	arena_free(&own);
}

static void
patterns_match_what_they_say(void **unused)
{
	static const struct {
		const char *pattern, *good[4], *bad[4];
	} patterns[] = {
		{ "^\\d{3}-\\w+$", { "123-a_9" }, { "12-a", "123-", "123-é" } },
		{ "^[^a-c\\]]$", { "d", "é", "\n", "[" }, { "a", "]", "" } },
		{ "^[\\]\\[^-]+$", { "[]-^" }, { "a" } },
		{ "^[a^]$", { "a", "^" }, { "b" } },
		{ "^[\\^]$", { "^" }, { "\\", "a" } },
		{ "^.$", { "é", "x", "\xf0\x9f\x98\x80" }, { "", "ab", "\n" } },
		{ "^é{2}$", { "éé" }, { "é", "ééé" } },
		{ "^[éü\\-]$", { "é", "ü", "-" }, { "e", "ö" } },
		{ "^\\S+\\s\\D$", { "a b" }, { "a 1", "ab" } },
		{ "^(?:a|b)+?$", { "abab" }, { "", "c" } },
		{ "^\\u00e9\\x41\\/$", { "éA/" }, { "éA" } },
		{ "^a{2,}$", { "aa", "aaaaa" }, { "a" } },
		{ "}]", { "}]" }, { "}" } },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		json_t *schema = json_pack("{s:s}", "pattern", patterns[i].pattern);
		const struct schema *s;

		doc = schema;
		schemas = (struct schemas){ .a = a, .doc = doc };
		s = schema_compile(&schemas, schema);
		if (s == NULL)
			fail_msg("%s: %s", patterns[i].pattern, schemas.wrong);
		for (size_t k = 0; k < 4; k++) {
			if (patterns[i].good[k] != NULL &&
			    schema_check_text(a, s, patterns[i].good[k]) != NULL)
				fail_msg("%s: not %s", patterns[i].pattern, patterns[i].good[k]);
			if (patterns[i].bad[k] != NULL &&
			    schema_check_text(a, s, patterns[i].bad[k]) == NULL)
				fail_msg("%s: %s", patterns[i].pattern, patterns[i].bad[k]);
		}
		over();
	}
}

/* All that is shared is held against again and again: 2 to the 30th. */
static void
what_would_cost_too_much_is_refused(void **unused)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	char text[4000] = "{\"$defs\":{\"d0\":{}", one[120];
	json_t *v = json_integer(1);
	const struct schema *s;

	(void)unused;
	for (int i = 1; i <= 30; i++) {
		snprintf(one, sizeof(one),
		    ",\"d%d\":{\"allOf\":[{\"$ref\":\"#/$defs/d%d\"},{\"$ref\":\"#/$defs/d%d\"}]}",
		    i, i - 1, i - 1);
		strcat(text, one);
	}
	strcat(text, "},\"$ref\":\"#/$defs/d30\"}");
	s = compile(text);
	assert_non_null(s);
	assert_false(schema_check(a, s, v, &(const struct schema_rules){ NULL, false, false }, &f));
	json_decref(v);
}

/* Each would take more stack, memory or time than there is. */
static void
schemas_that_are_too_many_or_too_deep_are_refused(void **unused)
{
	size_t n = 0, size = 1u << 20;
	char *text = malloc(size);

	(void)unused;
	n += (size_t)sprintf(text, "{\"allOf\":[{}");
	for (int i = 0; i < 100000; i++)
		n += (size_t)sprintf(text + n, ",{}");
	sprintf(text + n, "]}");
	assert_null(compile(text));
	assert_string_equal(schemas.wrong, "the schema has too many schemas");
	over();
	n = (size_t)sprintf(text, "{\"not\":{\"$ref\":\"#/$defs/0\"},\"$defs\":{");
	for (int i = 0; i < 3000; i++)
		n += (size_t)sprintf(
		    text + n, "\"%d\":{\"not\":{\"$ref\":\"#/$defs/%d\"}},", i, i + 1);
	sprintf(text + n, "\"3000\":{}}}");
	assert_null(compile(text));
	assert_string_equal(schemas.wrong, "the schema is too deep");
	free(text);
}

/* A chain of schemas at each depth of the value. What is not known for want of room may not count as wrong
 * behind a `not`. */
static void
what_was_not_looked_at_is_refused(void **unused)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	char text[20000], value[400] = "";
	const struct schema *s;
	json_t *v;
	int n;

	(void)unused;
	n = sprintf(text, "{\"not\":{\"$ref\":\"#/$defs/0\"},\"$defs\":{");
	for (int i = 0; i < 300; i++)
		n += sprintf(text + n, "\"%d\":{\"allOf\":[{\"$ref\":\"#/$defs/%d\"}]},", i, i + 1);
	sprintf(text + n, "\"300\":{\"properties\":{\"x\":{\"$ref\":\"#/$defs/0\"}}}}}");
	s = compile(text);
	if (s == NULL)
		fail_msg("%s", schemas.wrong);
	for (int i = 0; i < 30; i++)
		strcat(value, "{\"x\":");
	strcat(value, "1");
	for (int i = 0; i < 30; i++)
		strcat(value, "}");
	v = json_loads(value, 0, NULL);
	assert_non_null(v);
	assert_false(schema_check(a, s, v, &(const struct schema_rules){ NULL, false, false }, &f));
	assert_non_null(strstr(f.message, "costs too much"));
	json_decref(v);
}

/* All patterns on one value share what they may cost; what is not known is refused, also behind a `not`. */
static void
patterns_that_cost_too_much_are_refused(void **unused)
{
	const struct schema *s = compile("{\"items\":{\"not\":{\"pattern\":\"^(a?){600}b$\"}}}");
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	json_t *v = json_array();
	char text[2001];

	(void)unused;
	assert_non_null(s);
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 500; i++)
		json_array_append_new(v, json_string(text));
	assert_false(schema_check(a, s, v, &(const struct schema_rules){ NULL, false, false }, &f));
	assert_non_null(strstr(f.message, "costs too much"));
	json_decref(v);
}

static void
numbers_are_held_against_bounds_as_they_were_written(void **unused)
{
	static const struct {
		const char *schema, *good[4], *bad[4];
	} cases[] = {
		{ "{\"maximum\":9007199254740992}", { "9007199254740992" },
		    { "9007199254740993" } },
		{ "{\"exclusiveMinimum\":9223372036854775806}", { "9223372036854775807" },
		    { "9223372036854775806" } },
		{ "{\"multipleOf\":2}", { "9007199254740992", "4.0", "1e300" },
		    { "9007199254740993", "3", "4.5" } },
		{ "{\"multipleOf\":10000000000}", { "30000000000", "0" }, { "10000000005", "1" } },
		{ "{\"multipleOf\":0.01}", { "1234567.89", "-0.07", "99999999999.99", "3" },
		    { "1234567.891", "0.005", "1e-9" } },
		{ "{\"multipleOf\":0.123456789}", { "0.246913578" }, { "1e308" } },
		{ "{\"multipleOf\":1e-8}", { "12391239123", "0.00000007" }, { "1e-9" } },
		{ "{\"multipleOf\":0.5}", { "1e308", "9007199254740993" }, { "0.25" } },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct schema *s = compile(cases[i].schema);

		assert_non_null(s);
		for (size_t k = 0; k < 4; k++) {
			if (cases[i].good[k] != NULL && wrong(s, cases[i].good[k]) != NULL)
				fail_msg("%s: not %s", cases[i].schema, cases[i].good[k]);
			if (cases[i].bad[k] != NULL && wrong(s, cases[i].bad[k]) == NULL)
				fail_msg("%s: %s", cases[i].schema, cases[i].bad[k]);
		}
		over();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(values_are_held_against_every_keyword, start, stop),
		cmocka_unit_test_setup_teardown(
		    what_can_not_be_held_to_is_refused_by_name, start, stop),
		cmocka_unit_test_setup_teardown(our_own_api_is_stricter, start, stop),
		cmocka_unit_test_setup_teardown(patterns_match_what_they_say, start, stop),
		cmocka_unit_test(no_pattern_and_no_text_take_long_together),
		cmocka_unit_test(a_text_that_is_cut_short_within_a_character_is_read_no_further),
		cmocka_unit_test(schemas_are_bounded_in_number_and_in_steps),
		cmocka_unit_test(many_dependent_names_take_room_in_proportion),
		cmocka_unit_test(of_many_values_a_few_are_named),
		cmocka_unit_test_setup_teardown(what_would_cost_too_much_is_refused, start, stop),
		cmocka_unit_test_setup_teardown(
		    schemas_that_are_too_many_or_too_deep_are_refused, start, stop),
		cmocka_unit_test_setup_teardown(what_was_not_looked_at_is_refused, start, stop),
		cmocka_unit_test_setup_teardown(
		    patterns_that_cost_too_much_are_refused, start, stop),
		cmocka_unit_test_setup_teardown(
		    numbers_are_held_against_bounds_as_they_were_written, start, stop),
		cmocka_unit_test_setup_teardown(a_schema_may_refer_to_itself, start, stop),
		cmocka_unit_test_setup_teardown(
		    texts_are_held_against_the_same_schemas, start, stop),
	};

	return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
