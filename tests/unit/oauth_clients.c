/* oauth_clients: the models client, consent and my.consent: what may be a client, who may make it, what is
 * told of it, and what ends with it. */
#include <stdio.h>
#include <string.h>
#include "auth/oauth/client_auth.h"
#include "base/id.h"
#include "harness/authbed.h"

#define WEBAPP                                                                                     \
	"{\"name\":\"Web\",\"auth_method\":\"client_secret_basic\",\"grant_types\":["              \
	"\"authorization_code\"],\"redirect_uris\":[\"https://app.example/cb\"],\"scopes\":["      \
	"\"openid\",\"task.*\"]}"
#define ANN "018f0000-0000-7000-8000-00000000000a"
#define BOB "018f0000-0000-7000-8000-00000000000b"

static char robot[UUID_LEN];

static void
put_robot(const char *role)
{
	uuid7(robot);
	memdb_put(&authbed.db, "user", robot,
	    json_pack("{s:s,s:s,s:[s],s:b}", "username", "robot", "kind", "service", "roles", role,
		"disabled", 0));
}

static const char *
robot_client(void)
{
	static char data[500];

	(void)snprintf(data, sizeof(data),
	    "{\"name\":\"Robot\",\"auth_method\":\"client_secret_basic\",\"grant_types\":["
	    "\"client_credentials\"],\"scopes\":[\"task.*\"],\"user_id\":\"%s\"}",
	    robot);
	return data;
}

static void
member(const char *text, const char *name, char *out, size_t size)
{
	json_t *v = json_loads(text, 0, NULL);
	const char *s = json_string_value(json_object_get(v, name));

	(void)snprintf(out, size, "%s", s != NULL ? s : "");
	json_decref(v);
}

static void
a_secret_is_told_once_and_stored_as_a_hash(void **unused)
{
	struct account o = ACCOUNT(CREATE, .model = "client", .id = "web", .data = WEBAPP,
	    .operation = "018f0000-0000-7000-8000-0000000000d1");
	char secret[100], again[100];
	const char *hash;

	(void)unused;
	assert_int_equal(o.status, ST_OK);
	member(o.text, "client_secret", secret, sizeof(secret));
	assert_int_equal(strlen(secret), 43);
	assert_null(strstr(o.text, "secret_hash"));
	hash = json_string_value(
	    json_object_get(memdb_row(&authbed.db, "client", "web"), "secret_hash"));
	assert_true(client_secret_ok(hash, secret));
	o = ACCOUNT(READ_ONE, .model = "client", .id = "web");
	assert_null(strstr(o.text, "\"client_secret\""));
	assert_null(strstr(o.text, "secret_hash"));
	o = ACCOUNT(QUERY_MANY, .model = "client");
	assert_null(strstr(o.text, "secret_hash"));
	o = ACCOUNT(CREATE, .model = "client", .id = "web", .data = WEBAPP,
	    .operation = "018f0000-0000-7000-8000-0000000000d1");
	member(o.text, "client_secret", again, sizeof(again));
	assert_string_equal(again, secret); /* the answer was lost */
	o = ACCOUNT(CREATE, .model = "client", .id = "web", .data = WEBAPP);
	member(o.text, "client_secret", again, sizeof(again));
	assert_string_equal(again, ""); /* somebody else's try */
}

static void
a_rotated_secret_replaces_the_one_before(void **unused)
{
	struct account o = ACCOUNT(CREATE, .model = "client", .id = "web", .data = WEBAPP);
	char before[100], after[100];
	const char *hash;

	(void)unused;
	member(o.text, "client_secret", before, sizeof(before));
	o = ACCOUNT(UPDATE, .model = "client", .id = "web", .data = "{\"rotate_secret\":true}");
	assert_int_equal(o.status, ST_OK);
	member(o.text, "client_secret", after, sizeof(after));
	assert_string_not_equal(after, "");
	assert_string_not_equal(after, before);
	hash = json_string_value(
	    json_object_get(memdb_row(&authbed.db, "client", "web"), "secret_hash"));
	assert_true(client_secret_ok(hash, after));
	assert_false(client_secret_ok(hash, before));
	o = ACCOUNT(UPDATE, .model = "client", .id = "web", .data = "{\"name\":\"Other\"}");
	member(o.text, "client_secret", after, sizeof(after));
	assert_string_equal(after, "");
}

