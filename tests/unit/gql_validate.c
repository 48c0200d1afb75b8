/* gql_validate: each rule of the specification's section 5, with documents that hold it and documents
 * that don't. The schema is that of harness/gqlbed.c. */
#include <stdio.h>
#include <string.h>
#include "harness/gqlbed.h"

#define WITH(fragment, fields) "{dog{...F}} fragment F on Dog{" fields "}" fragment

/* NULL-ended; messages "": valid. Only the first message counts, which keeps a test to its rule. */
static void
judge(const char *const *pairs)
{
	for (; *pairs != NULL; pairs += 2) {
		const char *said = gqlbed_validate(pairs[0]);
		size_t n = strlen(pairs[1]);

		if (n == 0 ? said[0] != '\0' : strncmp(said, pairs[1], n) != 0)
			print_error("%s\n\twanted: %s\n\tsaid: %s\n", pairs[0], pairs[1], said);
		assert_true(n == 0 ? said[0] == '\0' : strncmp(said, pairs[1], n) == 0);
	}
}
#define JUDGE(...) judge((const char *const[]){ __VA_ARGS__, NULL })
#define OK         ""

static void
definitions_must_be_executable(void **unused)
{
	(void)unused;
	JUDGE("{dog{id}} type T{a:Int}", "The \"T\" definition is not executable.",
	    "{dog{id}} extend type Dog{a:Int}", "The \"Dog\" definition is not executable.",
	    "{dog{id}} schema{query:Q}", "The \"schema\" definition is not executable.");
}

static void
names_of_operations_are_unique_and_the_anonymous_is_alone(void **unused)
{
	(void)unused;
	JUDGE("query A{dog{id}} query B{dog{id}} mutation C{note(text:\"\"){iq}}", OK,
	    "query A{dog{id}} query A{cat{id}}", "There can be only one operation named \"A\".",
	    "query A{dog{id}} mutation A{note(text:\"\"){iq}}",
	    "There can be only one operation named \"A\".", "{dog{id}}", OK,
	    "{dog{id}} query A{dog{id}}", "An anonymous operation must be the only operation.",
	    "{dog{id}} {dog{id}}", "An anonymous operation must be the only operation.");
}

static void
operations_need_a_root_type(void **unused)
{
	(void)unused;
	gqlbed.schema = gqlbed_schema("type Query{a:Int}");
	JUDGE("{a}", OK, "mutation{a}", "The schema has no mutation operations.", "subscription{a}",
	    "The schema has no subscription operations.");
}

static void
a_subscription_has_one_root_field(void **unused)
{
	(void)unused;
	JUDGE("subscription{barked{id}}", OK,
	    "subscription{...F} fragment F on Subscription{barked{id} ...{barked{name}}}", OK,
	    "subscription{barked{id} slept{id}}", "A subscription must have one root field only.",
	    "subscription{barked{id} b:barked{id}}",
	    "A subscription must have one root field only.",
	    "subscription{...F} fragment F on Subscription{barked{id} slept{id}}",
	    "A subscription must have one root field only.", "subscription{__typename}",
	    "The root field of a subscription can't be of the introspection.",
	    "subscription($b:Boolean!){barked @skip(if:$b){id}}",
	    "The root field of a subscription can't have @skip.",
	    "subscription($b:Boolean!){...@include(if:$b){barked{id}}}",
	    "The root field of a subscription can't have @include.");
}

static void
fields_are_defined_on_the_type_in_scope(void **unused)
{
	(void)unused;
	JUDGE("{dog{name ...on Pet{name} __typename} __typename __schema{queryType{name}}}", OK,
	    "{nope}", "Cannot query field \"nope\" on type \"Query\".", "{dog{meowVolume}}",
	    "Cannot query field \"meowVolume\" on type \"Dog\".", "{pet{barkVolume}}",
	    "Cannot query field \"barkVolume\" on type \"Pet\".", "{catOrDog{name}}",
	    "Cannot query field \"name\" on type \"CatOrDog\".",
	    "{catOrDog{__typename ...on Being{name}}}", OK, "{dog{__schema{queryType{name}}}}",
	    "Cannot query field \"__schema\" on type \"Dog\".", "{dog{owner{nope}}}",
	    "Cannot query field \"nope\" on type \"Human\".", "{dog{...on Cat{meows} ...{nope}}}",
	    "Fragment cannot be spread here", "{dog{x:nope}}",
	    "Cannot query field \"nope\" on type \"Dog\".");
}

