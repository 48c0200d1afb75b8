/* faults: parts in which something that many requests need breaks while they come steadily: a store is
 * away, a level is slow. */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "cli/reliability/measure.h"
#include "cli/reliability/stats.h"
#include "proto/node.pb-c.h"

#define MOMENT_US (100 * MS)

static void slow_level(struct measure *, uint16_t, const char *);
static void on_slow(const Mf__Empty *, void *);
static void on_slow_end(struct call *, const struct call_end *, void *);

/* --- common causes --- */

#define CAUSE_FIRST_US (1 * SEC)
#define CAUSE_EVERY_US (3500 * MS)

static const struct common {
	const char *name, *store; /* NULL: no store, but a rule */
	int sig;
	const char *rule;
	uint16_t members;
	int64_t lasts_us; /* 0: until it is there again by itself */
} commons[] = {
	{ "PostgreSQL killed", "pg", SIGKILL, NULL, MEMBER_BIT(MEMBER_SQL), 0 },
	{ "PostgreSQL stopped for 1 s", "pg", SIGSTOP, NULL, MEMBER_BIT(MEMBER_SQL), SEC },
	{ "documents' Redis killed", "redis-docs", SIGKILL, NULL, MEMBER_BIT(MEMBER_NOSQL), 0 },
	{ "all orchestrators slow by 300 ms for 1 s", NULL, 0, "*: delay=300",
	    MEMBER_BIT(MEMBER_API) | MEMBER_BIT(MEMBER_DATABASE) | MEMBER_BIT(MEMBER_AUTH), SEC },
};
#define COMMONS (sizeof(commons) / sizeof(commons[0]))

struct breaking {
	struct measure *m;
	struct load load;
	struct cause causes[COMMONS];
	size_t next;
	struct timer timer;
	int64_t next_us, end_us; /* of the fault under way; 0: none, or it ends by itself */
	bool failed;
};

static void on_break(struct timer *);
static void break_next(struct breaking *);
static void break_end(struct breaking *);
static void on_broken(void *, const struct scenario *, const struct record *);

bool
part_correlated(struct measure *m)
{
	double seconds = (double)(CAUSE_FIRST_US + (int64_t)COMMONS * CAUSE_EVERY_US) / (double)SEC;
	uint32_t n = (uint32_t)(MEASURE_STEADY_PER_S * seconds);
	struct breaking b = { .m = m };
	struct run *run;
	bool ok;

	measure_say("%u scenarios with faults of a common cause besides", n);
	if (!measure_prepare(m, n, SCENARIOS_ALL) ||
	    !measure_faults(m, &m->o->rates, INJECT_ERRORS))
		return false;
	run = result_run(m->r, RUN_CORRELATED);
	run->rates = m->o->rates;
	run->tries = (struct tries){ 5, 5, 5 };
	run->asked_per_s = MEASURE_STEADY_PER_S;
	run->note =
	    "independent faults; besides, PostgreSQL killed, PostgreSQL stopped for 1 s, the "
	    "documents' Redis killed, all orchestrators slow by 300 ms for 1 s";
	b.load = measure_load(m, &run->federation, false, n, SCENARIOS_ALL);
	b.load.per_s = MEASURE_STEADY_PER_S;
	b.load.want_hops = b.load.ask.ask_auth = true;
	b.load.causes = b.causes;
	b.load.n_causes = COMMONS;
	b.load.answered = on_broken;
	b.load.ctx = &b;
	b.next_us = time_now_us() + CAUSE_FIRST_US;
	timer_init(&b.timer, client_loop(m->client), on_break);
	timer_in(&b.timer, MEASURE_LOOK_US);
	load_run(&b.load);
	timer_stop(&b.timer);
	ok = inject_nothing(inject_direct, client_bus(m->client), m->err, sizeof(m->err));
	return ok;
}

static void
on_break(struct timer *t)
{
	struct breaking *b = container_of(t, struct breaking, timer);
	int64_t now = time_now_us();

	if (b->end_us != 0 && now >= b->end_us)
		break_end(b);
	else if (b->next < COMMONS && now >= b->next_us)
		break_next(b);
	timer_in(t, MEASURE_LOOK_US);
}

static void
break_next(struct breaking *b)
{
	const struct common *k = &commons[b->next];
	struct cause *c = &b->causes[b->next++];

	measure_say("  %s", k->name);
	c->members = k->members;
	c->from_us = time_now_us();
	b->next_us = c->from_us + CAUSE_EVERY_US;
	b->end_us = k->lasts_us != 0 ? c->from_us + k->lasts_us : 0;
	if (k->store != NULL)
		private_fleet_signal_store(b->m->fleet, k->store, k->sig);
	else
		slow_level(b->m, k->members, k->rule);
}

static void
break_end(struct breaking *b)
{
	const struct common *k = &commons[b->next - 1];

	b->end_us = 0;
	if (k->store != NULL)
		private_fleet_signal_store(b->m->fleet, k->store, SIGCONT);
	else
		slow_level(b->m, k->members, "");
	b->causes[b->next - 1].until_us = time_now_us();
}

