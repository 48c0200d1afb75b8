/* respond: what meta answered, as HTTP says it. One case per kind of operation; JSON of tasks
 * passes through as bytes. */
#include <inttypes.h>
#include <string.h>

#include "api/rest/handling.h"
#include "api/rest/idempotency.h"
#include "base/log.h"
#include "base/time.h"

static void respond_warnings(struct handling *, const Mf__TaskResponse *);
static void respond_created(struct handling *, const Mf__TaskResponse *);
static const char *created_id(struct handling *, const Mf__TaskResponse *, const char *);
static void respond_object(struct handling *, const Mf__TaskResponse *);
static void respond_content(struct handling *, const Mf__TaskResponse *);
static void respond_fleet(struct handling *, const Mf__TaskResponse *);
static void respond_bulk(struct handling *, const Mf__TaskResponse *);
static void respond_raw(struct handling *, const Mf__TaskResponse *);
static void respond_broken(struct handling *, const char *);
static void respond_age(struct handling *, const Mf__TaskResponse *);
static void respond_etag(struct handling *, uint64_t);
static int http_of(const struct handling *, const struct failure *);
static void failure_headers(struct handling *, int, const struct failure *);

void
respond_header(struct handling *h, const char *name, const char *value)
{
	Mf__KeyValue *kv = arena_alloc(h->a, sizeof(*kv));

	must(h->out.n_headers < RESPOND_HEADERS);
	mf__key_value__init(kv);
	kv->key = (char *)name;
	kv->value = (char *)value;
	h->headers[h->out.n_headers++] = kv;
}

void
respond(struct handling *h, int status, const void *body, size_t n)
{
	h->out.status = (uint32_t)status;
	h->out.headers = h->headers;
	h->out.body = (ProtobufCBinaryData){ n, (uint8_t *)body };
	if (n != 0 && h->content_type == NULL)
		h->content_type = "application/json";
	if (n != 0)
		respond_header(h, "Content-Type", h->content_type);
	idempotency_end(h);
}

void
respond_no_method(struct handling *h, const char *allow)
{
	respond_header(h, "Allow", allow);
	if (strcmp(h->q->method, "OPTIONS") == 0)
		respond(h, 204, NULL, 0);
	else
		respond_failure(h, 405,
		    &(const struct failure){ .status = ST_UNIMPLEMENTED,
			.message = "the resource does not have this method",
			.reason = "METHOD_NOT_ALLOWED" });
}

void
respond_failure(struct handling *h, int http, const struct failure *f)
{
	char trace[33];
	struct jw w;
	size_t n;
	char *p;

	if (http == 0)
		http = http_of(h, f);
	failure_headers(h, http, f);
	trace_id_of(call_traceparent(h->c), trace);
	jw_start(&w, h->a, 512);
	problem_write(&w, NULL, http, f, trace, false);
	p = jw_text(&w, &n);
	h->content_type = "application/problem+json";
	respond(h, http, p, n);
}

void
respond_result(struct handling *h, const Mf__TaskResponse *m)
{
	struct failure f;

	respond_principal(h, m);
	respond_warnings(h, m);
	if (h->task->database != NULL && ops_tells_secret(h->task->database->model))
		respond_header(h, "Cache-Control", "no-store");
	if (h->op.route->kind == OP_REQUEST) {
		respond_raw(h, m);
		return;
	}
	if (!m->success) {
		failure_of(h, m, &f);
		respond_failure(h, 0, &f);
		return;
	}
	if (m->degraded)
		respond_header(h, "Metafed-Degraded", "true");
	respond_age(h, m);
	switch (h->op.route->kind) {
	case OP_CREATE:
		respond_created(h, m);
		break;
	case OP_READ:
	case OP_UPDATE:
		if (h->op.route->status == 204)
			respond(h, 204, NULL, 0);
		else
			respond_object(h, m);
		break;
	case OP_BULK:
		respond_bulk(h, m);
		break;
	case OP_LOGIN:
	case OP_REFRESH:
		respond_header(h, "Cache-Control", "no-store");
		respond(h, h->op.route->status, m->result.data, m->result.len);
		break;
	case OP_DELETE:
	case OP_LOGOUT:
		respond(h, h->op.route->status, NULL, 0);
		break;
	case OP_LIST:
		respond_content(h, m);
		break;
	case OP_FLEET:
		respond_fleet(h, m);
		break;
	case OP_RESTART:
	case OP_FAULTS:
	case OP_LOG_LEVEL:
	case OP_HEALTH:
	case OP_ME:
	case OP_STRATEGY:
	case OP_COUNT:
	case OP_HISTORY:
		respond(h, h->op.route->status, m->result.data, m->result.len);
		break;
	case OP_OWN:
		respond(h, h->op.route->status, m->result.data,
		    h->op.route->status == 204 ? 0 : m->result.len);
		break;
	case OP_REQUEST:
	case OP_APPLY:
	case OP_EVENTS:
	case OP_BLOB_PUT:
	case OP_BLOB_GET:
	case OP_BLOB_LIST:
	case OP_BLOB_DELETE:
	case OP_UPLOAD_CREATE:
	case OP_UPLOAD_STATE:
	case OP_UPLOAD_PIECE:
	case OP_UPLOAD_DELETE:
		break;
	}
}

