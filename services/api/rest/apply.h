/* apply: one action on all tasks that a filter matches (POST /v1/tasks:apply), after a look at how many
 * they are. Several requests to level 0: each task is changed as a single PATCH or DELETE of it would
 * change it, with the same rights, events and audit, under an operation id of its own. */
#ifndef REST_APPLY_H
#define REST_APPLY_H

#include "api/rest/handling.h"

#define APPLY_MOST 10000u /* tasks of one request; the answer says where the next one goes on */

/* The filter becomes op.params, as those of the list. False: *f says what is wrong. */
bool apply_read(struct handling *h, struct failure *f);
/* h->task asks how many match. */
void apply_start(struct handling *h);

#endif
