/* agent: sessions as an API agent hears them: mf.Websocket's Turn and Work, by protocol. Whoever
 * links this library (websocket, graphql, rest) can take the next turn of any session: all of it
 * stands in the state that comes with the turn, and goes back with the step. */
#ifndef LIVE_AGENT_H
#define LIVE_AGENT_H

#include "bus/bus.h"
#include "proto/websocket.pb-c.h"

void agent_init(struct bus *b); /* once, before the first turn; ops_init is the caller's too */

/* These answer c; q lives as long as c. */
void agent_turn(struct call *c, const Mf__SessionTurn *q);
void agent_work(struct call *c, const Mf__SessionWork *q);

#endif
