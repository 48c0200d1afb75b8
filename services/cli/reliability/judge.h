/* judge: what became of one request, from its answer and its trace: outcome, where faults had been
 * injected, where it failed, and whether that is a cascade failure as the specification defines it. No
 * I/O, no clock. */
#ifndef RELIABILITY_JUDGE_H
#define RELIABILITY_JUDGE_H

#include "bus/call.h"
#include "cli/reliability/load.h"

struct judging {
	struct system *out; /* gets the tries of all hops */
	const struct cause *causes;
	size_t n_causes;
	int64_t due_us; /* of the request, CLOCK_MONOTONIC */
	uint8_t *draws; /* gets DRAW_KNOWN and DRAW_FAULT; may be NULL */
};
/* r has its scenario, domains, latency; gets the rest. */
void judge_federation(struct record *r, const struct scenario *s, const struct call_end *end,
    const struct judging *j);
void
judge_single(struct record *r, const struct scenario *s, uint8_t draw, const struct call_end *end);

#endif
