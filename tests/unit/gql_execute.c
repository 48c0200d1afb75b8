/* gql_execute: operations run against resolvers that answer at once, later, or not. */
#include <stdio.h>
#include <string.h>
#include "harness/gqlbed.h"

#define ANSWER(text, want) assert_string_equal(gqlbed_run(text, NULL, NULL), want)
#define HELD(text)         assert_null(gqlbed_run(text, NULL, NULL))

static void
fields_answer_in_the_order_of_the_document(void **unused)
{
	(void)unused;
	ANSWER("{dog{b:name id name a:name(surname:true)} __typename cat{meowVolume}}",
	    "{\"data\":{\"dog\":{\"b\":\"Rex\",\"id\":\"d1\",\"name\":\"Rex\",\"a\":\"Rex of the "
	    "Hill\"},\"__typename\":\"Query\",\"cat\":{\"meowVolume\":3}}}");
}

static void
fragments_of_types_apply_to_objects_of_those_types(void **unused)
{
	(void)unused;
	ANSWER("{human{pets{__typename ...on Being{name} ...D ...on Cat{meowVolume} ...on "
	       "CatOrDog{...on Node{id}}}}} fragment D on Dog{barkVolume ...{id}}",
	    "{\"data\":{\"human\":{\"pets\":[{\"__typename\":\"Dog\",\"name\":\"Ben\","
	    "\"barkVolume\":"
	    "20,\"id\":\"d2\"},{\"__typename\":\"Cat\",\"name\":\"Mia\",\"meowVolume\":3,\"id\":"
	    "\"c1\"}]}}}");
}

static void
selections_of_one_field_are_merged(void **unused)
{
	(void)unused;
	ANSWER("{dog{owner{name}} ...F dog{id}} fragment F on Query{dog{owner{n:name} name}}",
	    "{\"data\":{\"dog\":{\"owner\":{\"name\":\"Ann\",\"n\":\"Ann\"},\"name\":\"Rex\","
	    "\"id\":"
	    "\"d1\"}}}");
}

static void
skip_and_include_decide_with_variables(void **unused)
{
	static const char text[] =
	    "query($y:Boolean!,$n:Boolean=false){dog{a:name @skip(if:$y) b:name "
	    "@include(if:$y) ...@include(if:$n){c:name} ...F@skip(if:$n) d:name "
	    "@skip(if:false)@include(if:$n)}} fragment F on Dog{e:name}";

	(void)unused;
	assert_string_equal(gqlbed_run(text, "{\"y\":true}", NULL),
	    "{\"data\":{\"dog\":{\"b\":\"Rex\",\"e\":\"Rex\"}}}");
	assert_string_equal(gqlbed_run(text, "{\"y\":false,\"n\":true}", NULL),
	    "{\"data\":{\"dog\":{\"a\":\"Rex\",\"c\":\"Rex\",\"d\":\"Rex\"}}}");
}

static void
a_failed_field_is_null_and_says_why_and_where(void **unused)
{
	(void)unused;
	ANSWER("{\n  dog {\n    friends { ...on Dog { broken } }\n    id\n  }\n}",
	    "{\"errors\":[{\"message\":\"the kennel is "
	    "closed\",\"locations\":[{\"line\":3,\"column\":"
	    "27}],\"path\":[\"dog\",\"friends\",0,\"broken\"],\"extensions\":{\"code\":"
	    "\"UNAVAILABLE\","
	    "\"reason\":\"KENNEL_CLOSED\",\"retry_after_ms\":50}}],\"data\":{\"dog\":{\"friends\":"
	    "[{\"broken\":null},{}],\"id\":\"d1\"}}}");
}

