/* http: GraphQL over HTTP, edition of September 2026. What is well-formed is always answered as GraphQL
 * says; statuses by what became of it, and by the media type: with application/json, which is for
 * clients that know no other, whatever GraphQL answered is a 200. */
#include <inttypes.h>

#include "api/graphql/http.h"
#include "api/graphql/serving.h"
#include "base/id.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"

#define HEADERS_MOST 11
#define METHODS      "GET, HEAD, POST, OPTIONS"

struct exchanging { /* in its call's arena */
	struct call *c;
	struct arena *a;
	const Mf__HttpRequest *q;
	struct graphql_ask ask;
	enum media media;
	const char *caching;
	Mf__HttpResponse out;
	Mf__KeyValue *headers[HEADERS_MOST];
};

static void serve(struct exchanging *);
static bool read_params(struct exchanging *);
static bool read_credential(struct exchanging *);
static void on_served(void *, const struct graphql_answer *);
static void show_console(struct exchanging *);
static void refuse(struct exchanging *, int, const struct failure *);
static void add_header(struct exchanging *, const char *, const char *);
static void reply(struct exchanging *, int, const char *, const char *, size_t);

static const char *const media_names[] = {
	[MEDIA_JSON] = "application/json; charset=utf-8",
	[MEDIA_GRAPHQL] = "application/graphql-response+json; charset=utf-8",
	[MEDIA_HTML] = "text/html; charset=utf-8",
};

static const struct {
	const char *name; /* for the metric */
	int graphql, json;
} outcomes[] = {
	[GRAPHQL_DATA] = { "data", 200, 200 },
	[GRAPHQL_PARTIAL] = { "partial", 294, 200 },
	[GRAPHQL_UNPARSED] = { "unparsed", 400, 200 },
	[GRAPHQL_INVALID] = { "invalid", 422, 200 },
	[GRAPHQL_NOT_A_QUERY] = { "not_a_query", 405, 405 },
	[GRAPHQL_UNKNOWN_DOCUMENT] = { "unknown_document", 404, 200 },
	[GRAPHQL_FORBIDDEN_DOCUMENT] = { "forbidden_document", 403, 403 },
	[GRAPHQL_TOO_LARGE] = { "too_large", 422, 200 },
};

static const struct failure no_method = {
	.status = ST_UNIMPLEMENTED,
	.message = "Queries come with GET, and everything with POST.",
	.reason = "METHOD_NOT_ALLOWED",
};
static const struct failure not_acceptable = {
	.status = ST_INVALID_ARGUMENT,
	.message = "Answers are application/graphql-response+json and application/json.",
	.reason = "NOT_ACCEPTABLE",
};
static const struct failure bad_type = {
	.status = ST_INVALID_ARGUMENT,
	.message = "The body must be application/json, in UTF-8.",
	.reason = "BAD_MEDIA_TYPE",
};

static bool console_off;

void
http_set_console(bool on)
{
	console_off = !on;
}

void
graphql_http(struct call *c, const Mf__HttpRequest *q)
{
	struct exchanging *x = ARENA_NEW(call_arena(c), struct exchanging);
	bool get = strcmp(q->method, "GET") == 0 || strcmp(q->method, "HEAD") == 0;

	*x = (struct exchanging){ .c = c, .a = call_arena(c), .q = q, .media = MEDIA_JSON };
	mf__http_response__init(&x->out);
	if (strcmp(q->method, "OPTIONS") == 0) {
		add_header(x, "Allow", METHODS);
		reply(x, 204, NULL, NULL, 0);
		return;
	}
	if (!get && strcmp(q->method, "POST") != 0) {
		add_header(x, "Allow", METHODS);
		refuse(x, 405, &no_method);
		return;
	}
	x->media = accept_choose(ops_header(q, "accept"), get && !console_off);
	if (x->media == MEDIA_NONE) {
		x->media = MEDIA_JSON;
		refuse(x, 406, &not_acceptable);
	} else if (x->media == MEDIA_HTML) {
		show_console(x);
	} else {
		serve(x);
	}
}

static void
serve(struct exchanging *x)
{
	char *id;

	x->ask = (struct graphql_ask){
		.operation_name = "",
		.client_address = call_client_address(x->c, x->q->client_address),
		.session = ops_header(x->q, "metafed-session"),
		.operation_id = x->q->operation_id,
		.only_queries = strcmp(x->q->method, "POST") != 0,
		.keyed = ops_header(x->q, "idempotency-key")[0] != '\0',
	};
	if (x->ask.operation_id[0] ==
	    '\0') { /* a caller that is no edge: nothing can be repeated */
		id = arena_alloc(x->a, UUID_LEN);
		uuid7(id);
		x->ask.operation_id = id;
	}
	if (read_params(x) && read_credential(x))
		graphql_serve(x->c, &x->ask, on_served, x);
}

