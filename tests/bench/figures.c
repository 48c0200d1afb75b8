/* figures: what a request pays for being counted: nanoseconds for each, beside the histogram of
 * metafed_request_seconds alone. In this process, one thread.
 *
 *	figures [MILLIONS] */
#include <stdio.h>
#include <stdlib.h>
#include "base/metrics.h"
#include "base/time.h"
#include "meta/figures.h"

#define BLOCK 100000

static const struct part parts[MERGE_DOMAINS] = {
	[MF__DOMAIN__DOMAIN_API] = { .state = PART_WORKED },
	[MF__DOMAIN__DOMAIN_DATABASE] = { .state = PART_WORKED },
	[MF__DOMAIN__DOMAIN_AUTH] = { .state = PART_WORKED },
};

int
main(int argc, char **argv)
{
	int64_t blocks = (argc > 1 ? atoll(argv[1]) : 10) * (1000000 / BLOCK);
	struct figures *f = figures_new();
	struct metric *alone = metric_simple(METRIC_HISTOGRAM, "bench_seconds", "Beside it.");
	int64_t counted = 0, beside = 0, begin, now = time_now_us();

	for (int64_t b = 0; b < blocks; b++) {
		begin = time_now_us();
		for (int64_t i = 0; i < BLOCK; i++, now += 50) /* 20,000 requests a second */
			figures_answered(f, OUTCOME_SUCCESS, ST_OK, parts, 500 + (i & 4095), now);
		counted += time_now_us() - begin;
		begin = time_now_us();
		for (int64_t i = 0; i < BLOCK; i++)
			metric_time(alone, 500 + (i & 4095));
		beside += time_now_us() - begin;
	}
	printf("counted in three windows %6.1f ns a request\n",
	    (double)counted * 1e3 / (double)(blocks * BLOCK));
	printf(
	    "one histogram            %6.1f ns\n", (double)beside * 1e3 / (double)(blocks * BLOCK));
	figures_free(&f);
	return 0;
}
