/* slots: weighted, bounded concurrency. Called by execute at the begin and the end of each request.
 *
 * Invariant: used = sum of units of those that run, waiting = sum of the queues' lengths, used <=
 * slots except after a reload that made the limit smaller. */
#include <stddef.h>

#include "base/log.h"
#include "base/time.h"
#include "meta/slots.h"

#define MEMORY 0.05 /* share of the newest request in the moving mean */

static bool fits(const struct slots *, const struct slot_ask *);
static struct slot_ask *best_waiting(const struct slots *, uint32_t, uint32_t, int64_t);
static int64_t credit(const struct slot_ask *, int64_t);
static void start(struct slots *, struct slot_ask *, int64_t);
static void unqueue(struct slots *, struct slot_ask *);
static struct slot_ask *least_waiting(const struct slots *);
static int64_t expected_wait(const struct slots *, uint32_t);

void
slots_init(struct slots *s, const struct slots_policy *p)
{
	*s = (struct slots){ .policy = *p };
	for (int i = 0; i < SLOTS_PRIORITIES; i++)
		list_init(&s->queue[i]);
}

void
slots_set_policy(struct slots *s, const struct slots_policy *p)
{
	s->policy = *p;
}

enum slot_verdict
slots_ask(struct slots *s, struct slot_ask *a, int64_t now, struct slot_ask **refused)
{
	uint32_t most =
	    s->policy.slots > s->policy.reserve ? s->policy.slots - s->policy.reserve : 1;

	must(a->priority > 0 && a->priority < SLOTS_PRIORITIES);
	*refused = NULL;
	if (a->units > most) /* heavier than all there is: it runs alone rather than never */
		a->units = most;
	a->asked_at = now;
	if (now >= a->deadline)
		return SLOT_LATE;
	if (fits(s, a) && best_waiting(s, 1, a->priority, now) == NULL) {
		start(s, a, now);
		return SLOT_GO;
	}
	if (now + expected_wait(s, a->priority) >= a->deadline)
		return SLOT_LATE;
	if (s->waiting >= s->policy.queue) {
		struct slot_ask *least = least_waiting(s);

		if (least == NULL || least->priority <= a->priority)
			return SLOT_FULL;
		unqueue(s, least);
		*refused = least;
	}
	a->place = SLOT_WAITING;
	list_add(&s->queue[a->priority], &a->link);
	s->waiting++;
	return SLOT_WAIT;
}

/* The highest credit goes first. When that one needs more units than are free, nobody of the
 * ordinary ones overtakes it (it would starve); a CRITICAL that fits into the reserve does. */
struct slot_ask *
slots_next(struct slots *s, int64_t now)
{
	struct slot_ask *critical = best_waiting(s, 1, 1, now),
			*other = best_waiting(s, 2, SLOTS_PRIORITIES - 1, now);
	struct slot_ask *a;

	if (critical != NULL && !fits(s, critical))
		critical = NULL;
	if (other != NULL && !fits(s, other))
		other = NULL;
	if (critical == NULL || (other != NULL && credit(other, now) > credit(critical, now)))
		a = other;
	else
		a = critical;
	if (a == NULL)
		return NULL;
	unqueue(s, a);
	start(s, a, now);
	return a;
}

void
slots_leave(struct slots *s, struct slot_ask *a, int64_t now)
{
	switch (a->place) {
	case SLOT_NOWHERE:
		break;
	case SLOT_WAITING:
		unqueue(s, a);
		break;
	case SLOT_RUNNING:
		s->used -= a->units;
		if (a->priority == 1)
			s->used_critical -= a->units;
		s->service_us += ((double)(now - a->began_at) - s->service_us) * MEMORY;
		a->place = SLOT_NOWHERE;
		break;
	}
}

uint32_t
slots_retry_ms(const struct slots *s)
{
	int64_t us = expected_wait(s, SLOTS_PRIORITIES - 1);

	return (uint32_t)((us < 50 * MS ? 50 * MS : us > 5 * SEC ? 5 * SEC : us) / MS);
}

/* What CRITICAL uses counts against the reserve first. */
static bool
fits(const struct slots *s, const struct slot_ask *a)
{
	uint32_t kept = a->priority == 1 || s->used_critical >= s->policy.reserve
	                    ? 0
	                    : s->policy.reserve - s->used_critical;

	if (s->used == 0)
		return true;
	return s->used + a->units + kept <= s->policy.slots;
}

/* Of the priorities from..to; within one the oldest comes first. */
static struct slot_ask *
best_waiting(const struct slots *s, uint32_t from, uint32_t to, int64_t now)
{
	struct slot_ask *best = NULL;

	for (uint32_t p = from; p <= to && s->waiting != 0; p++) {
		struct link *k = list_first(&s->queue[p]);
		struct slot_ask *a = k == NULL ? NULL : container_of(k, struct slot_ask, link);

		if (a != NULL && (best == NULL || credit(a, now) > credit(best, now)))
			best = a;
	}
	return best;
}

static int64_t
credit(const struct slot_ask *a, int64_t now)
{
	static const int64_t weight[SLOTS_PRIORITIES] = { 0, 8, 4, 2, 1 };

	return weight[a->priority] * (now - a->asked_at + 1);
}

static void
start(struct slots *s, struct slot_ask *a, int64_t now)
{
	a->place = SLOT_RUNNING;
	a->began_at = now;
	s->used += a->units;
	if (a->priority == 1)
		s->used_critical += a->units;
}

static void
unqueue(struct slots *s, struct slot_ask *a)
{
	list_del(&s->queue[a->priority], &a->link);
	s->waiting--;
	a->place = SLOT_NOWHERE;
}

/* The youngest of the least important. */
static struct slot_ask *
least_waiting(const struct slots *s)
{
	for (uint32_t p = SLOTS_PRIORITIES - 1; p > 0; p--)
		if (s->queue[p].n != 0)
			return container_of(s->queue[p].head.prev, struct slot_ask, link);
	return NULL;
}

/* Those that are as important or more go first; all slots work on them. */
static int64_t
expected_wait(const struct slots *s, uint32_t priority)
{
	size_t ahead = 0;

	for (uint32_t p = 1; p <= priority; p++)
		ahead += s->queue[p].n;
	return (
	    int64_t)(s->service_us * (double)ahead / (s->policy.slots != 0 ? s->policy.slots : 1));
}
