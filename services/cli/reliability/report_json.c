/* report_json: the document: what was measured, and what follows from it. Table and page say nothing
 * that is not in here. */
#include <math.h>
#include <stdio.h>

#include "base/log.h"
#include "cli/reliability/report.h"
#include "cli/reliability/report_int.h"
#include "cli/reliability/simulate.h"
#include "cli/reliability/theory.h"

#define SIMULATED 200000 /* requests; a second or less */

static const struct run *headline(const struct result *);
static json_t *run_json(const struct run *, uint64_t);
static json_t *figures_json(const struct figures *, const struct system *);
static json_t *theory_json(const struct run *, const struct figures *, uint64_t);
static json_t *one_theory_json(double, const struct figures *);
static json_t *simulated_json(const struct run *, bool, uint64_t);
static json_t *baseline_theory_json(const struct run *, const struct figures *);
static json_t *pairs_json(const struct pairs *);
static json_t *rates_json(const struct rates *);
static json_t *tries_json(const struct run *);
static const char *breakers(const struct run *);
static json_t *levels_json(const struct run *);
static json_t *members_json(const struct system *);
static json_t *kinds_json(const struct result *, const struct run *);
static json_t *failures_json(const struct figures *);
static json_t *recovery_json(const struct result *);
static json_t *recoveries_json(const struct result *);
static json_t *shapes_json(const struct result *);
static json_t *best_json(const struct run *, const struct theory_costs *);
static json_t *timelines_json(const struct result *);
static json_t *moments_json(const struct timeline *);
static json_t *bystanders_json(const struct bystanders *);
static json_t *settings_json(const struct result *, const struct run *);

json_t *
report_json(const struct result *r)
{
	static const char *const of_headline[] = { "federation", "baseline", "theory", "mcnemar" };
	static const struct theory_costs even = { 1, 1, 1 }, uneven = { 3, 2, 1 };
	const struct run *main = headline(r);
	json_t *doc, *runs = json_array(), *head;
	struct figures f;

	must(main != NULL);
	for (size_t i = 0; i < r->n_runs; i++)
		json_array_append_new(runs, run_json(&r->runs[i], r->seed + i));
	head = json_array_get(runs, (size_t)(main - r->runs));
	figures_of(&main->federation, ALL_KINDS, &f);
	doc = json_pack("{s:I, s:I, s:o}", "scenarios", (json_int_t)r->scenarios, "seed",
	    (json_int_t)r->seed, "settings", settings_json(r, main));
	must(doc != NULL);
	for (size_t i = 0; i < sizeof(of_headline) / sizeof(of_headline[0]); i++)
		json_object_set(doc, of_headline[i], json_object_get(head, of_headline[i]));
	json_object_set_new(doc, "recovery_ms", recovery_json(r));
	/* so far what is asked for, in that order; then the rest */
	json_object_update_new(
	    doc, json_pack("{s:s, s:i, s:s, s:o}", "format", REPORT_FORMAT, "version",
		     REPORT_VERSION, "started_at", r->started_at != NULL ? r->started_at : "",
		     "took_ms", report_num((double)r->took_us / 1e3)));
	json_object_set(doc, "baseline_theory", json_object_get(head, "baseline_theory"));
	json_object_set_new(doc, "by_kind", kinds_json(r, main));
	json_object_set_new(doc, "by_level", levels_json(main));
	json_object_set_new(doc, "by_member", members_json(&main->federation));
	json_object_set_new(doc, "failures", failures_json(&f));
	json_object_set_new(doc, "comparison", comparison_json(r, main));
	json_object_set_new(doc, "correlated", correlated_json(r));
	json_object_set_new(doc, "power", power_json(main, &f));
	json_object_set_new(doc, "recoveries", recoveries_json(r));
	json_object_set_new(doc, "shapes", shapes_json(r));
	json_object_set_new(doc, "best", best_json(main, &even));
	json_object_set_new(doc, "best_for_cost", best_json(main, &uneven));
	json_object_set_new(doc, "timelines", timelines_json(r));
	json_object_set_new(doc, "experiments", experiments_json(r));
	json_object_set_new(doc, "not_measured", not_measured_json(r));
	json_object_set_new(doc, "runs", runs);
	json_object_set_new(doc, "goals", goals_json(doc));
	return doc;
}

