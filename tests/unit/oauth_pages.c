/* oauth_pages: log-in, second factor and the signed-in browser over https, with the whole auth domain
 * behind: what a lost answer, a lost store and a changed account leave. Forms of others and markup are
 * tests/e2e/oauth_pages.test.mjs's. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/jwt/factor.h"
#include "auth/jwt/totp.h"
#include "auth/oauth/consents.h"
#include "base/id.h"
#include "base/time.h"
#include "harness/authbed.h"

#define PASSWORD "a fine long password"
#define FACTOR   "01890000-0000-7000-8000-000000000001"

static const uint8_t secret[TOTP_SECRET] = "twenty bytes of text";

struct browser_bed { /* what a browser would hold */
	char mark[200], session[300];
	struct web_got got;
};

static int
start(void **state)
{
	int r = authbed_start(state);

	add_user("ann", PASSWORD, "user");
	return r;
}

static void
enrol(const char *name)
{
	struct arena *a = arena_new(1 << 16);
	const char *user = json_string_value(json_object_get(user_named(name), "id"));

	memdb_put(&authbed.db, "factor", FACTOR,
	    json_pack("{s:s,s:s,s:s,s:b,s:i,s:[]}", "user_id", user, "kind", FACTOR_TOTP, "secret",
		seal_text(a, authbed.jwt.tokens.seal, FACTOR_SEAL, FACTOR, secret, sizeof(secret)),
		"confirmed", 1, "last_step", 0, "recovery"));
	arena_free(&a);
}

static void
keep(struct browser_bed *b, const char *name, char *out, size_t size)
{
	char wanted[60];
	const char *at;

	(void)snprintf(wanted, sizeof(wanted), "set-cookie: %s=", name);
	at = strstr(b->got.headers, wanted);
	if (at == NULL)
		return;
	at += strlen("set-cookie: ");
	(void)snprintf(out, size, "%.*s", (int)strcspn(at, ";\n"), at);
	if (out[strlen(out) - 1] == '=')
		out[0] = '\0';
}

static const struct web_got *
ask(struct browser_bed *b, const char *path, const char *query, const char *body,
    const char *operation)
{
	char cookie[600];

	(void)snprintf(cookie, sizeof(cookie), "other=1; %s; %s", b->mark, b->session);
	b->got = WEB(.path = path, .query = query, .body = body, .cookie = cookie,
	    .accept = "text/html", .operation = operation);
	assert_int_equal(b->got.status, ST_OK);
	keep(b, "__Host-mf_mark", b->mark, sizeof(b->mark));
	keep(b, "__Host-mf_session", b->session, sizeof(b->session));
	return &b->got;
}

static const char *
token_of(const struct browser_bed *b)
{
	static char out[100];
	const char *at = strstr(b->got.body, "name=\"csrf\" value=\"");

	assert_non_null(at);
	at += strlen("name=\"csrf\" value=\"");
	(void)snprintf(out, sizeof(out), "%.*s", (int)strcspn(at, "\""), at);
	return out;
}

static const struct web_got *
login(struct browser_bed *b, const char *password, const char *operation)
{
	char body[500];

	assert_int_equal(ask(b, "/oauth/login", NULL, NULL, NULL)->http, 200);
	(void)snprintf(
	    body, sizeof(body), "csrf=%s&username=ann&password=%s", token_of(b), password);
	return ask(b, "/oauth/login", NULL, body, operation);
}
#define RIGHT "a+fine+long+password"

static bool
is_signed_in(struct browser_bed *b)
{
	return strstr(ask(b, "/oauth/logout", NULL, NULL, NULL)->body, "<bdi>ann</bdi>") != NULL;
}

static void
on_https_cookies_are_secure_and_of_this_host_alone(void **unused)
{
	struct browser_bed b = { 0 };
	const char *line;

	(void)unused;
	assert_int_equal(login(&b, RIGHT, NULL)->http, 303);
	assert_true(str_starts(b.session, "__Host-mf_session="));
	line = strstr(b.got.headers, "set-cookie: __Host-mf_session=");
	assert_non_null(line);
	line = strchr(line, ';');
	assert_int_equal(strncmp(line, "; Path=/; HttpOnly; SameSite=Lax; Secure\n", 41), 0);
	assert_true(is_signed_in(&b));
}

