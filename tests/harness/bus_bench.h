/* bus_bench: the ways to carry a call that tests/bench/bus.c compares. Each has a serving end,
 * which answers or passes on to the next process of a chain, and a calling end. */
#ifndef HARNESS_BUS_BENCH_H
#define HARNESS_BUS_BENCH_H

#include <stdbool.h>
#include "harness/bench.h"

#define BUS_BENCH_BYTES 200 /* of an envelope */
#define BUS_BENCH_MOST  64  /* calls in flight */

struct bus_way {
	const char *name, *key;
	/* next NULL: answers; never returns */
	void (*serve)(const char *dir, const char *name, const char *next);
	/* connected when it returns */
	void *(*open)(const char *dir, const char *name);
	/* For us; calls, took_us and latency of r. slow: one call at a time takes 100 ms, the
	 * others are measured. */
	void (*run)(void *end, unsigned in_flight, int64_t us, bool slow, struct bench_result *r);
};

extern const struct bus_way way_frames; /* ours: packed frames through the loop */
/* nng req/rep, contexts, one message per call, on nng's own threads */
extern const struct bus_way way_bare;
extern const struct bus_way way_looped; /* the same, handed over to the loop and back */
/* a unix socket and epoll, nothing else: the limit */
extern const struct bus_way way_epoll;

#endif
