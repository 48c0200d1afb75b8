/* redirects: where a client may be sent back to, and every way to write something else that looks like
 * it; parameters; what a client may ask for. */
#include <string.h>
#include "auth/oauth/clients.h"
#include "auth/oauth/redirects.h"
#include "harness/test.h"

#define HTTPS "https://app.example/cb"

static void
what_may_be_registered(void **unused)
{
	static const char *const good[] = {
		"https://app.example/cb",
		"https://app.example",
		"https://app.example:8443/cb?tenant=1",
		"https://app.example/a%20b",
		"http://127.0.0.1/cb",
		"http://127.0.0.1:8080/cb",
		"http://[::1]/cb",
		"http://[::1]:9/cb",
		"com.example.app:/cb",
		"com.example.app://cb",
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (redirect_wrong(good[i]) != NULL)
			fail_msg("%s: %s", good[i], redirect_wrong(good[i]));
}

static void
what_may_not_be_registered(void **unused)
{
	static const char *const bad[] = {
		"",
		"/cb",
		"app.example/cb",
		"http://app.example/cb",
		"http://localhost/cb",
		"http://127.0.0.2/cb",
		"http://127.0.0.1.evil.example/cb",
		"https://app.example/cb#fragment",
		"https://user@app.example/cb",
		"https://user:pw@app.example/cb",
		"https://*.example/cb",
		"https://app.example/*",
		"https://APP.example/cb",
		"https://app.example./cb",
		"https://.example/cb",
		"https:///cb",
		"https://app.example\\@evil.example/cb",
		"https://app.example/a/../b",
		"https://app.example/./cb",
		"https://app.example/%zz",
		"https://app.example/%4",
		"https://app.example:/cb",
		"https://app.example:0/cb",
		"https://app.example:99999/cb",
		"https://app.example:080/cb",
		"https://app.example/ cb",
		"https://app.example/\ncb",
		"https://b\xc3\xbc.example/cb",
		"http://[::1",
		"http://[::1]x/cb",
		"http://[::2]/cb",
		"javascript:alert(1)",
		"javascript:/a.b",
		"data:text/html,x",
		"myapp:/cb",
		"com.example.app:",
		"com.example.app:/",
		"Com.example.app:/cb",
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (redirect_wrong(bad[i]) == NULL)
			fail_msg("%s: was taken", bad[i]);
}

static void
what_is_asked_for_must_be_what_was_registered_to_the_byte(void **unused)
{
	static const char *const others[] = {
		"https://app.example/cb/",
		"https://app.example/cb?x=1",
		"https://app.example/cb/../cb",
		"https://app.example/CB",
		"https://App.example/cb",
		"HTTPS://app.example/cb",
		"https://app.example:443/cb",
		"https://app.example./cb",
		"https://app.example/c%62",
		"https://app.example/cb#",
		"https://app.example/cb%00",
		"https://evil.example/cb",
		"https://app.example@evil.example/cb",
		"https://app.example.evil.example/cb",
		"http://app.example/cb",
		"https://app.example/cb ",
		" https://app.example/cb",
	};

	(void)unused;
	assert_true(redirect_matches(HTTPS, HTTPS));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (redirect_matches(HTTPS, others[i]))
			fail_msg("%s: was taken", others[i]);
}

static void
of_the_loopback_the_port_is_free_and_nothing_else(void **unused)
{
	(void)unused;
	assert_true(redirect_matches("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"));
	assert_true(redirect_matches("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb"));
	assert_true(redirect_matches("http://[::1]/cb", "http://[::1]:51004/cb"));
	assert_false(redirect_matches("http://127.0.0.1/cb", "http://[::1]:51004/cb"));
	assert_false(redirect_matches("http://127.0.0.1/cb", "http://localhost:51004/cb"));
	assert_false(redirect_matches("http://127.0.0.1/cb", "http://127.0.0.1:51004/other"));
	assert_false(redirect_matches("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb?a=1"));
	assert_false(redirect_matches("http://127.0.0.1/cb", "http://127.0.0.1:5@evil.example/cb"));
	assert_false(redirect_matches("http://127.0.0.1/cb", "http://127.0.0.1:x/cb"));
	assert_false(redirect_matches("http://127.0.0.1/cb", "https://127.0.0.1:51004/cb"));
	assert_false(redirect_matches("https://app.example/cb", "https://app.example:1/cb"));
}

static void
a_form_is_read_to_the_letter(void **unused)
{
	struct arena *a = arena_new(1 << 20);
	struct web_params p;

	(void)unused;
	assert_null(web_params_read(a, STR("a=1&b=x+y%26z&empty=&c=%C3%A9&&flag"), &p));
	assert_int_equal(p.n, 5);
	assert_string_equal(p.all[1].value, "x y&z");
	assert_string_equal(p.all[3].value, "\xc3\xa9");
	assert_string_equal(p.all[4].name, "flag");
	assert_null(web_params_read(a, STR(""), &p));
	assert_int_equal(p.n, 0);
	arena_free(&a);
}

static void
a_form_that_two_would_read_in_two_ways_is_refused(void **unused)
{
	struct arena *a = arena_new(1 << 20);
	struct web_params p;
	char many[2000] = "";

	(void)unused;
	assert_non_null(web_params_read(a, STR("a=1&a=2"), &p));
	assert_non_null(web_params_read(a, STR("a=1&%61=2"), &p));
	assert_non_null(web_params_read(a, STR("a=&a=1"), &p));
	assert_non_null(web_params_read(a, STR("a=%"), &p));
	assert_non_null(web_params_read(a, STR("a=%zz"), &p));
	assert_non_null(web_params_read(a, STR("a=1%00"), &p));
	assert_non_null(web_params_read(a, STR("a=%ff"), &p));
	for (int i = 0; i < 100; i++)
		(void)snprintf(many + strlen(many), sizeof(many) - strlen(many), "p%d=1&", i);
	assert_non_null(web_params_read(a, str_of(many), &p));
	arena_free(&a);
}

static void
a_client_may_ask_for_what_it_has_and_what_that_covers(void **unused)
{
	const char *const scopes[] = { "openid", "task.*", "doc.read" };
	const struct client m = { .n_scopes = 3, .scopes = scopes };

	(void)unused;
	assert_true(client_may_ask(&m, "openid"));
	assert_true(client_may_ask(&m, "task.read"));
	assert_true(client_may_ask(&m, "task.*"));
	assert_true(client_may_ask(&m, "doc.read"));
	assert_false(client_may_ask(&m, "doc.*"));
	assert_false(client_may_ask(&m, "*"));
	assert_false(client_may_ask(&m, "profile"));
	assert_false(client_may_ask(&m, "*.read"));
	assert_false(client_may_ask(&m, "tasks.read"));
}

static void
a_pattern_of_everything_is_no_identity(void **unused)
{
	const char *const scopes[] = { "*" };
	const struct client m = { .n_scopes = 1, .scopes = scopes };

	(void)unused;
	assert_true(client_may_ask(&m, "task.delete"));
	assert_false(client_may_ask(&m, "openid"));
	assert_false(client_may_ask(&m, "offline_access"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_may_be_registered),
		cmocka_unit_test(what_may_not_be_registered),
		cmocka_unit_test(what_is_asked_for_must_be_what_was_registered_to_the_byte),
		cmocka_unit_test(of_the_loopback_the_port_is_free_and_nothing_else),
		cmocka_unit_test(a_form_is_read_to_the_letter),
		cmocka_unit_test(a_form_that_two_would_read_in_two_ways_is_refused),
		cmocka_unit_test(a_client_may_ask_for_what_it_has_and_what_that_covers),
		cmocka_unit_test(a_pattern_of_everything_is_no_identity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
