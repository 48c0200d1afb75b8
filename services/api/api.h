/* api: the public HTTP edge and the orchestrator of the API agents.
 *
 *   settings.c   the configuration
 *   edge.c       libmicrohttpd on the loop
 *   tls.c        the certificate; tls_self.c: one for a trial
 *   conn.c       connections: their time limits, their number, drain; address.c: whose they are
 *   exchange.c   one HTTP request; with head.c, answer.c, access.c (exchange.h)
 *   quota.c    who may make how many requests; limits.c, bucket.c, known.c
 *   local.c      what api answers itself (/, /livez, /readyz, /metrics) and what it refuses
 *   upload.c     a body that goes to an agent in pieces; download.c: an answer that comes in pieces
 *   forward.c    the call to an API agent and what comes back
 *   ws_open.c    the handshake of a WebSocket; with ws_hello.c, ws_frame.c, ws.c
 *   stream.c     the answer that is a stream of events
 *   live.c       sessions over both; with session.c, session_job.c, line.h, outbox.c
 *   perform.c    mf.Api: the form of a TaskRequest, done by an agent
 *   scrape.c     metrics of all nodes; exposition.c writes them
 *   part.c       which part of the API a path is of
 *   http_check.c, media.c   pure rules of HTTP */
#ifndef API_API_H
#define API_API_H

#include <microhttpd.h>
#include "api/conn.h"
#include "api/http_check.h"
#include "api/origin.h"
#include "api/settings.h"
#include "base/list.h"
#include "base/status.h"
#include "bus/bus.h"
#include "node/node.h"
#include "proto/api.pb-c.h"
#include "proto/node.pb-c.h"
#include "proto/meta.pb-c.h"
#include "proto/rest.pb-c.h"

#if defined(MHD_VERSION) && MHD_VERSION < 0x01000000
#error "libmicrohttpd 1.0 or later: see services/api/README.md, How it fails"
#endif

extern Mf__Api_Service api_service;
extern const char *const api_capabilities[];

bool api_check(const void *config, char *err, size_t err_size);
bool api_init(struct node *n);
void api_reload(struct node *n, const void *old_config, const void *new_config);
void api_drain(struct node *n);
bool api_drained(struct node *n);
void api_fini(struct node *n);

/* --- listener.c: the socket; -1: err says why --- */
int listener_open(const char *address, char *err, size_t err_size);
bool listener_is_public(int fd); /* some address beyond loopback reaches it */

/* --- edge.c --- */
struct charge;
struct edge;
struct exchange;
struct live;
struct quota;

struct edge_opts {
	struct node *node;
	int fd; /* listening; ours unless `handed_down` */
	bool handed_down;
	bool tls; /* tls.c has a certificate to show */
};
struct edge *edge_new(const struct edge_opts *o, char *err, size_t err_size);
void edge_drain(struct edge *e); /* no new connection; those there end with their next answer */
bool edge_empty(const struct edge *e);
void edge_free(struct edge **e);
struct node *edge_node(const struct edge *e);
void edge_reload(struct edge *e, const struct api_config *c);
const struct api_settings *edge_settings(const struct edge *e);
const struct api_config *edge_config(const struct edge *e);
struct quota *edge_quota(const struct edge *e);
struct live *edge_live(const struct edge *e);
void edge_run(struct edge *e);                /* libmicrohttpd has something to see */
bool edge_takes_stream(const struct edge *e); /* one more */
bool edge_draining(const struct edge *e);
bool edge_tls(const struct edge *e);
void edge_answered(
    struct edge *e, struct exchange *x); /* of a suspended one: leaves at the end of this turn */

/* --- exchange.c: what libmicrohttpd calls, and the answer --- */
void *exchange_begin(void *edge, const char *target, struct MHD_Connection *m);
enum MHD_Result exchange_step(void *edge, struct MHD_Connection *m, const char *url,
    const char *method, const char *version, const char *upload, size_t *upload_size, void **x);
void
exchange_end(void *edge, struct MHD_Connection *m, void **x, enum MHD_RequestTerminationCode how);
void exchange_client_left(struct exchange *x, bool for_good);
bool exchange_abandon(struct exchange *x); /* the server ends. False: it was not suspended */
void exchange_flush(struct exchange *x);   /* queue the answer and let the connection go on */
struct exchange *exchange_of(struct link *ready);
struct link *exchange_link(struct exchange *x);

struct http_header {
	const char *name, *value;
};
/* Exactly once; body is copied. In the handler's turn or later. */
void exchange_answer(struct exchange *x, int http, size_t n_headers,
    const struct http_header *headers, const void *body, size_t n);
void exchange_refuse(struct exchange *x, int http, const struct failure *f); /* problem details */

/* What forward.c and local.c may know of it. */
const struct http_head *exchange_head(const struct exchange *x);
const char *exchange_path(const struct exchange *x);
const char *exchange_query(struct exchange *x, struct arena *a);
struct str exchange_body(const struct exchange *x);
const char *exchange_client(const struct exchange *x);
/* The fleet as who asked sees it, "https://metafed.example"; "": it can't be told. */
const char *exchange_origin(const struct exchange *x, char room[ORIGIN_SIZE]);
/* m NULL: f says why not. */
void
exchange_piece_answered(struct exchange *x, const Mf__HttpResponse *m, const struct failure *f);
const char *exchange_operation(struct exchange *x); /* UUIDv7, made once */
struct charge *exchange_charge(struct exchange *x);
struct edge *exchange_edge(const struct exchange *x);
void exchange_wait(
    struct exchange *x, struct call *c); /* suspended until it is answered; c: what to cancel */
/* For the access log. */
void exchange_traced(struct exchange *x, const char *traceparent);
void exchange_served(struct exchange *x, const char *agent); /* a name that stays */

/* --- local.c: decides who answers --- */
void dispatch(struct exchange *x);
bool is_probe(const char *path); /* says only how we are, and costs nothing */

/* --- forward.c --- */
void forward_init(struct bus *b);
bool forward_ready(void);
void forward(struct exchange *x);
/* One of several calls for x: with a piece of its body, or for one of the answer's. How it ended goes to
 * exchange_piece_answered. The caller has x wait, and may cancel. */
struct call *forward_piece(struct exchange *x, const Mf__BodyPiece *piece, struct str body);
/* As an agent gets it; lives as long as x and the arena. */
void forward_fill(struct exchange *x, struct arena *a, Mf__HttpRequest *q);
void forward_answer(struct exchange *x, const Mf__HttpResponse *m); /* what an agent answered */

/* --- ws_open.c --- */
bool ws_wanted(const struct exchange *x); /* its resource is a WebSocket */
void ws_open(struct exchange *x);

/* --- scrape.c --- */
void scrape_init(struct bus *b);
void access_init(struct bus *b); /* access.c: whose load requests are */
void scrape(struct exchange *x);
/* Reads the token that metrics may be read with; "": there is none. False: err says why, and the one
 * before holds. */
bool scrape_configure(const char *file, char *err, size_t err_size);

/* --- exposition.c --- */
struct buf;
enum exposition { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS }; /* Prometheus' 0.0.4; 1.0.0 */
struct scraped {                                             /* one process */
	const char *node, *replica; /* replica NULL: the only one of its name */
	const Mf__Metrics *metrics; /* NULL: it did not answer */
};
void exposition_write(struct buf *out, enum exposition form, size_t n, const struct scraped *all);

#endif