/* Who needs the store is served again: that ends what did not end by our hand, and is a recovery. */
static void
on_broken(void *ctx, const struct scenario *s, const struct record *r)
{
	struct breaking *b = ctx;
	struct cause *c = b->next > 0 ? &b->causes[b->next - 1] : NULL;
	struct recovery *v;
	const char *agent = scenario_agent(s, DOMAIN_DATABASE);

	if (c == NULL || c->until_us != 0 || commons[b->next - 1].lasts_us != 0 ||
	    r->outcome != OUTCOME_SUCCESS || (r->flags & RECORD_DEGRADED) != 0 ||
	    b->load.began_us + r->start_us < c->from_us || agent == NULL ||
	    (c->members & MEMBER_BIT(member_find(agent))) == 0)
		return;
	c->until_us = time_now_us();
	v = result_recovery(b->m->r);
	v->of = RECOVERY_STORE;
	v->node = commons[b->next - 1].store;
	v->how = "killed";
	v->served_us = c->until_us - c->from_us;
}

/* --- a cascade, second by second --- */

#define TIMELINE_PER_S  300.0
#define TIMELINE_US     (8 * SEC)
#define TIMELINE_FROM   (1500 * MS)
#define TIMELINE_UNTIL  (4500 * MS)
#define TIMELINE_RULE   "Database.Read: delay=3000; Database.Write: delay=3000"
#define TIMELINE_LIMIT  2000 /* ms, of a request */
#define TIMELINE_POINTS ((size_t)(TIMELINE_US / MOMENT_US) + 30)

struct filming {
	struct measure *m;
	struct load load;
	struct cause cause;
	struct timer timer;
	int64_t next_us, ended_us;
	size_t n_modes;
	char modes[TIMELINE_POINTS][16];
	struct call *root;
	struct rpc *rpc;
};

static void on_film(struct timer *);
static void ask_mode(struct filming *);
static void on_mode(const Mf__FleetMode *, void *);
static void on_mode_end(struct call *, const struct call_end *, void *);
static void develop(struct filming *, const struct system *, bool);
static void add_record(struct timeline *, const struct record *);
static struct bystanders bystanders_of(const struct system *, int64_t, int64_t);

bool
part_timeline(struct measure *m, bool prevention)
{
	struct system out = { .asked = false };
	struct filming f = { .m = m };
	uint32_t n = (uint32_t)(TIMELINE_PER_S * (double)TIMELINE_US / (double)SEC);

	measure_say("a slow database at %.0f requests/s, %s prevention", TIMELINE_PER_S,
	    prevention ? "with" : "without");
	if (!measure_prepare(m, n, SCENARIOS_ALL))
		return false;
	f.load = measure_load(m, &out, false, n, SCENARIOS_ALL);
	f.load.per_s = TIMELINE_PER_S;
	f.load.deadline_ms = TIMELINE_LIMIT;
	f.load.want_hops = f.load.ask.ask_auth = true;
	f.load.causes = &f.cause;
	f.load.n_causes = 1;
	f.cause.members = MEMBER_BIT(MEMBER_DATABASE);
	f.next_us = time_now_us();
	timer_init(&f.timer, client_loop(m->client), on_film);
	timer_in(&f.timer, MEASURE_LOOK_US);
	load_run(&f.load);
	timer_stop(&f.timer);
	while (f.root != NULL)
		measure_pause(m, MEASURE_LOOK_US);
	slow_level(m, MEMBER_BIT(MEMBER_DATABASE), "");
	develop(&f, &out, prevention);
	free(out.records);
	return true;
}

static void
on_film(struct timer *t)
{
	struct filming *f = container_of(t, struct filming, timer);
	int64_t now = time_now_us(), since = now - f->load.began_us;

	if (f->load.began_us == 0 || now < f->next_us) {
		timer_in(t, MEASURE_LOOK_US);
		return;
	}
	f->next_us += MOMENT_US;
	if (f->cause.from_us == 0 && since >= TIMELINE_FROM) {
		f->cause.from_us = now;
		slow_level(f->m, MEMBER_BIT(MEMBER_DATABASE), TIMELINE_RULE);
	} else if (f->cause.from_us != 0 && f->cause.until_us == 0 && since >= TIMELINE_UNTIL) {
		slow_level(f->m, MEMBER_BIT(MEMBER_DATABASE), "");
		f->ended_us = now;
		f->cause.until_us = now + TIMELINE_LIMIT * MS; /* of the calls that sleep already */
	}
	if (f->n_modes < TIMELINE_POINTS)
		f->n_modes++;
	ask_mode(f);
	timer_in(t, MEASURE_LOOK_US);
}

static void
ask_mode(struct filming *f)
{
	Mf__Empty q = MF__EMPTY__INIT;

	if (f->root != NULL)
		return;
	f->root = call_root(client_bus(f->m->client),
	    &(const struct call_opts){ .limit_us = SEC, .done = on_mode_end, .ctx = f });
	f->rpc = rpc_new(f->root, f->m->meta, &(const struct rpc_opts){ .once = true });
	mf__meta__mode(&f->rpc->service, &q, on_mode, f);
}