static void
what_may_be_no_client_is_refused_with_its_field(void **unused)
{
	static const struct {
		const char *patch, *field;
	} bad[] = {
		{ "\"name\":\"\"", "/name" },
		{ "\"name\":\"Web\\nsays: you are safe\"", "/name" },
		{ "\"name\":\"W\\u0085eb\"", "/name" },
		{ "\"name\":\"\\u202ebeW\"", "/name" },
		{ "\"name\":\"We\\u2066b\"", "/name" },
		{ "\"name\":\"We\\u200bb\"", "/name" },
		{ "\"redirect_uris\":[\"https://app.example/cb#x\"]", "/redirect_uris" },
		{ "\"redirect_uris\":[\"http://app.example/cb\"]", "/redirect_uris" },
		{ "\"redirect_uris\":[]", "/redirect_uris" },
		{ "\"logout_uris\":[\"https://*.example/\"]", "/logout_uris" },
		{ "\"grant_types\":[\"password\"]", "/grant_types" },
		{ "\"grant_types\":[\"implicit\"]", "/grant_types" },
		{ "\"grant_types\":[]", "/grant_types" },
		{ "\"grant_types\":[\"client_credentials\"]", "/user_id" },
		{ "\"auth_method\":\"client_secret_jwt\"", "/auth_method" },
		{ "\"auth_method\":\"private_key_jwt\"", "/jwks" },
		{ "\"jwks\":{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", "/jwks" },
		{ "\"scopes\":[\"Task.read\"]", "/scopes" },
		{ "\"secret_hash\":\"s1.x\"", "/secret_hash" },
		{ "\"registration_hash\":\"s1.x\"", "/registration_hash" },
		{ "\"rotate_secret\":1", "/rotate_secret" },
	};
	char data[300];

	(void)unused;
	assert_int_equal(
	    ACCOUNT(CREATE, .model = "client", .id = "web", .data = WEBAPP).status, ST_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct account o;

		(void)snprintf(data, sizeof(data), "{%s}", bad[i].patch);
		o = ACCOUNT(UPDATE, .model = "client", .id = "web", .data = data);
		if (o.status != ST_INVALID_ARGUMENT || strcmp(o.field, bad[i].field) != 0)
			fail_msg("%s: %d %s %s", data, o.status, o.field, o.message);
	}
	REFUSED(ACCOUNT(CREATE, .model = "client", .id = "x", .data = "{}"), ST_INVALID_ARGUMENT,
	    "VALIDATION");
	assert_int_equal(ACCOUNT(UPDATE, .model = "client", .id = "web",
			     .data = "{\"name\":\"Überall – 我们的 \\u200dשלום\"}")
			     .status,
	    ST_OK);
}

