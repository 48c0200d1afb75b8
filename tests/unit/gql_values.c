/* gql_values: what variables and literals become, and what is refused. */
#include <stdio.h>
#include <string.h>
#include "harness/gqlbed.h"

/* The field `field` of Arguments with its argument v as a variable of `type`: its value as JSON, or the
 * first message. */
static const char *
value(const char *field, const char *type, const char *json)
{
	const char *text = arena_printf(gqlbed.a, "query($v:%s){arguments{%s(v:$v)}}", type, field);
	const char *answer = gqlbed_run(
	    text, json == NULL ? "{}" : arena_printf(gqlbed.a, "{\"v\":%s}", json), NULL);
	const char *head = arena_printf(gqlbed.a, "{\"data\":{\"arguments\":{\"%s\":", field);
	size_t n = strlen(head);

	if (strncmp(answer, head, n) == 0)
		return arena_strndup(gqlbed.a, answer + n, strlen(answer) - n - 3);
	answer = strstr(answer, "\"message\":\"") + strlen("\"message\":\"");
	return arena_strndup(gqlbed.a, answer, (size_t)(strstr(answer, "\",\"") - answer));
}
#define IS(field, type, json, want) assert_string_equal(value(field, type, json), want)
#define BAD(why)                    "Variable \\\"$v\\\" got invalid value at \\\"v\\\": " why

static void
scalars_of_variables_are_coerced(void **unused)
{
	(void)unused;
	IS("int", "Int", "7", "7");
	IS("int", "Int", "-2147483648", "-2147483648");
	IS("int", "Int", "7.0", "7");
	IS("int", "Int", "null", "null");
	IS("int", "Int", NULL, "null");
	IS("int", "Int=5", NULL, "5");
	IS("int", "Int=5", "null", "null");
	IS("float", "Float", "3", "3.0");
	IS("float", "Float", "-1.5e300", "-1.5e+300");
	IS("string", "String", "\"\"", "\"\"");
	IS("string", "String", "\"\\u00e4\\n\"", "\"\xc3\xa4\\n\"");
	IS("boolean", "Boolean", "false", "false");
	IS("id", "ID", "\"x\"", "\"x\"");
	IS("id", "ID", "12", "\"12\"");
	IS("enum", "Colour", "\"TAN\"", "\"TAN\"");
	IS("time", "DateTime", "\"2026-01-02T03:04:05Z\"", "\"2026-01-02T03:04:05Z\"");
	IS("any", "Any", "{\"b\":[1,2.5,null],\"a\":{}}", "{\"b\":[1,2.5,null],\"a\":{}}");
}

