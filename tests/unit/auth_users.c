/* auth: users, as an administrator makes, changes and removes them. */
#include <stdio.h>
#include <string.h>
#include "base/time.h"
#include "harness/authbed.h"

#define VERA     "018f0000-0000-7000-8000-0000000000e1"
#define PASSWORD "what she alone knows"

static struct account
make_vera(const char *role)
{
	char data[200];
	struct account o;

	(void)snprintf(data, sizeof(data),
	    "{\"username\":\"vera\",\"password\":\"" PASSWORD "\",\"roles\":[\"%s\"]}", role);
	o = ACCOUNT(CREATE, .model = "user", .id = VERA, .data = data);
	assert_int_equal(o.status, ST_OK);
	return o;
}

static struct account
change_vera(const char *data)
{
	return ACCOUNT(UPDATE, .model = "user", .id = VERA, .data = data);
}

static void
a_user_who_was_made_logs_in_and_may_what_his_roles_permit(void **unused)
{
	struct account made = make_vera("viewer");
	struct attempt o = try_login("vera", PASSWORD);

	(void)unused;
	assert_int_equal(made.version, 1);
	assert_int_equal(o.status, ST_OK);
	assert_int_equal(try_check(o.access, "task.read").status, ST_OK);
	REFUSED(try_check(o.access, "task.create"), ST_PERMISSION_DENIED, "PERMISSION");
}

static void
neither_a_password_nor_its_hash_is_ever_answered(void **unused)
{
	struct account all[] = {
		make_vera("viewer"),
		change_vera("{\"password\":\"another password\"}"),
		ACCOUNT(READ_ONE, .model = "user", .id = VERA),
		ACCOUNT(QUERY_MANY, .model = "user"),
		ACCOUNT(DELETE, .model = "user", .id = VERA),
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_int_equal(all[i].status, ST_OK);
		assert_null(strstr(all[i].text, "password"));
		assert_null(strstr(all[i].text, "argon2"));
	}
	assert_non_null(strstr(all[0].text, "\"username\":\"vera\""));
	assert_non_null(strstr(all[3].text, "\"username\":\"vera\""));
	assert_non_null(strstr(all[3].text, "\"username\":\"admin\""));
}

