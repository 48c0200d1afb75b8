/* ws_frame: bytes of one WebSocket connection into messages and back (RFC 6455, 5 to 8), wslay
 * underneath. No socket, no clock: what comes is taken in pieces of any size, what goes is appended
 * to a buffer.
 *
 * Held to: masks, reserved bits and opcodes, lengths in their shortest form, control frames of at
 * most 125 bytes, never in pieces, between the fragments of a message if need be; UTF-8 is looked
 * at as it comes, so that a wrong byte ends the message before its end is there. Only text is
 * spoken here: a binary message ends the connection with 1003. */
#ifndef API_WS_FRAME_H
#define API_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/str.h"

enum ws_code { /* RFC 6455, 7.4, and IANA's registry */
	WS_NORMAL = 1000,
	WS_GOING_AWAY = 1001,
	WS_PROTOCOL_ERROR = 1002,
	WS_UNSUPPORTED_DATA = 1003,
	WS_NO_CODE = 1005,  /* never sent: a Close without a code */
	WS_NO_CLOSE = 1006, /* never sent: the connection ended without a Close */
	WS_BAD_TEXT = 1007,
	WS_POLICY = 1008,
	WS_TOO_BIG = 1009,
	WS_INTERNAL = 1011,
	WS_RESTART = 1012,
	WS_TRY_LATER = 1013,
};
#define WS_CONTROL_MAX 125
#define WS_REASON_MAX  (WS_CONTROL_MAX - 2)

struct ws_frames_def {
	const size_t *message_max; /* bytes of one message: as it is at that time */
	/* A whole message; p is not NUL-ended and lives for the callback. */
	void (*message)(void *ctx, const char *p, size_t n);
	void (*ping)(void *ctx, const void *p, size_t n); /* to be answered with the same bytes */
	void (*pong)(void *ctx);
	void *ctx;
};

struct ws_frames;
struct ws_frames *ws_frames_new(const struct ws_frames_def *d);
void ws_frames_free(struct ws_frames **f);

enum ws_taken {
	WS_MORE,   /* all was taken */
	WS_CLOSED, /* the other side's Close, its code in *code: to be answered with one */
	WS_FAILED, /* a rule was broken: the connection is to be ended with *code */
};
/* After the end nothing more is taken. */
enum ws_taken ws_frames_take(struct ws_frames *f, const void *p, size_t n, int *code);
bool ws_frames_amid(const struct ws_frames *f); /* a message has begun and is not whole yet */

/* Appends one frame of a server. */
void ws_put_text(struct ws_frames *f, struct buf *out, const void *p, size_t n);
void ws_put_ping(struct ws_frames *f, struct buf *out);
void ws_put_pong(struct ws_frames *f, struct buf *out, const void *p, size_t n);
/* code WS_NO_CODE: an empty one. The reason is cut to what fits. */
void ws_put_close(struct ws_frames *f, struct buf *out, int code, const char *reason);

/* May stand in a Close that somebody sends. */
bool ws_code_ok(int code);

#endif
