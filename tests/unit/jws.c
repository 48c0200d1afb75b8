/* jws, claims: vectors of the standards, and the attacks on tokens that are known by name. */
#include <jwt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/jwt/claims.h"
#include "auth/jwt/jws.h"
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

TEST_ARENA(a, 1 << 20)

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
all_algorithms_sign_what_they_verify_and_survive_pem(void **unused)
{
	static const enum jws_alg algs[] = { JWS_ES256, JWS_EDDSA, JWS_RS256 };

	(void)unused;
	for (size_t i = 0; i < 3; i++) {
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
	static const struct claims_expect expect = { "metafed", "metafed", 0 };
	struct claims c;

	return claims_read(a, json, strlen(json), &expect, NOW, &c);
}

/* Lowered: what was issued before has no longer a life than what is issued now. */
static void
a_token_lives_no_longer_than_tokens_do_now(void **unused)
{
	struct claims_expect expect = { "metafed", "metafed", 1100 * SEC };
	const char *json = "{" OURS "," BASE "," TIMES "}";
	struct claims c;

	(void)unused;
	assert_int_equal(claims_read(a, json, strlen(json), &expect, NOW, &c), TOKEN_OK);
	assert_true(c.principal.expires_at == (uint64_t)(NOW + 100 * SEC));
	expect.life_us = 1001 * SEC;
	assert_int_equal(claims_read(a, json, strlen(json), &expect, NOW, &c), TOKEN_OK);
	assert_true(c.principal.expires_at == (uint64_t)(NOW + 1 * SEC));
	expect.life_us = 1000 * SEC;
	assert_int_equal(claims_read(a, json, strlen(json), &expect, NOW, &c), TOKEN_EXPIRED);
}

static void
claims_are_read_back_as_they_were_written(void **unused)
{
	static const struct claims_expect expect = { "metafed", "metafed", 0 };
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TA(the_es256_example_of_rfc_7515_verifies),
		TA(the_eddsa_example_of_rfc_8037_verifies_and_its_thumbprint_is_the_key_id),
		TA(no_single_changed_character_of_a_token_verifies),
		TA(what_we_sign_libjwt_verifies_and_what_libjwt_signs_we_verify),
		TA(all_algorithms_sign_what_they_verify_and_survive_pem),
		TA(alg_none_is_no_token_in_any_spelling),
		TA(hs256_with_the_public_key_as_secret_is_refused),
		TA(a_key_verifies_only_its_own_algorithm),
		TA(a_header_with_anything_besides_alg_kid_typ_is_refused),
		TA(anything_but_three_parts_in_strict_base64url_is_refused),
		TA(a_token_beyond_the_limit_is_refused_unread),
		TA(signatures_of_zero_of_the_wrong_length_or_of_another_are_refused),
		TA(a_token_lives_no_longer_than_tokens_do_now),
		TA(claims_are_read_back_as_they_were_written),
		TA(an_audience_may_be_one_of_several),
		TA(another_issuer_or_audience_is_refused),
		TA(times_decide_to_the_second_and_only_leeway_for_the_past_is_given),
		TA(a_claim_that_lacks_is_double_or_is_of_the_wrong_kind_makes_it_invalid),
	};

	if (sodium_init() < 0)
		return 1;
	return TEST_RUN(tests);
}
