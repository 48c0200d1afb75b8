/* supervise: how a node is supervised: when it starts again, what it may take, when it is renewed.
 *
 * Keys of the node's own part ([sql] restart_max = 3); what [guard] says holds for all that say
 * nothing. The guard reads them; each node reads its own as well, so that a typo is an error in both. */
#ifndef NODE_SUPERVISE_H
#define NODE_SUPERVISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/config.h"

struct supervise {
	const char *restart;  /* "permanent", "transient", "temporary" */
	const char *strategy; /* "one_for_one", "rest_for_one" */
	const char *after;    /* names, by commas */
	int64_t restart_max, restart_window_us, restart_base_us, restart_cap_us, restart_healthy_us;
	int64_t ready_limit_us, kill_after_us;
	int64_t memory_max, files_max;         /* 0: none */
	int64_t recycle_rss, recycle_after_us; /* 0: never */
	bool cores;
};

extern const struct config_key supervise_keys[];

/* What the table can't say. node: whose part it is. */
bool supervise_check(const struct supervise *s, const char *node, char *err, size_t err_size);

#define SUPERVISE_RESTARTS_MOST 32 /* upper bound of restart_max */

#endif
