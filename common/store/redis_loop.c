/* redis_loop: hiredis' context on libuv. Its wish to write is served at the end of the turn, so that
 * what a turn issues leaves in one write. */
#include <stdlib.h>
#include "base/log.h"
#include "store/redis_int.h"

static void on_turn(struct loop_turn *t);
static void want_read(void *data);
static void unwant_read(void *data);
static void want_write(void *data);
static void unwant_write(void *data);
static void cleanup(void *data);
static void on_closed(uv_handle_t *h);
static void poll_again(struct conn *k);
static void on_poll(uv_poll_t *h, int error, int events);

void
redis_loop_init(struct redis *r)
{
	r->turn.fn = on_turn;
	loop_turn_add(r->loop, &r->turn);
}

void
redis_loop_free(struct redis *r)
{
	loop_turn_del(r->loop, &r->turn);
}

void
redis_watch(struct redis *r, redisAsyncContext *ac)
{
	struct conn *k = calloc(1, sizeof(*k));

	must(k != NULL);
	k->r = r;
	k->ac = ac;
	r->conn = k;
	ac->data = k;
	ac->ev.data = k;
	ac->ev.addRead = want_read;
	ac->ev.delRead = unwant_read;
	ac->ev.addWrite = want_write;
	ac->ev.delWrite = unwant_write;
	ac->ev.cleanup = cleanup;
	must(uv_poll_init(loop_uv(r->loop), &k->poll, ac->c.fd) == 0);
	k->events = UV_READABLE | UV_WRITABLE; /* writable tells that the connection stands */
	poll_again(k);
}

static void
on_turn(struct loop_turn *t)
{
	struct redis *r = container_of(t, struct redis, turn);
	struct conn *k = r->conn;

	if (k == NULL || !k->want_write || r->state < CHECKING)
		return;
	k->want_write = false;
	redisAsyncHandleWrite(k->ac);
	if (r->conn == k && k->want_write && (k->events & UV_WRITABLE) == 0) {
		k->events |= UV_WRITABLE; /* the socket is full: go on when it drains */
		poll_again(k);
	}
}

static void
want_read(void *data)
{
	struct conn *k = data;

	if ((k->events & UV_READABLE) == 0) {
		k->events |= UV_READABLE;
		poll_again(k);
	}
}

static void
unwant_read(void *data)
{
	/* never: the loss of an idle connection must be seen */
	(void)data;
}

static void
want_write(void *data)
{
	struct conn *k = data;

	k->want_write = true;
	/* a full socket tells when it drains */
	if (k->r != NULL && (k->events & UV_WRITABLE) == 0)
		loop_turn_soon(k->r->loop);
}

static void
unwant_write(void *data)
{
	struct conn *k = data;

	k->want_write = false;
	if ((k->events & UV_WRITABLE) != 0) {
		k->events &= ~UV_WRITABLE;
		poll_again(k);
	}
}

/* hiredis comes here first when a connection breaks, before it tells anybody else. */
static void
cleanup(void *data)
{
	struct conn *k = data;

	if (k->r != NULL)
		redis_lost(k->r);
	uv_close((uv_handle_t *)&k->poll, on_closed);
}

static void
on_closed(uv_handle_t *h)
{
	free(container_of(h, struct conn, poll));
}

static void
poll_again(struct conn *k)
{
	must(uv_poll_start(&k->poll, k->events, on_poll) == 0);
}

static void
on_poll(uv_poll_t *h, int error, int events)
{
	struct conn *k = container_of(h, struct conn, poll);
	redisAsyncContext *ac = k->ac;

	if (k->r != NULL && (events & UV_READABLE))
		redis_heard(k->r);
	if (error != 0)
		events = UV_READABLE | UV_WRITABLE;
	if (events & UV_WRITABLE)
		redisAsyncHandleWrite(ac);
	/* The write may have freed the context; the conn itself lives until libuv has closed the
	 * poll. */
	if ((events & UV_READABLE) && !uv_is_closing((uv_handle_t *)h))
		redisAsyncHandleRead(ac);
}
