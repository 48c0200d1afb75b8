/* gather: what goes wrong anywhere in the fleet, brought to the patterns and the figures: tries, as each
 * node tells of its own twice in a second, with the breakers that opened there; processes that end. */
#ifndef META_GATHER_H
#define META_GATHER_H

#include "meta/fleet_state.h"

struct gather;
struct meta;

struct gather *gather_new(struct meta *m);
void gather_free(struct gather **g);
void gather_show(struct gather *g); /* in the gauges */

/* The process of a row is about to get this state and generation. */
void gather_process(
    struct meta *m, const struct fleet_row *r, enum contract_state s, uint64_t generation);
/* One of our own: told with our tries. */
void gather_own(struct meta *m, enum status s, const char *reason, const char *message);

#endif
