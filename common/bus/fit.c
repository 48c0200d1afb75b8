/* fit: see fit.h. Called by server.c. */
#include <string.h>
#include "bus/fit.h"

bool
fit_count(struct fit *f, bool failed, int64_t now_us)
{
	uint64_t calls, bad;

	window_count(&f->window, FIT_WINDOW_US, failed, now_us);
	f->failed = failed ? f->failed + 1 : 0;
	f->well = failed ? 0 : f->well + 1;
	if (f->unfit)
		return fit_look(f, now_us);
	if (f->failed < FIT_FAILURES)
		return false;
	window_sum(&f->window, &calls, &bad);
	f->unfit = calls >= FIT_CALLS && (double)bad > FIT_SHARE * (double)calls;
	return f->unfit;
}

bool
fit_look(struct fit *f, int64_t now_us)
{
	uint64_t calls, bad;

	window_pass(&f->window, FIT_WINDOW_US, now_us);
	window_sum(&f->window, &calls, &bad);
	if (!f->unfit || (f->well < FIT_CALLS && (double)bad > FIT_AGAIN * (double)calls))
		return false;
	memset(f, 0, sizeof *f); /* what was before it healed counts no more */
	return true;
}