static void
nobody_makes_a_client_that_may_more_than_himself(void **unused)
{
	(void)unused;
	put_robot("admin");
	REFUSED(ACCOUNT(CREATE, .model = "client", .id = "robot", .data = robot_client(),
		    .as = "operator"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	assert_int_equal(
	    ACCOUNT(CREATE, .model = "client", .id = "robot", .data = robot_client()).status,
	    ST_OK);
	/* nor takes one over */
	REFUSED(ACCOUNT(UPDATE, .model = "client", .id = "robot",
		    .data = "{\"rotate_secret\":true}", .as = "operator"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	assert_int_equal(
	    ACCOUNT(CREATE, .model = "client", .id = "web", .data = WEBAPP, .as = "operator")
		.status,
	    ST_OK);
	REFUSED(ACCOUNT(UPDATE, .model = "client", .id = "web", .data = "{\"trusted\":true}",
		    .as = "operator"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
}

static void
somebody_trusts_it(struct memdb *db)
{
	json_t *row = memdb_row(db, "client", "web");

	json_object_set_new(row, "trusted", json_true());
	json_object_set_new(row, "version", json_integer(2));
}

/* Else who names the next version would send the codes of a client that was trusted meanwhile to
 * himself. */
static void
a_version_of_a_client_that_was_not_judged_is_never_written(void **unused)
{
	struct account o;

	(void)unused;
	assert_int_equal(
	    ACCOUNT(CREATE, .model = "client", .id = "web", .data = WEBAPP, .as = "operator")
		.status,
	    ST_OK);
	authbed.db.before_model = "client";
	authbed.db.before_write = somebody_trusts_it;
	REFUSED(ACCOUNT(UPDATE, .model = "client", .id = "web", .as = "operator", .if_version = 2,
		    .data = "{\"redirect_uris\":[\"https://eve.example/\"]}"),
	    ST_ABORTED, "VERSION_CONFLICT");
	assert_null(authbed.db.before_write);
	o = ACCOUNT(READ_ONE, .model = "client", .id = "web");
	assert_null(strstr(o.text, "eve.example"));
}

static void
somebody_makes_a_trusted_client(struct memdb *db)
{
	memdb_put(db, "client", "web", json_pack("{s:s,s:b}", "name", "Web", "trusted", 1));
}

static void
a_client_of_another_is_not_deleted_behind_the_look_at_it(void **unused)
{
	(void)unused;
	authbed.db.before_model = "client";
	authbed.db.before_write = somebody_makes_a_trusted_client;
	REFUSED(ACCOUNT(DELETE, .model = "client", .id = "web", .as = "operator"), ST_ABORTED,
	    "VERSION_CONFLICT");
	assert_non_null(memdb_row(&authbed.db, "client", "web"));
}

static void
a_person_is_no_service_account(void **unused)
{
	struct account o;

	(void)unused;
	add_user("ann", "a fine long password", "user");
	(void)snprintf(robot, sizeof(robot), "%s",
	    json_string_value(json_object_get(user_named("ann"), "id")));
	o = ACCOUNT(CREATE, .model = "client", .id = "robot", .data = robot_client());
	assert_int_equal(o.status, ST_INVALID_ARGUMENT);
	assert_string_equal(o.field, "/user_id");
}

static void
put_session(const char *id, const char *user, const char *client)
{
	char expires[TIME_RFC3339_LEN];

	time_rfc3339(time_wall_us() + 3600 * SEC, expires);
	memdb_put(&authbed.db, "session", id,
	    json_pack("{s:s,s:s,s:s,s:s}", "user_id", user, "client_id", client, "kind", "client",
		"expires_at", expires));
}

static bool
is_live(const char *id)
{
	const char *s =
	    json_string_value(json_object_get(memdb_row(&authbed.db, "session", id), "expires_at"));
	int64_t at;

	assert_true(s != NULL && time_parse_rfc3339(str_of(s), &at));
	return at > time_wall_us();
}

#define S1 "018f0000-0000-7000-8000-0000000000e1"
#define S2 "018f0000-0000-7000-8000-0000000000e2"
#define S3 "018f0000-0000-7000-8000-0000000000e3"

static void
with_a_client_end_its_sessions_and_no_others(void **unused)
{
	(void)unused;
	assert_int_equal(
	    ACCOUNT(CREATE, .model = "client", .id = "web", .data = WEBAPP).status, ST_OK);
	put_session(S1, ANN, "web");
	put_session(S2, BOB, "web");
	put_session(S3, ANN, "other");
	authbed.db.page = 1;
	assert_int_equal(ACCOUNT(DELETE, .model = "client", .id = "web").status, ST_OK);
	assert_false(is_live(S1));
	assert_false(is_live(S2));
	assert_true(is_live(S3));
	assert_null(memdb_row(&authbed.db, "client", "web"));
}

#define C1 "018f0000-0000-7000-8000-0000000000f1"

static void
who_takes_back_a_consent_ends_what_it_gave(void **unused)
{
	struct account o;

	(void)unused;
	memdb_put(&authbed.db, "consent", C1,
	    json_pack("{s:s,s:s,s:[s]}", "user_id", ANN, "client_id", "web", "scopes", "task.*"));
	put_session(S1, ANN, "web");
	put_session(S2, BOB, "web");
	put_session(S3, ANN, "other");
	o = ACCOUNT(QUERY_MANY, .model = "my.consent", .by = ANN);
	assert_non_null(strstr(o.text, C1));
	o = ACCOUNT(QUERY_MANY, .model = "my.consent", .by = BOB);
	assert_null(strstr(o.text, C1));
	assert_int_equal(
	    ACCOUNT(READ_ONE, .model = "my.consent", .id = C1, .by = BOB).status, ST_NOT_FOUND);
	assert_int_equal(
	    ACCOUNT(DELETE, .model = "my.consent", .id = C1, .by = BOB).status, ST_NOT_FOUND);
	assert_true(is_live(S1));
	assert_int_equal(ACCOUNT(DELETE, .model = "my.consent", .id = C1, .by = ANN).status, ST_OK);
	assert_false(is_live(S1));
	assert_true(is_live(S2));
	assert_true(is_live(S3));
	assert_null(memdb_row(&authbed.db, "consent", C1));
	REFUSED(ACCOUNT(CREATE, .model = "my.consent", .id = C1, .by = ANN, .data = "{}"),
	    ST_INVALID_ARGUMENT, "VALIDATION");
}

static void
the_client_gets_another_session(struct memdb *db)
{
	(void)db;
	put_session(S2, ANN, "web");
}

static void
what_began_while_a_consent_was_taken_back_ends_too(void **unused)
{
	(void)unused;
	memdb_put(&authbed.db, "consent", C1,
	    json_pack("{s:s,s:s,s:[s]}", "user_id", ANN, "client_id", "web", "scopes", "task.*"));
	put_session(S1, ANN, "web");
	authbed.db.before_model = "consent";
	authbed.db.before_write = the_client_gets_another_session;
	assert_int_equal(ACCOUNT(DELETE, .model = "my.consent", .id = C1, .by = ANN).status, ST_OK);
	assert_null(authbed.db.before_write);
	assert_null(memdb_row(&authbed.db, "consent", C1));
	assert_false(is_live(S1));
	assert_false(is_live(S2));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BED(a_secret_is_told_once_and_stored_as_a_hash),
		BED(a_rotated_secret_replaces_the_one_before),
		BED(what_may_be_no_client_is_refused_with_its_field),
		BED(nobody_makes_a_client_that_may_more_than_himself),
		BED(a_version_of_a_client_that_was_not_judged_is_never_written),
		BED(a_client_of_another_is_not_deleted_behind_the_look_at_it),
		BED(a_person_is_no_service_account),
		BED(with_a_client_end_its_sessions_and_no_others),
		BED(who_takes_back_a_consent_ends_what_it_gave),
		BED(what_began_while_a_consent_was_taken_back_ends_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
