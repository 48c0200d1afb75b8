/* ws: see ws.h.
 *
 * Invariant: `ops` is there exactly while the owner may be told of something; from then on the
 * connection belongs to the hub alone. Nothing frees a connection from inside its own callbacks:
 * that happens when libuv has let go of its handle. */
#include "api/ws.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/linger.h"
#include "api/outbox.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/time.h"

#define READ_ROOM     (16u << 10)
#define READS_AT_ONCE 4 /* before others have their turn */

enum ws_state {
	WS_OPEN,
	WS_CLOSING,    /* our Close was put, the client's has not come */
	WS_LAST_WORDS, /* both have, or nothing more of it is believed: what waits is sent */
	WS_ENDED,
};

struct ws_hub {
	struct loop *loop;
	const struct ws_limits *limits;
	struct list all, dirty;
	struct loop_turn turn;
	struct metric *open, *slow;
	char room[READ_ROOM];
};

struct ws {
	struct link link;  /* hub.all */
	struct link dirty; /* hub.dirty: something was put in this turn */
	struct ws_hub *hub;
	const struct ws_ops *ops;
	void *owner;
	void (*release)(void *);
	void *release_ctx;
	int fd;
	uv_poll_t poll;
	int polled; /* events */
	enum ws_state state;
	bool deaf;    /* the owner does not listen */
	bool blocked; /* the kernel takes nothing more */
	bool pinged;
	size_t message_max;
	struct ws_frames *frames;
	struct outbox out;
	int64_t heard_us; /* the last byte of the client's */
	int64_t begun_us; /* of a message that is not whole yet; 0: none is */
	int64_t close_us; /* when it is cut, in the last two states */
	struct timer timer;
	struct ws_stats stats;
};

static void on_message(void *, const char *, size_t);
static void on_ping(void *, const void *, size_t);
static void on_pong(void *);
static void on_poll(uv_poll_t *, int, int);
static void on_turn(struct loop_turn *);
static void on_time(struct timer *);
static void on_freed(uv_handle_t *);
static void look_after(struct ws *, int64_t);
static void receive(struct ws *);
static struct buf *out_of(struct ws *);
static void flush(struct ws *);
static void sent(struct ws *, size_t);
static void poll_for(struct ws *);
static bool reads(const struct ws *);
static int64_t next_limit(const struct ws *);
static void expect(struct ws *);
static void begin_last_words(struct ws *, int);
static void tell_gone(struct ws *, int);
static void cut(struct ws *, int);
static void end(struct ws *);

struct ws_hub *
ws_hub_new(struct loop *l, const struct ws_limits *limits)
{
	struct ws_hub *h = mem_zalloc(sizeof(*h));

	h->loop = l;
	h->limits = limits;
	list_init(&h->all);
	list_init(&h->dirty);
	h->turn.fn = on_turn;
	loop_turn_add(l, &h->turn);
	h->open =
	    metric_simple(METRIC_GAUGE, "metafed_ws_connections", "Open WebSocket connections.");
	h->slow = metric_simple(METRIC_COUNTER, "metafed_ws_connections_cut_total",
	    "WebSocket connections ended because the client took too long.");
	return h;
}

size_t
ws_hub_count(const struct ws_hub *h)
{
	return h->all.n;
}

void
ws_hub_cut(struct ws_hub *h)
{
	LIST_EACH(&h->all, k)
		cut(container_of(k, struct ws, link), WS_NO_CLOSE);
}

void
ws_hub_free(struct ws_hub **hp)
{
	struct ws_hub *h = *hp;

	*hp = NULL;
	must(h->all.n == 0);
	loop_turn_del(h->loop, &h->turn);
	free(h);
}

struct ws *
ws_new(struct ws_hub *h, const struct ws_opts *o)
{
	struct ws *w = mem_zalloc(sizeof(*w));

	*w = (struct ws){ .hub = h,
		.ops = o->ops,
		.owner = o->owner,
		.release = o->release,
		.release_ctx = o->release_ctx,
		.fd = o->fd,
		.message_max = o->message_max };
	w->frames = ws_frames_new(&(const struct ws_frames_def){ .message_max = &w->message_max,
	    .message = on_message,
	    .ping = on_ping,
	    .pong = on_pong,
	    .ctx = w });
	must(uv_poll_init(loop_uv(h->loop), &w->poll, w->fd) == 0);
	w->poll.data = w;
	w->heard_us = loop_now(h->loop);
	timer_init(&w->timer, h->loop, on_time);
	timer_at(&w->timer, next_limit(w));
	list_add(&h->all, &w->link);
	metric_set(h->open, (double)h->all.n);
	poll_for(w);
	return w;
}

