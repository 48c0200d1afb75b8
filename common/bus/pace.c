/* pace: see pace.h. Called by choose.c with the time of the moment. */
#include <math.h>
#include <string.h>
#include "bus/pace.h"

#define WEIGHT_LEAST_US MS /* answers that come together all count */
#define SLOW_MOST       8

static bool is_stale(const struct pace *p, int64_t now_us);
static bool gives_way(const struct pace *p, int64_t now_us);
static bool looks_slow(const struct pace *p, int64_t now_us);
static bool piles_up(const struct pace *p, int64_t now_us);
static double limit_beside(double other_us);
static size_t first_choice(struct pace *const *of, size_t n, int64_t now_us);
static size_t longest_unknown(struct pace *const *of, size_t n, int64_t now_us);

void
pace_reset(struct pace *p)
{
	uint32_t out = p->out; /* each ends by itself */

	memset(p, 0, sizeof *p);
	p->out = out;
}

void
pace_begin(struct pace *p, int64_t now_us)
{
	if (p->out++ == 0)
		p->answered_us = now_us;
}

void
pace_end(struct pace *p)
{
	p->out--;
}

void
pace_answered(struct pace *p, int64_t now_us)
{
	p->answered_us = now_us;
}

double
pace_known(const struct pace *p, int64_t now_us)
{
	return p->calls < PACE_KNOWN || is_stale(p, now_us) ? -1 : p->own_us;
}

bool
pace_took(struct pace *p, int64_t own_us, int64_t now_us)
{
	double d;

	if (p->calls > 0 && is_stale(p, now_us))
		p->calls = p->slow = 0; /* gives_way falls in pace_judge, which says so */
	if (p->calls == 0) {
		p->own_us = (double)own_us;
	} else {
		d = (double)(now_us - p->at_us + WEIGHT_LEAST_US);
		p->own_us += ((double)own_us - p->own_us) * d / (d + (double)PACE_MEAN_US);
	}
	p->at_us = now_us;
	p->calls += p->calls < PACE_KNOWN;
	return p->gives_way || p->slow != 0 || own_us > PACE_FLOOR_US;
}

bool
pace_judge(struct pace *p, int64_t own_us, double best_us, bool all, int64_t now_us)
{
	double other = best_us > 0 ? best_us : 0;
	double limit = limit_beside(other);

	if (p->gives_way) {
		if (best_us >= 0 && p->calls > 1 &&
		    p->own_us > fmax(PACE_BACK * other, other + (double)PACE_BACK_US))
			return false;
		p->gives_way = false;
		p->slow = 0;
		return true;
	}
	if ((double)own_us <= (all ? limit : (double)PACE_FLOOR_US)) {
		p->slow -= p->slow > 0;
		return false;
	}
	if (p->slow == 0)
		p->slow_us = now_us;
	p->slow += p->slow < SLOW_MOST;
	p->gives_way = best_us >= 0 && p->own_us > limit && p->slow >= PACE_CALLS &&
	               now_us - p->slow_us >= PACE_FOR_US;
	return p->gives_way;
}

size_t
pace_choose(struct pace *const *of, size_t n, int64_t now_us, uint32_t *turn)
{
	size_t at = first_choice(of, n, now_us), probe;

	/* How those fare whose place it is. */
	if (++*turn >= PACE_PROBE && (probe = longest_unknown(of, at, now_us)) < at) {
		*turn = 0;
		return probe;
	}
	/* It looks slow itself: beside whom? */
	for (size_t i = at + 1; looks_slow(of[at], now_us) && i < n; i++) {
		if (gives_way(of[i], now_us))
			continue;
		if (of[i]->calls < PACE_KNOWN || now_us - of[i]->at_us > PACE_FRESH_US)
			return of[i]->out == 0 ? i : at;
		if (of[at]->own_us > limit_beside(of[i]->own_us))
			break;
	}
	return at;
}

bool
pace_aside(const struct pace *p, int64_t now_us)
{
	return gives_way(p, now_us) || piles_up(p, now_us);
}

static bool
is_stale(const struct pace *p, int64_t now_us)
{
	return now_us - p->at_us > PACE_FORGET_US;
}

static bool
gives_way(const struct pace *p, int64_t now_us)
{
	return p->gives_way && !is_stale(p, now_us);
}

static bool
looks_slow(const struct pace *p, int64_t now_us)
{
	return p->slow > 0 && !is_stale(p, now_us);
}

static bool
piles_up(const struct pace *p, int64_t now_us)
{
	return p->out >= PACE_PILE && now_us - p->answered_us >= PACE_SILENT_US;
}

/* Who takes more is clearly slower. */
static double
limit_beside(double other_us)
{
	return fmax(PACE_SLOW * other_us, other_us + (double)PACE_FLOOR_US);
}

/* The first that neither gives way nor piles up; else the fastest of those that answer at all. */
static size_t
first_choice(struct pace *const *of, size_t n, int64_t now_us)
{
	size_t best = n;

	for (size_t i = 0; i < n; i++) {
		if (piles_up(of[i], now_us))
			continue;
		if (!gives_way(of[i], now_us))
			return i;
		if (best == n || of[i]->own_us < of[best]->own_us)
			best = i;
	}
	return best == n ? 0 : best;
}

/* Of those that give way and have nothing to do the one that was measured longest ago; n: none. */
static size_t
longest_unknown(struct pace *const *of, size_t n, int64_t now_us)
{
	size_t best = n;

	for (size_t i = 0; i < n; i++)
		if (gives_way(of[i], now_us) && of[i]->out == 0 &&
		    (best == n || of[i]->at_us < of[best]->at_us))
			best = i;
	return best;
}
