/* stores: the mode of the stores, as `database` says it: by an event at each change, and by the hint in
 * its frames for whom no event has reached yet. */
#ifndef META_STORES_H
#define META_STORES_H

#include <stdbool.h>

struct meta;

void stores_watch(struct meta *m);
/* "normal", "degraded", "replaying"; "unknown" when it has not said anything */
const char *stores_mode(const struct meta *m);
bool stores_degraded(const struct meta *m);

#endif
