/* breaker: see breaker.h. Called by target.c with the time and the jitter of the moment. The window
 * is a ring of slices; slices that have passed are cleared when the next call is counted, so that
 * an idle breaker costs nothing. */
#include <string.h>
#include "base/time.h"
#include "bus/breaker.h"

static void count(struct breaker *b, const struct breaker_policy *p, int64_t now_us, bool failed);
static bool too_many_failed(const struct breaker *b, const struct breaker_policy *p);
static void
open_until_probe(struct breaker *b, const struct breaker_policy *p, int64_t now_us, double unit);

struct breaker_policy
breaker_policy_or_default(struct breaker_policy p)
{
	if (p.failures == 0)
		p.failures = 3;
	if (p.open_share <= 0)
		p.open_share = 0.5;
	if (p.open_calls == 0)
		p.open_calls = 20;
	if (p.open_window_us <= 0)
		p.open_window_us = 10 * SEC;
	if (p.probe_us <= 0)
		p.probe_us = 1 * SEC;
	return p;
}

void
breaker_reset(struct breaker *b)
{
	memset(b, 0, sizeof *b);
	b->state = BREAKER_CLOSED;
}

bool
breaker_suspect(const struct breaker *b, const struct breaker_policy *p)
{
	return b->failures >= p->failures;
}

bool
breaker_fit(struct breaker *b, int64_t now_us)
{
	if (b->state == BREAKER_OPEN && now_us >= b->probe_us) {
		b->state = BREAKER_HALF_OPEN;
		b->probing = false;
	}
	return b->state == BREAKER_CLOSED || (b->state == BREAKER_HALF_OPEN && !b->probing);
}

void
breaker_begin(struct breaker *b)
{
	if (b->state == BREAKER_HALF_OPEN)
		b->probing = true;
}

void
breaker_abandon(struct breaker *b)
{
	b->probing = false;
}

bool
breaker_success(struct breaker *b, const struct breaker_policy *p, int64_t now_us)
{
	bool changed = b->state == BREAKER_HALF_OPEN;

	count(b, p, now_us, false);
	b->failures = 0;
	if (changed)
		breaker_reset(
		    b); /* what was counted before it opened is of the time before it healed */
	return changed;
}

bool
breaker_failure(
    struct breaker *b, const struct breaker_policy *p, int64_t now_us, bool last, double unit)
{
	count(b, p, now_us, true);
	b->failures++;
	if (b->state == BREAKER_OPEN)
		return false; /* a call that was out when it opened */
	if (b->state == BREAKER_HALF_OPEN && b->probing && !last) {
		open_until_probe(b, p, now_us, unit);
		return true;
	}
	b->probing = false;
	if (b->state == BREAKER_CLOSED && !last && breaker_suspect(b, p) && too_many_failed(b, p)) {
		open_until_probe(b, p, now_us, unit);
		return true;
	}
	return false;
}

bool
breaker_trip(struct breaker *b, const struct breaker_policy *p, int64_t now_us, double unit)
{
	bool changed = b->state != BREAKER_OPEN;

	open_until_probe(b, p, now_us, unit);
	return changed;
}

const char *
breaker_state_name(enum breaker_state s)
{
	static const char *const names[] = { "closed", "open", "half_open" };

	return (unsigned)s < 3 ? names[s] : "?";
}

static void
count(struct breaker *b, const struct breaker_policy *p, int64_t now_us, bool failed)
{
	int64_t slice = now_us / (p->open_window_us / BREAKER_SLICES + 1);
	int64_t passed = slice - b->slice;
	unsigned at;

	if (passed > BREAKER_SLICES || passed < 0)
		passed = BREAKER_SLICES;
	for (int64_t i = 0; i < passed; i++) {
		at = (unsigned)((slice - i) % BREAKER_SLICES);
		b->calls[at] = b->failed[at] = 0;
	}
	b->slice = slice;
	at = (unsigned)(slice % BREAKER_SLICES);
	b->calls[at]++;
	if (failed)
		b->failed[at]++;
}

static bool
too_many_failed(const struct breaker *b, const struct breaker_policy *p)
{
	uint64_t calls = 0, failed = 0;

	for (unsigned i = 0; i < BREAKER_SLICES; i++) {
		calls += b->calls[i];
		failed += b->failed[i];
	}
	return calls >= p->open_calls && (double)failed > p->open_share * (double)calls;
}

static void
open_until_probe(struct breaker *b, const struct breaker_policy *p, int64_t now_us, double unit)
{
	b->state = BREAKER_OPEN;
	b->probing = false;
	b->probe_us = now_us + p->probe_us +
	              (int64_t)((unit - 0.5) * (double)p->probe_us); /* 50 % .. 150 % */
}
