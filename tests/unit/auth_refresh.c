/* auth: refresh and log-out over the whole domain. */
#include <string.h>
#include "base/time.h"
#include "harness/authbed.h"

/* The session of a test that has one: its row. */
static json_t *
session_row(void)
{
	json_t *all = json_object_get(authbed.db.rows, "session");

	assert_int_equal(json_object_size(all), 1);
	return json_object_iter_value(json_object_iter(all));
}

/* So long ago was it refreshed. */
static void
session_age(int64_t us)
{
	char text[TIME_RFC3339_LEN];

	time_rfc3339(time_wall_us() - us, text);
	json_object_set_new(session_row(), "updated_at", json_string(text));
}

static void
a_refresh_gives_a_new_pair_and_uses_the_old_token_up(void **unused)
{
	struct attempt one = try_login("admin", authbed.admin_password),
		       two = try_refresh(one.refresh, NULL);

	(void)unused;
	test_expect_log(LOG_WARN, 2); /* and auth is told */
	assert_int_equal(two.status, ST_OK);
	assert_string_not_equal(one.refresh, two.refresh);
	assert_int_equal(try_check(two.access, "task.read").status, ST_OK);
	session_age(15 * SEC);
	REFUSED(try_refresh(one.refresh, NULL), ST_UNAUTHENTICATED, "REFRESH_REUSED");
}

