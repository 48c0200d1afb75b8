/* result: what came of an execution, as JSON. */
#include "api/graphql/engine/exec.h"

static bool write_slot(struct jw *, const char *, const struct gql_value *, size_t);
static bool write_object(struct jw *, const char *, const struct frame *, size_t);
static bool write_list(struct jw *, const char *, const struct frame *, size_t);

bool
gql_write(struct jw *w, const struct gql_exec *e, const char *trace_id, size_t most)
{
	bool fits;

	jw_object(w, NULL);
	fits = gql_write_members(w, e, trace_id, most);
	jw_close(w, '}');
	return fits && w->n <= most;
}

bool
gql_write_members(struct jw *w, const struct gql_exec *e, const char *trace_id, size_t most)
{
	if (e->errors.n != 0)
		gql_errors_write(w, &e->errors, trace_id);
	if (!e->root->dead)
		return write_object(w, "data", e->root, most) && w->n <= most;
	jw_null(w, "data");
	return true;
}

bool
gql_has_data(const struct gql_exec *e)
{
	return !e->root->dead;
}

const struct gql_errors *
gql_exec_errors(const struct gql_exec *e)
{
	return &e->errors;
}

static bool
write_slot(struct jw *w, const char *key, const struct gql_value *v, size_t most)
{
	if (w->n > most)
		return false;
	if (v->kind == GQL_OBJECT)
		return write_object(w, key, v->object, most);
	if (v->kind == GQL_LIST)
		return write_list(w, key, v->object, most);
	gql_value_write(w, key, v);
	return true;
}

static bool
write_object(struct jw *w, const char *key, const struct frame *f, size_t most)
{
	bool fits = true;

	jw_object(w, key);
	for (uint32_t i = 0; i < f->n && fits; i++)
		fits = write_slot(w, f->plan->fields[i].key, &f->slots[i], most);
	jw_close(w, '}');
	return fits;
}

static bool
write_list(struct jw *w, const char *key, const struct frame *f, size_t most)
{
	bool fits = true;

	jw_array(w, key);
	for (uint32_t i = 0; i < f->n && fits; i++)
		fits = write_slot(w, NULL, &f->slots[i], most);
	jw_close(w, ']');
	return fits;
}
