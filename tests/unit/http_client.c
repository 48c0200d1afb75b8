/* http_client: against a server on the same loop that answers what the test tells it to, byte by byte. */
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "node/http_client.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "harness/test.h"

static struct loop *loop;
static struct http_client *client;

/* --- the server: one answer for every request, or none --- */

static struct {
	uv_tcp_t tcp;
	uint16_t port;
	const char *answer; /* NULL: it takes the request and says nothing */
	bool endless;       /* the answer's last byte again and again */
	unsigned requests;
	struct buf heard;
} server;

struct visitor {
	uv_tcp_t tcp;
	uv_write_t write;
	char in[4096];
	bool answered;
};

static void
on_visitor_closed(uv_handle_t *h)
{
	free(container_of(h, struct visitor, tcp));
}

static void
leave(struct visitor *v)
{
	if (!uv_is_closing((uv_handle_t *)&v->tcp))
		uv_close((uv_handle_t *)&v->tcp, on_visitor_closed);
}

static void
on_written(uv_write_t *w, int status)
{
	struct visitor *v = container_of(w, struct visitor, write);
	static char more[65536];
	uv_buf_t b = uv_buf_init(memset(more, 'x', sizeof(more)), sizeof(more));

	if (status != 0 || !server.endless ||
	    uv_write(&v->write, (uv_stream_t *)&v->tcp, &b, 1, on_written) != 0)
		leave(v);
}

static void
on_alloc(uv_handle_t *h, size_t n, uv_buf_t *out)
{
	struct visitor *v = container_of(h, struct visitor, tcp);

	(void)n;
	*out = uv_buf_init(v->in, sizeof(v->in));
}

static void
on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct visitor *v = container_of(s, struct visitor, tcp);
	uv_buf_t out;

	if (n < 0) {
		leave(v);
		return;
	}
	buf_add(&server.heard, b->base, (size_t)n);
	buf_add(&server.heard, "", 1);
	server.heard.n--;
	if (v->answered || strstr(server.heard.p, "\r\n\r\n") == NULL)
		return;
	v->answered = true;
	server.requests++;
	if (server.answer == NULL)
		return;
	out = uv_buf_init((char *)(uintptr_t)server.answer, (unsigned)strlen(server.answer));
	assert_int_equal(uv_write(&v->write, s, &out, 1, on_written), 0);
}

static void
on_connection(uv_stream_t *s, int status)
{
	struct visitor *v = mem_zalloc(sizeof(*v));

	assert_int_equal(status, 0);
	assert_int_equal(uv_tcp_init(s->loop, &v->tcp), 0);
	assert_int_equal(uv_accept(s, (uv_stream_t *)&v->tcp), 0);
	assert_int_equal(uv_read_start((uv_stream_t *)&v->tcp, on_alloc, on_read), 0);
}

static int
start(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int n = sizeof(a);

	loop = loop_new();
	memset(&server, 0, sizeof(server));
	assert_int_equal(uv_tcp_init(loop_uv(loop), &server.tcp), 0);
	assert_int_equal(uv_tcp_bind(&server.tcp, (struct sockaddr *)&a, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&server.tcp, 8, on_connection), 0);
	assert_int_equal(uv_tcp_getsockname(&server.tcp, (struct sockaddr *)&a, &n), 0);
	server.port = ntohs(a.sin_port);
	client = http_client_new(loop, &(const struct http_client_opts){ .proxy = "" });
	return test_log_mark(state);
}

static void
leave_all(uv_handle_t *h, void *ctx)
{
	(void)ctx;
	if (h->type == UV_TCP && h != (uv_handle_t *)&server.tcp && !uv_is_closing(h))
		uv_close(h, on_visitor_closed);
}

static int
stop(void **state)
{
	http_client_free(&client);
	uv_walk(loop_uv(loop), leave_all, NULL);
	uv_close((uv_handle_t *)&server.tcp, NULL);
	loop_free(&loop);
	buf_free(&server.heard);
	return test_log_check(state);
}
#define H(f) cmocka_unit_test_setup_teardown(f, start, stop)

