/* jws, claims, keyring: vectors of the standards, and the attacks on tokens that are known by name.
 */
#include <jwt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "auth/jwt/claims.h"
#include "auth/jwt/keyring.h"
#include "auth/jwt/once.h"
#include "base/id.h"
#include "base/time.h"
#include "harness/jwk.h"
#include "harness/test.h"

#define NOW (INT64_C(1900000000) * SEC)

static const char rfc7515_a3[] =
    "eyJhbGciOiJFUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    "."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
static const char rfc7515_a3_key[] =
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}";
static const char rfc8037_a4[] =
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
static const char rfc8037_key[] =
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}";

static struct arena *a;

static int
start(void **state)
{
	assert_true(sodium_init() >= 0);
	a = arena_new(1 << 20);
	return test_log_mark(state);
}

static int
stop(void **state)
{
	arena_free(&a);
	return test_log_check(state);
}
#define J(f) cmocka_unit_test_setup_teardown(f, start, stop)

static struct jws_key *
key_of(const char *jwk)
{
	json_t *v = json_loads(jwk, 0, NULL);
	struct jws_key *k = jwk_public(v);

	json_decref(v);
	assert_non_null(k);
	return k;
}

static bool
verifies(const char *token, const struct jws_key *k)
{
	struct jws t;

	return jws_parse(a, str_of(token), &t) && jws_verify(&t, k);
}

static bool
parses(const char *token)
{
	struct jws t;

	return jws_parse(a, str_of(token), &t);
}

/* --- vectors --- */

static void
the_es256_example_of_rfc_7515_verifies(void **unused)
{
	struct jws_key *k = key_of(rfc7515_a3_key);
	struct jws t;

	(void)unused;
	assert_true(jws_parse(a, str_of(rfc7515_a3), &t));
	assert_int_equal(t.n_payload, 70);
	assert_memory_equal(t.payload, "{\"iss\":\"joe\"", 12);
	assert_true(jws_verify(&t, k));
	jws_key_free(&k);
}

