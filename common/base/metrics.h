/* metrics: counters, gauges, histograms of this process. Names by Prometheus' conventions (base
 * units, _total, _seconds). All of it lives on the loop thread. A family is made once (init);
 * series of a family are made on first use and kept: label values must come from a bounded set
 * (node, method, status), never from a client.
 *
 * An exemplar is one observation of a histogram's bucket and the trace it was made in, so that a
 * person gets from "it was slow" to why. Whoever knows that a trace is kept adds it. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stddef.h>
#include <stdint.h>
#include "base/hist.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_family; /* opaque */

#define METRIC_BOUNDS 16 /* of every histogram; +Inf is one more */

struct exemplar {       /* the last one of its bucket */
	int64_t us;     /* what was observed */
	int64_t at_us;  /* wall clock */
	char trace[33]; /* "": there was none */
};

/* One line of a family. Keep the pointer: lookups are for init and rare paths. */
struct metric {
	double value;               /* counter, gauge */
	struct hist *hist;          /* histogram of microseconds; rendered in seconds */
	struct exemplar *exemplars; /* of it, METRIC_BOUNDS + 1; NULL: there was none */
};

/* label_names: up to 4, NULL-ended; static strings, as name and help. The same name again returns
 * the same family. */
struct metric_family *metric_family(
    enum metric_kind kind, const char *name, const char *help, const char *const *label_names);
/* as many as names; copied */
struct metric *metric_get(struct metric_family *f, const char *const *label_values);
/* Of what has gone for good, so that what comes and goes fills nothing; m is no more. */
void metric_drop(struct metric_family *f, struct metric *m);
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

/* Beside metric_time, of a trace that is kept: 32 hex digits, not all 0, else nothing happens. */
void metric_exemplar(struct metric *m, int64_t us, const char *trace_id);

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
