/* api_key: its text, and what is none. */
#include <sodium.h>
#include <string.h>
#include "auth/jwt/api_key.h"
#include "auth/jwt/tries.h"
#include "harness/test.h"

static const struct api_key key = { "018f0000-0000-7000-8000-0000000000aa",
	"the secret of thirty-two bytes.." };

static void
a_key_reads_back_as_it_was_written(void **unused)
{
	char text[API_KEY_LEN], a[API_KEY_HASH_LEN], b[API_KEY_HASH_LEN];
	struct api_key out;

	(void)unused;
	api_key_write(&key, text);
	assert_int_equal(strlen(text), API_KEY_LEN - 1);
	assert_memory_equal(text, "mfk_", 4);
	assert_true(api_key_read(text, &out));
	assert_string_equal(out.id, key.id);
	assert_memory_equal(out.secret, key.secret, sizeof(key.secret));
	api_key_hash(&key, a);
	api_key_hash(&out, b);
	assert_string_equal(a, b);
	out.secret[31] ^= 1;
	api_key_hash(&out, b);
	assert_string_not_equal(a, b);
}

static void
a_mistyped_key_is_known_without_asking_anybody(void **unused)
{
	char text[API_KEY_LEN + 1];
	struct api_key out;

	(void)unused;
	api_key_write(&key, text);
	for (size_t i = 0; i < API_KEY_LEN - 1; i++) {
		char was = text[i];

		text[i] = (char)(was == 'A' ? 'B' : 'A');
		assert_false(api_key_read(text, &out));
		text[i] = was;
	}
	assert_true(api_key_read(text, &out));
	text[API_KEY_LEN - 1] = 'A';
	text[API_KEY_LEN] = '\0';
	assert_false(api_key_read(text, &out));
	text[API_KEY_LEN - 2] = '\0';
	assert_false(api_key_read(text, &out));
	assert_false(api_key_read("", &out));
	assert_false(api_key_read("mfk_", &out));
}

static void
who_fails_too_often_waits_and_nobody_else_does(void **unused)
{
	struct tries *t = tries_new(3, 1000);

	(void)unused;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(tries_wait(t, "a", 5000), 0);
		tries_failed(t, "a", 5000);
	}
	assert_int_equal(tries_wait(t, "a", 5000), 1000);
	assert_int_equal(tries_wait(t, "b", 5000), 0);
	assert_int_equal(tries_wait(t, "a", 5999), 1);
	assert_int_equal(tries_wait(t, "a", 6000), 0);
	tries_failed(t, "a", 6000);
	assert_int_equal(tries_wait(t, "a", 6000), 1000);
	assert_int_equal(tries_wait(t, "a", 1000000), 0);
	tries_free(&t);
	assert_null(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_reads_back_as_it_was_written),
		cmocka_unit_test(a_mistyped_key_is_known_without_asking_anybody),
		cmocka_unit_test(who_fails_too_often_waits_and_nobody_else_does),
	};

	return sodium_init() < 0 ? 1 : TEST_RUN(tests);
}
