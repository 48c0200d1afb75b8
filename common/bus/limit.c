/* limit: see limit.h. Called by waitlist.c with the time of the moment. */
#include <math.h>
#include "bus/limit.h"

#define GRADIENT_LEAST 0.5
#define LEARN_DOWN     (1.0 / 4)
#define LEARN_UP       (1.0 / 32)
#define LEARN_ANEW     (1.0 / 8)
#define LEARNED        0.9
#define UNUSED_BACK    (1.0 / 64)

static double uncrowded(const struct limit *l);
static void end_window(struct limit *l, int64_t now_us);
static void learn(struct limit *l, double mean, double up);
static void adapt(struct limit *l, double mean);

void
limit_init(struct limit *l, int64_t call_limit_us)
{
	*l = (struct limit){ .limit = LIMIT_FIRST, .floor_us = (double)call_limit_us / 100 };
}

void
limit_took(struct limit *l, int64_t took_us, int64_t now_us)
{
	l->calls++;
	l->sum_us += (double)took_us;
	end_window(l, now_us);
}

void
limit_dropped(struct limit *l, bool refused, int64_t took_us, int64_t now_us)
{
	if (!refused && (double)took_us <= uncrowded(l))
		return;
	l->drops++;
	end_window(l, now_us);
}

int64_t
limit_needs_us(const struct limit *l)
{
	return (int64_t)(LIMIT_TOLERANCE * l->took_us);
}

int64_t
limit_wait_us(const struct limit *l, uint32_t ahead)
{
	return (int64_t)(l->took_us * (double)ahead / l->limit);
}

/* What a call may take. */
static double
uncrowded(const struct limit *l)
{
	return LIMIT_TOLERANCE * fmax(l->base_us, l->floor_us);
}

/* If it is time. */
static void
end_window(struct limit *l, int64_t now_us)
{
	double mean = l->calls > 0 ? l->sum_us / l->calls : l->took_us;
	bool in_use = (double)l->most >= l->limit / 2;

	if (l->since_us == 0)
		l->since_us = now_us;
	if (l->calls + l->drops < LIMIT_CALLS || now_us - l->since_us < LIMIT_WINDOW_US ||
	    (double)(now_us - l->since_us) < l->took_us)
		return;
	if (l->calls > 0 && (!in_use || l->base_us <= 0 || mean < l->base_us))
		learn(l, mean, LEARN_UP);
	if (in_use)
		adapt(l, mean);
	else if (l->limit > LIMIT_FIRST)
		l->limit -= (l->limit - fmax(LIMIT_FIRST, 2.0 * l->most)) * UNUSED_BACK;
	l->took_us = mean;
	l->calls = l->drops = 0;
	l->most = l->out;
	l->sum_us = 0;
	l->since_us = 0;
}

static void
learn(struct limit *l, double mean, double up)
{
	if (l->base_us <= 0)
		l->base_us = mean;
	else
		l->base_us += (mean - l->base_us) * (mean < l->base_us ? LEARN_DOWN : up);
}

static void
adapt(struct limit *l, double mean)
{
	double gradient = mean > 0 ? fmin(uncrowded(l) / mean, 1) : 1;
	double dropped = (double)l->drops / (l->calls + l->drops), want;

	gradient = fmax(fmin(gradient, 1 - LIMIT_DROPS * dropped), GRADIENT_LEAST);
	want = l->limit * gradient + sqrt(l->limit);
	want = l->limit + LIMIT_SMOOTHING * (want - l->limit);
	if (l->calls > 0)
		l->anew = (l->anew || want < LIMIT_LEAST) && l->base_us < LEARNED * mean;
	if (l->anew)
		learn(l, mean, LEARN_ANEW);
	l->limit = l->anew ? LIMIT_LEAST : fmax(fmin(want, LIMIT_MOST), LIMIT_LEAST);
}
