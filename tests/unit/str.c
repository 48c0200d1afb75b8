/* str: every parser takes the whole text or nothing. */
#include <locale.h>
#include <string.h>
#include "base/str.h"
#include "harness/test.h"

static void
numbers_are_digits_only_and_within_bounds(void **unused)
{
	uint64_t u = 42;
	int64_t i = 42;

	(void)unused;
	assert_true(str_u64(STR("0"), 10, &u) && u == 0);
	assert_true(str_u64(STR("18446744073709551615"), UINT64_MAX, &u) && u == UINT64_MAX);
	assert_false(str_u64(STR("18446744073709551616"), UINT64_MAX, &u));
	assert_false(str_u64(STR("11"), 10, &u));
	assert_false(str_u64(STR(""), 10, &u));
	assert_false(str_u64(STR(" 1"), 10, &u));
	assert_false(str_u64(STR("+1"), 10, &u));
	assert_false(str_u64(STR("1a"), 10, &u));
	assert_true(
	    str_i64(STR("-9223372036854775808"), INT64_MIN, INT64_MAX, &i) && i == INT64_MIN);
	assert_true(
	    str_i64(STR("9223372036854775807"), INT64_MIN, INT64_MAX, &i) && i == INT64_MAX);
	assert_false(str_i64(STR("9223372036854775808"), INT64_MIN, INT64_MAX, &i));
	assert_false(str_i64(STR("-9223372036854775809"), INT64_MIN, INT64_MAX, &i));
	assert_false(str_i64(STR("-"), INT64_MIN, INT64_MAX, &i));
	assert_false(str_i64(STR("--1"), INT64_MIN, INT64_MAX, &i));
	assert_false(str_i64(STR("-6"), -5, 5, &i));
}

static void
a_double_has_a_point_whatever_the_locale(void **unused)
{
	double d;

	(void)unused;
	setlocale(LC_ALL, "de_DE.UTF-8");
	assert_true(str_double(STR("0.5"), &d) && d == 0.5);
	assert_true(str_double(STR("-1e3"), &d) && d == -1000);
	assert_false(str_double(STR("0,5"), &d));
	assert_false(str_double(STR("nan"), &d));
	assert_false(str_double(STR("1e999"), &d));
	assert_false(str_double(STR("0x10"), &d));
	assert_false(str_double(STR("1 "), &d));
	assert_false(str_double(STR(""), &d));
	setlocale(LC_ALL, "C");
}

static void
truth_has_eight_words(void **unused)
{
	bool b;

	(void)unused;
	assert_true(str_bool(STR("on"), &b) && b);
	assert_true(str_bool(STR("0"), &b) && !b);
	assert_false(str_bool(STR("True"), &b));
	assert_false(str_bool(STR(""), &b));
}

static void
text_is_cut_at_the_first_mark(void **unused)
{
	struct str head, tail;

	(void)unused;
	assert_true(str_cut(STR("a=b=c"), '=', &head, &tail));
	assert_true(str_eq(head, "a") && str_eq(tail, "b=c"));
	assert_false(str_cut(STR("abc"), '=', &head, &tail));
	assert_true(str_eq(head, "abc") && tail.n == 0);
	assert_false(str_cut((struct str){ NULL, 0 }, '=', &head, &tail));
	assert_true(str_eq(str_trim(STR(" \t x y \t")), "x y"));
	assert_int_equal(str_trim(STR(" \t ")).n, 0);
	assert_true(str_starts("abcdef", "abc") && !str_starts("ab", "abc"));
}

static void
utf8_takes_no_overlong_form_and_no_surrogate(void **unused)
{
	static const char *const good[] = { "", "abc", "\xc3\xa4", "\xe2\x82\xac",
		"\xf0\x9f\x98\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf",
		"\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
		"a\xe2\x82", "\xc3", "\xe2\x28\xa1" };

	(void)unused;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(str_utf8_ok(good[i], strlen(good[i])));
	assert_int_equal(str_characters(STR("")), 0);
	assert_int_equal(str_characters(STR("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")), 4);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(str_utf8_ok(bad[i], strlen(bad[i])));
}