static void
a_login_that_is_repeated_after_a_lost_answer_begins_one_session(void **unused)
{
	struct browser_bed b = { 0 };
	char operation[UUID_LEN], body[500], first[300];
	size_t sessions;

	(void)unused;
	uuid7(operation);
	(void)ask(&b, "/oauth/login", NULL, NULL, NULL);
	(void)snprintf(body, sizeof(body), "csrf=%s&username=ann&password=" RIGHT, token_of(&b));
	(void)ask(&b, "/oauth/login", NULL, body, operation);
	(void)snprintf(first, sizeof(first), "%.90s", b.session);
	sessions = memdb_count(&authbed.db, "session");
	b.session[0] = '\0';
	assert_int_equal(ask(&b, "/oauth/login", NULL, body, operation)->http, 303);
	assert_int_equal(memdb_count(&authbed.db, "session"), sessions);
	assert_int_equal(strncmp(b.session, first, strlen("__Host-mf_session=") + 64), 0);
}

static void
without_the_store_nobody_is_signed_in_and_nobody_signed_out(void **unused)
{
	struct browser_bed b = { 0 }, other = { 0 };

	(void)unused;
	(void)login(&b, RIGHT, NULL);
	authbed.db.down = true;
	assert_int_equal(ask(&b, "/oauth/logout", NULL, NULL, NULL)->http, 503);
	assert_string_not_equal(b.session, "");
	assert_int_equal(login(&other, RIGHT, NULL)->http, 503);
	assert_string_equal(other.session, "");
	authbed.db.down = false;
	assert_true(is_signed_in(&b));
}

static void
a_browser_that_was_not_seen_for_too_long_is_signed_out(void **unused)
{
	struct browser_bed b = { 0 };

	(void)unused;
	(void)login(&b, RIGHT, NULL);
	authbed.oauth_config.browser_idle_us = -1;
	assert_false(is_signed_in(&b));
	assert_string_equal(b.session, "");
}

static void
a_browser_whose_session_is_over_is_signed_out(void **unused)
{
	struct browser_bed b = { 0 };
	const char *id;
	json_t *row;

	(void)unused;
	authbed.oauth_config.browser_ttl_us = 60 * SEC;
	(void)login(&b, RIGHT, NULL);
	assert_true(is_signed_in(&b));
	json_object_foreach(json_object_get(authbed.db.rows, "session"), id, row)
	{
		json_object_set_new(row, "expires_at", json_string("2020-01-01T00:00:00.000000Z"));
	}
	assert_false(is_signed_in(&b));
}

static void
a_disabled_account_is_signed_out(void **unused)
{
	struct browser_bed b = { 0 };

	(void)unused;
	(void)login(&b, RIGHT, NULL);
	json_object_set_new(user_named("ann"), "disabled", json_true());
	assert_false(is_signed_in(&b));
}

static void
a_crooked_cookie_header_is_nobodys(void **unused)
{
	static const char *const crooked[] = { "", ";", "=", "__Host-mf_session",
		";;=;__Host-mf_mark=;", "__Host-mf_session=\"x\"; __Host-mf_mark=\x7f",
		"mf_session=x; mf_mark=y", " __host-mf_session = x ; a=b=c",
		"__Host-mf_mark=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB" };
	struct browser_bed b = { 0 };

	(void)unused;
	(void)login(&b, RIGHT, NULL);
	for (size_t i = 0; i < sizeof(crooked) / sizeof(crooked[0]); i++) {
		struct web_got g =
		    WEB(.path = "/oauth/logout", .cookie = crooked[i], .accept = "text/html");

		assert_int_equal(g.http, 200);
		assert_non_null(strstr(g.body, "You are signed out"));
	}
	/* on https the names without the prefix are anybody's */
	(void)memmove(b.session, b.session + strlen("__Host-"), strlen(b.session));
	assert_false(is_signed_in(&b));
}

/* --- what a client is told, and what is said of it --- */

#define REQUEST                                                                                    \
	"response_type=code&client_id=app&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&state=s&"    \
	"scope=task.read&code_challenge_method=S256&"                                              \
	"code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

