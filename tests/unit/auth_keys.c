/* auth: API keys: made, used within their scopes, seen and revoked; and service accounts. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "auth/jwt/api_key.h"
#include "base/time.h"
#include "harness/authbed.h"

#define PASSWORD "what she alone knows"
#define KEY      "018f0000-0000-7000-8000-0000000000b1"
#define OTHER    "018f0000-0000-7000-8000-0000000000b2"
#define ROBOT    "018f0000-0000-7000-8000-0000000000b3"
#define OPER     "018f0000-0000-7000-8000-0000000000c1"

static char session[JWS_TOKEN_MAX + 1];

static const char *
key_of(const struct account *o)
{
	static char text[4][API_KEY_LEN];
	static unsigned at;
	char *out = text[at++ % 4];
	json_t *v = json_loads(o->text, 0, NULL);
	const char *s = json_string_value(json_object_get(v, "key"));

	assert_int_equal(o->status, ST_OK);
	assert_non_null(s);
	(void)snprintf(out, API_KEY_LEN, "%s", s);
	json_decref(v);
	return out;
}

static struct account
make_key(const char *data)
{
	return ACCOUNT(CREATE, .model = "my.api_key", .id = KEY, .token = session, .data = data);
}

static void
log_in_vera(const char *role)
{
	add_user("vera", PASSWORD, role);
	(void)snprintf(session, sizeof(session), "%s", try_login("vera", PASSWORD).access);
}

static struct account
remove_key(const char *operation)
{
	return ACCOUNT(
	    DELETE, .model = "my.api_key", .id = KEY, .token = session, .operation = operation);
}

static void
a_key_acts_for_its_owner(void **unused)
{
	struct account o;
	const char *key;
	Mf__Principal *p;

	(void)unused;
	log_in_vera("viewer");
	o = make_key("{\"name\":\"backup\"}");
	key = key_of(&o);
	assert_int_equal(try_check(key, "task.read").status, ST_OK);
	REFUSED(try_check(key, "task.create"), ST_PERMISSION_DENIED, "PERMISSION");
	p = principal_of(key);
	assert_string_equal(p->name, "vera");
	assert_string_equal(p->token_id, KEY);
	assert_string_equal(p->session_id, "");
	assert_string_equal(p->roles[0], "viewer");
	assert_false(p->limited);
	assert_false(p->service);
	assert_true(p->snapshot_at != 0 && p->expires_at != 0);
	mf__principal__free_unpacked(p, NULL);
}

static void
the_policy_changes(void)
{
	authbed.auth.policy_us = time_wall_us();
	(void)usleep(2000);
}

/* What it may is as old as the question, however long the answer took. */
static void
what_its_owner_may_was_asked_for_before_it_was_known(void **unused)
{
	struct account o;
	const char *key;

	(void)unused;
	log_in_vera("viewer");
	o = make_key("{\"name\":\"backup\"}");
	key = key_of(&o);
	authbed.rbac.before_expand = the_policy_changes;
	assert_int_equal(try_check(key, "").status, ST_OK);
	assert_null(authbed.rbac.before_expand);
	authbed.rbac.down = true;
	assert_int_equal(try_check(key, "task.read").status, ST_UNAVAILABLE);
}

static void
its_secret_is_shown_once_and_never_stored(void **unused)
{
	struct account o;
	const char *key;
	char *rows;

	(void)unused;
	log_in_vera("viewer");
	o = make_key("{\"name\":\"backup\"}");
	key = key_of(&o);
	rows = json_dumps(authbed.db.rows, 0);
	assert_null(strstr(rows, key + 30));
	free(rows);
	o = make_key("{\"name\":\"backup\"}"); /* its answer was lost */
	assert_string_equal(key_of(&o), key);
	assert_int_equal(try_check(key, "task.read").status, ST_OK);
	authbed_pass(20 * MS); /* that it was used is written */
	REFUSED(make_key("{\"name\":\"backup\"}"), ST_ALREADY_EXISTS, "SHOWN_BEFORE");
	o = ACCOUNT(QUERY_MANY, .model = "my.api_key", .token = session);
	assert_non_null(strstr(o.text, "\"name\":\"backup\""));
	assert_null(strstr(o.text, "mfk_"));
	assert_null(strstr(o.text, "secret"));
}