void
ws_take(struct ws *w, const void *p, size_t n)
{
	int code;

	if (w->state >= WS_LAST_WORDS)
		return;
	w->heard_us = loop_now(w->hub->loop);
	w->pinged = false;
	switch (ws_frames_take(w->frames, p, n, &code)) {
	case WS_MORE:
		if (!ws_frames_amid(w->frames))
			w->begun_us = 0;
		else if (w->begun_us == 0)
			w->begun_us = w->heard_us;
		expect(w);
		break;
	case WS_CLOSED:
	case WS_FAILED:
		begin_last_words(w, code);
		break;
	}
}

void
ws_say(struct ws *w, const void *text, size_t n)
{
	if (w->state != WS_OPEN)
		return;
	ws_put_text(w->frames, out_of(w), text, n);
	w->stats.messages_out++;
	w->stats.bytes_out += n;
}

size_t
ws_room(const struct ws *w)
{
	return outbox_room(&w->out, w->hub->limits->queue_max);
}

void
ws_listen(struct ws *w, bool on)
{
	if (w->deaf == !on)
		return;
	w->deaf = !on;
	if (on) /* what we did not read could not show that it is there */
		w->heard_us = loop_now(w->hub->loop);
	poll_for(w);
}

void
ws_set_message_max(struct ws *w, size_t n)
{
	w->message_max = n;
}

void
ws_close(struct ws *w, int code, const char *reason)
{
	w->ops = NULL;
	if (w->state != WS_OPEN)
		return;
	ws_put_close(w->frames, out_of(w), code, reason);
	w->state = WS_CLOSING;
	w->deaf = false;
	w->close_us = loop_now(w->hub->loop) + w->hub->limits->close_us;
	timer_at(&w->timer, w->close_us);
}

const struct ws_stats *
ws_stats(const struct ws *w)
{
	return &w->stats;
}

static void
on_message(void *ctx, const char *p, size_t n)
{
	struct ws *w = ctx;

	if (w->state != WS_OPEN)
		return;
	w->stats.messages_in++;
	w->stats.bytes_in += n;
	w->ops->message(w->owner, p, n);
}

static void
on_ping(void *ctx, const void *p, size_t n)
{
	struct ws *w = ctx;

	if (w->state == WS_OPEN)
		ws_put_pong(w->frames, out_of(w), p, n);
}

static void
on_pong(void *ctx)
{
	(void)ctx; /* any byte of the client's shows as much */
}

static void
on_poll(uv_poll_t *p, int status, int events)
{
	struct ws *w = p->data;

	if (status < 0) {
		cut(w, WS_NO_CLOSE);
		return;
	}
	if ((events & UV_WRITABLE) != 0) {
		w->blocked = false;
		flush(w);
	}
	if ((events & ~UV_WRITABLE) != 0)
		receive(w);
}

/* Into one room for all: a message that comes whole is never copied before it is somebody's. */
static void
receive(struct ws *w)
{
	struct ws_hub *h = w->hub;

	for (int i = 0; i < READS_AT_ONCE && reads(w); i++) {
		ssize_t n = recv(w->fd, h->room, sizeof(h->room), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			cut(w, WS_NO_CLOSE);
			return;
		}
		ws_take(w, h->room, (size_t)n);
		if ((size_t)n < sizeof(h->room))
			return;
	}
}

static bool
reads(const struct ws *w)
{
	return w->state < WS_LAST_WORDS && !w->deaf && ws_room(w) != 0;
}

/* To be put into: it leaves at the end of this turn. */
static struct buf *
out_of(struct ws *w)
{
	if (!link_is_in(&w->dirty)) {
		list_add(&w->hub->dirty, &w->dirty);
		loop_turn_soon(w->hub->loop);
	}
	return outbox_in(&w->out, loop_now(w->hub->loop));
}

static void
on_turn(struct loop_turn *t)
{
	struct ws_hub *h = container_of(t, struct ws_hub, turn);
	struct link *k;

	while ((k = list_pop(&h->dirty)) != NULL)
		flush(container_of(k, struct ws, dirty));
}

static void
flush(struct ws *w)
{
	if (w->state == WS_ENDED)
		return;
	outbox_look(&w->out, w->hub->limits->queue_max);
	while (!w->blocked && outbox_waits(&w->out) != 0) {
		ssize_t n = send(w->fd, outbox_first(&w->out), outbox_waits(&w->out),
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			sent(w, (size_t)n);
		} else if (errno == EAGAIN) {
			w->blocked = true;
		} else if (errno != EINTR) {
			cut(w, WS_NO_CLOSE);
			return;
		}
	}
	if (w->state == WS_LAST_WORDS && outbox_waits(&w->out) == 0) {
		if (w->release == NULL)
			linger(w->hub->loop, w->fd);
		end(w);
		return;
	}
	expect(w);
	poll_for(w);
}

