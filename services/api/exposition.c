/* exposition: metrics of many nodes as one page in Prometheus' text format 0.0.4. Families of the
 * same name are one family: HELP and TYPE stand once, each sample says its node. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/log.h"

struct piece { /* a family of one node */
	const Mf__MetricFamily *family;
	const char *node;
	size_t order;
};

static int by_name(const void *, const void *);
static void write_up(struct buf *, size_t, const char *const *, const Mf__Metrics *const *);
static void write_head(struct buf *, const char *, const char *, Mf__MetricKind);
static void write_family(struct buf *, const struct piece *);
static void write_histogram(struct buf *, const struct piece *, const Mf__MetricSample *);
static void write_labels(struct buf *, const char *, const Mf__MetricSample *, const char *);
static void write_escaped(struct buf *, const char *, bool);

void
exposition_write(
    struct buf *out, size_t n, const char *const *nodes, const Mf__Metrics *const *metrics)
{
	struct piece *pieces;
	size_t n_pieces = 0, k = 0;

	write_up(out, n, nodes, metrics);
	for (size_t i = 0; i < n; i++)
		n_pieces += metrics[i] == NULL ? 0 : metrics[i]->n_families;
	pieces = calloc(n_pieces + 1, sizeof(*pieces));
	if (pieces == NULL)
		fatal("out of memory");
	for (size_t i = 0; i < n; i++)
		for (size_t f = 0; metrics[i] != NULL && f < metrics[i]->n_families; f++, k++)
			pieces[k] = (struct piece){ metrics[i]->families[f], nodes[i], k };
	qsort(pieces, n_pieces, sizeof(*pieces), by_name);
	for (size_t i = 0; i < n_pieces; i++) {
		const Mf__MetricFamily *f = pieces[i].family;

		if (i == 0 || strcmp(pieces[i - 1].family->name, f->name) != 0)
			write_head(out, f->name, f->help, f->kind);
		write_family(out, &pieces[i]);
	}
	free(pieces);
}

static int
by_name(const void *pa, const void *pb)
{
	const struct piece *a = pa, *b = pb;
	int c = strcmp(a->family->name, b->family->name);

	return c != 0 ? c : (a->order > b->order) - (a->order < b->order);
}

static void
write_up(struct buf *out, size_t n, const char *const *nodes, const Mf__Metrics *const *metrics)
{
	write_head(
	    out, "metafed_up", "Whether the node answered this scrape.", MF__METRIC_KIND__GAUGE);
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "metafed_up{node=\"%s\"} %d\n", nodes[i], metrics[i] != NULL);
}

static void
write_head(struct buf *out, const char *name, const char *help, Mf__MetricKind kind)
{
	static const char *const kinds[] = { "counter", "gauge", "histogram" };

	buf_printf(out, "# HELP %s ", name);
	write_escaped(out, help, false);
	buf_printf(out, "\n# TYPE %s %s\n", name, (size_t)kind < 3 ? kinds[kind] : "untyped");
}

static void
write_family(struct buf *out, const struct piece *p)
{
	for (size_t i = 0; i < p->family->n_samples; i++) {
		const Mf__MetricSample *s = p->family->samples[i];

		if (p->family->kind == MF__METRIC_KIND__HISTOGRAM) {
			write_histogram(out, p, s);
			continue;
		}
		buf_puts(out, p->family->name);
		write_labels(out, p->node, s, NULL);
		buf_printf(out, " %.17g\n", s->value);
	}
}

static void
write_histogram(struct buf *out, const struct piece *p, const Mf__MetricSample *s)
{
	char bound[32];

	for (size_t i = 0; i < p->family->n_bounds && i < s->n_bucket_counts; i++) {
		snprintf(bound, sizeof(bound), "%g", p->family->bounds[i]);
		buf_printf(out, "%s_bucket", p->family->name);
		write_labels(out, p->node, s, bound);
		buf_printf(out, " %" PRIu64 "\n", s->bucket_counts[i]);
	}
	buf_printf(out, "%s_bucket", p->family->name);
	write_labels(out, p->node, s, "+Inf");
	buf_printf(out, " %" PRIu64 "\n%s_sum", s->count, p->family->name);
	write_labels(out, p->node, s, NULL);
	buf_printf(out, " %.17g\n%s_count", s->value, p->family->name);
	write_labels(out, p->node, s, NULL);
	buf_printf(out, " %" PRIu64 "\n", s->count);
}

/* A label `node` of the sample's own would clash with ours: it is renamed as Prometheus does. */
static void
write_labels(struct buf *out, const char *node, const Mf__MetricSample *s, const char *bound)
{
	buf_printf(out, "{node=\"%s\"", node);
	for (size_t i = 0; i < s->n_labels; i++) {
		const Mf__KeyValue *l = s->labels[i];

		buf_printf(out, ",%s%s=\"", strcmp(l->key, "node") == 0 ? "exported_" : "", l->key);
		write_escaped(out, l->value, true);
		buf_puts(out, "\"");
	}
	if (bound != NULL)
		buf_printf(out, ",le=\"%s\"", bound);
	buf_puts(out, "}");
}

static void
write_escaped(struct buf *out, const char *s, bool quotes)
{
	for (; *s != '\0'; s++) {
		if (*s == '\\')
			buf_puts(out, "\\\\");
		else if (*s == '\n')
			buf_puts(out, "\\n");
		else if (*s == '"' && quotes)
			buf_puts(out, "\\\"");
		else
			buf_add(out, s, 1);
	}
}
