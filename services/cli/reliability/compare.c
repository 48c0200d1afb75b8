/* compare: metafed reliability compare A B: two stored measurements, run by run: differences with
 * intervals, and whether they are more than chance. Their records are not stored, so the two are
 * independent samples, also with the same seed. What was measured under other faults is no
 * comparison and is refused; under another load, times are left out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/reliability/analysis.h"
#include "cli/reliability/doc.h"
#include "cli/reliability/reliability.h"
#include "cli/reliability/report.h"

#define SAME 1e-9 /* of settings, relative */

struct side {
	const char *file;
	json_t *doc;
};

struct comparison {
	struct side a, b;
	json_t *rows, *notes;
};

static int usage(void);
static bool comparable(const struct comparison *);
static bool same(double, double);
static void compare_runs(struct comparison *);
static void compare_run(struct comparison *, const json_t *, const json_t *);
static const json_t *like(const json_t *, const json_t *);
static void compare_rates(
    struct comparison *, const char *, const char *, const char *, const json_t *, const json_t *);
static void compare_times(
    struct comparison *, const char *, const char *, const char *, const json_t *, const json_t *);
static void compare_recoveries(struct comparison *);
static struct interval median_of(const json_t *, const char *, double *);
static void add(struct comparison *, const char *, const char *, const char *, double, double,
    struct interval, double);
static json_t *number(double);
static void note(struct comparison *, const char *, const char *);
static void show(const struct comparison *);

int
cli_reliability_compare(struct cli *cli, int argc, char **argv)
{
	struct comparison c = { .rows = json_array(), .notes = json_array() };
	int status = CLI_REFUSED;
	json_t *out;

	if (argc != 3)
		return usage();
	c.a = (struct side){ argv[1], report_load(argv[1]) };
	c.b = (struct side){ argv[2], c.a.doc != NULL ? report_load(argv[2]) : NULL };
	if (c.a.doc != NULL && c.b.doc != NULL && comparable(&c)) {
		compare_runs(&c);
		compare_recoveries(&c);
		status = CLI_OK;
		if (cli->json) {
			out = json_pack("{s:s, s:s, s:f, s:O, s:O}", "a", c.a.file, "b", c.b.file,
			    "confidence", CONFIDENCE, "rows", c.rows, "notes", c.notes);
			cli_put_json(out, JSON_COMPACT);
			putchar('\n');
			json_decref(out);
		} else {
			show(&c);
		}
	}
	json_decref(c.a.doc);
	json_decref(c.b.doc);
	json_decref(c.rows);
	json_decref(c.notes);
	return status;
}

static int
usage(void)
{
	cli_error("usage: metafed reliability compare A B");
	return CLI_USAGE;
}

/* The same faults, the same tries: else a difference says nothing of the fleets. */
static bool
comparable(const struct comparison *c)
{
	static const char *const numbers[] = { "settings.rates.agent",
		"settings.rates.orchestrator", "settings.rates.meta", "settings.tries.agent",
		"settings.tries.orchestrator", "settings.tries.meta", "settings.deadline_ms",
		"settings.neighbour_share" };
	char a[DOC_TEXT], b[DOC_TEXT];

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		double x = doc_num(c->a.doc, numbers[i]), y = doc_num(c->b.doc, numbers[i]);

		if (same(x, y))
			continue;
		cli_error("these can't be compared: %s is %s in %s and %s in %s", numbers[i],
		    doc_plain(a, x, 4), c->a.file, doc_plain(b, y, 4), c->b.file);
		return false;
	}
	if (strcmp(doc_str(c->a.doc, "settings.breakers"),
		doc_str(c->b.doc, "settings.breakers")) == 0)
		return true;
	cli_error("these can't be compared: breakers are \"%s\" in %s and \"%s\" in %s",
	    doc_str(c->a.doc, "settings.breakers"), c->a.file,
	    doc_str(c->b.doc, "settings.breakers"), c->b.file);
	return false;
}

