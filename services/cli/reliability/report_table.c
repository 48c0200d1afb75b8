/* report_table: a measurement on the terminal. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/reliability/doc.h"
#include "cli/reliability/report.h"

#define TITLE 44 /* columns of what a line is about */

struct table {
	FILE *f;
	const json_t *doc;
};

static void head(const struct table *);
static void both(const struct table *);
static void
beside(const struct table *, const char *, const char *, const char *(*)(char[DOC_TEXT], double));
static void intervals(const struct table *);
static void theory(const struct table *);
static void kinds(const struct table *);
static void levels(const struct table *);
static void comparison(const struct table *);
static void runs(const struct table *);
static void experiments(const struct table *);
static void not_measured(const struct table *);
static void recoveries(const struct table *);
static void shapes(const struct table *);
static void goals(const struct table *);
static void section(const struct table *, const char *);
static void put(const struct table *, const char *, int);
static void line(const struct table *, const char *, const char *);

void
report_table(FILE *f, const json_t *doc)
{
	static void (*const parts[])(const struct table *) = { head, both, intervals, theory,
		levels, kinds, runs, experiments, comparison, recoveries, shapes, goals,
		not_measured };
	const struct table t = { f, doc };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		parts[i](&t);
}

static void
head(const struct table *t)
{
	char text[DOC_TEXT], a[DOC_TEXT], b[DOC_TEXT], c[DOC_TEXT];

	fprintf(t->f, "%s scenarios, seed %lld; chance of a fault per try: agent %s, ",
	    doc_count(text, doc_num(t->doc, "scenarios")),
	    (long long)json_integer_value(doc_at(t->doc, "seed")),
	    doc_plain(b, doc_num(t->doc, "settings.rates.agent"), 3));
	fprintf(t->f, "orchestrator %s, meta %s\n",
	    doc_plain(a, doc_num(t->doc, "settings.rates.orchestrator"), 3),
	    doc_plain(b, doc_num(t->doc, "settings.rates.meta"), 3));
	fprintf(t->f, "tries: agent %s, orchestrator %s, meta %s; breakers ",
	    doc_count(a, doc_num(t->doc, "settings.tries.agent")),
	    doc_count(b, doc_num(t->doc, "settings.tries.orchestrator")),
	    doc_count(c, doc_num(t->doc, "settings.tries.meta")));
	cli_put(t->f, doc_str(t->doc, "settings.breakers"));
	fputc('\n', t->f);
}

static void
both(const struct table *t)
{
	fprintf(t->f, "\n%-*s%16s%16s\n", TITLE, "", "federation", "single process");
	beside(t, "requests", "requests", doc_count);
	beside(t, "full successes", "success", doc_count);
	beside(t, "partial successes", "partial", doc_count);
	beside(t, "complete failures", "failed", doc_count);
	beside(t, "cascade failures", "cascades", doc_count);
	beside(t, "reliability (full successes)", "reliability", doc_share);
	beside(t, "weighted (partial counts 0.7)", "weighted", doc_share);
	beside(t, "cascade prevention", "cascade_prevention", doc_share);
	beside(t, "latency, mean", "mean_ms", doc_ms);
	beside(t, "latency, p50", "p50_ms", doc_ms);
	beside(t, "latency, p99", "p99_ms", doc_ms);
}

static void
beside(const struct table *t, const char *title, const char *key,
    const char *(*text)(char[DOC_TEXT], double))
{
	static const char *const systems[] = { "federation", "baseline" };
	char out[DOC_TEXT];

	put(t, title, TITLE);
	for (int i = 0; i < 2; i++) {
		const char *s = text(out, doc_num(doc_at(t->doc, systems[i]), key));

		/* a dash is three bytes and one column */
		fprintf(t->f, "%*s%s", 16 - (s == out ? (int)strlen(s) : 1), "", s);
	}
	fputc('\n', t->f);
}

static void
intervals(const struct table *t)
{
	char text[DOC_TEXT], a[DOC_TEXT], b[DOC_TEXT], out[256];

	line(t, "99 % interval, federation", doc_range(text, t->doc, "federation.ci99"));
	line(t, "99 % interval, single process", doc_range(text, t->doc, "baseline.ci99"));
	if (!json_is_object(doc_at(t->doc, "mcnemar")))
		return;
	snprintf(out, sizeof(out), "p %s (only federation %s, only single process %s)",
	    doc_p(text, doc_num(t->doc, "mcnemar.p")), doc_count(a, doc_num(t->doc, "mcnemar.b")),
	    doc_count(b, doc_num(t->doc, "mcnemar.c")));
	line(t, "McNemar, paired", out);
}