static void
the_eddsa_example_of_rfc_8037_verifies_and_its_thumbprint_is_the_key_id(void **unused)
{
	struct jws_key *k = key_of(rfc8037_key);

	(void)unused;
	assert_true(verifies(rfc8037_a4, k));
	assert_string_equal(jws_key_id(k), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
	jws_key_free(&k);
}

static void
no_single_changed_character_of_a_token_verifies(void **unused)
{
	struct jws_key *k = key_of(rfc7515_a3_key);
	char *token = arena_strdup(a, rfc7515_a3);

	(void)unused;
	for (size_t i = 0; token[i] != '\0'; i++) {
		char was = token[i];

		token[i] = was == 'A' ? 'B' : 'A';
		if (verifies(token, k))
			fail_msg("changed at %zu and verified", i);
		token[i] = was;
	}
	assert_true(verifies(token, k));
	jws_key_free(&k);
}

/* Which of the cookbook's files holds what; what we don't speak must be refused, not misread. */
static void
the_jose_cookbook_is_verified_where_spoken_and_refused_elsewhere(void **unused)
{
	static const struct {
		const char *file;
		bool verifies;
	} files[] = {
		{ "jws/4_1.rsa_v15_signature.json", true },
		{ "jws/4_2.rsa-pss_signature.json", false },
		{ "jws/4_3.ecdsa_signature.json", false }, /* ES512 */
		{ "jws/4_4.hmac-sha2_integrity_protection.json", false },
		{ "curve25519/jws.json", true },
	};
	const char *data = getenv("METAFED_TEST_DATA");

	(void)unused;
	if (data == NULL) {
		print_message("METAFED_TEST_DATA is not set: the JOSE cookbook is not there\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char *path = arena_printf(a, "%s/jwt/cookbook/%s", data, files[i].file);
		json_t *v = json_load_file(path, 0, NULL);
		const json_t *jwk = json_object_get(json_object_get(v, "input"), "key");
		const char *compact =
		    json_string_value(json_object_get(json_object_get(v, "output"), "compact"));
		struct jws_key *k;

		assert_non_null(compact);
		k = strcmp(json_string_value(json_object_get(jwk, "kty")), "oct") == 0
		        ? NULL
		        : jwk_public(jwk);
		if ((k != NULL && verifies(compact, k)) != files[i].verifies)
			fail_msg("%s", files[i].file);
		jws_key_free(&k);
		json_decref(v);
	}
}

static void
what_we_sign_libjwt_verifies_and_what_libjwt_signs_we_verify(void **unused)
{
	struct jws_key *k = jws_key_generate(JWS_ES256);
	char pem[JWS_PEM_MAX], *token;
	jwt_t *theirs = NULL;
	size_t n;

	(void)unused;
	token = jws_sign(a, k, "JWT", "{\"sub\":\"x\"}", 11);
	pem[jws_key_public_pem(k, pem, sizeof(pem) - 1)] = '\0';
	assert_int_equal(jwt_decode(&theirs, token, (unsigned char *)pem, (int)strlen(pem)), 0);
	assert_string_equal(jwt_get_grant(theirs, "sub"), "x");
	jwt_free(theirs);

	n = jws_key_pem(k, pem, sizeof(pem) - 1);
	pem[n] = '\0';
	assert_int_equal(jwt_new(&theirs), 0);
	assert_int_equal(jwt_add_grant(theirs, "sub", "y"), 0);
	assert_int_equal(jwt_set_alg(theirs, JWT_ALG_ES256, (unsigned char *)pem, (int)n), 0);
	token = jwt_encode_str(theirs);
	assert_true(verifies(token, k));
	free(token);
	jwt_free(theirs);
	jws_key_free(&k);
}

static void
both_algorithms_sign_what_they_verify_and_survive_pem(void **unused)
{
	static const enum jws_alg algs[] = { JWS_ES256, JWS_EDDSA };

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		struct jws_key *k = jws_key_generate(algs[i]), *again;
		char pem[JWS_PEM_MAX], err[100];
		size_t n = jws_key_pem(k, pem, sizeof(pem));
		char *token = jws_sign(a, k, "t", "{}", 2);

		again = jws_key_from_pem(pem, n, err, sizeof(err));
		assert_non_null(again);
		assert_string_equal(jws_key_id(k), jws_key_id(again));
		assert_true(verifies(token, again));
		jws_key_free(&again);

		n = jws_key_public_pem(k, pem, sizeof(pem));
		again = jws_key_from_pem(pem, n, err, sizeof(err));
		assert_true(verifies(token, again));
		assert_false(jws_key_can_sign(again));
		assert_null(jws_sign(a, again, "t", "{}", 2));
		jws_key_free(&again);
		jws_key_free(&k);
	}
}

/* --- attacks on the form --- */

static void
alg_none_is_no_token_in_any_spelling(void **unused)
{
	static const char *const spellings[] = { "none", "None", "NONE", "nOnE", "" };

	(void)unused;
	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++)
		assert_false(parses(
		    jwk_token(a, arena_printf(a, "{\"alg\":\"%s\"}", spellings[i]), "{}", "")));
}

/* The classic: the public key is public, so sign with it as an HMAC secret and say HS256. */
static void
hs256_with_the_public_key_as_secret_is_refused(void **unused)
{
	struct jws_key *k = jws_key_generate(JWS_ES256);
	char pem[JWS_PEM_MAX], *token;
	jwt_t *t;

	(void)unused;
	pem[jws_key_public_pem(k, pem, sizeof(pem) - 1)] = '\0';
	assert_int_equal(jwt_new(&t), 0);
	assert_int_equal(jwt_set_alg(t, JWT_ALG_HS256, (unsigned char *)pem, (int)strlen(pem)), 0);
	token = jwt_encode_str(t);
	assert_non_null(token);
	assert_false(parses(token));
	free(token);
	jwt_free(t);
	jws_key_free(&k);
}

static void
a_key_verifies_only_its_own_algorithm(void **unused)
{
	struct jws_key *es = jws_key_generate(JWS_ES256), *ed = jws_key_generate(JWS_EDDSA);

	(void)unused;
	assert_false(verifies(jws_sign(a, es, "t", "{}", 2), ed));
	assert_false(verifies(jws_sign(a, ed, "t", "{}", 2), es));
	jws_key_free(&es);
	jws_key_free(&ed);
}

