/* reports: what a measurement becomes: the document's figures, the table, the page, the comparison,
 * and documents of strangers. REPORT_FIXTURE=FILE writes the document that the browser's test uses
 * (tests/data/reliability.json). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/id.h"
#include "base/json.h"
#include "cli/reliability/doc.h"
#include "cli/reliability/reliability.h"
#include "cli/reliability/report.h"
#include "cli/reliability/report_int.h"
#include "cli/reliability/simulate.h"
#include "cli/reliability/theory.h"
#include "harness/test.h"

static const struct rates rates = { .meta = 0.05, .domain = 0.08, .agent = 0.12 };

/* --- a measurement, drawn --- */

static void
draw_times(struct rng *g, struct record *r, double median_ms)
{
	/* log-normal, nearly: the sum of some uniforms */
	double z = 0;

	for (int i = 0; i < 12; i++)
		z += rng_unit(g);
	r->latency_us = (uint32_t)(median_ms * 1e3 * exp((z - 6) * 0.5));
}

static void
draw_run(
    struct result *r, struct run *run, struct rng *g, uint32_t n, double chance_a, double chance_b)
{
	static const char *const kinds[] = { "read a task", "create a task", "log in",
		"list with filters", "transaction over both stores", "explain a permission" };

	for (uint32_t i = 0; i < n; i++) {
		struct record *a = result_record(&run->federation);
		struct record *b = chance_b < 0 ? NULL : result_record(&run->baseline);

		a->scenario = n - i; /* in any order */
		a->kind = result_kind(r, kinds[i % 6]);
		a->domains = DOMAINS_ALL;
		a->outcome = rng_unit(g) < chance_a ? OUTCOME_SUCCESS
		             : rng_unit(g) < 0.2    ? OUTCOME_PARTIAL
		                                    : OUTCOME_FAILED;
		a->failed = a->outcome == OUTCOME_FAILED ? MEMBER_BIT(MEMBER_SQL) : 0;
		a->start_us = i * 2000;
		draw_times(g, a, 1.4);
		if (b == NULL)
			continue;
		*b = (struct record){
			.scenario = a->scenario, .kind = a->kind, .domains = a->domains
		};
		b->faults = rng_unit(g) < chance_b ? 0 : MEMBER_BIT(MEMBER_REST);
		b->outcome =
		    b->faults == 0 && rng_unit(g) > 0.02 ? OUTCOME_SUCCESS : OUTCOME_FAILED;
		b->flags = b->faults == 0 && b->outcome == OUTCOME_FAILED ? RECORD_CASCADE : 0;
		draw_times(g, b, 0.6);
	}
	run->federation.took_us = run->baseline.took_us = (int64_t)n * 2000;
	run->rates = chance_a < 1 ? rates : (struct rates){ 0 };
	run->tries = (struct tries){ 2, 2, 3 };
	run->asked_per_s = 500;
}

static void
draw_hops(struct system *s, uint64_t n)
{
	static const double chance[LEVELS] = { 0.05, 0.08, 0.12 };

	for (int m = 0; m < MEMBERS; m++) {
		s->hops[m].tries = n;
		s->hops[m].own = (uint64_t)((double)n * chance[member_table[m].level]);
		s->hops[m].below = n / 100;
	}
	s->faults = n;
	s->faults_common = n / 5;
}

static void
draw_timeline(struct result *r, bool prevention)
{
	struct timeline *t = result_timeline(r, "database slow by 2 s");

	t->prevention = prevention;
	t->note = "every call of the database domain waits 2 s";
	t->fault_from_us = 3000000;
	t->fault_until_us = 8000000;
	t->asked = 7500;
	t->success = prevention ? 7100 : 3900;
	t->failed = t->asked - t->success;
	t->cascades = prevention ? 0 : 2100;
	t->before = (struct bystanders){ 210, 210, 1.5, 4 };
	t->meanwhile = (struct bystanders){ 350, prevention ? 350 : 90, 2, prevention ? 6 : 1900 };
	for (int i = 0; i <= 15; i++) {
		struct moment *m = result_moment(t);
		bool bad = i >= 3 && i < (prevention ? 9 : 12);

		m->at_us = i * 1000000;
		m->success_per_s = bad ? (prevention ? 380 : 40) : 500;
		m->failed_per_s = bad ? (prevention ? 5 : 430) : 0;
		m->shed_per_s = bad && prevention ? 115 : 0;
		m->in_flight = bad ? 900 : 3;
		m->mode = bad && prevention ? "shedding" : "normal";
	}
}

