/* web: see web.h. No idempotency key, no problem details, no route: these paths are OAuth's. */
#include "api/rest/web.h"

#include <string.h>

#include "api/ops/web.h"
#include "api/rest/handling.h"
#include "base/id.h"

static bool method_ok(struct handling *, const struct web_path *);
static void on_answered(const Mf__TaskResponse *, void *);
static void pass_back(struct handling *, const Mf__WebAnswer *);
static void fail(struct handling *, int, const struct failure *);

bool
web_answer(struct handling *h)
{
	const Mf__HttpRequest *q = h->q;
	const struct web_path *p = web_path(q->path);
	Mf__AuthRequirement auth = MF__AUTH_REQUIREMENT__INIT;
	Mf__WebRequest web = MF__WEB_REQUEST__INIT;
	Mf__TaskRequest t = MF__TASK_REQUEST__INIT;
	char id[UUID_LEN];

	if (p == NULL)
		return false;
	if (!method_ok(h, p))
		return true;
	if (q->origin[0] == '\0') {
		fail(h, 0,
		    &(const struct failure){ .status = ST_INVALID_ARGUMENT,
			.message = "the request does not say which host it is for",
			.reason = "BAD_REQUEST" });
		return true;
	}
	web.method = strcmp(q->method, "HEAD") == 0 ? (char *)(uintptr_t) "GET" : q->method;
	web.path = q->path;
	web.query = q->query;
	web.n_headers = q->n_headers;
	web.headers = q->headers;
	web.body = q->body;
	web.client_address = (char *)(uintptr_t)call_client_address(h->c, q->client_address);
	web.origin = q->origin;
	auth.operation = (char *)(uintptr_t) "web";
	auth.client_address = web.client_address;
	auth.web = &web;
	if (q->operation_id[0] == '\0')
		uuid7(id);
	t.task_id = q->operation_id[0] == '\0' ? id : q->operation_id;
	t.priority = MF__PRIORITY__HIGH;
	t.auth = &auth;
	h->rpc = ops_execute(h->c, &t, on_answered, h);
	return true;
}

static bool
method_ok(struct handling *h, const struct web_path *p)
{
	bool known = web_method(p, h->q->method);

	if (known && strcmp(h->q->method, "OPTIONS") != 0)
		return true;
	respond_header(h, "Allow", p->methods);
	if (known)
		respond(h, 204, NULL, 0);
	else
		fail(h, 405,
		    &(const struct failure){ .status = ST_UNIMPLEMENTED,
			.message = "the resource does not have this method",
			.reason = "METHOD_NOT_ALLOWED" });
	return false;
}

static void
on_answered(const Mf__TaskResponse *m, void *ctx)
{
	struct handling *h = ctx;
	struct failure f;

	if (m == NULL) {
		fail(h, 0, rpc_failure(h->rpc));
	} else if (m->web == NULL) {
		failure_of(h, m, &f);
		fail(h, 0, &f);
	} else {
		pass_back(h, m->web);
	}
}

static void
pass_back(struct handling *h, const Mf__WebAnswer *m)
{
	h->out.status = m->status;
	h->out.n_headers = m->n_headers;
	h->out.headers = m->headers;
	h->out.body = m->body;
	handling_end(h);
}

static void
fail(struct handling *h, int http, const struct failure *f)
{
	uint32_t retry;
	size_t n;
	char *body;

	if (http == 0)
		http = problem_http(f);
	if (http == 422) /* RFC 6749 knows no other for what is malformed */
		http = 400;
	if ((retry = problem_retry_after(f, http)) != 0)
		respond_header(h, "Retry-After", arena_printf(h->a, "%u", retry));
	respond_header(h, "Cache-Control", "no-store");
	body = web_failure(h->a, handling_header(h, "accept"), http, f, &h->content_type, &n);
	respond(h, http, body, n);
}
