/* auth: one's own sessions and password, and what goes with an account. */
#include <stdio.h>
#include <string.h>
#include "auth/jwt/revoked.h"
#include "base/time.h"
#include "harness/authbed.h"

#define PASSWORD "what she alone knows"
#define ANOTHER  "what nobody else knows"
#define OPER     "018f0000-0000-7000-8000-0000000000c1"

static struct attempt here, there;

static void
log_in_twice(void)
{
	add_user("vera", PASSWORD, "viewer");
	here = try_login_from("192.0.2.1", "vera", PASSWORD);
	there = try_login_from("192.0.2.77", "vera", PASSWORD);
	assert_int_equal(here.status, ST_OK);
	assert_int_equal(there.status, ST_OK);
}

static const char *
session_of(const struct attempt *o)
{
	static char id[2][UUID_LEN];
	static unsigned at;
	Mf__Principal *p = principal_of(o->access);
	char *out = id[at++ % 2];

	assert_non_null(p);
	(void)snprintf(out, UUID_LEN, "%s", p->session_id);
	mf__principal__free_unpacked(p, NULL);
	return out;
}

static struct account
new_password(const char *token, const char *current, const char *fresh, const char *operation)
{
	char data[200];

	(void)snprintf(
	    data, sizeof(data), "{\"current\":\"%s\",\"password\":\"%s\"}", current, fresh);
	return ACCOUNT(UPDATE, .model = "my.password", .id = "password", .token = token,
	    .data = data, .operation = operation);
}

