/* report_plots: see report_plots.h. Rows of dots with their intervals; steps of latencies; lines over
 * time. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/reliability/doc.h"
#include "cli/reliability/plot.h"
#include "cli/reliability/report_plots.h"
#include "cli/reliability/result.h"

#define WIDTH     720.0
#define LEFT      262.0 /* of rows with names */
#define RIGHT     24.0
#define TOP       34.0 /* below the legend */
#define BOTTOM    44.0
#define ROW       40.0
#define ROWS_MOST 24
#define NAME_MOST 40   /* characters at the left */
#define NEVER     1e-6 /* a chance of nothing stands here on a log axis */

static bool rows_open(struct plot *, struct buf *, size_t, unsigned *, const char *, const char *);
static json_t *with_faults(const json_t *);
static double row_y(size_t);
static void row_name(struct plot *, size_t, const char *);
static double least(const json_t *, const char *, const char *, double);
static double floor_of(double);
static bool latency(struct buf *, const json_t *, unsigned *, const char *);
static void steps(struct plot *, const json_t *, const char *, double);
static double share_of_bin(const json_t *, size_t, double);
static bool one_timeline(struct buf *, const json_t *, unsigned *, double, double);
static void follow(struct plot *, const json_t *, const char *, const char *);
static const json_t *run_of(const json_t *, enum run_kind);
static const char *seconds(char[DOC_TEXT], double);
static const char *milliseconds(char[DOC_TEXT], double);
static const char *per_second(char[DOC_TEXT], double);
static const char *percent(char[DOC_TEXT], double);

bool
plot_kinds(struct buf *out, const json_t *doc, unsigned *id)
{
	static const struct legend legend[] = { { "federation", "a", MARK_DOT, false },
		{ "single process", "b", MARK_DIAMOND, false }, { NULL, NULL, 0, false } };
	const json_t *kinds = doc_list(doc, "by_kind"), *k;
	struct plot p;
	double lo, hi;
	size_t i;

	if (!rows_open(&p, out, json_array_size(kinds), id, "Reliability by kind of scenario",
		"For each kind of scenario the share of full successes of the federation and of "
		"the "
		"single process, with 99 percent intervals. The table has the numbers."))
		return false;
	p.x.lo = floor_of(
	    fmin(least(kinds, "federation", "ci99", 1), least(kinds, "baseline", "ci99", 1)));
	plot_grid_x(&p, percent);
	plot_legend(&p, legend);
	json_array_foreach(kinds, i, k)
	{
		if (i == ROWS_MOST)
			break;
		row_name(&p, i, doc_str(k, "kind"));
		doc_interval(k, "federation.ci99", &lo, &hi);
		plot_interval(
		    &p, MARK_DOT, "a", doc_num(k, "federation.reliability"), lo, hi, row_y(i) - 7);
		doc_interval(k, "baseline.ci99", &lo, &hi);
		plot_interval(&p, MARK_DIAMOND, "b", doc_num(k, "baseline.reliability"), lo, hi,
		    row_y(i) + 7);
	}
	plot_title_x(&p, "full successes");
	plot_close(&p);
	return true;
}

bool
plot_theory(struct buf *out, const json_t *doc, unsigned *id)
{
	static const struct legend legend[] = { { "measured", "a", MARK_DOT, false },
		{ "theory, injected rates", "b", MARK_DIAMOND, false },
		{ "theory, measured rates", "c", MARK_CROSS, false }, { NULL, NULL, 0, false } };
	json_t *runs = with_faults(doc_list(doc, "runs"));
	const json_t *r;
	struct plot p;
	double lo, hi;
	size_t i;
	bool any = rows_open(&p, out, json_array_size(runs), id, "Theory against measurement",
	    "For each run with faults the measured reliability with its 99 percent interval, "
	    "beside "
	    "it what the formula gives from the injected and from the measured rates. The table "
	    "has "
	    "the numbers.");

	if (any) {
		p.x.lo = floor_of(
		    fmin(least(runs, "federation", "ci99", 1), least(runs, "theory", "value", 1)));
		plot_grid_x(&p, percent);
		plot_legend(&p, legend);
		json_array_foreach(runs, i, r)
		{
			if (i == ROWS_MOST)
				break;
			row_name(&p, i, doc_str(r, "name"));
			doc_interval(r, "federation.ci99", &lo, &hi);
			plot_interval(&p, MARK_DOT, "a", doc_num(r, "federation.reliability"), lo,
			    hi, row_y(i) - 8);
			plot_mark(&p, MARK_DIAMOND, "b", plot_at(&p.x, doc_num(r, "theory.value")),
			    row_y(i) + 7);
			plot_mark(&p, MARK_CROSS, "c",
			    plot_at(&p.x, doc_num(r, "theory.measured.value")), row_y(i) + 7);
		}
		plot_title_x(&p, "full successes");
		plot_close(&p);
	}
	json_decref(runs);
	return any;
}

