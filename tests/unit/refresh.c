/* refresh: the arithmetic of refresh tokens: derived, used once, repeated only by whoever used it.
 */
#include <sodium.h>
#include <string.h>
#include "auth/jwt/revoked.h"
#include "auth/jwt/session.h"
#include "base/time.h"
#include "harness/test.h"

#define NOW (INT64_C(1900000000) * SEC)

static const uint8_t secret[32] = "0123456789abcdef0123456789abcde";
static const char user[] = "018f0000-0000-7000-8000-000000000001";

static struct session_row
row_of(const struct session_token *t)
{
	struct session_row r = { .expires_us = NOW + SEC, .created_us = NOW - SEC, .version = 1 };

	memcpy(r.hash, t->hash, sizeof(r.hash));
	strcpy(r.family, "018f0000-0000-7000-8000-00000000000f");
	return r;
}

static void
a_token_is_43_characters_that_are_read_back_to_the_same_row(void **unused)
{
	struct session_token t, again;
	char family[UUID_LEN];

	(void)unused;
	session_first(secret, "op", user, &t, family);
	assert_int_equal(strlen(t.text), SESSION_TOKEN_LEN);
	assert_int_equal(strlen(t.hash), SESSION_HASH_LEN);
	assert_true(uuid_ok(t.row));
	assert_true(uuid_ok(family));
	assert_true(session_token_read(t.text, &again));
	assert_string_equal(t.hash, again.hash);
	assert_string_equal(t.row, again.row);
	assert_null(strstr(t.hash, t.text));
}

static void
what_we_never_made_is_not_read(void **unused)
{
	static const char *const bad[] = { "", "x", "AAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB" };
	struct session_token t;

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(session_token_read(bad[i], &t));
}

static void
the_same_operation_on_the_same_token_gives_the_same_successor_and_any_other_another(void **unused)
{
	struct session_token used, other, one, two, three, four, five;
	uint8_t secret2[32] = "another secret of 32 bytes here";
	char family[UUID_LEN], family2[UUID_LEN];

	(void)unused;
	session_first(secret, "login-1", user, &used, family);
	session_first(secret, "login-2", user, &other, family2);
	assert_string_not_equal(used.text, other.text);
	assert_string_not_equal(family, family2);
	session_next(secret, "op-1", &used, &one);
	session_next(secret, "op-1", &used, &two);
	session_next(secret, "op-2", &used, &three);
	session_next(secret, "op-1", &other, &four);
	session_next(secret2, "op-1", &used, &five);
	assert_string_equal(one.text, two.text);
	assert_string_not_equal(one.text, three.text);
	assert_string_not_equal(one.text, four.text);
	assert_string_not_equal(one.text, five.text);
	assert_string_not_equal(one.text, used.text);
}

/* "ab"+"c" and "a"+"bc" are different operations of different users. */
static void
parts_of_a_derivation_do_not_run_into_each_other(void **unused)
{
	struct session_token one, two;
	char family[UUID_LEN], family2[UUID_LEN];

	(void)unused;
	session_first(secret, "ab", "c", &one, family);
	session_first(secret, "a", "bc", &two, family2);
	assert_string_not_equal(one.text, two.text);
	assert_string_not_equal(family, family2);
}

static void
a_row_is_judged_by_hash_time_use_and_end_in_this_order(void **unused)
{
	struct session_token t, other;
	char family[UUID_LEN];
	struct session_row r;

	(void)unused;
	session_first(secret, "op", user, &t, family);
	session_first(secret, "op-2", user, &other, family);
	r = row_of(&t);
	assert_int_equal(session_judge(&r, &t, NOW), SESSION_ROTATE);
	assert_int_equal(session_judge(&r, &other, NOW), SESSION_UNKNOWN);
	assert_int_equal(session_judge(&r, &t, NOW + SEC), SESSION_EXPIRED);
	r.revoked = true;
	assert_int_equal(session_judge(&r, &t, NOW), SESSION_ENDED);
	r.used = true;
	assert_int_equal(session_judge(&r, &t, NOW), SESSION_ASK);
	r.revoked = false;
	assert_int_equal(session_judge(&r, &t, NOW), SESSION_ASK);
}

static void
a_used_token_is_a_repeat_only_while_the_successor_of_this_operation_is_live_and_young(void **unused)
{
	struct session_token t, n;
	char family[UUID_LEN];
	struct session_row used, next;

	(void)unused;
	session_first(secret, "login", user, &t, family);
	session_next(secret, "op", &t, &n);
	used = row_of(&t);
	next = row_of(&n);
	assert_false(session_is_repeat(&used, NULL, NOW));
	assert_true(session_is_repeat(&used, &next, NOW));
	assert_false(session_is_repeat(&used, &next, NOW + SESSION_REPEAT_US));
	next.used = true;
	assert_false(session_is_repeat(&used, &next, NOW));
	next.used = false;
	next.revoked = true;
	assert_false(session_is_repeat(&used, &next, NOW));
	next.revoked = false;
	strcpy(next.family, "018f0000-0000-7000-8000-0000000000ff");
	assert_false(session_is_repeat(&used, &next, NOW));
}

/* --- revoked sessions --- */

static void
a_revocation_counts_until_the_last_access_token_has_expired(void **unused)
{
	struct revoked r = { 0 };

	(void)unused;
	revoked_add(&r, user, 100);
	revoked_add(&r, user, 50); /* never shorter */
	revoked_add(&r, "018f0000-0000-7000-8000-000000000002", 70);
	assert_true(revoked_has(&r, user));
	assert_int_equal(revoked_count(&r), 2);
	revoked_expire(&r, 70);
	assert_true(revoked_has(&r, user));
	assert_false(revoked_has(&r, "018f0000-0000-7000-8000-000000000002"));
	revoked_clear(&r);
	assert_false(revoked_has(&r, user));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_token_is_43_characters_that_are_read_back_to_the_same_row),
		T(what_we_never_made_is_not_read),
		T(the_same_operation_on_the_same_token_gives_the_same_successor_and_any_other_another),
		T(parts_of_a_derivation_do_not_run_into_each_other),
		T(a_row_is_judged_by_hash_time_use_and_end_in_this_order),
		T(a_used_token_is_a_repeat_only_while_the_successor_of_this_operation_is_live_and_young),
		T(a_revocation_counts_until_the_last_access_token_has_expired),
	};

	return sodium_init() < 0 ? 1 : TEST_RUN(tests);
}
