/* ws: WebSocket connections on sockets that have been upgraded: reading and writing, back-pressure,
 * pings, the closing handshake and every limit of time. What is said on them is somebody else's
 * (live.h).
 *
 * A connection that its owner has closed, or of whose end it was told, is none of the owner's any
 * more: it says its last words by itself. All of one loop turn leaves in one send. */
#ifndef API_WS_H
#define API_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "api/ws_frame.h"
#include "node/loop.h"

struct ws;
struct ws_hub;

struct ws_limits {
	size_t queue_max;   /* bytes that wait for the client: beyond, it is not read from */
	int64_t ping_us;    /* silence before we ask whether it is there; as long for its answer */
	int64_t message_us; /* from the first byte of a message to its last */
	int64_t send_us;    /* for a client to take something of what waits */
	int64_t close_us;   /* for its side of the closing handshake */
};

/* Limits are read where they lie: as they are at that time. */
struct ws_hub *ws_hub_new(struct loop *l, const struct ws_limits *limits);
size_t ws_hub_count(const struct ws_hub *h); /* with those that only say goodbye */
void ws_hub_cut(struct ws_hub *h);           /* all of them, now; owners are told */
void ws_hub_free(struct ws_hub **h);         /* none is left */

struct ws_ops {
	void (*message)(void *owner, const char *p, size_t n); /* UTF-8, lives for the callback */
	void (*room)(void *owner); /* more than half of the queue is free again */
	/* Ended by the client or through its fault: its code, or that of the rule it broke;
	 * WS_NO_CLOSE: the connection broke. */
	void (*gone)(void *owner, int code);
};
struct ws_opts {
	int fd; /* ours from now on */
	const struct ws_ops *ops;
	void *owner;
	size_t message_max;
	void (*release)(void *ctx); /* once, when fd is closed; may be NULL */
	void *release_ctx;
};
struct ws *ws_new(struct ws_hub *h, const struct ws_opts *o);
void ws_take(struct ws *w, const void *p, size_t n); /* what came before it was ours */
void ws_say(struct ws *w, const void *text, size_t n);
size_t ws_room(const struct ws *w); /* bytes that may still wait */
void ws_listen(struct ws *w, bool on);
void ws_set_message_max(struct ws *w, size_t n);
void ws_close(struct ws *w, int code, const char *reason);

struct ws_stats {
	uint64_t messages_in, messages_out, bytes_in, bytes_out; /* bytes of messages, unframed */
};
const struct ws_stats *ws_stats(const struct ws *w);

#endif
