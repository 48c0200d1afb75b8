/* chaos_order: what an experiment shall do, and whether it may. Pure: the state of the fleet is an
 * argument.
 *
 * Limits, whoever asks: at most CHAOS_AT_ONCE experiments, one per domain; a target has somebody who
 * can do its work meanwhile, and the fleet is whole and its stores are normal when it begins; guard and
 * supervisor are no targets, nor is a stopped `meta`, which could not end the experiment. */
#ifndef META_CHAOS_ORDER_H
#define META_CHAOS_ORDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/failure.h"
#include "meta/fleet_state.h"

#define CHAOS_AT_ONCE 3
#define CHAOS_MOST_MS 600000

enum chaos_action {
	CHAOS_KILL,
	CHAOS_STOP,
	CHAOS_DELAY,
	CHAOS_DROP,
	CHAOS_ERROR,
	CHAOS_PARTITION,
	CHAOS_STORE_DOWN,
	CHAOS_DISK_FULL,
	CHAOS_CLOCK_STEP,
	CHAOS_ACTIONS
};

struct chaos_order {
	enum chaos_action action;
	char target[24], peer[24]; /* peer: PARTITION, else "" */
	uint32_t for_ms;
	double probability; /* DELAY, DROP, ERROR; 1 unless said */
	uint32_t delay_ms;  /* DELAY; 200 unless said */
	int32_t step_ms;    /* CLOCK_STEP */
	uint64_t seed;
	bool dry_run;
};

const char *chaos_action_name(enum chaos_action a); /* "store_down" */

/* False: f has what is wrong with the arguments, field by field. */
bool chaos_read(struct arena *a, const json_t *arguments, struct chaos_order *o, struct failure *f);

struct chaos_view { /* of the fleet, at this moment */
	const struct fleet_row *rows;
	size_t n_rows;
	const char *stores; /* "normal", ... */
	bool local;         /* the processes are this machine's */
	const char *self;   /* the orchestrator that is asked */
	const struct chaos_order *running;
	size_t n_running;
};
/* NULL: it may. Else why not, in `a`; *s is the status that says so. */
const char *chaos_refuse(
    struct arena *a, const struct chaos_order *o, const struct chaos_view *v, enum status *s);

/* What it does, as a sentence for people. */
const char *chaos_tell(struct arena *a, const struct chaos_order *o);

#endif
