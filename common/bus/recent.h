/* recent: how calls went in the last ten seconds, and what they cost, as arithmetic: no clock, no I/O.
 *
 * A ring of whole seconds, each with its counts and a histogram of eight steps per power of two (a
 * quantile is at most an eighth too high, never too low). The second that is under way counts with the
 * nine before it, so a window is 9 to 10 s; of who began within it, as long as that is. */
#ifndef BUS_RECENT_H
#define BUS_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#define RECENT_SECONDS 10
#define RECENT_BUCKETS 200 /* beyond 67 s all are one */

struct recent_second {
	int64_t second; /* of the caller's clock; 0: none yet */
	uint32_t calls, faults;
	uint32_t bucket[RECENT_BUCKETS];
};

struct recent {
	int64_t since_us; /* of the first call */
	struct recent_second ring[RECENT_SECONDS];
};

struct recent_sum {
	uint64_t calls, faults;
	int64_t window_us;      /* in which they were; never 0 */
	int64_t p50_us, p99_us; /* 0: no call */
};

/* *r is made with the first call; free() it. now_us must not be before that of the call before. */
void recent_count(struct recent **r, int64_t now_us, int64_t took_us, bool fault);
void recent_sum(const struct recent *r, int64_t now_us, struct recent_sum *out); /* NULL: none */

/* Processor time of this process: a sample in each second in which there was something to do. */
struct recent_cpu {
	struct {
		int64_t at_us, cpu_us;
	} sample[RECENT_SECONDS + 1];
	unsigned n; /* taken ever */
};

bool recent_cpu_due(const struct recent_cpu *c, int64_t now_us);
void recent_cpu_add(struct recent_cpu *c, int64_t now_us, int64_t cpu_us);
/* Of one processor: 250 is two and a half. Over the window; of who was idle for longer, since then. */
double recent_cpu_percent(const struct recent_cpu *c, int64_t now_us, int64_t cpu_us);

#endif
