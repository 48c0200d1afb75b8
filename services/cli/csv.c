/* csv: one pass over the bytes. Line ends are LF or CRLF; quoted fields may hold them, and "" for a
 * quote. */
#include <string.h>

#include "cli/csv.h"

static bool quoted(struct csv *, struct arena *, struct str *, const char **);
static void plain(struct csv *, struct str *, const char **);
static void skip_line(struct csv *);
static bool take_end(struct csv *);

void
csv_start(struct csv *c, const char *p, size_t n)
{
	*c = (struct csv){ .p = p, .end = p + n, .line = 1 };
	if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		c->p += 3;
}

bool
csv_next(struct csv *c, struct arena *a, struct csv_record *r)
{
	while (take_end(c))
		;
	if (c->p == c->end)
		return false;
	r->line = c->line;
	r->n = 0;
	r->wrong = NULL;
	for (;;) {
		if (r->n == CSV_FIELDS_MOST) {
			r->wrong = "has too many fields";
			skip_line(c);
			return true;
		}
		if (c->p < c->end && *c->p == '"') {
			if (!quoted(c, a, &r->fields[r->n++], &r->wrong))
				return true;
		} else {
			plain(c, &r->fields[r->n++], &r->wrong);
		}
		if (c->p == c->end || take_end(c))
			return true;
		if (*c->p != ',') {
			r->wrong = "has text behind a closing quote";
			skip_line(c);
			return true;
		}
		c->p++;
	}
}

/* False: the quote is never closed, which takes the rest of the file. */
static bool
quoted(struct csv *c, struct arena *a, struct str *f, const char **wrong)
{
	const char *start = ++c->p, *p = start;
	size_t doubled = 0, line = c->line;
	char *out;

	for (; p < c->end; p++) {
		if (*p == '\n')
			line++;
		if (*p != '"')
			continue;
		if (p + 1 < c->end && p[1] == '"') {
			doubled++;
			p++;
			continue;
		}
		break;
	}
	if (p == c->end) {
		*wrong = "begins a quote that is never closed";
		c->p = c->end;
		return false;
	}
	*f = (struct str){ start, (size_t)(p - start) };
	if (memchr(start, '\0', f->n) != NULL)
		*wrong = "holds a NUL byte";
	if (doubled > 0) {
		out = arena_alloc(a, f->n - doubled + 1);
		f->n = 0;
		for (const char *q = start; q < p; q++) {
			out[f->n++] = *q;
			if (*q == '"')
				q++;
		}
		f->p = out;
	}
	c->p = p + 1;
	c->line = line;
	return true;
}

static void
plain(struct csv *c, struct str *f, const char **wrong)
{
	const char *start = c->p;

	while (c->p < c->end && *c->p != ',' && *c->p != '\n') {
		if (*c->p == '"' || *c->p == '\0')
			*wrong = *c->p == '"' ? "has a quote inside an unquoted field"
			                      : "holds a NUL byte";
		c->p++;
	}
	*f = (struct str){ start, (size_t)(c->p - start) };
	if ((c->p == c->end || *c->p == '\n') && f->n > 0 && start[f->n - 1] == '\r')
		f->n--;
}

static void
skip_line(struct csv *c)
{
	const char *nl = memchr(c->p, '\n', (size_t)(c->end - c->p));

	c->p = nl != NULL ? nl + 1 : c->end;
	c->line += nl != NULL;
}

static bool
take_end(struct csv *c)
{
	if (c->p < c->end && *c->p == '\r' && c->p + 1 < c->end && c->p[1] == '\n')
		c->p++;
	if (c->p == c->end || *c->p != '\n')
		return false;
	c->p++;
	c->line++;
	return true;
}
