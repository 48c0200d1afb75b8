/* gw: the protocol graphql-transport-ws, as the npm package graphql-ws has it: GraphQL over WebSocket,
 * subscriptions included.
 *
 *   gw_read.c      what a client says
 *   gw_say.c       what we say
 *   gw_turn.c      a turn: its messages one after the other
 *   gw_compiled.c  documents of subscriptions that this process has seen
 *   gw_event.c     an event becomes the answer that was subscribed for
 *   gw_work.c      queries and mutations */
#ifndef LIVE_GW_H
#define LIVE_GW_H

#include "api/live/gw_read.h"
#include "api/live/source.h"
#include "api/live/turn.h"

enum { /* why we close: the protocol's own codes */
	GW_BAD_REQUEST = 4400,
	GW_UNAUTHORIZED = 4401,
	GW_FORBIDDEN = 4403,
	GW_NO_SUBPROTOCOL = 4406,
	GW_INIT_TIMEOUT = 4408,
	GW_ID_IN_USE = 4409,
	GW_SECOND_INIT = 4429,
	GW_INTERNAL = 4500,
};

/* --- gw_say.c: the messages, and those that are said in a turn --- */
ProtobufCBinaryData gw_next(struct arena *a, const char *id, const char *json, size_t n);
/* json is {"errors":[...]}. */
ProtobufCBinaryData gw_errors(struct arena *a, const char *id, const char *json, size_t n);
ProtobufCBinaryData gw_plain(struct arena *a, const char *type, const char *id);
void gw_say(struct turn *t, const char *type, const json_t *payload);
void gw_error(struct turn *t, const char *id, const struct failure *f);
bool gw_note(struct turn *t, const Mf__LiveSubscription *s, enum note what);
void gw_expires(struct turn *t, int64_t at_us);
void gw_goodbye(struct turn *t, int code, const char *reason, const char *text);

/* --- gw_compiled.c --- */
struct gw_compiled {
	struct graphql_subscription *subscription;
	unsigned holders;
};
/* Held; NULL: *refused says why. */
struct gw_compiled *
gw_compiled_get(struct arena *a, ProtobufCBinaryData request, struct graphql_answer *refused);
void gw_compiled_release(struct gw_compiled **g);

/* --- gw_event.c --- */
bool gw_render(struct turn *t, const Mf__LiveSubscription *s, size_t n,
    const struct source_event *const *e, ProtobufCBinaryData *out, void (*done)(void *ctx),
    void *ctx);

/* --- gw_work.c --- */
void gw_work(struct call *c, const Mf__LiveWork *w, const char *operation_id);

#endif
