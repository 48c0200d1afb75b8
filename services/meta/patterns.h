/* patterns: failures of the fleet, grouped by what they have in common: node, method, status, cause.
 * Pure: the clock is an argument (monotonic microseconds) and never goes back.
 *
 * Bounded: PATTERNS_MOST of them, 0.8 MB; the one that was not seen for the longest time leaves for a
 * new one. Nothing is kept beyond the process. */
#ifndef META_PATTERNS_H
#define META_PATTERNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "meta/slices.h"

#define PATTERNS_MOST   512
#define COMPANIONS_MOST 8

struct
    pattern_fact { /* texts are cut to what there is room for, and cleaned of control characters */
	const char *node, *method, *cause, *message;
	enum status status;
	uint64_t count;
	int64_t second; /* what has the same one came together, whichever node told of it */
};

struct companion {
	uint64_t fingerprint; /* 0: none */
	uint64_t seconds;     /* in which both came; a lower bound, as rarer ones are forgotten */
};

struct pattern {
	uint64_t fingerprint; /* of the four; the same in every fleet */
	char node[24], method[64], cause[48];
	enum status status;
	char message[200]; /* of the last one */
	uint64_t count;
	int64_t first_us, last_us;
	bool away;        /* it was, and nobody was told that it is back */
	uint64_t seconds; /* in which it came */
	int64_t
	    newest[2]; /* even and odd one of these: what is told late may be of the one before */
	struct companion with[COMPANIONS_MOST];
	struct slices slices;
	uint32_t counts[SLICES];
};

struct patterns {
	size_t n;
	uint64_t evicted; /* left for a new one */
	uint64_t keys[PATTERNS_MOST];
	struct pattern all[PATTERNS_MOST];
};

struct patterns *patterns_new(void);
void patterns_free(struct patterns **p);

/* `at`: when it happened, at most `now`. The pattern when people should hear of it (it is new, or
 * frequent again after it was away), else NULL. */
const struct pattern *
patterns_add(struct patterns *p, const struct pattern_fact *f, int64_t at, int64_t now);

struct pattern_filter {
	const char *node, *status; /* NULL: any */
	enum window window;        /* seen within it; WINDOWS: ever */
};
/* The most frequent of late first; those in `out` are valid until the next patterns_add. */
size_t patterns_list(struct patterns *p, const struct pattern_filter *f, int64_t now,
    const struct pattern **out, size_t most);
/* How often in that window, as of the last patterns_add or patterns_list. */
uint64_t pattern_within(const struct pattern *p, enum window w);
/* In which share of its seconds the other one came, too; 0 for one that is not known any more. */
double pattern_share(const struct patterns *p, const struct pattern *of, const struct companion *c);

#endif
