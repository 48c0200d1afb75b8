/* dpop: proofs as RFC 9449 has them, each thing that can be wrong with one, and what was seen. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "auth/jwt/dpop.h"
#include "base/json.h"
#include "base/time.h"
#include "harness/test.h"

#define NOW (INT64_C(1900000000) * SEC)
#define URL "https://api.example/v1/tasks"

static struct arena *a;
static struct dpop *d;
static struct jws_key *key;

static int
start(void **state)
{
	assert_true(sodium_init() >= 0);
	a = arena_new(1 << 20);
	d = dpop_new();
	key = jws_key_generate(JWS_ES256);
	return test_log_mark(state);
}

static int
stop(void **state)
{
	dpop_free(&d);
	jws_key_free(&key);
	arena_free(&a);
	return test_log_check(state);
}
#define D(f) cmocka_unit_test_setup_teardown(f, start, stop)

struct made { /* NULL: as it should be */
	const char *type, *alg, *jwk, *claims;
	const struct jws_key *by;
};

static char *
jwk_of(const struct jws_key *k)
{
	struct jw w;
	size_t n;

	jw_start(&w, a, 300);
	jws_key_jwk(k, &w);
	return jw_text(&w, &n);
}

static char *
proof_of(const struct made *m)
{
	const struct jws_key *by = m->by != NULL ? m->by : key;
	const char *claims = m->claims != NULL ? m->claims
	                                       : "{\"jti\":\"1\",\"htm\":\"GET\",\"htu\":\"" URL
	                                         "\",\"iat\":1900000000}";
	char *header = arena_printf(a, "{\"typ\":\"%s\",\"alg\":\"%s\",\"jwk\":%s}",
	    m->type != NULL ? m->type : "dpop+jwt",
	    m->alg != NULL ? m->alg : jws_alg_name(jws_key_alg(by)),
	    m->jwk != NULL ? m->jwk : jwk_of(by));

	return jws_sign_with(a, by, header, claims, strlen(claims));
}

static const char *
check_at(const char *proof, int64_t now)
{
	const struct dpop_request q = { .proof = proof, .method = "GET", .url = URL };
	char jkt[JWS_KEY_ID_LEN + 1];
	const char *why = dpop_check(d, a, &q, now, jkt);

	if (why == NULL)
		assert_int_equal(strlen(jkt), JWS_KEY_ID_LEN);
	return why;
}

static const char *
check(const struct made *m)
{
	return check_at(proof_of(m), NOW);
}
#define CHECK(...) check(&(const struct made){ __VA_ARGS__ })

static void
a_proof_of_each_algorithm_counts_and_names_its_key(void **unused)
{
	static const enum jws_alg algs[] = { JWS_ES256, JWS_EDDSA, JWS_RS256 };

	(void)unused;
	for (size_t i = 0; i < 3; i++) {
		struct jws_key *k = jws_key_generate(algs[i]);
		char jkt[JWS_KEY_ID_LEN + 1];
		char *proof = proof_of(&(const struct made){ .by = k });

		assert_null(dpop_check(d, a,
		    &(const struct dpop_request){ .proof = proof, .method = "GET", .url = URL },
		    NOW, jkt));
		assert_string_equal(jkt, jws_key_id(k));
		jws_key_free(&k);
	}
}