static size_t
count_in(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

static void
one_sees_where_one_is_logged_in(void **unused)
{
	struct account o;

	(void)unused;
	log_in_twice();
	(void)try_login("admin", authbed.admin_password);
	o = ACCOUNT(QUERY_MANY, .model = "my.session", .token = here.access);
	assert_int_equal(count_in(o.text, "\"kind\":\"api\""), 2);
	assert_int_equal(count_in(o.text, "\"current\":true"), 1);
	assert_non_null(strstr(o.text, "\"client_address\":\"192.0.2.77\""));
	assert_int_equal(count_in(o.text, "\"methods\":[\"pwd\"]"), 2);
	assert_int_equal(count_in(o.text, "\"authenticated_at\":\"2"), 2);
	o = ACCOUNT(QUERY_MANY, .model = "my.session", .token = here.access, .filter = "user_id",
	    .value = "018f0000-0000-7000-8000-000000000001");
	assert_string_equal(o.field, "/filters/user_id");
	o = ACCOUNT(QUERY_MANY, .model = "session");
	assert_int_equal(count_in(o.text, "\"kind\":\"api\""), 3);
	assert_int_equal(count_in(o.text, "\"current\":true"), 0);
}

static void
one_session_is_ended_and_the_other_goes_on(void **unused)
{
	struct account o;

	(void)unused;
	log_in_twice();
	o = ACCOUNT(DELETE, .model = "my.session", .id = session_of(&there), .token = here.access);
	assert_int_equal(o.status, ST_OK);
	REFUSED(try_check(there.access, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_refresh(there.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	assert_int_equal(try_check(here.access, "").status, ST_OK);
	o = ACCOUNT(QUERY_MANY, .model = "my.session", .token = here.access);
	assert_int_equal(count_in(o.text, "\"kind\":\"api\""), 1);
}

static void
another_s_session_is_as_good_as_none(void **unused)
{
	struct attempt otto;

	(void)unused;
	log_in_twice();
	add_user("otto", PASSWORD, "viewer");
	otto = try_login("otto", PASSWORD);
	REFUSED(
	    ACCOUNT(DELETE, .model = "my.session", .id = session_of(&here), .token = otto.access),
	    ST_NOT_FOUND, "");
	REFUSED(
	    ACCOUNT(READ_ONE, .model = "my.session", .id = session_of(&here), .token = otto.access),
	    ST_NOT_FOUND, "");
	REFUSED(ACCOUNT(DELETE, .model = "session", .id = session_of(&here), .as = "nothing"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	assert_int_equal(
	    ACCOUNT(DELETE, .model = "session", .id = session_of(&here)).status, ST_OK);
	REFUSED(try_check(here.access, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
}

static void
logging_out_everywhere_ends_all_at_once(void **unused)
{
	uint64_t before;

	(void)unused;
	log_in_twice();
	before = authbed.auth.sequence;
	authbed.db.lose_answers = 1;
	assert_int_equal(
	    ACCOUNT(DELETE, .model = "my.session", .id = "*", .token = here.access).status, ST_OK);
	assert_true(authbed.auth.sequence > before);
	REFUSED(try_check(here.access, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_check(there.access, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_refresh(here.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_refresh(there.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	assert_int_equal(try_login("vera", PASSWORD).status, ST_OK);
}

static void
an_administrator_logs_somebody_out_everywhere_if_he_may_change_him(void **unused)
{
	struct account o;
	char data[100];

	(void)unused;
	log_in_twice();
	o = ACCOUNT(DELETE, .model = "session", .id = "*");
	assert_string_equal(o.field, "/user_id");
	(void)snprintf(data, sizeof(data), "{\"user_id\":\"%s\"}",
	    json_string_value(json_object_get(user_named("vera"), "id")));
	REFUSED(ACCOUNT(DELETE, .model = "session", .id = "*", .data = data, .as = "nothing"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	assert_int_equal(try_check(here.access, "").status, ST_OK);
	o = ACCOUNT(DELETE, .model = "session", .id = "*", .data = data);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.text, "");
	REFUSED(try_check(here.access, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_refresh(there.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
}

static void
a_new_password_ends_all_other_sessions_and_keeps_this_one(void **unused)
{
	struct attempt fresh;

	(void)unused;
	log_in_twice();
	authbed.db.lose_answers = 1;
	assert_int_equal(new_password(here.access, PASSWORD, ANOTHER, OPER).status, ST_OK);
	REFUSED(try_refresh(there.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_check(there.access, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	fresh = try_refresh(here.refresh, NULL);
	assert_int_equal(fresh.status, ST_OK);
	assert_int_equal(try_check(fresh.access, "").status, ST_OK);
	REFUSED(try_login("vera", PASSWORD), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	assert_int_equal(try_login("vera", ANOTHER).status, ST_OK);
	/* once more, at the stand-in: it knows that it was done */
	authbed.jwt.down = true;
	assert_int_equal(new_password(fresh.access, PASSWORD, ANOTHER, OPER).status, ST_OK);
	assert_int_equal(try_login("vera", ANOTHER).status, ST_OK);
}

static void
a_new_password_needs_the_present_one_and_the_rules(void **unused)
{
	struct account o;

	(void)unused;
	log_in_twice();
	o = new_password(here.access, PASSWORD, "short", NULL);
	assert_string_equal(o.field, "/password");
	o = new_password(here.access, PASSWORD, "of vera herself", NULL);
	assert_string_equal(o.field, "/password");
	o = new_password(here.access, "", ANOTHER, NULL);
	assert_string_equal(o.field, "/current");
	for (int i = 0; i < 5; i++) {
		o = new_password(here.access, "not this one", ANOTHER, NULL);
		assert_int_equal(o.status, ST_INVALID_ARGUMENT);
		assert_string_equal(o.field, "/current");
		assert_null(strstr(o.message, "not this one"));
	}
	REFUSED(new_password(here.access, PASSWORD, ANOTHER, NULL), ST_RESOURCE_EXHAUSTED,
	    "PROOF_LIMIT");
	assert_int_equal(new_password(there.access, PASSWORD, ANOTHER, NULL).status, ST_OK);
}

static void
a_short_password_of_before_still_logs_in(void **unused)
{
	(void)unused;
	add_user("otto", "otto", "viewer");
	assert_int_equal(try_login("otto", "otto").status, ST_OK);
}

static void
with_an_account_goes_all_that_it_had(void **unused)
{
	static const char *const models[] = { "api_key", "factor", "identity", "consent" };
	const char *vera;
	char id[UUID_LEN];

	(void)unused;
	log_in_twice();
	vera = json_string_value(json_object_get(user_named("vera"), "id"));
	for (size_t i = 0; i < 4; i++)
		for (int k = 0; k < (i == 0 ? 120 : 1); k++) {
			uuid7(id);
			memdb_put(&authbed.db, models[i], id,
			    json_pack("{s:s,s:s}", "user_id", vera, "name", "x"));
		}
	uuid7(id);
	memdb_put(&authbed.db, "api_key", id,
	    json_pack("{s:s}", "user_id", "018f0000-0000-7000-8000-000000000001"));
	authbed.db.lose_answers = 3;
	assert_int_equal(
	    ACCOUNT(DELETE, .model = "user", .id = vera, .operation = OPER).status, ST_OK);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(memdb_count(&authbed.db, models[i]), i == 0 ? 1 : 0);
	REFUSED(try_refresh(here.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(try_check(there.access, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
}

static void
addresses_and_names_of_accounts_are_looked_at(void **unused)
{
	static const struct {
		const char *data, *field;
	} bad[] = {
		{ "{\"username\":\"eve\",\"kind\":\"robot\"}", "/kind" },
		{ "{\"username\":\"eve\",\"kind\":7}", "/kind" },
		{ "{\"username\":\"eve\",\"email\":\"eve\"}", "/email" },
		{ "{\"username\":\"eve\",\"email\":\"eve@\"}", "/email" },
		{ "{\"username\":\"eve\",\"email\":\"@example.org\"}", "/email" },
		{ "{\"username\":\"eve\",\"email\":\"eve@a@b\"}", "/email" },
		{ "{\"username\":\"eve\",\"email\":\"e ve@example.org\"}", "/email" },
		{ "{\"username\":\"eve\",\"display_name\":\"Eve\\nAdmin\"}", "/display_name" },
	};
	struct account o;

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		o = ACCOUNT(CREATE, .model = "user", .id = OPER, .data = bad[i].data);
		assert_int_equal(o.status, ST_INVALID_ARGUMENT);
		assert_string_equal(o.field, bad[i].field);
	}
	o = ACCOUNT(CREATE, .model = "user", .id = OPER,
	    .data = "{\"username\":\"eve\",\"email\":\"eve@example.org\",\"email_verified\":true}");
	assert_non_null(strstr(o.text, "\"email_verified\":true"));
	o = ACCOUNT(UPDATE, .model = "user", .id = OPER, .data = "{\"email\":\"eve@example.com\"}");
	assert_non_null(strstr(o.text, "\"email_verified\":false"));
}

static void
groups_are_given_by_who_could_give_their_roles_and_take_a_refresh(void **unused)
{
	struct account o;
	struct attempt fresh;
	const char *vera;

	(void)unused;
	assert_int_equal(ACCOUNT(CREATE, .model = "group", .id = "makers",
			     .data = "{\"id\":\"makers\",\"roles\":[\"user\"]}")
			     .status,
	    ST_OK);
	log_in_twice();
	vera = json_string_value(json_object_get(user_named("vera"), "id"));
	REFUSED(try_check(here.access, "task.create"), ST_PERMISSION_DENIED, "PERMISSION");
	o = ACCOUNT(
	    UPDATE, .model = "user", .id = vera, .data = "{\"groups\":[\"makers\",\"none\"]}");
	assert_string_equal(o.field, "/groups/1");
	REFUSED(ACCOUNT(UPDATE, .model = "user", .id = vera, .data = "{\"groups\":[\"makers\"]}",
		    .as = "viewer"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	assert_int_equal(
	    ACCOUNT(UPDATE, .model = "user", .id = vera, .data = "{\"groups\":[\"makers\"]}")
		.status,
	    ST_OK);
	REFUSED(try_check(here.access, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	fresh = try_refresh(here.refresh, NULL);
	assert_int_equal(try_check(fresh.access, "task.create").status, ST_OK);
	/* whoever is in it is as far beyond a viewer as the group is */
	REFUSED(ACCOUNT(UPDATE, .model = "user", .id = vera, .data = "{\"disabled\":true}",
		    .as = "viewer"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BED(one_sees_where_one_is_logged_in),
		BED(one_session_is_ended_and_the_other_goes_on),
		BED(another_s_session_is_as_good_as_none),
		BED(logging_out_everywhere_ends_all_at_once),
		BED(an_administrator_logs_somebody_out_everywhere_if_he_may_change_him),
		BED(a_new_password_ends_all_other_sessions_and_keeps_this_one),
		BED(a_new_password_needs_the_present_one_and_the_rules),
		BED(a_short_password_of_before_still_logs_in),
		BED(with_an_account_goes_all_that_it_had),
		BED(groups_are_given_by_who_could_give_their_roles_and_take_a_refresh),
		BED(addresses_and_names_of_accounts_are_looked_at),
	};

	return TEST_RUN(tests);
}