static void
put_client(json_t *more)
{
	json_t *v = json_pack("{s:s,s:s,s:[s],s:[s],s:[s]}", "name", "App", "auth_method", "none",
	    "redirect_uris", "https://app.example/cb", "grant_types", "authorization_code",
	    "scopes", "task.*");

	json_object_update_new(v, more);
	memdb_put(&authbed.db, "client", "app", v);
}

static void
a_trusted_client_asks_nothing_and_one_that_registered_itself_is_marked(void **unused)
{
	struct browser_bed b = { 0 };
	char query[100];

	(void)unused;
	put_client(json_pack("{s:s}", "registration_hash", "x"));
	(void)login(&b, RIGHT, NULL);
	(void)ask(&b, "/oauth/authorize", REQUEST, NULL, NULL);
	assert_non_null(strstr(b.got.location, "/oauth/consent?flow="));
	(void)snprintf(query, sizeof(query), "%s", strchr(b.got.location, '?') + 1);
	assert_int_equal(ask(&b, "/oauth/consent", query, NULL, NULL)->http, 200);
	assert_non_null(strstr(b.got.body, "not verified"));
	assert_non_null(strstr(b.got.body, "See tasks"));
	assert_non_null(strstr(b.got.headers, "form-action 'self' https:\n"));
	put_client(json_pack("{s:b}", "trusted", 1));
	assert_int_equal(ask(&b, "/oauth/consent", query, NULL, NULL)->http, 200);
	assert_null(strstr(b.got.body, "not verified"));
	(void)ask(&b, "/oauth/authorize", REQUEST, NULL, NULL);
	assert_int_equal(strncmp(b.got.location, "https://app.example/cb?code=", 28), 0);
}

/* Who may change a client is not sent the codes of those who said yes before. */
static void
a_consent_is_asked_for_again_when_the_redirect_uris_were_changed(void **unused)
{
	struct browser_bed b = { 0 };
	char query[100], form[300];
	json_t *redirects;

	(void)unused;
	put_client(json_object());
	(void)login(&b, RIGHT, NULL);
	(void)ask(&b, "/oauth/authorize", REQUEST, NULL, NULL);
	assert_non_null(strstr(b.got.location, "/oauth/consent?flow="));
	(void)snprintf(query, sizeof(query), "%s", strchr(b.got.location, '?') + 1);
	assert_int_equal(ask(&b, "/oauth/consent", query, NULL, NULL)->http, 200);
	(void)snprintf(form, sizeof(form), "csrf=%s&%s&answer=allow", token_of(&b), query);
	(void)ask(&b, "/oauth/consent", NULL, form, NULL);
	assert_int_equal(strncmp(b.got.location, "https://app.example/cb?code=", 28), 0);
	(void)ask(&b, "/oauth/authorize", REQUEST, NULL, NULL);
	assert_int_equal(strncmp(b.got.location, "https://app.example/cb?code=", 28), 0);
	redirects = json_object_get(memdb_row(&authbed.db, "client", "app"), "redirect_uris");
	json_array_append_new(redirects, json_string("https://evil.example/cb"));
	(void)ask(&b, "/oauth/authorize", REQUEST, NULL, NULL);
	assert_non_null(strstr(b.got.location, "/oauth/consent?flow="));
	json_array_remove(redirects, 1);
	(void)ask(&b, "/oauth/authorize", REQUEST, NULL, NULL);
	assert_int_equal(strncmp(b.got.location, "https://app.example/cb?code=", 28), 0);
}

static void
allow(struct browser_bed *b)
{
	char query[100], form[300];

	(void)ask(b, "/oauth/authorize", REQUEST, NULL, NULL);
	assert_non_null(strstr(b->got.location, "/oauth/consent?flow="));
	(void)snprintf(query, sizeof(query), "%s", strchr(b->got.location, '?') + 1);
	assert_int_equal(ask(b, "/oauth/consent", query, NULL, NULL)->http, 200);
	(void)snprintf(form, sizeof(form), "csrf=%s&%s&answer=allow", token_of(b), query);
	(void)ask(b, "/oauth/consent", NULL, form, NULL);
	assert_int_equal(strncmp(b->got.location, "https://app.example/cb?code=", 28), 0);
}

