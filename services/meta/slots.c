/* slots: weighted, bounded concurrency. Called by execute at the begin and the end of each request.
 *
 * Invariant: all.used = sum of units of those that run = sum of of[].used, waiting = sum of the queues'
 * lengths; all.used <= slots except after a reload that made the limit smaller. */
#include <stddef.h>

#include "base/log.h"
#include "base/time.h"
#include "meta/slots.h"

#define MEMORY 0.05 /* share of the newest request in the moving mean */

/* Who has the greatest credit of those that wait. */
struct front {
	struct slot_ask *of[SLOT_KINDS];
	struct slot_ask *all; /* those behind a bulkhead aside */
};

static uint32_t units_of(const struct slots *, const struct slot_ask *);
static uint32_t wall_of(const struct slots *, enum slot_kind);
static bool
has_room(const struct slots *, const struct slots_held *, const struct slot_ask *, uint32_t);
static bool in_reserve(const struct slots *, const struct slots_held *, const struct slot_ask *);
static bool held_back(const struct slots *, const struct slot_ask *);
static struct front front_of(const struct slots *, int64_t);
static bool may_go(const struct slots *, const struct front *, const struct slot_ask *, int64_t);
static bool goes_before(const struct slot_ask *, const struct slot_ask *, int64_t);
static int64_t credit(const struct slot_ask *, int64_t);
static void start(struct slots *, struct slot_ask *, int64_t);
static void hold(struct slots_held *, const struct slot_ask *, bool);
static void unqueue(struct slots *, struct slot_ask *);
static bool is_full(const struct slots *, enum slot_kind);
static struct slot_ask *least_waiting(const struct slots *, enum slot_kind);
static struct slot_ask *to_give_way(const struct slots *, const struct slot_ask *);
static int64_t expected_wait(const struct slots *, uint32_t, enum slot_kind, int64_t);
static double service_of(const struct slots *, enum slot_kind, int64_t);

void
slots_init(struct slots *s, const struct slots_policy *p)
{
	*s = (struct slots){ .policy = *p };
	for (int k = 0; k < SLOT_KINDS; k++)
		for (int i = 0; i < SLOTS_PRIORITIES; i++)
			list_init(&s->queue[k][i]);
}

void
slots_set_policy(struct slots *s, const struct slots_policy *p)
{
	s->policy = *p;
}

enum slot_verdict
slots_ask(struct slots *s, struct slot_ask *a, int64_t now, struct slot_ask **refused)
{
	enum slot_verdict v;
	int64_t wait;

	must(a->priority > 0 && a->priority < SLOTS_PRIORITIES);
	*refused = NULL;
	a->units = units_of(s, a);
	a->asked_at = now;
	v = slots_would(s, a, now, &wait);
	if (v == SLOT_GO)
		start(s, a, now);
	if (v != SLOT_WAIT)
		return v;
	if (is_full(s, a->kind)) {
		*refused = to_give_way(s, a);
		unqueue(s, *refused);
	}
	a->place = SLOT_WAITING;
	list_add(&s->queue[a->kind][a->priority], &a->link);
	s->waiting++;
	s->waiting_of[a->kind]++;
	return SLOT_WAIT;
}

enum slot_verdict
slots_would(const struct slots *s, const struct slot_ask *like, int64_t now, int64_t *wait_us)
{
	struct slot_ask a = *like;
	struct front f = front_of(s, now);
	int64_t wait;

	a.units = units_of(s, like);
	a.asked_at = now;
	*wait_us = 0;
	if (now >= a.deadline)
		return SLOT_LATE;
	if (may_go(s, &f, &a, now))
		return SLOT_GO;
	wait = expected_wait(s, a.priority, a.kind, now);
	if (now + wait + (int64_t)service_of(s, a.kind, now) >= a.deadline)
		return SLOT_LATE;
	if (is_full(s, a.kind) && to_give_way(s, &a) == NULL)
		return SLOT_FULL;
	*wait_us = wait;
	return SLOT_WAIT;
}

bool
slots_walled(const struct slots *s, const struct slot_ask *like)
{
	struct slot_ask a = *like;

	a.units = units_of(s, like);
	return a.kind != SLOT_OF_NONE && (held_back(s, &a) || s->waiting_of[a.kind] != 0) &&
	       has_room(s, &s->all, &a, s->policy.slots);
}

