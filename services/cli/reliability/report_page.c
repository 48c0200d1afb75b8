/* report_page: see report_page.h. A table is headers, then rows of one header and cells. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/reliability/plot.h"
#include "cli/reliability/report_page.h"
#include "cli/reliability/result.h"

static void table(struct page *, const char *, const char *const *);
static void end(struct page *);
static void best(struct page *, const char *, const char *);
static void row(struct page *, const char *);
static void cell(struct page *, const char *);
static void cell_text(struct page *, const char *);
static void row_end(struct page *);
static void pair(struct page *, const char *, const char *);
static void latency_row(struct page *, const char *, const json_t *);

#define HEADERS(...) ((const char *const[]){ __VA_ARGS__, NULL })

void
page_goals(struct page *p)
{
	char a[DOC_TEXT];
	const json_t *g;
	size_t i;

	buf_puts(p->out, "<h2>Goals</h2>\n");
	table(p, "What the specification asks for",
	    HEADERS("Goal", "Measured", "Must be", "Reached", "Aim", "Aim reached"));
	json_array_foreach(doc_list(p->doc, "goals"), i, g)
	{
		const char *(*text)(char[DOC_TEXT], double) =
		    strcmp(doc_str(g, "unit"), "share") == 0 ? doc_share : doc_ms;
		bool met = json_is_true(doc_at(g, "met"));
		char must[DOC_TEXT + 16];

		row(p, doc_str(g, "name"));
		cell(p, text(a, doc_num(g, "value")));
		snprintf(must, sizeof(must), "%.8s %s", doc_str(g, "must_be"),
		    text(a, doc_num(g, "must")));
		cell(p, must);
		buf_printf(
		    p->out, "<td class=\"%s\">%s</td>", met ? "yes" : "no", met ? "yes" : "no");
		cell(p,
		    doc_num(g, "aim") == 0 ? "inside 99 % interval" : text(a, doc_num(g, "aim")));
		cell(p, json_is_true(doc_at(g, "aimed")) ? "yes" : "not yet");
		row_end(p);
	}
	end(p);
}

void
page_kinds(struct page *p)
{
	char a[DOC_TEXT];
	const json_t *k;
	size_t i;

	table(p, "Full successes by kind",
	    HEADERS("Kind", "Requests", "Federation", "99 % interval", "Cascades", "Single process",
		"99 % interval", "Cascades"));
	json_array_foreach(doc_list(p->doc, "by_kind"), i, k)
	{
		row(p, doc_str(k, "kind"));
		cell(p, doc_count(a, doc_num(k, "federation.requests")));
		cell(p, doc_share(a, doc_num(k, "federation.reliability")));
		cell(p, doc_range(a, k, "federation.ci99"));
		cell(p, doc_count(a, doc_num(k, "federation.cascades")));
		cell(p, doc_share(a, doc_num(k, "baseline.reliability")));
		cell(p, doc_range(a, k, "baseline.ci99"));
		cell(p, doc_count(a, doc_num(k, "baseline.cascades")));
		row_end(p);
	}
	end(p);
}

void
page_theory(struct page *p)
{
	char a[DOC_TEXT];
	const json_t *r;
	size_t i;

	table(p, "The formula of the specification beside each run",
	    HEADERS("Run", "Requests", "Measured", "99 % interval", "Theory, injected",
		"Difference", "Inside", "Theory, measured rates", "Simulated"));
	json_array_foreach(doc_list(p->doc, "runs"), i, r)
	{
		row(p, doc_str(r, "name"));
		cell(p, doc_count(a, doc_num(r, "federation.requests")));
		cell(p, doc_share(a, doc_num(r, "federation.reliability")));
		cell(p, doc_range(a, r, "federation.ci99"));
		cell(p, doc_share(a, doc_num(r, "theory.value")));
		cell(p, doc_share(a, doc_num(r, "theory.difference")));
		cell(p, !json_is_object(doc_at(r, "theory"))            ? "–"
			: json_is_true(doc_at(r, "theory.inside_ci99")) ? "yes"
									: "no");
		cell(p, doc_share(a, doc_num(r, "theory.measured.value")));
		cell(p, doc_share(a, doc_num(r, "theory.simulated.reliability")));
		row_end(p);
	}
	end(p);
	table(p, "Chance of a try to fail, by level",
	    HEADERS("Level", "Injected", "Tries", "Failed", "Measured", "99 % interval"));
	json_array_foreach(doc_list(p->doc, "by_level"), i, r)
	{
		row(p, doc_str(r, "level"));
		cell(p, doc_share(a, doc_num(r, "injected")));
		cell(p, doc_count(a, doc_num(r, "tries")));
		cell(p, doc_count(a, doc_num(r, "failed")));
		cell(p, doc_share(a, doc_num(r, "rate")));
		cell(p, doc_range(a, r, "ci99"));
		row_end(p);
	}
	end(p);
}

void
page_latency(struct page *p)
{
	const json_t *r;
	char name[128];
	size_t i;

	table(p, "Latency by run, from when a request was due",
	    HEADERS("Run", "Mean", "Median", "99 % interval", "p99", "99 % interval", "Longest"));
	json_array_foreach(doc_list(p->doc, "runs"), i, r)
	{
		snprintf(name, sizeof(name), "%.80s, federation", doc_str(r, "name"));
		latency_row(p, name, doc_at(r, "federation"));
		snprintf(name, sizeof(name), "%.80s, single process", doc_str(r, "name"));
		latency_row(p, name, doc_at(r, "baseline"));
	}
	end(p);
}

static void
latency_row(struct page *p, const char *name, const json_t *f)
{
	char a[DOC_TEXT], b[DOC_TEXT];
	double lo, hi;

	if (!json_is_object(f))
		return;
	row(p, name);
	cell(p, doc_ms(a, doc_num(f, "mean_ms")));
	for (int i = 0; i < 2; i++) {
		char both[2 * DOC_TEXT];

		cell(p, doc_ms(a, doc_num(f, i == 0 ? "p50_ms" : "p99_ms")));
		doc_interval(f, i == 0 ? "p50_ci99" : "p99_ci99", &lo, &hi);
		snprintf(both, sizeof(both), "%s to %s", doc_ms(a, lo), doc_ms(b, hi));
		cell(p, isnan(lo) ? "–" : both);
	}
	cell(p, doc_ms(a, doc_num(f, "max_ms")));
	row_end(p);
}

void
page_recovery(struct page *p)
{
	char a[DOC_TEXT];

	table(p, "Recovery, medians",
	    HEADERS("What failed", "Served again after", "Process back after", "Times"));
	for (unsigned of = 0; of < RECOVERIES; of++) {
		const json_t *r;
		double n = 0;
		size_t i;

		json_array_foreach(doc_list(p->doc, "recoveries"), i, r) n +=
		    strcmp(doc_str(r, "of"), recovery_names[of]) == 0;
		row(p, doc_recovery(of));
		cell(p, doc_ms(a, doc_num(doc_at(p->doc, "recovery_ms"), recovery_names[of])));
		cell(p, doc_ms(a, doc_num(doc_at(p->doc, "recovery_ms.back"), recovery_names[of])));
		cell(p, doc_count(a, n));
		row_end(p);
	}
	end(p);
}

void
page_timelines(struct page *p)
{
	char a[DOC_TEXT];
	const json_t *t;
	double n;
	size_t i;

	if (json_array_size(doc_list(p->doc, "timelines")) == 0)
		return;
	table(p, "What became of the requests; bystanders need nothing of what is slow",
	    HEADERS("Cascade", "Prevention", "Requests", "Succeeded", "Partial", "Failed",
		"Cascades", "Bystanders served", "Their p99", "p99 before", "What"));
	json_array_foreach(doc_list(p->doc, "timelines"), i, t)
	{
		row(p, doc_str(t, "name"));
		cell(p, json_is_true(doc_at(t, "prevention")) ? "on" : "off");
		cell(p, doc_count(a, doc_num(t, "requests")));
		cell(p, doc_count(a, doc_num(t, "success")));
		cell(p, doc_count(a, doc_num(t, "partial")));
		cell(p, doc_count(a, doc_num(t, "failed")));
		cell(p, doc_count(a, doc_num(t, "cascades")));
		n = doc_num(t, "bystanders.meanwhile.requests");
		cell(p, doc_share(a, n > 0 ? doc_num(t, "bystanders.meanwhile.success") / n : NAN));
		cell(p, doc_ms(a, doc_num(t, "bystanders.meanwhile.p99_ms")));
		cell(p, doc_ms(a, doc_num(t, "bystanders.before.p99_ms")));
		cell_text(p, doc_str(t, "note"));
		row_end(p);
	}
	end(p);
}

void
page_shapes(struct page *p)
{
	char a[DOC_TEXT], name[DOC_TEXT];
	const json_t *s;
	size_t i;

	buf_puts(p->out, "<p>Levels in series, each with so many members that stand in for each "
			 "other; one is 1 × 9: one level of nine.</p>\n");
	table(p, "Full successes by shape",
	    HEADERS("Depth × breadth", "Processes", "Closed form", "Simulated, 99 % interval",
		"Real, 99 % interval", "Real calls", "p50", "p99"));
	json_array_foreach(doc_list(p->doc, "shapes"), i, s)
	{
		snprintf(
		    name, sizeof(name), "%.0f × %.0f", doc_num(s, "depth"), doc_num(s, "breadth"));
		row(p, name);
		cell(p, doc_count(a, doc_num(s, "processes")));
		cell(p, doc_share(a, doc_num(s, "closed")));
		cell(p, doc_range(a, s, "simulated.ci99"));
		cell(p, doc_str(s, "real.why_not")[0] != '\0' ? doc_str(s, "real.why_not")
							      : doc_range(a, s, "real.ci99"));
		cell(p, doc_count(a, doc_num(s, "real.requests")));
		cell(p, doc_ms(a, doc_num(s, "real.p50_ms")));
		cell(p, doc_ms(a, doc_num(s, "real.p99_ms")));
		row_end(p);
	}
	end(p);
	best(p, "Best shape of the federation for a number of processes", "best");
	best(p,
	    "The same for so much cost, where a process of meta costs 3, an orchestrator 2, an "
	    "agent 1",
	    "best_for_cost");
}

/* Every composition was considered. */
static void
best(struct page *p, const char *caption, const char *key)
{
	char a[DOC_TEXT], b[DOC_TEXT], c[DOC_TEXT], text[3 * DOC_TEXT];
	const json_t *s;
	size_t i;

	table(p, caption,
	    HEADERS("Cost", "Processes", "Meta", "Orchestrators", "Agents", "Reliability"));
	json_array_foreach(doc_list(p->doc, key), i, s)
	{
		const json_t *m = doc_list(s, "members");

		row(p, doc_count(a, doc_num(s, "cost")));
		cell(p, doc_count(a, doc_num(s, "processes")));
		cell(p, doc_count(a, doc_item(m, 0)));
		for (size_t g = 1; g <= 4; g += 3) {
			snprintf(text, sizeof(text), "%s, %s, %s", doc_count(a, doc_item(m, g)),
			    doc_count(b, doc_item(m, g + 1)), doc_count(c, doc_item(m, g + 2)));
			cell(p, text);
		}
		cell(p, doc_share(a, doc_num(s, "reliability")));
		row_end(p);
	}
	end(p);
}

