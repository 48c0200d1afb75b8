/* sse: events as a stream of server-sent events (WHATWG HTML, 9.2): GET /v1/events; README.md has
 * its words.
 *
 *   sse_read.c   what the request asks for
 *   sse.c        a turn, and what we say */
#ifndef LIVE_SSE_H
#define LIVE_SSE_H

#include "api/live/source.h"
#include "proto/live.pb-c.h"
#include "proto/rest.pb-c.h"

#define SSE_TOPICS_MOST 2

struct sse_wish {
	const char *credential; /* "": none */
	size_t n;
	const struct source *sources[SSE_TOPICS_MOST];
	/* One per topic, with the topic's name as its id. */
	Mf__LiveSubscription *subscriptions[SSE_TOPICS_MOST];
};

/* Pure. False: *f says what is wrong. Lives in a, some of it in q. */
bool sse_read(struct arena *a, const Mf__HttpRequest *q, struct sse_wish *out, struct failure *f);
/* "POSITION" or "POSITION,POSITION": where each topic stands, `s` at `position`. */
const char *sse_position(struct arena *a, size_t n, Mf__LiveSubscription *const *all,
    const Mf__LiveSubscription *s, const char *position);

#endif