static void
leaves_have_no_selection_and_everything_else_has_one(void **unused)
{
	(void)unused;
	JUDGE("{dog{barkVolume colours}}", OK, "{dog{barkVolume{x}}}",
	    "Field \"barkVolume\" must not have a selection: type \"Int\" has no subfields.",
	    "{dog{colours{x}}}",
	    "Field \"colours\" must not have a selection: type \"[Colour!]\" has no subfields.",
	    "{dog}", "Field \"dog\" of type \"Dog\" must have a selection of subfields.",
	    "{catOrDog}", "Field \"catOrDog\" of type \"CatOrDog\" must have a selection", "{pet}",
	    "Field \"pet\" of type \"Pet\" must have a selection");
}

static void
fragments_have_unique_names_and_are_known_and_used(void **unused)
{
	(void)unused;
	JUDGE(WITH("", "id"), OK, "{dog{...F}} fragment F on Dog{id} fragment F on Dog{name}",
	    "There can be only one fragment named \"F\".", "{dog{...G}}", "Unknown fragment \"G\".",
	    WITH(" fragment G on Dog{id}", "id"), "Fragment \"G\" is never used.",
	    "query A{dog{...F}} query B{dog{...G}} fragment F on Dog{...H} fragment G on Dog{id} "
	    "fragment H on Dog{id}",
	    OK, "{dog{id}} fragment A on Dog{...B} fragment B on Dog{id}",
	    "Fragment \"A\" is never used.\nFragment \"B\" is never used.");
}

static void
fragments_are_on_composite_types_that_exist(void **unused)
{
	(void)unused;
	JUDGE("{dog{...on Dog{id} ...on Pet{name} ...on CatOrDog{__typename}}}", OK,
	    "{dog{...on Nope{id}}}", "Unknown type \"Nope\".", "{dog{...F}} fragment F on Nope{id}",
	    "Unknown type \"Nope\".", "{dog{...on Int{id}}}",
	    "Fragment cannot condition on non composite type \"Int\".",
	    "{dog{...F}} fragment F on Where{x}",
	    "Fragment \"F\" cannot condition on non composite type \"Where\".",
	    "{dog{...F}} fragment F on Colour{x}",
	    "Fragment \"F\" cannot condition on non composite type \"Colour\".");
}

static void
fragments_do_not_go_round_in_circles(void **unused)
{
	(void)unused;
	JUDGE(WITH("", "id ...F"), "Cannot spread fragment \"F\" within itself.",
	    WITH(" fragment G on Dog{mother{...F}}", "...G"),
	    "Cannot spread fragment \"F\" within itself.",
	    WITH(" fragment G on Dog{...H} fragment H on Dog{...on Pet{...G}}", "id ...G"),
	    "Cannot spread fragment \"G\" within itself.",
	    "fragment A on Dog{...B ...B} fragment B on Dog{id} {dog{...A ...B}}", OK,
	    "{dog{...A}} fragment A on Dog{...A ...Nope}",
	    "Cannot spread fragment \"A\" within itself.");
}

static void
fragments_can_be_spread_where_some_object_fits(void **unused)
{
	(void)unused;
	JUDGE("{dog{...on Being{name}} pet{...on Dog{id}} catOrDog{...on Pet{name}} "
	      "being{...on Pet{name}} pet{...on DogOrHuman{__typename}}}",
	    OK, "{cat{...on Dog{barkVolume}}}",
	    "Fragment cannot be spread here as objects of type \"Cat\" can never be of type "
	    "\"Dog\".",
	    "{cat{...F}} fragment F on Dog{barkVolume}",
	    "Fragment \"F\" cannot be spread here as objects of type \"Cat\" can never be of type "
	    "\"Dog\".",
	    "{pet{...on Human{iq}}}",
	    "Fragment cannot be spread here as objects of type \"Pet\" can never be of type "
	    "\"Human\".",
	    "{human{...on CatOrDog{__typename}}}", "Fragment cannot be spread here",
	    "{catOrDog{...on DogOrHuman{__typename}}}", OK);
}

