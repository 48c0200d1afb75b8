/* report: the analysis of a measurement and its three forms. The JSON document is the one that is
 * kept; table and page are made of it, so that a stored one can be shown again. */
#ifndef RELIABILITY_REPORT_H
#define RELIABILITY_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include "base/str.h"
#include "cli/reliability/result.h"

/* The analysis: {scenarios, seed, settings, federation, baseline, theory, mcnemar, recovery_ms, ...}.
 * The caller's to release. Needs one run of RUN_THEORY or RUN_ACTIVE; takes seconds, most of them for
 * the bootstrap. */
json_t *report_json(const struct result *r);

/* A document that somebody gives us. NULL: err says what is wrong with it. */
json_t *report_read(const void *p, size_t n, char *err, size_t err_size);

/* The same from a file, or from standard input ("-"). NULL: it was told why. */
json_t *report_load(const char *file);

void report_table(FILE *f, const json_t *doc);
void report_html(struct buf *out, const json_t *doc);
/* The page into a file, or to standard output ("-"). False: it was told why. */
bool report_write_page(const json_t *doc, const char *path);

#endif
