/* gql_parse: text becomes a document and text again; what is no document is refused where it goes
 * wrong. */
#include <stdio.h>
#include <string.h>
#include "harness/gqlbed.h"

static const char *
printed(const char *text)
{
	struct gql_doc *d = gqlbed_parse(text);
	size_t n;

	if (d == NULL)
		print_error("%s: %s\n", text, gqlbed_said());
	assert_non_null(d);
	return gql_print(gqlbed.a, d, &n);
}

static void
refused(const char *text, const char *why)
{
	gqlbed_parse(text);
	assert_string_equal(gqlbed_said(), why);
}

static void
one_form_is_printed_whatever_the_text_looked_like(void **unused)
{
	(void)unused;
	assert_string_equal(printed("{a,b , c}"), "{\n  a\n  b\n  c\n}\n");
	assert_string_equal(printed("\xef\xbb\xbfquery "
				    "Q($a:Int=1@d,$b:[T!]!){x:f(a:$a,b:[1,2.5e3,null])@d(x:{k:E,l:"
				    "\"s\"}){...F...on T@d{y}...{z}}}"
				    "# the end\nfragment F on T@d{a}"),
	    "query Q($a: Int = 1 @d, $b: [T!]!) {\n"
	    "  x: f(a: $a, b: [1, 2.5e3, null]) @d(x: {k: E, l: \"s\"}) {\n"
	    "    ...F\n"
	    "    ... on T @d {\n"
	    "      y\n"
	    "    }\n"
	    "    ... {\n"
	    "      z\n"
	    "    }\n"
	    "  }\n"
	    "}\n"
	    "\n"
	    "fragment F on T @d {\n"
	    "  a\n"
	    "}\n");
	assert_string_equal(printed("mutation{a}subscription S{b}query{c}"),
	    "mutation {\n  a\n}\n\nsubscription S {\n  b\n}\n\n{\n  c\n}\n");
}

static void
what_is_printed_reads_as_the_same_again(void **unused)
{
	static const char text[] =
	    "query A($a: [Int!]! = [1, -0, 3] @d) {\n"
	    "  f(s: \"\\\"\\\\\\n\\u0007ä\", o: {}, l: [], b: true, e: on) {\n"
	    "    type\n"
	    "    query: fragment\n"
	    "  }\n"
	    "}\n";

	(void)unused;
	assert_string_equal(printed(text), text);
}

static void
words_of_the_language_may_be_names(void **unused)
{
	(void)unused;
	assert_string_equal(printed("query query{on:query fragment true null type}"),
	    "query query {\n  on: query\n  fragment\n  true\n  null\n  type\n}\n");
	refused("fragment on on T{a}", "Syntax Error: Unexpected Name \"on\".");
	assert_string_equal(printed("fragment f on on{...on on{a}...@d{b}}"),
	    "fragment f on on {\n  ... on on {\n    a\n  }\n  ... @d {\n    b\n  }\n}\n");
}

static void
descriptions_may_stand_before_definitions_and_variables(void **unused)
{
	(void)unused;
	assert_string_equal(printed("\"what\" query Q(\"\"\"why\"\"\" $a: Int) { a }"),
	    "query Q($a: Int) {\n  a\n}\n");
	refused("\"what\" { a }", "Syntax Error: Unexpected \"{\".");
}

static const char *
string_in(const char *literal)
{
	struct gql_doc *d = gqlbed_parse(arena_printf(gqlbed.a, "{f(s:%s)}", literal));

	if (d == NULL)
		return NULL;
	return arena_strndup(gqlbed.a, d->operations->body.set->first->args->value.text.p,
	    d->operations->body.set->first->args->value.text.n);
}

static void
escapes_are_decoded(void **unused)
{
	(void)unused;
	assert_string_equal(string_in("\"\""), "");
	assert_string_equal(string_in("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\""), "a\"\\/\b\f\n\r\tz");
	assert_string_equal(string_in("\"\\u00e4\\u20AC\""), "ä€");
	assert_string_equal(string_in("\"\\u{1F600}\\u{61}\""), "\xf0\x9f\x98\x80"
								"a");
	assert_string_equal(string_in("\"\\uD83D\\uDE00\""), "\xf0\x9f\x98\x80");
	assert_string_equal(string_in("\"# , no comment\""), "# , no comment");
}

static void
bad_escapes_are_refused(void **unused)
{
	static const char *const bad[] = { "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\uD800\"",
		"\"\\uDC00\"", "\"\\uD800\\u0041\"", "\"\\u{110000}\"", "\"\\u0000\"", "\"\\u{0}\"",
		"\"\\u{D800}\"", "\"\\u{}\"", "\"\\u{12\"", "\"\\u{123456789}\"", NULL };

	(void)unused;
	for (const char *const *b = bad; *b != NULL; b++) {
		assert_null(string_in(*b));
		assert_string_equal(
		    gqlbed_said(), "Syntax Error: Invalid escape sequence in a string.");
	}
	assert_null(string_in("\"ab"));
	assert_string_equal(gqlbed_said(), "Syntax Error: Unterminated string.");
	assert_null(string_in("\"a\nb\""));
	assert_null(string_in("\"a\\"));
	assert_null(string_in("\"\"\"a\"\""));
}

