/* selection: which events a subscription wants: {"state":"FAILED","type":["a","b"]}, all must hold, of a
 * list one. Pure. */
#ifndef LIVE_SELECTION_H
#define LIVE_SELECTION_H

#include "api/live/source.h"

struct selection;
/* json NULL: everything. NULL: f says what is wrong, with violations under /filter. Lives in a. */
const struct selection *
selection_read(struct arena *a, const struct source *s, const json_t *json, struct failure *f);
bool selection_takes(const struct selection *f, const struct source_event *e);

#endif
