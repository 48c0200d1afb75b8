/* bench: what a measurement of several processes needs: their CPU time, latencies, a line of a
 * table. */
#ifndef HARNESS_BENCH_H
#define HARNESS_BENCH_H

#include <stdint.h>
#include <sys/types.h>
#include "base/hist.h"

struct bench_result {
	uint64_t calls;
	int64_t took_us;
	int64_t cpu_us;      /* of all processes concerned */
	struct hist latency; /* us */
};

/* this program again, with other arguments; ends with us. in_out: its 0 and 1; -1: ours */
pid_t bench_spawn(char *const argv[], int in_out);
int64_t bench_cpu_us(pid_t pid); /* user and system, of all its threads */
void bench_kill(pid_t pid);

double bench_rate(const struct bench_result *r);
double bench_cpu_per_call(const struct bench_result *r);
void bench_line(const char *name, const struct bench_result *r);
void bench_add(struct bench_result *into, const struct bench_result *r);

#endif
