/* target: a service as its callers see it: its members, its methods, and what happens to a member:
 * its connection comes and goes, its breaker opens and closes, it says that it is unfit. Breakers
 * change state here and nowhere else. Which member gets a call: choose.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bus/inside.h"

static void add_members(struct target *t, const char *name, uint8_t seat);
static void make_methods(struct target *t);
static bool has_method(const struct target *t, const char *name);
static void add_gauges(struct member *m);
static struct metric *breaker_gauge(const struct target *t, const char *node);
static struct metric *would_open_counter(const struct target *t, const char *node);
static struct metric *own_gauge(const struct target *t, const char *node);
static void changed(struct member *m);
static void wake_soon(struct target *t);
static void wake(struct target *t);

struct target *
target_new(struct bus *b, const struct target_def *d)
{
	struct target *t = calloc(1, sizeof *t);
	static const char *const labels[] = { "target", NULL };

	if (t == NULL)
		panic("out of memory");
	t->bus = b;
	t->service = d->service;
	t->policy = breaker_policy_or_default(d->breaker);
	t->policy.observe = b->observe;
	t->control = d->service == &mf__node__descriptor;
	list_init(&t->held);
	retry_budget_init(&t->budget, time_now_us());
	for (uint8_t i = 0; d->members[i] != NULL; i++)
		add_members(t, d->members[i], i);
	make_methods(t);
	t->retries = metric_get(metric_family(METRIC_COUNTER, "metafed_bus_retries_total",
				    "Tries beyond the first of a call.", labels),
	    (const char *const[]){ d->service->name, NULL });
	t->retries_left =
	    t->control ? NULL
		       : metric_get(metric_family(METRIC_GAUGE, "metafed_bus_retries_left",
					"Retries that the budget of a target allows.", labels),
			     (const char *const[]){ d->service->name, NULL });
	list_add(&b->targets, &t->link);
	return t;
}

void
target_set_paced(struct target *t)
{
	t->paced = true;
	for (size_t i = 0; i < t->n_members; i++)
		if (!t->members[i].peer->vacant)
			t->members[i].own = own_gauge(t, t->members[i].peer->place);
}

void
target_set_ordered(struct target *t)
{
	t->ordered = true;
}

void
target_set_limited(struct target *t)
{
	for (unsigned i = 0; i < t->service->n_methods; i++)
		t->methods[i].waitlist = waitlist_new(&t->methods[i]);
}

void
target_set_watch(struct target *t, int64_t us)
{
	t->watch_us = us;
}

bool
target_ready(const struct target *t)
{
	for (size_t i = 0; i < t->n_members; i++) {
		const struct member *m = &t->members[i];

		if (m->peer->up && !m->unserved && m->breaker.state != BREAKER_OPEN)
			return true;
	}
	return false;
}

const char *
target_name(const struct target *t)
{
	return t->service->name;
}

struct target *
bus_node_target(struct bus *b, const char *node)
{
	LIST_EACH(&b->targets, k) {
		struct target *t = container_of(k, struct target, link);

		if (t->control && strcmp(t->members[0].peer->name, node) == 0)
			return t;
	}
	return target_new(b, &(struct target_def){ .service = &mf__node__descriptor,
				 .members = (const char *const[]){ node, NULL } });
}

void
bus_each_breaker(struct bus *b, breaker_visit_fn *visit, void *ctx)
{
	LIST_EACH(&b->targets, k) {
		struct target *t = container_of(k, struct target, link);

		for (size_t i = 0; i < t->n_members && !t->control; i++)
			if (!t->members[i].peer->vacant)
				visit(ctx, t->service->name, t->members[i].peer->name,
				    target_shown(&t->members[i]), t->members[i].breaker.failures,
				    t->members[i].peer->up);
	}
}

void
target_count(struct member *m, bool fault, int64_t now_us)
{
	struct target *t = m->target;
	bool news, probed = m->breaker.probing;

	if (fault)
		news = breaker_failure(
		    &m->breaker, &t->policy, now_us, target_last_fit(t, m), rng_unit(&t->bus->rng));
	else
		news = breaker_success(&m->breaker, &t->policy, now_us);
	if (news)
		changed(m);
	if (news || probed)
		wake_soon(t);
}

void
target_abandon(struct member *m)
{
	if (m->breaker.probing)
		wake_soon(m->target);
	breaker_abandon(&m->breaker);
}

void
target_run_wakes(struct bus *b)
{
	if (!b->wakes)
		return;
	b->wakes = false;
	LIST_EACH(&b->targets, k) {
		struct target *t = container_of(k, struct target, link);

		if (t->wake)
			wake(t);
		t->wake = false;
	}
}

void
target_close(struct member *m)
{
	breaker_reset(&m->breaker);
	changed(m);
}

void
target_show(const struct target *t)
{
	for (unsigned i = 0; i < t->service->n_methods; i++)
		if (t->methods[i].waitlist != NULL)
			waitlist_show(t->methods[i].waitlist);
	if (t->retries_left != NULL)
		metric_set(t->retries_left, t->budget.tokens > 0 ? t->budget.tokens : 0);
	for (size_t i = 0; i < t->n_members && t->paced; i++)
		if (t->members[i].own != NULL)
			metric_set(t->members[i].own, t->members[i].pace.own_us / (double)SEC);
}

void
target_trip(struct peer *p)
{
	int64_t now = time_now_us();

	LIST_EACH(&p->bus->targets, k) {
		struct target *t = container_of(k, struct target, link);

		for (size_t i = 0; i < t->n_members; i++)
			if (t->members[i].peer == p && !t->members[i].stands_by)
				target_lead_unknown(t);
		for (size_t i = 0; i < t->n_members && !t->control; i++)
			if (t->members[i].peer == p && !target_last_fit(t, &t->members[i]) &&
			    breaker_trip(
				&t->members[i].breaker, &t->policy, now, rng_unit(&t->bus->rng)))
				changed(&t->members[i]);
	}
}

void
target_peer_up(struct peer *p)
{
	LIST_EACH(&p->bus->targets, k) {
		struct target *t = container_of(k, struct target, link);
		bool ours = false;

		for (size_t i = 0; i < t->n_members; i++) {
			struct member *m = &t->members[i];
			bool news = target_shown(m) != BREAKER_CLOSED;

			if (m->peer != p)
				continue;
			ours = true;
			add_gauges(m);
			m->unserved = m->stands_by = false;
			pace_reset(&m->pace);
			breaker_reset(&m->breaker);
			if (news)
				changed(m);
		}
		if (ours)
			wake(t);
	}
}

enum breaker_state
target_shown(const struct member *m)
{
	enum breaker_state s = breaker_shown(&m->breaker);

	return s == BREAKER_CLOSED && m->peer->unfit ? BREAKER_UNFIT : s;
}

void
target_peer_unfit(struct peer *p)
{
	LIST_EACH(&p->bus->targets, k) {
		struct target *t = container_of(k, struct target, link);

		for (size_t i = 0; i < t->n_members && !t->control; i++)
			if (t->members[i].peer == p &&
			    breaker_shown(&t->members[i].breaker) == BREAKER_CLOSED)
				changed(&t->members[i]); /* else that is what shows */
	}
}