void
page_comparison(struct page *p)
{
	static const struct {
		const char *title, *path;
		const char *(*text)(char[DOC_TEXT], double);
		const char *range;
	} rows[] = {
		{ "Relative gain", "relative_gain", doc_share, NULL },
		{ "Absolute gain", "absolute_gain.value", doc_share, "absolute_gain.ci99" },
		{ "Absolute gain, p", "absolute_gain.p", doc_p, NULL },
		{ "Cascade rate, federation", "federation_cascade_rate", doc_share, NULL },
		{ "Cascade rate, single process", "baseline_cascade_rate", doc_share, NULL },
		{ "Single process: share of faults that crash it, as set", "neighbour_share",
		    doc_share, NULL },
		{ "Cascade rates, difference", "cascade_difference.value", doc_share,
		    "cascade_difference.ci99" },
		{ "Isolation effectiveness", "isolation_effectiveness", doc_share, NULL },
		{ "Recovery improvement, agent", "recovery_improvement_agent", doc_share, NULL },
		{ "Recovery improvement, orchestrator", "recovery_improvement_orchestrator",
		    doc_share, NULL },
		{ "Coordination overhead, median of pairs", "coordination_overhead_ms.value",
		    doc_ms, NULL },
	};
	const json_t *c = doc_at(p->doc, "comparison");
	char a[DOC_TEXT], b[DOC_TEXT], text[3 * DOC_TEXT];

	buf_puts(p->out, "<h2>Against the single process</h2>\n");
	table(p, "Paired: the same scenarios, faults and seed", HEADERS("Figure", "Value"));
	snprintf(text, sizeof(text), "%s (the reference says %s)",
	    doc_plain(a, doc_num(c, "improvement_factor"), 3),
	    doc_plain(b, doc_num(c, "reference.improvement_factor"), 2));
	pair(p, "Improvement factor", text);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *value = rows[i].text(a, doc_num(c, rows[i].path));

		snprintf(text, sizeof(text), rows[i].range != NULL ? "%s (%s)" : "%s", value,
		    rows[i].range != NULL ? doc_range(b, c, rows[i].range) : "");
		pair(p, rows[i].title, text);
	}
	pair(p, "Throughput ratio", doc_plain(a, doc_num(c, "throughput_ratio"), 3));
	pair(p, "Scalability factor", doc_plain(a, doc_num(c, "scalability_factor"), 3));
	snprintf(text, sizeof(text), "%s", doc_p(a, doc_num(p->doc, "mcnemar.p")));
	pair(p, "McNemar, p", text);
	snprintf(text, sizeof(text), "%s and %s", doc_count(a, doc_num(p->doc, "mcnemar.b")),
	    doc_count(b, doc_num(p->doc, "mcnemar.c")));
	pair(p, "Only the federation succeeded, only the single process", text);
	snprintf(text, sizeof(text), "%s; the faults drawn leave %s",
	    doc_share(a, doc_num(p->doc, "baseline_theory.value")),
	    doc_share(b, doc_num(p->doc, "baseline_theory.drawn")));
	pair(p, "Single process in theory", text);
	pair(p, "Share of faults with a common cause",
	    doc_share(a, doc_num(p->doc, "correlated.common_cause_share")));
	snprintf(text, sizeof(text), "%s (%s)",
	    doc_share(a, doc_num(p->doc, "correlated.reliability")),
	    doc_range(b, p->doc, "correlated.ci99"));
	pair(p, "Reliability with common causes", text);
	end(p);
}

