/* exchange: one HTTP request and its answer, as the files that work on it see it.
 *
 *   exchange.c   its life: begun, body taken, suspended, resumed, ended
 *   head.c       what the head says, and whether it is let in
 *   answer.c     the answer and its header fields
 *   access.c     what is counted and logged of it
 *   upload.c     a body that comes in pieces; download.c: an answer that goes out in pieces
 *   ws_open.c    a WebSocket's handshake, and the session behind it
 *
 * Invariant: answered exactly once; x->call is set exactly while a call may still answer it. */
#ifndef API_EXCHANGE_H
#define API_EXCHANGE_H

#include "api/api.h"
#include "api/quota.h"

#define TARGET_ROOM    512 /* longer targets and bodies go to the heap */
#define BODY_ROOM      2048
#define DISCARD_FACTOR 8 /* a refused body is read past up to so many body limits */

struct download;
struct stream;
struct upload;

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
	/* Decided, but said only after the body: a client that sends does not listen. */
	const struct http_refusal *refusal;
	bool close; /* the answer is the connection's last */
	struct call *call;
	struct timer gone;
	struct MHD_Response *response;
	int http;
	size_t sent;               /* bytes of the answer's body, as it was made */
	const char *agent;         /* who answered; NULL: we */
	const char *subprotocol;   /* of the WebSocket that it becomes */
	struct stream *stream;     /* of events: the answer; NULL: it is none */
	struct upload *upload;     /* the body comes in pieces; NULL: it is kept as a whole */
	struct download *download; /* the answer's body does; NULL: it is kept as a whole */
	char operation_id[37];     /* of all calls for this request; "": there was none yet */
	char trace[33];
	int64_t began_us;
	struct address from; /* the client's */
	char client[ADDRESS_TEXT];
	struct charge charge; /* the buckets that it took from */
	char target_room[2 * TARGET_ROOM];
	char body_room[BODY_ROOM];
};

/* --- head.c --- */
enum MHD_Result head_look(struct exchange *x, const char *method, const char *version);

/* --- answer.c --- */
void answer_refusal(struct exchange *x, const struct http_refusal *r);
void answer_upgrade(struct exchange *x, MHD_UpgradeHandler then, size_t n_headers,
    const struct http_header *headers); /* 101 */
/* 200, and then whatever the reader has, for as long as it likes. */
void answer_stream(struct exchange *x, MHD_ContentReaderCallback reader, void *ctx,
    size_t n_headers, const struct http_header *headers);
/* A body of so many bytes, which the reader has. */
void answer_sized(struct exchange *x, int http, uint64_t length, size_t block,
    MHD_ContentReaderCallback reader, void *ctx, size_t n_headers,
    const struct http_header *headers);
bool answer_is_preflight(const struct exchange *x); /* of a page that may ask (CORS) */

/* --- exchange.c --- */
void exchange_hold(struct exchange *x); /* suspended, for a stream */

void exchange_go_on(struct exchange *x); /* not suspended any more: more of the body may come */

uint64_t exchange_body_most(const struct exchange *x); /* bytes that are taken */
extern const struct http_refusal exchange_too_large;

/* --- access.c --- */
void access_account(struct exchange *x);

#endif