/* RFC 9449, 4.2 and 7.1: its key, its proof and its token. */
static void
the_examples_of_the_rfc_count(void **unused)
{
	static const char at_the_token_endpoint[] =
	    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgt"
	    "MzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VO"
	    "SmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRj"
	    "IiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0Ijox"
	    "NTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJ"
	    "K70nfbV37xRZT3Lg";
	char jkt[JWS_KEY_ID_LEN + 1];

	(void)unused;
	assert_null(dpop_check(d, a,
	    &(const struct dpop_request){ .proof = at_the_token_endpoint,
		.method = "POST",
		.url = "https://server.example.com/token" },
	    INT64_C(1562262616) * SEC, jkt));
	assert_string_equal(jkt, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
}

static void
what_is_no_proof_is_refused(void **unused)
{
	struct jws_key *other = jws_key_generate(JWS_ES256);

	(void)unused;
	assert_null(CHECK(.by = key));
	assert_non_null(check_at("", NOW));
	assert_non_null(check_at("a.b.c", NOW));
	assert_non_null(CHECK(.type = "at+jwt"));
	assert_non_null(CHECK(.type = "JWT"));
	assert_non_null(CHECK(.alg = "none"));
	assert_non_null(CHECK(.alg = "HS256"));
	assert_non_null(CHECK(.alg = "EdDSA"));
	assert_non_null(CHECK(.jwk = jwk_of(other)));
	assert_non_null(CHECK(.jwk = "{\"kty\":\"oct\",\"k\":\"AAAA\"}"));
	assert_non_null(CHECK(.jwk = "\"x\""));
	assert_non_null(CHECK(.jwk = "{}"));
	/* a private key has no place in a proof */
	assert_non_null(CHECK(.jwk = arena_printf(a, "%.*s,\"d\":\"AAAA\"}",
				  (int)strlen(jwk_of(key)) - 1, jwk_of(key))));
	jws_key_free(&other);
}

static void
claims_that_lack_or_are_of_another_kind_are_refused(void **unused)
{
	static const char *const claims[] = {
		"{\"htm\":\"GET\",\"htu\":\"" URL "\",\"iat\":1900000000}",
		"{\"jti\":\"\",\"htm\":\"GET\",\"htu\":\"" URL "\",\"iat\":1900000000}",
		"{\"jti\":1,\"htm\":\"GET\",\"htu\":\"" URL "\",\"iat\":1900000000}",
		"{\"jti\":\"1\",\"htu\":\"" URL "\",\"iat\":1900000000}",
		"{\"jti\":\"1\",\"htm\":\"GET\",\"iat\":1900000000}",
		"{\"jti\":\"1\",\"htm\":\"GET\",\"htu\":\"" URL "\"}",
		"{\"jti\":\"1\",\"htm\":\"GET\",\"htu\":\"" URL "\",\"iat\":\"1900000000\"}",
		"{\"jti\":\"1\",\"htm\":\"GET\",\"htu\":\"" URL "\",\"iat\":-1}",
		"{\"jti\":\"1\",\"htm\":\"GET\",\"htu\":\"" URL "\",\"iat\":1e300}",
		"{\"jti\":\"1\",\"htm\":\"get\",\"htu\":\"" URL "\",\"iat\":1900000000}",
		"{\"jti\":\"1\",\"htm\":\"POST\",\"htu\":\"" URL "\",\"iat\":1900000000}",
		"{\"jti\":\"1\",\"htm\":\"GET\",\"htu\":\"" URL "/x\",\"iat\":1900000000}",
		"{\"jti\":\"1\",\"jti\":\"2\",\"htm\":\"GET\",\"htu\":\"" URL
		"\",\"iat\":1900000000}",
		"[]",
		"x",
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++)
		if (CHECK(.claims = claims[i]) == NULL)
			fail_msg("%s", claims[i]);
}

static void
a_proof_is_good_for_a_minute_and_a_clock_may_be_five_seconds_off(void **unused)
{
	static const struct {
		int64_t iat;
		bool ok;
	} times[] = { { 1900000005, true }, { 1900000006, false }, { 1899999935, true },
		{ 1899999934, false } };

	(void)unused;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		char *claims = arena_printf(a,
		    "{\"jti\":\"%zu\",\"htm\":\"GET\",\"htu\":\"" URL "\",\"iat\":%lld}", i,
		    (long long)times[i].iat);

		assert_int_equal(CHECK(.claims = claims) == NULL, times[i].ok);
	}
}

static void
a_proof_beside_a_token_has_its_hash(void **unused)
{
	/* of RFC 9449, 7.1 */
	static const char token[] = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
	static const char with[] =
	    "{\"jti\":\"1\",\"htm\":\"GET\",\"htu\":\"" URL
	    "\",\"iat\":1900000000,\"ath\":\"fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo\"}";
	char jkt[JWS_KEY_ID_LEN + 1];
	struct dpop_request q = { .method = "GET", .url = URL, .access_token = "another" };

	(void)unused;
	q.proof = proof_of(&(const struct made){ .claims = with });
	assert_non_null(dpop_check(d, a, &q, NOW, jkt));
	q.access_token = token;
	assert_null(dpop_check(d, a, &q, NOW, jkt));
	q.proof = proof_of(&(const struct made){ .claims = NULL });
	assert_non_null(dpop_check(d, a, &q, NOW, jkt));
}