void
page_power(struct page *p)
{
	char a[DOC_TEXT];

	buf_puts(p->out, "<h2>What this measurement can tell</h2>\n");
	table(p, "Power at a significance of 0.01", HEADERS("Figure", "Value"));
	pair(p, "Chance to see the difference that the reference claims (95 % against 85 %)",
	    doc_share(a, doc_num(p->doc, "power.to_see_the_reference")));
	pair(p, "Requests that this needs, with a power of 0.9",
	    doc_count(a, doc_num(p->doc, "power.needed_to_see_the_reference")));
	pair(p, "Least difference that is seen with a power of 0.9",
	    doc_share(a, doc_num(p->doc, "power.least_visible_difference")));
	pair(p, "Half of the 99 % interval's width",
	    doc_share(a, doc_num(p->doc, "power.half_width")));
	pair(p, "Requests for half a percent of it at 95 %",
	    doc_count(a, doc_num(p->doc, "power.needed_for_half_a_percent")));
	pair(p, "What was never seen is rarer than (95 %)",
	    doc_share(a, doc_num(p->doc, "power.none_seen_bound")));
	end(p);
}

void
page_failures(struct page *p)
{
	char a[DOC_TEXT], b[DOC_TEXT];
	const json_t *m;
	size_t i;

	buf_puts(p->out, "<h2>Where it failed</h2>\n");
	table(p, "Tries and failures by node",
	    HEADERS("Node", "Level", "Tries", "Failed by itself", "Failed below",
		"Requests that failed here"));
	json_array_foreach(doc_list(p->doc, "by_member"), i, m)
	{
		const char *name = doc_str(m, "member"), *level = doc_str(m, "level");
		const char *of =
		    strcmp(level, "agent") == 0 ? "failures.by_agent" : "failures.by_domain";
		double n = strcmp(level, "meta") == 0 ? doc_num(p->doc, "failures.meta")
		                                      : doc_num(doc_at(p->doc, of), name);

		row(p, name);
		cell(p, level);
		cell(p, doc_count(a, doc_num(m, "tries")));
		cell(p, doc_count(b, doc_num(m, "failed")));
		cell(p, doc_count(b, doc_num(m, "below")));
		cell(p, doc_count(b, n));
		row_end(p);
	}
	end(p);
}

