/* oauth_token: the token endpoint: every grant, every way in which one is none, and what a repeat, a lost
 * answer and a thief get. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "auth/oauth/client_auth.h"
#include "auth/oauth/codes.h"
#include "base/id.h"
#include "harness/authbed.h"

#define VERIFIER  "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" /* RFC 7636, appendix B */
#define CHALLENGE "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
#define REDIRECT  "https://app.example/cb"
#define SECRET    "a-secret-of-256-bits-in-base64url-43-charac"
#define TOKEN     "/oauth/token"
#define CODE_FORM                                                                                  \
	"grant_type=authorization_code&code=%s&redirect_uri=https%%3A%%2F%%2Fapp.example%%2Fcb"    \
	"&code_verifier=" VERIFIER

static char user_id[UUID_LEN];

static void
put_client(const char *id, const char *method, const char *grant, json_t *more)
{
	char hash[CLIENT_SECRET_HASH_MAX];
	json_t *v = json_pack("{s:s,s:s,s:[s],s:[s,s],s:[s,s,s],s:b}", "name", id, "auth_method",
	    method, "redirect_uris", REDIRECT, "grant_types", grant, "refresh_token", "scopes",
	    "task.*", "openid", "doc.read", "disabled", 0);

	client_secret_hash(SECRET, hash);
	if (strcmp(method, "none") != 0)
		json_object_set_new(v, "secret_hash", json_string(hash));
	if (more != NULL)
		json_object_update_new(v, more);
	memdb_put(&authbed.db, "client", id, v);
}

static void
put_code(const char *code, const char *client, int64_t until_us)
{
	char id[UUID_LEN], expires[TIME_RFC3339_LEN];

	web_hash_id(CODE_KIND, code, id);
	time_rfc3339(time_wall_us() + 3600 * SEC, expires);
	memdb_put(&authbed.db, "auth_state", id,
	    json_pack("{s:s,s:s,s:{s:I,s:s,s:s,s:s,s:[s,s],s:s,s:I,s:[s],s:I}}", "kind", CODE_KIND,
		"expires_at", expires, "data", "until", (json_int_t)until_us, "client_id", client,
		"redirect_uri", REDIRECT, "code_challenge", CHALLENGE, "scopes", "task.read",
		"task.create", "user_id", user_id, "user_version", (json_int_t)0, "methods", "pwd",
		"authenticated_at", (json_int_t)time_wall_us()));
}

static int
start(void **state)
{
	int r = authbed_start(state);

	add_user("ann", "a fine long password", "user");
	(void)snprintf(user_id, sizeof(user_id), "%s",
	    json_string_value(json_object_get(user_named("ann"), "id")));
	put_client("app", "none", "authorization_code", NULL);
	put_client("other", "none", "authorization_code", NULL);
	put_client("server", "client_secret_basic", "authorization_code", NULL);
	put_code("code-1", "app", time_wall_us() + 60 * SEC);
	return r;
}

static struct web_got
exchange(const char *client, const char *code, const char *operation)
{
	char body[1000];

	(void)snprintf(body, sizeof(body), CODE_FORM "&client_id=%s", code, client);
	return WEB(.path = TOKEN, .body = body, .operation = operation);
}

static void
refused_as(const struct web_got *g, unsigned http, const char *error)
{
	assert_int_equal(g->status, ST_OK);
	assert_string_equal(web_got_text(g, "error"), error);
	assert_int_equal(g->http, http);
	assert_non_null(strstr(g->headers, "cache-control: no-store"));
}

static void
refused_form(const char *body, unsigned http, const char *error)
{
	struct web_got g = WEB(.path = TOKEN, .body = body);

	refused_as(&g, http, error);
}

/* --- codes --- */

static void
a_code_gives_tokens_that_count_within_their_scopes(void **unused)
{
	struct web_got g = exchange("app", "code-1", NULL);

	(void)unused;
	assert_int_equal(g.http, 200);
	assert_string_equal(web_got_text(&g, "token_type"), "Bearer");
	assert_string_equal(web_got_text(&g, "scope"), "task.read task.create");
	assert_string_not_equal(web_got_text(&g, "refresh_token"), "");
	assert_int_equal(try_check(web_got_text(&g, "access_token"), "task.read").status, ST_OK);
	assert_int_equal(try_check(web_got_text(&g, "access_token"), "task.delete").status,
	    ST_PERMISSION_DENIED);
}