static void
a_reused_token_ends_the_whole_session_and_no_other(void **unused)
{
	struct attempt other = try_login("admin", authbed.admin_password);
	struct attempt one = try_login("admin", authbed.admin_password);
	struct attempt two = try_refresh(one.refresh, NULL), three = try_refresh(two.refresh, NULL);
	uint64_t before = authbed.auth.sequence;

	(void)unused;
	test_expect_log(LOG_WARN, 2);
	REFUSED(try_refresh(one.refresh, NULL), ST_UNAUTHENTICATED, "REFRESH_REUSED");
	assert_true(authbed.auth.sequence > before);
	REFUSED(try_refresh(three.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_check(three.access, "task.read"), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_check(one.access, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	assert_int_equal(try_check(other.access, "task.read").status, ST_OK);
	assert_int_equal(try_refresh(other.refresh, NULL).status, ST_OK);
}

/* However old the token: nothing of it is kept, and it is known all the same. */
static void
a_session_is_one_row_however_often_it_is_refreshed_and_its_first_token_is_still_reuse(void **unused)
{
	struct attempt one = try_login("admin", authbed.admin_password), now = one;

	(void)unused;
	test_expect_log(LOG_WARN, 2);
	for (int i = 0; i < 20; i++) {
		now = try_refresh(now.refresh, NULL);
		assert_int_equal(now.status, ST_OK);
	}
	assert_int_equal(memdb_count(&authbed.db, "session"), 1);
	REFUSED(try_refresh(one.refresh, NULL), ST_UNAUTHENTICATED, "REFRESH_REUSED");
	REFUSED(try_refresh(now.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	assert_int_equal(memdb_count(&authbed.db, "session"), 1);
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
	assert_int_equal(try_refresh(two.refresh, "op-8").status, ST_OK);
}

/* What a client sees when the stores' agents die with its refresh: the rotation was committed, the
 * answer is UNAVAILABLE, and all it can do is to try again, as another operation. */
static void
a_client_that_was_told_unavailable_after_the_commit_tries_again_and_keeps_its_session(void **unused)
{
	struct attempt one = try_login("admin", authbed.admin_password), two, again;

	(void)unused;
	authbed.db.dies_writing = true;
	two = try_refresh(one.refresh, "op-1");
	assert_int_equal(two.status, ST_UNAVAILABLE);
	assert_int_equal(json_integer_value(json_object_get(session_row(), "version")), 2);
	authbed.db.down = false;
	two = try_refresh(one.refresh, "op-2");
	assert_int_equal(two.status, ST_OK);
	assert_int_equal(json_integer_value(json_object_get(session_row(), "version")), 2);
	session_age(14 * SEC);
	again = try_refresh(one.refresh, "op-3");
	assert_string_equal(two.refresh, again.refresh);
	assert_int_equal(try_check(again.access, "task.read").status, ST_OK);
	assert_int_equal(try_refresh(two.refresh, "op-4").status, ST_OK);
}

static void
a_repeat_on_the_stand_in_gives_the_same_pair(void **unused)
{
	struct attempt one = try_login("admin", authbed.admin_password),
		       two = try_refresh(one.refresh, "op-7"), again;

	(void)unused;
	authbed.jwt.down = true;
	again = try_refresh(one.refresh, "op-8");
	assert_int_equal(again.status, ST_OK);
	assert_string_equal(two.refresh, again.refresh);
}

/* Somebody else's update commits just before ours. */
static void
refresh_meanwhile(struct memdb *m)
{
	json_int_t version = json_integer_value(json_object_get(session_row(), "version"));

	(void)m;
	json_object_set_new(session_row(), "version", json_integer(version + 1));
}

static void
of_two_refreshes_at_once_both_get_the_same_successor(void **unused)
{
	struct attempt one = try_login("admin", authbed.admin_password), slower, again;

	(void)unused;
	authbed.db.before_write = refresh_meanwhile;
	slower = try_refresh(one.refresh, "slower");
	assert_int_equal(slower.status, ST_OK);
	assert_int_equal(json_integer_value(json_object_get(session_row(), "version")), 2);
	again = try_refresh(one.refresh, "slowest");
	assert_string_equal(slower.refresh, again.refresh);
}

/* What an operation did may be asked for by that operation again, and by no other. */
static void
without_a_window_only_the_same_operation_gets_the_successor_again(void **unused)
{
	struct attempt one = try_login("admin", authbed.admin_password), two, again;

	(void)unused;
	test_expect_log(LOG_WARN, 2);
	authbed.jwt_config.refresh_repeat_us = 0;
	authbed.db.lose_answers = 1;
	two = try_refresh(one.refresh, "op-1"); /* the bus tries again below */
	assert_int_equal(two.status, ST_OK);
	session_age(3600 * SEC);
	again = try_refresh(one.refresh, "op-1"); /* and so does somebody further out */
	assert_int_equal(again.status, ST_OK);
	assert_string_equal(two.refresh, again.refresh);
	assert_int_equal(json_integer_value(json_object_get(session_row(), "version")), 2);
	REFUSED(try_refresh(one.refresh, "op-2"), ST_UNAUTHENTICATED, "REFRESH_REUSED");
	REFUSED(try_refresh(one.refresh, "op-1"), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_refresh(two.refresh, "op-3"), ST_UNAUTHENTICATED, "TOKEN_INVALID");
}

/* Both have read the row before either has changed it. */
static void
without_a_window_the_slower_of_two_refreshes_ends_the_session(void **unused)
{
	struct attempt one = try_login("admin", authbed.admin_password);

	(void)unused;
	test_expect_log(LOG_WARN, 2);
	authbed.jwt_config.refresh_repeat_us = 0;
	authbed.db.before_write = refresh_meanwhile;
	REFUSED(try_refresh(one.refresh, "slower"), ST_UNAUTHENTICATED, "REFRESH_REUSED");
}

static void
a_log_out_that_is_faster_than_a_refresh_leaves_no_successor(void **unused)
{
	struct attempt one = try_login("admin", authbed.admin_password);

	(void)unused;
	assert_int_equal(try_logout(one.refresh).status, ST_OK);
	REFUSED(try_refresh(one.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	one = try_login("admin", authbed.admin_password);
	json_object_clear(json_object_get(authbed.db.rows, "session")); /* thrown away */
	REFUSED(try_refresh(one.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	assert_int_equal(try_logout(one.refresh).status, ST_OK);
}

static void
a_disabled_user_and_rubbish_cannot_refresh(void **unused)
{
	struct attempt one = try_login("admin", authbed.admin_password);

	(void)unused;
	REFUSED(try_refresh("rubbish", NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(
	    try_refresh("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NULL),
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
		BED(a_session_is_one_row_however_often_it_is_refreshed_and_its_first_token_is_still_reuse),
		BED(a_refresh_whose_answer_was_lost_is_repeated_and_gives_the_same_pair),
		BED(a_client_that_was_told_unavailable_after_the_commit_tries_again_and_keeps_its_session),
		BED(a_repeat_on_the_stand_in_gives_the_same_pair),
		BED(of_two_refreshes_at_once_both_get_the_same_successor),
		BED(without_a_window_only_the_same_operation_gets_the_successor_again),
		BED(without_a_window_the_slower_of_two_refreshes_ends_the_session),
		BED(a_log_out_that_is_faster_than_a_refresh_leaves_no_successor),
		BED(a_disabled_user_and_rubbish_cannot_refresh),
		BED(without_rbac_a_refresh_is_unavailable_and_the_token_is_not_used_up),
		BED(after_a_log_out_neither_token_counts_and_the_sequence_has_moved),
		BED(a_log_out_that_could_not_be_stored_says_so_and_can_be_repeated),
	};

	return TEST_RUN(tests);
}
