/* live: a measurement of a fleet that is in use, and is not ours: nothing is started or signalled by
 * us. Without being asked for faults it does no harm; they are experiments of the fleet's own chaos,
 * one for each domain at a time, begun only while the fleet is whole. What it makes is in a namespace
 * of its own; its requests have the lowest priority, so that others go first. All of it is undone by
 * whoever outlives the measurement (undo.h), a time limit ends the experiments when nobody does.
 *
 * What needs a fleet of one's own is not measured, and is named in the report. */
#ifndef RELIABILITY_LIVE_H
#define RELIABILITY_LIVE_H

#include "cli/reliability/experiment.h"
#include "cli/reliability/measure.h"
#include "cli/reliability/undo.h"

/* What there is to measure without harm, with it, and what can't be. */
#define LIVE_PARTS_QUIET (PART_BIT(PART_QUIET) | PART_BIT(PART_LOADS))
#define LIVE_PARTS_HARM                                                                            \
	(PART_BIT(PART_ACTIVE) | PART_BIT(PART_RECOVERY) | PART_BIT(PART_CORRELATED))

#define LIVE_PER_S 50 /* unless said */

struct live;

/* Fills m->r. An exit code; but for CLI_OK, m->err says why. */
int live_measure(struct measure *m, struct cli *cli, struct undo *u);
struct undo *live_undo(struct live *l);

/* --- live_faults.c: runs under which experiments take their turns --- */
bool live_active(struct measure *m);
bool live_correlated(struct measure *m);

#endif
