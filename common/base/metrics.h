/* metrics: counters, gauges, histograms of this process. Names by Prometheus' conventions (base
 * units, _total, _seconds). All of it lives on the loop thread. A family is made once (init);
 * series of a family are made on first use and kept: label values must come from a bounded set
 * (node, method, status), never from a client. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stddef.h>
#include <stdint.h>
#include "base/hist.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_family; /* opaque */

/* One line of a family. Keep the pointer: lookups are for init and rare paths. */
struct metric {
	double value;      /* counter, gauge */
	struct hist *hist; /* histogram of microseconds; rendered in seconds */
};

/* label_names: up to 4, NULL-ended; static strings, as name and help. The same name again returns
 * the same family. */
struct metric_family *metric_family(
    enum metric_kind kind, const char *name, const char *help, const char *const *label_names);
/* as many as names; copied */
struct metric *metric_get(struct metric_family *f, const char *const *label_values);
struct metric *metric_simple(enum metric_kind kind, const char *name, const char *help);

static inline void
metric_inc(struct metric *m)
{
	m->value += 1;
}
static inline void
metric_add(struct metric *m, double v)
{
	m->value += v;
}
static inline void
metric_set(struct metric *m, double v)
{
	m->value = v;
}
static inline void
metric_time(struct metric *m, int64_t us)
{
	hist_add(m->hist, us);
}

/* Upper bounds in seconds of every histogram as exported; n out. */
const double *metric_bounds(size_t *n);

/* Walks everything, for export; called on the loop thread. */
typedef void metric_visit_fn(void *ctx, enum metric_kind kind, const char *name, const char *help,
    size_t n_labels, const char *const *label_names, const char *const *label_values,
    const struct metric *m);
void metric_each(metric_visit_fn *visit, void *ctx);
/* Called before each walk, to fill gauges that are only worth computing then. */
void metric_on_collect(void (*fn)(void *ctx), void *ctx);

#endif