static void
a_code_is_for_its_client_verifier_and_redirect_alone(void **unused)
{
	struct web_got g = exchange("other", "code-1", NULL);

	(void)unused;
	refused_as(&g, 400, "invalid_grant");
	refused_form("grant_type=authorization_code&code=code-1&client_id=app&redirect_uri=https%3A"
		     "%2F%2Fapp.example%2Fcb%2F&code_verifier=" VERIFIER,
	    400, "invalid_grant");
	refused_form("grant_type=authorization_code&code=code-1&client_id=app&code_verifier="
		     "aBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
	    400, "invalid_grant");
	refused_form(
	    "grant_type=authorization_code&code=code-1&client_id=app&code_verifier=" CHALLENGE, 400,
	    "invalid_grant");
	refused_form(
	    "grant_type=authorization_code&code=code-1&client_id=app", 400, "invalid_grant");
	refused_form(
	    "grant_type=authorization_code&code=code-2&client_id=app&code_verifier=" VERIFIER, 400,
	    "invalid_grant");
	g = exchange("app", "code-1", NULL);
	assert_int_equal(g.http, 200); /* none of them used it up */
}

static void
a_code_that_has_expired_is_none(void **unused)
{
	struct web_got g;

	(void)unused;
	put_code("code-old", "app", time_wall_us() - 1);
	g = exchange("app", "code-old", NULL);
	refused_as(&g, 400, "invalid_grant");
}

static void
a_code_that_comes_again_takes_back_what_it_gave(void **unused)
{
	struct web_got first = exchange("app", "code-1", NULL), again;
	char access[8000], body[1000];

	(void)unused;
	(void)snprintf(access, sizeof(access), "%s", web_got_text(&first, "access_token"));
	assert_int_equal(try_check(access, "task.read").status, ST_OK);
	test_expect_log(LOG_WARN, 1);
	again = exchange("app", "code-1", NULL);
	refused_as(&again, 400, "invalid_grant");
	authbed.jwt.down = true; /* in one process it hears no events of oauth's */
	assert_int_equal(try_check(access, "task.read").status, ST_UNAUTHENTICATED);
	(void)snprintf(body, sizeof(body),
	    "grant_type=refresh_token&client_id=app&refresh_token=%s",
	    web_got_text(&first, "refresh_token"));
	refused_form(body, 400, "invalid_grant");
}

static void
who_has_a_used_code_but_not_its_verifier_ends_nobodys_session(void **unused)
{
	struct web_got first = exchange("app", "code-1", NULL);

	(void)unused;
	refused_form("grant_type=authorization_code&code=code-1&client_id=app&code_verifier="
		     "aBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
	    400, "invalid_grant");
	assert_int_equal(
	    try_check(web_got_text(&first, "access_token"), "task.read").status, ST_OK);
}

static void
the_same_operation_again_is_the_same_session_also_on_the_stand_in(void **unused)
{
	struct web_got first = exchange("app", "code-1", "018f0000-0000-7000-8000-0000000000c0"),
		       again;

	(void)unused;
	assert_int_equal(first.http, 200);
	authbed.oauth.down = true;
	again = exchange("app", "code-1", "018f0000-0000-7000-8000-0000000000c0");
	assert_int_equal(again.http, 200);
	assert_string_equal(
	    web_got_text(&first, "refresh_token"), web_got_text(&again, "refresh_token"));
	assert_int_equal(memdb_count(&authbed.db, "session"), 1);
}

static void
a_lost_answer_of_the_store_loses_no_code(void **unused)
{
	struct web_got g;

	(void)unused;
	authbed.db.lose_answers = 1;
	g = exchange("app", "code-1", NULL);
	assert_int_equal(g.http, 200);
	assert_int_equal(memdb_count(&authbed.db, "session"), 1);
}

static void
without_the_store_nothing_is_decided_and_nothing_used_up(void **unused)
{
	struct web_got g;

	(void)unused;
	authbed.db.down = true;
	g = exchange("app", "code-1", NULL);
	refused_as(&g, 503, "temporarily_unavailable");
	assert_non_null(strstr(g.headers, "retry-after: "));
	authbed.db.down = false;
	g = exchange("app", "code-1", NULL);
	assert_int_equal(g.http, 200);
}

/* --- refresh --- */