/* What the formula describes is compared with the formula. */
static const struct run *
headline(const struct result *r)
{
	const struct run *found = report_find(r, RUN_THEORY);

	if (found == NULL)
		found = report_find(r, RUN_ACTIVE);
	return found == NULL && r->n_runs > 0 ? &r->runs[0] : found;
}

const struct run *
report_find(const struct result *r, enum run_kind kind)
{
	for (size_t i = 0; i < r->n_runs; i++)
		if (r->runs[i].kind == kind)
			return &r->runs[i];
	return NULL;
}

bool
report_knows(const struct run *run)
{
	return run->tries.meta != 0;
}

json_t *
report_num(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

json_t *
report_interval(struct interval i)
{
	return isfinite(i.lo) && isfinite(i.hi) ? json_pack("[f, f]", i.lo, i.hi) : json_null();
}

static json_t *
run_json(const struct run *run, uint64_t seed)
{
	struct figures f, b;
	struct pairs pairs;
	char name[128];

	snprintf(name, sizeof(name), "%s", run_names[run->kind]);
	if (run->kind == RUN_ACTIVE && !report_knows(run))
		snprintf(name, sizeof(name), "independent faults, in turns");
	if (run->kind == RUN_LOAD)
		snprintf(name, sizeof(name), "no faults, %g times the load", run->load);
	figures_of(&run->federation, ALL_KINDS, &f);
	figures_of(&run->baseline, ALL_KINDS, &b);
	pairs_of(run, 0, 0, &pairs);
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
	    "kind", run_names[run->kind], "name", name, "breakers", breakers(run), "note",
	    run->note != NULL ? run->note : "", "rates", rates_json(&run->rates), "tries",
	    tries_json(run), "load", report_num(run->load), "asked_per_s",
	    report_num(run->asked_per_s), "federation",
	    run->federation.asked ? figures_json(&f, &run->federation) : json_null(), "baseline",
	    run->baseline.asked ? figures_json(&b, &run->baseline) : json_null(), "theory",
	    theory_json(run, &f, seed), "baseline_theory", baseline_theory_json(run, &b), "mcnemar",
	    run->baseline.asked ? pairs_json(&pairs) : json_null());
}

static json_t *
figures_json(const struct figures *f, const struct system *s)
{
	json_t *bins = json_array(), *out;

	for (int i = 0; i < BINS; i++)
		json_array_append_new(bins, json_integer((json_int_t)f->bins[i]));
	out = json_pack("{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:I, s:o, s:o}", "success",
	    (json_int_t)f->outcomes[OUTCOME_SUCCESS], "partial",
	    (json_int_t)f->outcomes[OUTCOME_PARTIAL], "failed",
	    (json_int_t)f->outcomes[OUTCOME_FAILED], "cascades", (json_int_t)f->cascades,
	    "reliability", report_num(f->reliability), "ci99", report_interval(f->ci), "p50_ms",
	    report_num(f->p50_ms), "p99_ms", report_num(f->p99_ms), "requests", (json_int_t)f->n,
	    "weighted", report_num(f->weighted), "mean_ms", report_num(f->mean_ms));
	must(out != NULL);
	json_object_update_new(
	    out, json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I}", "max_ms",
		     report_num(f->max_ms), "p50_ci99", report_interval(f->p50_ci), "p99_ci99",
		     report_interval(f->p99_ci), "cascade_prevention",
		     report_num(f->n > 0 ? 1 - (double)f->cascades / (double)f->n : NAN),
		     "cascade_ci99", report_interval(f->cascade_ci), "shed", (json_int_t)f->shed,
		     "late", (json_int_t)f->late, "failovers", (json_int_t)f->failovers, "degraded",
		     (json_int_t)f->degraded));
	json_object_update_new(
	    out, json_pack("{s:o, s:I, s:I, s:I, s:{s:f, s:i, s:o}}", "done_per_s",
		     report_num(done_per_s(s)), "faults", (json_int_t)s->faults, "faults_common",
		     (json_int_t)s->faults_common, "restarts", (json_int_t)s->restarts, "latency",
		     "from_ms", BINS_FROM_MS, "per_decade", BINS_PER_DECADE, "counts", bins));
	return out;
}