static void
arguments_are_known_unique_and_there_when_required(void **unused)
{
	(void)unused;
	JUDGE("{dog{doesKnow(command:SIT) name(surname:true)}}", OK, "{dog{name(nope:1)}}",
	    "Unknown argument \"nope\" on field \"Dog.name\".", "{dog{name @skip(unless:true)}}",
	    "Unknown argument \"unless\" on directive \"@skip\".",
	    "{dog{name(surname:true,surname:false)}}",
	    "There can be only one argument named \"surname\".", "{dog{doesKnow}}",
	    "Argument \"command\" of type \"Command!\" on field \"Dog.doesKnow\" is required, but "
	    "was not provided.",
	    "{dog{name @include}}",
	    "Argument \"if\" of type \"Boolean!\" on directive \"@include\" is required",
	    "{arguments{required(x:1,y:2) optional nonNullDefault}}", OK,
	    "{arguments{required(x:1)}}",
	    "Argument \"y\" of type \"Int!\" on field \"Arguments.required\" is required",
	    "{arguments{required(x:1,y:null)}}", "Expected value of type \"Int!\", found null.",
	    "{arguments{nonNullDefault(v:null)}}", "Expected value of type \"Int!\", found null.");
}

static void
directives_are_known_in_their_place_and_once(void **unused)
{
	(void)unused;
	JUDGE("query($b:Boolean=true @onVariable)@onQuery{dog @include(if:$b) @onField{id}}", OK,
	    "{dog @nope{id}}", "Unknown directive \"@nope\".", "{dog @onQuery{id}}",
	    "Directive \"@onQuery\" may not be used on FIELD.", "query @onField{dog{id}}",
	    "Directive \"@onField\" may not be used on QUERY.", "query @skip(if:true){dog{id}}",
	    "Directive \"@skip\" may not be used on QUERY.",
	    "mutation @onQuery{note(text:\"\"){iq}}",
	    "Directive \"@onQuery\" may not be used on MUTATION.",
	    "{dog{...F@onField}} fragment F on Dog{id}",
	    "Directive \"@onField\" may not be used on FRAGMENT_SPREAD.", "{dog{...@onField{id}}}",
	    "Directive \"@onField\" may not be used on INLINE_FRAGMENT.",
	    "{dog{...F}} fragment F on Dog @onField{id}",
	    "Directive \"@onField\" may not be used on FRAGMENT_DEFINITION.",
	    "query($b:Int @onField){arguments{int(v:$b)}}",
	    "Directive \"@onField\" may not be used on VARIABLE_DEFINITION.",
	    "{dog @onField @onField{id}}",
	    "The directive \"@onField\" can only be used once at this location.",
	    "{dog @twice(n:1) @twice(n:2){id}}", OK, "{dog @deprecated{id}}",
	    "Directive \"@deprecated\" may not be used on FIELD.");
}

