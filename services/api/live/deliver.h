/* deliver: events of the log become messages of a session, in whatever protocol it speaks. */
#ifndef LIVE_DELIVER_H
#define LIVE_DELIVER_H

#include "api/live/turn.h"

/* Tells what the log has for the subscriptions, as far as there is room; then calls done. */
void deliver(struct turn *t, void (*done)(struct turn *t));

#endif
