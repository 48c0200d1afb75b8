/* error: what is told to a client. A message, where in the document, which field, and as extensions
 * the same code and reason that every other face of the system gives. */
#include <stdarg.h>
#include <string.h>

#include "api/graphql/engine/gql.h"
#include "base/failure.h"

#define PATH_MOST 256

static void
write_one(struct jw *, const struct gql_errors *, const struct gql_error *, const char *);
static void write_path(struct jw *, const struct gql_step *);
static void write_extensions(struct jw *, const struct failure *, const char *);

const struct failure gql_parse_failed = {
	.status = ST_INVALID_ARGUMENT, .message = "", .reason = "GRAPHQL_PARSE_FAILED"
};
const struct failure gql_validation_failed = {
	.status = ST_INVALID_ARGUMENT, .message = "", .reason = "GRAPHQL_VALIDATION_FAILED"
};
const struct failure gql_too_complex = {
	.status = ST_INVALID_ARGUMENT, .message = "", .reason = "GRAPHQL_TOO_COMPLEX"
};
const struct failure gql_bad_variables = {
	.status = ST_INVALID_ARGUMENT, .message = "", .reason = "GRAPHQL_BAD_VARIABLES"
};
const struct failure gql_no_operation = {
	.status = ST_INVALID_ARGUMENT, .message = "", .reason = "GRAPHQL_NO_OPERATION"
};

void
gql_errors_init(struct gql_errors *e, struct arena *a)
{
	*e = (struct gql_errors){ .a = a };
	e->end = &e->first;
}

struct gql_error *
gql_error_add(struct gql_errors *e, const struct failure *why, uint32_t at, const char *fmt, ...)
{
	struct gql_error *r;
	va_list ap;

	if (e->n++ >= GQL_ERRORS_MOST)
		return &e->spare; /* nobody reads it */
	r = ARENA_NEW(e->a, struct gql_error);
	va_start(ap, fmt);
	r->message = arena_vprintf(e->a, fmt, ap);
	va_end(ap);
	r->why = why;
	r->at[0] = at;
	r->n_at = 1;
	*e->end = r;
	e->end = &r->next;
	return r;
}

void
gql_errors_write(struct jw *w, const struct gql_errors *e, const char *trace_id)
{
	jw_array(w, "errors");
	for (const struct gql_error *r = e->first; r != NULL; r = r->next)
		write_one(w, e, r, trace_id);
	if (e->n > GQL_ERRORS_MOST) {
		jw_object(w, NULL);
		jw_str(w, "message", "Too many errors: the others are not shown.");
		write_extensions(w, &gql_too_complex, trace_id);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
write_one(struct jw *w, const struct gql_errors *e, const struct gql_error *r, const char *trace_id)
{
	jw_object(w, NULL);
	jw_str(w, "message", r->message);
	if (r->n_at != 0 && e->text.p != NULL) {
		jw_array(w, "locations");
		for (unsigned i = 0; i < r->n_at; i++) {
			uint32_t line, column;

			gql_locate(e->text, r->at[i], &line, &column);
			jw_object(w, NULL);
			jw_int(w, "line", line);
			jw_int(w, "column", column);
			jw_close(w, '}');
		}
		jw_close(w, ']');
	}
	if (r->path != NULL)
		write_path(w, r->path);
	write_extensions(w, r->why, trace_id);
	jw_close(w, '}');
}

static void
write_path(struct jw *w, const struct gql_step *last)
{
	const struct gql_step *steps[PATH_MOST];
	size_t n = 0;

	for (; last != NULL && n < PATH_MOST; last = last->up)
		steps[n++] = last;
	jw_array(w, "path");
	while (n-- > 0) {
		if (steps[n]->name != NULL)
			jw_str(w, NULL, steps[n]->name);
		else
			jw_int(w, NULL, steps[n]->place);
	}
	jw_close(w, ']');
}

/* The names are those of the problem details that REST answers (RFC 9457). */
static void
write_extensions(struct jw *w, const struct failure *f, const char *trace_id)
{
	jw_object(w, "extensions");
	jw_failure(w, f, trace_id);
	jw_close(w, '}');
}

/* Both count from 1; a column is a character. */
void
gql_locate(struct str text, uint32_t at, uint32_t *line, uint32_t *column)
{
	*line = *column = 1;
	for (uint32_t i = 0; i < at && i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c == '\n' || c == '\r') {
			if (c == '\r' && i + 1 < text.n && text.p[i + 1] == '\n' && i + 1 < at)
				i++;
			++*line;
			*column = 1;
		} else if ((c & 0xc0) != 0x80) {
			++*column;
		}
	}
}