/* Who rotates a key that leaked may well keep its id. */
static void
the_next_key_of_its_id_has_another_secret(void **unused)
{
	struct account o;
	const char *key;

	(void)unused;
	log_in_vera("viewer");
	o = make_key("{\"name\":\"backup\"}");
	key = key_of(&o);
	assert_int_equal(remove_key(NULL).status, ST_OK);
	o = make_key("{\"name\":\"backup\"}");
	assert_string_not_equal(key_of(&o), key);
}

static void
its_scopes_limit_it_and_it_gives_itself_nothing(void **unused)
{
	struct account o;
	const char *key;
	Mf__Principal *p;

	(void)unused;
	log_in_vera("admin");
	o = make_key("{\"name\":\"k\",\"scopes\":[\"user.*\",\"api_key.create\"]}");
	key = key_of(&o);
	p = principal_of(key);
	assert_true(p->limited);
	assert_int_equal(p->n_scopes, 2);
	mf__principal__free_unpacked(p, NULL);
	REFUSED(ACCOUNT(CREATE, .model = "user", .id = OTHER, .token = key,
		    .data = "{\"username\":\"eve\",\"roles\":[\"admin\"]}"),
	    ST_PERMISSION_DENIED, "LIMITED_CREDENTIAL");
	REFUSED(ACCOUNT(CREATE, .model = "user", .id = OTHER, .token = key,
		    .data = "{\"username\":\"eve\",\"password\":\"of her own choice\"}"),
	    ST_PERMISSION_DENIED, "LIMITED_CREDENTIAL");
	REFUSED(ACCOUNT(UPDATE, .model = "user",
		    .id = json_string_value(json_object_get(user_named("vera"), "id")),
		    .token = key, .data = "{\"email\":\"eve@example.org\"}"),
	    ST_PERMISSION_DENIED, "LIMITED_CREDENTIAL");
	assert_int_equal(ACCOUNT(CREATE, .model = "user", .id = OTHER, .token = key,
			     .data = "{\"username\":\"eve\"}")
			     .status,
	    ST_OK);
	REFUSED(ACCOUNT(QUERY_MANY, .model = "my.session", .token = key), ST_PERMISSION_DENIED,
	    "LIMITED_CREDENTIAL");
}

static void
no_key_makes_keys_or_changes_what_its_owner_logs_in_with(void **unused)
{
	static const struct {
		Mf__StoreOp__Kind kind;
		const char *model, *data;
	} all[] = {
		{ MF__STORE_OP__KIND__CREATE, "my.api_key", "{\"name\":\"another\"}" },
		{ MF__STORE_OP__KIND__CREATE, "api_key", "{\"name\":\"another\"}" },
		{ MF__STORE_OP__KIND__DELETE, "my.api_key", "" },
		{ MF__STORE_OP__KIND__CREATE, "my.factor", "{\"kind\":\"totp\"}" },
		{ MF__STORE_OP__KIND__DELETE, "my.session", "" },
		{ MF__STORE_OP__KIND__UPDATE, "my.password",
		    "{\"current\":\"" PASSWORD "\",\"password\":\"and another one\"}" },
	};
	struct account o;
	const char *key, *vera;

	(void)unused;
	log_in_vera("admin");
	o = make_key("{\"name\":\"k\"}");
	key = key_of(&o);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		REFUSED(try_account(&(const struct account_ask){ .kind = all[i].kind,
			    .model = all[i].model,
			    .id = OTHER,
			    .token = key,
			    .data = all[i].data }),
		    ST_PERMISSION_DENIED, "SESSION_NEEDED");
	vera = json_string_value(json_object_get(user_named("vera"), "id"));
	REFUSED(ACCOUNT(UPDATE, .model = "user", .id = vera, .token = key,
		    .data = "{\"password\":\"and another one\"}"),
	    ST_PERMISSION_DENIED, "SESSION_NEEDED");
	REFUSED(ACCOUNT(UPDATE, .model = "user", .id = vera, .token = key,
		    .data = "{\"email\":\"eve@example.org\",\"email_verified\":true}"),
	    ST_PERMISSION_DENIED, "SESSION_NEEDED");
	assert_int_equal(ACCOUNT(QUERY_MANY, .model = "my.api_key", .token = key).status, ST_OK);
}

