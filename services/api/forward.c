/* forward: a request goes to an API agent and comes back as an answer. The connection stays here
 * while agents come and go: the bus gives the same request (same operation id, so nothing happens
 * twice) to a stand-in when its agent is gone. */
#include <string.h>

#include "api/api.h"
#include "api/download.h"
#include "api/gzip.h"
#include "api/quota.h"
#include "api/ops/ops.h"
#include "api/ops/web.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/step.h"
#include "base/time.h"
#include "proto/graphql.pb-c.h"

#define HEADERS_MOST 24

struct forwarding { /* in its call's arena */
	struct exchange *x;
	struct call *c;
	struct rpc *rpc;
	struct call_about about;
};

static void add_header(struct arena *, Mf__HttpRequest *, enum http_field, struct str);
static void on_handled(const Mf__HttpResponse *, void *);
static struct call *
send_request(struct exchange *, struct str, const Mf__BodyPiece *, call_end_fn *);
static void on_end(struct call *, const struct call_end *, void *);
static void on_piece_end(struct call *, const struct call_end *, void *);

static struct target *agents, *graphql, *meta;

void
forward_init(struct bus *b)
{
	static const char *const members[] = { "rest", "graphql", "websocket", NULL };
	static const char *const graphql_members[] = { "graphql", "rest", "websocket", NULL };

	/* Three failures make an agent suspect (spec 1). A whole request lies behind Handle,
	 * log-ins with their password hashing too: its time limit is of that class of work, not the
	 * 50 ms of an agent's own. */
	agents = target_new(b, &(const struct target_def){ &mf__rest__descriptor, members,
				   { .failures = 3, .limit_us = 5 * SEC } });
	graphql = target_new(b, &(const struct target_def){ &mf__graphql__descriptor,
				    graphql_members, { .failures = 3, .limit_us = 5 * SEC } });
	target_set_paced(agents);
	target_set_paced(graphql);
	meta = target_new(b,
	    &(const struct target_def){ &mf__meta__descriptor, fleet_meta(), { .failures = 5 } });
	target_set_watch(meta, fleet_meta_watch_us());
	ops_traces_init(b, meta);
}

bool
forward_ready(void)
{
	return target_ready(agents) && target_ready(meta);
}

void
forward(struct exchange *x)
{
	exchange_wait(x, send_request(x, exchange_body(x), NULL, on_end));
	STEP("api.request.forwarded");
}

struct call *
forward_piece(struct exchange *x, const Mf__BodyPiece *piece, struct str body)
{
	return send_request(x, body, piece, on_piece_end);
}

static struct call *
send_request(struct exchange *x, struct str body, const Mf__BodyPiece *piece, call_end_fn *done)
{
	struct str parent = exchange_head(x)->fields[F_TRACEPARENT];
	char traceparent[64] = "";
	Mf__HttpRequest q = MF__HTTP_REQUEST__INIT;
	bool is_graphql = strcmp(exchange_path(x), "/graphql") == 0;
	struct forwarding *f;
	struct call *c;

	if (traceparent_ok(parent)) {
		memcpy(traceparent, parent.p, parent.n);
		traceparent[parent.n] = '\0';
	}
	c = call_root(node_bus(edge_node(exchange_edge(x))),
	    &(const struct call_opts){
		.limit_us = edge_config(exchange_edge(x))->request_time_us,
		.done = done,
		.ctx = x,
		.traceparent = traceparent[0] == '\0' ? NULL : traceparent,
		.operation_id = exchange_operation(x),
		.entry = true,
		.heeded = exchange_charge(x)->name[0] != '\0',
	    });
	exchange_traced(x, call_traceparent(c));
	f = ARENA_NEW(call_arena(c), struct forwarding);
	*f = (struct forwarding){
		.x = x, .c = c, .rpc = rpc_new(c, is_graphql ? graphql : agents, NULL)
	};
	f->about = (struct call_about){ .http_method = http_method_names[exchange_head(x)->method],
		.path = arena_strdup(call_arena(c), exchange_path(x)),
		.route = ops_route_of };
	call_say_about(c, &f->about);
	forward_fill(x, call_arena(c), &q);
	q.operation_id = (char *)exchange_operation(x);
	q.body = (ProtobufCBinaryData){ body.n, (uint8_t *)body.p };
	q.piece = (Mf__BodyPiece *)piece;
	q.want_principal = exchange_charge(x)->ask;
	if (is_graphql)
		mf__graphql__handle(&f->rpc->service, &q, on_handled, f);
	else
		mf__rest__handle(&f->rpc->service, &q, on_handled, f);
	return c;
}

