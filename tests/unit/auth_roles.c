/* auth: roles, as an administrator makes, changes and removes them. */
#include <string.h>
#include "auth/permission.h"
#include "base/time.h"
#include "harness/authbed.h"

static void
a_permission_pattern_is_words_with_dots_and_a_star_at_one_end(void **unused)
{
	static const char *const good[] = { "*", "task.*", "task.read", "a.b.c", "node.log_level",
		"x", "a.b.*", "a-1.b", "*.read" };
	static const char *const bad[] = { "", ".", "a.", ".a", "a..b", "**", "a*", "*.a.b", "*.",
		"*.*", "a.*.b", "A.read", "a b", "a.*x", "\xc3\xa4" };

	(void)unused;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!permission_pattern_ok(good[i]))
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (permission_pattern_ok(bad[i]))
			fail_msg("%s", bad[i]);
}

static void
who_covers_a_role_may_all_that_it_permits(void **unused)
{
	static const char *const task_all[] = { "task.*" }, *const task_read[] = { "task.read" },
				 *const all[] = { "*" }, *const deep[] = { "task.a.*" };
	static const struct role_def defs[] = {
		{ .name = "boss", .n_permissions = 1, .permissions = all },
		{ .name = "lead", .n_permissions = 1, .permissions = task_all },
		{ .name = "deep", .n_permissions = 1, .permissions = deep },
		{ .name = "read", .n_permissions = 1, .permissions = task_read },
		{ .name = "none" },
	};
	static const char order[][5] = { "boss", "lead", "read", "none" };
	char err[200];
	struct policy *p = policy_build(defs, 5, err, sizeof(err));

	(void)unused;
	assert_non_null(p);
	for (size_t i = 0; i < 4; i++)
		for (size_t k = 0; k < 4; k++) {
			char *holder[] = { (char *)(uintptr_t)order[i] };

			assert_int_equal(policy_covers(p, 1, holder, order[k]), i <= k);
		}
	assert_true(policy_covers(p, 1, (char *[]){ (char *)(uintptr_t) "lead" }, "deep"));
	assert_false(policy_covers(p, 1, (char *[]){ (char *)(uintptr_t) "deep" }, "lead"));
	assert_false(policy_covers(p, 0, NULL, "read"));
	assert_true(policy_covers(p, 0, NULL, "none"));
	policy_free(&p);
}

static void
a_role_is_in_force_when_its_creation_is_answered(void **unused)
{
	struct account o;
	struct attempt vera;

	(void)unused;
	add_user("vera", "vera's password", "auditor");
	vera = try_login("vera", "vera's password");
	REFUSED(try_check(vera.access, "task.read"), ST_PERMISSION_DENIED, "PERMISSION");
	o = ACCOUNT(CREATE, .model = "role", .id = "auditor",
	    .data = "{\"permissions\":[\"task.read\"],\"inherits\":[]}");
	assert_int_equal(o.status, ST_OK);
	assert_int_equal(o.version, 1);
	assert_int_equal(try_check(vera.access, "task.read").status, ST_OK);
}

static void
a_permission_that_was_taken_from_a_role_is_gone_when_that_is_answered(void **unused)
{
	struct attempt vera;
	uint64_t before;

	(void)unused;
	add_user("vera", "vera's password", "user");
	vera = try_login("vera", "vera's password");
	assert_int_equal(try_check(vera.access, "task.create").status, ST_OK);
	before = authbed.auth.sequence;
	assert_int_equal(ACCOUNT(UPDATE, .model = "role", .id = "user",
			     .data = "{\"permissions\":[\"task.read\"]}")
			     .status,
	    ST_OK);
	assert_true(authbed.auth.sequence > before);
	REFUSED(try_check(vera.access, "task.create"), ST_PERMISSION_DENIED, "PERMISSION");
	assert_int_equal(try_check(vera.access, "task.read").status, ST_OK);
	assert_int_equal(ACCOUNT(DELETE, .model = "role", .id = "user").status, ST_OK);
	REFUSED(try_check(vera.access, "task.read"), ST_PERMISSION_DENIED, "PERMISSION");
}

static void
roles_are_read_one_by_one_and_all(void **unused)
{
	struct account o = ACCOUNT(READ_ONE, .model = "role", .id = "viewer");

	(void)unused;
	assert_int_equal(o.status, ST_OK);
	assert_non_null(strstr(o.text, "task.read"));
	o = ACCOUNT(QUERY_MANY, .model = "role");
	assert_non_null(strstr(o.text, "operator"));
	assert_int_equal(ACCOUNT(READ_ONE, .model = "role", .id = "none").status, ST_NOT_FOUND);
}

