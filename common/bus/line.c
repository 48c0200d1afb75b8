/* line: see line.h. Called by lane.c and visitor.c on the loop.
 *
 * Invariants: sent - acked <= LINE_WINDOW; a line is in `owing` iff it has received more than it
 * told; a frame in the queue has at least one record. Each
 * message that leaves carries the newest receipt, so a busy line never sends empty frames. */
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "bus/line.h"

/* An empty frame carries a receipt that found no other way: in time for the peer's watch, and at
 * once when its window is nearly shut, so nothing ever waits for this. */
#define RECEIPT_US     (20 * MS)
#define RECEIPT_URGENT (LINE_WINDOW - 1)
#define WATCH_LATE_US  (500 * MS)

static void line_dirty(struct line *l);
static void line_flush(struct line *l);
static void line_emit(struct line *l, struct frame_out *f);
static void line_put(struct line *l, const uint8_t *plain, size_t n);
static bool
line_unseal(struct line *l, uint8_t *body, size_t n, const uint8_t **plain, size_t *plain_n);
static bool line_acked(struct line *l, uint32_t received);
static void line_owe(struct line *l);
static void line_wait(struct line *l, bool wait);
static void on_owe(struct timer *t);
static void on_watch(struct timer *t);

void
lines_init(struct lines *a, struct loop *l)
{
	*a = (struct lines){ .loop = l };
	list_init(&a->dirty);
	list_init(&a->owing);
	list_init(&a->waiting);
	timer_init(&a->owe, l, on_owe);
	timer_init(&a->watch, l, on_watch);
}

void
lines_flush(struct lines *a)
{
	struct link *k;

	while ((k = list_pop(&a->dirty)) != NULL)
		line_flush(container_of(k, struct line, dirty));
}

void
lines_stop(struct lines *a)
{
	timer_stop(&a->owe);
	timer_stop(&a->watch);
}

void
line_init(struct line *l, struct lines *all, const struct line_ops *ops)
{
	*l = (struct line){ .all = all, .ops = ops };
	list_init(&l->queue);
}

void
line_start(struct line *l, struct sp_conn *conn)
{
	line_stop(l);
	l->conn = conn;
	do
		l->mine = id_random_u64();
	while (l->mine == 0);
	l->theirs = 0;
	l->sent = l->acked = l->received = l->told = 0;
	line_wait(l, true);
}

void
line_set_header(struct line *l, const void *p, size_t n)
{
	must(n <= sizeof(l->header));
	memcpy(l->header, p, n);
	l->header_n = n;
}

void
line_set_up(struct line *l, uint64_t theirs, struct secure_link *s)
{
	l->theirs = theirs;
	l->secure = s;
	l->up = true;
	line_wait(l, false);
}

void
line_stop(struct line *l)
{
	struct link *k;

	l->conn = NULL;
	l->up = l->speak = false;
	while ((k = list_pop(&l->queue)) != NULL) {
		struct frame_out *f = container_of(k, struct frame_out, link);

		frame_free(&f);
	}
	l->queued = 0;
	secure_close(&l->secure);
	if (link_is_in(&l->dirty))
		list_del(&l->all->dirty, &l->dirty);
	if (link_is_in(&l->owing))
		list_del(&l->all->owing, &l->owing);
	line_wait(l, false);
}

void
line_free(struct line *l)
{
	line_stop(l);
	frame_free(&l->spare);
}

void
line_add(struct line *l, const struct frame_record *r)
{
	struct frame_out *f = container_of(l->queue.head.prev, struct frame_out, link); /* if any */
	size_t was;

	if (l->queue.n == 0 || !frame_has_room(f, r->n)) {
		f = l->spare != NULL ? l->spare : frame_new();
		l->spare = NULL;
		list_add(&l->queue, &f->link);
	}
	was = f->n;
	frame_add(f, r);
	l->queued += f->n - was;
	line_dirty(l);
}

bool
line_is_full(const struct line *l, size_t n)
{
	return l->queued + n > LINE_QUEUE_MAX;
}

void
line_speak(struct line *l)
{
	l->speak = true;
	line_dirty(l);
}

void
line_raw(struct line *l, const void *p, size_t n)
{
	struct iovec body = { (void *)(uintptr_t)p, n };

	sp_send(l->conn, l->header, l->header_n, &body, 1);
}

bool
line_take(struct line *l, uint8_t *body, size_t n)
{
	struct frame_record r;
	struct frame_head h;
	struct frame_in in;
	const uint8_t *plain;
	size_t plain_n;
	const struct sp_conn *conn = l->conn;

	if (!line_unseal(l, body, n, &plain, &plain_n) || !frame_open(&in, plain, plain_n, &h))
		return false;
	if (h.to != l->mine || h.from != l->theirs) {
		l->all->stats.dropped_epoch++;
		return true;
	}
	if (!line_acked(l, h.received))
		return false;
	l->all->stats.frames_in++;
	l->all->stats.bytes_in += n;
	if (in.n > 0) {
		l->received++;
		line_owe(l);
	}
	l->ops->head(l, &h);
	while (l->conn == conn && frame_next(&in, &r))
		l->ops->record(l, &r);
	return true;
}

static void
line_dirty(struct line *l)
{
	if (link_is_in(&l->dirty))
		return;
	if (l->all->dirty.n == 0)
		loop_turn_soon(l->all->loop);
	list_add(&l->all->dirty, &l->dirty);
}

/* Everything that may leave now, leaves: records as the window allows, else an empty frame if one
 * is due. */
