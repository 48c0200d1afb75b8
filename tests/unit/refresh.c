/* refresh: the arithmetic of refresh tokens: made by us, live once, repeated only for a moment. */
#include <sodium.h>
#include <string.h>
#include "auth/jwt/revoked.h"
#include "auth/jwt/session.h"
#include "base/str.h"
#include "base/time.h"
#include "harness/test.h"

#define NOW    (INT64_C(1900000000) * SEC)
#define REPEAT (15 * SEC)

static const uint8_t secret[32] = "0123456789abcdef0123456789abcde";
static const uint8_t secret2[32] = "another secret of 32 bytes here";
static const char user[] = "018f0000-0000-7000-8000-000000000001";
static const char session[] = "018f0000-0000-7000-8000-00000000000f";

static struct session_token
token(uint64_t number)
{
	struct session_token t = { .number = number };

	memcpy(t.id, session, sizeof(t.id));
	return t;
}

static struct session_row
row(uint64_t version)
{
	struct session_row r = {
		.version = version, .expires_us = NOW + 60 * SEC, .changed_us = NOW
	};

	memcpy(r.id, session, sizeof(r.id));
	return r;
}

static void
a_token_is_64_characters_that_are_read_back_to_the_same_session_and_number(void **unused)
{
	static const uint64_t numbers[] = { 1, 2, 255, 256, UINT64_C(1) << 40, UINT64_MAX };
	char text[SESSION_TOKEN_LEN + 1];
	struct session_token t, again;

	(void)unused;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		t = token(numbers[i]);
		session_token_write(secret, &t, text);
		assert_int_equal(strlen(text), SESSION_TOKEN_LEN);
		assert_true(session_token_read(secret, text, &again));
		assert_string_equal(again.id, session);
		assert_true(again.number == numbers[i]);
		assert_false(session_token_read(secret2, text, &again));
	}
}

/* Each bit of a token: another session, another number, another MAC. */
static void
a_token_that_was_changed_in_one_bit_is_not_read(void **unused)
{
	char text[SESSION_TOKEN_LEN + 1];
	uint8_t bytes[48];
	struct session_token t = token(7);
	size_t n;

	(void)unused;
	session_token_write(secret, &t, text);
	for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
		assert_true(str_unb64url(str_of(text), bytes, sizeof(bytes), &n));
		bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		char changed[SESSION_TOKEN_LEN + 1];

		str_b64url(bytes, sizeof(bytes), changed);
		assert_false(session_token_read(secret, changed, &t));
	}
}

