/* outside: discovery documents, key sets and ID tokens of outside OpenID providers, with every defect that
 * OpenID Connect Core 3.1.3.7 names and the attacks on tokens that are known by name. */
#include <sodium.h>
#include <string.h>
#include "node/http_client.h"
#include "auth/oauth/oidc.h"
#include "auth/oauth/outside_meta.h"
#include "base/json.h"
#include "base/time.h"
#include "harness/jwk.h"
#include "harness/test.h"

#define NOW    (INT64_C(1900000000) * SEC)
#define ISSUER "https://provider.example"

static struct arena *a;
static struct jws_key *es, *ed, *stranger;
static struct outside_keys keys;

static const char good[] =
    "{\"iss\":\"" ISSUER
    "\",\"aud\":\"us\",\"sub\":\"alice\",\"exp\":1900000300,\"iat\":1900000000,"
    "\"nonce\":\"n-1\",\"email\":\"alice@provider.example\",\"email_verified\":true,"
    "\"name\":\"Alice\",\"preferred_username\":\"alice\",\"auth_time\":1899999990}";

static char *
set_of(struct jws_key *const *all, size_t n)
{
	struct jw w;
	size_t len;

	jw_start(&w, a, 2000);
	jw_object(&w, NULL);
	jw_array(&w, "keys");
	for (size_t i = 0; i < n; i++)
		jws_key_jwk(all[i], &w);
	jw_close(&w, ']');
	jw_close(&w, '}');
	return jw_text(&w, &len);
}

static int
start(void **state)
{
	const char *set;

	assert_true(sodium_init() >= 0);
	a = arena_new(1 << 20);
	es = jws_key_generate(JWS_ES256);
	ed = jws_key_generate(JWS_EDDSA);
	stranger = jws_key_generate(JWS_ES256);
	set = set_of((struct jws_key *[]){ es, ed }, 2);
	assert_null(outside_keys_read(set, strlen(set), &keys));
	assert_int_equal(keys.n, 2);
	return test_log_mark(state);
}

static int
stop(void **state)
{
	outside_keys_clear(&keys);
	jws_key_free(&es);
	jws_key_free(&ed);
	jws_key_free(&stranger);
	arena_free(&a);
	return test_log_check(state);
}
#define O(f) cmocka_unit_test_setup_teardown(f, start, stop)

/* --- ID tokens --- */

static struct outside_expect
expected(void)
{
	return (struct outside_expect){ .issuer = ISSUER,
		.client_id = "us",
		.nonce = "n-1",
		.algs = 1U << JWS_ES256 | 1U << JWS_EDDSA,
		.now_us = NOW + SEC };
}

static const char *
judge(const char *token)
{
	const struct outside_expect e = expected();
	struct outside_claims c;

	return outside_token_read(a, token, &keys, &e, &c);
}

/* The good claims with some of them replaced (null: gone). */
static char *
signed_with(const struct jws_key *k, const char *changes)
{
	json_t *v = json_loads(good, 0, NULL), *change = json_loads(changes, 0, NULL), *one;
	const char *name;
	char *text, *token;

	assert_non_null(change);
	json_object_foreach(change, name, one) if (json_is_null(one)) json_object_del(v, name);
	else json_object_set(v, name, one);
	text = json_dumps(v, JSON_COMPACT);
	token = jws_sign(a, k, "JWT", text, strlen(text));
	assert_non_null(token);
	free(text);
	json_decref(v);
	json_decref(change);
	return token;
}

static void
a_good_id_token_says_who_it_is(void **unused)
{
	const struct outside_expect e = expected();
	struct outside_claims c;

	(void)unused;
	assert_null(outside_token_read(a, signed_with(es, "{}"), &keys, &e, &c));
	assert_string_equal(c.subject, "alice");
	assert_string_equal(c.email, "alice@provider.example");
	assert_true(c.email_verified);
	assert_string_equal(c.name, "Alice");
	assert_string_equal(c.username, "alice");
	assert_int_equal(c.authenticated_at_us, INT64_C(1899999990) * SEC);
	assert_null(judge(signed_with(ed, "{}")));
	assert_null(judge(signed_with(es, "{\"aud\":[\"us\"]}")));
	assert_null(judge(signed_with(es, "{\"aud\":[\"them\",\"us\"],\"azp\":\"us\"}")));
	assert_null(judge(signed_with(es, "{\"iat\":1899999999.5,\"nbf\":1900000000}")));
}

