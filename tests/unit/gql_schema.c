/* gql_schema: a schema is built from its language, held against the rules of the type system, printed
 * and asked about itself. */
#include <stdio.h>
#include <string.h>
#include "harness/gqlbed.h"

#define QUERY "type Query { a: Int } "

static void
judge(const char *const *pairs)
{
	for (; *pairs != NULL; pairs += 2) {
		gqlbed_schema(pairs[0]);
		if (strstr(gqlbed_said(), pairs[1]) == NULL)
			print_error(
			    "%s\n\twanted: %s\n\tsaid: %s\n", pairs[0], pairs[1], gqlbed_said());
		if (pairs[1][0] == '\0')
			assert_string_equal(gqlbed_said(), "");
		assert_non_null(strstr(gqlbed_said(), pairs[1]));
	}
}
#define JUDGE(...) judge((const char *const[]){ __VA_ARGS__, NULL })
#define OK         ""

static void
names_are_defined_once(void **unused)
{
	(void)unused;
	JUDGE(QUERY, OK, QUERY "type T{a:Int} type T{b:Int}",
	    "There may be one type named \"T\" only.", QUERY "scalar Int",
	    "There may be one type named \"Int\" only.",
	    QUERY "directive @a on FIELD directive @a on QUERY",
	    "There may be one directive named \"a\" only.",
	    QUERY "schema{query:Query} schema{query:Query}",
	    "There may be one schema definition only.", QUERY "schema{query:Query query:Query}",
	    "\"query\" may be named once only.", "type Query{a:Int a:Int}",
	    "\"Query.a\" may be defined once only.", "type Query{a(x:Int,x:Int):Int}",
	    "Argument \"x\" of \"Query\" may be defined once only.", QUERY "enum E{A A}",
	    "\"E.A\" may be defined once only.", QUERY "input I{a:Int a:Int}",
	    "\"I.a\" may be defined once only.", QUERY "union U=Query|Query",
	    "\"Query\" may be named once only.", QUERY "type __T{a:Int}",
	    "Names such as \"__T\" are the language's own.", "type Query{__a:Int}",
	    "Names such as \"__a\" are the language's own.", "{a}",
	    "A schema holds definitions of types and directives only.");
}

static void
extensions_extend_what_is_there(void **unused)
{
	struct gql_schema *s;
	size_t n;

	(void)unused;
	JUDGE(QUERY "extend type T{a:Int}", "Cannot extend \"T\": it is not defined.",
	    QUERY "extend input Query{a:Int}", "Cannot extend \"Query\": it is of another kind.",
	    QUERY "extend type Query{a:Int}", "\"Query.a\" may be defined once only.");
	s = gqlbed_schema(
	    "extend type Query{b:E} extend enum E{B} enum E{A} extend schema{mutation:M} "
	    "schema{query:Query} type M{c:Int} " QUERY);
	assert_non_null(s);
	assert_string_equal(gql_schema_print(gqlbed.a, s, &n),
	    "schema {\n  query: Query\n  mutation: M\n}\n\n"
	    "enum E {\n  A\n  B\n}\n\n"
	    "type M {\n  c: Int\n}\n\n"
	    "type Query {\n  a: Int\n  b: E\n}\n");
}

static void
types_are_known_and_stand_where_they_may(void **unused)
{
	(void)unused;
	JUDGE("type Query{a:Nope}", "Unknown type \"Nope\".", "type Query{a(x:[Nope!]):Int}",
	    "Unknown type \"Nope\".", QUERY "union U=Nope", "Unknown type \"Nope\".",
	    QUERY "type T implements Nope{a:Int}", "Unknown type \"Nope\".",
	    QUERY "schema{query:Nope}", "Unknown type \"Nope\".", "type A{a:Int}",
	    "A schema needs a query root type.", QUERY "schema{query:Query mutation:E} enum E{A}",
	    "The root type \"E\" must be an object type.",
	    QUERY "schema{query:Query mutation:Query}",
	    "\"Query\" is the root type of two operations.", "type Query{a:I} input I{a:Int}",
	    "The type of \"Query.a\" must be an output type.", "type Query{a(x:Query):Int}",
	    "The type of \"x\" of \"Query.a\" must be an input type.", QUERY "input I{a:Query}",
	    "The type of \"a\" of \"I\" must be an input type.",
	    QUERY "directive @d(a:Query) on FIELD",
	    "The type of \"a\" of \"d\" must be an input type.", QUERY "union U=E enum E{A}",
	    "\"E\" of \"U\" must be an object type.", QUERY "type T implements Query{a:Int}",
	    "\"Query\" of \"T\" must be an interface type.", QUERY "type T", "Type \"T\" is empty.",
	    QUERY "input I", "Type \"I\" is empty.", QUERY "enum E", "Type \"E\" is empty.",
	    QUERY "union U", "Type \"U\" is empty.");
}

