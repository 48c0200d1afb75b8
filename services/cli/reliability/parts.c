/* parts: runs of scenarios: with independent faults, without any, with more load; and the baseline
 * beside each. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "cli/reliability/measure.h"

#define QUIET_PER_S   500.0 /* the rate of the goals for latency */
#define QUIET_MOST    5000
#define LOAD_PER_S    250.0 /* of a factor of 1 */
#define WARM          300   /* requests that nobody counts */
#define WARM_LIVE     20
#define TRIES_DEFAULT 5 /* retry_tries of every node */

static bool run_with_faults(
    struct measure *, enum run_kind, enum inject_as, enum scenario_set, const struct tries *);
static bool run_without(struct measure *, enum run_kind, double, double, uint32_t);
static bool run_single(struct measure *, size_t, uint8_t *, uint32_t, enum scenario_set);
static void on_single(void *, const struct scenario *, const struct record *);
static struct run *at(struct measure *, size_t);

bool
part_theory(struct measure *m)
{
	measure_say(
	    "%u scenarios at %.0f/s with faults, against theory", m->o->scenarios, m->o->per_s);
	return run_with_faults(m, RUN_THEORY, INJECT_STAGES, SCENARIOS_WHOLE, &m->o->tries);
}

bool
part_active(struct measure *m)
{
	static const struct tries tries = { TRIES_DEFAULT, TRIES_DEFAULT, TRIES_DEFAULT };

	measure_say("%u scenarios at %.0f/s with faults, as it is by default", m->o->scenarios,
	    m->o->per_s);
	return run_with_faults(m, RUN_ACTIVE, INJECT_ERRORS, SCENARIOS_ALL, &tries);
}

bool
part_quiet(struct measure *m)
{
	uint32_t n = m->o->scenarios < QUIET_MOST ? m->o->scenarios : QUIET_MOST;
	double per_s = m->live != NULL ? m->o->per_s : QUIET_PER_S;

	measure_say("%u scenarios at %.0f/s without faults", n, per_s);
	return run_without(m, RUN_QUIET, 1, per_s, n);
}

bool
part_loads(struct measure *m)
{
	double seconds = m->o->scenarios < 1000 ? 0.5 : 2;
	double per_s = m->live != NULL ? m->o->per_s : LOAD_PER_S;

	for (unsigned doubled = 0; doubled < 4; doubled++) {
		double load = 1u << doubled;
		uint32_t n = (uint32_t)(per_s * load * seconds);

		measure_say("%u scenarios at %.0f/s, %.0f times the load", n, per_s * load, load);
		if (!run_without(m, RUN_LOAD, load, per_s * load, n))
			return false;
	}
	return true;
}

static bool
run_with_faults(struct measure *m, enum run_kind kind, enum inject_as as, enum scenario_set set,
    const struct tries *tries)
{
	static const struct rates none;
	uint32_t n = m->o->scenarios;
	uint8_t *draws = mem_zalloc(n);
	struct run *run;
	struct load l;
	size_t i;
	bool ok;

	if (!measure_warm(m, false) || !measure_prepare(m, n, set) ||
	    !measure_faults(m, &m->o->rates, as)) {
		free(draws);
		return false;
	}
	run = result_run(m->r, kind);
	i = m->r->n_runs - 1;
	run->rates = m->o->rates;
	run->tries = *tries;
	run->breakers_observe = kind == RUN_THEORY;
	run->asked_per_s = m->o->per_s;
	l = measure_load(m, &run->federation, false, n, set);
	l.want_hops = l.ask.ask_auth = true;
	l.draws = draws;
	load_run(&l);
	ok = measure_faults(m, &none, as);
	single_draws(m, draws, n, set);
	ok = ok && run_single(m, i, draws, n, set);
	free(draws);
	return ok;
}

static bool
run_without(struct measure *m, enum run_kind kind, double load, double per_s, uint32_t n)
{
	struct run *run;
	struct load l;

	if (!measure_warm(m, false) || !measure_prepare(m, n, SCENARIOS_WHOLE))
		return false;
	run = result_run(m->r, kind);
	run->load = load;
	run->asked_per_s = per_s;
	if (m->live == NULL)
		run->tries = (struct tries){ TRIES_DEFAULT, TRIES_DEFAULT, TRIES_DEFAULT };
	l = measure_load(m, &run->federation, false, n, SCENARIOS_WHOLE);
	l.per_s = per_s;
	load_run(&l);
	if (m->live != NULL) {
		measure_tell(run);
		return true;
	}
	return run_single(m, m->r->n_runs - 1, NULL, n, SCENARIOS_WHOLE);
}

/* The same scenarios, due at the same times, to the single process. */
static bool
run_single(struct measure *m, size_t i, uint8_t *draws, uint32_t n, enum scenario_set set)
{
	struct system *s;
	struct load l;

	if (!single_start(m) || !measure_warm(m, true) || !measure_prepare(m, n, set))
		return false;
	s = &at(m, i)->baseline;
	m->baseline_died_us = 0;
	m->baseline_starts = 0;
	l = measure_load(m, s, true, n, set);
	l.per_s = at(m, i)->asked_per_s;
	l.draws = draws;
	l.answered = on_single;
	l.ctx = m;
	load_run(&l);
	s->restarts = m->baseline_starts;
	for (size_t k = 0; k < s->n; k++)
		s->faults += (uint64_t)__builtin_popcount(s->records[k].faults);
	single_stop(m);
	measure_tell(at(m, i));
	return true;
}

/* The first success after it died. */
static void
on_single(void *ctx, const struct scenario *s, const struct record *r)
{
	struct measure *m = ctx;
	struct recovery *v;

	(void)s;
	if (m->baseline_died_us == 0 || r->outcome != OUTCOME_SUCCESS)
		return;
	v = result_recovery(m->r);
	v->of = RECOVERY_BASELINE;
	v->node = "baseline";
	v->how = "crashed";
	v->served_us = time_now_us() - m->baseline_died_us;
	m->baseline_died_us = 0;
}

bool
measure_warm(struct measure *m, bool single)
{
	struct system out = { .asked = false };
	uint32_t n = m->live != NULL ? WARM_LIVE : WARM;
	struct load l = measure_load(m, &out, single, n, SCENARIOS_WHOLE);

	if (!measure_prepare(m, n, SCENARIOS_WHOLE))
		return false;
	load_run(&l);
	free(out.records);
	return true;
}

static struct run *
at(struct measure *m, size_t i)
{
	return &m->r->runs[i];
}

void
measure_tell(const struct run *run)
{
	uint64_t good[2] = { 0, 0 }, cascades[2] = { 0, 0 };
	const struct system *const systems[2] = { &run->federation, &run->baseline };

	for (int s = 0; s < 2; s++)
		for (size_t i = 0; i < systems[s]->n; i++) {
			good[s] += systems[s]->records[i].outcome == OUTCOME_SUCCESS;
			cascades[s] += (systems[s]->records[i].flags & RECORD_CASCADE) != 0;
		}
	if (!run->baseline.asked)
		measure_say("  %llu of %zu (%llu cascades)", (unsigned long long)good[0],
		    run->federation.n, (unsigned long long)cascades[0]);
	else
		measure_say("  federation %llu of %zu (%llu cascades), baseline %llu of %zu (%llu)",
		    (unsigned long long)good[0], run->federation.n, (unsigned long long)cascades[0],
		    (unsigned long long)good[1], run->baseline.n, (unsigned long long)cascades[1]);
}
