/* json: what is read, what is refused, and that what is written reads back. */
#include <locale.h>
#include <math.h>
#include <string.h>
#include "base/json.h"
#include "harness/test.h"

static struct arena *arena;
static struct json_error e;

static int
start(void **state)
{
	arena = arena_new(1 << 20);
	return test_log_mark(state);
}

static int
stop(void **state)
{
	arena_free(&arena);
	return test_log_check(state);
}

static bool
reads(const char *text, size_t n)
{
	json_t *v = json_read(text, n, &e);
	bool fine = v != NULL;

	json_decref(v);
	return fine;
}

static void
whole_values_are_read(void **unused)
{
	static const char *const good[] = { "{}", "[]", " 1 ", "\"a\"", "true", "null", "-0.5e-3",
		"[1,{\"a\":[]}]", "\"\\u00e4\\ud83d\\ude00\"", "9223372036854775807" };

	(void)unused;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(reads(good[i], strlen(good[i])));
}

static void
what_the_rfc_or_our_limits_forbid_is_refused(void **unused)
{
	static const char *const bad[] = { "", " ", "{", "[1,]", "{\"a\":1,}", "{a:1}", "'a'", "01",
		"+1", "1.", ".5", "NaN", "Infinity", "[1] 2", "\"\xff\"", "\"a\nb\"", "\"\\x\"",
		"\"\\u12\"", "\"\\ud83d\"", "tru", "// c\n1", "{\"a\":1,\"a\":2}",
		"9223372036854775808", "1e400", "\"\\u0000\"", "{\"\\u0000\":1}",
		"\xef\xbb\xbf[]" };

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (reads(bad[i], strlen(bad[i])))
			fail_msg("was read: %s", bad[i]);
		assert_true(e.what[0] != '\0');
	}
	assert_false(reads("[1]\0", 4));
	assert_false(reads(NULL, 0));
}