static void
null_where_none_may_be_falls_on_what_is_around(void **unused)
{
	(void)unused;
	ANSWER("{dog{id mother{brokenNow}}}", "{\"errors\":[{\"message\":\"the kennel is "
					      "closed\",\"locations\":[{\"line\":1,\"column\":"
					      "16}],\"path\":[\"dog\",\"mother\",\"brokenNow\"],"
					      "\"extensions\":{\"code\":\"UNAVAILABLE\","
					      "\"reason\":\"KENNEL_CLOSED\",\"retry_after_ms\":50}}"
					      "],\"data\":{\"dog\":{\"id\":\"d1\","
					      "\"mother\":null}}}");
	ANSWER("{list must{value}}",
	    "{\"errors\":[{\"message\":\"Cannot return null for non-nullable field Query.list.\","
	    "\"locations\":[{\"line\":1,\"column\":2}],\"path\":[\"list\",1],\"extensions\":{"
	    "\"code\":"
	    "\"INTERNAL\"}}],\"data\":{\"list\":null,\"must\":{\"value\":null}}}");
	ANSWER("{dog{friends{...on Dog{brokenNow}} id}}",
	    "{\"errors\":[{\"message\":\"the kennel is "
	    "closed\",\"locations\":[{\"line\":1,\"column\":"
	    "24}],\"path\":[\"dog\",\"friends\",0,\"brokenNow\"],\"extensions\":{\"code\":"
	    "\"UNAVAILABLE\",\"reason\":\"KENNEL_CLOSED\",\"retry_after_ms\":50}}],\"data\":{"
	    "\"dog\":"
	    "{\"friends\":null,\"id\":\"d1\"}}}");
	ANSWER("{must{same{value}}}",
	    "{\"errors\":[{\"message\":\"Cannot return null for non-nullable field Box.same.\","
	    "\"locations\":[{\"line\":1,\"column\":7}],\"path\":[\"must\",\"same\"],\"extensions\":"
	    "{\"code\":\"INTERNAL\"}}],\"data\":null}");
}

static void
what_resolvers_give_is_held_against_the_schema(void **unused)
{
	(void)unused;
	ANSWER("{wrongEnum}",
	    "{\"errors\":[{\"message\":\"The value of type \\\"Colour\\\" must be one of its "
	    "values.\","
	    "\"locations\":[{\"line\":1,\"column\":2}],\"path\":[\"wrongEnum\"],\"extensions\":{"
	    "\"code\":\"INTERNAL\"}}],\"data\":{\"wrongEnum\":null}}");
	ANSWER("{wrongInt}", "{\"errors\":[{\"message\":\"The value of type \\\"Int\\\" must be a "
			     "whole number of 32 "
			     "bits.\",\"locations\":[{\"line\":1,\"column\":2}],\"path\":["
			     "\"wrongInt\"],\"extensions\":{"
			     "\"code\":\"INTERNAL\"}}],\"data\":{\"wrongInt\":null}}");
	ANSWER("{wrongType{name}}", "{\"errors\":[{\"message\":\"An object that is no \\\"Pet\\\" "
				    "was found.\",\"locations\":[{"
				    "\"line\":1,\"column\":2}],\"path\":[\"wrongType\"],"
				    "\"extensions\":{\"code\":\"INTERNAL\"}}]"
				    ",\"data\":{\"wrongType\":null}}");
}

static void
fields_may_answer_later_in_any_order(void **unused)
{
	(void)unused;
	HELD("{slow dog{id slowName} s:slow}");
	assert_int_equal(gqlbed.done, 0);
	gqlbed_release();
	assert_int_equal(gqlbed.done, 1);
	assert_string_equal(gqlbed_answer(),
	    "{\"data\":{\"slow\":\"at "
	    "last\",\"dog\":{\"id\":\"d1\",\"slowName\":\"Rex\"},\"s\":\"at "
	    "last\"}}");
}

static void
what_arrives_for_something_that_became_null_is_dropped(void **unused)
{
	(void)unused;
	HELD("{dog{slowName brokenNow}}");
	gqlbed_release();
	assert_int_equal(gqlbed.done, 1);
	assert_non_null(strstr(gqlbed_answer(), "\"data\":{\"dog\":null}}"));
}

static void
mutations_run_one_after_the_other(void **unused)
{
	(void)unused;
	HELD("mutation{a:note(text:\"1\"){name} b:slowNote(text:\"2\"){name} "
	     "c:note(text:\"3\"){name} "
	     "d:slowNote(text:\"4\"){name} __typename}");
	assert_string_equal(gqlbed.log, "1;2;");
	gqlbed_release();
	assert_string_equal(gqlbed.log, "1;2;3;4;");
	assert_null(gqlbed_answer());
	gqlbed_release();
	assert_string_equal(gqlbed_answer(),
	    "{\"data\":{\"a\":{\"name\":\"Ann\"},\"b\":{\"name\":\"Ann\"},\"c\":{\"name\":\"Ann\"},"
	    "\"d\":{\"name\":\"Ann\"},\"__typename\":\"Mutation\"}}");
}

static void
a_mutation_that_fails_does_not_stop_the_next(void **unused)
{
	(void)unused;
	assert_non_null(strstr(
	    gqlbed_run("mutation{refuse(text:\"1\"){name} note(text:\"2\"){name}}", NULL, NULL),
	    "\"data\":{\"refuse\":null,\"note\":{\"name\":\"Ann\"}}}"));
	assert_string_equal(gqlbed.log, "1;2;");
}

