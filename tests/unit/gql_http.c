/* gql_http: GraphQL over HTTP: statuses, methods, media types, documents by name. */
#include <stdio.h>
#include <string.h>
#include "api/graphql/serving.h"
#include "harness/gqlmeta.h"

static void
statuses_are_those_of_the_edition_in_the_newer_type(void **unused)
{
	static const struct {
		const char *body;
		int newer, older;
	} all[] = {
		{ "{\"query\":\"{__typename}\"}", 200, 200 },
		{ "{\"query\":\"{tasks(first:0){nodes{id}}}\"}", 294, 200 },
		{ "{\"query\":\"{\"}", 400, 200 },
		{ "{\"query\":\"{nope}\"}", 422, 200 },
		{ "{\"query\":\"query A{__typename} query B{__typename}\"}", 422, 200 },
		{ "{\"query\":\"{__typename}\",\"operationName\":\"X\"}", 422, 200 },
		{ "{\"query\":\"query($i:ID!){task(id:$i){id}}\"}", 422, 200 },
		{ "{\"query\":\"query($i:ID!){task(id:$i){id}}\",\"variables\":{\"i\":{}}}", 422,
		    200 },
		{ "{\"query\":\"subscription{fleetEvents{name}}\"}", 422, 200 },
		{ "{\"documentId\":\"sha256:00\"}", 404, 200 },
		{ "{\"query\":7}", 400, 400 },
		{ "{\"qeury\":\"{__typename}\"}", 400, 400 },
		{ "{\"query\":\"{__typename}\",\"variables\":[]}", 400, 400 },
		{ "[]", 400, 400 },
		{ "{", 400, 400 },
		{ "", 400, 400 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		gqlmeta_http("POST", "", all[i].body, H(JSON_BODY, NEWER));
		if (gqlgot.status != all[i].newer)
			print_error("%s: %d\n", all[i].body, gqlgot.status);
		assert_int_equal(gqlgot.status, all[i].newer);
		assert_header("Content-Type: application/graphql-response+json; charset=utf-8");
		gqlmeta_http("POST", "", all[i].body, H(JSON_BODY, "accept", "application/json"));
		assert_int_equal(gqlgot.status, all[i].older);
		assert_header("Content-Type: application/json; charset=utf-8");
		assert_header("Vary: Accept");
	}
}

static void
a_key_that_would_not_be_heeded_is_refused_before_anything_changes(void **unused)
{
	(void)unused;
	gqlmeta.calls = 0;
	gqlmeta_http("POST", "", "{\"query\":\"mutation{logout(refreshToken:\\\"x\\\")}\"}",
	    H(JSON_BODY, NEWER, "idempotency-key", "\"k\""));
	assert_int_equal(gqlgot.status, 422);
	assert_non_null(strstr(gqlgot.body, "\"reason\":\"GRAPHQL_IDEMPOTENCY_KEY\""));
	assert_int_equal(gqlmeta.calls, 0);
	gqlmeta_http(
	    "POST", "", "{\"query\":\"{__typename}\"}", H(JSON_BODY, "idempotency-key", "\"k\""));
	assert_string_equal(gqlgot.body, "{\"data\":{\"__typename\":\"Query\"}}");
}

static void
methods_types_and_credentials_are_held_to_theirs(void **unused)
{
	(void)unused;
	gqlmeta_http("GET", "query=%7B%0A__typename%7D", "", NULL);
	assert_int_equal(gqlgot.status, 200);
	assert_string_equal(gqlgot.body, "{\"data\":{\"__typename\":\"Query\"}}");
	assert_header("Cache-Control: private, no-cache");
	gqlmeta_http(
	    "POST", "", "{\"query\":\"mutation{logout(refreshToken:\\\"x\\\")}\"}", H(JSON_BODY));
	assert_string_equal(gqlgot.body, "{\"data\":{\"logout\":true}}");
	assert_header("Cache-Control: no-store");
	gqlmeta.calls = 0;
	gqlmeta_http("HEAD", "query={__typename}", "", NULL);
	assert_int_equal(gqlgot.status, 200);
	gqlmeta_http("GET",
	    "query=query($n:String!){__type(name:$n){name}}&variables=%7B%22n%22:%22Task%22%7D", "",
	    NULL);
	assert_string_equal(gqlgot.body, "{\"data\":{\"__type\":{\"name\":\"Task\"}}}");
	gqlmeta_http("GET", "query=mutation{logout(refreshToken:%22x%22)}", "", H(NEWER));
	assert_int_equal(gqlgot.status, 405);
	assert_header("Allow: POST");
	assert_int_equal(gqlmeta.calls, 0);
	gqlmeta_http("GET", "", "", NULL);
	assert_int_equal(gqlgot.status, 400);
	gqlmeta_http("GET", "query=%zz", "", NULL);
	assert_int_equal(gqlgot.status, 400);
	gqlmeta_http("GET", "query={__typename}&variables={", "", NULL);
	assert_int_equal(gqlgot.status, 400);
	gqlmeta_http("PUT", "", "", NULL);
	assert_int_equal(gqlgot.status, 405);
	assert_header("Allow: GET, HEAD, POST, OPTIONS");
	gqlmeta_http("OPTIONS", "", "", NULL);
	assert_int_equal(gqlgot.status, 204);
	gqlmeta_http("POST", "", "{\"query\":\"{__typename}\"}", H("content-type", "text/plain"));
	assert_int_equal(gqlgot.status, 415);
	gqlmeta_http("POST", "", "{\"query\":\"{__typename}\"}", NULL);
	assert_int_equal(gqlgot.status, 415);
	gqlmeta_http(
	    "POST", "", "{\"query\":\"{__typename}\"}", H(JSON_BODY, "accept", "image/png"));
	assert_int_equal(gqlgot.status, 406);
	gqlmeta_http("POST", "", "{\"query\":\"{__typename}\"}",
	    H(JSON_BODY, "authorization", "Basic eDp5"));
	assert_int_equal(gqlgot.status, 401);
	assert_header("WWW-Authenticate: Bearer realm=\"metafed\", error=\"invalid_token\", "
		      "DPoP realm=\"metafed\", error=\"invalid_token\", "
		      "algs=\"ES256 EdDSA RS256\"");
}

static void
browsers_get_a_page_that_needs_nothing_from_elsewhere(void **unused)
{
	char nonce[64], *at;

	(void)unused;
	gqlmeta_http("GET", "", "", H("accept", "text/html,*/*;q=0.8"));
	assert_int_equal(gqlgot.status, 200);
	assert_header("Content-Type: text/html; charset=utf-8");
	at = strstr(gqlgot.headers, "script-src 'nonce-");
	assert_non_null(at);
	snprintf(
	    nonce, sizeof(nonce), "<script nonce=\"%.32s\">", at + strlen("script-src 'nonce-"));
	assert_non_null(strstr(gqlgot.body, nonce));
	assert_null(strstr(gqlgot.body, "NONCE"));
	assert_null(strstr(gqlgot.body, "//cdn"));
	assert_null(strstr(gqlgot.body, "https:"));
	assert_null(strstr(gqlgot.body, " onclick=\""));
	assert_null(strstr(gqlgot.body, " style=\""));
}

/* --- documents by name --- */

static struct gql_limits limits;

static bool
load(const char *dir, bool only, bool take, char *err)
{
	limits = gql_limits_default;
	return documents_load(
	    &(const struct documents_opts){
		.dir = dir, .only = only, .take = take, .limits = &limits },
	    err, 400);
}

#define SHA "sha256:"

static void
configured_documents_are_named_by_hash_or_file(void **unused)
{
	char err[400], body[200], id[80];
	const char *file = test_file("who.graphql", "query Who { __typename }");
	char dir[256];

	(void)unused;
	snprintf(dir, sizeof(dir), "%s", file);
	*strrchr(dir, '/') = '\0';
	assert_true(load(dir, false, false, err));
	gqlmeta_http("POST", "", "{\"documentId\":\"who\"}", H(JSON_BODY, NEWER));
	assert_string_equal(gqlgot.body, "{\"data\":{\"__typename\":\"Query\"}}");
	snprintf(id, sizeof(id), SHA "%s",
	    "7a9f6c0a1b6a6a4a5f4e3d2c1b0a99887766554433221100ffeeddccbbaa9988");
	snprintf(body, sizeof(body), "documentId=%s", id);
	gqlmeta_http("GET", body, "", H(NEWER));
	assert_int_equal(gqlgot.status, 404);
	assert_non_null(strstr(gqlgot.body, "PERSISTED_DOCUMENT_NOT_FOUND"));
	gqlmeta_http("GET", "documentId=who&operationName=Who", "", H(NEWER));
	assert_int_equal(gqlgot.status, 200);
	assert_true(load(dir, true, false, err));
	gqlmeta_http("POST", "", "{\"query\":\"{__typename}\"}", H(JSON_BODY, NEWER));
	assert_int_equal(gqlgot.status, 403);
	assert_non_null(strstr(gqlgot.body, "DOCUMENT_NOT_CONFIGURED"));
	test_file("bad.graphql", "{ nope }");
	assert_false(load(dir, true, false, err));
	assert_non_null(strstr(err, "bad.graphql: Cannot query field \"nope\""));
	gqlmeta_http(
	    "POST", "", "{\"documentId\":\"who\"}", H(JSON_BODY, NEWER)); /* the old ones stay */
	assert_int_equal(gqlgot.status, 200);
	remove(test_file("bad.graphql", ""));
	assert_true(load("", false, false, err));
}

static void
documents_are_registered_with_their_hash_when_that_is_allowed(void **unused)
{
	static const char hash[] =
	    "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38"; /* {__typename} */
	char err[400], with[300], wrong[300], without[300];

	(void)unused;
	snprintf(with, sizeof(with),
	    "{\"query\":\"{__typename}\",\"extensions\":{\"persistedQuery\":{\"version\":1,"
	    "\"sha256Hash\":\"%s\"}}}",
	    hash);
	snprintf(wrong, sizeof(wrong),
	    "{\"query\":\"{ __typename}\",\"extensions\":{\"persistedQuery\":{\"version\":1,"
	    "\"sha256Hash\":\"%s\"}}}",
	    hash);
	snprintf(without, sizeof(without),
	    "{\"extensions\":{\"persistedQuery\":{\"version\":1,\"sha256Hash\":\"%s\"}}}", hash);
	assert_true(load("", false, false, err));
	gqlmeta_http("POST", "", with, H(JSON_BODY, NEWER));
	assert_int_equal(gqlgot.status, 200);
	gqlmeta_http("POST", "", without, H(JSON_BODY, NEWER));
	assert_int_equal(gqlgot.status, 404); /* not kept: that is the default */
	assert_non_null(strstr(gqlgot.body, "\"message\":\"PersistedQueryNotFound\""));
	assert_true(load("", false, true, err));
	gqlmeta_http("POST", "", wrong, H(JSON_BODY, NEWER));
	assert_int_equal(gqlgot.status, 400);
	assert_non_null(strstr(gqlgot.body, "PERSISTED_DOCUMENT_MISMATCH"));
	gqlmeta_http("POST", "", without, H(JSON_BODY, NEWER));
	assert_int_equal(gqlgot.status, 404);
	gqlmeta_http("POST", "", with, H(JSON_BODY, NEWER));
	gqlmeta_http("POST", "", without, H(JSON_BODY, NEWER));
	assert_int_equal(gqlgot.status, 200);
	assert_true(load("", false, false, err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		META(statuses_are_those_of_the_edition_in_the_newer_type),
		META(a_key_that_would_not_be_heeded_is_refused_before_anything_changes),
		META(methods_types_and_credentials_are_held_to_theirs),
		META(browsers_get_a_page_that_needs_nothing_from_elsewhere),
		META(configured_documents_are_named_by_hash_or_file),
		META(documents_are_registered_with_their_hash_when_that_is_allowed),
	};

	return TEST_RUN(tests);
}
