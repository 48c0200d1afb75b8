/* jwt: tokens that are issued to clients, and what stands in them: issue.h, on the bed of auth. */
#include <string.h>
#include "auth/jwt/confirm.h"
#include "auth/jwt/issue.h"
#include "base/id.h"
#include "base/time.h"
#include "harness/authbed.h"

#define KEY "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"

struct outcome {
	struct call *call;
	bool done;
	enum status status;
	char reason[40], access[JWS_TOKEN_MAX + 1], refresh[80], session[UUID_LEN], type[16];
	char kind[16], client[16], scopes[80];
};

static struct outcome o;
static const char *const scopes[] = { "openid", "task.read", "task.create" };
static const char *const methods[] = { "pwd", "otp" };

static bool
is_done(void *ctx)
{
	(void)ctx;
	return o.done;
}

static void
begin(const char *operation)
{
	memset(&o, 0, sizeof(o));
	o.call = call_root(
	    authbed.bus, &(struct call_opts){ .limit_us = 5 * SEC, .operation_id = operation });
}

static void
end(void)
{
	loop_run_until(authbed.loop, is_done, NULL, 5 * SEC);
	assert_true(o.done);
	call_cancel(o.call);
}

static void
take_failure(const struct failure *f)
{
	o.done = true;
	o.status = f->status;
	(void)snprintf(o.reason, sizeof(o.reason), "%s", f->reason);
}

static void
on_issued(const struct issued *m, const struct failure *f, void *ctx)
{
	(void)ctx;
	if (m == NULL) {
		take_failure(f);
		return;
	}
	o.done = true;
	(void)snprintf(o.access, sizeof(o.access), "%s", m->pair.access_token);
	(void)snprintf(o.refresh, sizeof(o.refresh), "%s", m->pair.refresh_token);
	(void)snprintf(o.session, sizeof(o.session), "%s", m->session_id);
	(void)snprintf(o.type, sizeof(o.type), "%s", m->pair.token_type);
}

static void
on_looked(const struct session_facts *m, const struct failure *f, void *ctx)
{
	(void)ctx;
	if (m == NULL) {
		take_failure(f);
		return;
	}
	o.done = true;
	(void)snprintf(o.kind, sizeof(o.kind), "%s", m->kind);
	(void)snprintf(o.client, sizeof(o.client), "%s", m->client_id == NULL ? "" : m->client_id);
	for (size_t i = 0; i < m->n_scopes; i++)
		(void)snprintf(o.scopes + strlen(o.scopes), sizeof(o.scopes) - strlen(o.scopes),
		    "%s ", m->scopes[i]);
}

static const char *
id_of(const char *name)
{
	static char id[UUID_LEN];
	json_t *u = user_named(name);

	(void)snprintf(id, sizeof(id), "%s", json_string_value(json_object_get(u, "id")));
	return id;
}

static struct issue
for_client(void)
{
	return (struct issue){ .user_id = id_of("admin"),
		.kind = SESSION_KIND_CLIENT,
		.client_id = "app",
		.n_scopes = 3,
		.scopes = scopes,
		.limited = true,
		.issuer = tokens_issuer(&authbed.oauth.tokens, "https://metafed.example"),
		.client_address = "192.0.2.7",
		.user_agent = "a browser\x01",
		.n_methods = 2,
		.methods = methods,
		.authenticated_at_us = (time_wall_us() / SEC - 100) * SEC,
		.refreshable = true };
}

static void
issue(const struct issue *i, const char *operation)
{
	begin(operation);
	tokens_issue(&authbed.oauth.tokens, o.call, i, on_issued, NULL);
	end();
}

static void
refresh(const char *token, const char *client, const char *key, size_t n, const char *const *narrow)
{
	begin(NULL);
	tokens_issue_refresh(&authbed.oauth.tokens, o.call,
	    &(const struct issue_refresh){ .refresh_token = token,
		.client_id = client,
		.proof_key = key,
		.n_scopes = n,
		.scopes = narrow },
	    on_issued, NULL);
	end();
}