static void
block_strings_lose_their_indentation(void **unused)
{
	(void)unused;
	assert_string_equal(string_in("\"\"\"\"\"\""), "");
	assert_string_equal(string_in("\"\"\" a \"\"\""), " a ");
	assert_string_equal(
	    string_in("\"\"\"\n    Hello,\n      World!\n\n    Yours,\n      X.\n  \"\"\""),
	    "Hello,\n  World!\n\nYours,\n  X.");
	assert_string_equal(string_in("\"\"\"\n\n\n\"\"\""), "");
	assert_string_equal(string_in("\"\"\"a\r\n  b\r  c\"\"\""), "a\nb\nc");
	assert_string_equal(string_in("\"\"\"  first\n\t\tsecond\n \t\"\"\""), "  first\nsecond");
	assert_string_equal(string_in("\"\"\"\\\"\"\" \\n \\\"\"\"\"\"\""), "\"\"\" \\n \"\"\"");
}

static void
numbers_are_held_to_their_form(void **unused)
{
	static const char *const bad[] = { "00", "01", "-", "+1", "1.", ".1", "1e", "1e+", "1.2.3",
		"1a", "0x1", "1_000", "1.0e5.2", "-a", "1.a", NULL };
	static const char *const good[] = { "0", "-0", "12", "-3", "0.5", "1e5", "1E-5", "-1.5e+10",
		NULL };

	(void)unused;
	for (const char *const *g = good; *g != NULL; g++)
		assert_non_null(gqlbed_parse(arena_printf(gqlbed.a, "{f(n:%s)}", *g)));
	for (const char *const *b = bad; *b != NULL; b++)
		assert_null(gqlbed_parse(arena_printf(gqlbed.a, "{f(n:%s)}", *b)));
}

static void
what_is_no_document_is_refused_where_it_goes_wrong(void **unused)
{
	static const struct {
		const char *text, *why;
		uint32_t at;
	} bad[] = {
		{ "", "Syntax Error: Unexpected <EOF>.", 0 },
		{ "  # nothing\n", "Syntax Error: Unexpected <EOF>.", 12 },
		{ "{", "Syntax Error: Expected Name, found <EOF>.", 1 },
		{ "{}", "Syntax Error: Expected Name, found \"}\".", 1 },
		{ "{a", "Syntax Error: Expected Name, found <EOF>.", 2 },
		{ "{a}}", "Syntax Error: Unexpected \"}\".", 3 },
		{ "{a(}", "Syntax Error: Expected Name, found \"}\".", 3 },
		{ "{a()}", "Syntax Error: Unexpected \")\".", 3 },
		{ "{a(b)}", "Syntax Error: Expected \":\", found \")\".", 4 },
		{ "{a(b:)}", "Syntax Error: Unexpected \")\".", 5 },
		{ "{a:}", "Syntax Error: Expected Name, found \"}\".", 3 },
		{ "{...}", "Syntax Error: Expected \"{\", found \"}\".", 4 },
		{ "{..a}", "Syntax Error: Unexpected \".\": a spread is \"...\".", 1 },
		{ "{a b: 1}", "Syntax Error: Expected Name, found Int \"1\".", 6 },
		{ "query($a){a}", "Syntax Error: Expected \":\", found \")\".", 8 },
		{ "query($a:Int=$b){a}", "Syntax Error: Unexpected \"$\".", 13 },
		{ "query(){a}", "Syntax Error: Expected \"$\", found \")\".", 6 },
		{ "query($a:[Int){a}", "Syntax Error: Expected \"]\", found \")\".", 13 },
		{ "query($a:Int!!){a}", "Syntax Error: Expected \"$\", found \"!\".", 13 },
		{ "fragment F{a}", "Syntax Error: Expected \"on\", found \"{\".", 10 },
		{ "fragment F on T", "Syntax Error: Expected \"{\", found <EOF>.", 15 },
		{ "foo", "Syntax Error: Unexpected Name \"foo\".", 0 },
		{ "{a @}", "Syntax Error: Expected Name, found \"}\".", 4 },
		{ "{a ?}", "Syntax Error: Unexpected character.", 3 },
		{ "{\xc3\xa4}", "Syntax Error: Unexpected character.", 1 },
		{ "{a \"\xff\"}", "Syntax Error: the text is not UTF-8.", 0 },
	};
	struct gql_errors e;

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		gql_errors_init(&e, gqlbed.a);
		assert_null(gql_parse(gqlbed.a, str_of(bad[i].text), &gqlbed.limits, &e));
		assert_int_equal(e.n, 1);
		assert_string_equal(e.first->message, bad[i].why);
		assert_int_equal(e.first->at[0], bad[i].at);
		assert_string_equal(e.first->why->reason, "GRAPHQL_PARSE_FAILED");
	}
}

