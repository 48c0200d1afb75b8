/* api_framing: bytes that are no request, or two, or too many: what the edge answers, and that it
 * lives on. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/id.h"
#include "harness/apibed.h"

#define BATCH 50

static void
a_request_that_two_servers_could_read_differently_gets_4xx_or_the_door(void **unused)
{
	static const struct {
		const char *bytes;
		int status; /* 0: closed, or any refusal from 400 on */
	} all[] = {
		{ "GET /livez HTTP/1.1\r\n\r\n", 400 },
		{ "GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400 },
		{ "GET /livez HTTP/1.1\r\nHost : a\r\n\r\n", 400 },
		{ "GET /livez HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", 400 },
		{ "GET /livez HTTP/1.1\nHost: a\n\n", 400 },
		{ "GET /livez HTTP/1.1\r\nHost: a\r\nX\x01: b\r\n\r\n", 400 },
		{ "GET /livez HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400 },
		{ "GET /livez HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n", 400 },
		{ "GET  /livez HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET /li vez HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET /livez\r\n\r\n", 400 },
		{ "GET /livez HTTP/2.0\r\nHost: a\r\n\r\n", 505 },
		{ "GET /livez HTTX/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET /v1/../livez HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET livez HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "BREW /livez HTTP/1.1\r\nHost: a\r\n\r\n", 501 },
		{ "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501 },
		{ "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 0 },
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
		{ "POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: "
		  "3\r\n\r\n{}",
		    400 },
		{ "POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}", 400 },
		{ "POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: "
		  "chunked\r\n\r\n0\r\n\r\n",
		    400 },
		{ "POST /v1/tasks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, "
		  "chunked\r\n\r\n0\r\n\r\n",
		    400 },
		{ "POST /v1/tasks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
		  "chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
		    400 },
		{ "POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Type: "
		  "application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		    400 },
		{ "POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Type: "
		  "application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "ffffffffffffffffff\r\n",
		    413 },
		{ "GET /livez HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417 },
		{ POST("/v1/tasks", "text/plain", "2", "{}"), 415 },
		{ "GET /v1/tasks HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n", 406 },
		{ POST("/v1/tasks", "application/json", "1", "{"), 400 },
		{ "GET /livez HTTP/1.1\r\nHost: a\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
		    400 },
	};
	char out[4096];

	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int status = raw_ask(all[i].bytes, out, sizeof(out));

		if (all[i].status == 0 ? status != 0 && status < 400 : status != all[i].status)
			fail_msg("%s: %d", all[i].bytes, status);
		assert_int_equal(raw_ask(GET("/livez"), out, sizeof(out)), 200);
	}
}

static size_t
spoil(const char *good, char *bytes, struct rng *r)
{
	size_t n = strlen(good), at;

	memcpy(bytes, good, n);
	for (uint32_t k = 1 + rng_below(r, 4); k != 0 && n > 1; k--) {
		at = rng_below(r, (uint32_t)n);
		switch (rng_below(r, 4)) {
		case 0:
			bytes[at] ^= (char)(1 << rng_below(r, 8));
			break;
		case 1:
			bytes[at] = (char)rng_below(r, 256);
			break;
		case 2:
			memmove(bytes + at, bytes + at + 1, n - at - 1);
			n--;
			break;
		default:
			n = at + 1;
			break;
		}
	}
	return n;
}

/* Bits flipped, bytes changed and lost, ends cut off: whatever comes back, it is no 500, and the
 * same process goes on. */
static void
a_thousand_spoilt_requests_crash_nothing(void **unused)
{
	static const char *const good[] = {
		POST("/v1/tasks", "application/json", "42",
		    "{\"title\":\"x\",\"labels\":{\"a\":\"b\"},\"payload\":1}"),
		"GET /v1/tasks?limit=1&label=a%3Db HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer "
		"abc\r\nAccept: application/json\r\n\r\n",
		"PATCH /v1/tasks/" APIBED_TASK
		" HTTP/1.1\r\nHost: h\r\nIf-Match: \"1\"\r\nContent-Type: "
		"application/merge-patch+json\r\n"
		"Transfer-Encoding: chunked\r\n\r\n9\r\n{\"title\":\r\n4\r\n\"y\"}\r\n0\r\n\r\n",
		POST("/v1/requests", "application/json", "96",
		    "{\"task_id\":\"t\",\"requirements\":{\"database\":"
		    "{\"operation\":\"read\",\"model\":\"task\"},\"auth\":{}}}       "),
	};
	uint64_t seed = id_random_u64();
	char bytes[1024], out[8192];
	struct rng r;

	(void)unused;
	rng_seed(&r, seed);
	print_message("seed %llu\n", (unsigned long long)seed);
	for (int i = 0; i < 1000; i += BATCH) {
		int fds[BATCH];

		for (int k = 0; k < BATCH; k++) {
			size_t n = spoil(good[(i + k) % 4], bytes, &r);

			fds[k] = raw_dial();
			raw_say_n(fds[k], bytes, n);
			shutdown(fds[k], SHUT_WR);
		}
		for (int k = 0; k < BATCH; k++) {
			int status;

			raw_hear(fds[k], out, sizeof(out), 3000, 1);
			close(fds[k]);
			status = raw_status(out);
			if (status == 500 || (status != 0 && (status < 100 || status > 599)))
				fail_msg("request %d: %s", i + k, out);
		}
	}
	assert_int_equal(waitpid(apibed.api, NULL, WNOHANG), 0);
	assert_int_equal(waitpid(apibed.rest, NULL, WNOHANG), 0);
	assert_int_equal(raw_ask(GET("/livez"), out, sizeof(out)), 200);
}

static void
a_head_or_target_that_is_too_long_is_refused(void **unused)
{
	static char long_one[40000], out[4096];

	(void)unused;
	snprintf(long_one, sizeof(long_one), "GET /%09000d HTTP/1.1\r\nHost: h\r\n\r\n", 7);
	assert_int_equal(raw_ask(long_one, out, sizeof(out)), 414);
	snprintf(
	    long_one, sizeof(long_one), "GET /livez HTTP/1.1\r\nHost: h\r\nX: %030000d\r\n\r\n", 7);
	assert_int_equal(raw_ask(long_one, out, sizeof(out)), 431);
}

static void
a_body_that_is_too_large_is_413_and_the_connection_lives(void **unused)
{
	static char body[100000], out[8192];
	int fd = raw_dial();

	(void)unused;
	memset(body, ' ', sizeof(body));
	raw_say(fd, "POST /v1/tasks HTTP/1.1\r\nHost: h\r\nContent-Type: "
		    "application/json\r\nContent-Length: 100000\r\n\r\n");
	raw_say_n(fd, body, sizeof(body));
	raw_hear(fd, out, sizeof(out), 3000, 1);
	assert_int_equal(raw_status(out), 413);
	raw_say(fd, "POST /v1/tasks HTTP/1.1\r\nHost: h\r\nContent-Type: "
		    "application/json\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n");
	raw_say_n(fd, body, sizeof(body));
	raw_say(fd, "\r\n0\r\n\r\n");
	raw_hear(fd, out, sizeof(out), 3000, 1);
	assert_int_equal(raw_status(out), 413);
	raw_say(fd, GET("/livez"));
	raw_hear(fd, out, sizeof(out), 3000, 1);
	assert_int_equal(raw_status(out), 200);
	close(fd);
	assert_int_equal(raw_ask("POST /v1/tasks HTTP/1.1\r\nHost: h\r\nContent-Type: "
				 "application/json\r\nExpect: 100-continue\r\n"
				 "Content-Length: 100000\r\n\r\n",
			     out, sizeof(out)),
	    413);
}

static void
a_chunked_body_is_a_body(void **unused)
{
	char out[4096];

	(void)unused;
	assert_int_equal(raw_ask("POST /v1/tasks HTTP/1.1\r\nHost: h\r\nContent-Type: "
				 "application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
				 "8\r\n{\"title\"\r\n5\r\n:\"x\"}\r\n0\r\n\r\n",
			     out, sizeof(out)),
	    201);
	assert_non_null(strcasestr(out, "\r\nLocation: /v1/tasks/"));
	assert_non_null(strcasestr(out, "\r\nETag: \"1\""));
}

static void
pipelined_requests_are_answered_in_their_order(void **unused)
{
	char out[8192], *first, *second, *third;
	int fd = raw_dial();

	(void)unused;
	raw_say(fd, GET("/v1/tasks?limit=60") GET("/livez") GET("/nothing"));
	raw_hear(fd, out, sizeof(out), 3000, 3);
	first = strstr(out, "next_cursor");
	second = strstr(out, "alive");
	third = strstr(out, "NO_RESOURCE");
	assert_true(
	    first != NULL && second != NULL && third != NULL && first < second && second < third);
	close(fd);
}

static void
head_is_get_without_a_body(void **unused)
{
	char out[4096];

	(void)unused;
	assert_int_equal(raw_ask("HEAD /v1/tasks/" APIBED_TASK
				 " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
			     out, sizeof(out)),
	    200);
	assert_non_null(strcasestr(out, "\r\nContent-Length: 31\r\n"));
	assert_null(strstr(out, "next_cursor"));
}

static void
another_method_is_405_and_learns_which_there_are(void **unused)
{
	char out[4096];

	(void)unused;
	assert_int_equal(
	    raw_ask("PUT /v1/tasks HTTP/1.1\r\nHost: h\r\n\r\n", out, sizeof(out)), 405);
	assert_non_null(strcasestr(out, "\r\nAllow: POST, GET, HEAD, OPTIONS\r\n"));
	assert_int_equal(
	    raw_ask("DELETE /livez HTTP/1.1\r\nHost: h\r\n\r\n", out, sizeof(out)), 405);
	assert_int_equal(raw_ask("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", out, sizeof(out)), 204);
}

static void
the_root_says_where_to_go_and_an_unknown_path_that_there_is_nothing(void **unused)
{
	static const char *const unknown[] = { "/nothing", "/index.html", "/livez/x", "//",
		"/v1/nothing" };
	char out[4096], request[128], type[64];

	(void)unused;
	assert_int_equal(raw_ask(GET("/"), out, sizeof(out)), 200);
	assert_non_null(strstr(out, "\"api\":\"/v1\""));
	assert_non_null(strstr(out, "\"openapi\":\"/openapi.json\""));
	assert_int_equal(raw_ask(GET("/v1"), out, sizeof(out)), 200);
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		snprintf(
		    request, sizeof(request), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", unknown[i]);
		assert_int_equal(raw_ask(request, out, sizeof(out)), 404);
		raw_header(out, "Content-Type", type, sizeof(type));
		assert_string_equal(type, "application/problem+json");
		assert_non_null(strstr(out, "NO_RESOURCE"));
	}
	assert_int_equal(raw_ask(GET("/v2/tasks"), out, sizeof(out)), 404);
	assert_non_null(strstr(out, "NO_API_VERSION"));
	assert_int_equal(
	    raw_ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", out, sizeof(out)),
	    405);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_request_that_two_servers_could_read_differently_gets_4xx_or_the_door),
		T(a_thousand_spoilt_requests_crash_nothing),
		T(a_head_or_target_that_is_too_long_is_refused),
		T(a_body_that_is_too_large_is_413_and_the_connection_lives),
		T(a_chunked_body_is_a_body),
		T(pipelined_requests_are_answered_in_their_order),
		T(head_is_get_without_a_body),
		T(the_root_says_where_to_go_and_an_unknown_path_that_there_is_nothing),
		T(another_method_is_405_and_learns_which_there_are),
	};

	return cmocka_run_group_tests_name("api_framing", tests, apibed_start, apibed_stop);
}
