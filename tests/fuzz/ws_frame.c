/* fuzz: what a client may send once the connection speaks WebSocket. However the bytes are cut, the
 * same messages come out and the same end; every message is UTF-8 and within the limit. */
#include <stdlib.h>
#include <string.h>
#include "api/ws_frame.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define MESSAGE_MAX 300

struct heard {
	struct buf all; /* everything, in order, each with its length */
	enum ws_taken taken;
	int code;
};

static const size_t message_max = MESSAGE_MAX;

static void
on_message(void *ctx, const char *p, size_t n)
{
	struct heard *h = ctx;

	must(n <= MESSAGE_MAX && str_utf8_ok(p, n));
	buf_printf(&h->all, "message %zu ", n);
	buf_add(&h->all, p, n);
}

static void
on_ping(void *ctx, const void *p, size_t n)
{
	struct heard *h = ctx;

	must(n <= WS_CONTROL_MAX);
	buf_printf(&h->all, "ping %zu ", n);
	buf_add(&h->all, p, n);
}

static void
on_pong(void *ctx)
{
	buf_puts(&((struct heard *)ctx)->all, "pong ");
}

static void
hear(struct heard *h, const uint8_t *p, size_t n, size_t piece)
{
	struct ws_frames *f =
	    ws_frames_new(&(const struct ws_frames_def){ .message_max = &message_max,
		.message = on_message,
		.ping = on_ping,
		.pong = on_pong,
		.ctx = h });

	for (size_t at = 0; at < n && h->taken == WS_MORE; at += piece)
		h->taken = ws_frames_take(f, p + at, piece < n - at ? piece : n - at, &h->code);
	if (h->taken != WS_MORE)
		must(ws_code_ok(h->code) || (h->taken == WS_CLOSED && h->code == WS_NO_CODE));
	ws_frames_free(&f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct heard whole = { .taken = WS_MORE }, cut = { .taken = WS_MORE };

	if (n < 2)
		return 0;
	hear(&whole, p + 1, n - 1, n);
	hear(&cut, p + 1, n - 1, 1 + p[0] % 16);
	must(whole.taken == cut.taken && whole.code == cut.code && whole.all.n == cut.all.n);
	must(whole.all.n == 0 || memcmp(whole.all.p, cut.all.p, cut.all.n) == 0);
	buf_free(&whole.all);
	buf_free(&cut.all);
	return 0;
}
