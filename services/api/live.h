/* live: sessions, conversations that last longer than a request: WebSockets, streams of events. Here is what a session owns: the
 * connection (ws.h), what the client said and nobody has heard yet, the `state` of the agents, the
 * work under way. What is said is an agent's: it hears in a Turn what is new and answers with a Step
 * (proto/websocket.proto). It keeps nothing, so that any of websocket, graphql and rest takes the
 * next turn, and one that dies is not missed.
 *
 *   live.c      all sessions: how many, whom the bell rings for, the turns that may be under way
 *   session.c   one of them: inbox, turns, jobs, its end
 *
 * Nothing is queued without a bound: what a client says waits in its socket while the session has
 * enough to do, what it shall hear waits in the log until its connection has room. */
#ifndef API_LIVE_H
#define API_LIVE_H

#include "api/address.h"
#include "api/http_check.h"
#include "api/quota.h"
#include "api/settings.h"
#include "bus/bus.h"
#include "proto/websocket.pb-c.h"

struct line_ops;
struct live;
struct ws_ops;

struct live_opts {
	struct bus *bus;
	const struct api_settings *(*settings)(void *ctx); /* as they are now */
	void *ctx;
	struct quota *quota;
};
struct live *live_new(const struct live_opts *o);
void live_reload(struct live *l); /* the settings are others */
/* What has been said is still answered, then each session ends with 1001. */
void live_drain(struct live *l);
bool live_empty(const struct live *l);
void live_free(struct live **l); /* cuts what is left */

/* NULL: there is room for one more from there. */
const struct http_refusal *live_refuses(const struct live *l, const struct address *from);

struct live_opening {
	int fd;                         /* ours from now on */
	const char *protocol;           /* static */
	const Mf__HttpRequest *request; /* the handshake; copied */
	const struct address *from;
	const void *early; /* bytes that came behind the handshake */
	size_t early_n;
	void (*release)(void *ctx); /* once, when fd is closed; may be NULL */
	void *release_ctx;
	const struct charge *charge; /* of the handshake's request */
	/* Instead of all that from fd on, protocol, request, address and charge aside: a stream. */
	const struct line_ops *line_ops; /* NULL: it is a WebSocket */
	void *(*line)(void *ctx, const struct ws_ops *ops, void *owner); /* makes it */
	void *line_ctx;
};
void live_open(struct live *l, const struct live_opening *o);

#endif