bool
slots_turn(struct slots *s, struct slot_ask *a, enum slot_kind kind, int64_t now)
{
	struct slot_ask as = *a;

	must(a->place == SLOT_RUNNING);
	if (a->kind == kind)
		return true;
	as.kind = kind;
	if (held_back(s, &as) || (s->waiting_of[kind] != 0 && !in_reserve(s, &s->of[kind], &as)))
		return false;
	if (s->of[kind].used == 0)
		s->moved_us[kind] = now;
	hold(&s->of[a->kind], a, false);
	hold(&s->of[kind], a, true);
	a->kind = kind;
	return true;
}

/* Of each kind the one with the greatest credit, and its oldest CRITICAL, are all that may be next. */
struct slot_ask *
slots_next(struct slots *s, int64_t now)
{
	struct front f = front_of(s, now);
	struct slot_ask *next = NULL;

	for (int k = 0; k < SLOT_KINDS && s->waiting != 0; k++) {
		struct link *first = list_first(&s->queue[k][1]);
		struct slot_ask *two[2] = { f.of[k], NULL };

		if (first != NULL)
			two[1] = container_of(first, struct slot_ask, link);
		for (int i = 0; i < 2; i++)
			if (two[i] != NULL && may_go(s, &f, two[i], now) &&
			    goes_before(two[i], next, now))
				next = two[i];
	}
	if (next == NULL)
		return NULL;
	unqueue(s, next);
	start(s, next, now);
	return next;
}

void
slots_leave(struct slots *s, struct slot_ask *a, int64_t now)
{
	double *mean = &s->service_us[a->kind];

	switch (a->place) {
	case SLOT_NOWHERE:
		break;
	case SLOT_WAITING:
		unqueue(s, a);
		break;
	case SLOT_RUNNING:
		hold(&s->all, a, false);
		hold(&s->of[a->kind], a, false);
		*mean += ((double)(now - a->began_at) - *mean) * MEMORY;
		s->moved_us[a->kind] = now;
		a->place = SLOT_NOWHERE;
		break;
	}
}

uint32_t
slots_retry_ms(const struct slots *s, enum slot_kind kind, int64_t now)
{
	int64_t us = expected_wait(s, SLOTS_PRIORITIES - 1, kind, now);

	return (uint32_t)((us < 50 * MS ? 50 * MS : us > 5 * SEC ? 5 * SEC : us) / MS);
}

/* Heavier than all there is, or than its bulkhead: it runs alone there rather than never. */
static uint32_t
units_of(const struct slots *s, const struct slot_ask *a)
{
	uint32_t wall = wall_of(s, a->kind),
		 most = wall > s->policy.reserve ? wall - s->policy.reserve : 1;

	return a->units > most ? most : a->units;
}

/* With the reserve. */
static uint32_t
wall_of(const struct slots *s, enum slot_kind k)
{
	const struct slots_policy *p = &s->policy;

	if (k == SLOT_OF_NONE || p->share == 0 || p->slots < p->reserve)
		return p->slots;
	return (uint32_t)((uint64_t)(p->slots - p->reserve) * p->share / 100) + p->reserve;
}

/* What CRITICAL uses counts against the reserve first. */
static bool
has_room(const struct slots *s, const struct slots_held *h, const struct slot_ask *a, uint32_t most)
{
	uint32_t kept = a->priority == 1 || h->critical >= s->policy.reserve
	                    ? 0
	                    : s->policy.reserve - h->critical;

	return h->used == 0 || h->used + a->units + kept <= most;
}

static bool
in_reserve(const struct slots *s, const struct slots_held *h, const struct slot_ask *a)
{
	return a->priority == 1 && h->critical + a->units <= s->policy.reserve;
}

static bool
held_back(const struct slots *s, const struct slot_ask *a)
{
	return !has_room(s, &s->of[a->kind], a, wall_of(s, a->kind));
}

static struct front
front_of(const struct slots *s, int64_t now)
{
	struct front f = { { NULL }, NULL };

	for (int k = 0; k < SLOT_KINDS && s->waiting != 0; k++) {
		for (int p = 1; p < SLOTS_PRIORITIES && s->waiting_of[k] != 0; p++) {
			struct link *first = list_first(&s->queue[k][p]);
			struct slot_ask *a =
			    first == NULL ? NULL : container_of(first, struct slot_ask, link);

			if (a != NULL && goes_before(a, f.of[k], now))
				f.of[k] = a;
		}
		if (f.of[k] != NULL && !held_back(s, f.of[k]) && goes_before(f.of[k], f.all, now))
			f.all = f.of[k];
	}
	return f;
}

