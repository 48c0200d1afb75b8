/* ws_hello: RFC 6455, section 4.2, sentence by sentence. */
#include <stdio.h>
#include <string.h>
#include "api/cors.h"
#include "api/ws_hello.h"
#include "harness/test.h"

#define UPGRADE "Upgrade: websocket\n"
#define CONN    "Connection: Upgrade\n"
#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"
#define VERSION "Sec-WebSocket-Version: 13\n"
#define GOOD    UPGRADE CONN KEY VERSION

static const char *const speaks[] = { "metafed.v1", "second", NULL };
static struct ws_hello h;

/* The status that the handshake is refused with; 101. */
static int
ask_as(const char *lines, enum http_method method, const char *version, uint64_t length,
    const char *origins)
{
	struct http_head head = { .method = method, .content_length = length };
	const struct http_refusal *r;
	struct str rest = str_of(lines), line, name, value;
	struct origins o;

	assert_true(origins_parse(&o, origins));
	head.fields[F_HOST] = STR("api.example:8080");
	ws_hello_start(&h, speaks);
	while (rest.n != 0) {
		str_cut(rest, '\n', &line, &rest);
		str_cut(line, ':', &name, &value);
		ws_hello_field(&h, name, value);
	}
	r = ws_hello_check(&h, &head, version, &o);
	return r == NULL ? 101 : r->http;
}

static int
ask(const char *lines)
{
	return ask_as(lines, M_GET, "HTTP/1.1", 0, "");
}

static void
a_handshake_as_the_rfc_shows_it_is_accepted(void **unused)
{
	char accept[WS_ACCEPT_LEN];

	(void)unused;
	assert_int_equal(ask(GOOD), 101);
	assert_string_equal(h.protocol, "metafed.v1");
	assert_false(h.offers);
	ws_hello_accept(h.key, accept);
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void
names_and_tokens_are_compared_as_http_does(void **unused)
{
	(void)unused;
	assert_int_equal(
	    ask("UPGRADE: WebSocket\nconnection: keep-alive, upGRADE\n" KEY VERSION), 101);
	assert_int_equal(ask("Upgrade: h2c, websocket\nConnection: close\n" CONN KEY VERSION), 101);
}

static void
only_get_over_http_1_1_without_a_body_opens_one(void **unused)
{
	(void)unused;
	assert_int_equal(ask_as(GOOD, M_POST, "HTTP/1.1", 0, ""), 405);
	assert_int_equal(ask_as(GOOD, M_HEAD, "HTTP/1.1", 0, ""), 405);
	assert_int_equal(ask_as(GOOD, M_GET, "HTTP/1.0", 0, ""), 400);
	assert_int_equal(ask_as(GOOD, M_GET, "HTTP/1.1", 1, ""), 400);
}

static void
each_field_is_needed(void **unused)
{
	(void)unused;
	assert_int_equal(ask(CONN KEY VERSION), 426);
	assert_int_equal(ask("Upgrade: websockets\n" CONN KEY VERSION), 426);
	assert_int_equal(ask(UPGRADE KEY VERSION), 400);
	assert_int_equal(ask(UPGRADE "Connection: keep-alive\n" KEY VERSION), 400);
	assert_int_equal(ask(UPGRADE CONN VERSION), 400);
	assert_int_equal(ask(UPGRADE CONN KEY), 426);
}

static void
a_key_is_sixteen_bytes_in_base64_and_stands_once(void **unused)
{
	static const char *const bad[] = { "", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ",
		"dGhlIHNhbXBsZSBub25jZQA=", "dGhlIHNhbXBsZSBub25jZQAA", "dGhlIHNhbXBsZSBub25jZQ= ",
		"dGhlIHNhbXBs-SBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR==", "AAAA" };
	char lines[400];

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(
		    lines, sizeof(lines), UPGRADE CONN VERSION "Sec-WebSocket-Key: %s\n", bad[i]);
		assert_int_equal(ask(lines), 400);
	}
	assert_int_equal(ask(GOOD KEY), 400);
}

static void
only_version_13_is_spoken(void **unused)
{
	static const char *const bad[] = { "8", "12", "14", "013", "13, 8", "", "x" };
	char lines[400];

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(
		    lines, sizeof(lines), UPGRADE CONN KEY "Sec-WebSocket-Version: %s\n", bad[i]);
		assert_int_equal(ask(lines), 426);
	}
	assert_int_equal(ask(GOOD VERSION), 426);
}

static void
the_clients_first_choice_that_we_speak_is_chosen(void **unused)
{
	(void)unused;
	assert_int_equal(ask(GOOD "Sec-WebSocket-Protocol: other, second, metafed.v1\n"), 101);
	assert_string_equal(h.protocol, "second");
	assert_int_equal(
	    ask(GOOD "Sec-WebSocket-Protocol: other\nSec-WebSocket-Protocol: metafed.v1\n"), 101);
	assert_string_equal(h.protocol, "metafed.v1");
	assert_true(h.offers);
	assert_int_equal(ask(GOOD "Sec-WebSocket-Protocol: other\n"), 400);
	assert_int_equal(ask(GOOD "Sec-WebSocket-Protocol: Metafed.V1\n"), 400);
	assert_int_equal(ask(GOOD "Sec-WebSocket-Protocol: \n"), 400);
}

static void
a_page_connects_to_its_own_host_or_from_an_origin_that_is_named(void **unused)
{
	static const char list[] = "https://app.example, http://localhost:3000";

	(void)unused;
	assert_int_equal(ask(GOOD "Origin: http://api.example:8080\n"), 101);
	assert_int_equal(ask(GOOD "Origin: https://API.example:8080\n"), 101);
	assert_int_equal(ask(GOOD "Origin: http://api.example\n"), 403);
	assert_int_equal(ask(GOOD "Origin: http://evil.example\n"), 403);
	assert_int_equal(ask(GOOD "Origin: null\n"), 403);
	assert_int_equal(ask(GOOD "Origin: \n"), 403);
	assert_int_equal(ask(GOOD "Origin: ftp://api.example:8080\n"), 403);
	assert_int_equal(
	    ask(GOOD "Origin: http://api.example:8080\nOrigin: http://api.example:8080\n"), 403);
	assert_int_equal(
	    ask_as(GOOD "Origin: https://app.example\n", M_GET, "HTTP/1.1", 0, list), 101);
	assert_int_equal(
	    ask_as(GOOD "Origin: https://app.example.evil\n", M_GET, "HTTP/1.1", 0, list), 403);
	assert_int_equal(ask_as(GOOD "Origin: https://any\n", M_GET, "HTTP/1.1", 0, "*"), 101);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_handshake_as_the_rfc_shows_it_is_accepted),
		T(names_and_tokens_are_compared_as_http_does),
		T(only_get_over_http_1_1_without_a_body_opens_one),
		T(each_field_is_needed),
		T(a_key_is_sixteen_bytes_in_base64_and_stands_once),
		T(only_version_13_is_spoken),
		T(the_clients_first_choice_that_we_speak_is_chosen),
		T(a_page_connects_to_its_own_host_or_from_an_origin_that_is_named),
	};

	return TEST_RUN(tests);
}
