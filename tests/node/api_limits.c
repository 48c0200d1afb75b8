/* api_limits: how many requests who may make, seen from outside. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/time.h"
#include "harness/apibed.h"

static char out[8192], value[256];

static int
list(const char *credential, const char *more)
{
	char request[512];

	snprintf(request, sizeof(request), "GET /v1/tasks HTTP/1.1\r\nHost: h\r\n%s%s%s%s\r\n",
	    credential == NULL ? "" : "Authorization: Bearer ",
	    credential == NULL ? "" : credential, credential == NULL ? "" : "\r\n", more);
	return raw_ask(request, out, sizeof(out));
}

static const char *
header(const char *name)
{
	return raw_header(out, name, value, sizeof(value));
}

/* How many of n are let in; `limited` of the others. */
static unsigned
let_in(unsigned n, const char *credential, const char *more)
{
	unsigned in = 0;

	for (unsigned i = 0; i < n; i++) {
		int http = list(credential, more);

		in += http == 200;
		if (http != 200 && http != 429)
			fail_msg("%d", http);
	}
	return in;
}

static void
an_answer_says_what_is_left_and_a_refusal_when_to_come_again(void **unused)
{
	(void)unused;
	APIBED_RESTART("limit=3/0.01");
	assert_int_equal(list(NULL, ""), 200);
	assert_string_equal(header("RateLimit-Policy"), "\"default\";q=3;w=300");
	assert_string_equal(header("RateLimit"), "\"default\";r=2;t=100");
	assert_string_equal(header("Retry-After"), "");
	assert_int_equal(let_in(3, NULL, ""), 2);
	assert_int_equal(raw_status(out), 429);
	assert_string_equal(header("Content-Type"), "application/problem+json");
	assert_in_range(atoi(header("Retry-After")), 90, 100);
	assert_non_null(strstr(header("RateLimit"), "\"default\";r=0;t="));
	assert_non_null(strstr(out, "\"code\":\"RESOURCE_EXHAUSTED\""));
	assert_non_null(strstr(out, "\"reason\":\"RATE_LIMITED\""));
	assert_non_null(strstr(out, "\"violated-policies\":[\"default\"]"));
	assert_non_null(strstr(out, "\"retry_after_ms\":"));
}

static void
the_probes_are_never_limited(void **unused)
{
	(void)unused;
	APIBED_RESTART("limit=1/0.01");
	for (int i = 0; i < 20; i++) {
		assert_int_equal(raw_ask(GET("/livez"), out, sizeof(out)), 200);
		assert_int_equal(raw_ask(GET("/readyz"), out, sizeof(out)), 200);
	}
	assert_string_equal(header("RateLimit"), "");
	assert_int_equal(let_in(2, NULL, ""), 1);
}

static void
a_forged_credential_earns_nothing(void **unused)
{
	(void)unused;
	APIBED_RESTART("limit=2/0.01");
	assert_int_equal(list("bad", ""), 401); /* each claims to be another */
	assert_int_equal(list("worse", ""), 401);
	assert_int_equal(list("worst", ""), 429);
	assert_int_equal(list(NULL, ""), 429);
}

static void
a_log_in_says_nothing_of_the_credential_that_it_came_with(void **unused)
{
	static const char login[] =
	    "POST /v1/auth/login HTTP/1.1\r\nHost: h\r\n"
	    "Authorization: Bearer bad\r\nContent-Type: application/json\r\n"
	    "Content-Length: 36\r\n\r\n"
	    "{\"username\":\"root\",\"password\":\"xyz\"}";

	(void)unused;
	APIBED_RESTART("limit=2/0.01");
	assert_int_equal(raw_ask(login, out, sizeof(out)), 200);
	assert_int_equal(list("bad", ""), 401);
	assert_int_equal(list("bad", ""), 429);
}

static void
admin_operator_and_service_have_no_limit_user_and_viewer_the_default(void **unused)
{
	(void)unused;
	APIBED_RESTART("limit=5/0.01");
	assert_int_equal(let_in(20, "eve.user", ""), 5 + 1); /* the first was the address's */
	assert_int_equal(let_in(20, "vic.viewer", ""), 5 + 1);
	assert_int_equal(let_in(20, "root.admin", ""), 20);
	assert_string_equal(header("RateLimit"), "");
	assert_int_equal(let_in(20, "otto.operator", ""), 20);
	assert_int_equal(let_in(20, "cron.service", ""), 20);
	assert_int_equal(let_in(1, NULL, ""), 0);
}

