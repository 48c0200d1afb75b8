/* theory: what reliability is to be expected, in closed form. e is a try's chance to fail, k the
 * number of independent tries or members, so a stage works with 1 - e^k; stages in series multiply.
 * Nothing here knows of common causes unless it says so. */
#ifndef RELIABILITY_THEORY_H
#define RELIABILITY_THEORY_H

#include "cli/reliability/result.h"

double theory_stage(double e, uint32_t k);
/* One domain: its orchestrator and its agents. */
double theory_domain(const struct rates *e, const struct tries *k);
/* The spec's P: meta and so many domains. */
double theory_request(const struct rates *e, const struct tries *k, uint32_t domains);
/* The same where a failure below is a failure of the try above, and so is tried again from there:
 * what the product's retries can do at most. */
double theory_nested(const struct rates *e, const struct tries *k, uint32_t domains);
/* The single process: one fault per domain, no second try. */
double theory_baseline(double e_agent, uint32_t domains);

/* --- depth x breadth --- */
struct theory_shape {
	uint32_t depth, breadth;
};
#define THEORY_SHAPES 6 /* of the spec */
extern const struct theory_shape theory_shapes[THEORY_SHAPES];
double theory_depth_breadth(double e, uint32_t depth, uint32_t breadth);
/* The same where a share of a member's failures has a cause that all members of its level have. */
double theory_common_cause(double e, double share, uint32_t depth, uint32_t breadth);

/* --- the best shape: how many members on each level, for so much money --- */
#define THEORY_LEVELS_MOST 16
#define THEORY_BUDGET_MOST 256
struct theory_level {
	double error;  /* of one member */
	uint32_t cost; /* of one member, at least 1 */
};
struct theory_plan {
	uint32_t members[THEORY_LEVELS_MOST];
	uint32_t processes, cost;
	double reliability; /* 0: the budget does not pay for one member on each level */
};
/* Over all compositions: the most reliable one within the budget, of those the cheapest. */
struct theory_plan theory_best(const struct theory_level *levels, uint32_t n, uint32_t budget);
/* The federation's own seven stages: meta, three orchestrators, three groups of agents; in this
 * order. */
#define THEORY_STAGES 7
struct theory_costs { /* of one process */
	uint32_t meta, domain, agent;
};
struct theory_plan
theory_best_federation(const struct rates *e, const struct theory_costs *c, uint32_t budget);

#endif
