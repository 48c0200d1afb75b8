/* output: answers for people (tables, one line for a problem) or for programs (--json: the body as
 * it came). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"

static int line_width(void);
static void put_cell(const char *, int, bool);
static const char *cell_text(const json_t *, const struct column *, char *, size_t);

int
cli_result(struct cli *cli, const struct answer *a)
{
	const json_t *errors = json_object_get(a->json, "errors");
	size_t i;
	json_t *e;

	if (cli->json && a->body != NULL && a->n > 0) {
		fwrite(a->body, 1, a->n, stdout);
		if (a->body[a->n - 1] != '\n')
			fputc('\n', stdout);
	}
	if (a->problem != NULL) {
		fflush(stdout);
		cli_error(
		    "%s%s", a->problem, a->status == 401 ? "; metafed login comes first" : "");
		json_array_foreach(errors, i, e)
			if (json_array_size(errors) > 1)	/* one alone is what the problem says */
				fprintf(stderr, "  %s: %s\n", json_string_value(json_object_get(e, "pointer")) ?:
				    json_string_value(json_object_get(e, "parameter")) ?: "?",
				    json_string_value(json_object_get(e, "detail")) ?: "is wrong");
	}
	return cli_exit_of(a);
}

int
cli_exit_of(const struct answer *a)
{
	if (a->status >= 200 && a->status <= 299)
		return CLI_OK;
	switch (a->status) {
	case 0:
	case 429:
	case 502:
	case 503:
	case 504:
		return CLI_UNAVAILABLE;
	case 401:
	case 403:
		return CLI_AUTH;
	case 404:
		return CLI_NOT_FOUND;
	case 409:
	case 412:
		return CLI_CONFLICT;
	default:
		return CLI_REFUSED;
	}
}

void
cli_encode(struct arena *a, char **params, const char *name, const char *value)
{
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
	char *out = arena_alloc(a, strlen(value) * 3 + 1), *p = out;

	for (; *value != '\0'; value++)
		if (strchr(plain, *value) != NULL)
			*p++ = *value;
		else
			p += sprintf(p, "%%%02X", (unsigned)(unsigned char)*value);
	*p = '\0';
	*params = arena_printf(a, "%s%s%s=%s", *params, (*params)[0] != '\0' ? "&" : "", name, out);
}

void
cli_error(const char *fmt, ...)
{
	va_list ap;

	fputs("metafed: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void
cli_table(const json_t *items, const struct column *columns, bool titles)
{
	int total = line_width(), used = 0;
	char text[512];
	size_t i;
	json_t *item;

	for (const struct column *k = columns; k->key != NULL; k++)
		used += k->width;
	for (const struct column *k = columns; titles && k->key != NULL; k++)
		put_cell(k->title, k->width != 0 ? k->width : total - used, k[1].key == NULL);
	json_array_foreach(items, i, item) for (const struct column *k = columns; k->key != NULL;
						k++)
	    put_cell(cell_text(json_object_get(item, k->key), k, text, sizeof(text)),
		k->width != 0 ? k->width : total - used, k[1].key == NULL);
}

static int
line_width(void)
{
	struct winsize w;
	const char *columns = getenv("COLUMNS");

	if (columns != NULL && atoi(columns) > 20)
		return atoi(columns);
	return ioctl(1, TIOCGWINSZ, &w) == 0 && w.ws_col > 20 ? w.ws_col : 110;
}

/* Cut or filled to `width` characters (not bytes); a line break inside becomes a blank. */
static void
put_cell(const char *s, int width, bool last)
{
	int n = 0;

	for (; *s != '\0' && n < width - 1; s++) {
		if ((*s & 0xc0) != 0x80)
			n++;
		fputc((unsigned char)*s < ' ' ? ' ' : *s, stdout);
	}
	for (; (*s & 0xc0) == 0x80; s++)
		fputc(*s, stdout);
	for (; !last && n < width; n++)
		fputc(' ', stdout);
	if (last)
		fputc('\n', stdout);
}

static const char *
cell_text(const json_t *v, const struct column *k, char *text, size_t size)
{
	double n = json_number_value(v);
	char *dump;

	if (v == NULL || json_is_null(v))
		return "";
	if (json_is_string(v))
		return json_string_value(v);
	if (k->as == CELL_BYTES) {
		snprintf(text, size, "%.1f MB", n / 1e6);
		return text;
	}
	if (k->as == CELL_SECONDS) {
		snprintf(text, size,
		    n < 120    ? "%.0f s"
		    : n < 7200 ? "%.0f min"
			       : "%.0f h",
		    n < 120    ? n
		    : n < 7200 ? n / 60
			       : n / 3600);
		return text;
	}
	dump = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
	snprintf(text, size, "%s", dump != NULL ? dump : "");
	free(dump);
	return text;
}
