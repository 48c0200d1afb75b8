/* answer: what goes back, and its header fields. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/cors.h"
#include "api/exchange.h"
#include "api/gzip.h"
#include "api/ops/ops.h"
#include "api/ops/web.h"
#include "base/log.h"

#define ORIGIN_ROOM  256
#define STREAM_PIECE (4u << 10) /* bytes that are asked for at a time */

struct outgoing { /* an answer on its way to libmicrohttpd */
	const struct http_header *headers;
	size_t n_headers;
	const char *type;               /* its Content-Type */
	const struct http_header *etag; /* whose value `tag` is */
	char tag[ETAG_MARKED];
	const char *caching; /* Cache-Control */
	bool has_caching, has_csp, has_referrer;
	bool has_coding; /* or may not get one */
	bool varies;     /* with Accept-Encoding */
	const void *body;
	void *coded; /* instead of it */
	size_t n;
};

static void pass_on(struct exchange *, const struct outgoing *);
static void look_over(struct outgoing *);
static void encode(struct exchange *, struct outgoing *);
static bool may_be_coded(const struct exchange *, const struct outgoing *);
static void add_ours(struct exchange *, const struct outgoing *);
static void add_cors(struct exchange *, bool);
static const char *allowed_origin(const struct exchange *, char[ORIGIN_ROOM]);
static size_t
what_instead(const struct exchange *, int, const struct failure *, struct http_header *);
static void violated_policies(struct jw *, const struct charge *);
static void add(struct exchange *, const char *, const char *);

void
exchange_answer(struct exchange *x, int http, size_t n_headers, const struct http_header *headers,
    const void *body, size_t n)
{
	struct outgoing o = { .headers = headers, .n_headers = n_headers, .body = body, .n = n };

	must(x->response == NULL && x->http == 0);
	x->call = NULL;
	timer_stop(&x->gone);
	x->http = http;
	x->sent = n;
	look_over(&o);
	encode(x, &o);
	x->response = o.coded != NULL
	                  ? MHD_create_response_from_buffer_with_free_callback(o.n, o.coded, free)
	                  : MHD_create_response_from_buffer_copy(o.n, o.body);
	if (x->response == NULL)
		fatal("out of memory");
	pass_on(x, &o);
}

/* The connection's last answer: how long it is nobody knows. */
void
answer_stream(struct exchange *x, MHD_ContentReaderCallback reader, void *ctx, size_t n_headers,
    const struct http_header *headers)
{
	struct outgoing o = { .headers = headers, .n_headers = n_headers };

	must(x->response == NULL && x->http == 0);
	x->http = 200;
	x->close = true;
	look_over(&o);
	x->response =
	    MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_PIECE, reader, ctx, NULL);
	if (x->response == NULL)
		fatal("out of memory");
	pass_on(x, &o);
}

void
answer_sized(struct exchange *x, int http, uint64_t length, size_t block,
    MHD_ContentReaderCallback reader, void *ctx, size_t n_headers,
    const struct http_header *headers)
{
	struct outgoing o = { .headers = headers, .n_headers = n_headers };

	must(x->response == NULL && x->http == 0);
	timer_stop(&x->gone);
	x->http = http;
	look_over(&o);
	x->response = MHD_create_response_from_callback(length, block, reader, ctx, NULL);
	if (x->response == NULL)
		fatal("out of memory");
	pass_on(x, &o);
}

static void
pass_on(struct exchange *x, const struct outgoing *o)
{
	for (size_t i = 0; i < o->n_headers; i++) {
		const struct http_header *h = &o->headers[i];

		add(x, h->name, h == o->etag ? o->tag : h->value);
	}
	add_ours(x, o);
	if (x->suspended)
		edge_answered(x->e, x);
	else
		exchange_flush(x);
}