static void
a_bad_percent_escape_and_a_nul_are_refused(void **unused)
{
	struct arena *a = arena_new(1 << 16);
	size_t n;

	(void)unused;
	assert_string_equal(
	    str_percent_decode(a, STR("a%20b%C3%a4+c"), false, &n), "a b\xc3\xa4+c");
	assert_int_equal(n, 7);
	assert_string_equal(str_percent_decode(a, STR("a+b"), true, NULL), "a b");
	assert_string_equal(str_percent_decode(a, STR(""), true, NULL), "");
	assert_null(str_percent_decode(a, STR("%"), false, &n));
	assert_null(str_percent_decode(a, STR("%4"), false, &n));
	assert_null(str_percent_decode(a, STR("%4g"), false, &n));
	assert_null(str_percent_decode(a, STR("a%00b"), false, &n));
	arena_free(&a);
}

static void
tokens_are_those_of_http(void **unused)
{
	(void)unused;
	assert_true(str_token_ok(STR("Content-Type")));
	assert_true(str_token_ok(STR("!#$%&'*+-.^_`|~09azAZ")));
	assert_false(str_token_ok(STR("")));
	assert_false(str_token_ok(STR("a b")));
	assert_false(str_token_ok(STR("a:")));
	assert_false(str_token_ok(STR("a\0b")));
	assert_false(str_token_ok(STR("\xc3\xa4")));
}

static void
hex_and_base64url_come_back_as_they_were(void **unused)
{
	uint8_t bytes[64], back[64];
	char text[200];
	size_t n;

	(void)unused;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 37 + 11);
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		assert_int_equal(str_hex(bytes, len, text), 2 * len);
		assert_true(str_unhex(str_of(text), back, len));
		assert_memory_equal(back, bytes, len);
		assert_int_equal(str_b64url(bytes, len, text), str_b64url_len(len));
		assert_int_equal(strlen(text), str_b64url_len(len));
		assert_true(str_unb64url(str_of(text), back, sizeof(back), &n));
		assert_int_equal(n, len);
		assert_memory_equal(back, bytes, len);
	}
	str_b64url("f", 1, text);
	assert_string_equal(text, "Zg");
	str_b64url("\xfb\xff", 2, text);
	assert_string_equal(text, "-_8");
}

static void
base64url_has_one_spelling_for_each_text(void **unused)
{
	uint8_t out[8];
	size_t n;

	(void)unused;
	assert_true(str_unb64url(STR("Zg"), out, sizeof(out), &n));
	assert_false(str_unb64url(STR("Zh"), out, sizeof(out), &n)); /* spare bits */
	assert_false(str_unb64url(STR("Zg=="), out, sizeof(out), &n));
	assert_false(str_unb64url(STR("Z"), out, sizeof(out), &n));
	assert_false(str_unb64url(STR("+/+/"), out, sizeof(out), &n));
	assert_false(str_unb64url(STR("Zm 9"), out, sizeof(out), &n));
	assert_false(str_unb64url(STR("Zm9v"), out, 2, &n)); /* no room */
	assert_false(str_unhex(STR("abc"), out, 1));
	assert_false(str_unhex(STR("0g"), out, 1));
	assert_false(str_unhex(STR("0011"), out, 1));
}

static void
a_buffer_grows_and_stays_a_c_string(void **unused)
{
	struct buf b = { 0 };

	(void)unused;
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%03d,", i);
	buf_puts(&b, "end");
	buf_add(&b, "", 0);
	assert_int_equal(b.n, 4003);
	assert_string_equal(b.p + 3996, "999,end");
	buf_free(&b);
	assert_null(b.p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(numbers_are_digits_only_and_within_bounds),
		T(a_double_has_a_point_whatever_the_locale),
		T(truth_has_eight_words),
		T(text_is_cut_at_the_first_mark),
		T(utf8_takes_no_overlong_form_and_no_surrogate),
		T(a_bad_percent_escape_and_a_nul_are_refused),
		T(tokens_are_those_of_http),
		T(hex_and_base64url_come_back_as_they_were),
		T(base64url_has_one_spelling_for_each_text),
		T(a_buffer_grows_and_stays_a_c_string),
	};

	return TEST_RUN(tests);
}