static void
look(const char *token)
{
	begin(NULL);
	tokens_look_session(&authbed.oauth.tokens, o.call, token, on_looked, NULL);
	end();
}

/* a: where the claims live */
static struct claims
claims_of(struct arena *a, const char *token)
{
	struct claims c;

	assert_int_equal(tokens_look(&authbed.oauth.tokens, a, token, &c), TOKEN_OK);
	return c;
}

static void
what_a_client_was_granted_stands_in_its_token_and_in_its_session(void **unused)
{
	struct arena *a = arena_new(1 << 20);
	struct issue i = for_client();
	struct claims c;
	char refresh_token[80];

	(void)unused;
	issue(&i, NULL);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.type, "Bearer");
	(void)snprintf(refresh_token, sizeof(refresh_token), "%s", o.refresh);
	c = claims_of(a, o.access);
	assert_string_equal(c.principal.client_id, "app");
	assert_string_equal(c.principal.session_id, o.session);
	assert_string_equal(c.issuer, "https://metafed.example");
	assert_true(c.principal.limited);
	assert_int_equal(c.principal.n_scopes, 3);
	assert_string_equal(c.principal.scopes[2], "task.create");
	assert_int_equal(c.principal.n_methods, 2);
	assert_true((int64_t)c.principal.authenticated_at == i.authenticated_at_us);
	/* of "*", what the scopes allow */
	assert_int_equal(c.principal.n_permissions, 3);
	assert_string_equal(c.principal.permissions[1], "task.read");
	look(refresh_token);
	assert_string_equal(o.kind, "client");
	assert_string_equal(o.client, "app");
	assert_string_equal(o.scopes, "openid task.read task.create ");
	arena_free(&a);
}

static void
a_limited_token_is_refused_beyond_its_scopes_by_rbac_and_by_the_claims_alike(void **unused)
{
	struct issue i = for_client();

	(void)unused;
	authbed_pass(1100 * MS); /* claims are younger than auth, to the second */
	issue(&i, NULL);
	assert_int_equal(try_check(o.access, "task.read").status, ST_OK);
	assert_int_equal(try_check(o.access, "user.read").status, ST_PERMISSION_DENIED);
	authbed.rbac.down = true;
	assert_int_equal(try_check(o.access, "task.read").status, ST_OK);
	assert_int_equal(try_check(o.access, "user.read").status, ST_PERMISSION_DENIED);
}

static void
client_credentials_have_a_token_and_no_session(void **unused)
{
	struct issue i = for_client();
	size_t sessions = memdb_count(&authbed.db, "session");

	(void)unused;
	i.refreshable = false;
	issue(&i, NULL);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.refresh, "");
	assert_string_equal(o.session, "");
	assert_int_equal(memdb_count(&authbed.db, "session"), sessions);
	assert_int_equal(try_check(o.access, "task.read").status, ST_OK);
}

static void
the_same_operation_gives_the_same_session_and_none_once_that_was_used(void **unused)
{
	struct issue i = for_client();
	char session[UUID_LEN], token[80];

	(void)unused;
	i.operation_id = "code:1";
	issue(&i, NULL);
	(void)snprintf(session, sizeof(session), "%s", o.session);
	(void)snprintf(token, sizeof(token), "%s", o.refresh);
	issue(&i, NULL);
	assert_string_equal(o.session, session);
	assert_string_equal(o.refresh, token);
	i.client_id = "another";
	issue(&i, NULL);
	REFUSED(o, ST_UNAUTHENTICATED, "TOKEN_INVALID");
	i.client_id = "app";
	refresh(token, "app", NULL, 0, NULL);
	assert_int_equal(o.status, ST_OK);
	issue(&i, NULL);
	REFUSED(o, ST_UNAUTHENTICATED, "TOKEN_INVALID");
}