static bool
oauth_has_read_it(void *ctx)
{
	(void)ctx;
	return revoked_has(&authbed.oauth.tokens.revoked, KEY, 0);
}

static void
a_key_that_was_removed_is_refused_at_once_also_where_it_is_remembered(void **unused)
{
	struct account o;
	const char *key;
	uint64_t before;

	(void)unused;
	log_in_vera("viewer");
	o = make_key("{\"name\":\"k\"}");
	key = key_of(&o);
	assert_int_equal(try_check(key, "task.read").status, ST_OK);
	authbed.jwt.down = true;
	assert_int_equal(try_check(key, "task.read").status, ST_OK); /* oauth remembers it, too */
	authbed.jwt.down = false;
	before = authbed.auth.sequence;
	authbed.db.lose_answers = 1;
	assert_int_equal(remove_key(OPER).status, ST_OK);
	assert_true(authbed.auth.sequence > before);
	REFUSED(try_check(key, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	authbed.jwt.down = true;
	timer_in(&authbed.oauth.tokens.revoked_timer, 0); /* the event was lost */
	loop_run_until(authbed.loop, oauth_has_read_it, NULL, 5 * SEC);
	REFUSED(try_check(key, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	assert_int_equal(remove_key(OPER).status, ST_OK); /* once more, at the stand-in */
	REFUSED(remove_key(NULL), ST_NOT_FOUND, "");
}

static void
it_has_the_roles_that_its_owner_has_now(void **unused)
{
	struct account o;
	const char *key, *vera;

	(void)unused;
	log_in_vera("user");
	o = make_key("{\"name\":\"k\"}");
	key = key_of(&o);
	vera = json_string_value(json_object_get(user_named("vera"), "id"));
	assert_int_equal(try_check(key, "task.create").status, ST_OK);
	assert_int_equal(
	    ACCOUNT(UPDATE, .model = "user", .id = vera, .data = "{\"roles\":[\"viewer\"]}").status,
	    ST_OK);
	REFUSED(try_check(key, "task.create"), ST_PERMISSION_DENIED, "PERMISSION");
	assert_int_equal(try_check(key, "task.read").status, ST_OK);
	assert_int_equal(
	    ACCOUNT(UPDATE, .model = "user", .id = vera, .data = "{\"disabled\":true}").status,
	    ST_OK);
	REFUSED(try_check(key, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
}

static void
it_expires(void **unused)
{
	struct account o;
	const char *key;
	char data[100], at[TIME_RFC3339_LEN];

	(void)unused;
	log_in_vera("viewer");
	o = make_key("{\"name\":\"k\",\"expires_at\":\"2020-01-01T00:00:00Z\"}");
	assert_string_equal(o.field, "/expires_at");
	time_rfc3339(time_wall_us() + 3600 * SEC, at);
	(void)snprintf(data, sizeof(data), "{\"name\":\"k\",\"expires_at\":\"%s\"}", at);
	o = make_key(data);
	key = key_of(&o);
	time_rfc3339(time_wall_us() - 1, at);
	json_object_set_new(memdb_row(&authbed.db, "api_key", KEY), "expires_at", json_string(at));
	REFUSED(try_check(key, ""), ST_UNAUTHENTICATED, "TOKEN_EXPIRED");
}

static void
a_remembered_key_is_not_read_again_and_its_use_is_written_once(void **unused)
{
	struct account o;
	const char *key;
	unsigned reads, writes;

	(void)unused;
	log_in_vera("viewer");
	o = make_key("{\"name\":\"k\"}");
	key = key_of(&o);
	assert_int_equal(try_check(key, "").status, ST_OK);
	authbed_pass(20 * MS);
	assert_true(
	    json_is_string(json_object_get(memdb_row(&authbed.db, "api_key", KEY), "used_at")));
	reads = authbed.db.reads;
	writes = authbed.db.writes;
	for (int i = 0; i < 50; i++)
		assert_int_equal(try_check(key, "").status, ST_OK);
	authbed_pass(20 * MS);
	assert_int_equal(authbed.db.reads, reads);
	assert_int_equal(authbed.db.writes, writes);
	authbed.jwt.down = true; /* the stand-in reads it, and that it was used is written */
	assert_int_equal(try_check(key, "").status, ST_OK);
	authbed_pass(20 * MS);
	assert_int_equal(authbed.db.writes, writes);
}

static void
unknown_keys_cost_a_read_each_and_then_a_wait(void **unused)
{
	struct api_key k = { KEY, "the secret of thirty-two bytes.." };
	char text[API_KEY_LEN];
	unsigned reads = authbed.db.reads, limited = 0;

	(void)unused;
	for (unsigned i = 0; i < 100; i++) {
		struct attempt o;

		uuid7(k.id);
		api_key_write(&k, text);
		o = try_check(text, "");
		if (o.status == ST_RESOURCE_EXHAUSTED)
			limited++;
		else
			REFUSED(o, ST_UNAUTHENTICATED, "TOKEN_INVALID");
	}
	assert_true(limited > 50);
	assert_true(authbed.db.reads - reads < 50);
	text[20] ^= 1; /* mistyped: that costs nothing */
	reads = authbed.db.reads;
	REFUSED(try_check(text, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	assert_int_equal(authbed.db.reads, reads);
}

static void
a_wrong_secret_is_as_wrong_as_a_key_that_nobody_has(void **unused)
{
	struct api_key k = { KEY, "the secret of thirty-two bytes.." };
	char text[API_KEY_LEN];
	struct account o;

	(void)unused;
	log_in_vera("viewer");
	o = make_key("{\"name\":\"k\"}");
	api_key_write(&k, text);
	REFUSED(try_check(text, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	assert_int_equal(try_check(key_of(&o), "").status, ST_OK);
	REFUSED(try_check(text, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID"); /* now remembered */
}

static void
without_the_store_what_is_not_remembered_can_not_be_decided(void **unused)
{
	struct account o;
	const char *key;

	(void)unused;
	log_in_vera("viewer");
	o = make_key("{\"name\":\"k\"}");
	key = key_of(&o);
	authbed.db.down = true;
	assert_int_equal(try_check(key, "").status, ST_UNAVAILABLE);
	authbed.db.down = false;
	assert_int_equal(try_check(key, "").status, ST_OK);
	authbed.db.down = true;
	assert_int_equal(try_check(key, "").status, ST_OK);
}

/* --- administrators, service accounts --- */

static void
a_service_account_has_keys_and_no_password(void **unused)
{
	struct account o;
	Mf__Principal *p;

	(void)unused;
	log_in_vera("admin");
	o = ACCOUNT(CREATE, .model = "user", .id = ROBOT,
	    .data = "{\"username\":\"robot\",\"kind\":\"service\",\"password\":\"it has none at "
		    "all\"}");
	assert_string_equal(o.field, "/password");
	o = ACCOUNT(CREATE, .model = "user", .id = ROBOT,
	    .data = "{\"username\":\"robot\",\"kind\":\"service\",\"roles\":[\"viewer\"]}");
	assert_int_equal(o.status, ST_OK);
	o = ACCOUNT(
	    UPDATE, .model = "user", .id = ROBOT, .data = "{\"password\":\"it has none at all\"}");
	assert_string_equal(o.field, "/password");
	o = ACCOUNT(UPDATE, .model = "user", .id = ROBOT, .data = "{\"kind\":\"person\"}");
	assert_string_equal(o.field, "/kind");
	REFUSED(try_login("robot", "it has none at all"), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	o = ACCOUNT(CREATE, .model = "api_key", .id = KEY, .token = session,
	    .data = "{\"name\":\"k\",\"user_id\":\"" ROBOT "\"}");
	p = principal_of(key_of(&o));
	assert_string_equal(p->id, ROBOT);
	assert_true(p->service);
	mf__principal__free_unpacked(p, NULL);
	assert_null(strstr(ACCOUNT(QUERY_MANY, .model = "my.api_key", .token = session).text, KEY));
	assert_non_null(strstr(ACCOUNT(QUERY_MANY, .model = "api_key", .token = session,
				   .filter = "user_id", .value = ROBOT)
				   .text,
	    KEY));
}

static void
nobody_makes_a_key_of_another_person_or_beyond_his_own(void **unused)
{
	struct account o;
	char data[200];

	(void)unused;
	memdb_put(&authbed.db, "user", ROBOT,
	    json_pack("{s:s,s:s,s:[s],s:b}", "username", "robot", "kind", "service", "roles",
		"admin", "disabled", 0));
	log_in_vera("viewer");
	REFUSED(ACCOUNT(CREATE, .model = "api_key", .id = KEY, .token = session,
		    .data = "{\"name\":\"k\",\"user_id\":\"" ROBOT "\"}"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	add_user("otto", PASSWORD, "viewer");
	(void)snprintf(data, sizeof(data), "{\"name\":\"k\",\"user_id\":\"%s\"}",
	    json_string_value(json_object_get(user_named("otto"), "id")));
	o = ACCOUNT(CREATE, .model = "api_key", .id = KEY, .token = session, .data = data);
	assert_string_equal(o.field, "/user_id");
	o = ACCOUNT(CREATE, .model = "my.api_key", .id = KEY, .token = session, .data = data);
	assert_string_equal(o.field, "/user_id");
	o = make_key("{\"name\":\"k\"}");
	assert_int_equal(o.status, ST_OK);
	REFUSED(ACCOUNT(DELETE, .model = "my.api_key", .id = KEY,
		    .token = try_login("otto", PASSWORD).access),
	    ST_NOT_FOUND, "");
	REFUSED(ACCOUNT(DELETE, .model = "api_key", .id = KEY, .as = "nothing"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	assert_int_equal(ACCOUNT(DELETE, .model = "api_key", .id = KEY).status, ST_OK);
}

static void
a_field_that_is_wrong_is_named(void **unused)
{
	static const struct {
		const char *data, *field;
	} bad[] = {
		{ "{}", "/name" },
		{ "{\"name\":\"\"}", "/name" },
		{ "{\"name\":7}", "/name" },
		{ "{\"name\":\"k\",\"scopes\":\"task.read\"}", "/scopes" },
		{ "{\"name\":\"k\",\"scopes\":[\"task.read\",\"Task\"]}", "/scopes/1" },
		{ "{\"name\":\"k\",\"scopes\":[7]}", "/scopes/0" },
		{ "{\"name\":\"k\",\"expires_at\":\"tomorrow\"}", "/expires_at" },
		{ "{\"name\":\"k\",\"secret_hash\":\"x\"}", "/secret_hash" },
		{ "[]", "" },
	};

	(void)unused;
	log_in_vera("viewer");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct account o = make_key(bad[i].data);

		assert_int_equal(o.status, ST_INVALID_ARGUMENT);
		assert_string_equal(o.field, bad[i].field);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BED(a_key_acts_for_its_owner),
		BED(what_its_owner_may_was_asked_for_before_it_was_known),
		BED(its_secret_is_shown_once_and_never_stored),
		BED(the_next_key_of_its_id_has_another_secret),
		BED(its_scopes_limit_it_and_it_gives_itself_nothing),
		BED(no_key_makes_keys_or_changes_what_its_owner_logs_in_with),
		BED(a_key_that_was_removed_is_refused_at_once_also_where_it_is_remembered),
		BED(it_has_the_roles_that_its_owner_has_now),
		BED(it_expires),
		BED(a_remembered_key_is_not_read_again_and_its_use_is_written_once),
		BED(unknown_keys_cost_a_read_each_and_then_a_wait),
		BED(a_wrong_secret_is_as_wrong_as_a_key_that_nobody_has),
		BED(without_the_store_what_is_not_remembered_can_not_be_decided),
		BED(a_service_account_has_keys_and_no_password),
		BED(nobody_makes_a_key_of_another_person_or_beyond_his_own),
		BED(a_field_that_is_wrong_is_named),
	};

	return TEST_RUN(tests);
}
