/* api_answers: what the edge adds to an answer, and what it writes down of it. */
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include "base/time.h"
#include "harness/apibed.h"

#define PAGE(n)  "/v1/tasks?label=bytes%3D" n
#define AS_ADMIN "Authorization: Bearer root.admin\r\n"

static char out[65536], value[512];

static int
get(const char *path, const char *more)
{
	char request[1024];

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: h\r\n%s\r\n", path, more);
	return raw_ask(request, out, sizeof(out));
}

static const char *
header(const char *name)
{
	return raw_header(out, name, value, sizeof(value));
}

static size_t
plain_size(void)
{
	static char back[1 << 20];
	const char *body = strstr(out, "\r\n\r\n") + 4;
	z_stream z = { .next_in = (Bytef *)(uintptr_t)body,
		.avail_in = (uInt)strtoul(header("Content-Length"), NULL, 10),
		.next_out = (Bytef *)back,
		.avail_out = sizeof(back) };

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	inflateEnd(&z);
	return z.total_out;
}

static void
every_answer_says_what_a_browser_may_not_do_with_it(void **unused)
{
	static const char *const paths[] = { "/livez", "/", "/v1/tasks", "/nothing", "/metrics" };

	(void)unused;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		get(paths[i], "Connection: close\r\n");
		assert_string_equal(header("X-Content-Type-Options"), "nosniff");
		assert_non_null(
		    strstr(header("Content-Security-Policy"), "frame-ancestors 'none'"));
		assert_string_equal(header("Referrer-Policy"), "no-referrer");
		assert_string_equal(header("Access-Control-Allow-Origin"), "");
		assert_string_equal(header("Strict-Transport-Security"), "");
		assert_string_equal(header("Server"), "");
	}
}

static void
what_is_large_enough_is_sent_as_gzip_to_who_takes_it(void **unused)
{
	(void)unused;
	assert_int_equal(get(PAGE("5000"), ""), 200);
	assert_string_equal(header("Content-Encoding"), "");
	assert_string_equal(header("Vary"), "Accept-Encoding"); /* caches must know */
	assert_int_equal(get(PAGE("5000"), "Accept-Encoding: br, gzip;q=0.8\r\n"), 200);
	assert_string_equal(header("Content-Encoding"), "gzip");
	assert_string_equal(header("Vary"), "Accept-Encoding");
	assert_true(strtoul(header("Content-Length"), NULL, 10) < 1000);
	assert_in_range(plain_size(), 5000, 5100);
	assert_int_equal(get(PAGE("5000"), "Accept-Encoding: gzip;q=0\r\n"), 200);
	assert_string_equal(header("Content-Encoding"), "");
	assert_int_equal(get(PAGE("100"), "Accept-Encoding: gzip\r\n"), 200);
	assert_string_equal(header("Content-Encoding"), "");
	assert_string_equal(header("Vary"), "Accept-Encoding");
}

static void
head_says_of_gzip_what_get_says(void **unused)
{
	char length[32];

	(void)unused;
	get(PAGE("5000"), "Accept-Encoding: gzip\r\n");
	snprintf(length, sizeof(length), "%s", header("Content-Length"));
	raw_ask("HEAD " PAGE("5000") " HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\nConnection: "
				     "close\r\n\r\n",
	    out, sizeof(out));
	assert_string_equal(header("Content-Length"), length);
	assert_string_equal(header("Content-Encoding"), "gzip");
}