static void
an_account_that_is_gone_disabled_or_changed_is_issued_nothing(void **unused)
{
	struct issue i = for_client();
	json_t *row;

	(void)unused;
	i.user_version = 7000;
	issue(&i, NULL);
	REFUSED(o, ST_UNAUTHENTICATED, "ACCOUNT_CHANGED");
	i.user_version = 0;
	i.user_id = "018f0000-0000-7000-8000-00000000dead";
	issue(&i, NULL);
	REFUSED(o, ST_UNAUTHENTICATED, "ACCOUNT_CHANGED");
	add_user("off", "off's password", "user");
	row = user_named("off");
	(void)json_object_set_new(row, "disabled", json_true());
	i.user_id = id_of("off");
	issue(&i, NULL);
	REFUSED(o, ST_UNAUTHENTICATED, "ACCOUNT_CHANGED");
	i.user_id = id_of("admin");
	authbed.rbac.down = true;
	issue(&i, NULL);
	REFUSED(o, ST_UNAVAILABLE, "ROLES_UNAVAILABLE");
}

static void
a_refresh_keeps_what_was_granted_and_may_ask_for_less(void **unused)
{
	static const char *const less[] = { "task.read" }, *const more[] = { "task.read",
		"user.read" };
	struct arena *a = arena_new(1 << 20);
	struct issue i = for_client();
	struct claims c;
	char token[80];

	(void)unused;
	issue(&i, NULL);
	(void)snprintf(token, sizeof(token), "%s", o.refresh);
	refresh(token, "app", NULL, 2, more);
	REFUSED(o, ST_INVALID_ARGUMENT, "INVALID_SCOPE");
	refresh(token, "app", NULL, 1, less);
	assert_int_equal(o.status, ST_OK);
	c = claims_of(a, o.access);
	assert_int_equal(c.principal.n_scopes, 1);
	assert_int_equal(c.principal.n_permissions, 1);
	(void)snprintf(token, sizeof(token), "%s", o.refresh);
	refresh(token, "app", NULL, 0, NULL);
	c = claims_of(a, o.access);
	assert_int_equal(c.principal.n_scopes, 3);
	assert_true(c.principal.limited);
	assert_int_equal(c.principal.n_methods, 2);
	arena_free(&a);
}

