/* admit: whose credential is this, and may he hear of something? Asked of level 0, like everything
 * else; nothing is remembered here. */
#ifndef LIVE_ADMIT_H
#define LIVE_ADMIT_H

#include "api/live/turn.h"

/* who NULL: f says why not. Both live as long as the turn. */
typedef void admit_fn(struct turn *t, const Mf__Principal *who, const struct failure *f, void *ctx);

/* permission "": only who it is. The callback comes once, later. */
void admit(struct turn *t, const char *credential, const char *permission, admit_fn *fn, void *ctx);
/* The failure is a judgement, not that nobody could judge. */
bool admit_refused(const struct failure *f);

#endif