static struct result *
draw(uint64_t seed, uint32_t n)
{
	static const double loads[] = { 1, 2, 4, 8 };
	struct result *r = result_new(seed);
	struct rng g;

	rng_seed(&g, seed);
	r->scenarios = n;
	r->deadline_ms = 2000;
	r->neighbour_share = 0.1;
	r->started_at = "2026-11-22T00:00:00Z";
	r->took_us = 123000000;
	draw_run(r, result_run(r, RUN_THEORY), &g, n, 0.9734, 0.88 * 0.88 * 0.88);
	r->runs[0].breakers_observe = true;
	draw_hops(&r->runs[0].federation, n);
	draw_run(r, result_run(r, RUN_ACTIVE), &g, n, 0.9996, 0.88 * 0.88 * 0.88);
	draw_run(r, result_run(r, RUN_CORRELATED), &g, n, 0.94, 0.6);
	draw_hops(&r->runs[2].federation, n);
	draw_run(r, result_run(r, RUN_QUIET), &g, n, 1, 1);
	for (int i = 0; i < 4; i++) {
		struct run *run = result_run(r, RUN_LOAD);

		draw_run(r, run, &g, n, 1, 1);
		run->load = loads[i];
		run->asked_per_s = 500 * loads[i];
		run->federation.took_us = (int64_t)((double)n * 2000 / loads[i]);
		run->baseline.took_us = (int64_t)((double)n * 2000 / (loads[i] > 4 ? 4 : loads[i]));
	}
	for (int i = 0; i < 60; i++) {
		struct recovery *s = result_recovery(r);

		s->of = (enum recovery_of)(i % RECOVERIES);
		s->node = "sql";
		s->how = "killed";
		s->served_us = (int64_t)(3000 * pow(6, i % RECOVERIES) * (0.7 + rng_unit(&g)));
		s->back_us = s->served_us + 5000;
	}
	draw_timeline(r, false);
	draw_timeline(r, true);
	for (int i = 0; i < THEORY_SHAPES; i++) {
		const struct theory_shape *t = &theory_shapes[i];
		struct shape *s = result_shape(r, t->depth, t->breadth);
		struct simulated d =
		    simulate_shape(0.12, t->depth, t->breadth, NULL, 20000, seed + (uint64_t)i);
		struct simulated e =
		    simulate_shape(0.12, t->depth, t->breadth, NULL, 2000, seed + 99 + (uint64_t)i);

		s->closed = theory_depth_breadth(0.12, t->depth, t->breadth);
		s->simulated = d.n;
		s->simulated_ok = d.ok;
		s->real = i == 5 ? 0 : e.n;
		s->real_ok = i == 5 ? 0 : e.ok;
		s->real_p50_ms = 0.3 * t->depth;
		s->real_p99_ms = 0.9 * t->depth;
		s->why_not = i == 5 ? "no more processes can be started" : NULL;
	}
	result_fact(r, "metafed", METAFED_VERSION);
	result_fact(r, "machine", "2 x a <processor> & \"more\"");
	return r;
}

static json_t *
document(uint64_t seed, uint32_t n)
{
	struct result *r = draw(seed, n);
	json_t *doc = report_json(r);

	result_free(&r);
	assert_non_null(doc);
	return doc;
}

static json_t *
read_back(const json_t *doc)
{
	char *text = json_dumps(doc, JSON_COMPACT), err[256];
	json_t *again = report_read(text, strlen(text), err, sizeof(err));

	if (again == NULL)
		fail_msg("%s", err);
	free(text);
	return again;
}

/* --- the document --- */