static void
a_refresh_token_is_good_for_whom_it_was_given_to_alone(void **unused)
{
	struct issue i = for_client();
	struct attempt first_party;
	char token[80];

	(void)unused;
	issue(&i, NULL);
	(void)snprintf(token, sizeof(token), "%s", o.refresh);
	REFUSED(try_refresh(token, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	refresh(token, "another", NULL, 0, NULL);
	REFUSED(o, ST_UNAUTHENTICATED, "TOKEN_INVALID");
	refresh(token, NULL, NULL, 0, NULL);
	REFUSED(o, ST_UNAUTHENTICATED, "TOKEN_INVALID");
	refresh(token, "app", KEY, 0, NULL);
	REFUSED(o, ST_UNAUTHENTICATED, "TOKEN_INVALID");
	refresh(token, "app", NULL, 0, NULL);
	assert_int_equal(o.status, ST_OK); /* none of that has cost anything */
	first_party = try_login("admin", authbed.admin_password);
	refresh(first_party.refresh, "app", NULL, 0, NULL);
	REFUSED(o, ST_UNAUTHENTICATED, "TOKEN_INVALID");
	i.kind = SESSION_KIND_BROWSER;
	i.client_id = NULL;
	i.limited = false;
	issue(&i, NULL);
	REFUSED(try_refresh(o.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
}

static void
a_used_token_of_a_client_ends_the_session(void **unused)
{
	struct issue i = for_client();
	char first[80], access[JWS_TOKEN_MAX + 1];

	(void)unused;
	authbed.jwt_config.refresh_repeat_us = 0;
	issue(&i, NULL);
	(void)snprintf(first, sizeof(first), "%s", o.refresh);
	refresh(first, "app", NULL, 0, NULL);
	assert_int_equal(o.status, ST_OK);
	(void)snprintf(access, sizeof(access), "%s", o.access);
	assert_int_equal(try_check(access, "task.read").status, ST_OK);
	test_expect_log(LOG_WARN, 2); /* and auth is told */
	refresh(first, "app", NULL, 0, NULL);
	REFUSED(o, ST_UNAUTHENTICATED, "REFRESH_REUSED");
	authbed_pass(600 * MS); /* nobody was told: it is found within half a second */
	REFUSED(try_check(access, "task.read"), ST_UNAUTHENTICATED, "TOKEN_INVALID");
}

static void
a_bound_session_has_bound_tokens_that_are_not_good_as_bearer(void **unused)
{
	struct arena *a = arena_new(1 << 20);
	struct issue i = for_client();
	char token[80];

	(void)unused;
	i.proof_key = KEY;
	issue(&i, NULL);
	assert_string_equal(o.type, "DPoP");
	(void)snprintf(token, sizeof(token), "%s", o.refresh);
	assert_string_equal(claims_of(a, o.access).proof_key, KEY);
	REFUSED(try_check(o.access, "task.read"), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	refresh(token, "app", NULL, 0, NULL);
	REFUSED(o, ST_UNAUTHENTICATED, "TOKEN_INVALID");
	refresh(token, "app", KEY, 0, NULL);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(claims_of(a, o.access).proof_key, KEY);
	arena_free(&a);
}

static void
a_used_refresh_token_is_not_live_and_a_browsers_cookie_stays_so(void **unused)
{
	struct issue i = for_client();
	char token[80];

	(void)unused;
	issue(&i, NULL);
	(void)snprintf(token, sizeof(token), "%s", o.refresh);
	refresh(token, "app", NULL, 0, NULL);
	look(token);
	REFUSED(o, ST_UNAUTHENTICATED, "TOKEN_INVALID");
	look("nothing of ours");
	REFUSED(o, ST_UNAUTHENTICATED, "TOKEN_INVALID");
	i.kind = SESSION_KIND_BROWSER;
	i.client_id = NULL;
	issue(&i, NULL);
	(void)snprintf(token, sizeof(token), "%s", o.refresh);
	(void)json_object_set_new(
	    memdb_row(&authbed.db, "session", o.session), "version", json_integer(5));
	look(token);
	assert_string_equal(o.kind, "browser");
}

static void
a_name_gives_way_to_the_origin_and_an_url_to_nothing(void **unused)
{
	struct jwt_config other = authbed.jwt_config;
	struct tokens t = { .config = &other };

	(void)unused;
	assert_string_equal(tokens_issuer(&t, "https://a.example"), "https://a.example");
	assert_string_equal(tokens_issuer(&t, NULL), "metafed");
	assert_string_equal(tokens_issuer(&t, ""), "metafed");
	other.issuer = "https://id.example";
	assert_string_equal(tokens_issuer(&t, "https://a.example"), "https://id.example");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BED(what_a_client_was_granted_stands_in_its_token_and_in_its_session),
		BED(a_limited_token_is_refused_beyond_its_scopes_by_rbac_and_by_the_claims_alike),
		BED(client_credentials_have_a_token_and_no_session),
		BED(the_same_operation_gives_the_same_session_and_none_once_that_was_used),
		BED(an_account_that_is_gone_disabled_or_changed_is_issued_nothing),
		BED(a_refresh_keeps_what_was_granted_and_may_ask_for_less),
		BED(a_refresh_token_is_good_for_whom_it_was_given_to_alone),
		BED(a_used_token_of_a_client_ends_the_session),
		BED(a_bound_session_has_bound_tokens_that_are_not_good_as_bearer),
		BED(a_used_refresh_token_is_not_live_and_a_browsers_cookie_stays_so),
		BED(a_name_gives_way_to_the_origin_and_an_url_to_nothing),
	};

	return TEST_RUN(tests);
}
