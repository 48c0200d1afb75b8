/* comparison: the federation beside the single process, common causes, what the measurement can tell
 * at all, and the goals. */
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "cli/reliability/doc.h"
#include "cli/reliability/report_int.h"

#define ROUNDS 2000 /* of the bootstrap */

/* What the reference says of itself: quoted, never computed with. */
#define REFERENCE_IMPROVEMENT 1.14
#define REFERENCE_BASELINE    0.85
#define REFERENCE_FEDERATION  0.95
#define REFERENCE_CASCADES    0.15

#define ALPHA 0.01
#define POWER 0.9

static json_t *rates_apart(const struct two_rates *);
static json_t *overhead_json(const struct result *);
static json_t *load_json(const struct result *, double *, double *);
static double improvement(double, double);
static json_t *recovery_improvement(const struct result *, enum recovery_of);

json_t *
comparison_json(const struct result *r, const struct run *main)
{
	struct figures f, b;
	struct two_rates success, cascades;
	double scalability, throughput;
	json_t *load, *out;

	if (!main->baseline.asked)
		return json_null();
	figures_of(&main->federation, ALL_KINDS, &f);
	figures_of(&main->baseline, ALL_KINDS, &b);
	success = stat_two_rates(
	    f.outcomes[OUTCOME_SUCCESS], f.n, b.outcomes[OUTCOME_SUCCESS], b.n, CONFIDENCE);
	cascades = stat_two_rates(f.cascades, f.n, b.cascades, b.n, CONFIDENCE);
	load = load_json(r, &throughput, &scalability);
	out = json_pack("{s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "improvement_factor",
	    report_num(f.reliability / b.reliability), "reference_improvement_factor",
	    REFERENCE_IMPROVEMENT, "absolute_gain", rates_apart(&success), "relative_gain",
	    report_num(success.difference / b.reliability), "federation_cascade_rate",
	    report_num((double)f.cascades / (double)f.n), "baseline_cascade_rate",
	    report_num((double)b.cascades / (double)b.n), "cascade_difference",
	    rates_apart(&cascades), "isolation_effectiveness",
	    report_num(1 - (double)f.cascades / fmax(1, (double)b.cascades)), "throughput_ratio",
	    report_num(throughput), "scalability_factor", report_num(scalability));
	must(out != NULL);
	json_object_set_new(out, "neighbour_share", report_num(r->neighbour_share));
	json_object_update_new(
	    out, json_pack("{s:o, s:o, s:o, s:o, s:{s:f, s:f, s:f, s:f}}", "load", load,
		     "recovery_improvement_agent", recovery_improvement(r, RECOVERY_AGENT),
		     "recovery_improvement_orchestrator", recovery_improvement(r, RECOVERY_DOMAIN),
		     "coordination_overhead_ms", overhead_json(r), "reference",
		     "improvement_factor", REFERENCE_IMPROVEMENT, "baseline_reliability",
		     REFERENCE_BASELINE, "federation_reliability", REFERENCE_FEDERATION,
		     "baseline_cascade_rate", REFERENCE_CASCADES));
	return out;
}

static json_t *
rates_apart(const struct two_rates *t)
{
	return json_pack("{s:f, s:o, s:o, s:o, s:o, s:b}", "value", t->difference, "ci99",
	    report_interval(t->interval), "z", report_num(t->z), "p", report_num(t->p),
	    "p_corrected", report_num(t->p_corrected), "sparse", t->sparse);
}

/* Of pairs without faults: federation minus baseline, the median. */
static json_t *
overhead_json(const struct result *r)
{
	const struct run *quiet = report_find(r, RUN_QUIET);
	struct pairs p;

	if (quiet == NULL || !quiet->baseline.asked)
		return json_null();
	pairs_of(quiet, ROUNDS, r->seed, &p);
	return json_pack("{s:o, s:o, s:I}", "value", report_num(p.median_ms), "ci99",
	    report_interval(p.median_ci), "pairs", (json_int_t)p.n_differences);
}

/* Throughput: the most that each system did of what it was asked. Scalability: how much of the
 * factor of the load came out again, at the greatest. */
static json_t *
load_json(const struct result *r, double *throughput, double *scalability)
{
	double best = NAN, best_baseline = NAN, at_one = NAN, at_most = NAN, most = 1;
	json_t *out = json_array();

	for (size_t i = 0; i < r->n_runs; i++) {
		const struct run *run = &r->runs[i];
		double f = done_per_s(&run->federation), b = done_per_s(&run->baseline);
		struct figures figures;

		if (run->kind != RUN_LOAD)
			continue;
		figures_of(&run->federation, ALL_KINDS, &figures);
		best = fmax(best, f);
		best_baseline = fmax(best_baseline, b);
		if (run->load == 1)
			at_one = f;
		if (run->load > most) {
			most = run->load;
			at_most = f;
		}
		json_array_append_new(
		    out, json_pack("{s:f, s:o, s:o, s:o, s:o, s:o}", "load", run->load,
			     "asked_per_s", report_num(run->asked_per_s), "federation_per_s",
			     report_num(f), "baseline_per_s", report_num(b), "p50_ms",
			     report_num(figures.p50_ms), "p99_ms", report_num(figures.p99_ms)));
	}
	*throughput = best / best_baseline;
	*scalability = at_most / at_one / most;
	return out;
}

