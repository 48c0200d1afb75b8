/* precheck: would a node start if it were to start now? Its executable is asked to read the
 * configuration (--check) before the process that runs is told to go. */
#ifndef META_PRECHECK_H
#define META_PRECHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "bus/call.h"
#include "node/work.h"

/* wrong: NULL when all is well, else why not, in the arena of the call. Comes once, unless the call
 * ends before; may come from inside. Called where the nodes run on this machine. */
typedef void precheck_fn(void *ctx, const char *wrong);
void
precheck_node(struct work_pool *p, struct call *c, const char *node, precheck_fn *fn, void *ctx);

/* The same for whoever is on a thread of the pool himself: blocks for up to 5 s. False: `said` says why. */
bool precheck_run(const char *node, char *said, size_t size) __attribute__((warn_unused_result));

#endif
