/* stream: see stream.h.
 *
 * Invariant: `ops` is there exactly while the owner may be told of something. The stream lives as long
 * as its exchange, which libmicrohttpd ends; it is asleep exactly while libmicrohttpd holds the
 * connection suspended and the head of the answer is out. */
#include "api/stream.h"

#include <stdlib.h>
#include <string.h>

#include "api/exchange.h"
#include "api/line.h"
#include "api/live.h"
#include "api/ops/ops.h"
#include "api/outbox.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/time.h"

enum stream_state {
	STREAM_ASKED, /* nobody knows yet whether it begins */
	STREAM_OPEN,
	STREAM_ENDING, /* what waits is still sent */
	STREAM_CUT,    /* nothing more is said */
};

struct stream {
	struct exchange *x;
	const struct ws_ops *ops;
	void *owner;
	enum stream_state state;
	bool asleep;
	struct outbox out;
	int64_t said_us;
	struct timer timer;
	struct ws_stats stats;
};

static void *line_of(void *, const struct ws_ops *, void *);
static void say(void *, const void *, size_t);
static size_t room(const void *);
static void begin(void *, const struct charge *);
static void refuse(void *, const Mf__HttpResponse *);
static void end(void *, int, const char *);
static const struct ws_stats *stats(const void *);
static void put(struct stream *, const void *, size_t);
static ssize_t on_wanted(void *, uint64_t, char *, size_t);
static void on_time(struct timer *);
static void expect(struct stream *);
static void wake(struct stream *);
static void cut(struct stream *, int);
static void tell_gone(struct stream *, int);
static size_t queue_max(const struct stream *);

static const struct line_ops stream_line = {
	.say = say,
	.room = room,
	.close = end,
	.stats = stats,
	.begin = begin,
	.refuse = refuse,
};

bool
stream_wanted(const struct exchange *x)
{
	return strcmp(x->path, "/v1/events") == 0 &&
	       (x->head.method == M_GET || x->head.method == M_HEAD);
}

/* The exchange waits from here on: for the first step of the session. libmicrohttpd itself ends the
 * answer to HEAD behind its head. */
void
stream_open(struct exchange *x)
{
	static const struct http_refusal
	    accept = { 406, "NOT_ACCEPTABLE", "events come as text/event-stream" },
	    full = { 503, "TOO_MANY_STREAMS",
		    "there are as many streams of events as there may be" };
	struct str wanted = x->head.fields[F_ACCEPT];
	const struct http_refusal *r = live_refuses(edge_live(x->e), &x->from);
	struct arena *a;
	Mf__HttpRequest q = MF__HTTP_REQUEST__INIT;
	struct stream *s;

	if (wanted.n != 0 && !x->head.many_accepts && !media_accepted(wanted, "text/event-stream"))
		r = &accept;
	else if (r == NULL && !edge_takes_stream(x->e))
		r = &full;
	if (r != NULL) {
		answer_refusal(x, r);
		return;
	}
	s = mem_zalloc(sizeof(*s));
	s->x = x;
	x->stream = s;
	timer_init(&s->timer, node_loop(edge_node(x->e)), on_time);
	exchange_hold(x);
	a = arena_new(1 << 20);
	forward_fill(x, a, &q);
	live_open(edge_live(x->e), &(const struct live_opening){ .protocol = "sse",
				       .request = &q,
				       .from = &x->from,
				       .charge = &x->charge,
				       .line = line_of,
				       .line_ops = &stream_line,
				       .line_ctx = s });
	arena_free(&a);
	if (conn_left(x->k))
		stream_client_left(s);
}

bool
stream_is_open(const struct stream *s)
{
	return s->state == STREAM_OPEN;
}

/* It may only have closed its sending side: but who has asked for a stream has nothing else to say. */
void
stream_client_left(struct stream *s)
{
	if (s->state != STREAM_CUT)
		cut(s, WS_NO_CLOSE);
}

size_t
stream_bytes(const struct stream *s)
{
	return s->stats.bytes_out;
}

void
stream_over(struct stream *s)
{
	s->state = STREAM_CUT;
	s->x = NULL;
	tell_gone(s, WS_NO_CLOSE);
	timer_stop(&s->timer);
	outbox_free(&s->out);
	free(s);
}

static void *
line_of(void *ctx, const struct ws_ops *ops, void *owner)
{
	struct stream *s = ctx;

	s->ops = ops;
	s->owner = owner;
	return s;
}

static void
begin(void *ctx, const struct charge *charge)
{
	static const struct http_header headers[] = { { "Content-Type", "text/event-stream" },
		{ "Cache-Control", "no-store" }, { "X-Accel-Buffering", "no" } };
	struct stream *s = ctx;

	s->state = STREAM_OPEN;
	s->said_us = loop_now(s->timer.loop);
	s->x->charge = *charge;
	expect(s);
	answer_stream(s->x, on_wanted, s, sizeof(headers) / sizeof(headers[0]), headers);
}