static void
theory(const struct table *t)
{
	static const char *const rows[][2] = { { "theory", "from the injected rates" },
		{ "theory.measured", "from the rates measured" } };
	char a[DOC_TEXT], b[DOC_TEXT], c[DOC_TEXT], out[256];

	if (!json_is_object(doc_at(t->doc, "theory"))) {
		section(t, "Tries that failed, by level");
		return;
	}
	section(t, "Theory against measurement");
	for (int i = 0; i < 2; i++) {
		const json_t *v = doc_at(t->doc, rows[i][0]);

		snprintf(out, sizeof(out), "%s, measured minus theory %s: %s the 99 %% interval",
		    doc_share(a, doc_num(v, "value")), doc_share(b, doc_num(v, "difference")),
		    json_is_true(doc_at(v, "inside_ci99")) ? "inside" : "outside");
		line(t, rows[i][1], out);
	}
	snprintf(out, sizeof(out), "%s, by the faults drawn %s, measured minus theory %s",
	    doc_share(a, doc_num(t->doc, "baseline_theory.value")),
	    doc_share(b, doc_num(t->doc, "baseline_theory.drawn")),
	    doc_share(c, doc_num(t->doc, "baseline_theory.difference")));
	line(t, "single process", out);
	line(t, "simulated", doc_share(a, doc_num(t->doc, "theory.simulated.reliability")));
	line(t, "with retries of retries, at most",
	    doc_share(a, doc_num(t->doc, "theory.nested.value")));
}

static void
levels(const struct table *t)
{
	char a[DOC_TEXT], b[DOC_TEXT], c[DOC_TEXT], out[256];
	const json_t *l;
	size_t i;

	json_array_foreach(doc_list(t->doc, "by_level"), i, l)
	{
		snprintf(out, sizeof(out), "injected %s, measured %s of %s tries",
		    doc_share(a, doc_num(l, "injected")), doc_share(b, doc_num(l, "rate")),
		    doc_count(c, doc_num(l, "tries")));
		line(t, doc_str(l, "level"), out);
	}
}

static void
kinds(const struct table *t)
{
	char a[DOC_TEXT], b[DOC_TEXT], c[DOC_TEXT], n[DOC_TEXT], out[256];
	const json_t *k;
	size_t i;

	section(t, "By kind of scenario");
	json_array_foreach(doc_list(t->doc, "by_kind"), i, k)
	{
		const json_t *f = doc_at(k, "federation");

		snprintf(out, sizeof(out), "%s of %s (%s); single process %s",
		    doc_share(a, doc_num(f, "reliability")), doc_count(n, doc_num(f, "requests")),
		    doc_range(b, f, "ci99"), doc_share(c, doc_num(k, "baseline.reliability")));
		line(t, doc_str(k, "kind"), out);
	}
}

static void
runs(const struct table *t)
{
	char a[DOC_TEXT], b[DOC_TEXT], c[DOC_TEXT], d[DOC_TEXT], out[300];
	const json_t *r;
	size_t i;

	section(t, "Runs");
	json_array_foreach(doc_list(t->doc, "runs"), i, r)
	{
		const json_t *f = doc_at(r, "federation");

		snprintf(out, sizeof(out), "%s (%s), p99 %s, cascades %s",
		    doc_share(a, doc_num(f, "reliability")), doc_range(b, f, "ci99"),
		    doc_ms(c, doc_num(f, "p99_ms")), doc_count(d, doc_num(f, "cascades")));
		line(t, doc_str(r, "name"), out);
	}
	if (json_is_object(doc_at(t->doc, "correlated")))
		line(t, "share of faults with a common cause",
		    doc_share(a, doc_num(t->doc, "correlated.common_cause_share")));
}

static void
experiments(const struct table *t)
{
	char a[DOC_TEXT], b[DOC_TEXT], c[DOC_TEXT], name[DOC_TEXT], out[256];
	const json_t *list = doc_list(t->doc, "experiments"), *x;
	size_t i;

	if (json_array_size(list) > 0)
		section(t, "Experiments");
	json_array_foreach(list, i, x)
	{
		snprintf(name, sizeof(name), "%.20s of %.20s", doc_str(x, "action"),
		    doc_str(x, "target"));
		if (doc_str(x, "refused")[0] != '\0')
			snprintf(
			    out, sizeof(out), "did not take place: %.200s", doc_str(x, "refused"));
		else
			snprintf(out, sizeof(out), "%s s: %s of %s requests (%s)",
			    doc_plain(a, doc_num(x, "until_s") - doc_num(x, "from_s"), 2),
			    doc_count(b, doc_num(x, "success")),
			    doc_count(c, doc_num(x, "requests")),
			    doc_range((char[DOC_TEXT]){ 0 }, x, "ci99"));
		line(t, name, out);
	}
}

static void
not_measured(const struct table *t)
{
	const json_t *list = doc_list(t->doc, "not_measured"), *one;
	size_t i;

	if (json_array_size(list) > 0)
		section(t, "Not measured");
	json_array_foreach(list, i, one) line(t, doc_str(one, "what"), doc_str(one, "why"));
}

