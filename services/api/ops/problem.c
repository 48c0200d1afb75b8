/* problem: a failure as the HTTP world wants it: a status, and problem details (RFC 9457) with our
 * code and reason. */
#include <string.h>

#include "api/ops/ops.h"
#include "base/failure.h"

static const char *title_of(int);
static const char *text_of(const json_t *, const char *);

static const struct {
	enum status status;
	const char *reason; /* NULL: any */
	int http;
} exceptions[] = {
	/* to status_http; the first that fits */
	{ ST_INVALID_ARGUMENT, "BAD_JSON", 400 },
	{ ST_INVALID_ARGUMENT, "BAD_REQUEST", 400 },
	{ ST_INVALID_ARGUMENT, NULL, 422 }, /* well-formed but wrong */
	{ ST_OUT_OF_RANGE, NULL, 422 },
	{ ST_FAILED_PRECONDITION, NULL, 409 },
	{ ST_CANCELLED, NULL, 503 }, /* not by the client: nobody would read this */
	/* not the client's rate, but what the fleet takes on */
	{ ST_RESOURCE_EXHAUSTED, "SHED", 503 },
	{ ST_RESOURCE_EXHAUSTED, "THROTTLED", 503 },
	{ ST_RESOURCE_EXHAUSTED, "ESSENTIAL_ONLY", 503 },
	{ ST_RESOURCE_EXHAUSTED, "BULKHEAD", 503 },
};

int
problem_http(const struct failure *f)
{
	for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++)
		if (exceptions[i].status == f->status &&
		    (exceptions[i].reason == NULL || strcmp(exceptions[i].reason, f->reason) == 0))
			return exceptions[i].http;
	return status_http(f->status);
}

void
problem_write(struct jw *w, const char *key, int http, const struct failure *f,
    const char *trace_id, bool open)
{
	if (http == 0)
		http = problem_http(f);
	jw_object(w, key);
	jw_str(w, "type", "about:blank");
	jw_str(w, "title", title_of(http));
	jw_int(w, "status", http);
	if (f->message[0] != '\0')
		jw_str(w, "detail", f->message);
	jw_failure(w, f, trace_id);
	if (!open)
		jw_close(w, '}');
}

/* Whole seconds, rounded up; who is told to come again is told when. */
uint32_t
problem_retry_after(const struct failure *f, int http)
{
	if (http != 503 && http != 429)
		return 0;
	return f->retry_ms <= 1000 ? 1 : f->retry_ms / 1000 + (f->retry_ms % 1000 != 0);
}

void
problem_from(struct arena *a, const Mf__Problem *p, struct failure *f)
{
	struct violation *v = ARENA_ARRAY(a, struct violation, p->n_violations + 1);

	for (size_t i = 0; i < p->n_violations; i++)
		v[i] = (struct violation){ p->violations[i]->field, p->violations[i]->description };
	*f = (struct failure){
		.status = p->code == ST_OK ? ST_UNKNOWN : (enum status)p->code,
		.message = p->message,
		.reason = p->reason,
		.retry_ms = p->retry_delay_ms,
		.n_violations = p->n_violations,
		.violations = v,
	};
}

/* As it stands in the results of bulk operations; what is missing or odd becomes UNKNOWN. */
void
problem_from_json(struct arena *a, const json_t *p, struct failure *f)
{
	const json_t *list = json_object_get(p, "violations"), *code = json_object_get(p, "code");
	size_t n = json_array_size(list);
	struct violation *v = ARENA_ARRAY(a, struct violation, n + 1);

	for (size_t i = 0; i < n; i++) {
		const json_t *one = json_array_get(list, i);

		v[i] = (struct violation){ text_of(one, "field"), text_of(one, "description") };
	}
	*f = (struct failure){
		.status = json_is_integer(code) ? (enum status)json_integer_value(code)
		                                : status_from_name(text_of(p, "code")),
		.message = text_of(p, "message"),
		.reason = text_of(p, "reason"),
		.n_violations = n,
		.violations = v,
	};
	if (f->status == ST_OK)
		f->status = ST_UNKNOWN;
}

void
trace_id_of(const char *traceparent, char out[33])
{
	size_t n = strlen(traceparent) >= 35 ? 32 : 0;

	if (n != 0)
		memcpy(out, traceparent + 3, n);
	out[n] = '\0';
}

static const char *
title_of(int http)
{
	static const struct {
		int http;
		const char *title;
	} titles[] = {
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 406, "Not Acceptable" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 422, "Unprocessable Content" },
		{ 426, "Upgrade Required" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		if (titles[i].http == http)
			return titles[i].title;
	return "Error";
}

static const char *
text_of(const json_t *v, const char *key)
{
	const json_t *s = json_object_get(v, key);

	return json_is_string(s) ? json_string_value(s) : "";
}