static void
interfaces_are_implemented_in_full(void **unused)
{
	static const char node[] = QUERY
	    "interface N{id(x:Int):ID! next:N} interface M implements N{id(x:Int):ID! next:N} ";

	(void)unused;
	JUDGE(arena_printf(gqlbed.a, "%stype T implements M&N{id(x:Int,y:Int=1):ID! next:T}", node),
	    OK, arena_printf(gqlbed.a, "%stype T implements M{id(x:Int):ID! next:N}", node),
	    "\"T\" must implement \"N\", because \"M\" does.",
	    arena_printf(gqlbed.a, "%stype T implements N{next:N}", node),
	    "\"T\" lacks the field \"id\" of interface \"N\".",
	    arena_printf(gqlbed.a, "%stype T implements N{id(x:Int):ID next:N}", node),
	    "\"T.id\" must be of type \"ID!\", as in \"N\".",
	    arena_printf(gqlbed.a, "%stype T implements N{id(x:Int):ID! next:Query}", node),
	    "\"T.next\" must be of type \"N\", as in \"N\".",
	    arena_printf(gqlbed.a, "%stype T implements N{id:ID! next:N}", node),
	    "\"T.id\" needs the argument \"x: Int\", as in \"N\".",
	    arena_printf(gqlbed.a, "%stype T implements N{id(x:Int!):ID! next:N}", node),
	    "\"T.id\" needs the argument \"x: Int\", as in \"N\".",
	    arena_printf(gqlbed.a, "%stype T implements N{id(x:Int,y:Int!):ID! next:N}", node),
	    "\"T.id\" can't require \"y\", which \"N\" does not have.",
	    QUERY "interface I implements I{a:Int}", "\"I\" can't implement itself.",
	    QUERY "interface I implements J{a:Int} interface J implements I{a:Int}",
	    "\"I\" can't implement \"J\", which implements it.",
	    QUERY "interface I{l:[I]} type T implements I{l:[T!]!}", OK,
	    QUERY "interface I{l:[I!]} type T implements I{l:[T]}",
	    "\"T.l\" must be of type \"[I!]\", as in \"I\".");
}

static void
input_objects_end_somewhere(void **unused)
{
	(void)unused;
	JUDGE(QUERY "input A{a:A b:[A!]!}", OK, QUERY "input A{a:A!}",
	    "Input object \"A\" contains itself through fields that can't be null.",
	    QUERY "input A{b:B!} input B{c:C!} input C{a:A!}", "Input object \"A\" contains itself",
	    QUERY "input A @oneOf{a:Int b:String}", OK, QUERY "input A @oneOf{a:Int!}",
	    "\"a\" of \"A\", which is @oneOf, must be nullable and without a default.",
	    QUERY "input A @oneOf{a:Int=1}", "\"a\" of \"A\", which is @oneOf");
}

static void
defaults_are_of_their_type(void **unused)
{
	(void)unused;
	JUDGE("type Query{a(x:[Int!]=[1],y:E=A,z:I={}):Int} enum E{A} input I{a:Int=3 b:I}", OK,
	    "type Query{a(x:Int=\"1\"):Int}", "Expected value of type \"Int\", found \"1\".",
	    "type Query{a(x:Int!=null):Int}", "Expected value of type \"Int!\", found null.",
	    QUERY "input I{a:E=B} enum E{A}", "Value \"B\" does not exist in \"E\" enum.",
	    QUERY "directive @d(a:Int=1.5) on FIELD", "Expected value of type \"Int\", found 1.5.",
	    QUERY "input A{b:B={}} input B{a:A={}}", "is not of its type.");
}

