/* download: see download.h.
 *
 * Invariant: asleep exactly while libmicrohttpd holds the connection suspended for want of a piece;
 * then a call is under way or the timer runs for another try. Else the timer watches the client. */
#include "api/download.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/time.h"

#define AGAIN_US (250 * MS)
#define PATIENCE (30 * SEC)  /* for one piece, from its first failure on */
#define BLOCK    (32u << 10) /* what libmicrohttpd takes at a time */

struct download {
	struct exchange *x;
	char *piece;
	size_t n, cap;
	uint64_t at, wanted; /* of the piece in the body; of the one that is asked for */
	uint64_t sent;
	bool asleep, cut, over;
	int64_t patience_us, moved_us;
	struct timer timer;
};

static void take(struct download *d, uint64_t at, ProtobufCBinaryData body);
static ssize_t on_wanted(void *ctx, uint64_t at, char *p, size_t most);
static void ask(struct download *d);
static void on_time(struct timer *t);
static void cut(struct download *d, const char *why);
static void wake(struct download *d);
static void watch(struct download *d);

void
download_answer(struct exchange *x, const Mf__HttpResponse *m, size_t n_headers,
    const struct http_header *headers)
{
	static const struct http_refusal full = { 503, "TOO_MANY_STREAMS",
		"there are as many long answers under way as there may be" };
	struct download *d;

	if (x->head.method != M_HEAD && !edge_takes_stream(x->e)) {
		answer_refusal(x, &full);
		return;
	}
	d = mem_zalloc(sizeof(*d));
	d->x = x;
	x->download = d;
	x->call = NULL;
	timer_init(&d->timer, node_loop(edge_node(x->e)), on_time);
	take(d, 0, m->body);
	watch(d);
	answer_sized(x, (int)m->status, m->length, BLOCK, on_wanted, d, n_headers, headers);
}

size_t
download_bytes(const struct download *d)
{
	return (size_t)d->sent;
}

/* One that only closed its sending side still reads. */
void
download_client_left(struct download *d, bool for_good)
{
	if (for_good)
		cut(d, NULL);
}

bool
download_asleep(const struct download *d)
{
	return d->asleep;
}

void
download_over(struct download *d)
{
	struct exchange *x = d->x;

	d->over = true;
	timer_stop(&d->timer);
	if (x->call != NULL)
		call_cancel(x->call);
	x->call = NULL;
	x->download = NULL;
	free(d->piece);
	free(d);
}

static void
take(struct download *d, uint64_t at, ProtobufCBinaryData body)
{
	if (body.len > d->cap) {
		free(d->piece);
		d->piece = mem_zalloc(body.len);
		d->cap = body.len;
	}
	if (body.len != 0)
		memcpy(d->piece, body.data, body.len);
	d->n = body.len;
	d->at = at;
}

static ssize_t
on_wanted(void *ctx, uint64_t at, char *p, size_t most)
{
	struct download *d = ctx;
	size_t n;

	d->moved_us = loop_now(d->timer.loop);
	d->sent = at;
	if (d->cut)
		return MHD_CONTENT_READER_END_OF_STREAM; /* as stream.c has it */
	if (at >= d->at && at < d->at + d->n) {
		n = (size_t)(d->at + d->n - at);
		n = n < most ? n : most;
		memcpy(p, d->piece + (at - d->at), n);
		d->sent = at + n;
		return (ssize_t)n;
	}
	d->wanted = at;
	d->asleep = true;
	d->patience_us = 0;
	MHD_suspend_connection(d->x->m);
	ask(d);
	return 0;
}

static void
ask(struct download *d)
{
	Mf__BodyPiece piece = MF__BODY_PIECE__INIT;

	timer_stop(&d->timer);
	piece.offset = d->wanted;
	d->x->call = forward_piece(d->x, &piece, STR(""));
}

void
download_piece(struct download *d, const Mf__HttpResponse *m, const struct failure *f)
{
	int64_t now = loop_now(d->timer.loop);
	enum status why = f != NULL ? f->status : ST_OK;
	uint32_t said = m != NULL ? m->status : 0;
	bool passes = why == ST_UNAVAILABLE || why == ST_DEADLINE_EXCEEDED || said == 503 ||
	              said == 504 || said == 429;

	if (d->over)
		return;
	if (m != NULL && said == (uint32_t)d->x->http && m->body.len != 0) {
		take(d, d->wanted, m->body);
		wake(d);
		return;
	}
	if (d->patience_us == 0)
		d->patience_us = now + PATIENCE;
	if (passes && now < d->patience_us && !d->cut) {
		timer_in(&d->timer, AGAIN_US);
		return;
	}
	cut(d, f != NULL ? f->message : "the agent's answer has changed");
}

static void
on_time(struct timer *t)
{
	struct download *d = container_of(t, struct download, timer);
	int64_t limit = d->moved_us + edge_config(d->x->e)->send_time_us;
	static struct metric *slow;

	if (slow == NULL)
		slow = metric_simple(METRIC_COUNTER, "metafed_downloads_slow_total",
		    "Long answers ended because the client took too long.");
	if (d->asleep) {
		ask(d);
	} else if (loop_now(t->loop) >= limit) {
		metric_inc(slow);
		cut(d, NULL);
	} else {
		timer_at(t, limit);
	}
}

/* Its length was announced: a body that ends before tells the client that it is not whole. */
static void
cut(struct download *d, const char *why)
{
	if (d->cut)
		return;
	if (why != NULL)
		log_warn("download_broken", L_STR("why", why));
	d->cut = true;
	timer_stop(&d->timer);
	conn_cut(d->x->k);
	wake(d);
}

static void
wake(struct download *d)
{
	if (!d->asleep)
		return;
	d->asleep = false;
	watch(d);
	MHD_resume_connection(d->x->m);
	edge_run(d->x->e);
}

static void
watch(struct download *d)
{
	d->moved_us = loop_now(d->timer.loop);
	if (!d->cut)
		timer_at(&d->timer, d->moved_us + edge_config(d->x->e)->send_time_us);
}
