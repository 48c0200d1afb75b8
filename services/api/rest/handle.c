/* handle: one HTTP request, from its parts to an answer: route, body, conditions -> TaskRequest ->
 * meta -> respond.c. Every path ends in an HttpResponse; the call itself fails only when this
 * process does, and then a stand-in has it. */
#include <string.h>

#include "api/rest/apply.h"
#include "api/rest/blobs.h"
#include "api/rest/contract.h"
#include "api/rest/handling.h"
#include "api/rest/idempotency.h"
#include "api/rest/pages.h"
#include "api/rest/ui.h"
#include "api/rest/web.h"
#include "base/id.h"
#include "base/step.h"

static const char *endpoint_of(const char *);
static bool read_request(struct handling *);
static void say_deprecated(struct handling *, const struct deprecation *);
static void on_asked(const Mf__TaskResponse *, void *);
static bool contract_holds(struct handling *);
static bool id_ok(struct handling *);
static bool headers_ok(struct handling *);
static bool read_body(struct handling *);
static bool read_conditions(struct handling *);
static const char *credential_of(struct handling *);
static void on_executed(const Mf__TaskResponse *, void *);

void
rest_answer(struct call *c, const Mf__HttpRequest *q)
{
	rest_answer_to(c, q, NULL, NULL);
}

void
rest_refuse_to(struct call *c, const Mf__HttpRequest *q, const struct failure *f,
    rest_done_fn *done, void *ctx)
{
	struct handling *h = ARENA_NEW(call_arena(c), struct handling);

	*h = (struct handling){ .c = c, .a = call_arena(c), .q = q, .done = done, .ctx = ctx };
	mf__http_response__init(&h->out);
	h->op.credential = ops_credential(h->a, q, &h->op.proof);
	respond_failure(h, 0, f);
}

void
rest_answer_to(struct call *c, const Mf__HttpRequest *q, rest_done_fn *done, void *ctx)
{
	struct handling *h = ARENA_NEW(call_arena(c), struct handling);
	const char *endpoint = endpoint_of(q->path);
	struct route_match m = { .allow = NULL };
	static const struct failure only_a_stream = {
		.status = ST_INVALID_ARGUMENT,
		.message = "events are a stream of text/event-stream; in a session subscribe",
		.reason = "ONLY_A_STREAM",
	};

	*h = (struct handling){ .c = c, .a = call_arena(c), .q = q, .done = done, .ctx = ctx };
	mf__http_response__init(&h->out);
	if (page_answer(h) || ui_answer(h) || web_answer(h))
		return;
	if (endpoint != NULL)
		m = route_find(h->a, q->method, endpoint);
	if (m.allow == NULL) {
		respond_failure(h, 0,
		    &(const struct failure){ .status = ST_NOT_FOUND,
			.message = "there is no such resource",
			.reason = "NO_RESOURCE" });
	} else if (m.route == NULL) {
		blobs_options(h);
		respond_no_method(h, m.allow);
	} else if (m.route->kind == OP_EVENTS) {
		respond_failure(h, 406, &only_a_stream);
	} else {
		h->op.route = m.route;
		h->op.id = m.id;
		if (op_is_bytes(m.route->kind)) {
			blobs_answer(h);
			return;
		}
		if (!read_request(h) || !idempotency_read(h))
			return;
		if (h->keyed != NULL)
			idempotency_start(h);
		else if (h->refusal != NULL)
			handling_refuse(h);
		else
			handling_execute(h);
	}
}

void
handling_end(struct handling *h)
{
	if (h->op.route != NULL)
		say_deprecated(h, contract_deprecation(h->op.route));
	h->about = (struct call_about){ .http_method = h->q->method,
		.path = h->q->path,
		.http_status = h->out.status,
		.route = ops_route_of };
	call_say_about(h->c, &h->about);
	if (h->done != NULL)
		h->done(&h->out, h->ctx);
	else
		call_reply(h->c, &h->out.base);
}

void
handling_execute(struct handling *h)
{
	if (h->refusal != NULL) {
		respond_failure(h, 0, h->refusal);
		return;
	}
	STEP("rest.request.read");
	if (h->op.route->kind == OP_APPLY) {
		apply_start(h);
		return;
	}
	h->rpc = ops_execute(h->c, h->task, on_executed, h);
}

/* Last of all: a recorded answer must not keep what may have changed since. d NULL: nothing. */
static void
say_deprecated(struct handling *h, const struct deprecation *d)
{
	if (d == NULL)
		return;
	respond_header(h, "Deprecation", d->since);
	if (d->sunset != NULL)
		respond_header(h, "Sunset", d->sunset);
	respond_header(h, "Link", d->links);
}

void
handling_refuse(struct handling *h)
{
	const char *permission = h->op.route->permission;

	if (h->op.credential[0] == '\0' && permission[0] != '\0')
		h->rpc = ops_ask(h->c, &h->op, permission, NULL, on_asked, h);
	else
		respond_failure(h, 0, h->refusal);
}