static void
directives_on_definitions_are_held_to_theirs(void **unused)
{
	(void)unused;
	JUDGE("type Query{a:Int @deprecated b(x:Int @deprecated(reason:\"no\")):Int}", OK,
	    "type Query{a:Int @nope}", "Unknown directive \"@nope\".",
	    "type Query @deprecated{a:Int}", "Directive \"@deprecated\" may not be used on OBJECT.",
	    "type Query{a:Int @skip(if:true)}",
	    "Directive \"@skip\" may not be used on FIELD_DEFINITION.",
	    "type Query{a:Int @deprecated @deprecated}", "can only be used once at this location.",
	    QUERY "scalar S @specifiedBy", "Argument \"url\" of type \"String!\" on directive",
	    "type Query{a(x:Int! @deprecated):Int}",
	    "\"x\" of \"Query.a\" is required and can't be", QUERY "directive @d on NOWHERE",
	    "\"NOWHERE\" is no place for a directive.");
}

static void
bindings_name_what_is_there(void **unused)
{
	static const struct gql_binding wrong[] = { { .field = "Query.nope" }, { .field = NULL } };
	static const struct gql_scalar scalars[] = { { "Query", NULL, NULL },
		{ NULL, NULL, NULL } };
	struct gql_errors e;

	(void)unused;
	gql_errors_init(&e, gqlbed.a);
	assert_null(gql_schema_new(gqlbed.a,
	    &(const struct gql_schema_def){
		.sdl = STR(QUERY), .bindings = wrong, .scalars = scalars },
	    &e));
	assert_int_equal(e.n, 2);
	assert_string_equal(e.first->message, "\"Query.nope\" is no field of this schema.");
	assert_string_equal(e.first->next->message, "\"Query\" is no scalar of this schema.");
}

static void
what_is_printed_is_the_same_schema_again(void **unused)
{
	static const char sdl[] =
	    "\"\"\"What it is about\"\"\"\n"
	    "schema {\n  query: Root\n}\n\n"
	    "\"\"\"d\"\"\"\n"
	    "directive @d(a: Int! = 1, b: [String] = [\"x\"]) repeatable on FIELD | OBJECT\n\n"
	    "\"\"\"\nA description that is longer than seventy characters stands in lines of its "
	    "own.\n"
	    "\nAnd so does one of \\\"\"\" two.\n\"\"\"\n"
	    "type Root implements I {\n"
	    "  a(\n    \"\"\"Of the argument\"\"\"\n    x: E = A\n\n    \"\"\"Of another\"\"\"\n   "
	    " y: Int\n  ): [S!]!\n"
	    "\n  \"\"\"Of a field\"\"\"\n"
	    "  b(x: Int, p: P = {n: 1}): U @deprecated(reason: \"say \\\"why\\\"\")\n"
	    "  c: Int @deprecated\n"
	    "}\n\n"
	    "interface I {\n  c: Int @deprecated\n}\n\n"
	    "union U = Root | Other\n\n"
	    "type Other {\n  a: Int\n}\n\n"
	    "enum E {\n  A\n  B @deprecated\n}\n\n"
	    "input P {\n  n: Int = 2\n}\n\n"
	    "input O @oneOf {\n  a: Int\n  b: Int\n}\n\n"
	    "scalar S @specifiedBy(url: \"https://example.org\")\n";
	struct gql_schema *s = gqlbed_schema(sdl);
	size_t n;

	(void)unused;
	assert_string_equal(gqlbed_said(), "");
	assert_string_equal(gql_schema_print(gqlbed.a, s, &n), sdl);
}

