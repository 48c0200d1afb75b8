/* report: metafed reliability report FILE [--html OUT] [--json]: a stored measurement, shown again.
 * FILE and OUT may be - , but OUT not with --json. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/reliability/reliability.h"
#include "cli/reliability/report.h"

#define FILE_MOST (64u << 20)

static int usage(void);

int
cli_reliability_report(struct cli *cli, int argc, char **argv)
{
	const char *file = NULL, *html = NULL;
	json_t *doc;
	int status = CLI_OK;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--html") == 0 && i + 1 < argc)
			html = argv[++i];
		else if (file == NULL && (argv[i][0] != '-' || argv[i][1] == '\0'))
			file = argv[i];
		else
			return usage();
	}
	if (file == NULL || (cli->json && html != NULL && strcmp(html, "-") == 0))
		return usage();
	doc = report_load(file);
	if (doc == NULL)
		return CLI_REFUSED;
	if (html != NULL && !report_write_page(doc, html))
		status = CLI_REFUSED;
	if (cli->json) {
		cli_put_json(doc, JSON_COMPACT);
		putchar('\n');
	} else if (html == NULL) {
		report_table(stdout, doc);
	}
	json_decref(doc);
	return status;
}

static int
usage(void)
{
	cli_error("usage: metafed reliability report FILE [--html OUT]");
	return CLI_USAGE;
}

json_t *
report_load(const char *file)
{
	FILE *f = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
	struct buf text = { 0 };
	char part[65536], err[256];
	json_t *doc = NULL;
	size_t n;

	if (f == NULL) {
		cli_error("%s: %s", file, strerror(errno));
		return NULL;
	}
	while ((n = fread(part, 1, sizeof(part), f)) > 0 && text.n <= FILE_MOST)
		buf_add(&text, part, n);
	if (ferror(f))
		cli_error("%s: %s", file, strerror(errno));
	else if (text.n > FILE_MOST)
		cli_error("%s: no report is that long", file);
	else if ((doc = report_read(text.p, text.n, err, sizeof(err))) == NULL)
		cli_error("%s: %s", file, err);
	if (f != stdin)
		fclose(f);
	buf_free(&text);
	return doc;
}

bool
report_write_page(const json_t *doc, const char *path)
{
	FILE *f = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
	struct buf page = { 0 };
	bool ok;

	if (f == NULL) {
		cli_error("%s: %s", path, strerror(errno));
		return false;
	}
	report_html(&page, doc);
	ok = fwrite(page.p, 1, page.n, f) == page.n && fflush(f) == 0;
	if (f != stdout)
		ok = fclose(f) == 0 && ok;
	if (!ok)
		cli_error("%s: %s", path, strerror(errno));
	buf_free(&page);
	return ok;
}
