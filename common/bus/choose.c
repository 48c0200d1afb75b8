/* choose: the choice among the members of a target. A member is fit when its connection is up, it
 * does not drain, its breaker lets calls through and it serves the service. The first fit one is
 * taken, those that this call has not tried before those that it has; in a paced target one that is
 * clearly slower than another gives way (pace.h). Of several processes of one name that don't, two are
 * drawn and the one with less work of ours takes the call (power of two choices). One that said
 * NOT_LEADING is passed over until nobody else is fit, one that says that it is unfit until nobody else
 * is left. */
#include <string.h>
#include "bus/inside.h"

static struct member *choose(struct target *t, const struct rpc_call *r, int64_t now_us);
static struct member *longest_open(struct target *t);
static struct member *
shared_out(struct target *t, const struct rpc_call *r, struct member *first, int64_t now_us);
static struct member *
by_pace(struct target *t, const struct rpc_call *r, struct member *first, int64_t now_us);
static double best_known(struct target *t, const struct member *but, int64_t now_us, bool *all);
static bool may_use(const struct member *m, const struct rpc_call *r);
static bool is_there(const struct member *m);
static bool is_fit(struct member *m, const struct rpc_call *r, int64_t now_us);

struct member *
target_choose(struct target *t, const struct rpc_call *r, int64_t now_us)
{
	struct member *m = choose(t, r, now_us);

	if (m == NULL) {
		target_lead_unknown(t);
		m = choose(t, r, now_us);
	}
	if (m == NULL && (m = longest_open(t)) != NULL) {
		target_close(m);
		m = choose(t, r, now_us);
	}
	return m;
}

void
target_lead_unknown(struct target *t)
{
	for (size_t i = 0; i < t->n_members; i++)
		t->members[i].stands_by = false;
}

struct member *
target_last_resort(struct target *t, const struct rpc_call *r)
{
	for (size_t i = 0; i < t->n_members; i++)
		if (may_use(&t->members[i], r) && t->members[i].breaker.state == BREAKER_CLOSED)
			return &t->members[i];
	return NULL;
}

bool
target_has_other(struct target *t, const struct rpc_call *r, int64_t now_us)
{
	for (size_t i = 0; i < t->n_members; i++)
		if ((r->tried & 1u << i) == 0 && is_fit(&t->members[i], r, now_us))
			return true;
	return false;
}

int64_t
target_next_probe(const struct target *t)
{
	int64_t at = INT64_MAX;

	for (size_t i = 0; i < t->n_members; i++) {
		const struct member *m = &t->members[i];

		if (m->peer->up && m->breaker.state == BREAKER_OPEN && m->breaker.probe_us < at)
			at = m->breaker.probe_us;
	}
	return at;
}

const char *
target_why_not(const struct member *m)
{
	if (!m->peer->up)
		return "NOT_CONNECTED";
	if (m->unserved)
		return "NO_SERVICE";
	if (m->stands_by)
		return "STANDS_BY";
	if (m->breaker.state != BREAKER_CLOSED)
		return "BREAKER_OPEN";
	if (m->peer->draining)
		return "DRAINING";
	if (m->peer->unfit)
		return "UNFIT";
	return m->target->paced && !pace_fine(&m->pace) ? "SLOWER" : "";
}

bool
target_passed_over(const struct member *m, const struct member *chosen, int64_t now_us)
{
	const char *why = target_why_not(m);

	if (m->peer->vacant)
		return false;
	if (chosen == NULL || m->seat != chosen->seat)
		return true;
	/* Of equals one that was slow once, or has much to do, keeps its share. */
	return why[0] != '\0' && (strcmp(why, "SLOWER") != 0 || pace_aside(&m->pace, now_us));
}

/* One that is open or only probed is no member to leave the calls to. */
bool
target_last_fit(const struct target *t, const struct member *m)
{
	for (size_t i = 0; i < t->n_members; i++)
		if (&t->members[i] != m && is_there(&t->members[i]) && !t->members[i].peer->unfit &&
		    !t->members[i].stands_by && t->members[i].breaker.state == BREAKER_CLOSED)
			return false;
	return true;
}

void
target_took(struct member *m, int64_t own_us, int64_t now_us)
{
	double best;
	bool all;

	if (!pace_took(&m->pace, own_us, now_us))
		return;
	best = best_known(m->target, m, now_us, &all);
	if (!pace_judge(&m->pace, own_us, best, all, now_us))
		return;
	log_info(m->pace.gives_way ? "member_gives_way" : "member_in_place",
	    L_STR("target", m->target->service->name), L_STR("member", m->peer->name),
	    L_INT("own_us", (int64_t)m->pace.own_us));
}

