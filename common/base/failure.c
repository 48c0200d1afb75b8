/* failure: see failure.h. */
#include "base/failure.h"

#include <stdarg.h>
#include "base/arena.h"

/* A JSON Pointer as the fragment that RFC 9457's example shows; else the name of a parameter. */
static void
write_violation(struct jw *w, const struct violation *v)
{
	jw_object(w, NULL);
	if (v->field[0] == '/' || v->field[0] == '\0')
		jw_str(w, "pointer", arena_printf(w->a, "#%s", v->field));
	else
		jw_str(w, "parameter", v->field);
	jw_str(w, "detail", v->what);
	jw_close(w, '}');
}

void
jw_failure(struct jw *w, const struct failure *f, const char *trace_id)
{
	jw_str(w, "code", status_name(f->status));
	if (f->reason[0] != '\0')
		jw_str(w, "reason", f->reason);
	if (f->retry_ms != 0)
		jw_int(w, "retry_after_ms", f->retry_ms);
	if (trace_id[0] != '\0')
		jw_str(w, "trace_id", trace_id);
	if (f->n_violations == 0)
		return;
	jw_array(w, "errors");
	for (size_t i = 0; i < f->n_violations; i++)
		write_violation(w, &f->violations[i]);
	jw_close(w, ']');
}

void
failure_violation(struct arena *a, struct failure *f, const char *field, const char *fmt, ...)
{
	struct violation *v = (struct violation *)(uintptr_t)f->violations;
	va_list ap;

	if (f->n_violations == VIOLATIONS_MOST)
		return;
	if (f->n_violations == 0)
		f->violations = v = ARENA_ARRAY(a, struct violation, VIOLATIONS_MOST);
	va_start(ap, fmt);
	v[f->n_violations] =
	    (struct violation){ .field = field, .what = arena_vprintf(a, fmt, ap) };
	va_end(ap);
	if (f->n_violations++ == 0) {
		f->status = ST_INVALID_ARGUMENT;
		f->reason = "VALIDATION";
		f->message = arena_printf(
		    a, "%s%s%s", field, field[0] == '\0' ? "the body " : ": ", v->what);
	}
}

const char *
failure_pointer(struct arena *a, const char *at, const char *key)
{
	char out[128];
	size_t n = 0;

	for (; *key != '\0' && n + 3 < sizeof(out); key++) {
		if (*key == '~' || *key == '/') {
			out[n++] = '~';
			out[n++] = *key == '~' ? '0' : '1';
		} else {
			out[n++] = *key;
		}
	}
	out[n] = '\0';
	return arena_printf(a, "%s/%s", at, out);
}
