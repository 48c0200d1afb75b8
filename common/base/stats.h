/* stats: what a count of successes says of the rate behind it. */
#ifndef BASE_STATS_H
#define BASE_STATS_H

#include <stdint.h>

/* quantiles of the normal distribution, for two-sided intervals */
#define STATS_Z95 1.9599639845400542
#define STATS_Z99 2.5758293035489004

struct interval {
	double lo, hi;
};

/* Wilson's score interval of a rate of which k of n were seen (JASA 22, 1927; method 3 of Newcombe,
 * Statistics in Medicine 17, 1998): within 0 and 1, and of use at 0 of n and at n of n, too. Of
 * nothing: 0 to 1. */
struct interval wilson_interval(uint64_t k, uint64_t n, double z);

#endif
