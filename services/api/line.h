/* line: what a session speaks through: a WebSocket (ws.h) or a stream of events (stream.h). */
#ifndef API_LINE_H
#define API_LINE_H

#include "api/quota.h"
#include "api/ws.h"
#include "proto/rest.pb-c.h"

/* `to` is the ws or the stream; it tells its owner by struct ws_ops. */
struct line_ops {
	void (*say)(void *to, const void *text, size_t n);
	size_t (*room)(const void *to); /* bytes that may still wait */
	/* Its last words stand. From here on it is none of the owner's any more. */
	void (*close)(void *to, int code, const char *reason);
	const struct ws_stats *(*stats)(const void *to);
	/* Of a WebSocket, else NULL. */
	void (*listen)(void *to, bool on);
	void (*set_message_max)(void *to, size_t n);
	/* Of a stream, else NULL: the request that asks for it is answered, with it or (then it is
	 * none of the owner's any more) without. */
	void (*begin)(void *to, const struct charge *charge);
	void (*refuse)(void *to, const Mf__HttpResponse *m);
};
struct line {
	const struct line_ops *ops;
	void *to;
};
extern const struct line_ops ws_line;

#endif
