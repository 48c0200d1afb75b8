/* report_html: the measurement as one page: no script, nothing from outside, light and dark. Each
 * picture has its numbers in a table beside it. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/reliability/doc.h"
#include "cli/reliability/plot.h"
#include "cli/reliability/report.h"
#include "cli/reliability/report_page.h"
#include "cli/reliability/report_plots.h"

/* Colours have 4.5:1 against their ground, marks too. */
static const char *const head[] = {
	"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
	"<meta http-equiv=\"Content-Security-Policy\"",
	" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
	"<meta name=\"color-scheme\" content=\"light dark\">\n",
	"<title>Reliability of a metafed fleet</title>\n<style>\n",
	":root{--ground:#fff;--card:#f4f6f8;--text:#1a2230;--soft:#4a5568;--line:#d3dae3;",
	"--a:#1d4ed8;--b:#a63c06;--c:#0f6b4f;--fault:#fbe3d6;--bad:#b3141f;--good:#0f6b4f}\n",
	"@media(prefers-color-scheme:dark){:root{--ground:#12161d;--card:#1b212b;--text:#e6eaf0;",
	"--soft:#aab4c3;--line:#364152;--a:#8ab4ff;--b:#ffab73;--c:#67d3ab;--fault:#3d2a20;",
	"--bad:#ff8d8d;--good:#67d3ab}}\n",
	"*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--text);",
	"font:16px/1.5 system-ui,sans-serif}header,main,footer{max-width:64rem;margin:0 auto;",
	"padding:1rem}h1{font-size:1.7rem;line-height:1.2;margin:.5rem 0}",
	"h2{font-size:1.25rem;margin:2.5rem 0 .5rem}h3{font-size:1rem;margin:1.25rem 0 .25rem}",
	"p{max-width:48rem;margin:.5rem 0}header p,footer{color:var(--soft)}\n",
	".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:.75rem;",
	"margin:1rem 0;padding:0;list-style:none}.cards li{background:var(--card);",
	"border:1px solid var(--line);border-radius:.5rem;padding:.75rem 1rem}",
	".cards b{display:block;font-size:1.5rem;line-height:1.3}.cards span{color:var(--soft);",
	"display:block;font-size:.875rem}\n",
	".wide{overflow-x:auto;margin:.75rem 0}.wide:focus-visible{outline:3px solid var(--a)}",
	"table{border-collapse:collapse;font-size:.875rem;min-width:100%}",
	"caption{text-align:left;color:var(--soft);padding:.25rem 0}",
	"th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:right;",
	"white-space:nowrap;font-variant-numeric:tabular-nums}",
	"thead th{vertical-align:bottom;white-space:normal}",
	"th:first-child,td.text,.pairs th{text-align:left}",
	"td.text{white-space:normal;min-width:8rem}",
	"tbody th{font-weight:600;white-space:normal;min-width:7rem}",
	".yes{color:var(--good)}.no{color:var(--bad);font-weight:600}\n",
	"svg{display:block;width:100%;min-width:34rem;height:auto}svg text{fill:var(--text);",
	"font:12px system-ui,sans-serif}svg .a{fill:var(--a);stroke:var(--a)}",
	"svg .b{fill:var(--b);stroke:var(--b)}svg .c{fill:var(--c);stroke:var(--c)}",
	"svg .open{fill:none;stroke-width:2}svg .faint{opacity:.6}",
	"svg .dashed{stroke-dasharray:7 4}svg .dotted{stroke-dasharray:2 3}",
	"svg .grid{stroke:var(--line)}svg .fault{fill:var(--fault)}\n",
	"@media print{.wide{overflow:visible}}\n</style>\n</head>\n<body>\n",
};

static void top(struct page *);
static void cards(struct page *);
static void card(struct page *, const char *, const char *, const char *, ...)
    __attribute__((format(printf, 4, 5)));
static void picture(struct page *, report_plot_fn *, const char *);