/* There is room, and nobody with more credit waits for it. */
static bool
may_go(const struct slots *s, const struct front *f, const struct slot_ask *a, int64_t now)
{
	const struct slots_held *kind = &s->of[a->kind];
	const struct slot_ask *first = f->of[a->kind];

	if (!has_room(s, &s->all, a, s->policy.slots) || held_back(s, a))
		return false;
	if (first != a && !goes_before(a, first, now) && !in_reserve(s, kind, a))
		return false;
	return f->all == a || goes_before(a, f->all, now) || in_reserve(s, &s->all, a);
}

static bool
goes_before(const struct slot_ask *a, const struct slot_ask *b, int64_t now)
{
	return b == NULL || credit(a, now) > credit(b, now);
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
	if (s->of[a->kind].used == 0)
		s->moved_us[a->kind] = now;
	hold(&s->all, a, true);
	hold(&s->of[a->kind], a, true);
}

static void
hold(struct slots_held *h, const struct slot_ask *a, bool more)
{
	uint32_t units = more ? a->units : -a->units; /* modulo 2^32 */

	h->used += units;
	if (a->priority == 1)
		h->critical += units;
}

static void
unqueue(struct slots *s, struct slot_ask *a)
{
	list_del(&s->queue[a->kind][a->priority], &a->link);
	s->waiting--;
	s->waiting_of[a->kind]--;
	a->place = SLOT_NOWHERE;
}

/* All, or what its kind may have of it. */
static bool
is_full(const struct slots *s, enum slot_kind k)
{
	uint64_t most = s->policy.queue;

	if (k != SLOT_OF_NONE && s->policy.share != 0)
		most = most * s->policy.share / 100;
	return s->waiting >= s->policy.queue || s->waiting_of[k] >= most;
}

/* The youngest of the least important. */
static struct slot_ask *
least_waiting(const struct slots *s, enum slot_kind k)
{
	for (int p = SLOTS_PRIORITIES - 1; p > 0; p--)
		if (s->queue[k][p].n != 0)
			return container_of(s->queue[k][p].head.prev, struct slot_ask, link);
	return NULL;
}

/* Whose place in the full queue a newcomer gets: of its own kind, if that has all of its places.
 * NULL: nobody is less important. */
static struct slot_ask *
to_give_way(const struct slots *s, const struct slot_ask *a)
{
	struct slot_ask *least = NULL, *b;

	for (int k = 0; k < SLOT_KINDS; k++) {
		b = k != (int)a->kind && s->waiting < s->policy.queue
		        ? NULL
		        : least_waiting(s, (enum slot_kind)k);
		if (b != NULL &&
		    (least == NULL || b->priority > least->priority ||
			(b->priority == least->priority && b->asked_at >= least->asked_at)))
			least = b;
	}
	return least != NULL && least->priority > a->priority ? least : NULL;
}

/* Those of its kind that are as important or more go first, and of the others those whom no bulkhead
 * holds; the slots that they may have work on them. */
static int64_t
expected_wait(const struct slots *s, uint32_t priority, enum slot_kind kind, int64_t now)
{
	double before[SLOT_KINDS] = { 0 }, all = 0, own;

	for (int k = 0; k < SLOT_KINDS; k++) {
		size_t ahead = 0;

		for (uint32_t p = 1; p <= priority && s->waiting_of[k] != 0; p++)
			ahead += s->queue[k][p].n;
		before[k] = service_of(s, (enum slot_kind)k, now) * (double)ahead;
		if (k == (int)kind || s->of[k].used < wall_of(s, (enum slot_kind)k))
			all += before[k];
	}
	all /= s->policy.slots != 0 ? s->policy.slots : 1;
	own = before[kind] / (wall_of(s, kind) != 0 ? wall_of(s, kind) : 1);
	return (int64_t)(own > all ? own : all);
}

/* Where nothing has ended for longer than one takes, it will be that long again at least. */
static double
service_of(const struct slots *s, enum slot_kind k, int64_t now)
{
	double silent = s->of[k].used != 0 ? (double)(now - s->moved_us[k]) : 0;

	return silent > s->service_us[k] ? silent : s->service_us[k];
}