static void
nesting_ends_at_32(void **unused)
{
	char text[200000];

	(void)unused;
	memset(text, '[', 32);
	memset(text + 32, ']', 32);
	assert_true(reads(text, 64));
	memset(text, '[', 33);
	memset(text + 33, ']', 33);
	assert_false(reads(text, 66));
	assert_string_equal(e.what, "nested more than 32 deep");
	assert_int_equal(e.offset, 32);
	memset(text, '[', sizeof(text));
	assert_false(reads(text, sizeof(text)));
	assert_true(reads("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"", 45));
}

static void
an_error_says_where(void **unused)
{
	(void)unused;
	assert_false(reads("{\n  \"a\": }", 10));
	assert_int_equal(e.line, 2);
	assert_true(e.column > 0 && e.offset == 10);
}

static bool
add_up(void *ctx, const json_t *item)
{
	int64_t *sum = ctx;

	*sum += json_integer_value(item);
	return *sum < 10;
}

static void
the_items_of_a_page_are_told_one_by_one_until_it_is_enough(void **unused)
{
	static const char *const pages[] = { "{\"items\":[1,2],\"next_cursor\":\"c\"}",
		"{\"items\":[1,2],\"next_cursor\":null}",
		"{\"items\":[7,8,9],\"next_cursor\":\"c\"}", "{\"items\":{}}", "[]", "nonsense" };
	static const int64_t sums[] = { 3, 3, 15, 0, 0, 0 };
	const char *next;

	(void)unused;
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		int64_t sum = 0;

		assert_int_equal(
		    json_page(arena, pages[i], strlen(pages[i]), add_up, &sum, &next), i < 2);
		assert_int_equal(sum, sums[i]);
		assert_true(i == 0 || i == 2 ? strcmp(next, "c") == 0 : next == NULL);
	}
}

static void
what_is_written_is_json(void **unused)
{
	struct jw w;
	size_t n;
	char *p;

	(void)unused;
	jw_start(&w, arena, 0);
	jw_object(&w, NULL);
	jw_str(&w, "s", "a\"\\\n\t\x01\x7f/\xc3\xa4");
	jw_str(&w, "null", NULL);
	jw_strn(&w, "nul", "a\0b", 3);
	jw_int(&w, "i", INT64_MIN);
	jw_num(&w, "d", 0.1);
	jw_num(&w, "inf", INFINITY);
	jw_bool(&w, "b", true);
	jw_array(&w, "a");
	jw_int(&w, NULL, 1);
	jw_array(&w, NULL);
	jw_close(&w, ']');
	jw_object(&w, NULL);
	jw_close(&w, '}');
	jw_null(&w, NULL);
	jw_close(&w, ']');
	jw_raw(&w, "raw", "{\"x\":1}", 7);
	jw_raw(&w, "nothing", "", 0);
	jw_time(&w, "t", 0);
	jw_close(&w, '}');
	p = jw_text(&w, &n);
	assert_string_equal(p,
	    "{\"s\":\"a\\\"\\\\\\n\\t\\u0001\x7f/\xc3\xa4\",\"null\":null,\"nul\":\"a\\u0000b\","
	    "\"i\":-9223372036854775808,\"d\":0.1,\"inf\":null,\"b\":true,\"a\":[1,[],{},null],"
	    "\"raw\":{\"x\":1},"
	    "\"nothing\":null,\"t\":\"1970-01-01T00:00:00.000000Z\"}");
	assert_int_equal(n, strlen(p));
}

static void
bytes_that_are_no_utf8_become_the_replacement_character(void **unused)
{
	struct jw w;

	(void)unused;
	jw_start(&w, arena, 0);
	jw_str(&w, NULL, "a\xff\xc3(\xed\xa0\x80");
	assert_string_equal(jw_text(&w, NULL),
	    "\"a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void
a_value_read_and_written_is_the_same_text(void **unused)
{
	static const char text[] = "{\"z\":1,\"a\":[true,false,null,\"\xc3\xa4\",-2.5,1e+300,0.1,[{"
				   "}]],\"m\":{\"y\":0,\"b\":\"\"}}";
	json_t *v = json_read(text, sizeof(text) - 1, &e);
	struct jw w;

	(void)unused;
	assert_non_null(v);
	jw_start(&w, arena, 0);
	jw_json(&w, NULL, v);
	assert_string_equal(jw_text(&w, NULL), text);
	json_decref(v);
}

static void
numbers_read_back_exactly(void **unused)
{
	static const double values[] = { 0.1, 1.0 / 3, 1e-300, 123456789012345678, 5e-324,
		1.7976931348623157e308, -0.0, 2.5 };

	(void)unused;
	setlocale(LC_ALL, "de_DE.UTF-8");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct jw w;
		json_t *v;
		size_t n;

		jw_start(&w, arena, 0);
		jw_num(&w, NULL, values[i]);
		v = json_read(jw_text(&w, &n), w.n, &e);
		assert_non_null(v);
		assert_true(json_number_value(v) == values[i]);
		json_decref(v);
	}
	setlocale(LC_ALL, "C");
}

/* Found by tests/fuzz/json.c: 2e2 came back as the integer 200. */
static void
a_whole_real_stays_a_real(void **unused)
{
	static const char *const texts[][2] = { { "-1111.0", "-1111.0" }, { "2e2", "200.0" },
		{ "-0.0", "-0.0" }, { "1e17", "1e+17" },
		{ "12345678901234567.0", "12345678901234568.0" }, { "-1111", "-1111" } };

	(void)unused;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *v = json_read(texts[i][0], strlen(texts[i][0]), &e), *again;
		struct jw w;

		jw_start(&w, arena, 0);
		jw_json(&w, NULL, v);
		assert_string_equal(jw_text(&w, NULL), texts[i][1]);
		again = json_read(w.p, w.n, &e);
		assert_non_null(again);
		assert_true(json_equal(v, again));
		json_decref(v);
		json_decref(again);
	}
}

static void
a_long_text_grows(void **unused)
{
	struct jw w;
	json_t *v;
	size_t n;

	(void)unused;
	jw_start(&w, arena, 10);
	jw_array(&w, NULL);
	for (int i = 0; i < 5000; i++)
		jw_int(&w, NULL, i);
	jw_close(&w, ']');
	v = json_read(jw_text(&w, &n), w.n, &e);
	assert_int_equal(json_array_size(v), 5000);
	json_decref(v);
}

#define J(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		J(whole_values_are_read),
		J(what_the_rfc_or_our_limits_forbid_is_refused),
		J(nesting_ends_at_32),
		J(an_error_says_where),
		J(the_items_of_a_page_are_told_one_by_one_until_it_is_enough),
		J(what_is_written_is_json),
		J(bytes_that_are_no_utf8_become_the_replacement_character),
		J(a_value_read_and_written_is_the_same_text),
		J(numbers_read_back_exactly),
		J(a_whole_real_stays_a_real),
		J(a_long_text_grows),
	};

	return TEST_RUN(tests);
}