/* Without faults there is nothing to foretell. The caller's to release. */
static json_t *
with_faults(const json_t *runs)
{
	json_t *out = json_array(), *r;
	size_t i;

	json_array_foreach(runs, i, r) if (doc_num(r, "rates.agent") > 0 ||
					   doc_num(r, "rates.orchestrator") > 0 ||
					   doc_num(r, "rates.meta") > 0) json_array_append(out, r);
	return out;
}

bool
plot_latency(struct buf *out, const json_t *doc, unsigned *id)
{
	return latency(out, doc, id, "Latency of the requests, with faults");
}

bool
plot_quiet_latency(struct buf *out, const json_t *doc, unsigned *id)
{
	const json_t *run = run_of(doc, RUN_QUIET);

	return run != NULL && latency(out, run, id, "Latency of the requests, without faults");
}

/* of: an object with federation and baseline */
static bool
latency(struct buf *out, const json_t *of, unsigned *id, const char *title)
{
	static const struct legend legend[] = { { "federation", "a open", MARK_DOT, true },
		{ "single process", "b open dashed", MARK_DOT, true }, { NULL, NULL, 0, false } };
	const json_t *a = doc_at(of, "federation.latency"), *b = doc_at(of, "baseline.latency");
	double from = doc_num(a, "from_ms"), per = doc_num(a, "per_decade"), top = 0;
	size_t bins = json_array_size(doc_list(a, "counts")), first = bins, last = 0;
	struct plot p = { out, WIDTH, 320, .id = ++*id };
	double all_a = doc_num(of, "federation.requests"), all_b = doc_num(of, "baseline.requests");

	for (size_t i = 0; i < bins; i++) {
		double most = fmax(share_of_bin(a, i, all_a), share_of_bin(b, i, all_b));

		top = fmax(top, most);
		if (most > 0) {
			first = i < first ? i : first;
			last = i;
		}
	}
	if (!(from > 0) || !(per >= 1) || !(top > 0) || first > last) {
		--*id;
		return false;
	}
	p.x = plot_axis(from * pow(10, floor((double)first / per)),
	    from * pow(10, ceil((double)(last + 1) / per)), 56, WIDTH - RIGHT, true);
	p.y = plot_axis(0, top * 1.05, p.height - BOTTOM, TOP, false);
	plot_open(&p, title,
	    "Share of the requests by latency on a logarithmic axis, for the federation and for "
	    "the "
	    "single process. The table has median, 99th percentile and their intervals.");
	plot_grid_x(&p, milliseconds);
	plot_grid_y(&p, percent);
	plot_legend(&p, legend);
	steps(&p, a, "a open", all_a);
	steps(&p, b, "b open dashed", all_b);
	plot_title_x(&p, "latency");
	plot_close(&p);
	return true;
}

static void
steps(struct plot *p, const json_t *of, const char *class, double all)
{
	double from = doc_num(of, "from_ms"), per = doc_num(of, "per_decade");
	size_t bins = json_array_size(doc_list(of, "counts"));
	bool first = true;

	if (bins == 0 || !(from > 0) || !(per >= 1))
		return;
	plot_path_begin(p, class);
	for (size_t i = 0; i < bins; i++) {
		double lo = from * pow(10, (double)i / per);
		double hi = from * pow(10, (double)(i + 1) / per);
		double y = plot_at(&p->y, share_of_bin(of, i, all));

		if (hi <= p->x.lo * (1 + 1e-9) || lo >= p->x.hi * (1 - 1e-9))
			continue;
		plot_path_point(p, plot_at(&p->x, lo), y, first);
		plot_path_point(p, plot_at(&p->x, hi), y, false);
		first = false;
	}
	plot_path_end(p);
}

/* 0 where there is nothing */
static double
share_of_bin(const json_t *of, size_t i, double all)
{
	double n = doc_item(doc_list(of, "counts"), i);

	return n > 0 && all > 0 ? n / all : 0;
}

