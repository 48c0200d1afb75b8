/* recycle: renews processes that have grown old or large, one after the other, as `metafed restart` does.
 * That one is due says its supervisor (limit.h); that the moment is good is decided here: everybody is
 * READY and has been for a while, the fleet is in no other trouble, and the node would start again. */
#ifndef META_RECYCLE_H
#define META_RECYCLE_H

#include "meta/fleet_state.h"

struct meta;
struct recycle;

struct recycle *recycle_new(struct meta *m);
void recycle_free(struct recycle **r);
void
recycle_consider(struct recycle *r, const struct fleet_row *row); /* after each of its reports */

#endif