static void
loads_of_one_turn_are_one_fetch(void **unused)
{
	(void)unused;
	ANSWER("{a:dog(id:\"d1\"){id} b:dog(id:\"d2\"){id} c:dog(id:\"d1\"){name} "
	       "dogs(ids:[\"d3\",\"d2\"]){name}}",
	    "{\"data\":{\"a\":{\"id\":\"d1\"},\"b\":{\"id\":\"d2\"},\"c\":{\"name\":\"Rex\"},"
	    "\"dogs\":"
	    "[{\"name\":\"Tim\"},{\"name\":\"Ben\"}]}}");
	assert_int_equal(gqlbed.fetches, 1);
	assert_int_equal(gqlbed.fetched, 3);
}

static void
loads_of_each_level_are_one_fetch(void **unused)
{
	(void)unused;
	gqlbed.hold = true;
	HELD("{dogs(ids:[\"d1\",\"d2\"]){id mother{id mother{id}}}}");
	assert_int_equal(gqlbed.fetches, 1);
	gqlbed_release(); /* d1 and d2 are here: their mothers d2 (known) and d3 */
	assert_int_equal(gqlbed.fetches, 2);
	assert_int_equal(gqlbed.fetched, 3);
	gqlbed_release();
	assert_int_equal(gqlbed.fetches, 2);
	assert_string_equal(gqlbed_answer(),
	    "{\"data\":{\"dogs\":[{\"id\":\"d1\",\"mother\":{\"id\":\"d2\",\"mother\":{\"id\":"
	    "\"d3\"}}},"
	    "{\"id\":\"d2\",\"mother\":{\"id\":\"d3\",\"mother\":{\"id\":\"d3\"}}}]}}");
}

static void
loads_wait_for_the_end_of_the_turn(void **unused)
{
	(void)unused;
	gqlbed.by_turn = true;
	HELD("{slow a:dog(id:\"d1\"){id}}");
	assert_int_equal(gqlbed.fetches, 0);
	gqlbed_turn();
	assert_int_equal(gqlbed.fetches, 1);
	assert_null(gqlbed_answer());
	gqlbed_release();
	assert_non_null(gqlbed_answer());
}

static void
a_key_that_is_not_found_fails_its_item_only(void **unused)
{
	(void)unused;
	ANSWER("{dogs(ids:[\"d1\",\"x\",\"d2\"]){id}}",
	    "{\"errors\":[{\"message\":\"there is no such "
	    "dog\",\"locations\":[{\"line\":1,\"column\":"
	    "2}],\"path\":[\"dogs\",1],\"extensions\":{\"code\":\"NOT_FOUND\",\"reason\":\"NO_"
	    "DOG\"}}],"
	    "\"data\":{\"dogs\":[{\"id\":\"d1\"},null,{\"id\":\"d2\"}]}}");
}

static void
an_empty_list_of_keys_needs_no_fetch(void **unused)
{
	(void)unused;
	ANSWER("{dogs(ids:[]){id}}", "{\"data\":{\"dogs\":[]}}");
	assert_int_equal(gqlbed.fetches, 0);
}

static void
an_event_of_a_subscription_is_an_answer(void **unused)
{
	struct gql_doc *d = gqlbed_parse("subscription{barked(loud:false){id name}}");
	struct gql_errors e;
	struct gql_run r;
	struct gql_at source;

	(void)unused;
	gql_errors_init(&e, gqlbed.a);
	assert_true(gql_validate(gqlbed.schema, d, &gqlbed.limits, gqlbed.a, &e));
	r = (struct gql_run){
		.schema = gqlbed.schema, .doc = d, .op = gql_operation(d, "", &e), .a = gqlbed.a
	};
	r.vars = gql_variables(r.op, NULL, gqlbed.a, &e);
	assert_true(gql_subscribe(&r, &source, &e));
	assert_string_equal(gql_key(&source), "barked");
	assert_false(gql_arg(&source, "loud").boolean);
	ANSWER("subscription{barked{id name}}",
	    "{\"data\":{\"barked\":{\"id\":\"d2\",\"name\":\"Ben\"}}}");
}

static void
the_operation_is_chosen_by_its_name(void **unused)
{
	static const char two[] = "query A{dog{id}} query B{dog{name}}";

	(void)unused;
	assert_string_equal(gqlbed_run(two, NULL, "B"), "{\"data\":{\"dog\":{\"name\":\"Rex\"}}}");
	assert_non_null(strstr(gqlbed_run(two, NULL, ""), "Must provide operation name"));
	assert_non_null(strstr(gqlbed_answer() == NULL ? gqlbed_run(two, NULL, "C") : "",
	    "Unknown operation named \\\"C\\\"."));
	assert_non_null(strstr(gqlbed_run("{dog{id}}", NULL, "A"), "GRAPHQL_NO_OPERATION"));
	assert_non_null(strstr(gqlbed_run("fragment F on Dog{id}", NULL, ""), "never used"));
}