static void
a_header_with_anything_besides_alg_kid_typ_is_refused(void **unused)
{
	static const char *const headers[] = {
		"{\"alg\":\"ES256\",\"jku\":\"https://evil.example/keys\"}",
		"{\"alg\":\"ES256\",\"x5u\":\"https://evil.example/cert\"}",
		"{\"alg\":\"ES256\",\"jwk\":{\"kty\":\"EC\"}}",
		"{\"alg\":\"ES256\",\"crit\":[\"exp\"]}",
		"{\"alg\":\"ES256\",\"b64\":false}",
		"{\"alg\":\"ES256\",\"zip\":\"DEF\"}",
		"{\"alg\":\"ES256\",\"alg\":\"ES256\"}", /* twice */
		"{\"alg\":\"ES256\",\"kid\":7}",
		"{\"alg\":[\"ES256\"]}",
		"{\"kid\":\"x\"}",
		"[\"ES256\"]",
	};

	(void)unused;
	assert_true(parses(jwk_token(a, "{\"alg\":\"ES256\"}", "{}", "AAAA")));
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (parses(jwk_token(a, headers[i], "{}", "AAAA")))
			fail_msg("%s", headers[i]);
}

static void
anything_but_three_parts_in_strict_base64url_is_refused(void **unused)
{
	static const char *const tokens[] = {
		"",
		".",
		"..",
		"...",
		"a.b",
		"eyJhbGciOiJFUzI1NiJ9",
		"eyJhbGciOiJFUzI1NiJ9.e30",
		"eyJhbGciOiJFUzI1NiJ9.e30.AAAA.AAAA",
		"eyJhbGciOiJFUzI1NiJ9..AAAA",
		".e30.AAAA",
		"eyJhbGciOiJFUzI1NiJ9.e30=.AAAA", /* padding */
		"eyJhbGciOiJFUzI1NiJ9.e30.AA+A",  /* the other alphabet */
		"eyJhbGciOiJFUzI1NiJ9.e31.AAAA",  /* spare bits set: a second spelling of "{}" */
		"eyJhbGciOiJFUzI1NiJ9.e 30.AAAA",
		"eyJhbGciOiJFUzI1NiJ9.e30.AAA\n",
		"Bearer eyJhbGciOiJFUzI1NiJ9.e30.AAAA",
	};

	(void)unused;
	assert_true(parses("eyJhbGciOiJFUzI1NiJ9.e30.AAAA"));
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
		if (parses(tokens[i]))
			fail_msg("'%s'", tokens[i]);
}

static void
a_token_beyond_the_limit_is_refused_unread(void **unused)
{
	size_t n = JWS_TOKEN_MAX + 1;
	char *payload = arena_alloc(a, n);
	struct jws_key *k = jws_key_generate(JWS_ES256);

	(void)unused;
	memset(payload, ' ', n);
	assert_false(verifies(jws_sign(a, k, "t", payload, n), k));
	assert_true(verifies(jws_sign(a, k, "t", payload, 5000), k));
	jws_key_free(&k);
}

static void
signatures_of_zero_of_the_wrong_length_or_of_another_are_refused(void **unused)
{
	struct jws_key *k = jws_key_generate(JWS_ES256);
	char *token = jws_sign(a, k, "t", "{\"a\":1}", 7);
	char *other = jws_sign(a, k, "t", "{\"a\":2}", 7);
	size_t at = (size_t)(strrchr(token, '.') - token) + 1;
	char zeros[87];

	(void)unused;
	memset(zeros, 'A', 86);
	zeros[86] = '\0';
	assert_false(verifies(arena_printf(a, "%.*s%s", (int)at, token, zeros), k));
	assert_false(verifies(arena_printf(a, "%.*s", (int)at, token), k));
	assert_false(verifies(arena_printf(a, "%sAAAA", token), k));
	assert_false(
	    verifies(arena_printf(a, "%.*s%s", (int)at, token, strrchr(other, '.') + 1), k));
	assert_true(verifies(token, k));
	jws_key_free(&k);
}

/* --- claims --- */

#define BASE                                                                                       \
	"\"sub\":\"018f0000-0000-7000-8000-000000000001\",\"name\":\"ada\",\"jti\":\"j\",\"ver\":" \
	"3,"                                                                                       \
	"\"sid\":\"018f0000-0000-7000-8000-000000000002\",\"roles\":[\"user\"],\"perms\":[\"task." \
	"*\"]"
#define TIMES "\"iat\":1899999000,\"nbf\":1899999000,\"exp\":1900000100"
#define OURS  "\"iss\":\"metafed\",\"aud\":\"metafed\""

static enum token_verdict
judge(const char *json)
{
	static const struct claims_expect expect = { "metafed", "metafed" };
	struct claims c;

	return claims_read(a, json, strlen(json), &expect, NOW, &c);
}