static void
the_document_has_the_shape_that_scripts_rely_on(void **unused)
{
	static const char *const numbers[] = { "scenarios", "seed", "federation.success",
		"federation.partial", "federation.failed", "federation.cascades",
		"federation.reliability", "federation.p50_ms", "federation.p99_ms",
		"baseline.success", "baseline.partial", "baseline.failed", "baseline.cascades",
		"baseline.reliability", "baseline.p50_ms", "baseline.p99_ms", "theory.value",
		"mcnemar.b", "mcnemar.c", "mcnemar.p", "recovery_ms.agent",
		"recovery_ms.orchestrator", "comparison.improvement_factor",
		"comparison.reference_improvement_factor", "comparison.absolute_gain.p",
		"comparison.isolation_effectiveness", "comparison.throughput_ratio",
		"comparison.scalability_factor", "comparison.coordination_overhead_ms.value",
		"comparison.recovery_improvement_agent", "correlated.common_cause_share",
		"power.to_see_the_reference" };
	json_t *doc = document(42, 600);
	double lo, hi;

	(void)unused;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (isnan(doc_num(doc, numbers[i])))
			fail_msg("%s is missing", numbers[i]);
	assert_true(doc_interval(doc, "federation.ci99", &lo, &hi));
	assert_true(lo <= doc_num(doc, "federation.reliability"));
	assert_true(hi >= doc_num(doc, "federation.reliability"));
	assert_true(doc_interval(doc, "baseline.ci99", &lo, &hi));
	assert_true(json_is_boolean(doc_at(doc, "theory.inside_ci99")));
	assert_int_equal(json_array_size(doc_at(doc, "by_kind")), 6);
	assert_int_equal(json_array_size(doc_at(doc, "by_level")), LEVELS);
	assert_int_equal(json_array_size(doc_at(doc, "shapes")), THEORY_SHAPES);
	assert_int_equal(json_array_size(doc_at(doc, "runs")), 8);
	assert_int_equal(json_array_size(doc_at(doc, "goals")), 6);
	assert_true(doc_num(doc, "comparison.reference_improvement_factor") == 1.14);
	assert_true(doc_num(doc, "comparison.neighbour_share") == 0.1);
	json_decref(doc);
}

/* keys: separated by blanks. Whatever follows them may. */
static void
begins_with(const json_t *doc, const char *path, const char *keys)
{
	void *i = json_object_iter((json_t *)(uintptr_t)doc_at(doc, path));
	struct str rest = str_of(keys), key;

	for (; rest.n > 0; i = json_object_iter_next((json_t *)(uintptr_t)doc_at(doc, path), i)) {
		str_cut(rest, ' ', &key, &rest);
		assert_non_null(i);
		if (!str_eq(key, json_object_iter_key(i)))
			fail_msg("%s: %s is where %.*s should be", path, json_object_iter_key(i),
			    (int)key.n, key.p);
	}
}

static void
the_document_begins_with_what_was_asked_for_in_that_order(void **unused)
{
	static const char system[] =
	    "success partial failed cascades reliability ci99 p50_ms p99_ms";
	json_t *doc = document(42, 60);

	(void)unused;
	begins_with(
	    doc, "", "scenarios seed settings federation baseline theory mcnemar recovery_ms");
	begins_with(doc, "federation", system);
	begins_with(doc, "baseline", system);
	begins_with(doc, "theory", "value inside_ci99");
	begins_with(doc, "mcnemar", "b c p");
	begins_with(doc, "recovery_ms", "agent orchestrator");
	json_decref(doc);
}

static void
record(struct system *s, uint32_t scenario, enum outcome o, uint8_t flags, uint32_t us)
{
	struct record *r = result_record(s);

	r->scenario = scenario;
	r->outcome = (uint8_t)o;
	r->flags = flags;
	r->domains = DOMAINS_ALL;
	r->latency_us = us;
}