void
forward_fill(struct exchange *x, struct arena *a, Mf__HttpRequest *q)
{
	const struct http_head *h = exchange_head(x);
	struct str body = exchange_body(x);
	bool web = web_path(exchange_path(x)) != NULL, proof = h->fields[F_DPOP].p != NULL;
	int first = web                                         ? F_FIRST_WEB
	            : str_starts(exchange_path(x), "/v1/auth/") ? F_FIRST_SIGN
	                                                        : F_FIRST_FORWARDED;

	if (web || proof)
		q->origin = arena_strdup(a, exchange_origin(x, (char[ORIGIN_SIZE]){ "" }));
	if (proof && q->origin[0] != '\0')
		q->dpop_url = arena_printf(a, "%s%.*s", q->origin, (int)h->path.n, h->path.p);
	q->method = (char *)http_method_names[h->method];
	q->path = (char *)exchange_path(x);
	q->query = (char *)exchange_query(x, a);
	q->client_address = (char *)exchange_client(x);
	q->body = (ProtobufCBinaryData){ body.n, (uint8_t *)body.p };
	q->headers = arena_alloc(a, sizeof(*q->headers) * (size_t)(F_FIELDS - first + 1));
	for (int i = first; i < F_FIELDS; i++)
		if (h->fields[i].p != NULL)
			add_header(a, q, (enum http_field)i, h->fields[i]);
	if (str_starts(exchange_path(x), "/ui/") && gzip_accepted(h->fields[F_ACCEPT_ENCODING]))
		add_header(a, q, F_ACCEPT_ENCODING, STR("gzip")); /* it has its files in both */
}

static void
add_header(struct arena *a, Mf__HttpRequest *q, enum http_field f, struct str value)
{
	Mf__KeyValue *kv = arena_alloc(a, sizeof(*kv));

	mf__key_value__init(kv);
	kv->key = (char *)http_field_names[f].p;
	kv->value = arena_strndup(a, value.p, value.n);
	if (f == F_IF_MATCH || f == F_IF_NONE_MATCH)
		etag_unmark(kv->value);
	q->headers[q->n_headers++] = kv;
}

static void
on_handled(const Mf__HttpResponse *m, void *ctx)
{
	struct forwarding *f = ctx;

	STEP("api.request.handled");
	exchange_served(f->x, rpc_node(f->rpc));
	f->about.http_status = m != NULL ? m->status : (uint32_t)problem_http(rpc_failure(f->rpc));
	if (m == NULL)
		call_fail_with(f->c, rpc_failure(f->rpc));
	else
		call_reply(f->c, &m->base);
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct exchange *x = ctx;

	(void)c;
	if (end->failure == NULL)
		forward_answer(x, (const Mf__HttpResponse *)(const void *)end->reply);
	else
		exchange_refuse(x, problem_http(end->failure), end->failure);
}

static void
on_piece_end(struct call *c, const struct call_end *end, void *ctx)
{
	(void)c;
	exchange_piece_answered(
	    ctx, (const Mf__HttpResponse *)(const void *)end->reply, end->failure);
}

void
forward_answer(struct exchange *x, const Mf__HttpResponse *m)
{
	struct http_header headers[HEADERS_MOST];
	size_t n = m->n_headers;

	if (m->status < 200 || m->status > 599 || n > HEADERS_MOST) {
		log_error("agent_answer_broken", L_INT("status", m->status), L_INT("headers", n));
		exchange_refuse(x, 500,
		    &(const struct failure){ .status = ST_INTERNAL,
			.reason = "",
			.message = "the agent's answer is none" });
		return;
	}
	quota_learn(edge_quota(exchange_edge(x)), &edge_settings(exchange_edge(x))->limits,
	    exchange_charge(x), m->principal, (int)m->status,
	    loop_now(node_loop(edge_node(exchange_edge(x)))));
	for (size_t i = 0; i < n; i++)
		headers[i] = (struct http_header){ m->headers[i]->key, m->headers[i]->value };
	if (m->length > m->body.len)
		download_answer(x, m, n, headers);
	else
		exchange_answer(x, (int)m->status, n, headers, m->body.data, m->body.len);
}