/* Both not there is the same, too. */
static bool
same(double x, double y)
{
	if (isnan(x) || isnan(y))
		return isnan(x) && isnan(y);
	return fabs(x - y) <= SAME * fmax(fabs(x), fabs(y));
}

static void
compare_runs(struct comparison *c)
{
	const json_t *runs = doc_list(c->a.doc, "runs"), *r;
	size_t i;

	json_array_foreach(runs, i, r)
	{
		const json_t *other = like(doc_list(c->b.doc, "runs"), r);

		if (other == NULL)
			note(c, doc_str(r, "kind"), "only in the first one");
		else
			compare_run(c, r, other);
	}
	json_array_foreach(doc_list(c->b.doc, "runs"), i, r) if (like(runs, r) == NULL)
	    note(c, doc_str(r, "kind"), "only in the second one");
}

/* The first one of the same kind, load, rates and tries. */
static const json_t *
like(const json_t *runs, const json_t *r)
{
	const json_t *one;
	size_t i;

	json_array_foreach(runs, i,
	    one) if (strcmp(doc_str(one, "kind"), doc_str(r, "kind")) == 0 &&
		     same(doc_num(one, "load"), doc_num(r, "load")) &&
		     json_equal(doc_at(one, "rates"), doc_at(r, "rates")) &&
		     json_equal(doc_at(one, "tries"), doc_at(r, "tries")) &&
		     strcmp(doc_str(one, "breakers"), doc_str(r, "breakers")) == 0) return one;
	return NULL;
}

static void
compare_run(struct comparison *c, const json_t *a, const json_t *b)
{
	static const char *const systems[][2] = { { "federation", "federation" },
		{ "baseline", "single process" } };
	bool times = same(doc_num(a, "asked_per_s"), doc_num(b, "asked_per_s"));
	char name[160];

	snprintf(name, sizeof(name), "%.120s", doc_str(a, "kind"));
	if (doc_num(a, "load") != 1)
		snprintf(
		    name, sizeof(name), "%.100s (%gx)", doc_str(a, "kind"), doc_num(a, "load"));
	for (int i = 0; i < 2; i++) {
		const json_t *x = doc_at(a, systems[i][0]), *y = doc_at(b, systems[i][0]);

		if (!json_is_object(x) || !json_is_object(y))
			continue;
		if (i == 1 && !times)
			continue; /* what a crash takes down depends on the load */
		compare_rates(c, name, systems[i][1], "success", x, y);
		compare_rates(c, name, systems[i][1], "cascades", x, y);
		if (times) {
			compare_times(c, name, systems[i][1], "p50", x, y);
			compare_times(c, name, systems[i][1], "p99", x, y);
		}
	}
	if (!times)
		note(c, name, "other load: times and the single process are not compared");
}

static void
compare_rates(struct comparison *c, const char *run, const char *system, const char *key,
    const json_t *a, const json_t *b)
{
	double na = doc_num(a, "requests"), nb = doc_num(b, "requests");
	double ka = doc_num(a, key), kb = doc_num(b, key);
	struct two_rates t;

	/* of a stranger: no run but the headline was checked */
	if (!(na > 0 && nb > 0 && na <= INT32_MAX && nb <= INT32_MAX) ||
	    !(ka >= 0 && kb >= 0 && ka <= na && kb <= nb))
		return;
	t = stat_two_rates((uint64_t)kb, (uint64_t)nb, (uint64_t)ka, (uint64_t)na, CONFIDENCE);
	add(c, run, system, strcmp(key, "success") == 0 ? "reliability" : "cascade rate", ka / na,
	    kb / nb, t.interval, t.sparse ? t.p_corrected : t.p);
}

/* From the two intervals of order statistics: wider than need be, never too narrow. */
static void
compare_times(struct comparison *c, const char *run, const char *system, const char *key,
    const json_t *a, const json_t *b)
{
	char value[16], range[16];
	double alo, ahi, blo, bhi;

	snprintf(value, sizeof(value), "%s_ms", key);
	snprintf(range, sizeof(range), "%s_ci99", key);
	if (!doc_interval(a, range, &alo, &ahi) || !doc_interval(b, range, &blo, &bhi))
		return;
	add(c, run, system, key, doc_num(a, value), doc_num(b, value),
	    (struct interval){ blo - ahi, bhi - alo }, NAN);
}