static struct web_got
exchange(const char *code)
{
	char body[600];

	(void)snprintf(body, sizeof(body),
	    "grant_type=authorization_code&client_id=app&code=%s&redirect_uri=https%%3A%%2F%%2F"
	    "app.example%%2Fcb&code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
	    code);
	return WEB(.path = "/oauth/token", .body = body);
}

static const char *
consent_of_ann(void)
{
	static char id[UUID_LEN];

	consent_id(json_string_value(json_object_get(user_named("ann"), "id")), "app", id);
	return id;
}

static size_t
live_sessions_of_the_client(void)
{
	const char *id, *at;
	size_t n = 0;
	int64_t us;
	json_t *row;

	json_object_foreach(json_object_get(authbed.db.rows, "session"), id, row)
	{
		at = json_string_value(json_object_get(row, "client_id"));
		if (at == NULL || strcmp(at, "app") != 0)
			continue;
		at = json_string_value(json_object_get(row, "expires_at"));
		assert_true(time_parse_rfc3339(str_of(at), &us));
		n += us > time_wall_us();
	}
	return n;
}

/* Else the client would keep a session that is listed nowhere as allowed. */
static void
a_code_is_good_as_long_as_what_the_user_allowed(void **unused)
{
	struct browser_bed b = { 0 };
	char code[100];
	struct web_got g;

	(void)unused;
	put_client(json_pack("{s:[s,s]}", "grant_types", "authorization_code", "refresh_token"));
	(void)login(&b, RIGHT, NULL);
	allow(&b);
	(void)snprintf(code, sizeof(code), "%s", web_got_param(&b.got, "code"));
	assert_int_equal(ACCOUNT(DELETE, .model = "my.consent", .id = consent_of_ann(),
			     .by = json_string_value(json_object_get(user_named("ann"), "id")))
			     .status,
	    ST_OK);
	g = exchange(code);
	assert_int_equal(g.http, 400);
	assert_string_equal(web_got_text(&g, "error"), "invalid_grant");
	assert_int_equal(live_sessions_of_the_client(), 0);
	allow(&b); /* anew: that is another one */
	assert_int_equal(exchange(code).http, 400);
	g = exchange(web_got_param(&b.got, "code"));
	assert_int_equal(g.http, 200);
	assert_string_not_equal(web_got_text(&g, "refresh_token"), "");
	assert_int_equal(live_sessions_of_the_client(), 1);
}

static void
ann_takes_it_back(struct memdb *db)
{
	json_object_del(json_object_get(db->rows, "consent"), consent_of_ann());
}

static void
a_consent_that_is_taken_back_while_the_session_begins_ends_it(void **unused)
{
	struct browser_bed b = { 0 };

	(void)unused;
	put_client(json_object());
	(void)login(&b, RIGHT, NULL);
	allow(&b);
	authbed.db.before_model = "session";
	authbed.db.before_write = ann_takes_it_back;
	assert_int_equal(exchange(web_got_param(&b.got, "code")).http, 400);
	assert_null(authbed.db.before_write);
	assert_int_equal(live_sessions_of_the_client(), 0);
}

/* Another scope that is allowed beside it takes nothing back. */
static void
a_code_is_good_after_more_was_allowed(void **unused)
{
	struct browser_bed b = { 0 };
	char code[100];
	json_t *row;

	(void)unused;
	put_client(json_object());
	(void)login(&b, RIGHT, NULL);
	allow(&b);
	(void)snprintf(code, sizeof(code), "%s", web_got_param(&b.got, "code"));
	row = memdb_row(&authbed.db, "consent", consent_of_ann());
	json_object_set_new(row, "version", json_integer(2));
	assert_int_equal(exchange(code).http, 200);
}

static void
a_yes_that_is_repeated_after_a_lost_answer_gives_the_same_code(void **unused)
{
	static const char operation[] = "018f0000-0000-7000-8000-0000000000d9";
	struct browser_bed b = { 0 };
	char query[100], form[300], url[2000];

	(void)unused;
	put_client(json_object());
	(void)login(&b, RIGHT, NULL);
	(void)ask(&b, "/oauth/authorize", REQUEST, NULL, NULL);
	(void)snprintf(query, sizeof(query), "%s", strchr(b.got.location, '?') + 1);
	assert_int_equal(ask(&b, "/oauth/consent", query, NULL, NULL)->http, 200);
	(void)snprintf(form, sizeof(form), "csrf=%s&%s&answer=allow", token_of(&b), query);
	(void)ask(&b, "/oauth/consent", NULL, form, operation);
	assert_int_equal(strncmp(b.got.location, "https://app.example/cb?code=", 28), 0);
	(void)snprintf(url, sizeof(url), "%s", b.got.location);
	(void)ask(&b, "/oauth/consent", NULL, form, operation);
	assert_string_equal(b.got.location, url);
	assert_int_equal(ask(&b, "/oauth/consent", NULL, form, NULL)->http, 400);
}

