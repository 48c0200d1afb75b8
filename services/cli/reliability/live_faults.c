/* live_faults: runs on a fleet that is in use, under which experiments take their turns: each turn at
 * most one for each domain, as chaos allows. Errors are known by their reason, one by one; of a request
 * that needs what is stopped, killed or slow it is taken that it met that (judge.c, causes). */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"
#include "cli/reliability/live.h"

#define TURNS       5
#define AT_ONCE     3 /* CHAOS_AT_ONCE of meta */
#define AGAIN_US    (200 * MS)
#define MARGIN_MS   3000 /* so much longer than we want it does it last when we are gone */
#define COMMON_US   SEC
#define COMMON_EACH (3500 * MS)
#define HARM_MOST_S 500 /* of a turn; CHAOS_MOST_MS is 600 s */

struct order {
	const char *action, *target;
	double probability;
	uint32_t delay_ms;
	enum member
	    hurts; /* whoever needs it has met the fault; MEMBERS: it is known by its reason */
};

struct turn {
	struct order orders[AT_ONCE]; /* action NULL: no more */
};

struct turns {
	struct measure *m;
	struct load load;
	const struct turn *turns;
	size_t n, at; /* at: under way, or the next one */
	int64_t every_us, lasts_us;
	struct timer timer;
	struct experiment x[TURNS * AT_ONCE];
	struct cause causes[TURNS * AT_ONCE];
	int64_t again_us; /* the next look at what was refused */
};

static bool run(struct measure *, enum run_kind, struct turns *, uint32_t, const char *);
static void on_turn(struct timer *);
static void act(struct turns *, size_t, int64_t);
static void keep(struct turns *, size_t, const struct system *);
static size_t index_of(size_t, size_t);

/* Independent faults: each call to a target fails with its chance. */
bool
live_active(struct measure *m)
{
	const struct rates *e = &m->o->rates;
	const char *agent = e->agent > 0 ? "error" : NULL, *domain = e->domain > 0 ? "error" : NULL;
	const struct turn turns[] = {
		{ { { agent, "rest", e->agent, 0, MEMBERS }, { agent, "sql", e->agent, 0, MEMBERS },
		    { agent, "jwt", e->agent, 0, MEMBERS } } },
		{ { { agent, "nosql", e->agent, 0, MEMBERS } } },
		{ { { domain, "api", e->domain, 0, MEMBERS },
		    { domain, "database", e->domain, 0, MEMBERS },
		    { domain, "auth", e->domain, 0, MEMBERS } } },
		{ { { e->meta > 0 ? "error" : NULL, "meta", e->meta, 0, MEMBERS } } },
	};
	const size_t n = sizeof(turns) / sizeof(turns[0]);
	int64_t all_us = (int64_t)(m->o->scenarios / m->o->per_s * (double)SEC);
	struct turns t = { .turns = turns, .n = n, .every_us = all_us / (int64_t)n };

	t.lasts_us = t.every_us * 4 / 5; /* the rest is for the fleet to be whole again */
	if (t.lasts_us > HARM_MOST_S * SEC)
		t.lasts_us = HARM_MOST_S * SEC;
	measure_say("%u scenarios at %.0f/s with faults", m->o->scenarios, m->o->per_s);
	return run(m, RUN_ACTIVE, &t, m->o->scenarios,
	    "calls to one member of each domain at a time fail with these chances: agents, then "
	    "orchestrators, then meta; breakers and tries as the fleet has them");
}

bool
live_correlated(struct measure *m)
{
	static const struct turn turns[] = {
		{ { { "stop", "postgres", 0, 0, MEMBER_SQL } } },
		{ { { "kill", "redis-docs", 0, 0, MEMBER_NOSQL } } },
		{ { { "delay", "api", 1, 300, MEMBER_API },
		    { "delay", "database", 1, 300, MEMBER_DATABASE },
		    { "delay", "auth", 1, 300, MEMBER_AUTH } } },
	};
	const size_t n = sizeof(turns) / sizeof(turns[0]);
	uint32_t requests =
	    (uint32_t)(m->o->per_s * (double)((int64_t)n * COMMON_EACH) / (double)SEC);
	struct turns t = { .turns = turns, .n = n, .every_us = COMMON_EACH, .lasts_us = COMMON_US };

	measure_say("%u scenarios at %.0f/s with faults of a common cause", requests, m->o->per_s);
	return run(m, RUN_CORRELATED, &t, requests,
	    "PostgreSQL stopped for 1 s, the documents' Redis killed, all orchestrators slow by "
	    "300 ms for 1 s");
}

