/* What a form's token and a browser's cookie are good for: one browser, one log-in, one page, one flow,
 * for a while. */
#include <stdio.h>
#include <string.h>
#include "auth/oauth/cookie.h"
#include "auth/oauth/csrf.h"
#include "base/time.h"
#include "harness/test.h"

static const uint8_t key[STAMP_KEY] = "a key of the fleet, of 32 bytes";
static const uint8_t other_key[STAMP_KEY] = "a key of another, of 32 bytes..";
static const struct csrf mine = { "mark", "session", "consent", "flow" };
#define NOW (INT64_C(1900000000) * SEC)

static char *
token(const struct csrf *b)
{
	static char text[STAMP_LEN + 1];

	csrf_write(key, b, NOW, text);
	return text;
}

static void
a_token_is_good_for_what_it_was_made_for_and_for_an_hour(void **unused)
{
	(void)unused;
	assert_true(csrf_check(key, &mine, token(&mine), NOW));
	assert_true(csrf_check(key, &mine, token(&mine), NOW + CSRF_LIFE_US));
	assert_false(csrf_check(key, &mine, token(&mine), NOW + CSRF_LIFE_US + SEC));
}

static void
a_token_of_something_else_is_none(void **unused)
{
	static const struct csrf others[] = {
		{ "other", "session", "consent", "flow" },
		{ "mark", "other", "consent", "flow" },
		{ "mark", "session", "login", "flow" },
		{ "mark", "session", "consent", "other" },
		{ "mark", "", "sessionconsent", "flow" },
		{ "mark", "session", "consentflow", "" },
		{ "marks", "ession", "consent", "flow" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(csrf_check(key, &mine, token(&others[i]), NOW));
	assert_false(csrf_check(other_key, &mine, token(&mine), NOW));
}

static void
a_browser_without_a_mark_has_no_good_token(void **unused)
{
	static const struct csrf unmarked = { "", "", "login", "" };

	(void)unused;
	assert_false(csrf_check(key, &unmarked, token(&unmarked), NOW));
}

static void
every_changed_character_makes_a_token_bad(void **unused)
{
	char text[STAMP_LEN + 2];

	(void)unused;
	assert_false(csrf_check(key, &mine, NULL, NOW));
	assert_false(csrf_check(key, &mine, "", NOW));
	for (size_t i = 0; i < STAMP_LEN; i++) {
		(void)snprintf(text, sizeof(text), "%s", token(&mine));
		text[i] = text[i] == 'A' ? 'B' : 'A';
		assert_false(csrf_check(key, &mine, text, NOW));
	}
	(void)snprintf(text, sizeof(text), "%sA", token(&mine));
	assert_false(csrf_check(key, &mine, text, NOW));
	text[STAMP_LEN - 1] = '\0';
	assert_false(csrf_check(key, &mine, text, NOW));
}

static void
a_request_of_another_site_is_none_of_ours(void **unused)
{
	static const char here[] = "https://metafed.example";

	(void)unused;
	assert_true(csrf_from_here(NULL, NULL, here));
	assert_true(csrf_from_here("same-origin", here, here));
	assert_true(csrf_from_here("none", NULL, here));
	assert_true(csrf_from_here(NULL, here, here));
	assert_false(csrf_from_here("same-site", here, here));
	assert_false(csrf_from_here("cross-site", NULL, here));
	assert_false(csrf_from_here("", NULL, here));
	assert_false(csrf_from_here("same-origin", "https://metafed.example.evil", here));
	assert_false(csrf_from_here("same-origin", "http://metafed.example", here));
	assert_false(csrf_from_here(NULL, "null", here));
	assert_false(csrf_from_here(NULL, "", here));
}

static void
a_cookie_is_read_as_it_was_written_and_in_no_other_way(void **unused)
{
	struct cookie c = { .seen_us = NOW }, out;
	char text[COOKIE_LEN + 2], other[COOKIE_LEN + 1];

	(void)unused;
	memset(c.token, 'x', SESSION_TOKEN_LEN);
	cookie_write(key, &c, text);
	assert_int_equal(strlen(text), COOKIE_LEN);
	assert_true(cookie_read(key, text, &out));
	assert_string_equal(out.token, c.token);
	assert_int_equal(out.seen_us, NOW);
	assert_false(cookie_read(other_key, text, &out));
	for (size_t i = 0; i < COOKIE_LEN; i++) {
		memcpy(other, text, sizeof(other));
		other[i] = other[i] == 'A' ? 'B' : 'A';
		assert_false(cookie_read(key, other, &out));
	}
	text[COOKIE_LEN] = 'A';
	text[COOKIE_LEN + 1] = '\0';
	assert_false(cookie_read(key, text, &out));
	assert_false(cookie_read(key, "", &out));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_good_for_what_it_was_made_for_and_for_an_hour),
		cmocka_unit_test(a_token_of_something_else_is_none),
		cmocka_unit_test(a_browser_without_a_mark_has_no_good_token),
		cmocka_unit_test(every_changed_character_makes_a_token_bad),
		cmocka_unit_test(a_request_of_another_site_is_none_of_ours),
		cmocka_unit_test(a_cookie_is_read_as_it_was_written_and_in_no_other_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