void
target_failover(struct target *t, const char *from, const char *to)
{
	static const char *const labels[] = { "target", "from", "to", NULL };

	metric_inc(
	    metric_get(metric_family(METRIC_COUNTER, "metafed_bus_failovers_total",
			   "Calls that went to another member than the one before it.", labels),
		(const char *const[]){ t->service->name, from, to, NULL }));
	census_failover(t->bus, from, to);
}

void
target_free(struct target *t)
{
	for (unsigned i = 0; i < t->service->n_methods; i++)
		free(t->methods[i].waitlist);
	for (size_t i = 0; i < t->n_members; i++)
		free(t->members[i].recent);
	free(t->methods);
	free(t);
}

/* All processes of that name, one after the other; who is not there yet, too. */
static void
add_members(struct target *t, const char *name, uint8_t seat)
{
	struct peer *first = peer_get(t->bus, name), *const *all = &first;
	size_t n = first->group != NULL ? group_peers(first->group, &all) : 1;

	for (size_t i = 0; i < n; i++) {
		struct member *m = &t->members[t->n_members++];

		must(t->n_members <= MEMBERS_MOST);
		m->target = t;
		m->peer = all[i];
		m->seat = seat;
		if (!m->peer->vacant)
			add_gauges(m);
	}
}

/* By its place: a fleet whose processes come and go has no more series than places. */
static void
add_gauges(struct member *m)
{
	if (m->gauge == NULL && !m->target->control)
		m->gauge = breaker_gauge(m->target, m->peer->place);
	if (m->own == NULL && m->target->paced)
		m->own = own_gauge(m->target, m->peer->place);
}