void
report_html(struct buf *out, const json_t *doc)
{
	struct page p = { out, doc, 0 };

	for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++)
		buf_puts(out, head[i]);
	top(&p);
	buf_puts(out, "<main>\n");
	cards(&p);
	page_goals(&p);
	picture(&p, plot_kinds, "Reliability by kind of scenario");
	page_kinds(&p);
	picture(&p, plot_theory, "Theory against measurement");
	page_theory(&p);
	picture(&p, plot_latency, "Latency, with faults");
	picture(&p, plot_quiet_latency, "Latency, without faults");
	page_latency(&p);
	page_experiments(&p);
	picture(&p, plot_recovery, "Recovery");
	page_recovery(&p);
	picture(&p, plot_timelines, "A cascade, with and without prevention");
	page_timelines(&p);
	picture(&p, plot_shapes, "Depth and breadth");
	page_shapes(&p);
	page_comparison(&p);
	page_power(&p);
	page_failures(&p);
	page_not_measured(&p);
	page_settings(&p);
	buf_puts(out,
	    "</main>\n<footer><p>Intervals are 99 %; a rate's is Wilson's, that of a rare "
	    "event exact (Clopper and Pearson). Weighted reliability counts a partial "
	    "success 0.7. What the reference says of itself is quoted, not assumed.</p>"
	    "</footer>\n</body>\n</html>\n");
}

static void
top(struct page *p)
{
	char a[DOC_TEXT];

	buf_puts(p->out, "<header>\n<h1>Reliability of a metafed fleet</h1>\n<p>");
	buf_printf(p->out, "%s scenarios, seed %lld", doc_count(a, doc_num(p->doc, "scenarios")),
	    (long long)json_integer_value(doc_at(p->doc, "seed")));
	if (doc_str(p->doc, "started_at")[0] != '\0') {
		buf_puts(p->out, ", begun ");
		plot_escape(p->out, doc_str(p->doc, "started_at"));
	}
	if (!isnan(doc_num(p->doc, "took_ms")))
		buf_printf(p->out, ", took %s", doc_ms(a, doc_num(p->doc, "took_ms")));
	buf_puts(p->out, ".</p>\n</header>\n");
}

static void
cards(struct page *p)
{
	char a[DOC_TEXT], b[DOC_TEXT], c[DOC_TEXT];

	buf_puts(p->out, "<ul class=\"cards\">\n");
	card(p, "Reliability", doc_share(a, doc_num(p->doc, "federation.reliability")),
	    "99 %% interval %s", doc_range(b, p->doc, "federation.ci99"));
	card(p, "Single process", doc_share(a, doc_num(p->doc, "baseline.reliability")),
	    "99 %% interval %s", doc_range(b, p->doc, "baseline.ci99"));
	card(p, "Theory", doc_share(a, doc_num(p->doc, "theory.value")), "%s",
	    !json_is_object(doc_at(p->doc, "theory"))            ? "not measured"
	    : json_is_true(doc_at(p->doc, "theory.inside_ci99")) ? "inside the 99 % interval"
								 : "outside the 99 % interval");
	card(p, "Cascade failures", doc_count(a, doc_num(p->doc, "federation.cascades")),
	    "single process %s of %s", doc_count(b, doc_num(p->doc, "baseline.cascades")),
	    doc_count(c, doc_num(p->doc, "baseline.requests")));
	card(p, "p99, with faults", doc_ms(a, doc_num(p->doc, "federation.p99_ms")), "median %s",
	    doc_ms(b, doc_num(p->doc, "federation.p50_ms")));
	card(p, "Recovery of an agent", doc_ms(a, doc_num(p->doc, "recovery_ms.agent")),
	    "of an orchestrator %s", doc_ms(b, doc_num(p->doc, "recovery_ms.orchestrator")));
	buf_puts(p->out, "</ul>\n");
}

static void
card(struct page *p, const char *title, const char *value, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_printf(p->out, "<li>%s<b>", title);
	plot_escape(p->out, value);
	buf_puts(p->out, "</b><span>");
	plot_escape(p->out, text);
	buf_puts(p->out, "</span></li>\n");
}

/* On a narrow screen it is scrolled, by keyboard as well. */
static void
picture(struct page *p, report_plot_fn *plot, const char *title)
{
	size_t before;

	buf_printf(p->out, "<h2>%s</h2>\n", title);
	before = p->out->n;
	buf_printf(p->out,
	    "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"Picture %u\">\n",
	    p->pictures + 1);
	if (plot(p->out, p->doc, &p->pictures))
		buf_puts(p->out, "</div>\n");
	else
		p->out->n = before; /* nothing of it was measured */
	if (p->out->n == before)
		buf_puts(p->out, "<p>Not measured this time.</p>\n");
}