static void
a_proof_counts_once_until_it_is_too_old(void **unused)
{
	char *proof = proof_of(&(const struct made){ .claims = NULL });
	struct jws_key *other = jws_key_generate(JWS_ES256);

	(void)unused;
	assert_null(check_at(proof, NOW));
	assert_ptr_equal(check_at(proof, NOW), dpop_replayed);
	assert_null(CHECK(.by = other)); /* the same jti of another key */
	for (int64_t s = 1; s <= 65; s++)
		assert_ptr_equal(check_at(proof, NOW + s * SEC), dpop_replayed);
	assert_non_null(check_at(proof, NOW + 66 * SEC));
	jws_key_free(&other);
}

/* The bus repeats an operation, at any of its hops; nobody else knows its name. */
static void
a_proof_that_comes_again_with_its_operation_is_no_replay(void **unused)
{
	struct dpop_request q = { .method = "GET", .url = URL, .operation = "of the request" };
	char jkt[JWS_KEY_ID_LEN + 1];

	(void)unused;
	q.proof = proof_of(&(const struct made){ .claims = NULL });
	assert_null(dpop_check(d, a, &q, NOW, jkt));
	assert_null(dpop_check(d, a, &q, NOW + 60 * SEC, jkt));
	q.operation = "of another";
	assert_ptr_equal(dpop_check(d, a, &q, NOW, jkt), dpop_replayed);
	q.operation = "";
	assert_ptr_equal(dpop_check(d, a, &q, NOW, jkt), dpop_replayed);
	q.operation = "of the request";
	assert_null(dpop_check(d, a, &q, NOW, jkt));
}

/* Whenever the tables turn, a proof is found for as long as it could be presented. */
static void
what_was_seen_is_found_whenever_it_was_seen(void **unused)
{
	(void)unused;
	for (int64_t s = 0; s < 300; s += 7) {
		char *claims = arena_printf(a,
		    "{\"jti\":\"at %lld\",\"htm\":\"GET\",\"htu\":\"" URL "\",\"iat\":%lld}",
		    (long long)s, (long long)(1900000000 + s + 5));
		char *proof = proof_of(&(const struct made){ .claims = claims });

		assert_null(check_at(proof, NOW + s * SEC));
		assert_ptr_equal(check_at(proof, NOW + (s + 70) * SEC), dpop_replayed);
	}
}

static void
urls_of_one_thing_are_one_text(void **unused)
{
	static const struct {
		const char *url, *as;
	} urls[] = {
		{ "https://api.example/v1/tasks", "https://api.example/v1/tasks" },
		{ "HTTPS://API.Example:443/v1/tasks?x=1#y", "https://api.example/v1/tasks" },
		{ "http://api.example:80", "http://api.example/" },
		{ "http://api.example:?q", "http://api.example/" },
		{ "http://api.example:443/", "http://api.example:443/" },
		{ "https://[::1]:8443/%7euser/%c3%a4", "https://[::1]:8443/~user/%C3%A4" },
		{ "https://a/b/../c/./d", "https://a/c/d" },
		{ "https://a/../../x", "https://a/x" },
		{ "https://a/b/..", "https://a/" },
		{ "https://a/b/.", "https://a/b/" },
		{ "https://a/b/%2e%2E/c", "https://a/c" },
		{ "https://a//b", "https://a//b" },
		{ "https://a/b%2Fc", "https://a/b%2Fc" },
		{ "https://a/%zz%4", "https://a/%zz%4" },
		{ "https://a/%00", "https://a/%00" },
	};
	static const char *const not [] = { "", "/v1/tasks", "ftp://a/", "https://", "https:///x",
		"https://user@a/", "https://user:pw@a/", "https:/a" };

	(void)unused;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		assert_string_equal(dpop_url(a, urls[i].url), urls[i].as);
	for (size_t i = 0; i < sizeof(not ) / sizeof(not [0]); i++)
		if (dpop_url(a, not [i]) != NULL)
			fail_msg("%s", not [i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		D(a_proof_of_each_algorithm_counts_and_names_its_key),
		D(the_examples_of_the_rfc_count),
		D(what_is_no_proof_is_refused),
		D(claims_that_lack_or_are_of_another_kind_are_refused),
		D(a_proof_is_good_for_a_minute_and_a_clock_may_be_five_seconds_off),
		D(a_proof_beside_a_token_has_its_hash),
		D(a_proof_counts_once_until_it_is_too_old),
		D(a_proof_that_comes_again_with_its_operation_is_no_replay),
		D(what_was_seen_is_found_whenever_it_was_seen),
		D(urls_of_one_thing_are_one_text),
	};

	return TEST_RUN(tests);
}
