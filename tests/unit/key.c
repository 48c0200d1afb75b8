/* key: the header, the row and the fingerprint of a request with an Idempotency-Key. */
#include <stdlib.h>
#include <string.h>
#include "api/rest/idempotency.h"
#include "base/id.h"
#include "harness/test.h"

#define BODY "{\"title\":\"x\",\"labels\":{\"a\":\"1\",\"b\":\"2\"}}"

TEST_ARENA(a, 1 << 20)

static void
a_key_is_a_string_of_a_structured_field(void **unused)
{
	static const char *const good[][2] = {
		{ "\"k\"", "k" },
		{ "  \"k\" ", "k" },
		{ "\"a b\"", "a b" },
		{ "\"a\\\"b\\\\\"", "a\"b\\" },
		{ "\"k\";a;b=1;*c=\"x;y\"; d=?0;e=:aGk=:;f=tok/en", "k" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const char *key = key_read(a, good[i][0]);

		if (key == NULL || strcmp(key, good[i][1]) != 0)
			fail_msg("%s: %s", good[i][0], key == NULL ? "none" : key);
	}
}

static void
anything_else_is_none(void **unused)
{
	static const char *const bad[] = { "", " ", "k", "'k'", "\"\"", "\"k", "k\"", "\"k\"x",
		"\"k\" x", "\"k\", \"l\"", "\"k\\n\"", "\"k\\", "\"\t\"", "\"\x7f\"",
		"\"\xc3\xbc\"", "\"k\";", "\"k\";A", "\"k\";a=", "\"k\";a=\"", "\"k\" ;a",
		"\"k\";a=1.", "\"k\";a=-", "\"k\";a=:a:", "7", "?1", "(\"k\")", ":aGk=:" };

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (key_read(a, bad[i]) != NULL)
			fail_msg("%s is taken", bad[i]);
}

static void
a_key_has_at_most_255_characters(void **unused)
{
	char text[KEY_MOST + 4];

	(void)unused;
	memset(text, 'k', sizeof(text));
	text[0] = text[KEY_MOST + 1] = '"';
	text[KEY_MOST + 2] = '\0';
	assert_non_null(key_read(a, text));
	text[KEY_MOST + 1] = 'k';
	text[KEY_MOST + 2] = '"';
	text[KEY_MOST + 3] = '\0';
	assert_null(key_read(a, text));
}

static void
a_row_is_of_its_principal_and_its_key(void **unused)
{
	char one[UUID_LEN], again[UUID_LEN], other[UUID_LEN], shifted[UUID_LEN];

	(void)unused;
	key_row("vera", "k", one);
	key_row("vera", "k", again);
	key_row("ina", "k", other);
	key_row("ver", "ak", shifted);
	assert_true(uuid_ok(one));
	assert_string_equal(one, again);
	assert_string_not_equal(one, other);
	assert_string_not_equal(one, shifted);
}

static const char *
fingerprint(
    const char *method, const char *path, const char *query, const char *body, const char *if_match)
{
	Mf__HttpRequest q = MF__HTTP_REQUEST__INIT;
	char *out = arena_alloc(a, FINGERPRINT_LEN);
	struct json_error e;
	json_t *v = body == NULL ? NULL : json_read(body, strlen(body), &e);

	q.method = (char *)(uintptr_t)method;
	q.path = (char *)(uintptr_t)path;
	q.query = (char *)(uintptr_t)query;
	key_fingerprint(&q, v, if_match, out);
	json_decref(v);
	return out;
}

static void
a_fingerprint_is_of_what_is_asked_not_of_how_it_is_written(void **unused)
{
	const char *one = fingerprint("POST", "/v1/tasks", "", BODY, "");

	(void)unused;
	assert_string_equal(
	    one, fingerprint("POST", "/v1/tasks", "",
		     " { \"labels\":{\"b\":\"2\" ,\"a\":\"1\"},\"title\":\"\\u0078\"}", ""));
	assert_string_not_equal(one, fingerprint("PATCH", "/v1/tasks", "", BODY, ""));
	assert_string_not_equal(one, fingerprint("POST", "/v1/users", "", BODY, ""));
	assert_string_not_equal(one, fingerprint("POST", "/v1/tasks", "a=1", BODY, ""));
	assert_string_not_equal(one, fingerprint("POST", "/v1/tasks", "", BODY, "\"1\""));
	assert_string_not_equal(one, fingerprint("POST", "/v1/tasks", "", "{\"title\":\"y\"}", ""));
	assert_string_not_equal(one, fingerprint("POST", "/v1/tasks", "", NULL, ""));
}

static void
a_password_is_not_in_the_fingerprint(void **unused)
{
	(void)unused;
	assert_string_equal(fingerprint("POST", "/v1/users", "",
				"{\"username\":\"v\",\"password\":\"secret\"}", ""),
	    fingerprint(
		"POST", "/v1/users", "", "{\"username\":\"v\",\"password\":\"other\"}", ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TA(a_key_is_a_string_of_a_structured_field),
		TA(anything_else_is_none),
		TA(a_key_has_at_most_255_characters),
		TA(a_row_is_of_its_principal_and_its_key),
		TA(a_fingerprint_is_of_what_is_asked_not_of_how_it_is_written),
		TA(a_password_is_not_in_the_fingerprint),
	};

	return TEST_RUN(tests);
}
