/* gw_read: what a client may say in graphql-transport-ws, from a text to a struct. Pure. */
#ifndef LIVE_GW_READ_H
#define LIVE_GW_READ_H

#include "api/graphql/graphql.h"
#include "base/json.h"

enum gw_type {
	GW_INIT,
	GW_PING,
	GW_PONG,
	GW_SUBSCRIBE,
	GW_COMPLETE,
	GW_TYPES,
};

#define GW_ID_MOST 256

struct gw_message {
	enum gw_type type;
	const char *id;            /* subscribe, complete */
	const char *authorization; /* connection_init; "": it has none */
	const json_t *payload;     /* an object; NULL: none */
	struct graphql_ask ask;    /* subscribe: document, operation's name, variables */
	json_t *own; /* what all those are views of: the caller's, whatever came of it */
	const char *wrong;
};
/* False: m->wrong says why it is no message, in at most 123 bytes. */
bool gw_read(struct arena *a, const void *text, size_t n, struct gw_message *m);

/* What is kept of a subscription: the same parameters, as JSON. */
ProtobufCBinaryData gw_request_write(struct arena *a, const struct graphql_ask *ask);
/* False: it is none of ours. *own as above. */
bool gw_request_read(
    struct arena *a, ProtobufCBinaryData request, struct graphql_ask *ask, json_t **own);

#endif
