/* report_int: what the parts of the report share. */
#ifndef RELIABILITY_REPORT_INT_H
#define RELIABILITY_REPORT_INT_H

#include <jansson.h>
#include "cli/reliability/analysis.h"
#include "cli/reliability/result.h"

#define REPORT_FORMAT  "metafed-reliability"
#define REPORT_VERSION 1

json_t *report_num(double v); /* null where there is none */
json_t *report_interval(struct interval i);
const struct run *report_find(const struct result *r, enum run_kind kind); /* NULL: none */

/* Its tries and breakers, and what is injected on each level: not of a fleet that is in use. What would
 * be computed from them is null there. */
bool report_knows(const struct run *run);

/* --- report_live.c --- */
json_t *experiments_json(const struct result *r);
json_t *not_measured_json(const struct result *r);

/* --- comparison.c --- */
json_t *comparison_json(const struct result *r, const struct run *main);
json_t *correlated_json(const struct result *r);
json_t *power_json(const struct run *main, const struct figures *federation);
/* The spec's table: what must be reached, and whether it is; of a document that is complete but for
 * this. */
json_t *goals_json(const json_t *doc);

#endif