static void
on_mode(const Mf__FleetMode *m, void *ctx)
{
	struct filming *f = ctx;

	if (m == NULL) {
		call_fail_with(f->root, rpc_failure(f->rpc));
		return;
	}
	snprintf(f->modes[f->n_modes - 1], sizeof(f->modes[0]), "%s", m->mode);
	call_reply(f->root, &m->base);
}

static void
on_mode_end(struct call *root, const struct call_end *end, void *ctx)
{
	struct filming *f = ctx;

	(void)root, (void)end;
	f->root = NULL;
}

/* From records to moments: what ended in each, and what was under way. */
static void
develop(struct filming *f, const struct system *s, bool prevention)
{
	struct timeline *t = result_timeline(f->m->r, "the database is slow by 3 s");

	t->note = prevention
	              ? "default settings: bulkheads, breakers, isolation and shedding on, 5 tries"
	              : result_text(f->m->r,
			    "no bulkheads, breakers only observe, %u tries, %u of agents",
			    f->m->o->tries.meta, f->m->o->tries.agent);
	t->prevention = prevention;
	t->fault_from_us = f->cause.from_us - f->load.began_us;
	t->fault_until_us = f->ended_us - f->load.began_us;
	for (size_t i = 0; (int64_t)i * MOMENT_US < s->took_us; i++) {
		struct moment *m = result_moment(t);

		m->at_us = (int64_t)i * MOMENT_US;
		if (i < f->n_modes && f->modes[i][0] != '\0')
			m->mode = result_text(f->m->r, "%s", f->modes[i]);
	}
	for (size_t i = 0; i < s->n; i++)
		add_record(t, &s->records[i]);
	t->before = bystanders_of(s, 0, t->fault_from_us - 1);
	t->meanwhile = bystanders_of(s, t->fault_from_us, t->fault_until_us);
}

/* Of those that came in this time. */
static struct bystanders
bystanders_of(const struct system *s, int64_t from_us, int64_t until_us)
{
	struct bystanders b = { .p50_ms = NAN, .p99_ms = NAN };
	double *ms = mem_grow(NULL, s->n + 1, sizeof(*ms));

	for (size_t i = 0; i < s->n; i++) {
		const struct record *r = &s->records[i];

		if ((r->domains & 1u << DOMAIN_DATABASE) != 0 || r->start_us < from_us ||
		    r->start_us > until_us)
			continue;
		ms[b.asked++] = (double)r->latency_us / 1e3;
		b.success += r->outcome == OUTCOME_SUCCESS;
	}
	if (b.asked > 0) {
		stat_sort(ms, b.asked);
		b.p50_ms = stat_quantile(ms, b.asked, 0.5);
		b.p99_ms = stat_quantile(ms, b.asked, 0.99);
	}
	free(ms);
	return b;
}

static void
add_record(struct timeline *t, const struct record *r)
{
	const double one = (double)SEC / (double)MOMENT_US;
	int64_t end = r->start_us + (int64_t)r->latency_us;
	size_t last = (size_t)(end / MOMENT_US);

	t->asked++;
	t->success += r->outcome == OUTCOME_SUCCESS;
	t->failed += r->outcome == OUTCOME_FAILED;
	t->cascades += (r->flags & RECORD_CASCADE) != 0;
	for (size_t i = (size_t)(r->start_us / MOMENT_US) + 1; i <= last && i < t->n; i++)
		t->moments[i].in_flight++;
	if (last >= t->n)
		return;
	if (r->outcome == OUTCOME_SUCCESS)
		t->moments[last].success_per_s += one;
	else if ((r->flags & RECORD_SHED) != 0)
		t->moments[last].shed_per_s += one;
	else
		t->moments[last].failed_per_s += one;
}

/* --- what both need --- */

struct slowing {
	struct call *root;
	struct rpc *rpc;
};

/* While a load runs: nobody waits for it. */
static void
slow_level(struct measure *m, uint16_t members, const char *rule)
{
	for (enum member i = 0; i < MEMBERS; i++) {
		Mf__FaultSet q = MF__FAULT_SET__INIT;
		struct slowing *s;

		if ((members & MEMBER_BIT(i)) == 0)
			continue;
		s = mem_zalloc(sizeof(*s));
		q.spec = (char *)(uintptr_t)rule;
		q.seed = m->o->seed;
		s->root = call_root(client_bus(m->client),
		    &(const struct call_opts){ .limit_us = SEC, .done = on_slow_end, .ctx = s });
		s->rpc = rpc_new(
		    s->root, bus_node_target(client_bus(m->client), member_table[i].name), NULL);
		mf__node__set_faults(&s->rpc->service, &q, on_slow, s);
	}
}

static void
on_slow(const Mf__Empty *e, void *ctx)
{
	struct slowing *s = ctx;

	if (e == NULL)
		call_fail_with(s->root, rpc_failure(s->rpc));
	else
		call_reply(s->root, &e->base);
}

static void
on_slow_end(struct call *root, const struct call_end *end, void *ctx)
{
	(void)root, (void)end;
	free(ctx);
}