/* What of its fields matters to us. */
static void
look_over(struct outgoing *o)
{
	for (size_t i = 0; i < o->n_headers; i++) {
		const struct http_header *h = &o->headers[i];

		if (strcasecmp(h->name, "Content-Type") == 0)
			o->type = h->value;
		else if (strcasecmp(h->name, "ETag") == 0)
			o->etag = h;
		else if (strcasecmp(h->name, "Cache-Control") == 0)
			o->caching = h->value, o->has_caching = true;
		else if (strcasecmp(h->name, "Content-Security-Policy") == 0)
			o->has_csp = true;
		else if (strcasecmp(h->name, "Referrer-Policy") == 0)
			o->has_referrer = true;
		else if (strcasecmp(h->name, "Content-Encoding") == 0 ||
			 strcasecmp(h->name, "Accept-Ranges") == 0)
			o->has_coding = true; /* or its bytes have numbers */
	}
	if (o->etag != NULL)
		snprintf(o->tag, sizeof(o->tag), "%s", o->etag->value);
	if (o->etag != NULL && strcmp(o->tag, o->etag->value) != 0) {
		o->etag =
		    NULL; /* longer than any of ours: it stays as it is, and so does the body */
		o->has_coding = true;
	}
}

/* Smaller, where the client takes it, it is worth it, and does not take the loop too long. Never
 * what is not to be stored: that is where secrets stand beside what the client sent (BREACH). A 304
 * speaks of the representation that the client has. */
static void
encode(struct exchange *x, struct outgoing *o)
{
	const struct api_config *c = edge_config(x->e);
	struct str accept = x->head.fields[F_ACCEPT_ENCODING],
		   has = x->head.fields[F_IF_NONE_MATCH];
	char marked[ETAG_MARKED];
	bool change = false;

	if (o->caching == NULL && (str_starts(x->path, "/v1/auth/") || web_path(x->path) != NULL))
		o->caching = "no-store";
	o->varies = may_be_coded(x, o);
	if (!o->varies || !gzip_accepted(accept))
		return;
	if (x->http == 304)
		change = etag_is_marked(has.p, has.n);
	else if (o->n >= (size_t)c->gzip_min && o->n <= (size_t)c->gzip_most)
		change = (o->coded = gzip(o->body, o->n, &o->n)) != NULL;
	if (change && o->etag != NULL && etag_mark(o->tag, marked))
		memcpy(o->tag, marked, sizeof(marked));
}

/* A size that is too small today may not be so tomorrow: what caches keep varies all the same. */
static bool
may_be_coded(const struct exchange *x, const struct outgoing *o)
{
	const struct api_config *c = edge_config(x->e);
	bool kept = x->head.method == M_GET || x->head.method == M_HEAD;

	if (c->gzip_min == 0 || o->has_coding ||
	    (o->caching != NULL && strstr(o->caching, "no-store") != NULL))
		return false;
	return x->http == 304 || (o->type != NULL && (kept || o->n >= (size_t)c->gzip_min) &&
				     media_compressible(o->type));
}

