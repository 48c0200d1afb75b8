/* exchange: one HTTP request and its answer. libmicrohttpd calls exchange_begin (request line),
 * exchange_step (head, each piece of the body, end of the request) and exchange_end. In between the
 * connection may be suspended: then an exchange is answered by a call that ended, in the turn of
 * that batch. */
#include <stdlib.h>
#include <string.h>

#include "api/download.h"
#include "api/exchange.h"
#include "api/stream.h"
#include "api/upload.h"
#include "api/ops/ops.h"
#include "api/ops/web.h"
#include "base/id.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"

#define SPARE_MOST 256 /* exchanges kept for the next requests */

static struct exchange *take(void);
static void give(struct exchange *);
static enum MHD_Result step_upload(struct exchange *, const char *, size_t *);
static bool take_body(struct exchange *, const char *, size_t);
static void on_gone(struct timer *);

static struct list spare;
const struct http_refusal exchange_too_large = { 413, "BODY_TOO_LARGE",
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
		return head_look(x, method, version);
	}
	if (x->upload != NULL && x->refusal == NULL)
		return step_upload(x, upload, upload_size);
	if (*upload_size != 0) {
		size_t n = *upload_size;

		*upload_size = 0;
		return take_body(x, upload, n) ? MHD_YES : MHD_NO;
	}
	if (x->refusal != NULL)
		answer_refusal(x, x->refusal);
	else if (answer_is_preflight(x))
		exchange_answer(x, 204, 0, NULL, "", 0);
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
	if (how == MHD_REQUEST_TERMINATED_COMPLETED_OK && x->http != 101)
		conn_enter(x->k, CONN_IDLE, NULL);
	if (x->http == 0) /* libmicrohttpd refused it by itself */
		conn_unread(x->k);
	if (x->stream != NULL)
		x->sent += stream_bytes(x->stream);
	if (x->download != NULL)
		x->sent = download_bytes(x->download);
	access_account(x);
	if (x->download != NULL)
		download_over(x->download);
	if (x->upload != NULL)
		upload_over(x->upload);
	if (x->stream != NULL)
		stream_over(x->stream);
	give(x);
}

/* For good: nobody can read an answer. Else it may only have closed its sending side: a short
 * grace. */
void
exchange_client_left(struct exchange *x, bool for_good)
{
	if (x->stream != NULL)
		stream_client_left(x->stream);
	if (x->download != NULL)
		download_client_left(x->download, for_good);
	if (x->upload != NULL && x->http == 0)
		upload_client_left(x->upload, for_good);
	if (x->call == NULL || x->upload != NULL || x->download != NULL)
		return;
	timer_in(&x->gone, for_good ? 0 : edge_config(x->e)->gone_grace_us);
	if (for_good)
		on_gone(&x->gone);
}

bool
exchange_abandon(struct exchange *x)
{
	bool held = x->suspended || (x->download != NULL && download_asleep(x->download));

	if (x->stream == NULL) /* those are ended by then */
		exchange_client_left(x, true);
	return held;
}

void
exchange_flush(struct exchange *x)
{
	enum MHD_Result queued = MHD_queue_response(x->m, (unsigned)x->http, x->response);
	bool streams = (x->stream != NULL && stream_is_open(x->stream)) || x->download != NULL;

	MHD_destroy_response(x->response);
	x->response = NULL;
	conn_enter(x->k, streams ? CONN_STREAM : CONN_SEND, x);
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

uint64_t
exchange_body_most(const struct exchange *x)
{
	if (upload_wanted(&x->head))
		return UINT64_MAX;
	if (web_path(x->path) != NULL)
		return WEB_BODY_MOST;
	return (uint64_t)edge_config(x->e)->body_limit;
}

const char *
exchange_origin(const struct exchange *x, char room[ORIGIN_SIZE])
{
	const struct api_settings *s = edge_settings(x->e);
	struct str proto =
	    settings_is_proxy(s, conn_peer(x->k)) ? x->head.fields[F_X_FORWARDED_PROTO] : STR("");

	if (s->c->public_url[0] != '\0')
		return s->c->public_url;
	(void)origin_of(origin_https(proto, edge_tls(x->e)), x->head.fields[F_HOST], room);
	return room;
}

const char *
exchange_client(const struct exchange *x)
{
	return x->client[0] != '\0' ? x->client : conn_address(x->k);
}

struct charge *
exchange_charge(struct exchange *x)
{
	return &x->charge;
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

void
exchange_go_on(struct exchange *x)
{
	x->suspended = false;
	conn_enter(x->k, CONN_BODY, NULL);
	MHD_resume_connection(x->m);
	edge_run(x->e);
}

void
exchange_piece_answered(struct exchange *x, const Mf__HttpResponse *m, const struct failure *f)
{
	x->call = NULL;
	if (x->download != NULL)
		download_piece(x->download, m, f);
	else
		upload_answer(x->upload, m, f);
}

const char *
exchange_operation(struct exchange *x)
{
	if (x->operation_id[0] == '\0')
		uuid7(x->operation_id);
	return x->operation_id;
}

void
exchange_hold(struct exchange *x)
{
	x->suspended = true;
	MHD_suspend_connection(x->m);
	conn_enter(x->k, CONN_STREAM, x);
}

void
exchange_traced(struct exchange *x, const char *traceparent)
{
	trace_id_of(traceparent, x->trace);
}

void
exchange_served(struct exchange *x, const char *agent)
{
	x->agent = agent;
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

/* What is not taken is shown again when the piece is gone. libmicrohttpd 1.0.1 shows what it has behind
 * the end of a chunk although the connection has been suspended. */
static enum MHD_Result
step_upload(struct exchange *x, const char *p, size_t *n)
{
	bool fine = true;

	if (x->suspended || upload_resumed(x->upload))
		return MHD_YES;
	if (*n != 0)
		*n -= upload_take(x->upload, p, *n, &fine);
	else
		upload_end(x->upload);
	return fine ? MHD_YES : MHD_NO;
}

static bool
take_body(struct exchange *x, const char *p, size_t n)
{
	size_t most = (size_t)exchange_body_most(x);

	if (x->refusal == NULL && x->body_n + n > most)
		x->refusal = &exchange_too_large;
	if (x->refusal != NULL) {
		x->body_n += n;
		return x->body_n <= DISCARD_FACTOR * (size_t)edge_config(x->e)->body_limit;
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