static void
a_disabled_user_is_out_at_once_and_stays_out_when_he_is_enabled_again(void **unused)
{
	struct attempt o, other;
	uint64_t before;

	(void)unused;
	make_vera("viewer");
	o = try_login("vera", PASSWORD);
	other = try_login("admin", authbed.admin_password);
	before = authbed.auth.sequence;
	assert_int_equal(change_vera("{\"disabled\":true}").status, ST_OK);
	assert_true(authbed.auth.sequence > before); /* whoever keeps grants asks again */
	REFUSED(try_check(o.access, "task.read"), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_refresh(o.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_login("vera", PASSWORD), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	assert_int_equal(try_check(other.access, "task.read").status, ST_OK);
	assert_int_equal(change_vera("{\"disabled\":false}").status, ST_OK);
	REFUSED(try_refresh(o.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_check(o.access, "task.read"), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	o = try_login("vera", PASSWORD);
	assert_int_equal(try_check(o.access, "task.read").status, ST_OK);
}

static void
another_role_takes_a_refresh_and_no_log_in(void **unused)
{
	struct attempt o, fresh;

	(void)unused;
	make_vera("user");
	o = try_login("vera", PASSWORD);
	assert_int_equal(try_check(o.access, "task.create").status, ST_OK);
	assert_int_equal(change_vera("{\"roles\":[\"viewer\"]}").status, ST_OK);
	REFUSED(try_check(o.access, "task.create"), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	fresh = try_refresh(o.refresh, NULL);
	assert_int_equal(fresh.status, ST_OK);
	REFUSED(try_check(fresh.access, "task.create"), ST_PERMISSION_DENIED, "PERMISSION");
	assert_int_equal(try_check(fresh.access, "task.read").status, ST_OK);
}

static bool
oauth_knows(void *ctx)
{
	(void)ctx;
	return authbed.oauth.tokens.revoked.known;
}

/* As after a restart of the stand-in, or when the event was lost. */
static void
a_revocation_of_a_user_is_stored_and_read_by_the_stand_in(void **unused)
{
	struct attempt o;

	(void)unused;
	make_vera("user");
	o = try_login("vera", PASSWORD);
	assert_int_equal(change_vera("{\"roles\":[\"viewer\"]}").status, ST_OK);
	authbed.jwt.down = true;
	revoked_clear(&authbed.oauth.tokens.revoked);
	timer_in(&authbed.oauth.tokens.revoked_timer, 0);
	loop_run_until(authbed.loop, oauth_knows, NULL, 5 * SEC);
	REFUSED(try_check(o.access, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
}

static void
another_password_ends_every_session_of_the_user(void **unused)
{
	struct attempt sessions[3];

	(void)unused;
	make_vera("viewer");
	for (int i = 0; i < 3; i++)
		sessions[i] = try_login("vera", PASSWORD);
	assert_int_equal(change_vera("{\"password\":\"another password\"}").status, ST_OK);
	for (int i = 0; i < 3; i++) {
		REFUSED(try_check(sessions[i].access, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
		REFUSED(
		    try_refresh(sessions[i].refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	}
	REFUSED(try_login("vera", PASSWORD), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	assert_int_equal(try_login("vera", "another password").status, ST_OK);
	assert_int_equal(change_vera("{\"password\":null}").status, ST_OK);
	REFUSED(try_login("vera", "another password"), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
}

/* More than a page of them, and more than are ended side by side. */
static void
all_pages_of_sessions_are_ended(void **unused)
{
	char id[UUID_LEN];
	const char *key;
	json_t *row;

	(void)unused;
	make_vera("viewer");
	for (int i = 0; i < 120; i++) {
		uuid7(id);
		memdb_put(&authbed.db, "session", id,
		    json_pack("{s:s,s:s}", "user_id", VERA, "expires_at", "2100-01-01T00:00:00Z"));
	}
	assert_int_equal(ACCOUNT(DELETE, .model = "user", .id = VERA).status, ST_OK);
	json_object_foreach(json_object_get(authbed.db.rows, "session"), key, row)
	{
		int64_t at;

		assert_true(time_parse_rfc3339(
		    str_of(json_string_value(json_object_get(row, "expires_at"))), &at));
		assert_true(at <= time_wall_us());
	}
}

static void
a_deleted_user_is_gone_with_all_that_was_granted_to_him(void **unused)
{
	struct attempt o;

	(void)unused;
	make_vera("viewer");
	o = try_login("vera", PASSWORD);
	REFUSED(ACCOUNT(DELETE, .model = "user", .id = VERA, .if_version = 7), ST_ABORTED,
	    "VERSION_CONFLICT");
	assert_int_equal(try_check(o.access, "").status, ST_OK);
	assert_int_equal(
	    ACCOUNT(DELETE, .model = "user", .id = VERA, .if_version = 1).status, ST_OK);
	REFUSED(try_check(o.access, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_refresh(o.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_login("vera", PASSWORD), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	assert_int_equal(ACCOUNT(READ_ONE, .model = "user", .id = VERA).status, ST_NOT_FOUND);
	assert_int_equal(ACCOUNT(DELETE, .model = "user", .id = VERA).status, ST_NOT_FOUND);
	assert_int_equal(change_vera("{\"disabled\":true}").status, ST_NOT_FOUND);
}

/* --- nobody gives what he does not have --- */

static void
who_manages_users_makes_nobody_who_may_more_than_himself(void **unused)
{
	static const char admin[] = "{\"username\":\"eve\",\"roles\":[\"admin\"]}",
			  viewer[] = "{\"username\":\"eve\",\"roles\":[\"viewer\"]}";
	json_t *row;

	(void)unused;
	memdb_put(&authbed.db, "role", "clerk",
	    json_pack("{s:[s],s:[s]}", "permissions", "user.*", "inherits", "viewer"));
	timer_in(&authbed.rbac.rbac.poll_timer, 0);
	authbed_pass(50 * MS);
	REFUSED(ACCOUNT(CREATE, .model = "user", .id = VERA, .data = admin, .as = "clerk"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	assert_int_equal(memdb_count(&authbed.db, "user"), 1);
	assert_int_equal(
	    ACCOUNT(CREATE, .model = "user", .id = VERA, .data = viewer, .as = "clerk").status,
	    ST_OK);
	REFUSED(ACCOUNT(UPDATE, .model = "user", .id = VERA, .data = "{\"roles\":[\"user\"]}",
		    .as = "clerk"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	row = user_named("admin");
	REFUSED(
	    ACCOUNT(UPDATE, .model = "user", .id = json_string_value(json_object_get(row, "id")),
		.data = "{\"password\":\"mine from now on\"}", .as = "clerk"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	REFUSED(ACCOUNT(DELETE, .model = "user",
		    .id = json_string_value(json_object_get(row, "id")), .as = "clerk"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
}

static void
nobody_disables_deletes_or_re_roles_himself_but_may_choose_a_password(void **unused)
{
	(void)unused;
	make_vera("admin");
	REFUSED(
	    ACCOUNT(UPDATE, .model = "user", .id = VERA, .by = VERA, .data = "{\"disabled\":true}"),
	    ST_FAILED_PRECONDITION, "OWN_ACCOUNT");
	REFUSED(ACCOUNT(UPDATE, .model = "user", .id = VERA, .by = VERA, .data = "{\"roles\":[]}"),
	    ST_FAILED_PRECONDITION, "OWN_ACCOUNT");
	REFUSED(ACCOUNT(DELETE, .model = "user", .id = VERA, .by = VERA), ST_FAILED_PRECONDITION,
	    "OWN_ACCOUNT");
	assert_int_equal(ACCOUNT(UPDATE, .model = "user", .id = VERA, .by = VERA,
			     .data = "{\"password\":\"a better one\"}")
			     .status,
	    ST_OK);
	assert_int_equal(try_login("vera", "a better one").status, ST_OK);
}

/* --- what is wrong --- */

static void
a_field_that_is_wrong_is_named_and_no_password_repeated(void **unused)
{
	static const struct {
		const char *data, *field;
	} bad[] = {
		{ "{\"username\":\"eve\",\"password\":\"short\"}", "/password" },
		{ "{\"username\":\"eve\",\"password\":12345678}", "/password" },
		{ "{\"username\":\"eve\",\"password_hash\":\"$argon2id$\"}", "/password_hash" },
		{ "{\"username\":\"eve\",\"roles\":[\"viewer\",\"none\"]}", "/roles/1" },
		{ "[]", "" },
		{ "{", "" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct account o =
		    ACCOUNT(CREATE, .model = "user", .id = VERA, .data = bad[i].data);

		assert_int_equal(o.status, ST_INVALID_ARGUMENT);
		assert_string_equal(o.field, bad[i].field);
		assert_null(strstr(o.message, "short"));
	}
	assert_int_equal(
	    ACCOUNT(BULK_CREATE, .model = "user", .data = "[]").status, ST_INVALID_ARGUMENT);
	assert_int_equal(
	    ACCOUNT(READ_ONE, .model = "revocation", .id = VERA).status, ST_INVALID_ARGUMENT);
	assert_int_equal(
	    ACCOUNT(DELETE, .model = "revocation", .id = VERA).status, ST_INVALID_ARGUMENT);
	assert_int_equal(memdb_count(&authbed.db, "user"), 1);
}

static void
a_name_that_is_taken_is_refused(void **unused)
{
	(void)unused;
	assert_int_equal(
	    ACCOUNT(CREATE, .model = "user", .id = VERA, .data = "{\"username\":\"admin\"}").status,
	    ST_ALREADY_EXISTS);
}

/* --- again, and at the same time --- */

static void
the_same_change_again_changes_nothing_and_gives_the_same_answer(void **unused)
{
	struct account one, again;
	struct attempt o;

	(void)unused;
	make_vera("viewer");
	one = ACCOUNT(UPDATE, .model = "user", .id = VERA, .operation = "op-1",
	    .data = "{\"password\":\"another password\"}");
	assert_int_equal(one.version, 2);
	o = try_login("vera", "another password");
	again = ACCOUNT(UPDATE, .model = "user", .id = VERA, .operation = "op-1",
	    .data = "{\"password\":\"another password\"}");
	assert_int_equal(again.status, ST_OK);
	assert_true(again.repeated);
	assert_int_equal(again.version, 2);
	assert_int_equal(try_check(o.access, "task.read").status, ST_OK); /* not revoked again */
	assert_int_equal(
	    ACCOUNT(DELETE, .model = "user", .id = VERA, .operation = "op-2").status, ST_OK);
	assert_int_equal(
	    ACCOUNT(DELETE, .model = "user", .id = VERA, .operation = "op-2").status, ST_OK);
}

static void
a_change_whose_answer_was_lost_is_finished_by_the_stand_in(void **unused)
{
	struct attempt o;

	(void)unused;
	make_vera("viewer");
	o = try_login("vera", PASSWORD);
	authbed.db.dies_writing = true;
	assert_int_equal(ACCOUNT(UPDATE, .model = "user", .id = VERA, .operation = "op-1",
			     .data = "{\"disabled\":true}")
			     .status,
	    ST_UNAVAILABLE);
	authbed.db.down = false;
	authbed.jwt.down = true;
	assert_int_equal(ACCOUNT(UPDATE, .model = "user", .id = VERA, .operation = "op-1",
			     .data = "{\"disabled\":true}")
			     .status,
	    ST_OK);
	REFUSED(try_check(o.access, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_refresh(o.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
}

static void
somebody_is_faster(struct memdb *m)
{
	(void)m;
	json_object_set_new(user_named("vera"), "version", json_integer(9));
}

static void
a_change_that_meets_a_faster_one_is_made_on_what_that_left(void **unused)
{
	struct account o;

	(void)unused;
	make_vera("viewer");
	authbed.db.before_write = somebody_is_faster;
	o = change_vera("{\"roles\":[\"user\"]}");
	assert_int_equal(o.status, ST_OK);
	assert_int_equal(o.version, 10);
	authbed.db.before_write = somebody_is_faster;
	REFUSED(ACCOUNT(UPDATE, .model = "user", .id = VERA, .if_version = 10,
		    .data = "{\"roles\":[\"viewer\"]}"),
	    ST_ABORTED, "VERSION_CONFLICT");
}

/* Else who names the next version would be judged on what the account was, and write on what it has
 * become: a password of his choice for somebody who was promoted meanwhile. */
static void
a_version_that_was_not_judged_is_never_written(void **unused)
{
	(void)unused;
	make_vera("viewer");
	authbed.db.before_write = somebody_is_faster;
	REFUSED(ACCOUNT(UPDATE, .model = "user", .id = VERA, .if_version = 9,
		    .data = "{\"password\":\"of my choice\"}"),
	    ST_ABORTED, "VERSION_CONFLICT");
	authbed.db.before_write = NULL;
	assert_int_equal(json_integer_value(json_object_get(user_named("vera"), "version")), 1);
}

static void
without_rbac_nobody_is_given_a_role(void **unused)
{
	(void)unused;
	authbed.rbac.down = true;
	assert_int_equal(ACCOUNT(CREATE, .model = "user", .id = VERA,
			     .data = "{\"username\":\"vera\",\"roles\":[\"viewer\"]}")
			     .status,
	    ST_UNAVAILABLE);
	assert_int_equal(memdb_count(&authbed.db, "user"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BED(a_user_who_was_made_logs_in_and_may_what_his_roles_permit),
		BED(neither_a_password_nor_its_hash_is_ever_answered),
		BED(a_disabled_user_is_out_at_once_and_stays_out_when_he_is_enabled_again),
		BED(another_role_takes_a_refresh_and_no_log_in),
		BED(a_revocation_of_a_user_is_stored_and_read_by_the_stand_in),
		BED(another_password_ends_every_session_of_the_user),
		BED(all_pages_of_sessions_are_ended),
		BED(a_deleted_user_is_gone_with_all_that_was_granted_to_him),
		BED(who_manages_users_makes_nobody_who_may_more_than_himself),
		BED(nobody_disables_deletes_or_re_roles_himself_but_may_choose_a_password),
		BED(a_field_that_is_wrong_is_named_and_no_password_repeated),
		BED(a_name_that_is_taken_is_refused),
		BED(the_same_change_again_changes_nothing_and_gives_the_same_answer),
		BED(a_change_whose_answer_was_lost_is_finished_by_the_stand_in),
		BED(a_change_that_meets_a_faster_one_is_made_on_what_that_left),
		BED(a_version_that_was_not_judged_is_never_written),
		BED(without_rbac_nobody_is_given_a_role),
	};

	return TEST_RUN(tests);
}
