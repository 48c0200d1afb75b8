/* report_page: the tables of the page. */
#ifndef RELIABILITY_REPORT_PAGE_H
#define RELIABILITY_REPORT_PAGE_H

#include <jansson.h>
#include "base/str.h"
#include "cli/reliability/doc.h"

struct page {
	struct buf *out;
	const json_t *doc;
	unsigned pictures;
};

void page_goals(struct page *p);
void page_kinds(struct page *p);
void page_theory(struct page *p);
void page_latency(struct page *p);
void page_recovery(struct page *p);
void page_timelines(struct page *p);
void page_shapes(struct page *p);
void page_comparison(struct page *p);
void page_power(struct page *p);
void page_failures(struct page *p);
void page_experiments(struct page *p);  /* nothing where there were none */
void page_not_measured(struct page *p); /* nothing where nothing is named */
void page_settings(struct page *p);

#endif
