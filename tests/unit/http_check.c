/* http_check: the sentences of RFC 9110 and 9112 that the edge holds, one table per kind. */
#include <string.h>
#include "api/api.h"
#include "base/time.h"
#include "harness/test.h"

struct line {
	const char *method, *target, *version;
	int http; /* 0: fine */
	const char *path, *query;
};

static void
a_request_line_is_origin_form_or_refused(void **unused)
{
	static const struct line lines[] = {
		{ "GET", "/v1/tasks", "HTTP/1.1", 0, "/v1/tasks", "" },
		{ "GET", "/v1/tasks?limit=1&x=%20", "HTTP/1.1", 0, "/v1/tasks", "limit=1&x=%20" },
		{ "GET", "/a?b?c", "HTTP/1.0", 0, "/a", "b?c" },
		{ "GET", "http://host:80/v1/tasks?q", "HTTP/1.1", 0, "/v1/tasks", "q" },
		{ "GET", "HTTPS://h/v1", "HTTP/1.1", 0, "/v1", "" },
		{ "OPTIONS", "*", "HTTP/1.1", 0, "*", "" },
		{ "GET", "/q?a={|}^`", "HTTP/1.1", 0, "/q", "a={|}^`" },
		{ "GET", "*", "HTTP/1.1", 400, NULL, NULL },
		{ "GET", "", "HTTP/1.1", 400, NULL, NULL },
		{ "GET", "v1/tasks", "HTTP/1.1", 400, NULL, NULL },
		{ "GET", "http://", "HTTP/1.1", 400, NULL, NULL },
		{ "GET", "http:///x", "HTTP/1.1", 400, NULL, NULL },
		{ "GET", "http://user@host/x", "HTTP/1.1", 400, NULL, NULL },
		{ "GET", "ftp://host/x", "HTTP/1.1", 400, NULL, NULL },
		{ "GET", "/a#b", "HTTP/1.1", 400, NULL, NULL },
		{ "GET", "/a b", "HTTP/1.1", 400, NULL, NULL },
		{ "GET", "/a\\b", "HTTP/1.1", 400, NULL, NULL },
		{ "GET", "/a<b", "HTTP/1.1", 400, NULL, NULL },
		{ "GET", "/\xc3\xa9", "HTTP/1.1", 400, NULL, NULL },
		{ "GET", "/a\x01", "HTTP/1.1", 400, NULL, NULL },
		{ "GET", "/a\x7f", "HTTP/1.1", 400, NULL, NULL },
		{ "CONNECT", "host:443", "HTTP/1.1", 501, NULL, NULL },
		{ "TRACE", "/", "HTTP/1.1", 501, NULL, NULL },
		{ "get", "/", "HTTP/1.1", 501, NULL, NULL },
		{ "PRI", "*", "HTTP/1.1", 501, NULL, NULL },
		{ "G(T", "/", "HTTP/1.1", 400, NULL, NULL },
		{ "", "/", "HTTP/1.1", 400, NULL, NULL },
		{ "GET", "/", "HTTP/2.0", 505, NULL, NULL },
		{ "GET", "/", "HTTP/1.2", 0, "/", "" },
		{ "GET", "/", "HTTP/1.9", 0, "/", "" },
		{ "GET", "/", "HTTP/1.10", 505, NULL, NULL },
		{ "GET", "http://h", "HTTP/1.1", 0, "/", "" },
		{ "GET", "http://h?a=b", "HTTP/1.1", 0, "/", "a=b" },
		{ "GET", "http://[::1]:80/x", "HTTP/1.1", 0, "/x", "" },
		{ "GET", "http://[::1/x", "HTTP/1.1", 400, NULL, NULL },
		{ "GET", "http://h:x/", "HTTP/1.1", 400, NULL, NULL },
		{ "GET", "?x", "HTTP/1.1", 400, NULL, NULL },
		{ "GET", "/", "http/1.1", 505, NULL, NULL },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const struct line *l = &lines[i];
		struct http_head h;
		const struct http_refusal *r =
		    http_check_line(&h, l->method, l->target, l->version);

		if ((r == NULL ? 0 : r->http) != l->http)
			fail_msg("%s %s %s: %d", l->method, l->target, l->version,
			    r == NULL ? 0 : r->http);
		if (r != NULL)
			continue;
		assert_true(str_eq(h.path, l->path));
		assert_true(str_eq(h.query, l->query));
	}
}

