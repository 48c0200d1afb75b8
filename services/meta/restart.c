/* restart: see restart.h. The starts of the window are kept one by one, so that "more than N in a
 * window" is exact. Jitter takes up to half of a back-off away, never adds: the longest wait is
 * what the policy says. */
#include "meta/restart.h"

#include <string.h>

static int64_t back_off(const struct restart_policy *p, uint32_t in_row, uint32_t jitter);

enum verdict
restart_next(const struct restart_policy *p, struct restart_state *s, int64_t now, int64_t ready_us,
    bool well, uint32_t jitter, int64_t *at)
{
	uint32_t max = p->max < RESTART_KEPT ? p->max : RESTART_KEPT;
	uint32_t recent = restart_count(p, s, now);

	if (p->kind != RESTART_PERMANENT && well)
		return RESTART_DONE;
	if (p->kind == RESTART_TEMPORARY)
		return RESTART_NEVER;
	memmove(s->at_us, s->at_us + (s->n - recent), recent * sizeof(s->at_us[0]));
	s->n = recent;
	if (recent >= max)
		return RESTART_NEVER;
	s->at_us[s->n++] = now;
	if (ready_us >= p->healthy_us) {
		s->in_row = 0;
		*at = now;
		return RESTART_NOW;
	}
	*at = now + back_off(p, s->in_row, jitter);
	s->in_row++;
	return RESTART_LATER;
}

uint32_t
restart_count(const struct restart_policy *p, const struct restart_state *s, int64_t now)
{
	uint32_t old = 0;

	while (old < s->n && now - s->at_us[old] >= p->window_us)
		old++;
	return s->n - old;
}

static int64_t
back_off(const struct restart_policy *p, uint32_t in_row, uint32_t jitter)
{
	int64_t wait = p->base_us;

	for (uint32_t i = 0; i < in_row && wait < p->cap_us; i++)
		wait *= 2;
	if (wait > p->cap_us)
		wait = p->cap_us;
	return wait - (wait / 2) * (int64_t)(jitter >> 16) / 65536;
}