/* From the injected rates and from those that the levels showed; beside both what nested retries
 * could reach, and what drawing gives. */
static json_t *
theory_json(const struct run *run, const struct figures *f, uint64_t seed)
{
	struct measured_rates m = rates_measured(&run->federation);
	json_t *out, *measured;

	if (!report_knows(run))
		return json_null();
	out = one_theory_json(theory_of_requests(run, &run->rates), f);
	measured = one_theory_json(theory_of_requests(run, &m.rates), f);
	json_object_set_new(measured, "rates", rates_json(&m.rates));
	json_object_update_new(
	    out, json_pack("{s:o, s:o, s:o, s:o, s:o}", "rates", rates_json(&run->rates),
		     "measured", measured, "three_domains",
		     report_num(theory_request(&run->rates, &run->tries, DOMAINS)), "simulated",
		     simulated_json(run, false, seed), "nested", simulated_json(run, true, seed)));
	return out;
}

static json_t *
one_theory_json(double value, const struct figures *f)
{
	bool inside = f->n > 0 && value >= f->ci.lo && value <= f->ci.hi;

	return json_pack("{s:o, s:b, s:o}", "value", report_num(value), "inside_ci99", inside,
	    "difference", report_num(f->reliability - value));
}

static json_t *
simulated_json(const struct run *run, bool nested, uint64_t seed)
{
	const struct simulate_opts o = {
		.rates = run->rates, .tries = run->tries, .domains = DOMAINS, .nested = nested
	};
	struct simulated s = simulate_federation(&o, SIMULATED, seed);
	double closed = nested ? theory_nested(&o.rates, &o.tries, o.domains)
	                       : theory_request(&o.rates, &o.tries, o.domains);

	return json_pack("{s:o, s:o, s:o, s:I}", "value", report_num(closed), "reliability",
	    report_num((double)s.ok / (double)s.n), "ci99",
	    report_interval(stat_wilson(s.ok, s.n, CONFIDENCE)), "requests", (json_int_t)s.n);
}

/* `drawn`: what the faults that were drawn leave when each takes only its own request down. */
static json_t *
baseline_theory_json(const struct run *run, const struct figures *b)
{
	json_t *out;

	if (b->n == 0)
		return json_null();
	out = one_theory_json(theory_of_baseline(run), b);
	json_object_set_new(out, "drawn", report_num((double)b->faultless / (double)b->n));
	return out;
}

static json_t *
pairs_json(const struct pairs *p)
{
	return json_pack("{s:I, s:I, s:o, s:s, s:o, s:I, s:I, s:I}", "b", (json_int_t)p->b, "c",
	    (json_int_t)p->c, "p", report_num(p->test.p), "test",
	    p->test.exact ? "exact binomial" : "chi-square with continuity correction", "chi2",
	    p->test.exact ? json_null() : report_num(p->test.chi2), "pairs", (json_int_t)p->n,
	    "both", (json_int_t)p->both, "neither", (json_int_t)p->neither);
}

static json_t *
rates_json(const struct rates *e)
{
	return json_pack("{s:o, s:o, s:o}", "agent", report_num(e->agent), "orchestrator",
	    report_num(e->domain), "meta", report_num(e->meta));
}

static json_t *
tries_json(const struct run *run)
{
	const struct tries *k = &run->tries;

	if (!report_knows(run))
		return json_null();
	return json_pack("{s:i, s:i, s:i}", "agent", (int)k->agent, "orchestrator", (int)k->domain,
	    "meta", (int)k->meta);
}

static const char *
breakers(const struct run *run)
{
	if (!report_knows(run))
		return "as the fleet has them";
	return run->breakers_observe ? "observe" : "active";
}

static json_t *
levels_json(const struct run *run)
{
	const double injected[LEVELS] = { run->rates.meta, run->rates.domain, run->rates.agent };
	struct measured_rates m = rates_measured(&run->federation);
	json_t *out = json_array();

	for (unsigned l = 0; l < LEVELS; l++)
		json_array_append_new(out,
		    json_pack("{s:s, s:o, s:I, s:I, s:o, s:o}", "level", level_names[l], "injected",
			report_num(report_knows(run) ? injected[l] : NAN), "tries",
			(json_int_t)m.tries[l], "failed", (json_int_t)m.own[l], "rate",
			report_num(m.tries[l] > 0 ? (double)m.own[l] / (double)m.tries[l] : NAN),
			"ci99",
			m.tries[l] > 0
			    ? report_interval(stat_wilson(m.own[l], m.tries[l], CONFIDENCE))
			    : json_null()));
	return out;
}