static void
comparison(const struct table *t)
{
	const json_t *c = doc_at(t->doc, "comparison");
	char a[DOC_TEXT], b[DOC_TEXT], share[DOC_TEXT], out[256];

	if (!json_is_object(c))
		return;
	section(t, "Against the single process");
	snprintf(out, sizeof(out), "%s (the reference says %s)",
	    doc_plain(a, doc_num(c, "improvement_factor"), 3),
	    doc_plain(b, doc_num(c, "reference.improvement_factor"), 2));
	line(t, "improvement factor", out);
	snprintf(out, sizeof(out), "%s (%s), p %s", doc_share(a, doc_num(c, "absolute_gain.value")),
	    doc_range(b, c, "absolute_gain.ci99"),
	    doc_p((char[DOC_TEXT]){ 0 }, doc_num(c, "absolute_gain.p")));
	line(t, "absolute gain", out);
	line(t, "relative gain", doc_share(a, doc_num(c, "relative_gain")));
	snprintf(out, sizeof(out), "%s; single process %s, of whose faults %s are crashes, as set",
	    doc_share(a, doc_num(c, "federation_cascade_rate")),
	    doc_share(b, doc_num(c, "baseline_cascade_rate")),
	    doc_share(share, doc_num(t->doc, "settings.neighbour_share")));
	line(t, "cascade rate", out);
	line(t, "isolation effectiveness", doc_share(a, doc_num(c, "isolation_effectiveness")));
	line(t, "throughput ratio", doc_plain(a, doc_num(c, "throughput_ratio"), 3));
	line(t, "scalability factor", doc_plain(a, doc_num(c, "scalability_factor"), 3));
	line(t, "coordination overhead, median of pairs",
	    doc_ms(a, doc_num(c, "coordination_overhead_ms.value")));
}

static void
recoveries(const struct table *t)
{
	char a[DOC_TEXT], b[DOC_TEXT], out[256];

	section(t, "Recovery, median");
	for (unsigned of = 0; of < RECOVERIES; of++) {
		double served = doc_num(doc_at(t->doc, "recovery_ms"), recovery_names[of]);

		if (isnan(served))
			continue;
		snprintf(out, sizeof(out), "served again after %s; process back after %s",
		    doc_ms(a, served),
		    doc_ms(b, doc_num(doc_at(t->doc, "recovery_ms.back"), recovery_names[of])));
		line(t, doc_recovery(of), out);
	}
}

static void
shapes(const struct table *t)
{
	char a[DOC_TEXT], b[DOC_TEXT], c[DOC_TEXT], name[DOC_TEXT], out[300];
	const json_t *s;
	size_t i;

	if (json_array_size(doc_list(t->doc, "shapes")) > 0)
		section(t, "Depth x breadth");
	json_array_foreach(doc_list(t->doc, "shapes"), i, s)
	{
		snprintf(
		    name, sizeof(name), "%.0fx%.0f", doc_num(s, "depth"), doc_num(s, "breadth"));
		snprintf(out, sizeof(out), "closed form %s, simulated %s, real %s",
		    doc_share(a, doc_num(s, "closed")), doc_range(b, s, "simulated.ci99"),
		    doc_range(c, s, "real.ci99"));
		line(t, name, out);
	}
}

static void
goals(const struct table *t)
{
	char a[DOC_TEXT], b[DOC_TEXT], out[256];
	const json_t *g;
	size_t i;

	section(t, "Goals");
	json_array_foreach(doc_list(t->doc, "goals"), i, g)
	{
		bool share = strcmp(doc_str(g, "unit"), "share") == 0;
		const char *(*text)(char[DOC_TEXT], double) = share ? doc_share : doc_ms;

		snprintf(out, sizeof(out), "%s %s: must be %.8s %s",
		    json_is_true(doc_at(g, "met")) ? "yes" : "NO ", text(a, doc_num(g, "value")),
		    doc_str(g, "must_be"), text(b, doc_num(g, "must")));
		line(t, doc_str(g, "name"), out);
	}
}

static void
section(const struct table *t, const char *title)
{
	fprintf(t->f, "\n%s\n", title);
}

static void
line(const struct table *t, const char *title, const char *text)
{
	put(t, title, TITLE);
	cli_put(t->f, text);
	fputc('\n', t->f);
}

/* Of a stranger, maybe: no control characters, and as wide as said, but for a title that is wider. */
static void
put(const struct table *t, const char *s, int width)
{
	int n = 2;

	fputs("  ", t->f);
	for (const char *c = s; *c != '\0'; c++)
		n += (*c & 0xc0) != 0x80;
	cli_put(t->f, s);
	fprintf(t->f, "%*s", n < width ? width - n : 1, "");
}
