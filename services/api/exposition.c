/* exposition: metrics of many nodes as one page, in Prometheus' text format 0.0.4 or as OpenMetrics
 * 1.0.0. Families of the same name are one family: their head stands once, each sample says its node.
 * What a node of another version has under the same name as another kind is left out.
 *
 * In OpenMetrics a counter's family has no _total, only its samples do; a unit has a line of its own;
 * buckets carry exemplars, which the older format has no place for. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/log.h"

#define NAME_MOST 128

struct piece { /* a family of one process */
	const Mf__MetricFamily *family;
	const struct scraped *of;
};

struct page {
	struct buf *out;
	bool open;         /* OpenMetrics */
	struct buf labels; /* of the sample that is being written, without braces */
};

static int by_name(const void *, const void *);
static void write_up(struct page *, size_t, const struct scraped *);
static void write_head(struct page *, const char *, const char *, Mf__MetricKind);
static const char *unit_of(const char *, size_t);
static void write_family(struct page *, const struct piece *);
static void write_histogram(struct page *, const Mf__MetricFamily *, const Mf__MetricSample *);
static void write_line(struct page *, const char *, const char *, const char *);
static void write_exemplar(struct page *, const Mf__MetricSample *, size_t);
static void take_who(struct page *, const struct scraped *);
static void take_labels(struct page *, const struct scraped *, const Mf__MetricSample *);
static void write_number(struct buf *, double);
static void write_count(struct buf *, uint64_t);
static void write_escaped(struct buf *, const char *, bool);

void
exposition_write(struct buf *out, enum exposition form, size_t n, const struct scraped *all)
{
	struct page p = { out, form == EXPOSITION_OPENMETRICS, { NULL, 0, 0 } };
	const Mf__MetricFamily *head = NULL;
	struct piece *pieces;
	size_t n_pieces = 0, k = 0;

	write_up(&p, n, all);
	for (size_t i = 0; i < n; i++)
		n_pieces += all[i].metrics == NULL ? 0 : all[i].metrics->n_families;
	pieces = calloc(n_pieces + 1, sizeof(*pieces));
	if (pieces == NULL)
		fatal("out of memory");
	for (size_t i = 0; i < n; i++)
		for (size_t f = 0; all[i].metrics != NULL && f < all[i].metrics->n_families; f++)
			pieces[k++] = (struct piece){ all[i].metrics->families[f], &all[i] };
	qsort(pieces, n_pieces, sizeof(*pieces), by_name);
	for (size_t i = 0; i < n_pieces; i++) {
		const Mf__MetricFamily *f = pieces[i].family;

		if (head == NULL || strcmp(head->name, f->name) != 0) {
			head = f;
			write_head(&p, f->name, f->help, f->kind);
		}
		if (f->kind == head->kind)
			write_family(&p, &pieces[i]);
	}
	if (p.open)
		buf_puts(out, "# EOF\n");
	buf_free(&p.labels);
	free(pieces);
}

static int
by_name(const void *pa, const void *pb)
{
	const struct piece *a = pa, *b = pb;
	int c = strcmp(a->family->name, b->family->name);

	return c != 0 ? c : (a->of > b->of) - (a->of < b->of);
}

static void
write_up(struct page *p, size_t n, const struct scraped *all)
{
	write_head(
	    p, "metafed_up", "Whether the node answered this scrape.", MF__METRIC_KIND__GAUGE);
	for (size_t i = 0; i < n; i++) {
		take_who(p, &all[i]);
		write_line(p, "metafed_up", "", NULL);
		write_count(p->out, all[i].metrics != NULL);
		buf_add(p->out, "\n", 1);
	}
}

static void
write_head(struct page *p, const char *name, const char *help, Mf__MetricKind kind)
{
	static const char *const kinds[] = { "counter", "gauge", "histogram" };
	size_t n = strlen(name);
	const char *unit;

	if (p->open && kind == MF__METRIC_KIND__COUNTER && n > 6 &&
	    strcmp(name + n - 6, "_total") == 0)
		n -= 6;
	unit = unit_of(name, n);
	buf_printf(p->out, "# HELP %.*s ", (int)n, name);
	write_escaped(p->out, help, p->open);
	buf_printf(p->out, "\n# TYPE %.*s %s\n", (int)n, name,
	    (size_t)kind < 3 ? kinds[kind]
	    : p->open        ? "unknown"
			     : "untyped");
	if (p->open && unit != NULL)
		buf_printf(p->out, "# UNIT %.*s %s\n", (int)n, name, unit);
}

static const char *
unit_of(const char *name, size_t n)
{
	static const char *const units[] = { "seconds", "bytes", "ratio" };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t u = strlen(units[i]);

		if (n > u + 1 && name[n - u - 1] == '_' && memcmp(name + n - u, units[i], u) == 0)
			return units[i];
	}
	return NULL;
}

