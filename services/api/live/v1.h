/* v1: the protocol metafed.v1; README.md has its words.
 *
 *   v1_read.c      what a client says
 *   v1_say.c       what we say
 *   v1_turn.c      a turn: its messages one after the other
 *   v1_work.c      a submit: the operation of /v1 that it names */
#ifndef LIVE_V1_H
#define LIVE_V1_H

#include "api/live/turn.h"
#include "api/live/v1_read.h"
#include "api/ws_frame.h"

enum { /* why we close: 4000 + the HTTP status of it */
	V1_UNAUTHENTICATED = 4401,
	V1_AUTH_TIMEOUT = 4408,
};

/* --- v1_say.c --- */
void v1_hello(struct turn *t);
void v1_authenticated(struct turn *t, const char *id);
void v1_error(struct turn *t, const char *id, const struct failure *f);
/* A type alone, or with an id and a position. */
void v1_note(struct turn *t, const char *type, const char *id, const char *position);
void v1_reauthenticate(struct turn *t, int64_t expires_at_us);
bool v1_subscription_note(struct turn *t, const Mf__LiveSubscription *s, enum note what);
bool v1_render(struct turn *t, const Mf__LiveSubscription *s, size_t n,
    const struct source_event *const *e, ProtobufCBinaryData *out, void (*done)(void *ctx),
    void *ctx);
/* Says why, then closes. */
void v1_goodbye(struct turn *t, int code, const char *reason, const char *text);

/* --- v1_work.c --- */
void v1_work(struct call *c, const Mf__LiveWork *w, const char *operation_id);

#endif