static void
nobody_gives_a_role_what_he_does_not_have(void **unused)
{
	(void)unused;
	assert_int_equal(ACCOUNT(CREATE, .model = "role", .id = "clerk",
			     .data = "{\"permissions\":[\"role.*\",\"task.read\"]}")
			     .status,
	    ST_OK);
	REFUSED(ACCOUNT(CREATE, .model = "role", .id = "mine", .as = "clerk",
		    .data = "{\"permissions\":[\"*\"]}"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	REFUSED(ACCOUNT(CREATE, .model = "role", .id = "mine", .as = "clerk",
		    .data = "{\"permissions\":[],\"inherits\":[\"operator\"]}"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	REFUSED(ACCOUNT(UPDATE, .model = "role", .id = "clerk", .as = "clerk",
		    .data = "{\"permissions\":[\"role.*\",\"task.*\"]}"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	REFUSED(ACCOUNT(DELETE, .model = "role", .id = "operator", .as = "clerk"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	assert_int_equal(ACCOUNT(CREATE, .model = "role", .id = "mine", .as = "clerk",
			     .data = "{\"permissions\":[\"task.read\"]}")
			     .status,
	    ST_OK);
}

#define VERA  "018f0000-0000-7000-8000-0000000000e1"
#define GRANT "018f0000-0000-7000-8000-0000000000a1"

static void
make(const char *model, const char *id, const char *data)
{
	struct account o = try_account(&(const struct account_ask){
	    .kind = MF__STORE_OP__KIND__CREATE, .model = model, .id = id, .data = data });

	if (o.status != ST_OK)
		fail_msg("%s %s: %s", model, id, o.message);
}

static void
make_clerk(void)
{
	make("role", "clerk",
	    "{\"permissions\":[\"user.*\",\"role.*\",\"session.*\",\"task.read\"]}");
}

static void
who_changes_an_account_has_what_is_granted_to_it_itself(void **unused)
{
	(void)unused;
	make_clerk();
	make("user", VERA, "{\"username\":\"vera\"}");
	make("grant", GRANT,
	    "{\"subject_kind\":\"user\",\"subject\":\"" VERA
	    "\",\"permissions\":[\"audit.read\"]}");
	REFUSED(ACCOUNT(UPDATE, .model = "user", .id = VERA, .as = "clerk",
		    .data = "{\"password\":\"of my own choice\"}"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	REFUSED(ACCOUNT(DELETE, .model = "session", .id = "*", .as = "clerk",
		    .data = "{\"user_id\":\"" VERA "\"}"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	REFUSED(ACCOUNT(DELETE, .model = "user", .id = VERA, .as = "clerk"), ST_PERMISSION_DENIED,
	    "BEYOND_OWN");
	assert_int_equal(ACCOUNT(DELETE, .model = "user", .id = VERA).status, ST_OK);
	REFUSED(ACCOUNT(CREATE, .model = "user", .id = VERA, .as = "clerk",
		    .data = "{\"username\":\"eve\",\"password\":\"of my own choice\"}"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	assert_int_equal(ACCOUNT(DELETE, .model = "grant", .id = GRANT).status, ST_OK);
	assert_int_equal(ACCOUNT(CREATE, .model = "user", .id = VERA, .as = "clerk",
			     .data = "{\"username\":\"eve\"}")
			     .status,
	    ST_OK);
}

static void
who_gives_a_group_has_what_is_granted_to_the_roles_that_grants_give_it(void **unused)
{
	(void)unused;
	make_clerk();
	make("user", VERA, "{\"username\":\"vera\"}");
	make("group", "night", "{}");
	make("role", "guard", "{\"permissions\":[\"task.read\"]}");
	make("grant", GRANT,
	    "{\"subject_kind\":\"group\",\"subject\":\"night\",\"roles\":[\"guard\"]}");
	assert_int_equal(ACCOUNT(UPDATE, .model = "user", .id = VERA, .as = "clerk",
			     .data = "{\"groups\":[\"night\"]}")
			     .status,
	    ST_OK);
	make("grant", "018f0000-0000-7000-8000-0000000000a2",
	    "{\"subject_kind\":\"role\",\"subject\":\"guard\","
	    "\"permissions\":[\"audit.read\"]}");
	make("grant", "018f0000-0000-7000-8000-0000000000a3",
	    "{\"subject_kind\":\"role\",\"subject\":\"guard\",\"roles\":[\"guard\"]}");
	REFUSED(ACCOUNT(UPDATE, .model = "user", .id = VERA, .as = "clerk",
		    .data = "{\"groups\":[\"night\"]}"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
}

static void
a_role_that_is_made_anew_gives_nobody_what_was_granted_to_the_old_one(void **unused)
{
	(void)unused;
	make_clerk();
	make("role", "guard", "{\"permissions\":[\"task.read\"]}");
	make("grant", GRANT,
	    "{\"subject_kind\":\"role\",\"subject\":\"guard\","
	    "\"permissions\":[\"audit.read\"]}");
	assert_int_equal(ACCOUNT(DELETE, .model = "role", .id = "guard").status, ST_OK);
	REFUSED(ACCOUNT(CREATE, .model = "role", .id = "guard", .as = "clerk",
		    .data = "{\"permissions\":[\"task.read\"]}"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	make("role", "guard", "{\"permissions\":[\"task.read\"]}");
}

/* --- what was not judged is not written --- */

#define OPERATION "018f0000-0000-7000-8000-0000000000b1"

/* May give grants and, without them, task.read. */
static void
make_granter(void)
{
	make("role", "clerk", "{\"permissions\":[\"grant.*\",\"task.read\"]}");
}

static json_t *
grant_row(const char *permission, const char *ns)
{
	return json_pack("{s:s,s:s,s:s,s:[s],s:s?}", "effect", "allow", "subject_kind", "user",
	    "subject", VERA, "permissions", permission, "namespace", ns);
}

static void
somebody_makes_the_grant(struct memdb *db)
{
	memdb_put(db, "grant", GRANT, grant_row("task.read", NULL));
}

static void
somebody_makes_it_hold_everywhere(struct memdb *db)
{
	json_t *row = grant_row("task.read", NULL);

	memdb_put(db, "grant", GRANT, row);
	json_object_set_new(row, "version", json_integer(2));
}

static void
assert_still_a_grant_of_task_read(json_int_t version)
{
	const json_t *row = memdb_row(&authbed.db, "grant", GRANT);

	assert_int_equal(json_integer_value(json_object_get(row, "version")), version);
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(row, "permissions"), 0)), "task.read");
	assert_int_equal(json_array_size(json_object_get(row, "permissions")), 1);
}

static void
a_grant_that_comes_behind_the_look_at_it_is_looked_at_before_it_is_changed(void **unused)
{
	(void)unused;
	make_granter();
	authbed.db.before_model = "grant";
	authbed.db.before_write = somebody_makes_the_grant;
	REFUSED(ACCOUNT(UPDATE, .model = "grant", .id = GRANT, .as = "clerk",
		    .data = "{\"permissions\":[\"*\"]}"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	assert_null(authbed.db.before_write);
	assert_still_a_grant_of_task_read(1);
	json_object_del(json_object_get(authbed.db.rows, "grant"), GRANT);
	authbed.db.before_write = somebody_makes_the_grant;
	REFUSED(ACCOUNT(UPDATE, .model = "grant", .id = GRANT, .as = "clerk", .if_version = 1,
		    .data = "{\"permissions\":[\"*\"]}"),
	    ST_ABORTED, "VERSION_CONFLICT");
	assert_still_a_grant_of_task_read(1);
	json_object_del(json_object_get(authbed.db.rows, "grant"), GRANT);
	authbed.db.before_write = somebody_makes_the_grant;
	assert_int_equal(ACCOUNT(UPDATE, .model = "grant", .id = GRANT, .as = "clerk",
			     .data = "{\"description\":\"his\"}")
			     .status,
	    ST_OK);
	assert_still_a_grant_of_task_read(2);
}

static void
a_grant_of_another_is_not_deleted_behind_the_look_at_it(void **unused)
{
	(void)unused;
	make("role", "clerk", "{\"permissions\":[\"grant.*\"]}");
	authbed.db.before_model = "grant";
	assert_int_equal(
	    ACCOUNT(DELETE, .model = "grant", .id = GRANT, .as = "clerk").status, ST_NOT_FOUND);
	authbed.db.before_write = somebody_makes_the_grant;
	REFUSED(ACCOUNT(DELETE, .model = "grant", .id = GRANT, .as = "clerk"), ST_PERMISSION_DENIED,
	    "BEYOND_OWN");
	assert_still_a_grant_of_task_read(1);
}

/* Else who names the next version would be judged on what the grant was, and write on what he makes of
 * it beside that. */
static void
a_version_of_a_grant_that_was_not_judged_is_never_written(void **unused)
{
	(void)unused;
	make_granter();
	make("grant", "018f0000-0000-7000-8000-0000000000a2",
	    "{\"effect\":\"allow\",\"subject_kind\":\"role\",\"subject\":\"clerk\","
	    "\"permissions\":[\"*\"],\"namespace\":\"his\"}");
	memdb_put(&authbed.db, "grant", GRANT, grant_row("task.read", "his"));
	authbed.db.before_model = "grant";
	authbed.db.before_write = somebody_makes_it_hold_everywhere;
	REFUSED(ACCOUNT(UPDATE, .model = "grant", .id = GRANT, .as = "clerk", .if_version = 2,
		    .data = "{\"permissions\":[\"*\"]}"),
	    ST_ABORTED, "VERSION_CONFLICT");
	assert_null(authbed.db.before_write);
	assert_still_a_grant_of_task_read(2);
}

static void
a_change_of_a_grant_that_was_made_is_told_again_whatever_version_it_names(void **unused)
{
	struct account o;

	(void)unused;
	make_granter();
	memdb_put(&authbed.db, "grant", GRANT, grant_row("task.read", NULL));
	for (int again = 0; again < 2; again++) {
		o = ACCOUNT(UPDATE, .model = "grant", .id = GRANT, .as = "clerk", .if_version = 1,
		    .operation = OPERATION, .data = "{\"description\":\"his\"}");
		assert_int_equal(o.status, ST_OK);
		assert_int_equal(o.repeated, again);
	}
	assert_still_a_grant_of_task_read(2);
}

static void
the_role_admin_is_fixed(void **unused)
{
	(void)unused;
	REFUSED(ACCOUNT(UPDATE, .model = "role", .id = "admin", .data = "{\"permissions\":[]}"),
	    ST_FAILED_PRECONDITION, "ROLE_FIXED");
	REFUSED(
	    ACCOUNT(DELETE, .model = "role", .id = "admin"), ST_FAILED_PRECONDITION, "ROLE_FIXED");
}

static void
a_field_that_is_wrong_is_named(void **unused)
{
	static const struct {
		const char *data, *field;
	} bad[] = {
		{ "{\"permissions\":[\"task.read\",\"Task\"]}", "/permissions/1" },
		{ "{\"permissions\":[7]}", "/permissions/0" },
		{ "{\"inherits\":[\"viewer\",\"none\"]}", "/inherits/1" },
		{ "[]", "" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct account o =
		    ACCOUNT(CREATE, .model = "role", .id = "auditor", .data = bad[i].data);

		assert_int_equal(o.status, ST_INVALID_ARGUMENT);
		assert_string_equal(o.field, bad[i].field);
	}
	assert_int_equal(ACCOUNT(TRANSACTION, .model = "role").status, ST_INVALID_ARGUMENT);
}

static void
without_the_database_nothing_is_written_and_the_roles_stay_in_force(void **unused)
{
	struct attempt o = try_login("admin", authbed.admin_password);

	(void)unused;
	authbed.db.down = true;
	assert_int_equal(
	    ACCOUNT(CREATE, .model = "role", .id = "auditor", .data = "{}").status, ST_UNAVAILABLE);
	assert_int_equal(try_check(o.access, "task.read").status, ST_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_permission_pattern_is_words_with_dots_and_a_star_at_one_end),
		T(who_covers_a_role_may_all_that_it_permits),
		BED(a_role_is_in_force_when_its_creation_is_answered),
		BED(a_permission_that_was_taken_from_a_role_is_gone_when_that_is_answered),
		BED(roles_are_read_one_by_one_and_all),
		BED(nobody_gives_a_role_what_he_does_not_have),
		BED(who_changes_an_account_has_what_is_granted_to_it_itself),
		BED(who_gives_a_group_has_what_is_granted_to_the_roles_that_grants_give_it),
		BED(a_role_that_is_made_anew_gives_nobody_what_was_granted_to_the_old_one),
		BED(a_grant_that_comes_behind_the_look_at_it_is_looked_at_before_it_is_changed),
		BED(a_grant_of_another_is_not_deleted_behind_the_look_at_it),
		BED(a_version_of_a_grant_that_was_not_judged_is_never_written),
		BED(a_change_of_a_grant_that_was_made_is_told_again_whatever_version_it_names),
		BED(the_role_admin_is_fixed),
		BED(a_field_that_is_wrong_is_named),
		BED(without_the_database_nothing_is_written_and_the_roles_stay_in_force),
	};

	return TEST_RUN(tests);
}
