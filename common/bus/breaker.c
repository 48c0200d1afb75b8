/* breaker: see breaker.h. Called by target.c with the time and the jitter of the moment. */
#include <string.h>
#include "base/time.h"
#include "bus/breaker.h"

static bool too_many_failed(const struct breaker *b, const struct breaker_policy *p);
static bool
would_open(struct breaker *b, const struct breaker_policy *p, int64_t now_us, double unit);
static void
open_until_probe(struct breaker *b, const struct breaker_policy *p, int64_t now_us, double unit);
static int64_t probe_time(const struct breaker_policy *p, int64_t now_us, double unit);

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
	bool changed = b->state == BREAKER_HALF_OPEN || (b->would_open && now_us >= b->probe_us);

	window_count(&b->window, p->open_window_us, false, now_us);
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
	window_count(&b->window, p->open_window_us, true, now_us);
	b->failures++;
	if (b->state == BREAKER_OPEN)
		return false; /* a call that was out when it opened */
	if (b->state == BREAKER_HALF_OPEN && b->probing && (!last || p->observe)) {
		b->probing = false;
		if (p->observe)
			b->state = BREAKER_CLOSED; /* an error is a sign of contact */
		else
			open_until_probe(b, p, now_us, unit);
		return true;
	}
	b->probing = false;
	if (b->state != BREAKER_CLOSED || last)
		return false;
	if (!b->would_open && (!breaker_suspect(b, p) || !too_many_failed(b, p)))
		return false;
	if (p->observe)
		return would_open(b, p, now_us, unit);
	open_until_probe(b, p, now_us, unit);
	return true;
}

bool
breaker_trip(struct breaker *b, const struct breaker_policy *p, int64_t now_us, double unit)
{
	bool changed = b->state != BREAKER_OPEN;

	open_until_probe(b, p, now_us, unit);
	b->lost = true;
	return changed;
}

enum breaker_state
breaker_shown(const struct breaker *b)
{
	return b->state == BREAKER_CLOSED && b->would_open ? BREAKER_WOULD_OPEN : b->state;
}

const char *
breaker_state_name(enum breaker_state s)
{
	static const char *const names[] = { [BREAKER_CLOSED] = "closed",
		[BREAKER_OPEN] = "open",
		[BREAKER_HALF_OPEN] = "half_open",
		[BREAKER_WOULD_OPEN] = "would_open",
		[BREAKER_UNFIT] = "unfit" };

	return (unsigned)s < sizeof names / sizeof *names ? names[s] : "?";
}

static bool
too_many_failed(const struct breaker *b, const struct breaker_policy *p)
{
	uint64_t calls, failed;

	window_sum(&b->window, &calls, &failed);
	return calls >= p->open_calls && (double)failed > p->open_share * (double)calls;
}

/* News only when it begins; a failed probe would have left it open. */
static bool
would_open(struct breaker *b, const struct breaker_policy *p, int64_t now_us, double unit)
{
	bool news = !b->would_open;

	if (news || now_us >= b->probe_us)
		b->probe_us = probe_time(p, now_us, unit);
	b->would_open = true;
	return news;
}

static void
open_until_probe(struct breaker *b, const struct breaker_policy *p, int64_t now_us, double unit)
{
	b->state = BREAKER_OPEN;
	b->probing = b->would_open = b->lost = false;
	b->probe_us = probe_time(p, now_us, unit);
}

/* 50 % to 150 % of the policy's. */
static int64_t
probe_time(const struct breaker_policy *p, int64_t now_us, double unit)
{
	return now_us + p->probe_us + (int64_t)((unit - 0.5) * (double)p->probe_us);
}