static void
a_compressed_representation_has_a_strong_tag_of_its_own_that_works_in_conditions(void **unused)
{
	static const char path[] = "/v1/tasks/" APIBED_LARGE;

	(void)unused;
	assert_int_equal(get(path, ""), 200);
	assert_string_equal(header("ETag"), "\"1\"");
	assert_int_equal(get(path, "Accept-Encoding: gzip\r\n"), 200);
	assert_string_equal(header("ETag"), "\"1-gzip\"");
	assert_int_equal(get(path, "Accept-Encoding: gzip\r\nIf-None-Match: \"1-gzip\"\r\n"), 304);
	assert_string_equal(header("ETag"), "\"1-gzip\"");
	assert_string_equal(header("Vary"), "Accept-Encoding");
	assert_int_equal(get(path, "If-None-Match: \"0\", \"1\"\r\n"), 304);
	assert_string_equal(header("ETag"), "\"1\"");
	assert_int_equal(get(path, "If-None-Match: \"2-gzip\"\r\n"), 200);
	assert_int_equal(raw_ask("PATCH /v1/tasks/" APIBED_LARGE " HTTP/1.1\r\nHost: h\r\n"
				 "If-Match: \"1-gzip\"\r\nContent-Type: application/json\r\n"
				 "Content-Length: 13\r\n\r\n{\"title\":\"x\"}",
			     out, sizeof(out)),
	    200);
}

static void
what_tells_secrets_is_neither_stored_nor_compressed(void **unused)
{
	static const char login[] = "POST /v1/auth/login HTTP/1.1\r\nHost: h\r\n"
				    "Accept-Encoding: gzip\r\nContent-Type: application/json\r\n"
				    "Content-Length: 36\r\n\r\n"
				    "{\"username\":\"root\",\"password\":\"xyz\"}";

	(void)unused;
	APIBED_RESTART("gzip_min=1");
	assert_int_equal(raw_ask(login, out, sizeof(out)), 200);
	assert_string_equal(header("Cache-Control"), "no-store");
	assert_string_equal(header("Content-Encoding"), "");
	assert_string_equal(header("Vary"), "");
	assert_int_equal(get("/v1/auth/nothing", "Accept-Encoding: gzip\r\n"), 404);
	assert_string_equal(header("Cache-Control"), "no-store");
	assert_string_equal(header("Content-Encoding"), "");
	assert_int_equal(get("/v1/tasks", "Accept-Encoding: gzip\r\n"), 200);
	assert_string_equal(header("Cache-Control"), "");
}

static void
gzip_can_be_off_and_has_a_largest_size(void **unused)
{
	(void)unused;
	APIBED_RESTART("gzip_min=0");
	assert_int_equal(get(PAGE("5000"), "Accept-Encoding: gzip\r\n"), 200);
	assert_string_equal(header("Content-Encoding"), "");
	assert_string_equal(header("Vary"), "");
	APIBED_RESTART("gzip_most=4k");
	assert_int_equal(get(PAGE("3000"), "Accept-Encoding: gzip\r\n"), 200);
	assert_string_equal(header("Content-Encoding"), "gzip");
	assert_int_equal(get(PAGE("5000"), "Accept-Encoding: gzip\r\n"), 200);
	assert_string_equal(header("Content-Encoding"), "");
}

#define PREFLIGHT(origin)                                                                          \
	"OPTIONS /v1/tasks HTTP/1.1\r\nHost: h\r\nOrigin: " origin "\r\n"                          \
	"Access-Control-Request-Method: PATCH\r\n"                                                 \
	"Access-Control-Request-Headers: if-match\r\n\r\n"

static void
a_page_of_a_named_origin_may_ask_and_read(void **unused)
{
	(void)unused;
	APIBED_RESTART("cors_origins=https://app.example, http://localhost:3000");
	assert_int_equal(raw_ask(PREFLIGHT("https://app.example"), out, sizeof(out)), 204);
	assert_string_equal(header("Access-Control-Allow-Origin"), "https://app.example");
	assert_non_null(strstr(header("Access-Control-Allow-Methods"), "PATCH"));
	assert_non_null(strstr(header("Access-Control-Allow-Headers"), "If-Match"));
	assert_string_equal(header("Access-Control-Max-Age"), "600");
	assert_string_equal(header("Access-Control-Allow-Credentials"), "");
	assert_string_equal(header("Vary"), "Origin");
	assert_int_equal(get("/v1/tasks", "Origin: http://localhost:3000\r\n"), 200);
	assert_string_equal(header("Access-Control-Allow-Origin"), "http://localhost:3000");
	assert_non_null(strstr(header("Access-Control-Expose-Headers"), "ETag"));
	assert_string_equal(header("Vary"), "Accept-Encoding, Origin");
	assert_int_equal(
	    get("/v1/tasks/" APIBED_TASK, "Origin: http://localhost:3000\r\n" AS_ADMIN), 200);
	assert_int_equal(get("/nothing", "Origin: http://localhost:3000\r\n"), 404);
	assert_string_equal(header("Access-Control-Allow-Origin"), "http://localhost:3000");
}