static void
write_family(struct page *p, const struct piece *k)
{
	for (size_t i = 0; i < k->family->n_samples; i++) {
		const Mf__MetricSample *s = k->family->samples[i];

		take_labels(p, k->of, s);
		if (k->family->kind == MF__METRIC_KIND__HISTOGRAM) {
			write_histogram(p, k->family, s);
			continue;
		}
		write_line(p, k->family->name, "", NULL);
		write_number(p->out, s->value);
		buf_add(p->out, "\n", 1);
	}
}

static void
write_histogram(struct page *p, const Mf__MetricFamily *f, const Mf__MetricSample *s)
{
	char bound[32];
	size_t n = f->n_bounds < s->n_bucket_counts ? f->n_bounds : s->n_bucket_counts;

	for (size_t i = 0; i <= n; i++) {
		if (i < n)
			snprintf(bound, sizeof(bound), "%g%s", f->bounds[i],
			    p->open && f->bounds[i] == floor(f->bounds[i]) ? ".0" : "");
		write_line(p, f->name, "_bucket", i < n ? bound : "+Inf");
		write_count(p->out, i < n ? s->bucket_counts[i] : s->count);
		if (p->open)
			write_exemplar(p, s, i);
		buf_add(p->out, "\n", 1);
	}
	write_line(p, f->name, "_sum", NULL);
	write_number(p->out, s->value);
	buf_add(p->out, "\n", 1);
	write_line(p, f->name, "_count", NULL);
	write_count(p->out, s->count);
	buf_add(p->out, "\n", 1);
}

/* All of a line but its value. */
static void
write_line(struct page *p, const char *name, const char *suffix, const char *bound)
{
	buf_puts(p->out, name);
	buf_puts(p->out, suffix);
	buf_add(p->out, "{", 1);
	buf_add(p->out, p->labels.p, p->labels.n);
	if (bound != NULL) {
		buf_puts(p->out, ",le=\"");
		buf_puts(p->out, bound);
		buf_add(p->out, "\"", 1);
	}
	buf_add(p->out, "} ", 2);
}

static void
write_exemplar(struct page *p, const Mf__MetricSample *s, size_t bucket)
{
	for (size_t i = 0; i < s->n_exemplars; i++) {
		const Mf__MetricExemplar *e = s->exemplars[i];

		if (e->bucket != bucket)
			continue;
		buf_puts(p->out, " # {trace_id=\"");
		write_escaped(p->out, e->trace_id, true);
		buf_puts(p->out, "\"} ");
		write_number(p->out, e->value);
		buf_printf(p->out, " %.3f", e->at);
		return;
	}
}

static void
take_who(struct page *p, const struct scraped *who)
{
	p->labels.n = 0;
	buf_printf(&p->labels, "node=\"%s\"", who->node);
	if (who->replica == NULL)
		return;
	buf_puts(&p->labels, ",replica=\"");
	write_escaped(&p->labels, who->replica, true);
	buf_add(&p->labels, "\"", 1);
}

/* A label `node` of the sample's own would clash with ours: it is renamed as Prometheus does. */
static void
take_labels(struct page *p, const struct scraped *who, const Mf__MetricSample *s)
{
	take_who(p, who);
	for (size_t i = 0; i < s->n_labels; i++) {
		const Mf__KeyValue *l = s->labels[i];

		buf_puts(&p->labels, strcmp(l->key, "node") == 0 ? ",exported_" : ",");
		buf_puts(&p->labels, l->key);
		buf_puts(&p->labels, "=\"");
		write_escaped(&p->labels, l->value, true);
		buf_add(&p->labels, "\"", 1);
	}
}

/* The shortest text that is this number when it is read again; most are whole. */
static void
write_number(struct buf *b, double v)
{
	char text[40];

	if (v >= 0 && v < 9e15 && v == (double)(uint64_t)v) {
		write_count(b, (uint64_t)v);
		return;
	}
	if (isnan(v) || isinf(v)) {
		buf_puts(b, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	buf_puts(b, text);
}

static void
write_count(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	buf_add(b, digits + at, sizeof(digits) - at);
}

static void
write_escaped(struct buf *b, const char *s, bool quotes)
{
	const char *const special = quotes ? "\\\n\"" : "\\\n";

	for (;;) {
		size_t n = strcspn(s, special);

		buf_add(b, s, n);
		if (s[n] == '\0')
			return;
		buf_puts(b, s[n] == '\n' ? "\\n" : s[n] == '"' ? "\\\"" : "\\\\");
		s += n + 1;
	}
}
