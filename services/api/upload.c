/* upload: see upload.h.
 *
 * Invariant: at most one of these: a call is under way (x->call), the timer runs for another try,
 * libmicrohttpd reads the body. */
#include "api/upload.h"

#include <stdlib.h>
#include <string.h>

#include "api/ops/ops.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/time.h"

#define AGAIN_US  (250 * MS)
#define PATIENCE  (30 * SEC) /* for one piece, from its first failure on */
#define READ_PAST (8u << 20) /* of a body that was refused on its way */

struct upload {
	struct exchange *x;
	char *piece;
	size_t n, cap;
	uint64_t offset;     /* of the piece in the body */
	bool head_again;     /* suspended before the body: the head is shown again */
	bool last;           /* the piece that was sent is */
	int64_t patience_us; /* until when it is tried again; 0: it has not failed yet */
	struct timer again;
	void *refusal; /* packed: the answer, told when the body has been read past */
	size_t refusal_n, past;
};

static void send_piece(struct upload *u, bool last);
static void on_again(struct timer *t);
static bool try_again(struct upload *u, const Mf__HttpResponse *m, const struct failure *f);
static void go_on(struct upload *u);
static void finish(struct upload *u, const Mf__HttpResponse *m, const struct failure *f);
static void keep_refusal(struct upload *u, const Mf__HttpResponse *m, const struct failure *f);
static void tell_refusal(struct upload *u);

bool
upload_is_bytes(struct str path)
{
	static const struct str blobs = STR("/v1/blobs");

	return path.n >= blobs.n && memcmp(path.p, blobs.p, blobs.n) == 0 &&
	       (path.n == blobs.n || path.p[blobs.n] == '/');
}

bool
upload_wanted(const struct http_head *h)
{
	return (h->method == M_POST || h->method == M_PUT || h->method == M_PATCH) &&
	       upload_is_bytes(h->path);
}

void
upload_begin(struct exchange *x)
{
	const struct http_head *h = &x->head;
	bool whole = h->fields[F_UPLOAD_CHECKSUM].p != NULL;
	size_t cap = whole ? UPLOAD_PIECE_MOST : UPLOAD_PIECE;
	struct upload *u = mem_zalloc(sizeof(*u));

	u->x = x;
	x->upload = u;
	timer_init(&u->again, node_loop(edge_node(x->e)), on_again);
	u->cap = !h->chunked && h->content_length < cap ? (size_t)h->content_length : cap;
	u->piece = mem_zalloc(u->cap + 1);
	if (h->chunked || h->content_length > u->cap) {
		u->head_again = true;
		send_piece(u, false);
	}
}

bool
upload_resumed(struct upload *u)
{
	bool was = u->head_again;

	u->head_again = false;
	return was;
}

size_t
upload_take(struct upload *u, const char *p, size_t n, bool *fine)
{
	const struct http_head *h = &u->x->head;
	size_t room = u->cap - u->n;

	*fine = true;
	if (u->refusal != NULL) {
		u->past += n;
		*fine = u->past <= READ_PAST;
		return n;
	}
	if (n > room)
		n = room;
	memcpy(u->piece + u->n, p, n);
	u->n += n;
	u->x->body_n += n;
	/* The end of a body whose length is known comes with its last piece. */
	if (u->n == u->cap && (h->chunked || u->offset + u->n < h->content_length))
		send_piece(u, false);
	return n;
}

void
upload_end(struct upload *u)
{
	if (u->refusal != NULL)
		tell_refusal(u);
	else
		send_piece(u, true);
}

/* It may only have closed its sending side: what it sent is still taken. */
void
upload_client_left(struct upload *u, bool for_good)
{
	static const struct failure left = {
		.status = ST_CANCELLED, .reason = "CANCELLED", .message = "the client has left"
	};

	if (for_good && u->x->call != NULL) {
		call_cancel(u->x->call);
	} else if (for_good && u->x->suspended) { /* between two tries */
		timer_stop(&u->again);
		finish(u, NULL, &left);
	}
}

void
upload_over(struct upload *u)
{
	timer_stop(&u->again);
	u->x->upload = NULL;
	free(u->refusal);
	free(u->piece);
	free(u);
}

static void
send_piece(struct upload *u, bool last)
{
	const struct http_head *h = &u->x->head;
	Mf__BodyPiece piece = MF__BODY_PIECE__INIT;
	struct call *c;

	u->last = last;
	piece.offset = u->offset;
	piece.last = last;
	piece.known = !h->chunked;
	piece.length = h->content_length;
	c = forward_piece(u->x, &piece, (struct str){ u->piece, u->n });
	if (!u->x->suspended)
		exchange_wait(u->x, c);
	else
		u->x->call = c;
}

static void
on_again(struct timer *t)
{
	struct upload *u = container_of(t, struct upload, again);

	send_piece(u, u->last);
}

void
upload_answer(struct upload *u, const Mf__HttpResponse *m, const struct failure *f)
{
	if (try_again(u, m, f)) {
		timer_in(&u->again, AGAIN_US);
		return;
	}
	u->patience_us = 0;
	if (m != NULL && m->go_on && !u->last)
		go_on(u);
	else
		finish(u, m, f);
}

/* Nobody was there, or the store was not: that passes. */
static bool
try_again(struct upload *u, const Mf__HttpResponse *m, const struct failure *f)
{
	static struct metric *again;
	int64_t now = loop_now(u->again.loop);

	if (f != NULL ? f->status != ST_UNAVAILABLE && f->status != ST_DEADLINE_EXCEEDED
		      : m->status != 503 && m->status != 504)
		return false;
	if (u->patience_us == 0)
		u->patience_us = now + PATIENCE;
	if (now >= u->patience_us || edge_draining(u->x->e))
		return false;
	if (again == NULL)
		again = metric_simple(METRIC_COUNTER, "metafed_upload_retries_total",
		    "Pieces of bodies that were sent again.");
	metric_inc(again);
	return true;
}

static void
go_on(struct upload *u)
{
	u->offset += u->n;
	u->n = 0;
	exchange_go_on(u->x);
}

/* While a body is on its way no answer can be given: the rest is read past first. */
static void
finish(struct upload *u, const Mf__HttpResponse *m, const struct failure *f)
{
	struct exchange *x = u->x;

	if (!u->last && !u->head_again) {
		keep_refusal(u, m, f);
		exchange_go_on(x);
		return;
	}
	if (u->head_again) {
		x->close = true; /* its body is not read */
		conn_unread(x->k);
	}
	if (f != NULL)
		exchange_refuse(x, problem_http(f), f);
	else
		forward_answer(x, m);
}

static void
keep_refusal(struct upload *u, const Mf__HttpResponse *m, const struct failure *f)
{
	Mf__HttpResponse r = MF__HTTP_RESPONSE__INIT;

	if (f != NULL) {
		r.status = (uint32_t)problem_http(f);
		m = &r;
	}
	u->refusal_n = mf__http_response__get_packed_size(m);
	u->refusal = mem_zalloc(u->refusal_n + 1);
	mf__http_response__pack(m, u->refusal);
}

static void
tell_refusal(struct upload *u)
{
	Mf__HttpResponse *m = mf__http_response__unpack(NULL, u->refusal_n, u->refusal);

	must(m != NULL);
	u->x->close = true;
	forward_answer(u->x, m);
	mf__http_response__free_unpacked(m, NULL);
}
