/* load: scenarios sent to one system in open loop: each is due at a time that the seed has decided, and
 * its latency counts from then, however late it could be sent. */
#ifndef RELIABILITY_LOAD_H
#define RELIABILITY_LOAD_H

#include "bus/bus.h"
#include "cli/reliability/result.h"
#include "cli/reliability/scenario.h"

/* What is drawn for one scenario: the first try of an agent in each domain. */
#define DRAW_FAULT(d) ((uint8_t)(1u << (d)))        /* it fails */
#define DRAW_KNOWN(d) ((uint8_t)(1u << ((d) + 3u))) /* it was made, so this is decided */
#define DRAW_CRASH    ((uint8_t)0x40)               /* of the single process: it takes it down */
#define DRAW_FAULTS   ((uint8_t)DOMAINS_ALL)

/* A fault that many requests have in common, while it lasts; CLOCK_MONOTONIC. What fails later than
 * CAUSE_AFTER_US behind it is a cascade failure. */
struct cause {
	uint16_t members;          /* MEMBER_BIT */
	int64_t from_us, until_us; /* from 0: not begun; until 0: lasts */
};
#define CAUSE_AFTER_US (1 * SEC)

struct load {
	/* --- what to send, where --- */
	struct bus *bus;
	struct target *target;
	bool single; /* the baseline: no second try, no trace, draws ride in task_id */
	uint64_t seed;
	enum scenario_set set;
	uint32_t n;
	double per_s;
	uint32_t deadline_ms;
	struct scenario_ask ask;
	bool want_hops;
	uint8_t *draws; /* n; federation: filled from the trace; single: what happens */
	const struct cause *causes;
	size_t n_causes;
	/* --- what came of it --- */
	struct system *out;
	/* after each answer; may be NULL */
	void (*answered)(void *ctx, const struct scenario *s, const struct record *r);
	void *ctx;
	bool stop; /* nothing more is sent */
	int64_t began_us;
};
/* Blocks until all is answered, or none is left after `stop`. */
void load_run(struct load *l);

#endif