static void
a_page_of_another_origin_learns_nothing(void **unused)
{
	(void)unused;
	assert_int_equal(raw_ask(PREFLIGHT("https://evil.example"), out, sizeof(out)), 204);
	assert_string_equal(header("Access-Control-Allow-Origin"), "");
	assert_string_equal(header("Access-Control-Allow-Methods"), "");
	assert_int_equal(get("/v1/tasks", "Origin: null\r\n"), 200);
	assert_string_equal(header("Access-Control-Allow-Origin"), "");
	assert_string_equal(header("Vary"), "Accept-Encoding, Origin");
}

static void
any_origin_may_be_let_in_and_then_nothing_varies_by_it(void **unused)
{
	(void)unused;
	APIBED_RESTART("cors_origins=*");
	assert_int_equal(get("/v1/tasks", "Origin: https://who.ever\r\n"), 200);
	assert_string_equal(header("Access-Control-Allow-Origin"), "*");
	assert_string_equal(header("Vary"), "Accept-Encoding");
	assert_int_equal(raw_ask(PREFLIGHT("null"), out, sizeof(out)), 204);
	assert_string_equal(header("Access-Control-Allow-Origin"), "*");
}

/* --- the access log --- */

static int log_fd;
static char log_text[65536];

static void
api_with_log(const char *which)
{
	static char listen_on[64], level[64];
	const char *const sets[] = { listen_on, level, "log_level=info", NULL };
	int ends[2];

	apibed_end(&apibed.api);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	snprintf(listen_on, sizeof(listen_on), "listen=127.0.0.1:%u", raw_port);
	snprintf(level, sizeof(level), "access_log=%s", which);
	apibed.api = apibed_node("api", sets, ends[1]);
	close(ends[1]);
	if (log_fd > 0)
		close(log_fd);
	log_fd = ends[0];
	assert_int_equal(fcntl(log_fd, F_SETFL, O_NONBLOCK), 0);
	for (int64_t until = time_now_us() + 10 * SEC; get("/readyz", "") != 200; usleep(5000))
		assert_true(time_now_us() < until);
	log_text[0] = '\0';
}

/* The line of that path, parsed; NULL: there is none. */
static json_t *
line_of(const char *path, int limit_ms)
{
	size_t n = strlen(log_text);

	for (int64_t until = time_now_us() + limit_ms * MS;; usleep(2000)) {
		ssize_t k = read(log_fd, log_text + n, sizeof(log_text) - 1 - n);
		char *at, *end;

		if (k > 0)
			log_text[n += (size_t)k] = '\0';
		for (at = log_text; (end = strchr(at, '\n')) != NULL; at = end + 1) {
			json_t *v = json_loadb(at, (size_t)(end - at), 0, NULL);
			const char *p = json_string_value(json_object_get(v, "path"));

			assert_non_null(v);
			if (p != NULL && strcmp(p, path) == 0)
				return v;
			json_decref(v);
		}
		if (time_now_us() > until)
			return NULL;
	}
}

static const char *
text_of(const json_t *v, const char *key)
{
	const char *s = json_string_value(json_object_get(v, key));

	return s == NULL ? "" : s;
}