static void
a_refresh_token_is_its_clients_alone_and_may_ask_for_less_but_not_for_more(void **unused)
{
	struct web_got first = exchange("app", "code-1", NULL), g;
	char body[1000];

	(void)unused;
#define REFRESH(client, more)                                                                      \
	((void)snprintf(body, sizeof(body),                                                        \
	     "grant_type=refresh_token&client_id=" client "&refresh_token=%s" more,                \
	     web_got_text(&first, "refresh_token")),                                               \
	    WEB(.path = TOKEN, .body = body))
	g = REFRESH("other", "");
	refused_as(&g, 400, "invalid_grant");
	g = REFRESH("app", "&scope=task.delete");
	refused_as(&g, 400, "invalid_scope");
	g = REFRESH("app", "&scope=task.read");
	assert_int_equal(g.http, 200);
	assert_string_equal(web_got_text(&g, "scope"), "task.read");
	assert_int_equal(try_check(web_got_text(&g, "access_token"), "task.create").status,
	    ST_PERMISSION_DENIED);
	assert_string_not_equal(
	    web_got_text(&g, "refresh_token"), web_got_text(&first, "refresh_token"));
#undef REFRESH
}

/* --- who is the client --- */

static const char *
basic(const char *id, const char *secret)
{
	static char out[600];
	char both[400];

	(void)snprintf(both, sizeof(both), "%s:%s", id, secret);
	(void)snprintf(out, sizeof(out), "Basic ");
	(void)sodium_bin2base64(out + 6, sizeof(out) - 6, (uint8_t *)both, strlen(both),
	    sodium_base64_VARIANT_ORIGINAL);
	return out;
}

#define CREDENTIALS "grant_type=client_credentials&scope=task.read"

static void
put_service(void)
{
	char service[UUID_LEN];

	uuid7(service);
	memdb_put(&authbed.db, "user", service,
	    json_pack("{s:s,s:s,s:[s],s:b}", "username", "robot", "kind", "service", "roles",
		"user", "disabled", 0));
	put_client("robot", "client_secret_basic", "client_credentials",
	    json_pack("{s:s}", "user_id", service));
	put_client("poster", "client_secret_post", "client_credentials",
	    json_pack("{s:s}", "user_id", service));
}

static void
a_client_acts_for_its_service_account_and_gets_no_refresh_token(void **unused)
{
	struct web_got g;

	(void)unused;
	put_service();
	g = WEB(.path = TOKEN, .body = CREDENTIALS, .authorization = basic("robot", SECRET));
	assert_int_equal(g.http, 200);
	assert_string_equal(web_got_text(&g, "refresh_token"), "");
	assert_int_equal(try_check(web_got_text(&g, "access_token"), "task.read").status, ST_OK);
	assert_int_equal(try_check(web_got_text(&g, "access_token"), "task.create").status,
	    ST_PERMISSION_DENIED);
	assert_int_equal(memdb_count(&authbed.db, "session"), 0);
	g = WEB(.path = TOKEN, .body = CREDENTIALS "&client_id=poster&client_secret=" SECRET);
	assert_int_equal(g.http, 200);
}

static void
a_client_authenticates_in_its_registered_way_and_no_other(void **unused)
{
	struct web_got g;

	(void)unused;
	put_service();
	test_expect_log(LOG_WARN, 5);
	refused_form(CREDENTIALS "&client_id=robot&client_secret=" SECRET, 401, "invalid_client");
	refused_form(CREDENTIALS "&client_id=robot", 401, "invalid_client");
	refused_form(CREDENTIALS "&client_id=nobody&client_secret=" SECRET, 401, "invalid_client");
	refused_form(CREDENTIALS, 401, "invalid_client");
	g = WEB(.path = TOKEN, .body = CREDENTIALS, .authorization = basic("poster", SECRET));
	refused_as(&g, 401, "invalid_client");
	assert_non_null(strstr(g.headers, "www-authenticate: Basic "));
	g = WEB(.path = TOKEN, .body = CREDENTIALS, .authorization = basic("robot", "wrong"));
	refused_as(&g, 401, "invalid_client");
	g = WEB(.path = TOKEN, .body = CREDENTIALS "&client_id=robot&client_secret=" SECRET,
	    .authorization = basic("robot", SECRET));
	refused_as(&g, 400, "invalid_request");
	g = WEB(.path = TOKEN, .body = CREDENTIALS "&client_id=poster",
	    .authorization = basic("robot", SECRET));
	refused_as(&g, 400, "invalid_request");
	g = WEB(.path = TOKEN, .body = CREDENTIALS, .authorization = "Bearer x");
	refused_as(&g, 400, "invalid_request");
}

