/* figures: how the requests of the last minute, hour and day ended, how long they took, which domains
 * and agents worked and failed for them, and who took over from whom. Pure but for its metrics: the
 * clock is an argument (monotonic microseconds).
 *
 * Bounded: slices of fixed size, 0.7 MB. Nothing is kept beyond the process. A request costs tens of
 * nanoseconds and no allocation (tests/bench/figures.c). */
#ifndef META_FIGURES_H
#define META_FIGURES_H

#include "base/hist.h"
#include "base/stats.h"
#include "meta/merge.h"
#include "meta/meta.h"
#include "meta/slices.h"
#include "proto/bus.pb-c.h"

#define FIGURES_NODES 13

struct figures_calls {
	uint64_t calls, failed; /* by a fault */
};
struct figures_sum {
	uint64_t requests, outcomes[OUTCOMES];
	struct hist took; /* of those that were begun */
	/* requests in which a domain had a part, by enum Mf__Domain */
	struct figures_calls domains[MERGE_DOMAINS];
	/* tries of calls to a node by any other, as in fleet_names */
	struct figures_calls nodes[FIGURES_NODES];
	uint64_t failovers[FIGURES_NODES][FIGURES_NODES]; /* from, to */
};

struct figures;

struct figures *figures_new(void);
void figures_free(struct figures **f);

/* One that was begun has ended; `parts` by enum Mf__Domain. What is wrong with the request itself (it
 * was not found, is in conflict, ...) is no failure of ours, but a refusal. */
void figures_answered(struct figures *f, enum outcome o, enum status s, const struct part *parts,
    int64_t took_us, int64_t now);
/* One ended without an answer: REJECTED, CANCELLED. */
void figures_ended(struct figures *f, enum outcome o, int64_t now);
/* What a node told of its tries. */
void figures_tries(struct figures *f, const Mf__Tries *t, int64_t now);

void figures_sum(struct figures *f, enum window w, int64_t now, struct figures_sum *out);
/* (success + 0.7 partial) / (success + partial + failed); NAN: there were none */
double figures_reliability(const struct figures_sum *s);
/* of the share of full successes; 99 % */
struct interval figures_interval(const struct figures_sum *s);

void figures_show(struct figures *f, int64_t now); /* in the gauges */

#endif
