/* project: see project.h. */
#include "database/nosql/project.h"

#include "base/failure.h"
#include "base/log.h"

static void take(const struct pointer *, const json_t *, json_t *);

struct projection *
projection_of(struct arena *a, char *const *fields, size_t n, struct failure *f)
{
	struct projection *p;
	const char *wrong;

	if (n > FIELDS_MOST) {
		failure_violation(a, f, "fields", "must be at most %d", FIELDS_MOST);
		n = 0;
	}
	p = arena_zalloc(a, sizeof(*p) + n * sizeof(p->fields[0]));
	for (; p->n < n; p->n++)
		if ((wrong = pointer_read(a, fields[p->n], &p->fields[p->n])) != NULL)
			failure_violation(a, f, arena_printf(a, "fields/%zu", p->n), "%s", wrong);
	return p;
}

void
projection_write(
    const struct projection *p, struct jw *w, const char *key, const char *json, size_t n)
{
	struct json_error e;
	json_t *doc, *out;

	if (p->n == 0) {
		jw_raw(w, key, json, n);
		return;
	}
	doc = json_read(json, n, &e);
	out = json_object();
	for (size_t i = 0; i < p->n; i++)
		take(&p->fields[i], doc, out);
	jw_json(w, key, out);
	json_decref(out);
	json_decref(doc);
}

static void
take(const struct pointer *p, const json_t *from, json_t *into)
{
	if (pointer_get(p, from) == NULL)
		return;
	for (size_t i = 0; i < p->n; i++) {
		json_t *v = json_object_get(from, p->names[i]),
		       *have = json_object_get(into, p->names[i]);

		if (i + 1 == p->n || !json_is_object(v)) {
			must(json_object_set_new(into, p->names[i], json_deep_copy(v)) == 0);
			return;
		}
		if (!json_is_object(have)) {
			have = json_object();
			must(json_object_set_new(into, p->names[i], have) == 0);
		}
		from = v;
		into = have;
	}
}