static void
literals_are_of_the_right_type(void **unused)
{
	static const char *const good[] = { "int(v:1)", "int(v:-2147483648)", "int(v:null)",
		"float(v:1)", "float(v:1.5e3)", "string(v:\"x\")", "string(v:\"\"\"x\"\"\")",
		"boolean(v:true)", "id(v:1)", "id(v:\"x\")", "id(v:99999999999999999999)",
		"enum(v:TAN)", "strings(v:[\"a\",null])", "strings(v:\"a\")", "strings(v:[])",
		"nonNullStrings(v:[\"a\"])", "matrix(v:[[1],null,[2,null]])", "matrix(v:1)",
		"matrix(v:[1])", "where(v:{})", "where(v:{colour:TAN,near:{x:1},limits:1})",
		"where(v:{not:{not:{near:{x:1,y:2,note:null}}}})", "wheres(v:{})",
		"any(v:{a:[1,\"x\",E,null,{b:1.5}]})", "time(v:\"2026-01-02T03:04:05Z\")", NULL };
	static const char *const bad[][2] = {
		{ "int(v:\"1\")", "Expected value of type \"Int\", found \"1\"." },
		{ "int(v:1.0)", "Expected value of type \"Int\", found 1.0." },
		{ "int(v:2147483648)", "Expected value of type \"Int\", found 2147483648." },
		{ "int(v:true)", "Expected value of type \"Int\", found true." },
		{ "int(v:[1])", "Expected value of type \"Int\", found [1]." },
		{ "float(v:\"1\")", "Expected value of type \"Float\", found \"1\"." },
		{ "float(v:E)", "Expected value of type \"Float\", found E." },
		{ "string(v:1)", "Expected value of type \"String\", found 1." },
		{ "string(v:E)", "Expected value of type \"String\", found E." },
		{ "boolean(v:1)", "Expected value of type \"Boolean\", found 1." },
		{ "id(v:1.0)", "Expected value of type \"ID\", found 1.0." },
		{ "id(v:true)", "Expected value of type \"ID\", found true." },
		{ "enum(v:PINK)", "Value \"PINK\" does not exist in \"Colour\" enum." },
		{ "enum(v:\"TAN\")", "Expected value of type \"Colour\", found \"TAN\"." },
		{ "enum(v:1)", "Expected value of type \"Colour\", found 1." },
		{ "strings(v:[1])", "Expected value of type \"String\", found 1." },
		{ "strings(v:1)", "Expected value of type \"String\", found 1." },
		{ "nonNullStrings(v:[\"a\",null])",
		    "Expected value of type \"String!\", found null." },
		{ "matrix(v:[[[1]]])", "Expected value of type \"Int\", found [1]." },
		{ "where(v:1)", "Expected value of type \"Where\", found 1." },
		{ "where(v:[])", "Expected value of type \"Where\", found []." },
		{ "where(v:{nope:1})", "Field \"nope\" is not defined by type \"Where\"." },
		{ "where(v:{near:{y:1}})",
		    "Field \"Point.x\" of required type \"Int!\" was not provided." },
		{ "where(v:{near:{x:null}})", "Expected value of type \"Int!\", found null." },
		{ "where(v:{limits:[1,\"2\"]})", "Expected value of type \"Int\", found \"2\"." },
		{ "where(v:{colour:TAN,colour:TAN})",
		    "There can be only one input field named \"colour\"." },
		{ "any(v:{a:1,a:2})", "There can be only one input field named \"a\"." },
		{ "time(v:\"now\")",
		    "Expected value of type \"DateTime\": it must be like 2026-01-02T03:04:05Z." },
	};

	(void)unused;
	for (const char *const *g = good; *g != NULL; g++)
		JUDGE(arena_printf(gqlbed.a, "{arguments{%s}}", *g), OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		JUDGE(arena_printf(gqlbed.a, "{arguments{%s}}", bad[i][0]), bad[i][1]);
}

static void
of_a_one_of_exactly_one_field_is_given(void **unused)
{
	(void)unused;
	JUDGE("{arguments{by(v:{name:\"x\"})}}", OK, "{arguments{by(v:{where:{}})}}", OK,
	    "{arguments{by(v:{})}}", "OneOf Input Object \"By\" must specify exactly one key.",
	    "{arguments{by(v:{name:\"x\",id:1})}}",
	    "OneOf Input Object \"By\" must specify exactly one key.",
	    "{arguments{by(v:{name:null})}}", "Field \"By.name\" must be non-null.",
	    "query($n:String!){arguments{by(v:{name:$n})}}", OK,
	    "query($n:String){arguments{by(v:{name:$n})}}",
	    "Variable \"$n\" is of type \"String\" but must be non-nullable to be used for OneOf "
	    "Input Object \"By\".",
	    "query($n:String=\"x\"){arguments{by(v:{name:$n})}}",
	    "Variable \"$n\" is of type \"String\" but must be non-nullable");
}

static void
questions_about_the_schema_nest_two_lists_at_most(void **unused)
{
	static const char deep[] = "The question about the schema nests its lists too deep.";

	(void)unused;
	JUDGE("{__schema{types{fields{type{fields{type{name}}}}}}}", OK,
	    "{__schema{types{fields{type{fields{type{fields{name}}}}}}}}", deep,
	    "{__type(name:\"Dog\"){fields{type{interfaces{possibleTypes{name}}}}}}", deep,
	    "{...Q} fragment Q on Query{__schema{types{...T}}} fragment T on __Type{inputFields{"
	    "type{...U}}} fragment U on __Type{fields{type{...V}}} fragment V on "
	    "__Type{interfaces{name}}",
	    deep,
	    "{dog{__typename} __schema{types{...T ...T}}} fragment T on __Type{fields{type{name}} "
	    "interfaces{name} possibleTypes{name}}",
	    OK);
}

static void
variables_are_unique_of_input_types_defined_and_used(void **unused)
{
	(void)unused;
	JUDGE("query($a:Int,$b:[Where!]){arguments{int(v:$a) wheres(v:$b)}}", OK,
	    "query($a:Int,$a:Int){arguments{int(v:$a)}}",
	    "There can be only one variable named \"$a\".", "query($a:Dog){arguments{int(v:$a)}}",
	    "Variable \"$a\" cannot be non-input type \"Dog\".",
	    "query($a:[Pet!]!){arguments{int(v:$a)}}",
	    "Variable \"$a\" cannot be non-input type \"[Pet!]!\".",
	    "query($a:Nope){arguments{int(v:$a)}}", "Unknown type \"Nope\".",
	    "{arguments{int(v:$a)}}", "Variable \"$a\" is not defined.",
	    "query Q{arguments{int(v:$a)}}", "Variable \"$a\" is not defined by operation \"Q\".",
	    "query Q{arguments{...F}} fragment F on Arguments{where(v:{limits:[$a]})}",
	    "Variable \"$a\" is not defined by operation \"Q\".",
	    "query A($a:Int){arguments{...F}} query B{arguments{...F}} fragment F on "
	    "Arguments{int(v:$a)}",
	    "Variable \"$a\" is not defined by operation \"B\".", "query Q($a:Int){dog{id}}",
	    "Variable \"$a\" is never used in operation \"Q\".", "query($a:Int){dog{id}}",
	    "Variable \"$a\" is never used.", "query($a:Int){arguments{any(v:{x:[$a]})}}", OK,
	    "query($b:Boolean!){dog{id @skip(if:$b)}}", OK,
	    "query($a:Int=\"x\"){arguments{int(v:$a)}}",
	    "Expected value of type \"Int\", found \"x\".",
	    "query($a:Int!=null){arguments{int(v:$a)}}",
	    "Expected value of type \"Int!\", found null.",
	    "query($a:Where={near:{}}){arguments{where(v:$a)}}",
	    "Field \"Point.x\" of required type \"Int!\" was not provided.");
}

static void
variables_stand_where_their_type_fits(void **unused)
{
	(void)unused;
	JUDGE("query($a:Int!){arguments{int(v:$a) nonNullDefault(v:$a)}}", OK,
	    "query($a:Int){arguments{nonNullDefault(v:$a)}}", OK,
	    "query($a:Int=1){arguments{required(x:$a,y:1)}}", OK,
	    "query($a:Int){arguments{required(x:$a,y:1)}}",
	    "Variable \"$a\" of type \"Int\" used in position expecting type \"Int!\".",
	    "query($a:Int=null){arguments{required(x:$a,y:1)}}",
	    "Variable \"$a\" of type \"Int\" used in position expecting type \"Int!\".",
	    "query($a:String){arguments{int(v:$a)}}",
	    "Variable \"$a\" of type \"String\" used in position expecting type \"Int\".",
	    "query($a:Int){arguments{float(v:$a)}}",
	    "Variable \"$a\" of type \"Int\" used in position expecting type \"Float\".",
	    "query($a:String){arguments{strings(v:$a)}}",
	    "Variable \"$a\" of type \"String\" used in position expecting type \"[String]\".",
	    "query($a:String){arguments{strings(v:[$a])}}", OK,
	    "query($a:String){arguments{nonNullStrings(v:[$a])}}",
	    "Variable \"$a\" of type \"String\" used in position expecting type \"String!\".",
	    "query($a:[String!]){arguments{strings(v:$a)}}", OK,
	    "query($a:[String]){arguments{nonNullStrings(v:$a)}}",
	    "Variable \"$a\" of type \"[String]\" used in position expecting type \"[String!]\".",
	    "query($a:Int){arguments{where(v:{near:{x:1,y:$a}})}}", OK,
	    "query($a:Int){arguments{where(v:{near:{x:$a}})}}",
	    "Variable \"$a\" of type \"Int\" used in position expecting type \"Int!\".",
	    "query($b:Boolean){dog @skip(if:$b){id}}",
	    "Variable \"$b\" of type \"Boolean\" used in position expecting type \"Boolean!\".");
}

static void
what_answers_under_one_name_is_one_field(void **unused)
{
	static const char different[] =
	    "Fields \"x\" conflict because \"name\" and \"nickname\" are different fields.";

	(void)unused;
	JUDGE("{dog{name name x:name x:name}}", OK, "{dog{x:name x:nickname}}", different,
	    "{dog{name:nickname name}}",
	    "Fields \"name\" conflict because \"nickname\" and \"name\" are different fields. Use "
	    "different aliases on the fields to fetch both if this was intentional.",
	    "{dog{x:name} dog{x:nickname}}", different,
	    "{dog{...A ...B}} fragment A on Dog{x:name} fragment B on Dog{x:nickname}", different,
	    "{a:dog{...A} b:dog{...B}} fragment A on Dog{x:name} fragment B on Dog{x:nickname}", OK,
	    "{dog{...A x:nickname}} fragment A on Pet{x:name}",
	    "Fields \"x\" conflict because \"nickname\" and \"name\" are different fields.",
	    "{dog{mother{...A}} dog{mother{x:nickname}}} fragment A on Dog{x:name}",
	    "Fields \"x\" conflict because \"nickname\" and \"name\" are different fields.",
	    "{catOrDog{...on Dog{x:name} ...on Cat{x:nickname}}}", OK,
	    "{catOrDog{...on Pet{x:name} ...on Cat{x:nickname}}}", different);
}

static void
equal_fields_have_equal_arguments(void **unused)
{
	static const char differ[] = "Fields \"doesKnow\" conflict because they have differing "
				     "arguments.";

	(void)unused;
	JUDGE("{dog{doesKnow(command:SIT) doesKnow(command:SIT)}}", OK,
	    "{dog{doesKnow(command:SIT) doesKnow(command:HEEL)}}", differ,
	    "query($c:Command!){dog{doesKnow(command:SIT) doesKnow(command:$c)}}", differ,
	    "query($c:Command!,$d:Command!){dog{doesKnow(command:$d) doesKnow(command:$c)}}",
	    differ, "{dog{isAt(x:1) isAt}}", "Fields \"isAt\" conflict because they have differing",
	    "{dog{isAt(x:1,y:2) isAt(y:2,x:1)}}", OK, "{dog{isAt(x:1) isAt(y:1)}}",
	    "Fields \"isAt\" conflict because they have differing arguments.",
	    "{arguments{where(v:{colour:TAN,limits:[1]}) where(v:{limits:[1],colour:TAN})}}", OK,
	    "{arguments{where(v:{limits:[1,2]}) where(v:{limits:[2,1]})}}",
	    "Fields \"where\" conflict because they have differing arguments.",
	    "{catOrDog{...on Dog{isAt(x:1)} ...on Cat{isAt:meows}}}", OK);
}

static void
fields_of_different_objects_still_have_one_shape(void **unused)
{
	static const char types[] =
	    "Fields \"scalar\" conflict because they return conflicting types";

	(void)unused;
	JUDGE("{boxes{...on IntBox{scalar} ...on StringBox{scalar}}}", types,
	    "{boxes{...on IntBox{scalar} ...on StringBox{scalar:unrelated}}}", types,
	    "{boxes{...on IntBox{deep{scalar}} ...on StringBox{deep{scalar}}}}", types,
	    "{boxes{...on IntBox{deep{x:unrelated}} ...on StringBox{deep{x:scalar}}}}", OK,
	    "{box{...A ...B}} fragment A on Box{x:other{value}} fragment B on Box{x:list{value}}",
	    "Fields \"x\" conflict because they return conflicting types \"Box\" and \"[Box]\".",
	    "{catOrDog{...on Dog{x:barkVolume} ...on Cat{x:meowVolume}}}", OK,
	    "{catOrDog{...on Dog{x:barkVolume} ...on Cat{x:nickname}}}",
	    "Fields \"x\" conflict because they return conflicting types \"Int\" and \"String\".",
	    "{box{a:other{value} ...on Box{a:same{value}}}}",
	    "Fields \"a\" conflict because they return conflicting types \"Box\" and \"Box!\".",
	    "{boxes{...on IntBox{x:deep{a:scalar}} ...on StringBox{x:scalar}}}",
	    "Fields \"x\" conflict because they return conflicting types \"IntBox\" and "
	    "\"String\".");
}

/* Fragments shared by fields that are otherwise merged with different ones. */
static void
a_shared_fragment_does_not_make_strangers_conflict(void **unused)
{
	(void)unused;
	JUDGE("{a:box{...X other{q:value}} b:box{...X other{q:same{value}}}} "
	      "fragment X on Box{other{r:value}}",
	    OK,
	    "{a:box{...X other{q:value}} b:box{...X other{q:value}} c:box{...X "
	    "other{r:same{value}}}} "
	    "fragment X on Box{other{r:value}}",
	    "Fields \"r\" conflict because");
}

/* head, then `each` n times with its number for every % and the next for every &, then tail. */
static char *
grown(const char *head, const char *each, const char *tail, unsigned n)
{
	char *s = arena_alloc(gqlbed.a, strlen(head) + strlen(tail) + n * (strlen(each) + 40) + 1);
	size_t at = (size_t)sprintf(s, "%s", head);

	for (unsigned i = 0; i < n; i++)
		for (const char *p = each; *p != '\0'; p++)
			if (*p == '%' || *p == '&')
				at += (size_t)sprintf(s + at, "%u", i + (*p == '&'));
			else
				s[at++] = *p;
	strcpy(s + at, tail);
	return s;
}

static void
merging_takes_no_exponential_time(void **unused)
{
	(void)unused;
	/* Each level doubles the ways to the bottom: 2^20 without a memory of what was checked. */
	JUDGE(grown("{box{...F0}} ", "fragment F% on Box{a:other{...F&} b:other{...F&}} ",
		  "fragment F20 on Box{value}", 20),
	    OK);
	/* Fields that merge: each pair of each level again on the next. */
	JUDGE(grown("{box{...F0}} ", "fragment F% on Box{other{...F&} other{...F&}} ",
		  "fragment F20 on Box{value}", 20),
	    OK);
	/* Many under one name, quadratic when compared one with another. */
	JUDGE(grown("{dog{", "name ", "}}", 9000), OK);
	JUDGE(grown("{dog{", "name(surname:true)", "}}", 1800), OK);
}

static void
merging_that_has_no_end_is_given_up(void **unused)
{
	(void)unused;
	gqlbed.limits.depth = 200;
	/* A set joins with what lies k levels further: 2^k different joins. */
	JUDGE(grown("{box{...F0}} ",
		  "fragment F% on Box{a:other{...F&} b:other{...F&} a:other{...S1}} ",
		  "fragment F40 on Box{value} "
		  "fragment S1 on Box{a:other{...S2} b:other{...S2}} "
		  "fragment S2 on Box{a:other{...S3} b:other{...S3}} "
		  "fragment S3 on Box{a:other{...S4} b:other{...S4}} "
		  "fragment S4 on Box{a:other{...S5} b:other{...S5}} "
		  "fragment S5 on Box{a:other{...S6} b:other{...S6}} "
		  "fragment S6 on Box{a:other{...S7} b:other{...S7}} "
		  "fragment S7 on Box{a:other{...S8} b:other{...S8}} "
		  "fragment S8 on Box{a:other{...S9} b:other{...S9}} "
		  "fragment S9 on Box{a:other{...T1} b:other{...T1}} "
		  "fragment T1 on Box{a:other{...T2} b:other{...T2}} "
		  "fragment T2 on Box{a:other{...T3} b:other{...T3}} "
		  "fragment T3 on Box{a:other{...T4} b:other{...T4}} "
		  "fragment T4 on Box{a:other{...T5} b:other{...T5}} "
		  "fragment T5 on Box{a:other{value} b:other{value}}",
		  40),
	    "The selections of the document overlap in too many ways to be checked.");
}

static void
depth_counts_through_fragments(void **unused)
{
	(void)unused;
	gqlbed.limits.depth = 4;
	JUDGE("{dog{mother{mother{id}}}}", OK, "{dog{mother{mother{mother{id}}}}}",
	    "The operation nests fields 5 deep; 4 is the limit.",
	    "{dog{mother{...F}}} fragment F on Dog{mother{id}}", OK,
	    "{dog{mother{...F}}} fragment F on Dog{mother{...G}} fragment G on Dog{mother{id}}",
	    "The operation nests fields 5 deep; 4 is the limit.");
	gqlbed.limits.nesting = 5;
	JUDGE(grown("{dog{...F0}}", "fragment F% on Dog{...F&}", "fragment F4 on Dog{id}", 4), OK,
	    grown("{dog{...F0}}", "fragment F% on Dog{...F&}", "fragment F9 on Dog{id}", 9),
	    "The fragments of the document are nested too deep.");
}

static void
errors_are_counted_but_not_without_end(void **unused)
{
	struct gql_errors e;
	struct gql_doc *d = gqlbed_parse(grown("{", "nope ", "}", 500));
	size_t listed = 0;

	(void)unused;
	gql_errors_init(&e, gqlbed.a);
	assert_false(gql_validate(gqlbed.schema, d, &gqlbed.limits, gqlbed.a, &e));
	for (const struct gql_error *i = e.first; i != NULL; i = i->next)
		listed++;
	assert_int_equal(listed, GQL_ERRORS_MOST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		GQL(definitions_must_be_executable),
		GQL(names_of_operations_are_unique_and_the_anonymous_is_alone),
		GQL(operations_need_a_root_type),
		GQL(a_subscription_has_one_root_field),
		GQL(fields_are_defined_on_the_type_in_scope),
		GQL(leaves_have_no_selection_and_everything_else_has_one),
		GQL(fragments_have_unique_names_and_are_known_and_used),
		GQL(fragments_are_on_composite_types_that_exist),
		GQL(fragments_do_not_go_round_in_circles),
		GQL(fragments_can_be_spread_where_some_object_fits),
		GQL(arguments_are_known_unique_and_there_when_required),
		GQL(directives_are_known_in_their_place_and_once),
		GQL(literals_are_of_the_right_type),
		GQL(of_a_one_of_exactly_one_field_is_given),
		GQL(questions_about_the_schema_nest_two_lists_at_most),
		GQL(variables_are_unique_of_input_types_defined_and_used),
		GQL(variables_stand_where_their_type_fits),
		GQL(what_answers_under_one_name_is_one_field),
		GQL(equal_fields_have_equal_arguments),
		GQL(fields_of_different_objects_still_have_one_shape),
		GQL(a_shared_fragment_does_not_make_strangers_conflict),
		GQL(merging_takes_no_exponential_time),
		GQL(merging_that_has_no_end_is_given_up),
		GQL(depth_counts_through_fragments),
		GQL(errors_are_counted_but_not_without_end),
	};

	return TEST_RUN(tests);
}