static void
a_role_and_a_route_have_the_limits_they_are_given(void **unused)
{
	(void)unused;
	APIBED_RESTART("limit=50/0.01", "limit_roles=admin=4/0.01, user=off",
	    "limit_routes=GET /v1/fleet*=2/0.01");
	assert_int_equal(let_in(10, "root.admin", ""), 4 + 1);
	assert_int_equal(let_in(30, "eve.user", ""), 30);
	for (int i = 0; i < 3; i++)
		assert_int_equal(raw_ask(GET("/v1/fleet"), out, sizeof(out)) == 429, i == 2);
	assert_non_null(strstr(out, "\"violated-policies\":[\"GET /v1/fleet*\"]"));
	assert_int_equal(list(NULL, ""), 200);
}

static void
behind_a_proxy_each_client_has_its_own_bucket(void **unused)
{
	(void)unused;
	APIBED_RESTART("limit=2/0.01", "behind_proxy=true", "proxies=127.0.0.0/8, 10.0.0.0/8");
	assert_int_equal(let_in(3, NULL, "X-Forwarded-For: 203.0.113.1\r\n"), 2);
	assert_int_equal(let_in(3, NULL, "X-Forwarded-For: 203.0.113.2, 10.0.0.1\r\n"), 2);
	/* what a client writes itself stands further left, and is not believed */
	assert_int_equal(let_in(3, NULL, "X-Forwarded-For: 198.51.100.9, 203.0.113.2\r\n"), 0);
	assert_int_equal(let_in(3, NULL, "X-Forwarded-For: 2001:db8::1\r\n"), 2);
	assert_int_equal(let_in(3, NULL, "X-Forwarded-For: 2001:db8::2\r\n"), 0);
}

static void
a_proxy_that_nobody_named_is_believed_only_on_this_machine(void **unused)
{
	(void)unused;
	APIBED_RESTART("limit=2/0.01", "behind_proxy=true");
	assert_int_equal(let_in(3, NULL, "X-Forwarded-For: 203.0.113.1\r\n"), 2);
	assert_int_equal(let_in(3, NULL, "X-Forwarded-For: 203.0.113.2\r\n"), 2);
	APIBED_RESTART("limit=2/0.01", "behind_proxy=true", "proxies=10.0.0.0/8");
	assert_int_equal(let_in(3, NULL, "X-Forwarded-For: 203.0.113.1\r\n"), 2);
	assert_int_equal(let_in(3, NULL, "X-Forwarded-For: 203.0.113.2\r\n"), 0);
}

static void
without_a_proxy_nobody_is_believed(void **unused)
{
	(void)unused;
	APIBED_RESTART("limit=2/0.01");
	assert_int_equal(let_in(1, NULL, "X-Forwarded-For: 203.0.113.1\r\n"), 1);
	assert_int_equal(let_in(1, NULL, "X-Forwarded-For: 203.0.113.2\r\n"), 1);
	assert_int_equal(let_in(1, NULL, "X-Forwarded-For: 203.0.113.3\r\n"), 0);
}

static void
a_refused_request_does_no_work_and_its_body_is_read_past(void **unused)
{
	int fd;
	unsigned calls;

	(void)unused;
	APIBED_RESTART("limit=1/0.01");
	assert_int_equal(let_in(1, NULL, ""), 1);
	calls = apibed.seen->calls;
	fd = raw_dial();
	raw_say(fd, POST("/v1/tasks", "application/json", "13", "{\"title\":\"x\"}"));
	raw_hear(fd, out, sizeof(out), 3000, 1);
	assert_int_equal(raw_status(out), 429);
	raw_say(fd, GET("/livez")); /* the same connection */
	raw_hear(fd, out, sizeof(out), 3000, 1);
	assert_int_equal(raw_status(out), 200);
	close(fd);
	assert_int_equal(apibed.seen->calls, calls);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_answer_says_what_is_left_and_a_refusal_when_to_come_again),
		T(the_probes_are_never_limited),
		T(a_forged_credential_earns_nothing),
		T(a_log_in_says_nothing_of_the_credential_that_it_came_with),
		T(admin_operator_and_service_have_no_limit_user_and_viewer_the_default),
		T(a_role_and_a_route_have_the_limits_they_are_given),
		T(behind_a_proxy_each_client_has_its_own_bucket),
		T(a_proxy_that_nobody_named_is_believed_only_on_this_machine),
		T(without_a_proxy_nobody_is_believed),
		T(a_refused_request_does_no_work_and_its_body_is_read_past),
	};

	return cmocka_run_group_tests_name("api_limits", tests, apibed_start, apibed_stop);
}