static void
on_asked(const Mf__TaskResponse *m, void *ctx)
{
	struct handling *h = ctx;
	struct failure f;

	if (m == NULL) {
		respond_failure(h, 0, rpc_failure(h->rpc));
	} else if (!m->success) {
		failure_of(h, m, &f);
		respond_failure(h, 0, &f);
	} else {
		respond_failure(h, 0, h->refusal);
	}
}

const char *
handling_header(const struct handling *h, const char *name)
{
	return ops_header(h->q, name);
}

static const char *
endpoint_of(const char *path)
{
	if (str_starts(path, "/v1/"))
		return path + 3;
	return strcmp(path, "/health") == 0 ? path : NULL;
}

/* False: answered. What the document says against it becomes h->refusal. */
static bool
read_request(struct handling *h)
{
	const Mf__HttpRequest *q = h->q;
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct param *params;
	struct op asked;

	if (!query_parse(h->a, q->query, &params, &h->op.n_params, &f)) {
		respond_failure(h, 0, &f);
		return false;
	}
	h->op.params = params;
	h->op.operation_id = q->operation_id;
	h->op.client_address = call_client_address(h->c, q->client_address);
	h->op.user_agent = handling_header(h, "user-agent");
	if ((h->op.credential = credential_of(h)) == NULL || !id_ok(h) || !headers_ok(h) ||
	    !read_body(h))
		return false;
	if (h->op.operation_id[0] == '\0') { /* a caller that is no edge: nothing can be repeated */
		char *id = arena_alloc(h->a, UUID_LEN);

		uuid7(id);
		h->op.operation_id = id;
	}
	if (!contract_holds(h))
		return true;
	if (!read_conditions(h) || !fields_read(h))
		return false;
	asked = h->op;
	if (asked.route->kind == OP_FLEET)
		asked.n_params = 0; /* they choose from the answer */
	if ((h->task = ops_build(h->a, &asked, &f)) == NULL) {
		respond_failure(h, 0, &f);
		return false;
	}
	return true;
}

/* Query and body, all that is wrong at once. A bulk is looked at member by member: what is wrong with
 * one is its own answer. */
static bool
contract_holds(struct handling *h)
{
	const struct route *r = h->op.route;
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	const json_t *members;

	(void)contract_query(h->a, r, h->op.params, h->op.n_params, &f);
	if (!h->op.lines)
		(void)contract_body(h->a, r, h->op.body, &f);
	if (r->kind == OP_APPLY && f.status == ST_OK)
		(void)apply_read(h, &f);
	if (f.status != ST_OK) {
		h->refusal = arena_dup(h->a, &f, sizeof(f));
		return false;
	}
	if (r->kind != OP_BULK)
		return true;
	members = json_is_array(h->op.body) ? h->op.body : json_object_get(h->op.body, "tasks");
	if (h->op.refused == NULL)
		h->op.refused =
		    ARENA_ARRAY(h->a, const struct failure *, json_array_size(members) + 1);
	contract_members(h->a, r, members, h->op.refused);
	return true;
}

static bool
id_ok(struct handling *h)
{
	if (contract_id(h->a, h->op.route, h->op.id))
		return true;
	respond_failure(h, 0,
	    &(const struct failure){ .status = ST_NOT_FOUND,
		.message = h->op.route->of == NULL
	                       ? "nothing here has this id"
	                       : arena_printf(h->a, "no %s has this id", h->op.route->of->model),
		.reason = "" });
	return false;
}

static bool
headers_ok(struct handling *h)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };

	for (size_t i = 0; i < h->q->n_headers; i++)
		(void)contract_header(
		    h->a, h->op.route, h->q->headers[i]->key, h->q->headers[i]->value, &f);
	if (f.status == ST_OK)
		return true;
	f.reason = "BAD_REQUEST";
	respond_failure(h, 0, &f);
	return false;
}

/* Read once, here. GET, HEAD and DELETE have no use for a body (RFC 9110, 9.3). */
static bool
read_body(struct handling *h)
{
	const Mf__HttpRequest *q = h->q;
	struct json_error e;

	if (q->body.len == 0 || strcmp(q->method, "GET") == 0 || strcmp(q->method, "HEAD") == 0 ||
	    strcmp(q->method, "DELETE") == 0)
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

	h->op.session = handling_header(h, "metafed-session");
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

/* NULL: answered. */
static const char *
credential_of(struct handling *h)
{
	const char *token = ops_credential(h->a, h->q, &h->op.proof);

	if (token == NULL)
		respond_failure(h, 0, &ops_bad_credential);
	return token;
}

static void
on_executed(const Mf__TaskResponse *m, void *ctx)
{
	struct handling *h = ctx;

	STEP("rest.request.executed");
	if (m == NULL)
		respond_failure(h, 0, rpc_failure(h->rpc));
	else
		respond_result(h, m);
}
