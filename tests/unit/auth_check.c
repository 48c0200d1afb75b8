/* auth: checks of tokens and permissions. */
#include <string.h>
#include "auth/jwt/claims.h"
#include "base/time.h"
#include "harness/authbed.h"
#include "harness/jwk.h"

static void
no_credential_reaches_only_what_the_role_anonymous_permits(void **unused)
{
	(void)unused;
	REFUSED(try_check("", "task.read"), ST_UNAUTHENTICATED, "NO_CREDENTIAL");
	REFUSED(try_check("", ""), ST_UNAUTHENTICATED, "NO_CREDENTIAL");
	memdb_put(&authbed.db, "role", "anonymous",
	    json_pack("{s:[s],s:[]}", "permissions", "fleet.read", "inherits"));
	timer_in(&authbed.rbac.rbac.poll_timer, 0);
	authbed_pass(50 * MS);
	assert_int_equal(try_check("", "fleet.read").status, ST_OK);
	REFUSED(try_check("", "task.read"), ST_UNAUTHENTICATED, "NO_CREDENTIAL");
	authbed.rbac.down = true;
	assert_int_equal(try_check("", "fleet.read").status, ST_UNAVAILABLE);
}

static void
a_missing_permission_is_named_and_nothing_else(void **unused)
{
	struct attempt o;

	(void)unused;
	add_user("vera", "vera's password", "viewer");
	o = try_login("vera", "vera's password");
	assert_int_equal(try_check(o.access, "").status, ST_OK);
	assert_int_equal(try_check(o.access, "task.read").status, ST_OK);
	o = try_check(o.access, "user.delete");
	REFUSED(o, ST_PERMISSION_DENIED, "PERMISSION");
	assert_string_equal(o.message, "this needs the permission user.delete");
}

/* Roles and revocations are read beside it, never for it. */
static void
a_check_never_waits_for_the_database(void **unused)
{
	struct attempt one = try_login("admin", authbed.admin_password);
	unsigned before = authbed.db.reads;
	int64_t began;

	(void)unused;
	authbed.db.hangs = true;
	timer_in(&authbed.rbac.rbac.poll_timer, 0);
	timer_in(&authbed.jwt.tokens.revoked_timer, 0);
	timer_in(&authbed.oauth.tokens.revoked_timer, 0);
	authbed_pass(20 * MS);
	assert_int_equal(authbed.db.reads, before + 3);
	began = time_now_us();
	for (int i = 0; i < 20; i++)
		assert_int_equal(try_check(one.access, "task.read").status, ST_OK);
	assert_true(time_now_us() - began < 2 * SEC); /* a reading is given up after 5 s */
	assert_int_equal(authbed.db.reads, before + 3);
}

/* A token that our own key signed, with something wrong inside. */
static const char *
forged(struct arena *a, const char *type, const char *issuer, const char *audience, int64_t from_s,
    int64_t to_s)
{
	int64_t now = time_wall_us() / SEC;
	char *payload = arena_printf(a,
	    "{\"iss\":\"%s\",\"aud\":\"%s\",\"sub\":\"018f0000-0000-7000-8000-000000000001\","
	    "\"name\":\"eve\",\"jti\":\"j\",\"ver\":1,\"sid\":\"018f0000-0000-7000-8000-"
	    "000000000002\","
	    "\"roles\":[\"admin\"],"
	    "\"perms\":[\"*\"],\"iat\":%lld,\"nbf\":%lld,\"exp\":%lld}",
	    issuer, audience, (long long)(now + from_s), (long long)(now + from_s),
	    (long long)(now + to_s));

	return jws_sign(a, keyring_signer(authbed.jwt.tokens.keys), type, payload, strlen(payload));
}

static void
every_wrong_token_gets_one_of_two_reasons(void **unused)
{
	struct arena *a = arena_new(1 << 20);
	struct jws_key *foreign = jws_key_generate(JWS_ES256);
	const char *good = forged(a, CLAIMS_TYPE, "metafed", "metafed", -5, 60);
	const char *bad[] = {
		forged(a, "JWT", "metafed", "metafed", -5, 60),
		forged(a, "id_token", "metafed", "metafed", -5, 60),
		forged(a, CLAIMS_TYPE, "evil", "metafed", -5, 60),
		forged(a, CLAIMS_TYPE, "metafed", "other", -5, 60),
		forged(a, CLAIMS_TYPE, "metafed", "metafed", 300, 600), /* not yet */
		jws_sign(a, foreign, CLAIMS_TYPE, "{}", 2),             /* unknown kid */
		jwk_token(a, "{\"alg\":\"none\",\"typ\":\"at+jwt\"}", "{}", ""),
		jwk_token(a, "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", "{}", "AAAA"),
		arena_printf(a, "%sA", good),
		arena_printf(a, " %s", good),
		"x",
		"..",
		"Bearer",
		"\xff\xfe",
	};
	char *huge = arena_alloc(a, 100000);
	struct attempt o;

	(void)unused;
	o = try_check(good, "task.read");
	assert_int_equal(o.status, ST_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct attempt b = try_check(bad[i], "task.read");

		if (b.status != ST_UNAUTHENTICATED || strcmp(b.reason, "TOKEN_INVALID") != 0)
			fail_msg("token %zu: %s %s", i, status_name(b.status), b.reason);
		if (i > 0)
			assert_string_equal(b.message, o.message);
		o = b;
	}
	REFUSED(try_check(forged(a, CLAIMS_TYPE, "metafed", "metafed", -600, -1), "task.read"),
	    ST_UNAUTHENTICATED, "TOKEN_EXPIRED");
	memset(huge, 'A', 99999);
	huge[99999] = '\0';
	REFUSED(try_check(huge, "task.read"), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	jws_key_free(&foreign);
	arena_free(&a);
}

/* The peer makes a key (another algorithm was configured there); we meet its id and look. */
static void
an_unknown_key_id_makes_us_look_at_the_directory(void **unused)
{
	struct jwt_config other = authbed.jwt_config;
	struct attempt o;

	(void)unused;
	other.signing_alg = "EdDSA";
	tokens_reload(&authbed.oauth.tokens, &other);
	authbed.jwt.down = true;
	o = try_login("admin", authbed.admin_password);
	assert_int_equal(o.status, ST_OK);
	authbed.jwt.down = false;
	authbed.oauth.down = true;
	assert_int_equal(keyring_size(authbed.jwt.tokens.keys), 1);
	assert_int_equal(try_check(o.access, "task.read").status, ST_OK);
	assert_int_equal(keyring_size(authbed.jwt.tokens.keys), 2);
	authbed.oauth.down = false;
	tokens_reload(&authbed.oauth.tokens, &authbed.jwt_config);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BED(no_credential_reaches_only_what_the_role_anonymous_permits),
		BED(a_missing_permission_is_named_and_nothing_else),
		BED(a_check_never_waits_for_the_database),
		BED(every_wrong_token_gets_one_of_two_reasons),
		BED(an_unknown_key_id_makes_us_look_at_the_directory),
	};

	return TEST_RUN(tests);
}
