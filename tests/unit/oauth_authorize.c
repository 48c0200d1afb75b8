/* oauth_authorize: authorization requests, pushed ones, devices, introspection, revocation, metadata:
 * each rule, and each way around it that is known. */
#include <stdio.h>
#include <string.h>
#include "auth/jwt/tries.h"
#include "auth/oauth/client_auth.h"
#include "auth/oauth/device.h"
#include "base/id.h"
#include "harness/authbed.h"

#define CHALLENGE "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
#define PKCE      "&code_challenge=" CHALLENGE "&code_challenge_method=S256"
#define REDIRECT  "&redirect_uri=https%3A%2F%2Fapp.example%2Fcb"
#define ASK       "response_type=code&client_id=app&state=s%201&prompt=none" REDIRECT
#define SECRET    "a-secret-of-256-bits-in-base64url-43-charac"

static void
put_client(const char *id, const char *method, json_t *more)
{
	char hash[CLIENT_SECRET_HASH_MAX];
	json_t *v = json_pack("{s:s,s:s,s:[s,s],s:[s,s,s],s:[s,s],s:b}", "name", id, "auth_method",
	    method, "redirect_uris", "https://app.example/cb", "http://127.0.0.1/cb", "grant_types",
	    "authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code",
	    "scopes", "task.*", "openid", "disabled", 0);

	client_secret_hash(SECRET, hash);
	if (strcmp(method, "none") != 0)
		json_object_set_new(v, "secret_hash", json_string(hash));
	if (more != NULL)
		json_object_update_new(v, more);
	memdb_put(&authbed.db, "client", id, v);
}

static int
start(void **state)
{
	int r = authbed_start(state);

	put_client("app", "none", NULL);
	put_client("pusher", "none", json_pack("{s:b}", "pushed_required", 1));
	put_client("server", "client_secret_post", NULL);
	return r;
}

static struct web_got
ask(const char *query)
{
	return WEB(.path = "/oauth/authorize", .query = query, .accept = "text/html");
}

/* --- who may be sent where --- */

static void
nobody_is_sent_to_where_the_client_did_not_register(void **unused)
{
	static const char *const bad[] = {
		"https%3A%2F%2Fevil.example%2Fcb",
		"https%3A%2F%2Fapp.example%2Fcb%2F",
		"https%3A%2F%2Fapp.example%2Fcb%3Fx%3D1",
		"https%3A%2F%2Fapp.example%2Fcb%2F..%2Fcb",
		"https%3A%2F%2Fapp.example%40evil.example%2Fcb",
		"https%3A%2F%2Fapp.example.%2Fcb",
		"https%3A%2F%2FAPP.example%2Fcb",
		"https%3A%2F%2Fapp.example%2Fcb%23x",
		"https%3A%2F%2Fapp.example%253A443%2Fcb",
		"%2Fcb",
		"javascript%3Aalert(1)",
		"http%3A%2F%2Flocalhost%3A5000%2Fcb",
		"http%3A%2F%2F127.0.0.1%3A5000%2Fother",
		"http%3A%2F%2F127.0.0.1%3A5000%40evil.example%2Fcb",
	};
	char query[600];

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct web_got g;

		(void)snprintf(query, sizeof(query),
		    "response_type=code&client_id=app&prompt=none&redirect_uri=%s" PKCE, bad[i]);
		g = ask(query);
		if (g.http != 400 || g.location[0] != '\0')
			fail_msg("%s: %u %s", bad[i], g.http, g.location);
		assert_non_null(strstr(g.headers, "frame-ancestors 'none'"));
	}
}

static void
an_unknown_client_sends_nobody_anywhere(void **unused)
{
	static const char *const bad[] = {
		"response_type=code&client_id=nobody" REDIRECT PKCE,
		"response_type=code" REDIRECT PKCE,
		"response_type=code&client_id=%3Cb%3E" REDIRECT PKCE,
		ASK "&client_id=app" PKCE, /* twice */
		ASK PKCE "&state=other",
		ASK PKCE "&redirect_uri=https%3A%2F%2Fevil.example",
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct web_got g = ask(bad[i]);

		if (g.http != 400 || g.location[0] != '\0')
			fail_msg("%s: %u %s", bad[i], g.http, g.location);
		assert_string_equal(g.type, "text/html; charset=utf-8");
	}
}

