/* oauth_register: clients that register themselves (RFC 7591), what they may do with what they registered
 * (RFC 7592), and what neither they nor a lost answer bring about. */
#include <stdio.h>
#include <string.h>
#include "auth/oauth/client_auth.h"
#include "harness/authbed.h"

#define SECRET "a-secret-of-256-bits-in-base64url-43-charac"

#define METADATA "{\"client_name\":\"X\",\"redirect_uris\":[\"https://x.example/cb\"]}"

static void
who_may_not_registers_nothing(void **unused)
{
	struct attempt o;
	char bearer[9000];

	(void)unused;
	add_user("ann", "a fine long password", "user");
	o = try_login("ann", "a fine long password");
	(void)snprintf(bearer, sizeof(bearer), "Bearer %s", o.access);
	assert_int_equal(
	    WEB(.path = "/oauth/register", .body = METADATA, .type = "application/json").http, 401);
	assert_int_equal(WEB(.path = "/oauth/register", .body = METADATA,
			     .type = "application/json", .authorization = "Bearer x")
			     .http,
	    401);
	assert_int_equal(WEB(.path = "/oauth/register", .body = METADATA,
			     .type = "application/json", .authorization = bearer)
			     .http,
	    403);
	assert_int_equal(memdb_count(&authbed.db, "client"), 0);
}

static void
a_client_registers_itself_and_manages_what_it_registered(void **unused)
{
	struct attempt o = try_login("admin", authbed.admin_password);
	char bearer[9000], path[200];
	struct web_got g;

	(void)unused;
	(void)snprintf(bearer, sizeof(bearer), "Bearer %s", o.access);
	g = WEB(.path = "/oauth/register", .body = METADATA, .type = "application/json",
	    .authorization = bearer);
	assert_int_equal(g.http, 201);
	assert_int_equal(strlen(web_got_text(&g, "client_secret")), 43);
	(void)snprintf(path, sizeof(path), "/oauth/register/%s", web_got_text(&g, "client_id"));
	assert_int_equal(WEB(.path = path, .authorization = bearer).http, 401);
	(void)snprintf(
	    bearer, sizeof(bearer), "Bearer %s", web_got_text(&g, "registration_access_token"));
	g = WEB(.path = path, .authorization = bearer);
	assert_int_equal(g.http, 200);
	assert_string_equal(web_got_text(&g, "client_name"), "X");
	assert_string_equal(web_got_text(&g, "client_secret"), "");
	g = WEB(.path = path, .method = "PUT", .authorization = bearer, .type = "application/json",
	    .body = "{\"client_name\":\"Y\",\"redirect_uris\":[\"https://x.example/2\"],"
		    "\"token_endpoint_auth_method\":\"none\"}");
	assert_int_equal(g.http, 200);
	assert_string_equal(web_got_text(&g, "client_name"), "Y");
	g = WEB(.path = path, .method = "PUT", .authorization = bearer, .type = "application/json",
	    .body = "{\"redirect_uris\":[\"https://x.example/#\"]}");
	assert_string_equal(web_got_text(&g, "error"), "invalid_redirect_uri");
	assert_int_equal(WEB(.path = path, .method = "DELETE", .authorization = bearer).http, 204);
	assert_int_equal(WEB(.path = path, .authorization = bearer).http, 401);
}

/* The client of the last registration; its path and its token's header. */
static void
register_one(const char *metadata, char id[UUID_LEN], char path[200], char bearer[100])
{
	struct attempt o = try_login("admin", authbed.admin_password);
	char admin[9000];
	struct web_got g;

	(void)snprintf(admin, sizeof(admin), "Bearer %s", o.access);
	g = WEB(.path = "/oauth/register", .body = metadata, .type = "application/json",
	    .authorization = admin);
	assert_int_equal(g.http, 201);
	(void)snprintf(id, UUID_LEN, "%s", web_got_text(&g, "client_id"));
	(void)snprintf(path, 200, "/oauth/register/%s", id);
	(void)snprintf(bearer, 100, "Bearer %s", web_got_text(&g, "registration_access_token"));
}