static void
each_defect_of_the_claims_is_seen(void **unused)
{
	static const struct {
		const char *changes, *why;
	} defects[] = {
		{ "{\"iss\":\"https://other.example\"}", "another issuer" },
		{ "{\"iss\":\"" ISSUER "/\"}", "another issuer" },
		{ "{\"iss\":null}", "another issuer" },
		{ "{\"iss\":[\"" ISSUER "\"]}", "another issuer" },
		{ "{\"aud\":\"them\"}", "another client" },
		{ "{\"aud\":null}", "another client" },
		{ "{\"aud\":[]}", "another client" },
		{ "{\"aud\":[\"them\"]}", "another client" },
		{ "{\"aud\":[\"us\",7]}", "no list of names" },
		{ "{\"aud\":[\"us\",\"them\"]}", "made for another client" },
		{ "{\"aud\":[\"us\",\"them\"],\"azp\":\"them\"}", "made for another client" },
		{ "{\"azp\":\"them\"}", "made for another client" },
		{ "{\"azp\":7}", "made for another client" },
		{ "{\"exp\":1900000001}", "expired" },
		{ "{\"exp\":1800000000}", "expired" },
		{ "{\"exp\":null}", "until when" },
		{ "{\"exp\":\"1900000300\"}", "until when" },
		{ "{\"exp\":-5}", "until when" },
		{ "{\"exp\":1e300}", "until when" },
		{ "{\"iat\":null}", "until when" },
		{ "{\"iat\":1900000100}", "in the future" },
		{ "{\"iat\":1899990000}", "long ago" },
		{ "{\"nbf\":1900000100}", "not count yet" },
		{ "{\"nbf\":\"soon\"}", "not count yet" },
		{ "{\"nonce\":\"n-2\"}", "not made for this log-in" },
		{ "{\"nonce\":null}", "not made for this log-in" },
		{ "{\"nonce\":\"\"}", "not made for this log-in" },
		{ "{\"sub\":null}", "does not say who" },
		{ "{\"sub\":\"\"}", "does not say who" },
		{ "{\"sub\":7}", "does not say who" },
		{ "{\"at_hash\":\"AAAAAAAAAAAAAAAAAAAAAA\"}", "does not belong" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(defects) / sizeof(defects[0]); i++) {
		const char *why = judge(signed_with(es, defects[i].changes));

		if (why == NULL || strstr(why, defects[i].why) == NULL)
			fail_msg("%s: %s", defects[i].changes, why == NULL ? "taken" : why);
	}
}

static void
a_token_that_no_published_key_made_is_refused(void **unused)
{
	const char *forged = signed_with(stranger, "{}"), *token = signed_with(es, "{}");
	char *other = arena_strdup(a, token), *last = other + strlen(other) - 10;
	struct outside_keys swapped = keys;

	(void)unused;
	assert_ptr_equal(judge(forged), outside_unknown_key);
	*last = *last == 'A' ? 'B' : 'A';
	assert_string_equal(judge(other), "its signature is wrong");
	/* A stranger's key under the known id. */
	swapped.keys[0].key = stranger;
	assert_string_equal(outside_token_read(a, token, &swapped,
				&(struct outside_expect){ .algs = 1U << JWS_ES256 },
				&(struct outside_claims){ .subject = NULL }),
	    "its signature is wrong");
}

static void
attacks_on_the_header_are_refused(void **unused)
{
	static const char *const headers[] = {
		"{\"alg\":\"none\"}",
		"{\"alg\":\"None\",\"kid\":\"%s\"}",
		"{\"alg\":\"HS256\",\"kid\":\"%s\"}",
		"{\"alg\":\"RS256\",\"kid\":\"%s\"}",
		"{\"alg\":\"ES256\",\"kid\":\"../../etc/passwd\"}",
		"{\"alg\":\"ES256\",\"jku\":\"https://evil.example/keys\",\"kid\":\"evil\"}",
		"{\"alg\":\"ES256\",\"crit\":[\"exp\"],\"kid\":\"%s\"}",
		"{\"alg\":[\"ES256\"],\"kid\":\"%s\"}",
		"{\"kid\":\"%s\"}",
		"[]",
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		struct buf header = { 0 };
		const char *gap = strstr(headers[i], "%s");

		buf_add(&header, headers[i],
		    gap == NULL ? strlen(headers[i]) : (size_t)(gap - headers[i]));
		if (gap != NULL) {
			buf_puts(&header, jws_key_id(es));
			buf_puts(&header, gap + 2);
		}
		buf_add(&header, "", 1);
		if (judge(jwk_token(a, header.p, good, "")) == NULL ||
		    judge(jwk_token(a, header.p, good, strrchr(signed_with(es, "{}"), '.') + 1)) ==
			NULL)
			fail_msg("%s: taken", header.p);
		buf_free(&header);
	}
	assert_non_null(judge(""));
	assert_non_null(judge(".."));
	assert_non_null(judge(good));
}

static void
an_algorithm_that_the_provider_did_not_announce_is_refused(void **unused)
{
	struct outside_expect e = expected();
	struct outside_claims c;

	(void)unused;
	e.algs = 1U << JWS_RS256;
	assert_non_null(strstr(
	    outside_token_read(a, signed_with(es, "{}"), &keys, &e, &c), "did not announce"));
}

static void
at_hash_binds_the_access_token_by_the_hash_of_its_algorithm(void **unused)
{
	struct outside_expect e = expected();
	struct outside_claims c;
	const struct jws_key *signer[] = { es, ed };

	(void)unused;
	/* OpenID Connect Core, A.3: the access token and at_hash of its example. */
	assert_string_equal(
	    oidc_half_hash(a, JWS_RS256, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"),
	    "77QmUPtjPfzWtF2AnpK9RQ");
	for (size_t i = 0; i < 2; i++) {
		char *token = signed_with(
		    signer[i], arena_printf(a, "{\"at_hash\":\"%s\"}",
				   oidc_half_hash(a, jws_key_alg(signer[i]), "access")));

		e.access_token = "access";
		assert_null(outside_token_read(a, token, &keys, &e, &c));
		e.access_token = "another";
		assert_non_null(outside_token_read(a, token, &keys, &e, &c));
		e.access_token = NULL;
		assert_non_null(outside_token_read(a, token, &keys, &e, &c));
	}
}

static void
an_email_counts_as_verified_only_when_the_provider_says_so(void **unused)
{
	static const struct {
		const char *changes;
		bool verified;
	} cases[] = {
		{ "{}", true },
		{ "{\"email_verified\":\"true\"}", true },
		{ "{\"email_verified\":false}", false },
		{ "{\"email_verified\":\"false\"}", false },
		{ "{\"email_verified\":1}", false },
		{ "{\"email_verified\":null}", false },
	};
	const struct outside_expect e = expected();

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outside_claims c;

		assert_null(
		    outside_token_read(a, signed_with(es, cases[i].changes), &keys, &e, &c));
		assert_int_equal(c.email_verified, cases[i].verified);
	}
}

static void
userinfo_counts_for_its_own_subject_alone(void **unused)
{
	static const char own[] =
	    "{\"sub\":\"alice\",\"email\":\"a@b.example\",\"email_verified\":true}";
	static const char others[] = "{\"sub\":\"mallory\",\"email\":\"a@b.example\"}";
	struct outside_claims c = { .subject = "alice" };

	(void)unused;
	assert_non_null(outside_userinfo_read(a, others, strlen(others), &c));
	assert_non_null(outside_userinfo_read(a, "[]", 2, &c));
	assert_non_null(outside_userinfo_read(a, "{", 1, &c));
	assert_null(c.email);
	assert_null(outside_userinfo_read(a, own, strlen(own), &c));
	assert_string_equal(c.email, "a@b.example");
	assert_true(c.email_verified);
}

/* --- key sets --- */

static void
keys_for_other_purposes_and_of_other_kinds_are_passed_over(void **unused)
{
	const char *x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
		   *y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
	const char *more[] = { "\"use\":\"enc\"", "\"alg\":\"ES384\"", "\"alg\":\"ECDH-ES\"",
		"\"key_ops\":[\"sign\"]", "\"d\":\"AAAA\"", "\"use\":\"sig\"" };
	struct outside_keys k;

	(void)unused;
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		const char *set = arena_printf(a,
		    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\",%s},"
		    "{\"kty\":\"oct\",\"k\":\"AAAA\"},7,null,{}]}",
		    x, y, more[i]);

		assert_null(outside_keys_read(set, strlen(set), &k));
		assert_int_equal(k.n, i == 5 ? 1 : 0);
		outside_keys_clear(&k);
	}
	assert_non_null(outside_keys_read("{}", 2, &k));
	assert_non_null(outside_keys_read("[]", 2, &k));
	assert_non_null(outside_keys_read("", 0, &k));
}

