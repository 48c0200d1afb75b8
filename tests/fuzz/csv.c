/* csv: the reader ends, never goes back, and reads a record that was written out again as it was.
 */
#include <stdlib.h>
#include <string.h>
#include "base/arena.h"
#include "base/log.h"
#include "cli/csv.h"

#define INPUT_MOST 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All fields quoted, quotes doubled: RFC 4180's one form that holds anything. */
static size_t
write_out(const struct csv_record *r, char *to)
{
	char *p = to;

	for (size_t i = 0; i < r->n; i++) {
		*p++ = '"';
		for (size_t j = 0; j < r->fields[i].n; j++) {
			if (r->fields[i].p[j] == '"')
				*p++ = '"';
			*p++ = r->fields[i].p[j];
		}
		*p++ = '"';
		*p++ = i + 1 < r->n ? ',' : '\n';
	}
	return (size_t)(p - to);
}

static void
must_read_back(const struct csv_record *r, struct arena *a)
{
	static char text[2 * INPUT_MOST + 4 * CSV_FIELDS_MOST];
	static struct csv_record again;
	struct csv c;

	csv_start(&c, text, write_out(r, text));
	must(csv_next(&c, a, &again) && again.wrong == NULL && again.n == r->n);
	for (size_t i = 0; i < r->n; i++)
		must(again.fields[i].n == r->fields[i].n &&
		     (r->fields[i].n == 0 ||
			 memcmp(again.fields[i].p, r->fields[i].p, r->fields[i].n) == 0));
	must(!csv_next(&c, a, &again));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct csv_record r;
	struct arena *a;
	struct csv c;
	size_t line = 0;

	if (size > INPUT_MOST)
		return 0;
	a = arena_new(1 << 20);
	csv_start(&c, (const char *)data, size);
	for (const char *before = c.p; csv_next(&c, a, &r); before = c.p) {
		must(c.p > before && c.p <= c.end && r.n <= CSV_FIELDS_MOST && r.line > line);
		line = r.line;
		if (r.wrong == NULL)
			must_read_back(&r, a);
		arena_reset(a);
	}
	must(c.p == c.end);
	arena_free(&a);
	return 0;
}