/* Header lines "name: value" of a GET; what the first refusal was. */
static int
refusal_of(const char *const *lines, const char *version, struct http_head *h)
{
	const struct http_refusal *r = http_check_line(h, "POST", "/", version);

	for (; r == NULL && *lines != NULL; lines++) {
		struct str name, value;

		str_cut(str_of(*lines), ':', &name, &value);
		r = http_check_field(h, name, value);
	}
	if (r == NULL)
		r = http_check_head(h, version, 100);
	return r == NULL ? 0 : r->http;
}

static void
a_head_that_two_servers_could_read_differently_is_refused(void **unused)
{
	static const struct {
		const char *lines[5];
		int http;
	} heads[] = {
		{ { "Host: h" }, 0 },
		{ { "hOST:h:8080" }, 0 },
		{ { "Host: [::1]:80" }, 0 },
		{ { NULL }, 400 },
		{ { "Host: a", "Host: a" }, 400 },
		{ { "Host:" }, 400 },
		{ { "Host: a b" }, 400 },
		{ { "Host: a/b" }, 400 },
		{ { "Host: u@h" }, 400 },
		{ { "Host: a,b@c" }, 400 },
		{ { "Host: a,b" }, 0 },
		{ { "Host: h:" }, 0 },
		{ { "Host: h:x" }, 400 },
		{ { "Host: h:1:2" }, 400 },
		{ { "Host: h:65536" }, 400 },
		{ { "Host: ::1" }, 400 },
		{ { "Host: [::1" }, 400 },
		{ { "Host: [::1]x" }, 400 },
		{ { "Host: []" }, 400 },
		{ { "Host: [1.2.3.4]" }, 400 },
		{ { "Host: [v1.a:b]" }, 0 },
		{ { "Host: [v1.]" }, 400 },
		{ { "Host: [v.a]" }, 400 },
		{ { "Host: a%2" }, 400 },
		{ { "Host: a%20b" }, 0 },
		{ { "Host: h", "Content-Type: a/b" }, 411 },
		{ { "Host: h", "Content-Type: a/b", "Content-Length: 0" }, 0 },
		{ { "Host: h", "Content-Length: 5" }, 0 },
		{ { "Host: h", "Content-Length: 5", "Content-Length: 5" }, 400 },
		{ { "Host: h", "Content-Length: 5, 5" }, 400 },
		{ { "Host: h", "Content-Length: +5" }, 400 },
		{ { "Host: h", "Content-Length: -5" }, 400 },
		{ { "Host: h", "Content-Length: 0x5" }, 400 },
		{ { "Host: h", "Content-Length:" }, 400 },
		{ { "Host: h", "Content-Length: 99999999999999999999" }, 400 },
		{ { "Host: h", "Content-Length: 101" }, 413 },
		{ { "Host: h", "Transfer-Encoding: chunked" }, 0 },
		{ { "Host: h", "Transfer-Encoding: Chunked" }, 0 },
		{ { "Host: h", "Transfer-Encoding: gzip, chunked" }, 400 },
		{ { "Host: h", "Transfer-Encoding: chunked, chunked" }, 400 },
		{ { "Host: h", "Transfer-Encoding: xchunked" }, 400 },
		{ { "Host: h", "Transfer-Encoding: identity" }, 400 },
		{ { "Host: h", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked" }, 400 },
		{ { "Host: h", "Transfer-Encoding: chunked", "Content-Length: 3" }, 400 },
		{ { "Host: h", "Content-Length: 3", "Transfer-Encoding: chunked" }, 400 },
		{ { "Host: h", "Content Length: 3" }, 400 },
		{ { "Host: h", "X[: 3" }, 400 },
		{ { "Host: h", "X: a\001b" }, 400 },
		{ { "Host: h", "X: a\nb" }, 400 },
		{ { "Host: h", "X: a\tb" }, 0 },
		{ { "Host: h", "X: \303\274" }, 0 },
		{ { "Host: h", "Expect: 100-continue" }, 0 },
		{ { "Host: h", "Expect: tea" }, 417 },
		{ { "Host: h", "Authorization: a", "Authorization: b" }, 400 },
		{ { "Host: h", "Content-Type: a/b", "Content-Type: a/b" }, 400 },
		{ { "Host: h", "If-Match: \"1\"", "If-Match: \"2\"" }, 400 },
		{ { "Host: h", "Accept: a/b", "Accept: c/d" }, 0 },
		{ { "Host: h", "Content-Length: 3", "Content-Encoding: gzip" }, 415 },
		{ { "Host: h", "Content-Length: 3", "Content-Encoding: identity" }, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct http_head h;
		int http = refusal_of(heads[i].lines, "HTTP/1.1", &h);

		if (http != heads[i].http)
			fail_msg(
			    "head %zu (%s, %s): %d", i, heads[i].lines[0], heads[i].lines[1], http);
	}
}

static void
http_1_0_needs_no_host_and_knows_no_chunks(void **unused)
{
	struct http_head h;

	(void)unused;
	assert_int_equal(refusal_of((const char *const[]){ NULL }, "HTTP/1.0", &h), 0);
	assert_int_equal(
	    refusal_of((const char *const[]){ "Transfer-Encoding: chunked", NULL }, "HTTP/1.0", &h),
	    400);
	assert_int_equal(refusal_of((const char *const[]){ NULL }, "HTTP/1.2", &h), 400);
}

static void
a_path_is_decoded_once_and_never_climbs(void **unused)
{
	static const struct {
		const char *in, *out; /* out NULL: refused */
	} paths[] = {
		{ "/v1/tasks", "/v1/tasks" },
		{ "/a%20b", "/a b" },
		{ "/%C3%BC", "/\303\274" },
		{ "/%2541", "/%41" },
		{ "/.well-known", "/.well-known" },
		{ "/a..b", "/a..b" },
		{ "/...", "/..." },
		{ "/", "/" },
		{ "/%", NULL },
		{ "/%4", NULL },
		{ "/%4g", NULL },
		{ "/%00", NULL },
		{ "/%0a", NULL },
		{ "/%7f", NULL },
		{ "/a%2fb", NULL },
		{ "/a%2Fb", NULL },
		{ "/%ff", NULL },
		{ "/%c0%ae", NULL },
		{ "/..", NULL },
		{ "/a/../b", NULL },
		{ "/a/./b", NULL },
		{ "/.", NULL },
		{ "/%2e%2e/x", NULL },
	};
	char out[64];

	(void)unused;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const struct http_refusal *r = http_decode_path(str_of(paths[i].in), out);

		if ((r == NULL) != (paths[i].out != NULL))
			fail_msg("%s: %s", paths[i].in, r == NULL ? "taken" : "refused");
		if (r == NULL)
			assert_string_equal(out, paths[i].out);
	}
}

static void
an_answer_in_json_is_refused_only_to_who_clearly_does_not_want_it(void **unused)
{
	(void)unused;
	assert_true(media_accepted(STR("*/*"), "application/json"));
	assert_true(media_accepted(STR("text/html, application/json;q=0.1"), "application/json"));
	assert_true(media_accepted(STR("application/*"), "application/json"));
	assert_true(media_accepted(STR("APPLICATION/JSON ; charset=utf-8"), "application/json"));
	assert_false(media_accepted(STR("text/html"), "application/json"));
	assert_false(media_accepted(STR("application/json;q=0, */*"), "application/json"));
	assert_false(media_accepted(STR("*/*; q=0.000"), "application/json"));
	assert_false(media_accepted(STR(",;,"), "application/json"));
	assert_true(media_is(STR("application/json; charset=utf-8"), "application/json"));
	assert_false(media_is(STR("application/jsonx"), "application/json"));
}

static void
gzip_is_sent_only_to_who_takes_it_at_least_as_gladly(void **unused)
{
	static const struct {
		const char *accept;
		bool taken;
	} all[] = { { "gzip", true }, { "gzip, deflate, br", true }, { "GZIP;q=0.1", true },
		{ "x-gzip", true }, { "*", true }, { "br;q=1, *;q=0.5", true }, { "", false },
		{ "identity", false }, { "deflate, br", false }, { "gzip;q=0", false },
		{ "gzip;q=0.000", false }, { "*;q=0", false }, { "gzip;q=0, *", false },
		{ "gzip;q=0.5, identity", false }, { "gzip;q=0.5, identity;q=0.5", true },
		{ "identity;q=0.5, gzip;q=1.0", true }, { "gzip;q=2", false },
		{ "gzip;q=x", false }, { "gzip;q=0.1234", false }, { "gzipped", false },
		{ ",,gzip ; q=0.9,", true }, { "identity;q=0, *;q=0", false } };

	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (gzip_accepted(str_of(all[i].accept)) != all[i].taken)
			fail_msg("%s", all[i].accept);
}

static void
text_is_compressed_and_nothing_else(void **unused)
{
	(void)unused;
	assert_true(media_compressible("application/json"));
	assert_true(media_compressible("application/problem+json"));
	assert_true(media_compressible("application/graphql-response+json; charset=utf-8"));
	assert_true(media_compressible("text/plain; version=0.0.4; charset=utf-8"));
	assert_true(media_compressible("text/html"));
	assert_false(media_compressible("text/event-stream"));
	assert_false(media_compressible("image/png"));
	assert_false(media_compressible("application/octet-stream"));
	assert_false(media_compressible("+json"));
	assert_false(media_compressible(""));
}

static void
a_trace_is_taken_over_only_when_it_is_one(void **unused)
{
	(void)unused;
	assert_true(traceparent_ok(STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")));
	assert_false(
	    traceparent_ok(STR("00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")));
	assert_false(
	    traceparent_ok(STR("00-00000000000000000000000000000000-00f067aa0ba902b7-01")));
	assert_false(
	    traceparent_ok(STR("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01")));
	assert_false(
	    traceparent_ok(STR("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")));
	assert_false(traceparent_ok(STR("")));
}

static void
of_two_traces_neither_is_believed_and_the_request_goes_on(void **unused)
{
	static const char *const lines[] = { "Host: h",
		"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", NULL };
	struct http_head h;

	(void)unused;
	assert_int_equal(refusal_of(lines, "HTTP/1.1", &h), 0);
	assert_false(traceparent_ok(h.fields[F_TRACEPARENT]));
}

static void
every_state_in_which_a_client_could_be_slow_has_a_limit(void **unused)
{
	const struct api_config c = { .head_time_us = 1 * SEC,
		.body_time_us = 2 * SEC,
		.idle_time_us = 3 * SEC,
		.send_time_us = 4 * SEC };

	(void)unused;
	assert_int_equal(conn_limit(&c, CONN_HEAD, 10 * SEC), 11 * SEC);
	assert_int_equal(conn_limit(&c, CONN_BODY, 10 * SEC), 12 * SEC);
	assert_int_equal(conn_limit(&c, CONN_IDLE, 10 * SEC), 13 * SEC);
	assert_int_equal(conn_limit(&c, CONN_SEND, 10 * SEC), 14 * SEC);
	assert_int_equal(conn_limit(&c, CONN_WAIT, 10 * SEC), 0);
	assert_int_equal(conn_limit(&c, CONN_ENDING, 10 * SEC), 0);
	assert_int_equal(conn_spared(&c, 10 * SEC), 10 * SEC + SEC / 4);
}

static void
openmetrics_is_written_for_who_names_it_and_wants_it_as_much(void **unused)
{
	(void)unused;
	assert_true(openmetrics_wanted(
	    STR("application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
		"version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1")));
	assert_true(openmetrics_wanted(STR("application/openmetrics-text")));
	assert_true(openmetrics_wanted(STR("text/plain, application/openmetrics-text")));
	assert_false(openmetrics_wanted(STR("")));
	assert_false(openmetrics_wanted(STR("*/*")));
	assert_false(openmetrics_wanted(STR("application/*")));
	assert_false(openmetrics_wanted(STR("application/openmetrics-text; version=0.0.1")));
	assert_false(openmetrics_wanted(STR("application/openmetrics-text;q=0")));
	assert_false(openmetrics_wanted(STR("application/openmetrics-text;q=0.4,text/plain")));
	assert_true(media_compressible("application/openmetrics-text; version=1.0.0"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_request_line_is_origin_form_or_refused),
		T(a_head_that_two_servers_could_read_differently_is_refused),
		T(http_1_0_needs_no_host_and_knows_no_chunks),
		T(a_path_is_decoded_once_and_never_climbs),
		T(an_answer_in_json_is_refused_only_to_who_clearly_does_not_want_it),
		T(gzip_is_sent_only_to_who_takes_it_at_least_as_gladly),
		T(text_is_compressed_and_nothing_else),
		T(a_trace_is_taken_over_only_when_it_is_one),
		T(of_two_traces_neither_is_believed_and_the_request_goes_on),
		T(every_state_in_which_a_client_could_be_slow_has_a_limit),
		T(openmetrics_is_written_for_who_names_it_and_wants_it_as_much),
	};

	return TEST_RUN(tests);
}