static void
who_guesses_secrets_has_to_wait_and_others_do_not(void **unused)
{
	struct web_got g = { 0 };

	(void)unused;
	put_service();
	authbed.oauth_config.client_failures = 2; /* a call site logs ten lines a second */
	test_expect_log(LOG_WARN, 2);
	for (int i = 0; i < 25 && g.http != 429; i++)
		g = WEB(.path = TOKEN, .body = CREDENTIALS,
		    .authorization = basic("robot", "guess"));
	assert_int_equal(g.http, 429);
	assert_non_null(strstr(g.headers, "retry-after: "));
	g = WEB(.path = TOKEN, .body = CREDENTIALS, .authorization = basic("robot", SECRET),
	    .address = "192.0.2.7");
	assert_int_equal(g.http, 200);
}

static void
a_disabled_client_is_none(void **unused)
{
	struct web_got g;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	json_object_set_new(memdb_row(&authbed.db, "client", "app"), "disabled", json_true());
	g = exchange("app", "code-1", NULL);
	refused_as(&g, 401, "invalid_client");
}

/* --- requests --- */

static void
nothing_is_taken_from_the_query_and_nothing_twice(void **unused)
{
	struct web_got g = WEB(.path = TOKEN, .query = "access_token=x", .body = CREDENTIALS);

	(void)unused;
	refused_as(&g, 400, "invalid_request");
	g = WEB(.path = TOKEN, .query = CREDENTIALS "&client_id=app", .method = "POST");
	refused_as(&g, 400, "invalid_request");
	refused_form(CREDENTIALS "&client_id=app&client_id=app", 400, "invalid_request");
	g = WEB(.path = TOKEN, .body = "{\"grant_type\":\"client_credentials\"}",
	    .type = "application/json");
	refused_as(&g, 400, "invalid_request");
	g = WEB(.path = TOKEN);
	assert_int_equal(g.http, 405);
	assert_non_null(strstr(g.headers, "allow: POST"));
}

static void
other_grants_there_are_none(void **unused)
{
	(void)unused;
	refused_form("grant_type=password&username=a&password=b&client_id=app", 400,
	    "unsupported_grant_type");
	refused_form("grant_type=client_credentials&client_id=app", 400, "unauthorized_client");
	refused_form("client_id=app", 400, "invalid_request");
}

static void
a_secret_is_known_by_its_hash_alone(void **unused)
{
	char hash[CLIENT_SECRET_HASH_MAX];

	(void)unused;
	client_secret_hash(SECRET, hash);
	assert_null(strstr(hash, SECRET));
	assert_true(client_secret_ok(hash, SECRET));
	assert_false(client_secret_ok(hash, ""));
	assert_false(client_secret_ok(hash, hash));
	assert_false(client_secret_ok(NULL, SECRET));
	assert_false(client_secret_ok("", SECRET));
}

#define OB(f) cmocka_unit_test_setup_teardown(f, start, authbed_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		OB(a_code_gives_tokens_that_count_within_their_scopes),
		OB(a_code_is_for_its_client_verifier_and_redirect_alone),
		OB(a_code_that_has_expired_is_none),
		OB(a_code_that_comes_again_takes_back_what_it_gave),
		OB(who_has_a_used_code_but_not_its_verifier_ends_nobodys_session),
		OB(the_same_operation_again_is_the_same_session_also_on_the_stand_in),
		OB(a_lost_answer_of_the_store_loses_no_code),
		OB(without_the_store_nothing_is_decided_and_nothing_used_up),
		OB(a_refresh_token_is_its_clients_alone_and_may_ask_for_less_but_not_for_more),
		OB(a_client_acts_for_its_service_account_and_gets_no_refresh_token),
		OB(a_client_authenticates_in_its_registered_way_and_no_other),
		OB(who_guesses_secrets_has_to_wait_and_others_do_not),
		OB(a_disabled_client_is_none),
		OB(nothing_is_taken_from_the_query_and_nothing_twice),
		OB(other_grants_there_are_none),
		OB(a_secret_is_known_by_its_hash_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
