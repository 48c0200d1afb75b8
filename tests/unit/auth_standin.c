/* auth: who decides when an agent is down. */
#include <unistd.h>
#include "base/time.h"
#include "harness/authbed.h"

static void
while_jwt_is_down_oauth_logs_in_refreshes_and_verifies(void **unused)
{
	struct attempt o;

	(void)unused;
	authbed.jwt.down = true;
	o = try_login("admin", authbed.admin_password);
	assert_int_equal(o.status, ST_OK);
	o = try_refresh(o.refresh, NULL);
	assert_int_equal(o.status, ST_OK);
	assert_int_equal(try_check(o.access, "task.read").status, ST_OK);
	assert_true(authbed.oauth.calls >= 3);
	authbed.jwt.down = false;
	assert_int_equal(try_check(o.access, "task.read").status, ST_OK); /* the same keys */
}

static void
a_refused_credential_is_not_tried_on_another_agent(void **unused)
{
	(void)unused;
	authbed.oauth.calls = 0;
	REFUSED(try_login("admin", "wrong"), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	REFUSED(try_check("a.b.c", "task.read"), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	assert_int_equal(authbed.oauth.calls, 0);
}

static void
with_both_down_nothing_is_verified(void **unused)
{
	struct attempt o = try_login("admin", authbed.admin_password);

	(void)unused;
	log_set_level(LOG_ERROR); /* breakers open, more or fewer of them */
	authbed.jwt.down = authbed.oauth.down = true;
	assert_int_equal(try_check(o.access, "task.read").status, ST_UNAVAILABLE);
	assert_int_equal(try_check(o.access, "").status, ST_UNAVAILABLE);
	log_set_level(LOG_INFO);
}

static void
until_the_revocations_were_read_nothing_is_verified(void **unused)
{
	struct attempt o;

	(void)unused;
	o = try_login("admin", authbed.admin_password);
	authbed.jwt.tokens.revoked.known = authbed.oauth.tokens.revoked.known = false;
	authbed.db.down = true; /* or they would be read at once */
	log_set_level(LOG_ERROR);
	REFUSED(try_check(o.access, "task.read"), ST_UNAVAILABLE, "REVOCATIONS_UNKNOWN");
	REFUSED(try_check("a.b.c", "task.read"), ST_UNAUTHENTICATED, "TOKEN_INVALID");
}

static void
while_rbac_is_down_the_claims_decide_as_long_as_they_are_young(void **unused)
{
	struct attempt o;

	(void)unused;
	add_user("vera", "vera's password", "viewer");
	authbed_pass(1100 * MS); /* auth must have been there when rbac was asked, to the second */
	o = try_login("vera", "vera's password");
	authbed.rbac.down = true;
	o.done = false;
	assert_string_equal(try_check(o.access, "task.read").method, "claims");
	REFUSED(try_check(o.access, "task.create"), ST_PERMISSION_DENIED, "PERMISSION");
	authbed.auth_config.claims_max_age_us = 0;
	assert_int_equal(try_check(o.access, "task.read").status, ST_UNAVAILABLE);
	assert_int_equal(try_check(o.access, "task.create").status, ST_UNAVAILABLE);
	authbed.rbac.down = false;
	assert_string_equal(try_check(o.access, "task.read").method, "rbac");
}

static void
while_rbac_knows_better_the_claims_do_not_count(void **unused)
{
	struct attempt o;

	(void)unused;
	add_user("vera", "vera's password", "user");
	o = try_login("vera", "vera's password");
	assert_int_equal(try_check(o.access, "task.create").status, ST_OK);
	memdb_put(&authbed.db, "role", "user",
	    json_pack("{s:[s],s:[]}", "permissions", "task.read", "inherits"));
	timer_in(&authbed.rbac.rbac.poll_timer, 0);
	authbed_pass(50 * MS);
	REFUSED(try_check(o.access, "task.create"), ST_PERMISSION_DENIED, "PERMISSION");
}

/* What was taken from somebody is not permitted by a token from before. */
static void
claims_from_before_a_change_of_policy_do_not_serve(void **unused)
{
	static const char deny[] = "{\"effect\":\"deny\",\"subject_kind\":\"role\",\"subject\":"
				   "\"viewer\",\"permissions\":[\"task.read\"]}";
	struct attempt o;

	(void)unused;
	add_user("vera", "vera's password", "viewer");
	o = try_login("vera", "vera's password");
	assert_int_equal(try_check(o.access, "task.read").status, ST_OK);
	assert_int_equal(ACCOUNT(CREATE, .model = "grant",
			     .id = "018f0000-0000-7000-8000-0000000000aa", .data = deny)
			     .status,
	    ST_OK);
	REFUSED(try_check(o.access, "task.read"), ST_PERMISSION_DENIED, "PERMISSION");
	authbed.rbac.down = true;
	assert_int_equal(try_check(o.access, "task.read").status, ST_UNAVAILABLE);
	assert_int_equal(try_check(o.access, "doc.read").status, ST_UNAVAILABLE);
}

/* As auth hears of it while rbac's answer, or what is written with it, is still on its way. */
static void
the_policy_changes(void)
{
	authbed.auth.policy_us = time_wall_us();
	(void)usleep(1100 * 1000); /* what is stamped now would be younger, to the second */
}

static void
the_policy_changes_beside_a_write(struct memdb *db)
{
	(void)db;
	the_policy_changes();
}

/* A permission may have been taken away between the question and the token. */
static void
claims_are_as_old_as_the_question_that_they_answer(void **unused)
{
	struct attempt o;

	(void)unused;
	add_user("vera", "vera's password", "viewer");
	authbed.db.before_model = "session";
	authbed.db.before_write = the_policy_changes_beside_a_write;
	o = try_login("vera", "vera's password");
	assert_null(authbed.db.before_write);
	authbed.rbac.down = true;
	assert_int_equal(try_check(o.access, "task.read").status, ST_UNAVAILABLE);
	authbed.rbac.down = false;
	authbed.rbac.before_expand = the_policy_changes;
	o = try_refresh(o.refresh, NULL);
	assert_null(authbed.rbac.before_expand);
	assert_int_equal(o.status, ST_OK);
	authbed.rbac.down = true;
	assert_int_equal(try_check(o.access, "task.read").status, ST_UNAVAILABLE);
	authbed.rbac.down = false;
	o = try_refresh(o.refresh, NULL);
	authbed.rbac.down = true;
	assert_string_equal(try_check(o.access, "task.read").method, "claims");
}

/* Of a change that was made while it was gone it knows nothing. */
static void
claims_from_before_the_start_of_auth_do_not_serve(void **unused)
{
	struct attempt o;

	(void)unused;
	add_user("vera", "vera's password", "viewer");
	assert_true(authbed.auth.policy_us > time_wall_us() - 60 * SEC);
	authbed_pass(1100 * MS);
	o = try_login("vera", "vera's password");
	authbed.auth.policy_us += 3600 * SEC; /* as if it had started since */
	authbed.rbac.down = true;
	assert_int_equal(try_check(o.access, "task.read").status, ST_UNAVAILABLE);
	authbed.auth.policy_us -= 3600 * SEC;
	assert_string_equal(try_check(o.access, "task.read").method, "claims");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BED(while_jwt_is_down_oauth_logs_in_refreshes_and_verifies),
		BED(a_refused_credential_is_not_tried_on_another_agent),
		BED(with_both_down_nothing_is_verified),
		BED(until_the_revocations_were_read_nothing_is_verified),
		BED(while_rbac_is_down_the_claims_decide_as_long_as_they_are_young),
		BED(while_rbac_knows_better_the_claims_do_not_count),
		BED(claims_from_before_a_change_of_policy_do_not_serve),
		BED(claims_are_as_old_as_the_question_that_they_answer),
		BED(claims_from_before_the_start_of_auth_do_not_serve),
	};

	return TEST_RUN(tests);
}
