/* orchestrator: level 0 as a node. The guard's main() hands it to node_main when it is started as
 * METAFED_NODE=meta. */
#ifndef META_ORCHESTRATOR_H
#define META_ORCHESTRATOR_H

#include "node/node.h"

extern const struct service_def meta_service;
extern const struct config_key meta_keys[];
extern const struct serve meta_serves[];

#endif