/* Those that say they are unfit after those that don't, those that were tried after all. */
static struct member *
choose(struct target *t, const struct rpc_call *r, int64_t now_us)
{
	struct member *unfit = NULL, *second = NULL;

	for (size_t i = 0; i < t->n_members; i++) {
		struct member *m = &t->members[i];

		if (m->stands_by || !is_fit(m, r, now_us))
			continue;
		if ((r->tried & 1u << i) != 0) {
			if (second == NULL || (second->peer->unfit && !m->peer->unfit))
				second = m;
		} else if (m->peer->unfit) {
			if (unfit == NULL)
				unfit = m;
		} else {
			return shared_out(t, r, m, now_us);
		}
	}
	return unfit != NULL ? unfit : second;
}

/* `first` is the first fit one; the others of its name are as good, but for those that give way: while
 * one of a name is slow, their order and their times decide who is measured, and whether it is the
 * turn of one that gives way. */
static struct member *
shared_out(struct target *t, const struct rpc_call *r, struct member *first, int64_t now_us)
{
	struct member *fit[GROUP_MOST] = { first }, *end = t->members + t->n_members, *m;
	bool fine = true;
	size_t n = 0, a, b;

	if (first->peer->group == NULL || t->ordered || r->opts.node != NULL)
		return t->paced && !pace_fine(&first->pace) ? by_pace(t, r, first, now_us) : first;
	for (m = first; m < end && m->seat == first->seat; m++) {
		if ((r->tried & 1u << (m - t->members)) != 0 || m->stands_by || m->peer->unfit ||
		    !is_fit(m, r, now_us))
			continue;
		fine = fine && (!t->paced || pace_fine(&m->pace));
		if (!t->paced || !pace_aside(&m->pace, now_us))
			fit[n++] = m;
	}
	if (!fine) {
		m = by_pace(t, r, first, now_us);
		if (n == 0 || m->seat != first->seat || pace_aside(&m->pace, now_us))
			return m;
	}
	if (n < 2)
		return fit[0];
	a = rng_below(&t->bus->rng, (uint32_t)n);
	b = (a + 1 + rng_below(&t->bus->rng, (uint32_t)n - 1)) % n;
	return fit[b]->peer->outs.n < fit[a]->peer->outs.n ? fit[b] : fit[a];
}

/* Errors never open the last member. When it has become that only since, because those that were
 * closed went away, it is closed again: of several the one that has been open for longest. */
static struct member *
longest_open(struct target *t)
{
	struct member *first = NULL;

	for (size_t i = 0; i < t->n_members; i++) {
		struct member *m = &t->members[i];

		if (!is_there(m))
			continue;
		if (m->breaker.state == BREAKER_CLOSED)
			return NULL;
		if (!m->breaker.lost &&
		    (first == NULL || m->breaker.probe_us < first->breaker.probe_us))
			first = m;
	}
	return first;
}

/* Something speaks against `first`, the first fit one, or against another of its name. Those of a name
 * have no order: who gives way stands before the others, so that its turn comes. */
static struct member *
by_pace(struct target *t, const struct rpc_call *r, struct member *first, int64_t now_us)
{
	struct member *fit[MEMBERS_MOST] = { first }, *end = t->members + t->n_members;
	struct pace *of[MEMBERS_MOST];
	bool equals = first->peer->group != NULL && !t->ordered;
	size_t n = 0;

	for (int aside = equals; aside >= 0; aside--)
		for (struct member *m = first; m < end; m++) {
			if ((equals && m->seat == first->seat && pace_aside(&m->pace, now_us)) !=
				aside ||
			    (r->tried & 1u << (m - t->members)) != 0 || m->peer->unfit ||
			    !is_fit(m, r, now_us))
				continue;
			fit[n] = m;
			of[n++] = &m->pace;
		}
	return fit[pace_choose(of, n, now_us, &t->turn)];
}

static double
best_known(struct target *t, const struct member *but, int64_t now_us, bool *all)
{
	double best = -1, one;

	*all = true;
	for (size_t i = 0; i < t->n_members; i++) {
		struct member *m = &t->members[i];

		if (m == but || !is_fit(m, NULL, now_us))
			continue;
		one = pace_known(&m->pace, now_us);
		*all = *all && one >= 0;
		if (one >= 0 && (best < 0 || one < best))
			best = one;
	}
	return best;
}

static bool
may_use(const struct member *m, const struct rpc_call *r)
{
	if (r != NULL && r->only != NULL && r->only != m->peer)
		return false;
	if (r != NULL && r->opts.node != NULL && strcmp(r->opts.node, m->peer->name) != 0 &&
	    strcmp(r->opts.node, m->peer->instance) != 0)
		return false;
	return m->peer->up && !m->unserved;
}

/* Its breaker apart, calls of no particular kind may go to it. */
static bool
is_there(const struct member *m)
{
	return may_use(m, NULL) && (!m->peer->draining || m->target->control);
}

/* r NULL: for a call of no particular kind. An UNSAFE call is no probe. */
static bool
is_fit(struct member *m, const struct rpc_call *r, int64_t now_us)
{
	if (!may_use(m, r) || (m->peer->draining && !m->target->control))
		return false;
	if (!breaker_fit(&m->breaker, now_us))
		return false;
	return m->breaker.state == BREAKER_CLOSED || r == NULL || r->method->class != METHOD_UNSAFE;
}