static void
the_port_of_a_loopback_redirect_is_free(void **unused)
{
	struct web_got g =
	    ask("response_type=code&client_id=app&prompt=none&redirect_uri=http%3A%2F%"
		"2F127.0.0.1%3A51004%2Fcb" PKCE);

	(void)unused;
	assert_int_equal(g.http, 303);
	assert_memory_equal(g.location, "http://127.0.0.1:51004/cb?error=login_required", 46);
}

#define HOME "https%3A%2F%2Fmetafed.test%2Fui%2F"
#define OWN  "response_type=code&client_id=metafed-ui&prompt=none&redirect_uri="

static void
the_dashboard_goes_home_alone_with_pkce_alone_and_for_who_one_is_alone(void **unused)
{
	static const char *const nowhere[] = {
		OWN "https%3A%2F%2Fmetafed.test%2Fui" PKCE,
		OWN "https%3A%2F%2Fmetafed.test%2Fui%2Fx" PKCE,
		OWN "https%3A%2F%2Fmetafed.test%3A444%2Fui%2F" PKCE,
		OWN "http%3A%2F%2Fmetafed.test%2Fui%2F" PKCE,
		OWN "http%3A%2F%2F127.0.0.1%3A5000%2Fui%2F" PKCE,
		OWN "%2Fui%2F" PKCE,
		OWN "https%3A%2F%2Fevil.example%2Fui%2F" PKCE,
	};
	static const struct {
		const char *query, *error;
	} back[] = {
		{ OWN HOME PKCE, "login_required" },
		{ OWN HOME, "invalid_request" },
		{ OWN HOME "&code_challenge=" CHALLENGE "&code_challenge_method=plain",
		    "invalid_request" },
		{ OWN HOME PKCE "&scope=openid+task.read", "invalid_scope" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
		struct web_got g = ask(nowhere[i]);

		if (g.http != 400 || g.location[0] != '\0')
			fail_msg("%s: %u %s", nowhere[i], g.http, g.location);
	}
	for (size_t i = 0; i < sizeof(back) / sizeof(back[0]); i++) {
		struct web_got g = ask(back[i].query);
		char want[100];

		(void)snprintf(want, sizeof(want), WEB_ORIGIN "/ui/?error=%s", back[i].error);
		if (g.http != 303 || strncmp(g.location, want, strlen(want)) != 0)
			fail_msg("%s: %u %s", back[i].query, g.http, g.location);
	}
}

/* The loopback's free port is for programs that can't know theirs before. */
static void
the_dashboard_on_the_loopback_has_the_one_port_that_it_came_from(void **unused)
{
	static const char query[] = OWN "http%3A%2F%2F127.0.0.1%3A8080%2Fui%2F" PKCE;
	struct web_got g =
	    WEB(.path = "/oauth/authorize", .query = query, .origin = "http://127.0.0.1:8080");

	(void)unused;
	assert_int_equal(g.http, 303);
	g = WEB(.path = "/oauth/authorize", .query = query, .origin = "http://127.0.0.1:9000");
	assert_int_equal(g.http, 400);
	g = WEB(.path = "/oauth/authorize", .query = OWN "%2Fui%2F" PKCE, .origin = "");
	assert_int_equal(g.http, 400); /* nobody knows where we are */
}

static void
errors_go_back_with_state_and_issuer(void **unused)
{
	static const struct {
		const char *query, *error;
	} bad[] = {
		{ ASK PKCE, "login_required" },
		{ ASK, "invalid_request" },
		{ ASK "&code_challenge=" CHALLENGE, "invalid_request" },
		{ ASK "&code_challenge=" CHALLENGE "&code_challenge_method=plain",
		    "invalid_request" },
		{ ASK "&code_challenge=short&code_challenge_method=S256", "invalid_request" },
		{ "response_type=token&client_id=app&state=s%201" REDIRECT PKCE,
		    "unsupported_response_type" },
		{ "response_type=code+id_token&client_id=app&state=s%201" REDIRECT PKCE,
		    "unsupported_response_type" },
		{ "client_id=app&state=s%201" REDIRECT PKCE, "unsupported_response_type" },
		{ ASK PKCE "&response_mode=fragment", "invalid_request" },
		{ ASK PKCE "&scope=doc.read", "invalid_scope" },
		{ ASK PKCE "&scope=task.read+*", "invalid_scope" },
		{ ASK PKCE "&scope=%22", "invalid_scope" },
		{ ASK PKCE "&request=eyJhbGciOiJub25lIn0..", "request_not_supported" },
		{ ASK PKCE "&request_uri=https%3A%2F%2Fevil.example%2Fr", "request_not_supported" },
		{ ASK PKCE "&resource=https%3A%2F%2Fother.example", "invalid_target" },
		{ ASK PKCE "&resource=https%3A%2F%2Fmetafed.test.evil.example", "invalid_target" },
		{ ASK PKCE "&max_age=-1", "invalid_request" },
		{ ASK PKCE "&dpop_jkt=short", "invalid_request" },
		{ "response_type=code&client_id=app&state=s%201&prompt=none+login" REDIRECT PKCE,
		    "invalid_request" },
		{ "response_type=code&client_id=pusher&state=s%201" REDIRECT PKCE,
		    "invalid_request" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct web_got g = ask(bad[i].query);

		if (g.http != 303 || strcmp(web_got_param(&g, "error"), bad[i].error) != 0)
			fail_msg("%s: %u %s", bad[i].query, g.http, g.location);
		assert_memory_equal(g.location, "https://app.example/cb?", 23);
		assert_string_equal(web_got_param(&g, "state"), "s 1");
		assert_string_equal(web_got_param(&g, "iss"), WEB_ORIGIN);
		assert_string_equal(web_got_param(&g, "code"), "");
	}
}

static void
who_is_not_signed_in_goes_to_the_log_in_and_the_request_waits(void **unused)
{
	struct web_got g = ask("response_type=code&client_id=app" REDIRECT PKCE);

	(void)unused;
	assert_int_equal(g.http, 303);
	assert_memory_equal(g.location, WEB_ORIGIN "/oauth/login?flow=", 37);
	assert_int_equal(memdb_count(&authbed.db, "auth_state"), 1);
	g = WEB(.path = "/oauth/authorize",
	    .body = "response_type=code&client_id=app" REDIRECT PKCE);
	assert_int_equal(g.http, 303);
}

/* --- RFC 9126 --- */

static void
a_pushed_request_is_good_once_and_for_its_client(void **unused)
{
	struct web_got g = WEB(.path = "/oauth/par",
	    .body = "response_type=code&client_id=pusher&state=x" REDIRECT PKCE);
	char query[300];

	(void)unused;
	assert_int_equal(g.http, 201);
	(void)snprintf(
	    query, sizeof(query), "client_id=app&request_uri=%s", web_got_text(&g, "request_uri"));
	assert_int_equal(ask(query).http, 400);
	(void)snprintf(query, sizeof(query), "client_id=pusher&request_uri=%s",
	    web_got_text(&g, "request_uri"));
	for (int i = 0; i < 2; i++) /* the second: a lost answer */
		assert_int_equal(WEB(.path = "/oauth/authorize", .query = query,
				     .operation = "018f0000-0000-7000-8000-0000000000da")
				     .http,
		    303);
	assert_int_equal(ask(query).http, 400);
}

static void
what_is_pushed_is_judged_at_once(void **unused)
{
	struct web_got g =
	    WEB(.path = "/oauth/par", .body = "response_type=code&client_id=app" REDIRECT);

	(void)unused;
	assert_int_equal(g.http, 400);
	assert_string_equal(web_got_text(&g, "error"), "invalid_request");
	g = WEB(.path = "/oauth/par",
	    .body =
		"response_type=code&client_id=app&redirect_uri=https%3A%2F%2Fevil.example" PKCE);
	assert_int_equal(g.http, 400);
	test_expect_log(LOG_WARN, 1);
	g = WEB(.path = "/oauth/par", .body = "response_type=code&client_id=server" REDIRECT PKCE);
	assert_int_equal(g.http, 401);
}

/* --- RFC 8628 --- */

#define DEVICE_FORM                                                                                \
	"client_id=app&grant_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant-type%%3Adevice_code"     \
	"&device_code=%s"

static void
a_device_waits_and_is_told_to_slow_down(void **unused)
{
	struct web_got g =
	    WEB(.path = "/oauth/device_authorization", .body = "client_id=app&scope=task.read");
	char body[400];
	const char *code;

	(void)unused;
	assert_int_equal(g.http, 200);
	code = web_got_text(&g, "user_code");
	assert_int_equal(strlen(code), 9);
	assert_int_equal(strspn(code, "BCDFGHJKLMNPQRSTVWXZ-"), 9);
	assert_string_equal(web_got_text(&g, "verification_uri"), WEB_ORIGIN "/oauth/device");
	(void)snprintf(body, sizeof(body), DEVICE_FORM, web_got_text(&g, "device_code"));
	g = WEB(.path = "/oauth/token", .body = body);
	assert_string_equal(web_got_text(&g, "error"), "authorization_pending");
	g = WEB(.path = "/oauth/token", .body = body);
	assert_string_equal(web_got_text(&g, "error"), "slow_down");
	(void)snprintf(body, sizeof(body), DEVICE_FORM, "another");
	g = WEB(.path = "/oauth/token", .body = body);
	assert_string_equal(web_got_text(&g, "error"), "invalid_grant");
}

static void
forget_pace(void)
{
	device_pace_free(&authbed.oauth.oauth.devices);
	authbed.oauth.oauth.devices = device_pace_new();
}

static json_t *
the_state(void)
{
	const char *id;
	json_t *row;

	json_object_foreach(json_object_get(authbed.db.rows, "auth_state"), id, row) return row;
	return NULL;
}

static void
what_the_user_decided_is_given_once(void **unused)
{
	struct web_got g =
	    WEB(.path = "/oauth/device_authorization", .body = "client_id=app&scope=task.read");
	char body[400], access[8000];

	(void)unused;
	add_user("ann", "a fine long password", "user");
	(void)snprintf(body, sizeof(body), DEVICE_FORM, web_got_text(&g, "device_code"));
	json_object_update_new(json_object_get(the_state(), "data"),
	    json_pack("{s:s,s:O,s:I,s:[s]}", "decision", "approved", "user_id",
		json_object_get(user_named("ann"), "id"), "authenticated_at",
		(json_int_t)time_wall_us(), "methods", "pwd"));
	g = WEB(.path = "/oauth/token", .body = body);
	assert_int_equal(g.http, 200);
	(void)snprintf(access, sizeof(access), "%s", web_got_text(&g, "access_token"));
	assert_int_equal(try_check(access, "task.read").status, ST_OK);
	forget_pace();
	test_expect_log(LOG_WARN, 1);
	g = WEB(.path = "/oauth/token", .body = body);
	assert_string_equal(web_got_text(&g, "error"), "invalid_grant");
	authbed.jwt.down = true; /* in one process it hears no events of oauth's */
	assert_int_equal(try_check(access, "task.read").status, ST_UNAUTHENTICATED);
}

static void
a_device_that_was_denied_or_came_too_late_is_told_so(void **unused)
{
	struct web_got g = WEB(.path = "/oauth/device_authorization", .body = "client_id=app");
	json_t *data = json_object_get(the_state(), "data");
	char body[400];

	(void)unused;
	(void)snprintf(body, sizeof(body), DEVICE_FORM, web_got_text(&g, "device_code"));
	json_object_set_new(data, "decision", json_string("denied"));
	g = WEB(.path = "/oauth/token", .body = body);
	assert_string_equal(web_got_text(&g, "error"), "access_denied");
	json_object_set_new(data, "until", json_integer(1));
	forget_pace();
	g = WEB(.path = "/oauth/token", .body = body);
	assert_string_equal(web_got_text(&g, "error"), "expired_token");
}

/* --- bounds --- */

/* The bed takes 20 (authbed.c). */
static void
what_strangers_begin_is_bounded_by_their_network(void **unused)
{
	static const char query[] = "response_type=code&client_id=app" REDIRECT PKCE;
	static const char form[] = "client_id=app&response_type=code" REDIRECT PKCE;
	struct web_got g;

	(void)unused;
	for (int i = 0; i < 20; i++)
		assert_int_equal(WEB(.path = "/oauth/authorize", .query = query,
				     .address = i % 2 == 0 ? "2001:db8::1" : "2001:db8::2")
				     .http,
		    303);
	g = WEB(.path = "/oauth/authorize", .query = query, .address = "2001:db8::3");
	assert_int_equal(g.http, 429);
	assert_non_null(strstr(g.headers, "retry-after: "));
	g = WEB(.path = "/oauth/par", .body = form, .address = "2001:db8::3");
	assert_int_equal(g.http, 429);
	g = WEB(.path = "/oauth/device_authorization", .body = "client_id=app",
	    .address = "2001:db8::3");
	assert_int_equal(g.http, 429);
	assert_int_equal(memdb_count(&authbed.db, "auth_state"), 20);
	g = WEB(.path = "/oauth/authorize", .query = query, .address = "2001:db8:0:1::1");
	assert_int_equal(g.http, 303);
	g = WEB(.path = "/oauth/device_authorization",
	    .body = "client_id=server&client_secret=" SECRET, .address = "2001:db8::3");
	assert_int_equal(g.http, 200);
}

/* Each report is a line of the audit log. */
static void
what_strangers_try_is_not_told_without_end(void **unused)
{
	struct tries **told = &authbed.oauth.oauth.told;
	char body[100];

	(void)unused;
	tries_free(told);
	*told = tries_new(3, 3600 * SEC); /* a call site logs ten lines a second */
	test_expect_log(LOG_WARN, 3);
	for (int i = 0; i < 8; i++) {
		(void)snprintf(body, sizeof(body), "grant_type=x&client_id=nobody-%d", i);
		assert_int_equal(WEB(.path = "/oauth/token", .body = body).http, 401);
	}
	authbed_pass(100 * MS);
	assert_int_equal(memdb_count(&authbed.db, "audit"), 3);
}

/* --- RFC 7662, 7009 --- */

static void
a_client_is_told_of_its_own_tokens_alone(void **unused)
{
	struct attempt o = try_login("admin", authbed.admin_password);
	struct web_got g;
	char body[9000];

	(void)unused;
	(void)snprintf(
	    body, sizeof(body), "client_id=server&client_secret=" SECRET "&token=%s", o.access);
	g = WEB(.path = "/oauth/introspect", .body = body);
	assert_int_equal(g.http, 200);
	assert_string_equal(g.body, "{\"active\":false}");
	(void)snprintf(
	    body, sizeof(body), "client_id=server&client_secret=" SECRET "&token=%s", o.refresh);
	g = WEB(.path = "/oauth/introspect", .body = body);
	assert_string_equal(g.body, "{\"active\":false}");
	g = WEB(.path = "/oauth/introspect", .body = "client_id=app&token=x");
	assert_int_equal(g.http, 401);
	(void)snprintf(
	    body, sizeof(body), "client_id=server&client_secret=" SECRET "&token=%s", o.access);
	g = WEB(.path = "/oauth/revoke", .body = body);
	assert_int_equal(g.http, 400);
	assert_int_equal(try_check(o.access, "task.read").status, ST_OK);
	g = WEB(.path = "/oauth/revoke", .body = "client_id=app&token=none-of-ours");
	assert_int_equal(g.http, 200);
}

static void
who_may_ask_for_introspection_sees_all_tokens(void **unused)
{
	struct attempt o = try_login("admin", authbed.admin_password);
	struct web_got g;
	char body[9000];

	(void)unused;
	put_client(
	    "resource", "client_secret_post", json_pack("{s:[s]}", "scopes", "token.introspect"));
	(void)snprintf(
	    body, sizeof(body), "client_id=resource&client_secret=" SECRET "&token=%s", o.access);
	g = WEB(.path = "/oauth/introspect", .body = body);
	assert_string_equal(web_got_text(&g, "username"), "admin");
	assert_string_equal(web_got_text(&g, "token_type"), "Bearer");
}

static void
a_revocation_that_can_not_be_decided_is_not_said_to_be_done(void **unused)
{
	struct attempt o = try_login("admin", authbed.admin_password);
	char body[9000];

	(void)unused;
	(void)snprintf(body, sizeof(body), "client_id=app&token=%s", o.access);
	authbed.oauth.tokens.revoked.known = false;
	assert_int_equal(WEB(.path = "/oauth/revoke", .body = body).http, 503);
	authbed.oauth.tokens.revoked.known = true;
}

/* --- RFC 8414 --- */

static void
the_metadata_name_what_there_is(void **unused)
{
	struct web_got g = WEB(.path = "/.well-known/oauth-authorization-server");

	(void)unused;
	assert_int_equal(g.http, 200);
	assert_string_equal(web_got_text(&g, "issuer"), WEB_ORIGIN);
	assert_string_equal(web_got_text(&g, "token_endpoint"), WEB_ORIGIN "/oauth/token");
	assert_null(strstr(g.body, "plain"));
	assert_null(strstr(g.body, "implicit"));
	g = WEB(.path = "/oauth/jwks");
	assert_non_null(strstr(g.body, "\"keys\":"));
	assert_null(strstr(g.body, "\"d\":"));
}

static void
what_is_not_there_is_said_in_the_callers_words(void **unused)
{
	struct web_got g = WEB(.path = "/oauth/nothing");

	(void)unused;
	assert_int_equal(g.http, 404);
	assert_string_equal(g.type, "application/json");
	g = WEB(.path = "/oauth/nothing", .accept = "text/html");
	assert_int_equal(g.http, 404);
	assert_string_equal(g.type, "text/html; charset=utf-8");
	assert_int_equal(WEB(.path = "/oauth/register/a/b").http, 404);
	assert_int_equal(WEB(.path = "/oauth/register/").http, 404);
}

#define OB(f) cmocka_unit_test_setup_teardown(f, start, authbed_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		OB(nobody_is_sent_to_where_the_client_did_not_register),
		OB(an_unknown_client_sends_nobody_anywhere),
		OB(the_port_of_a_loopback_redirect_is_free),
		OB(the_dashboard_goes_home_alone_with_pkce_alone_and_for_who_one_is_alone),
		OB(the_dashboard_on_the_loopback_has_the_one_port_that_it_came_from),
		OB(errors_go_back_with_state_and_issuer),
		OB(who_is_not_signed_in_goes_to_the_log_in_and_the_request_waits),
		OB(a_pushed_request_is_good_once_and_for_its_client),
		OB(what_is_pushed_is_judged_at_once),
		OB(a_device_waits_and_is_told_to_slow_down),
		OB(what_the_user_decided_is_given_once),
		OB(a_device_that_was_denied_or_came_too_late_is_told_so),
		OB(what_strangers_begin_is_bounded_by_their_network),
		OB(what_strangers_try_is_not_told_without_end),
		OB(a_client_is_told_of_its_own_tokens_alone),
		OB(who_may_ask_for_introspection_sees_all_tokens),
		OB(a_revocation_that_can_not_be_decided_is_not_said_to_be_done),
		OB(the_metadata_name_what_there_is),
		OB(what_is_not_there_is_said_in_the_callers_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
