/* turn: one Turn of a session while an agent takes it: what came, the state, and the step that is
 * made of it. A protocol says what happens in it; here is what all of them need.
 *
 * Everything lives in the arena of the turn's call. */
#ifndef LIVE_TURN_H
#define LIVE_TURN_H

#include "base/json.h"
#include "bus/bus.h"
#include "proto/live.pb-c.h"
#include "proto/websocket.pb-c.h"

struct protocol;
struct turn {
	struct call *c;
	const struct protocol *protocol;
	struct arena *a;
	const Mf__SessionTurn *q;
	Mf__LiveState *state;
	bool begins;  /* the session does */
	bool renewed; /* it has another credential */
	size_t room;  /* bytes of events that may still be said */
	Mf__SessionStep step;
};

/* A protocol: what happens with the messages of a turn, and with a job of one; and how it says what
 * mind.c and deliver.c have to say. */
struct source_event;
enum note { NOTE_SUBSCRIBED, NOTE_GAP, NOTE_LAGGING, NOTE_CAUGHT_UP };
struct protocol {
	const char *name;
	int refused; /* it closes with this when a credential counts no more */
	int broken;  /* and with this when a state is none; 0: that is the call's failure */
	void (*turn)(struct turn *t); /* ends with turn_end */
	void (*work)(struct call *c, const Mf__LiveWork *w, const char *operation_id);
	/* What the client calls id has failed, or ends. */
	void (*error)(struct turn *t, const char *id, const struct failure *f);
	/* Something is true of s from here on. False: that was an error, and s ends. */
	bool (*note)(struct turn *t, const Mf__LiveSubscription *s, enum note what);
	/* Each event as a message of s, NULL: not now, but the first one if that can be; then done,
	 * now or later. False: that was an error, as above. */
	bool (*render)(struct turn *t, const Mf__LiveSubscription *s, size_t n,
	    const struct source_event *const *e, ProtobufCBinaryData *out, void (*done)(void *ctx),
	    void *ctx);
	void (*expires)(struct turn *t, int64_t at_us); /* the credential, soon; NULL: not said */
	void (*goodbye)(
	    struct turn *t, int code, const char *reason, const char *text); /* closes */
};
extern const struct protocol protocol_v1, protocol_gw, protocol_sse, protocol_none;

/* NULL: the state is none; c was answered. */
struct turn *turn_begin(struct call *c, const struct protocol *p, const Mf__SessionTurn *q);
void turn_say(struct turn *t, struct jw *w); /* one message, whole */
void turn_say_text(struct turn *t, ProtobufCBinaryData text);
bool turn_running(const struct turn *t, const char *id);
void turn_work(struct turn *t, const Mf__LiveWork *w);
void turn_drop(struct turn *t, const char *id); /* the id is free again */
/* The session is not opened: what the HTTP request that asked for it gets instead. */
void turn_refuse(struct turn *t, const Mf__HttpResponse *m);
void turn_close(struct turn *t, int code, const char *reason); /* the first one counts */
bool turn_closing(const struct turn *t);
void turn_wake(struct turn *t, int64_t in_us); /* the earliest one counts */
void turn_listen(struct turn *t, const char *topic);
const char *turn_header(const struct turn *t, const char *name); /* of the handshake; "": none */
void turn_end(struct turn *t);

#endif
