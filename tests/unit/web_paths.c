/* web_paths: the authorization server's paths at the edge, the address that a request was sent to, and
 * the credential that it bore. */
#include <string.h>
#include "api/http_check.h"
#include "api/ops/ops.h"
#include "api/ops/web.h"
#include "api/origin.h"
#include "harness/test.h"

TEST_ARENA(a, 1 << 20)

static void
only_its_own_paths_are_the_authorization_servers(void **unused)
{
	static const char *const theirs[] = { "/oauth/token", "/oauth/register/abc", "/oauth/none",
		"/.well-known/jwks.json", "/.well-known/openid-configuration" },
				 *const others[] = { "/oauth", "/oauthx", "/v1/oauth/token",
					 "/.well-known/jwks.json/x", "/.well-known/security.txt",
					 "/", "" };

	(void)unused;
	for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
		assert_non_null(web_path(theirs[i]));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_null(web_path(others[i]));
	assert_true(web_method(web_path("/oauth/token"), "POST"));
	assert_false(web_method(web_path("/oauth/token"), "GET"));
	assert_true(web_method(web_path("/oauth/register/x"), "DELETE"));
	assert_int_equal(web_path("/oauth/login")->readers, WEB_OWN);
	assert_int_equal(web_path("/oauth/jwks")->readers, WEB_ANYBODY);
}

static void
a_failure_there_is_oauths_and_says_nothing_that_its_grammar_forbids(void **unused)
{
	const struct failure f = { .status = ST_UNAVAILABLE,
		.message = "a \"quoted\" \\ word with <b> and \xc3\xa9",
		.reason = "X" };
	const char *type;
	size_t n;
	char *text = web_failure(a, "*/*", 503, &f, &type, &n);

	(void)unused;
	assert_string_equal(type, "application/json");
	assert_non_null(strstr(text, "\"error\":\"temporarily_unavailable\""));
	assert_non_null(strstr(text, "a 'quoted' ' word with <b> and ''"));
	text = web_failure(a, "text/html,*/*", 400, &f, &type, &n);
	assert_string_equal(type, "text/html; charset=utf-8");
	assert_non_null(strstr(text, "&lt;b&gt;"));
	assert_null(strstr(text, "<b>"));
	assert_int_equal(strlen(text), n);
}

static void
an_origin_is_what_the_request_was_sent_to_in_its_one_form(void **unused)
{
	static const struct {
		bool https;
		const char *host, *origin;
	} all[] = {
		{ true, "Fleet.Example", "https://fleet.example" },
		{ true, "fleet.example:443", "https://fleet.example" },
		{ false, "fleet.example:443", "http://fleet.example:443" },
		{ false, "fleet.example:80", "http://fleet.example" },
		{ false, "[::1]:8080", "http://[::1]:8080" },
		{ true, "fleet.example:", "https://fleet.example" },
		{ true, "", "" },
		{ true, "a'b.example", "" },
		{ true, "a%62.example", "" },
		{ true, "a;b", "" },
	};
	char out[ORIGIN_SIZE];

	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		(void)origin_of(all[i].https, str_of(all[i].host), out);
		assert_string_equal(out, all[i].origin);
	}
}

static void
of_several_proxies_the_last_says_which_scheme_it_was(void **unused)
{
	(void)unused;
	assert_true(origin_https(STR("https"), false));
	assert_false(origin_https(STR("https, http"), true));
	assert_true(origin_https(STR("http, HTTPS "), false));
	assert_false(origin_https(STR("ftp"), false));
	assert_true(origin_https(STR(""), true));
}

static void
a_token_in_a_query_is_found_however_it_is_written(void **unused)
{
	static const char *const there[] = { "access_token=x", "a=b&access_token",
		"%61ccess_token=x", "access%5Ftoken=x&c" },
				 *const not_there[] = { "", "a=access_token", "access_tokens=x",
					 "access_toke", "xaccess_token=1", "%zzccess_token=x",
					 "access_token%00=x" };

	(void)unused;
	for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++)
		if (!http_query_names(str_of(there[i]), "access_token"))
			fail_msg("%s", there[i]);
	for (size_t i = 0; i < sizeof(not_there) / sizeof(not_there[0]); i++)
		if (http_query_names(str_of(not_there[i]), "access_token"))
			fail_msg("%s", not_there[i]);
}