static void
without_an_id_a_key_is_found_where_there_is_no_choice(void **unused)
{
	struct jws_key *two[] = { es, stranger };
	const char *set = set_of(two, 2);
	struct outside_keys k;

	(void)unused;
	assert_ptr_equal(outside_keys_find(&keys, "", JWS_ES256), keys.keys[0].key);
	assert_ptr_equal(outside_keys_find(&keys, "", JWS_EDDSA), keys.keys[1].key);
	assert_null(outside_keys_find(&keys, "", JWS_RS256));
	assert_null(outside_keys_find(&keys, jws_key_id(es), JWS_EDDSA));
	assert_null(outside_keys_read(set, strlen(set), &k));
	assert_null(outside_keys_find(&k, "", JWS_ES256));
	assert_ptr_equal(outside_keys_find(&k, jws_key_id(stranger), JWS_ES256), k.keys[1].key);
	outside_keys_clear(&k);
}

/* --- discovery --- */

static const char *
discover(const char *issuer, const char *format, ...)
{
	struct outside_meta m;
	char *text;
	va_list ap;

	va_start(ap, format);
	text = arena_vprintf(a, format, ap);
	va_end(ap);
	return outside_meta_read(a, text, strlen(text), issuer, &m);
}

#define DOCUMENT(issuer, base)                                                                     \
	"\"issuer\":\"" issuer "\",\"authorization_endpoint\":\"" base "/auth\","                  \
	"\"token_endpoint\":\"" base "/token\",\"jwks_uri\":\"" base "/jwks\""
