/* reliability: any bytes as a stored report: what is read is shown in every form, and the page has no
 * markup but ours. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "cli/reliability/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
show(const json_t *doc)
{
	struct buf page = { 0 };
	char *table = NULL;
	size_t n;
	FILE *f = open_memstream(&table, &n);

	must(f != NULL);
	report_table(f, doc);
	must(fclose(f) == 0);
	must(memchr(table, '\x1b', n) == NULL);
	free(table);
	report_html(&page, doc);
	must(memmem(page.p, page.n, "<script", 7) == NULL && memchr(page.p, 0, page.n) == NULL);
	buf_free(&page);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char err[256] = "";
	json_t *doc = report_read(data, n, err, sizeof(err));

	must((doc == NULL) == (err[0] != '\0'));
	if (doc != NULL)
		show(doc);
	json_decref(doc);
	return 0;
}
