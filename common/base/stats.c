/* stats: see stats.h. */
#include "base/stats.h"

#include <math.h>

struct interval
wilson_interval(uint64_t k, uint64_t n, double z)
{
	double of = (double)n, p = (double)k / of, zz = z * z;
	double middle, half;
	struct interval i = { 0, 1 };

	if (n == 0)
		return i;
	middle = (p + zz / (2 * of)) / (1 + zz / of);
	half = z * sqrt(p * (1 - p) / of + zz / (4 * of * of)) / (1 + zz / of);
	/* at the ends they are exact, whatever is lost by rounding */
	if (k != 0)
		i.lo = fmax(middle - half, 0);
	if (k < n)
		i.hi = fmin(middle + half, 1);
	return i;
}
