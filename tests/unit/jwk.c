/* jwk, foreign tokens and proofs: keys that others wrote, every JWS and JWK of the JOSE cookbook (RFC 7520),
 * the examples of RFC 7515, and signatures at the edges of their algorithms. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/jwt/jws.h"
#include "harness/jwk.h"
#include "harness/test.h"

TEST_ARENA(a, 1 << 20)
static char err[200];

static struct jws_key *
read_key(const char *text)
{
	json_t *v = json_loads(text, 0, NULL);
	struct jws_key *k = jws_key_from_jwk(v, err, sizeof(err));

	json_decref(v);
	return k;
}

static void
refuses(const char *text, const char *why)
{
	struct jws_key *k = read_key(text);

	if (k != NULL || strstr(err, why) == NULL)
		fail_msg("%s: %s", text, k != NULL ? "taken" : err);
}

static char *
jwk_of(const struct jws_key *k)
{
	struct jw w;
	size_t n;

	jw_start(&w, a, 400);
	jws_key_jwk(k, &w);
	return jw_text(&w, &n);
}

static bool
verifies(const char *token, const struct jws_key *k)
{
	struct jws t;

	return jws_parse(a, str_of(token), &t) && jws_verify(&t, k);
}

/* `token` with these bytes for its signature */
static char *
with_signature(const char *token, const uint8_t *p, size_t n)
{
	char *text = arena_alloc(a, str_b64url_len(n) + 1);

	(void)str_b64url(p, n, text);
	return arena_printf(a, "%.*s.%s", (int)(strrchr(token, '.') - token), token, text);
}

/* --- keys --- */

static void
what_we_publish_is_read_back_as_the_same_key(void **unused)
{
	static const enum jws_alg algs[] = { JWS_ES256, JWS_EDDSA, JWS_RS256 };

	(void)unused;
	for (size_t i = 0; i < 3; i++) {
		struct jws_key *k = jws_key_generate(algs[i]), *again = read_key(jwk_of(k));

		assert_non_null(again);
		assert_string_equal(jws_key_id(k), jws_key_id(again));
		assert_int_equal(jws_key_alg(again), algs[i]);
		assert_false(jws_key_can_sign(again));
		assert_true(verifies(jws_sign(a, k, "t", "{}", 2), again));
		jws_key_free(&k);
		jws_key_free(&again);
	}
}