static void
claims_are_read_back_as_they_were_written(void **unused)
{
	static const struct claims_expect expect = { "metafed", "metafed" };
	char *roles[] = { (char *)(uintptr_t) "user", (char *)(uintptr_t) "viewer" };
	struct claims in = { .principal = MF__PRINCIPAL__INIT,
		.session = "018f0000-0000-7000-8000-000000000002",
		.user_version = 7 };
	struct claims out;
	size_t n;
	char *json;

	(void)unused;
	in.principal.id = (char *)(uintptr_t) "018f0000-0000-7000-8000-000000000001";
	in.principal.name = (char *)(uintptr_t) "a \"quoted\" name";
	in.principal.token_id = (char *)(uintptr_t) "jti";
	in.principal.n_roles = 2;
	in.principal.roles = roles;
	in.principal.snapshot_at = (uint64_t)NOW;
	in.principal.expires_at = (uint64_t)(NOW + 3600 * SEC);
	json = claims_write(a, &in, &expect, &n);
	assert_int_equal(claims_read(a, json, n, &expect, NOW, &out), TOKEN_OK);
	assert_string_equal(out.principal.id, in.principal.id);
	assert_string_equal(out.principal.name, in.principal.name);
	assert_string_equal(out.session, in.session);
	assert_true(out.user_version == 7);
	assert_int_equal(out.principal.n_roles, 2);
	assert_string_equal(out.principal.roles[1], "viewer");
	assert_int_equal(out.principal.n_permissions, 0);
	assert_true(out.principal.snapshot_at == in.principal.snapshot_at);
	assert_true(out.principal.expires_at == in.principal.expires_at);
}

static void
an_audience_may_be_one_of_several(void **unused)
{
	(void)unused;
	assert_int_equal(judge("{" OURS "," BASE "," TIMES "}"), TOKEN_OK);
	assert_int_equal(
	    judge("{\"iss\":\"metafed\",\"aud\":[\"x\",\"metafed\"]," BASE "," TIMES "}"),
	    TOKEN_OK);
	assert_int_equal(
	    judge("{\"iss\":\"metafed\",\"aud\":[\"x\"]," BASE "," TIMES "}"), TOKEN_INVALID);
	assert_int_equal(
	    judge("{\"iss\":\"metafed\",\"aud\":[]," BASE "," TIMES "}"), TOKEN_INVALID);
	assert_int_equal(judge("{\"iss\":\"metafed\"," BASE "," TIMES "}"), TOKEN_INVALID);
}

static void
another_issuer_or_audience_is_refused(void **unused)
{
	(void)unused;
	assert_int_equal(
	    judge("{\"iss\":\"evil\",\"aud\":\"metafed\"," BASE "," TIMES "}"), TOKEN_INVALID);
	assert_int_equal(
	    judge("{\"iss\":\"metafed\",\"aud\":\"other\"," BASE "," TIMES "}"), TOKEN_INVALID);
	assert_int_equal(
	    judge("{\"iss\":[\"metafed\"],\"aud\":\"metafed\"," BASE "," TIMES "}"), TOKEN_INVALID);
}

static void
times_decide_to_the_second_and_only_leeway_for_the_past_is_given(void **unused)
{
	(void)unused;
	assert_int_equal(
	    judge("{" OURS "," BASE ",\"iat\":1,\"nbf\":1,\"exp\":1900000000}"), TOKEN_EXPIRED);
	assert_int_equal(
	    judge("{" OURS "," BASE ",\"iat\":1,\"nbf\":1,\"exp\":1900000001}"), TOKEN_OK);
	assert_int_equal(
	    judge("{" OURS "," BASE ",\"iat\":1,\"nbf\":1900000030,\"exp\":1900000100}"), TOKEN_OK);
	assert_int_equal(
	    judge("{" OURS "," BASE ",\"iat\":1,\"nbf\":1900000031,\"exp\":1900000100}"),
	    TOKEN_INVALID);
	assert_int_equal(
	    judge("{" OURS "," BASE ",\"iat\":1900000031,\"nbf\":1,\"exp\":1900000100}"),
	    TOKEN_INVALID);
	assert_int_equal(judge("{" OURS "," BASE ",\"iat\":1,\"nbf\":1}"), TOKEN_INVALID);
	assert_int_equal(
	    judge("{" OURS "," BASE ",\"iat\":1,\"nbf\":1,\"exp\":\"1900000100\"}"), TOKEN_INVALID);
	assert_int_equal(
	    judge("{" OURS "," BASE ",\"iat\":1,\"nbf\":1,\"exp\":1900000100.5}"), TOKEN_INVALID);
	assert_int_equal(
	    judge("{" OURS "," BASE ",\"iat\":1,\"nbf\":1,\"exp\":-1}"), TOKEN_INVALID);
	assert_int_equal(
	    judge("{" OURS "," BASE ",\"iat\":1,\"nbf\":1,\"exp\":9223372036854775807}"),
	    TOKEN_INVALID);
}