/* How old it may be: RFC 9111 counts whole seconds. And what a later read names to see no less. */
static void
respond_age(struct handling *h, const Mf__TaskResponse *m)
{
	if (m->age_us != 0) {
		respond_header(h, "Age", arena_printf(h->a, "%" PRIu64, m->age_us / (uint64_t)SEC));
		respond_header(h, "Metafed-Age",
		    arena_printf(h->a, "%" PRIu64, (m->age_us + (uint64_t)MS - 1) / (uint64_t)MS));
	}
	if (m->session[0] != '\0')
		respond_header(h, "Metafed-Session", m->session);
}

/* A list of RFC 9651: the name of each field that is more than half full, with its size and limit. */
static void
respond_warnings(struct handling *h, const Mf__TaskResponse *m)
{
	const char *text = "";

	for (size_t i = 0; i < m->n_warnings; i++)
		text = arena_printf(h->a, "%s%s%s", text, i == 0 ? "" : ", ", m->warnings[i]);
	if (text[0] != '\0')
		respond_header(h, "Metafed-Warning", text);
}

/* The edge limits by it. */
void
respond_principal(struct handling *h, const Mf__TaskResponse *m)
{
	if (!h->q->want_principal || m->principal == NULL || !op_tells_principal(h->op.route->kind))
		return;
	h->out.principal = arena_dup(h->a, m->principal, sizeof(*m->principal));
	h->out.principal->n_permissions = 0;
}

/* Who keeps it may name it otherwise. */
static const char *
created_id(struct handling *h, const Mf__TaskResponse *m, const char *id)
{
	const json_t *v = h->op.route->of->named ? read_object(h, &m->result) : NULL;
	const char *own = json_string_value(json_object_get(v, "id"));

	return own != NULL ? own : id;
}

/* An id of the client's that was there already: what is stored when it is the same, else a
 * conflict. An id of the edge's was there because an agent died after the work: the client never
 * heard of it, for it this is the creation. */
static void
respond_created(struct handling *h, const Mf__TaskResponse *m)
{
	const char *id = h->task->database->id;

	if (m->repeated && strcmp(id, h->op.operation_id) != 0) {
		json_t *stored = read_object(h, &m->result);

		if (stored == NULL)
			respond_broken(h, "what is stored is no JSON object");
		else if (!ops_same(h->op.body, stored))
			respond_failure(h, 0, ops_taken(m));
		else
			respond_object(h, m);
		return;
	}
	respond_header(h, "Location",
	    arena_printf(h->a, "/v1%s/%s", h->op.route->of->path, created_id(h, m, id)));
	respond_etag(h, m->version);
	respond(h, h->op.route->status, m->result.data, m->result.len);
}

static void
respond_object(struct handling *h, const Mf__TaskResponse *m)
{
	respond_etag(h, m->version);
	if (h->if_none_match != NULL && h->if_none_match[0] != '\0' &&
	    etag_if_none_match(
		h->if_none_match, arena_printf(h->a, "%llu", (unsigned long long)m->version)))
		respond(h, 304, NULL, 0);
	else
		respond_content(h, m);
}

