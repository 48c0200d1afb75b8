/* crashes: what processes left when they ended badly becomes a record (evidence.h), as soon as their
 * supervisor reports the end; and what is asked of these records. Files are read and written on the work
 * pool. */
#ifndef META_CRASHES_H
#define META_CRASHES_H

#include "meta/fleet_state.h"

struct meta;

/* Before the row takes the report over. */
void crashes_see(struct meta *m, struct fleet_row *r, const struct contract_report *p);

#endif
