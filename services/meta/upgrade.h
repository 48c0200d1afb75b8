/* upgrade: the running upgrade of this fleet, at most one. It outlives the orchestrator: each step is on
 * disk (VAR/run/upgrade.json) before it is done, and the next orchestrator goes on with it. Operations:
 * own_upgrade and own_upgrade_state (own.h). */
#ifndef META_UPGRADE_H
#define META_UPGRADE_H

#include <stdbool.h>

struct meta;
struct upgrader;

struct upgrader *upgrader_new(struct meta *m);
void upgrader_free(struct upgrader **g);
/* This orchestrator leads from now on: an upgrade that is under way is its to go on with. May be NULL. */
void upgrader_take(struct upgrader *g);
bool upgrader_busy(const struct upgrader *g); /* then nobody else restarts anything of himself */

#endif
