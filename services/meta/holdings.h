/* holdings: the descriptors that must survive the supervisor: the guard makes them, and holds both
 * ends of everything. The supervisor inherits them by fork, each process gets its own by number
 * (node/contract.h).
 *
 * All are close-on-exec and from 16 up (the listener: 9), so that laying out a child's 3 to 8 never
 * treads on one. */
#ifndef META_HOLDINGS_H
#define META_HOLDINGS_H

#include <stdbool.h>
#include <stdint.h>
#include "meta/fleet.h"
#include "node/contract.h"

#define HELD_LISTENER 9 /* in guard and supervisor: a later guard finds it there */
#define HELD_LOWEST   16

struct holding {
	int status_r, status_w, life_r, life_w;           /* of a store: -1 */
	int commands_r, commands_w, reports_r, reports_w; /* of an orchestrator, else -1 */
	uint64_t blind_generation; /* this generation runs on pipes that could not be reopened; 0:
	                              none */
};

struct holdings {
	struct holding slot[FLEET_SLOTS];
	unsigned found; /* processes that ran before us */
};

/* New pipes; where a process runs already, its own ones, reopened through /proc/PID/fd. Dies only
 * when out of descriptors. Waits up to a second for processes that are being started. */
struct conf;
void holdings_fill(struct holdings *h, const struct conf *s);

/* New pipes for nodes that have none: whoever left these holdings did not know them. */
void holdings_complete(struct holdings *h, const struct conf *s);

int held_high(int fd); /* the same at HELD_LOWEST or above; the given one is closed. Dies when there
                          is none */

#endif