void
page_settings(struct page *p)
{
	static const char *const levels[] = { "agent", "orchestrator", "meta" };
	char a[DOC_TEXT], b[DOC_TEXT], text[3 * DOC_TEXT], title[DOC_TEXT];
	const char *name;
	json_t *v;

	buf_puts(p->out, "<h2>Settings</h2>\n");
	table(p, "As it was run", HEADERS("Setting", "Value"));
	for (int i = 0; i < 3; i++) {
		snprintf(
		    title, sizeof(title), "Chance of a fault per try, and tries: %s", levels[i]);
		snprintf(text, sizeof(text), "%s, %s",
		    doc_share(a, doc_num(doc_at(p->doc, "settings.rates"), levels[i])),
		    doc_count(b, doc_num(doc_at(p->doc, "settings.tries"), levels[i])));
		pair(p, title, text);
	}
	pair(p, "Breakers", doc_str(p->doc, "settings.breakers"));
	snprintf(text, sizeof(text), "%s/s, open loop",
	    doc_plain(a, doc_num(p->doc, "settings.asked_per_s"), 0));
	pair(p, "Load", text);
	pair(p, "Single process: chance that a fault is a crash",
	    doc_share(a, doc_num(p->doc, "settings.neighbour_share")));
	json_object_foreach((json_t *)(uintptr_t)doc_at(p->doc, "settings.facts"), name, v)
	    pair(p, name, json_string_value(v) != NULL ? json_string_value(v) : "");
	end(p);
}

