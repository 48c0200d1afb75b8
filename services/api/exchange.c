/* exchange: one HTTP request and its answer. libmicrohttpd calls exchange_begin (request line),
 * exchange_step (head, each piece of the body, end of the request) and exchange_end. In between the
 * connection may be suspended: then an exchange is answered by a call that ended, in the turn of
 * that batch.
 *
 * Invariant: answered exactly once; x->call is set exactly while a call may still answer it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/ops/ops.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"

#define TARGET_ROOM    512 /* longer targets and bodies go to the heap */
#define BODY_ROOM      2048
#define DISCARD_FACTOR 8   /* a refused body is read past up to so many body limits */
#define SPARE_MOST     256 /* exchanges kept for the next requests */

struct exchange {
	struct link link; /* edge.ready, or the spare ones */
	struct edge *e;
	struct conn *k;
	struct MHD_Connection *m;
	struct http_head head;
	const char *version;
	bool checked; /* the head was looked at */
	bool suspended;
	char *target, *path;    /* as sent; decoded */
	struct buf long_target; /* used when it does not fit into target_room */
	char *body;
	size_t body_n, body_cap;
	const struct http_refusal *refusal; /* decided, but said only after the body: a client that
	                                       sends does not listen */
	bool close;                         /* the answer is the connection's last */
	struct call *call;
	struct timer gone;
	struct MHD_Response *response;
	int http;
	int64_t began_us;
	struct address from; /* the client's */
	char client[ADDRESS_TEXT];
	char target_room[2 * TARGET_ROOM];
	char body_room[BODY_ROOM];
};

struct checking { /* while the header lines are walked */
	struct http_head *head;
	const struct http_refusal *r;
};

static struct exchange *take(void);
static void give(struct exchange *);
static enum MHD_Result look_at_head(struct exchange *, const char *, const char *);
static void look_at_client(struct exchange *);
static bool refuse_later(struct exchange *, const struct http_refusal *);
static enum MHD_Result
on_field(void *, enum MHD_ValueKind, const char *, size_t, const char *, size_t);
static const struct http_refusal *check_media(const struct exchange *);
static bool take_body(struct exchange *, const char *, size_t);
static void refuse(struct exchange *, const struct http_refusal *);
static void on_gone(struct timer *);
static void account(struct exchange *);
static struct metric *answers_of(enum http_method, int);

static struct list spare;
static const struct http_refusal too_large = { 413, "BODY_TOO_LARGE",
	"the body is larger than this server takes" };