static void
a_schema_answers_about_itself(void **unused)
{
	(void)unused;
	assert_string_equal(
	    gqlbed_run("{__type(name:\"By\"){kind name isOneOf fields{name} inputFields{name "
		       "defaultValue type{name kind ofType{name}}}}}",
		NULL, NULL),
	    "{\"data\":{\"__type\":{\"kind\":\"INPUT_OBJECT\",\"name\":\"By\",\"isOneOf\":true,"
	    "\"fields\":null,\"inputFields\":[{\"name\":\"name\",\"defaultValue\":null,\"type\":"
	    "{\"name\":\"String\",\"kind\":\"SCALAR\",\"ofType\":null}},{\"name\":\"id\","
	    "\"defaultValue\":null,\"type\":{\"name\":\"ID\",\"kind\":\"SCALAR\",\"ofType\":null}},"
	    "{\"name\":\"where\",\"defaultValue\":null,\"type\":{\"name\":\"Where\",\"kind\":"
	    "\"INPUT_OBJECT\",\"ofType\":null}}]}}}");
	assert_non_null(strstr(gqlbed_run("{__type(name:\"Arguments\"){fields{name args{name "
					  "defaultValue type{kind ofType{name}}}}}}",
				   NULL, NULL),
	    "{\"name\":\"required\",\"args\":[{\"name\":\"x\",\"defaultValue\":null,\"type\":{"
	    "\"kind\":\"NON_NULL\",\"ofType\":{\"name\":\"Int\"}}}"));
	assert_string_equal(gqlbed_run("{__type(name:\"Pet\"){interfaces{name} possibleTypes{name} "
				       "specifiedByURL ofType{name} isOneOf}}",
				NULL, NULL),
	    "{\"data\":{\"__type\":{\"interfaces\":[{\"name\":\"Being\"}],\"possibleTypes\":[{"
	    "\"name\":"
	    "\"Dog\"},{\"name\":\"Cat\"}],\"specifiedByURL\":null,\"ofType\":null,\"isOneOf\":null}"
	    "}}");
	assert_string_equal(
	    gqlbed_run("{__type(name:\"DateTime\"){specifiedByURL} t:__type(name:\"Nope\"){name} "
		       "__schema{mutationType{name} subscriptionType{name} description}}",
		NULL, NULL),
	    "{\"data\":{\"__type\":{\"specifiedByURL\":\"https://scalars.graphql.org/andimarek/"
	    "date-time\"},\"t\":null,\"__schema\":{\"mutationType\":{\"name\":\"Mutation\"},"
	    "\"subscriptionType\":{\"name\":\"Subscription\"},\"description\":null}}}");
}

static void
deprecated_things_are_shown_when_asked_for(void **unused)
{
	(void)unused;
	assert_string_equal(
	    gqlbed_run(
		"{__type(name:\"Command\"){enumValues{name} all:enumValues(includeDeprecated:"
		"true){name isDeprecated deprecationReason}}}",
		NULL, NULL),
	    "{\"data\":{\"__type\":{\"enumValues\":[{\"name\":\"SIT\"},{\"name\":\"HEEL\"},{"
	    "\"name\":"
	    "\"DOWN\"}],\"all\":[{\"name\":\"SIT\",\"isDeprecated\":false,\"deprecationReason\":"
	    "null},"
	    "{\"name\":\"HEEL\",\"isDeprecated\":false,\"deprecationReason\":null},{\"name\":"
	    "\"DOWN\","
	    "\"isDeprecated\":false,\"deprecationReason\":null},{\"name\":\"LEGACY\","
	    "\"isDeprecated\":"
	    "true,\"deprecationReason\":\"too old\"}]}}}");
	assert_null(
	    strstr(gqlbed_run("{__type(name:\"Dog\"){fields{name}}}", NULL, NULL), "barks"));
	assert_non_null(strstr(
	    gqlbed_run("{__type(name:\"Dog\"){fields(includeDeprecated:true){name args{name}}}}",
		NULL, NULL),
	    "\"barks\""));
	assert_null(strstr(gqlbed_answer(), "\"old\""));
	assert_non_null(strstr(
	    gqlbed_run("{__schema{directives{name isRepeatable locations args{name "
		       "type{kind}}}}}",
		NULL, NULL),
	    "{\"name\":\"twice\",\"isRepeatable\":true,\"locations\":[\"FIELD\",\"FRAGMENT_"
	    "SPREAD\","
	    "\"INLINE_FRAGMENT\"],\"args\":[{\"name\":\"n\",\"type\":{\"kind\":\"NON_NULL\"}}]}"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		GQL(names_are_defined_once),
		GQL(extensions_extend_what_is_there),
		GQL(types_are_known_and_stand_where_they_may),
		GQL(interfaces_are_implemented_in_full),
		GQL(input_objects_end_somewhere),
		GQL(defaults_are_of_their_type),
		GQL(directives_on_definitions_are_held_to_theirs),
		GQL(bindings_name_what_is_there),
		GQL(what_is_printed_is_the_same_schema_again),
		GQL(a_schema_answers_about_itself),
		GQL(deprecated_things_are_shown_when_asked_for),
	};

	return TEST_RUN(tests);
}