static bool
read_params(struct exchanging *x)
{
	struct params p = { .a = x->a, .ask = &x->ask };
	const Mf__HttpRequest *q = x->q;
	bool fine;

	if (!x->ask.only_queries && !content_is_json(ops_header(q, "content-type"))) {
		refuse(x, 415, &bad_type);
		return false;
	}
	fine = x->ask.only_queries ? params_of_query(&p, q->query)
	                           : params_of_body(&p, q->body.data, q->body.len);
	for (size_t i = 0; i < 2; i++)
		if (p.own[i] != NULL)
			call_own_json(x->c, p.own[i]);
	if (!fine)
		refuse(x, 400,
		    &(const struct failure){ .status = ST_INVALID_ARGUMENT,
			.reason = "BAD_REQUEST",
			.message = p.wrong });
	return fine;
}

static bool
read_credential(struct exchanging *x)
{
	x->ask.credential = ops_credential(x->a, x->q, &x->ask.proof);
	if (x->ask.credential != NULL)
		return true;
	add_header(x, "WWW-Authenticate", ops_challenge(x->a, &ops_bad_credential, true, ""));
	refuse(x, 401, &ops_bad_credential);
	return false;
}

/* As REST says it, of the oldest part. */
static void
add_age(struct exchanging *x, uint64_t age_us)
{
	uint64_t ms = (age_us + (uint64_t)MS - 1) / (uint64_t)MS;

	add_header(x, "Age", arena_printf(x->a, "%" PRIu64, age_us / (uint64_t)SEC));
	add_header(x, "Metafed-Age", arena_printf(x->a, "%" PRIu64, ms));
}

static void
on_served(void *ctx, const struct graphql_answer *a)
{
	struct exchanging *x = ctx;

	graphql_count(a->outcome);
	if (a->outcome == GRAPHQL_NOT_A_QUERY)
		add_header(x, "Allow", "POST");
	if (a->degraded)
		add_header(x, "Metafed-Degraded", "true");
	if (a->session != NULL)
		add_header(x, "Metafed-Session", a->session);
	if (a->age_us != 0)
		add_age(x, a->age_us);
	if (!a->wrote) /* no token is in it: it may be compressed */
		x->caching = "private, no-cache";
	if (x->q->want_principal && a->principal != NULL) { /* the edge limits by it */
		x->out.principal = arena_dup(x->a, a->principal, sizeof(*a->principal));
		x->out.principal->n_permissions = 0;
	}
	reply(x,
	    x->media == MEDIA_GRAPHQL ? outcomes[a->outcome].graphql : outcomes[a->outcome].json,
	    media_names[x->media], a->json, a->n);
}

void
graphql_count(enum graphql_outcome o)
{
	static const char *const labels[] = { "outcome", NULL };
	static struct metric *known[sizeof(outcomes) / sizeof(outcomes[0])];

	if (known[o] == NULL)
		known[o] =
		    metric_get(metric_family(METRIC_COUNTER, "metafed_graphql_requests_total",
				   "GraphQL requests by what became of them.", labels),
			(const char *const[]){ outcomes[o].name });
	metric_inc(known[o]);
}

static void
show_console(struct exchanging *x)
{
	char nonce[33];
	uint8_t random[16];
	char *page;
	size_t n;

	id_random(random, sizeof(random));
	str_hex(random, sizeof(random), nonce);
	page = console_page(x->a, nonce, &n);
	add_header(x, "Content-Security-Policy",
	    arena_printf(x->a,
		"default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; connect-src "
		"'self'; "
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		nonce, nonce));
	reply(x, 200, media_names[MEDIA_HTML], page, n);
}

/* Not as far as GraphQL: its shape all the same, for clients that look for errors there. */
static void
refuse(struct exchanging *x, int http, const struct failure *f)
{
	size_t n;
	char *text = graphql_failure(x->c, f, &n);

	reply(x, http, media_names[x->media], text, n);
}

static void
add_header(struct exchanging *x, const char *name, const char *value)
{
	Mf__KeyValue *kv = arena_alloc(x->a, sizeof(*kv));

	must(x->out.n_headers < HEADERS_MOST);
	mf__key_value__init(kv);
	kv->key = (char *)name;
	kv->value = (char *)value;
	x->headers[x->out.n_headers++] = kv;
}

static void
reply(struct exchanging *x, int status, const char *type, const char *body, size_t n)
{
	if (type != NULL) {
		add_header(x, "Content-Type", type);
		add_header(x, "Vary", "Accept");
		add_header(x, "Cache-Control", x->caching == NULL ? "no-store" : x->caching);
	}
	x->out.status = (uint32_t)status;
	x->out.headers = x->headers;
	x->out.body = (ProtobufCBinaryData){ n, (uint8_t *)(uintptr_t)body };
	call_reply(x->c, &x->out.base);
}