static void
a_claim_that_lacks_is_double_or_is_of_the_wrong_kind_makes_it_invalid(void **unused)
{
	static const char sub[] =
	    "\"sub\":\"018f0000-0000-7000-8000-000000000001\",\"name\":\"ada\",\"jti\":\"j\",";
	static const char sid[] = "\"sid\":\"018f0000-0000-7000-8000-000000000002\",\"ver\":1,";

	(void)unused;
	assert_int_equal(judge("{" OURS "," BASE "," TIMES ",\"exp\":1900009999}"), TOKEN_INVALID);
	assert_int_equal(
	    judge(arena_printf(a, "{" OURS ",%s%s\"roles\":[],\"perms\":[]," TIMES "}", sub, sid)),
	    TOKEN_OK);
	assert_int_equal(judge(arena_printf(a, "{" OURS ",%s%s\"roles\":[],\"perms\":[]," TIMES "}",
			     sub, "\"sid\":\"018f0000-0000-7000-8000-000000000002\",\"ver\":0,")),
	    TOKEN_INVALID);
	assert_int_equal(
	    judge(arena_printf(a, "{" OURS ",%s\"roles\":[],\"perms\":[]," TIMES "}", sub)),
	    TOKEN_INVALID);
	assert_int_equal(
	    judge(arena_printf(a, "{" OURS ",%s\"roles\":[],\"perms\":[]," TIMES "}", sid)),
	    TOKEN_INVALID);
	assert_int_equal(
	    judge(arena_printf(
		a, "{" OURS ",%s%s\"roles\":\"admin\",\"perms\":[]," TIMES "}", sub, sid)),
	    TOKEN_INVALID);
	assert_int_equal(
	    judge(arena_printf(a, "{" OURS ",%s%s\"roles\":[7],\"perms\":[]," TIMES "}", sub, sid)),
	    TOKEN_INVALID);
	assert_int_equal(
	    judge(arena_printf(a, "{" OURS ",%s%s\"roles\":[],\"perms\":[]," TIMES "}", sub, sid)),
	    TOKEN_OK);
	assert_int_equal(judge("[]"), TOKEN_INVALID);
	assert_int_equal(judge(""), TOKEN_INVALID);
	assert_int_equal(judge("null"), TOKEN_INVALID);
}

/* --- the directory of keys --- */