static void
counts_pairs_and_gains_are_those_of_the_records(void **unused)
{
	struct result *r = result_new(1);
	struct run *run = result_run(r, RUN_THEORY);
	json_t *doc;

	(void)unused;
	run->rates = rates;
	run->tries = (struct tries){ 2, 2, 3 };
	/* 1: both; 2: only the federation; 3: only the baseline; 4: partial and failed; 5: no pair */
	record(&run->federation, 2, OUTCOME_SUCCESS, 0, 2000);
	record(&run->federation, 1, OUTCOME_SUCCESS, 0, 1000);
	record(&run->federation, 3, OUTCOME_FAILED, 0, 3000);
	record(&run->federation, 4, OUTCOME_PARTIAL, RECORD_CASCADE, 4000);
	record(&run->baseline, 1, OUTCOME_SUCCESS, 0, 500);
	record(&run->baseline, 2, OUTCOME_FAILED, RECORD_CASCADE, 500);
	record(&run->baseline, 3, OUTCOME_SUCCESS, 0, 500);
	record(&run->baseline, 4, OUTCOME_FAILED, RECORD_CASCADE, 500);
	record(&run->baseline, 5, OUTCOME_FAILED, 0, 500);
	doc = report_json(r);
	assert_true(doc_num(doc, "federation.requests") == 4);
	assert_true(doc_num(doc, "federation.success") == 2);
	assert_true(doc_num(doc, "federation.partial") == 1);
	assert_true(doc_num(doc, "federation.failed") == 1);
	assert_true(doc_num(doc, "federation.cascades") == 1);
	assert_true(doc_num(doc, "federation.reliability") == 0.5);
	assert_true(fabs(doc_num(doc, "federation.weighted") - 2.7 / 4) < 1e-12);
	assert_true(doc_num(doc, "federation.cascade_prevention") == 0.75);
	assert_true(doc_num(doc, "federation.p50_ms") == 2.5);
	assert_true(doc_num(doc, "baseline.reliability") == 0.4);
	assert_true(doc_num(doc, "mcnemar.b") == 1 && doc_num(doc, "mcnemar.c") == 1);
	assert_true(doc_num(doc, "mcnemar.pairs") == 4 && doc_num(doc, "mcnemar.p") == 1);
	assert_true(fabs(doc_num(doc, "comparison.improvement_factor") - 1.25) < 1e-12);
	assert_true(fabs(doc_num(doc, "comparison.relative_gain") - 0.25) < 1e-12);
	assert_true(doc_num(doc, "comparison.isolation_effectiveness") == 0.5);
	assert_true(fabs(doc_num(doc, "theory.value") - 0.9734066812589122) < 1e-12);
	assert_true(fabs(doc_num(doc, "baseline_theory.value") - 0.88 * 0.88 * 0.88) < 1e-12);
	assert_true(doc_num(doc, "baseline_theory.drawn") == 1);
	json_decref(doc);
	result_free(&r);
}

static void
overhead_is_the_median_of_pairs_without_faults(void **unused)
{
	struct result *r = result_new(1);
	json_t *doc;

	(void)unused;
	result_run(r, RUN_THEORY);
	result_run(r, RUN_QUIET);
	for (uint32_t i = 0; i < 101; i++) {
		record(&r->runs[0].federation, i, OUTCOME_SUCCESS, 0, 1000);
		record(&r->runs[0].baseline, i, OUTCOME_SUCCESS, 0, 1000);
		/* the difference is i, whatever the request itself took */
		record(&r->runs[1].federation, i, OUTCOME_SUCCESS, 0, 1000 * (i % 7) + 10 * i);
		record(&r->runs[1].baseline, i, OUTCOME_SUCCESS, 0, 1000 * (i % 7));
	}
	doc = report_json(r);
	assert_true(fabs(doc_num(doc, "comparison.coordination_overhead_ms.value") - 0.5) < 1e-9);
	json_decref(doc);
	result_free(&r);
}

static void
a_measurement_without_a_baseline_is_reported_too(void **unused)
{
	struct result *r = result_new(1);
	struct buf page = { 0 };
	json_t *doc, *again;
	FILE *f = tmpfile();

	(void)unused;
	record(&result_run(r, RUN_ACTIVE)->federation, 1, OUTCOME_SUCCESS, 0, 1000);
	doc = report_json(r);
	assert_true(json_is_null(doc_at(doc, "baseline")) && json_is_null(doc_at(doc, "mcnemar")));
	again = read_back(doc);
	report_table(f, again);
	report_html(&page, again);
	assert_true(page.n > 1000 && ftell(f) > 100);
	fclose(f);
	buf_free(&page);
	json_decref(doc);
	json_decref(again);
	result_free(&r);
}

