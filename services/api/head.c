/* head: everything that can be known of a request before its body. An answer here means that the
 * body is not read, or read past. */
#include <string.h>

#include "api/exchange.h"
#include "api/ops/web.h"
#include "api/upload.h"

struct checking { /* while the header lines are walked */
	struct http_head *head;
	const struct http_refusal *r;
};

static void look_at_client(struct exchange *);
static const struct http_refusal *charge(struct exchange *);
static bool refuse_later(struct exchange *, const struct http_refusal *);
static enum MHD_Result
on_field(void *, enum MHD_ValueKind, const char *, size_t, const char *, size_t);
static const struct http_refusal *check_content(const struct exchange *);
static bool is_acceptable(const struct exchange *);

enum MHD_Result
head_look(struct exchange *x, const char *method, const char *version)
{
	const struct api_config *c = edge_config(x->e);
	const struct http_refusal *r;

	x->version = version;
	if (strlen(x->target) > (size_t)c->uri_limit) {
		x->close = true;
		answer_refusal(x, &(const struct http_refusal){
				      414, "URI_TOO_LONG", "the request target is too long" });
		return MHD_YES;
	}
	if ((r = http_check_line(&x->head, method, x->target, version)) == NULL &&
	    (r = http_decode_path(x->head.path, x->path)) == NULL) {
		struct checking checking = { &x->head, NULL };

		MHD_get_connection_values_n(x->m, MHD_HEADER_KIND, on_field, &checking);
		r = checking.r;
	}
	/* How large a blob may be is its store's to say. */
	if (r == NULL && (r = http_check_head(&x->head, version, exchange_body_most(x))) == NULL) {
		look_at_client(x);
		if ((r = charge(x)) == NULL)
			r = check_content(x);
	}
	if (r != NULL && !refuse_later(x, r)) {
		answer_refusal(x, r);
		return MHD_YES;
	}
	if (x->head.chunked || x->head.content_length != 0)
		conn_enter(x->k, CONN_BODY, NULL);
	if (r == NULL && upload_wanted(&x->head))
		upload_begin(x);
	return MHD_YES;
}

/* Behind a proxy the connection's address is the proxy's. */
static void
look_at_client(struct exchange *x)
{
	const struct address *peer = conn_peer(x->k);

	x->from = settings_client(edge_settings(x->e), peer, x->head.fields[F_X_FORWARDED_FOR]);
	if (!address_same(&x->from, peer))
		address_write(&x->from, x->client);
}

/* Whoever watches over us asks as often as he likes. */
static const struct http_refusal *
charge(struct exchange *x)
{
	static const struct http_refusal too_many = { 429, "RATE_LIMITED",
		"too many requests: RateLimit says when there will be room again" };

	if (is_probe(x->path) || quota_charge(edge_quota(x->e), &edge_settings(x->e)->limits,
				     &x->from, x->head.fields[F_AUTHORIZATION], x->head.method,
				     x->path, loop_now(node_loop(edge_node(x->e))), &x->charge))
		return NULL;
	return &too_many;
}

/* Where the framing of the request is in doubt nothing behind its head is read, and the connection
 * ends. Else its body is read past first, if it is not endless: to close on bytes that are under
 * way would destroy the answer. */
static bool
refuse_later(struct exchange *x, const struct http_refusal *r)
{
	uint64_t most = DISCARD_FACTOR * (uint64_t)edge_config(x->e)->body_limit;
	bool body = x->head.chunked || x->head.content_length != 0;

	x->close = r->http == 400 || r->http == 501 || r->http == 505;
	if (x->close || !body || x->head.fields[F_EXPECT].p != NULL ||
	    x->head.content_length > most) {
		if (x->close || body)
			conn_unread(x->k);
		return false;
	}
	x->refusal = r;
	return true;
}

static enum MHD_Result
on_field(void *ctx, enum MHD_ValueKind kind, const char *name, size_t name_n, const char *value,
    size_t value_n)
{
	struct checking *c = ctx;

	(void)kind;
	c->r = http_check_field(c->head, (struct str){ name, name_n },
	    (struct str){ value == NULL ? "" : value, value_n });
	return c->r == NULL ? MHD_YES : MHD_NO;
}

/* The API speaks JSON, and merge patches of it (RFC 7396); lists of tasks may come line by line, and
 * events go out as a stream of them. */
static const struct http_refusal *
check_content(const struct exchange *x)
{
	static const struct http_refusal
	    token = { 400, "TOKEN_IN_QUERY",
		    "a token in an address is in every log on the way: it belongs into the "
		    "Authorization header" },
	    type = { 415, "BAD_MEDIA_TYPE", "the body must be application/json" },
	    patch_type = { 415, "BAD_MEDIA_TYPE",
		    "a patch must be application/merge-patch+json or application/json" },
	    form_type = { 415, "BAD_MEDIA_TYPE",
		    "the body must be application/x-www-form-urlencoded or application/json" },
	    accept = { 406, "NOT_ACCEPTABLE",
		    "answers are application/json and application/problem+json" };
	const struct http_head *h = &x->head;
	struct str content = h->fields[F_CONTENT_TYPE];
	bool body = h->chunked || h->content_length != 0,
	     json = media_is(content, "application/json");

	if (h->query.n != 0 && http_query_names(h->query, "access_token"))
		return &token;
	if (web_path(x->path) != NULL)
		return !body || json || media_is(content, "application/x-www-form-urlencoded")
		           ? NULL
		           : &form_type;
	if (!str_starts(x->path, "/v1/") || upload_is_bytes(h->path))
		return NULL;
	if (body && h->method == M_PATCH && !json &&
	    !media_is(content, "application/merge-patch+json"))
		return &patch_type;
	if (body && (h->method == M_POST || h->method == M_PUT) && !json &&
	    !(strcmp(x->path, "/v1/tasks:bulk") == 0 && media_is(content, "application/x-ndjson")))
		return &type;
	return is_acceptable(x) ? NULL : &accept;
}

static bool
is_acceptable(const struct exchange *x)
{
	const char *const types[] = { "application/json", "application/problem+json",
		strcmp(x->path, "/v1/events") == 0 ? "text/event-stream" : "application/x-ndjson" };
	size_t n =
	    strcmp(x->path, "/v1/events") == 0 || strcmp(x->path, "/v1/tasks:bulk") == 0 ? 3 : 2;
	struct str accept = x->head.fields[F_ACCEPT];

	if (accept.n == 0 || x->head.many_accepts)
		return true;
	for (size_t i = 0; i < n; i++)
		if (media_accepted(accept, types[i]))
			return true;
	return false;
}