static json_t *
recovery_improvement(const struct result *r, enum recovery_of of)
{
	return report_num(improvement(
	    recovery_median_ms(r, of, false), recovery_median_ms(r, RECOVERY_BASELINE, false)));
}

/* Relative: 0.9 is ten times as fast. */
static double
improvement(double ours, double theirs)
{
	return 1 - ours / theirs;
}

json_t *
correlated_json(const struct result *r)
{
	const struct run *run = report_find(r, RUN_CORRELATED);
	struct figures f, b;
	double independent;

	if (run == NULL)
		return json_null();
	figures_of(&run->federation, ALL_KINDS, &f);
	figures_of(&run->baseline, ALL_KINDS, &b);
	independent = report_knows(run) ? theory_of_requests(run, &run->rates) : NAN;
	return json_pack("{s:s, s:o, s:I, s:o, s:o, s:o, s:I, s:o, s:o, s:o}", "note",
	    run->note != NULL ? run->note : "", "common_cause_share",
	    report_num((double)run->federation.faults_common / (double)run->federation.faults),
	    "requests_that_met_one", (json_int_t)f.common, "reliability", report_num(f.reliability),
	    "ci99", report_interval(f.ci), "if_independent", report_num(independent), "cascades",
	    (json_int_t)f.cascades, "cost", report_num(independent - f.reliability),
	    "baseline_reliability", report_num(b.reliability), "baseline_ci99",
	    b.n > 0 ? report_interval(b.ci) : json_null());
}

json_t *
power_json(const struct run *main, const struct figures *f)
{
	double n = (double)f->n, rest = 1 - CONFIDENCE;
	double z = stat_normal_quantile(1 - rest / 2), goal = REFERENCE_FEDERATION;

	return json_pack("{s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "alpha", ALPHA, "power",
	    POWER, "to_see_the_reference",
	    report_num(stat_power(n, REFERENCE_FEDERATION, REFERENCE_BASELINE, ALPHA)),
	    "needed_to_see_the_reference",
	    report_num(ceil(stat_needed(REFERENCE_FEDERATION, REFERENCE_BASELINE, ALPHA, POWER))),
	    "least_visible_difference",
	    report_num(f->n > 0 ? stat_visible(n, f->reliability, ALPHA, POWER) : NAN),
	    "half_width", report_num((f->ci.hi - f->ci.lo) / 2), "needed_for_half_a_percent",
	    report_num(ceil(goal * (1 - goal) * z * z / (0.005 * 0.005))), "none_seen_bound",
	    report_num(stat_none_seen(f->n, 0.95)), "baseline_pairs",
	    json_integer((json_int_t)main->baseline.n));
}

/* --- goals --- */
struct goal {
	const char *name, *path; /* of the document */
	bool above;              /* must be above, else below */
	double must_be, aim;
	const char *unit; /* "share" or "ms" */
};

static const struct goal goals[] = {
	{ "reliability at these error rates", "federation.reliability", true, 0.95, 0.999,
	    "share" },
	{ "reliability with the default settings", "active.reliability", true, 0.95, 0.999,
	    "share" },
	{ "p99 of a request, no faults", "quiet.p99_ms", false, 200, 10, "ms" },
	{ "coordination overhead, median", "comparison.coordination_overhead_ms.value", false, 50,
	    1, "ms" },
	{ "cascade failures", "comparison.federation_cascade_rate", false, 0.01, 1e-5, "share" },
	{ "theory against measurement", "theory.difference", false, 0.05, 0, "share" },
};

static double
goal_value(const json_t *doc, const struct goal *g)
{
	static const struct {
		const char *prefix;
		enum run_kind kind;
	} of_runs[] = { { "active.", RUN_ACTIVE }, { "quiet.", RUN_QUIET } };
	const json_t *run;
	size_t i;

	/* in use: not all members fail at once, nor are its settings known */
	if (strcmp(doc_str(doc, "settings.fleet"), "live") == 0 &&
	    strstr(g->path, ".reliability") != NULL)
		return NAN;
	for (size_t k = 0; k < sizeof(of_runs) / sizeof(of_runs[0]); k++) {
		size_t n = strlen(of_runs[k].prefix);

		if (strncmp(g->path, of_runs[k].prefix, n) != 0)
			continue;
		json_array_foreach(doc_list(doc, "runs"), i,
		    run) if (strcmp(doc_str(run, "kind"), run_names[of_runs[k].kind]) ==
			     0) return doc_num(doc_at(run, "federation"), g->path + n);
		return NAN;
	}
	return doc_num(doc, g->path);
}

json_t *
goals_json(const json_t *doc)
{
	json_t *out = json_array();

	for (size_t i = 0; i < sizeof(goals) / sizeof(goals[0]); i++) {
		const struct goal *g = &goals[i];
		double v = goal_value(doc, g), size = fabs(v);
		bool met = g->above ? v > g->must_be : size < g->must_be;
		bool aimed = g->above ? v > g->aim : size <= g->aim;

		if (isnan(v))
			continue; /* not measured this time */
		if (g->aim == 0)  /* theory: inside the interval is the aim */
			aimed = json_is_true(doc_at(doc, "theory.inside_ci99"));
		json_array_append_new(
		    out, json_pack("{s:s, s:f, s:s, s:s, s:f, s:f, s:b, s:b}", "name", g->name,
			     "value", v, "unit", g->unit, "must_be", g->above ? "above" : "below",
			     "must", g->must_be, "aim", g->aim, "met", met, "aimed", aimed));
	}
	return out;
}