static void
compare_recoveries(struct comparison *c)
{
	for (unsigned i = 0; i < RECOVERIES; i++) {
		double a, b;
		struct interval x = median_of(c->a.doc, recovery_names[i], &a);
		struct interval y = median_of(c->b.doc, recovery_names[i], &b);

		if (!isnan(a) && !isnan(b))
			add(c, "recovery", doc_recovery(i), "median", a, b,
			    (struct interval){ y.lo - x.hi, y.hi - x.lo }, NAN);
	}
}

static struct interval
median_of(const json_t *doc, const char *of, double *median)
{
	const json_t *list = doc_list(doc, "recoveries"), *r;
	double *ms = mem_grow(NULL, json_array_size(list) + 1, sizeof(*ms));
	struct interval out = { NAN, NAN };
	size_t n = 0, i;

	*median = NAN;
	json_array_foreach(list, i, r)
	{
		double v = doc_num(r, "served_ms");

		if (!isnan(v) && strcmp(doc_str(r, "of"), of) == 0)
			ms[n++] = v;
	}
	if (n > 0) {
		stat_sort(ms, n);
		*median = stat_quantile(ms, n, 0.5);
		out = stat_quantile_interval(ms, n, 0.5, CONFIDENCE);
	}
	free(ms);
	return out;
}

/* p NAN: by the interval alone */
static void
add(struct comparison *c, const char *run, const char *system, const char *figure, double a,
    double b, struct interval i, double p)
{
	bool apart = i.lo > 0 || i.hi < 0;

	json_array_append_new(
	    c->rows, json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:[o, o], s:o, s:b}", "run", run,
			 "system", system, "figure", figure, "a", number(a), "b", number(b),
			 "difference", number(b - a), "ci99", number(i.lo), number(i.hi), "p",
			 number(p), "significant", isnan(p) ? apart : apart && p < 1 - CONFIDENCE));
}

static json_t *
number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static void
note(struct comparison *c, const char *run, const char *text)
{
	json_array_append_new(c->notes, json_pack("{s:s, s:s}", "run", run, "note", text));
}

static void
show(const struct comparison *c)
{
	char a[DOC_TEXT], b[DOC_TEXT], d[DOC_TEXT], lo[DOC_TEXT], hi[DOC_TEXT];
	const char *last = "";
	const json_t *r;
	size_t i;

	json_array_foreach(c->rows, i, r)
	{
		const char *figure = doc_str(r, "figure"), *run = doc_str(r, "run");
		bool ms = figure[0] == 'p' || strcmp(figure, "median") == 0;
		const char *(*text)(char[DOC_TEXT], double) = ms ? doc_ms : doc_share;

		if (strcmp(run, last) != 0) {
			printf("%s", i > 0 ? "\n" : "");
			cli_put(stdout, run);
			putchar('\n');
		}
		last = run;
		printf("  %-15s %-12s %10s -> %-10s %s%s (%s to %s)%s\n", doc_str(r, "system"),
		    figure, text(a, doc_num(r, "a")), text(b, doc_num(r, "b")),
		    doc_num(r, "difference") > 0 ? "+" : "", text(d, doc_num(r, "difference")),
		    text(lo, doc_item(doc_at(r, "ci99"), 0)),
		    text(hi, doc_item(doc_at(r, "ci99"), 1)),
		    json_is_true(doc_at(r, "significant")) ? "  more than chance" : "");
	}
	json_array_foreach(c->notes, i, r)
	{
		fputs("note: ", stdout);
		cli_put(stdout, doc_str(r, "run"));
		printf(": %s\n", doc_str(r, "note"));
	}
	printf("Of %zu differences, about %.1f seem more than chance when none is.\n",
	    json_array_size(c->rows), (1 - CONFIDENCE) * (double)json_array_size(c->rows));
}