/* Tries and breakers are not known there, and no single process is beside it. */
static void
of_a_fleet_in_use_nothing_is_made_up(void **unused)
{
	static const char *const none[] = { "baseline", "theory", "baseline_theory", "mcnemar",
		"comparison", "settings.tries", "settings.neighbour_share" };
	struct result *r = result_new(1);
	struct run *run = result_run(r, RUN_ACTIVE);
	struct trial *t = result_trial(r);
	struct buf page = { 0 };
	char *table = NULL;
	size_t n;
	FILE *f = open_memstream(&table, &n);
	json_t *doc, *again;

	(void)unused;
	r->live = true;
	r->neighbour_share = NAN;
	run->rates = rates;
	record(&run->federation, 1, OUTCOME_SUCCESS, 0, 1000);
	*t = (struct trial){ .action = "error",
		.target = "sql",
		.probability = 0.12,
		.until_us = 2000000,
		.outcomes = { 90, 2, 8 } };
	t = result_trial(r);
	*t = (struct trial){ .action = "kill", .target = "meta", .refused = "\x1b[2J<script>" };
	result_not_measured(r, "baseline", "it needs stores of its own");
	doc = report_json(r);
	again = read_back(doc);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (!json_is_null(doc_at(again, none[i])))
			fail_msg("%s is there", none[i]);
	assert_string_equal(doc_str(again, "settings.fleet"), "live");
	assert_int_equal(json_array_size(doc_at(again, "best")), 0);
	assert_int_equal(json_array_size(doc_at(again, "goals")), 0);
	for (size_t i = 0; i < LEVELS; i++)
		assert_true(json_is_null(
		    json_object_get(json_array_get(doc_at(again, "by_level"), i), "injected")));
	report_table(f, again);
	report_html(&page, again);
	buf_add(&page, "", 1);
	fclose(f);
	assert_non_null(strstr(table, "error of sql"));
	assert_non_null(strstr(table, "2.00 s: 90 of 100 requests"));
	assert_non_null(strstr(table, "did not take place"));
	assert_non_null(strstr(table, "it needs stores of its own"));
	assert_null(strchr(table, '\x1b'));
	assert_non_null(strstr(page.p, "it needs stores of its own"));
	assert_null(strstr(page.p, "<script"));
	assert_null(strstr(page.p, "outside the 99 % interval"));
	free(table);
	buf_free(&page);
	json_decref(doc);
	json_decref(again);
	result_free(&r);
}

/* --- forms --- */

static char *
page_of(const json_t *doc)
{
	struct buf page = { 0 };

	report_html(&page, doc);
	buf_add(&page, "", 1);
	return page.p;
}

static size_t
times_of(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, what)) != NULL; p += strlen(what))
		n++;
	return n;
}

static void
the_page_is_whole_and_needs_nothing_from_outside(void **unused)
{
	static const char *const bad[] = { "<script", "src=", "href", "url(", "nan", "inf " };
	json_t *doc = document(42, 600);
	char *page = page_of(doc);

	(void)unused;
	assert_int_equal(times_of(page, "<svg"), 8);
	assert_int_equal(times_of(page, "<svg"), times_of(page, "</svg>"));
	assert_int_equal(times_of(page, "<svg"), times_of(page, "<desc id="));
	assert_int_equal(times_of(page, "<table"), times_of(page, "</table>"));
	assert_int_equal(times_of(page, "<tr>"), times_of(page, "</tr>"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strstr(page, bad[i]) != NULL)
			fail_msg("%s: %.60s", bad[i], strstr(page, bad[i]));
	assert_int_equal(times_of(page, "http"), 1); /* http-equiv */
	assert_non_null(strstr(page, "a &lt;processor&gt; &amp; &quot;more&quot;"));
	free(page);
	json_decref(doc);
}

/* Whatever a name is, it stays a name. */
static void
names_of_strangers_are_no_markup_and_no_orders_to_a_terminal(void **unused)
{
	static const char evil[] = "</title><script>alert(1)</script>\x1b[2J\"'";
	json_t *doc = document(42, 60), *kind = json_array_get(json_object_get(doc, "by_kind"), 0);
	char *page, *table = NULL;
	size_t n;
	FILE *f = open_memstream(&table, &n);

	(void)unused;
	json_object_set_new(kind, "kind", json_string(evil));
	json_object_set_new(doc, "started_at", json_string(evil));
	json_object_set_new(
	    json_array_get(json_object_get(doc, "timelines"), 0), "name", json_string(evil));
	json_object_set_new(doc_at(doc, "settings.facts") != NULL
				? json_object_get(json_object_get(doc, "settings"), "facts")
				: NULL,
	    evil, json_string(evil));
	page = page_of(doc);
	assert_null(strstr(page, "<script"));
	assert_null(strchr(page, '\x1b'));
	report_table(f, doc);
	fclose(f);
	assert_null(strchr(table, '\x1b'));
	free(page);
	free(table);
	json_decref(doc);
}

static void
the_table_says_what_matters(void **unused)
{
	static const char *const words[] = { "600 scenarios, seed 42", "federation",
		"single process", "99 % interval", "McNemar", "from the injected rates",
		"improvement factor", "the reference says 1.14", "3x5", "Goals" };
	json_t *doc = document(42, 600);
	char *table = NULL;
	size_t n;
	FILE *f = open_memstream(&table, &n);

	(void)unused;
	report_table(f, doc);
	fclose(f);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(table, words[i]) == NULL)
			fail_msg("\"%s\" is not in\n%s", words[i], table);
	free(table);
	json_decref(doc);
}

