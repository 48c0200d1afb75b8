/* throttle: see throttle.h. Called by cascade.c. */
#include "meta/throttle.h"

static void forget(struct throttle *, int64_t);
static bool is_over(const struct throttle *, double);

void
throttle_took(struct throttle *t, int64_t us, int64_t now_us)
{
	unsigned at;

	forget(t, now_us);
	at = (unsigned)(t->slice % THROTTLE_SLICES);
	t->calls[at]++;
	t->slow[at] += us > THROTTLE_SLOW_US;
}

void
throttle_look(struct throttle *t, bool full, int64_t now_us)
{
	double most = full ? THROTTLE_MOST : THROTTLE_UNLOADED;

	forget(t, now_us);
	if (is_over(t, THROTTLE_OVER)) {
		if (t->over_us == 0)
			t->over_us = now_us;
		if (now_us - t->over_us < THROTTLE_FOR_US ||
		    now_us - t->step_us < THROTTLE_RISE_US || t->refused >= most)
			return;
		t->refused += THROTTLE_STEP;
		t->step_us = now_us;
		return;
	}
	t->over_us = 0;
	if (t->refused > 0 && !is_over(t, THROTTLE_BELOW) &&
	    now_us - t->step_us >= THROTTLE_FALL_US) {
		t->refused -= THROTTLE_STEP;
		t->step_us = now_us;
	}
}

static void
forget(struct throttle *t, int64_t now_us)
{
	int64_t slice = now_us / THROTTLE_SLICE_US, passed = slice - t->slice;

	if (passed > THROTTLE_SLICES || passed < 0)
		passed = THROTTLE_SLICES;
	for (int64_t i = 0; i < passed; i++) {
		unsigned at = (unsigned)((slice - i) % THROTTLE_SLICES);

		t->calls[at] = t->slow[at] = 0;
	}
	t->slice = slice;
}

static bool
is_over(const struct throttle *t, double share)
{
	uint64_t calls = 0, slow = 0;

	for (unsigned i = 0; i < THROTTLE_SLICES; i++) {
		calls += t->calls[i];
		slow += t->slow[i];
	}
	return calls >= THROTTLE_LEAST && (double)slow > share * (double)calls;
}