/* --- asking --- */

struct outcome {
	bool done, answered;
	int status;
	char type[80], body[200], why[200];
	size_t n;
	int64_t max_age_s;
};

static void
on_done(const struct http_got *m, const char *why, void *ctx)
{
	struct outcome *o = ctx;

	assert_false(o->done);
	o->done = true;
	o->answered = m != NULL;
	if (m == NULL) {
		(void)snprintf(o->why, sizeof(o->why), "%s", why);
		return;
	}
	o->status = m->status;
	o->n = m->n;
	o->max_age_s = m->max_age_s;
	(void)snprintf(o->type, sizeof(o->type), "%s", m->type);
	(void)snprintf(o->body, sizeof(o->body), "%s", m->body);
}

static bool
is_set(void *ctx)
{
	return *(bool *)ctx;
}

static const char *
url(void)
{
	static char text[80];

	(void)snprintf(text, sizeof(text), "http://127.0.0.1:%u/x?y=z", server.port);
	return text;
}

static struct outcome
ask(struct http_get q)
{
	struct outcome o = { .done = false };

	q.url = q.url != NULL ? q.url : url();
	q.most = q.most != 0 ? q.most : 1000;
	q.limit_us = q.limit_us != 0 ? q.limit_us : 5 * SEC;
	(void)http_client_start(client, &q, on_done, &o);
	assert_false(o.done);
	loop_run_until(loop, is_set, &o.done, 10 * SEC);
	assert_true(o.done);
	return o;
}
#define ASK(...) ask((struct http_get){ __VA_ARGS__ })

static void
an_answer_comes_with_what_it_is_and_how_long_it_counts(void **unused)
{
	struct outcome o;

	(void)unused;
	server.answer = "HTTP/1.1 200 OK\r\nContent-Type: Application/JSON; charset=utf-8\r\n"
			"Cache-Control: public, max-age=77\r\nContent-Length: 2\r\n\r\n{}";
	o = ASK(.accept = NULL);
	assert_true(o.answered);
	assert_int_equal(o.status, 200);
	assert_string_equal(o.type, "application/json");
	assert_string_equal(o.body, "{}");
	assert_int_equal(o.max_age_s, 77);
	assert_non_null(strstr(server.heard.p, "GET /x?y=z HTTP/1.1\r\n"));
	assert_non_null(strstr(server.heard.p, "Accept: application/json\r\n"));
	assert_null(strstr(server.heard.p, "Accept-Encoding"));
	server.answer = "HTTP/1.1 200 OK\r\nCache-Control: no-store, max-age=77\r\n"
			"Content-Length: 0\r\n\r\n";
	assert_int_equal(ASK(.accept = NULL).max_age_s, 0);
	server.answer = "HTTP/1.1 404 Not Found\r\nCache-Control: max-age=x\r\n"
			"Content-Length: 0\r\n\r\n";
	o = ASK(.accept = NULL);
	assert_int_equal(o.status, 404);
	assert_int_equal(o.max_age_s, -1);
}

static void
a_form_is_posted_with_its_authorization(void **unused)
{
	(void)unused;
	server.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	assert_true(ASK(.form = "a=b&c=d", .authorization = "Basic eDp5").answered);
	assert_non_null(strstr(server.heard.p, "POST /x?y=z HTTP/1.1\r\n"));
	assert_non_null(strstr(server.heard.p, "Authorization: Basic eDp5\r\n"));
	assert_non_null(
	    strstr(server.heard.p, "Content-Type: application/x-www-form-urlencoded\r\n"));
	assert_null(strstr(server.heard.p, "Expect:"));
}

static void
a_redirect_is_an_answer_and_is_not_followed(void **unused)
{
	char answer[200];
	struct outcome o;

	(void)unused;
	(void)snprintf(answer, sizeof(answer),
	    "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", url());
	server.answer = answer;
	o = ASK(.authorization = "Bearer x");
	assert_int_equal(o.status, 302);
	assert_int_equal(server.requests, 1);
}

