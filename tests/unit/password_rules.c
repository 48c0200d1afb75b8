/* password_rules: what is refused as a new password, and with which words. */
#include <string.h>
#include "auth/jwt/common_passwords.h"
#include "auth/jwt/password.h"
#include "auth/jwt/password_rules.h"
#include "harness/test.h"

static const char *
refused(const char *password)
{
	static char text[100];

	return password_refused(password, 10, "vera", text, sizeof(text));
}

static void
length_counts_characters_and_not_bytes(void **unused)
{
	char longest[PASSWORD_MAX + 2];

	(void)unused;
	assert_string_equal(refused("nine-char"), "must have 10 characters or more");
	assert_string_equal(refused("zwölf für"), "must have 10 characters or more");
	assert_null(refused("zwölf für 4"));
	assert_null(refused("пароль-никто"));
	assert_null(refused("🐎🔋📎🐴🧷🪝🧲🪜🧯🪤"));
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "nobody has ", 11);
	longest[PASSWORD_MAX + 1] = '\0';
	assert_string_equal(refused(longest), "must have at most 1024 bytes");
	longest[PASSWORD_MAX] = '\0';
	assert_null(refused(longest));
	assert_string_equal(refused("not \xff UTF-8 at all"), "must be UTF-8");
}

static void
nothing_is_asked_of_its_composition(void **unused)
{
	(void)unused;
	assert_null(refused("correct horse battery staple"));
	assert_null(refused("blue yellow"));
	assert_null(refused("BLUE YELLOW"));
	assert_null(refused("8406297715"));
}

static void
what_many_people_have_is_refused_in_any_case_doubled_or_decorated(void **unused)
{
	static const char *const common[] = { "1234567890", "qwertyuiop", "QwertyUiop",
		"password123", "Password2024!", "iloveyou99", "monkeymonkey", "Dragondragon",
		"!!sunshine!!", "1979princess", "metafed2026" };

	(void)unused;
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		assert_non_null(refused(common[i]));
	assert_null(refused("monkey in the rain"));
	assert_null(refused("passwordless chairs"));
}

static void
repetitions_and_runs_are_refused(void **unused)
{
	(void)unused;
	assert_string_equal(refused("zzzzzzzzzzzz"), "repeats the same few characters");
	assert_string_equal(refused("ababababababa"), "repeats the same few characters");
	assert_string_equal(refused("xyzxyzxyzxyz"), "repeats the same few characters");
	assert_string_equal(refused("ééééééééééé"), "repeats the same few characters");
	assert_string_equal(refused("abcdefghijkl"), "is a plain sequence of characters");
	assert_string_equal(refused("9876543210987"), "is a plain sequence of characters");
	assert_string_equal(refused("абвгдежзий"), "is a plain sequence of characters");
	assert_null(refused("abcdefghijkx"));
}

static void
the_user_s_name_must_not_be_in_it_unless_it_is_too_short_to_mean_anything(void **unused)
{
	char text[100];

	(void)unused;
	assert_string_equal(refused("for Vera only!"), "must not contain the user name");
	assert_null(password_refused("for Vera only!", 10, "er", text, sizeof(text)));
	assert_null(password_refused("for Vera only!", 10, NULL, text, sizeof(text)));
}

static void
the_list_is_sorted_and_each_word_is_found_in_it(void **unused)
{
	char text[100];

	(void)unused;
	assert_true(common_passwords_n > 3000);
	for (size_t i = 0; i < common_passwords_n; i++) {
		assert_true(i == 0 || strcmp(common_passwords[i - 1], common_passwords[i]) < 0);
		assert_non_null(password_refused(common_passwords[i], 1, NULL, text, sizeof(text)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(length_counts_characters_and_not_bytes),
		cmocka_unit_test(nothing_is_asked_of_its_composition),
		cmocka_unit_test(what_many_people_have_is_refused_in_any_case_doubled_or_decorated),
		cmocka_unit_test(repetitions_and_runs_are_refused),
		cmocka_unit_test(
		    the_user_s_name_must_not_be_in_it_unless_it_is_too_short_to_mean_anything),
		cmocka_unit_test(the_list_is_sorted_and_each_word_is_found_in_it),
	};

	return TEST_RUN(tests);
}