static void
refuse(void *ctx, const Mf__HttpResponse *m)
{
	struct stream *s = ctx;

	s->ops = NULL;
	s->state = STREAM_CUT;
	timer_stop(&s->timer);
	forward_answer(s->x, m);
}

static void
say(void *ctx, const void *text, size_t n)
{
	struct stream *s = ctx;

	if (s->state != STREAM_OPEN)
		return;
	s->stats.messages_out++;
	put(s, text, n);
}

static size_t
room(const void *ctx)
{
	const struct stream *s = ctx;

	return outbox_room(&s->out, queue_max(s));
}

/* One that has not begun ends as any request that nobody could answer. */
static void
end(void *ctx, int code, const char *reason)
{
	struct stream *s = ctx;
	bool asked = s->state == STREAM_ASKED;
	const struct failure f = { .status = code == WS_INTERNAL ? ST_INTERNAL : ST_UNAVAILABLE,
		.message = reason,
		.reason = "",
		.retry_ms = 1000 };

	s->ops = NULL;
	if (s->state >= STREAM_ENDING)
		return;
	s->state = asked ? STREAM_CUT : STREAM_ENDING;
	timer_stop(&s->timer);
	if (asked) {
		exchange_refuse(s->x, problem_http(&f), &f);
		return;
	}
	conn_enter(s->x->k, CONN_SEND, NULL); /* that has a limit of its own */
	wake(s);
}

static const struct ws_stats *
stats(const void *ctx)
{
	return &((const struct stream *)ctx)->stats;
}

static void
put(struct stream *s, const void *text, size_t n)
{
	s->said_us = loop_now(s->timer.loop);
	buf_add(outbox_in(&s->out, s->said_us), text, n);
	s->stats.bytes_out += n;
	outbox_look(&s->out, queue_max(s));
	expect(s);
	wake(s);
}

/* libmicrohttpd can send some more. */
static ssize_t
on_wanted(void *ctx, uint64_t at, char *p, size_t most)
{
	struct stream *s = ctx;
	size_t n = outbox_waits(&s->out);

	(void)at;
	/* Of one that was cut nothing reaches the client any more. After END_WITH_ERROR
	 * libmicrohttpd 1.0.1 would keep the connection until something else happens on it. */
	if (s->state == STREAM_CUT || (n == 0 && s->state == STREAM_ENDING))
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (n == 0) {
		s->asleep = true;
		MHD_suspend_connection(s->x->m);
		return 0;
	}
	n = n < most ? n : most;
	memcpy(p, outbox_first(&s->out), n);
	if (outbox_taken(&s->out, n, queue_max(s), loop_now(s->timer.loop)) && s->ops != NULL)
		s->ops->room(s->owner);
	return (ssize_t)n;
}

/* A comment now and then: else a proxy in between, or the client, takes silence for the end. */
static void
on_time(struct timer *t)
{
	static struct metric *slow;
	struct stream *s = container_of(t, struct stream, timer);
	const struct api_config *c = edge_config(s->x->e);
	int64_t now = loop_now(t->loop);

	if (slow == NULL)
		slow = metric_simple(METRIC_COUNTER, "metafed_streams_cut_total",
		    "Streams of events ended because the client took too long.");
	if (outbox_waits(&s->out) != 0 && now >= s->out.moved_us + c->send_time_us) {
		metric_inc(slow);
		cut(s, WS_POLICY);
		return;
	}
	if (now >= s->said_us + c->ping_time_us)
		put(s, ":\n\n", 3);
	expect(s);
}

static void
expect(struct stream *s)
{
	const struct api_config *c = edge_config(s->x->e);
	int64_t at = s->said_us + c->ping_time_us;

	if (outbox_waits(&s->out) != 0 && s->out.moved_us + c->send_time_us < at)
		at = s->out.moved_us + c->send_time_us;
	timer_at(&s->timer, at);
}

static void
wake(struct stream *s)
{
	if (!s->asleep)
		return;
	s->asleep = false;
	MHD_resume_connection(s->x->m);
	edge_run(s->x->e);
}

/* While it is only asked for nothing has been queued: whoever waits for the answer is gone, and
 * gets one all the same, so that libmicrohttpd has an end of it. */
static void
cut(struct stream *s, int why)
{
	static const struct failure gone = {
		.status = ST_CANCELLED, .message = "the client went away", .reason = ""
	};
	bool asked = s->state == STREAM_ASKED;

	s->state = STREAM_CUT;
	timer_stop(&s->timer);
	conn_cut(s->x->k);
	if (asked)
		exchange_refuse(s->x, problem_http(&gone), &gone);
	wake(s);
	tell_gone(s, why);
}

static void
tell_gone(struct stream *s, int code)
{
	const struct ws_ops *ops = s->ops;

	s->ops = NULL;
	if (ops != NULL)
		ops->gone(s->owner, code);
}

static size_t
queue_max(const struct stream *s)
{
	return (size_t)edge_config(s->x->e)->session_queue;
}