static void
what_is_too_large_or_too_slow_is_no_answer(void **unused)
{
	struct outcome o;
	int64_t began = time_now_us();

	(void)unused;
	server.answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n123456";
	assert_true(ASK(.most = 6).answered);
	o = ASK(.most = 5);
	assert_string_equal(o.why, "the answer is too large");
	server.answer = "HTTP/1.1 200 OK\r\n\r\nx";
	server.endless = true;
	assert_string_equal(ASK(.most = 100000).why, "the answer is too large");
	server.answer = "HTTP/1.1 200 OK\r\nX: ";
	assert_string_equal(ASK(.most = 100).why, "the answer is too large");
	server.endless = false;
	server.answer = NULL;
	began = time_now_us();
	o = ASK(.limit_us = 200 * MS);
	assert_false(o.answered);
	assert_true(time_now_us() - began < 5 * SEC);
}

static void
an_answer_that_breaks_off_or_is_none_is_said_to_be_so(void **unused)
{
	static const char *const answers[] = { "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
		"SSH-2.0-OpenSSH\r\n\r\n", "\r\n" };

	(void)unused;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct outcome o;

		server.answer = answers[i];
		server.heard.n = 0;
		o = ASK(.limit_us = 2 * SEC);
		assert_false(o.answered);
		assert_string_not_equal(o.why, "");
	}
}

static void
nobody_there_and_addresses_that_may_not_be_asked_fail(void **unused)
{
	char free_port[60];

	(void)unused;
	(void)snprintf(free_port, sizeof(free_port), "http://127.0.0.1:%u/", test_port());
	assert_false(ASK(.url = free_port).answered);
	assert_false(ASK(.url = "http://192.0.2.1/").answered); /* plain http to others */
	assert_false(ASK(.url = "file:///etc/passwd").answered);
	assert_false(ASK(.url = "https://does-not-exist.invalid/").answered);
}

static void
a_proxy_of_the_environment_is_not_asked(void **unused)
{
	char proxy[60];

	(void)unused;
	(void)snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", test_port());
	setenv("http_proxy", proxy, 1);
	setenv("ALL_PROXY", proxy, 1);
	server.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	assert_true(ASK(.accept = NULL).answered);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
}

static bool
has_heard(void *ctx)
{
	(void)ctx;
	return server.requests > 0;
}

static void
what_was_called_off_tells_nobody(void **unused)
{
	struct outcome o = { .done = false }, later = o;
	struct http_fetch *f = http_client_start(client,
	    &(const struct http_get){ .url = url(), .most = 10, .limit_us = 5 * SEC }, on_done, &o);

	(void)unused;
	loop_run_until(loop, has_heard, NULL, 5 * SEC);
	assert_int_equal(server.requests, 1);
	http_client_cancel(&f);
	assert_null(f);
	/* One that is under way at the end, too, and one whose name is still looked up. */
	(void)http_client_start(client,
	    &(const struct http_get){ .url = url(), .most = 10, .limit_us = 5 * SEC }, on_done,
	    &later);
	(void)http_client_start(client,
	    &(const struct http_get){
		.url = "https://name.invalid/", .most = 10, .limit_us = 5 * SEC },
	    on_done, &later);
	loop_run_until(loop, is_set, &o.done, 50 * MS);
	http_client_free(&client);
	loop_run_until(loop, is_set, &o.done, 50 * MS);
	assert_false(o.done);
	client = http_client_new(loop, &(const struct http_client_opts){ .proxy = "" });
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		H(an_answer_comes_with_what_it_is_and_how_long_it_counts),
		H(a_form_is_posted_with_its_authorization),
		H(a_redirect_is_an_answer_and_is_not_followed),
		H(what_is_too_large_or_too_slow_is_no_answer),
		H(an_answer_that_breaks_off_or_is_none_is_said_to_be_so),
		H(nobody_there_and_addresses_that_may_not_be_asked_fail),
		H(a_proxy_of_the_environment_is_not_asked),
		H(what_was_called_off_tells_nobody),
	};
	int failed = TEST_RUN(tests);

	curl_global_cleanup();
	return failed;
}
