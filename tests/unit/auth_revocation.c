/* jwt, oauth: what one of them has revoked the other refuses, though no event reaches it: on this bed
 * none does. Silence is never taken for an answer. */
#include <string.h>
#include "auth/jwt/confirm.h"
#include "base/id.h"
#include "base/time.h"
#include "harness/authbed.h"

static bool
is_refused(const char *token)
{
	struct attempt o = try_check(token, "task.read");

	return o.status == ST_UNAUTHENTICATED && strcmp(o.reason, "TOKEN_INVALID") == 0;
}

static struct attempt
log_in(void)
{
	struct attempt o = try_login("admin", authbed.admin_password);

	assert_int_equal(o.status, ST_OK);
	return o;
}

/* Both have looked at each other: what follows is no first contact. */
static void
settle(const char *token)
{
	assert_int_equal(try_check(token, "task.read").status, ST_OK);
	authbed.jwt.down = true;
	assert_int_equal(try_check(token, "task.read").status, ST_OK);
	authbed.jwt.down = false;
	assert_int_equal(try_check(token, "task.read").status, ST_OK);
}

static void
a_log_out_at_jwt_is_known_to_oauth_without_an_event(void **unused)
{
	struct attempt o = log_in(), other = log_in();

	(void)unused;
	settle(o.access);
	assert_int_equal(try_logout(o.refresh).status, ST_OK);
	authbed.jwt.verifies_nothing = true; /* and answers its peer */
	assert_true(is_refused(o.access));
	assert_int_equal(try_check(other.access, "task.read").status, ST_OK);
}

static void
a_log_out_at_oauth_is_known_to_jwt_when_it_is_back(void **unused)
{
	struct attempt o = log_in();

	(void)unused;
	settle(o.access);
	authbed.jwt.down = true;
	assert_int_equal(try_logout(o.refresh).status, ST_OK);
	assert_true(is_refused(o.access));
	authbed.jwt.down = false;
	authbed.oauth.verifies_nothing = true;
	assert_true(is_refused(o.access));
}

static void
where_the_peer_is_silent_the_store_is_asked(void **unused)
{
	struct attempt o = log_in(), other = log_in();

	(void)unused;
	settle(o.access);
	assert_int_equal(try_logout(o.refresh).status, ST_OK);
	authbed.jwt.down = true;
	assert_true(is_refused(o.access));
	assert_int_equal(try_check(other.access, "task.read").status, ST_OK);
}

static void
where_peer_and_store_are_silent_nothing_is_decided(void **unused)
{
	struct attempt o = log_in(), check;

	(void)unused;
	settle(o.access);
	log_set_level(LOG_ERROR);
	authbed.jwt.down = true;
	authbed.db.down = true;
	authbed_pass(600 * MS); /* what was confirmed before is too old */
	check = try_check(o.access, "task.read");
	REFUSED(check, ST_UNAVAILABLE, "REVOCATIONS_UNKNOWN");
	assert_true(check.retry_ms >= 500); /* nobody on the way tries again until the deadline */
	authbed.db.down = false;
	for (int i = 0; i < 50 && try_check(o.access, "task.read").status != ST_OK; i++)
		authbed_pass(100 * MS); /* breakers have opened */
	assert_int_equal(try_check(o.access, "task.read").status, ST_OK);
	log_set_level(LOG_INFO);
}

static void
while_the_peer_answers_the_database_is_not_missed(void **unused)
{
	struct attempt o = log_in();

	(void)unused;
	settle(o.access);
	log_set_level(LOG_ERROR);
	authbed.db.down = true;
	for (int i = 0; i < 3; i++) {
		authbed_pass(300 * MS);
		assert_int_equal(try_check(o.access, "task.read").status, ST_OK);
	}
	authbed.db.down = false;
	log_set_level(LOG_INFO);
}

/* More revocations than the other keeps for us, or a life of it that we don't know: the store. */
static void
who_has_missed_too_much_reads_what_is_stored(void **unused)
{
	struct attempt o = log_in(), other = log_in();
	struct revocation v = { .below = REVOKED_ALL, .expires_us = time_wall_us() + 60 * SEC };

	(void)unused;
	settle(o.access);
	assert_int_equal(try_logout(o.refresh).status, ST_OK);
	for (int i = 0; i < 1100; i++) {
		uuid7(v.id);
		confirm_note(&authbed.jwt.tokens, &v);
	}
	authbed.jwt.verifies_nothing = true;
	assert_true(is_refused(o.access));
	assert_int_equal(try_check(other.access, "task.read").status, ST_OK);
}

static void
nobody_asks_anybody_while_nothing_is_verified(void **unused)
{
	struct attempt o = log_in();
	unsigned calls, reads;

	(void)unused;
	settle(o.access);
	authbed_pass(50 * MS);
	calls = authbed.jwt.calls + authbed.oauth.calls;
	reads = authbed.db.reads;
	authbed_pass(1500 * MS);
	assert_int_equal(authbed.jwt.calls + authbed.oauth.calls, calls);
	assert_int_equal(authbed.db.reads, reads);
}

/* Revocations are kept for the life that tokens have: none outlives them because it was longer once. */
static void
what_was_issued_for_longer_counts_no_longer_than_what_is_issued_now(void **unused)
{
	struct attempt o = log_in();

	(void)unused;
	settle(o.access);
	authbed.jwt_config.access_ttl_us = 1; /* less than its age */
	REFUSED(try_check(o.access, "task.read"), ST_UNAUTHENTICATED, "TOKEN_EXPIRED");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BED(a_log_out_at_jwt_is_known_to_oauth_without_an_event),
		BED(a_log_out_at_oauth_is_known_to_jwt_when_it_is_back),
		BED(where_the_peer_is_silent_the_store_is_asked),
		BED(where_peer_and_store_are_silent_nothing_is_decided),
		BED(while_the_peer_answers_the_database_is_not_missed),
		BED(who_has_missed_too_much_reads_what_is_stored),
		BED(nobody_asks_anybody_while_nothing_is_verified),
		BED(what_was_issued_for_longer_counts_no_longer_than_what_is_issued_now),
	};

	return TEST_RUN(tests);
}