static void
sent(struct ws *w, size_t n)
{
	bool room = outbox_taken(&w->out, n, w->hub->limits->queue_max, loop_now(w->hub->loop));

	if (room && w->ops != NULL)
		w->ops->room(w->owner);
}

static void
poll_for(struct ws *w)
{
	int events = (reads(w) ? UV_READABLE | UV_DISCONNECT : 0) | (w->blocked ? UV_WRITABLE : 0);

	if (w->state == WS_ENDED || events == w->polled)
		return;
	w->polled = events;
	if (events == 0)
		uv_poll_stop(&w->poll);
	else
		must(uv_poll_start(&w->poll, events, on_poll) == 0);
}

/* When something has to be looked at, at the latest. */
static int64_t
next_limit(const struct ws *w)
{
	const struct ws_limits *l = w->hub->limits;
	int64_t at = w->heard_us + (w->pinged ? 2 * l->ping_us : l->ping_us);

	if (w->state != WS_OPEN)
		return w->close_us;
	if (!reads(w))
		at = loop_now(w->hub->loop) + l->ping_us;
	if (w->begun_us != 0 && reads(w) && w->begun_us + l->message_us < at)
		at = w->begun_us + l->message_us;
	if (outbox_waits(&w->out) != 0 && w->out.moved_us + l->send_us < at)
		at = w->out.moved_us + l->send_us;
	return at;
}

/* Limits that move on need no new timer: it looks again when it comes. */
static void
expect(struct ws *w)
{
	int64_t at = next_limit(w);

	if (at < w->timer.at_us)
		timer_at(&w->timer, at);
}

static void
on_time(struct timer *t)
{
	struct ws *w = container_of(t, struct ws, timer);
	const struct ws_limits *l = w->hub->limits;
	int64_t now = loop_now(w->hub->loop), next;

	if (w->state != WS_OPEN && now >= w->close_us) {
		cut(w, WS_NO_CLOSE);
	} else if (w->state == WS_OPEN && outbox_waits(&w->out) != 0 &&
		   now >= w->out.moved_us + l->send_us) {
		metric_inc(w->hub->slow);
		cut(w, WS_POLICY);
	} else if (w->state == WS_OPEN && reads(w)) {
		look_after(w, now);
	}
	if (w->state == WS_ENDED)
		return;
	next = next_limit(w);
	timer_at(t, next > now ? next : now + MS);
}

/* Of a client that may speak: does it, and does it come to an end? */
static void
look_after(struct ws *w, int64_t now)
{
	const struct ws_limits *l = w->hub->limits;

	if (w->begun_us != 0 && now >= w->begun_us + l->message_us) {
		metric_inc(w->hub->slow);
		begin_last_words(w, WS_POLICY);
	} else if (now >= w->heard_us + 2 * l->ping_us) {
		cut(w, WS_NO_CLOSE);
	} else if (now >= w->heard_us + l->ping_us && !w->pinged) {
		w->pinged = true;
		ws_put_ping(w->frames, out_of(w));
	}
}

/* Puts our Close, unless it was put. */
static void
begin_last_words(struct ws *w, int code)
{
	struct buf *out = out_of(w);

	if (w->state == WS_OPEN)
		ws_put_close(w->frames, out, code, "");
	w->state = WS_LAST_WORDS;
	w->close_us = loop_now(w->hub->loop) + w->hub->limits->close_us;
	timer_at(&w->timer, w->close_us);
	poll_for(w);
	tell_gone(w, code);
}

static void
tell_gone(struct ws *w, int code)
{
	const struct ws_ops *ops = w->ops;

	w->ops = NULL;
	if (ops != NULL)
		ops->gone(w->owner, code);
}

/* What a client does not take would else stay in the kernel for as long as it likes: reset. */
static void
cut(struct ws *w, int why)
{
	static const struct linger reset = { .l_onoff = 1 };

	if (w->state == WS_ENDED)
		return;
	(void)setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	end(w);
	tell_gone(w, why);
}

static void
end(struct ws *w)
{
	struct ws_hub *h = w->hub;

	w->state = WS_ENDED;
	timer_stop(&w->timer);
	list_del(&h->all, &w->link);
	metric_set(h->open, (double)h->all.n);
	if (link_is_in(&w->dirty))
		list_del(&h->dirty, &w->dirty);
	uv_close((uv_handle_t *)&w->poll, on_freed);
	close(w->fd);
	if (w->release != NULL)
		w->release(w->release_ctx);
}

static void
on_freed(uv_handle_t *p)
{
	struct ws *w = p->data;

	ws_frames_free(&w->frames);
	outbox_free(&w->out);
	free(w);
}
