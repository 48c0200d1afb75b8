/* report_plots: the pictures of the page, each of the same numbers as the table beside it. False:
 * there is nothing to draw, and nothing was written. */
#ifndef RELIABILITY_REPORT_PLOTS_H
#define RELIABILITY_REPORT_PLOTS_H

#include <jansson.h>
#include <stdbool.h>
#include "base/str.h"

/* id: number of the page's plots so far, counted on */
typedef bool report_plot_fn(struct buf *out, const json_t *doc, unsigned *id);

report_plot_fn plot_kinds, plot_theory, plot_latency, plot_quiet_latency, plot_recovery,
    plot_timelines, plot_shapes;

#endif
