/* output: answers for people (tables, one line for a problem) or for programs (--json: the body as
 * it came). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/cli.h"

/* Of a line that goes to a file or a program: nothing is cut. */
#define WIDE 100000
#define LAST_LEAST                                                                                 \
	12 /* of the last column; where not even that fits, it is not cut: the line breaks */
#define COLUMNS_MOST 16

static size_t control(const char *);
static void tell(const char *, const char *);
static int fit(const json_t *, const struct column *, bool, int *);
static int shown_width(const char *);
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
	if (a->degraded)
		cli_note_degraded();
	if (a->problem != NULL) {
		fflush(stdout);
		cli_error(
		    "%s%s", a->problem, a->status == 401 ? "; metafed login comes first" : "");
		json_array_foreach(errors, i, e)
			if (json_array_size(errors) > 1)	/* one alone is what the problem says */
				tell(json_string_value(json_object_get(e, "pointer")) ?:
				    json_string_value(json_object_get(e, "parameter")) ?: "?",
				    json_string_value(json_object_get(e, "detail")) ?: "is wrong");
	}
	return cli_exit_of(a);
}

static void
tell(const char *where, const char *what)
{
	fputs("  ", stderr);
	cli_put(stderr, where);
	fputs(": ", stderr);
	cli_put(stderr, what);
	fputc('\n', stderr);
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

	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	fputs("metafed: ", stderr);
	cli_put(stderr, text);
	fputc('\n', stderr);
	free(text);
}

/* Bytes of a control character there, C1 in UTF-8 too, and of what ends a line or turns the order of others
 * round (U+2028 to 202E, U+2066 to 2069); 0: it is none. */
static size_t
control(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
		return 2;
	if (p[0] == 0xe2 && ((p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae) ||
				(p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)))
		return 3;
	return (p[0] < ' ' && p[0] != '\n' && p[0] != '\t') || p[0] == 0x7f;
}

/* Of a character that control() found. */
static unsigned
code_point(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;

	return n < 3 ? p[n - 1] : (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
}

void
cli_put(FILE *f, const char *s)
{
	for (size_t n; *s != '\0'; s += n == 0 ? 1 : n) {
		n = control(s);
		fputc(n != 0 ? ' ' : *s, f);
	}
}

/* Those below blank are written as escapes already; the others stand in strings alone. */
void
cli_put_text(const char *s)
{
	for (size_t n; *s != '\0'; s += n + (s[n] != '\0')) {
		char *line;

		n = strcspn(s, "\n");
		if ((line = strndup(s, n)) == NULL)
			abort();
		cli_put(stdout, line);
		putchar('\n');
		free(line);
	}
}

void
cli_put_json(const json_t *v, size_t flags)
{
	char *text = json_dumps(v, flags | JSON_ENCODE_ANY);

	for (const char *s = text; s != NULL && *s != '\0';) {
		size_t n = control(s);

		if (n == 0) {
			fputc(*s++, stdout);
			continue;
		}
		printf("\\u%04X", code_point(s, n));
		s += n;
	}
	free(text);
}

/* To people and to scripts that keep what is told: the answer itself is as ever. */
void
cli_note_degraded(void)
{
	fflush(stdout);
	fputs("degraded: PostgreSQL is away, or just back: writes of tasks wait in the journal\n",
	    stderr);
}

void
cli_table(const json_t *items, const struct column *columns, bool titles)
{
	int widths[COLUMNS_MOST], n = fit(items, columns, titles, widths);
	char text[512];
	size_t i;
	json_t *item;

	for (int k = 0; titles && k < n; k++)
		put_cell(columns[k].title, widths[k], k + 1 == n);
	json_array_foreach(items, i, item) for (int k = 0; k < n; k++) put_cell(
	    cell_text(json_object_get(item, columns[k].key), &columns[k], text, sizeof(text)),
	    widths[k], k + 1 == n);
}

/* How wide each is: as said; where the line is too short for that, as what is in it. Their number. */
static int
fit(const json_t *items, const struct column *columns, bool titles, int *widths)
{
	int line = line_width(), used = 0, n = 0;
	char text[512];
	size_t i;
	json_t *item;

	for (; columns[n].key != NULL; n++) {
		must(n < COLUMNS_MOST);
		used += widths[n] = columns[n].width;
	}
	for (int k = 0; used + LAST_LEAST > line && k < n; k++) {
		int most = titles ? shown_width(columns[k].title) : 0;

		if (columns[k].width == 0)
			continue;
		json_array_foreach(items, i, item)
		{
			int w = shown_width(cell_text(json_object_get(item, columns[k].key),
			    &columns[k], text, sizeof(text)));

			most = w > most ? w : most;
		}
		if (most + 1 < widths[k]) {
			used -= widths[k] - (most + 1);
			widths[k] = most + 1;
		}
	}
	for (int k = 0; k < n; k++)
		if (columns[k].width == 0)
			widths[k] = line - used < LAST_LEAST ? WIDE : line - used;
	return n;
}

static int
shown_width(const char *s)
{
	int n = 0;

	for (; *s != '\0'; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

static int
line_width(void)
{
	struct winsize w;
	const char *columns = getenv("COLUMNS");

	if (columns != NULL && atoi(columns) > 20)
		return atoi(columns);
	if (ioctl(1, TIOCGWINSZ, &w) == 0)
		return w.ws_col > 20 ? w.ws_col : 110;
	return WIDE;
}

/* Cut or filled to `width` characters (not bytes); a line break inside becomes a blank. */
static void
put_cell(const char *s, int width, bool last)
{
	int n = 0;

	for (size_t c; *s != '\0' && n < width - 1; s += c == 0 ? 1 : c) {
		c = control(s);
		if ((*s & 0xc0) != 0x80)
			n++;
		fputc(*s == '\n' || *s == '\t' || c != 0 ? ' ' : *s, stdout);
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
	if (json_is_string(v) && k->as == CELL_TIME && json_string_length(v) > 16) {
		/* RFC 3339 to the minute; the fleet writes UTC */
		snprintf(
		    text, size, "%.10s %.5sZ", json_string_value(v), json_string_value(v) + 11);
		return text;
	}
	if (json_is_string(v))
		return json_string_value(v);
	if (k->as == CELL_BYTES) {
		snprintf(text, size,
		    n < 1e3   ? "%.0f B"
		    : n < 1e5 ? "%.1f kB"
			      : "%.1f MB",
		    n < 1e3   ? n
		    : n < 1e5 ? n / 1e3
			      : n / 1e6);
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