static void
scalars_of_the_wrong_kind_are_refused(void **unused)
{
	static const struct {
		const char *field, *type, *json, *why;
	} bad[] = {
		{ "int", "Int", "2147483648",
		    BAD("Expected type \\\"Int\\\": it must be a whole number of 32 bits.") },
		{ "int", "Int", "1.5",
		    BAD("Expected type \\\"Int\\\": it must be a whole number of 32 bits.") },
		{ "int", "Int", "\"1\"",
		    BAD("Expected type \\\"Int\\\": it must be a whole number of 32 bits.") },
		{ "int", "Int", "true",
		    BAD("Expected type \\\"Int\\\": it must be a whole number of 32 bits.") },
		{ "int", "Int!", "null",
		    BAD("Expected non-nullable type \\\"Int!\\\" not to be null.") },
		{ "int", "Int!", NULL,
		    "Variable \\\"$v\\\" of required type \\\"Int!\\\" was not provided." },
		{ "int", "Int", "[1]",
		    BAD("Expected type \\\"Int\\\": it must be a whole number of 32 bits.") },
		{ "float", "Float", "\"1\"",
		    BAD("Expected type \\\"Float\\\": it must be a number.") },
		{ "string", "String", "1",
		    BAD("Expected type \\\"String\\\": it must be a string.") },
		{ "string", "String", "{}",
		    BAD("Expected type \\\"String\\\": it must be a string.") },
		{ "boolean", "Boolean", "0",
		    BAD("Expected type \\\"Boolean\\\": it must be true or false.") },
		{ "id", "ID", "1.5", BAD("Expected type \\\"ID\\\": it must be a string.") },
		{ "enum", "Colour", "\"PINK\"",
		    BAD("Expected type \\\"Colour\\\": it must be one of its values.") },
		{ "enum", "Colour", "1",
		    BAD("Expected type \\\"Colour\\\": it must be one of its values.") },
		{ "time", "DateTime", "\"now\"",
		    BAD("Expected type \\\"DateTime\\\": it must be like 2026-01-02T03:04:05Z.") },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		IS(bad[i].field, bad[i].type, bad[i].json, bad[i].why);
}

static void
lists_take_single_values(void **unused)
{
	(void)unused;
	IS("strings", "[String]", "[\"a\",null,\"b\"]", "[\"a\",null,\"b\"]");
	IS("strings", "[String]", "\"a\"", "[\"a\"]");
	IS("strings", "[String]", "[]", "[]");
	IS("strings", "[String]", "null", "null");
	IS("matrix", "[[Int]]", "1", "\"[[1]]\"");
	IS("matrix", "[[Int]]", "[[1,2],null,[]]", "\"[[1,2],null,[]]\"");
	IS("matrix", "[[Int]]", "[1,2]", "\"[[1],[2]]\"");
	IS("nonNullStrings", "[String!]", "[\"a\",null]",
	    "Variable \\\"$v\\\" got invalid value at \\\"v[1]\\\": Expected non-nullable type "
	    "\\\"String!\\\" not to be null.");
}

static void
input_objects_get_their_defaults(void **unused)
{
	(void)unused;
	IS("where", "Where", "{}", "\"{\\\"colour\\\":\\\"BROWN\\\"}\"");
	IS("where", "Where", "{\"near\":{\"x\":1},\"colour\":null}",
	    "\"{\\\"colour\\\":null,\\\"near\\\":{\\\"x\\\":1,\\\"y\\\":7}}\"");
	IS("where", "Where", "{\"not\":{\"limits\":3}}",
	    "\"{\\\"colour\\\":\\\"BROWN\\\",\\\"not\\\":{\\\"colour\\\":\\\"BROWN\\\","
	    "\\\"limits\\\":"
	    "[3]}}\"");
	IS("wheres", "[Where!]", "{}", "\"[{\\\"colour\\\":\\\"BROWN\\\"}]\"");
	IS("where", "Where={near:{x:5}}", NULL,
	    "\"{\\\"colour\\\":\\\"BROWN\\\",\\\"near\\\":{\\\"x\\\":5,\\\"y\\\":7}}\"");
}

static void
input_objects_are_held_to_their_fields(void **unused)
{
	(void)unused;
	IS("where", "Where", "1", BAD("Expected type \\\"Where\\\" to be an object."));
	IS("where", "Where", "{\"nope\":1}",
	    BAD("Field \\\"nope\\\" is not defined by type \\\"Where\\\"."));
	IS("where", "Where", "{\"near\":{}}",
	    "Variable \\\"$v\\\" got invalid value at \\\"v.near\\\": Field \\\"x\\\" of required "
	    "type "
	    "\\\"Int!\\\" was not provided.");
	IS("wheres", "[Where!]", "[{},{\"near\":{\"x\":\"1\"}}]",
	    "Variable \\\"$v\\\" got invalid value at \\\"v[1].near.x\\\": Expected type "
	    "\\\"Int!\\\": "
	    "it must be a whole number of 32 bits.");
}

static void
of_a_one_of_one_field_is_taken(void **unused)
{
	static const char one[] =
	    BAD("Exactly one field of OneOf type \\\"By\\\" must be given, and not be null.");

	(void)unused;
	IS("by", "By!", "{\"name\":\"x\"}", "\"{\\\"name\\\":\\\"x\\\"}\"");
	IS("by", "By!", "{\"name\":\"x\",\"id\":1}", one);
	IS("by", "By!", "{}", one);
	IS("by", "By!", "{\"name\":null}", one);
	IS("by", "By!", "{\"name\":\"x\",\"id\":null}", one);
}

#define LITERAL(fields, variables, want)                                                           \
	assert_string_equal(gqlbed_run("query($n:Int,$s:String,$x:Any){arguments{int(v:$n) "       \
				       "string(v:$s) any(v:$x) " fields "}}",                      \
				variables, NULL),                                                  \
	    "{\"data\":{\"arguments\":{" want "}}}")
#define NONE "\"int\":null,\"string\":null,\"any\":null,"

static void
literals_may_hold_variables(void **unused)
{
	(void)unused;
	LITERAL("w:where(v:{limits:[1],near:{x:2,y:$n,note:$s}})", "{\"n\":3,\"s\":\"q\"}",
	    "\"int\":3,\"string\":\"q\",\"any\":null,\"w\":\"{\\\"colour\\\":\\\"BROWN\\\","
	    "\\\"near\\\":"
	    "{\\\"x\\\":2,\\\"y\\\":3,\\\"note\\\":\\\"q\\\"},\\\"limits\\\":[1]}\"");
	/* What is not given is left out, or takes its default. */
	LITERAL("w:where(v:{near:{x:2,y:$n,note:$s}})", "{}",
	    NONE "\"w\":\"{\\\"colour\\\":\\\"BROWN\\\",\\\"near\\\":{\\\"x\\\":2,\\\"y\\\":7}}\"");
	LITERAL("l:strings(v:[\"a\",$s])", "{}", NONE "\"l\":[\"a\",null]");
	LITERAL("d:nonNullDefault(v:$n)", "{}", NONE "\"d\":3");
	LITERAL("a:any(v:{k:[$n,1.5,E],o:{s:$s}})", "{\"n\":1}",
	    "\"int\":1,\"string\":null,\"any\":null,\"a\":{\"k\":[1,1.5,\"E\"],\"o\":{\"s\":null}"
	    "}");
	LITERAL("o:optional(x:$n)", "{\"n\":4}", "\"int\":4,\"string\":null,\"any\":null,\"o\":4");
}

static void
null_for_an_argument_that_can_not_be_null_fails_the_field(void **unused)
{
	(void)unused;
	assert_string_equal(gqlbed_run("query($n:Int=1){arguments{nonNullDefault(v:$n) int(v:2)}}",
				"{\"n\":null}", NULL),
	    "{\"errors\":[{\"message\":\"Argument \\\"v\\\" of type \\\"Int!\\\" has an invalid "
	    "value."
	    "\",\"locations\":[{\"line\":1,\"column\":27}],\"path\":[\"arguments\","
	    "\"nonNullDefault\"],"
	    "\"extensions\":{\"code\":\"INVALID_ARGUMENT\",\"reason\":\"GRAPHQL_BAD_VARIABLES\"}}],"
	    "\"data\":{\"arguments\":{\"nonNullDefault\":null,\"int\":2}}}");
}

static void
values_of_variables_are_never_repeated(void **unused)
{
	(void)unused;
	assert_null(strstr(value("int", "Int", "\"a-secret\""), "a-secret"));
	assert_null(strstr(value("where", "Where", "\"a-secret\""), "a-secret"));
}

static void
a_thousand_wrong_values_are_a_hundred_errors(void **unused)
{
	char *json = arena_alloc(gqlbed.a, 5000), *p = json;
	const char *answer;
	unsigned n = 0;

	(void)unused;
	p += sprintf(p, "{\"v\":[0");
	for (int i = 0; i < 999; i++)
		p += sprintf(p, ",{}");
	strcpy(p, "]}");
	answer = gqlbed_run("query($v:[String]){arguments{strings(v:$v)}}", json, NULL);
	for (const char *at = answer; (at = strstr(at, "\"message\"")) != NULL; at++)
		n++;
	assert_int_equal(n, GQL_ERRORS_MOST + 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		GQL(scalars_of_variables_are_coerced),
		GQL(scalars_of_the_wrong_kind_are_refused),
		GQL(lists_take_single_values),
		GQL(input_objects_get_their_defaults),
		GQL(input_objects_are_held_to_their_fields),
		GQL(of_a_one_of_one_field_is_taken),
		GQL(literals_may_hold_variables),
		GQL(null_for_an_argument_that_can_not_be_null_fails_the_field),
		GQL(values_of_variables_are_never_repeated),
		GQL(a_thousand_wrong_values_are_a_hundred_errors),
	};

	return TEST_RUN(tests);
}