static const char *
credential(const char *authorization, const char *dpop, const struct ops_proof **proof)
{
	Mf__HttpRequest *q = ARENA_NEW(a, Mf__HttpRequest);
	Mf__KeyValue *kv = ARENA_ARRAY(a, Mf__KeyValue, 2);

	mf__http_request__init(q);
	q->method = arena_strdup(a, "GET");
	q->dpop_url = arena_strdup(a, "https://fleet.example/v1/tasks");
	q->headers = ARENA_ARRAY(a, Mf__KeyValue *, 2);
	mf__key_value__init(&kv[0]);
	mf__key_value__init(&kv[1]);
	kv[0].key = arena_strdup(a, "authorization");
	kv[0].value = arena_strdup(a, authorization);
	kv[1].key = arena_strdup(a, "dpop");
	kv[1].value = arena_strdup(a, dpop == NULL ? "" : dpop);
	q->headers[q->n_headers++] = &kv[0];
	if (dpop != NULL)
		q->headers[q->n_headers++] = &kv[1];
	return ops_credential(a, q, proof);
}

static void
a_bound_token_comes_with_its_proof_or_not_at_all(void **unused)
{
	const struct ops_proof *p;

	(void)unused;
	assert_string_equal(credential("DPoP t", "the.proof", &p), "t");
	assert_string_equal(p->proof, "the.proof");
	assert_string_equal(p->method, "GET");
	assert_string_equal(p->url, "https://fleet.example/v1/tasks");
	assert_null(credential("DPoP t", NULL, &p));
	assert_string_equal(credential("bearer t", "the.proof", &p), "t");
	assert_null(p); /* as Bearer: then whoever has bound it refuses it */
	assert_string_equal(credential("", NULL, &p), "");
	assert_null(credential("Basic t", NULL, &p));
	assert_null(credential("Bearer a b", NULL, &p));
	assert_null(credential("Bearer a,DPoP", NULL, &p));
}

static void
a_refusal_says_which_schemes_there_are_and_what_was_wrong(void **unused)
{
	const struct failure none = { .status = ST_UNAUTHENTICATED, .reason = "NO_CREDENTIAL" },
			     proof = { .status = ST_UNAUTHENTICATED, .reason = "PROOF_INVALID" },
			     scope = { .status = ST_PERMISSION_DENIED, .reason = "SCOPE" },
			     denied = { .status = ST_PERMISSION_DENIED, .reason = "PERMISSION" };

	(void)unused;
	assert_null(strstr(ops_challenge(a, &none, false, ""), "error="));
	assert_non_null(strstr(ops_challenge(a, &none, true, ""), "Bearer realm=\"metafed\", "
								  "error=\"invalid_token\""));
	assert_non_null(strstr(ops_challenge(a, &proof, true, ""), "error=\"invalid_dpop_proof\""));
	assert_non_null(strstr(ops_challenge(a, &scope, true, "task.read"), "scope=\"task.read\""));
	assert_null(ops_challenge(a, &denied, true, "task.read"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TA(only_its_own_paths_are_the_authorization_servers),
		TA(a_failure_there_is_oauths_and_says_nothing_that_its_grammar_forbids),
		TA(an_origin_is_what_the_request_was_sent_to_in_its_one_form),
		TA(of_several_proxies_the_last_says_which_scheme_it_was),
		TA(a_token_in_a_query_is_found_however_it_is_written),
		TA(a_bound_token_comes_with_its_proof_or_not_at_all),
		TA(a_refusal_says_which_schemes_there_are_and_what_was_wrong),
	};

	return TEST_RUN(tests);
}
