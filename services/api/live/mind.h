/* mind: what every session has to mind, whatever protocol it speaks: whose it is and for how long,
 * what it is subscribed to, silence, and how a turn ends. */
#ifndef LIVE_MIND_H
#define LIVE_MIND_H

#include "api/live/turn.h"

#define SUBSCRIPTIONS_MOST 32 /* of a session */

/* From now on it is this one's. */
void mind_principal(struct turn *t, const char *credential, const Mf__Principal *who);
/* As was just confirmed it still is; roles may be others. */
void mind_still(struct turn *t, const Mf__Principal *who);
void mind_refused(struct turn *t); /* its credential was */

/* NULL: there is none; i may be NULL. */
Mf__LiveSubscription *subscription_find(const struct turn *t, const char *id, size_t *i);
void subscription_add(struct turn *t, Mf__LiveSubscription *s);
/* Would the state have at most so many bytes, and SUBSCRIPTIONS_MOST, with one more? api keeps 64 KiB. */
bool subscription_fits(const struct turn *t, const Mf__LiveSubscription *more, size_t bytes);
void subscription_remove(struct turn *t, size_t i);

/* Behind the messages of a turn: work that nobody did, what time brings, events when look says so or
 * they are due; ends the turn. */
void mind_rest(struct turn *t, bool look);

#endif