static void
make_methods(struct target *t)
{
	const ProtobufCServiceDescriptor *s = t->service;
	const struct method_info *info;

	t->methods = calloc(s->n_methods, sizeof *t->methods);
	if (t->methods == NULL)
		panic("out of memory");
	for (unsigned i = 0; i < s->n_methods; i++) {
		struct target_method *m = &t->methods[i];

		info = method_find(s->name, s->methods[i].name);
		must(info != NULL && has_method(t, info->method));
		m->method = info->method;
		m->class = info->class;
		m->limit_us = info->limit_us;
		/* Per class of method, never one number for all: work that may last long is not
		 * slow at the policy's limit. */
		if (t->policy.limit_us > 0 && !t->control)
			m->slow_us = t->policy.limit_us > info->limit_us / 10 ? t->policy.limit_us
			                                                      : info->limit_us / 10;
		m->recursive = codec_recursive(s->methods[i].output);
		snprintf(m->name, sizeof m->name, "%s.%s", strchr(s->name, '.') + 1, info->method);
		meter_init(&m->meter, info->service, info->method, false);
	}
}

static bool
has_method(const struct target *t, const char *name)
{
	return protobuf_c_service_descriptor_get_method_by_name(t->service, name) != NULL;
}

static struct metric *
breaker_gauge(const struct target *t, const char *node)
{
	static const char *const labels[] = { "target", "member", NULL };

	return metric_get(metric_family(METRIC_GAUGE, "metafed_bus_breaker_state",
			      "Breaker towards a member: 0 closed, 1 open, 2 half-open.", labels),
	    (const char *const[]){ t->service->name, node, NULL });
}

static struct metric *
would_open_counter(const struct target *t, const char *node)
{
	static const char *const labels[] = { "target", "member", NULL };

	return metric_get(
	    metric_family(METRIC_COUNTER, "metafed_bus_breaker_would_open_total",
		"Times that errors would have opened the breaker (breakers = observe).", labels),
	    (const char *const[]){ t->service->name, node, NULL });
}

static struct metric *
own_gauge(const struct target *t, const char *node)
{
	static const char *const labels[] = { "target", "member", NULL };

	return metric_get(
	    metric_family(METRIC_GAUGE, "metafed_bus_member_own_seconds",
		"What a member takes of itself for a call, as a mean of late.", labels),
	    (const char *const[]){ t->service->name, node, NULL });
}

/* Everybody who can do something about it hears of it: the log, the metrics, subscribers of
 * "breaker". */
static void
changed(struct member *m)
{
	static const char *const events[] = { [BREAKER_OPEN] = "breaker_open",
		[BREAKER_WOULD_OPEN] = "breaker_would_open",
		[BREAKER_UNFIT] = "member_unfit" };
	Mf__BreakerState s = MF__BREAKER_STATE__INIT;
	enum breaker_state is = target_shown(m);
	struct bus *b = m->target->bus;

	s.target = (char *)(uintptr_t)m->target->service->name;
	s.node = m->peer->name;
	s.state = (char *)(uintptr_t)breaker_state_name(is);
	s.failures = m->breaker.failures;
	if (is == BREAKER_WOULD_OPEN)
		metric_inc(would_open_counter(m->target, s.node));
	if (is == BREAKER_CLOSED || is == BREAKER_HALF_OPEN)
		log_info("breaker_closed", L_STR("target", s.target), L_STR("member", s.node));
	else
		log_warn(events[is], L_STR("target", s.target), L_STR("member", s.node),
		    L_INT("failures", s.failures));
	if (m->gauge != NULL)
		metric_set(m->gauge, m->breaker.state);
	bus_publish(b, "breaker", &s.base);
	if (is == BREAKER_OPEN)
		census_opened(m);
	if (b->breakers_changed != NULL)
		b->breakers_changed(b->breakers_ctx, s.target, s.node, is, s.failures, m->peer->up);
}

/* A probe is over: those that waited for it are not looked at from inside the end of another call. */
static void
wake_soon(struct target *t)
{
	if (t->held.n == 0)
		return;
	t->wake = t->bus->wakes = true;
	loop_turn_soon(t->bus->loop);
}

/* Those that find nobody go to the end of the list again. */
static void
wake(struct target *t)
{
	for (size_t n = t->held.n; n > 0; n--) {
		struct link *k = list_pop(&t->held);

		if (k == NULL)
			return;
		rpc_wake(container_of(k, struct rpc_call, waiting));
	}
}