static void
a_registration_that_is_deleted_again_by_the_same_operation_is_deleted(void **unused)
{
	static const char operation[] = "018f0000-0000-7000-8000-0000000000d7";
	char id[UUID_LEN], path[200], bearer[100];

	(void)unused;
	register_one(METADATA, id, path, bearer);
	for (int i = 0; i < 2; i++)
		assert_int_equal(WEB(.path = path, .method = "DELETE", .authorization = bearer,
				     .operation = operation)
				     .http,
		    204);
	assert_null(memdb_row(&authbed.db, "client", id));
	assert_int_equal(WEB(.path = path, .method = "DELETE", .authorization = bearer).http, 401);
}

static void
what_an_administrator_has_trusted_its_registrar_can_not_change(void **unused)
{
	char id[UUID_LEN], path[200], bearer[100];
	struct web_got g;

	(void)unused;
	register_one(METADATA, id, path, bearer);
	json_object_set_new(memdb_row(&authbed.db, "client", id), "trusted", json_true());
	g = WEB(.path = path, .method = "PUT", .authorization = bearer, .type = "application/json",
	    .body = "{\"redirect_uris\":[\"https://x.example/elsewhere\"]}");
	assert_int_equal(g.http, 403);
	assert_int_equal(WEB(.path = path, .method = "DELETE", .authorization = bearer).http, 403);
	assert_non_null(memdb_row(&authbed.db, "client", id));
}

static void
who_registered_himself_sees_no_tokens_of_others(void **unused)
{
	char id[UUID_LEN], path[200], bearer[100], body[9000];
	char hash[CLIENT_SECRET_HASH_MAX];
	struct attempt o;
	struct web_got g;

	(void)unused;
	register_one("{\"redirect_uris\":[\"https://x.example/cb\"],\"scope\":\"*\","
		     "\"token_endpoint_auth_method\":\"client_secret_post\"}",
	    id, path, bearer);
	client_secret_hash(SECRET, hash);
	json_object_set_new(memdb_row(&authbed.db, "client", id), "secret_hash", json_string(hash));
	o = try_login("admin", authbed.admin_password);
	(void)snprintf(
	    body, sizeof(body), "client_id=%s&client_secret=" SECRET "&token=%s", id, o.access);
	g = WEB(.path = "/oauth/introspect", .body = body);
	assert_int_equal(g.http, 200);
	assert_string_equal(g.body, "{\"active\":false}");
}

static void
no_registration_gives_a_service_account_or_trust(void **unused)
{
	struct attempt o = try_login("admin", authbed.admin_password);
	char bearer[9000];
	struct web_got g;

	(void)unused;
	(void)snprintf(bearer, sizeof(bearer), "Bearer %s", o.access);
	g = WEB(.path = "/oauth/register", .type = "application/json", .authorization = bearer,
	    .body =
		"{\"grant_types\":[\"client_credentials\"],\"user_id\":\"018f0000-0000-7000-8000-"
		"0000000000aa\"}");
	assert_int_equal(g.http, 400);
	assert_string_equal(web_got_text(&g, "error"), "invalid_client_metadata");
	g = WEB(.path = "/oauth/register", .type = "application/json", .authorization = bearer,
	    .body = "{\"redirect_uris\":[\"https://x.example/cb\"],\"trusted\":true}");
	assert_int_equal(g.http, 201);
	assert_false(json_is_true(json_object_get(
	    memdb_row(&authbed.db, "client", web_got_text(&g, "client_id")), "trusted")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BED(who_may_not_registers_nothing),
		BED(a_client_registers_itself_and_manages_what_it_registered),
		BED(a_registration_that_is_deleted_again_by_the_same_operation_is_deleted),
		BED(what_an_administrator_has_trusted_its_registrar_can_not_change),
		BED(who_registered_himself_sees_no_tokens_of_others),
		BED(no_registration_gives_a_service_account_or_trust),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