static void
what_we_never_made_is_not_read(void **unused)
{
	static const char *const bad[] = { "", "x", "AAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };
	struct session_token t;

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(session_token_read(secret, bad[i], &t));
}

static void
the_same_operation_of_the_same_user_begins_the_same_session_and_any_other_another(void **unused)
{
	char one[UUID_LEN], two[UUID_LEN];

	(void)unused;
	session_id(secret, "op-1", user, one);
	assert_true(uuid_ok(one));
	session_id(secret, "op-1", user, two);
	assert_string_equal(one, two);
	session_id(secret, "op-2", user, two);
	assert_string_not_equal(one, two);
	session_id(secret, "op-1", session, two);
	assert_string_not_equal(one, two);
	session_id(secret2, "op-1", user, two);
	assert_string_not_equal(one, two);
	/* "ab"+"c" and "a"+"bc" are different operations of different users. */
	session_id(secret, "ab", "c", one);
	session_id(secret, "a", "bc", two);
	assert_string_not_equal(one, two);
}

static enum session_verdict
judged(uint64_t number, const struct session_row *r, int64_t now_us)
{
	struct session_token t = token(number);

	return session_judge(r, &t, REPEAT, now_us);
}

static void
the_number_that_the_row_has_is_live_until_the_session_ends(void **unused)
{
	struct session_row r = row(5);

	(void)unused;
	assert_int_equal(judged(5, &r, NOW), SESSION_LIVE);
	assert_int_equal(judged(5, &r, NOW + 59 * SEC), SESSION_LIVE);
	assert_int_equal(judged(5, &r, NOW + 60 * SEC), SESSION_ENDED);
	assert_int_equal(judged(4, &r, NOW + 60 * SEC), SESSION_ENDED); /* nothing left to end */
	assert_int_equal(judged(6, &r, NOW), SESSION_ENDED);            /* the store was restored */
}

static void
the_number_before_is_a_repeat_for_a_moment_and_reuse_after_it(void **unused)
{
	struct session_row r = row(5);

	(void)unused;
	assert_int_equal(judged(4, &r, NOW), SESSION_REPEAT);
	assert_int_equal(judged(4, &r, NOW + REPEAT - 1), SESSION_REPEAT);
	assert_int_equal(judged(4, &r, NOW + REPEAT), SESSION_REUSED);
}

/* The store's clock is a little ahead; then ours was set back. */
static void
a_clock_that_goes_back_holds_no_window_open(void **unused)
{
	struct session_row r = row(5);
	struct session_token t = token(4);

	(void)unused;
	assert_int_equal(judged(4, &r, NOW - SEC), SESSION_REPEAT);
	assert_int_equal(session_judge(&r, &t, 0, NOW - SEC), SESSION_REUSED);
	assert_int_equal(judged(4, &r, NOW - SESSION_CLOCKS_US), SESSION_REUSED);
	assert_int_equal(judged(4, &r, NOW - 7200 * SEC), SESSION_REUSED);
	assert_int_equal(judged(5, &r, NOW - 7200 * SEC), SESSION_LIVE);
}

static void
once_the_successor_was_used_too_it_is_reuse_at_once(void **unused)
{
	struct session_row r = row(5);

	(void)unused;
	assert_int_equal(judged(3, &r, NOW), SESSION_REUSED);
	assert_int_equal(judged(1, &r, NOW), SESSION_REUSED);
	assert_int_equal(judged(0, &r, NOW), SESSION_REUSED);
}

/* --- revoked sessions --- */

static void
revoke(struct revoked *r, const char *id, uint64_t below, int64_t forget_us)
{
	struct revocation v = { .below = below,
		.expires_us = 1 }; /* what the wall clock says is nothing */

	memcpy(v.id, id, sizeof(v.id));
	revoked_add(r, &v, forget_us);
}

static void
a_revocation_counts_until_the_last_access_token_has_expired(void **unused)
{
	struct revoked r = { 0 };

	(void)unused;
	revoke(&r, session, REVOKED_ALL, 100);
	revoke(&r, session, REVOKED_ALL, 50); /* never shorter */
	revoke(&r, "018f0000-0000-7000-8000-000000000002", REVOKED_ALL, 70);
	assert_true(revoked_has(&r, session, 0));
	assert_int_equal(revoked_count(&r), 2);
	revoked_expire(&r, 70);
	assert_true(revoked_has(&r, session, 0));
	assert_false(revoked_has(&r, "018f0000-0000-7000-8000-000000000002", 0));
	revoked_clear(&r);
	assert_false(revoked_has(&r, session, 0));
}

static void
of_a_user_the_tokens_from_before_his_newest_change_are_revoked(void **unused)
{
	struct revoked r = { 0 };

	(void)unused;
	revoke(&r, user, 5, 100);
	revoke(&r, user, 3, 100); /* an older one, read later */
	assert_true(revoked_has(&r, user, 4));
	assert_false(revoked_has(&r, user, 5));
	assert_false(revoked_has(&r, session, 0));
	assert_int_equal(revoked_count(&r), 1);
	revoked_clear(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_token_is_64_characters_that_are_read_back_to_the_same_session_and_number),
		T(a_token_that_was_changed_in_one_bit_is_not_read),
		T(what_we_never_made_is_not_read),
		T(the_same_operation_of_the_same_user_begins_the_same_session_and_any_other_another),
		T(the_number_that_the_row_has_is_live_until_the_session_ends),
		T(the_number_before_is_a_repeat_for_a_moment_and_reuse_after_it),
		T(a_clock_that_goes_back_holds_no_window_open),
		T(once_the_successor_was_used_too_it_is_reuse_at_once),
		T(a_revocation_counts_until_the_last_access_token_has_expired),
		T(of_a_user_the_tokens_from_before_his_newest_change_are_revoked),
	};

	return sodium_init() < 0 ? 1 : TEST_RUN(tests);
}
