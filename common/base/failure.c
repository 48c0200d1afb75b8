#include "base/failure.h"

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
