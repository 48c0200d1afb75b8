/* inject: the bus's own faults (bus/fault.h), switched on and off in all nodes of a fleet, level by
 * level; each node draws from a generator of its own. */
#ifndef RELIABILITY_INJECT_H
#define RELIABILITY_INJECT_H

#include "bus/bus.h"
#include "cli/reliability/result.h"

enum inject_as {
	/* A failed try says UNAVAILABLE. Whoever called may try again, and so may those above him: a
	 * second try of a domain is a new chance for its agents. */
	INJECT_ERRORS,
	/* The same for meta and the orchestrators. What an agent answers is damaged: its caller tries
	 * again, but a failure of all his tries is none that anybody above tries again. So stages are
	 * independent of each other, as the formula of the specification has them. */
	INJECT_STAGES,
};

/* How the faults of a node are set; false: err says why. */
typedef bool
inject_fn(void *ctx, const char *node, const char *spec, uint64_t seed, char *err, size_t err_size);

/* Over the bus, past the front door: of a fleet of one's own. ctx is its struct bus. */
inject_fn inject_direct;

bool inject_rates(inject_fn *set, void *ctx, const struct rates *e, enum inject_as as,
    uint64_t seed, char *err, size_t err_size);
/* The same rule in these nodes (MEMBER_BIT), none in the others. */
bool inject_rule(inject_fn *set, void *ctx, uint16_t members, const char *rule, uint64_t seed,
    char *err, size_t err_size);
bool inject_nothing(inject_fn *set, void *ctx, char *err, size_t err_size);

#endif