bool
plot_recovery(struct buf *out, const json_t *doc, unsigned *id)
{
	static const struct legend legend[] = { { "one time", "a", MARK_DOT, false },
		{ "median", "b", MARK_DIAMOND, false }, { NULL, NULL, 0, false } };
	const json_t *list = doc_list(doc, "recoveries"), *r;
	double from = 1e9, to = 0;
	struct plot p;
	size_t i;

	json_array_foreach(list, i, r)
	{
		double ms = doc_num(r, "served_ms");

		if (ms >= 0) {
			from = fmin(from, fmax(ms, 0.1));
			to = fmax(to, ms);
		}
	}
	if (from > to || !rows_open(&p, out, RECOVERIES, id, "Recovery times",
			     "For each sort of failure the times until requests were served again, "
			     "on a logarithmic "
			     "axis, with their median. The table has the numbers."))
		return false;
	p.x = plot_axis(
	    pow(10, floor(log10(from))), pow(10, ceil(log10(to * 1.01))), p.x.from, p.x.to, true);
	plot_grid_x(&p, milliseconds);
	plot_legend(&p, legend);
	for (unsigned of = 0; of < RECOVERIES; of++) {
		row_name(&p, of, doc_recovery(of));
		json_array_foreach(
		    list, i, r) if (strcmp(doc_str(r, "of"), recovery_names[of]) == 0) plot_mark(&p,
		    MARK_DOT, "a faint", plot_at(&p.x, doc_num(r, "served_ms")), row_y(of) - 5);
		plot_mark(&p, MARK_DIAMOND, "b",
		    plot_at(&p.x, doc_num(doc_at(doc, "recovery_ms"), recovery_names[of])),
		    row_y(of) + 9);
	}
	plot_title_x(&p, "until served again");
	plot_close(&p);
	return true;
}

bool
plot_timelines(struct buf *out, const json_t *doc, unsigned *id)
{
	static const char *const rates[] = { "success_per_s", "failed_per_s", "shed_per_s" };
	const json_t *list = doc_list(doc, "timelines"), *t, *m;
	double top = 0, end = 0;
	bool any = false;
	size_t i, k;

	/* one scale for all: with and without prevention are to be compared by eye */
	json_array_foreach(list, i, t) json_array_foreach(doc_list(t, "moments"), k, m)
	{
		for (int n = 0; n < 3; n++)
			top = fmax(top, doc_num(m, rates[n]));
		end = fmax(end, doc_num(m, "at_s"));
	}
	json_array_foreach(list, i, t) if (i < ROWS_MOST) any |= one_timeline(out, t, id, top, end);
	return any;
}

static bool
one_timeline(struct buf *out, const json_t *t, unsigned *id, double top, double end)
{
	static const struct legend legend[] = { { "successes", "a open", MARK_DOT, true },
		{ "failures", "b open dashed", MARK_DOT, true },
		{ "refused with a delay", "c open dotted", MARK_DOT, true },
		{ NULL, NULL, 0, false } };
	struct plot p = { out, WIDTH, 260, .id = *id + 1 };
	double from = doc_num(t, "fault_from_s"), until = doc_num(t, "fault_until_s");
	char title[200];

	if (json_array_size(doc_list(t, "moments")) < 2 || !(top > 0) || !(end > 0))
		return false;
	++*id;
	snprintf(title, sizeof(title), "%.120s, %s prevention", doc_str(t, "name"),
	    json_is_true(doc_at(t, "prevention")) ? "with" : "without");
	buf_puts(out, "<h3>");
	plot_escape(out, title);
	buf_puts(out, "</h3>\n<p>");
	plot_escape(out, doc_str(t, "note"));
	buf_puts(out, "</p>\n");
	p.x = plot_axis(0, end, 56, WIDTH - RIGHT, false);
	p.y = plot_axis(0, top * 1.05, p.height - BOTTOM, TOP, false);
	plot_open(&p, title,
	    "Requests that succeeded, failed (wholly or in part) and were refused in each second; "
	    "the time of the "
	    "fault "
	    "is shaded. The table has the totals.");
	if (until > from)
		buf_printf(out,
		    "<rect class=\"fault\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
		    "height=\"%.1f\"/>\n",
		    plot_at(&p.x, from), p.y.to, plot_at(&p.x, until) - plot_at(&p.x, from),
		    p.y.from - p.y.to);
	plot_grid_x(&p, seconds);
	plot_grid_y(&p, per_second);
	plot_legend(&p, legend);
	follow(&p, t, "success_per_s", "a open");
	follow(&p, t, "failed_per_s", "b open dashed");
	follow(&p, t, "shed_per_s", "c open dotted");
	plot_title_x(&p, "requests per second over time");
	plot_close(&p);
	return true;
}

static void
follow(struct plot *p, const json_t *t, const char *key, const char *class)
{
	bool first = true;
	const json_t *m;
	size_t i;

	plot_path_begin(p, class);
	json_array_foreach(doc_list(t, "moments"), i, m)
	{
		double x = plot_at(&p->x, doc_num(m, "at_s")), y = plot_at(&p->y, doc_num(m, key));

		plot_path_point(p, x, y, first);
		first &= isnan(x) || isnan(y);
	}
	plot_path_end(p);
}