#define ALGS ",\"id_token_signing_alg_values_supported\":[\"RS256\",\"ES256\",\"HS256\"]"

static void
a_discovery_document_is_taken_when_it_is_the_issuers(void **unused)
{
	static const char text[] = "{" DOCUMENT(ISSUER, ISSUER) ALGS
	    ",\"token_endpoint_auth_methods_supported\":[\"client_secret_post\"],"
	    "\"authorization_response_iss_parameter_supported\":true}";
	struct outside_meta m;

	(void)unused;
	assert_null(outside_meta_read(a, text, strlen(text), ISSUER, &m));
	assert_string_equal(m.token_endpoint, ISSUER "/token");
	assert_int_equal(m.algs, 1U << JWS_RS256 | 1U << JWS_ES256);
	assert_true(m.post && !m.basic && !m.none && m.says_issuer);
	assert_null(m.userinfo_endpoint);
	assert_null(discover("http://127.0.0.1:9",
	    "{" DOCUMENT("http://127.0.0.1:9", "http://127.0.0.1:9") ALGS "}"));
	assert_null(
	    discover("http://[::1]:9", "{" DOCUMENT("http://[::1]:9", "http://[::1]:9") ALGS "}"));
}

static void
a_discovery_document_with_a_defect_is_refused(void **unused)
{
	(void)unused;
	assert_non_null(discover(ISSUER, "{" DOCUMENT("https://other.example", ISSUER) ALGS "}"));
	assert_non_null(discover(ISSUER, "{" DOCUMENT(ISSUER "/", ISSUER) ALGS "}"));
	assert_non_null(discover(ISSUER, "{" DOCUMENT(ISSUER, "http://provider.example") ALGS "}"));
	/* https outside, our own network inside */
	assert_non_null(discover(ISSUER, "{" DOCUMENT(ISSUER, "http://127.0.0.1:9") ALGS "}"));
	assert_non_null(discover(ISSUER, "{" DOCUMENT(ISSUER, "file:///etc") ALGS "}"));
	assert_non_null(discover(ISSUER, "{" DOCUMENT(ISSUER, "https://a:b@c.example") ALGS "}"));
	assert_non_null(
	    discover(ISSUER, "{" DOCUMENT(ISSUER, "https://c.example/\\u0000") ALGS "}"));
	assert_non_null(discover(ISSUER, "{\"issuer\":\"" ISSUER "\"" ALGS "}"));
	assert_non_null(discover(ISSUER, "{" DOCUMENT(ISSUER, ISSUER) "}"));
	assert_non_null(discover(ISSUER,
	    "{" DOCUMENT(ISSUER,
		ISSUER) ",\"id_token_signing_alg_values_supported\":[\"none\",\"HS256\"]}"));
	assert_non_null(discover(ISSUER,
	    "{" DOCUMENT(ISSUER, ISSUER) ALGS ",\"response_types_supported\":[\"id_token\"]}"));
	assert_non_null(discover("http://provider.example",
	    "{" DOCUMENT("http://provider.example", "http://provider.example") ALGS "}"));
	assert_non_null(discover(ISSUER, "[]"));
	assert_non_null(discover(ISSUER, "%s", ""));
}