static void
the_access_log_has_a_line_of_json_for_each_request(void **unused)
{
	json_t *v;

	(void)unused;
	api_with_log("all");
	assert_int_equal(
	    get("/v1/tasks", AS_ADMIN "User-Agent: tester/1 \"q\" \xff\r\n"
				      "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736"
				      "-00f067aa0ba902b7-01\r\n"),
	    200);
	v = line_of("/v1/tasks", 5000);
	assert_non_null(v);
	assert_string_equal(text_of(v, "event"), "request");
	assert_string_equal(text_of(v, "client"), "127.0.0.1");
	assert_string_equal(text_of(v, "principal"), "root");
	assert_string_equal(text_of(v, "method"), "GET");
	assert_string_equal(text_of(v, "agent"), "rest");
	assert_string_equal(text_of(v, "trace"), "4bf92f3577b34da6a3ce929d0e0e4736");
	assert_non_null(strstr(text_of(v, "user_agent"), "tester/1 \"q\" "));
	assert_int_equal(json_integer_value(json_object_get(v, "status")), 200);
	assert_int_equal(json_integer_value(json_object_get(v, "bytes")), 31);
	assert_true(json_integer_value(json_object_get(v, "duration_us")) > 0);
	assert_true(strlen(text_of(v, "time")) > 20);
	json_decref(v);
	assert_null(strstr(log_text, "root.admin")); /* no credential */
	assert_int_equal(get("/nowhere", ""), 404);
	v = line_of("/nowhere", 5000);
	assert_non_null(v);
	assert_true(json_is_null(json_object_get(v, "agent")));
	assert_true(json_is_null(json_object_get(v, "principal")));
	json_decref(v);
}

static void
no_line_is_held_back(void **unused)
{
	unsigned lines = 0;

	(void)unused;
	api_with_log("all");
	for (int i = 0; i < 100; i++)
		assert_int_equal(get("/livez", ""), 200);
	assert_int_equal(get("/last", ""), 404);
	json_decref(line_of("/last", 5000));
	for (const char *at = log_text; (at = strstr(at, "\"path\":\"/livez\"")) != NULL; at++)
		lines++;
	assert_int_equal(lines, 100);
}

static void
only_errors_or_nothing_can_be_asked_for(void **unused)
{
	(void)unused;
	api_with_log("errors");
	assert_int_equal(get("/v1/tasks", ""), 200);
	assert_int_equal(get("/nowhere", ""), 404);
	assert_null(line_of("/v1/tasks", 50));
	assert_null(line_of("/nowhere", 0));
	assert_int_equal(get("/v1/tasks?limit=200", "Accept: text/html\r\n"), 406);
	api_with_log("off");
	assert_int_equal(get("/v1/tasks", ""), 200);
	assert_null(line_of("/v1/tasks", 50));
}

static void
a_version_that_is_none_is_told_which_there_are(void **unused)
{
	static const char *const none[] = { "/v2", "/v2/tasks", "/v0/tasks/1", "/v10/", "/v01" };

	(void)unused;
	APIBED_RESTART(NULL);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_int_equal(get(none[i], ""), 404);
		assert_non_null(strstr(out, "\"reason\":\"NO_API_VERSION\""));
		assert_non_null(strstr(out, "there is: v1"));
	}
	assert_int_equal(get("/version", ""), 404);
	assert_non_null(strstr(out, "\"reason\":\"NO_RESOURCE\""));
	assert_int_equal(get("/v1", ""), 200);
	assert_non_null(strstr(out, "\"versions\":[\"v1\"]"));
	assert_non_null(strstr(out, "\"websocket\":\"/v1/ws\",\"events\":\"/v1/events\""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_answer_says_what_a_browser_may_not_do_with_it),
		T(what_is_large_enough_is_sent_as_gzip_to_who_takes_it),
		T(head_says_of_gzip_what_get_says),
		T(a_compressed_representation_has_a_strong_tag_of_its_own_that_works_in_conditions),
		T(what_tells_secrets_is_neither_stored_nor_compressed),
		T(gzip_can_be_off_and_has_a_largest_size),
		T(a_page_of_a_named_origin_may_ask_and_read),
		T(a_page_of_another_origin_learns_nothing),
		T(any_origin_may_be_let_in_and_then_nothing_varies_by_it),
		T(the_access_log_has_a_line_of_json_for_each_request),
		T(no_line_is_held_back),
		T(only_errors_or_nothing_can_be_asked_for),
		T(a_version_that_is_none_is_told_which_there_are),
	};

	return cmocka_run_group_tests_name("api_answers", tests, apibed_start, apibed_stop);
}