/* RFC 7638, 3.1 */
static void
the_thumbprint_of_the_rfc_is_the_key_id(void **unused)
{
	struct jws_key *k = read_key(
	    "{\"kty\":\"RSA\",\"n\":\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtV"
	    "T86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl9"
	    "3lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5"
	    "hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1"
	    "jF44-csFCur-kEgU8awapJzKnqDKgw\",\"e\":\"AQAB\",\"alg\":\"RS256\",\"kid\":\"2011-04-"
	    "29\"}");

	(void)unused;
	assert_non_null(k);
	assert_string_equal(jws_key_id(k), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
	jws_key_free(&k);
}

static void
keys_that_are_private_symmetric_weak_or_spelled_otherwise_are_refused(void **unused)
{
	static const char x[] = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
	static const char y[] = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
	struct jws_key *rsa = jws_key_generate(JWS_RS256);
	json_t *v = json_loads(jwk_of(rsa), 0, NULL);
	const char *n = json_string_value(json_object_get(v, "n"));

	(void)unused;
#define EC "{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"%s}"
	refuses(arena_printf(a, EC, "P-256", x, y, ",\"d\":\"AAAA\""), "private");
	refuses(arena_printf(a, EC, "P-384", x, y, ""), "P-256");
	refuses(arena_printf(a, EC, "secp256k1", x, y, ""), "P-256");
	refuses(arena_printf(a, EC, "P-256", y, x, ""), "no point");
	refuses(arena_printf(a, EC, "P-256", "AAAA", y, ""), "32 bytes");
	refuses(arena_printf(a, EC "", "P-256", arena_printf(a, "%s=", x), y, ""), "32 bytes");
	refuses(arena_printf(a, EC, "P-256", arena_printf(a, "A%s", x), y, ""), "32 bytes");
	refuses("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":7}", "32 bytes");
	refuses("{\"kty\":\"oct\",\"k\":\"AAAA\"}", "symmetric");
	refuses("{\"kty\":\"oct\"}", "kty");
	refuses("{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AAAA\"}", "Ed25519");
	refuses("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}", "32 bytes");
	refuses("{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"AAAA\"}", "Ed25519");
	refuses("{}", "kty");
	refuses("[]", "kty");
	refuses("\"x\"", "kty");
#define RSA "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}"
	refuses(arena_printf(a, RSA, n, "AQ"), "e:");           /* 1 */
	refuses(arena_printf(a, RSA, n, "Ag"), "e:");           /* even */
	refuses(arena_printf(a, RSA, n, "AAEAAQ"), "e:");       /* a leading zero */
	refuses(arena_printf(a, RSA, n, "AQAAAAAAAAAB"), "e:"); /* costs what its sender likes */
	refuses(arena_printf(a, RSA, "", "AQAB"), "n:");
	refuses(arena_printf(a, RSA, "AQAB", "AQAB"), "2048"); /* and so every small modulus */
	refuses(arena_printf(a, RSA, arena_printf(a, "%.171s", n), "AQAB"), "2048 to 4096 bits");
	json_decref(v);
	jws_key_free(&rsa);
}

/* --- the standards' own --- */

static void
rfc_7515s_examples_of_what_we_do_not_speak_are_refused_for_it(void **unused)
{
#define JOE                                                                                        \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0" \
	"cnVlfQ"
	static const char hs256[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE
				    ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
	static const char none[] = "eyJhbGciOiJub25lIn0." JOE ".";
	struct jws t;

	(void)unused;
	assert_false(jws_parse(a, str_of(hs256), &t));
	assert_false(jws_parse(a, str_of(none), &t));
	assert_false(jws_parse_foreign(a, str_of(hs256), &t));
	assert_false(jws_parse_foreign(a, str_of(none), &t));
	assert_int_equal(jws_alg_from_name(STR("HS256")), JWS_ALG_NONE);
	assert_int_equal(jws_alg_from_name(STR("none")), JWS_ALG_NONE);
}

enum why { VERIFIES, ALGORITHM, DETACHED, NOT_COMPACT };

static void
cookbook_jws(const char *file, enum why why, const char *alg)
{
	const char *data = getenv("METAFED_TEST_DATA");
	json_t *v = json_load_file(arena_printf(a, "%s/jwt/cookbook/%s", data, file), 0, NULL);
	const json_t *key = json_object_get(json_object_get(v, "input"), "key");
	const char *token =
	    json_string_value(json_object_get(json_object_get(v, "output"), "compact"));
	struct jws_key *k = json_is_object(key) ? jwk_public(key) : NULL;
	bool spoken = jws_alg_from_name(str_of(alg)) != JWS_ALG_NONE;
	struct jws t;

	assert_non_null(v);
	assert_int_equal(spoken, why == VERIFIES);
	if (why == NOT_COMPACT)
		assert_null(token);
	else if (why == DETACHED)
		assert_non_null(strstr(token, ".."));
	else
		assert_non_null(token);
	if (token != NULL && (jws_parse(a, str_of(token), &t) ||
				 jws_parse_foreign(a, str_of(token), &t)) != (why == VERIFIES))
		fail_msg("%s", file);
	if (why == VERIFIES)
		assert_true(k != NULL && verifies(token, k));
	jws_key_free(&k);
	json_decref(v);
}

static void
each_jws_of_the_cookbook_verifies_or_is_refused_for_the_right_reason(void **unused)
{
	static const struct {
		const char *file;
		enum why why;
		const char *alg;
	} files[] = {
		{ "jws/4_1.rsa_v15_signature.json", VERIFIES, "RS256" },
		{ "jws/4_2.rsa-pss_signature.json", ALGORITHM, "PS384" },
		{ "jws/4_3.ecdsa_signature.json", ALGORITHM, "ES512" },
		{ "jws/4_4.hmac-sha2_integrity_protection.json", ALGORITHM, "HS256" },
		{ "jws/4_5.signature_with_detached_content.json", DETACHED, "HS256" },
		{ "jws/4_6.protecting_specific_header_fields.json", NOT_COMPACT, "HS256" },
		{ "jws/4_7.protecting_content_only.json", NOT_COMPACT, "HS256" },
		{ "jws/4_8.multiple_signatures.json", NOT_COMPACT, "HS256" },
		{ "curve25519/jws.json", VERIFIES, "EdDSA" },
	};

	(void)unused;
	if (getenv("METAFED_TEST_DATA") == NULL) {
		print_message("METAFED_TEST_DATA is not set: the JOSE cookbook is not there\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		cookbook_jws(files[i].file, files[i].why, files[i].alg);
}

static void
each_jwk_of_the_cookbook_is_taken_or_refused_for_the_right_reason(void **unused)
{
	static const struct {
		const char *file, *why; /* NULL: taken */
	} files[] = {
		{ "3_1.ec_public_key.json", "P-256" }, /* it is of P-521 */
		{ "3_2.ec_private_key.json", "private" },
		{ "3_3.rsa_public_key.json", NULL },
		{ "3_4.rsa_private_key.json", "private" },
		{ "3_5.symmetric_key_mac_computation.json", "symmetric" },
		{ "3_6.symmetric_key_encryption.json", "symmetric" },
	};
	const char *data = getenv("METAFED_TEST_DATA");

	(void)unused;
	if (data == NULL) {
		print_message("METAFED_TEST_DATA is not set: the JOSE cookbook is not there\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		json_t *v = json_load_file(
		    arena_printf(a, "%s/jwt/cookbook/jwk/%s", data, files[i].file), 0, NULL);
		struct jws_key *k = jws_key_from_jwk(v, err, sizeof(err));

		if ((k == NULL) != (files[i].why != NULL) ||
		    (k == NULL && strstr(err, files[i].why) == NULL))
			fail_msg("%s: %s", files[i].file, k == NULL ? err : "taken");
		jws_key_free(&k);
		json_decref(v);
	}
}

/* --- tokens of others --- */

static void
a_foreign_header_may_say_more_but_nothing_that_is_critical(void **unused)
{
	struct jws_key *k = jws_key_generate(JWS_ES256);
	char *more = jws_sign_with(a, k,
	    "{\"alg\":\"ES256\",\"kid\":\"x\",\"jku\":\"https://evil.example\",\"x5t\":\"AAAA\"}",
	    "{}", 2);
	char *crit = jws_sign_with(a, k, "{\"alg\":\"ES256\",\"crit\":[\"exp\"]}", "{}", 2);
	struct jws t;

	(void)unused;
	assert_false(jws_parse(a, str_of(more), &t));
	assert_true(jws_parse_foreign(a, str_of(more), &t));
	assert_string_equal(t.key_id, "x");
	assert_true(jws_verify(&t, k));
	assert_false(jws_parse_foreign(a, str_of(crit), &t));
	jws_key_free(&k);
}

/* --- signatures at the edges --- */

static void
an_es256_signature_with_zero_or_the_order_in_it_is_refused(void **unused)
{
	static const uint8_t order[32] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3,
		0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };
	static const uint8_t zero[32], one[32] = { [31] = 1 };
	const uint8_t *const values[] = { zero, one, order };
	struct jws_key *k = jws_key_generate(JWS_ES256);
	char *token = jws_sign(a, k, "t", "{}", 2);
	uint8_t both[64];

	(void)unused;
	for (size_t r = 0; r < 3; r++)
		for (size_t s = 0; s < 3; s++) {
			memcpy(both, values[r], 32);
			memcpy(both + 32, values[s], 32);
			assert_false(verifies(with_signature(token, both, 64), k));
		}
	assert_true(verifies(token, k));
	jws_key_free(&k);
}

/* S + L signs the same, and so would be a second spelling of the token; a key of small order would
 * make one signature good for many texts. */
static void
an_ed25519_signature_has_one_spelling_and_a_key_of_small_order_verifies_nothing(void **unused)
{
	static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6,
		0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
	struct jws_key *k = jws_key_generate(JWS_EDDSA), *small;
	char *token = jws_sign(a, k, "t", "{}", 2);
	uint8_t identity[64] = { 1 };
	struct jws t;

	(void)unused;
	assert_true(jws_parse(a, str_of(token), &t));
	sodium_add(t.signature + 32, order, 32);
	assert_false(verifies(with_signature(token, t.signature, 64), k));
	assert_true(verifies(token, k));
	small =
	    read_key("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		     "AAAAAAAAAAAAAA\"}");
	if (small != NULL)
		assert_false(verifies(with_signature(token, identity, 64), small));
	jws_key_free(&small);
	jws_key_free(&k);
}

static void
an_rs256_signature_of_another_length_or_scheme_is_refused(void **unused)
{
	struct jws_key *k = jws_key_generate(JWS_RS256);
	char *token = jws_sign(a, k, "t", "{}", 2);
	uint8_t longer[385] = { 0 };
	struct jws t;

	(void)unused;
	assert_true(verifies(token, k));
	assert_true(jws_parse(a, str_of(token), &t));
	assert_int_equal(t.n_signature, 384);
	memcpy(longer + 1, t.signature, 384);
	assert_false(verifies(with_signature(token, longer, 385), k));
	assert_false(verifies(with_signature(token, t.signature, 383), k));
	memset(longer, 0, sizeof(longer));
	assert_false(verifies(with_signature(token, longer, 384), k));
	longer[383] = 1;
	assert_false(verifies(with_signature(token, longer, 384), k));
	assert_false(jws_parse(
	    a, str_of(jws_sign_with(a, k, "{\"alg\":\"PS256\",\"typ\":\"t\"}", "{}", 2)), &t));
	jws_key_free(&k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TA(what_we_publish_is_read_back_as_the_same_key),
		TA(the_thumbprint_of_the_rfc_is_the_key_id),
		TA(keys_that_are_private_symmetric_weak_or_spelled_otherwise_are_refused),
		TA(rfc_7515s_examples_of_what_we_do_not_speak_are_refused_for_it),
		TA(each_jws_of_the_cookbook_verifies_or_is_refused_for_the_right_reason),
		TA(each_jwk_of_the_cookbook_is_taken_or_refused_for_the_right_reason),
		TA(a_foreign_header_may_say_more_but_nothing_that_is_critical),
		TA(an_es256_signature_with_zero_or_the_order_in_it_is_refused),
		TA(an_ed25519_signature_has_one_spelling_and_a_key_of_small_order_verifies_nothing),
		TA(an_rs256_signature_of_another_length_or_scheme_is_refused),
	};

	if (sodium_init() < 0)
		return 1;
	return TEST_RUN(tests);
}