void
page_experiments(struct page *p)
{
	char a[DOC_TEXT], name[DOC_TEXT];
	const json_t *list = doc_list(p->doc, "experiments"), *x;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	buf_puts(p->out, "<h2>Experiments</h2>\n");
	table(p, "What was done to the fleet, and the requests that were due meanwhile",
	    HEADERS("Experiment", "Chance", "Lasted, s", "Requests", "Full successes",
		"99 % interval", "Failed", "Cascades", "Did not take place"));
	json_array_foreach(list, i, x)
	{
		snprintf(name, sizeof(name), "%.20s of %.20s", doc_str(x, "action"),
		    doc_str(x, "target"));
		row(p, name);
		cell(p, doc_share(a, doc_num(x, "probability")));
		cell(p, doc_plain(a, doc_num(x, "until_s") - doc_num(x, "from_s"), 2));
		cell(p, doc_count(a, doc_num(x, "requests")));
		cell(p, doc_count(a, doc_num(x, "success")));
		cell(p, doc_range(a, x, "ci99"));
		cell(p, doc_count(a, doc_num(x, "failed")));
		cell(p, doc_count(a, doc_num(x, "cascades")));
		cell_text(p, doc_str(x, "refused"));
		row_end(p);
	}
	end(p);
}

void
page_not_measured(struct page *p)
{
	const json_t *list = doc_list(p->doc, "not_measured"), *one;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	buf_puts(p->out, "<h2>Not measured</h2>\n");
	table(p, "What this measurement can't say, or was not asked", HEADERS("What", "Why"));
	json_array_foreach(list, i, one) pair(p, doc_str(one, "what"), doc_str(one, "why"));
	end(p);
}

/* --- tables --- */

static void
table(struct page *p, const char *caption, const char *const *headers)
{
	bool pairs = headers[1] != NULL && headers[2] == NULL; /* values are texts */

	buf_printf(p->out,
	    "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"%s\">\n<table%s>"
	    "<caption>%s</caption>\n<thead><tr>",
	    caption, pairs ? " class=\"pairs\"" : "", caption);
	for (; *headers != NULL; headers++)
		buf_printf(p->out, "<th scope=\"col\">%s</th>", *headers);
	buf_puts(p->out, "</tr></thead>\n<tbody>\n");
}

static void
end(struct page *p)
{
	buf_puts(p->out, "</tbody></table></div>\n");
}

static void
row(struct page *p, const char *name)
{
	buf_puts(p->out, "<tr><th scope=\"row\">");
	plot_escape(p->out, name[0] != '\0' ? name : "–");
	buf_puts(p->out, "</th>");
}

static void
cell(struct page *p, const char *text)
{
	buf_puts(p->out, "<td>");
	plot_escape(p->out, text);
	buf_puts(p->out, "</td>");
}

static void
cell_text(struct page *p, const char *text)
{
	buf_puts(p->out, "<td class=\"text\">");
	plot_escape(p->out, text);
	buf_puts(p->out, "</td>");
}

static void
row_end(struct page *p)
{
	buf_puts(p->out, "</tr>\n");
}

static void
pair(struct page *p, const char *name, const char *value)
{
	row(p, name);
	cell_text(p, value);
	row_end(p);
}
