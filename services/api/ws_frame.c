/* ws_frame: see ws_frame.h. wslay splits the bytes into frames, unmasks them and refuses lengths
 * and control frames that are none; what a sequence of frames means is decided here.
 *
 * Invariant: `message` is not empty only between the first and the last fragment of a message, or
 * inside of a frame that comes in pieces. */
#include "api/ws_frame.h"

#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "base/log.h"
#include "base/mem.h"

struct utf8 {              /* how far into a character we are */
	uint8_t left;      /* bytes that it still needs */
	uint8_t low, high; /* what the next one may be */
};

struct ws_frames {
	struct ws_frames_def d;
	wslay_frame_context_ptr wslay;
	struct str in;   /* not yet taken by wslay */
	struct buf *out; /* while a frame is put */
	bool over;
	bool in_frame, in_message;
	bool fin;
	uint8_t opcode; /* of this frame */
	uint64_t left;  /* bytes of it that have not come */
	struct utf8 utf8;
	struct buf message;
	uint8_t control[WS_CONTROL_MAX];
	size_t control_n;
};

static ssize_t on_recv(uint8_t *, size_t, int, void *);
static ssize_t on_send(const uint8_t *, size_t, int, void *);
static int take_piece(struct ws_frames *, const struct wslay_frame_iocb *);
static int begin_frame(struct ws_frames *, const struct wslay_frame_iocb *);
static int take_text(struct ws_frames *, const uint8_t *, size_t);
static int end_control(struct ws_frames *);
static int take_close(struct ws_frames *);
static void put(struct ws_frames *, struct buf *, uint8_t, const void *, size_t);
static bool utf8_take(struct utf8 *, const uint8_t *, size_t);
static bool utf8_begin(struct utf8 *, uint8_t);

/* What take_piece may answer besides 0 and a code. */
#define PEER_CLOSED -1

struct ws_frames *
ws_frames_new(const struct ws_frames_def *d)
{
	struct ws_frames *f = mem_zalloc(sizeof(*f));
	const struct wslay_frame_callbacks callbacks = { .send_callback = on_send,
		.recv_callback = on_recv };

	f->d = *d;
	if (wslay_frame_context_init(&f->wslay, &callbacks, f) != 0)
		fatal("out of memory");
	return f;
}

void
ws_frames_free(struct ws_frames **f)
{
	if (*f == NULL)
		return;
	wslay_frame_context_free((*f)->wslay);
	buf_free(&(*f)->message);
	free(*f);
	*f = NULL;
}

enum ws_taken
ws_frames_take(struct ws_frames *f, const void *p, size_t n, int *code)
{
	struct wslay_frame_iocb piece;
	ssize_t r;

	f->in = (struct str){ p, n };
	while (!f->over) {
		r = wslay_frame_recv(f->wslay, &piece);
		if (r == WSLAY_ERR_WANT_READ) {
			must(f->in.n == 0);
			return WS_MORE;
		}
		*code = r < 0 ? WS_PROTOCOL_ERROR : take_piece(f, &piece);
		if (*code == 0)
			continue;
		f->over = true;
		if (*code != PEER_CLOSED)
			return WS_FAILED;
		*code = f->control_n == 0 ? WS_NO_CODE : f->control[0] << 8 | f->control[1];
		return WS_CLOSED;
	}
	return WS_MORE;
}

bool
ws_frames_amid(const struct ws_frames *f)
{
	return f->in_frame || f->in_message;
}

void
ws_put_text(struct ws_frames *f, struct buf *out, const void *p, size_t n)
{
	put(f, out, WSLAY_TEXT_FRAME, p, n);
}

void
ws_put_ping(struct ws_frames *f, struct buf *out)
{
	put(f, out, WSLAY_PING, "", 0);
}

void
ws_put_pong(struct ws_frames *f, struct buf *out, const void *p, size_t n)
{
	put(f, out, WSLAY_PONG, p, n);
}

void
ws_put_close(struct ws_frames *f, struct buf *out, int code, const char *reason)
{
	uint8_t body[WS_CONTROL_MAX] = { (uint8_t)(code >> 8), (uint8_t)code };
	size_t n = 0, one, all = strlen(reason);

	while ((one = str_utf8_char(reason + n, all - n)) != 0 && n + one <= WS_REASON_MAX)
		n += one;
	memcpy(body + 2, reason, n);
	put(f, out, WSLAY_CONNECTION_CLOSE, body, code == WS_NO_CODE ? 0 : 2 + n);
}

bool
ws_code_ok(int code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}

static ssize_t
on_recv(uint8_t *p, size_t n, int flags, void *ctx)
{
	struct ws_frames *f = ctx;

	(void)flags;
	if (n > f->in.n)
		n = f->in.n;
	memcpy(p, f->in.p, n);
	f->in = (struct str){ f->in.p + n, f->in.n - n };
	return n == 0 ? -1 : (ssize_t)n;
}

static ssize_t
on_send(const uint8_t *p, size_t n, int flags, void *ctx)
{
	struct ws_frames *f = ctx;

	(void)flags;
	buf_add(f->out, p, n);
	return (ssize_t)n;
}