void *
exchange_begin(void *edge, const char *target, struct MHD_Connection *m)
{
	const union MHD_ConnectionInfo *own =
	    MHD_get_connection_info(m, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct exchange *x = take();
	size_t n = strlen(target);

	x->e = edge;
	x->m = m;
	x->k = own->socket_context;
	x->began_us = time_now_us();
	timer_init(&x->gone, node_loop(edge_node(x->e)), on_gone);
	x->target = x->target_room;
	if (n >= TARGET_ROOM) {
		buf_add(&x->long_target, target, n + 1);
		buf_add(&x->long_target, target, n + 1); /* room for the path */
		x->target = x->long_target.p;
	}
	memcpy(x->target, target, n + 1);
	x->path = x->target + n + 1; /* empty until it is decoded */
	x->path[0] = '\0';
	return x;
}

enum MHD_Result
exchange_step(void *edge, struct MHD_Connection *m, const char *url, const char *method,
    const char *version, const char *upload, size_t *upload_size, void **own)
{
	struct exchange *x = *own;

	(void)edge, (void)m, (void)url;
	if (!x->checked) {
		x->checked = true;
		return look_at_head(x, method, version);
	}
	if (*upload_size != 0) {
		size_t n = *upload_size;

		*upload_size = 0;
		return take_body(x, upload, n) ? MHD_YES : MHD_NO;
	}
	if (x->refusal != NULL)
		refuse(x, x->refusal);
	else
		dispatch(x);
	return MHD_YES;
}

void
exchange_end(void *edge, struct MHD_Connection *m, void **own, enum MHD_RequestTerminationCode how)
{
	struct exchange *x = *own;

	(void)edge, (void)m;
	*own = NULL;
	if (x == NULL)
		return;
	if (how == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		conn_enter(x->k, CONN_IDLE, NULL);
	account(x);
	give(x);
}

/* For good: nobody can read an answer. Else it may only have closed its sending side: a short
 * grace. */
void
exchange_client_left(struct exchange *x, bool for_good)
{
	if (x->call == NULL)
		return;
	timer_in(&x->gone, for_good ? 0 : edge_config(x->e)->gone_grace_us);
	if (for_good)
		on_gone(&x->gone);
}

void
exchange_flush(struct exchange *x)
{
	enum MHD_Result queued = MHD_queue_response(x->m, (unsigned)x->http, x->response);

	MHD_destroy_response(x->response);
	x->response = NULL;
	conn_enter(x->k, CONN_SEND, NULL);
	if (queued != MHD_YES) {
		log_error("answer_not_queued", L_INT("status", x->http));
		conn_cut(x->k);
	}
	if (x->suspended) {
		x->suspended = false;
		MHD_resume_connection(x->m);
	}
}

struct exchange *
exchange_of(struct link *k)
{
	return container_of(k, struct exchange, link);
}

struct link *
exchange_link(struct exchange *x)
{
	return &x->link;
}

void
exchange_answer(struct exchange *x, int http, size_t n_headers, const struct http_header *headers,
    const void *body, size_t n)
{
	must(x->response == NULL && x->http == 0);
	x->call = NULL;
	timer_stop(&x->gone);
	x->http = http;
	x->response = MHD_create_response_from_buffer_copy(n, body);
	if (x->response == NULL)
		fatal("out of memory");
	for (size_t i = 0; i < n_headers; i++)
		if (MHD_add_response_header(x->response, headers[i].name, headers[i].value) !=
		    MHD_YES)
			log_warn("answer_header_refused", L_STR("name", headers[i].name));
	if (x->close || edge_draining(x->e))
		(void)MHD_add_response_header(x->response, "Connection", "close");
	if (x->suspended)
		edge_answered(x->e, x);
	else
		exchange_flush(x);
}

void
exchange_refuse(struct exchange *x, int http, const struct failure *f)
{
	struct http_header headers[3] = { { "Content-Type", "application/problem+json" } };
	struct arena *a = arena_new(1 << 20);
	size_t n_headers = 1, n;
	uint32_t retry = problem_retry_after(f, http);
	char *body;
	struct jw w;

	if (retry != 0)
		headers[n_headers++] =
		    (struct http_header){ "Retry-After", arena_printf(a, "%u", retry) };
	if (http == 405)
		headers[n_headers++] = (struct http_header){ "Allow", "GET, HEAD, OPTIONS" };
	if (http == 415 && x->head.method == M_PATCH)
		headers[n_headers++] = (struct http_header){ "Accept-Patch",
			"application/merge-patch+json, application/json" };
	jw_start(&w, a, 512);
	problem_write(&w, NULL, http, f, "", false);
	body = jw_text(&w, &n);
	exchange_answer(x, http, n_headers, headers, body, n);
	arena_free(&a);
}

const struct http_head *
exchange_head(const struct exchange *x)
{
	return &x->head;
}

const char *
exchange_path(const struct exchange *x)
{
	return x->path;
}

const char *
exchange_query(struct exchange *x, struct arena *a)
{
	return x->head.query.n == 0 ? "" : arena_strndup(a, x->head.query.p, x->head.query.n);
}

struct str
exchange_body(const struct exchange *x)
{
	return (struct str){ x->body, x->body_n };
}

const char *
exchange_client(const struct exchange *x)
{
	return x->client[0] != '\0' ? x->client : conn_address(x->k);
}

struct edge *
exchange_edge(const struct exchange *x)
{
	return x->e;
}

void
exchange_wait(struct exchange *x, struct call *c)
{
	x->call = c;
	x->suspended = true;
	MHD_suspend_connection(x->m);
	conn_enter(x->k, CONN_WAIT, x);
	if (conn_left(x->k))
		exchange_client_left(x, false);
}

static struct exchange *
take(void)
{
	struct exchange *x;

	if (spare.head.next == NULL)
		list_init(&spare);
	x = spare.n != 0 ? exchange_of(list_pop(&spare)) : malloc(sizeof(*x));
	if (x == NULL)
		fatal("out of memory");
	memset(x, 0, offsetof(struct exchange, target_room));
	x->body = x->body_room;
	x->body_cap = BODY_ROOM;
	x->head.method = M_METHODS;
	return x;
}

static void
give(struct exchange *x)
{
	must(x->call == NULL && !link_is_in(&x->link));
	timer_stop(&x->gone);
	if (x->response != NULL)
		MHD_destroy_response(x->response);
	buf_free(&x->long_target);
	if (x->body != x->body_room)
		free(x->body);
	if (spare.n < SPARE_MOST)
		list_add_first(&spare, &x->link);
	else
		free(x);
}

/* Everything that can be known before the body: an answer here means that the body is not read. */
static enum MHD_Result
look_at_head(struct exchange *x, const char *method, const char *version)
{
	const struct api_config *c = edge_config(x->e);
	const struct http_refusal *r;

	x->version = version;
	if (strlen(x->target) > (size_t)c->uri_limit) {
		x->close = true;
		refuse(x, &(const struct http_refusal){
			      414, "URI_TOO_LONG", "the request target is too long" });
		return MHD_YES;
	}
	if ((r = http_check_line(&x->head, method, x->target, version)) == NULL) {
		struct checking checking = { &x->head, NULL };

		MHD_get_connection_values_n(x->m, MHD_HEADER_KIND, on_field, &checking);
		r = checking.r;
	}
	if (r == NULL &&
	    (r = http_check_head(&x->head, version, (uint64_t)c->body_limit)) == NULL &&
	    (r = http_decode_path(x->head.path, x->path)) == NULL)
		r = check_media(x);
	if (r != NULL && !refuse_later(x, r)) {
		refuse(x, r);
		return MHD_YES;
	}
	look_at_client(x);
	if (x->head.chunked || x->head.content_length != 0)
		conn_enter(x->k, CONN_BODY, NULL);
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
	    x->head.content_length > most)
		return false;
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

/* The API speaks JSON, and merge patches of it (RFC 7396). */
static const struct http_refusal *
check_media(const struct exchange *x)
{
	static const struct http_refusal
	    type = { 415, "BAD_MEDIA_TYPE", "the body must be application/json" },
	    patch_type = { 415, "BAD_MEDIA_TYPE",
		    "a patch must be application/merge-patch+json or application/json" },
	    accept = { 406, "NOT_ACCEPTABLE",
		    "answers are application/json and application/problem+json" };
	const struct http_head *h = &x->head;
	struct str content = h->fields[F_CONTENT_TYPE];
	bool body = h->chunked || h->content_length != 0;

	if (!str_starts(x->path, "/v1/"))
		return NULL;
	if (body && h->method == M_PATCH && !media_is(content, "application/merge-patch+json") &&
	    !media_is(content, "application/json"))
		return &patch_type;
	if (body && h->method == M_POST && !media_is(content, "application/json"))
		return &type;
	if (h->fields[F_ACCEPT].n != 0 && !h->many_accepts &&
	    !media_accepted(h->fields[F_ACCEPT], "application/json") &&
	    !media_accepted(h->fields[F_ACCEPT], "application/problem+json"))
		return &accept;
	return NULL;
}

static bool
take_body(struct exchange *x, const char *p, size_t n)
{
	size_t most = (size_t)edge_config(x->e)->body_limit;

	if (x->refusal == NULL && x->body_n + n > most)
		x->refusal = &too_large;
	if (x->refusal != NULL) {
		x->body_n += n;
		return x->body_n <= DISCARD_FACTOR * most;
	}
	if (x->body_n + n > x->body_cap) {
		size_t cap = x->head.content_length > x->body_n + n ? (size_t)x->head.content_length
		                                                    : 2 * (x->body_n + n);
		char *room = malloc(cap);

		if (room == NULL)
			fatal("out of memory");
		memcpy(room, x->body, x->body_n);
		if (x->body != x->body_room)
			free(x->body);
		x->body = room;
		x->body_cap = cap;
	}
	memcpy(x->body + x->body_n, p, n);
	x->body_n += n;
	return true;
}

static void
refuse(struct exchange *x, const struct http_refusal *r)
{
	exchange_refuse(x, r->http,
	    &(const struct failure){ .message = r->message,
		.reason = r->reason,
		.status =
		    r->http == 501 || r->http == 505 ? ST_UNIMPLEMENTED : ST_INVALID_ARGUMENT });
}

/* Nobody waits: the work behind is cancelled, its end answers the exchange, and the connection is
 * told nothing. */
static void
on_gone(struct timer *t)
{
	struct exchange *x = container_of(t, struct exchange, gone);
	static struct metric *gone;

	if (gone == NULL)
		gone = metric_simple(METRIC_COUNTER, "metafed_http_clients_gone_total",
		    "Requests cancelled because the client went away.");
	if (x->call == NULL)
		return;
	metric_inc(gone);
	conn_cut(x->k);
	call_cancel(x->call);
}

/* One line per request costs more than the request's parsing: only what the configuration asks for.
 */
static void
account(struct exchange *x)
{
	enum access_log want = edge_settings(x->e)->access_log;
	static struct metric *seconds;
	int64_t us = time_now_us() - x->began_us;

	if (seconds == NULL)
		seconds = metric_simple(METRIC_HISTOGRAM, "metafed_http_request_seconds",
		    "From the request line to the end of the answer.");
	metric_time(seconds, us);
	if (x->http != 0)
		metric_inc(answers_of(x->head.method, x->http));
	if (want == ACCESS_ALL || (want == ACCESS_ERRORS && x->http >= 500))
		log_info("request", L_STR("client", exchange_client(x)),
		    L_STR("method",
			x->head.method == M_METHODS ? "?" : http_method_names[x->head.method]),
		    L_STR("path", x->checked ? x->path : "?"), L_INT("status", x->http),
		    L_INT("us", us));
}

static struct metric *
answers_of(enum http_method m, int http)
{
	static const char *const labels[] = { "method", "status", NULL };
	static struct metric *known[M_METHODS + 1][600];
	struct metric **slot = &known[m][http < 600 ? http : 599];
	char code[16];

	if (*slot == NULL) {
		snprintf(code, sizeof(code), "%d", http);
		*slot = metric_get(metric_family(METRIC_COUNTER, "metafed_http_answers_total",
				       "Answers by method and status.", labels),
		    (const char *const[]){ m == M_METHODS ? "other" : http_method_names[m], code });
	}
	return *slot;
}