static void
cost_is_known_before_it_runs(void **unused)
{
	static const struct {
		const char *text, *variables;
		unsigned cost;
	} ops[] = {
		{ "{dog{id name}}", NULL, 3 },
		{ "{dog{mother{id}}}", NULL, 1 + 5 + 1 },
		{ "{first{id}}", NULL, 1 + 3 },
		{ "{first(first:2){id name}}", NULL, 1 + 2 * 2 },
		{ "query($n:Int){first(first:$n){id}}", "{\"n\":7}", 1 + 7 },
		{ "query($n:Int){first(first:$n){id}}", "{}", 1 + 3 },
		{ "{human{pets{__typename}}}", NULL, 1 + (1 + 10 * 1) },
		{ "{dogs(ids:[1,2,3]){id}}", NULL, 1 + 10 * 1 },
		{ "{dog{...F ...F}} fragment F on Dog{id}", NULL, 1 + 2 },
		{ "{dog{id @skip(if:true) ...@include(if:false){name}}}", NULL, 1 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		gqlbed.limits.cost = ops[i].cost;
		assert_null(strstr(gqlbed_run(ops[i].text, ops[i].variables, NULL), "may cost"));
		gqlbed.limits.cost = ops[i].cost - 1;
		assert_non_null(strstr(gqlbed_run(ops[i].text, ops[i].variables, NULL),
		    arena_printf(gqlbed.a, "The operation may cost %u; %u is the limit.",
			ops[i].cost, ops[i].cost - 1)));
	}
}

static void
cost_that_no_number_holds_is_too_much(void **unused)
{
	(void)unused;
	assert_non_null(strstr(
	    gqlbed_run("{human{...A}} fragment A on Human{relatives{...B}} fragment B on "
		       "Human{relatives{...C}} fragment C on Human{relatives{relatives{relatives"
		       "{relatives{relatives{relatives{relatives{relatives{relatives{relatives"
		       "{relatives{relatives{relatives{relatives{relatives{relatives{relatives"
		       "{relatives{relatives{name}}}}}}}}}}}}}}}}}}}}",
		NULL, NULL),
	    "is the limit."));
}

static void
nothing_more_is_asked_when_memory_gets_short(void **unused)
{
	(void)unused;
	gqlbed.keep_bytes = arena_left(gqlbed.a) - 200000;
	assert_non_null(
	    strstr(gqlbed_run("{a:first(first:10){id} b:first(first:9000){id name}}", NULL, NULL),
		"\"message\":\"The answer is too large: ask for less at once.\""));
	assert_non_null(strstr(gqlbed_answer(), "\"reason\":\"TOO_LARGE\""));
	assert_null(strstr(gqlbed_answer(), "\"data\":null}")); /* what there was is there */
	gqlbed.keep_bytes = 0;
	assert_null(
	    strstr(gqlbed_run("{a:first(first:10){id} b:first(first:9000){id name}}", NULL, NULL),
		"errors"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		GQL(fields_answer_in_the_order_of_the_document),
		GQL(fragments_of_types_apply_to_objects_of_those_types),
		GQL(selections_of_one_field_are_merged),
		GQL(skip_and_include_decide_with_variables),
		GQL(a_failed_field_is_null_and_says_why_and_where),
		GQL(null_where_none_may_be_falls_on_what_is_around),
		GQL(what_resolvers_give_is_held_against_the_schema),
		GQL(fields_may_answer_later_in_any_order),
		GQL(what_arrives_for_something_that_became_null_is_dropped),
		GQL(mutations_run_one_after_the_other),
		GQL(a_mutation_that_fails_does_not_stop_the_next),
		GQL(loads_of_one_turn_are_one_fetch),
		GQL(loads_of_each_level_are_one_fetch),
		GQL(loads_wait_for_the_end_of_the_turn),
		GQL(a_key_that_is_not_found_fails_its_item_only),
		GQL(an_empty_list_of_keys_needs_no_fetch),
		GQL(an_event_of_a_subscription_is_an_answer),
		GQL(the_operation_is_chosen_by_its_name),
		GQL(cost_is_known_before_it_runs),
		GQL(cost_that_no_number_holds_is_too_much),
		GQL(nothing_more_is_asked_when_memory_gets_short),
	};

	return TEST_RUN(tests);
}