static void
two_who_open_the_same_directory_have_the_same_keys_and_secret(void **unused)
{
	char err[300], *dir = arena_printf(a, "%s/secrets/signing", test_dir());
	struct keyring *one = keyring_open(dir, JWS_ES256, err, sizeof(err));
	struct keyring *two = keyring_open(dir, JWS_ES256, err, sizeof(err));
	struct stat st;

	(void)unused;
	assert_non_null(one);
	assert_non_null(two);
	assert_string_equal(jws_key_id(keyring_signer(one)), jws_key_id(keyring_signer(two)));
	assert_memory_equal(keyring_secret(one), keyring_secret(two), KEYRING_SECRET);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(stat(arena_printf(a, "%s/es256-1.pem", dir), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	keyring_close(&one);
	keyring_close(&two);
}

static void
of_two_that_make_a_file_one_wins_and_nothing_is_left_over(void **unused)
{
	const char *dir = test_dir();
	char err[300], *path = arena_printf(a, "%s/f", dir), *text;
	size_t n;

	(void)unused;
	assert_int_equal(once_write(path, "first", 5, err, sizeof(err)), ONCE_MADE);
	assert_int_equal(once_write(path, "second", 6, err, sizeof(err)), ONCE_THERE);
	text = once_read(path, 100, &n, err, sizeof(err));
	assert_string_equal(text, "first");
	sodium_free(text);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0); /* no temporary file stayed */
	assert_int_equal(once_write(path, "x", 1, err, sizeof(err)), ONCE_FAILED);
	assert_string_not_equal(err, "");
}

static void
keys_that_others_can_read_are_refused(void **unused)
{
	char err[300], *dir = arena_printf(a, "%s/k", test_dir());
	struct keyring *r = keyring_open(dir, JWS_ES256, err, sizeof(err));

	(void)unused;
	assert_non_null(r);
	keyring_close(&r);
	assert_int_equal(chmod(arena_printf(a, "%s/es256-1.pem", dir), 0644), 0);
	assert_null(keyring_open(dir, JWS_ES256, err, sizeof(err)));
	assert_non_null(strstr(err, "0600"));
	assert_int_equal(chmod(arena_printf(a, "%s/es256-1.pem", dir), 0600), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_null(keyring_open(dir, JWS_ES256, err, sizeof(err)));
	assert_non_null(strstr(err, "0700"));
	assert_int_equal(chmod(dir, 0700), 0);
}

static void
a_change_of_algorithm_adds_a_key_and_the_old_one_still_verifies(void **unused)
{
	char err[300], *dir = arena_printf(a, "%s/k", test_dir()), *token;
	struct keyring *old = keyring_open(dir, JWS_ES256, err, sizeof(err)), *new;
	struct jws t;

	(void)unused;
	token = jws_sign(a, keyring_signer(old), "t", "{}", 2);
	assert_false(keyring_changed(old));
	new = keyring_open(dir, JWS_EDDSA, err, sizeof(err));
	assert_non_null(new);
	assert_true(keyring_changed(old));
	assert_int_equal(keyring_size(new), 2);
	assert_int_equal(jws_key_alg(keyring_signer(new)), JWS_EDDSA);
	assert_true(jws_parse(a, str_of(token), &t));
	assert_true(jws_verify(&t, keyring_find(new, t.key_id)));
	keyring_close(&old);
	keyring_close(&new);
}

static void
the_key_set_shows_public_parts_only(void **unused)
{
	char err[300];
	struct keyring *r =
	    keyring_open(arena_printf(a, "%s/k", test_dir()), JWS_ES256, err, sizeof(err));
	size_t n;
	json_t *v = json_loads(keyring_jwks(r, a, &n), 0, NULL);
	json_t *jwk = json_array_get(json_object_get(v, "keys"), 0);
	struct jws_key *k;

	(void)unused;
	assert_non_null(jwk);
	assert_null(json_object_get(jwk, "d"));
	assert_string_equal(
	    json_string_value(json_object_get(jwk, "kid")), jws_key_id(keyring_signer(r)));
	assert_string_equal(json_string_value(json_object_get(jwk, "alg")), "ES256");
	k = jwk_public(jwk);
	assert_true(verifies(jws_sign(a, keyring_signer(r), "t", "{}", 2), k));
	jws_key_free(&k);
	json_decref(v);
	keyring_close(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		J(the_es256_example_of_rfc_7515_verifies),
		J(the_eddsa_example_of_rfc_8037_verifies_and_its_thumbprint_is_the_key_id),
		J(no_single_changed_character_of_a_token_verifies),
		J(the_jose_cookbook_is_verified_where_spoken_and_refused_elsewhere),
		J(what_we_sign_libjwt_verifies_and_what_libjwt_signs_we_verify),
		J(both_algorithms_sign_what_they_verify_and_survive_pem),
		J(alg_none_is_no_token_in_any_spelling),
		J(hs256_with_the_public_key_as_secret_is_refused),
		J(a_key_verifies_only_its_own_algorithm),
		J(a_header_with_anything_besides_alg_kid_typ_is_refused),
		J(anything_but_three_parts_in_strict_base64url_is_refused),
		J(a_token_beyond_the_limit_is_refused_unread),
		J(signatures_of_zero_of_the_wrong_length_or_of_another_are_refused),
		J(claims_are_read_back_as_they_were_written),
		J(an_audience_may_be_one_of_several),
		J(another_issuer_or_audience_is_refused),
		J(times_decide_to_the_second_and_only_leeway_for_the_past_is_given),
		J(a_claim_that_lacks_is_double_or_is_of_the_wrong_kind_makes_it_invalid),
		J(two_who_open_the_same_directory_have_the_same_keys_and_secret),
		J(of_two_that_make_a_file_one_wins_and_nothing_is_left_over),
		J(keys_that_others_can_read_are_refused),
		J(a_change_of_algorithm_adds_a_key_and_the_old_one_still_verifies),
		J(the_key_set_shows_public_parts_only),
	};

	return TEST_RUN(tests);
}