static json_t *
members_json(const struct system *s)
{
	json_t *out = json_array();

	for (unsigned i = 0; i < MEMBERS; i++)
		json_array_append_new(
		    out, json_pack("{s:s, s:s, s:I, s:I, s:I}", "member", member_table[i].name,
			     "level", level_names[member_table[i].level], "tries",
			     (json_int_t)s->hops[i].tries, "failed", (json_int_t)s->hops[i].own,
			     "below", (json_int_t)s->hops[i].below));
	return out;
}

static json_t *
kinds_json(const struct result *r, const struct run *run)
{
	json_t *out = json_array();

	for (size_t i = 0; i < r->n_kinds; i++) {
		struct figures f, b;

		figures_of(&run->federation, (int)i, &f);
		figures_of(&run->baseline, (int)i, &b);
		if (f.n == 0 && b.n == 0)
			continue;
		json_array_append_new(
		    out, json_pack("{s:s, s:o, s:o}", "kind", r->kinds[i], "federation",
			     figures_json(&f, &run->federation), "baseline",
			     b.n > 0 ? figures_json(&b, &run->baseline) : json_null()));
	}
	return out;
}

/* Requests of the federation that failed there; one may have failed at several places. */
static json_t *
failures_json(const struct figures *f)
{
	json_t *agents = json_object(), *domains = json_object();

	for (unsigned i = 0; i < MEMBERS; i++)
		if (member_table[i].level != LEVEL_META)
			json_object_set_new(member_table[i].level == LEVEL_AGENT ? agents : domains,
			    member_table[i].name, json_integer((json_int_t)f->failed_at[i]));
	return json_pack("{s:o, s:o, s:I}", "by_agent", agents, "by_domain", domains, "meta",
	    (json_int_t)f->failed_at[MEMBER_META]);
}

static json_t *
recovery_json(const struct result *r)
{
	json_t *out = json_object(), *back = json_object();

	for (unsigned i = 0; i < RECOVERIES; i++) {
		json_object_set_new(
		    out, recovery_names[i], report_num(recovery_median_ms(r, i, false)));
		json_object_set_new(
		    back, recovery_names[i], report_num(recovery_median_ms(r, i, true)));
	}
	json_object_set_new(out, "back", back);
	return out;
}

static json_t *
recoveries_json(const struct result *r)
{
	json_t *out = json_array();

	for (size_t i = 0; i < r->n_recoveries; i++) {
		const struct recovery *s = &r->recoveries[i];

		json_array_append_new(out,
		    json_pack("{s:s, s:s, s:s, s:o, s:o}", "of", recovery_names[s->of], "node",
			s->node != NULL ? s->node : "", "how", s->how != NULL ? s->how : "",
			"served_ms",
			report_num(s->served_us >= 0 ? (double)s->served_us / 1e3 : NAN), "back_ms",
			report_num(s->back_us >= 0 ? (double)s->back_us / 1e3 : NAN)));
	}
	return out;
}

static json_t *
shapes_json(const struct result *r)
{
	json_t *out = json_array();

	for (size_t i = 0; i < r->n_shapes; i++) {
		const struct shape *s = &r->shapes[i];
		struct interval drawn = stat_wilson(s->simulated_ok, s->simulated, CONFIDENCE);
		struct interval real = stat_wilson(s->real_ok, s->real, CONFIDENCE);

		json_array_append_new(out,
		    json_pack(
			"{s:i, s:i, s:i, s:o, s:{s:I, s:I, s:o}, s:{s:I, s:I, s:o, s:o, s:o, s:s}}",
			"depth", (int)s->depth, "breadth", (int)s->breadth, "processes",
			(int)(s->depth * s->breadth), "closed", report_num(s->closed), "simulated",
			"requests", (json_int_t)s->simulated, "success",
			(json_int_t)s->simulated_ok, "ci99",
			s->simulated > 0 ? report_interval(drawn) : json_null(), "real", "requests",
			(json_int_t)s->real, "success", (json_int_t)s->real_ok, "ci99",
			s->real > 0 ? report_interval(real) : json_null(), "p50_ms",
			report_num(s->real > 0 ? s->real_p50_ms : NAN), "p99_ms",
			report_num(s->real > 0 ? s->real_p99_ms : NAN), "why_not",
			s->why_not != NULL ? s->why_not : ""));
	}
	return out;
}

