/* handle: one HTTP request, from its parts to an answer: route, body, conditions -> TaskRequest ->
 * meta -> respond.c. Every path ends in an HttpResponse; the call itself fails only when this
 * process does, and then a stand-in has it. */
#include <string.h>

#include "api/rest/contract.h"
#include "api/rest/handling.h"
#include "api/rest/idempotency.h"
#include "api/rest/pages.h"
#include "base/id.h"

static const char *endpoint_of(const char *);
static bool read_request(struct handling *);
static bool read_body(struct handling *);
static bool read_conditions(struct handling *);
static const char *bearer_of(struct handling *);
static void on_executed(const Mf__TaskResponse *, void *);

void
rest_answer(struct call *c, const Mf__HttpRequest *q)
{
	rest_answer_to(c, q, NULL, NULL);
}

void
rest_answer_to(struct call *c, const Mf__HttpRequest *q, rest_done_fn *done, void *ctx)
{
	struct handling *h = ARENA_NEW(call_arena(c), struct handling);
	const char *endpoint = endpoint_of(q->path);
	struct route_match m = { .allow = NULL };

	*h = (struct handling){ .c = c, .a = call_arena(c), .q = q, .done = done, .ctx = ctx };
	mf__http_response__init(&h->out);
	if (page_answer(h))
		return;
	if (endpoint != NULL)
		m = route_find(h->a, q->method, endpoint);
	if (m.allow == NULL) {
		respond_failure(h, 0,
		    &(const struct failure){ .status = ST_NOT_FOUND,
			.message = "there is no such resource",
			.reason = "NO_RESOURCE" });
	} else if (m.route == NULL) {
		respond_no_method(h, m.allow);
	} else {
		h->op.route = m.route;
		h->op.id = m.id;
		if (!read_request(h) || !idempotency_read(h))
			return;
		if (h->keyed != NULL)
			idempotency_start(h);
		else
			handling_execute(h);
	}
}

void
handling_end(struct handling *h)
{
	if (h->done != NULL)
		h->done(&h->out, h->ctx);
	else
		call_reply(h->c, &h->out.base);
}

void
handling_execute(struct handling *h)
{
	h->rpc = ops_execute(h->c, h->task, on_executed, h);
}

const char *
handling_header(const struct handling *h, const char *name)
{
	for (size_t i = 0; i < h->q->n_headers; i++)
		if (strcmp(h->q->headers[i]->key, name) == 0)
			return h->q->headers[i]->value;
	return "";
}

static const char *
endpoint_of(const char *path)
{
	if (str_starts(path, "/v1/"))
		return path + 3;
	return strcmp(path, "/health") == 0 ? path : NULL;
}

static bool
read_request(struct handling *h)
{
	const Mf__HttpRequest *q = h->q;
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct param *params;

	if (!query_parse(h->a, q->query, &params, &h->op.n_params, &f) ||
	    !contract_query(h->a, h->op.route, params, h->op.n_params, &f)) {
		respond_failure(h, 0, &f);
		return false;
	}
	h->op.params = params;
	h->op.operation_id = q->operation_id;
	h->op.client_address = call_client_address(h->c, q->client_address);
	if ((h->op.credential = bearer_of(h)) == NULL || !read_body(h) || !read_conditions(h) ||
	    !fields_read(h))
		return false;
	if (h->op.operation_id[0] == '\0') { /* a caller that is no edge: nothing can be repeated */
		char *id = arena_alloc(h->a, UUID_LEN);

		uuid7(id);
		h->op.operation_id = id;
	}
	if ((h->task = ops_build(h->a, &h->op, &f)) == NULL) {
		respond_failure(h, 0, &f);
		return false;
	}
	return true;
}

/* Read once, here. GET, HEAD and DELETE have no use for a body (RFC 9110, 9.3). */
static bool
read_body(struct handling *h)
{
	const Mf__HttpRequest *q = h->q;
	struct json_error e;

	if (q->body.len == 0 || (strcmp(q->method, "POST") != 0 && strcmp(q->method, "PATCH") != 0))
		return true;
	if (lines_wanted(h)) {
		lines_read(h);
		return true;
	}
	h->op.text = (struct str){ (const char *)q->body.data, q->body.len };
	if ((h->op.body = json_read(q->body.data, q->body.len, &e)) != NULL) {
		call_own_json(h->c, (json_t *)h->op.body);
		return true;
	}
	respond_failure(h, 400,
	    &(const struct failure){ .status = ST_INVALID_ARGUMENT,
		.reason = "BAD_JSON",
		.message = arena_printf(h->a, "the body is no JSON: line %d, column %d: %s", e.line,
		    e.column, e.what) });
	return false;
}

static bool
read_conditions(struct handling *h)
{
	static const struct failure stale = {
		.status = ST_ABORTED,
		.message = "If-Match names no version of this",
		.reason = "VERSION_CONFLICT",
	};
	static const struct failure bad = {
		.status = ST_INVALID_ARGUMENT,
		.message = "If-Match must be * or one entity tag",
		.reason = "BAD_REQUEST",
	};

	if (h->op.route->kind == OP_READ)
		h->if_none_match = handling_header(h, "if-none-match");
	if (h->op.route->kind != OP_UPDATE && h->op.route->kind != OP_DELETE)
		return true;
	h->if_match = etag_if_match(handling_header(h, "if-match"), &h->op.if_version);
	if (h->if_match == ETAG_BAD)
		respond_failure(h, 400, &bad);
	else if (h->if_match == ETAG_NEVER)
		respond_failure(h, 412, &stale);
	return h->if_match != ETAG_BAD && h->if_match != ETAG_NEVER;
}

/* NULL: answered. Another scheme than Bearer is a bad credential, not a missing one. */
static const char *
bearer_of(struct handling *h)
{
	const char *token = ops_bearer(h->a, handling_header(h, "authorization"));

	if (token == NULL)
		respond_failure(h, 0, &ops_bad_credential);
	return token;
}

static void
on_executed(const Mf__TaskResponse *m, void *ctx)
{
	struct handling *h = ctx;

	if (m == NULL)
		respond_failure(h, 0, rpc_failure(h->rpc));
	else
		respond_result(h, m);
}
