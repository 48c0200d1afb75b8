/* websocket: the agent of its protocol; it can also do every operation of /v1, which is how it
 * stands in for rest. */
#ifndef WEBSOCKET_WEBSOCKET_H
#define WEBSOCKET_WEBSOCKET_H

#include "node/node.h"
#include "proto/websocket.pb-c.h"

extern Mf__Websocket_Service websocket_service;
extern const char *const websocket_capabilities[];

/* Of every agent that serves sessions: what they need, and what they
 * stand in with. */
bool websocket_init(struct node *n);

#endif