static void
an_answer_to_a_device_that_is_repeated_after_a_lost_answer_is_given_once(void **unused)
{
	static const char operation[] = "018f0000-0000-7000-8000-0000000000d8";
	struct browser_bed b = { 0 };
	char query[100], form[300];
	struct web_got g;

	(void)unused;
	put_client(
	    json_pack("{s:[s]}", "grant_types", "urn:ietf:params:oauth:grant-type:device_code"));
	g = WEB(.path = "/oauth/device_authorization", .body = "client_id=app");
	(void)login(&b, RIGHT, NULL);
	(void)snprintf(query, sizeof(query), "user_code=%s", web_got_text(&g, "user_code"));
	assert_int_equal(ask(&b, "/oauth/device", query, NULL, NULL)->http, 200);
	(void)snprintf(form, sizeof(form), "csrf=%s&code=%s&answer=allow", token_of(&b),
	    web_got_text(&g, "user_code"));
	for (int i = 0; i < 2; i++) {
		(void)ask(&b, "/oauth/device", NULL, form, operation);
		assert_non_null(strstr(b.got.body, "The device is connected"));
	}
	assert_int_equal(ask(&b, "/oauth/device", NULL, form, NULL)->http, 422);
}

static void
providers_that_are_on_are_ways_to_sign_in(void **unused)
{
	struct browser_bed b = { 0 };

	(void)unused;
	memdb_put(&authbed.db, "provider", "corp",
	    json_pack("{s:s,s:b}", "name", "<Corp>", "disabled", 0));
	memdb_put(
	    &authbed.db, "provider", "old", json_pack("{s:s,s:b}", "name", "Old", "disabled", 1));
	(void)ask(&b, "/oauth/login", "code=BCDF%20GHJK", NULL, NULL);
	assert_non_null(strstr(b.got.body,
	    "href=\"/oauth/outside/corp?code=BCDF%20GHJK\">Sign in with <bdi>&lt;Corp&gt;</bdi>"));
	assert_null(strstr(b.got.body, "Old"));
	memdb_put(
	    &authbed.db, "provider", "corp", json_pack("{s:s,s:b}", "name", "Corp", "disabled", 1));
	(void)ask(&b, "/oauth/login", NULL, NULL, NULL);
	assert_null(strstr(b.got.body, "<nav"));
}

/* --- the second factor --- */

static void
right_code(char out[8])
{
	(void)snprintf(out, 8, "%06u",
	    totp_hotp(secret, sizeof(secret), (uint64_t)(time_wall_us() / TOTP_STEP_US)));
}

/* Up to the page that asks for it; its form without otp. */
static void
until_factor(struct browser_bed *b, char *form, size_t size)
{
	char query[100];
	const char *id;

	enrol("ann");
	assert_int_equal(login(b, RIGHT, NULL)->http, 303);
	assert_string_equal(b->session, "");
	assert_non_null(strstr(b->got.location, "/oauth/factor?login="));
	id = strchr(b->got.location, '=') + 1;
	(void)snprintf(query, sizeof(query), "login=%s", id);
	assert_int_equal(ask(b, "/oauth/factor", query, NULL, NULL)->http, 200);
	(void)snprintf(form, size, "csrf=%s&%s&otp=", token_of(b), query);
}

static const struct web_got *
send_code(struct browser_bed *b, const char *form, const char *code, const char *operation)
{
	char body[500];

	(void)snprintf(body, sizeof(body), "%s%s", form, code);
	return ask(b, "/oauth/factor", NULL, body, operation);
}