static bool
run(struct measure *m, enum run_kind kind, struct turns *t, uint32_t n, const char *note)
{
	struct run *r;

	if (!measure_warm(m, false) || !measure_prepare(m, n, SCENARIOS_SPACED))
		return false;
	r = result_run(m->r, kind);
	if (kind == RUN_ACTIVE)
		r->rates = m->o->rates;
	r->asked_per_s = m->o->per_s;
	r->note = note;
	t->m = m;
	t->load = measure_load(m, &r->federation, false, n, SCENARIOS_SPACED);
	t->load.want_hops = t->load.ask.ask_auth = true;
	t->load.causes = t->causes;
	t->load.n_causes = t->n * AT_ONCE;
	timer_init(&t->timer, client_loop(m->client), on_turn);
	timer_in(&t->timer, MEASURE_LOOK_US);
	load_run(&t->load);
	timer_stop(&t->timer);
	experiment_end_all(m, t->x, t->n * AT_ONCE);
	for (size_t i = 0; i < t->n * AT_ONCE; i++)
		keep(t, i, &r->federation);
	measure_tell(r);
	return true;
}

/* Turn number i begins at i * every_us and lasts for lasts_us. */
static void
on_turn(struct timer *timer)
{
	struct turns *t = container_of(timer, struct turns, timer);
	int64_t now = time_now_us(), since = now - t->load.began_us;

	for (size_t i = 0; t->load.began_us != 0 && i < t->n; i++)
		act(t, i, since - (int64_t)i * t->every_us);
	if (now >= t->again_us)
		t->again_us = now + AGAIN_US;
	timer_in(timer, MEASURE_LOOK_US);
}

static void
act(struct turns *t, size_t turn, int64_t since)
{
	bool look = time_now_us() >= t->again_us;

	for (size_t k = 0; k < AT_ONCE && t->turns[turn].orders[k].action != NULL; k++) {
		const struct order *o = &t->turns[turn].orders[k];
		struct experiment *x = &t->x[index_of(turn, k)];
		struct cause *c = &t->causes[index_of(turn, k)];
		bool is_turn = since >= 0 && since < t->lasts_us;

		if (is_turn && look && x->root == NULL &&
		    (x->state == EXPERIMENT_NONE || x->state == EXPERIMENT_REFUSED)) {
			*x = (struct experiment){ .action = o->action,
				.target = o->target,
				.probability = o->probability,
				.delay_ms = o->delay_ms,
				.for_ms = (uint32_t)((t->lasts_us - since) / MS) + MARGIN_MS };
			*c = (struct cause){ .members =
						 o->hurts < MEMBERS ? MEMBER_BIT(o->hurts) : 0,
				.from_us = time_now_us() };
			experiment_begin(t->m, x);
		}
		if (since >= t->lasts_us && look)
			experiment_end(x);
		if (x->state == EXPERIMENT_REFUSED)
			c->from_us = 0;
		if (x->state == EXPERIMENT_ENDED && c->until_us == 0)
			c->until_us = x->until_us;
	}
}

/* What came of it, beside the requests that were due while it lasted. */
static void
keep(struct turns *t, size_t i, const struct system *s)
{
	const struct order *o = &t->turns[i / AT_ONCE].orders[i % AT_ONCE];
	const struct experiment *x = &t->x[i];
	struct trial *r;

	if (o->action == NULL)
		return;
	r = result_trial(t->m->r);
	r->action = o->action;
	r->target = o->target;
	r->probability = o->probability;
	r->delay_ms = o->delay_ms;
	if (x->from_us == 0) {
		r->refused = result_text(
		    t->m->r, "%s", x->why[0] != '\0' ? x->why : "its turn did not come");
		return;
	}
	r->from_us = x->from_us - t->load.began_us;
	r->until_us = x->until_us - t->load.began_us;
	for (size_t k = 0; k < s->n; k++) {
		const struct record *one = &s->records[k];

		if (one->start_us < r->from_us || one->start_us > r->until_us)
			continue;
		r->outcomes[one->outcome]++;
		r->cascades += (one->flags & RECORD_CASCADE) != 0;
	}
}

static size_t
index_of(size_t turn, size_t k)
{
	return turn * AT_ONCE + k;
}