/* --- documents of strangers --- */

static void
refused(json_t *doc, const char *why)
{
	char *text = json_dumps(doc, 0), err[256] = "";

	assert_null(report_read(text, strlen(text), err, sizeof(err)));
	if (strstr(err, why) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", why, err);
	free(text);
	json_decref(doc);
}

static void
what_is_no_report_is_refused_with_the_reason(void **unused)
{
	char err[256];
	json_t *doc;

	(void)unused;
	assert_null(report_read("{", 1, err, sizeof(err)));
	assert_non_null(strstr(err, "line 1"));
	refused(json_pack("{s:s}", "format", "another"), "no report");
	refused(json_pack("{s:s, s:i}", "format", REPORT_FORMAT, "version", 2), "another version");
	doc = document(1, 20);
	json_object_del(doc, "federation");
	refused(doc, "federation: is missing");
	doc = document(1, 20);
	json_object_set_new(json_object_get(doc, "federation"), "success", json_integer(21));
	refused(doc, "don't add up");
	doc = document(1, 20);
	json_object_set_new(json_object_get(doc, "baseline"), "failed", json_integer(-1));
	refused(doc, "its counts are none");
	doc = document(1, 20);
	json_object_set_new(
	    json_object_get(doc, "federation"), "ci99", json_pack("[f, f]", 0.9, 0.2));
	refused(doc, "no interval");
	doc = document(1, 20);
	for (int i = 0; i < 20001; i++)
		json_array_append_new(json_object_get(doc, "shapes"), json_null());
	refused(doc, "too long");
}

/* What is not checked may be anything: it is shown as a dash. */
static void
what_is_missing_is_shown_as_a_dash(void **unused)
{
	json_t *doc = document(42, 60), *again;
	const char *key;
	void *next;
	json_t *v;

	(void)unused;
	json_object_foreach_safe(
	    doc, next, key, v) if (strcmp(key, "format") != 0 && strcmp(key, "version") != 0 &&
				   strcmp(key, "seed") != 0 && strcmp(key, "scenarios") != 0 &&
				   strcmp(key, "federation") != 0)
	    json_object_set_new(doc, key, json_pack("[s, {}, [], n]", "odd"));
	json_object_set_new(doc, "baseline", json_null());
	again = read_back(doc);
	free(page_of(again));
	report_table(stdout, again);
	json_decref(again);
	json_decref(doc);
}

/* --- comparison --- */

static int
compare(struct cli *cli, const char *a, const char *b, json_t **out)
{
	char *const argv[] = { (char[]){ "compare" }, (char *)(uintptr_t)a, (char *)(uintptr_t)b };
	int was = dup(1), status;
	FILE *f = tmpfile();

	fflush(stdout);
	dup2(fileno(f), 1);
	status = cli_reliability_compare(cli, 3, (char **)(uintptr_t)argv);
	fflush(stdout);
	dup2(was, 1);
	close(was);
	rewind(f);
	*out = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL);
	fclose(f);
	return status;
}

static const char *
stored(const char *name, json_t *doc)
{
	char *text = json_dumps(doc, 0);
	const char *path = test_file(name, text);

	free(text);
	json_decref(doc);
	return path;
}