/* As it came, unless only some of it is wanted. */
static void
respond_fleet(struct handling *h, const Mf__TaskResponse *m)
{
	json_t *v = h->op.n_params != 0 ? read_object(h, &m->result) : NULL;

	if (h->op.n_params == 0)
		respond(h, h->op.route->status, m->result.data, m->result.len);
	else if (v == NULL)
		respond_broken(h, "the state of the fleet is no JSON object");
	else
		fleet_respond(h, v);
}

/* As it came, unless only some of its fields are wanted. */
static void
respond_content(struct handling *h, const Mf__TaskResponse *m)
{
	json_t *v = h->fields != NULL ? read_object(h, &m->result) : NULL;

	if (h->fields == NULL)
		respond(h, 200, m->result.data, m->result.len);
	else if (v == NULL)
		respond_broken(h, "what is stored is no JSON object");
	else
		fields_respond(h, v);
}

static void
respond_bulk(struct handling *h, const Mf__TaskResponse *m)
{
	size_t n;
	char *body = bulk_answer(h->a, &h->op, m, read_object(h, &m->result), &n);

	if (body == NULL) {
		respond_broken(h, "the result of a bulk create has other items than the request");
		return;
	}
	if (h->op.lines)
		h->content_type = "application/x-ndjson";
	respond(h, h->op.route->status, body, n);
}

/* A full or partial success is a TaskResponse; a failure is a problem that has the TaskResponse
 * with it. */
static void
respond_raw(struct handling *h, const Mf__TaskResponse *m)
{
	struct failure f;
	char trace[33];
	struct jw w;
	size_t n;
	char *p;
	int http;

	jw_start(&w, h->a, 2048);
	if (m->success || m->partial_success) {
		raw_response(&w, NULL, m);
		p = jw_text(&w, &n);
		respond(h, 200, p, n);
		return;
	}
	failure_of(h, m, &f);
	http = http_of(h, &f);
	failure_headers(h, http, &f);
	trace_id_of(call_traceparent(h->c), trace);
	problem_write(&w, NULL, http, &f, trace, true);
	raw_response(&w, "response", m);
	jw_close(&w, '}');
	p = jw_text(&w, &n);
	h->content_type = "application/problem+json";
	respond(h, http, p, n);
}

/* We were promised something else by level 0. */
static void
respond_broken(struct handling *h, const char *what)
{
	log_error("result_broken", L_STR("what", what));
	respond_failure(
	    h, 0, &(const struct failure){ .status = ST_INTERNAL, .message = what, .reason = "" });
}

json_t *
read_object(struct handling *h, const ProtobufCBinaryData *text)
{
	struct json_error e;
	json_t *v = json_read(text->data, text->len, &e);

	if (v != NULL)
		call_own_json(h->c, v);
	return json_is_object(v) ? v : NULL;
}

static void
respond_etag(struct handling *h, uint64_t version)
{
	if (version != 0)
		respond_header(
		    h, "ETag", arena_printf(h->a, "\"%llu\"", (unsigned long long)version));
}

void
failure_of(struct handling *h, const Mf__TaskResponse *m, struct failure *f)
{
	if (m->problem != NULL)
		problem_from(h->a, m->problem, f);
	else
		*f = (struct failure){ .status =
					   m->status == ST_OK ? ST_UNKNOWN : (enum status)m->status,
			.message = "the request failed",
			.reason = "" };
}

/* A version that is not the expected one: the client's condition failed (412), or two writers met
 * (409). */
static int
http_of(const struct handling *h, const struct failure *f)
{
	if (f->status == ST_ABORTED && strcmp(f->reason, "VERSION_CONFLICT") == 0)
		return h->if_match == ETAG_VERSION ? 412 : 409;
	return problem_http(f);
}

static void
failure_headers(struct handling *h, int http, const struct failure *f)
{
	uint32_t retry = problem_retry_after(f, http);
	bool said = h->op.credential == NULL || h->op.credential[0] != '\0';
	const char *challenge;

	if (retry != 0)
		respond_header(h, "Retry-After", arena_printf(h->a, "%u", retry));
	if (http != 401 && http != 403)
		return;
	challenge =
	    ops_challenge(h->a, f, said, h->op.route == NULL ? "" : h->op.route->permission);
	if (challenge != NULL)
		respond_header(h, "WWW-Authenticate", challenge);
}
