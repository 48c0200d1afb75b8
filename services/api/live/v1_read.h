/* v1_read: what a client may say in metafed.v1, from a text to a struct. Pure; README.md has the
 * words. */
#ifndef LIVE_V1_READ_H
#define LIVE_V1_READ_H

#include "api/live/source.h"
#include "proto/live.pb-c.h"

enum v1_type {
	V1_AUTH,
	V1_SUBMIT,
	V1_SUBSCRIBE,
	V1_UNSUBSCRIBE,
	V1_ACK,
	V1_CANCEL,
	V1_PING,
	V1_TYPES,
};

struct v1_message {
	enum v1_type type; /* V1_TYPES: not known */
	const char *id;    /* "": none; there as soon as it could be read */
	const char *token;
	Mf__LiveWork *work;              /* submit; without credential and address */
	Mf__LiveSubscription *subscribe; /* subscribe; its filter was checked */
	const struct source *source;
	const char *position; /* ack */
};

#define V1_ID_MOST     64
#define V1_WINDOW_MOST 256

/* False: *f says what is wrong. Lives in a. */
bool v1_read(struct arena *a, const void *text, size_t n, struct v1_message *m, struct failure *f);

#endif