static const json_t *
row_of(const json_t *out, const char *run, const char *figure)
{
	const json_t *r;
	size_t i;

	json_array_foreach(doc_at(out, "rows"), i,
	    r) if (strcmp(doc_str(r, "run"), run) == 0 &&
		   strcmp(doc_str(r, "figure"), figure) == 0 &&
		   strcmp(doc_str(r, "system"), "federation") == 0) return r;
	return NULL;
}

static void
two_measurements_of_the_same_thing_are_not_told_apart_and_others_are(void **unused)
{
	char *a = strdup(stored("a.json", document(1, 3000)));
	char *b = strdup(stored("b.json", document(2, 3000)));
	json_t *worse = document(3, 3000), *run, *f, *out;
	struct cli cli = { .json = true };
	char *c;

	(void)unused;
	run = json_array_get(json_object_get(worse, "runs"), 0);
	f = json_object_get(run, "federation");
	json_object_set_new(f, "success", json_integer(2700));
	json_object_set_new(f, "partial", json_integer(0));
	json_object_set_new(f, "failed", json_integer(300));
	json_object_set_new(f, "ci99", json_pack("[f, f]", 0.885, 0.913));
	c = strdup(stored("c.json", worse));
	assert_int_equal(compare(&cli, a, b, &out), CLI_OK);
	assert_non_null(row_of(out, run_names[RUN_THEORY], "reliability"));
	assert_true(json_is_false(
	    doc_at(row_of(out, run_names[RUN_THEORY], "reliability"), "significant")));
	assert_true(
	    json_is_false(doc_at(row_of(out, run_names[RUN_THEORY], "p50"), "significant")));
	json_decref(out);
	assert_int_equal(compare(&cli, a, c, &out), CLI_OK);
	assert_true(
	    json_is_true(doc_at(row_of(out, run_names[RUN_THEORY], "reliability"), "significant")));
	assert_true(
	    doc_num(row_of(out, run_names[RUN_THEORY], "reliability"), "difference") < -0.05);
	json_decref(out);
	cli.json = false;
	assert_int_equal(compare(&cli, a, c, &out), CLI_OK);
	free(a), free(b), free(c);
}

static void
what_had_other_faults_is_not_compared(void **unused)
{
	json_t *other = document(2, 60), *out = NULL;
	char *a = strdup(stored("a.json", document(1, 60))), *b;
	struct cli cli = { .json = true };

	(void)unused;
	json_object_set_new(
	    json_object_get(json_object_get(other, "settings"), "rates"), "agent", json_real(0.2));
	b = strdup(stored("b.json", other));
	assert_int_equal(compare(&cli, a, b, &out), CLI_REFUSED);
	assert_null(out);
	assert_int_equal(compare(&cli, a, "/nonexistent", &out), CLI_REFUSED);
	free(a), free(b);
}

static void
the_fixture_of_the_browser_test_is_written(const char *path)
{
	json_t *doc = document(42, 2000);

	must(json_dump_file(doc, path, JSON_COMPACT | JSON_REAL_PRECISION(7)) == 0);
	json_decref(doc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_document_has_the_shape_that_scripts_rely_on),
		T(the_document_begins_with_what_was_asked_for_in_that_order),
		T(counts_pairs_and_gains_are_those_of_the_records),
		T(overhead_is_the_median_of_pairs_without_faults),
		T(a_measurement_without_a_baseline_is_reported_too),
		T(of_a_fleet_in_use_nothing_is_made_up),
		T(the_page_is_whole_and_needs_nothing_from_outside),
		T(names_of_strangers_are_no_markup_and_no_orders_to_a_terminal),
		T(the_table_says_what_matters),
		T(what_is_no_report_is_refused_with_the_reason),
		T(what_is_missing_is_shown_as_a_dash),
		T(two_measurements_of_the_same_thing_are_not_told_apart_and_others_are),
		T(what_had_other_faults_is_not_compared),
	};

	if (getenv("REPORT_FIXTURE") != NULL) {
		the_fixture_of_the_browser_test_is_written(getenv("REPORT_FIXTURE"));
		return 0;
	}
	return TEST_RUN(tests);
}