static void
lines_and_columns_are_counted_in_characters(void **unused)
{
	uint32_t line, column;

	(void)unused;
	gql_locate(STR("ab\ncd"), 0, &line, &column);
	assert_int_equal(line, 1), assert_int_equal(column, 1);
	gql_locate(STR("ab\ncd"), 4, &line, &column);
	assert_int_equal(line, 2), assert_int_equal(column, 2);
	gql_locate(STR("a\r\nb\rc"), 5, &line, &column);
	assert_int_equal(line, 3), assert_int_equal(column, 1);
	gql_locate(STR("\xc3\xa4\xe2\x82\xac x"), 6, &line, &column);
	assert_int_equal(line, 1), assert_int_equal(column, 4);
}

static char *
repeated(const char *open, const char *middle, const char *close, size_t n)
{
	char *s = arena_alloc(gqlbed.a, n * (strlen(open) + strlen(close)) + strlen(middle) + 1);

	s[0] = '\0';
	for (size_t i = 0; i < n; i++)
		memcpy(s + i * strlen(open), open, strlen(open) + 1);
	strcat(s, middle);
	for (size_t i = 0, at = strlen(s); i < n; i++, at += strlen(close))
		memcpy(s + at, close, strlen(close) + 1);
	return s;
}

static void
nesting_is_bounded_in_every_form(void **unused)
{
	static const char why[] = "The document is nested more than 64 deep.";

	(void)unused;
	assert_non_null(gqlbed_parse(repeated("{a", "{b}", "}", 60)));
	refused(repeated("{a", "{b}", "}", 100000 / 50), why);
	refused(repeated("{...", "{b}", "}", 2000), why);
	refused(arena_printf(gqlbed.a, "{a(b:%s)}", repeated("[", "", "]", 2000)), why);
	refused(arena_printf(gqlbed.a, "{a(b:%s)}", repeated("{c:", "1", "}", 2000)), why);
	refused(arena_printf(gqlbed.a, "query($a:%s){a}", repeated("[", "T", "]", 2000)), why);
}

static void
tokens_aliases_and_bytes_are_bounded(void **unused)
{
	(void)unused;
	gqlbed.limits.tokens = 5;
	assert_non_null(gqlbed_parse("{a b c}"));
	refused("{a b c d}", "The document has more than 5 tokens.");
	gqlbed.limits.tokens = 50;
	gqlbed.limits.aliases = 2;
	assert_non_null(gqlbed_parse("{a:x b:x c}"));
	refused("{a:x b:x c:x}", "The document has more than 2 aliases.");
	gqlbed.limits.bytes = 8;
	refused("{a      }", "The document has more than 8 bytes.");
}

static void
definitions_of_types_parse_too(void **unused)
{
	static const char *const good[] = {
		"\"d\" schema @a { query: Q mutation: M }",
		"extend schema @a",
		"extend schema { subscription: S }",
		"\"\"\"d\"\"\" scalar S @a",
		"type T implements & A & B @x { \"d\" f(\"e\" a: Int = 1 @x): [T!]! @x }",
		"type T",
		"interface I implements J { f: T }",
		"union U = | A | B",
		"union U @a",
		"enum E { A B @deprecated }",
		"input I { a: Int = 1, b: [I!] @x }",
		"directive @d(a: Int) repeatable on | FIELD | QUERY",
		"extend type T @a",
		"extend type T implements I",
		"extend input I { a: Int }",
		NULL,
	};
	static const char *const bad[] = {
		"type T { }",
		"type T { f }",
		"type T { f(): Int }",
		"enum E { true }",
		"enum E { }",
		"schema { }",
		"schema { foo: Q }",
		"extend type T",
		"extend schema",
		"extend directive @d on FIELD",
		"\"d\" extend type T { a: Int }",
		"directive @d",
		"directive @d on",
		"union U = ",
		"type T implements { a: Int }",
		"input I { a(b: Int): Int }",
		"type T { f: Int = 1 }",
		NULL,
	};

	(void)unused;
	for (const char *const *g = good; *g != NULL; g++) {
		if (gqlbed_parse(*g) == NULL)
			print_error("%s: %s\n", *g, gqlbed_said());
		assert_string_equal(gqlbed_said(), "");
	}
	for (const char *const *b = bad; *b != NULL; b++) {
		if (gqlbed_parse(*b) != NULL)
			print_error("%s\n", *b);
		assert_string_not_equal(gqlbed_said(), "");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		GQL(one_form_is_printed_whatever_the_text_looked_like),
		GQL(what_is_printed_reads_as_the_same_again),
		GQL(words_of_the_language_may_be_names),
		GQL(descriptions_may_stand_before_definitions_and_variables),
		GQL(escapes_are_decoded),
		GQL(bad_escapes_are_refused),
		GQL(block_strings_lose_their_indentation),
		GQL(numbers_are_held_to_their_form),
		GQL(what_is_no_document_is_refused_where_it_goes_wrong),
		GQL(lines_and_columns_are_counted_in_characters),
		GQL(nesting_is_bounded_in_every_form),
		GQL(tokens_aliases_and_bytes_are_bounded),
		GQL(definitions_of_types_parse_too),
	};

	return TEST_RUN(tests);
}
