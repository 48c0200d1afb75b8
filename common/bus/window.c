/* window: see window.h. Called by breaker.c and fit.c. */
#include "bus/window.h"

void
window_count(struct window *w, int64_t span_us, bool failed, int64_t now_us)
{
	unsigned at;

	window_pass(w, span_us, now_us);
	at = (unsigned)(w->slice % WINDOW_SLICES);
	w->calls[at]++;
	w->failed[at] += failed;
}

void
window_pass(struct window *w, int64_t span_us, int64_t now_us)
{
	int64_t slice = now_us / (span_us / WINDOW_SLICES + 1);
	int64_t passed = slice - w->slice;

	if (passed > WINDOW_SLICES || passed < 0)
		passed = WINDOW_SLICES;
	for (int64_t i = 0; i < passed; i++) {
		unsigned at = (unsigned)((slice - i) % WINDOW_SLICES);

		w->calls[at] = w->failed[at] = 0;
	}
	w->slice = slice;
}

void
window_sum(const struct window *w, uint64_t *calls, uint64_t *failed)
{
	*calls = *failed = 0;
	for (unsigned i = 0; i < WINDOW_SLICES; i++) {
		*calls += w->calls[i];
		*failed += w->failed[i];
	}
}