/* 0, PEER_CLOSED, or the code to fail with. */
static int
take_piece(struct ws_frames *f, const struct wslay_frame_iocb *piece)
{
	size_t n = piece->data_length;
	int code = f->in_frame ? 0 : begin_frame(f, piece);

	if (code != 0)
		return code;
	f->left -= n;
	f->in_frame = f->left != 0;
	if (!wslay_is_ctrl_frame(f->opcode))
		return take_text(f, piece->data, n);
	memcpy(f->control + f->control_n, piece->data, n);
	f->control_n += n;
	return f->in_frame ? 0 : end_control(f);
}

static int
begin_frame(struct ws_frames *f, const struct wslay_frame_iocb *piece)
{
	if (piece->rsv != 0 || !piece->mask)
		return WS_PROTOCOL_ERROR;
	f->opcode = piece->opcode;
	f->fin = piece->fin;
	f->left = piece->payload_length;
	switch (piece->opcode) {
	case WSLAY_CONNECTION_CLOSE:
	case WSLAY_PING:
	case WSLAY_PONG:
		f->control_n = 0;
		return 0;
	case WSLAY_CONTINUATION_FRAME:
		if (!f->in_message)
			return WS_PROTOCOL_ERROR;
		break;
	case WSLAY_TEXT_FRAME:
	case WSLAY_BINARY_FRAME:
		if (f->in_message)
			return WS_PROTOCOL_ERROR;
		if (piece->opcode == WSLAY_BINARY_FRAME)
			return WS_UNSUPPORTED_DATA;
		f->in_message = true;
		break;
	default:
		return WS_PROTOCOL_ERROR;
	}
	/* Said before it comes: nobody has to send it all to learn that. */
	return f->left + f->message.n > *f->d.message_max ? WS_TOO_BIG : 0;
}

/* A message that comes in one piece is handed on where it lies. */
static int
take_text(struct ws_frames *f, const uint8_t *p, size_t n)
{
	bool last = f->fin && !f->in_frame;

	if (!utf8_take(&f->utf8, p, n) || (last && f->utf8.left != 0))
		return WS_BAD_TEXT;
	if (last)
		f->in_message = false;
	if (last && f->message.n == 0) {
		f->d.message(f->d.ctx, (const char *)p, n);
		return 0;
	}
	buf_add(&f->message, p, n);
	if (last) {
		f->d.message(f->d.ctx, f->message.p, f->message.n);
		buf_free(&f->message);
	}
	return 0;
}

static int
end_control(struct ws_frames *f)
{
	switch (f->opcode) {
	case WSLAY_PING:
		f->d.ping(f->d.ctx, f->control, f->control_n);
		return 0;
	case WSLAY_PONG:
		f->d.pong(f->d.ctx);
		return 0;
	default:
		return take_close(f);
	}
}

static int
take_close(struct ws_frames *f)
{
	struct utf8 reason = { 0 };

	if (f->control_n == 0)
		return PEER_CLOSED;
	if (f->control_n == 1 || !ws_code_ok(f->control[0] << 8 | f->control[1]))
		return WS_PROTOCOL_ERROR;
	if (!utf8_take(&reason, f->control + 2, f->control_n - 2) || reason.left != 0)
		return WS_BAD_TEXT;
	return PEER_CLOSED;
}

static void
put(struct ws_frames *f, struct buf *out, uint8_t opcode, const void *p, size_t n)
{
	struct wslay_frame_iocb frame = {
		.fin = 1,
		.opcode = opcode,
		.payload_length = n,
		.data = p,
		.data_length = n,
	};

	f->out = out;
	must(wslay_frame_send(f->wslay, &frame) == (ssize_t)n);
}

/* False: no text can go on like this. */
static bool
utf8_take(struct utf8 *u, const uint8_t *p, size_t n)
{
	uint64_t eight;

	for (size_t i = 0; i < n; i++) {
		while (u->left == 0 && n - i >= sizeof(eight)) { /* mostly it is ASCII */
			memcpy(&eight, p + i, sizeof(eight));
			if ((eight & UINT64_C(0x8080808080808080)) != 0)
				break;
			i += sizeof(eight);
		}
		if (i == n)
			break;
		if (u->left == 0) {
			if (!utf8_begin(u, p[i]))
				return false;
			continue;
		}
		if (p[i] < u->low || p[i] > u->high)
			return false;
		*u = (struct utf8){ (uint8_t)(u->left - 1), 0x80, 0xbf };
	}
	return true;
}

/* No overlong form, no surrogate, nothing beyond U+10FFFF: that shows in the second byte. */
static bool
utf8_begin(struct utf8 *u, uint8_t first)
{
	if (first >= 0x80 && (first < 0xc2 || first > 0xf4))
		return false;
	*u = (struct utf8){
		.left = first < 0x80   ? 0
		        : first < 0xe0 ? 1
		        : first < 0xf0 ? 2
		                       : 3,
		.low = first == 0xe0   ? 0xa0
		       : first == 0xf0 ? 0x90
		                       : 0x80,
		.high = first == 0xed   ? 0x9f
		        : first == 0xf4 ? 0x8f
		                        : 0xbf,
	};
	return true;
}
