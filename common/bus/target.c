/* target: a service as its callers see it, and the choice among its members. A member is fit when
 * its connection is up, it does not drain, its breaker lets calls through and it serves the
 * service. The first fit one is taken, those that this call has not tried before those that it has;
 * in a paced target one that is clearly slower than another gives way (pace.h). Breakers change
 * state here and nowhere else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bus/inside.h"

static void make_methods(struct target *t);
static struct metric *breaker_gauge(const struct target *t, const char *node);
static bool has_method(const struct target *t, const char *name);
static bool may_use(const struct member *m, const struct rpc_call *r);
static bool is_fit(struct member *m, const struct rpc_call *r, int64_t now_us);
static struct member *
by_pace(struct target *t, const struct rpc_call *r, struct member *first, int64_t now_us);
static double best_known(struct target *t, const struct member *but, int64_t now_us, bool *all);
static struct metric *own_gauge(const struct target *t, const char *node);
static void changed(struct member *m);
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
	t->control = d->service == &mf__node__descriptor;
	list_init(&t->held);
	retry_budget_init(&t->budget, time_now_us());
	for (; d->members[t->n_members] != NULL; t->n_members++) {
		struct member *m = &t->members[t->n_members];

		must(t->n_members < MEMBERS_MOST);
		m->target = t;
		m->peer = peer_get(b, d->members[t->n_members]);
		m->gauge = t->control ? NULL : breaker_gauge(t, m->peer->name);
	}
	make_methods(t);
	t->retries = metric_get(metric_family(METRIC_COUNTER, "metafed_bus_retries_total",
				    "Tries beyond the first of a call.", labels),
	    (const char *const[]){ d->service->name, NULL });
	list_add(&b->targets, &t->link);
	return t;
}

void
target_set_paced(struct target *t)
{
	t->paced = true;
	for (size_t i = 0; i < t->n_members; i++)
		t->members[i].own = own_gauge(t, t->members[i].peer->name);
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
			visit(ctx, t->service->name, t->members[i].peer->name,
			    t->members[i].breaker.state, t->members[i].breaker.failures,
			    t->members[i].peer->up);
	}
}

struct member *
target_choose(struct target *t, const struct rpc_call *r, int64_t now_us)
{
	struct member *second = NULL;

	for (size_t i = 0; i < t->n_members; i++) {
		struct member *m = &t->members[i];

		if (!is_fit(m, r, now_us))
			continue;
		if ((r->tried & 1u << i) == 0)
			return t->paced && !pace_fine(&m->pace) ? by_pace(t, r, m, now_us) : m;
		if (second == NULL)
			second = m;
	}
	return second;
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
	if (m->breaker.state != BREAKER_CLOSED)
		return "BREAKER_OPEN";
	if (m->peer->draining)
		return "DRAINING";
	return m->target->paced && !pace_fine(&m->pace) ? "SLOWER" : "";
}

bool
target_last_fit(struct target *t, const struct member *m, int64_t now_us)
{
	for (size_t i = 0; i < t->n_members; i++)
		if (&t->members[i] != m && is_fit(&t->members[i], NULL, now_us))
			return false;
	return true;
}

void
target_count(struct member *m, bool fault, int64_t now_us)
{
	struct target *t = m->target;
	bool news;

	if (fault)
		news = breaker_failure(&m->breaker, &t->policy, now_us,
		    target_last_fit(t, m, now_us), rng_unit(&t->bus->rng));
	else
		news = breaker_success(&m->breaker, &t->policy, now_us);
	if (news)
		changed(m);
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

void
target_show_pace(const struct target *t)
{
	for (size_t i = 0; i < t->n_members && t->paced; i++)
		metric_set(t->members[i].own, t->members[i].pace.own_us / (double)SEC);
}

void
target_trip(struct peer *p)
{
	int64_t now = time_now_us();

	LIST_EACH(&p->bus->targets, k) {
		struct target *t = container_of(k, struct target, link);

		for (size_t i = 0; i < t->n_members && !t->control; i++)
			if (t->members[i].peer == p && !target_last_fit(t, &t->members[i], now) &&
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
			bool news = m->breaker.state != BREAKER_CLOSED;

			if (m->peer != p)
				continue;
			ours = true;
			m->unserved = false;
			pace_reset(&m->pace);
			breaker_reset(&m->breaker);
			if (news)
				changed(m);
		}
		if (ours)
			wake(t);
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
}

void
target_free(struct target *t)
{
	free(t->methods);
	free(t);
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

static bool
may_use(const struct member *m, const struct rpc_call *r)
{
	if (r != NULL && r->opts.node != NULL && strcmp(r->opts.node, m->peer->name) != 0)
		return false;
	return m->peer->up && !m->unserved;
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

/* `first` is the first fit one, and something speaks against it. */
static struct member *
by_pace(struct target *t, const struct rpc_call *r, struct member *first, int64_t now_us)
{
	struct member *fit[MEMBERS_MOST] = { first };
	struct pace *of[MEMBERS_MOST] = { &first->pace };
	size_t n = 1;

	for (struct member *m = first + 1; m < t->members + t->n_members; m++)
		if ((r->tried & 1u << (m - t->members)) == 0 && is_fit(m, r, now_us)) {
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
	Mf__BreakerState s = MF__BREAKER_STATE__INIT;

	s.target = (char *)(uintptr_t)m->target->service->name;
	s.node = m->peer->name;
	s.state = (char *)(uintptr_t)breaker_state_name(m->breaker.state);
	s.failures = m->breaker.failures;
	if (m->breaker.state == BREAKER_OPEN)
		log_warn("breaker_open", L_STR("target", s.target), L_STR("member", s.node),
		    L_INT("failures", s.failures));
	else
		log_info("breaker_closed", L_STR("target", s.target), L_STR("member", s.node));
	if (m->gauge != NULL)
		metric_set(m->gauge, m->breaker.state);
	bus_publish(m->target->bus, "breaker", &s.base);
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
