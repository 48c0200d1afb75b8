/* answer: what goes back, and its header fields. */
#include <string.h>

#include "api/exchange.h"
#include "api/ops/ops.h"
#include "base/log.h"

static size_t
what_instead(const struct exchange *, int, const struct failure *, struct http_header *);
static void violated_policies(struct jw *, const struct charge *);
static void add(struct exchange *, const char *, const char *);

void
exchange_answer(struct exchange *x, int http, size_t n_headers, const struct http_header *headers,
    const void *body, size_t n)
{
	char policy[CHARGE_TEXT], state[CHARGE_TEXT];

	must(x->response == NULL && x->http == 0);
	x->call = NULL;
	timer_stop(&x->gone);
	x->http = http;
	x->response = MHD_create_response_from_buffer_copy(n, body);
	if (x->response == NULL)
		fatal("out of memory");
	for (size_t i = 0; i < n_headers; i++)
		add(x, headers[i].name, headers[i].value);
	if (x->close || edge_draining(x->e))
		add(x, "Connection", "close");
	if (edge_settings(x->e)->hsts[0] != '\0' && edge_tls(x->e))
		add(x, "Strict-Transport-Security", edge_settings(x->e)->hsts);
	if (charge_write(&x->charge, policy, state)) {
		add(x, "RateLimit-Policy", policy);
		add(x, "RateLimit", state);
	}
	if (x->suspended)
		edge_answered(x->e, x);
	else
		exchange_flush(x);
}

void
exchange_refuse(struct exchange *x, int http, const struct failure *f)
{
	struct http_header headers[4] = { { "Content-Type", "application/problem+json" } };
	struct arena *a = arena_new(1 << 20);
	size_t n_headers = 1, n;
	uint32_t retry = problem_retry_after(f, http);
	char *body;
	struct jw w;

	if (retry != 0)
		headers[n_headers++] =
		    (struct http_header){ "Retry-After", arena_printf(a, "%u", retry) };
	n_headers += what_instead(x, http, f, headers + n_headers);
	jw_start(&w, a, 512);
	problem_write(&w, NULL, http, f, "", true);
	if (http == 429)
		violated_policies(&w, &x->charge);
	jw_close(&w, '}');
	body = jw_text(&w, &n);
	exchange_answer(x, http, n_headers, headers, body, n);
	arena_free(&a);
}

/* What would have been taken (RFC 9110, 15.5.6 and 15.5.16; RFC 5789). */
static size_t
what_instead(const struct exchange *x, int http, const struct failure *f, struct http_header *out)
{
	static const struct http_header allow = { "Allow", "GET, HEAD, OPTIONS" },
					coding = { "Accept-Encoding", "identity" },
					type = { "Accept", "application/json" },
					patch = { "Accept-Patch",
						"application/merge-patch+json, application/json" };

	if (http == 405)
		out[0] = allow;
	else if (http == 415 && strcmp(f->reason, "BAD_CONTENT_ENCODING") == 0)
		out[0] = coding;
	else if (http == 415)
		out[0] = x->head.method == M_PATCH ? patch : type;
	else
		return 0;
	return 1;
}

void
answer_refusal(struct exchange *x, const struct http_refusal *r)
{
	int64_t wait_us = r->http == 429 ? charge_wait_us(&x->charge) : 0;

	exchange_refuse(x, r->http,
	    &(const struct failure){ .message = r->message,
		.reason = r->reason,
		.retry_ms = (uint32_t)((wait_us + 999) / 1000),
		.status = r->http == 501 || r->http == 505 ? ST_UNIMPLEMENTED
	                  : r->http == 429                 ? ST_RESOURCE_EXHAUSTED
	                                                   : ST_INVALID_ARGUMENT });
}

/* As draft-ietf-httpapi-ratelimit-headers-10 has it, 5.1. */
static void
violated_policies(struct jw *w, const struct charge *c)
{
	jw_array(w, "violated-policies");
	for (size_t i = 0; i < c->n; i++)
		if (!c->takings[i].allowed)
			jw_str(w, NULL, c->limits[i]->name);
	jw_close(w, ']');
}

static void
add(struct exchange *x, const char *name, const char *value)
{
	if (MHD_add_response_header(x->response, name, value) != MHD_YES)
		log_warn("answer_header_refused", L_STR("name", name));
}