bool
plot_shapes(struct buf *out, const json_t *doc, unsigned *id)
{
	static const struct legend legend[] = { { "closed form", "b", MARK_DIAMOND, false },
		{ "simulated", "c", MARK_SQUARE, false },
		{ "real processes", "a", MARK_DOT, false }, { NULL, NULL, 0, false } };
	static const struct {
		const char *of, *class;
		enum mark mark;
		double at;
	} sorts[] = { { "simulated", "c", MARK_SQUARE, 0 }, { "real", "a", MARK_DOT, 11 } };
	const json_t *list = doc_list(doc, "shapes"), *s;
	struct plot p;
	size_t i;

	if (!rows_open(&p, out, json_array_size(list), id, "Depth and breadth",
		"For each shape the chance that a request fails, on a logarithmic axis: in closed "
		"form, "
		"simulated and with real processes, with 99 percent intervals. The table has the "
		"numbers."))
		return false;
	p.x = plot_axis(NEVER, 1, p.x.from, p.x.to, true);
	plot_grid_x(&p, percent);
	plot_legend(&p, legend);
	json_array_foreach(list, i, s)
	{
		char name[DOC_TEXT];

		if (i == ROWS_MOST)
			break;
		snprintf(
		    name, sizeof(name), "%.0f × %.0f", doc_num(s, "depth"), doc_num(s, "breadth"));
		row_name(&p, i, name);
		plot_mark(
		    &p, MARK_DIAMOND, "b", plot_at(&p.x, 1 - doc_num(s, "closed")), row_y(i) - 11);
		for (int k = 0; k < 2; k++) {
			const json_t *of = doc_at(s, sorts[k].of);
			double n = doc_num(of, "requests"), lo, hi;

			if (!doc_interval(of, "ci99", &lo, &hi) || !(n > 0))
				continue;
			plot_interval(&p, sorts[k].mark, sorts[k].class,
			    1 - doc_num(of, "success") / n, 1 - hi, 1 - lo, row_y(i) + sorts[k].at);
		}
	}
	plot_title_x(&p, "requests that fail");
	plot_close(&p);
	return true;
}

/* --- what they share --- */

/* Names at the left, shares from somewhere to 1 at the right. */
static bool
rows_open(struct plot *p, struct buf *out, size_t n, unsigned *id, const char *title,
    const char *description)
{
	if (n == 0)
		return false;
	n = n > ROWS_MOST ? ROWS_MOST : n;
	*p = (struct plot){ out, WIDTH, TOP + ROW * (double)n + BOTTOM, .id = ++*id };
	p->x = plot_axis(0, 1, LEFT, WIDTH - RIGHT - 8, false);
	p->y = plot_axis(0, 1, p->height - BOTTOM, TOP, false);
	plot_open(p, title, description);
	return true;
}

static double
row_y(size_t i)
{
	return TOP + ROW * ((double)i + 0.5);
}

/* Cut between characters. */
static void
row_name(struct plot *p, size_t i, const char *name)
{
	char text[4 * NAME_MOST + 8];
	size_t n = 0;

	for (int left = NAME_MOST; name[n] != '\0'; n++) {
		if ((name[n] & 0xc0) != 0x80 && left-- == 0)
			break;
	}
	snprintf(text, sizeof(text), "%.*s%s", (int)n, name, name[n] != '\0' ? "…" : "");
	plot_text(p, LEFT - 12, row_y(i) + 4, ANCHOR_END, text);
	plot_line(p, "grid", LEFT, row_y(i) + ROW / 2, p->x.to, row_y(i) + ROW / 2);
}

/* Of numbers, or of the lower ends of intervals. */
static double
least(const json_t *list, const char *of, const char *key, double start)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		const json_t *one = doc_at(doc_at(v, of), key);

		start = fmin(start, json_is_array(one) ? doc_item(one, 0) : doc_num(one, ""));
	}
	return start;
}

/* A round number below, so that the axis begins with one. */
static double
floor_of(double v)
{
	double step = v > 0.99 ? 0.002 : v > 0.95 ? 0.01 : v > 0.8 ? 0.05 : 0.1;

	return fmin(fmax(floor(v / step - 0.1) * step, 0), 0.998);
}

static const json_t *
run_of(const json_t *doc, enum run_kind kind)
{
	const json_t *r;
	size_t i;

	json_array_foreach(doc_list(doc, "runs"), i,
	    r) if (strcmp(doc_str(r, "kind"), run_names[kind]) == 0) return r;
	return NULL;
}

static const char *
seconds(char out[DOC_TEXT], double v)
{
	snprintf(out, DOC_TEXT, "%.4g s", v);
	return out;
}

static const char *
milliseconds(char out[DOC_TEXT], double v)
{
	snprintf(out, DOC_TEXT, v < 1000 ? "%.4g ms" : "%.4g s", v < 1000 ? v : v / 1000);
	return out;
}

static const char *
per_second(char out[DOC_TEXT], double v)
{
	snprintf(out, DOC_TEXT, "%.4g", v);
	return out;
}

static const char *
percent(char out[DOC_TEXT], double v)
{
	snprintf(out, DOC_TEXT, "%.4g %%", v * 100);
	return out;
}
