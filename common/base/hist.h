/* hist: log-linear histogram of microseconds, 16 steps per power of two: error below 6.25 %, range
 * 1 us to 1 h. */
#ifndef BASE_HIST_H
#define BASE_HIST_H

#include <stdint.h>

#define HIST_BUCKETS 512

struct hist {
	uint64_t count;
	uint64_t sum_us;
	uint64_t max_us;
	uint32_t bucket[HIST_BUCKETS];
};

void hist_add(struct hist *h, int64_t us); /* negative counts as 0 */
void hist_merge(struct hist *into, const struct hist *from);
int64_t hist_quantile(const struct hist *h, double q); /* upper edge of the bucket; 0 when empty */
/* samples <= us, to bucket precision */
uint64_t hist_count_below(const struct hist *h, int64_t us);

#endif