/* Of the seven stages, for so much: how many processes each should have. */
static json_t *
best_json(const struct run *run, const struct theory_costs *costs)
{
	static const uint32_t budgets[] = { 7, 9, 13, 16, 21, 28, 35, 42 };
	json_t *out = json_array();

	for (size_t i = 0; report_knows(run) && i < sizeof(budgets) / sizeof(budgets[0]); i++) {
		struct theory_plan p = theory_best_federation(&run->rates, costs, budgets[i]);
		json_t *members = json_array();

		for (int k = 0; k < THEORY_STAGES; k++)
			json_array_append_new(members, json_integer((json_int_t)p.members[k]));
		if (p.reliability > 0)
			json_array_append_new(
			    out, json_pack("{s:i, s:i, s:O, s:o}", "cost", (int)p.cost, "processes",
				     (int)p.processes, "members", members, "reliability",
				     report_num(p.reliability)));
		json_decref(members);
	}
	return out;
}

static json_t *
timelines_json(const struct result *r)
{
	json_t *out = json_array();

	for (size_t i = 0; i < r->n_timelines; i++) {
		const struct timeline *t = &r->timelines[i];

		json_array_append_new(out,
		    json_pack(
			"{s:s, s:s, s:b, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:{s:o, s:o}, s:o}",
			"name", t->name, "note", t->note != NULL ? t->note : "", "prevention",
			t->prevention, "fault_from_s", (double)t->fault_from_us / 1e6,
			"fault_until_s", (double)t->fault_until_us / 1e6, "requests",
			(json_int_t)t->asked, "success", (json_int_t)t->success, "partial",
			(json_int_t)(t->asked - t->success - t->failed), "failed",
			(json_int_t)t->failed, "cascades", (json_int_t)t->cascades, "bystanders",
			"before", bystanders_json(&t->before), "meanwhile",
			bystanders_json(&t->meanwhile), "moments", moments_json(t)));
	}
	return out;
}

static json_t *
bystanders_json(const struct bystanders *b)
{
	return json_pack("{s:I, s:I, s:o, s:o}", "requests", (json_int_t)b->asked, "success",
	    (json_int_t)b->success, "p50_ms", report_num(b->p50_ms), "p99_ms",
	    report_num(b->p99_ms));
}

static json_t *
moments_json(const struct timeline *t)
{
	json_t *out = json_array();

	for (size_t i = 0; i < t->n; i++) {
		const struct moment *m = &t->moments[i];

		json_array_append_new(out,
		    json_pack("{s:f, s:o, s:o, s:o, s:i, s:s?}", "at_s", (double)m->at_us / 1e6,
			"success_per_s", report_num(m->success_per_s), "failed_per_s",
			report_num(m->failed_per_s), "shed_per_s", report_num(m->shed_per_s),
			"in_flight", (int)m->in_flight, "mode", m->mode));
	}
	return out;
}

static json_t *
settings_json(const struct result *r, const struct run *run)
{
	json_t *facts = json_object();

	for (size_t i = 0; i < r->n_facts; i++)
		json_object_set_new(facts, r->facts[i].name, json_string(r->facts[i].value));
	return json_pack("{s:s, s:o, s:o, s:s, s:o, s:i, s:o, s:f, s:f, s:o}", "fleet",
	    r->live ? "live" : "private", "rates", rates_json(&run->rates), "tries",
	    tries_json(run), "breakers", breakers(run), "asked_per_s", report_num(run->asked_per_s),
	    "deadline_ms", (int)r->deadline_ms, "neighbour_share", report_num(r->neighbour_share),
	    "confidence", CONFIDENCE, "partial_weight", PARTIAL_WEIGHT, "facts", facts);
}
