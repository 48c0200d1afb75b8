/* auth: refresh and log-out over the whole domain. */
#include <string.h>
#include "base/time.h"
#include "harness/authbed.h"

static void
a_refresh_gives_a_new_pair_and_uses_the_old_token_up(void **unused)
{
	struct attempt one = try_login("admin", authbed.admin_password),
		       two = try_refresh(one.refresh, NULL), three;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	assert_int_equal(two.status, ST_OK);
	assert_string_not_equal(one.refresh, two.refresh);
	assert_int_equal(try_check(two.access, "task.read").status, ST_OK);
	three = try_refresh(one.refresh, NULL);
	REFUSED(three, ST_UNAUTHENTICATED, "REFRESH_REUSED");
}

static void
a_reused_token_ends_the_whole_session_and_no_other(void **unused)
{
	struct attempt one = try_login("admin", authbed.admin_password),
		       other = try_login("admin", authbed.admin_password);
	struct attempt two = try_refresh(one.refresh, NULL);
	uint64_t before = authbed.auth.sequence;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	REFUSED(try_refresh(one.refresh, NULL), ST_UNAUTHENTICATED, "REFRESH_REUSED");
	assert_true(authbed.auth.sequence > before);
	REFUSED(try_refresh(two.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_check(two.access, "task.read"), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_check(one.access, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	assert_int_equal(try_check(other.access, "task.read").status, ST_OK);
	assert_int_equal(try_refresh(other.refresh, NULL).status, ST_OK);
}

static void
a_refresh_whose_answer_was_lost_is_repeated_and_gives_the_same_pair(void **unused)
{
	struct attempt one = try_login("admin", authbed.admin_password), two, again;

	(void)unused;
	authbed.db.lose_answers = 1;
	two = try_refresh(one.refresh, "op-7"); /* the bus tries again below */
	assert_int_equal(two.status, ST_OK);
	again = try_refresh(one.refresh, "op-7"); /* and so does somebody further out */
	assert_int_equal(again.status, ST_OK);
	assert_string_equal(two.refresh, again.refresh);
	assert_int_equal(memdb_count(&authbed.db, "refresh_token"), 2);
	assert_int_equal(try_refresh(two.refresh, "op-8").status, ST_OK);
}

static void
a_repeat_on_the_stand_in_gives_the_same_pair(void **unused)
{
	struct attempt one = try_login("admin", authbed.admin_password),
		       two = try_refresh(one.refresh, "op-7"), again;

	(void)unused;
	authbed.jwt.down = true;
	again = try_refresh(one.refresh, "op-7");
	assert_int_equal(again.status, ST_OK);
	assert_string_equal(two.refresh, again.refresh);
}

static void
refresh_meanwhile(struct memdb *m)
{
	const char *id;
	json_t *row;

	(void)m;
	/* Somebody else's transaction commits just before ours. */
	json_object_foreach(json_object_get(authbed.db.rows, "refresh_token"), id,
	    row) if (json_is_false(json_object_get(row, "revoked")))
	{
		json_object_set_new(row, "used_at", json_string("2026-01-01T00:00:00Z"));
		json_object_set_new(row, "revoked", json_true());
		json_object_set_new(row, "version", json_integer(2));
	}
}

static void
of_two_refreshes_at_once_the_slower_one_is_reuse(void **unused)
{
	struct attempt one = try_login("admin", authbed.admin_password);

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	authbed.db.before_write = refresh_meanwhile;
	REFUSED(try_refresh(one.refresh, "slower"), ST_UNAUTHENTICATED, "REFRESH_REUSED");
	REFUSED(try_check(one.access, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
}

static void
a_disabled_user_and_rubbish_cannot_refresh(void **unused)
{
	struct attempt one = try_login("admin", authbed.admin_password);

	(void)unused;
	REFUSED(try_refresh("rubbish", NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_refresh("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NULL),
	    ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_refresh(one.access, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	json_object_set_new(user_named("admin"), "disabled", json_true());
	REFUSED(try_refresh(one.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
}

static void
without_rbac_a_refresh_is_unavailable_and_the_token_is_not_used_up(void **unused)
{
	struct attempt one = try_login("admin", authbed.admin_password);

	(void)unused;
	authbed.rbac.down = true;
	assert_int_equal(try_refresh(one.refresh, NULL).status, ST_UNAVAILABLE);
	authbed.rbac.down = false;
	assert_int_equal(try_refresh(one.refresh, NULL).status, ST_OK);
}

static void
after_a_log_out_neither_token_counts_and_the_sequence_has_moved(void **unused)
{
	struct attempt one = try_login("admin", authbed.admin_password),
		       seen = try_check(one.access, "task.read");

	(void)unused;
	assert_int_equal(seen.status, ST_OK);
	assert_true(seen.epoch == authbed.auth.epoch && seen.sequence == authbed.auth.sequence);
	assert_int_equal(try_logout(one.refresh).status, ST_OK);
	assert_true(authbed.auth.sequence > seen.sequence);
	REFUSED(try_check(one.access, "task.read"), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_refresh(one.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	assert_int_equal(try_logout(one.refresh).status, ST_OK); /* again: fine */
	assert_int_equal(try_logout("rubbish").status, ST_OK);
}

static void
a_log_out_that_could_not_be_stored_says_so_and_can_be_repeated(void **unused)
{
	struct attempt one = try_login("admin", authbed.admin_password);

	(void)unused;
	authbed.db.down = true;
	assert_int_equal(try_logout(one.refresh).status, ST_UNAVAILABLE);
	authbed.db.down = false;
	assert_int_equal(try_logout(one.refresh).status, ST_OK);
	REFUSED(try_check(one.access, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BED(a_refresh_gives_a_new_pair_and_uses_the_old_token_up),
		BED(a_reused_token_ends_the_whole_session_and_no_other),
		BED(a_refresh_whose_answer_was_lost_is_repeated_and_gives_the_same_pair),
		BED(a_repeat_on_the_stand_in_gives_the_same_pair),
		BED(of_two_refreshes_at_once_the_slower_one_is_reuse),
		BED(a_disabled_user_and_rubbish_cannot_refresh),
		BED(without_rbac_a_refresh_is_unavailable_and_the_token_is_not_used_up),
		BED(after_a_log_out_neither_token_counts_and_the_sequence_has_moved),
		BED(a_log_out_that_could_not_be_stored_says_so_and_can_be_repeated),
	};

	return TEST_RUN(tests);
}
