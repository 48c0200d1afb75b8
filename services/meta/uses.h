/* uses: how often what is kept permitted something, per principal and permission: told to auth, for
 * the audit log, ten seconds after the first; never when there was nothing. Called by gate. A report
 * whose answer was lost is told again as it was, and counts once. What was counted goes with the
 * process. */
#ifndef META_USES_H
#define META_USES_H

#include "bus/bus.h"
#include "meta/permits.h"

struct uses;

struct uses *uses_new(struct bus *b, struct target *auth);
void uses_free(struct uses **t);
/* None: who he is was asked alone. */
void uses_add(struct uses *t, const char *principal, const struct permits *p);

#endif