static void
line_flush(struct line *l)
{
	struct link *k;

	if (!l->up)
		return;
	while (l->sent - l->acked < LINE_WINDOW && (k = list_pop(&l->queue)) != NULL)
		line_emit(l, container_of(k, struct frame_out, link));
	if (l->speak || l->received - l->told >= RECEIPT_URGENT)
		line_emit(l, NULL);
}

/* f NULL: an empty frame. Takes f. */
static void
line_emit(struct line *l, struct frame_out *f)
{
	struct lines *a = l->all;
	struct frame_head h = { .to = l->theirs,
		.from = l->mine,
		.received = l->received,
		.hint_epoch = a->hint_epoch,
		.hint_value = a->hint_value,
		.flags = (uint16_t)((a->draining ? FRAME_DRAINING : 0) |
				    (a->hinted ? FRAME_HINT : 0) | (a->unfit ? FRAME_UNFIT : 0)) };
	struct frame_out *empty = f != NULL ? NULL : l->spare != NULL ? l->spare : frame_new();
	const uint8_t *plain;
	size_t n;

	if (f != NULL) {
		l->queued -= f->n;
		l->sent++;
		line_wait(l, true);
	}
	plain = frame_close(f != NULL ? f : empty, &h, &n);
	line_put(l, plain, n);
	if (f == NULL)
		f = empty;
	frame_clear(f);
	if (l->spare != NULL && l->spare != f)
		frame_free(&l->spare);
	l->spare = f;
	l->speak = false;
	l->told = l->received;
	if (link_is_in(&l->owing))
		list_del(&a->owing, &l->owing);
	a->stats.frames_out++;
	a->stats.bytes_out += n;
}

static void
line_put(struct line *l, const uint8_t *plain, size_t n)
{
	uint8_t prefix[FRAME_PREFIX] = { 0, FRAME_DATA }, *sealed;
	struct iovec body[2] = { { prefix, FRAME_PREFIX }, { (void *)(uintptr_t)plain, n } };

	if (l->secure == NULL) {
		sp_send(l->conn, l->header, l->header_n, body, 2);
		return;
	}
	prefix[1] = FRAME_SEALED;
	sealed = mem_grow(NULL, n + SECURE_SEAL_EXTRA, 1);
	secure_seal(l->secure, prefix, plain, n, sealed);
	body[1] = (struct iovec){ sealed, n + SECURE_SEAL_EXTRA };
	sp_send(l->conn, l->header, l->header_n, body, 2);
	free(sealed);
}

static bool
line_unseal(struct line *l, uint8_t *body, size_t n, const uint8_t **plain, size_t *plain_n)
{
	if (body[1] != (l->secure != NULL ? FRAME_SEALED : FRAME_DATA))
		return false;
	if (l->secure != NULL)
		return secure_open(
		    l->secure, body, body + FRAME_PREFIX, n - FRAME_PREFIX, plain, plain_n);
	*plain = body + FRAME_PREFIX;
	*plain_n = n - FRAME_PREFIX;
	return true;
}

static bool
line_acked(struct line *l, uint32_t received)
{
	uint32_t news = received - l->acked;

	if (news > l->sent - l->acked)
		return false; /* a receipt for what was never sent */
	if (news == 0)
		return true;
	l->acked = received;
	line_wait(l, false);
	if (l->sent != l->acked)
		line_wait(l, true);
	if (l->queue.n > 0)
		line_dirty(l);
	return true;
}

static void
line_owe(struct line *l)
{
	if (l->received - l->told >= RECEIPT_URGENT)
		line_dirty(l);
	if (link_is_in(&l->owing))
		return;
	l->owing_since = loop_now(l->all->loop);
	list_add(&l->all->owing, &l->owing);
	if (l->all->owe.at_us == 0)
		timer_in(&l->all->owe, RECEIPT_US);
}

static void
line_wait(struct line *l, bool wait)
{
	struct lines *a = l->all;

	if (!wait && link_is_in(&l->waiting))
		list_del(&a->waiting, &l->waiting);
	if (!wait || l->ops->silent == NULL || link_is_in(&l->waiting))
		return;
	l->waiting_since = loop_now(a->loop);
	list_add(&a->waiting, &l->waiting);
	if (a->watch.at_us == 0) {
		a->watch_due = l->waiting_since + LINE_SILENT_US;
		timer_at(&a->watch, a->watch_due);
	}
}

/* The list is in order of owing_since: whoever has waited at least half the time is served with the
 * first. */
static void
on_owe(struct timer *t)
{
	struct lines *a = container_of(t, struct lines, owe);
	int64_t now = loop_now(a->loop);
	struct link *k;

	while ((k = list_first(&a->owing)) != NULL) {
		struct line *l = container_of(k, struct line, owing);

		if (now - l->owing_since < RECEIPT_US / 2) {
			timer_at(t, l->owing_since + RECEIPT_US);
			return;
		}
		list_del(&a->owing, k);
		line_speak(l);
	}
}

/* A watch that rings late was stopped itself (SIGSTOP, a frozen host): the peers get their time
 * again. */
static void
on_watch(struct timer *t)
{
	struct lines *a = container_of(t, struct lines, watch);
	int64_t now = loop_now(a->loop),
		forgive = now - a->watch_due > WATCH_LATE_US ? now - a->watch_due : 0;
	struct link *k;

	if (forgive > 0)
		LIST_EACH(&a->waiting, w)
			container_of(w, struct line, waiting)->waiting_since += forgive;
	while ((k = list_first(&a->waiting)) != NULL) {
		struct line *l = container_of(k, struct line, waiting);

		if (now - l->waiting_since < LINE_SILENT_US) {
			a->watch_due = l->waiting_since + LINE_SILENT_US;
			timer_at(t, a->watch_due);
			return;
		}
		line_wait(l, false);
		l->ops->silent(l);
	}
}
