/* experiment: one experiment of the fleet's own chaos (services/meta/chaos.h), begun and ended without
 * waiting: its permission, its limits and its end by itself are the fleet's.
 *
 * Its id stands in what has to be undone (undo.h) from before it is asked for until it is known to be
 * over, so that whoever outlives us can end it. */
#ifndef RELIABILITY_EXPERIMENT_H
#define RELIABILITY_EXPERIMENT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/id.h"

struct measure;

enum experiment_state {
	EXPERIMENT_NONE,
	EXPERIMENT_ASKED,
	EXPERIMENT_RUNS,
	EXPERIMENT_REFUSED, /* why says it; may be begun again */
	EXPERIMENT_ENDING,
	EXPERIMENT_ENDED,
};

struct experiment {
	/* --- the caller's --- */
	const char *action, *target; /* "kill", "sql" */
	double probability;          /* of error and delay */
	uint32_t delay_ms, for_ms;
	/* --- what came of it --- */
	enum experiment_state state;
	int64_t from_us, until_us; /* CLOCK_MONOTONIC; 0: not yet */
	char why[160];
	/* --- its own --- */
	struct measure *m;
	char id[UUID_LEN], *noted;
	struct call *root;
	struct rpc *rpc;
};

void experiment_begin(struct measure *m, struct experiment *x);
/* Of one that runs; again when it still does: whoever can't be told ends it by his own clock. */
void experiment_end(struct experiment *x);
/* Waits until none of them is under way any more, ending those that run. */
void experiment_end_all(struct measure *m, struct experiment *x, size_t n);
bool experiment_is_open(const struct experiment *x);

#endif
