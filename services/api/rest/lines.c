/* lines: a bulk create as application/x-ndjson: one task per line. Blank lines are read past; a line
 * that is no JSON has its own answer and hinders no other. */
#include <string.h>
#include <strings.h>

#include "api/rest/handling.h"

static const struct failure *bad_line(struct arena *, const struct json_error *);

bool
lines_wanted(const struct handling *h)
{
	static const char type[] = "application/x-ndjson";
	const char *v = handling_header(h, "content-type");

	return h->op.route->kind == OP_BULK && strncasecmp(v, type, sizeof(type) - 1) == 0 &&
	       strchr("; \t", v[sizeof(type) - 1]) != NULL;
}

/* One more than is allowed is read, so that it is refused where an array would be. */
void
lines_read(struct handling *h)
{
	struct str rest = { (const char *)h->q->body.data, h->q->body.len }, one;
	const struct failure **bad = ARENA_ARRAY(h->a, const struct failure *, BULK_MOST + 1);
	json_t *all = json_array();
	struct json_error e;

	call_own_json(h->c, all);
	while (rest.n != 0 && json_array_size(all) <= BULK_MOST) {
		size_t i = json_array_size(all);
		json_t *v;

		str_cut(rest, '\n', &one, &rest);
		if (one.n != 0 && one.p[one.n - 1] == '\r')
			one.n--;
		if (str_trim(one).n == 0)
			continue;
		v = json_read(one.p, one.n, &e);
		if (v == NULL)
			bad[i] = bad_line(h->a, &e);
		json_array_append_new(all, v != NULL ? v : json_null());
	}
	h->op.body = all;
	h->op.refused = bad;
	h->op.lines = true;
}

static const struct failure *
bad_line(struct arena *a, const struct json_error *e)
{
	struct failure *f = ARENA_NEW(a, struct failure);

	*f = (struct failure){ .status = ST_INVALID_ARGUMENT,
		.reason = "BAD_JSON",
		.message =
		    arena_printf(a, "the line is no JSON: column %d: %s", e->column, e->what) };
	return f;
}