/* What every answer says. */
static void
add_ours(struct exchange *x, const struct outgoing *o)
{
	const struct api_settings *s = edge_settings(x->e);
	char policy[CHARGE_TEXT], state[CHARGE_TEXT];

	add(x, "X-Content-Type-Options", "nosniff");
	if (!o->has_csp)
		add(x, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
	if (!o->has_referrer)
		add(x, "Referrer-Policy", "no-referrer");
	if (o->caching != NULL && !o->has_caching)
		add(x, "Cache-Control", o->caching);
	if (o->coded != NULL)
		add(x, "Content-Encoding", "gzip");
	if (x->close || edge_draining(x->e))
		add(x, "Connection", "close");
	if (s->hsts[0] != '\0' && edge_tls(x->e))
		add(x, "Strict-Transport-Security", s->hsts);
	if (charge_write(&x->charge, policy, state)) {
		add(x, "RateLimit-Policy", policy);
		add(x, "RateLimit", state);
	}
	add_cors(x, o->varies);
}

static void
add_cors(struct exchange *x, bool varies)
{
	const struct origins *o = &edge_settings(x->e)->origins;
	const struct web_path *p = web_path(x->path);
	char room[ORIGIN_ROOM];
	const char *allowed = allowed_origin(x, room);
	bool by_origin = origins_set(o) && !o->any && (p == NULL || p->readers == WEB_ORIGINS);

	if (varies || by_origin)
		add(x, "Vary",
		    !varies      ? "Origin"
		    : !by_origin ? "Accept-Encoding"
				 : "Accept-Encoding, Origin");
	if (allowed == NULL)
		return;
	add(x, "Access-Control-Allow-Origin", allowed);
	if (!answer_is_preflight(x)) {
		add(x, "Access-Control-Expose-Headers", CORS_EXPOSED);
		return;
	}
	add(x, "Access-Control-Allow-Methods", CORS_METHODS);
	add(x, "Access-Control-Allow-Headers", CORS_HEADERS);
	add(x, "Access-Control-Max-Age", CORS_MAX_AGE);
}

bool
answer_is_preflight(const struct exchange *x)
{
	char room[ORIGIN_ROOM];

	return x->head.method == M_OPTIONS && x->head.fields[F_REQUESTED_METHOD].p != NULL &&
	       allowed_origin(x, room) != NULL;
}

/* NULL: no page of another origin. */
static const char *
allowed_origin(const struct exchange *x, char room[ORIGIN_ROOM])
{
	const struct web_path *p = web_path(x->path);

	if (p != NULL && p->readers == WEB_ANYBODY)
		return "*";
	if (p != NULL && p->readers == WEB_OWN)
		return NULL;
	return origins_allow(
	    &edge_settings(x->e)->origins, x->head.fields[F_ORIGIN], room, ORIGIN_ROOM);
}

void
exchange_refuse(struct exchange *x, int http, const struct failure *f)
{
	struct http_header headers[5] = { { "Content-Type", "application/problem+json" } };
	struct arena *a = arena_new(1 << 20);
	size_t n_headers = 1, n;
	uint32_t retry = problem_retry_after(f, http);
	char *body;
	struct jw w;

	if (retry != 0)
		headers[n_headers++] =
		    (struct http_header){ "Retry-After", arena_printf(a, "%u", retry) };
	n_headers += what_instead(x, http, f, headers + n_headers);
	if (web_path(x->path) != NULL) {
		struct str accept = x->head.fields[F_ACCEPT];

		body = web_failure(a, accept.n == 0 ? "" : arena_strndup(a, accept.p, accept.n),
		    http, f, &headers[0].value, &n);
	} else {
		jw_start(&w, a, 512);
		problem_write(&w, NULL, http, f, "", true);
		if (http == 429)
			violated_policies(&w, &x->charge);
		jw_close(&w, '}');
		body = jw_text(&w, &n);
	}
	exchange_answer(x, http, n_headers, headers, body, n);
	arena_free(&a);
}

/* What would have been taken (RFC 9110, 15.5.2, 15.5.6 and 15.5.16; RFC 5789). */
static size_t
what_instead(const struct exchange *x, int http, const struct failure *f, struct http_header *out)
{
	static const struct http_header allow = { "Allow", "GET, HEAD, OPTIONS" },
					upgrade[] = { { "Upgrade", "websocket" },
						{ "Connection", "Upgrade" },
						{ "Sec-WebSocket-Version", "13" } },
					challenge = { "WWW-Authenticate", "Bearer" },
					coding = { "Accept-Encoding", "identity" },
					type = { "Accept", "application/json" },
					form = { "Accept", "application/x-www-form-urlencoded" },
					patch = { "Accept-Patch",
						"application/merge-patch+json, application/json" };

	if (http == 426) {
		memcpy(out, upgrade, sizeof(upgrade));
		return 3;
	}
	if (http == 401)
		out[0] = challenge;
	else if (http == 405)
		out[0] = allow;
	else if (http == 415 && strcmp(f->reason, "BAD_CONTENT_ENCODING") == 0)
		out[0] = coding;
	else if (http == 415)
		out[0] = web_path(x->path) != NULL   ? form
		         : x->head.method == M_PATCH ? patch
		                                     : type;
	else
		return 0;
	return 1;
}

/* The connection's last answer: behind it something else than HTTP is spoken. */
void
answer_upgrade(struct exchange *x, MHD_UpgradeHandler then, size_t n_headers,
    const struct http_header *headers)
{
	must(x->response == NULL && x->http == 0);
	x->http = 101;
	if ((x->response = MHD_create_response_for_upgrade(then, x->e)) == NULL)
		fatal("out of memory");
	for (size_t i = 0; i < n_headers; i++)
		add(x, headers[i].name, headers[i].value);
	exchange_flush(x);
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
	                  : r->http == 503                 ? ST_UNAVAILABLE
	                  : r->http == 403                 ? ST_PERMISSION_DENIED
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