static void
what_lies_between_the_two_steps_holds_no_password(void **unused)
{
	struct browser_bed b = { 0 };
	char form[300], *all;

	(void)unused;
	until_factor(&b, form, sizeof(form));
	all = json_dumps(authbed.db.rows, 0);
	assert_null(strstr(all, PASSWORD));
	assert_null(strstr(b.got.body, PASSWORD));
	free(all);
}

static void
a_second_factor_that_is_repeated_after_a_lost_answer_begins_one_session(void **unused)
{
	struct browser_bed b = { 0 };
	char form[300], code[8], operation[UUID_LEN], first[300];
	size_t sessions;

	(void)unused;
	until_factor(&b, form, sizeof(form));
	uuid7(operation);
	right_code(code);
	assert_int_equal(send_code(&b, form, code, operation)->http, 303);
	(void)snprintf(first, sizeof(first), "%.90s", b.session);
	assert_string_not_equal(first, "");
	sessions = memdb_count(&authbed.db, "session");
	b.session[0] = '\0';
	assert_int_equal(send_code(&b, form, code, operation)->http, 303);
	assert_int_equal(strncmp(b.session, first, strlen("__Host-mf_session=") + 64), 0);
	assert_int_equal(memdb_count(&authbed.db, "session"), sessions);
	b.session[0] = '\0';
	assert_int_equal(send_code(&b, form, code, NULL)->http, 400);
	assert_string_equal(b.session, "");
}

static void
of_five_tries_each_is_counted_before_it_is_judged(void **unused)
{
	struct browser_bed b = { 0 };
	char form[300], code[8], operation[UUID_LEN];

	(void)unused;
	until_factor(&b, form, sizeof(form));
	uuid7(operation);
	for (int i = 0; i < 3; i++) /* one try, sent again by the bus */
		assert_int_equal(send_code(&b, form, "000000", operation)->http, 422);
	for (int i = 0; i < 3; i++)
		assert_int_equal(send_code(&b, form, "000000", NULL)->http, 422);
	assert_int_equal(send_code(&b, form, "000000", NULL)->http, 400);
	right_code(code);
	assert_int_equal(send_code(&b, form, code, NULL)->http, 400);
	assert_string_equal(b.session, "");
}

static void
a_password_that_was_changed_meanwhile_ends_the_first_step(void **unused)
{
	struct browser_bed b = { 0 };
	char form[300], code[8];
	json_t *row;

	(void)unused;
	until_factor(&b, form, sizeof(form));
	row = user_named("ann");
	json_object_set_new(
	    row, "version", json_integer(json_integer_value(json_object_get(row, "version")) + 1));
	right_code(code);
	assert_int_equal(send_code(&b, form, code, NULL)->http, 400);
	assert_string_equal(b.session, "");
}

#define PAGES(f) cmocka_unit_test_setup_teardown(f, start, authbed_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PAGES(on_https_cookies_are_secure_and_of_this_host_alone),
		PAGES(a_login_that_is_repeated_after_a_lost_answer_begins_one_session),
		PAGES(without_the_store_nobody_is_signed_in_and_nobody_signed_out),
		PAGES(a_browser_that_was_not_seen_for_too_long_is_signed_out),
		PAGES(a_browser_whose_session_is_over_is_signed_out),
		PAGES(a_disabled_account_is_signed_out),
		PAGES(a_crooked_cookie_header_is_nobodys),
		PAGES(a_trusted_client_asks_nothing_and_one_that_registered_itself_is_marked),
		PAGES(a_consent_is_asked_for_again_when_the_redirect_uris_were_changed),
		PAGES(a_code_is_good_as_long_as_what_the_user_allowed),
		PAGES(a_consent_that_is_taken_back_while_the_session_begins_ends_it),
		PAGES(a_code_is_good_after_more_was_allowed),
		PAGES(a_yes_that_is_repeated_after_a_lost_answer_gives_the_same_code),
		PAGES(an_answer_to_a_device_that_is_repeated_after_a_lost_answer_is_given_once),
		PAGES(providers_that_are_on_are_ways_to_sign_in),
		PAGES(what_lies_between_the_two_steps_holds_no_password),
		PAGES(a_second_factor_that_is_repeated_after_a_lost_answer_begins_one_session),
		PAGES(of_five_tries_each_is_counted_before_it_is_judged),
		PAGES(a_password_that_was_changed_meanwhile_ends_the_first_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
