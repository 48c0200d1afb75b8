/* simulate: the same chances by drawing them, seeded: what the closed forms are held against, and
 * what they can't say (common causes beside retries). */
#ifndef RELIABILITY_SIMULATE_H
#define RELIABILITY_SIMULATE_H

#include "cli/reliability/result.h"

/* Causes that more than one member or try has. All zero: independent faults. */
struct common_cause {
	double share;      /* beta: so much of a member's failures its whole level has */
	double store_down; /* share of the requests that meet a domain without its store */
	double level_slow; /* share that meets a level whose every try is over its limit */
};

struct simulated {
	uint64_t n, ok;
	uint64_t faults, faults_common; /* drawn */
};

/* D levels in series, B members on each, one try on each member. */
struct simulated simulate_shape(double e, uint32_t depth, uint32_t breadth,
    const struct common_cause *c, uint64_t n, uint64_t seed);

struct simulate_opts {
	struct rates rates;
	struct tries tries;
	uint32_t domains;
	/* A failure below is tried again from above, as the product does it; false: each level has
	 * its own tries, as the formula has it. */
	bool nested;
	struct common_cause common;
};
struct simulated simulate_federation(const struct simulate_opts *o, uint64_t n, uint64_t seed);

#endif