static void
only_https_and_the_loopback_may_be_asked(void **unused)
{
	static const struct {
		const char *url;
		bool ok, loopback;
	} cases[] = {
		{ "https://provider.example", true, false },
		{ "https://provider.example:8443/a?b=c", true, false },
		{ "https://127.0.0.1/", true, false },
		{ "http://127.0.0.1:80/x", true, true },
		{ "http://127.9.9.9/", true, true },
		{ "http://localhost:3000", true, true },
		{ "http://[::1]:3000/", true, true },
		{ "http://0x7f.1/", true, true }, /* libcurl reads it as 127.0.0.1, and so do we */
		{ "http://provider.example/", false, false },
		{ "http://127.0.0.1.evil.example/", false, false },
		{ "http://localhost.evil.example/", false, false },
		{ "http://169.254.169.254/latest/meta-data", false, false },
		{ "http://10.0.0.1/", false, false },
		{ "http://[::ffff:127.0.0.1]/", false, false },
		{ "http://127.0.0.1@evil.example/", false, false },
		{ "https://user:pw@provider.example/", false, false },
		{ "https://provider.example/#f", false, false },
		{ "https://provider.example/ x", false, false },
		{ "https://provider.example/\n", false, false },
		{ "//provider.example/", false, false },
		{ "provider.example", false, false },
		{ "ftp://provider.example/", false, false },
		{ "file:///etc/passwd", false, false },
		{ "gopher://127.0.0.1:6379/_x", false, false },
		{ "", false, false },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool loopback = true, ok = http_client_url_ok(cases[i].url, true, &loopback);

		if (ok != cases[i].ok || loopback != cases[i].loopback)
			fail_msg("%s: %d %d", cases[i].url, ok, loopback);
		assert_int_equal(http_client_url_ok(cases[i].url, false, NULL),
		    cases[i].ok && !cases[i].loopback);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		O(a_good_id_token_says_who_it_is),
		O(each_defect_of_the_claims_is_seen),
		O(a_token_that_no_published_key_made_is_refused),
		O(attacks_on_the_header_are_refused),
		O(an_algorithm_that_the_provider_did_not_announce_is_refused),
		O(at_hash_binds_the_access_token_by_the_hash_of_its_algorithm),
		O(an_email_counts_as_verified_only_when_the_provider_says_so),
		O(userinfo_counts_for_its_own_subject_alone),
		O(keys_for_other_purposes_and_of_other_kinds_are_passed_over),
		O(without_an_id_a_key_is_found_where_there_is_no_choice),
		O(a_discovery_document_is_taken_when_it_is_the_issuers),
		O(a_discovery_document_with_a_defect_is_refused),
		O(only_https_and_the_loopback_may_be_asked),
	};

	return TEST_RUN(tests);
}
